//! Patterns over argument vectors.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A pattern such as `kubectl get|describe **`, written as words.
///
/// `*` stands for any characters of one word, `**` alone for any number of words, `|` separates choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    words: Vec<PatternWord>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternWord {
    /// `**`.
    Any,
    /// One word that matches one of these.
    One(Vec<String>),
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Self {
        let words = text
            .split_whitespace()
            .map(|word| match word {
                "**" => PatternWord::Any,
                word => PatternWord::One(word.split('|').map(str::to_owned).collect()),
            })
            .collect();
        Self { words }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether it begins with a wildcard and so says nothing about the program.
    pub fn is_open(&self) -> bool {
        match self.words.first() {
            Some(PatternWord::Any) | None => true,
            Some(PatternWord::One(choices)) => choices.iter().any(|choice| choice.starts_with('*')),
        }
    }

    /// Whether the whole argument vector matches. The program's directory counts only where the pattern has one.
    pub fn matches(&self, argv: &[impl AsRef<str>]) -> bool {
        // Dynamic programming over prefixes of the pattern: no backtracking on hostile input.
        let mut reached = vec![false; self.words.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        self.skip_any(&mut reached);
        for (position, word) in argv.iter().enumerate() {
            let word = word.as_ref();
            let mut next = vec![false; self.words.len() + 1];
            for (index, pattern) in self.words.iter().enumerate() {
                if !reached.get(index).copied().unwrap_or(false) {
                    continue;
                }
                let target = match pattern {
                    PatternWord::Any => Some(index),
                    PatternWord::One(choices) => {
                        let name = if position == 0 { base_name(word) } else { word };
                        let fits = |choice: &String| glob(choice, if choice.contains('/') { word } else { name });
                        choices.iter().any(fits).then_some(index + 1)
                    }
                };
                if let Some(slot) = target.and_then(|target| next.get_mut(target)) {
                    *slot = true;
                }
            }
            self.skip_any(&mut next);
            reached = next;
        }
        reached.last().copied().unwrap_or(false)
    }

    /// Whether the program is the one that the pattern speaks of: it is named as the system finds it, or the pattern says
    /// where it lies. Anybody can give a program in another place the name of one that only reads.
    pub fn trusts(&self, program: &str) -> bool {
        let names_place = match self.words.first() {
            Some(PatternWord::One(choices)) => choices.iter().all(|choice| choice.contains('/')),
            Some(PatternWord::Any) | None => false,
        };
        names_place || is_of_system(program)
    }

    /// `**` also stands for no word at all.
    fn skip_any(&self, reached: &mut [bool]) {
        for (index, word) in self.words.iter().enumerate() {
            if *word == PatternWord::Any
                && reached.get(index).copied().unwrap_or(false)
                && let Some(slot) = reached.get_mut(index + 1)
            {
                *slot = true;
            }
        }
    }
}

/// Where the system's own programs lie.
const SYSTEM: [&str; 6] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Whether a program is named as the system finds it: by its name alone, or in a directory of the system.
pub(crate) fn is_of_system(program: &str) -> bool {
    program.rsplit_once('/').is_none_or(|(directory, _)| SYSTEM.contains(&directory))
}

fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Whether a text matches a pattern in which `*` stands for any characters.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = pattern.rsplit_once('*').map(|(_, last)| last) else { return rest.is_empty() };
    let middle: Vec<&str> = parts.collect();
    for part in middle.iter().take(middle.len().saturating_sub(1)) {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or("");
    }
    rest.ends_with(last)
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, word) in self.words.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            match word {
                PatternWord::Any => f.write_str("**")?,
                PatternWord::One(choices) => f.write_str(&choices.join("|"))?,
            }
        }
        Ok(())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "words; `*` is anything in one word, `**` any number of words, `|` a choice",
        })
    }
}
