//! Which pods of a node are evicted by a drain, and which keep it from being drained; as `kubectl drain` decides.

use k8s_openapi::api::core::v1::Pod;

use crate::kubernetes::pods::{controller, named};

/// What a person allows a drain to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Leave pods of daemon sets where they are.
    pub(super) ignore_daemon_sets: bool,
    /// Evict pods whose local data is lost with them.
    pub(super) delete_local_data: bool,
    /// Evict pods that nothing would replace.
    pub(super) force: bool,
}

/// What a drain does with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lot {
    /// It stays: a daemon set's, or a mirror of a file on the node.
    Stays,
    /// It is evicted.
    Goes,
    /// It is about to end already, and is waited for.
    Ends,
    /// It keeps the node from being drained, and why.
    Holds(String),
}

/// What becomes of a pod.
pub(super) fn lot(pod: &Pod, allowed: Allowed) -> Lot {
    let annotations = pod.metadata.annotations.as_ref();
    if annotations.is_some_and(|annotations| annotations.contains_key("kubernetes.io/config.mirror")) {
        return Lot::Stays;
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Lot::Ends;
    }
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return Lot::Goes;
    }
    let owner = controller(pod);
    if owner.is_some_and(|owner| owner.kind == "DaemonSet") {
        return if allowed.ignore_daemon_sets {
            Lot::Stays
        } else {
            Lot::Holds(format!("{} is of a daemon set (`ignoreDaemonsets: true` leaves it there)", named(pod)))
        };
    }
    if owner.is_none() && !allowed.force {
        return Lot::Holds(format!("nothing would replace {} (`force: true` evicts it all the same)", named(pod)));
    }
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    if !allowed.delete_local_data && volumes.iter().any(|volume| volume.empty_dir.is_some()) {
        return Lot::Holds(format!("{} has local data (`deleteLocalData: true` loses it)", named(pod)));
    }
    Lot::Goes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn pod(fields: &Value) -> Pod {
        let mut pod = json!({
            "metadata": { "name": "web-0", "namespace": "shop", "ownerReferences": [owner("ReplicaSet")] },
            "spec": { "containers": [] },
            "status": { "phase": "Running" },
        });
        json_patch::merge(&mut pod, fields);
        serde_json::from_value(pod).expect("a pod")
    }

    fn owner(kind: &str) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": "u", "controller": true })
    }

    const NOTHING: Allowed = Allowed { ignore_daemon_sets: false, delete_local_data: false, force: false };

    #[rstest]
    #[case::owned(json!({}), NOTHING, Lot::Goes)]
    #[case::mirror(json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": null}}), NOTHING, Lot::Stays)]
    #[case::of_a_daemon_set_ignored(json!({"metadata": {"ownerReferences": [owner("DaemonSet")]}}), Allowed { ignore_daemon_sets: true, ..NOTHING }, Lot::Stays)]
    #[case::ending(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), NOTHING, Lot::Ends)]
    #[case::finished(json!({"metadata": {"ownerReferences": null}, "status": {"phase": "Succeeded"}}), NOTHING, Lot::Goes)]
    #[case::unowned_forced(json!({"metadata": {"ownerReferences": null}}), Allowed { force: true, ..NOTHING }, Lot::Goes)]
    #[case::local_data_lost(json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}), Allowed { delete_local_data: true, ..NOTHING }, Lot::Goes)]
    fn a_pod_goes_or_stays(#[case] fields: Value, #[case] allowed: Allowed, #[case] expected: Lot) {
        assert_eq!(lot(&pod(&fields), allowed), expected);
    }

    #[rstest]
    #[case::of_a_daemon_set(json!({"metadata": {"ownerReferences": [owner("DaemonSet")]}}), "ignoreDaemonsets")]
    #[case::unowned(json!({"metadata": {"ownerReferences": null}}), "force")]
    #[case::local_data(json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}), "deleteLocalData")]
    fn a_pod_holds_a_drain_and_says_what_lets_it_go(#[case] fields: Value, #[case] parameter: &str) {
        let Lot::Holds(why) = lot(&pod(&fields), NOTHING) else { unreachable!("it holds") };
        assert!(why.contains("shop/web-0") && why.contains(parameter), "{why}");
    }
}
