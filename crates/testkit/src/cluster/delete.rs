//! Deleting: grace periods, finalizers, preconditions, and what becomes of owned objects.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::json;
use super::kinds::Kind;
use super::read;
use super::state::State;
use super::status::{Refusal, success};
use super::target::Target;
use super::write::Answer;

/// How something is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Seconds; `None` takes what the object says.
    pub grace: Option<i64>,
    /// `Background`, `Foreground` or `Orphan`; `None` takes the resource's own.
    pub propagation: Option<String>,
    /// The uid that the object has to have.
    pub uid: Option<String>,
    /// The version that the object has to have.
    pub version: Option<String>,
    /// Whether nothing is kept.
    pub dry_run: bool,
}

impl Options {
    /// Reads `DeleteOptions` from the body and the query; the body wins.
    pub fn parse(target: &Target, body: &Value) -> Result<Self, Refusal> {
        let text = |pointer: &str, parameter: &str| {
            let found = body.pointer(pointer).and_then(Value::as_str).or_else(|| target.parameter(parameter));
            found.map(str::to_owned)
        };
        let in_body = json::list(body, "/dryRun").iter().any(|value| value == "All");
        let options = Self {
            grace: json::number(body, "/gracePeriodSeconds")
                .or_else(|| target.parameter("gracePeriodSeconds")?.parse().ok()),
            propagation: text("/propagationPolicy", "propagationPolicy"),
            uid: text("/preconditions/uid", ""),
            version: text("/preconditions/resourceVersion", ""),
            dry_run: in_body || target.is_dry_run(),
        };
        match options.propagation.as_deref() {
            None | Some("Background" | "Foreground" | "Orphan") => Ok(options),
            Some(other) => Err(Refusal::new(
                422,
                "Invalid",
                format!(
                    "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"{other}\": \
                     Unsupported value: \"{other}\": supported values: \"Background\", \"Foreground\", \"Orphan\""
                ),
            )),
        }
    }
}

/// Deletes the object that a request names.
pub fn one(state: &mut State, kind: &'static Kind, target: &Target, body: &Value) -> Answer {
    let options = Options::parse(target, body)?;
    let object = read::get(state, kind, target)?;
    delete(state, kind, &object, &options).map(|body| (200, body))
}

/// Deletes every object that a request selects; answers with the list of them.
pub fn many(state: &mut State, kind: &'static Kind, target: &Target, body: &Value) -> Answer {
    let options = Options::parse(target, body)?;
    let selection = read::selection(kind, target)?;
    let answer = read::list(state, kind, target)?;
    for object in state.store.list(kind, target.namespace.as_deref()) {
        if selection.matches(&object) {
            delete(state, kind, &object, &options)?;
        }
    }
    Ok((200, answer))
}

/// Deletes an object; answers with it, as long as it is still there, or with a `Status`.
pub fn delete(
    state: &mut State,
    kind: &'static Kind,
    object: &Arc<Value>,
    options: &Options,
) -> Result<Value, Refusal> {
    let name = json::name(object);
    let differ = [
        ("UID", options.uid.as_deref(), json::uid(object)),
        ("ResourceVersion", options.version.as_deref(), json::text(object, "/metadata/resourceVersion")),
    ];
    for (what, wanted, found) in differ {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}");
            return Err(Refusal::conflict(kind, name, &why));
        }
    }
    let mut going = Value::clone(object);
    let policy = options.propagation.as_deref().unwrap_or(if kind.plural == "jobs" { "Orphan" } else { "Background" });
    let has_dependents = state.store.all().any(|(_, other)| owns(object, other));
    if kind.plural != "pods" && !json::is_going(object) {
        match policy {
            "Foreground" => add_finalizer(&mut going, "foregroundDeletion"),
            "Orphan" if has_dependents => add_finalizer(&mut going, "orphan"),
            _ => {}
        }
    }
    let grace = if kind.plural == "pods" { grace(object, options) } else { 0 };
    let held = !json::list(&going, "/metadata/finalizers").is_empty() || kind.plural == "namespaces";
    if grace == 0 && !held {
        if options.dry_run {
            return Ok(success(None, kind, name, json::uid(object)));
        }
        gone(state, kind, object);
        if kind.plural == "pods" {
            return Ok(Value::clone(object));
        }
        return Ok(success(None, kind, name, json::uid(object)));
    }
    let present = json::number(object, "/metadata/deletionGracePeriodSeconds");
    if !json::is_going(object) || present.is_some_and(|present| grace < present) {
        let now = state.now();
        let begun = json::time(object, "/metadata/deletionTimestamp")
            .and_then(|end| end.checked_sub(SignedDuration::from_secs(present.unwrap_or_default())).ok())
            .unwrap_or(now);
        let end = begun.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now);
        json::put(&mut going, &["metadata", "deletionTimestamp"], json::seconds(end));
        json::put(&mut going, &["metadata", "deletionGracePeriodSeconds"], grace);
        if let Some(generation) = json::number(object, "/metadata/generation") {
            json::put(&mut going, &["metadata", "generation"], generation + 1);
        }
        if kind.plural == "namespaces" {
            json::put(&mut going, &["status", "phase"], "Terminating");
        }
    }
    if options.dry_run {
        return Ok(going);
    }
    state.since(json::uid(object), "going");
    Ok(Value::clone(&state.store.put(kind, going)))
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    let finalizers = json::items(json::slot(object, &["metadata", "finalizers"]));
    if !finalizers.iter().any(|one| one == finalizer) {
        finalizers.push(json!(finalizer));
    }
}

/// The grace period of a pod in seconds; none where nothing runs that could use it.
fn grace(pod: &Value, options: &Options) -> i64 {
    let over = matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed");
    if over || json::text(pod, "/spec/nodeName").is_empty() {
        return 0;
    }
    let own = json::number(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
    options.grace.unwrap_or(own).max(0)
}

/// Whether an object is listed as an owner of another.
pub fn owns(owner: &Value, other: &Value) -> bool {
    json::list(other, "/metadata/ownerReferences").iter().any(|one| json::text(one, "/uid") == json::uid(owner))
}

/// Removes an object whose deletion nothing holds up any more.
pub fn finish_if_free(state: &mut State, kind: &'static Kind, object: &Arc<Value>) {
    let free = json::list(object, "/metadata/finalizers").is_empty();
    let waits = kind.plural == "pods" && json::number(object, "/metadata/deletionGracePeriodSeconds") != Some(0);
    if json::is_going(object) && free && !waits && kind.plural != "namespaces" {
        gone(state, kind, object);
    }
}

/// Removes an object at once.
pub fn gone(state: &mut State, kind: &'static Kind, object: &Value) {
    if kind.plural == "pods" {
        let (namespace, name) = (json::namespace(object), json::name(object));
        state.served.retain(|(of, pod, _), _| of != namespace || pod != name);
        state.logs.retain(|(of, pod, _, _), _| of != namespace || pod != name);
    }
    state.forget(json::uid(object));
    state.store.remove(kind, json::namespace(object), json::name(object));
}
