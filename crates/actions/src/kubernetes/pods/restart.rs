//! `kubernetes.restart_pod`.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer};
use belay_runbook::action::{ActionSpec, Effect, Impact, Sink};
use kube::api::{DeleteParams, Preconditions};
use serde::Deserialize;
use serde_json::{Value, json};

use super::owner::Owner;
use super::{Named, of_pod};
use crate::declaration::{boolean, integer, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, share};

/// How often the pods are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Deletes a pod that a controller owns, and waits until its owner is well again.
///
/// A pod that was replaced already is a success with a note: who asks for a restart wants a new pod, and there is one.
pub(super) struct RestartPod;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    grace_period: Option<u32>,
    #[serde(default)]
    force: bool,
}

#[async_trait]
impl ClusterAct for RestartPod {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        of_pod("restart_pod", "Delete a pod that a controller owns and wait for its replacement")
            .optional(
                "gracePeriod",
                Sink::Json,
                integer(0, "seconds that the pod has for ending; its own where absent"),
            )
            .optional("force", Sink::Json, boolean("also delete a pod that nothing would replace"))
            .output("restarted", boolean("whether the pod was deleted; false where it was replaced already"))
            .output("replacement", text("the name of a pod that took its place"))
            .output("owner", text("who keeps the pods, such as deployment/checkout"))
            // Where names are used again, as in a stateful set, a second time ends the pod that the first one brought.
            .mutates(false)
            .access("list pods")
            .access("delete pods")
            .access("get replicasets.apps")
            .access("get deployments.apps")
            .access("get statefulsets.apps")
            .access("get daemonsets.apps")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("restart pod {}", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let named = &parameters.named;
        let mut prepared = site.preparation(named.target(site), &Self::declaration());
        prepared.basis.objects.insert(prepared.target.name.clone());
        let Some(pod) = named.read(site).await? else {
            let Some(owner) = Owner::of_gone(site, named.namespace(site), &named.pod_name).await? else {
                return Err(named.missing(site));
            };
            prepared.facts.insert("podExists".to_owned(), json!(false));
            prepared.basis.values.insert("owner".to_owned(), json!(owner.shown()));
            prepared.basis.pods = Some(0);
            prepared.notes.push(format!("the pod was replaced already; it belonged to {}", owner.shown()));
            return Ok(prepared);
        };
        prepared.facts.insert("podExists".to_owned(), json!(true));
        prepared.basis.values.insert("uid".to_owned(), json!(pod.metadata.uid));
        prepared.basis.pods = Some(1);
        match Owner::of(site, &pod).await? {
            Some(owner) => {
                let keeping = owner.keeping(site, named.namespace(site)).await?;
                prepared.basis.values.insert("owner".to_owned(), json!(owner.shown()));
                let of = keeping.wanted.map(|wanted| u32::try_from(wanted).unwrap_or(u32::MAX));
                prepared.basis.share = of.map(|of| share(1, of.max(1)));
                if keeping.wanted == Some(1) {
                    prepared.impact = Impact::High;
                    prepared.reasons.push(format!("it is the only pod of {}", owner.shown()));
                }
                let wanted = keeping.wanted.map_or_else(String::new, |wanted| format!(" of {wanted}"));
                prepared.notes.push(format!("{} has {}{wanted} pods ready", owner.shown(), keeping.ready()));
            }
            None if parameters.force => {
                prepared.basis.share = Some(100);
                prepared.effect = Effect::Destructive;
                prepared.impact = Impact::High;
                prepared.reasons.push("nothing replaces the pod: it is gone for good".to_owned());
            }
            None => {
                return Err(Trouble::before(format!(
                    "nothing would replace pod `{}`, as no controller owns it; `force: true` deletes it all the same",
                    named.shown()
                )));
            }
        }
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let named = &parameters.named;
        let uid = preparation.basis.values.get("uid").and_then(Value::as_str);
        let owner = async {
            // The preparation has found it; whether it is the same pod, the deletion compares.
            let prepared = preparation.basis.values.get("owner").and_then(Value::as_str);
            if let Some(owner) = prepared.and_then(Owner::of_shown) {
                return Ok(Some(owner));
            }
            match named.read(site).await? {
                Some(pod) if pod.metadata.uid.as_deref() == uid => Owner::of(site, &pod).await,
                _ => Owner::of_gone(site, named.namespace(site), &named.pod_name).await,
            }
        };
        let owner = match owner.await {
            Ok(owner) => owner,
            Err(trouble) => return trouble.unsent().outcome(),
        };
        let before = match &owner {
            Some(owner) => match owner.keeping(site, named.namespace(site)).await {
                Ok(keeping) => keeping.pods.into_iter().filter_map(|pod| pod.metadata.uid).collect(),
                Err(trouble) => return trouble.unsent().outcome(),
            },
            None => BTreeSet::new(),
        };
        let deleted = match uid {
            Some(uid) => match delete(site, &parameters, uid).await {
                Ok(deleted) => deleted,
                Err(trouble) => return trouble.outcome(),
            },
            None => false,
        };
        if deleted {
            site.say(&format!("{} ends\n", named.pod_name));
        }
        match well_again(site, named, owner.as_ref(), uid, &before).await {
            Ok(replacement) => done(deleted, replacement.as_deref(), owner.as_ref()),
            Err(trouble) => trouble.outcome_midway(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let named = &parameters.named;
        let Some(uid) = preparation.basis.values.get("uid").and_then(Value::as_str) else {
            return Ok(ProbeAnswer::Unknown);
        };
        let owner = match named.read(site).await? {
            Some(pod) if pod.metadata.uid.as_deref() == Some(uid) => {
                let ends = pod.metadata.deletion_timestamp.is_some();
                return Ok(if ends { ProbeAnswer::Unknown } else { ProbeAnswer::NotDone });
            }
            Some(pod) => Owner::of(site, &pod).await?,
            None => Owner::of_gone(site, named.namespace(site), &named.pod_name).await?,
        };
        let Some(owner) = owner else { return Ok(ProbeAnswer::Unknown) };
        let is_well = owner.keeping(site, named.namespace(site)).await?.is_well();
        Ok(if is_well { ProbeAnswer::Done(done(true, None, Some(&owner))) } else { ProbeAnswer::Unknown })
    }
}

/// Deletes the pod that was read; false where it is gone already.
async fn delete(site: &Site<'_>, parameters: &Parameters, uid: &str) -> Result<bool, Trouble> {
    let named = &parameters.named;
    let how = DeleteParams {
        grace_period_seconds: parameters.grace_period,
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        ..DeleteParams::default()
    };
    let api = named.api(site);
    match site.cluster.once(&named.asked(site, "delete", "pods"), api.delete(&named.pod_name, &how)).await {
        Ok(_) => Ok(true),
        // Gone, or another one of the same name: it was replaced. Anything else that is in the way is no reason to wait.
        Err(trouble) if matches!(trouble.code(), Some(404 | 409)) => match named.read(site).await {
            Ok(Some(pod)) if pod.metadata.uid.as_deref() == Some(uid) && pod.metadata.deletion_timestamp.is_none() => {
                Err(trouble)
            }
            Ok(_) => Ok(false),
            Err(trouble) => Err(trouble.unsent()),
        },
        Err(trouble) => Err(trouble),
    }
}

/// Waits until the pod is gone and as many others are ready as its owner wants; answers with the name of a new one.
async fn well_again(
    site: &Site<'_>,
    named: &Named,
    owner: Option<&Owner>,
    uid: Option<&str>,
    before: &BTreeSet<String>,
) -> Result<Option<String>, Trouble> {
    let namespace = named.namespace(site);
    let mut told = String::new();
    let looking = async {
        loop {
            let Some(owner) = owner else {
                match named.read(site).await? {
                    Some(pod) if pod.metadata.uid.as_deref() == uid => {}
                    _ => return Ok(None),
                }
                tokio::time::sleep(LOOK).await;
                continue;
            };
            let keeping = owner.keeping(site, namespace).await?;
            let gone = !keeping.pods.iter().any(|pod| pod.metadata.uid.as_deref() == uid && uid.is_some());
            if gone && keeping.is_well() {
                let new =
                    keeping.pods.iter().find(|pod| pod.metadata.uid.as_ref().is_some_and(|uid| !before.contains(uid)));
                return Ok(new.and_then(|pod| pod.metadata.name.clone()));
            }
            let wanted = keeping.wanted.map_or_else(String::new, |wanted| format!(" of {wanted}"));
            let line = format!("{} has {}{wanted} pods ready\n", owner.shown(), keeping.ready());
            if line != told {
                site.say(&line);
                told = line;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let what = owner.map_or_else(
        || format!("the end of pod `{}`", named.pod_name),
        |owner| format!("{} to be well", owner.shown()),
    );
    site.while_wanted(looking, &what).await
}

fn done(restarted: bool, replacement: Option<&str>, owner: Option<&Owner>) -> Outcome {
    let mut output = json!({
        "restarted": restarted,
        "replacement": replacement,
        "owner": owner.map(Owner::shown),
    });
    if !restarted {
        output["note"] = json!("the pod was replaced already");
    }
    Outcome::succeeded(output)
}
