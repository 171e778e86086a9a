//! Pods, and the containers in them.

use std::cmp::Reverse;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::{Known, Rank, Ranked, deployments, rank};
use crate::candidate::Candidate;
use crate::kubernetes::pods::{Named, Owner, is_ready, pages};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{Site, labels};

/// How a pod or a container fares: the worst is the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Failing,
    NotReady,
    Restarted,
    Well,
    Over,
}

/// Pods: those of the known deployment before others, and those that fare badly before those that are well.
pub(super) async fn pods(site: &Site<'_>, known: &Known<'_>) -> Result<Vec<Candidate>, Trouble> {
    let namespace = known.namespace(site);
    let selector = match known.deployment() {
        Some(deployment) => deployments::selector(site, namespace, deployment).await,
        None => None,
    };
    let mut found = Ranked::default();
    pages(site, Some(namespace), ListParams::default(), |page: Vec<Pod>| {
        for pod in &page {
            let own = selector.as_ref().is_none_or(|selector| labels::matches(selector, pod.metadata.labels.as_ref()));
            let (health, restarts, note) = of_pod(pod);
            found.add(ranked(own, health, restarts), &pod.name_any(), &note);
        }
        true
    })
    .await?;
    Ok(found.best())
}

/// Containers of the known pod, else of the known deployment, else of the deployment whose pod it was.
pub(super) async fn containers(site: &Site<'_>, known: &Known<'_>) -> Result<Vec<Candidate>, Trouble> {
    let namespace = known.namespace(site);
    let pod = match known.pod() {
        Some(pod) => Named::of(namespace, pod).read(site).await?,
        None => None,
    };
    let mut found = Ranked::default();
    if let Some(pod) = pod {
        let spec = pod.spec.as_ref();
        for container in spec.iter().flat_map(|spec| &spec.containers) {
            let status = statuses(&pod).find(|status| status.name == container.name);
            let (health, restarts, note) = status.map_or((Health::NotReady, 0, "not started".to_owned()), of_container);
            found.add(ranked(true, health, restarts), &container.name, &note);
        }
        for container in spec.iter().flat_map(|spec| spec.init_containers.iter().flatten()) {
            found.add(rank(false, 0), &container.name, "runs before the others start");
        }
        return Ok(found.best());
    }
    let gone = match known.pod() {
        Some(pod) if known.deployment().is_none() => Owner::of_gone(site, namespace, pod).await?,
        Some(_) | None => None,
    };
    let deployment = known.deployment().or_else(|| gone.as_ref()?.deployment());
    if let Some(deployment) = deployment {
        let note = format!("of deployment {deployment}");
        let containers = deployments::containers(site, namespace, deployment).await?;
        for name in containers {
            found.add(rank(true, 0), &name, &note);
        }
    }
    Ok(found.best())
}

fn ranked(belongs: bool, health: Health, restarts: i32) -> Rank {
    (u8::from(!belongs), health as u8, Reverse(restarts))
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten())
}

/// How a pod fares, how often its containers have restarted, and both in words.
fn of_pod(pod: &Pod) -> (Health, i32, String) {
    let restarts = statuses(pod).map(|status| status.restart_count).fold(0_i32, i32::saturating_add);
    let status = pod.status.as_ref();
    let reason = status.and_then(|status| status.reason.as_deref());
    let worst = statuses(pod).map(of_container).min_by_key(|(health, restarts, _)| (*health, Reverse(*restarts)));
    let (health, what) = match status.and_then(|status| status.phase.as_deref()) {
        _ if pod.metadata.deletion_timestamp.is_some() => (Health::NotReady, "ending".to_owned()),
        Some("Failed") => (Health::Failing, reason.unwrap_or("failed").to_owned()),
        Some("Succeeded") => (Health::Over, "completed".to_owned()),
        _ => match worst {
            Some((Health::Failing, _, note)) => return (Health::Failing, restarts, note),
            _ if !is_ready(pod) => (Health::NotReady, reason.unwrap_or("not ready").to_owned()),
            Some((Health::Restarted, _, note)) => return (Health::Restarted, restarts, note),
            Some(_) | None => (Health::Well, "ready".to_owned()),
        },
    };
    (health, restarts, with_restarts(&what, restarts))
}

fn of_container(status: &ContainerStatus) -> (Health, i32, String) {
    let restarts = status.restart_count;
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref()?.reason.as_deref());
    let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ended = ended.map(|ended| match ended.reason.as_deref() {
        Some(reason) if reason != "Error" => format!("last ended with {reason}"),
        Some(_) | None => format!("last ended with exit code {}", ended.exit_code),
    });
    let (health, what) = match waiting {
        Some("ContainerCreating" | "PodInitializing") => (Health::NotReady, "starting".to_owned()),
        Some(reason) => (Health::Failing, reason.to_owned()),
        None if !status.ready => (Health::NotReady, ended.unwrap_or_else(|| "not ready".to_owned())),
        None if restarts > 0 => (Health::Restarted, ended.unwrap_or_else(|| "ready".to_owned())),
        None => (Health::Well, "ready".to_owned()),
    };
    (health, restarts, with_restarts(&what, restarts))
}

fn with_restarts(what: &str, restarts: i32) -> String {
    match restarts {
        0 => what.to_owned(),
        1 => format!("{what}, 1 restart"),
        many => format!("{what}, {many} restarts"),
    }
}
