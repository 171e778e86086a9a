//! What every face is told.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::FindingView;
use crate::wire::{ActView, ExecutionView};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An execution changed; its whole state as of now.
    Execution {
        /// The state.
        view: Box<ExecutionView>,
        /// Who drives it.
        driven: Driven,
    },
    /// An act started.
    ActStarted {
        /// The execution.
        execution: String,
        /// The step.
        step: String,
        /// The act.
        act: Box<ActView>,
    },
    /// Output of the running act, redacted.
    Output {
        /// The execution.
        execution: String,
        /// The step.
        step: String,
        /// `stdout` or `stderr`.
        stream: String,
        /// How much the act had written before, over both streams, in UTF-16 units: what a snapshot holds already is
        /// known by it.
        at: usize,
        /// Text; it goes on where the output before it ended.
        text: String,
    },
    /// Output was passed over, because this listener was too slow for it; all of it is kept for `output`.
    OutputSkipped {},
    /// Something that people should see.
    Notice {
        /// The execution that it is about, where it is about one.
        execution: Option<String>,
        /// The text.
        text: String,
    },
    /// Somebody has to be told.
    Escalated {
        /// The execution.
        execution: String,
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// Driving cannot go on here (disk full, damage); nothing was started after it.
    Stopped {
        /// The execution.
        execution: String,
        /// Why.
        error: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Runbooks of a directory changed.
    CatalogChanged {
        /// The directory.
        source: String,
        /// How many runbooks are new or other than before.
        changed: usize,
        /// How many files are gone.
        removed: usize,
        /// What is wrong with files that were looked at.
        findings: Vec<FindingView>,
    },
    /// A link was opened: `belay://runbook/NAME`, `belay://execution/ID`, `belay://alert…`.
    Opened {
        /// The link.
        url: String,
    },
}

/// Who drives an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Driven {
    /// This process.
    Here,
    /// Another process on this device.
    Elsewhere,
    /// Nobody: nothing goes on until somebody drives it.
    Nobody,
}

/// What a listener gets.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// Events, in order.
    Events {
        /// The events; a listener that comes back names the last one.
        events: Vec<Numbered>,
    },
    /// Some events are gone, or are another process's: ask anew for whatever is shown.
    Anew {
        /// Where the stream goes on.
        after: Place,
    },
}

/// An event with its number.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Numbered {
    /// Grows with every event; numbers may be left out.
    pub n: u64,
    /// The event.
    pub event: Event,
}

/// A place in a process's stream of events.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, TS)]
pub struct Place {
    /// The stream; another process has another one.
    pub stream: String,
    /// The number of the last event seen.
    pub n: u64,
}
