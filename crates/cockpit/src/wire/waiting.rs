//! What waits for a person, and what could be answered.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, TS)]
pub struct Waiting {
    /// Of what kind.
    pub kind: WaitingKind,
    /// The step; none for a checklist.
    pub step: Option<String>,
    /// What is asked, in a sentence.
    pub detail: String,
    /// Branches of a decision, items of a checklist (those not yet answered), names of missing values.
    pub options: Vec<WaitingOption>,
}

impl Waiting {
    /// Whether it is a visit of this step.
    pub fn is_about(&self, step: &str) -> bool {
        let Some(waits) = &self.step else { return false };
        waits == step || waits.rsplit_once('#').is_some_and(|(name, _)| name == step)
    }
}

/// One thing to choose, answer or give.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, TS)]
pub struct WaitingOption {
    /// What to say: the branch's name, the item's number from one, the value's name.
    pub name: String,
    /// What it means.
    pub description: String,
    /// Values that a missing one could have, where they were looked up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(as = "Option<Vec<Candidate>>", optional)]
    pub candidates: Vec<Candidate>,
}

/// What a missing value could be. Nobody has chosen any of it yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
pub struct Candidates {
    /// The value's name.
    pub name: String,
    /// What it could be, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// Why nothing could be listed.
    pub problem: Option<String>,
}

/// A value that a missing one could have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, TS)]
pub struct Candidate {
    /// The value.
    pub value: String,
    /// What tells it from the others, such as `owner of pod checkout-7d9f`; may be empty.
    pub note: String,
}

impl Candidate {
    /// A candidate of which nothing is said.
    pub fn bare(value: &str) -> Self {
        Self { value: value.to_owned(), note: String::new() }
    }
}

/// The kinds of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum WaitingKind {
    /// An approval.
    Approval,
    /// A manual step or a check by eye.
    Manual,
    /// A branch.
    Decision,
    /// The outcome of something interrupted.
    Outcome,
    /// A stuck undo.
    Undo,
    /// Values.
    Input,
    /// A checklist.
    Checklist,
}
