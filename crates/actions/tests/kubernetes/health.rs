//! Endpoints inside of a cluster, asked from outside.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use belay_runbook::act::Ending;
use serde_json::{Value, json};

use crate::stage::Stage;

const CHECK: &str = "http.healthcheck";

/// Answers `/health` with a status; nothing of the cluster's login reaches it.
async fn endpoint(status: u16) -> SocketAddr {
    let answer = move |headers: HeaderMap| async move {
        let status = if headers.contains_key("authorization") { 500 } else { status };
        (StatusCode::from_u16(status).unwrap(), "all well")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/health", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn pods(stage: &Stage) -> Vec<String> {
    let pods = stage.cluster.objects("pods", "shop");
    pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn url(host: &str) -> Value {
    json!({ "url": format!("http://{host}:8080/health?deep=1"), "expectBody": "well" })
}

#[tokio::test]
async fn a_pod_is_asked_through_the_api_server() {
    let stage = Stage::new().await;
    let pod = pods(&stage).remove(0);
    stage.cluster.serve_pod("shop", &pod, 8080, endpoint(200).await);
    let prepared = stage.prepare(CHECK, url(&format!("{pod}.shop"))).await.unwrap();
    assert_eq!(prepared.notes, [format!("pod shop/{pod} is asked through the API server")]);
    assert_eq!(prepared.facts["healthy"], json!(true));
    let outcome = stage.run(CHECK, url(&format!("{pod}.shop"))).await;
    assert_eq!((&outcome.output["healthy"], &outcome.output["status"]), (&json!(true), &json!(200)), "{outcome:?}");
    let dead = stage.run(CHECK, json!({ "url": format!("http://{pod}.shop:9/") })).await;
    let error = dead.output["error"].as_str().unwrap();
    assert!(error.starts_with(&pod) && error.contains("connection refused"), "the API server's words: {dead:?}");
}

#[tokio::test]
async fn a_pod_that_was_replaced_stands_for_the_ready_pods_of_its_owner() {
    let stage = Stage::new().await;
    let gone = pods(&stage).remove(0);
    stage.cluster.remove("pods", "shop", &gone).unwrap();
    let well = endpoint(200).await;
    stage.cluster.serve_app("shop", "checkout", 8080, well);
    let prepared = stage.prepare(CHECK, url(&format!("{gone}.shop"))).await.unwrap();
    assert!(prepared.notes[0].contains("is gone; the ready pods of deployment/checkout are asked"), "{prepared:?}");
    assert_eq!(stage.run(CHECK, url(&format!("{gone}.shop"))).await.output["healthy"], true);

    let sick = pods(&stage).pop().unwrap();
    stage.cluster.serve_pod("shop", &sick, 8080, endpoint(503).await);
    let outcome = stage.run(CHECK, url(&format!("{gone}.shop"))).await;
    assert_eq!(
        (&outcome.output["healthy"], &outcome.output["status"]),
        (&json!(false), &json!(503)),
        "one of them is not"
    );
    assert_eq!(outcome.output["error"], json!(format!("{sick}: status 503 instead of 200")));
}

#[tokio::test]
async fn a_service_and_a_host_outside_are_told_apart() {
    let stage = Stage::new().await;
    stage.cluster.serve_app("shop", "checkout", 8080, endpoint(200).await);
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "selector": { "app": "checkout" }, "ports": [{ "port": 8080 }] },
    });
    stage.cluster.create(service).unwrap();
    for host in ["web.shop", "web.shop.svc", "web.shop.svc.cluster.local"] {
        assert_eq!(stage.run(CHECK, url(host)).await.output["healthy"], true, "{host}");
    }
    let missing = stage.prepare(CHECK, url("nosuch.shop.svc")).await.unwrap_err().to_string();
    assert!(missing.contains("namespace `shop` has no service and no pod `nosuch`"), "{missing}");
    let outside = stage.run(CHECK, json!({ "url": "http://belay-test.invalid/" })).await;
    assert_eq!(outside.output["healthy"], false);
    assert!(stage.cluster.calls().iter().all(|call| call.name != "belay-test"), "it was not looked for inside");
}

#[tokio::test]
async fn a_right_that_is_missing_and_a_login_that_cannot_pass_are_said() {
    let stage = Stage::new().await;
    let pod = pods(&stage).remove(0);
    stage.cluster.serve_pod("shop", &pod, 8080, endpoint(200).await);
    for header in ["Authorization", "Impersonate-User", "X-Remote-Group"] {
        let mut parameters = url(&format!("{pod}.shop"));
        parameters["headers"] = json!({ header: "admin" });
        let outcome = stage.run(CHECK, parameters).await;
        assert!(outcome.output["error"].as_str().unwrap().contains("cannot pass through"), "{header}: {outcome:?}");
    }
    stage.cluster.forbid("get", "pods/proxy");
    let outcome = stage.run(CHECK, url(&format!("{pod}.shop"))).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "what was seen is an observation");
    assert!(
        outcome.output["error"].as_str().unwrap().contains("resources: [\"pods/proxy\"], verbs: [\"get\"]"),
        "{outcome:?}"
    );
}
