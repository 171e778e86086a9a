//! The resources that the cluster serves.

use serde_json::{Value, json};

/// One resource of the API.
#[allow(clippy::struct_field_names, reason = "`kind` is what the API calls it")]
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version in the group.
    pub version: &'static str,
    /// The name in URLs, such as `deployments`.
    pub plural: &'static str,
    /// The name of one object, such as `deployment`.
    pub singular: &'static str,
    /// The name in objects, such as `Deployment`.
    pub kind: &'static str,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// What kubectl also calls it.
    pub short: &'static [&'static str],
    /// The subresources with their verbs.
    pub subresources: &'static [&'static str],
}

const fn kind(
    (group, version): (&'static str, &'static str),
    (plural, singular, kind): (&'static str, &'static str, &'static str),
    namespaced: bool,
    short: &'static [&'static str],
    subresources: &'static [&'static str],
) -> Kind {
    Kind { group, version, plural, singular, kind, namespaced, short, subresources }
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const SNAPSHOTS: &str = "snapshot.storage.k8s.io";

/// Every resource, in the order of discovery.
pub static KINDS: &[Kind] = &[
    kind(CORE, ("namespaces", "namespace", "Namespace"), false, &["ns"], &["status"]),
    kind(CORE, ("nodes", "node", "Node"), false, &["no"], &["status"]),
    kind(CORE, ("pods", "pod", "Pod"), true, &["po"], &["status", "log", "eviction", "exec", "portforward", "proxy"]),
    kind(CORE, ("configmaps", "configmap", "ConfigMap"), true, &["cm"], &[]),
    kind(CORE, ("secrets", "secret", "Secret"), true, &[], &[]),
    kind(CORE, ("services", "service", "Service"), true, &["svc"], &["status", "proxy"]),
    kind(CORE, ("events", "event", "Event"), true, &["ev"], &[]),
    kind(
        CORE,
        ("persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim"),
        true,
        &["pvc"],
        &["status"],
    ),
    kind(APPS, ("deployments", "deployment", "Deployment"), true, &["deploy"], &["status", "scale"]),
    kind(APPS, ("replicasets", "replicaset", "ReplicaSet"), true, &["rs"], &["status", "scale"]),
    kind(APPS, ("daemonsets", "daemonset", "DaemonSet"), true, &["ds"], &["status"]),
    kind(APPS, ("statefulsets", "statefulset", "StatefulSet"), true, &["sts"], &["status", "scale"]),
    kind(("batch", "v1"), ("jobs", "job", "Job"), true, &[], &["status"]),
    kind(
        ("policy", "v1"),
        ("poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget"),
        true,
        &["pdb"],
        &["status"],
    ),
    kind(("networking.k8s.io", "v1"), ("networkpolicies", "networkpolicy", "NetworkPolicy"), true, &["netpol"], &[]),
    kind(
        ("authorization.k8s.io", "v1"),
        ("selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview"),
        false,
        &[],
        &[],
    ),
    kind(("coordination.k8s.io", "v1"), ("leases", "lease", "Lease"), true, &[], &[]),
    kind((SNAPSHOTS, "v1"), ("volumesnapshots", "volumesnapshot", "VolumeSnapshot"), true, &["vs"], &["status"]),
];

impl Kind {
    /// The resource of a URL.
    pub fn of_path(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// The resource of an object.
    pub fn of_object(object: &Value) -> Option<&'static Self> {
        let api_version = object.get("apiVersion")?.as_str()?;
        let name = object.get("kind")?.as_str()?;
        KINDS.iter().find(|kind| kind.kind == name && kind.api_version() == api_version)
    }

    /// The resource of this name: `deployments` or `deployments.apps`.
    pub fn named(name: &str) -> Option<&'static Self> {
        let (plural, group) = name.split_once('.').map_or((name, None), |(plural, group)| (plural, Some(group)));
        KINDS.iter().find(|kind| kind.plural == plural && group.is_none_or(|group| group == kind.group))
    }

    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The name with the group, as messages have it: `deployments.apps`, `pods`.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Kind and group, as validation names it: `Deployment.apps`, `Pod`.
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// Whether a custom resource definition brings it.
    pub fn is_custom(&self) -> bool {
        self.group == SNAPSHOTS
    }

    /// Whether `status` is written through its subresource alone.
    pub fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }

    /// Whether objects are answered and not kept.
    pub fn is_review(&self) -> bool {
        self.plural == "selfsubjectaccessreviews"
    }

    /// Whether a PUT of an object that is not there creates it.
    pub fn put_creates(&self) -> bool {
        matches!(self.plural, "leases" | "services" | "events")
    }

    /// Whether a PUT has to name the version that it replaces.
    pub fn put_needs_version(&self) -> bool {
        matches!(self.plural, "leases" | "poddisruptionbudgets") || self.is_custom()
    }

    /// Its entry in discovery and those of its subresources.
    pub fn discovery(&self) -> Vec<Value> {
        let verbs: &[&str] = if self.is_review() {
            &["create"]
        } else {
            &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        };
        let mut entry = json!({
            "name": self.plural, "singularName": self.singular, "namespaced": self.namespaced, "kind": self.kind,
            "verbs": verbs,
        });
        if !self.short.is_empty() {
            entry["shortNames"] = json!(self.short);
        }
        let mut entries = vec![entry];
        for sub in self.subresources {
            let name = format!("{}/{sub}", self.plural);
            let common = |kind: &str, verbs: &[&str]| json!({ "name": name, "singularName": "", "namespaced": self.namespaced, "kind": kind, "verbs": verbs });
            let mut entry = match *sub {
                "scale" => common("Scale", &["get", "patch", "update"]),
                "eviction" => common("Eviction", &["create"]),
                "log" => common(self.kind, &["get"]),
                "exec" => common("PodExecOptions", &["create", "get"]),
                "portforward" => common("PodPortForwardOptions", &["create", "get"]),
                "proxy" => {
                    let kind = if self.plural == "pods" { "PodProxyOptions" } else { "ServiceProxyOptions" };
                    common(kind, &["create", "delete", "get", "patch", "update"])
                }
                _ => common(self.kind, &["get", "patch", "update"]),
            };
            let other = match *sub {
                "scale" => Some(("autoscaling", "v1")),
                "eviction" => Some(("policy", "v1")),
                _ => None,
            };
            if let Some((group, version)) = other {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            entries.push(entry);
        }
        entries
    }
}
