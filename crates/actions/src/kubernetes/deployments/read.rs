//! `kubernetes.get_deployment`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation};
use belay_runbook::action::ActionSpec;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::{Named, of_deployment, replicas};
use crate::declaration::{integer, list, object};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site, plain};

/// Reads a deployment.
pub(super) struct GetDeployment;

#[async_trait]
impl ClusterAct for GetDeployment {
    type Parameters = Named;

    fn declaration() -> ActionSpec {
        of_deployment("get_deployment", "Read a deployment and what its containers may use")
            .publishes("deploymentObject", object("the deployment object"))
            .publishes("currentReplicas", integer(0, "replicas asked for"))
            .output(
                "containers",
                list(
                    &object(
                        "name, image, limits and requests of a container, the latter two by resource as quantities",
                    ),
                    "the containers of its template",
                ),
            )
            .build()
    }

    fn describe(parameters: &Named) -> String {
        format!("read deployment {}", parameters.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Named) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.target(site), &Self::declaration());
        let found = parameters.read(site).await?;
        prepared.facts.insert("deploymentExists".to_owned(), json!(found.is_some()));
        if found.is_none() {
            prepared.notes.push(parameters.missing(site).to_string());
        }
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Named, _preparation: &Preparation) -> Outcome {
        let deployment = match parameters.expect(site).await {
            Ok(deployment) => deployment,
            Err(trouble) => return trouble.outcome_midway(),
        };
        let (object, replicas) = (plain(&deployment), replicas(&deployment));
        let mut outcome = Outcome::succeeded(json!({
            "deploymentObject": object,
            "currentReplicas": replicas,
            "containers": containers(&deployment),
        }));
        outcome.published.insert("deploymentObject".to_owned(), object);
        outcome.published.insert("currentReplicas".to_owned(), json!(replicas));
        outcome
    }
}

fn containers(deployment: &Deployment) -> Vec<Value> {
    let template = deployment.spec.template.spec.iter();
    let described = template.flat_map(|spec| &spec.containers).map(|container| {
        let resources = container.resources.as_ref();
        json!({
            "name": container.name,
            "image": container.image,
            "limits": resources.and_then(|resources| resources.limits.clone()).unwrap_or_default(),
            "requests": resources.and_then(|resources| resources.requests.clone()).unwrap_or_default(),
        })
    });
    described.collect()
}
