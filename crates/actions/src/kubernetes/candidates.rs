//! Candidates for the parameters of actions on clusters: names of objects, and of what a context's file says of services.
//!
//! Everything here only reads. What is known of the act leads the way: the owner of its pod comes before the other
//! deployments, the containers are those of its pod. What may not be read is left out where something else was found.

mod deployments;
mod nodes;
mod pods;

use std::collections::{BTreeMap, BTreeSet};

use belay_runbook::action::ActionSpec;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::core::Resource;
use kube::{Api, ResourceExt as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::trouble::{Asked, Trouble};
use super::{Site, is_name};
use crate::candidate::{Candidate, MOST_CANDIDATES};

/// What the context's file knows without a cluster; nothing where the parameter is no name in it.
pub(super) fn named(parameter: &str, known: &Value, context: &Value) -> Option<Vec<Candidate>> {
    let services = context.pointer("/config/services").and_then(Value::as_object);
    let keys = |part: &str| -> Vec<Candidate> {
        let service = known.get("service").and_then(Value::as_str);
        let entry = service.and_then(|service| services?.get(service)?.get("kubernetes")?.get(part)?.as_object());
        let names = entry.into_iter().flat_map(|entry| entry.keys());
        names.map(|name| Candidate::new(name, &format!("of service {}", service.unwrap_or_default()))).collect()
    };
    let mut found = match parameter {
        "service" => services
            .into_iter()
            .flatten()
            .map(|(name, entry)| {
                let workload = entry.pointer("/kubernetes/workload").and_then(Value::as_str);
                Candidate::new(name, workload.unwrap_or("in the context's file"))
            })
            .collect(),
        "scope" => keys("credentials"),
        "level" => keys("monitoring"),
        _ => return None,
    };
    found.retain(|candidate| is_name(&candidate.value));
    found.truncate(MOST_CANDIDATES);
    Some(found)
}

/// What a cluster lists for a parameter.
pub(super) async fn listed(
    site: &Site<'_>,
    spec: &ActionSpec,
    parameter: &str,
    known: &Value,
) -> Result<Vec<Candidate>, Trouble> {
    let known = Known(known);
    match parameter {
        "podName" => pods::pods(site, &known).await,
        "container" => pods::containers(site, &known).await,
        "deployment" => deployments::deployments(site, &known).await,
        "nodeName" => nodes::nodes(site, &known).await,
        "namespace" => namespaces(site, &known).await,
        "name" if spec.name == "kubernetes.update_configmap" => config_maps(site, &known).await,
        _ => Ok(Vec::new()),
    }
}

/// What is known of an act, by the names of parameters. What is no name of an object is not asked for.
struct Known<'a>(&'a Value);

impl<'a> Known<'a> {
    fn name(&self, parameter: &str) -> Option<&'a str> {
        self.0.get(parameter).and_then(Value::as_str).filter(|name| is_name(name))
    }

    fn pod(&self) -> Option<&'a str> {
        self.name("podName")
    }

    fn deployment(&self) -> Option<&'a str> {
        self.name("deployment")
    }

    fn namespace<'s>(&self, site: &'s Site<'_>) -> &'s str
    where
        'a: 's,
    {
        match self.name("namespace") {
            Some(namespace) => namespace,
            None => site.namespace(None),
        }
    }
}

/// Candidates in their order: by rank, the smallest first, then by name.
#[derive(Default)]
struct Ranked(Vec<(Rank, Candidate)>);

/// How likely a candidate is meant, from the best: whether it belongs to what is known, how badly it fares, and how often
/// it has restarted, the other way round.
type Rank = (u8, u8, std::cmp::Reverse<i32>);

impl Ranked {
    fn add(&mut self, rank: Rank, name: &str, note: &str) {
        if is_name(name) {
            self.0.push((rank, Candidate::new(name, note)));
        }
    }

    fn best(mut self) -> Vec<Candidate> {
        self.0
            .sort_by(|(rank, one), (other_rank, other)| rank.cmp(other_rank).then_with(|| one.value.cmp(&other.value)));
        let mut seen = BTreeSet::new();
        let all = self.0.into_iter().map(|(_, candidate)| candidate);
        all.filter(|candidate| seen.insert(candidate.value.clone())).take(MOST_CANDIDATES).collect()
    }
}

/// A rank where restarts do not count.
fn rank(belongs: bool, state: u8) -> Rank {
    (u8::from(!belongs), state, std::cmp::Reverse(0))
}

/// Namespaces: those with what is known, then the context's own, then the others.
async fn namespaces(site: &Site<'_>, known: &Known<'_>) -> Result<Vec<Candidate>, Trouble> {
    let mut found = Ranked::default();
    // Whoever may not look everywhere is offered the namespaces all the same.
    if let Some(pod) = known.pod() {
        let note = format!("has pod {pod}");
        for home in homes::<Pod>(site, "pods", pod).await {
            found.add(rank(true, 0), &home, &note);
        }
    }
    if let Some(deployment) = known.deployment() {
        let note = format!("has deployment {deployment}");
        let homes = homes::<Deployment>(site, "deployments.apps", deployment).await;
        for home in homes {
            found.add(rank(true, 1), &home, &note);
        }
    }
    let own = site.namespace(None);
    found.add(rank(true, 2), own, "the context's own");
    let api: Api<Namespace> = Api::all(site.cluster.client());
    let asked = Asked { verb: "list", resource: "namespaces", name: "", namespace: "" };
    let listed = site.cluster.pages(api.resource_url(), &asked, ListParams::default(), |page: Vec<Namespace>| {
        for namespace in page {
            let ending = namespace.metadata.deletion_timestamp.is_some();
            found.add(rank(false, u8::from(ending)), &namespace.name_any(), if ending { "ending" } else { "" });
        }
        true
    });
    match listed.await {
        Ok(()) => {}
        // The context's own is known without a list.
        Err(trouble) if trouble.code() == Some(403) => {}
        Err(trouble) => return Err(trouble),
    }
    Ok(found.best())
}

/// Namespaces with an object of this name, as far as they may be looked at.
async fn homes<K>(site: &Site<'_>, resource: &str, name: &str) -> Vec<String>
where
    K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::all(site.cluster.client());
    let asked = Asked { verb: "list", resource, name: "", namespace: "" };
    let wanted = ListParams::default().fields(&format!("metadata.name={name}"));
    let mut homes = Vec::new();
    let listed = site.cluster.pages(api.resource_url(), &asked, wanted, |page: Vec<K>| {
        homes.extend(page.into_iter().filter_map(|object| object.meta().namespace.clone()));
        true
    });
    match listed.await {
        Ok(()) => homes,
        Err(trouble) => {
            tracing::debug!(%trouble, "where an object lies is not known");
            Vec::new()
        }
    }
}

/// The name and the keys of a config map; its values are passed over while they are read.
#[derive(Deserialize)]
struct Named {
    metadata: ObjectMeta,
    #[expect(clippy::zero_sized_map_values, reason = "a map is what is read")]
    data: Option<BTreeMap<String, IgnoredAny>>,
}

async fn config_maps(site: &Site<'_>, known: &Known<'_>) -> Result<Vec<Candidate>, Trouble> {
    let namespace = known.namespace(site);
    let api: Api<ConfigMap> = site.api(namespace);
    let asked = Asked { verb: "list", resource: "configmaps", name: "", namespace };
    let mut found = Ranked::default();
    site.cluster
        .pages(api.resource_url(), &asked, ListParams::default(), |page: Vec<Named>| {
            for map in page {
                // Every namespace has this one, and nobody's settings lie in it.
                let name = map.metadata.name.unwrap_or_default();
                let state = u8::from(name == "kube-root-ca.crt");
                let keys: Vec<String> = map.data.unwrap_or_default().into_keys().collect();
                found.add(rank(true, state), &name, &keys.join(", "));
            }
            true
        })
        .await?;
    Ok(found.best())
}
