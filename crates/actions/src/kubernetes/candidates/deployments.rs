//! Deployments, the owner of the known pod first.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::{Known, Ranked, rank};
use crate::candidate::Candidate;
use crate::kubernetes::Site;
use crate::kubernetes::deployments::replicas;
use crate::kubernetes::pods::{Named, Owner};
use crate::kubernetes::trouble::{Asked, Trouble};

pub(super) async fn deployments(site: &Site<'_>, known: &Known<'_>) -> Result<Vec<Candidate>, Trouble> {
    let namespace = known.namespace(site);
    let mut found = Ranked::default();
    let owner = match known.pod() {
        Some(pod) => owner(site, namespace, pod).await,
        None => Ok(None),
    };
    if let Ok(Some((deployment, note))) = &owner {
        found.add(rank(true, 0), deployment, note);
    }
    let api: Api<Deployment> = site.api(namespace);
    let asked = Asked { verb: "list", resource: "deployments.apps", name: "", namespace };
    let listed = site.cluster.pages(api.resource_url(), &asked, ListParams::default(), |page: Vec<Deployment>| {
        for deployment in &page {
            let wanted = replicas(deployment);
            let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
            let lacks = u32::try_from(ready).unwrap_or(0) < wanted;
            let note = if wanted == 0 { "scaled to 0".to_owned() } else { format!("{ready} of {wanted} ready") };
            found.add(rank(false, u8::from(!lacks)), &deployment.name_any(), &note);
        }
        true
    });
    // One of the two is enough to go by.
    match (listed.await, owner) {
        (Ok(()), _) | (Err(_), Ok(Some(_))) => Ok(found.best()),
        (Err(trouble), _) => Err(trouble),
    }
}

/// The deployment that a pod belongs to or, where it is gone, belonged to; and what to say of that.
async fn owner(site: &Site<'_>, namespace: &str, pod: &str) -> Result<Option<(String, String)>, Trouble> {
    let (owner, note) = match Named::of(namespace, pod).read(site).await? {
        Some(found) => (Owner::of(site, &found).await?, format!("owner of pod {pod}")),
        None => (Owner::of_gone(site, namespace, pod).await?, format!("owner of pod {pod}, which is gone")),
    };
    Ok(owner.as_ref().and_then(Owner::deployment).map(|deployment| (deployment.to_owned(), note)))
}

/// What a deployment selects its pods by, where it can be read.
pub(super) async fn selector(site: &Site<'_>, namespace: &str, deployment: &str) -> Option<LabelSelector> {
    read(site, namespace, deployment).await.ok()?.map(|deployment| deployment.spec.selector)
}

/// The containers of a deployment's template.
pub(super) async fn containers(site: &Site<'_>, namespace: &str, deployment: &str) -> Result<Vec<String>, Trouble> {
    let deployment = read(site, namespace, deployment).await?;
    let pods = deployment.and_then(|deployment| deployment.spec.template.spec);
    Ok(pods.into_iter().flat_map(|pods| pods.containers).map(|container| container.name).collect())
}

async fn read(site: &Site<'_>, namespace: &str, name: &str) -> Result<Option<Deployment>, Trouble> {
    let api: Api<Deployment> = site.api(namespace);
    let asked = Asked { verb: "get", resource: "deployments.apps", name, namespace };
    match site.cluster.ask(&asked, || api.get(name)).await {
        Ok(deployment) => Ok(Some(deployment)),
        Err(trouble) if trouble.is_missing() => Ok(None),
        Err(trouble) => Err(trouble),
    }
}
