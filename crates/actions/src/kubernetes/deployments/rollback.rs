//! `kubernetes.rollback_deployment`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::{ActionSpec, Sink};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::api::Patch;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Named, TRIES, of_deployment, replaces, replica_sets, revision, uid};
use crate::action::UndoPrecondition;
use crate::declaration::{boolean, integer};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, json_patch, ours, record};

/// The label by which a controller tells the pods of its replica sets apart; no part of a deployment's template.
const HASH: &str = "pod-template-hash";

/// Writes an older replica set's pod template into its deployment, and puts the present one back.
pub(super) struct Rollback;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    revision: Option<u64>,
}

#[async_trait]
impl ClusterAct for Rollback {
    type Parameters = Parameters;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        of_deployment("rollback_deployment", "Return a deployment to an earlier revision")
            .optional("revision", Sink::Json, integer(0, "the revision; the one before where absent or 0"))
            .output("rolledBack", boolean("whether the template changed"))
            .output("revision", integer(0, "the revision that was restored"))
            .mutates(false)
            .captures_undo()
            .access("list replicasets.apps")
            .access("patch deployments.apps")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        let to = match parameters.revision {
            Some(number) if number > 0 => format!("revision {number}"),
            _ => "its revision before".to_owned(),
        };
        format!("return deployment {} to {to}", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.named.target(site), &Self::declaration());
        let live = parameters.named.expect(site).await?;
        if live.spec.paused == Some(true) {
            return Err(Trouble::before(format!(
                "the rollout of `{}` is paused; resume it before it is returned to a revision",
                parameters.named.deployment
            )));
        }
        let seen = live.status.as_ref().and_then(|status| status.observed_generation);
        if seen < live.metadata.generation {
            return Err(Trouble::before(format!(
                "the newest change of `{}` has no revision yet, as its controller has not seen it; try again in a moment",
                parameters.named.deployment
            )));
        }
        let from = revision(live.metadata.annotations.as_ref()).unwrap_or(0);
        let chosen = choose(site, &parameters, &live, from).await?;
        let to = revision(chosen.metadata.annotations.as_ref()).unwrap_or(0);
        prepared.facts.insert("deploymentExists".to_owned(), json!(true));
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(uid(&live)));
        prepared.basis.values.insert("revision".to_owned(), json!(from));
        prepared.basis.values.insert("to".to_owned(), json!(to));
        prepared.notes.push(format!("from revision {from} to revision {to}"));
        let (before, after) = (template(&live)?, template_of(&chosen)?);
        if before == after {
            prepared.notes.push("it is so already: the templates are the same".to_owned());
            prepared.basis.pods = Some(0);
        } else {
            replaces(&mut prepared, &live);
        }
        prepared.undo = Some(record(site, json!({ "template": before, "to": after, "uid": uid(&live) })));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let Some(before) = &preparation.undo else { return parameters.named.missing(site).outcome() };
        match exchange(site, &parameters.named, &before["uid"], &before["template"], &before["to"]).await {
            Ok(live) => done(preparation, &live),
            Err(trouble) => trouble.outcome(),
        }
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Parameters,
        record: &Value,
        _after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        compare(&parameters.named.expect(site).await?, record)
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, _expected: Option<&Value>) -> Outcome {
        let named = &parameters.named;
        match exchange(site, named, &record["uid"], &record["to"], &record["template"]).await {
            Ok(_) => Outcome::succeeded(json!({ "restored": true })),
            Err(trouble) => trouble.outcome(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let Some(before) = &preparation.undo else { return Ok(ProbeAnswer::NotDone) };
        let live = parameters.named.expect(site).await?;
        Ok(match compare(&live, before)? {
            UndoState::AsAfter => ProbeAnswer::Done(done(preparation, &live)),
            UndoState::AsBefore => ProbeAnswer::NotDone,
            UndoState::Other { .. } | UndoState::Incomparable => ProbeAnswer::Unknown,
        })
    }
}

/// The replica set of the revision that is meant.
async fn choose(site: &Site<'_>, parameters: &Parameters, live: &Deployment, from: u64) -> Result<ReplicaSet, Trouble> {
    let sets = replica_sets(site, live).await?;
    let known: Vec<String> = sets
        .iter()
        .filter_map(|set| revision(set.metadata.annotations.as_ref()))
        .map(|number| number.to_string())
        .collect();
    let wanted = parameters.revision.filter(|number| *number > 0);
    let found = sets.into_iter().find(|set| match (wanted, revision(set.metadata.annotations.as_ref())) {
        (Some(wanted), Some(number)) => number == wanted,
        (None, Some(number)) => number < from,
        (_, None) => false,
    });
    found.ok_or_else(|| {
        let has = if known.is_empty() { "none is kept".to_owned() } else { format!("it has {}", known.join(", ")) };
        let name = &parameters.named.deployment;
        Trouble::before(match wanted {
            Some(wanted) => format!("deployment `{name}` has no revision {wanted}; {has}"),
            None => format!("deployment `{name}` has no revision before {from}; {has}"),
        })
    })
}

/// The pod template of a deployment.
fn template(deployment: &Deployment) -> Result<Value, Trouble> {
    serde_json::to_value(&deployment.spec.template).map_err(|error| Trouble::before(error.to_string()))
}

/// The pod template of a replica set, as its deployment had it.
fn template_of(set: &ReplicaSet) -> Result<Value, Trouble> {
    let mut template = set.spec.template.clone();
    if let Some(labels) = template.as_mut().and_then(|template| template.metadata.as_mut()?.labels.as_mut()) {
        labels.remove(HASH);
    }
    serde_json::to_value(template).map_err(|error| Trouble::before(error.to_string()))
}

fn done(preparation: &Preparation, live: &Deployment) -> Outcome {
    let values = &preparation.basis.values;
    let changed = preparation.undo.as_ref().is_some_and(|before| before["template"] != before["to"]);
    let mut outcome = Outcome::succeeded(json!({ "rolledBack": changed, "revision": values.get("to") }));
    outcome.after =
        Some(json!({ "template": preparation.undo.as_ref().map(|before| &before["to"]), "uid": uid(live) }));
    outcome
}

fn compare(live: &Deployment, record: &Value) -> Result<UndoState, Trouble> {
    let before = json!({ "template": record["template"], "uid": record["uid"] });
    let after = json!({ "template": record["to"], "uid": record["uid"] });
    let live = json!({ "template": template(live)?, "uid": uid(live) });
    Ok(if live == before {
        UndoState::AsBefore
    } else if live == after {
        UndoState::AsAfter
    } else {
        UndoState::Other { before, after, live }
    })
}

/// Writes a template in the place of another one, if that one is there. Every try compares and writes in one request.
async fn exchange(
    site: &Site<'_>,
    named: &Named,
    uid: &Value,
    from: &Value,
    to: &Value,
) -> Result<Deployment, Trouble> {
    let api = named.api(site);
    let asked = named.asked(site, "patch", "deployments.apps");
    let mut last = None;
    for _ in 0..TRIES {
        let live = named.expect(site).await.map_err(Trouble::unsent)?;
        let there = template(&live)?;
        if json!(super::uid(&live)) != *uid {
            return Err(Trouble::refused(409, "the deployment was deleted and made anew since it was read"));
        }
        if there == *to {
            return Ok(live);
        }
        if there != *from {
            return Err(Trouble::refused(409, "somebody changed the template since it was read"));
        }
        let patch = json_patch(json!([
            { "op": "test", "path": "/metadata/uid", "value": uid },
            { "op": "test", "path": "/metadata/resourceVersion", "value": live.metadata.resource_version },
            { "op": "replace", "path": "/spec/template", "value": to },
        ]))?;
        match site.cluster.once(&asked, api.patch(&named.deployment, &ours(), &Patch::<()>::Json(patch))).await {
            // The object was written to in between, by its controller or by somebody: it is compared once more.
            Err(trouble) if matches!(trouble.code(), Some(409 | 422)) => last = Some(trouble),
            answered => return answered,
        }
    }
    Err(last.unwrap_or_else(|| Trouble::before("it was never tried")))
}
