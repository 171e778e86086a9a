//! `kubernetes.get_pod`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::Api;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Named, controller, is_ready, of_pod};
use crate::declaration::{boolean, integer, object, text};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{ClusterAct, Site, plain};

/// Reads a pod, who owns it, and what its container may use.
pub(super) struct GetPod;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    container: Option<String>,
}

#[async_trait]
impl ClusterAct for GetPod {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        of_pod("get_pod", "Read a pod, its owner and its memory limit")
            .optional(
                "container",
                Sink::Name,
                text("the container whose memory is published; the alert's, else the first"),
            )
            .publishes("pod", object("the pod object"))
            .publishes("deployment", text("the deployment that owns the pod, where one does"))
            .publishes("CurrentMemory", text("the container's memory limit as a quantity, such as 512Mi"))
            .publishes("restartCount", integer(0, "restarts of the container"))
            .output("phase", text("the pod's phase"))
            .output("ready", boolean("whether the pod is ready"))
            .fact("podReady")
            .access("get replicasets.apps")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("read pod {}", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.named.target(site), &Self::declaration());
        let pod = parameters.named.read(site).await?;
        prepared.facts.insert("podExists".to_owned(), json!(pod.is_some()));
        prepared.facts.insert("podReady".to_owned(), json!(pod.as_ref().is_some_and(is_ready)));
        if pod.is_none() {
            prepared.notes.push(parameters.named.missing(site).to_string());
        }
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, _preparation: &Preparation) -> Outcome {
        match read(site, &parameters).await {
            Ok(outcome) => outcome,
            Err(trouble) => trouble.outcome_midway(),
        }
    }
}

async fn read(site: &Site<'_>, parameters: &Parameters) -> Result<Outcome, Trouble> {
    let pod = parameters.named.expect(site).await?;
    let container = container(site, parameters, &pod)?;
    let limit = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    let memory = limit.and_then(|limits| limits.get("memory")).map(|quantity| quantity.0.clone());
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let restarts = statuses.iter().find(|status| status.name == container.name).map(|status| status.restart_count);
    let deployment = deployment_of(site, &pod).await?;
    let object = plain(&pod);
    let output = json!({
        "pod": object,
        "deployment": deployment,
        "CurrentMemory": memory,
        "restartCount": restarts.unwrap_or(0),
        "phase": pod.status.as_ref().and_then(|status| status.phase.clone()),
        "ready": is_ready(&pod),
    });
    let mut outcome = Outcome::succeeded(output);
    outcome.published.insert("pod".to_owned(), object);
    outcome.published.insert("restartCount".to_owned(), json!(restarts.unwrap_or(0)));
    // What there is none of stays unknown, so that a step that needs it asks for it.
    outcome.published.extend(memory.map(|memory| ("CurrentMemory".to_owned(), Value::String(memory))));
    outcome.published.extend(deployment.map(|name| ("deployment".to_owned(), Value::String(name))));
    Ok(outcome)
}

/// The container that is meant: the one that is named, the alert's, or the first.
fn container(site: &Site<'_>, parameters: &Parameters, pod: &Pod) -> Result<Container, Trouble> {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.clone()).unwrap_or_default();
    let labels = site.surroundings.context.get("alert").and_then(|alert| alert.get("labels"));
    let of_alert = labels.and_then(|labels| labels.get("container")).and_then(Value::as_str);
    let named = |name: &str| containers.iter().find(|container| container.name == name).cloned();
    let found = match (&parameters.container, of_alert) {
        (Some(name), _) => {
            let has: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
            return named(name).ok_or_else(|| {
                Trouble::refused(
                    404,
                    format!("pod `{}` has no container `{name}`; it has {}", parameters.named.shown(), has.join(", ")),
                )
            });
        }
        (None, Some(name)) => named(name),
        (None, None) => None,
    };
    found
        .or_else(|| containers.first().cloned())
        .ok_or_else(|| Trouble::refused(404, format!("pod `{}` has no container", parameters.named.shown())))
}

/// The deployment that a pod belongs to by way of its replica set.
async fn deployment_of(site: &Site<'_>, pod: &Pod) -> Result<Option<String>, Trouble> {
    let Some(owner) = controller(pod).filter(|owner| owner.kind == "ReplicaSet") else { return Ok(None) };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<ReplicaSet> = site.api(namespace);
    let asked = Asked { verb: "get", resource: "replicasets.apps", name: &owner.name, namespace };
    let set = match site.cluster.ask(&asked, || api.get_metadata(&owner.name)).await {
        Ok(set) => set,
        Err(trouble) if trouble.is_missing() => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    let owners = set.metadata.owner_references.unwrap_or_default();
    Ok(owners.into_iter().find(|owner| owner.kind == "Deployment").map(|owner| owner.name))
}
