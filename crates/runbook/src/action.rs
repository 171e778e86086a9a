//! What an action declares about itself. Pure data: the engine and validation read it, `belay-actions` performs it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an act does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something.
    Mutate,
    /// Destroys something.
    Destructive,
}

impl Effect {
    /// The word used in the format and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Mutate => "mutate",
            Self::Destructive => "destructive",
        }
    }
}

/// How much an act matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Impact {
    /// Small.
    Low,
    /// Large: destructive, production, or wide.
    High,
}

impl Impact {
    /// The word used in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::High => "HIGH",
        }
    }
}

/// The place a value enters, which decides how it is encoded (execution.md, 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sink {
    /// Plain text that nothing parses (a message, a title).
    Text,
    /// A JSON value: a lone template keeps its type, text stays a string.
    Json,
    /// The name of an object: no slash, no control characters, no leading `-`, not empty.
    Name,
    /// A whole URL: each template becomes one percent-encoded part, or a host that is a DNS name.
    Url,
    /// A host name or address alone.
    Host,
    /// A LogQL or PromQL query: templates stand inside quoted strings and are escaped for them.
    Query,
    /// JavaScript: templates become string contents or JSON literals.
    Script,
    /// One argument of an argument vector.
    Argument,
    /// A line of a constant shell script: templates become quoted references to the environment.
    Shell,
}

/// Everything an action says about itself before it is asked to do anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionSpec {
    /// `kubernetes.restart_pod`.
    pub name: String,
    /// One line.
    pub description: String,
    /// JSON Schema of the parameters.
    pub parameters: Value,
    /// JSON Schema of the output.
    pub output: Value,
    /// The sink of a parameter by its name; `Json` for those not listed. Nested leaves take their parameter's sink.
    pub sinks: BTreeMap<String, Sink>,
    /// The lowest effect it can have; the preparation may raise it.
    pub effect: Effect,
    /// Whether performing it twice equals performing it once.
    pub idempotent: bool,
    /// Whether it captures its own undo record.
    pub captures_undo: bool,
    /// Fields of the output that are published into the context under their own names.
    pub published: Vec<String>,
    /// Facts that its preparation answers, usable as prerequisites (`podExists`).
    pub facts: Vec<String>,
    /// The parameter whose value names the target that an approver alone types.
    pub target_parameter: Option<String>,
    /// What the default policy knows about it without live state.
    pub kinds: Vec<PolicyKind>,
    /// Rights it needs, as `verb resource.group` for Kubernetes or a short sentence.
    pub access: Vec<String>,
    /// False for an action that this build only declares: it validates and plans, and a run refuses before the first
    /// step.
    pub available: bool,
}

impl ActionSpec {
    /// The sink of a top-level parameter.
    pub fn sink(&self, parameter: &str) -> Sink {
        self.sinks.get(parameter).copied().unwrap_or(Sink::Json)
    }
}

/// Classes of acts that the policy's rules speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// Deletes data.
    DataDeletion,
    /// Touches a node.
    NodeOperation,
    /// Changes a number of replicas.
    Scaling,
    /// Isolates something for security.
    SecurityIsolation,
}

/// A source of action declarations: the registry in production, a fixed table in tests.
pub trait ActionCatalog {
    /// The declaration of one action.
    fn spec(&self, name: &str) -> Option<&ActionSpec>;
    /// Every declared name, sorted.
    fn names(&self) -> Vec<&str>;
}

impl ActionCatalog for BTreeMap<String, ActionSpec> {
    fn spec(&self, name: &str) -> Option<&ActionSpec> {
        self.get(name)
    }

    fn names(&self) -> Vec<&str> {
        self.keys().map(String::as_str).collect()
    }
}

/// The action that every command becomes.
pub const COMMAND_ACTION: &str = "command.run";

/// The action that runs a program in a container of a pod; it is judged as a command is.
pub const EXEC_ACTION: &str = "kubernetes.exec";
/// The action that runs JavaScript.
pub const SCRIPT_ACTION: &str = "script.execute";
