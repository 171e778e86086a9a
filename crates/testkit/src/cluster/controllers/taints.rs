//! The taint manager: pods leave a node that they do not tolerate.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::nodes::tolerations;
use super::{Kind, remove};
use crate::cluster::json;
use crate::cluster::state::State;

/// Deletes a pod that has borne a `NoExecute` taint of its node for as long as it tolerates it.
pub fn sync(state: &mut State, _kind: &'static Kind, pod: &Arc<Value>) {
    if json::is_going(pod) {
        return;
    }
    let Some(nodes) = Kind::named("nodes") else { return };
    let Some(node) = state.store.get(nodes, "", json::text(pod, "/spec/nodeName")) else { return };
    let taints = json::list(&node, "/spec/taints").iter();
    let taints: Vec<&Value> = taints.filter(|taint| json::text(taint, "/effect") == "NoExecute").collect();
    let uid = json::uid(pod).to_owned();
    if taints.is_empty() {
        state.no_longer(&uid, "tainted");
        return;
    }
    for taint in taints {
        let bearing: Vec<Option<i64>> =
            tolerations(pod, taint).map(|toleration| json::number(toleration, "/tolerationSeconds")).collect();
        let over = match bearing.iter().copied().min() {
            // Nothing bears it.
            None => true,
            // `None` is the smallest: something bears it for ever.
            Some(None) => false,
            Some(Some(seconds)) => {
                let time = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
                state.has_held(&uid, "tainted", time)
            }
        };
        if over {
            remove(state, "pods", pod);
            return;
        }
    }
}
