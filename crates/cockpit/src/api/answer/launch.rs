//! Starting an execution.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

/// What to start or to plan.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct Start {
    /// Id, name or path.
    pub runbook: String,
    /// Values of variables, as typed.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The alert that triggers it: `value` of an alert's answer, or an alert as Alertmanager sends it.
    #[serde(default)]
    pub alert: Option<Value>,
    /// Incident id.
    #[serde(default)]
    pub incident: Option<String>,
    /// Change ticket.
    #[serde(default)]
    pub ticket: Option<String>,
    /// Where it acts; the current context where absent.
    #[serde(default)]
    pub context: Option<String>,
}

/// What to plan, and how.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct PlanRequest {
    /// What to plan.
    pub start: Start,
    /// Nothing outside this device is asked.
    #[serde(default)]
    pub offline: bool,
}

/// Values that a start lacks.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct CandidatesRequest {
    /// The start, with what was typed so far.
    pub start: Start,
    /// Their names.
    pub names: Vec<String>,
}

/// Values that an execution waits for.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct CandidatesInRequest {
    /// The execution.
    pub execution: String,
    /// What was typed so far for others of them.
    pub given: BTreeMap<String, Value>,
    /// Their names.
    pub names: Vec<String>,
}

/// What a start asks for.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct StartForm {
    /// The variables, in the order of the file.
    pub inputs: Vec<InputView>,
    /// What has to be in place before the first step; asked for by the execution itself.
    pub checklist: Vec<String>,
    /// Where it acts.
    pub context: String,
    /// The environment of the context.
    pub environment: String,
    /// Whether that is production, as the policy sees it.
    pub production: bool,
    /// Whether a change ticket is needed there and missing.
    pub needs_ticket: bool,
    /// What stands in the way; with a blocking one a start is refused.
    pub obstacles: Vec<Obstacle>,
}

/// A variable of a runbook, with what it would be.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct InputView {
    /// Its name.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `secret`.
    pub kind: String,
    /// What it is.
    pub description: Option<String>,
    /// What it would be: as typed, or its default.
    pub value: Option<String>,
    /// Whether the value is the default.
    pub is_default: bool,
    /// The only values allowed, where not empty.
    pub options: Vec<String>,
    /// An anchored pattern.
    pub pattern: Option<String>,
    /// Whether a start needs it.
    pub required: bool,
    /// What is wrong with what was typed.
    pub problem: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Something that stands in the way of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Obstacle {
    /// What.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether a start is refused.
    pub blocking: bool,
}

/// An execution that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Started {
    /// Its id.
    pub execution: String,
}
