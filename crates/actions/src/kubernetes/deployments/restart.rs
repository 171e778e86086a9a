//! `kubernetes.restart_deployment`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer};
use belay_runbook::action::ActionSpec;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Patch;
use serde_json::{Value, json};

use super::status::rolled_out;
use super::{Named, of_deployment, replaces, uid};
use crate::declaration::{boolean, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, ours};

/// The annotation of a pod template by which `kubectl rollout restart` makes it a new one.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Replaces every pod of a deployment by a new pod template, and waits until all of them are available.
pub(super) struct Restart;

#[async_trait]
impl ClusterAct for Restart {
    type Parameters = Named;

    fn declaration() -> ActionSpec {
        of_deployment("restart_deployment", "Replace every pod of a deployment, a few at a time, and wait for them")
            .output("restarted", boolean("whether every pod was replaced"))
            .output("restartedAt", text("the instant written into the pod template"))
            .mutates(false)
            .access("patch deployments.apps")
            .build()
    }

    fn describe(parameters: &Named) -> String {
        format!("restart deployment {}", parameters.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.target(site), &Self::declaration());
        let deployment = parameters.expect(site).await?;
        if deployment.spec.paused == Some(true) {
            return Err(Trouble::before(format!(
                "the rollout of `{}` is paused, so that nothing would restart; resume it first",
                parameters.deployment
            )));
        }
        prepared.facts.insert("deploymentExists".to_owned(), json!(true));
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.values.insert("uid".to_owned(), json!(uid(&deployment)));
        prepared.basis.values.insert("restartedAt".to_owned(), json!(restarted_at(&deployment)));
        replaces(&mut prepared, &deployment);
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Outcome {
        let at = site.surroundings.now.to_string();
        let patch = json!({
            "metadata": { "uid": preparation.basis.values.get("uid") },
            "spec": { "template": { "metadata": { "annotations": { RESTARTED: at } } } },
        });
        let api = parameters.api(site);
        let asked = parameters.asked(site, "patch", "deployments.apps");
        let (how, patch) = (ours(), Patch::Strategic(patch));
        let patched = site.cluster.once(&asked, api.patch(&parameters.deployment, &how, &patch)).await;
        if let Err(trouble) = patched {
            return trouble.outcome();
        }
        match rolled_out(site, &parameters).await {
            Ok(_) => done(&at),
            Err(trouble) => Outcome { after: Some(json!({ "restartedAt": at })), ..trouble.outcome_midway() },
        }
    }

    async fn probe(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let live = restarted_at(&parameters.expect(site).await?);
        let before = preparation.basis.values.get("restartedAt").and_then(Value::as_str);
        Ok(match live {
            // Whether it was this act or somebody else's, the instants do not say.
            Some(_) if live.as_deref() != before => ProbeAnswer::Unknown,
            _ => ProbeAnswer::NotDone,
        })
    }
}

fn done(at: &str) -> Outcome {
    let mut outcome = Outcome::succeeded(json!({ "restarted": true, "restartedAt": at }));
    outcome.after = Some(json!({ "restartedAt": at }));
    outcome
}

fn restarted_at(deployment: &Deployment) -> Option<String> {
    deployment.spec.template.metadata.as_ref()?.annotations.as_ref()?.get(RESTARTED).cloned()
}
