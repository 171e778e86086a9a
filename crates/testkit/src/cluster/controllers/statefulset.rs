//! Stateful sets: numbered pods, one after the other.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Kind, count, create_pod, is_active, is_available, is_ready, owned, pod_of, remove, template_hash, update};
use crate::cluster::json;
use crate::cluster::state::State;

const HASH: &str = "controller-revision-hash";

fn ordinal(pod: &Value) -> i64 {
    json::label(pod, "apps.kubernetes.io/pod-index").and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Creates, replaces or deletes one pod, or all at once where they are managed in parallel; writes the status.
pub fn sync(state: &mut State, kind: &'static Kind, set: &Arc<Value>) {
    let wanted = json::number(set, "/spec/replicas").unwrap_or(1);
    let parallel = json::text(set, "/spec/podManagementPolicy") == "Parallel";
    let template = set.pointer("/spec/template").cloned().unwrap_or_default();
    let revision = format!("{}-{}", json::name(set), template_hash(&template));
    let mut pods = owned(state, "pods", set);
    pods.sort_by_key(|pod| ordinal(pod));
    if !json::is_going(set) {
        step(state, kind, set, &pods, wanted, parallel, &revision);
    }
    write_status(state, kind, set, wanted, &revision);
}

fn step(
    state: &mut State,
    kind: &'static Kind,
    set: &Value,
    pods: &[Arc<Value>],
    wanted: i64,
    parallel: bool,
    revision: &str,
) {
    for number in 0..wanted {
        let pod = pods.iter().find(|pod| ordinal(pod) == number);
        match pod {
            None => {
                create(state, kind, set, number, revision);
                if !parallel {
                    return;
                }
            }
            Some(pod) if !is_active(pod) && !json::is_going(pod) => remove(state, "pods", pod),
            Some(pod) if !is_ready(pod) && !parallel && !json::is_going(pod) && !is_outdated(pod, revision) => return,
            Some(_) => {}
        }
    }
    if let Some(last) = pods.iter().rev().find(|pod| ordinal(pod) >= wanted) {
        remove(state, "pods", last);
        return;
    }
    if pods.iter().any(|pod| json::is_going(pod)) || json::text(set, "/spec/updateStrategy/type") == "OnDelete" {
        return;
    }
    let partition = json::number(set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default();
    // From the last to the first; one that is new and not ready holds the others up.
    for pod in pods.iter().rev().filter(|pod| ordinal(pod) >= partition) {
        if is_outdated(pod, revision) {
            remove(state, "pods", pod);
            return;
        }
        if !is_ready(pod) {
            return;
        }
    }
}

fn is_outdated(pod: &Value, revision: &str) -> bool {
    json::label(pod, HASH) != Some(revision)
}

fn create(state: &mut State, kind: &'static Kind, set: &Value, number: i64, revision: &str) {
    let mut pod = pod_of(kind, set);
    let name = format!("{}-{number}", json::name(set));
    json::put(&mut pod, &["metadata", "name"], name.clone());
    json::put(&mut pod, &["metadata", "labels", HASH], revision);
    json::put(&mut pod, &["metadata", "labels", "statefulset.kubernetes.io/pod-name"], name.clone());
    json::put(&mut pod, &["metadata", "labels", "apps.kubernetes.io/pod-index"], number.to_string());
    json::put(&mut pod, &["spec", "hostname"], name);
    json::put(&mut pod, &["spec", "subdomain"], json::text(set, "/spec/serviceName"));
    create_pod(state, pod);
}

fn write_status(state: &mut State, kind: &'static Kind, set: &Value, wanted: i64, revision: &str) {
    let pods: Vec<Arc<Value>> = owned(state, "pods", set).into_iter().filter(|pod| is_active(pod)).collect();
    let min_ready = json::number(set, "/spec/minReadySeconds").unwrap_or_default();
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let available = pods.iter().filter(|pod| is_available(state, pod, min_ready)).count();
    let updated = pods.iter().filter(|pod| !is_outdated(pod, revision)).count();
    update(state, kind, set, |set| {
        let complete = count(updated) == wanted && count(ready) == wanted;
        let before = json::text(set, "/status/currentRevision").to_owned();
        let current = if complete || before.is_empty() { revision.to_owned() } else { before };
        let still = pods.iter().filter(|pod| json::label(pod, HASH) == Some(&current)).count();
        let generation = set.pointer("/metadata/generation").cloned();
        json::put(
            set,
            &["status"],
            json!({
                "observedGeneration": generation, "replicas": pods.len(), "readyReplicas": ready,
                "availableReplicas": available, "updatedReplicas": updated, "currentReplicas": still,
                "currentRevision": current, "updateRevision": revision, "collisionCount": 0,
            }),
        );
    });
}
