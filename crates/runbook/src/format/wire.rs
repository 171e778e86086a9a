//! The runbook file as text has it. These types are the one source of the JSON Schema, of reading and of writing.
//!
//! Every field is optional for serde where its absence means something; what must be there is in the schema, and
//! [`super::shape`] reports it with a position before serde sees the tree.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model;

mod step;

pub(crate) use step::{BranchField, BranchMap, Command, Script, Step, UndoField, UndoMap, Validation};

/// The only `apiVersion`.
pub const API_VERSION: &str = "sre.oversight.io/v1";
/// The only `kind`.
pub const KIND: &str = "Runbook";

/// The longest time that a field takes, in seconds: a year.
pub(crate) const LONGEST_SECONDS: u64 = 31_536_000;

/// A runbook: one file, bundled or in git, or one custom resource in a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, rename = "Runbook")]
pub struct File {
    /// The version of the format.
    #[schemars(extend("enum" = [API_VERSION]))]
    pub(crate) api_version: String,
    /// What the document is.
    #[schemars(extend("enum" = [KIND]))]
    pub(crate) kind: String,
    /// What names the runbook.
    pub(crate) metadata: Metadata,
    /// The runbook itself.
    pub(crate) spec: Spec,
}

/// What names a runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Metadata {
    /// A DNS label (lower-case letters, digits and hyphens), unique in a catalog.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
    pub(crate) name: String,
    /// The namespace, for a custom resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The runbook itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Spec {
    /// A short id such as `RB-DB-001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// The title that people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// What it is for, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Whose ground it treats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words(model::Domain::ALL, model::Domain::as_str)))]
    pub(crate) domain: Option<String>,
    /// What kind of work it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words(model::Category::ALL, model::Category::as_str)))]
    pub(crate) category: Option<String>,
    /// The severity it addresses; any where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words(model::Severity::ALL, model::Severity::as_str)))]
    pub(crate) severity: Option<String>,
    /// Services affected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) services: Vec<String>,
    /// Free tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    /// What starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trigger: Option<Trigger>,
    /// Whoever wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    /// The runbook's own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Date of creation, `2024-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub(crate) created_at: Option<String>,
    /// Date of the last change, `2024-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub(crate) updated_at: Option<String>,
    /// Date by which somebody has to review it again, `2024-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub(crate) review_date: Option<String>,
    /// People and groups who may approve steps that name none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) approvers: Vec<String>,
    /// Estimated duration of a whole execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_duration_minutes: Option<u32>,
    /// Whether an execution needs a change ticket.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) requires_change_ticket: bool,
    /// How much of it runs by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words(model::AutomationLevel::ALL, model::AutomationLevel::as_str)))]
    pub(crate) automation_level: Option<String>,
    /// A checklist that a person answers before the first step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) prerequisites: Vec<String>,
    /// Variables by name, in order.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub(crate) inputs: IndexMap<String, Input>,
    /// Approval that every changing step inherits unless it has its own: a map, or `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<ApprovalField>,
    /// Whether a failed execution rolls back by itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) rollback_on_failure: bool,
    /// The steps; the first one is the entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<Step>,
    /// What a rollback does after the undos of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rollback: Option<Rollback>,
    /// Conditions that a person signs off after the last step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) post_conditions: Vec<String>,
    /// Symptoms, impact and resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) documentation: Option<Documentation>,
    /// Related runbooks: an id or name, optionally with a remark in parentheses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) related_runbooks: Vec<String>,
    /// Documents and links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) references: Vec<String>,
    /// Changes, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changelog: Vec<Change>,
}

/// What starts a runbook.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Trigger {
    /// The name of an alert, or a list of names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alert: Option<OneOrMany>,
    /// Whether a person may start it; true where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manual: Option<bool>,
    /// A cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<String>,
    /// Triggers in prose; search finds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) prose: Vec<String>,
}

/// One text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// A typed variable.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Input {
    /// Its type; text where absent.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["string", "integer", "number", "boolean", "secret"]))]
    pub(crate) kind: Option<String>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Used where nobody gives a value; may be a template over the alert.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<Value>,
    /// The only values allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) options: Vec<Value>,
    /// A regular expression that the whole text matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
    /// Whether an execution needs a value; true where absent and there is no default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) required: Option<bool>,
}

/// Keeps `default: null` apart from no default.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An approval: a map, or `true`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ApprovalField {
    /// Asked for, with the defaults; or not asked for.
    Flag(bool),
    /// Asked for as the map says.
    Map(Approval),
}

/// Who has to agree, how many of them, and for how long the request stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Approval {
    /// Whether the runbook asks for it; true where absent. The policy may ask all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) required: Option<bool>,
    /// People and groups; everybody eligible where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) approvers: Vec<String>,
    /// Distinct people needed; one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub(crate) quorum: Option<u32>,
    /// How long a request stands; 300 seconds where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Time>,
}

/// A time: whole seconds, or text such as `90s`, `5m`, `1h30m` or `500ms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Time {
    /// Whole seconds.
    Seconds(u64),
    /// With units.
    Text(String),
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A time: whole seconds, or text such as `90s`, `5m`, `1h30m` or `500ms`.",
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": LONGEST_SECONDS },
                { "type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$" },
            ],
        })
    }
}

/// What a rollback does after the undos of the steps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// The steps, in order.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

/// Symptoms, impact and resolution.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Documentation {
    /// What people see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) symptoms: Vec<String>,
    /// What it means for users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) impact: Option<String>,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resolution: Option<String>,
}

/// One entry of the changelog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Change {
    /// The date.
    pub(crate) date: String,
    /// Who changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    /// What changed.
    pub(crate) changes: String,
}

fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().copied().map(word).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
