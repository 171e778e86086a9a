//! Why a document was found, in words for the person who reads the list.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;

use super::entries::{heads, places};
use super::query::{How, Plan, Slot, Variant};
use super::ranking;
use super::terms::{FIELDS, Field, Vector};
use super::text::squash;
use crate::catalog::Document;

/// So much of a text is read to name the words that were found in it.
const READ: usize = 16_384;
/// More words of one field are not named.
const MOST_WORDS: usize = 6;

/// One reason why a document was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It is the runbook of exactly this alert.
    Alert(String),
    /// It has exactly this name, id or title.
    Named(String),
    /// It is about this service.
    Service(String),
    /// It is for this severity.
    Severity(String),
    /// An entry of a head has words of the query.
    Entry {
        /// Which field.
        field: Field,
        /// The entry.
        text: String,
    },
    /// A text has words of the query.
    Words {
        /// Which field.
        field: Field,
        /// The words as they stand.
        words: Vec<String>,
    },
    /// Another name for what was typed.
    Synonym {
        /// What was typed.
        typed: String,
        /// What stands in the document.
        found: String,
    },
    /// What the thing that was typed usually is.
    Related {
        /// What was typed.
        typed: String,
        /// What stands in the document.
        found: String,
    },
    /// A word that begins with what was typed.
    Start {
        /// What was typed.
        typed: String,
        /// The word.
        found: String,
    },
    /// A word that was probably meant.
    Meant {
        /// What was typed.
        typed: String,
        /// The word.
        found: String,
    },
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alert => "alert",
            Self::Name => "name",
            Self::Title => "title",
            Self::Symptom => "symptom",
            Self::Service => "service",
            Self::Tag => "tag",
            Self::Description => "description",
            Self::Body => "text",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(alert) => write!(f, "alert name {alert}"),
            Self::Named(name) => write!(f, "name {name}"),
            Self::Service(service) => write!(f, "service {service}"),
            Self::Severity(severity) => write!(f, "severity {severity}"),
            Self::Entry { field: field @ Field::Symptom, text } => write!(f, "{field} \"{text}\""),
            Self::Entry { field, text } => write!(f, "{field} {text}"),
            Self::Words { field, words } => write!(f, "{field}: {}", words.join(", ")),
            Self::Synonym { typed, found } => write!(f, "synonym {typed} → {found}"),
            Self::Related { typed, found } => write!(f, "related {typed} → {found}"),
            Self::Start { typed, found } => write!(f, "beginning {typed} → {found}"),
            Self::Meant { typed, found } => write!(f, "typing error {typed} → {found}"),
        }
    }
}

/// The reasons for a document, the strongest first.
pub(crate) fn reasons(plan: &Plan, document: &Document, vector: Vector<'_>) -> Vec<Reason> {
    let mut reasons = exact(plan, document);
    let best: Vec<_> = plan
        .slots
        .iter()
        .filter_map(|slot| best(slot, vector).map(|(variant, fields)| (slot, variant, fields)))
        .collect();
    let wanted = best.iter().map(|(_, variant, _)| variant.hash).collect();
    let concepts = best.iter().any(|(_, variant, _)| variant.is_concept());
    let mut texts = Texts::new(document, wanted, concepts);
    let mut by_field: BTreeMap<Field, Vec<(usize, String)>> = BTreeMap::new();
    let mut stand_ins = Vec::new();
    for (slot, variant, fields) in best {
        let mut first = true;
        for field in fields {
            let Some((entry, found)) = texts.find(field, variant.hash) else { continue };
            by_field.entry(field).or_default().push((entry, found.clone()));
            if std::mem::take(&mut first) {
                stand_ins.extend(stand_in(slot, variant, found));
            }
        }
    }
    for (field, found) in by_field {
        match field {
            Field::Alert | Field::Symptom => {
                let mut entries: Vec<usize> = found.into_iter().map(|(entry, _)| entry).collect();
                entries.sort_unstable();
                entries.dedup();
                for text in entries.into_iter().filter_map(|entry| texts.entry(field, entry)) {
                    let known = Reason::Alert(text.to_owned());
                    if !reasons.contains(&known) {
                        reasons.push(Reason::Entry { field, text: text.to_owned() });
                    }
                }
            }
            Field::Name | Field::Title | Field::Service | Field::Tag | Field::Description | Field::Body => {
                let mut words: Vec<String> = Vec::new();
                for (_, word) in found {
                    if !words.iter().any(|known| known.eq_ignore_ascii_case(&word)) && words.len() < MOST_WORDS {
                        words.push(word);
                    }
                }
                reasons.push(Reason::Words { field, words });
            }
        }
    }
    for (index, reason) in stand_ins.iter().enumerate() {
        let told = reasons.contains(reason)
            || stand_ins.iter().enumerate().any(|(other, longer)| other != index && longer.says_more_than(reason));
        if !told {
            reasons.push(reason.clone());
        }
    }
    reasons
}

impl Reason {
    /// Whether this names more of the query than `other` for the same words of the document.
    fn says_more_than(&self, other: &Self) -> bool {
        let (
            Self::Synonym { typed: longer, found } | Self::Related { typed: longer, found },
            Self::Synonym { typed: shorter, found: same } | Self::Related { typed: shorter, found: same },
        ) = (self, other)
        else {
            return false;
        };
        let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        let (longer, shorter) = (words(longer), words(shorter));
        found.eq_ignore_ascii_case(same)
            && longer.len() > shorter.len()
            && longer.windows(shorter.len()).any(|part| part == shorter)
    }
}

/// What counts before everything else.
pub(crate) fn exact(plan: &Plan, document: &Document) -> Vec<Reason> {
    let named = |name: &str| {
        let squashed = squash(name);
        plan.names.contains(&squashed) || plan.runbooks.contains(&squashed)
    };
    let mut reasons: Vec<Reason> =
        document.triggers.iter().filter(|alert| named(alert)).map(|alert| Reason::Alert(alert.clone())).collect();
    if let Some(name) = [&document.name, &document.id, &document.title].into_iter().find(|name| named(name)) {
        reasons.push(Reason::Named(name.clone()));
    }
    let service = document.services.iter().find(|service| plan.services.contains(&squash(service)));
    reasons.extend(service.map(|service| Reason::Service(service.clone())));
    if plan.severity.as_ref() == Some(&document.severity) {
        reasons.push(Reason::Severity(document.severity.clone()));
    }
    reasons
}

/// The variant of a slot that counted, and the heads that have it; a longer text only where no head has.
fn best<'a>(slot: &'a Slot, vector: Vector<'_>) -> Option<(&'a Variant, Vec<Field>)> {
    let found = ranking::find(slot, vector)?;
    let variant = slot.variants.get(found.variant)?;
    let counts = vector.counts(variant.hash)?;
    let all = FIELDS.into_iter().zip(counts).filter(|(_, count)| *count > 0).map(|(field, _)| field);
    let heads: Vec<Field> = all.clone().filter(|field| field.is_head()).collect();
    let fields = if heads.is_empty() { all.take(1).collect() } else { heads };
    Some((variant, fields))
}

fn stand_in(slot: &Slot, variant: &Variant, found: String) -> Option<Reason> {
    let typed = slot.typed.clone();
    if typed.eq_ignore_ascii_case(&found) {
        return None;
    }
    match &variant.how {
        How::Word | How::Joined => None,
        How::Synonym => Some(Reason::Synonym { typed, found }),
        How::Related => Some(Reason::Related { typed, found }),
        How::Start(word) => Some(Reason::Start { typed, found: word.clone() }),
        How::Meant(word) => Some(Reason::Meant { typed, found: word.clone() }),
    }
}

/// The texts of a document by field; each is split when somebody asks for it.
struct Texts<'a> {
    entries: BTreeMap<Field, Vec<&'a str>>,
    wanted: Vec<u32>,
    /// Whether a thing of the table of synonyms is among them.
    concepts: bool,
    split: BTreeMap<Field, Vec<HashMap<u32, Range<usize>>>>,
}

impl<'a> Texts<'a> {
    fn new(document: &'a Document, wanted: Vec<u32>, concepts: bool) -> Self {
        let mut entries: BTreeMap<Field, Vec<&str>> = BTreeMap::new();
        for (field, text) in heads(document) {
            entries.entry(field).or_default().push(text);
        }
        for (field, text) in [(Field::Description, &document.description), (Field::Body, &document.body)] {
            let text = text.get(..text.floor_char_boundary(READ)).unwrap_or_default();
            entries.insert(field, vec![text]);
        }
        Self { entries, wanted, concepts, split: BTreeMap::new() }
    }

    fn entry(&self, field: Field, entry: usize) -> Option<&'a str> {
        self.entries.get(&field)?.get(entry).copied()
    }

    /// The first entry of a field with this term, and the term as it stands there.
    fn find(&mut self, field: Field, hash: u32) -> Option<(usize, String)> {
        let entries = self.entries.get(&field)?;
        let split = self
            .split
            .entry(field)
            .or_insert_with(|| entries.iter().map(|text| places(field, text, &self.wanted, self.concepts)).collect());
        let (entry, at) = split.iter().enumerate().find_map(|(entry, places)| Some((entry, places.get(&hash)?)))?;
        let text = entries.get(entry)?.get(at.clone())?;
        Some((entry, text.split_whitespace().collect::<Vec<_>>().join(" ")))
    }
}
