//! `kubernetes.rollout_status`, and waiting for a rollout.

use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation};
use belay_runbook::action::ActionSpec;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::{Named, of_deployment, replicas};
use crate::declaration::{boolean, integer, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site};

/// How often a rollout is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Reads how far a deployment's rollout has come.
pub(super) struct RolloutStatus;

#[async_trait]
impl ClusterAct for RolloutStatus {
    type Parameters = Named;

    fn declaration() -> ActionSpec {
        of_deployment("rollout_status", "Read how far a deployment's rollout has come")
            .output("complete", boolean("whether every replica is updated and available"))
            .publishes("currentReplicas", integer(0, "replicas that exist"))
            .output("updatedReplicas", integer(0, "replicas of the newest template"))
            .output("availableReplicas", integer(0, "replicas that are available"))
            .output("message", text("why it is not complete"))
            .fact("rolloutComplete")
            .build()
    }

    fn describe(parameters: &Named) -> String {
        format!("read the rollout of deployment {}", parameters.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.target(site), &Self::declaration());
        let found = parameters.read(site).await?;
        prepared.facts.insert("deploymentExists".to_owned(), json!(found.is_some()));
        let complete = found.as_ref().is_some_and(|deployment| Rollout::of(deployment).complete);
        prepared.facts.insert("rolloutComplete".to_owned(), json!(complete));
        if found.is_none() {
            prepared.notes.push(parameters.missing(site).to_string());
        }
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Named, _preparation: &Preparation) -> Outcome {
        match parameters.expect(site).await {
            Ok(deployment) => {
                let rollout = Rollout::of(&deployment);
                let mut outcome = Outcome::succeeded(rollout.output());
                outcome.published.insert("currentReplicas".to_owned(), json!(rollout.exist));
                outcome
            }
            Err(trouble) => trouble.outcome_midway(),
        }
    }
}

/// How far a rollout has come, judged as `kubectl rollout status` judges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kubernetes) struct Rollout {
    /// Whether every replica is of the newest template and available.
    pub(in crate::kubernetes) complete: bool,
    /// Whether the controller has given up.
    pub(in crate::kubernetes) stuck: bool,
    /// Why it is not complete.
    pub(in crate::kubernetes) message: String,
    exist: u32,
    updated: u32,
    available: u32,
}

impl Rollout {
    pub(in crate::kubernetes) fn of(deployment: &Deployment) -> Self {
        let status = deployment.status.clone().unwrap_or_default();
        let number = |count: Option<i32>| u32::try_from(count.unwrap_or(0)).unwrap_or(0);
        let (exist, updated) = (number(status.replicas), number(status.updated_replicas));
        let available = number(status.available_replicas);
        let wanted = replicas(deployment);
        let seen = status.observed_generation >= deployment.metadata.generation;
        let late = status.conditions.iter().flatten().find(|condition| {
            condition.type_.as_deref() == Some("Progressing")
                && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
        });
        let message = if !seen {
            "the controller has not seen the newest template".to_owned()
        } else if let Some(condition) = late {
            condition.message.clone().unwrap_or_else(|| "it has exceeded its deadline".to_owned())
        } else if updated < wanted {
            format!("{updated} of {wanted} replicas are of the newest template")
        } else if exist > updated {
            format!("{} old replicas are about to end", exist - updated)
        } else if available < updated {
            format!("{available} of {updated} updated replicas are available")
        } else {
            String::new()
        };
        Self { complete: message.is_empty(), stuck: seen && late.is_some(), message, exist, updated, available }
    }

    fn output(&self) -> Value {
        json!({
            "complete": self.complete,
            "currentReplicas": self.exist,
            "updatedReplicas": self.updated,
            "availableReplicas": self.available,
            "message": self.message,
        })
    }
}

/// Waits until a rollout is complete.
///
/// # Errors
/// The controller has given up, somebody cancelled, or the act's time is over; what was begun goes on in the cluster.
pub(super) async fn rolled_out(site: &Site<'_>, named: &Named) -> Result<Deployment, Trouble> {
    let mut told = String::new();
    let looking = async {
        loop {
            let deployment = named.expect(site).await?;
            let rollout = Rollout::of(&deployment);
            if rollout.complete {
                return Ok(deployment);
            }
            if rollout.stuck {
                return Err(Trouble::given_up(format!(
                    "the rollout of `{}` does not come to an end: {}",
                    named.deployment, rollout.message
                )));
            }
            if rollout.message != told {
                site.say(&format!("{}: {}\n", named.deployment, rollout.message));
                told = rollout.message;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    site.while_wanted(looking, &format!("the rollout of `{}`", named.deployment)).await
}
