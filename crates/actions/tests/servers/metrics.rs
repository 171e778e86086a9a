//! `metrics.*` on a real Prometheus.

use belay_runbook::act::Ending;
use serde_json::json;

use belay_testkit::machines;

use crate::Desk;

#[tokio::test]
async fn a_metric_is_compared_with_its_threshold_and_no_data_is_never_well() {
    let machine = machines::prometheus().await;
    let desk = Desk::new(&json!({ "prometheus": { "url": format!("http://127.0.0.1:{}", machine.port) } }));
    let outcome = desk.run("metrics.check", json!({ "metric": "up", "threshold": 2 })).await;
    assert_eq!(
        (&outcome.output["value"], &outcome.output["result"]),
        (&json!(1.0), &json!("below_threshold")),
        "{outcome:?}"
    );
    let outcome = desk.run("metrics.check", json!({ "query": "up + 4", "threshold": 5 })).await;
    assert_eq!((&outcome.output["healthy"], &outcome.output["result"]), (&json!(false), &json!("above_threshold")));
    let outcome = desk.run("metrics.check", json!({ "query": "up / 0 - up / 0", "threshold": 5 })).await;
    assert_eq!(outcome.output["result"], "no_data", "what is no number is no data: {outcome:?}");
    let outcome = desk.run("metrics.check", json!({ "metric": "nosuch", "threshold": 5 })).await;
    assert_eq!((&outcome.output["healthy"], &outcome.output["result"]), (&json!(false), &json!("no_data")));
    let outcome = desk.run("metrics.check", json!({ "query": "7" })).await;
    assert_eq!((&outcome.output["value"], &outcome.output["result"]), (&json!(7.0), &json!("read")));
    let prepared = desk.prepare("metrics.check", json!({ "metric": "nosuch", "threshold": 5 })).await.unwrap();
    assert_eq!(prepared.facts["healthy"], json!(false));

    let outcome = desk.run("metrics.check", json!({ "query": "sum(" })).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(outcome.error.as_deref().unwrap_or_default().contains("parse error"), "{outcome:?}");
    let outcome = desk.run("metrics.check", json!({ "query": "up[1m]" })).await;
    assert!(outcome.error.as_deref().unwrap_or_default().contains("a matrix"), "{outcome:?}");
    let wrong = desk.prepare("metrics.check", json!({ "metric": "up{}" })).await.unwrap_err().to_string();
    assert!(wrong.contains("no name of a metric"), "{wrong}");
}

#[tokio::test]
async fn what_a_service_uses_is_asked_for_by_the_contexts_own_query() {
    let machine = machines::prometheus().await;
    let url = format!("http://127.0.0.1:{}", machine.port);
    let queries = json!({ "cpu": "vector(81.5) and on() up{job=\"$service\"}" });
    let desk = Desk::new(&json!({ "prometheus": { "url": url, "queries": queries } }));
    let outcome = desk.run("metrics.get_cpu", json!({ "service": "itself" })).await;
    assert_eq!(outcome.output["percent"], json!(81.5), "{outcome:?}");
    let outcome = desk.run("metrics.get_cpu", json!({ "service": "another" })).await;
    assert_eq!(outcome.ending, Ending::Failed, "no data is no small number: {outcome:?}");
    assert!(outcome.error.as_deref().unwrap_or_default().contains("it has no cpu of service `another`"), "{outcome:?}");
    let outcome = desk.run("metrics.get_memory", json!({ "service": "itself" })).await;
    assert!(
        outcome.error.as_deref().unwrap_or_default().contains("container_memory"),
        "the standard query: {outcome:?}"
    );
    let outcome = desk.run("metrics.get_cpu", json!({ "service": "x\"} or vector(1) #" })).await;
    assert!(outcome.error.as_deref().unwrap_or_default().contains("no name of a service"), "{outcome:?}");
}

#[tokio::test]
async fn a_context_without_it_and_a_server_that_is_gone_are_said() {
    let outcome = Desk::new(&json!({})).run("metrics.check", json!({ "metric": "up" })).await;
    assert!(outcome.error.as_deref().unwrap_or_default().contains("config: { prometheus: { url: … } }"), "{outcome:?}");
    let desk = Desk::new(&json!({ "prometheus": "http://127.0.0.1:1" }));
    let outcome = desk.run("metrics.check", json!({ "metric": "up" })).await;
    assert!(outcome.error.as_deref().unwrap_or_default().starts_with("Prometheus could not be read"), "{outcome:?}");
}
