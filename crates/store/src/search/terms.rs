//! What a document is found by: its terms, and how often each stands in which field.

use std::collections::{HashMap, HashSet};

use super::lexicon::Lexicon;
use super::stem::stem;
use super::text::{self, Compounds, Words};
use crate::catalog::Document;

/// Where a term stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Field {
    /// The name of an alert that triggers it.
    Alert,
    /// Its name or id.
    Name,
    /// Its title.
    Title,
    /// A symptom.
    Symptom,
    /// A service.
    Service,
    /// A tag, the category or the domain.
    Tag,
    /// Its description.
    Description,
    /// Everything else.
    Body,
}

/// The fields in the order in which a vector holds them.
pub(crate) const FIELDS: [Field; 8] = [
    Field::Alert,
    Field::Name,
    Field::Title,
    Field::Symptom,
    Field::Service,
    Field::Tag,
    Field::Description,
    Field::Body,
];

impl Field {
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Alert => 0,
            Self::Name => 1,
            Self::Title => 2,
            Self::Symptom => 3,
            Self::Service => 4,
            Self::Tag => 5,
            Self::Description => 6,
            Self::Body => 7,
        }
    }

    /// Whether it is one of the short fields that say what a document is about.
    pub(crate) fn is_head(self) -> bool {
        match self {
            Self::Alert | Self::Name | Self::Title | Self::Symptom | Self::Service | Self::Tag => true,
            Self::Description | Self::Body => false,
        }
    }

    pub(crate) fn compounds(self) -> Compounds {
        if self.is_head() { Compounds::OfNeighbours } else { Compounds::AsWritten }
    }
}

/// How often something stands in each field.
pub(crate) type Counts = [u8; FIELDS.len()];

/// Turns words into stems and remembers them: a catalog repeats itself.
#[derive(Default)]
pub(crate) struct Stems {
    known: HashMap<String, String>,
}

impl Stems {
    fn of(&mut self, word: &str) -> &str {
        if !self.known.contains_key(word) {
            self.known.insert(word.to_owned(), stem(word));
        }
        self.known.get(word).map_or("", String::as_str)
    }
}

/// The terms of a document.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// Stems and concepts.
    pub(crate) counts: HashMap<String, Counts>,
    /// Words as they stand, to complete and to correct what is typed.
    pub(crate) words: HashSet<String>,
    /// How many words each field has.
    pub(crate) lengths: [u16; FIELDS.len()],
}

impl Terms {
    /// Reads a document.
    pub(crate) fn of(document: &Document, lexicon: &Lexicon, stems: &mut Stems) -> Self {
        let mut terms = Self::default();
        let mut add = |field, text: &str| terms.add(field, text, lexicon, stems);
        document.triggers.iter().for_each(|alert| add(Field::Alert, alert));
        for name in [&document.id, &document.name] {
            add(Field::Name, name);
        }
        add(Field::Title, &document.title);
        document.symptoms.iter().for_each(|symptom| add(Field::Symptom, symptom));
        document.services.iter().for_each(|service| add(Field::Service, service));
        for tag in document.tags.iter().chain([&document.category, &document.domain]) {
            add(Field::Tag, tag);
        }
        add(Field::Description, &document.description);
        add(Field::Body, &document.body);
        terms
    }

    fn add(&mut self, field: Field, text: &str, lexicon: &Lexicon, stems: &mut Stems) {
        let Words { sequence, compounds } = text::words(text, field.compounds());
        let Self { counts, words, lengths } = self;
        let mut count = |term: &str| {
            let at = field.index();
            if let Some(known) = counts.get_mut(term) {
                known[at] = known[at].saturating_add(1);
            } else {
                let mut first = Counts::default();
                first[at] = 1;
                counts.insert(term.to_owned(), first);
            }
        };
        let mut row: Vec<String> = Vec::with_capacity(sequence.len());
        for word in &sequence {
            let stem = stems.of(&word.text);
            if !lexicon.is_ignored(&word.text) {
                count(stem);
                lengths[field.index()] = lengths[field.index()].saturating_add(1);
            }
            row.push(stem.to_owned());
        }
        for mention in lexicon.mentions(&row) {
            if let Some(concept) = lexicon.get(mention.concept) {
                count(&concept.term);
            }
        }
        for compound in &compounds {
            let stem = stems.of(&compound.text);
            count(stem);
            for mention in lexicon.mentions(&[stem]) {
                if let Some(concept) = lexicon.get(mention.concept) {
                    count(&concept.term);
                }
            }
        }
        for word in sequence.into_iter().chain(compounds) {
            if !lexicon.is_ignored(&word.text) {
                words.insert(word.text);
            }
        }
    }

    /// Whether a term stands in a head, and whether anywhere else.
    pub(crate) fn places(counts: Counts) -> (bool, bool) {
        let stands = |head: bool| FIELDS.iter().zip(counts).any(|(field, count)| count > 0 && field.is_head() == head);
        (stands(true), stands(false))
    }

    /// Packs counts and lengths for the ranking.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut entries: Vec<(u32, u32)> =
            self.counts.iter().map(|(term, counts)| (hash(term), packed(*counts))).collect();
        entries.sort_unstable();
        let mut bytes = Vec::with_capacity(FIELDS.len() * 2 + entries.len() * ENTRY);
        for length in self.lengths {
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        for (hash, counts) in entries {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&counts.to_le_bytes());
        }
        bytes
    }
}

const ENTRY: usize = 8;
/// Of each count four bits are kept; who repeats a word fifteen times has said it.
const BITS: usize = 4;

fn packed(counts: Counts) -> u32 {
    counts.iter().enumerate().fold(0, |all, (field, &count)| all | u32::from(count.min(15)) << (field * BITS))
}

/// A term as a vector holds it: FNV-1a. Two terms of one document share a hash about once in a hundred million times.
pub(crate) fn hash(term: &str) -> u32 {
    term.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// A packed document, as it is read while ranking.
#[derive(Clone, Copy)]
pub(crate) struct Vector<'a> {
    lengths: &'a [u8],
    entries: &'a [[u8; ENTRY]],
}

impl<'a> Vector<'a> {
    /// Reads what [`Terms::pack`] wrote; `None` when it is something else.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (lengths, rest) = bytes.split_at_checked(FIELDS.len() * 2)?;
        let (entries, []) = rest.as_chunks() else { return None };
        Some(Self { lengths, entries })
    }

    /// How many words a field has.
    pub(crate) fn length(&self, field: Field) -> u16 {
        let at = field.index() * 2;
        match self.lengths.get(at..at + 2) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]),
            Some(_) | None => 0,
        }
    }

    /// How often a term stands in each field; `None` when it stands in none.
    pub(crate) fn counts(&self, hash: u32) -> Option<Counts> {
        let key = |entry: &[u8; ENTRY]| u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        let at = self.entries.binary_search_by_key(&hash, key).ok()?;
        let [_, _, _, _, a, b, c, d] = *self.entries.get(at)?;
        let packed = u32::from_le_bytes([a, b, c, d]);
        let mut counts = Counts::default();
        for (field, count) in counts.iter_mut().enumerate() {
            *count = u8::try_from(packed >> (field * BITS) & 15).unwrap_or(15);
        }
        Some(counts)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests {
    use super::super::lexicon::lexicon;
    use super::*;

    #[test]
    fn a_packed_document_answers_like_the_original() {
        let document = Document {
            title: "Pods are killed".to_owned(),
            triggers: vec!["PodOOMKilled".to_owned()],
            body: "pod pod pod ".repeat(10),
            ..Document::default()
        };
        let terms = Terms::of(&document, lexicon(), &mut Stems::default());
        let packed = terms.pack();
        let vector = Vector::read(&packed).unwrap();
        for (term, counts) in terms.counts.iter().collect::<std::collections::BTreeMap<_, _>>() {
            assert_eq!(vector.counts(hash(term)).unwrap(), counts.map(|count| count.min(15)), "{term}");
        }
        assert_eq!(vector.counts(hash("nothing")), None);
        assert_eq!((vector.length(Field::Title), vector.length(Field::Body)), (2, 30));
        assert!(terms.counts.contains_key("_oom") && terms.counts.contains_key("podoomkill"));
    }

    #[test]
    fn other_bytes_are_no_vector() {
        assert!(Vector::read(&[1, 2, 3]).is_none());
        assert!(Vector::read(&[0; 17]).is_none());
    }
}
