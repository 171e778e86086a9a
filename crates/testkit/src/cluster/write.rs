//! Creating, replacing and patching.

use std::sync::Arc;

use serde_json::{Value, json};

use super::json;
use super::kinds::Kind;
use super::patch::{self, PatchType};
use super::state::{State, has_generation};
use super::status::Refusal;
use super::target::Target;
use super::{access, defaults, validate};

/// An answer: HTTP status and body.
pub type Answer = Result<(u16, Value), Refusal>;

/// What a request brings along.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// What it asks for.
    pub target: &'a Target,
    /// Who writes: `fieldManager`, or the first word of the user agent.
    pub manager: &'a str,
}

/// Checks that a body is an object of this resource, and completes its type.
fn typed(kind: &Kind, mut object: Value) -> Result<Value, Refusal> {
    if !object.is_object() {
        return Err(Refusal::bad_request("the object provided is unrecognized (must be of type object)"));
    }
    let (version, name) = (kind.api_version(), kind.kind);
    let given = (json::text(&object, "/apiVersion").to_owned(), json::text(&object, "/kind").to_owned());
    if (!given.0.is_empty() && given.0 != version) || (!given.1.is_empty() && given.1 != name) {
        return Err(Refusal::bad_request(format!(
            "the API version in the data ({}, {}) does not match the expected API version ({version}, {name})",
            given.0, given.1
        )));
    }
    json::put(&mut object, &["apiVersion"], version);
    json::put(&mut object, &["kind"], name);
    Ok(object)
}

/// Checks the namespace of a body against that of the address, and completes it.
fn placed(kind: &Kind, target: &Target, object: &mut Value) -> Result<(), Refusal> {
    if !kind.namespaced {
        return Ok(());
    }
    let wanted = target.namespace.clone().unwrap_or_default();
    let given = json::namespace(object);
    if !given.is_empty() && given != wanted {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    json::put(object, &["metadata", "namespace"], wanted);
    Ok(())
}

fn check_namespace(state: &State, kind: &Kind, object: &Value) -> Result<(), Refusal> {
    let Some(namespaces) = Kind::named("namespaces").filter(|_| kind.namespaced) else { return Ok(()) };
    let namespace = json::namespace(object);
    let Some(found) = state.store.get(namespaces, "", namespace) else {
        return Err(Refusal::not_found(namespaces, namespace));
    };
    if json::is_going(&found) {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = Refusal::forbidden(kind, json::name(object), &why);
        let cause = json!({ "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace" });
        if let Some(details) = &mut refusal.details {
            json::put(details, &["causes"], vec![cause]);
        }
        return Err(refusal);
    }
    Ok(())
}

/// Creates an object.
pub fn create(state: &mut State, kind: &'static Kind, writer: Writer<'_>, body: Value) -> Answer {
    let target = writer.target;
    if target.name.is_some() {
        return Err(Refusal::no_method());
    }
    let mut object = typed(kind, body)?;
    if kind.is_review() {
        return Ok((201, access::review(state, object)));
    }
    if kind.namespaced && target.namespace.is_none() {
        return Err(Refusal::bad_request("an empty namespace may not be set during creation"));
    }
    placed(kind, target, &mut object)?;
    if !json::text(&object, "/metadata/resourceVersion").is_empty() {
        return Err(Refusal::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    if json::name(&object).is_empty() && json::has(&object, "/metadata/generateName") {
        let prefix = json::text(&object, "/metadata/generateName").to_owned();
        let suffix = state.suffix();
        json::put(&mut object, &["metadata", "name"], format!("{prefix}{suffix}"));
    }
    insert(state, kind, writer, object, true)
}

/// Keeps a new object, unless it is a dry run.
fn insert(state: &mut State, kind: &'static Kind, writer: Writer<'_>, mut object: Value, track: bool) -> Answer {
    check_namespace(state, kind, &object)?;
    for kept in
        ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"]
    {
        json::take(&mut object, &["metadata", kept]);
    }
    if track {
        json::take(&mut object, &["metadata", "managedFields"]);
    }
    if kind.has_status() && kind.plural != "nodes" {
        json::take(&mut object, &["status"]);
    }
    json::without_nulls(&mut object);
    let now = state.now();
    validate::prune(kind, &mut object);
    validate::shape(kind, &object)?;
    let mut tracked = object.clone();
    defaults::fill(kind, &mut object, now);
    let name = json::name(&object).to_owned();
    let flaws = validate::flaws(kind, &object, None);
    if !flaws.is_empty() {
        return Err(Refusal::invalid(kind, &name, &flaws));
    }
    if let Some(old) = state.store.get(kind, json::namespace(&object), &name) {
        let mut refusal = Refusal::already_exists(kind, &name);
        if json::is_going(&old) {
            refusal.message = format!("object is being deleted: {}", refusal.message);
        }
        return Err(refusal);
    }
    state.bear(kind, &mut object);
    if track {
        patch::track(None, &mut tracked, writer.manager, "", now);
        if let Some(fields) = json::take(&mut tracked, &["metadata", "managedFields"]) {
            json::put(&mut object, &["metadata", "managedFields"], fields);
        }
    }
    if writer.target.is_dry_run() {
        return Ok((201, object));
    }
    Ok((201, Value::clone(&state.store.put(kind, object))))
}

/// Replaces an object or its status.
pub fn replace(state: &mut State, kind: &'static Kind, writer: Writer<'_>, body: Value) -> Answer {
    let target = writer.target;
    let mut object = typed(kind, body)?;
    placed(kind, target, &mut object)?;
    let name = target.name.clone().unwrap_or_default();
    let given = json::name(&object);
    if given.is_empty() {
        json::put(&mut object, &["metadata", "name"], name.clone());
    } else if given != name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        )));
    }
    let Some(old) = state.store.get(kind, json::namespace(&object), &name) else {
        if kind.put_creates() && target.subresource.is_empty() {
            json::take(&mut object, &["metadata", "resourceVersion"]);
            return insert(state, kind, writer, object, true);
        }
        return Err(Refusal::not_found(kind, &name));
    };
    if json::text(&object, "/metadata/resourceVersion").is_empty() && kind.put_needs_version() {
        let flaw = super::status::Flaw {
            field: "metadata.resourceVersion".to_owned(),
            reason: "FieldValueInvalid",
            message: "Invalid value: 0x0: must be specified for an update".to_owned(),
        };
        return Err(Refusal::invalid(kind, &name, &[flaw]));
    }
    finish(state, kind, writer, &old, object, true)
}

/// Patches an object or its status.
pub fn patch(state: &mut State, kind: &'static Kind, writer: Writer<'_>, how: PatchType, body: &Value) -> Answer {
    let target = writer.target;
    let namespace = target.namespace.clone().unwrap_or_default();
    let name = target.name.clone().unwrap_or_default();
    let old = state.store.get(kind, &namespace, &name);
    if how == PatchType::Apply {
        return apply(state, kind, writer, old.as_ref(), body);
    }
    let Some(old) = old else { return Err(Refusal::not_found(kind, &name)) };
    let new = patch::patched(kind, &old, body, how)?;
    finish(state, kind, writer, &old, new, true)
}

fn apply(state: &mut State, kind: &'static Kind, writer: Writer<'_>, old: Option<&Arc<Value>>, body: &Value) -> Answer {
    let target = writer.target;
    if target.parameter("fieldManager").is_none_or(str::is_empty) {
        return Err(Refusal::bad_request(
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    }
    if json::has(body, "/metadata/managedFields") && !json::list(body, "/metadata/managedFields").is_empty() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    if json::text(body, "/apiVersion").is_empty() || json::text(body, "/kind").is_empty() {
        return Err(Refusal::bad_request("invalid object type: the applied object must name its apiVersion and kind"));
    }
    let mut config = typed(kind, body.clone())?;
    placed(kind, target, &mut config)?;
    let name = target.name.clone().unwrap_or_default();
    json::default(&mut config, &["metadata", "name"], name.clone());
    if json::name(&config) != name {
        let given = json::name(&config);
        return Err(Refusal::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        )));
    }
    if old.is_none() && !target.subresource.is_empty() {
        return Err(Refusal::not_found(kind, &name));
    }
    if old.is_none() && json::has(&config, "/metadata/uid") {
        return Err(Refusal::conflict(
            kind,
            &name,
            "uid mismatch: the provided object specified uid, and no existing object was found",
        ));
    }
    let applier = patch::apply::Applier {
        manager: writer.manager,
        force: target.flag("force"),
        subresource: &target.subresource,
    };
    let new = patch::apply::apply(old.map(|old| &**old), &config, applier, state.now())?;
    match old {
        Some(old) => finish(state, kind, writer, old, new, false),
        None => insert(state, kind, writer, new, false),
    }
}

/// Takes the metadata that only the server writes from the old object.
fn keep_metadata(kind: &Kind, target: &Target, old: &Value, new: &mut Value) -> Result<(), Refusal> {
    let name = json::name(old);
    let version = json::text(new, "/metadata/resourceVersion");
    if !version.is_empty() && version != json::text(old, "/metadata/resourceVersion") {
        return Err(Refusal::stale(kind, name));
    }
    let uid = json::uid(new);
    if !uid.is_empty() && uid != json::uid(old) {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", json::uid(old));
        return Err(Refusal::conflict(kind, name, &why));
    }
    if json::name(new) != name || (kind.namespaced && json::namespace(new) != json::namespace(old)) {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            json::name(new),
            target.name.as_deref().unwrap_or_default()
        )));
    }
    let kept = [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    for key in kept {
        match old.pointer(&format!("/metadata/{key}")) {
            Some(value) => json::put(new, &["metadata", key], value.clone()),
            None => drop(json::take(new, &["metadata", key])),
        }
    }
    Ok(())
}

/// Checks what shall be written over an old object, and writes it, unless it is a dry run.
pub fn finish(
    state: &mut State,
    kind: &'static Kind,
    writer: Writer<'_>,
    old: &Value,
    mut new: Value,
    track: bool,
) -> Answer {
    let target = writer.target;
    new = typed(kind, new)?;
    json::without_nulls(&mut new);
    keep_metadata(kind, target, old, &mut new)?;
    if track && let Some(fields) = old.pointer("/metadata/managedFields") {
        json::put(&mut new, &["metadata", "managedFields"], fields.clone());
    }
    if target.subresource == "status" {
        let status = json::take(&mut new, &["status"]).unwrap_or_else(|| json!({}));
        let metadata = json::take(&mut new, &["metadata"]).unwrap_or_default();
        new = old.clone();
        json::put(&mut new, &["status"], status);
        for key in ["annotations", "labels", "managedFields"] {
            if let Some(value) = metadata.get(key) {
                json::put(&mut new, &["metadata", key], value.clone());
            }
        }
    } else if kind.has_status() {
        match old.get("status") {
            Some(status) => json::put(&mut new, &["status"], status.clone()),
            None => drop(json::take(&mut new, &["status"])),
        }
    }
    validate::prune(kind, &mut new);
    validate::shape(kind, &new)?;
    let now = state.now();
    defaults::fill(kind, &mut new, now);
    json::without_nulls(&mut new);
    let flaws = validate::flaws(kind, &new, Some(old));
    if !flaws.is_empty() {
        return Err(Refusal::invalid(kind, json::name(old), &flaws));
    }
    let spec_changed = ["spec", "data"].iter().any(|key| old.get(*key) != new.get(*key));
    // A Deployment counts changes of its annotations too, so that controllers see them.
    let notes_changed = kind.plural == "deployments"
        && target.subresource.is_empty()
        && old.pointer("/metadata/annotations") != new.pointer("/metadata/annotations");
    if has_generation(kind) && (spec_changed || notes_changed) {
        let generation = json::number(old, "/metadata/generation").unwrap_or_default() + 1;
        json::put(&mut new, &["metadata", "generation"], generation);
    }
    let sub = if target.subresource == "scale" { "scale" } else { target.subresource.as_str() };
    if track {
        patch::track(Some(old), &mut new, writer.manager, sub, now);
    }
    json::without_nulls(&mut new);
    if same(old, &new) {
        return Ok((200, old.clone()));
    }
    if target.is_dry_run() {
        return Ok((200, new));
    }
    let kept = state.store.put(kind, new);
    super::delete::finish_if_free(state, kind, &kept);
    Ok((200, Value::clone(&kept)))
}

/// Whether two objects differ in nothing but the record of who wrote them when.
fn same(old: &Value, new: &Value) -> bool {
    let plain = |object: &Value| {
        let mut object = object.clone();
        for entry in json::items(json::slot(&mut object, &["metadata", "managedFields"])) {
            json::take(entry, &["time"]);
        }
        object
    };
    plain(old) == plain(new)
}
