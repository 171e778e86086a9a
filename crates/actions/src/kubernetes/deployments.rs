//! Deployments: what their actions share.

mod history;
mod patch;
mod read;
mod restart;
mod rollback;
mod scale;
mod status;

use std::sync::Arc;

use belay_runbook::act::Preparation;
use belay_runbook::action::Sink;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Api;
use kube::api::ListParams;
use serde::Deserialize;

use super::trouble::{Asked, Trouble};
use super::{Clusters, OnCluster, Site, labels, share};
use crate::declaration::{Declaration, text};
use crate::registry::Registry;

pub(super) use status::Rollout;

/// Where a deployment keeps the number of its template's revision.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// How often an undo is tried against an object that its controller writes to all the time.
const TRIES: usize = 5;

pub(super) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(OnCluster::<scale::Scale>::new(clusters)));
    registry.register(Arc::new(OnCluster::<restart::Restart>::new(clusters)));
    registry.register(Arc::new(OnCluster::<patch::Patch>::new(clusters)));
    registry.register(Arc::new(OnCluster::<rollback::Rollback>::new(clusters)));
    registry.register(Arc::new(OnCluster::<history::History>::new(clusters)));
    registry.register(Arc::new(OnCluster::<read::GetDeployment>::new(clusters)));
    registry.register(Arc::new(OnCluster::<status::RolloutStatus>::new(clusters)));
}

/// Which deployment.
#[derive(Debug, Clone, Deserialize)]
struct Named {
    deployment: String,
    namespace: Option<String>,
}

impl Named {
    /// Its namespace, the context's own where none is given.
    fn namespace<'a>(&'a self, site: &'a Site<'_>) -> &'a str {
        site.namespace(self.namespace.as_deref())
    }

    /// What people call it.
    fn shown(&self) -> String {
        shown(self.namespace.as_deref(), &self.deployment)
    }

    /// What an approver types.
    fn target(&self, site: &Site<'_>) -> String {
        format!("deployment/{}/{}", self.namespace(site), self.deployment)
    }

    fn api(&self, site: &Site<'_>) -> Api<Deployment> {
        site.api(self.namespace(site))
    }

    fn asked<'a>(&'a self, site: &'a Site<'_>, verb: &'a str, resource: &'a str) -> Asked<'a> {
        Asked { verb, resource, name: &self.deployment, namespace: self.namespace(site) }
    }

    /// The deployment as it is, or nothing where there is none.
    async fn read(&self, site: &Site<'_>) -> Result<Option<Deployment>, Trouble> {
        let api = self.api(site);
        let asked = self.asked(site, "get", "deployments.apps");
        match site.cluster.ask(&asked, || api.get(&self.deployment)).await {
            Ok(deployment) => Ok(Some(deployment)),
            Err(trouble) if trouble.is_missing() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The deployment as it is.
    async fn expect(&self, site: &Site<'_>) -> Result<Deployment, Trouble> {
        self.read(site).await?.ok_or_else(|| self.missing(site))
    }

    fn missing(&self, site: &Site<'_>) -> Trouble {
        Trouble::refused(404, format!("there is no deployment `{}` in {}", self.deployment, self.namespace(site)))
    }
}

/// `NAMESPACE/NAME`, or the name alone where the context's namespace is meant.
fn shown(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

/// A declaration of something done to a deployment.
fn of_deployment(name: &str, description: &str) -> Declaration {
    Declaration::new(&format!("kubernetes.{name}"), description)
        .required("deployment", Sink::Name, text("the deployment"))
        .optional("namespace", Sink::Name, text("the namespace; the context's own where absent"))
        .target("deployment")
        .fact("deploymentExists")
        .access("get deployments.apps")
}

/// The replicas that a deployment asks for; the API's default is one.
pub(super) fn replicas(deployment: &Deployment) -> u32 {
    let asked = deployment.spec.replicas.unwrap_or(1);
    u32::try_from(asked).unwrap_or(0)
}

fn uid(deployment: &Deployment) -> &str {
    deployment.metadata.uid.as_deref().unwrap_or_default()
}

/// Notes how many pods a rollout of a deployment replaces, and how many of them are missing at once by its strategy.
fn replaces(prepared: &mut Preparation, deployment: &Deployment) {
    let pods = replicas(deployment);
    let strategy = deployment.spec.strategy.as_ref();
    let missing = if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
        pods
    } else {
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        match rolling.and_then(|rolling| rolling.max_unavailable.as_ref()) {
            Some(IntOrString::Int(number)) => u32::try_from(*number).unwrap_or(0).min(pods),
            Some(IntOrString::String(percent)) => of_percent(percent, pods),
            None => of_percent("25%", pods),
        }
    };
    prepared.basis.pods = Some(pods);
    prepared.basis.share = Some(share(missing, pods));
}

/// A percentage of a number, rounded down as the API does for what may be missing.
fn of_percent(percent: &str, of: u32) -> u32 {
    let percent: u32 = percent.trim_end_matches('%').parse().unwrap_or(100);
    of.saturating_mul(percent.min(100)) / 100
}

/// The template's revision, where the deployment has been seen by its controller.
fn revision(annotations: Option<&std::collections::BTreeMap<String, String>>) -> Option<u64> {
    annotations?.get(REVISION)?.parse().ok()
}

/// The replica sets of a deployment, the newest revision first.
async fn replica_sets(site: &Site<'_>, deployment: &Deployment) -> Result<Vec<ReplicaSet>, Trouble> {
    let namespace = deployment.metadata.namespace.clone().unwrap_or_default();
    let selector = labels::selector(&deployment.spec.selector);
    let api: Api<ReplicaSet> = site.api(&namespace);
    let asked = Asked { verb: "list", resource: "replicasets.apps", name: "", namespace: &namespace };
    let wanted = ListParams::default().labels(&selector);
    let list = site.cluster.ask(&asked, || api.list(&wanted)).await?;
    let owner = uid(deployment);
    let mut sets: Vec<ReplicaSet> = list
        .items
        .into_iter()
        .filter(|set| {
            let owners = set.metadata.owner_references.as_deref().unwrap_or_default();
            owners.iter().any(|reference| reference.controller == Some(true) && reference.uid == owner)
        })
        .collect();
    sets.sort_by_key(|set| std::cmp::Reverse(revision(set.metadata.annotations.as_ref())));
    Ok(sets)
}
