//! Getting and listing.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::json;
use super::kinds::Kind;
use super::selector::{Fields, Labels, Selection};
use super::state::State;
use super::status::Refusal;
use super::target::Target;

/// One object.
pub fn get(state: &State, kind: &Kind, target: &Target) -> Result<Arc<Value>, Refusal> {
    let name = target.name.as_deref().unwrap_or_default();
    let namespace = target.namespace.as_deref().unwrap_or_default();
    state.store.get(kind, namespace, name).ok_or_else(|| Refusal::not_found(kind, name))
}

/// What a list, a watch or a deletion of many is narrowed to.
pub fn selection(kind: &Kind, target: &Target) -> Result<Selection, Refusal> {
    let mut selection = Selection {
        labels: Labels::parse(target.parameter("labelSelector").unwrap_or_default())?,
        fields: Fields::parse(kind, target.parameter("fieldSelector").unwrap_or_default())?,
    };
    if let Some(name) = &target.name {
        selection.fields = Fields::parse(kind, &format!("metadata.name={name}"))?;
    }
    Ok(selection)
}

/// An object as a list of a built-in resource has it: without its type, which the list tells.
fn listed(kind: &Kind, object: &Value) -> Value {
    let mut object = object.clone();
    if !kind.is_custom() {
        json::take(&mut object, &["apiVersion"]);
        json::take(&mut object, &["kind"]);
    }
    object
}

/// The objects of a resource, page by page where `limit` says so.
pub fn list(state: &State, kind: &Kind, target: &Target) -> Result<Value, Refusal> {
    let selection = selection(kind, target)?;
    let namespace = target.namespace.as_deref();
    let limit = target.number("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let mut version = state.store.version();
    if let Some(asked) = target.number("resourceVersion").filter(|asked| *asked > version) {
        return Err(Refusal {
            details: Some(
                json!({ "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }], "retryAfterSeconds": 1 }),
            ),
            retry_after: Some(1),
            ..Refusal::new(504, "Timeout", format!("Too large resource version: {asked}, current: {version}"))
        });
    }
    let mut objects = None;
    let mut after = None;
    if target.parameter("resourceVersionMatch") == Some("Exact")
        && let Some(asked) = target.number("resourceVersion")
    {
        version = asked;
        objects = Some(state.store.list_at(kind, namespace, asked).ok_or_else(|| {
            Refusal::gone(format!("The provided resource version is too old: {asked} ({})", state.store.version()))
        })?);
    }
    if let Some(token) = target.parameter("continue").filter(|token| !token.is_empty()) {
        let (asked, last) =
            unpack(token).ok_or_else(|| Refusal::bad_request("continue key is not valid: illegal base64 data"))?;
        version = asked;
        after = Some(last);
        objects = Some(state.store.list_at(kind, namespace, asked).ok_or_else(|| {
            Refusal::gone(
                "The provided continue parameter is too old to display a consistent list result. You can start a new \
                 list without the continue parameter.",
            )
        })?);
    }
    let objects = objects.unwrap_or_else(|| state.store.list(kind, namespace));
    let place = |object: &Value| (json::namespace(object).to_owned(), json::name(object).to_owned());
    let mut objects: Vec<Arc<Value>> = objects
        .into_iter()
        .filter(|object| after.as_ref().is_none_or(|after| place(object) > *after))
        .filter(|object| selection.matches(object))
        .collect();
    let mut meta = json!({ "resourceVersion": version.to_string() });
    if let Some(limit) = limit.filter(|limit| *limit < objects.len()) {
        let left = objects.len() - limit;
        objects.truncate(limit);
        if let Some(last) = objects.last() {
            meta["continue"] = json!(pack(version, &place(last)));
        }
        // How many are left is not known where the rest would have to be read to know it.
        if selection.is_empty() {
            meta["remainingItemCount"] = json!(left);
        }
    }
    let items: Vec<Value> = objects.iter().map(|object| listed(kind, object)).collect();
    Ok(json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": meta, "items": items,
    }))
}

fn pack(version: u64, (namespace, name): &(String, String)) -> String {
    URL_SAFE_NO_PAD.encode(json!({ "v": "meta.k8s.io/v1", "rv": version, "ns": namespace, "start": name }).to_string())
}

fn unpack(token: &str) -> Option<(u64, (String, String))> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let token: Value = serde_json::from_slice(&bytes).ok()?;
    let place = (json::text(&token, "/ns").to_owned(), json::text(&token, "/start").to_owned());
    Some((token.get("rv")?.as_u64()?, place))
}
