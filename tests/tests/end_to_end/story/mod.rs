//! The manifests of the source document, as they stand, against a cluster that fits their alert. They are not part of the
//! repository: without them the tests say that they are skipped.

mod services;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use crate::support::shop::Shop;

const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/seeds");

/// A manifest by its name, without the indentation that it has in the document.
fn manifest(name: &str) -> Option<String> {
    let document = std::fs::read_dir(SEEDS).ok().and_then(|folder| {
        let mut paths: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        std::fs::read_to_string(paths.first()?).ok()
    });
    let Some(document) = document else {
        eprintln!("skipped: no source documents at {SEEDS}");
        return None;
    };
    let begins = format!("# runbooks/{name}.yaml");
    let mut lines = document.lines().skip_while(|line| line.trim() != begins);
    let first = lines.next().unwrap_or_else(|| panic!("{name} is not in the document"));
    let indent = first.len() - first.trim_start().len();
    let block = lines.take_while(|line| line.trim() != "```");
    Some(block.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect())
}

/// Starts a manifest for an alert, and agrees to whatever waits, until it ends.
fn play(shop: &Shop, manifest: &str, labels: &Value) -> (Option<i32>, Value) {
    let file = shop.desk.file("story.yaml", manifest).display().to_string();
    let alert = json!({ "alerts": [{ "status": "firing", "labels": labels, "annotations": {} }] });
    let alert = shop.desk.file("alert.json", &alert.to_string()).display().to_string();
    let mut code = shop.desk.belay(["run", &file, "--alert", &alert, "--no-input"]).code;
    for _ in 0..10 {
        let status = shop.desk.status("@last");
        let waiting = status["waiting_on"].as_array().cloned().unwrap_or_default();
        let Some(approval) = waiting.iter().find(|waiting| waiting["kind"] == "approval") else {
            return (code, status);
        };
        shop.approve(approval["step"].as_str().unwrap());
        code = shop.resume();
    }
    panic!("it asks for more than ten approvals")
}

/// Serves HTTP on loopback as long as the shop is there.
fn serve(shop: &Shop, router: Router) -> SocketAddr {
    shop.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    })
}

/// Takes back what ran last, agreeing to whatever waits, and gives the status in which that ends.
fn undo(shop: &Shop) -> Value {
    shop.desk.belay(["rollback", "@last", "--reason", "it is over", "--no-input"]);
    shop.resume();
    shop.desk.status("@last")
}

fn pods_on(shop: &Shop, node: &str) -> Vec<String> {
    let pods = shop.cluster.objects("pods", "shop");
    let here = pods.iter().filter(|pod| pod["spec"]["nodeName"] == node);
    here.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_node_drain_of_the_document_empties_the_node() {
    let Some(text) = manifest("node-drain") else { return };
    let shop = Shop::new("production");
    let (code, status) = play(&shop, &text, &json!({ "alertname": "NodeMemoryPressure", "node": "node-1" }));
    assert_eq!((code, &status["status"]), (Some(0), &json!("completed")), "{status:#}");
    assert!(shop.is_cordoned("node-1"));
    let left = pods_on(&shop, "node-1");
    assert!(left.iter().all(|pod| pod.starts_with("agent")) && left.len() == 1, "daemon sets stay: {left:?}");
    let status = undo(&shop);
    assert!(!shop.is_cordoned("node-1"), "{status:#}");
}

#[test]
fn the_pod_restart_of_the_document_raises_the_limit_and_checks_who_replaced_the_pod() {
    let Some(text) = manifest("pod-restart") else { return };
    let shop = Shop::new("staging");
    let address = serve(&shop, Router::new().route("/health", get(async || "well")));
    shop.cluster.serve_app("shop", "checkout", 8080, address);
    let limits = |memory: &str| json!({ "limits": { "memory": memory }, "requests": { "memory": memory } });
    shop.cluster
        .change("deployments", "shop", "checkout", |object| {
            object["spec"]["template"]["spec"]["containers"][0]["resources"] = limits("512Mi");
        })
        .unwrap();
    let pods = shop.cluster.objects("pods", "shop");
    let pod = pods.iter().find(|pod| pod["metadata"]["labels"]["app"] == "checkout").unwrap();
    let container = pod["spec"]["containers"][0]["name"].clone();
    let labels = json!({
        "alertname": "PodOOMKilled", "pod": pod["metadata"]["name"], "namespace": "shop",
        "deployment": "checkout", "container": container,
    });
    let (code, status) = play(&shop, &text, &labels);
    assert_eq!((code, &status["status"]), (Some(0), &json!("completed")), "{status:#}");
    let after = shop.cluster.object("deployments", "shop", "checkout").unwrap();
    let resources = &after["spec"]["template"]["spec"]["containers"][0]["resources"];
    assert_eq!(resources["limits"]["memory"], "768Mi", "{resources}");
}
