//! Endpoints that only a cluster knows, asked through its API server: `http://checkout-7d9c5b-x2x2x.shop:8080/health`.
//!
//! Source: Kubernetes, "DNS for Services and Pods", and the subresource `proxy` of pods and services.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Request, header};
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::Api;
use kube::client::Body;
use reqwest::Url;
use serde_json::Value;

use super::access::ClusterAccess;
use super::clusters::{Cluster, Clusters};
use super::pods::{Owner, is_ready};
use super::trouble::{Asked, Trouble};
use super::{Site, is_name};
use crate::action::Surroundings;

/// Pods of one workload that are asked at most.
const MOST_PODS: usize = 8;

/// The largest part of an answer that is read.
const BODY_LIMIT: usize = 256 * 1024;

/// The way to an endpoint inside of a cluster.
pub(crate) struct Inside {
    cluster: std::sync::Arc<Cluster>,
    /// `pods` or `services`.
    resource: &'static str,
    namespace: String,
    /// The service, or the pods that are asked one after another.
    pub(crate) names: Vec<String>,
    url: Url,
    /// What a person should know about it.
    pub(crate) note: String,
}

/// What answered, and how.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// The service or the pods that the host of a URL stands for in the context's cluster; `None` where it stands for nothing
/// there, or Belay itself is inside. A pod that is gone stands for the ready pods of its owner.
pub(crate) async fn find(
    clusters: &Clusters,
    surroundings: &Surroundings,
    url: &Url,
) -> Result<Option<Inside>, Trouble> {
    let Some((name, namespace, certain)) = url.host_str().and_then(named) else { return Ok(None) };
    if surroundings.context.get("kubernetes").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let access = ClusterAccess::of(&surroundings.context)?;
    if access.in_cluster {
        return Ok(None);
    }
    let cluster = match clusters.reach(&access).await {
        Ok(cluster) => cluster,
        // What may be outside is not held up by a cluster that cannot be asked.
        Err(_) if !certain => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    if !certain && !has_namespace(&cluster, namespace).await {
        return Ok(None);
    }
    let found = |resource, names, note| Inside {
        cluster: std::sync::Arc::clone(&cluster),
        resource,
        namespace: namespace.to_owned(),
        names,
        url: url.clone(),
        note,
    };
    let services: Api<Service> = Api::namespaced(cluster.client(), namespace);
    let asked = Asked { verb: "get", resource: "services", name, namespace };
    match cluster.ask(&asked, || services.get_opt(name)).await {
        Ok(Some(_)) => {
            let note = format!("service {namespace}/{name} is asked through the API server");
            return Ok(Some(found("services", vec![name.to_owned()], note)));
        }
        Ok(None) => {}
        // Whoever may not see services may see pods.
        Err(trouble) if trouble.code() == Some(403) => {}
        Err(trouble) => return Err(trouble),
    }
    let site = Site { cluster: std::sync::Arc::clone(&cluster), surroundings, evidence: None };
    let api: Api<Pod> = site.api(namespace);
    let asked = Asked { verb: "get", resource: "pods", name, namespace };
    if cluster.ask(&asked, || api.get_opt(name)).await?.is_some() {
        let note = format!("pod {namespace}/{name} is asked through the API server");
        return Ok(Some(found("pods", vec![name.to_owned()], note)));
    }
    let Some(owner) = Owner::of_gone(&site, namespace, name).await? else {
        let text = format!("namespace `{namespace}` has no service and no pod `{name}`");
        return if certain { Err(Trouble::before(text)) } else { Ok(None) };
    };
    let kept = owner.keeping(&site, namespace).await?;
    let ready = kept.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod));
    let names: Vec<String> = ready.filter_map(|pod| pod.metadata.name.clone()).take(MOST_PODS).collect();
    if names.is_empty() {
        let text = format!("pod {namespace}/{name} is gone, and no pod of {} is ready", owner.shown());
        return Err(Trouble::before(text));
    }
    let note = format!(
        "pod {namespace}/{name} is gone; the ready pods of {} are asked through the API server: {}",
        owner.shown(),
        names.join(", ")
    );
    Ok(Some(found("pods", names, note)))
}

/// Name and namespace that a host stands for, and whether it can stand for nothing outside of a cluster.
fn named(host: &str) -> Option<(&str, &str, bool)> {
    let host = host.trim_end_matches('.');
    let short = host.strip_suffix(".svc.cluster.local").or_else(|| host.strip_suffix(".svc"));
    let (name, namespace) = short.unwrap_or(host).split_once('.')?;
    (is_name(name) && is_name(namespace) && !namespace.contains('.')).then_some((name, namespace, short.is_some()))
}

/// Whether there is a namespace; `false` where that cannot be known.
async fn has_namespace(cluster: &Cluster, name: &str) -> bool {
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let asked = Asked { verb: "get", resource: "namespaces", name, namespace: "" };
    matches!(cluster.ask(&asked, || namespaces.get_opt(name)).await, Ok(Some(_)))
}

impl Inside {
    /// Asks one of the names.
    pub(crate) async fn ask(
        &self,
        name: &str,
        method: &Method,
        headers: &HeaderMap,
        patience: Duration,
    ) -> Result<Answer, String> {
        let url = &self.url;
        let scheme = if url.scheme() == "https" { "https:" } else { "" };
        let port = url.port_or_known_default().unwrap_or(80);
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!(
            "/api/v1/namespaces/{}/{}/{scheme}{name}:{port}/proxy{}{query}",
            self.namespace,
            self.resource,
            url.path()
        );
        let mut request = Request::builder().method(method.clone()).uri(path).body(Body::empty()).map_err(told)?;
        if let Some(name) = headers.keys().find(|name| is_read_on_the_way(name)) {
            return Err(format!("header `{name}` cannot pass through the API server, which reads it itself"));
        }
        request.headers_mut().extend(headers.clone());
        let exchange = async {
            let response = self.cluster.client().send(request).await.map_err(told)?;
            let status = response.status().as_u16();
            let mut frames = response.into_body();
            let mut body = Vec::new();
            while body.len() < BODY_LIMIT
                && let Some(frame) = frames.frame().await
            {
                if let Ok(data) = frame.map_err(told)?.into_data() {
                    body.extend_from_slice(&data[..data.len().min(BODY_LIMIT - body.len())]);
                }
            }
            Ok::<_, String>(Answer { status, body })
        };
        let answer = tokio::time::timeout(patience, exchange).await.map_err(|_| "no answer in time".to_owned())??;
        match serde_json::from_slice::<Value>(&answer.body) {
            // The API server's own words, not the endpoint's.
            Ok(said) if answer.status >= 400 && said["kind"] == "Status" && said["apiVersion"] == "v1" => {
                let asked = Asked {
                    verb: if *method == Method::HEAD { "head" } else { "get" },
                    resource: if self.resource == "pods" { "pods/proxy" } else { "services/proxy" },
                    name,
                    namespace: &self.namespace,
                };
                let said = said["message"].as_str().unwrap_or_default().to_owned();
                Err(if answer.status == 403 {
                    Trouble::forbidden(&said, &asked).to_string()
                } else {
                    format!("{name}: {said}")
                })
            }
            _ => Ok(answer),
        }
    }
}

/// Whether a header means something to the API server itself.
///
/// Source: Kubernetes, "Authenticating" (user impersonation, authenticating proxy).
fn is_read_on_the_way(name: &HeaderName) -> bool {
    let own = [header::AUTHORIZATION, header::HOST, header::CONNECTION, header::UPGRADE, header::COOKIE];
    let prefixes = ["impersonate-", "x-remote-", "x-forwarded-"];
    own.contains(name) || prefixes.iter().any(|prefix| name.as_str().starts_with(prefix))
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("checkout-7d9c5b-x2x2x.shop", Some(("checkout-7d9c5b-x2x2x", "shop", false)))]
    #[case("checkout.shop.svc", Some(("checkout", "shop", true)))]
    #[case("checkout.shop.svc.cluster.local.", Some(("checkout", "shop", true)))]
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
