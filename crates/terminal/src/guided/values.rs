//! Values that are missing: what they could be as a numbered list, and what a line means beside it.

use std::collections::BTreeMap;

use belay_cockpit::Saying;
use belay_cockpit::wire::{Candidate, Candidates, WaitingOption};
use serde_json::Value;

use super::question::{Question, Reply};
use crate::style::Style;
use crate::text;

/// Candidates that are shown; the others can be typed.
const SHOWN: usize = 15;

/// Values that are missing, with what was given so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// What is missing.
    pub missing: Vec<WaitingOption>,
    /// What was given so far.
    pub given: BTreeMap<String, Value>,
    /// What the first that is open could be; nothing while nobody has looked.
    pub found: Option<Candidates>,
}

impl Values {
    /// A question for values, none of which was given yet.
    pub fn of(missing: &[WaitingOption]) -> Self {
        Self::with(missing, BTreeMap::new())
    }

    fn with(missing: &[WaitingOption], given: BTreeMap<String, Value>) -> Self {
        let mut values = Self { missing: missing.to_vec(), given, found: None };
        values.found = values.open().filter(|open| !open.candidates.is_empty()).map(|open| Candidates {
            name: open.name.clone(),
            candidates: open.candidates.clone(),
            problem: None,
        });
        values
    }

    /// The value that is asked for.
    pub fn open(&self) -> Option<&WaitingOption> {
        self.missing.iter().find(|option| !self.given.contains_key(&option.name))
    }

    /// What is asked, its answers, and the prompt.
    pub fn parts(&self, style: Style) -> (String, Vec<(String, String)>, String) {
        let Some(open) = self.open() else { return (String::new(), Vec::new(), String::new()) };
        let name = text::line(&open.name);
        let mut lead = text::hang("", "  ", &format!("A value is missing: {}", style.bold(&name)), style.columns);
        if let Some(found) = &self.found {
            lead.push_str(&list(found, "  ", style));
        }
        (lead, Vec::new(), format!("{name} ="))
    }

    /// What a line means.
    pub fn answer(&self, line: &str) -> Reply {
        let Some(open) = self.open() else { return Reply::Back };
        if line == "<" {
            let before = self.missing.iter().take_while(|other| other.name != open.name).last();
            let Some(before) = before else { return Reply::Again("this is the first value".to_owned()) };
            let mut given = self.given.clone();
            given.remove(&before.name);
            return Reply::Instead(Question::Values(Self::with(&self.missing, given)));
        }
        let candidates = self.found.as_ref().map_or(&[][..], |found| &found.candidates);
        let value = match meant(line, candidates) {
            Ok(value) => value,
            Err(why) => return Reply::Again(why),
        };
        if value.is_empty() {
            return Reply::Again("an empty value is no value".to_owned());
        }
        let mut given = self.given.clone();
        given.insert(open.name.clone(), Value::String(value.to_owned()));
        let next = Self::with(&self.missing, given);
        match next.open() {
            Some(_) => Reply::Instead(Question::Values(next)),
            None => Reply::Say(Saying::Provide { values: next.given }),
        }
    }
}

/// What a value could be, as a list to pick from; or why there is none.
pub fn list(found: &Candidates, indent: &str, style: Style) -> String {
    let mut out = String::new();
    if let Some(problem) = &found.problem {
        let told = format!("what it could be cannot be listed: {}", text::line(problem));
        return text::hang(indent, indent, &style.dim(&told), style.columns);
    }
    let shown = found.candidates.iter().take(SHOWN);
    let widest = shown
        .clone()
        .map(|candidate| text::width(&text::line(&candidate.value)))
        .max()
        .unwrap_or(0)
        .min(40)
        .min(style.columns / 2);
    for (index, candidate) in shown.enumerate() {
        let value = text::line(&candidate.value);
        let lead = format!("{indent}{}  ", style.bold(&text::pad(&(index + 1).to_string(), 2)));
        let rest = " ".repeat(text::width(indent) + 4);
        let note = style.dim(&text::line(&candidate.note));
        if text::width(&value) > widest {
            out.push_str(&text::hang(&lead, &rest, &format!("{value} {note}"), style.columns));
        } else {
            let lead = format!("{lead}{}  ", text::pad(&value, widest));
            out.push_str(&text::hang(&lead, &rest, &note, style.columns));
        }
    }
    if let Some(more) = found.candidates.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        put!(out, "{indent}    {}\n", style.dim(&format!("and {more} more, to be typed")));
    }
    if !out.is_empty() {
        let told = "a number picks one, anything else is the value; =1 is the value 1";
        out.push_str(&text::hang(indent, indent, &style.dim(told), style.columns));
    }
    out
}

/// The value that a line means beside a list: itself after an equals sign, a candidate, or the number of one that is shown.
pub fn meant<'v>(line: &'v str, candidates: &'v [Candidate]) -> Result<&'v str, String> {
    if let Some(exact) = line.strip_prefix('=') {
        return Ok(exact);
    }
    let is_number = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    if candidates.is_empty() || !is_number || candidates.iter().any(|candidate| candidate.value == line) {
        return Ok(line);
    }
    let shown = candidates.len().min(SHOWN);
    let picked = line.parse::<usize>().ok().and_then(|number| candidates.get(..shown)?.get(number.checked_sub(1)?));
    match picked {
        Some(candidate) => Ok(&candidate.value),
        None => Err(format!("the list has 1 to {shown}; `={line}` takes {line} as the value")),
    }
}

/// What values could be, in a sentence for an error; a problem of several is told once.
pub fn sentence(found: &[Candidates]) -> String {
    let mut out = String::new();
    let mut problems: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for of in found {
        if let Some(candidates) = could_be(&of.candidates) {
            put!(out, "; `{}` could be {candidates}", of.name);
        }
        if let Some(problem) = &of.problem {
            problems.entry(problem).or_default().push(format!("`{}`", of.name));
        }
    }
    for (problem, names) in problems {
        put!(out, "; what {} could be cannot be listed: {problem}", names.join(", "));
    }
    out
}

/// The first few candidates with their notes, and how many more there are.
pub fn could_be(candidates: &[Candidate]) -> Option<String> {
    const TOLD: usize = 5;
    let told = candidates.iter().take(TOLD).map(|candidate| match candidate.note.as_str() {
        "" => format!("`{}`", candidate.value),
        note => format!("`{}` ({note})", candidate.value),
    });
    let told = told.collect::<Vec<_>>().join(", ");
    match candidates.len().saturating_sub(TOLD) {
        _ if told.is_empty() => None,
        0 => Some(told),
        more => Some(format!("{told} and {more} more")),
    }
}
