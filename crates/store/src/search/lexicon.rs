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
    stems: Vec<String>,
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
    /// By their first stem, the longest first.
    phrases: ByWord<Vec<Phrase>>,
    /// Telling words and what they name together, by their first stem.
    loose: ByWord<Vec<(Vec<String>, usize)>>,
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
        lexicon.phrases.values_mut().for_each(|phrases| {
            phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.stems.len()));
        });
        lexicon.words = words.into_iter().collect();
        lexicon.words.sort_unstable();
        lexicon
    }

    fn concept(&mut self, name: &str) -> usize {
        let term = format!("_{}", sequence(name).join("_"));
        self.concepts.push(Concept { hash: hash(&term), term, related: Vec::new() });
        self.concepts.len() - 1
    }

    /// The concepts of a name; a name that the table does not hold yet becomes a concept of its own.
    fn named(&mut self, name: &str, words: &mut HashSet<String>) -> Vec<usize> {
        let stems = sequence(name);
        let known = stems
            .first()
            .and_then(|first| self.phrases.get(first))
            .and_then(|phrases| phrases.iter().find(|phrase| phrase.stems == stems))
            .map(|phrase| phrase.concepts.clone());
        known.unwrap_or_else(|| {
            let concept = self.concept(name);
            self.name(name, concept, words);
            vec![concept]
        })
    }

    fn name(&mut self, name: &str, concept: usize, words: &mut HashSet<String>) {
        let split = text::words(name, Compounds::AsWritten).sequence;
        let stems: Vec<String> = split.iter().map(|word| stem(&word.text)).collect();
        let telling: Vec<String> =
            split.iter().filter(|word| !self.is_ignored(&word.text)).map(|word| stem(&word.text)).collect();
        words.extend(split.into_iter().map(|word| word.text.into_owned()));
        // `full disk` is as good as `disk full`.
        if let [one, other] = stems.as_slice()
            && telling.len() == 2
        {
            self.add(vec![other.clone(), one.clone()], concept);
        }
        self.add(stems, concept);
        if let [first, _, ..] = telling.as_slice() {
            let named = self.loose.entry(first.clone()).or_default();
            if !named.iter().any(|(known, of)| *known == telling && *of == concept) {
                named.push((telling, concept));
            }
        }
    }

    fn add(&mut self, stems: Vec<String>, concept: usize) {
        let Some(first) = stems.first() else { return };
        let phrases = self.phrases.entry(first.clone()).or_default();
        match phrases.iter_mut().find(|phrase| phrase.stems == stems) {
            Some(phrase) if !phrase.concepts.contains(&concept) => phrase.concepts.push(concept),
            Some(_) => {}
            None => phrases.push(Phrase { stems, concepts: vec![concept] }),
        }
    }

    /// Finds the names whose telling words stand near each other in a row of stems, in any order; each once, with the
    /// words that they span.
    pub(crate) fn loose_mentions<S: AsRef<str>>(&self, stems: &[S]) -> Vec<Mention> {
        let mut found: Vec<Mention> = Vec::new();
        for (place, first) in stems.iter().enumerate() {
            for (telling, concept) in self.loose.get(first.as_ref()).into_iter().flatten() {
                let others = telling.iter().skip(1).map(|wanted| stems.iter().position(|stem| stem.as_ref() == wanted));
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

    /// Whether some name begins with this stem.
    pub(crate) fn begins(&self, stem: &str) -> bool {
        self.phrases.contains_key(stem)
    }

    /// Finds the names that stand in a row of stems.
    pub(crate) fn mentions<S: AsRef<str>>(&self, stems: &[S]) -> Vec<Mention> {
        let mut found = Vec::new();
        for start in 0..stems.len() {
            let rest = stems.get(start..).unwrap_or_default().iter().map(AsRef::as_ref);
            let mentions = self.mentions_at(rest).into_iter();
            found.extend(mentions.map(|(length, concept)| Mention { start, length, concept }));
        }
        found
    }

    /// Finds the names that a row of stems begins with: how many words each has, and what it names.
    pub(crate) fn mentions_at<'a>(&self, mut stems: impl Iterator<Item = &'a str> + Clone) -> Vec<(usize, usize)> {
        let Some(phrases) = stems.next().and_then(|first| self.phrases.get(first)) else { return Vec::new() };
        let mut found = Vec::new();
        for phrase in phrases {
            let mut here = stems.clone();
            if phrase.stems.iter().skip(1).all(|wanted| here.next().is_some_and(|stem| stem == wanted)) {
                found.extend(phrase.concepts.iter().map(|&concept| (phrase.stems.len(), concept)));
            }
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
