//! `kubernetes.drain_node`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, PolicyKind, Sink};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::evict::{Drained, Progress, evict_all};
use super::select::{Allowed, Lot, lot};
use super::{Named, is_cordoned, of_node, uid};
use crate::declaration::{boolean, integer};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, pods, record, share};

/// How many pods that hold a drain are named.
const NAMED: usize = 5;

/// Cordons a node and evicts its pods as `kubectl drain` does; undone by letting new pods on again.
pub(super) struct Drain;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    grace_period: Option<u32>,
    #[serde(default)]
    ignore_daemonsets: bool,
    #[serde(default)]
    delete_local_data: bool,
    #[serde(default)]
    force: bool,
}

/// The largest share of one workload's pods among these, in percent. What no controller keeps is a workload of its own.
async fn largest_share(site: &Site<'_>, goes: &[&Pod]) -> Result<u32, Trouble> {
    let mut going: BTreeMap<&str, u32> = BTreeMap::new();
    let mut largest = 0;
    for pod in goes {
        match pods::controller(pod) {
            Some(owner) => *going.entry(owner.uid.as_str()).or_default() += 1,
            None => largest = 100,
        }
    }
    let namespaces: BTreeSet<&str> = goes.iter().filter_map(|pod| pod.metadata.namespace.as_deref()).collect();
    let mut all: BTreeMap<String, u32> = BTreeMap::new();
    for namespace in namespaces {
        pods::pages(site, Some(namespace), ListParams::default(), |page: Vec<PartialObjectMeta<Pod>>| {
            let stays = page.iter().map(|pod| &pod.metadata).filter(|pod| pod.deletion_timestamp.is_none());
            for owner in stays.filter_map(|pod| pods::controlling(pod.owner_references.as_deref())) {
                *all.entry(owner.uid.clone()).or_default() += 1;
            }
            true
        })
        .await?;
    }
    let shares = going.iter().map(|(uid, part)| share(*part, all.get(*uid).copied().unwrap_or(0).max(*part)));
    Ok(shares.fold(largest, u32::max))
}

impl Parameters {
    fn allowed(&self) -> Allowed {
        Allowed {
            ignore_daemon_sets: self.ignore_daemonsets,
            delete_local_data: self.delete_local_data,
            force: self.force,
        }
    }
}

#[async_trait]
impl ClusterAct for Drain {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        of_node("drain_node", "Cordon a node and evict its pods within their disruption budgets")
            .optional(
                "gracePeriod",
                Sink::Json,
                integer(0, "seconds that each pod has for ending; its own where absent"),
            )
            .optional("ignoreDaemonsets", Sink::Json, boolean("leave pods of daemon sets where they are"))
            .optional("deleteLocalData", Sink::Json, boolean("also evict pods whose local data would be lost"))
            .optional("force", Sink::Json, boolean("also evict pods that nothing would replace"))
            .output("drained", boolean("whether nothing is left to evict"))
            .output("podsEvicted", integer(0, "pods that were evicted"))
            .output("remaining", integer(0, "pods that are still there"))
            .mutates(true)
            .captures_undo()
            .kind(PolicyKind::NodeOperation)
            .access("patch nodes")
            .access("list pods")
            .access("create pods/eviction")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("drain node {}", parameters.named.node_name)
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.named.target(), &Self::declaration());
        let node = parameters.named.expect(site).await?;
        let found = pods::on_node(site, &parameters.named.node_name).await?;
        let lots: Vec<Lot> = found.iter().map(|pod| lot(pod, parameters.allowed())).collect();
        let holding: Vec<&str> =
            lots.iter().filter_map(|lot| if let Lot::Holds(why) = lot { Some(why.as_str()) } else { None }).collect();
        if !holding.is_empty() {
            let more = holding.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!("; and {more} more") };
            let named = holding.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
            return Err(Trouble::before(format!(
                "node `{}` cannot be drained: {named}{more}",
                parameters.named.node_name
            )));
        }
        let goes: Vec<&Pod> =
            found.iter().zip(&lots).filter(|(_, lot)| **lot == Lot::Goes).map(|(pod, _)| pod).collect();
        let going = goes.len();
        prepared.basis.pods = Some(u32::try_from(going).unwrap_or(u32::MAX));
        prepared.basis.namespaces.extend(goes.iter().filter_map(|pod| pod.metadata.namespace.clone()));
        // Without it the drain is as good; what a policy asks of it needs approval then.
        prepared.basis.share = largest_share(site, &goes).await.ok();
        prepared.facts.insert("nodeExists".to_owned(), json!(true));
        prepared.basis.nodes.insert(parameters.named.node_name.clone());
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(uid(&node)));
        prepared.notes.push(format!(
            "it evicts {going} of the {} pods on the node{}",
            found.len(),
            if is_cordoned(&node) { ", which is cordoned already" } else { "" }
        ));
        prepared.undo = Some(record(site, json!({ "unschedulable": is_cordoned(&node), "uid": uid(&node) })));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let uid = preparation.basis.values.get("uid").and_then(Value::as_str).unwrap_or_default();
        // Whatever comes of it, this is what an undo may find.
        let after = Some(json!({ "unschedulable": true, "uid": uid }));
        // A node that was cordoned before may take pods again by now, and may be another one of the same name.
        if let Err(trouble) = parameters.named.set_unschedulable(site, uid, true).await {
            return Outcome { after, ..trouble.outcome() };
        }
        let mut progress = Progress::default();
        let node = parameters.named.node_name.clone();
        let what = format!("draining `{node}`");
        let drained = Drained { named: &parameters.named, uid };
        let evicting = evict_all(site, drained, parameters.allowed(), parameters.grace_period, &mut progress);
        let ended = site.while_wanted(evicting, &what).await;
        let mut output = json!({ "drained": ended.is_ok(), "podsEvicted": progress.evicted.len() });
        if progress.counted {
            output["remaining"] = json!(progress.left.len());
        }
        match ended {
            Ok(()) => Outcome { after, ..Outcome::succeeded(output) },
            Err(trouble) => {
                let left: Vec<&str> = progress.left.values().take(NAMED).map(String::as_str).collect();
                let last = progress.trouble.as_ref().map_or_else(String::new, |why| format!("; {why}"));
                let error = format!(
                    "{trouble}; {} pods were evicted, {} are left ({}){last}",
                    progress.evicted.len(),
                    progress.left.len(),
                    left.join(", ")
                );
                Outcome { output, after, error: Some(error), ..trouble.outcome_midway() }
            }
        }
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Parameters,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        super::cordon::compare(site, &parameters.named, record, after).await
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, _expected: Option<&Value>) -> Outcome {
        super::cordon::put_back(site, &parameters.named, record).await
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let node = parameters.named.expect(site).await?;
        let found = pods::on_node(site, &parameters.named.node_name).await?;
        let left = found.iter().filter(|pod| lot(pod, parameters.allowed()) != Lot::Stays).count();
        Ok(if is_cordoned(&node) && left == 0 {
            let output = json!({ "drained": true, "podsEvicted": 0, "remaining": 0 });
            let after = Some(json!({ "unschedulable": true, "uid": preparation.basis.values.get("uid") }));
            ProbeAnswer::Done(Outcome { after, ..Outcome::succeeded(output) })
        } else {
            ProbeAnswer::Unknown
        })
    }
}
