//! Endpoints that only a cluster knows, asked through its API server: `http://checkout-7d9c5b-x2x2x.shop:8080/health`.
//!
//! Source: Kubernetes, "DNS for Services and Pods", and the subresource `proxy` of pods and services.

mod forward;
mod place;

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Request, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use reqwest::Url;
use serde_json::Value;

use super::clusters::Clusters;
use super::trouble::{Asked, Trouble};
use crate::action::Surroundings;
use place::Place;

pub(crate) use forward::{Forwarded, Spot, find_spot};
pub(crate) use place::{Doubt, needs_a_way};

/// The largest part of an answer that is read.
const BODY_LIMIT: usize = 256 * 1024;

/// The way to an endpoint inside of a cluster.
pub(crate) struct Inside {
    place: Place,
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
/// there, or Belay itself is inside.
pub(crate) async fn find(
    clusters: &Clusters,
    surroundings: &Surroundings,
    url: &Url,
    doubt: Doubt,
) -> Result<Option<Inside>, Trouble> {
    let Some(host) = url.host_str() else { return Ok(None) };
    let found = Place::find(clusters, surroundings, host, doubt).await?;
    Ok(found.map(|place| Inside { note: place.note("asked through the API server"), place, url: url.clone() }))
}

impl Inside {
    /// The service, or the pods that are asked one after another.
    pub(crate) fn names(&self) -> &[String] {
        &self.place.names
    }

    /// Asks one of the names.
    pub(crate) async fn ask(
        &self,
        name: &str,
        method: &Method,
        headers: &HeaderMap,
        patience: Duration,
    ) -> Result<Answer, String> {
        self.ask_for(&self.url, name, (method, headers), BODY_LIMIT, patience).await
    }

    /// Asks for a URL of the same host, and reads no more than so many bytes of the answer's body.
    pub(crate) async fn ask_for(
        &self,
        url: &Url,
        name: &str,
        (method, headers): (&Method, &HeaderMap),
        limit: usize,
        patience: Duration,
    ) -> Result<Answer, String> {
        let place = &self.place;
        let scheme = if url.scheme() == "https" { "https:" } else { "" };
        let port = url.port_or_known_default().unwrap_or(80);
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!(
            "/api/v1/namespaces/{}/{}/{scheme}{name}:{port}/proxy{}{query}",
            place.namespace,
            place.resource,
            url.path()
        );
        let mut request = Request::builder().method(method.clone()).uri(path).body(Body::empty()).map_err(told)?;
        if let Some(name) = headers.keys().find(|name| is_read_on_the_way(name)) {
            return Err(format!("header `{name}` cannot pass through the API server, which reads it itself"));
        }
        request.headers_mut().extend(headers.clone());
        let exchange = async {
            let response = place.cluster.client().send(request).await.map_err(told)?;
            let status = response.status().as_u16();
            let mut frames = response.into_body();
            let mut body = Vec::new();
            while body.len() < limit
                && let Some(frame) = frames.frame().await
            {
                if let Ok(data) = frame.map_err(told)?.into_data() {
                    body.extend_from_slice(&data[..data.len().min(limit - body.len())]);
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
                    resource: if place.resource == "pods" { "pods/proxy" } else { "services/proxy" },
                    name,
                    namespace: &place.namespace,
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
