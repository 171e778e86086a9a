//! What a value could be, looked up while it is asked for.

use belay_cockpit::api::{Answer, CallError};
use belay_cockpit::wire::Candidates;

/// Candidates that are seen at once.
pub const SEEN: usize = 6;

/// What one value could be.
#[derive(Debug, Default)]
pub struct Choices {
    /// The value, with what it was looked for with.
    about: String,
    /// The call that is under way.
    looking: Option<u64>,
    found: Option<Candidates>,
    /// What was picked last: only that is changed for another one, and never what somebody types.
    picked: Option<String>,
}

/// What is known of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Known<'c> {
    /// Nothing: nobody asked, or there is nothing to say.
    Nothing,
    /// The answer is on its way.
    Looking,
    /// It cannot be listed, and why.
    Problem(&'c str),
    /// The values with their notes, those around the one that is typed; which one that is; and how many there are.
    Some { shown: Vec<(&'c str, &'c str)>, at: Option<usize>, of: usize },
}

impl Choices {
    /// Whether a question is another one than the last.
    pub fn is_new(&self, about: &str) -> bool {
        self.about != about
    }

    /// The question is asked by this call.
    pub fn look(&mut self, about: String, call: u64) {
        *self = Self { about, looking: Some(call), ..Self::default() };
    }

    /// Nothing is asked.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes the answer of a call, if it is the one that is waited for.
    pub fn answered(&mut self, call: u64, answer: &Result<Answer, CallError>) -> bool {
        if self.looking != Some(call) {
            return false;
        }
        self.looking = None;
        self.found = match answer {
            Ok(Answer::Candidates(found) | Answer::CandidatesIn(found)) => found.first().cloned(),
            Ok(_) => None,
            Err(error) => Some(Candidates { problem: Some(error.message.clone()), ..Candidates::default() }),
        };
        true
    }

    /// Whether what stands in the field is for picking: it is empty, or was picked.
    pub fn is_for_picking(&self, typed: &str) -> bool {
        typed.is_empty() || self.picked.as_deref() == Some(typed)
    }

    /// Picks the candidate after or before the one that was picked; none where something is typed.
    pub fn pick(&mut self, typed: &str, on: bool) -> Option<String> {
        if !self.is_for_picking(typed) {
            return None;
        }
        let all = &self.found.as_ref()?.candidates;
        let last = all.len().checked_sub(1)?;
        let at = match (self.position(typed), on) {
            (Some(at), true) => {
                if at == last {
                    0
                } else {
                    at + 1
                }
            }
            (Some(at), false) => at.checked_sub(1).unwrap_or(last),
            (None, true) if typed.is_empty() => 0,
            (None, false) if typed.is_empty() => last,
            (None, _) => return None,
        };
        let picked = all.get(at).map(|candidate| candidate.value.clone());
        self.picked.clone_from(&picked);
        picked
    }

    /// What is known, beside what is typed.
    pub fn known(&self, typed: &str) -> Known<'_> {
        if self.looking.is_some() {
            return Known::Looking;
        }
        let Some(found) = &self.found else { return Known::Nothing };
        if let Some(problem) = &found.problem {
            return Known::Problem(problem);
        }
        if found.candidates.is_empty() {
            return Known::Nothing;
        }
        let at = self.position(typed);
        let first = at.map_or(0, |at| at.saturating_sub(SEEN - 1));
        let shown = found.candidates.iter().skip(first).take(SEEN);
        Known::Some {
            shown: shown.map(|candidate| (candidate.value.as_str(), candidate.note.as_str())).collect(),
            at: at.map(|at| at - first),
            of: found.candidates.len(),
        }
    }

    fn position(&self, typed: &str) -> Option<usize> {
        self.found.as_ref()?.candidates.iter().position(|candidate| candidate.value == typed)
    }
}
