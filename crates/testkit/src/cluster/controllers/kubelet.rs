//! The kubelets: pods start, become ready, end, and go.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{is_ready, nodes, update};
use crate::cluster::delete;
use crate::cluster::json;
use crate::cluster::kinds::Kind;
use crate::cluster::state::{State, spread};

/// What becomes of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its image cannot be had.
    NoImage,
    /// It ends with an exit code other than 0.
    Fails,
    /// It runs.
    Runs,
}

fn fate(container: &Value) -> Fate {
    let image = json::text(container, "/image");
    let last = image.rsplit(['/', ':']).next().unwrap_or_default();
    match last {
        "broken" => Fate::NoImage,
        "failing" => Fate::Fails,
        _ => Fate::Runs,
    }
}

/// Brings a pod one step further.
pub fn sync(state: &mut State, kind: &'static Kind, pod: &Arc<Value>) {
    let node = Kind::named("nodes").and_then(|nodes| state.store.get(nodes, "", json::text(pod, "/spec/nodeName")));
    let uid = json::uid(pod).to_owned();
    if !is_ready(pod) {
        state.no_longer(&uid, "ready");
    }
    let Some(node) = node else {
        forsaken(state, kind, pod);
        return;
    };
    if !nodes::is_reporting(&node) {
        lost(state, kind, pod);
        return;
    }
    if json::is_going(pod) {
        stop(state, kind, pod);
        return;
    }
    match json::text(pod, "/status/phase") {
        "Pending" | "" => start(state, kind, pod, &node),
        "Running" => run(state, kind, pod),
        _ => {}
    }
}

/// A pod whose node is gone goes too, after a while.
fn forsaken(state: &mut State, kind: &'static Kind, pod: &Value) {
    let bound = !json::text(pod, "/spec/nodeName").is_empty();
    if bound && state.has_held(json::uid(pod), "forsaken", Duration::from_secs(40)) {
        delete::gone(state, kind, pod);
    }
}

/// Nobody hears of a pod on a node that does not report: it counts as not ready, and is left alone.
fn lost(state: &mut State, kind: &'static Kind, pod: &Value) {
    if !is_ready(pod) {
        return;
    }
    let now = state.now();
    update(state, kind, pod, |pod| {
        json::set_condition(pod, json!({ "type": "Ready", "status": "False", "reason": "NodeNotReady" }), now);
    });
}

fn stop(state: &mut State, kind: &'static Kind, pod: &Value) {
    let grace = json::number(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or_default();
    let grace = Duration::from_secs(u64::try_from(grace).unwrap_or_default());
    let time = grace.min(state.settings.pod_stop);
    if !state.has_held(json::uid(pod), "going", time) {
        return;
    }
    if json::list(pod, "/metadata/finalizers").is_empty() {
        delete::gone(state, kind, pod);
    }
}

fn containers(pod: &Value) -> Vec<Value> {
    json::list(pod, "/spec/containers").to_vec()
}

fn container_status(container: &Value, uid: &str) -> Value {
    let name = json::text(container, "/name");
    let image = json::text(container, "/image");
    let mut status = json!({
        "name": name, "image": image, "imageID": "", "ready": false, "started": false, "restartCount": 0,
    });
    if fate(container) != Fate::NoImage {
        let id = name.bytes().fold(spread(1), |id, byte| spread(id ^ u64::from(byte)));
        status["imageID"] = json!(format!("{image}@sha256:{id:016x}{id:016x}{id:016x}{id:016x}"));
        status["containerID"] = json!(format!("containerd://{}{id:016x}", uid.replace('-', "")));
    }
    status
}

fn conditions(pod: &mut Value, ready: bool, now: jiff::Timestamp) {
    let names: Vec<String> = containers(pod).iter().map(|one| json::text(one, "/name").to_owned()).collect();
    for kind in ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"] {
        let mut condition = json!({ "type": kind, "status": "True" });
        if !ready && kind.ends_with("Ready") {
            let message = format!("containers with unready status: [{}]", names.join(" "));
            condition = json!({ "type": kind, "status": "False", "reason": "ContainersNotReady", "message": message });
        }
        json::set_condition(pod, condition, now);
    }
}

fn start(state: &mut State, kind: &'static Kind, pod: &Value, node: &Value) {
    let uid = json::uid(pod).to_owned();
    let now = state.now();
    let (began, starts) = (state.since(&uid, "bound"), state.settings.pod_start);
    let broken = containers(pod).iter().any(|container| fate(container) == Fate::NoImage);
    let ready = state.has_held(&uid, "bound", starts) && !broken;
    let mixed = uid.bytes().fold(3, |mixed, byte| spread(mixed ^ u64::from(byte)));
    let host = json::text(node, "/status/addresses/0/address").to_owned();
    let kept = update(state, kind, pod, |pod| {
        json::default(pod, &["status", "startTime"], json::seconds(began));
        json::put(pod, &["status", "hostIP"], host);
        json::put(
            pod,
            &["status", "observedGeneration"],
            pod.pointer("/metadata/generation").cloned().unwrap_or_default(),
        );
        let statuses: Vec<Value> = containers(pod)
            .iter()
            .map(|container| {
                let mut status = container_status(container, &uid);
                let image = json::text(container, "/image");
                if ready {
                    status["state"] = json!({ "running": { "startedAt": json::seconds(now) } });
                    status["ready"] = json!(true);
                    status["started"] = json!(true);
                } else if fate(container) == Fate::NoImage {
                    let message = format!("Back-off pulling image \"{image}\"");
                    status["state"] = json!({ "waiting": { "reason": "ImagePullBackOff", "message": message } });
                } else {
                    status["state"] = json!({ "waiting": { "reason": "ContainerCreating" } });
                }
                status
            })
            .collect();
        json::put(pod, &["status", "containerStatuses"], statuses);
        if ready {
            json::put(pod, &["status", "phase"], "Running");
            let ip = format!("10.244.{}.{}", mixed % 250, (mixed >> 8) % 250 + 2);
            json::put(pod, &["status", "podIP"], ip.clone());
            json::put(pod, &["status", "podIPs"], json!([{ "ip": ip }]));
            let initial: Vec<Value> = json::list(pod, "/spec/initContainers")
                .iter()
                .map(|container| {
                    let mut status = container_status(container, &uid);
                    let time = json::seconds(now);
                    status["ready"] = json!(true);
                    status["state"] = json!({ "terminated": {
                        "exitCode": 0, "reason": "Completed", "startedAt": time, "finishedAt": time,
                    } });
                    status
                })
                .collect();
            if !initial.is_empty() {
                json::put(pod, &["status", "initContainerStatuses"], initial);
            }
        }
        conditions(pod, ready, now);
    });
    if broken {
        let image = containers(&kept)
            .iter()
            .find(|one| fate(one) == Fate::NoImage)
            .map(|one| json::text(one, "/image").to_owned());
        let message = format!("Back-off pulling image \"{}\"", image.unwrap_or_default());
        state.tell(&kept, "Warning", "BackOff", &message);
    }
}

fn run(state: &mut State, kind: &'static Kind, pod: &Value) {
    let now = state.now();
    let uid = json::uid(pod).to_owned();
    let ends = json::text(pod, "/spec/restartPolicy") != "Always";
    if ends {
        let time = state.settings.job_run;
        if !state.has_held(&uid, "running", time) {
            return;
        }
        let failed = containers(pod).iter().any(|container| fate(container) == Fate::Fails);
        let (phase, code, reason) = if failed { ("Failed", 1, "Error") } else { ("Succeeded", 0, "Completed") };
        update(state, kind, pod, |pod| {
            json::put(pod, &["status", "phase"], phase);
            for status in json::items(json::slot(pod, &["status", "containerStatuses"])) {
                status["ready"] = json!(false);
                status["started"] = json!(false);
                status["state"] = json!({ "terminated": {
                    "exitCode": code, "reason": reason, "finishedAt": json::seconds(now),
                } });
            }
            for kind in ["Ready", "ContainersReady"] {
                let condition = json!({ "type": kind, "status": "False", "reason": "PodCompleted" });
                json::set_condition(pod, condition, now);
            }
        });
        return;
    }
    // A node that reports again tells of its pods again; a test that made a container unready is left its way.
    let only_lost = json::list(pod, "/status/conditions")
        .iter()
        .any(|one| json::text(one, "/type") == "Ready" && json::text(one, "/reason") == "NodeNotReady");
    if only_lost {
        update(state, kind, pod, |pod| {
            json::set_condition(pod, json!({ "type": "Ready", "status": "True" }), now);
        });
    }
}
