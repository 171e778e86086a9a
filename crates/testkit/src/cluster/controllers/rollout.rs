//! How many pods a deployment moves from its old replica sets to the new one, and when.

use std::sync::Arc;

use serde_json::Value;

use super::{Kind, portion, update};
use crate::cluster::json;
use crate::cluster::state::State;

/// How far a rollout may go at a time, in pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many there may be beyond the wanted number.
    pub surge: i64,
    /// How many of the wanted number may be unavailable.
    pub unavailable: i64,
}

impl Bounds {
    /// The bounds of a deployment. Both are never zero: one pod may always be missing.
    pub fn of(deployment: &Value, replicas: i64) -> Self {
        let rolling = |key: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{key}"));
        let surge = portion(rolling("maxSurge"), replicas, true);
        let unavailable = portion(rolling("maxUnavailable"), replicas, false).min(replicas);
        if surge == 0 && unavailable == 0 { Self { surge, unavailable: 1 } } else { Self { surge, unavailable } }
    }
}

/// The replicas that a set is asked for.
pub fn wanted(set: &Value) -> i64 {
    json::number(set, "/spec/replicas").unwrap_or_default()
}

fn status(set: &Value, field: &str) -> i64 {
    json::number(set, &format!("/status/{field}")).unwrap_or_default()
}

/// Asks a replica set for another number of replicas.
pub fn resize(state: &mut State, kind: &'static Kind, set: &Value, replicas: i64) {
    if wanted(set) == replicas {
        return;
    }
    update(state, kind, set, |set| {
        json::put(set, &["spec", "replicas"], replicas);
        let generation = json::number(set, "/metadata/generation").unwrap_or_default() + 1;
        json::put(set, &["metadata", "generation"], generation);
    });
}

/// Moves pods one step on, within the bounds; `old` is ordered from the oldest to the newest.
pub fn roll(state: &mut State, kind: &'static Kind, replicas: i64, bounds: Bounds, new: &Value, old: &[Arc<Value>]) {
    let total = wanted(new) + old.iter().map(|set| wanted(set)).sum::<i64>();
    if wanted(new) > replicas {
        resize(state, kind, new, replicas);
        return;
    }
    let room = replicas + bounds.surge - total;
    if wanted(new) < replicas && room > 0 {
        resize(state, kind, new, wanted(new) + room.min(replicas - wanted(new)));
        return;
    }
    if old.iter().all(|set| wanted(set) == 0) {
        return;
    }
    let least = replicas - bounds.unavailable;
    let new_missing = (wanted(new) - status(new, "availableReplicas")).max(0);
    let mut spare = total - least - new_missing;
    if spare <= 0 {
        return;
    }
    // Those that are not available anyway go first.
    let mut sizes: Vec<i64> = old.iter().map(|set| wanted(set)).collect();
    for (set, size) in old.iter().zip(&mut sizes) {
        let gone = (*size - status(set, "availableReplicas")).clamp(0, spare);
        *size -= gone;
        spare -= gone;
    }
    let available =
        status(new, "availableReplicas") + old.iter().map(|set| status(set, "availableReplicas")).sum::<i64>();
    let mut spare = (available - least).max(0);
    for size in &mut sizes {
        let gone = (*size).min(spare);
        *size -= gone;
        spare -= gone;
    }
    for (set, size) in old.iter().zip(sizes) {
        resize(state, kind, set, size);
    }
}
