//! The runbook as the rest of Belay sees it: parsed, typed, without serialisation.
//!
//! The text format lives in [`crate::format`]; nothing here knows YAML. Every string that may hold a template is
//! kept as written and rendered by [`crate::template`] against a [`crate::template::Scope`].

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod step;

pub use step::{
    ActionCall, Approval, Branch, CommandSpec, Comparison, Condition, Does, OnFailure, OnTimeout, Step, StepKind,
    Target, Undo,
};

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
