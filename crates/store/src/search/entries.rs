//! The heads of a document, entry by entry, as the ranking and the reasons read them.

use super::lexicon::lexicon;
use super::ranking::Entry;
use super::stem::stem;
use super::terms::{Field, hash};
use super::text::{self, Words};
use crate::catalog::Document;

/// The entries of a document's heads: each alert, name, title, symptom and label.
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

/// A term in a text, with where it stands.
pub(crate) struct Place {
    pub(crate) hash: u32,
    /// The first and the last word, ignored ones not counted.
    pub(crate) words: std::ops::Range<usize>,
    /// The characters.
    pub(crate) at: std::ops::Range<usize>,
}

/// Every term of a text with its place, and how many words there are.
pub(crate) fn places(field: Field, text: &str) -> (usize, Vec<Place>) {
    let lexicon = lexicon();
    let Words { sequence, compounds } = text::words(text, field.compounds());
    let stems: Vec<String> = sequence.iter().map(|word| stem(&word.text)).collect();
    // Where each word of the sequence stands among those that count; one more at the end.
    let mut counted = Vec::with_capacity(sequence.len() + 1);
    let mut count = 0;
    for word in &sequence {
        counted.push(count);
        count += usize::from(!lexicon.is_ignored(&word.text));
    }
    counted.push(count);
    let span = |start: usize, end: usize| {
        counted.get(start).copied().unwrap_or(count)..counted.get(end).copied().unwrap_or(count)
    };
    let mut places = Vec::with_capacity(sequence.len() * 2);
    for (index, (word, stem)) in sequence.iter().zip(&stems).enumerate() {
        let words = span(index, index + 1);
        if !words.is_empty() {
            places.push(Place { hash: hash(stem), words, at: word.at.clone() });
        }
    }
    let mut concept = |number: usize, words, at| {
        if let Some(concept) = lexicon.get(number) {
            places.push(Place { hash: hash(&concept.term), words, at });
        }
    };
    for mention in lexicon.mentions(&stems) {
        let end = mention.start + mention.length;
        let (Some(first), Some(last)) = (sequence.get(mention.start), sequence.get(end - 1)) else { continue };
        concept(mention.concept, span(mention.start, end), first.at.start..last.at.end);
    }
    let mut joined = Vec::new();
    for compound in &compounds {
        let start = sequence.partition_point(|word| word.at.start < compound.at.start);
        let end = sequence.partition_point(|word| word.at.end <= compound.at.end);
        let stem = stem(&compound.text);
        for mention in lexicon.mentions(std::slice::from_ref(&stem)) {
            concept(mention.concept, span(start, end), compound.at.clone());
        }
        joined.push(Place { hash: hash(&stem), words: span(start, end), at: compound.at.clone() });
    }
    places.extend(joined);
    (count, places)
}

/// The entries of a document's heads, for the ranking.
pub(crate) fn entries(document: &Document) -> Vec<Entry> {
    heads(document)
        .map(|(field, text)| {
            let (words, places) = places(field, text);
            Entry { field, words, terms: places.into_iter().map(|place| (place.hash, place.words)).collect() }
        })
        .collect()
}
