//! Looking at executions and speaking to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::RunbookView;
use crate::api::event::{Driven, Place};
use crate::wire::ExecutionView;

/// Which executions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
#[serde(default)]
pub struct ExecutionsRequest {
    /// Only in this status.
    pub status: Option<String>,
    /// Only of this runbook.
    pub runbook: Option<String>,
}

/// Which execution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct ExecutionRequest {
    /// Its id, a unique start of it, or `@last`.
    pub execution: String,
}

/// Which step of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct StepRequest {
    /// The execution.
    pub execution: String,
    /// The step.
    pub step: String,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct NameRequest {
    /// The name.
    pub name: String,
}

/// An execution as its page shows it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ExecutionPage {
    /// The place in the stream up to which this holds every event.
    pub place: Place,
    /// Its state.
    pub view: ExecutionView,
    /// Who drives it.
    pub driven: Driven,
    /// The runbook as the execution began with it, commands with their values.
    pub runbook: RunbookView,
    /// What the running act has written so far, its end at least.
    pub running: Option<RunningOutput>,
}

/// What the running act has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct RunningOutput {
    /// The step.
    pub step: String,
    /// Pieces, oldest first.
    pub pieces: Vec<OutputPiece>,
    /// How much the act has written, left out or not, in UTF-16 units: output events from there on are new.
    pub written: usize,
    /// Whether earlier output is left out; `output` has all of it.
    pub cut: bool,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct OutputPiece {
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Text.
    pub text: String,
}

/// One stream of an attempt's kept output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct OutputView {
    /// Which attempt and act: `1.a0`.
    pub attempt: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Text, redacted; what is no UTF-8 is replaced.
    pub text: String,
    /// Whether bytes beyond the limit were dropped.
    pub truncated: bool,
}

/// A document to read or to save.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Document {
    /// A name for its file.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its text.
    pub text: String,
    /// Sanitised HTML of it, where it is Markdown.
    pub html: Option<String>,
}

/// Something that a person says to an execution.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct SayRequest {
    /// The execution.
    pub execution: String,
    /// What is said.
    pub saying: Said,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[serde(tag = "say", rename_all = "snake_case")]
#[ts(optional_fields = nullable)]
pub enum Said {
    /// A remark.
    Note {
        /// Markdown.
        text: String,
    },
    /// Items of the open checklist.
    Check {
        /// Positions from one; `null` answers all of them.
        items: Option<Vec<u32>>,
        /// A remark.
        note: Option<String>,
    },
    /// Values that are missing.
    Provide {
        /// By name.
        values: BTreeMap<String, Value>,
    },
    /// The outcome of a manual or interrupted step, or of one done by hand.
    Confirm {
        /// The step.
        step: String,
        /// What happened.
        outcome: OutcomeWord,
        /// An automated step was done by hand.
        by_hand: bool,
        /// A remark.
        note: Option<String>,
    },
    /// A branch.
    Decide {
        /// The step.
        step: String,
        /// The branch.
        branch: String,
    },
    /// Agreement to exactly what was shown.
    Approve {
        /// The step.
        step: String,
        /// The digest of what was shown; another one is refused.
        digest: String,
        /// The target's name, as typed.
        target: Option<String>,
        /// A remark.
        comment: Option<String>,
    },
    /// Disagreement.
    Reject {
        /// The step.
        step: String,
        /// The digest of what was shown.
        digest: String,
        /// Why.
        comment: Option<String>,
    },
    /// Try again.
    Retry {
        /// The step.
        step: String,
    },
    /// Leave out.
    Skip {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// Start nothing new.
    Pause {},
    /// Go on.
    Resume {},
    /// End it.
    Abort {
        /// Why.
        reason: String,
    },
    /// Take everything back.
    Rollback {
        /// Why.
        reason: String,
    },
    /// Settle a stuck undo.
    SettleUndo {
        /// The step.
        step: String,
        /// The choice.
        choice: UndoWord,
        /// A remark.
        note: Option<String>,
    },
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeWord {
    /// It happened.
    Done,
    /// It did not happen.
    NotDone,
    /// It failed.
    Failed,
    /// Take it back.
    Undo,
}

/// What becomes of a stuck undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum UndoWord {
    /// The act that was lost happened.
    Done,
    /// Compare and try again.
    Retry,
    /// The whole step was taken back by hand.
    ByHand,
    /// Leave it as it is.
    Leave,
}
