//! The errors of the API, worded as a real server words them.

use serde_json::{Value, json};

use super::kinds::Kind;

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// The machine's word for it, such as `NotFound`; empty where the server has none.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
    /// `details`, where there are some.
    pub details: Option<Value>,
    /// Seconds in the header `Retry-After`.
    pub retry_after: Option<u32>,
}

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where, such as `spec.replicas`.
    pub field: String,
    /// The machine's word for it, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

impl Flaw {
    /// A value that has to be given.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { field: field.into(), reason: "FieldValueRequired", message }
    }

    /// A value that is wrong.
    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {why}") }
    }

    /// A value that nobody may give.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueForbidden", message: format!("Forbidden: {why}") }
    }

    /// A value that stands twice in a list that holds each one once.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self { field: field.into(), reason: "FieldValueDuplicate", message: format!("Duplicate value: {value}") }
    }

    /// A value that is none of those there are.
    pub fn unsupported(field: impl Into<String>, value: &Value, known: &[&str]) -> Self {
        let known: Vec<String> = known.iter().map(|known| format!("\"{known}\"")).collect();
        Self {
            field: field.into(),
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {value}: supported values: {}", known.join(", ")),
        }
    }
}

fn details(kind: &Kind, name: &str) -> Value {
    let mut details = json!({ "kind": kind.plural });
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    details
}

impl Refusal {
    /// A refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, retry_after: None }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401: the token is not accepted.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 404: there is no such object.
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.qualified());
        Self { details: Some(details(kind, name)), ..Self::new(404, "NotFound", message) }
    }

    /// 404: there is no such resource.
    pub fn no_resource() -> Self {
        Self {
            details: Some(json!({})),
            ..Self::new(404, "NotFound", "the server could not find the requested resource")
        }
    }

    /// 405: the resource does not know this verb.
    pub fn no_method() -> Self {
        Self {
            details: Some(json!({})),
            ..Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }

    /// 409: the name is taken.
    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified());
        Self { details: Some(details(kind, name)), ..Self::new(409, "AlreadyExists", message) }
    }

    /// 409: somebody else was faster, or a precondition does not hold.
    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified());
        Self { details: Some(details(kind, name)), ..Self::new(409, "Conflict", message) }
    }

    /// 409: the object is another one than the writer has seen.
    pub fn stale(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// 410: the version is older than what is remembered.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 403 by a rule of access.
    pub fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let what = if name.is_empty() { kind.qualified() } else { format!("{} \"{name}\"", kind.qualified()) };
        Self {
            details: Some(details(kind, name)),
            ..Self::new(403, "Forbidden", format!("{what} is forbidden: {why}"))
        }
    }

    /// 415: the patch is of a type that the resource does not take.
    pub fn media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self { details: Some(json!({})), ..Self::new(415, "UnsupportedMediaType", message) }
    }

    /// 422: the object is not valid.
    pub fn invalid(kind: &Kind, name: &str, flaws: &[Flaw]) -> Self {
        let causes: Vec<Value> = flaws
            .iter()
            .map(|flaw| json!({ "reason": flaw.reason, "message": flaw.message, "field": flaw.field }))
            .collect();
        let mut all: Vec<String> = flaws.iter().map(|flaw| format!("{}: {}", flaw.field, flaw.message)).collect();
        let list = if all.len() == 1 { all.remove(0) } else { format!("[{}]", all.join(", ")) };
        let mut details = details(kind, name);
        details["kind"] = json!(kind.kind);
        details["causes"] = json!(causes);
        let message = format!("{} \"{name}\" is invalid: {list}", kind.qualified_kind());
        Self { details: Some(details), ..Self::new(422, "Invalid", message) }
    }

    /// 429: the server is busy; try again after that many seconds.
    pub fn busy(seconds: u32) -> Self {
        let message = "the server has received too many requests and has asked us to try again later";
        Self {
            details: Some(json!({ "retryAfterSeconds": seconds })),
            retry_after: Some(seconds),
            ..Self::new(429, "TooManyRequests", message)
        }
    }

    /// 429: a disruption budget forbids it.
    pub fn budget(cause: &str) -> Self {
        let details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": cause }] });
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        Self { details: Some(details), ..Self::new(429, "TooManyRequests", message) }
    }

    /// The body.
    pub fn body(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

/// The body of a success that has no object to show.
pub fn success(code: Option<u16>, kind: &Kind, name: &str, uid: &str) -> Value {
    let mut status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
    if let Some(code) = code {
        status["code"] = json!(code);
    } else {
        let mut details = details(kind, name);
        details["uid"] = json!(uid);
        status["details"] = details;
    }
    status
}
