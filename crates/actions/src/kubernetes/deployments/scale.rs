//! `kubernetes.scale_deployment`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer, ReplicaChange, UndoState};
use belay_runbook::action::{ActionSpec, Impact, PolicyKind, Sink};
use k8s_openapi::api::autoscaling::v1::Scale as ScaleObject;
use kube::api::Patch;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Named, of_deployment, replicas, uid};
use crate::action::UndoPrecondition;
use crate::declaration::{boolean, integer};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, json_patch, ours, record, share};

/// Sets a deployment's number of replicas through its `scale`, and puts it back.
///
/// The request carries the deployment's uid and the number that it replaces: an autoscaler or a person who was faster is
/// not overwritten.
pub(super) struct Scale;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    replicas: u32,
}

#[async_trait]
impl ClusterAct for Scale {
    type Parameters = Parameters;

    const UNDO: UndoPrecondition = UndoPrecondition::Enforced;

    fn declaration() -> ActionSpec {
        of_deployment("scale_deployment", "Set a deployment's number of replicas")
            .required("replicas", Sink::Json, integer(0, "replicas asked for"))
            .output("scaled", boolean("whether the number changed"))
            .publishes("currentReplicas", integer(0, "replicas asked for after the act"))
            .output("previousReplicas", integer(0, "replicas asked for before the act"))
            .mutates(true)
            .captures_undo()
            .kind(PolicyKind::Scaling)
            .access("patch deployments/scale.apps")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("scale deployment {} to {}", parameters.named.shown(), parameters.replicas)
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.named.target(site), &Self::declaration());
        let deployment = parameters.named.expect(site).await?;
        let from = replicas(&deployment);
        prepared.facts.insert("deploymentExists".to_owned(), json!(true));
        prepared.basis.replicas = Some(ReplicaChange { from, to: parameters.replicas });
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(uid(&deployment)));
        prepared.undo = Some(record(site, json!({ "replicas": from, "uid": uid(&deployment) })));
        let fewer = from.saturating_sub(parameters.replicas);
        prepared.basis.pods = Some(fewer);
        prepared.basis.share = Some(share(fewer, from));
        if parameters.replicas == 0 {
            prepared.impact = Impact::High;
            prepared.reasons.push("it leaves no replica running".to_owned());
        }
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let Some(change) = preparation.basis.replicas else { return parameters.named.missing(site).outcome() };
        let uid = preparation.basis.values.get("uid").and_then(Value::as_str).unwrap_or_default();
        match write(site, &parameters.named, uid, change.from, parameters.replicas).await {
            Ok(()) => done(change.from, parameters.replicas, uid),
            Err(trouble) => trouble.outcome(),
        }
    }

    async fn undo_state(
        site: &Site<'_>,
        parameters: Parameters,
        record: &Value,
        after: Option<&Value>,
    ) -> Result<UndoState, Trouble> {
        let live = state(&parameters.named.expect(site).await?);
        let before = json!({ "replicas": record["replicas"], "uid": record["uid"] });
        let after = after.cloned().unwrap_or_else(|| json!({ "replicas": parameters.replicas, "uid": record["uid"] }));
        Ok(if live == before {
            UndoState::AsBefore
        } else if live == after {
            UndoState::AsAfter
        } else {
            UndoState::Other { before, after, live }
        })
    }

    async fn undo(site: &Site<'_>, parameters: Parameters, record: &Value, expected: Option<&Value>) -> Outcome {
        let number = |value: &Value| value["replicas"].as_u64().and_then(|replicas| u32::try_from(replicas).ok());
        let Some(before) = number(record) else {
            return Outcome::failed("the undo record names no number of replicas");
        };
        let after = expected.and_then(number).unwrap_or(parameters.replicas);
        let uid = record["uid"].as_str().unwrap_or_default();
        match write(site, &parameters.named, uid, after, before).await {
            Ok(()) => done(after, before, uid),
            Err(trouble) => trouble.outcome(),
        }
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let Some(change) = preparation.basis.replicas else { return Ok(ProbeAnswer::NotDone) };
        let live = parameters.named.expect(site).await?;
        Ok(match replicas(&live) {
            number if number == parameters.replicas => {
                ProbeAnswer::Done(done(change.from, parameters.replicas, uid(&live)))
            }
            number if number == change.from => ProbeAnswer::NotDone,
            _ => ProbeAnswer::Unknown,
        })
    }
}

fn state(deployment: &k8s_openapi::api::apps::v1::Deployment) -> Value {
    json!({ "replicas": replicas(deployment), "uid": uid(deployment) })
}

fn done(from: u32, to: u32, uid: &str) -> Outcome {
    let mut outcome = Outcome::succeeded(json!({
        "scaled": from != to,
        "previousReplicas": from,
        "currentReplicas": to,
    }));
    outcome.published.insert("currentReplicas".to_owned(), json!(to));
    outcome.after = Some(json!({ "replicas": to, "uid": uid }));
    outcome
}

/// Writes the number if it is still the deployment that was read, and still asks for `from`.
async fn write(site: &Site<'_>, named: &Named, uid: &str, from: u32, to: u32) -> Result<(), Trouble> {
    let held = if from == 0 {
        // A scale of no replicas leaves the number out, so that it cannot be tested: the whole object is.
        let live = named.expect(site).await.map_err(Trouble::unsent)?;
        if replicas(&live) != 0 {
            return Err(changed(from, replicas(&live)));
        }
        json!({ "op": "test", "path": "/metadata/resourceVersion", "value": live.metadata.resource_version })
    } else {
        json!({ "op": "test", "path": "/spec/replicas", "value": from })
    };
    let patch = json_patch(json!([
        { "op": "test", "path": "/metadata/uid", "value": uid },
        held,
        { "op": "add", "path": "/spec/replicas", "value": to },
    ]))?;
    let api = named.api(site);
    let asked = named.asked(site, "patch", "deployments/scale.apps");
    let answer =
        site.cluster.once(&asked, api.patch_scale(&named.deployment, &ours(), &Patch::<()>::Json(patch))).await;
    match answer {
        Ok(scale) => {
            let _: ScaleObject = scale;
            Ok(())
        }
        // A test of the patch that fails is answered so.
        Err(trouble) if trouble.code() == Some(422) => {
            let Ok(live) = named.expect(site).await else { return Err(trouble) };
            if super::uid(&live) != uid {
                return Err(Trouble::refused(409, "the deployment was deleted and made anew since it was read"));
            }
            if replicas(&live) != from {
                return Err(changed(from, replicas(&live)));
            }
            Err(trouble)
        }
        Err(trouble) => Err(trouble),
    }
}

fn changed(from: u32, live: u32) -> Trouble {
    Trouble::refused(409, format!("somebody changed the replicas since they were read: {from} then, {live} now"))
}
