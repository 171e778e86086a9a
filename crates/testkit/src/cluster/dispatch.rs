//! From a request for a resource to what answers it.

use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::kinds::Kind;
use super::patch::PatchType;
use super::state::State;
use super::status::Refusal;
use super::target::Target;
use super::write::{self, Answer, Writer};
use super::{delete, eviction, read, scale};

/// Answers everything that is answered at once.
pub fn resource(state: &mut State, kind: &'static Kind, target: &Target, headers: &HeaderMap, bytes: &[u8]) -> Answer {
    if !target.subresource.is_empty() && !is_known(kind, &target.subresource) {
        return Err(Refusal::no_resource());
    }
    if kind.is_review() && target.verb != "create" {
        return Err(Refusal::no_method());
    }
    if let Some(other) = target.parameter("dryRun").filter(|value| !matches!(*value, "" | "All")) {
        let what = format!("dryRun: Unsupported value: \"{other}\": supported values: \"All\"");
        return Err(Refusal::new(422, "Invalid", format!("Options.meta.k8s.io \"\" is invalid: {what}")));
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = text(header::USER_AGENT).split('/').next().unwrap_or_default();
    let agent = if agent.is_empty() { "unknown" } else { agent };
    let manager = target.parameter("fieldManager").filter(|manager| !manager.is_empty()).unwrap_or(agent);
    let writer = Writer { target, manager };
    let content_type = text(header::CONTENT_TYPE);
    match (target.verb, target.subresource.as_str()) {
        ("list", _) => Ok((200, read::list(state, kind, target)?)),
        ("get", "" | "status") => Ok((200, Value::clone(&*read::get(state, kind, target)?))),
        ("get", "scale") => scale::get(state, kind, writer),
        ("create", "") => write::create(state, kind, writer, decoded(bytes, content_type)?),
        ("create", "eviction") => eviction::evict(state, kind, target, &decoded(bytes, content_type)?),
        ("update", "" | "status" | "finalize") => write::replace(state, kind, writer, decoded(bytes, content_type)?),
        ("update", "scale") => scale::replace(state, kind, writer, &decoded(bytes, content_type)?),
        ("patch", sub @ ("" | "status" | "scale")) => {
            let how = PatchType::of(kind, content_type)?;
            let body = decoded(bytes, content_type)?;
            if sub == "scale" {
                scale::patch(state, kind, writer, how, &body)
            } else {
                write::patch(state, kind, writer, how, &body)
            }
        }
        ("delete", "") => delete::one(state, kind, target, &optional(bytes, content_type)?),
        ("deletecollection", _) => delete::many(state, kind, target, &optional(bytes, content_type)?),
        _ => Err(Refusal::no_method()),
    }
}

fn is_known(kind: &Kind, subresource: &str) -> bool {
    kind.subresources.contains(&subresource) || (kind.plural == "namespaces" && subresource == "finalize")
}

fn optional(bytes: &[u8], content_type: &str) -> Result<Value, Refusal> {
    if bytes.is_empty() { Ok(Value::Null) } else { decoded(bytes, content_type) }
}

/// A body in JSON, or in YAML where its type says so.
fn decoded(bytes: &[u8], content_type: &str) -> Result<Value, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::bad_request("Object 'Kind' is missing in ''"));
    }
    if content_type.contains("protobuf") {
        return Err(Refusal::media_type(&["application/json", "application/yaml"]));
    }
    let json = serde_json::from_slice(bytes);
    if let (Err(_), true) = (&json, content_type.contains("yaml"))
        && let Ok(value) = serde_saphyr::from_slice(bytes)
    {
        return Ok(value);
    }
    json.map_err(|error| Refusal::bad_request(format!("couldn't get version/kind; json parse error: {error}")))
}
