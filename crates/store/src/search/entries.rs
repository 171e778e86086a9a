//! The heads of a document, entry by entry: each alert, name, title, symptom and label for itself.

use std::collections::HashMap;
use std::ops::Range;

use super::lexicon::lexicon;
use super::stem::reduce;
use super::terms::{FIELDS, Field, hash};
use super::text::{self, Words};
use crate::catalog::Document;

/// An entry: one alert, one title, one symptom.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) field: Field,
    /// How many words it has, ignored ones left out.
    pub(crate) words: u16,
    /// Its terms by hash, with the words each of them spans.
    pub(crate) terms: Vec<(u32, Range<u16>)>,
}

/// The texts of a document's heads.
pub(crate) fn heads(document: &Document) -> impl Iterator<Item = (Field, &str)> {
    document
        .triggers
        .iter()
        .map(|alert| (Field::Alert, alert.as_str()))
        .chain([(Field::Name, document.name.as_str()), (Field::Name, document.id.as_str())])
        .chain([(Field::Title, document.title.as_str())])
        .chain(document.symptoms.iter().map(|symptom| (Field::Symptom, symptom.as_str())))
        .chain(document.services.iter().map(|service| (Field::Service, service.as_str())))
        .chain(document.tags.iter().map(|tag| (Field::Tag, tag.as_str())))
        .chain([(Field::Tag, document.category.as_str()), (Field::Tag, document.domain.as_str())])
        .filter(|(_, text)| !text.is_empty())
}

/// More words of an entry are not kept: whoever writes that much in one has not named anything.
const MOST_WORDS: u16 = 200;

/// Packs entries for the ranking: of each its field, its words, how many terms follow, and the terms with their spans.
pub(crate) fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| 4 + entry.terms.len() * 6).sum());
    for entry in entries.iter().filter(|entry| entry.words > 0 && entry.words <= MOST_WORDS) {
        let byte = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
        let terms: Vec<_> = entry.terms.iter().take(usize::from(u16::MAX)).collect();
        bytes.push(u8::try_from(entry.field.index()).unwrap_or(u8::MAX));
        bytes.push(byte(entry.words));
        bytes.extend_from_slice(&u16::try_from(terms.len()).unwrap_or(u16::MAX).to_le_bytes());
        for (hash, words) in terms {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&[byte(words.start), byte(words.end)]);
        }
    }
    bytes
}

/// Reads what [`pack`] wrote, as far as it is that.
pub(crate) fn unpack(mut bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((&[field, words, low, high], rest)) = bytes.split_first_chunk() {
        let count = usize::from(u16::from_le_bytes([low, high]));
        let Some((terms, rest)) = rest.split_at_checked(count * 6) else { break };
        let Some(&field) = FIELDS.get(usize::from(field)) else { break };
        let (terms, _) = terms.as_chunks();
        let terms = terms
            .iter()
            .map(|&[a, b, c, d, start, end]| (u32::from_le_bytes([a, b, c, d]), u16::from(start)..u16::from(end)))
            .collect();
        entries.push(Entry { field, words: u16::from(words), terms });
        bytes = rest;
    }
    entries
}

/// Finds where the wanted terms stand in a text for the first time; things of the table of synonyms only where `concepts`
/// says that some are wanted.
pub(crate) fn places(field: Field, text: &str, wanted: &[u32], concepts: bool) -> HashMap<u32, Range<usize>> {
    let lexicon = lexicon();
    let mut found = HashMap::new();
    let mut note = |hash: u32, at: Range<usize>| {
        if wanted.contains(&hash) {
            found.entry(hash).or_insert(at);
        }
    };
    let Words { sequence, compounds } = text::words(text, field.compounds());
    let mut stem = String::new();
    let mut row: Vec<u32> = Vec::with_capacity(sequence.len());
    for word in &sequence {
        stem.clear();
        stem.push_str(&word.text);
        reduce(&mut stem);
        let hash = hash(&stem);
        if wanted.contains(&hash) && !lexicon.is_ignored(&word.text) {
            note(hash, word.at.clone());
        }
        if concepts {
            row.push(lexicon.number_of(&stem));
        }
    }
    for start in 0..row.len() {
        for (length, concept) in lexicon.mentions_at(row.get(start..).unwrap_or_default()) {
            let (Some(first), Some(last)) = (sequence.get(start), sequence.get(start + length - 1)) else { continue };
            if let Some(concept) = lexicon.get(concept) {
                note(concept.hash, first.at.start..last.at.end);
            }
        }
    }
    for compound in &compounds {
        stem.clear();
        stem.push_str(&compound.text);
        reduce(&mut stem);
        if concepts {
            for (_, concept) in lexicon.mentions_at(&[lexicon.number_of(&stem)]) {
                if let Some(concept) = lexicon.get(concept) {
                    note(concept.hash, compound.at.clone());
                }
            }
        }
        note(hash(&stem), compound.at.clone());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_entries_read_as_they_were() {
        let entries = vec![
            Entry { field: Field::Alert, words: 2, terms: vec![(7, 0..1), (u32::MAX, 0..2)] },
            Entry { field: Field::Symptom, words: 1, terms: Vec::new() },
        ];
        let packed = pack(&entries);
        assert_eq!(unpack(&packed), entries);
        assert_eq!(unpack(&packed[..packed.len() - 2]), entries[..1], "what is cut off is left out");
        assert_eq!(unpack(&[255; 9]), []);
    }

    #[test]
    fn a_term_is_found_where_it_stands() {
        let text = "The pod was OOMKilled twice";
        let found = places(Field::Body, text, &[hash("_oom"), hash("pod")], true);
        assert_eq!(found.get(&hash("_oom")).map(|at| &text[at.clone()]), Some("OOMKilled"));
        assert_eq!(found.get(&hash("pod")).map(|at| &text[at.clone()]), Some("pod"));
    }
}
