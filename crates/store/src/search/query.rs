//! What was typed, as the index understands it: a slot for each word, and in each slot what may stand for the word.

use std::collections::HashSet;

use rusqlite::Connection;

use super::lexicon::{Mention, lexicon};
use super::stem::stem;
use super::terms::hash;
use super::text::{self, Compounds, Word, Words, squash};
use super::vocabulary::{Meant, Vocabulary, completions, documents_with};
use crate::error::StoreError;

/// More words than anybody types; of a pasted page those that say most are kept.
const MOST_SLOTS: usize = 32;
/// What is read of a pasted page.
const LONGEST_TEXT: usize = 4_096;
/// How many completions of a word are looked for; those in most documents come first.
const COMPLETIONS: i64 = 12;
/// How many where the word stands by itself, too.
const COMPLETIONS_KNOWN: i64 = 4;
/// The least length of a word that is completed.
const SHORTEST_START: usize = 2;

/// Another name counts a little less than the word itself.
const SYNONYM: f64 = 0.75;
/// A word of a name is found by the other names of the thing, too.
const PART_OF_SYNONYM: f64 = 0.6;
/// What it usually is counts less than what it is called.
const RELATED: f64 = 0.35;
/// A word of a name that counts as a whole counts less by itself.
const IN_PHRASE: f64 = 0.6;
/// Numbers are mostly addresses, ages and counts.
const NUMBER: f64 = 0.5;
/// Neighbours that stand as one say a little more than each by itself.
const COMPOUND: f64 = 0.4;
/// A word that begins so.
const COMPLETED: f64 = 0.8;
/// The same, where what was typed is a word already.
const COMPLETED_KNOWN: f64 = 0.5;
/// A word that was probably meant, for each wrong letter.
const MEANT: f64 = 0.85;
/// So many letters a word has to have for each wrong one, to be surely the one that was meant.
const SURE_LETTERS: usize = 6;
/// How far a word counts as understood that may have been meant otherwise.
const DOUBTFUL: f64 = 0.4;
/// A name whose words stand near each other only.
const LOOSE: f64 = 0.6;
/// A word of such a name is found by the other names of the thing, too.
const PART_OF_LOOSE: f64 = 0.4;
/// What a service is called says less than what is wrong.
const OF_SERVICE: f64 = 0.5;
/// Text that came with an alert.
const BACKGROUND: f64 = 0.3;

/// What to look for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query {
    /// What somebody typed.
    pub text: String,
    /// The name of an alert.
    pub alert: Option<String>,
    /// What names the runbook outright: the end of an alert's `runbook_url`.
    pub runbooks: Vec<String>,
    /// Services that it happens to.
    pub services: Vec<String>,
    /// How severe it is, in the words of the documents.
    pub severity: Option<String>,
    /// Text that orders what is found and finds little by itself: an alert's summary and labels.
    pub background: String,
}

impl From<&str> for Query {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

/// How a term stands for a word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum How {
    /// It is the word, in some form.
    Word,
    /// The words were typed apart and stand as one.
    Joined,
    /// Another name for it.
    Synonym,
    /// What it usually is.
    Related,
    /// The word begins so.
    Start(String),
    /// The word that was probably meant.
    Meant(String),
}

/// A term that may stand for a word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variant {
    pub(crate) term: String,
    pub(crate) hash: u32,
    /// How well it stands for the word, from 0 to 1.
    pub(crate) weight: f64,
    /// How much it says: rare terms say more.
    pub(crate) rarity: f64,
    /// How many documents have it.
    pub(crate) documents: i64,
    pub(crate) how: How,
}

impl Variant {
    /// Whether it is a thing of the table of synonyms.
    pub(crate) fn is_concept(&self) -> bool {
        self.term.starts_with('_')
    }
}

/// What was typed in one place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    pub(crate) typed: String,
    pub(crate) variants: Vec<Variant>,
    /// How much it counts beside the others.
    pub(crate) factor: f64,
    /// Whether a document is expected to have it.
    pub(crate) expected: bool,
    /// How much it can say at most.
    pub(crate) mass: f64,
    /// Whether it is a correction that may be another word: of many letters one may be wrong, but not one of four.
    pub(crate) doubtful: bool,
}

impl Slot {
    fn new(typed: String, variants: Vec<Variant>, factor: f64, expected: bool) -> Self {
        let mass = factor * variants.iter().map(|variant| variant.weight * variant.rarity).fold(0.0, f64::max);
        Self { typed, variants, factor, expected, mass, doubtful: false }
    }

    /// How many documents have it, at most.
    pub(crate) fn documents(&self) -> i64 {
        self.variants.iter().map(|variant| variant.documents).sum()
    }
}

/// A query, prepared.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) slots: Vec<Slot>,
    /// Names that count as exact, squashed.
    pub(crate) names: Vec<String>,
    /// Names of runbooks, squashed.
    pub(crate) runbooks: Vec<String>,
    pub(crate) services: Vec<String>,
    pub(crate) severity: Option<String>,
    /// Which share of the telling words that were typed is understood; a doubtful correction counts in part.
    pub(crate) understood: f64,
    /// Whether nothing at all was asked.
    pub(crate) blank: bool,
}

/// What a word is taken for.
struct Reading {
    /// Of the word, or of what was probably meant by it.
    stem: String,
    variants: Vec<Variant>,
    halves: Vec<Variant>,
    ignored: bool,
    /// Whether another word may have been meant.
    doubtful: bool,
}

/// Everything that preparing a query looks things up in.
struct Builder<'a> {
    connection: &'a Connection,
    vocabulary: &'a Vocabulary,
    documents: f64,
    slots: Vec<Slot>,
    seen: HashSet<String>,
    /// How many telling words were read, and how many of them are understood.
    telling: f64,
    understood: f64,
}

/// Prepares a query.
pub(crate) fn plan(
    connection: &Connection,
    vocabulary: &Vocabulary,
    documents: i64,
    query: &Query,
) -> Result<Plan, StoreError> {
    let text = clipped(&query.text);
    #[allow(clippy::cast_precision_loss, reason = "a catalog has far fewer documents than a float counts exactly")]
    let documents = documents as f64;
    let mut builder = Builder {
        connection,
        vocabulary,
        documents,
        slots: Vec::new(),
        seen: HashSet::new(),
        telling: 0.0,
        understood: 0.0,
    };
    if let Some(alert) = &query.alert {
        builder.read(clipped(alert), 1.0, true, false)?;
    }
    builder.read(text, 1.0, true, true)?;
    // What comes with an alert is no query, and says nothing about how well that is understood.
    let understood = if builder.telling > 0.0 { builder.understood / builder.telling } else { 1.0 };
    for service in &query.services {
        builder.read(clipped(service), OF_SERVICE, false, false)?;
    }
    builder.read(clipped(&query.background), BACKGROUND, false, false)?;
    let mut slots = builder.slots;
    slots.retain(|slot| slot.mass > 0.0);
    if slots.len() > MOST_SLOTS {
        slots.sort_by(|a, b| b.mass.total_cmp(&a.mass));
        slots.truncate(MOST_SLOTS);
    }
    let mut names: Vec<String> = query.alert.iter().map(|alert| squash(alert)).collect();
    names.push(squash(text));
    names.extend(
        text.split_whitespace()
            .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
            .filter(|word| is_name(word))
            .map(squash),
    );
    names.retain(|name| !name.is_empty());
    names.dedup();
    names.truncate(MOST_SLOTS);
    Ok(Plan {
        slots,
        names,
        runbooks: query.runbooks.iter().map(|name| squash(name)).filter(|name| !name.is_empty()).collect(),
        services: query.services.iter().map(|service| squash(service)).collect(),
        severity: query.severity.clone(),
        understood,
        blank: query.text.trim().is_empty()
            && query.background.trim().is_empty()
            && query.alert.is_none()
            && query.runbooks.is_empty()
            && query.services.is_empty(),
    })
}

/// How far a word is understood: by itself or by another name of it fully, by a doubtful correction in part.
fn credit(slot: &Slot) -> f64 {
    match (slot.variants.is_empty(), slot.doubtful) {
        (true, _) => 0.0,
        (false, true) => DOUBTFUL,
        (false, false) => 1.0,
    }
}

fn clipped(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default()
}

/// Whether a single word of a query can be a whole name: it has several parts.
fn is_name(word: &str) -> bool {
    word.len() >= 4 && text::words(word, Compounds::AsWritten).sequence.len() > 1
}

impl Builder<'_> {
    fn variant(&self, term: String, weight: f64, how: How) -> Result<Option<Variant>, StoreError> {
        let documents = documents_with(self.connection, &term)?;
        if documents <= 0 {
            return Ok(None);
        }
        #[allow(clippy::cast_precision_loss, reason = "a catalog has far fewer documents than a float counts exactly")]
        let with = documents as f64;
        let rarity = (1.0 + (self.documents - with + 0.5).max(0.0) / (with + 0.5)).ln();
        Ok(Some(Variant { hash: hash(&term), term, weight, rarity, documents, how }))
    }

    /// Reads a text into slots.
    fn read(&mut self, text: &str, factor: f64, expected: bool, open: bool) -> Result<(), StoreError> {
        let Words { sequence, compounds } = text::words(text, Compounds::OfNeighbours);
        // Somebody who has typed a space is done with the word.
        let open = open && text.ends_with(char::is_alphanumeric);
        let last = sequence.len().saturating_sub(1);
        let mut readings = Vec::with_capacity(sequence.len());
        for (index, word) in sequence.iter().enumerate() {
            readings.push(self.reading(word, open && index == last)?);
        }
        // A name is recognised in spite of typing errors.
        let stems: Vec<&str> = readings.iter().map(|reading| reading.stem.as_str()).collect();
        let mut mentions = lexicon().mentions(&stems);
        // `disk space` inside of `no disk space left` says nothing more.
        let all = mentions.clone();
        mentions.retain(|inner| inner.length == 1 || !all.iter().any(|outer| outer.contains(inner)));
        let mut loose = lexicon().loose_mentions(&stems);
        loose.retain(|mention| !mentions.iter().any(|exact| exact.concept == mention.concept));
        for (index, (word, reading)) in sequence.iter().zip(&readings).enumerate() {
            if reading.ignored || !self.seen.insert(reading.stem.clone()) {
                continue;
            }
            let before = self.slots.len();
            self.word(word, reading, index, &mentions, &loose, factor, expected)?;
            if !word.text.chars().all(char::is_numeric) {
                self.telling += 1.0;
                self.understood += self.slots.get(before..).unwrap_or_default().iter().map(credit).fold(0.0, f64::max);
            }
        }
        let phrases: Vec<(&Mention, f64)> = mentions
            .iter()
            .filter(|mention| mention.length > 1)
            .map(|mention| (mention, 1.0))
            .chain(loose.iter().map(|mention| (mention, LOOSE)))
            .collect();
        for &(mention, weight) in &phrases {
            let range = mention.start..mention.start + mention.length;
            let Some(words) = sequence.get(range.clone()) else { continue };
            let typed = words.iter().map(|word| word.text.as_ref()).collect::<Vec<_>>().join(" ");
            let mut variants = Vec::new();
            self.concept(mention.concept, weight, &mut variants)?;
            // Several names for the same words share what the words can say.
            let sharing: f64 =
                phrases.iter().filter(|(other, _)| other.overlaps(mention)).map(|(_, weight)| weight).sum();
            // A name of nothing but small words, such as `up and down`, stands for itself.
            let alone = readings.get(range).is_some_and(|readings| readings.iter().all(|reading| reading.ignored));
            self.slots.push(Slot::new(typed, variants, factor / sharing.max(1.0), expected && alone));
        }
        for compound in &compounds {
            let stem = stem(&compound.text);
            if !self.seen.insert(stem.clone()) {
                continue;
            }
            let mut variants = Vec::new();
            for mention in lexicon().mentions(std::slice::from_ref(&stem)) {
                self.concept(mention.concept, SYNONYM, &mut variants)?;
            }
            variants.extend(self.variant(stem, 1.0, How::Joined)?);
            let typed = text.get(compound.at.clone()).unwrap_or_default().to_owned();
            self.slots.push(Slot::new(typed, variants, factor * COMPOUND, false));
        }
        Ok(())
    }

    /// What a word is taken for before the words around it are looked at.
    fn reading(&self, word: &Word<'_>, open: bool) -> Result<Reading, StoreError> {
        let own = stem(&word.text);
        let ignored = lexicon().is_ignored(&word.text);
        let mut reading =
            Reading { stem: own.clone(), variants: Vec::new(), halves: Vec::new(), ignored, doubtful: false };
        if ignored {
            return Ok(reading);
        }
        reading.variants.extend(self.variant(own, 1.0, How::Word)?);
        let known = !reading.variants.is_empty() || lexicon().has_word(&word.text);
        let long_enough = word.text.len() >= SHORTEST_START;
        if long_enough && (!known || open) {
            self.complete(word, known, &mut reading.variants)?;
        }
        let is_number = word.text.chars().all(char::is_numeric);
        if known || !reading.variants.is_empty() || is_number {
            return Ok(reading);
        }
        if let Some((first, second)) = self.halves(&word.text)? {
            reading.halves = vec![first, second];
            return Ok(reading);
        }
        let meant = self.vocabulary.corrections(self.connection, &word.text)?;
        if let Some(first) = meant.first() {
            reading.stem = stem(&first.word);
            reading.doubtful = SURE_LETTERS * first.distance > word.text.chars().count();
            self.correct(&meant, &mut reading.variants)?;
        }
        Ok(reading)
    }

    #[allow(clippy::too_many_arguments, reason = "what surrounds a word")]
    fn word(
        &mut self,
        word: &Word<'_>,
        reading: &Reading,
        index: usize,
        mentions: &[Mention],
        loose: &[Mention],
        factor: f64,
        expected: bool,
    ) -> Result<(), StoreError> {
        for half in &reading.halves {
            let variants = vec![half.clone()];
            self.slots.push(Slot::new(word.text.clone().into_owned(), variants, factor, expected));
        }
        if !reading.halves.is_empty() {
            return Ok(());
        }
        let around = |mention: &&Mention| (mention.start..mention.start + mention.length).contains(&index);
        let mut variants = reading.variants.clone();
        let mut in_phrase = false;
        for mention in mentions.iter().filter(around) {
            in_phrase |= mention.length > 1;
            let weight = if mention.length == 1 { SYNONYM } else { PART_OF_SYNONYM };
            self.concept(mention.concept, weight, &mut variants)?;
        }
        let mut near = false;
        for mention in loose.iter().filter(around) {
            near = true;
            self.concept(mention.concept, PART_OF_LOOSE, &mut variants)?;
        }
        let mut factor = factor;
        if in_phrase {
            factor *= IN_PHRASE;
        }
        if word.text.chars().all(char::is_numeric) {
            factor *= NUMBER;
        }
        // The words around it confirm what was meant.
        let doubtful = reading.doubtful && !in_phrase && !near;
        self.slots.push(Slot { doubtful, ..Slot::new(word.text.clone().into_owned(), variants, factor, expected) });
        Ok(())
    }

    /// Adds a concept of the table of synonyms, and what is related to it.
    fn concept(&self, concept: usize, weight: f64, variants: &mut Vec<Variant>) -> Result<(), StoreError> {
        let Some(found) = lexicon().get(concept) else { return Ok(()) };
        variants.extend(self.variant(found.term.clone(), weight, How::Synonym)?);
        for &related in &found.related {
            if let Some(related) = lexicon().get(related) {
                variants.extend(self.variant(related.term.clone(), weight * RELATED, How::Related)?);
            }
        }
        Ok(())
    }

    fn complete(&self, word: &Word<'_>, known: bool, variants: &mut Vec<Variant>) -> Result<(), StoreError> {
        let weight = if known { COMPLETED_KNOWN } else { COMPLETED };
        let mut seen: HashSet<String> = variants.iter().map(|variant| variant.term.clone()).collect();
        let most = if known { COMPLETIONS_KNOWN } else { COMPLETIONS };
        for full in completions(self.connection, &word.text, most)? {
            let stem = stem(&full);
            if seen.insert(stem.clone()) {
                variants.extend(self.variant(stem, weight, How::Start(full))?);
            }
        }
        Ok(())
    }

    fn correct(&self, meant: &[Meant], variants: &mut Vec<Variant>) -> Result<(), StoreError> {
        for meant in meant {
            let weight = if meant.distance == 1 { MEANT } else { MEANT * MEANT };
            let stem = stem(&meant.word);
            let how = How::Meant(meant.word.clone());
            for mention in lexicon().mentions(std::slice::from_ref(&stem)) {
                if let Some(concept) = lexicon().get(mention.concept) {
                    variants.extend(self.variant(concept.term.clone(), weight * SYNONYM, how.clone())?);
                }
            }
            variants.extend(self.variant(stem, weight, how)?);
        }
        Ok(())
    }

    /// Splits a word that stands in no document into two that do.
    fn halves(&self, word: &str) -> Result<Option<(Variant, Variant)>, StoreError> {
        let mut best: Option<(f64, (Variant, Variant))> = None;
        for (at, _) in word.char_indices().filter(|(at, _)| *at >= 3 && at + 3 <= word.len()) {
            let Some((first, second)) = word.split_at_checked(at) else { continue };
            let Some(first) = self.variant(stem(first), 0.9, How::Joined)? else { continue };
            let Some(second) = self.variant(stem(second), 0.9, How::Joined)? else { continue };
            // Frequent halves are words; rare ones are accidents.
            let rarest = first.rarity.max(second.rarity);
            if best.as_ref().is_none_or(|(known, _)| rarest < *known) {
                best = Some((rarest, (first, second)));
            }
        }
        Ok(best.map(|(_, halves)| halves))
    }
}
