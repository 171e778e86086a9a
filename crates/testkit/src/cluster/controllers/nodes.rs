//! Nodes: what a fresh one looks like, and what becomes of one that no longer reports.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::json;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// A node that is ready.
pub fn fresh(name: &str, now: Timestamp) -> Value {
    let number = name.bytes().map(u64::from).sum::<u64>() % 250 + 2;
    let now = json::seconds(now);
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": reason,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let resources = json!({ "cpu": "4", "memory": "16Gi", "pods": "110" });
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        } },
        "spec": {},
        "status": {
            "capacity": resources, "allocatable": resources,
            "addresses": [
                { "type": "InternalIP", "address": format!("10.1.0.{number}") }, { "type": "Hostname", "address": name },
            ],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                condition("Ready", "True", "KubeletReady"),
            ],
            "nodeInfo": {
                "kubeletVersion": "v1.36.0", "operatingSystem": "linux", "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2.2.0", "kernelVersion": "6.18.0", "osImage": "Debian 13",
                "machineID": name, "systemUUID": name, "bootID": name, "kubeProxyVersion": "",
            },
        },
    })
}

/// Writes into a node that it reports, or that it no longer does.
pub fn set_reporting(node: &mut Value, reports: bool) {
    let now = Timestamp::now();
    for kind in ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"] {
        let condition = match (reports, kind) {
            (false, _) => json!({
                "type": kind, "status": "Unknown", "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
            }),
            (true, "Ready") => json!({
                "type": kind, "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
            }),
            (true, _) => json!({ "type": kind, "status": "False", "reason": "KubeletReady", "message": "no pressure" }),
        };
        json::set_condition(node, condition, now);
    }
    let taints = json::items(json::slot(node, &["spec", "taints"]));
    taints.retain(|taint| !matches!(json::text(taint, "/key"), NOT_READY | UNREACHABLE));
    if !reports {
        for effect in ["NoSchedule", "NoExecute"] {
            taints.push(json!({ "key": UNREACHABLE, "effect": effect, "timeAdded": json::seconds(now) }));
        }
    }
    if taints.is_empty() {
        json::take(node, &["spec", "taints"]);
    }
}

/// Whether something runs on a node: it is there and reports.
pub fn is_reporting(node: &Value) -> bool {
    json::condition(node, "Ready") == "True"
}

/// The taint that keeps a pod off a node, if there is one.
pub fn untolerated<'a>(node: &'a Value, pod: &Value) -> Option<&'a Value> {
    json::list(node, "/spec/taints")
        .iter()
        .find(|taint| json::text(taint, "/effect") != "PreferNoSchedule" && tolerations(pod, taint).next().is_none())
}

/// The tolerations of a pod by which it bears a taint.
pub fn tolerations<'a>(pod: &'a Value, taint: &'a Value) -> impl Iterator<Item = &'a Value> {
    let (effect, name) = (json::text(taint, "/effect"), json::text(taint, "/key"));
    json::list(pod, "/spec/tolerations").iter().filter(move |toleration| {
        let (key, own) = (json::text(toleration, "/key"), json::text(toleration, "/effect"));
        let exists = json::text(toleration, "/operator") == "Exists";
        (key == name || key.is_empty())
            && (own.is_empty() || own == effect)
            && (exists || json::text(toleration, "/value") == json::text(taint, "/value"))
    })
}
