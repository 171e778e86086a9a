//! Acts and what is known about them: the vocabulary that the engine and the actions share.
//!
//! Everything here is data that may stand in a journal, so it is serialisable and never holds a secret's value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Effect, Impact};

/// A rendered act: exactly what will be performed, with every template already replaced.
///
/// Secrets stand as `{"$secret": "NAME"}`. The canonical bytes are [`Act::bytes`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// The action's name in the registry.
    pub action: String,
    /// Its parameters.
    pub parameters: Value,
}

impl Act {
    /// The bytes that an approval binds: JSON with sorted keys and no white space.
    pub fn bytes(&self) -> Vec<u8> {
        // `serde_json::Map` is a `BTreeMap` here (feature `preserve_order` is banned), so keys come out sorted.
        serde_json::to_vec(self).expect("a JSON value and a string always serialise")
    }
}

/// What an act is aimed at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActTarget {
    /// What people call it and what an approver alone types: `deployment/checkout`, `local`.
    pub name: String,
    /// What tells this target from another one of the same name: a cluster's UID, a URL with its CA.
    pub fingerprint: Option<String>,
}

/// What an action reads right before an act, without changing anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// What the act is aimed at.
    pub target: ActTarget,
    /// The effect of this act, given its parameters and the live state.
    pub effect: Effect,
    /// How much it matters.
    pub impact: Impact,
    /// Why, for people.
    pub reasons: Vec<String>,
    /// Answers for prerequisites (`podExists: true`).
    pub facts: BTreeMap<String, Value>,
    /// What the policy reads.
    pub basis: Basis,
    /// The state before, kept as the undo record where the action captures one.
    pub undo: Option<Value>,
    /// Values for inputs that are missing, by parameter.
    pub candidates: BTreeMap<String, Vec<String>>,
    /// Remarks for people (`the pod was already replaced`).
    pub notes: Vec<String>,
}

/// Why the state before an act could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Why, for people; names the command that renews a login, where one has expired.
    pub why: String,
    /// Whether a login has expired, so that it goes on once a person has logged in again.
    pub needs_login: bool,
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self { why, needs_login: false }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// The live state that a policy decision rests on; read again right before the act and compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Basis {
    /// False where live state could not be read, so that the policy has to assume the worst.
    pub known: bool,
    /// A change in the number of replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<ReplicaChange>,
    /// Objects that the act touches, by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub objects: BTreeSet<String>,
    /// Nodes that the act touches.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub nodes: BTreeSet<String>,
    /// Namespaces in which the act changes something.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub namespaces: BTreeSet<String>,
    /// Pods that the act ends: it deletes, evicts, replaces or scales them away. Absent where that was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// The largest share of one workload's pods that is missing at once because of the act, in percent, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    /// Anything else that was read, compared for equality.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
}

/// A number of replicas before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaChange {
    /// Live replicas.
    pub from: u32,
    /// Replicas asked for.
    pub to: u32,
}

/// How an act ended, as far as its action can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It did what it should.
    Succeeded,
    /// It ended, and not well.
    Failed,
    /// It is certain that it never started.
    NotStarted,
    /// It was still running at its time limit and was stopped; what it did is not known.
    TimedOut,
    /// Somebody cancelled it; what it did is not known.
    Cancelled,
    /// The connection or the process that watched it was lost; what it did is not known.
    Lost,
    /// It waits for a person and its process has ended; it goes on later by replaying what is recorded (a script whose
    /// host call needs an approval). Nothing of it is unknown.
    Suspended,
}

/// The outcome of one act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Structured output, for post-conditions and `.Steps`.
    pub output: Value,
    /// Values for the context, under their own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, Value>,
    /// Exit status of a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Length and hash of each stream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamSummary>,
    /// Redacted, at most [`EXCERPT_LIMIT`] bytes of text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// Why it failed, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The state after, compared before an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Whether a login has expired, so that it did not start, or that nobody sees what comes of it; the error names the
    /// command that renews it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_login: bool,
}

/// The largest excerpt of output in an event, in bytes.
pub const EXCERPT_LIMIT: usize = 4096;

impl Outcome {
    /// An outcome with nothing but its ending.
    pub fn bare(ending: Ending) -> Self {
        Self {
            ending,
            output: Value::Null,
            published: BTreeMap::new(),
            exit_code: None,
            streams: Vec::new(),
            excerpt: String::new(),
            error: None,
            after: None,
            needs_login: false,
        }
    }

    /// An outcome that failed for a reason.
    pub fn failed(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::bare(Ending::Failed) }
    }

    /// An outcome that succeeded with an output.
    pub fn succeeded(output: Value) -> Self {
        Self { output, ..Self::bare(Ending::Succeeded) }
    }
}

/// Length and hash of one output stream, before truncation and after redaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSummary {
    /// `stdout` or `stderr`.
    pub name: String,
    /// Bytes written by the act.
    pub bytes: u64,
    /// SHA-256 of the redacted bytes that were kept, in hex.
    pub sha256: String,
    /// Whether bytes beyond the limit were dropped.
    pub truncated: bool,
}

/// What an action can say about an intent without an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeAnswer {
    /// It was done, with this outcome.
    Done(Outcome),
    /// It was certainly not done.
    NotDone,
    /// The action cannot tell.
    Unknown,
}

/// The live state of something that an undo would change, compared with what was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoState {
    /// The recorded after-state: the undo may run.
    AsAfter,
    /// The before-state: nothing to do.
    AsBefore,
    /// Somebody changed it since: stuck.
    Other {
        /// Recorded before the act.
        before: Value,
        /// Recorded after it.
        after: Value,
        /// Read now.
        live: Value,
    },
    /// The action has no way to compare (a command); the undo runs as declared.
    Incomparable,
}
