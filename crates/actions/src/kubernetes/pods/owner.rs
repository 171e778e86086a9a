//! Who replaces a pod, and whether everything that it keeps is well.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use kube::Api;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::{controller, is_ready, pages};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{Site, labels};

/// The workload that a pod belongs to: its deployment where there is one, else its controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kubernetes) struct Owner {
    kind: String,
    api_version: String,
    name: String,
}

/// A workload and its pods at some instant.
#[derive(Debug, Clone, Default)]
pub(in crate::kubernetes) struct Keeping {
    /// Pods that it wants; nothing where it wants none in particular, as a job does.
    pub(super) wanted: Option<u64>,
    /// Its pods.
    pub(in crate::kubernetes) pods: Vec<Pod>,
}

impl Keeping {
    /// Pods that take requests and stay.
    pub(super) fn ready(&self) -> u64 {
        let ready = self.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod)).count();
        u64::try_from(ready).unwrap_or(u64::MAX)
    }

    /// Whether as many take requests as it wants.
    pub(super) fn is_well(&self) -> bool {
        self.wanted.is_none_or(|wanted| self.ready() >= wanted)
    }
}

impl Owner {
    /// `deployment/checkout`.
    pub(in crate::kubernetes) fn shown(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.name)
    }

    /// Its name, where it is a deployment.
    pub(in crate::kubernetes) fn deployment(&self) -> Option<&str> {
        (self.kind == "Deployment").then_some(self.name.as_str())
    }

    /// The owner of a pod.
    pub(in crate::kubernetes) async fn of(site: &Site<'_>, pod: &Pod) -> Result<Option<Self>, Trouble> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        match controller(pod) {
            Some(reference) => Self::top(site, namespace, Self::named(reference)).await.map(Some),
            None => Ok(None),
        }
    }

    /// The owner of a pod, and what its controller selects its pods by.
    pub(in crate::kubernetes) async fn with_selector(
        site: &Site<'_>,
        pod: &Pod,
    ) -> Result<Option<(Self, LabelSelector)>, Trouble> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let Some(reference) = controller(pod) else { return Ok(None) };
        let owner = Self::named(reference);
        match owner.read(site, namespace).await {
            Ok(object) => {
                let selector = owner.selects(&object);
                Ok(Some((owner.above(object), selector)))
            }
            Err(trouble) if trouble.is_missing() => Ok(Some((owner, LabelSelector::default()))),
            Err(trouble) => Err(trouble),
        }
    }

    /// The owner that [`shown`](Self::shown) shows; nothing where that does not tell which API it is of.
    pub(super) fn of_shown(text: &str) -> Option<Self> {
        let (shown, name) = text.split_once('/')?;
        let known = [
            ("Deployment", "apps/v1"),
            ("ReplicaSet", "apps/v1"),
            ("StatefulSet", "apps/v1"),
            ("DaemonSet", "apps/v1"),
            ("Job", "batch/v1"),
            ("ReplicationController", "v1"),
        ];
        let (kind, api_version) = known.into_iter().find(|(kind, _)| kind.eq_ignore_ascii_case(shown))?;
        Some(Self { kind: kind.to_owned(), api_version: api_version.to_owned(), name: name.to_owned() })
    }

    fn selects(&self, object: &DynamicObject) -> LabelSelector {
        let selector = object.data.pointer("/spec/selector").cloned().unwrap_or(Value::Null);
        // The selector of a replication controller is a map of labels and nothing else.
        match self.kind.as_str() {
            "ReplicationController" => LabelSelector {
                match_labels: serde_json::from_value(selector).unwrap_or_default(),
                match_expressions: None,
            },
            _ => serde_json::from_value(selector).unwrap_or_default(),
        }
    }

    /// The owner of a pod that is gone, by the name that its replica set gave it.
    pub(in crate::kubernetes) async fn of_gone(
        site: &Site<'_>,
        namespace: &str,
        pod: &str,
    ) -> Result<Option<Self>, Trouble> {
        let Some((set, _)) = pod.rsplit_once('-') else { return Ok(None) };
        let set = Self { kind: "ReplicaSet".to_owned(), api_version: "apps/v1".to_owned(), name: set.to_owned() };
        match set.read(site, namespace).await {
            Ok(_) => Self::top(site, namespace, set).await.map(Some),
            Err(trouble) if trouble.is_missing() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The deployment above a replica set.
    async fn top(site: &Site<'_>, namespace: &str, owner: Self) -> Result<Self, Trouble> {
        if owner.kind != "ReplicaSet" {
            return Ok(owner);
        }
        let set = match owner.read(site, namespace).await {
            Ok(set) => set,
            Err(trouble) if trouble.is_missing() => return Ok(owner),
            Err(trouble) => return Err(trouble),
        };
        Ok(owner.above(set))
    }

    /// The deployment above a replica set; anything else stands for itself.
    fn above(self, object: DynamicObject) -> Self {
        if self.kind != "ReplicaSet" {
            return self;
        }
        let owners = object.metadata.owner_references.unwrap_or_default();
        owners.iter().find(|reference| reference.kind == "Deployment").map_or(self, Self::named)
    }

    fn named(reference: &OwnerReference) -> Self {
        Self { kind: reference.kind.clone(), api_version: reference.api_version.clone(), name: reference.name.clone() }
    }

    async fn read(&self, site: &Site<'_>, namespace: &str) -> Result<DynamicObject, Trouble> {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", &self.api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &self.kind));
        let api: Api<DynamicObject> = Api::namespaced_with(site.cluster.client(), namespace, &resource);
        let what = if group.is_empty() { resource.plural.clone() } else { format!("{}.{group}", resource.plural) };
        let asked = Asked { verb: "get", resource: &what, name: &self.name, namespace };
        site.cluster.ask(&asked, || api.get(&self.name)).await
    }

    /// The workload's pods, and how many it wants.
    pub(in crate::kubernetes) async fn keeping(&self, site: &Site<'_>, namespace: &str) -> Result<Keeping, Trouble> {
        let object = self.read(site, namespace).await?;
        let number = |path: &str| object.data.pointer(path).and_then(Value::as_u64);
        let wanted = match self.kind.as_str() {
            "Deployment" | "ReplicaSet" | "StatefulSet" | "ReplicationController" => {
                Some(number("/spec/replicas").unwrap_or(1))
            }
            "DaemonSet" => number("/status/desiredNumberScheduled"),
            _ => None,
        };
        let selector = self.selects(&object);
        let query = labels::selector(&selector);
        let uid = object.metadata.uid.as_deref();
        let mut pods = Vec::new();
        pages(site, Some(namespace), ListParams::default().labels(&query), |page: Vec<Pod>| {
            // Without a selector every pod of the namespace comes, and only what it controls is its own.
            let own =
                |pod: &Pod| !query.is_empty() || controller(pod).is_some_and(|owner| Some(owner.uid.as_str()) == uid);
            pods.extend(page.into_iter().filter(own));
            true
        })
        .await?;
        Ok(Keeping { wanted, pods })
    }
}
