//! Blocked addresses and isolated pods, by network policies.
//!
//! A network policy only ever allows: pods that none selects take everything, and of several that select a pod what any
//! of them allows is let through. So one policy holds all blocked addresses of the same pods, as two of them would let
//! through what the other keeps out; and beside somebody else's policy for the same pods no block is made, because it
//! would open them to everybody else.
//!
//! Source: Kubernetes, "Network Policies", "The two sorts of pod isolation".

mod address;
mod block;
mod isolate;
mod policy;
mod unblock;

use std::sync::Arc;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Api;
use kube::api::ListParams;

use super::trouble::{Asked, Trouble};
use super::{Clusters, OnCluster, Site};
use crate::registry::Registry;

pub(super) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(OnCluster::<block::BlockAddress>::new(clusters)));
    registry.register(Arc::new(OnCluster::<unblock::UnblockAddress>::new(clusters)));
    registry.register(Arc::new(OnCluster::<isolate::IsolatePod>::new(clusters)));
}

pub(super) use policy::Blocks;

/// As a role names them.
const POLICIES: &str = "networkpolicies.networking.k8s.io";

fn asked<'a>(verb: &'a str, name: &'a str, namespace: &'a str) -> Asked<'a> {
    Asked { verb, resource: POLICIES, name, namespace }
}

/// The policies that Belay keeps for a time.
pub(super) async fn time_boxed(site: &Site<'_>, namespace: &str) -> Result<Vec<NetworkPolicy>, Trouble> {
    listed(site, namespace, ListParams::default().labels(super::TIME_BOXED)).await
}

/// The policies of a namespace.
async fn policies(site: &Site<'_>, namespace: &str) -> Result<Vec<NetworkPolicy>, Trouble> {
    listed(site, namespace, ListParams::default()).await
}

async fn listed(site: &Site<'_>, namespace: &str, wanted: ListParams) -> Result<Vec<NetworkPolicy>, Trouble> {
    let api: Api<NetworkPolicy> = site.api(namespace);
    Ok(site.cluster.ask(&asked("list", "", namespace), || api.list(&wanted)).await?.items)
}

/// The pods that a policy is for.
fn selects(policy: &NetworkPolicy) -> LabelSelector {
    policy.spec.as_ref().and_then(|spec| spec.pod_selector.clone()).unwrap_or_default()
}

fn name(policy: &NetworkPolicy) -> &str {
    policy.metadata.name.as_deref().unwrap_or_default()
}

/// Whether a policy decides about one direction: about `Ingress` where it does not say, about `Egress` only where it does.
fn decides(policy: &NetworkPolicy, direction: &str) -> bool {
    let Some(spec) = &policy.spec else { return false };
    match spec.policy_types.as_deref() {
        Some(types) if !types.is_empty() => types.iter().any(|one| one == direction),
        _ => direction == "Ingress" || spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
    }
}
