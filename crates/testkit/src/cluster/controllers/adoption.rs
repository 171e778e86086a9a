//! What a controller's selector makes its own: it lets go of pods that it no longer selects, and takes in orphans.

use std::sync::Arc;

use serde_json::Value;

use super::{is_active, owned, reference, update};
use crate::cluster::json;
use crate::cluster::kinds::Kind;
use crate::cluster::selector::Labels;
use crate::cluster::state::State;

/// Releases and adopts the pods of one controller.
pub fn sync(state: &mut State, kind: &'static Kind, set: &Arc<Value>) {
    let Some(pods) = Kind::named("pods") else { return };
    let selector = Labels::of_object(set.pointer("/spec/selector").unwrap_or(&Value::Null));
    if json::is_going(set) || selector.is_empty() {
        return;
    }
    for pod in owned(state, "pods", set).iter().filter(|pod| !selector.matches(pod) && !json::is_going(pod)) {
        update(state, pods, pod, |pod| {
            json::items(json::slot(pod, &["metadata", "ownerReferences"]))
                .retain(|owner| json::text(owner, "/uid") != json::uid(set));
        });
    }
    // A stateful set takes in only pods of its own names, which nobody else has made here.
    if kind.plural == "statefulsets" {
        return;
    }
    for pod in state.list("pods", Some(json::namespace(set))) {
        if json::controller(&pod).is_empty() && selector.matches(&pod) && is_active(&pod) {
            let owner = reference(kind, set);
            update(state, pods, &pod, |pod| {
                json::items(json::slot(pod, &["metadata", "ownerReferences"])).push(owner);
            });
        }
    }
}
