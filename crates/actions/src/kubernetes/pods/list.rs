//! `kubernetes.list_pods`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::ListParams;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{controlling, pages};
use crate::declaration::{Declaration, boolean, integer, list, object, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site};

/// Pods that are listed where nobody says how many.
const MOST: usize = 1_000;

/// Lists pods, what people and scripts look at of each.
pub(super) struct ListPods;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    namespace: Option<String>,
    label_selector: Option<String>,
    field_selector: Option<String>,
    limit: Option<usize>,
}

impl Parameters {
    /// Where it looks: what is on a node is asked for in every namespace, as there is nothing else that it could mean.
    fn namespace<'a>(&'a self, site: &'a Site<'_>) -> Option<&'a str> {
        let of_node = self.field_selector.as_deref().is_some_and(|fields| fields.contains("spec.nodeName"));
        match &self.namespace {
            Some(namespace) => Some(namespace),
            None if of_node => None,
            None => Some(site.namespace(None)),
        }
    }
}

#[async_trait]
impl ClusterAct for ListPods {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        Declaration::new("kubernetes.list_pods", "List pods by label or field")
            .optional(
                "namespace",
                Sink::Name,
                text("the namespace; the context's own where absent, every one for the pods of a node"),
            )
            .optional("labelSelector", Sink::Text, text("a label selector"))
            .optional("fieldSelector", Sink::Text, text("a field selector, such as spec.nodeName=node-1"))
            .optional("limit", Sink::Json, integer(1, "the largest number of pods, 1000 where absent"))
            .publishes("pods", list(&object("a pod"), "the pods"))
            .output("count", integer(0, "how many there are"))
            .output("truncated", boolean("whether there are more than are listed"))
            .access("list pods")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        let by: Vec<&str> = [&parameters.label_selector, &parameters.field_selector]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        if by.is_empty() { "list pods".to_owned() } else { format!("list pods by {}", by.join(" and ")) }
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let target =
            parameters.namespace(site).map_or_else(|| "pods".to_owned(), |namespace| format!("pods/{namespace}"));
        Ok(site.preparation(target, &Self::declaration()))
    }

    async fn run(site: &Site<'_>, parameters: Parameters, _preparation: &Preparation) -> Outcome {
        let mut wanted = ListParams::default();
        wanted.label_selector.clone_from(&parameters.label_selector);
        wanted.field_selector.clone_from(&parameters.field_selector);
        let most = parameters.limit.unwrap_or(MOST);
        let (mut pods, mut count) = (Vec::new(), 0_usize);
        // Only what is looked at is kept of each, so that ten thousand pods take little room.
        let listed = pages(site, parameters.namespace(site), wanted, |page: Vec<Listed>| {
            count += page.len();
            let room = most.saturating_sub(pods.len());
            pods.extend(page.into_iter().take(room).map(brief));
            true
        });
        match listed.await {
            Ok(()) => {
                let truncated = count > pods.len();
                let pods = Value::Array(pods);
                let mut outcome = Outcome::succeeded(json!({ "pods": pods, "count": count, "truncated": truncated }));
                outcome.published.insert("pods".to_owned(), pods);
                outcome
            }
            Err(trouble) => trouble.outcome_midway(),
        }
    }
}

/// What is read of a pod; everything else, which is most of it, is passed over while a page is read.
#[derive(Debug, Deserialize)]
struct Listed {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    containers: Option<Vec<Container>>,
    volumes: Option<Vec<Volume>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    empty_dir: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Container {
    name: String,
    image: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    reason: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    #[serde(default)]
    ready: bool,
    #[serde(default)]
    restart_count: i32,
    #[serde(default)]
    last_state: LastState,
}

#[derive(Debug, Default, Deserialize)]
struct LastState {
    terminated: Option<Terminated>,
}

/// How a container ended.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Terminated {
    exit_code: i32,
    reason: Option<String>,
    finished_at: Option<Time>,
}

/// What is looked at of a pod, in the shape of the API. Added, as scripts ask for it: `spec.daemonset`, and `spec.localData`
/// where a volume of it is an emptyDir, whose data ends with the pod.
fn brief(pod: Listed) -> Value {
    let Listed { metadata, spec, status } = pod;
    let containers: Vec<Value> = spec
        .containers
        .into_iter()
        .flatten()
        .map(|container| json!({ "name": container.name, "image": container.image }))
        .collect();
    let statuses: Vec<Value> = status
        .container_statuses
        .into_iter()
        .flatten()
        .map(|status| {
            json!({
                "name": status.name,
                "ready": status.ready,
                "restartCount": status.restart_count,
                "lastState": { "terminated": status.last_state.terminated },
            })
        })
        .collect();
    let local = spec.volumes.iter().flatten().any(|volume| volume.empty_dir.is_some());
    let daemonset = controlling(metadata.owner_references.as_deref()).is_some_and(|owner| owner.kind == "DaemonSet");
    json!({
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "labels": metadata.labels,
            "ownerReferences": metadata.owner_references,
            "creationTimestamp": metadata.creation_timestamp,
            "deletionTimestamp": metadata.deletion_timestamp,
        },
        "spec": { "nodeName": spec.node_name, "containers": containers, "daemonset": daemonset, "localData": local },
        "status": {
            "phase": status.phase,
            "reason": status.reason,
            "podIP": status.pod_ip,
            "containerStatuses": statuses,
        },
    })
}
