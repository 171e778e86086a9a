//! Deployments: one replica set for each template, the newest of which gets the pods.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::rollout::{Bounds, resize, roll, wanted};
use super::{Kind, owned, reference, remove, template_hash, update};
use crate::cluster::json;
use crate::cluster::state::State;

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";

fn revision(object: &Value) -> i64 {
    json::annotation(object, REVISION).and_then(|revision| revision.parse().ok()).unwrap_or_default()
}

fn plain_template(object: &Value) -> Value {
    let mut template = object.pointer("/spec/template").cloned().unwrap_or_default();
    json::take(&mut template, &["metadata", "labels", HASH]);
    json::take(&mut template, &["metadata", "creationTimestamp"]);
    template
}

/// Brings a deployment one step further.
pub fn sync(state: &mut State, kind: &'static Kind, deployment: &Arc<Value>) {
    let Some(sets_kind) = Kind::named("replicasets") else { return };
    if json::is_going(deployment) {
        return;
    }
    let replicas = json::number(deployment, "/spec/replicas").unwrap_or(1);
    let bounds = Bounds::of(deployment, replicas);
    let paused = json::flag(deployment, "/spec/paused");
    let recreate = json::text(deployment, "/spec/strategy/type") == "Recreate";
    let template = plain_template(deployment);
    let mut sets = owned(state, "replicasets", deployment);
    sets.retain(|set| !json::is_going(set));
    sets.sort_by_key(|set| revision(set));
    let at = sets.iter().position(|set| plain_template(set) == template);
    let new = at.map(|at| sets.remove(at));
    let old = sets;
    let last = old.iter().map(|set| revision(set)).max().unwrap_or_default();

    let new = match new {
        Some(new) => Some(new),
        None if paused => None,
        None => {
            let waits = recreate && pods_left(state, &old);
            if waits { None } else { Some(make(state, sets_kind, kind, deployment, last + 1)) }
        }
    };
    if let Some(new) = &new {
        renumber(state, kind, sets_kind, deployment, new, last + 1);
    }
    if paused {
        scale_only(state, sets_kind, replicas, new.as_ref(), &old);
    } else if recreate {
        for set in &old {
            resize(state, sets_kind, set, 0);
        }
        if let Some(new) = new.as_ref().filter(|_| !pods_left(state, &old)) {
            resize(state, sets_kind, new, replicas);
        }
    } else if let Some(new) = &new {
        roll(state, sets_kind, replicas, bounds, new, &old);
    }
    write_status(state, kind, deployment, replicas, bounds, new.as_ref());
    if !paused {
        clean_up(state, deployment, &old);
    }
}

fn pods_left(state: &State, sets: &[Arc<Value>]) -> bool {
    sets.iter().any(|set| {
        let pods = owned(state, "pods", set);
        pods.iter().any(|pod| !matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed"))
    })
}

fn make(state: &mut State, sets: &'static Kind, kind: &'static Kind, deployment: &Value, revision: i64) -> Arc<Value> {
    let template = plain_template(deployment);
    let hash = template_hash(&template);
    let mut set = json!({
        "metadata": {
            "name": format!("{}-{hash}", json::name(deployment)), "namespace": json::namespace(deployment),
            "labels": template.pointer("/metadata/labels"), "annotations": copied_annotations(deployment),
            "ownerReferences": [reference(kind, deployment)],
        },
        "spec": {
            "replicas": 0, "selector": deployment.pointer("/spec/selector"), "template": template,
            "minReadySeconds": deployment.pointer("/spec/minReadySeconds"),
        },
    });
    json::put(&mut set, &["metadata", "labels", HASH], hash.clone());
    json::put(&mut set, &["metadata", "annotations", REVISION], revision.to_string());
    json::put(&mut set, &["spec", "selector", "matchLabels", HASH], hash.clone());
    json::put(&mut set, &["spec", "template", "metadata", "labels", HASH], hash);
    let set = state.create(sets, set);
    let message = format!("Scaled up replica set {} from 0", json::name(&set));
    state.tell(deployment, "Normal", "ScalingReplicaSet", &message);
    set
}

fn copied_annotations(deployment: &Value) -> Value {
    let annotations = deployment.pointer("/metadata/annotations").and_then(Value::as_object);
    let own = |key: &str| {
        matches!(key, REVISION | HISTORY | "kubectl.kubernetes.io/last-applied-configuration")
            || key.starts_with("deprecated.deployment")
    };
    annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| !own(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Gives the new replica set the highest revision, and the deployment that of its new replica set.
fn renumber(state: &mut State, kind: &'static Kind, sets: &'static Kind, deployment: &Value, new: &Value, next: i64) {
    let had = revision(new);
    let set = update(state, sets, new, |set| {
        let annotations = json::slot(set, &["metadata", "annotations"]);
        for (key, value) in json::map(&mut copied_annotations(deployment)) {
            json::put(annotations, &[key], value.clone());
        }
        if had < next {
            if had > 0 {
                let history = json::text(annotations, &format!("/{}", HISTORY.replace('/', "~1")));
                let history = if history.is_empty() { had.to_string() } else { format!("{history},{had}") };
                json::put(annotations, &[HISTORY], history);
            }
            json::put(annotations, &[REVISION], next.to_string());
        }
    });
    update(state, kind, deployment, |deployment| {
        json::put(deployment, &["metadata", "annotations", REVISION], revision(&set).to_string());
    });
}

/// A paused deployment only changes its size, in the set that has most of it.
fn scale_only(state: &mut State, sets: &'static Kind, replicas: i64, new: Option<&Arc<Value>>, old: &[Arc<Value>]) {
    let active: Vec<&Arc<Value>> = new.into_iter().chain(old).filter(|set| wanted(set) > 0).collect();
    let total: i64 = active.iter().map(|set| wanted(set)).sum();
    let largest = active.iter().max_by_key(|set| wanted(set)).copied().or(new).or(old.last());
    if let Some(set) = largest {
        resize(state, sets, set, (wanted(set) + replicas - total).max(0));
    }
}

fn write_status(
    state: &mut State,
    kind: &'static Kind,
    deployment: &Value,
    replicas: i64,
    bounds: Bounds,
    new: Option<&Arc<Value>>,
) {
    let sets = owned(state, "replicasets", deployment);
    let sum = |field: &str| -> i64 {
        sets.iter().map(|set| json::number(set, &format!("/status/{field}")).unwrap_or_default()).sum()
    };
    let of_new = |field: &str| -> i64 {
        let new = new.and_then(|new| sets.iter().find(|set| json::uid(set) == json::uid(new)));
        new.and_then(|new| json::number(new, &format!("/status/{field}"))).unwrap_or_default()
    };
    let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    let updated = of_new("replicas");
    let complete = updated == replicas && total == replicas && available == replicas;
    let uid = json::uid(deployment).to_owned();
    let before = |field: &str| json::number(deployment, &format!("/status/{field}")).unwrap_or_default();
    let advanced = updated > before("updatedReplicas")
        || total - updated < before("replicas") - before("updatedReplicas")
        || ready > before("readyReplicas")
        || available > before("availableReplicas");
    let generation = json::number(deployment, "/metadata/generation").unwrap_or_default();
    let template_changed = json::number(deployment, "/status/observedGeneration") != Some(generation);
    if advanced || template_changed {
        state.mark(&uid, "progress");
    }
    let deadline = json::number(deployment, "/spec/progressDeadlineSeconds").unwrap_or(600);
    let late = !complete
        && !json::flag(deployment, "/spec/paused")
        && state.has_held(&uid, "progress", Duration::from_secs(u64::try_from(deadline).unwrap_or(600)));
    let new_name = new.map(|new| json::name(new).to_owned()).unwrap_or_default();
    let progressing = if json::flag(deployment, "/spec/paused") {
        json!({ "status": "Unknown", "reason": "DeploymentPaused", "message": "Deployment is paused" })
    } else if complete {
        let message = format!("ReplicaSet \"{new_name}\" has successfully progressed.");
        json!({ "status": "True", "reason": "NewReplicaSetAvailable", "message": message })
    } else if late {
        let message = format!("ReplicaSet \"{new_name}\" has timed out progressing.");
        json!({ "status": "False", "reason": "ProgressDeadlineExceeded", "message": message })
    } else {
        let message = format!("ReplicaSet \"{new_name}\" is progressing.");
        json!({ "status": "True", "reason": "ReplicaSetUpdated", "message": message })
    };
    let enough = available >= replicas - bounds.unavailable;
    let reachable = if enough {
        json!({
            "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability.",
        })
    } else {
        json!({
            "status": "False", "reason": "MinimumReplicasUnavailable",
            "message": "Deployment does not have minimum availability.",
        })
    };
    let now = state.now();
    update(state, kind, deployment, |deployment| {
        let numbers = [
            ("replicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("unavailableReplicas", (total.max(replicas) - available).max(0)),
            ("terminatingReplicas", sum("terminatingReplicas")),
        ];
        json::put(deployment, &["status", "observedGeneration"], generation);
        for (field, number) in numbers {
            if number > 0 {
                json::put(deployment, &["status", field], number);
            } else {
                json::take(deployment, &["status", field]);
            }
        }
        for (kind, mut condition) in [("Available", reachable), ("Progressing", progressing)] {
            json::put(&mut condition, &["type"], kind);
            let old = json::list(deployment, "/status/conditions").iter().find(|one| json::text(one, "/type") == kind);
            let same = |one: &Value| {
                ["status", "reason", "message"].iter().all(|field| one.get(*field) == condition.get(*field))
            };
            if advanced && kind == "Progressing" || !old.is_some_and(same) {
                json::put(&mut condition, &["lastUpdateTime"], json::seconds(now));
            }
            json::set_condition(deployment, condition, now);
        }
    });
}

/// Removes the oldest replica sets beyond the limit.
fn clean_up(state: &mut State, deployment: &Value, old: &[Arc<Value>]) {
    let limit = json::number(deployment, "/spec/revisionHistoryLimit").unwrap_or(10);
    let empty: Vec<&Arc<Value>> = old
        .iter()
        .filter(|set| wanted(set) == 0 && json::number(set, "/status/replicas").unwrap_or_default() == 0)
        .collect();
    let excess = empty.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
    for set in empty.into_iter().take(excess) {
        remove(state, "replicasets", set);
    }
}
