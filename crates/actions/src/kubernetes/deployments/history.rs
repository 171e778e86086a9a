//! `kubernetes.deployment_history`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use k8s_openapi::api::apps::v1::ReplicaSet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Named, of_deployment, replica_sets, revision};
use crate::declaration::{integer, list, object};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site};

/// Reads the revisions that a deployment can return to, the newest first.
pub(super) struct History;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    limit: Option<usize>,
}

#[async_trait]
impl ClusterAct for History {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        of_deployment("deployment_history", "Read the revisions that a deployment can return to")
            .optional("limit", Sink::Json, integer(1, "the largest number of revisions"))
            .publishes(
                "revisions",
                list(
                    &object("revision, timestamp in milliseconds since 1970, created, images, cause, replicas"),
                    "the revisions, newest first",
                ),
            )
            .output("count", integer(0, "how many there are"))
            .access("list replicasets.apps")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("read the revisions of deployment {}", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.named.target(site), &Self::declaration());
        let exists = parameters.named.read(site).await?.is_some();
        prepared.facts.insert("deploymentExists".to_owned(), json!(exists));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, _preparation: &Preparation) -> Outcome {
        let read = async {
            let deployment = parameters.named.expect(site).await?;
            replica_sets(site, &deployment).await
        };
        match read.await {
            Ok(sets) => {
                let count = sets.len();
                let revisions: Vec<Value> =
                    sets.iter().take(parameters.limit.unwrap_or(usize::MAX)).map(described).collect();
                let mut outcome = Outcome::succeeded(json!({ "revisions": revisions, "count": count }));
                outcome.published.insert("revisions".to_owned(), Value::Array(revisions));
                outcome
            }
            Err(trouble) => trouble.outcome_midway(),
        }
    }
}

fn described(set: &ReplicaSet) -> Value {
    let annotations = set.metadata.annotations.as_ref();
    let created = set.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let template = set.spec.template.as_ref().and_then(|template| template.spec.as_ref());
    let images: Vec<&str> =
        template.iter().flat_map(|spec| &spec.containers).filter_map(|container| container.image.as_deref()).collect();
    json!({
        "revision": revision(annotations),
        "timestamp": created.map(jiff::Timestamp::as_millisecond),
        "created": created.map(|time| time.to_string()),
        "images": images,
        "cause": annotations.and_then(|annotations| annotations.get("kubernetes.io/change-cause")),
        "replicas": set.status.as_ref().map_or(0, |status| status.replicas),
    })
}
