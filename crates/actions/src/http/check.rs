//! One check of an endpoint.

use std::time::{Duration, Instant};

use belay_runbook::act::EXCERPT_LIMIT;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::client::{self, RequestError};
use crate::action::{ActionError, Surroundings};
use crate::kubernetes::inside::Inside;
use crate::redact::Redaction;

/// The largest part of a body that is read.
const BODY_LIMIT: usize = 256 * 1024;

/// The longest glimpse that a preparation takes.
const GLIMPSE: Duration = Duration::from_secs(2);

/// What is asked and expected, whichever the endpoint.
#[derive(Debug, Clone)]
pub(super) struct Check {
    expected_status: u16,
    timeout: Duration,
    method: Method,
    expect_body: Option<String>,
    headers: HeaderMap,
    redaction: Redaction,
}

/// How an endpoint is reached.
pub(super) enum Way {
    /// From here.
    Direct(Url),
    /// Through the API server of the context's cluster.
    Inside(Inside),
}

impl Way {
    /// What a person should know about it.
    pub(super) fn note(&self) -> Option<&str> {
        match self {
            Self::Direct(_) => None,
            Self::Inside(inside) => Some(&inside.note),
        }
    }
}

/// What an endpoint was seen to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) healthy: bool,
    pub(super) status: Option<u16>,
    pub(super) latency: Duration,
    /// Why it is not healthy, redacted.
    pub(super) error: Option<String>,
    /// The start of the body, redacted.
    pub(super) excerpt: String,
}

impl Health {
    /// Nothing was seen yet.
    fn unknown() -> Self {
        Self { healthy: false, status: None, latency: Duration::ZERO, error: None, excerpt: String::new() }
    }

    pub(super) fn output(&self) -> Value {
        json!({
            "healthy": self.healthy,
            "status": self.status,
            "latencyMs": u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX),
            "error": self.error,
        })
    }
}

impl Check {
    /// Reads the parameters; `target` is the one that names the endpoints.
    pub(super) async fn read(
        parameters: &Value,
        target: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, ActionError> {
        let known = [target, "expectedStatus", "timeout", "method", "expectBody", "headers"];
        let Value::Object(fields) = parameters else { return Err(wrong(target, "it is missing".to_owned())) };
        if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(wrong(unknown, "there is no such parameter".to_owned()));
        }
        let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let expected_status = match given("expectedStatus") {
            None => 200,
            Some(value) => value
                .as_u64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
                .and_then(|status| u16::try_from(status).ok())
                .filter(|status| (100..=599).contains(status))
                .ok_or_else(|| wrong("expectedStatus", "it is no HTTP status".to_owned()))?,
        };
        let timeout = match given("timeout") {
            None => Duration::from_secs(5),
            Some(value) => value
                .as_f64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
                .filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .ok_or_else(|| wrong("timeout", "it is no number of seconds from 0 to 3600".to_owned()))?,
        };
        let method = match given("method").map(Value::as_str) {
            None | Some(Some("GET")) => Method::GET,
            Some(Some("HEAD")) => Method::HEAD,
            Some(_) => return Err(wrong("method", "it is neither GET nor HEAD".to_owned())),
        };
        let expect_body = match given("expectBody") {
            None => None,
            Some(Value::String(_)) if method == Method::HEAD => {
                return Err(wrong("expectBody", "an answer to HEAD has no body".to_owned()));
            }
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(wrong("expectBody", "it is no text".to_owned())),
        };
        let (headers, redaction) = read_headers(given("headers"), surroundings).await?;
        let timeout = surroundings.timeout.map_or(timeout, |limit| limit.min(timeout));
        Ok(Self { expected_status, timeout, method, expect_body, headers, redaction })
    }

    /// The same with the short patience of a preparation.
    pub(super) fn brief(self) -> Self {
        Self { timeout: self.timeout.min(GLIMPSE), ..self }
    }

    /// Asks. Whatever the endpoint does is an answer; an error is a target that is not asked at all.
    pub(super) async fn ask(&self, way: &Way) -> Result<Health, RequestError> {
        match way {
            Way::Direct(url) => self.ask_directly(url.clone()).await,
            Way::Inside(inside) => Ok(self.ask_inside(inside).await),
        }
    }

    async fn ask_directly(&self, url: Url) -> Result<Health, RequestError> {
        let client = client::client(&url)?;
        let start = Instant::now();
        let request = client.request(self.method.clone(), url).headers(self.headers.clone()).timeout(self.timeout);
        let mut health = Health::unknown();
        match request.send().await {
            Ok(response) => {
                health.latency = start.elapsed();
                health.status = Some(response.status().as_u16());
                let body = read_body(response).await;
                self.judge(&mut health, body);
            }
            Err(error) => {
                if let Some(refused) = client::refused(&error) {
                    return Err(refused.into());
                }
                health.latency = start.elapsed();
                health.error = Some(self.redaction.text(&client::problem(error)));
            }
        }
        Ok(health)
    }

    /// Asks every pod that stands for the endpoint: it is healthy when all of them are. Tells of the first that is not.
    async fn ask_inside(&self, inside: &Inside) -> Health {
        let mut slowest = Health::unknown();
        for name in inside.names() {
            let start = Instant::now();
            let mut health = Health::unknown();
            match inside.ask(name, &self.method, &self.headers, self.timeout).await {
                Ok(answer) => {
                    health.latency = start.elapsed();
                    health.status = Some(answer.status);
                    self.judge(&mut health, Ok(answer.body));
                    health.error = health.error.map(|error| format!("{name}: {error}"));
                }
                Err(problem) => {
                    health.latency = start.elapsed();
                    health.error = Some(self.redaction.text(&problem));
                }
            }
            if !health.healthy {
                return health;
            }
            if health.latency >= slowest.latency {
                slowest = health;
            }
        }
        slowest
    }

    fn judge(&self, health: &mut Health, body: Result<Vec<u8>, String>) {
        let status = health.status.unwrap_or_default();
        let text = match body {
            Ok(body) => String::from_utf8_lossy(&body).into_owned(),
            Err(problem) => {
                health.error = Some(self.redaction.text(&format!("the body could not be read: {problem}")));
                return;
            }
        };
        health.excerpt = crate::command::report::shortened(&self.redaction.text(&text), EXCERPT_LIMIT);
        if status != self.expected_status {
            health.error = Some(format!("status {status} instead of {}", self.expected_status));
        } else if self.expect_body.as_ref().is_some_and(|expected| !text.contains(expected)) {
            health.error = Some("the body does not hold the expected text".to_owned());
        } else {
            health.healthy = true;
        }
    }
}

/// Reads a bounded part of a body.
async fn read_body(mut response: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while body.len() < BODY_LIMIT {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk[..chunk.len().min(BODY_LIMIT - body.len())]),
            Ok(None) => break,
            Err(error) => return Err(client::problem(error)),
        }
    }
    Ok(body)
}

async fn read_headers(
    given: Option<&Value>,
    surroundings: &Surroundings,
) -> Result<(HeaderMap, Redaction), ActionError> {
    let mut headers = HeaderMap::new();
    let mut secrets = Vec::new();
    let fields = match given {
        None => return Ok((headers, Redaction::tokens())),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(wrong("headers", "it is no map".to_owned())),
    };
    for (name, value) in fields {
        let problem = |problem: &str| wrong(&format!("headers.{name}"), problem.to_owned());
        let parsed: HeaderName = name.parse().map_err(|_| problem("it is no name of a header"))?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Object(fields) if fields.len() == 1 => {
                let secret = fields.get("$secret").and_then(Value::as_str);
                let secret = secret.ok_or_else(|| problem("an object here has to be {\"$secret\": NAME}"))?;
                let found = surroundings.secret(&format!("headers.{name}"), secret).await?;
                secrets.push(found.clone());
                found.expose_secret().to_owned()
            }
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(problem("it is no text")),
        };
        let mut text = HeaderValue::from_str(&text).map_err(|_| problem("it holds characters that a header cannot"))?;
        text.set_sensitive(true);
        headers.insert(parsed, text);
    }
    Ok((headers, Redaction::of_secrets(secrets.iter().map(ExposeSecret::expose_secret))))
}

/// A URL without the credentials that it may hold.
pub(super) fn shown(url: &str) -> String {
    Redaction::tokens().text(url)
}

pub(super) fn wrong(parameter: &str, problem: String) -> ActionError {
    ActionError::Parameter { parameter: parameter.to_owned(), problem }
}
