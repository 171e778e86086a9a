//! `service.restart`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer};
use belay_runbook::action::{ActionSpec, Impact};
use serde_json::{Value, json};

use super::workload::{self, Running, Workload};
use super::{Named, of_service};
use crate::declaration::{boolean, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site};

/// The annotation of a pod template by which `kubectl rollout restart` makes it a new one.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Replaces every pod of what runs a service by a new pod template, and waits until all of them are available.
pub(super) struct RestartService;

#[async_trait]
impl ClusterAct for RestartService {
    type Parameters = Named;

    fn declaration() -> ActionSpec {
        let declared =
            of_service("service.restart", "Replace every pod of a service, a few at a time, and wait for them")
                .output("restarted", boolean("whether every pod was replaced"))
                .output("restartedAt", text("the instant written into the pod template"))
                .output("workload", text("what runs the service, such as deployment/checkout"))
                .mutates(false);
        workload::rolls(declared).build()
    }

    fn describe(parameters: &Named) -> String {
        format!("restart service {}", parameters.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        let service = parameters.find(site)?;
        let running = Workload::of(site, &service).await?;
        running.check_restarts()?;
        let mut prepared = site.preparation(running.target(), &Self::declaration());
        prepared.basis.namespaces.insert(service.namespace.clone());
        if running.wanted() == Some(1) {
            prepared.impact = Impact::High;
            prepared.reasons.push(format!("{} has a single pod", running.shown()));
        }
        prepared.facts.insert("serviceExists".to_owned(), json!(true));
        prepared.basis.objects.insert(prepared.target.name.clone());
        prepared.basis.pods = workload::pods([&running]);
        prepared.basis.values.insert("uid".to_owned(), json!(running.uid()));
        prepared.basis.values.insert("restartedAt".to_owned(), json!(running.annotation(RESTARTED)));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Outcome {
        let running = match read(site, &parameters, preparation).await {
            Ok(running) => running,
            Err(trouble) => return trouble.unsent().outcome(),
        };
        let at = site.surroundings.now.to_string();
        if let Err(trouble) = running.roll(site, json!({ RESTARTED: at })).await {
            return trouble.outcome();
        }
        let after = json!({ "restartedAt": at });
        match running.rolled_out(site).await {
            Ok(()) => {
                let output = json!({ "restarted": true, "restartedAt": at, "workload": running.shown() });
                Outcome { after: Some(after), ..Outcome::succeeded(output) }
            }
            Err(trouble) => Outcome { after: Some(after), ..trouble.outcome_midway() },
        }
    }

    async fn probe(site: &Site<'_>, parameters: Named, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let running = read(site, &parameters, preparation).await?;
        let live = running.annotation(RESTARTED);
        let before = preparation.basis.values.get("restartedAt").and_then(Value::as_str);
        // Whether another instant is this act's or somebody else's, it does not say.
        Ok(if live == before { ProbeAnswer::NotDone } else { ProbeAnswer::Unknown })
    }
}

/// What runs the service, if it is still what was prepared.
async fn read(site: &Site<'_>, parameters: &Named, preparation: &Preparation) -> Result<Running, Trouble> {
    let running = Workload::of(site, &parameters.find(site)?).await?;
    if preparation.basis.values.get("uid").and_then(Value::as_str) != Some(running.uid()) {
        return Err(Trouble::before(format!("{} is another one now; prepare it anew", running.target())));
    }
    Ok(running)
}
