//! Jobs: pods that end.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Kind, count, create_pod, is_active, is_ready, owned, pod_of, remove, update};
use crate::cluster::json;
use crate::cluster::state::State;

/// Creates or deletes pods, and writes the status.
pub fn sync(state: &mut State, kind: &'static Kind, job: &Arc<Value>) {
    if json::is_going(job) {
        return;
    }
    let job = label(state, kind, job);
    let ended = |pods: &[Arc<Value>], phase: &str| {
        count(pods.iter().filter(|pod| json::text(pod, "/status/phase") == phase).count())
    };
    let finished = ["Complete", "Failed"].iter().any(|kind| json::condition(&job, kind) == "True");
    let suspended = json::flag(&job, "/spec/suspend");
    let wanted = json::number(&job, "/spec/completions").unwrap_or(1);
    let at_once = json::number(&job, "/spec/parallelism").unwrap_or(1);
    let limit = json::number(&job, "/spec/backoffLimit").unwrap_or(6);
    let pods = owned(state, "pods", &job);
    let (succeeded, failed) = (ended(&pods, "Succeeded"), ended(&pods, "Failed"));
    let active: Vec<&Arc<Value>> = pods.iter().filter(|pod| is_active(pod)).collect();
    if finished {
        return;
    }
    if suspended || failed > limit {
        for pod in &active {
            remove(state, "pods", pod);
        }
    } else {
        let missing = at_once.min(wanted - succeeded) - count(active.len());
        for _ in 0..missing {
            create_pod(state, pod_of(kind, &job));
        }
    }
    let pods = owned(state, "pods", &job);
    let active = pods.iter().filter(|pod| is_active(pod)).count();
    let ready = pods.iter().filter(|pod| is_active(pod) && is_ready(pod)).count();
    let now = state.now();
    update(state, kind, &job, |job| {
        if !suspended {
            json::default(job, &["status", "startTime"], json::seconds(now));
        }
        for (field, number) in [("active", count(active)), ("succeeded", succeeded), ("failed", failed)] {
            if number > 0 {
                json::put(job, &["status", field], number);
            } else {
                json::take(job, &["status", field]);
            }
        }
        json::put(job, &["status", "ready"], ready);
        json::put(job, &["status", "terminating"], 0);
        json::put(job, &["status", "uncountedTerminatedPods"], json!({}));
        if succeeded >= wanted {
            let message = "Reached expected number of succeeded pods";
            for kind in ["SuccessCriteriaMet", "Complete"] {
                let condition =
                    json!({ "type": kind, "status": "True", "reason": "CompletionsReached", "message": message });
                json::set_condition(job, condition, now);
            }
            json::default(job, &["status", "completionTime"], json::seconds(now));
        } else if failed > limit {
            let message = "Job has reached the specified backoff limit";
            for kind in ["FailureTarget", "Failed"] {
                let condition =
                    json!({ "type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": message });
                json::set_condition(job, condition, now);
            }
        }
    });
}

/// Gives a job the selector and the labels that tie its pods to it.
fn label(state: &mut State, kind: &'static Kind, job: &Arc<Value>) -> Arc<Value> {
    let (uid, name) = (json::uid(job).to_owned(), json::name(job).to_owned());
    update(state, kind, job, |job| {
        json::default(job, &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"], uid.clone());
        let labels = json::slot(job, &["spec", "template", "metadata", "labels"]);
        for (key, value) in [
            ("batch.kubernetes.io/controller-uid", &uid),
            ("batch.kubernetes.io/job-name", &name),
            ("controller-uid", &uid),
            ("job-name", &name),
        ] {
            json::default(labels, &[key], value.clone());
        }
    })
}
