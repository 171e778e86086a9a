//! `http.healthcheck` and `http.healthcheck_batch`: whether endpoints answer as they should.
//!
//! An endpoint that does not answer well is an observation, not a failure of the act: the act succeeded and says
//! `healthy: false`. Only a refused target is an act that never started.

pub(crate) mod address;
mod check;
pub(crate) mod client;
mod link;

use std::sync::Arc;

use async_trait::async_trait;
use belay_runbook::act::{Act, Ending, Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::action::{Action, ActionError, Surroundings};
use crate::declaration::{Declaration, boolean, integer, list, number, object, text, word};
use crate::kubernetes::Clusters;
use crate::kubernetes::inside::{self, Doubt};
use crate::preparation;
use check::{Check, Health, Way};

pub use link::dead_link;

/// Endpoints that one batch may name.
const LARGEST_BATCH: usize = 64;

/// Endpoints of a batch that are asked at the same time.
const AT_ONCE: usize = 8;

/// Asks one endpoint.
#[derive(Debug)]
pub struct Healthcheck {
    spec: ActionSpec,
    clusters: Arc<Clusters>,
}

/// Asks several endpoints at the same time.
#[derive(Debug)]
pub struct HealthcheckBatch {
    spec: ActionSpec,
    clusters: Arc<Clusters>,
}

fn options(declaration: Declaration) -> Declaration {
    declaration
        .optional("expectedStatus", Sink::Json, integer(100, "the status that counts as healthy, 200 where absent"))
        .optional("timeout", Sink::Json, number("seconds until it counts as unhealthy, 5 where absent"))
        .optional("method", Sink::Text, word(&["GET", "HEAD"], "the method, GET where absent"))
        .optional("expectBody", Sink::Text, text("text that the body has to hold"))
        .optional("headers", Sink::Text, object("headers; a secret by name is {\"$secret\": NAME}"))
        .fact("healthy")
        .access("a connection to the endpoint")
}

impl Healthcheck {
    /// The action; endpoints inside of a context's cluster are asked through its API server.
    pub fn new(clusters: &Arc<Clusters>) -> Self {
        let spec = options(Declaration::new("http.healthcheck", "Ask an HTTP endpoint whether it is healthy"))
            .required("url", Sink::Url, text("the endpoint"))
            .output("healthy", boolean("whether it answered as it should"))
            .output("status", json!({ "type": ["integer", "null"], "description": "the status, where it answered" }))
            .output("latencyMs", integer(0, "milliseconds until the answer"))
            .output("error", json!({ "type": ["string", "null"], "description": "why it is not healthy" }))
            .target("url")
            .build();
        Self { spec, clusters: Arc::clone(clusters) }
    }
}

impl HealthcheckBatch {
    /// The action; endpoints inside of a context's cluster are asked through its API server.
    pub fn new(clusters: &Arc<Clusters>) -> Self {
        let spec =
            options(Declaration::new("http.healthcheck_batch", "Ask several HTTP endpoints whether they are healthy"))
                .required("urls", Sink::Url, list(&text("an endpoint"), "the endpoints"))
                .output("healthy", boolean("whether all of them answered as they should"))
                .output("healthyCount", integer(0, "how many did"))
                .output("total", integer(0, "how many there are"))
                .output("results", list(&object("url, healthy, status, latencyMs and error"), "one by one"))
                .build();
        Self { spec, clusters: Arc::clone(clusters) }
    }
}

#[async_trait]
impl Action for Healthcheck {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        format!("check {}", check::shown(parameters.get("url").and_then(Value::as_str).unwrap_or("an endpoint")))
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        let check = Check::read(&act.parameters, "url", surroundings).await?;
        let url = act.parameters.get("url").and_then(Value::as_str).unwrap_or_default();
        let mut prepared = preparation::reading(&check::shown(url));
        let way = way(&self.clusters, surroundings, "url", url).await?;
        let health = check.brief().ask(&way).await.map_err(|error| check::wrong("url", error.to_string()))?;
        prepared.notes.extend(way.note().map(str::to_owned));
        prepared.notes.extend(health.error.clone());
        prepared.facts.insert("healthy".to_owned(), Value::Bool(health.healthy));
        Ok(prepared)
    }

    async fn run(&self, act: &Act, _preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let check = match Check::read(&act.parameters, "url", surroundings).await {
            Ok(check) => check,
            Err(error) => return not_started(error.to_string()),
        };
        let url = act.parameters.get("url").and_then(Value::as_str).unwrap_or_default();
        let asking = async {
            let way = way(&self.clusters, surroundings, "url", url).await.map_err(|error| unasked(&error))?;
            check.ask(&way).await.map_err(|error| not_started(error.to_string()))
        };
        let health = tokio::select! {
            health = asking => health,
            () = surroundings.cancel.cancelled() => return cancelled(),
        };
        match health {
            Ok(health) => Outcome { excerpt: health.excerpt.clone(), ..Outcome::succeeded(health.output()) },
            Err(outcome) => outcome,
        }
    }
}

#[async_trait]
impl Action for HealthcheckBatch {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        match urls(parameters) {
            Ok(urls) => format!("check {} endpoints", urls.len()),
            Err(_) => "check endpoints".to_owned(),
        }
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        let check = Check::read(&act.parameters, "urls", surroundings).await?.brief();
        let urls = urls(&act.parameters)?;
        let mut prepared = preparation::reading(&format!("{} endpoints", urls.len()));
        let ways = ways(&self.clusters, surroundings, urls).await?;
        let results = ask_all(check, ways).await.map_err(|error| check::wrong("urls", error))?;
        let healthy = results.iter().all(|(_, health)| health.healthy);
        prepared.facts.insert("healthy".to_owned(), Value::Bool(healthy));
        Ok(prepared)
    }

    async fn run(&self, act: &Act, _preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let read = Check::read(&act.parameters, "urls", surroundings)
            .await
            .and_then(|check| urls(&act.parameters).map(|urls| (check, urls)));
        let (check, urls) = match read {
            Ok(read) => read,
            Err(error) => return not_started(error.to_string()),
        };
        let asking = async {
            let ways = ways(&self.clusters, surroundings, urls).await.map_err(|error| unasked(&error))?;
            ask_all(check, ways).await.map_err(not_started)
        };
        let results = tokio::select! {
            results = asking => results,
            () = surroundings.cancel.cancelled() => return cancelled(),
        };
        let results = match results {
            Ok(results) => results,
            Err(outcome) => return outcome,
        };
        let count = results.iter().filter(|(_, health)| health.healthy).count();
        let total = results.len();
        let results: Vec<Value> = results
            .into_iter()
            .map(|(url, health)| {
                let mut result = health.output();
                result["url"] = Value::String(check::shown(&url));
                result
            })
            .collect();
        Outcome::succeeded(json!({
            "healthy": count == total,
            "healthyCount": count,
            "total": total,
            "results": results,
        }))
    }
}

/// Asks every endpoint, a few at a time; answers come in the order of the list. Dropping the future stops all.
async fn ask_all(check: Check, ways: Vec<(String, Way)>) -> Result<Vec<(String, Health)>, String> {
    let check = Arc::new(check);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    let (urls, ways): (Vec<String>, Vec<Way>) = ways.into_iter().unzip();
    for (index, way) in ways.into_iter().enumerate() {
        let (check, places) = (Arc::clone(&check), Arc::clone(&places));
        asking.spawn(async move {
            let _place = places.acquire().await.expect("the semaphore is never closed");
            (index, check.ask(&way).await)
        });
    }
    let mut healths: Vec<Option<Health>> = urls.iter().map(|_| None).collect();
    while let Some(joined) = asking.join_next().await {
        let (index, health) = joined.map_err(|error| format!("a check ended early: {error}"))?;
        let health = health.map_err(|error| format!("`{}`: {error}", check::shown(&urls[index])))?;
        healths[index] = Some(health);
    }
    Ok(urls.into_iter().zip(healths.into_iter().flatten()).collect())
}

/// How an endpoint is reached: from here, or through the API server of the context's cluster.
async fn way(clusters: &Clusters, surroundings: &Surroundings, parameter: &str, url: &str) -> Result<Way, ActionError> {
    let shown = check::shown(url);
    let url = client::url(url).map_err(|error| check::wrong(parameter, format!("`{shown}`: {error}")))?;
    Ok(match inside::find(clusters, surroundings, &url, Doubt::Outside).await? {
        Some(found) => Way::Inside(found),
        None => Way::Direct(url),
    })
}

async fn ways(
    clusters: &Clusters,
    surroundings: &Surroundings,
    urls: Vec<String>,
) -> Result<Vec<(String, Way)>, ActionError> {
    let mut ways = Vec::with_capacity(urls.len());
    for url in urls {
        let way = way(clusters, surroundings, "urls", &url).await?;
        ways.push((url, way));
    }
    Ok(ways)
}

fn urls(parameters: &Value) -> Result<Vec<String>, ActionError> {
    let Some(Value::Array(items)) = parameters.get("urls") else {
        return Err(check::wrong("urls", "it is no list".to_owned()));
    };
    if items.is_empty() || items.len() > LARGEST_BATCH {
        return Err(check::wrong(
            "urls",
            format!("it names {} endpoints, and 1 to {LARGEST_BATCH} are allowed", items.len()),
        ));
    }
    items
        .iter()
        .map(|item| {
            item.as_str().map(str::to_owned).ok_or_else(|| check::wrong("urls", "an endpoint is no text".to_owned()))
        })
        .collect()
}

/// An endpoint that was not asked; whoever logs in again can go on.
fn unasked(error: &ActionError) -> Outcome {
    Outcome { needs_login: error.needs_login(), ..not_started(error.to_string()) }
}

fn not_started(error: String) -> Outcome {
    Outcome { error: Some(error), ..Outcome::bare(Ending::NotStarted) }
}

fn cancelled() -> Outcome {
    Outcome { error: Some("it was cancelled".to_owned()), ..Outcome::bare(Ending::Cancelled) }
}
