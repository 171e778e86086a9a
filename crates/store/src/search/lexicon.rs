//! The table of synonyms, read once: phrases to the things they name.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use super::stem::stem;
use super::terms::{ByWord, Fnv, hash};
use super::text::{self, Compounds};

/// So far apart may the words of a name stand in a sentence.
const NEAR: usize = 6;

const TABLE: &str = include_str!("synonyms.txt");

/// The table that searches use.
pub(crate) fn lexicon() -> &'static Lexicon {
    static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(TABLE));
    &LEXICON
}

/// One thing under all its names.
#[derive(Debug)]
pub(crate) struct Concept {
    /// How the index spells it; a word never begins with an underscore.
    pub(crate) term: String,
    /// The same as a vector holds it.
    pub(crate) hash: u32,
    /// What a search for it finds besides.
    pub(crate) related: Vec<usize>,
}

/// A name of one or more things.
#[derive(Debug)]
struct Phrase {
    /// The stems after the first, by their numbers.
    rest: Vec<u32>,
    concepts: Vec<usize>,
}

/// A name that stands in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mention {
    /// The first word of it.
    pub(crate) start: usize,
    /// How many words it has.
    pub(crate) length: usize,
    /// What it names.
    pub(crate) concept: usize,
}

impl Mention {
    /// Whether another one lies inside this one, and is shorter.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.length > other.length
            && self.start <= other.start
            && other.start + other.length <= self.start + self.length
    }

    /// Whether both have a word in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.start < other.start + other.length && other.start < self.start + self.length
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    concepts: Vec<Concept>,
    /// The number of each stem that stands in a name.
    numbers: ByWord<u32>,
    /// By the number of their first stem, the longest first.
    phrases: Vec<Vec<Phrase>>,
    /// Telling words and what they name together, by the number of their first stem.
    loose: Vec<Vec<(Vec<u32>, usize)>>,
    ignored: HashSet<String, BuildHasherDefault<Fnv>>,
    words: Vec<String>,
}

#[derive(Clone, Copy)]
enum Section {
    Same,
    Related,
    Ignored,
}

impl Lexicon {
    /// Reads a table. What cannot be understood is left out; a test holds the bundled table against that.
    fn read(table: &str) -> Self {
        let mut lexicon = Self::default();
        let mut section = Section::Ignored;
        let (mut same, mut related) = (Vec::new(), Vec::new());
        let mut words = HashSet::new();
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match (line, section) {
                ("[same]", _) => section = Section::Same,
                ("[related]", _) => section = Section::Related,
                ("[ignored]", _) => section = Section::Ignored,
                (line, Section::Ignored) => {
                    lexicon.ignored.extend(line.split_whitespace().map(ToOwned::to_owned));
                }
                (line, Section::Same) => same.push(line),
                (line, Section::Related) => related.extend(line.split_once('>')),
            }
        }
        for line in same {
            let concept = lexicon.concept(line.split('=').next().unwrap_or(line).trim());
            for name in line.split('=').map(str::trim) {
                lexicon.name(name, concept, &mut words);
            }
        }
        for (from, to) in related {
            let from = lexicon.named(from.trim(), &mut words);
            let to: Vec<usize> = to.split(',').flat_map(|to| lexicon.named(to.trim(), &mut words)).collect();
            for &from in &from {
                let Some(concept) = lexicon.concepts.get_mut(from) else { continue };
                concept.related.extend(to.iter().filter(|&&to| to != from));
            }
        }
        for phrases in &mut lexicon.phrases {
            phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.rest.len()));
        }
        lexicon.words = words.into_iter().collect();
        lexicon.words.sort_unstable();
        lexicon
    }

    fn concept(&mut self, name: &str) -> usize {
        let term = format!("_{}", sequence(name).join("_"));
        self.concepts.push(Concept { hash: hash(&term), term, related: Vec::new() });
        self.concepts.len() - 1
    }

    /// The number of a stem, given to it if it has none.
    fn number(&mut self, stem: &str) -> u32 {
        if let Some(known) = self.numbers.get(stem) {
            return *known;
        }
        let number = u32::try_from(self.phrases.len()).expect("the table has a few thousand words");
        self.numbers.insert(stem.to_owned(), number);
        self.phrases.push(Vec::new());
        self.loose.push(Vec::new());
        number
    }

    /// The number of a stem; one that belongs to none where it stands in no name.
    pub(crate) fn number_of(&self, stem: &str) -> u32 {
        self.numbers.get(stem).copied().unwrap_or(u32::MAX)
    }

    fn row<S: AsRef<str>>(&self, stems: &[S]) -> Vec<u32> {
        stems.iter().map(|stem| self.number_of(stem.as_ref())).collect()
    }

    /// The concepts of a name; a name that the table does not hold yet becomes a concept of its own.
    fn named(&mut self, name: &str, words: &mut HashSet<String>) -> Vec<usize> {
        let row = self.row(&sequence(name));
        let all = self.mentions_at(&row);
        let whole: Vec<usize> =
            all.into_iter().filter(|(length, _)| *length == row.len()).map(|(_, concept)| concept).collect();
        if !whole.is_empty() {
            return whole;
        }
        let concept = self.concept(name);
        self.name(name, concept, words);
        vec![concept]
    }

    fn name(&mut self, name: &str, concept: usize, words: &mut HashSet<String>) {
        let split = text::words(name, Compounds::AsWritten).sequence;
        let stems: Vec<u32> = split.iter().map(|word| self.number(&stem(&word.text))).collect();
        let telling: Vec<u32> =
            split.iter().zip(&stems).filter(|(word, _)| !self.is_ignored(&word.text)).map(|(_, stem)| *stem).collect();
        words.extend(split.into_iter().map(|word| word.text.into_owned()));
        // `full disk` is as good as `disk full`.
        if let &[one, other] = stems.as_slice()
            && telling.len() == 2
        {
            self.add(&[other, one], concept);
        }
        self.add(&stems, concept);
        if let [first, _, ..] = *telling.as_slice()
            && let Some(named) = self.loose.get_mut(first as usize)
            && !named.iter().any(|(known, of)| *known == telling && *of == concept)
        {
            named.push((telling, concept));
        }
    }

    fn add(&mut self, stems: &[u32], concept: usize) {
        let [first, rest @ ..] = stems else { return };
        let Some(phrases) = self.phrases.get_mut(*first as usize) else { return };
        match phrases.iter_mut().find(|phrase| phrase.rest == rest) {
            Some(phrase) if !phrase.concepts.contains(&concept) => phrase.concepts.push(concept),
            Some(_) => {}
            None => phrases.push(Phrase { rest: rest.to_vec(), concepts: vec![concept] }),
        }
    }

    /// Finds the names whose telling words stand near each other in a row of stems, in any order; each once, with the
    /// words that they span.
    pub(crate) fn loose_mentions<S: AsRef<str>>(&self, stems: &[S]) -> Vec<Mention> {
        let row = self.row(stems);
        let mut found: Vec<Mention> = Vec::new();
        for (place, first) in row.iter().enumerate() {
            for (telling, concept) in self.loose.get(*first as usize).into_iter().flatten() {
                let others = telling.iter().skip(1).map(|wanted| row.iter().position(|stem| stem == wanted));
                let Some(places) = others.chain([Some(place)]).collect::<Option<Vec<usize>>>() else { continue };
                let (Some(&start), Some(&end)) = (places.iter().min(), places.iter().max()) else { continue };
                if end - start <= NEAR && !found.iter().any(|known| known.concept == *concept) {
                    found.push(Mention { start, length: end - start + 1, concept: *concept });
                }
            }
        }
        found.sort_by_key(|mention| (mention.start, mention.length, mention.concept));
        found
    }

    /// Whether a word says nothing about what is looked for.
    pub(crate) fn is_ignored(&self, word: &str) -> bool {
        self.ignored.contains(word)
    }

    /// Whether a word occurs in any name.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        self.words.binary_search_by(|known| known.as_str().cmp(word)).is_ok()
    }

    /// The thing with this number.
    pub(crate) fn get(&self, concept: usize) -> Option<&Concept> {
        self.concepts.get(concept)
    }

    /// Every word of the table, sorted.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// The stems that stand in names, each with its number; the numbers begin at zero and have no gaps.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&str, u32)> {
        self.numbers.iter().map(|(stem, number)| (stem.as_str(), *number))
    }

    /// Finds the names that stand in a row of stems.
    pub(crate) fn mentions<S: AsRef<str>>(&self, stems: &[S]) -> Vec<Mention> {
        let row = self.row(stems);
        let mut found = Vec::new();
        for start in 0..row.len() {
            let mentions = self.mentions_at(row.get(start..).unwrap_or_default()).into_iter();
            found.extend(mentions.map(|(length, concept)| Mention { start, length, concept }));
        }
        found
    }

    /// Finds the names that a row of stems begins with, given by their numbers, where any other number is a word of no
    /// name: how many words each has, and what it names.
    pub(crate) fn mentions_at(&self, row: &[u32]) -> Vec<(usize, usize)> {
        let Some((first, rest)) = row.split_first() else { return Vec::new() };
        let Some(phrases) = self.phrases.get(*first as usize) else { return Vec::new() };
        let mut found = Vec::new();
        // Most names begin like this one and go on otherwise, which the second word tells.
        let second = rest.first();
        let here = |phrase: &&Phrase| match phrase.rest.first() {
            None => true,
            wanted => wanted == second && rest.starts_with(&phrase.rest),
        };
        for phrase in phrases.iter().filter(here) {
            found.extend(phrase.concepts.iter().map(|&concept| (phrase.rest.len() + 1, concept)));
        }
        found
    }
}

fn sequence(name: &str) -> Vec<String> {
    text::words(name, Compounds::AsWritten).sequence.iter().map(|word| stem(&word.text)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let lexicon = lexicon();
        let stems = sequence(text);
        lexicon.mentions(&stems).iter().map(|mention| lexicon.get(mention.concept).unwrap().term.clone()).collect()
    }

    #[test]
    fn names_of_one_thing_share_a_term() {
        for (one, other) in [
            ("OOM", "out of memory"),
            ("exit code 137", "oomkilled"),
            ("no space left on device", "ENOSPC"),
            ("CrashLoopBackOff", "crash looping"),
            ("nxdomain", "could not resolve host"),
        ] {
            let (one, other) = (terms(one), terms(other));
            assert!(one.iter().any(|term| other.contains(term)), "{one:?} and {other:?} have nothing in common");
        }
    }

    #[test]
    fn every_line_of_the_table_is_understood() {
        let mut section = "";
        let mut seen = HashSet::new();
        for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line {
                "[same]" | "[related]" | "[ignored]" => section = line,
                _ if section == "[same]" => {
                    assert!(line.contains('='), "`{line}` has one name only");
                    for name in line.split('=') {
                        assert!(!sequence(name).is_empty(), "`{line}` has an empty name");
                    }
                    let term = sequence(line.split('=').next().unwrap()).join("_");
                    assert!(seen.insert(term), "`{line}` begins like another line");
                }
                _ if section == "[related]" => assert!(line.contains('>'), "`{line}` says nothing"),
                _ => assert_eq!(section, "[ignored]", "`{line}` stands in no section"),
            }
        }
        assert!(lexicon().words().len() > 500);
    }

    #[test]
    fn terms_are_no_words() {
        assert!(lexicon().concepts.iter().all(|concept| concept.term.starts_with('_') && concept.term.len() > 1));
    }
}
