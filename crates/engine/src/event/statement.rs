//! What people say. It changes nothing until the driver cites it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::UndoChoice;
use crate::ids::VisitId;

/// What a person says. It changes nothing until the driver cites it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// A remark.
    Note {
        /// Markdown.
        text: String,
    },
    /// Items of a checklist, answered.
    Check {
        /// Which list.
        list: Checklist,
        /// Positions in the list, from zero.
        items: Vec<u32>,
        /// A remark.
        note: Option<String>,
    },
    /// Values for what a step misses.
    Provide {
        /// By reference (`.Alert.Labels.pod`) or variable name.
        values: BTreeMap<String, Value>,
    },
    /// The outcome of a manual or interrupted step, or of an automated one done by hand.
    Confirm {
        /// The step.
        at: VisitId,
        /// What happened.
        outcome: Confirmation,
        /// An automated step was done by hand.
        by_hand: bool,
        /// A remark.
        note: Option<String>,
    },
    /// A branch of a decision.
    Decide {
        /// The step.
        at: VisitId,
        /// The branch.
        branch: String,
    },
    /// Agreement to exactly the bytes whose digest it names.
    Approve {
        /// The step.
        at: VisitId,
        /// The request's digest, computed from what was displayed.
        digest: String,
        /// The target's name, typed by an approver who is alone.
        target: Option<String>,
        /// A remark.
        comment: Option<String>,
    },
    /// Disagreement; closes the request.
    Reject {
        /// The step.
        at: VisitId,
        /// The request's digest.
        digest: String,
        /// Why.
        comment: Option<String>,
    },
    /// Try a step again, rendered anew; reopens a failed execution.
    Retry {
        /// The step.
        at: VisitId,
    },
    /// Leave a step out.
    Skip {
        /// The step.
        at: VisitId,
        /// Why.
        reason: String,
    },
    /// Start nothing new.
    Pause,
    /// Go on.
    Resume,
    /// End it without undoing.
    Abort {
        /// Why.
        reason: String,
    },
    /// Take everything back.
    Rollback {
        /// Why.
        reason: String,
    },
    /// What to do with an undo that is stuck.
    SettleUndo {
        /// The step whose undo it is.
        at: VisitId,
        /// The choice.
        choice: UndoChoice,
        /// A remark.
        note: Option<String>,
    },
}

impl Statement {
    /// The envelope's `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Note { .. } => "statement.note",
            Self::Check { .. } => "statement.check",
            Self::Provide { .. } => "statement.provide",
            Self::Confirm { .. } => "statement.confirm",
            Self::Decide { .. } => "statement.decide",
            Self::Approve { .. } => "statement.approve",
            Self::Reject { .. } => "statement.reject",
            Self::Retry { .. } => "statement.retry",
            Self::Skip { .. } => "statement.skip",
            Self::Pause => "statement.pause",
            Self::Resume => "statement.resume",
            Self::Abort { .. } => "statement.abort",
            Self::Rollback { .. } => "statement.rollback",
            Self::SettleUndo { .. } => "statement.settle_undo",
        }
    }
}

/// The two checklists of a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checklist {
    /// Before the first step.
    Prerequisites,
    /// After the last one.
    PostConditions,
}

/// What a person says about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// It was done.
    Done,
    /// It was not done.
    NotDone,
    /// It failed.
    Failed,
    /// It shall be taken back.
    Undo,
}
