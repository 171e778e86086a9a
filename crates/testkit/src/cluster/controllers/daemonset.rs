//! Daemon sets: one pod on every node that it may run on.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Kind, create_pod, is_active, is_available, is_ready, nodes, owned, pod_of, portion, remove, template_hash, update,
};
use crate::cluster::json;
use crate::cluster::selector::Labels;
use crate::cluster::state::State;

const HASH: &str = "controller-revision-hash";

/// What a daemon's pod bears that others do not.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Creates, replaces or deletes pods, and writes the status.
pub fn sync(state: &mut State, kind: &'static Kind, set: &Arc<Value>) {
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    let hash = template_hash(&template);
    let mut model = pod_of(kind, set);
    json::put(&mut model, &["metadata", "labels", HASH], hash.clone());
    for (key, effect) in TOLERATED {
        let toleration = json!({ "key": key, "operator": "Exists", "effect": effect });
        json::items(json::slot(&mut model, &["spec", "tolerations"])).push(toleration);
    }
    let selector = Labels::of_map(template.pointer("/spec/nodeSelector").unwrap_or(&Value::Null));
    let fits = |node: &Value| selector.matches(node) && !json::is_going(node);
    let all = state.list("nodes", None);
    let pods = owned(state, "pods", set);
    let on = |name: &str| pods.iter().find(|pod| json::text(pod, "/spec/nodeName") == name);
    if !json::is_going(set) {
        for node in all.iter().filter(|node| fits(node)) {
            match on(json::name(node)) {
                None if nodes::untolerated(node, &model).is_none() => {
                    let mut pod = model.clone();
                    json::put(&mut pod, &["spec", "nodeName"], json::name(node));
                    create_pod(state, pod);
                }
                Some(pod) if !is_active(pod) && !json::is_going(pod) => remove(state, "pods", pod),
                _ => {}
            }
        }
        for pod in &pods {
            let node = all.iter().find(|node| json::name(node) == json::text(pod, "/spec/nodeName"));
            if !node.is_some_and(|node| fits(node)) {
                remove(state, "pods", pod);
            }
        }
        if json::text(set, "/spec/updateStrategy/type") != "OnDelete" {
            renew(state, set, &pods, &hash);
        }
    }
    write_status(state, kind, set, &all, &model, &hash);
}

/// Replaces pods of an old template, as many at a time as may be unavailable.
fn renew(state: &mut State, set: &Value, pods: &[Arc<Value>], hash: &str) {
    let total = super::count(pods.len());
    let bound = portion(set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable"), total, true).max(1);
    let missing = super::count(pods.iter().filter(|pod| !is_ready(pod) || json::is_going(pod)).count());
    let mut spare = bound - missing;
    for pod in pods.iter().filter(|pod| json::label(pod, HASH) != Some(hash) && !json::is_going(pod)) {
        if !is_ready(pod) {
            remove(state, "pods", pod);
        } else if spare > 0 {
            remove(state, "pods", pod);
            spare -= 1;
        }
    }
}

fn write_status(state: &mut State, kind: &'static Kind, set: &Value, nodes: &[Arc<Value>], model: &Value, hash: &str) {
    let pods: Vec<Arc<Value>> = owned(state, "pods", set).into_iter().filter(|pod| is_active(pod)).collect();
    let min_ready = json::number(set, "/spec/minReadySeconds").unwrap_or_default();
    let selector = Labels::of_map(model.pointer("/spec/nodeSelector").unwrap_or(&Value::Null));
    let wanted =
        nodes.iter().filter(|node| selector.matches(node) && nodes::untolerated(node, model).is_none()).count();
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let available = pods.iter().filter(|pod| is_available(state, pod, min_ready)).count();
    let updated = pods.iter().filter(|pod| json::label(pod, HASH) == Some(hash)).count();
    update(state, kind, set, |set| {
        let generation = set.pointer("/metadata/generation").cloned();
        let mut status = json!({
            "observedGeneration": generation, "desiredNumberScheduled": wanted, "currentNumberScheduled": pods.len(),
            "numberMisscheduled": 0, "numberReady": ready,
        });
        let numbers = [
            ("numberAvailable", available),
            ("numberUnavailable", wanted.saturating_sub(available)),
            ("updatedNumberScheduled", updated),
        ];
        for (field, number) in numbers {
            if number > 0 {
                status[field] = json!(number);
            }
        }
        json::put(set, &["status"], status);
    });
}
