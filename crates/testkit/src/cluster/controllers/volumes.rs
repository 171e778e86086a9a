//! Volumes: claims get one, snapshots get ready.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Kind, update};
use crate::cluster::json;
use crate::cluster::state::State;

/// Binds a claim to a volume.
pub fn bind(state: &mut State, kind: &'static Kind, claim: &Arc<Value>) {
    if json::text(claim, "/status/phase") != "Pending" || json::is_going(claim) {
        return;
    }
    update(state, kind, claim, |claim| {
        let volume = format!("pvc-{}", json::uid(claim));
        let capacity = claim.pointer("/spec/resources/requests").cloned().unwrap_or_else(|| json!({}));
        let modes = claim.pointer("/spec/accessModes").cloned().unwrap_or_else(|| json!(["ReadWriteOnce"]));
        json::default(claim, &["spec", "volumeName"], volume);
        json::put(claim, &["status"], json!({ "phase": "Bound", "capacity": capacity, "accessModes": modes }));
    });
}

/// Makes a snapshot ready, where its claim is there and bound.
pub fn take_snapshot(state: &mut State, kind: &'static Kind, snapshot: &Arc<Value>) {
    if json::flag(snapshot, "/status/readyToUse") || json::is_going(snapshot) {
        return;
    }
    let source = json::text(snapshot, "/spec/source/persistentVolumeClaimName").to_owned();
    let claims = Kind::named("persistentvolumeclaims");
    let claim = claims.and_then(|claims| state.store.get(claims, json::namespace(snapshot), &source));
    let now = json::seconds(state.now());
    let Some(claim) = claim else {
        let message = format!(
            "Failed to create snapshot content: cannot get claim from snapshot: failed to retrieve PVC {source}"
        );
        update(state, kind, snapshot, |snapshot| {
            json::put(snapshot, &["status", "readyToUse"], false);
            json::put(snapshot, &["status", "error", "message"], message);
            json::default(snapshot, &["status", "error", "time"], now);
        });
        return;
    };
    let takes = state.settings.snapshot;
    let ready = state.has_held(json::uid(snapshot), "cut", takes);
    update(state, kind, snapshot, |snapshot| {
        json::take(snapshot, &["status", "error"]);
        json::put(snapshot, &["status", "readyToUse"], ready);
        if ready {
            let size = claim.pointer("/status/capacity/storage").cloned().unwrap_or_else(|| json!("1Gi"));
            json::put(snapshot, &["status", "restoreSize"], size);
            json::put(snapshot, &["status", "creationTime"], now);
            let content = format!("snapcontent-{}", json::uid(snapshot));
            json::put(snapshot, &["status", "boundVolumeSnapshotContentName"], content);
        }
    });
}
