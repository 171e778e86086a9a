//! The garbage collector: what its owners leave behind, and what namespaces take with them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::{remove_as, update};
use crate::cluster::delete;
use crate::cluster::json;
use crate::cluster::kinds::{KINDS, Kind};
use crate::cluster::state::State;

/// Collects everything that can be collected now, in these namespaces or everywhere.
pub fn collect(state: &mut State, namespaces: Option<&BTreeSet<String>>) {
    let everything: Vec<(&'static Kind, Arc<Value>)> = state
        .store
        .all()
        .filter(|(key, _)| {
            key.namespace.is_empty() || namespaces.is_none_or(|namespaces| namespaces.contains(&key.namespace))
        })
        .filter_map(|(key, object)| {
            KINDS.iter().find(|kind| kind.plural == key.plural).map(|kind| (kind, Arc::clone(object)))
        })
        .collect();
    let uids: BTreeSet<&str> = everything.iter().map(|(_, object)| json::uid(object)).collect();
    let going: BTreeSet<&str> = everything
        .iter()
        .filter(|(_, object)| json::is_going(object) && waits_for(object, "foregroundDeletion"))
        .map(|(_, object)| json::uid(object))
        .collect();
    for (kind, object) in &everything {
        let owners = json::list(object, "/metadata/ownerReferences");
        let left = owners.iter().filter(|owner| uids.contains(json::text(owner, "/uid"))).count();
        let taken = !owners.is_empty()
            && owners.iter().all(|owner| {
                let uid = json::text(owner, "/uid");
                !uids.contains(uid) || going.contains(uid)
            });
        if taken && !json::is_going(object) {
            let foreground = left > 0 && kind.plural != "pods";
            let policy = if foreground { "Foreground" } else { "Background" };
            remove_as(state, kind, object, policy);
        }
        if json::is_going(object) {
            release(state, kind, object, &everything);
        }
    }
}

fn waits_for(object: &Value, finalizer: &str) -> bool {
    json::list(object, "/metadata/finalizers").iter().any(|one| one == finalizer)
}

/// Finishes a deletion that waits for what is owned, or for what lies in a namespace.
fn release(state: &mut State, kind: &'static Kind, object: &Arc<Value>, everything: &[(&'static Kind, Arc<Value>)]) {
    if kind.plural == "namespaces" {
        let inside: Vec<_> =
            everything.iter().filter(|(_, other)| json::namespace(other) == json::name(object)).collect();
        for (kind, other) in &inside {
            if !json::is_going(other) {
                remove_as(state, kind, other, "Background");
            }
        }
        if inside.is_empty() && json::list(object, "/metadata/finalizers").is_empty() {
            delete::gone(state, kind, object);
        }
        return;
    }
    if !waits_for(object, "orphan") && !waits_for(object, "foregroundDeletion") {
        return;
    }
    let owned: Vec<_> = everything.iter().filter(|(_, other)| delete::owns(object, other)).collect();
    let mut done = None;
    if waits_for(object, "orphan") {
        for (kind, other) in &owned {
            update(state, kind, other, |other| {
                let owners = json::items(json::slot(other, &["metadata", "ownerReferences"]));
                owners.retain(|owner| json::text(owner, "/uid") != json::uid(object));
                if owners.is_empty() {
                    json::take(other, &["metadata", "ownerReferences"]);
                }
            });
        }
        done = Some("orphan");
    } else if waits_for(object, "foregroundDeletion") && owned.is_empty() {
        done = Some("foregroundDeletion");
    }
    if let Some(finalizer) = done {
        let kept = update(state, kind, object, |object| {
            json::items(json::slot(object, &["metadata", "finalizers"])).retain(|one| one != finalizer);
        });
        delete::finish_if_free(state, kind, &kept);
    }
}
