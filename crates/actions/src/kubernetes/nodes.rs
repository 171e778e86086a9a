//! Nodes: what their actions share.

mod cordon;
mod drain;
mod evict;
mod read;
mod select;

use std::sync::Arc;

use belay_runbook::action::Sink;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::Patch;
use serde::Deserialize;
use serde_json::json;

use super::trouble::{Asked, Trouble};
use super::{Clusters, OnCluster, Site, ours};
use crate::declaration::{Declaration, text};
use crate::registry::Registry;

pub(super) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(OnCluster::<read::GetNode>::new(clusters)));
    registry.register(Arc::new(OnCluster::<cordon::Cordon>::new(clusters)));
    registry.register(Arc::new(OnCluster::<cordon::Uncordon>::new(clusters)));
    registry.register(Arc::new(OnCluster::<drain::Drain>::new(clusters)));
}

/// Which node.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    node_name: String,
}

impl Named {
    fn target(&self) -> String {
        format!("node/{}", self.node_name)
    }

    fn asked<'a>(&'a self, verb: &'a str) -> Asked<'a> {
        Asked { verb, resource: "nodes", name: &self.node_name, namespace: "" }
    }

    async fn read(&self, site: &Site<'_>) -> Result<Option<Node>, Trouble> {
        let api: Api<Node> = Api::all(site.cluster.client());
        match site.cluster.ask(&self.asked("get"), || api.get(&self.node_name)).await {
            Ok(node) => Ok(Some(node)),
            Err(trouble) if trouble.is_missing() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    async fn expect(&self, site: &Site<'_>) -> Result<Node, Trouble> {
        self.read(site).await?.ok_or_else(|| Trouble::refused(404, format!("there is no node `{}`", self.node_name)))
    }

    /// Says whether new pods may come onto the node, if it is still the one that was read.
    async fn set_unschedulable(&self, site: &Site<'_>, uid: &str, unschedulable: bool) -> Result<Node, Trouble> {
        let api: Api<Node> = Api::all(site.cluster.client());
        let wanted = if unschedulable { json!(true) } else { json!(null) };
        let patch = json!({ "metadata": { "uid": uid }, "spec": { "unschedulable": wanted } });
        site.cluster.once(&self.asked("patch"), api.patch(&self.node_name, &ours(), &Patch::Strategic(patch))).await
    }
}

/// A declaration of something done to a node.
fn of_node(name: &str, description: &str) -> Declaration {
    Declaration::new(&format!("kubernetes.{name}"), description)
        .required("nodeName", Sink::Name, text("the node"))
        .target("nodeName")
        .fact("nodeExists")
        .access("get nodes")
}

pub(super) fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true))
}

pub(super) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn uid(node: &Node) -> &str {
    node.metadata.uid.as_deref().unwrap_or_default()
}
