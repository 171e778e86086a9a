//! What the name of a host stands for inside of a cluster.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::Api;

use crate::action::Surroundings;
use crate::kubernetes::access::ClusterAccess;
use crate::kubernetes::clusters::{Cluster, Clusters};
use crate::kubernetes::pods::{Owner, is_ready};
use crate::kubernetes::trouble::{Asked, Trouble};
use crate::kubernetes::{Site, is_name};

/// Pods of one workload that are asked at most.
const MOST_PODS: usize = 8;

/// What a host is taken for where the cluster does not tell whether it knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// One outside: an endpoint that anybody may ask.
    Outside,
    /// Neither: credentials are not sent to whoever has that name outside.
    Refused,
}

/// A service, or pods, of a cluster.
pub(super) struct Place {
    pub(super) cluster: Arc<Cluster>,
    /// `pods` or `services`.
    pub(super) resource: &'static str,
    pub(super) namespace: String,
    /// The service, or the pods.
    pub(super) names: Vec<String>,
    /// The owner of these pods, where they stand for one that is gone, and that one's name.
    instead: Option<(String, String)>,
}

impl Place {
    /// What a host stands for in the context's cluster; `None` where it stands for nothing there, or Belay itself is
    /// inside. A pod that is gone stands for the ready pods of its owner.
    pub(super) async fn find(
        clusters: &Clusters,
        surroundings: &Surroundings,
        host: &str,
        doubt: Doubt,
    ) -> Result<Option<Self>, Trouble> {
        let parts = named(host);
        if (parts.is_none() && !is_inside(host)) || !is_outside_of_a_cluster(surroundings)? {
            return Ok(None);
        }
        // Nobody outside has such a name, whatever a search domain makes of it.
        let nobody = || Trouble::before(format!("`{host}` names no service and no pod of a namespace"));
        let (name, namespace, certain) = parts.ok_or_else(nobody)?;
        let access = ClusterAccess::of(&surroundings.context)?;
        let strict = certain || doubt == Doubt::Refused;
        let unknown = |trouble: Trouble| {
            trouble.about(&format!(
                "whether `{host}` is inside of the cluster cannot be told; write `{name}.{namespace}.svc` where it is, and \
                 `{name}.{namespace}.` where it is not"
            ))
        };
        let cluster = match clusters.reach(&access).await {
            Ok(cluster) => cluster,
            // What may be outside is not held up by a cluster that cannot be asked.
            Err(_) if !strict => return Ok(None),
            Err(trouble) if certain => return Err(trouble),
            Err(trouble) => return Err(unknown(trouble)),
        };
        let mut doubted = None;
        if !certain {
            match has_namespace(&cluster, namespace).await {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(_) if !strict => return Ok(None),
                // Whoever may not see namespaces may see what is in this one.
                Err(trouble) if trouble.code() == Some(403) => doubted = Some(trouble),
                Err(trouble) => return Err(unknown(trouble)),
            }
        }
        let found = |resource, names, instead| Self {
            cluster: Arc::clone(&cluster),
            resource,
            namespace: namespace.to_owned(),
            names,
            instead,
        };
        let services: Api<Service> = Api::namespaced(cluster.client(), namespace);
        let asked = Asked { verb: "get", resource: "services", name, namespace };
        match cluster.ask(&asked, || services.get_opt(name)).await {
            Ok(Some(_)) => return Ok(Some(found("services", vec![name.to_owned()], None))),
            Ok(None) => {}
            Err(trouble) if doubted.is_some() => return Err(unknown(trouble)),
            // Whoever may not see services may see pods.
            Err(trouble) if trouble.code() == Some(403) => {}
            Err(trouble) => return Err(trouble),
        }
        let site = Site { cluster: Arc::clone(&cluster), surroundings, evidence: None };
        let api: Api<Pod> = site.api(namespace);
        let asked = Asked { verb: "get", resource: "pods", name, namespace };
        if cluster.ask(&asked, || api.get_opt(name)).await?.is_some() {
            return Ok(Some(found("pods", vec![name.to_owned()], None)));
        }
        let Some(owner) = Owner::of_gone(&site, namespace, name).await? else {
            let text = format!("namespace `{namespace}` has no service and no pod `{name}`");
            return if strict { Err(Trouble::before(text)) } else { Ok(None) };
        };
        let kept = owner.keeping(&site, namespace).await?;
        let ready = kept.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod));
        let names: Vec<String> = ready.filter_map(|pod| pod.metadata.name.clone()).take(MOST_PODS).collect();
        if names.is_empty() {
            let text = format!("pod {namespace}/{name} is gone, and no pod of {} is ready", owner.shown());
            return Err(Trouble::before(text));
        }
        Ok(Some(found("pods", names, Some((owner.shown(), name.to_owned())))))
    }

    /// The name of a pod that is gone, where these pods are its owner's.
    pub(super) fn gone(&self) -> Option<&str> {
        self.instead.as_ref().map(|(_, gone)| gone.as_str())
    }

    /// What a person should know: which objects are asked, and `how`, such as `asked through the API server`.
    pub(super) fn note(&self, how: &str) -> String {
        let namespace = &self.namespace;
        let names = self.names.join(", ");
        match &self.instead {
            Some((owner, gone)) => {
                format!("pod {namespace}/{gone} is gone; the ready pods of {owner} are {how}: {names}")
            }
            None if self.resource == "services" => format!("service {namespace}/{names} is {how}"),
            None => format!("pod {namespace}/{names} is {how}"),
        }
    }
}

/// Name and namespace that a host stands for, and whether it can stand for nothing outside of a cluster.
///
/// A dot at the end of a name of two parts says that it is outside, as resolvers have it.
fn named(host: &str) -> Option<(&str, &str, bool)> {
    let (host, absolute) = host.strip_suffix('.').map_or((host, false), |host| (host, true));
    let short = host.strip_suffix(".svc.cluster.local").or_else(|| host.strip_suffix(".svc"));
    let (name, namespace) = short.unwrap_or(host).split_once('.')?;
    // `POD.SERVICE.NAMESPACE.svc` is the pod.
    let namespace = match (short, namespace.split_once('.')) {
        (Some(_), Some((service, namespace))) if is_name(service) => namespace,
        _ => namespace,
    };
    let possible = is_name(name) && is_name(namespace) && !namespace.contains('.') && !(absolute && short.is_none());
    possible.then_some((name, namespace, short.is_some()))
}

/// Whether the context names a cluster that Belay is not in.
fn is_outside_of_a_cluster(surroundings: &Surroundings) -> Result<bool, Trouble> {
    if surroundings.context.get("kubernetes").is_none_or(serde_json::Value::is_null) {
        return Ok(false);
    }
    Ok(!ClusterAccess::of(&surroundings.context)?.in_cluster)
}

/// Whether a host can only be reached by a way into the context's cluster.
pub(crate) fn needs_a_way(surroundings: &Surroundings, host: &str) -> Result<bool, Trouble> {
    Ok(is_inside(host) && is_outside_of_a_cluster(surroundings)?)
}

/// Whether a host can stand for something inside of a cluster only.
fn is_inside(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.strip_suffix(".cluster.local").unwrap_or(host).strip_suffix(".svc").is_some()
}

/// Whether there is a namespace.
async fn has_namespace(cluster: &Cluster, name: &str) -> Result<bool, Trouble> {
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let asked = Asked { verb: "get", resource: "namespaces", name, namespace: "" };
    Ok(cluster.ask(&asked, || namespaces.get_opt(name)).await?.is_some())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("checkout-7d9c5b-x2x2x.shop", Some(("checkout-7d9c5b-x2x2x", "shop", false)))]
    #[case("checkout.shop.svc", Some(("checkout", "shop", true)))]
    #[case("checkout.shop.svc.cluster.local.", Some(("checkout", "shop", true)))]
    #[case("checkout.shop.", None)]
    #[case("cache-0.cache.shop.svc.cluster.local", Some(("cache-0", "shop", true)))]
    #[case("cache-0.cache.shop", None)]
    #[case("a.b.c.d.svc", None)]
    #[case("example.co.uk", None)]
    #[case("localhost", None)]
    #[case("10.0.0.1", None)]
    fn a_host_of_two_parts_may_stand_for_something_inside(
        #[case] host: &str,
        #[case] inside: Option<(&str, &str, bool)>,
    ) {
        assert_eq!(named(host), inside);
    }
}
