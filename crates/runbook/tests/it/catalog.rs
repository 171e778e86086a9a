//! A small table of actions for the linter, with the names that the source documents use.

use std::collections::{BTreeMap, BTreeSet};

use belay_runbook::action::{ActionSpec, Effect, Sink};
use belay_runbook::finding::Finding;
use belay_runbook::lint::{Surroundings, validate};
use serde_json::{Value, json};

/// An action: name, effect, whether it captures its undo, required and optional parameters with their types.
type Row =
    (&'static str, Effect, bool, &'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

const ROWS: &[Row] = &[
    ("cache.get_stats", Effect::Read, false, &[], &[("host", "string")]),
    ("config.update", Effect::Mutate, true, &[("service", "string"), ("config", "object")], &[]),
    ("database.check_connections", Effect::Read, false, &[("host", "string")], &[]),
    ("database.drop", Effect::Destructive, false, &[("name", "string")], &[]),
    ("forensics.snapshot", Effect::Mutate, false, &[("resources", "array")], &[]),
    ("http.healthcheck", Effect::Read, false, &[("url", "string")], &[]),
    ("http.healthcheck_batch", Effect::Read, false, &[("urls", "array")], &[]),
    ("kubernetes.cordon_node", Effect::Mutate, true, &[("nodeName", "string")], &[]),
    (
        "kubernetes.drain_node",
        Effect::Mutate,
        true,
        &[("nodeName", "string")],
        &[("gracePeriod", "integer"), ("ignoreDaemonsets", "boolean"), ("deleteLocalData", "boolean")],
    ),
    ("kubernetes.get_node", Effect::Read, false, &[("nodeName", "string")], &[]),
    ("kubernetes.get_pod", Effect::Read, false, &[("podName", "string"), ("namespace", "string")], &[]),
    (
        "kubernetes.patch_deployment",
        Effect::Mutate,
        true,
        &[("deployment", "string"), ("patch", "object")],
        &[("namespace", "string")],
    ),
    ("kubernetes.restart_pod", Effect::Mutate, false, &[("podName", "string"), ("namespace", "string")], &[]),
    ("kubernetes.scale_deployment", Effect::Mutate, true, &[("replicas", "integer")], &[]),
    ("kubernetes.uncordon_node", Effect::Mutate, true, &[("nodeName", "string")], &[]),
    ("logs.query", Effect::Read, false, &[("query", "string")], &[]),
    (
        "monitoring.enable_detailed",
        Effect::Mutate,
        true,
        &[("service", "string")],
        &[("level", "string"), ("duration", "integer")],
    ),
    ("network.block_ip", Effect::Mutate, true, &[("ip", "string")], &[("duration", "integer")]),
    (
        "notification.send",
        Effect::Mutate,
        false,
        &[("message", "string")],
        &[("channel", "string"), ("priority", "string")],
    ),
    ("script.execute", Effect::Read, false, &[("script", "string")], &[]),
    ("security.rotate_credentials", Effect::Mutate, false, &[("service", "string")], &[("scope", "string")]),
];

/// The table.
pub fn actions() -> BTreeMap<String, ActionSpec> {
    ROWS.iter().map(|row| (row.0.to_owned(), spec(row))).collect()
}

fn spec((name, effect, captures_undo, required, optional): &Row) -> ActionSpec {
    let properties: serde_json::Map<String, Value> =
        required.iter().chain(*optional).map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind }))).collect();
    let names: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    ActionSpec {
        name: (*name).to_owned(),
        description: "A sample.".to_owned(),
        parameters: json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false }),
        output: json!({ "type": "object" }),
        sinks: BTreeMap::from([("script".to_owned(), Sink::Script), ("query".to_owned(), Sink::Query)]),
        effect: *effect,
        idempotent: *effect == Effect::Read,
        captures_undo: *captures_undo,
        published: if *name == "kubernetes.get_pod" {
            vec!["CurrentMemory".to_owned(), "pod".to_owned()]
        } else {
            Vec::new()
        },
        facts: if *name == "kubernetes.get_pod" { vec!["podExists".to_owned()] } else { Vec::new() },
        target_parameter: None,
        kinds: Vec::new(),
        access: Vec::new(),
        available: true,
    }
}

/// Everything found in a text, checked on 1 June 2026 against the table, one automation and one other runbook.
pub fn findings(text: &str) -> Vec<Finding> {
    let actions = actions();
    let automations = BTreeSet::from(["scale_service".to_owned()]);
    let runbooks = BTreeSet::from(["RB-LLM-002".to_owned(), "other".to_owned()]);
    let surroundings = Surroundings {
        actions: &actions,
        automations: &automations,
        runbooks: Some(&runbooks),
        today: jiff::civil::date(2026, 6, 1),
    };
    validate("sample.yaml", text.as_bytes(), &surroundings).findings
}

/// `line:column rule` of everything found.
pub fn places(text: &str) -> Vec<String> {
    findings(text)
        .iter()
        .map(|finding| format!("{}:{} {}", finding.position.line, finding.position.column, finding.rule))
        .collect()
}
