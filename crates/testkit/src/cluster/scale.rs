//! The subresource `scale`.

use serde_json::{Value, json};

use super::json;
use super::kinds::Kind;
use super::patch::{self, PatchType};
use super::read;
use super::state::State;
use super::status::{Flaw, Refusal};
use super::write::{self, Answer, Writer};

/// The scale of an object.
pub fn of(object: &Value) -> Value {
    let replicas = json::number(object, "/spec/replicas").unwrap_or(1);
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.pointer(&format!("/metadata/{key}")) {
            metadata[key] = value.clone();
        }
    }
    // Zero is left out, as every zero of this type is.
    let spec = if replicas == 0 { json!({}) } else { json!({ "replicas": replicas }) };
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
        "status": {
            "replicas": json::number(object, "/status/replicas").unwrap_or_default(),
            "selector": selector(object),
        },
    })
}

fn selector(object: &Value) -> String {
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let terms: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    terms.join(",")
}

/// Reads the scale.
pub fn get(state: &State, kind: &Kind, writer: Writer<'_>) -> Answer {
    Ok((200, of(&*read::get(state, kind, writer.target)?)))
}

/// Replaces the scale.
pub fn replace(state: &mut State, kind: &'static Kind, writer: Writer<'_>, scale: &Value) -> Answer {
    let old = read::get(state, kind, writer.target)?;
    if !scale.is_object() || !matches!(json::text(scale, "/kind"), "" | "Scale") {
        return Err(Refusal::bad_request("expected a Scale of autoscaling/v1"));
    }
    let name = json::name(&old).to_owned();
    if !matches!(json::name(scale), given if given.is_empty() || given == name) {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            json::name(scale)
        )));
    }
    let replicas = scale.pointer("/spec/replicas").cloned().unwrap_or_else(|| json!(0));
    if replicas.as_i64().is_none() {
        return Err(Refusal::bad_request(format!(
            "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {replicas} into Go struct \
             field ScaleSpec.spec.replicas of type int32"
        )));
    }
    if replicas.as_i64().is_some_and(|replicas| replicas < 0) {
        let flaw = Flaw::invalid("spec.replicas", &replicas, "must be greater than or equal to 0");
        let message = format!("Scale.autoscaling \"{name}\" is invalid: {}: {}", flaw.field, flaw.message);
        let details = json!({
            "name": name, "group": "autoscaling", "kind": "Scale",
            "causes": [{ "reason": flaw.reason, "message": flaw.message, "field": flaw.field }],
        });
        return Err(Refusal { details: Some(details), ..Refusal::new(422, "Invalid", message) });
    }
    let mut new = Value::clone(&old);
    json::put(&mut new, &["spec", "replicas"], replicas);
    for key in ["uid", "resourceVersion"] {
        match scale.pointer(&format!("/metadata/{key}")) {
            Some(value) => json::put(&mut new, &["metadata", key], value.clone()),
            None => drop(json::take(&mut new, &["metadata", key])),
        }
    }
    let (code, object) = write::finish(state, kind, writer, &old, new, true)?;
    Ok((code, of(&object)))
}

/// Patches the scale.
pub fn patch(state: &mut State, kind: &'static Kind, writer: Writer<'_>, how: PatchType, body: &Value) -> Answer {
    let old = of(&*read::get(state, kind, writer.target)?);
    let new = patch::patched(kind, &old, body, how)?;
    replace(state, kind, writer, &new)
}
