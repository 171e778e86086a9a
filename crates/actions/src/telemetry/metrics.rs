//! `metrics.check`, `metrics.get_cpu` and `metrics.get_memory`: instant queries of Prometheus.
//!
//! Source: Prometheus HTTP API v1, "Instant queries" and "Expression query result formats".

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::action::{ActionSpec, Sink};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Server, target};
use crate::action::{ActionError, Surroundings};
use crate::declaration::{Declaration, boolean, integer, number, text, word};
use crate::kubernetes::{Clusters, replicas};
use crate::observation::Observation;

const KEY: &str = "prometheus";
const NAME: &str = "Prometheus";

/// The processor time that a service's containers use, in percent of their limits.
const CPU: &str = "100 * sum(rate(container_cpu_usage_seconds_total{namespace=\"$namespace\",pod=~\"$service-.*\",container!=\"\"}[5m])) \
    / sum(kube_pod_container_resource_limits{namespace=\"$namespace\",pod=~\"$service-.*\",resource=\"cpu\"})";

/// The memory that they use, in percent of their limits.
const MEMORY: &str = "100 * sum(container_memory_working_set_bytes{namespace=\"$namespace\",pod=~\"$service-.*\",container!=\"\"}) \
    / sum(kube_pod_container_resource_limits{namespace=\"$namespace\",pod=~\"$service-.*\",resource=\"memory\"})";

/// How long the number of a service's replicas is waited for.
const REPLICAS: Duration = Duration::from_secs(2);

/// One series of an answer.
struct Sample {
    value: f64,
    at: Timestamp,
}

/// Every sample of an instant query, those that are no number left out: `NaN` is no data.
async fn samples(clusters: &Clusters, surroundings: &Surroundings, query: &str) -> Result<Vec<Sample>, ActionError> {
    let server = Server::of(clusters, surroundings, KEY, NAME).await?;
    let data = server.ask("/api/v1/query", &[("query", query)]).await?;
    let pairs: Vec<&Value> = match data["resultType"].as_str() {
        Some("scalar") => vec![&data["result"]],
        Some("vector") => data["result"].as_array().into_iter().flatten().map(|series| &series["value"]).collect(),
        kind => {
            let kind = kind.unwrap_or("nothing");
            return Err(ActionError::unreachable(
                NAME,
                format!("the query gives a {kind} and has to give a vector or a scalar"),
            ));
        }
    };
    let sample = |pair: &Value| {
        let value = pair.get(1)?.as_str()?.parse::<f64>().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit for a long time")]
        let at = Timestamp::from_millisecond((pair.get(0)?.as_f64()? * 1000.0) as i64).ok()?;
        (!value.is_nan()).then_some(Sample { value, at })
    };
    Ok(pairs.into_iter().filter_map(sample).collect())
}

/// Compares a metric with a threshold.
pub(super) struct Check(pub(super) Arc<Clusters>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckParameters {
    metric: Option<String>,
    query: Option<String>,
    threshold: Option<f64>,
}

impl CheckParameters {
    fn query(&self) -> Result<&str, ActionError> {
        match (self.metric.as_deref(), self.query.as_deref()) {
            (Some(metric), None) if is_metric(metric) => Ok(metric),
            (Some(metric), None) => {
                Err(ActionError::parameter("metric", format!("`{}` is no name of a metric", metric.escape_debug())))
            }
            (None, Some(query)) => Ok(query),
            (Some(_), Some(_)) => {
                Err(ActionError::parameter("query", "`metric` and `query` are two ways to say it; keep one".to_owned()))
            }
            (None, None) => Err(ActionError::parameter("metric", "it is missing, and so is `query`".to_owned())),
        }
    }
}

#[async_trait]
impl Observation for Check {
    type Parameters = CheckParameters;

    const FACT: Option<&'static str> = Some("healthy");

    fn declaration() -> ActionSpec {
        Declaration::new("metrics.check", "Compare a metric with a threshold")
            .optional("metric", Sink::Name, text("a metric's name"))
            .optional("query", Sink::Query, text("a PromQL query, in place of `metric`"))
            .optional("threshold", Sink::Json, number("the threshold; without it the value is read and not judged"))
            .output(
                "value",
                json!({ "type": ["number", "null"], "description": "the newest value; the largest of several series" }),
            )
            .output("series", integer(0, "how many series the query found"))
            .output("result", word(&["below_threshold", "above_threshold", "no_data", "read"], "how it compares"))
            .output("healthy", boolean("whether every series is below the threshold; false without data"))
            .output("at", json!({ "type": ["string", "null"], "description": "the instant of the value, RFC 3339" }))
            .fact("healthy")
            .access("read access to the metrics")
            .build()
    }

    fn describe(parameters: &CheckParameters) -> String {
        let asked = parameters.metric.as_deref().or(parameters.query.as_deref()).unwrap_or("a metric");
        match parameters.threshold {
            Some(threshold) => format!("compare {asked} with {threshold}"),
            None => format!("read {asked}"),
        }
    }

    fn target(_parameters: &CheckParameters, context: &Value) -> String {
        target(context, KEY, NAME)
    }

    async fn observe(&self, parameters: &CheckParameters, surroundings: &Surroundings) -> Result<Value, ActionError> {
        let samples = samples(&self.0, surroundings, parameters.query()?).await?;
        let series = samples.len();
        let worst = samples.into_iter().max_by(|a, b| a.value.total_cmp(&b.value));
        let (result, healthy) = match (&worst, parameters.threshold) {
            (None, _) => ("no_data", false),
            (Some(_), None) => ("read", true),
            (Some(sample), Some(threshold)) if sample.value < threshold => ("below_threshold", true),
            (Some(_), Some(_)) => ("above_threshold", false),
        };
        Ok(json!({
            "value": worst.as_ref().map(|sample| sample.value),
            "series": series,
            "result": result,
            "healthy": healthy,
            "at": worst.map(|sample| sample.at.to_string()),
        }))
    }

    fn fact(output: &Value) -> Option<(&'static str, bool)> {
        Some(("healthy", output["healthy"].as_bool()?))
    }
}

/// What a service uses, in percent of what it may.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfService {
    service: String,
}

/// Processor time of a service.
pub(super) struct Cpu(pub(super) Arc<Clusters>);

/// Memory of a service.
pub(super) struct Memory(pub(super) Arc<Clusters>);

fn usage(name: &str, description: &str, used: &str) -> ActionSpec {
    Declaration::new(name, description)
        .required("service", Sink::Name, text("the service: what the names of its pods begin with"))
        .output("percent", number(used))
        .output("at", text("the instant of the value, RFC 3339"))
        .publishes(
            "currentReplicas",
            json!({
                "type": ["integer", "null"], "minimum": 0,
                "description": "pods that the service's workload asks for; null where the context's cluster does not tell",
            }),
        )
        .target("service")
        .access("read access to the metrics")
        .build()
}

/// Asks the context's own query for it, `config.prometheus.queries.NAME`, else the one for the metrics that cAdvisor and
/// kube-state-metrics have.
async fn used(
    clusters: &Clusters,
    of: &OfService,
    surroundings: &Surroundings,
    (name, standard): (&str, &str),
) -> Result<Value, ActionError> {
    if !is_service(&of.service) {
        return Err(ActionError::parameter(
            "service",
            format!("`{}` is no name of a service", of.service.escape_debug()),
        ));
    }
    let context = &surroundings.context;
    let own = context.pointer(&format!("/config/{KEY}/queries/{name}")).and_then(Value::as_str);
    let namespace = context.pointer("/kubernetes/namespace").and_then(Value::as_str).unwrap_or("default");
    let query = own.unwrap_or(standard).replace("$namespace", namespace).replace("$service", &of.service);
    // Who adds replicas wants to know how many share this load; it is no reason to fail, and none to wait.
    let wanted = tokio::time::timeout(REPLICAS, replicas(clusters, surroundings, &of.service));
    let (samples, wanted) = tokio::join!(samples(clusters, surroundings, &query), wanted);
    let mut samples = samples?;
    match (samples.pop(), samples.is_empty()) {
        // No data is never little use.
        (None, _) => {
            Err(ActionError::unreachable(NAME, format!("it has no {name} of service `{}`: {query}", of.service)))
        }
        (Some(sample), true) => {
            let wanted = wanted.ok().flatten();
            Ok(json!({ "percent": sample.value, "at": sample.at.to_string(), "currentReplicas": wanted }))
        }
        (Some(_), false) => Err(ActionError::unreachable(
            NAME,
            format!("it has several values where one is asked for; sum them up: {query}"),
        )),
    }
}

#[async_trait]
impl Observation for Cpu {
    type Parameters = OfService;

    fn declaration() -> ActionSpec {
        usage("metrics.get_cpu", "Read how much processor time a service uses", "in percent of its containers' limits")
    }

    fn describe(parameters: &OfService) -> String {
        format!("read the processor time of {}", parameters.service)
    }

    fn target(_parameters: &OfService, context: &Value) -> String {
        target(context, KEY, NAME)
    }

    async fn observe(&self, parameters: &OfService, surroundings: &Surroundings) -> Result<Value, ActionError> {
        used(&self.0, parameters, surroundings, ("cpu", CPU)).await
    }
}

#[async_trait]
impl Observation for Memory {
    type Parameters = OfService;

    fn declaration() -> ActionSpec {
        usage("metrics.get_memory", "Read how much memory a service uses", "in percent of its containers' limits")
    }

    fn describe(parameters: &OfService) -> String {
        format!("read the memory of {}", parameters.service)
    }

    fn target(_parameters: &OfService, context: &Value) -> String {
        target(context, KEY, NAME)
    }

    async fn observe(&self, parameters: &OfService, surroundings: &Surroundings) -> Result<Value, ActionError> {
        used(&self.0, parameters, surroundings, ("memory", MEMORY)).await
    }
}

/// Source: Prometheus data model, metric names.
fn is_metric(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '_' | ':'))
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':'))
}

/// A name that means itself inside a regular expression and a string of PromQL.
fn is_service(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
}
