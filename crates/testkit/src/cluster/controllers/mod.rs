//! What keeps the cluster as it is wanted: controllers, scheduler, kubelets.
//!
//! Each one looks at the whole state and brings it one step further; they run in turn until none of them changes
//! anything. What takes time asks to be run again ([`State::wake_at`]).

mod adoption;
mod daemonset;
mod deployment;
mod disruption;
mod garbage;
mod job;
mod kubelet;
pub mod nodes;
mod replicaset;
mod rollout;
mod scheduler;
mod statefulset;
mod taints;
mod volumes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::delete::{self, Options};
use super::json;
use super::kinds::Kind;
use super::state::{State, letters, spread};

/// More rounds than anything needs; what has not settled by then never will.
const ROUNDS: usize = 500;

/// Namespaces that are looked at; `None` is everything.
type Scope = Option<BTreeSet<String>>;

/// Runs everything until nothing changes any more.
pub fn settle(state: &mut State) {
    run(state, None);
}

/// The same after changes since a version that everything was settled at: what lies in a namespace depends on nothing in
/// another one.
pub fn settle_since(state: &mut State, version: u64) {
    let scope = changed_since(state, version);
    run(state, scope);
}

fn run(state: &mut State, mut scope: Scope) {
    for _ in 0..ROUNDS {
        let version = state.store.version();
        if scope.is_none() {
            // Whoever still has to wait says so again in this round.
            state.forget_due();
        }
        round(state, &scope);
        if state.store.version() == version {
            return;
        }
        scope = changed_since(state, version);
    }
}

/// Where something has changed; everywhere, where it lies in no namespace, a namespace goes, or it is not known any more.
fn changed_since(state: &State, version: u64) -> Scope {
    let changed: BTreeSet<String> = state.store.changes(version)?.map(|change| change.key.namespace.clone()).collect();
    let everywhere = changed.contains("") || state.list("namespaces", None).iter().any(|one| json::is_going(one));
    (!everywhere).then_some(changed)
}

fn round(state: &mut State, scope: &Scope) {
    garbage::collect(state, scope.as_ref());
    for plural in ["replicasets", "statefulsets", "daemonsets"] {
        each(state, scope, plural, adoption::sync);
    }
    each(state, scope, "deployments", deployment::sync);
    each(state, scope, "replicasets", replicaset::sync);
    each(state, scope, "statefulsets", statefulset::sync);
    each(state, scope, "daemonsets", daemonset::sync);
    each(state, scope, "jobs", job::sync);
    scheduler::run(state);
    each(state, scope, "pods", taints::sync);
    each(state, scope, "pods", kubelet::sync);
    each(state, scope, "persistentvolumeclaims", volumes::bind);
    each(state, scope, "volumesnapshots", volumes::take_snapshot);
    each(state, scope, "poddisruptionbudgets", disruption::sync);
}

fn each(state: &mut State, scope: &Scope, plural: &str, sync: fn(&mut State, &'static Kind, &Arc<Value>)) {
    let Some(kind) = Kind::named(plural) else { return };
    let objects: Vec<Arc<Value>> = match scope {
        Some(namespaces) => namespaces.iter().flat_map(|namespace| state.store.list(kind, Some(namespace))).collect(),
        None => state.store.list(kind, None),
    };
    for object in objects {
        sync(state, kind, &object);
    }
}

/// An object as it is now; `None` where it is gone meanwhile.
fn current(state: &State, kind: &Kind, object: &Value) -> Option<Arc<Value>> {
    let now = state.store.get(kind, json::namespace(object), json::name(object))?;
    (json::uid(&now) == json::uid(object)).then_some(now)
}

/// Changes an object, unless it is gone meanwhile.
fn update(state: &mut State, kind: &'static Kind, object: &Value, change: impl FnOnce(&mut Value)) -> Arc<Value> {
    let Some(now) = current(state, kind, object) else { return Arc::new(object.clone()) };
    let mut new = Value::clone(&now);
    change(&mut new);
    state.store.put(kind, new)
}

/// What an object owns as its controller, ordered by name.
fn owned(state: &State, plural: &str, owner: &Value) -> Vec<Arc<Value>> {
    let mut objects = state.list(plural, Some(json::namespace(owner)));
    objects.retain(|object| json::controller(object) == json::uid(owner));
    objects
}

/// Whether a pod is wanted and may still do something.
fn is_active(pod: &Value) -> bool {
    !json::is_going(pod) && !matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a pod is ready.
fn is_ready(pod: &Value) -> bool {
    json::condition(pod, "Ready") == "True"
}

/// Whether a pod has been ready for so many seconds.
fn is_available(state: &mut State, pod: &Value, min_ready_seconds: i64) -> bool {
    let time = Duration::from_secs(u64::try_from(min_ready_seconds).unwrap_or_default());
    is_ready(pod) && state.has_held(json::uid(pod), "ready", time)
}

/// The reference by which a controller owns what it makes.
fn reference(kind: &Kind, owner: &Value) -> Value {
    json!({
        "apiVersion": kind.api_version(), "kind": kind.kind, "name": json::name(owner), "uid": json::uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// A pod from the template of its controller, without a name.
fn pod_of(kind: &Kind, owner: &Value) -> Value {
    let template = owner.pointer("/spec/template").cloned().unwrap_or_default();
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": template.get("spec") });
    for key in ["labels", "annotations"] {
        if let Some(value) = template.get("metadata").and_then(|metadata| metadata.get(key)) {
            json::put(&mut pod, &["metadata", key], value.clone());
        }
    }
    json::put(&mut pod, &["metadata", "namespace"], json::namespace(owner));
    json::put(&mut pod, &["metadata", "generateName"], format!("{}-", json::name(owner)));
    json::put(&mut pod, &["metadata", "ownerReferences"], vec![reference(kind, owner)]);
    pod
}

/// Creates a pod.
fn create_pod(state: &mut State, pod: Value) {
    if let Some(pods) = Kind::named("pods") {
        state.create(pods, pod);
    }
}

/// Asks for the deletion of something, as a controller does.
fn remove(state: &mut State, plural: &str, object: &Value) {
    if let Some(kind) = Kind::named(plural) {
        remove_as(state, kind, object, "Background");
    }
}

/// Asks for the deletion of something, with this propagation.
fn remove_as(state: &mut State, kind: &'static Kind, object: &Value, policy: &str) {
    let Some(object) = current(state, kind, object).filter(|object| !json::is_going(object)) else { return };
    let options = Options { propagation: Some(policy.to_owned()), ..Options::default() };
    delete::delete(state, kind, &object, &options).expect("a deletion without preconditions is never refused");
}

/// A number that is the same for equal values.
fn digest(value: &Value) -> u64 {
    let of_text = |text: &str| text.bytes().fold(7, |digest, byte| spread(digest ^ u64::from(byte)));
    if let Some(map) = value.as_object() {
        map.iter().fold(1, |sum: u64, (key, member)| sum.wrapping_add(spread(of_text(key) ^ digest(member))))
    } else if let Some(list) = value.as_array() {
        list.iter().fold(2, |sum, item| spread(sum ^ digest(item)))
    } else {
        of_text(&value.to_string())
    }
}

/// The hash of a template, as names and labels have it.
fn template_hash(template: &Value) -> String {
    letters(digest(template), 10)
}

/// A number or a percentage of a total.
fn portion(value: Option<&Value>, total: i64, round_up: bool) -> i64 {
    let Some(value) = value else { return 0 };
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent = value.as_str().and_then(|text| text.trim_end_matches('%').parse::<i64>().ok()).unwrap_or_default();
    if round_up { (total * percent + 99).div_euclid(100) } else { (total * percent).div_euclid(100) }
}

/// A count as the API has it.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
