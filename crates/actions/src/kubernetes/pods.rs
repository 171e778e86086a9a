//! Pods: what their actions share.

mod events;
mod exec;
mod list;
mod logs;
mod owner;
mod read;
mod restart;

use std::collections::BTreeSet;
use std::sync::Arc;

use belay_runbook::action::Sink;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ListParams;
use kube::{Api, Resource as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::trouble::{Asked, Trouble};
use super::{Clusters, OnCluster, Site};
use crate::declaration::{Declaration, text};
use crate::registry::Registry;

pub(super) use owner::Owner;

pub(super) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(OnCluster::<read::GetPod>::new(clusters)));
    registry.register(Arc::new(OnCluster::<list::ListPods>::new(clusters)));
    registry.register(Arc::new(OnCluster::<restart::RestartPod>::new(clusters)));
    registry.register(Arc::new(OnCluster::<logs::GetLogs>::new(clusters)));
    registry.register(Arc::new(OnCluster::<events::GetEvents>::new(clusters)));
    registry.register(Arc::new(OnCluster::<exec::Exec>::new(clusters)));
}

/// Which pod.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    pub(super) pod_name: String,
    namespace: Option<String>,
}

impl Named {
    /// A pod of a namespace.
    pub(super) fn of(namespace: &str, pod_name: &str) -> Self {
        Self { pod_name: pod_name.to_owned(), namespace: Some(namespace.to_owned()) }
    }

    pub(super) fn namespace<'a>(&'a self, site: &'a Site<'_>) -> &'a str {
        site.namespace(self.namespace.as_deref())
    }

    pub(super) fn shown(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.pod_name),
            None => self.pod_name.clone(),
        }
    }

    pub(super) fn target(&self, site: &Site<'_>) -> String {
        format!("pod/{}/{}", self.namespace(site), self.pod_name)
    }

    pub(super) fn api(&self, site: &Site<'_>) -> Api<Pod> {
        site.api(self.namespace(site))
    }

    pub(super) fn asked<'a>(&'a self, site: &'a Site<'_>, verb: &'a str, resource: &'a str) -> Asked<'a> {
        Asked { verb, resource, name: &self.pod_name, namespace: self.namespace(site) }
    }

    pub(super) async fn read(&self, site: &Site<'_>) -> Result<Option<Pod>, Trouble> {
        let api = self.api(site);
        match site.cluster.ask(&self.asked(site, "get", "pods"), || api.get(&self.pod_name)).await {
            Ok(pod) => Ok(Some(pod)),
            Err(trouble) if trouble.is_missing() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    pub(super) async fn expect(&self, site: &Site<'_>) -> Result<Pod, Trouble> {
        self.read(site).await?.ok_or_else(|| self.missing(site))
    }

    pub(super) fn missing(&self, site: &Site<'_>) -> Trouble {
        Trouble::refused(404, format!("there is no pod `{}` in {}", self.pod_name, self.namespace(site)))
    }
}

/// A declaration of something done with a pod.
fn of_pod(name: &str, description: &str) -> Declaration {
    Declaration::new(&format!("kubernetes.{name}"), description)
        .required("podName", Sink::Name, text("the pod"))
        .optional("namespace", Sink::Name, text("the namespace; the context's own where absent"))
        .target("podName")
        .fact("podExists")
        .access("get pods")
}

/// The controller that would replace a pod.
pub(super) fn controller(pod: &Pod) -> Option<&OwnerReference> {
    controlling(pod.metadata.owner_references.as_deref())
}

/// The one of an object's owners that would replace it.
pub(super) fn controlling(owners: Option<&[OwnerReference]>) -> Option<&OwnerReference> {
    owners.unwrap_or_default().iter().find(|owner| owner.controller == Some(true))
}

/// `NAMESPACE/NAME`.
pub(super) fn named(pod: &Pod) -> String {
    let (namespace, name) = (pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref());
    format!("{}/{}", namespace.unwrap_or("default"), name.unwrap_or("?"))
}

/// Whether a pod takes requests.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Every pod of a node.
pub(super) async fn on_node(site: &Site<'_>, node: &str) -> Result<Vec<Pod>, Trouble> {
    let mut pods = Vec::new();
    let wanted = ListParams::default().fields(&format!("spec.nodeName={node}"));
    pages(site, None, wanted, |page: Vec<Pod>| {
        pods.extend(page);
        true
    })
    .await?;
    Ok(pods)
}

/// Uids of the pods that a server's cache knows on a node. It may be a little behind, and costs the server next to nothing.
pub(super) async fn glance(site: &Site<'_>, node: &str) -> Result<BTreeSet<String>, Trouble> {
    let api: Api<Pod> = Api::all(site.cluster.client());
    let asked = Asked { verb: "list", resource: "pods", name: "", namespace: "" };
    // Without a limit, as pages come from the store.
    let wanted = ListParams::default().fields(&format!("spec.nodeName={node}")).match_any();
    let found = site.cluster.ask(&asked, || api.list_metadata(&wanted)).await?;
    Ok(found.items.into_iter().filter_map(|pod| pod.metadata.uid).collect())
}

/// Asks for pods a page at a time, and hands on each, of every pod what `T` reads; stops where `take` has enough. All
/// namespaces where none is named.
pub(super) async fn pages<T: DeserializeOwned>(
    site: &Site<'_>,
    namespace: Option<&str>,
    wanted: ListParams,
    take: impl FnMut(Vec<T>) -> bool,
) -> Result<(), Trouble> {
    let asked = Asked { verb: "list", resource: "pods", name: "", namespace: namespace.unwrap_or_default() };
    site.cluster.pages(&Pod::url_path(&(), namespace), &asked, wanted, take).await
}
