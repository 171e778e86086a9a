//! What everything in an execution depends on, fixed at its start.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that an execution depends on, fixed at its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Genesis {
    /// A label for people, a `UUIDv7`; the identity is the envelope's hash.
    pub label: String,
    /// The runbook's file as it was read, so that replay needs nothing else.
    pub runbook: Arc<str>,
    /// SHA-256 of these bytes, hex.
    pub runbook_digest: String,
    /// Where it came from, for people (`bundled`, a path).
    pub runbook_source: String,
    /// Values of declared variables.
    pub inputs: BTreeMap<String, Value>,
    /// The alert that triggered it, as `.Alert` sees it.
    pub alert: Option<Value>,
    /// The chosen context's name.
    pub context: String,
    /// Its environment (`production`, `local` …), which the policy reads.
    pub environment: String,
    /// Its named services: `.Config`.
    pub config: Value,
    /// The cluster that it acts on and how it is reached; absent where the context names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Value>,
    /// Namespaces that the context protects, besides those of the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
    /// The policy as YAML.
    pub policy: Arc<str>,
    /// SHA-256 of the policy's canonical form, hex.
    pub policy_digest: String,
    /// Files of the automations that the runbook uses, by name.
    pub automations: BTreeMap<String, Arc<str>>,
    /// Earlier executions of this runbook, newest first: `.History`.
    pub history: Vec<PastExecution>,
    /// Who started it.
    pub started_by: Author,
    /// What started it: `manual`, `alert NAME`.
    pub triggered_by: String,
    /// Incident id.
    pub incident: Option<String>,
    /// Change ticket.
    pub ticket: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An earlier execution of the same runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastExecution {
    /// Hash of its genesis.
    pub execution: String,
    /// Where it stood.
    pub status: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// A person at a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author {
    /// The responder.
    pub responder: String,
    /// The device.
    pub device: String,
}
