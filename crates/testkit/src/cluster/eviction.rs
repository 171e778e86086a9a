//! The subresource `pods/eviction`: a deletion that asks the disruption budgets first.

use std::sync::Arc;

use serde_json::{Value, json};

use super::delete::{self, Options};
use super::json;
use super::kinds::Kind;
use super::read;
use super::selector::Labels;
use super::state::State;
use super::status::{Refusal, success};
use super::target::Target;
use super::write::Answer;

/// Evicts a pod.
pub fn evict(state: &mut State, kind: &'static Kind, target: &Target, body: &Value) -> Answer {
    // What a body leaves out is taken from where it was sent to.
    let is = |field: &str, expected: &str| ["", expected].contains(&json::text(body, field));
    if !is("/apiVersion", "policy/v1") || !is("/kind", "Eviction") {
        return Err(Refusal::bad_request(format!(
            "no kind \"{}\" is registered for version \"{}\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
            json::text(body, "/kind"),
            json::text(body, "/apiVersion"),
        )));
    }
    let name = target.name.clone().unwrap_or_default();
    if !matches!(json::name(body), given if given.is_empty() || given == name) {
        return Err(Refusal::bad_request("name in URL does not match name in Eviction object"));
    }
    let pod = read::get(state, kind, target)?;
    let mut options = Options::parse(target, body.get("deleteOptions").unwrap_or(&Value::Null))?;
    options.dry_run |= target.is_dry_run();
    let done = |uid: &str| Ok((201, success(Some(201), kind, &name, uid)));
    let unasked =
        matches!(json::text(&pod, "/status/phase"), "Succeeded" | "Failed" | "Pending") || json::is_going(&pod);
    if !unasked {
        let budgets: Vec<Arc<Value>> = state
            .list("poddisruptionbudgets", target.namespace.as_deref())
            .into_iter()
            .filter(|budget| Labels::of_object(budget.pointer("/spec/selector").unwrap_or(&Value::Null)).matches(&pod))
            .collect();
        match budgets.as_slice() {
            [] => {}
            [budget] => ask(state, budget, &pod, options.dry_run)?,
            _ => {
                let message =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Refusal::new(500, "InternalError", format!("Internal error occurred: {message}")));
            }
        }
    }
    delete::delete(state, kind, &pod, &options)?;
    done(json::uid(&pod))
}

/// Asks a budget for leave, and notes the disruption in it.
fn ask(state: &mut State, budget: &Arc<Value>, pod: &Value, dry_run: bool) -> Result<(), Refusal> {
    let number = |field: &str| json::number(budget, &format!("/status/{field}")).unwrap_or_default();
    let name = json::name(budget);
    if json::condition(pod, "Ready") != "True" {
        let always = json::text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
        let healthy = number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0;
        if always || healthy {
            return Ok(());
        }
    }
    if number("observedGeneration") < json::number(budget, "/metadata/generation").unwrap_or_default() {
        let mut refusal =
            Refusal::budget(&format!("The disruption budget {name} is still being processed by the server."));
        refusal.retry_after = Some(10);
        if let Some(details) = &mut refusal.details {
            json::put(details, &["retryAfterSeconds"], 10);
        }
        return Err(refusal);
    }
    let allowed = number("disruptionsAllowed");
    if allowed <= 0 {
        return Err(Refusal::budget(&format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            number("desiredHealthy"),
            number("currentHealthy"),
        )));
    }
    if dry_run {
        return Ok(());
    }
    let now = json::seconds(state.now());
    let mut noted = Value::clone(budget);
    json::put(&mut noted, &["status", "disruptionsAllowed"], allowed - 1);
    json::put(&mut noted, &["status", "disruptedPods", json::name(pod)], json!(now));
    if let Some(kind) = Kind::named("poddisruptionbudgets") {
        state.store.put(kind, noted);
    }
    Ok(())
}
