//! The runbook as the rest of Belay sees it: parsed, typed, without serialisation.
//!
//! The text format lives in [`crate::format`]; nothing here knows YAML. Every string that may hold a template is
//! kept as written and rendered by [`crate::template`] against a [`crate::template::Scope`].

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::Effect;

/// The unique name of a step within its runbook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepName(String);

impl StepName {
    /// Wraps a name as written; uniqueness and existence are checked by validation.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// A complete runbook: the Story's manifest together with the Guide's model.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// `metadata.name`: a DNS label, unique in a catalog.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `spec.id`, such as `RB-DB-001`.
    pub id: Option<String>,
    /// `spec.name`: the title that people read.
    pub title: Option<String>,
    /// `spec.description`, Markdown.
    pub description: Option<String>,
    /// The Story's taxonomy.
    pub domain: Option<Domain>,
    /// The Guide's taxonomy.
    pub category: Option<Category>,
    /// The severity addressed; `All` where the file says nothing.
    pub severity: Severity,
    /// Services affected.
    pub services: Vec<String>,
    /// Free tags.
    pub tags: Vec<String>,
    /// What starts it.
    pub trigger: Trigger,
    /// Whoever wrote it.
    pub author: Option<String>,
    /// The runbook's own version.
    pub version: Option<String>,
    /// Date of creation.
    pub created: Option<Date>,
    /// Date of the last change.
    pub updated: Option<Date>,
    /// Date by which somebody has to review it again.
    pub review_date: Option<Date>,
    /// People and groups who may approve its steps where a step names none.
    pub approvers: Vec<String>,
    /// Estimated duration of a whole execution.
    pub estimated_duration_minutes: Option<u32>,
    /// Whether an execution needs a change ticket.
    pub requires_change_ticket: bool,
    /// How much of it runs by itself.
    pub automation_level: Option<AutomationLevel>,
    /// A checklist that a person answers before the first step.
    pub prerequisites: Vec<String>,
    /// Conditions that a person signs off after the last step.
    pub post_conditions: Vec<String>,
    /// Typed variables, in the order of the file.
    pub inputs: IndexMap<String, InputSpec>,
    /// Approval that every changing step inherits unless it has its own.
    pub approval: Option<Approval>,
    /// Whether a failed execution rolls back by itself.
    pub rollback_on_failure: bool,
    /// The steps, in the order of the file; the first one is the entry.
    pub steps: Vec<Step>,
    /// Steps run after the undos of a rollback.
    pub rollback_steps: Vec<Step>,
    /// Symptoms, impact, resolution.
    pub documentation: Documentation,
    /// Related runbooks, as written (`RB-DB-002 (Connection Pool Exhaustion)`).
    pub related_runbooks: Vec<String>,
    /// References: documents, links.
    pub references: Vec<String>,
    /// Changes, newest first as written.
    pub changelog: Vec<Change>,
}

impl Runbook {
    /// Finds a step of the forward flow by its name.
    pub fn step(&self, name: &StepName) -> Option<&Step> {
        self.steps.iter().find(|step| &step.name == name)
    }

    /// The position of a step of the forward flow.
    pub fn position(&self, name: &StepName) -> Option<usize> {
        self.steps.iter().position(|step| &step.name == name)
    }

    /// The title, or the name where there is none.
    pub fn display_title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The id where there is one, else the name: what commands print and accept.
    pub fn reference(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.name)
    }

    /// Names of steps that serve only as the undo of another step and so lie outside the forward flow.
    ///
    /// A step counts when some `rollback` names it and no `next` or branch does.
    pub fn undo_only_steps(&self) -> Vec<&StepName> {
        let mut targets = Vec::new();
        for step in &self.steps {
            if let Some(Target::Step(name)) = &step.next {
                targets.push(name);
            }
            targets.extend(step.branches.values().filter_map(|branch| branch.target.step()));
            if let Some(OnFailure::Step(name)) = &step.on_failure {
                targets.push(name);
            }
        }
        self.steps
            .iter()
            .filter_map(|step| match &step.undo {
                Some(Undo::Step(name)) if !targets.contains(&name) => Some(name),
                Some(Undo::Step(_) | Undo::Does(_) | Undo::Irreversible(_)) | None => None,
            })
            .collect()
    }
}

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

/// A declared variable.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// Its type.
    pub kind: InputKind,
    /// What it is, for people.
    pub description: Option<String>,
    /// Used where nobody gives one; may be a template over the alert.
    pub default: Option<Value>,
    /// The only values allowed, where not empty.
    pub options: Vec<Value>,
    /// An anchored pattern for strings.
    pub pattern: Option<String>,
    /// Whether an execution may start without it.
    pub required: bool,
}

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// The name of a secret; its value enters only while acting.
    Secret,
}

/// What starts a runbook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trigger {
    /// Alert names.
    pub alerts: Vec<String>,
    /// Whether a person may start it; true where absent.
    pub manual: Option<bool>,
    /// A cron expression, kept as written.
    pub schedule: Option<String>,
    /// Triggers in prose (`Security audit requirement`): search text.
    pub prose: Vec<String>,
}

/// Symptoms, impact and resolution, for people and for search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Documentation {
    /// What people see.
    pub symptoms: Vec<String>,
    /// What it means for users.
    pub impact: Option<String>,
    /// What helps.
    pub resolution: Option<String>,
}

/// One entry of the changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Date as written.
    pub date: String,
    /// Author.
    pub author: Option<String>,
    /// What changed.
    pub changes: String,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in the format and in `--json`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { word: word.to_owned(), known: &[$($word),+] }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// A word that is none of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {}", known.join(", "))]
pub struct UnknownWord {
    /// The word as given.
    pub word: String,
    /// The words that exist.
    pub known: &'static [&'static str],
}

words! {
    /// The Story's taxonomy.
    Domain {
        /// Nodes, pods, network.
        Infrastructure = "infrastructure",
        /// Performance, errors, deployments.
        Application = "application",
        /// Connections, performance, maintenance.
        Database = "database",
        /// Incidents, compliance, access.
        Security = "security",
        /// Service levels, customer impact, revenue.
        Business = "business",
    }
}

words! {
    /// The Guide's taxonomy.
    Category {
        /// Something is broken now.
        IncidentResponse = "incident_response",
        /// Planned work.
        Maintenance = "maintenance",
        /// Bringing a version out.
        Deployment = "deployment",
        /// Getting data or a service back.
        Recovery = "recovery",
        /// More or less capacity.
        Scaling = "scaling",
        /// Finding a cause.
        Troubleshooting = "troubleshooting",
        /// Protecting.
        Security = "security",
    }
}

words! {
    /// The severity a runbook addresses.
    Severity {
        /// The worst.
        Sev1 = "sev1",
        /// Serious.
        Sev2 = "sev2",
        /// Limited.
        Sev3 = "sev3",
        /// Small.
        Sev4 = "sev4",
        /// Any severity.
        All = "all",
    }
}

words! {
    /// How much of a runbook runs by itself.
    AutomationLevel {
        /// People do it.
        Manual = "manual",
        /// People decide, Belay performs.
        SemiAutomated = "semi-automated",
        /// Belay performs.
        FullyAutomated = "fully-automated",
    }
}
