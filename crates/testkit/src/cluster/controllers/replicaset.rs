//! Replica sets: so many pods of one template.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{count, create_pod, is_active, is_available, is_ready, owned, pod_of, remove, update};
use crate::cluster::json;
use crate::cluster::kinds::Kind;
use crate::cluster::state::State;

/// Creates or deletes pods, and writes the status.
pub fn sync(state: &mut State, kind: &'static Kind, set: &Arc<Value>) {
    let wanted = json::number(set, "/spec/replicas").unwrap_or(1);
    let pods: Vec<Arc<Value>> = owned(state, "pods", set).into_iter().filter(|pod| is_active(pod)).collect();
    if !json::is_going(set) {
        let present = count(pods.len());
        for _ in present..wanted {
            create_pod(state, pod_of(kind, set));
        }
        if present > wanted {
            let excess = usize::try_from(present - wanted).unwrap_or_default();
            let mut ranked = pods.clone();
            ranked.sort_by_key(|pod| rank(pod));
            for pod in ranked.iter().take(excess) {
                remove(state, "pods", pod);
            }
        }
    }
    let pods: Vec<Arc<Value>> = owned(state, "pods", set).into_iter().filter(|pod| is_active(pod)).collect();
    let min_ready = json::number(set, "/spec/minReadySeconds").unwrap_or_default();
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let available = pods.iter().filter(|pod| is_available(state, pod, min_ready)).count();
    let terminating = owned(state, "pods", set).iter().filter(|pod| json::is_going(pod)).count();
    update(state, kind, set, |set| {
        let generation = set.pointer("/metadata/generation").cloned();
        let mut status = json!({ "replicas": pods.len(), "observedGeneration": generation });
        let numbers = [
            ("fullyLabeledReplicas", pods.len()),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("terminatingReplicas", terminating),
        ];
        for (key, number) in numbers {
            if number > 0 {
                status[key] = json!(number);
            }
        }
        json::put(set, &["status"], status);
    });
}

/// Which pod goes first: without a node, not ready, cheapest to lose, newest.
fn rank(pod: &Value) -> (bool, bool, i64, std::cmp::Reverse<u64>, String) {
    let cost = json::annotation(pod, "controller.kubernetes.io/pod-deletion-cost");
    let version = json::text(pod, "/metadata/creationTimestamp").parse::<jiff::Timestamp>();
    let age = version.map(|time| u64::try_from(time.as_second()).unwrap_or_default()).unwrap_or_default();
    (
        !json::text(pod, "/spec/nodeName").is_empty(),
        is_ready(pod),
        cost.and_then(|cost| cost.parse().ok()).unwrap_or_default(),
        std::cmp::Reverse(age),
        json::name(pod).to_owned(),
    )
}
