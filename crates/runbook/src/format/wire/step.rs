//! A step as it is written.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ApprovalField, Time, is_false, is_zero};

/// One step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Step {
    /// Unique within the runbook.
    #[schemars(length(min = 1))]
    pub(crate) name: String,
    /// What people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    /// What happens or what to do, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The kind; inferred where absent.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["manual", "automated", "decision", "verification", "notification"]))]
    pub(crate) kind: Option<String>,
    /// A template that gives true or false; false skips the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) when: Option<String>,
    /// An action to perform, such as `kubernetes.restart_pod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
    /// An automation to run, such as `scale_service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) automation: Option<String>,
    /// Parameters of the action or automation; text in them may hold templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Parameters")]
    pub(crate) parameters: Option<Value>,
    /// Commands to run, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commands: Option<Vec<Command>>,
    /// Conditions before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) validation: Option<Validation>,
    /// What a person should see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected_output: Option<String>,
    /// What a person checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) success_criteria: Option<String>,
    /// What a person does when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure_hint: Option<String>,
    /// Automatic retries after the first attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) retries: u32,
    /// Delay before the first retry; later ones grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_delay: Option<Time>,
    /// Longest time of one attempt, or of a whole poll for a verification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Time>,
    /// What happens when an approval expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["wait", "escalate"]))]
    pub(crate) on_timeout: Option<String>,
    /// Whether a failure lets the execution go on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) continue_on_error: bool,
    /// What a failure does: `stop`, `escalate`, `rollback`, or the name of a step to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_failure: Option<String>,
    /// Approval of this step: a map, or `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<ApprovalField>,
    /// What takes the step back: the name of a step, or a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rollback: Option<UndoField>,
    /// An effect above what the action declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["read", "mutate", "destructive"]))]
    pub(crate) effect: Option<String>,
    /// Whether the step's process is finished even when Belay ends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) survives: bool,
    /// The step after this one, or `end`; the next in the file where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// The branches of a decision by label, in order.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub(crate) branches: IndexMap<String, BranchField>,
    /// Estimated duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_duration_minutes: Option<u32>,
}

/// Parameters: any map.
struct Parameters;

impl JsonSchema for Parameters {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Parameters".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Without this extension an API server prunes every parameter.
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// Conditions: any map of fields to literals and comparisons.
struct Conditions;

impl JsonSchema for Conditions {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Conditions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// Conditions before and after an act.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Validation {
    /// Facts that must hold before the act, such as `podExists: true`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "Conditions")]
    pub(crate) prerequisite: IndexMap<String, Value>,
    /// What must hold of the output: a field to a literal, or to a comparison such as `"< 80"`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "Conditions")]
    pub(crate) post_condition: IndexMap<String, Value>,
}

/// One command: a line of text, an argument vector, or a constant script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Command {
    /// A line.
    Line(String),
    /// An argument vector; no shell sees it.
    Argv(Vec<String>),
    /// A script.
    Script(Script),
}

/// A constant script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Script {
    /// The text that `/bin/sh` runs.
    pub(crate) script: String,
}

/// What takes a step back: the name of a step, or a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum UndoField {
    /// The name of a step.
    Step(String),
    /// Anything else.
    Map(Box<UndoMap>),
}

/// What takes a step back: exactly one of an action, an automation, commands, a step, or why nothing can.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct UndoMap {
    /// An action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
    /// An automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) automation: Option<String>,
    /// Parameters of the action or automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Parameters")]
    pub(crate) parameters: Option<Value>,
    /// Commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commands: Option<Vec<Command>>,
    /// The name of a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    /// Why nothing can take it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) irreversible: Option<String>,
}

/// A branch: the name of a step or `end`, or a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum BranchField {
    /// Where it leads.
    Next(String),
    /// With a condition or an explanation.
    Map(BranchMap),
}

/// A branch with a condition or an explanation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct BranchMap {
    /// The name of a step, or `end`.
    pub(crate) next: String,
    /// A template that gives true or false; the branch is taken when exactly one holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) when: Option<String>,
    /// What it means, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}
