//! What a document is found by: its terms, and how often each stands in which field.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::entries::{Entry, heads};
use super::lexicon::Lexicon;
use super::stem::reduce;
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
        match self {
            Self::Alert | Self::Name | Self::Title => Compounds::OfNeighbours,
            Self::Symptom | Self::Service | Self::Tag | Self::Description | Self::Body => Compounds::AsWritten,
        }
    }
}

/// How often something stands in each field.
pub(crate) type Counts = [u8; FIELDS.len()];

/// FNV-1a, for tables of short words.
#[derive(Clone, Copy)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A table by words.
pub(crate) type ByWord<T> = HashMap<String, T, BuildHasherDefault<Fnv>>;

/// A number that is spread well already.
#[derive(Clone, Copy, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A table by the 64-bit hash of a word. Two words of one catalog share one about once in a thousand million catalogs, and
/// then count as one.
type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

/// FNV-1a over eight bytes at once, with the last bits spread over all.
fn wide_hash(word: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ word.len() as u64;
    let (whole, rest) = word.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for chunk in whole.iter().chain([&last]) {
        hash = (hash ^ u64::from_le_bytes(*chunk)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    hash
}

/// A word or a term of the catalog, and in how many documents more it stands than before.
pub(crate) struct Tally {
    pub(crate) text: String,
    pub(crate) change: i64,
}

#[derive(Clone, Copy)]
struct Seen {
    word: u32,
    stem: u32,
    ignored: bool,
}

/// Reads documents, and remembers every word: a catalog repeats itself.
pub(crate) struct Reader {
    lexicon: &'static Lexicon,
    seen: ByHash<Seen>,
    by_term: ByHash<u32>,
    /// By the number of the term; those of the table of synonyms come first, with the numbers that they have there.
    hashes: Vec<u32>,
    /// By concept.
    concepts: Vec<Option<u32>>,
    /// By the number of the term.
    pub(crate) term_tallies: Vec<Tally>,
    /// By the number of the word.
    pub(crate) word_tallies: Vec<Tally>,
}

/// The terms of a document.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// Stems, concepts and compounds by number, each once.
    counts: Vec<(u32, Counts)>,
    /// Words as they stand, each once.
    words: Vec<u32>,
    /// How many words each field has.
    lengths: [u16; FIELDS.len()],
    /// The heads, entry by entry.
    pub(crate) entries: Vec<Entry>,
}

impl Reader {
    /// A reader that has read nothing.
    pub(crate) fn new(lexicon: &'static Lexicon) -> Self {
        let mut stems: Vec<(&str, u32)> = lexicon.numbers().collect();
        stems.sort_unstable_by_key(|(_, number)| *number);
        let mut reader = Self {
            lexicon,
            seen: ByHash::default(),
            by_term: ByHash::default(),
            hashes: Vec::with_capacity(stems.len()),
            concepts: Vec::new(),
            term_tallies: Vec::with_capacity(stems.len()),
            word_tallies: Vec::new(),
        };
        for (stem, _) in stems {
            reader.term(stem);
        }
        reader
    }

    fn term(&mut self, text: &str) -> u32 {
        let key = wide_hash(text);
        if let Some(known) = self.by_term.get(&key) {
            return *known;
        }
        let number = u32::try_from(self.hashes.len()).unwrap_or(u32::MAX);
        self.hashes.push(hash(text));
        self.term_tallies.push(Tally { text: text.to_owned(), change: 0 });
        self.by_term.insert(key, number);
        number
    }

    fn seen(&mut self, text: &str) -> Seen {
        let key = wide_hash(text);
        if let Some(known) = self.seen.get(&key) {
            return *known;
        }
        let mut stem = text.to_owned();
        reduce(&mut stem);
        let seen = Seen {
            word: u32::try_from(self.word_tallies.len()).unwrap_or(u32::MAX),
            stem: self.term(&stem),
            ignored: self.lexicon.is_ignored(text),
        };
        self.word_tallies.push(Tally { text: text.to_owned(), change: 0 });
        self.seen.insert(key, seen);
        seen
    }

    fn concept(&mut self, concept: usize) -> Option<u32> {
        if self.concepts.len() <= concept {
            self.concepts.resize(concept + 1, None);
        }
        if let Some(Some(known)) = self.concepts.get(concept) {
            return Some(*known);
        }
        let lexicon = self.lexicon;
        let term = self.term(&lexicon.get(concept)?.term);
        if let Some(place) = self.concepts.get_mut(concept) {
            *place = Some(term);
        }
        Some(term)
    }

    /// Reads a document.
    pub(crate) fn read(&mut self, document: &Document) -> Terms {
        let mut terms = Terms::default();
        let mut found = Vec::with_capacity(512);
        for (field, text) in heads(document) {
            let entry = self.text(field, text, &mut terms, &mut found);
            terms.entries.push(entry);
        }
        for (field, text) in [(Field::Description, &document.description), (Field::Body, &document.body)] {
            self.text(field, text, &mut terms, &mut found);
        }
        found.sort_unstable();
        for (term, field) in found {
            let field = usize::from(field);
            match terms.counts.last_mut() {
                Some((last, counts)) if *last == term => counts[field] = counts[field].saturating_add(1),
                Some(_) | None => {
                    let mut counts = Counts::default();
                    counts[field] = 1;
                    terms.counts.push((term, counts));
                }
            }
        }
        terms.words.sort_unstable();
        terms.words.dedup();
        terms
    }

    fn text(&mut self, field: Field, text: &str, terms: &mut Terms, found: &mut Vec<(u32, u8)>) -> Entry {
        let lexicon = self.lexicon;
        let Words { sequence, compounds } = text::words(text, field.compounds());
        let at = field.index();
        let room = if field.is_head() { sequence.len() * 2 + compounds.len() * 2 } else { 0 };
        let mut entry = Entry { field, words: 0, terms: Vec::with_capacity(room) };
        // The number of each word among those that count, with one more at the end.
        let mut counted: Vec<u16> = Vec::with_capacity(sequence.len() + 1);
        let mut row: Vec<u32> = Vec::with_capacity(sequence.len());
        let column = u8::try_from(at).unwrap_or_default();
        for word in &sequence {
            let seen = self.seen(&word.text);
            counted.push(entry.words);
            row.push(seen.stem);
            if !seen.ignored {
                found.push((seen.stem, column));
                terms.words.push(seen.word);
                entry.words = entry.words.saturating_add(1);
            }
        }
        counted.push(entry.words);
        let head = field.is_head();
        let span = |start: usize, end: usize| {
            let place = |at: usize| counted.get(at).copied().unwrap_or_default();
            place(start)..place(end)
        };
        let mut put = |reader: &Self, term: u32, start: usize, end: usize| {
            if let Some(hash) = reader.hashes.get(term as usize).filter(|_| head) {
                entry.terms.push((*hash, span(start, end)));
            }
        };
        for (index, stem) in row.iter().enumerate() {
            if counted.get(index) != counted.get(index + 1) {
                put(self, *stem, index, index + 1);
            }
        }
        for start in 0..row.len() {
            for (length, concept) in lexicon.mentions_at(row.get(start..).unwrap_or_default()) {
                if let Some(term) = self.concept(concept) {
                    found.push((term, column));
                    put(self, term, start, start + length);
                }
            }
        }
        for compound in &compounds {
            let seen = self.seen(&compound.text);
            found.push((seen.stem, column));
            put(self, seen.stem, compound.words.start, compound.words.end);
            if compound.written {
                terms.words.push(seen.word);
            }
            for (_, concept) in lexicon.mentions_at(&[seen.stem]) {
                if let Some(term) = self.concept(concept) {
                    found.push((term, column));
                    put(self, term, compound.words.start, compound.words.end);
                }
            }
        }
        let length = terms.lengths[at].saturating_add(entry.words);
        terms.lengths[at] = length;
        entry
    }

    /// Counts a document in or out.
    pub(crate) fn count(&mut self, terms: &Terms, by: i64) {
        for (term, _) in &terms.counts {
            if let Some(tally) = self.term_tallies.get_mut(*term as usize) {
                tally.change += by;
            }
        }
        for word in &terms.words {
            if let Some(tally) = self.word_tallies.get_mut(*word as usize) {
                tally.change += by;
            }
        }
    }

    /// The terms of a document as two texts: those that stand in a head, and those that stand elsewhere.
    pub(crate) fn columns(&self, terms: &Terms) -> (String, String) {
        let (mut head, mut rest) = (String::with_capacity(1_024), String::with_capacity(4_096));
        for (term, counts) in &terms.counts {
            let Some(tally) = self.term_tallies.get(*term as usize) else { continue };
            let stands = |in_head: bool| {
                FIELDS.iter().zip(counts).any(|(field, &count)| count > 0 && field.is_head() == in_head)
            };
            for column in [stands(true).then_some(&mut head), stands(false).then_some(&mut rest)].into_iter().flatten()
            {
                column.push_str(&tally.text);
                column.push(' ');
            }
        }
        (head, rest)
    }

    /// Packs counts and lengths for the ranking.
    pub(crate) fn pack(&self, terms: &Terms) -> Vec<u8> {
        let mut entries: Vec<(u32, u32)> = terms
            .counts
            .iter()
            .filter_map(|(term, counts)| Some((*self.hashes.get(*term as usize)?, packed(*counts))))
            .collect();
        entries.sort_unstable();
        let mut bytes = Vec::with_capacity(FIELDS.len() * 2 + entries.len() * ENTRY);
        for length in terms.lengths {
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

/// A term as a vector holds it: FNV-1a. Two terms of one document share a hash about once in a hundred thousand documents.
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
    /// Reads what [`Reader::pack`] wrote; `None` when it is something else.
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
        let mut reader = Reader::new(lexicon());
        let terms = reader.read(&document);
        let packed = reader.pack(&terms);
        let vector = Vector::read(&packed).unwrap();
        for (term, counts) in &terms.counts {
            let text = &reader.term_tallies[*term as usize].text;
            assert_eq!(vector.counts(hash(text)).unwrap(), counts.map(|count| count.min(15)), "{text}");
        }
        assert_eq!(vector.counts(hash("nothing")), None);
        assert_eq!((vector.length(Field::Title), vector.length(Field::Body)), (2, 30));
        assert!(vector.counts(hash("_oom")).is_some() && vector.counts(hash("podoomkill")).is_some());
    }

    #[test]
    fn other_bytes_are_no_vector() {
        assert!(Vector::read(&[1, 2, 3]).is_none());
        assert!(Vector::read(&[0; 17]).is_none());
    }
}
