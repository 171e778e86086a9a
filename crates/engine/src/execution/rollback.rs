//! Undoing: everything to take back, and how far that is.

use belay_runbook::act::Act;
use serde_json::Value;

use super::Request;
use crate::event::{PlannedAct, UndoItem, UndoSkip};
use crate::ids::InvocationId;

/// What came of taking a step back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoResult {
    /// Taken back.
    Undone,
    /// It failed or was left.
    Failed,
}

/// Undoing.
#[derive(Debug, Clone)]
pub struct Rollback {
    /// Everything to take back, newest first.
    pub items: Vec<UndoEntry>,
    /// Whether the whole execution is rolled back, or one step only.
    pub whole: bool,
}

/// One thing to take back, and how far that is.
#[derive(Debug, Clone)]
pub struct UndoEntry {
    /// What.
    pub item: UndoItem,
    /// How far.
    pub state: UndoEntryState,
    /// Acts that were rendered at the time of the undo ([`UndoPlan::Later`](crate::event::UndoPlan::Later)).
    pub acts: Option<Vec<Act>>,
    /// Undo acts that have ended well (position of the next one).
    pub acts_done: u32,
    /// The undo act that was started and has not ended well; nobody has said yet whether it happened.
    pub unsettled: Option<InvocationId>,
    /// The approval that its acts, or a call of its script, needed beyond the step's own.
    pub request: Option<Request>,
    /// What that is for.
    pub asked: Vec<PlannedAct>,
}

impl UndoEntry {
    /// Whether it waits for an approval.
    pub fn waits_for_approval(&self) -> bool {
        !self.is_over() && self.request.as_ref().is_some_and(Request::open)
    }
}

/// How far an undo is.
#[derive(Debug, Clone, PartialEq)]
pub enum UndoEntryState {
    /// Not begun, or an act of it has ended well.
    Due,
    /// An undo act is running.
    Acting(InvocationId),
    /// Waits for a person, with what is in the way.
    Stuck(Value),
    /// Taken back.
    Done,
    /// Needs or has no act.
    Skipped(UndoSkip),
    /// Left as it is by a person.
    Left,
}
