//! `logs.query` on a server that answers as Loki's API says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use belay_runbook::act::Ending;
use serde_json::json;

use crate::{Desk, PASSWORD, secret};

type Asked = Arc<Mutex<Vec<HashMap<String, String>>>>;

/// Serves `query_range`; a query that is not understood gets Loki's plain-text 400.
async fn loki() -> (String, Asked) {
    async fn answer(
        State(asked): State<Asked>,
        headers: HeaderMap,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        if headers.get("authorization").is_none_or(|login| login != &format!("Bearer {PASSWORD}")) {
            return (StatusCode::UNAUTHORIZED, "no org id").into_response();
        }
        let text = query["query"].clone();
        asked.lock().unwrap().push(query);
        if !text.starts_with('{') {
            return (StatusCode::BAD_REQUEST, "parse error at line 1, col 1: syntax error\n").into_response();
        }
        if text.contains("count_over_time") {
            return axum::Json(json!({ "status": "success", "data": { "resultType": "matrix", "result": [] } }))
                .into_response();
        }
        let result = json!([
            { "stream": { "pod": "checkout-1" }, "values": [
                ["1767323047000000000", "{\"level\":\"error\",\"error\":{\"type\":\"Timeout\"},\"password\":\"hunter22\"}"],
                ["1767323045000000000", "plain <b>text</b>"],
            ] },
            { "stream": { "pod": "checkout-2" }, "values": [["1767323046000000000", "{\"error\":{\"type\":\"Refused\"}}"]] },
        ]);
        axum::Json(json!({ "status": "success", "data": { "resultType": "streams", "result": result } }))
            .into_response()
    }
    let asked = Asked::default();
    let router = Router::new().route("/base/loki/api/v1/query_range", get(answer)).with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn lines_come_newest_first_with_the_fields_that_they_have() {
    let (url, asked) = loki().await;
    let desk = Desk::new(&json!({ "loki": { "url": url, "token": secret() } }));
    let query = "{service=\"checkout\"}\n|= \"error\"\n| json\n[5m]\n";
    let outcome = desk.run("logs.query", json!({ "query": query, "limit": 3 })).await;
    let logs = outcome.published["logs"].as_array().unwrap();
    let types: Vec<_> = logs.iter().map(|log| log["error"]["type"].as_str()).collect();
    assert_eq!(types, [Some("Timeout"), Some("Refused"), None], "{outcome:?}");
    assert_eq!((&logs[2]["line"], &logs[2]["labels"]["pod"]), (&json!("plain <b>text</b>"), &json!("checkout-1")));
    assert_eq!(logs[0]["at"], "2026-01-02T03:04:07Z");
    assert!(!json!(outcome).to_string().contains("hunter22"), "what looks like a credential is left out");
    assert_eq!((&outcome.output["count"], &outcome.output["truncated"]), (&json!(3), &json!(true)));
    let asked = asked.lock().unwrap();
    assert_eq!(
        asked[0]["query"], "{service=\"checkout\"}\n|= \"error\"\n| json",
        "the range is no part of a log query"
    );
    assert_eq!((asked[0]["since"].as_str(), asked[0]["limit"].as_str()), ("5m", "3"));
    assert_eq!(asked[0]["direction"], "backward");
}

#[tokio::test]
async fn what_loki_refuses_is_said_in_its_words() {
    let (url, _) = loki().await;
    let desk = Desk::new(&json!({ "loki": { "url": url.clone(), "token": secret() } }));
    let outcome = desk.run("logs.query", json!({ "query": "nonsense" })).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(outcome.error.as_deref().unwrap_or_default().contains("status 400: parse error at line 1"), "{outcome:?}");
    let outcome = desk.run("logs.query", json!({ "query": "{a=\"b\"} | count_over_time" })).await;
    assert!(outcome.error.as_deref().unwrap_or_default().contains("not metrics"), "{outcome:?}");
    let outcome = desk.run("logs.query", json!({ "query": "{a=\"b\"}", "since": "yesterday" })).await;
    assert!(outcome.error.as_deref().unwrap_or_default().contains("no duration"), "{outcome:?}");
    let outcome = Desk::new(&json!({ "loki": url })).run("logs.query", json!({ "query": "{a=\"b\"}" })).await;
    assert!(outcome.error.as_deref().unwrap_or_default().contains("status 401: no org id"), "{outcome:?}");
}
