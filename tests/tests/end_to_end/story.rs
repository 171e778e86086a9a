//! The manifests of the source document, as they stand, against a cluster that fits their alert. They are not part of the
//! repository: without them the tests say that they are skipped.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use belay_testkit::cluster::{Cluster, ClusterOptions};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::desk::Desk;

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

/// A desk whose context leads to a cluster.
struct Stage {
    desk: Desk,
    cluster: Cluster,
    runtime: Runtime,
}

impl Stage {
    fn new(environment: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let desk = Desk::new();
        let cluster = runtime.block_on(async {
            ClusterOptions::new().nodes(&["node-1", "node-2", "node-3"]).namespaces(&["shop"]).start().await.unwrap()
        });
        cluster.add_deployment("shop", "checkout", 4);
        cluster.add_daemonset("shop", "agent");
        cluster.write_kubeconfig(&desk.home).unwrap();
        let contexts = format!(
            "current: shop\ncontexts:\n  shop:\n    environment: {environment}\n    kubernetes:\n      \
             kubeconfig: kubeconfig\n      context: shop\n      namespace: shop\n"
        );
        std::fs::write(desk.home.join("contexts.yaml"), contexts).unwrap();
        Self { desk, cluster, runtime }
    }

    /// Starts a manifest for an alert, and agrees to whatever waits, until it ends.
    fn play(&self, manifest: &str, labels: &Value) -> (Option<i32>, Value) {
        let file = self.desk.file("story.yaml", manifest).display().to_string();
        let alert = json!({ "alerts": [{ "status": "firing", "labels": labels, "annotations": {} }] });
        let alert = self.desk.file("alert.json", &alert.to_string()).display().to_string();
        let mut code = self.desk.belay(["run", &file, "--alert", &alert, "--no-input"]).code;
        for _ in 0..10 {
            let status = self.desk.status("@last");
            let waiting = status["waitingOn"].as_array().cloned().unwrap_or_default();
            let Some(approval) = waiting.iter().find(|waiting| waiting["kind"] == "approval") else {
                return (code, status);
            };
            let step = approval["step"].as_str().unwrap().to_owned();
            let steps = status["steps"].as_array().unwrap();
            let asked = steps.iter().find(|one| one["name"] == step.as_str()).unwrap();
            let target = asked["approval"]["target"].as_str().unwrap().to_owned();
            self.desk.belay(["approve", "@last", &step, "--target", &target]).exits(0);
            code = self.desk.belay(["resume", "@last", "--no-input"]).code;
        }
        panic!("it asks for more than ten approvals")
    }

    fn is_cordoned(&self, node: &str) -> bool {
        self.cluster.object("nodes", "", node).unwrap()["spec"]["unschedulable"] == json!(true)
    }

    fn pods_on(&self, node: &str) -> Vec<String> {
        let pods = self.cluster.objects("pods", "shop");
        let here = pods.iter().filter(|pod| pod["spec"]["nodeName"] == node);
        here.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn the_node_drain_of_the_document_empties_the_node() {
    let Some(text) = manifest("node-drain") else { return };
    let stage = Stage::new("production");
    let (code, status) = stage.play(&text, &json!({ "alertname": "NodeMemoryPressure", "node": "node-1" }));
    assert_eq!((code, &status["status"]), (Some(0), &json!("completed")), "{status:#}");
    assert!(stage.is_cordoned("node-1"));
    let left = stage.pods_on("node-1");
    assert!(left.iter().all(|pod| pod.starts_with("agent")) && left.len() == 1, "daemon sets stay: {left:?}");
    stage.desk.belay(["rollback", "@last", "--reason", "the pressure is gone"]);
    stage.desk.belay(["resume", "@last", "--no-input"]);
    let status = stage.desk.status("@last");
    assert!(!stage.is_cordoned("node-1"), "{status:#}");
}

#[test]
fn the_pod_restart_of_the_document_raises_the_limit_and_checks_who_replaced_the_pod() {
    let Some(text) = manifest("pod-restart") else { return };
    let stage = Stage::new("staging");
    let address: SocketAddr = stage.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/health", get(async || "well"));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    });
    stage.cluster.serve_app("shop", "checkout", 8080, address);
    let limits = |memory: &str| json!({ "limits": { "memory": memory }, "requests": { "memory": memory } });
    stage
        .cluster
        .change("deployments", "shop", "checkout", |object| {
            object["spec"]["template"]["spec"]["containers"][0]["resources"] = limits("512Mi");
        })
        .unwrap();
    let pods = stage.cluster.objects("pods", "shop");
    let pod = pods.iter().find(|pod| pod["metadata"]["labels"]["app"] == "checkout").unwrap();
    let container = pod["spec"]["containers"][0]["name"].clone();
    let labels = json!({
        "alertname": "PodOOMKilled", "pod": pod["metadata"]["name"], "namespace": "shop",
        "deployment": "checkout", "container": container,
    });
    let (code, status) = stage.play(&text, &labels);
    assert_eq!((code, &status["status"]), (Some(0), &json!("completed")), "{status:#}");
    let after = stage.cluster.object("deployments", "shop", "checkout").unwrap();
    let resources = &after["spec"]["template"]["spec"]["containers"][0]["resources"];
    assert_eq!(resources["limits"]["memory"], "768Mi", "{resources}");
}
