//! Steps: what they do, where they lead, and what takes them back.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StepName;
use crate::action::Effect;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique within the runbook.
    pub name: StepName,
    /// What people read.
    pub title: Option<String>,
    /// Markdown.
    pub description: Option<String>,
    /// Declared or inferred kind.
    pub kind: StepKind,
    /// Whether `type` was written in the file (kept for export).
    pub kind_declared: bool,
    /// What it performs.
    pub does: Does,
    /// A template that must render to a boolean; false skips the step.
    pub when: Option<String>,
    /// Facts that must hold before the act (`podExists: true`).
    pub prerequisite: Vec<Condition>,
    /// What must hold of the act's output.
    pub post_condition: Vec<Condition>,
    /// What a person should see.
    pub expected_output: Option<String>,
    /// What a person checks.
    pub success_criteria: Option<String>,
    /// Automatic retries after the first attempt.
    pub retries: u32,
    /// Delay before the first retry; later ones grow.
    pub retry_delay: Option<Duration>,
    /// Longest time of one attempt, or of a whole poll for a verification.
    pub timeout: Option<Duration>,
    /// What happens when an approval expires.
    pub on_timeout: Option<OnTimeout>,
    /// A failure does not stop the execution.
    pub continue_on_error: bool,
    /// What a failure does.
    pub on_failure: Option<OnFailure>,
    /// The Guide's prose about failure; text for people.
    pub failure_hint: Option<String>,
    /// Approval of this step.
    pub approval: Option<Approval>,
    /// What takes the step back.
    pub undo: Option<Undo>,
    /// An effect raised above what the action declares; never lowers it.
    pub effect: Option<Effect>,
    /// The helper finishes this step's child even when Belay dies.
    pub survives: bool,
    /// The step after this one; the next in the file where absent.
    pub next: Option<Target>,
    /// Branches of a decision, in the order of the file.
    pub branches: IndexMap<String, Branch>,
    /// Estimated duration.
    pub estimated_duration_minutes: Option<u32>,
}

impl Step {
    /// The title, or the name where there is none.
    pub fn display_title(&self) -> &str {
        self.title.as_deref().unwrap_or(self.name.as_str())
    }
}

/// The five step kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A person does it and confirms.
    Manual,
    /// Belay performs it.
    Automated,
    /// A person or a condition picks a branch.
    Decision,
    /// Reads and compares; never changes anything.
    Verification,
    /// Tells somebody.
    Notification,
}

impl StepKind {
    /// The word used in the format and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Automated => "automated",
            Self::Decision => "decision",
            Self::Verification => "verification",
            Self::Notification => "notification",
        }
    }
}

/// What a step performs.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Does {
    /// Nothing: a person acts, decides or confirms.
    #[default]
    Nothing,
    /// One action of the registry.
    Action(ActionCall),
    /// Commands, each a sub-act of its own.
    Commands(Vec<CommandSpec>),
    /// An entry of the automation registry.
    Automation(ActionCall),
}

/// A call as written, with templates in the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionCall {
    /// `kubernetes.restart_pod`, `http.healthcheck` …
    pub name: String,
    /// A JSON object whose string leaves may be templates.
    pub parameters: Value,
}

/// One entry of `commands`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandSpec {
    /// A line of text: an argv, or a constant script where it needs a shell; comments and blanks are notes.
    Line(String),
    /// An explicit argument vector; no shell ever sees it.
    Argv(Vec<String>),
    /// An explicit constant script, run by `/bin/sh`.
    Script(String),
}

/// Where the flow goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a step.
    Step(StepName),
    /// To the end of the runbook, written `end`.
    End,
}

impl Target {
    /// The step's name, unless it is the end.
    pub fn step(&self) -> Option<&StepName> {
        match self {
            Self::Step(name) => Some(name),
            Self::End => None,
        }
    }
}

/// A branch of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Where it leads.
    pub target: Target,
    /// A template that must render to a boolean; the branch is taken when exactly one holds.
    pub when: Option<String>,
    /// What it means, for people.
    pub description: Option<String>,
}

/// What takes a step back.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// An action or commands of its own.
    Does(Does),
    /// Another step of the runbook.
    Step(StepName),
    /// Nothing can; the reason is shown before anything runs.
    Irreversible(String),
}

/// What a failure does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnFailure {
    /// The execution fails.
    Stop,
    /// Somebody is told, and the execution fails.
    Escalate,
    /// The execution rolls back.
    Rollback,
    /// The flow goes on at another step.
    Step(StepName),
}

/// What the expiry of an approval does. It never starts a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// Waits for a new request.
    Wait,
    /// Tells somebody, and waits.
    Escalate,
}

/// Who has to agree, how many of them, and for how long the request stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Approval {
    /// Whether the runbook itself asks for it; policy may ask all the same.
    pub required: bool,
    /// People and groups; everybody eligible where empty.
    pub approvers: Vec<String>,
    /// Distinct people needed; one where absent.
    pub quorum: Option<u32>,
    /// How long a request stands; 300 s where absent.
    pub timeout: Option<Duration>,
}

/// One field and what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// A field of the output, dots for nesting.
    pub field: String,
    /// The comparison.
    pub test: Comparison,
    /// The literal as written, for export and messages.
    pub written: Value,
}

/// A comparison with a literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// Equal to a literal (numbers by value).
    Equal(Value),
    /// Not equal, written `"!= x"`.
    NotEqual(Value),
    /// Written `"< 80"`.
    Less(f64),
    /// Written `"<= 80"`.
    LessOrEqual(f64),
    /// Written `"> 0.8"`.
    Greater(f64),
    /// Written `">= 0.8"`.
    GreaterOrEqual(f64),
}
