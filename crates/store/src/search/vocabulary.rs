//! The words of the catalog: how many documents have each, what completes a word, and what was probably meant by it.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use super::lexicon::lexicon;
use crate::error::{Doing, StoreError};

/// How many corrections of a word are looked for.
const CORRECTIONS: usize = 4;

/// The words in memory, to compare each with what was typed. Read again when the catalog has changed.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    loaded: Mutex<Option<(i64, Arc<Vec<Known>>)>>,
}

#[derive(Debug)]
struct Known {
    word: String,
    documents: i64,
    letters: u64,
}

/// A word that may have been meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Meant {
    /// The word.
    pub(crate) word: String,
    /// How many letters are wrong; two exchanged neighbours are one.
    pub(crate) distance: usize,
}

/// How many documents have this term.
pub(crate) fn documents_with(connection: &Connection, term: &str) -> Result<i64, StoreError> {
    connection
        .prepare_cached("SELECT documents FROM catalog_terms WHERE term = ?1")
        .and_then(|mut select| select.query_row([term], |row| row.get(0)).optional())
        .map(Option::unwrap_or_default)
        .doing("look up a term of the catalog")
}

/// The words that begin with this one, at most so many, the most frequent first; not the word itself.
pub(crate) fn completions(connection: &Connection, start: &str, most: i64) -> Result<Vec<String>, StoreError> {
    let doing = "complete a word";
    connection
        .prepare_cached(
            "SELECT word FROM catalog_words WHERE word > ?1 AND word < ?2 ORDER BY documents DESC, word LIMIT ?3",
        )
        .doing(doing)?
        .query_map((start, format!("{start}\u{10ffff}"), most), |row| row.get(0))
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)
}

impl Vocabulary {
    /// Forgets the words: the index begins anew, and counts its changes anew.
    pub(crate) fn forget(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn words(&self, connection: &Connection) -> Result<Arc<Vec<Known>>, StoreError> {
        let doing = "read the words of the catalog";
        let changes: i64 = connection
            .prepare_cached("SELECT changes FROM catalog_state")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .doing(doing)?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, words)) = loaded.as_ref()
            && *at == changes
        {
            return Ok(Arc::clone(words));
        }
        let known = |word: String, documents| Known { letters: letters(&word), word, documents };
        let mut words: Vec<Known> = connection
            .prepare_cached("SELECT word, documents FROM catalog_words")
            .doing(doing)?
            .query_map([], |row| Ok(known(row.get(0)?, row.get(1)?)))
            .doing(doing)?
            .collect::<Result<_, _>>()
            .doing(doing)?;
        // What the table of synonyms knows may be meant, too, and leads to the documents by another name.
        words.extend(lexicon().words().iter().map(|word| known(word.clone(), 0)));
        words.sort_by(|a, b| a.word.cmp(&b.word).then(b.documents.cmp(&a.documents)));
        words.dedup_by(|later, first| later.word == first.word);
        let words = Arc::new(words);
        *loaded = Some((changes, Arc::clone(&words)));
        Ok(words)
    }

    /// What may have been meant by a word that stands in no document, the likeliest first.
    pub(crate) fn corrections(&self, connection: &Connection, typed: &str) -> Result<Vec<Meant>, StoreError> {
        let length = typed.chars().count();
        let allowed = match length {
            0..=2 => return Ok(Vec::new()),
            3..=6 => 1,
            _ => 2,
        };
        let signature = letters(typed);
        let start = typed.as_bytes();
        let words = self.words(connection)?;
        let mut meant: Vec<(usize, bool, i64, &Known)> = Vec::new();
        for known in words.iter() {
            // Each wrong letter changes at most two of the letters that occur, each by one.
            if known.word.len().abs_diff(typed.len()) > allowed
                || (known.letters ^ signature).count_ones() as usize > 2 * allowed
                || !begins_alike(start, known.word.as_bytes())
                // Of three letters nothing is sure but that two were exchanged.
                || length.min(known.word.len()) < 4 && known.letters != signature
            {
                continue;
            }
            let distance = strsim::osa_distance(typed, &known.word);
            if (1..=allowed).contains(&distance) {
                let other_start = known.word.as_bytes().first() != start.first();
                meant.push((distance, other_start, -known.documents, known));
            }
        }
        meant.sort_by(|a, b| (a.0, a.1, a.2, &a.3.word).cmp(&(b.0, b.1, b.2, &b.3.word)));
        let nearest = meant.first().map_or(0, |(distance, ..)| *distance);
        Ok(meant
            .into_iter()
            .filter(|(distance, ..)| *distance == nearest)
            .take(CORRECTIONS)
            .map(|(distance, _, _, known)| Meant { word: known.word.clone(), distance })
            .collect())
    }
}

/// Whether the first letters agree but for one that is wrong, missing or one too many, or two exchanged: nobody mistakes
/// both.
fn begins_alike(typed: &[u8], word: &[u8]) -> bool {
    let same = |one: Option<&u8>, other: Option<&u8>| one.is_some() && one == other;
    same(typed.first(), word.first())
        || same(typed.get(1), word.get(1))
        || same(typed.first(), word.get(1))
        || same(typed.get(1), word.first())
}

/// Which letters a word has, and which of them twice: one bit each; digits and other characters share the rest.
fn letters(word: &str) -> u64 {
    word.bytes().fold(0, |set, byte| {
        let at = match byte {
            b'a'..=b'z' => u32::from(byte - b'a'),
            b'0'..=b'9' => 26,
            _ => 27,
        };
        // The second time a letter occurs its second bit is set, too.
        set | 1 << at | (set >> at & 1) << (at + 32)
    })
}
