//! The scheduler: a node for every pod, or the reason why there is none.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{is_active, nodes, update};
use crate::cluster::json;
use crate::cluster::kinds::Kind;
use crate::cluster::selector::Labels;
use crate::cluster::state::State;

/// Gives every pod that has none a node: the one with the fewest pods of those that it may run on.
pub fn run(state: &mut State) {
    let Some(kind) = Kind::named("pods") else { return };
    let pods = state.store.list(kind, None);
    if pods.iter().all(|pod| !json::text(pod, "/spec/nodeName").is_empty()) {
        return;
    }
    let nodes = state.list("nodes", None);
    let mut load: BTreeMap<String, usize> = nodes.iter().map(|node| (json::name(node).to_owned(), 0)).collect();
    for pod in pods.iter().filter(|pod| is_active(pod)) {
        if let Some(load) = load.get_mut(json::text(pod, "/spec/nodeName")) {
            *load += 1;
        }
    }
    for pod in pods.iter().filter(|pod| json::text(pod, "/spec/nodeName").is_empty() && is_active(pod)) {
        let fitting = nodes.iter().filter(|node| obstacle(node, pod).is_none());
        let best = fitting.min_by_key(|node| (load.get(json::name(node)).copied(), json::name(node).to_owned()));
        let now = state.now();
        if let Some(node) = best {
            let name = json::name(node).to_owned();
            *load.entry(name.clone()).or_default() += 1;
            update(state, kind, pod, |pod| {
                json::put(pod, &["spec", "nodeName"], name);
                json::set_condition(pod, json!({ "type": "PodScheduled", "status": "True" }), now);
            });
        } else {
            let message = why_none(&nodes, pod);
            let condition =
                json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message });
            let kept = update(state, kind, pod, |pod| {
                json::set_condition(pod, condition, now);
            });
            state.tell(&kept, "Warning", "FailedScheduling", &message);
        }
    }
}

/// What keeps a pod off a node.
fn obstacle(node: &Value, pod: &Value) -> Option<String> {
    if json::is_going(node) {
        return Some("node(s) were being deleted".to_owned());
    }
    if !Labels::of_map(pod.pointer("/spec/nodeSelector").unwrap_or(&Value::Null)).matches(node) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    if json::flag(node, "/spec/unschedulable") && nodes::untolerated(node, pod).is_some() {
        return Some("node(s) were unschedulable".to_owned());
    }
    if let Some(taint) = nodes::untolerated(node, pod) {
        return Some(format!(
            "node(s) had untolerated taint(s) {{{}: {}}}",
            json::text(taint, "/key"),
            json::text(taint, "/value")
        ));
    }
    None
}

fn why_none(nodes: &[Arc<Value>], pod: &Value) -> String {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for reason in nodes.iter().filter_map(|node| obstacle(node, pod)) {
        *reasons.entry(reason).or_default() += 1;
    }
    let list: Vec<String> = reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    if list.is_empty() {
        return "no nodes available to schedule pods".to_owned();
    }
    format!("0/{} nodes are available: {}.", nodes.len(), list.join(", "))
}
