//! Who may do what: rules that forbid, the 403, and the review that asks beforehand.

use serde_json::{Value, json};

use super::fault::{Call, Matching};
use super::json;
use super::kinds::Kind;
use super::state::State;
use super::status::Refusal;
use super::target::{Place, Target};

/// Refuses a request that a rule forbids.
pub fn authorize(state: &State, target: &Target) -> Result<(), Refusal> {
    let Place::Resource(kind) = target.place else { return Ok(()) };
    let mut call = Call::of(target);
    check(state, kind, target, &call)?;
    // A WebSocket is opened with GET and does what a POST does; the server asks for both rights.
    if call.verb == "get" && matches!(target.subresource.as_str(), "exec" | "attach" | "portforward") {
        "create".clone_into(&mut call.verb);
        check(state, kind, target, &call)?;
    }
    Ok(())
}

fn check(state: &State, kind: &'static Kind, target: &Target, call: &Call) -> Result<(), Refusal> {
    if is_allowed(&state.rules, call) {
        return Ok(());
    }
    let place = match &target.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let why = format!(
        "User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {place}",
        state.settings.user,
        call.verb,
        target.resource(),
        kind.group,
    );
    Err(Refusal::forbidden(kind, &call.name, &why))
}

fn is_allowed(rules: &[Matching], call: &Call) -> bool {
    call.resource == "selfsubjectaccessreviews" || !rules.iter().any(|rule| rule.matches(call))
}

/// Answers a `SelfSubjectAccessReview`.
pub fn review(state: &State, mut review: Value) -> Value {
    let asked = review.pointer("/spec/resourceAttributes").cloned().unwrap_or_default();
    let wildcard = |text: &str| if text == "*" { String::new() } else { text.to_owned() };
    let call = Call {
        verb: json::text(&asked, "/verb").to_owned(),
        group: json::text(&asked, "/group").to_owned(),
        resource: json::text(&asked, "/resource").to_owned(),
        subresource: json::text(&asked, "/subresource").to_owned(),
        namespace: json::text(&asked, "/namespace").to_owned(),
        name: wildcard(json::text(&asked, "/name")),
        dry_run: false,
        status: 0,
    };
    let allowed = !asked.is_object() || is_allowed(&state.rules, &call);
    let mut status = json!({ "allowed": allowed });
    if allowed {
        status["reason"] =
            json!(format!("RBAC: allowed by ClusterRoleBinding \"everything\" of User \"{}\"", state.settings.user));
    }
    json::put(&mut review, &["status"], status);
    json::default(&mut review, &["metadata"], json!({}));
    review
}
