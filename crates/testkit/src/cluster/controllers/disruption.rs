//! Disruption budgets: how many pods may go.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Kind, count, is_ready, portion, update};
use crate::cluster::json;
use crate::cluster::selector::Labels;
use crate::cluster::state::State;

/// An eviction that has not become a deletion after so long never will.
const FORGOTTEN: SignedDuration = SignedDuration::from_secs(120);

/// Writes the status of a budget.
pub fn sync(state: &mut State, kind: &'static Kind, budget: &Arc<Value>) {
    let selector = Labels::of_object(budget.pointer("/spec/selector").unwrap_or(&Value::Null));
    let mut pods = state.list("pods", Some(json::namespace(budget)));
    pods.retain(|pod| selector.matches(pod) && !matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed"));
    let now = state.now();
    let noted = budget.pointer("/status/disruptedPods").and_then(Value::as_object).cloned().unwrap_or_default();
    let waiting: serde_json::Map<String, Value> = noted
        .into_iter()
        .filter(|(name, time)| {
            let time = time.as_str().and_then(|time| time.parse::<Timestamp>().ok()).unwrap_or(now);
            let there = pods.iter().any(|pod| json::name(pod) == name && !json::is_going(pod));
            there && now.duration_since(time) < FORGOTTEN
        })
        .collect();
    let healthy = pods
        .iter()
        .filter(|pod| is_ready(pod) && !json::is_going(pod) && !waiting.contains_key(json::name(pod)))
        .count();
    let healthy = count(healthy);
    let (expected, desired) = figures(state, budget, &pods);
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    update(state, kind, budget, |budget| {
        let generation = budget.pointer("/metadata/generation").cloned();
        let condition = if allowed > 0 {
            json!({ "type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "" })
        } else {
            json!({ "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "" })
        };
        for (field, number) in [
            ("currentHealthy", healthy),
            ("desiredHealthy", desired),
            ("expectedPods", expected),
            ("disruptionsAllowed", allowed),
        ] {
            json::put(budget, &["status", field], number);
        }
        json::put(budget, &["status", "observedGeneration"], generation.unwrap_or_default());
        if waiting.is_empty() {
            json::take(budget, &["status", "disruptedPods"]);
        } else {
            json::put(budget, &["status", "disruptedPods"], waiting);
        }
        json::set_condition(budget, condition, now);
    });
}

/// How many pods there should be, and how many of them have to be healthy.
fn figures(state: &State, budget: &Value, pods: &[Arc<Value>]) -> (i64, i64) {
    let most = budget.pointer("/spec/maxUnavailable");
    let least = budget.pointer("/spec/minAvailable");
    if let Some(most) = most {
        let expected = expected(state, pods);
        return (expected, (expected - portion(Some(most), expected, true)).max(0));
    }
    match least {
        Some(least) if least.is_i64() || least.is_u64() => (count(pods.len()), least.as_i64().unwrap_or_default()),
        Some(least) => {
            let expected = expected(state, pods);
            (expected, portion(Some(least), expected, true))
        }
        None => (count(pods.len()), 1),
    }
}

/// How many pods the controllers of these want to have.
fn expected(state: &State, pods: &[Arc<Value>]) -> i64 {
    let mut seen: Vec<&str> = Vec::new();
    let mut sum = 0;
    for pod in pods {
        let Some(owner) = json::owner(pod) else {
            sum += 1;
            continue;
        };
        let uid = json::text(owner, "/uid");
        if seen.contains(&uid) {
            continue;
        }
        seen.push(uid);
        sum += size(state, json::namespace(pod), owner).unwrap_or_default();
    }
    sum
}

/// The wanted size of a controller; of the deployment behind it, where there is one.
fn size(state: &State, namespace: &str, reference: &Value) -> Option<i64> {
    let plural = match json::text(reference, "/kind") {
        "ReplicaSet" => "replicasets",
        "Deployment" => "deployments",
        "StatefulSet" => "statefulsets",
        "DaemonSet" => "daemonsets",
        "Job" => "jobs",
        _ => return None,
    };
    let owner = state.store.get(Kind::named(plural)?, namespace, json::text(reference, "/name"))?;
    if let Some(above) = json::owner(&owner) {
        return size(state, namespace, above);
    }
    json::number(&owner, "/spec/replicas")
        .or_else(|| json::number(&owner, "/status/desiredNumberScheduled"))
        .or_else(|| json::number(&owner, "/spec/parallelism"))
}
