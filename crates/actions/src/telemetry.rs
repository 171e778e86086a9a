//! What Prometheus and Loki know of services.

mod logs;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::action::{ActionError, Surroundings};
use crate::http::client;
use crate::kubernetes::Clusters;
use crate::kubernetes::inside::{self, Doubt, Inside};
use crate::observation::Observing;
use crate::registry::Registry;

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 8 << 20;

/// How long the API server of a cluster has for passing a question on.
const PATIENCE: Duration = Duration::from_secs(30);

/// Adds every action of this module.
pub(crate) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(Observing::new(metrics::Check(Arc::clone(clusters)))));
    registry.register(Arc::new(Observing::new(metrics::Cpu(Arc::clone(clusters)))));
    registry.register(Arc::new(Observing::new(metrics::Memory(Arc::clone(clusters)))));
    registry.register(Arc::new(Observing::new(logs::Query(Arc::clone(clusters)))));
}

/// A server of the context: Prometheus, or Loki.
struct Server {
    name: &'static str,
    url: Url,
    token: Option<SecretString>,
    /// The way there where it is inside of the context's cluster and Belay is not.
    inside: Option<Inside>,
}

impl Server {
    /// The server that the context names under `config`: `{ url: …, token: { $secret: NAME } }`, or its URL alone.
    async fn of(
        clusters: &Clusters,
        surroundings: &Surroundings,
        key: &str,
        name: &'static str,
    ) -> Result<Self, ActionError> {
        let context = &surroundings.context;
        let entry = context.pointer("/config").and_then(|config| config.get(key)).unwrap_or(&Value::Null);
        let url = entry.as_str().or_else(|| entry.get("url")?.as_str());
        let Some(url) = url else {
            let context = context.get("name").and_then(Value::as_str).unwrap_or("local");
            return Err(ActionError::unreachable(
                name,
                format!(
                    "context `{context}` does not say where it is; give it `config: {{ {key}: {{ url: … }} }}` in the file of contexts"
                ),
            ));
        };
        let url = client::url(url).map_err(|error| ActionError::unreachable(name, format!("its URL: {error}")))?;
        let token = match entry.pointer("/token/$secret").and_then(Value::as_str) {
            Some(secret) => Some(surroundings.secret(&format!("config.{key}.token"), secret).await?),
            None => None,
        };
        let doubt = if token.is_some() { Doubt::Refused } else { Doubt::Outside };
        let inside = inside::find(clusters, surroundings, &url, doubt).await?;
        // A dot at its end has said that it is outside, and is no part of the name that a proxy knows.
        let plain = url.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned);
        let mut url = url;
        if let Some(plain) = plain.filter(|_| inside.is_none()) {
            url.set_host(Some(&plain)).map_err(|error| ActionError::unreachable(name, format!("its URL: {error}")))?;
        }
        Ok(Self { name, url, token, inside })
    }

    /// Asks; gives the answer's `data`.
    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, ActionError> {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url.query_pairs_mut().extend_pairs(query);
        let (status, body) = match &self.inside {
            Some(inside) => self.asked_inside(inside, &url).await?,
            None => self.asked_directly(url).await?,
        };
        if body.len() > LARGEST_ANSWER {
            return Err(self.trouble(format!("its answer is larger than {} MiB", LARGEST_ANSWER >> 20)));
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if (200..300).contains(&status) && answer["status"] == "success" {
            return Ok(answer["data"].clone());
        }
        // Prometheus explains itself in JSON, Loki in a line.
        let said = answer["error"].as_str().map_or_else(
            || crate::command::report::shortened(String::from_utf8_lossy(&body).trim(), 300),
            str::to_owned,
        );
        let said = if said.is_empty() { "it says nothing".to_owned() } else { said };
        Err(self.trouble(format!("it answered with status {status}: {said}")))
    }

    /// The status and the body of an answer, the latter a little too long where it is too long.
    async fn asked_directly(&self, url: Url) -> Result<(u16, Vec<u8>), ActionError> {
        let client = client::client(&url).map_err(|error| self.trouble(error.to_string()))?;
        let mut request = client.get(url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let mut response = request.send().await.map_err(|error| self.trouble(client::problem(error)))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while body.len() <= LARGEST_ANSWER
            && let Some(chunk) = response.chunk().await.map_err(|error| self.trouble(client::problem(error)))?
        {
            body.extend_from_slice(&chunk);
        }
        Ok((status, body))
    }

    /// The same, through the API server.
    async fn asked_inside(&self, inside: &Inside, url: &Url) -> Result<(u16, Vec<u8>), ActionError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
            headers
                .insert(header::AUTHORIZATION, value.map_err(|_| self.trouble("its token is no header".to_owned()))?);
        }
        let name = inside.names().first().map(String::as_str).unwrap_or_default();
        let answer = inside.ask_for(url, name, (&Method::GET, &headers), LARGEST_ANSWER + 1, PATIENCE).await;
        answer.map(|answer| (answer.status, answer.body)).map_err(|problem| self.trouble(problem))
    }

    fn trouble(&self, problem: String) -> ActionError {
        ActionError::unreachable(self.name, problem)
    }
}

/// What plans call a server: its URL in the context, else its name.
fn target(context: &Value, key: &str, name: &str) -> String {
    let entry = context.pointer("/config").and_then(|config| config.get(key)).unwrap_or(&Value::Null);
    let url = entry.as_str().or_else(|| entry.get("url")?.as_str());
    url.map_or_else(|| name.to_owned(), |url| crate::redact::Redaction::tokens().text(url))
}
