//! What is taken back, and what a person decides where that cannot go on.

use serde::{Deserialize, Serialize};

use super::Author;
use crate::ids::{ActIndex, VisitId};

/// What to do with a stuck undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoChoice {
    /// Compare and try again: the undo act did not happen.
    Retry,
    /// The undo act happened; go on with the next one.
    Done,
    /// A person has taken it back.
    ByHand,
    /// It stays as it is.
    Leave,
}

/// One thing to take back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoItem {
    /// The visit whose act it was.
    pub at: VisitId,
    /// The act that captured its record; `None` where the step's own rollback takes it back as a whole.
    pub act: Option<InvocationRef>,
}

/// A step that a person did by hand: nothing of it is taken back by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneByHand {
    /// The visit.
    pub at: VisitId,
    /// The step's title.
    pub title: String,
    /// Who did it.
    pub by: Option<Author>,
    /// What a person has to do to take it back, line by line, as far as the runbook says.
    pub undo: Vec<String>,
}

impl DoneByHand {
    /// It in a sentence, for people.
    pub fn told(&self) -> String {
        let by = self.by.as_ref().map(|by| format!(" by {}", by.responder)).unwrap_or_default();
        format!("done by hand{by}, nothing is taken back by itself; undo: {}", self.undo.join("; "))
    }
}

/// An act inside its visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InvocationRef {
    /// The attempt.
    pub attempt: u32,
    /// The act.
    pub act: ActIndex,
}

/// Why an item needs no act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoSkip {
    /// The live state already is the state before.
    AlreadyBefore,
    /// Nothing can take it back.
    Irreversible {
        /// Why.
        reason: String,
    },
}
