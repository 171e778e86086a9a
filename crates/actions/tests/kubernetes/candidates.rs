//! Candidates for the parameters of actions: what a cluster lists, best first, without changing anything.

use belay_actions::candidate::Candidate;
use belay_testkit::cluster::Matching;
use serde_json::{Value, json};

use crate::stage::{Stage, act};

impl Stage {
    async fn candidates(&self, action: &str, parameter: &str, known: Value) -> Result<Vec<Candidate>, String> {
        let found = self.action(action).candidates(parameter, &act(action, known), &self.surroundings).await;
        assert_eq!(self.cluster.changes(), [], "candidates are only read");
        found.map_err(|error| error.to_string())
    }

    /// The candidates as `VALUE: NOTE`.
    async fn listed(&self, action: &str, parameter: &str, known: Value) -> Vec<String> {
        let found = self.candidates(action, parameter, known).await.unwrap();
        found.iter().map(|candidate| format!("{}: {}", candidate.value, candidate.note)).collect()
    }
}

/// Lets a container of a pod wait for a reason, having restarted so often.
fn wait_for(stage: &Stage, pod: &str, reason: &str, restarts: u32) {
    let change = |object: &mut Value| {
        let status = &mut object["status"]["containerStatuses"][0];
        status["ready"] = json!(false);
        status["restartCount"] = json!(restarts);
        status["state"] = json!({ "waiting": { "reason": reason } });
    };
    stage.cluster.change("pods", "shop", pod, change).unwrap();
}

#[tokio::test]
async fn the_owner_of_the_known_pod_comes_before_the_other_deployments() {
    let stage = Stage::new().await;
    stage.cluster.add_deployment("shop", "cart", 2);
    stage.cluster.add_deployment("shop", "basket", 0);
    let pod = stage.pods_of("checkout").remove(0);
    let found = stage.listed("kubernetes.patch_deployment", "deployment", json!({ "podName": pod })).await;
    assert_eq!(
        found,
        [format!("checkout: owner of pod {pod}"), "basket: scaled to 0".into(), "cart: 2 of 2 ready".into()]
    );
    let other = json!({ "podName": pod, "namespace": "default" });
    assert_eq!(stage.listed("kubernetes.patch_deployment", "deployment", other).await, [""; 0]);
}

#[tokio::test]
async fn the_owner_of_a_pod_that_is_gone_is_known_by_its_name() {
    let stage = Stage::new().await;
    let pod = stage.pods_of("checkout").remove(0);
    stage.cluster.remove("pods", "shop", &pod).unwrap();
    let known = json!({ "podName": pod });
    let found = stage.listed("kubernetes.restart_deployment", "deployment", known.clone()).await;
    assert_eq!(found[0], format!("checkout: owner of pod {pod}, which is gone"));
    assert_eq!(stage.listed("kubernetes.get_logs", "container", known).await, ["app: of deployment checkout"]);
}

#[tokio::test]
async fn pods_that_fare_badly_come_first() {
    let stage = Stage::new().await;
    stage.cluster.add_statefulset("shop", "ledger", 1);
    let pods = stage.pods_of("checkout");
    wait_for(&stage, &pods[3], "CrashLoopBackOff", 12);
    stage.cluster.crash("shop", &pods[2], "app", 137).unwrap();
    let found = stage.listed("kubernetes.restart_pod", "podName", json!({})).await;
    assert_eq!(found[0], format!("{}: CrashLoopBackOff, 12 restarts", pods[3]));
    assert!(found[1].starts_with(&format!("{}: last ended with", pods[2])), "{found:?}");
    assert_eq!(found.len(), 5);
    assert!(found.contains(&"ledger-0: ready".to_owned()), "{found:?}");
    let of_ledger = stage.listed("kubernetes.get_pod", "podName", json!({ "deployment": "checkout" })).await;
    assert_eq!(of_ledger.last().unwrap(), "ledger-0: ready", "pods of the known deployment come first");
}

#[tokio::test]
async fn containers_are_those_of_the_known_pod_or_deployment() {
    let stage = Stage::new().await;
    let sidecar = |object: &mut Value| {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
        let mut proxy = containers[0].clone();
        proxy["name"] = json!("proxy");
        containers.push(proxy);
    };
    stage.cluster.change("deployments", "shop", "checkout", sidecar).unwrap();
    let pod = stage.pods_of("checkout").remove(0);
    stage.cluster.crash("shop", &pod, "proxy", 137).unwrap();
    let of_pod = stage.listed("kubernetes.get_logs", "container", json!({ "podName": pod })).await;
    assert!(of_pod[0].starts_with("proxy: last ended with") && of_pod[0].ends_with("1 restart"), "{of_pod:?}");
    assert_eq!(of_pod[1], "app: ready");
    let of_deployment = stage.listed("kubernetes.get_logs", "container", json!({ "deployment": "checkout" })).await;
    assert_eq!(of_deployment, ["app: of deployment checkout", "proxy: of deployment checkout"]);
    assert_eq!(stage.listed("kubernetes.get_logs", "container", json!({})).await, [""; 0], "of nothing, nothing");
}

#[tokio::test]
async fn the_node_of_the_pod_and_nodes_in_trouble_come_first() {
    let stage = Stage::new().await;
    let press = |object: &mut Value| {
        let conditions = object["status"]["conditions"].as_array_mut().unwrap();
        conditions.retain(|condition| condition["type"] != "MemoryPressure");
        conditions.push(json!({ "type": "MemoryPressure", "status": "True" }));
    };
    stage.cluster.change("nodes", "", "node-2", press).unwrap();
    stage.cluster.lose_node("node-3").unwrap();
    let found = stage.listed("kubernetes.drain_node", "nodeName", json!({})).await;
    assert_eq!(found, ["node-3: not ready", "node-2: ready, memory pressure", "node-1: ready"]);
    stage.cluster.add_pod("shop", "alone", "node-1");
    let found = stage.listed("kubernetes.cordon_node", "nodeName", json!({ "podName": "alone" })).await;
    assert_eq!(found[0], "node-1: runs pod alone, ready");
}

#[tokio::test]
async fn namespaces_begin_with_the_one_that_has_the_pod_and_with_the_contexts_own() {
    let stage = Stage::new().await;
    stage.cluster.add_namespace("billing");
    stage.cluster.add_pod("billing", "invoice-0", "node-1");
    let found = stage.listed("kubernetes.get_pod", "namespace", json!({ "podName": "invoice-0" })).await;
    assert_eq!(found[..2], ["billing: has pod invoice-0", "shop: the context's own"]);
    assert!(found.contains(&"default: ".to_owned()), "{found:?}");
    stage.cluster.forbid("list", "*");
    let found = stage.listed("kubernetes.get_pod", "namespace", json!({ "podName": "invoice-0" })).await;
    assert_eq!(found, ["shop: the context's own"], "it is known without a list");
}

#[tokio::test]
async fn services_and_their_parts_are_those_of_the_contexts_file() {
    let mut stage = Stage::new().await;
    stage.describe_service(
        "checkout",
        json!({ "workload": "deployment/checkout", "credentials": { "db": {} }, "monitoring": { "trace": {} } }),
    );
    stage.describe_service("a b", json!({}));
    let found = stage.listed("service.restart", "service", json!({})).await;
    assert_eq!(found, ["checkout: deployment/checkout"], "what is no name is no candidate");
    let known = json!({ "service": "checkout" });
    let scopes = stage.listed("security.rotate_credentials", "scope", known.clone()).await;
    assert_eq!(scopes, ["db: of service checkout"]);
    let levels = stage.listed("monitoring.enable_detailed", "level", known).await;
    assert_eq!(levels, ["trace: of service checkout"]);
    assert_eq!(stage.asked(), [""; 0], "no cluster is asked");
}

#[tokio::test]
async fn settings_are_offered_by_the_config_maps_of_the_namespace() {
    let stage = Stage::new().await;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "flags", "namespace": "shop" },
        "data": { "slow": "true" } });
    stage.cluster.create(map).unwrap();
    assert_eq!(stage.listed("kubernetes.update_configmap", "name", json!({})).await[0], "flags: slow");
}

#[tokio::test]
async fn what_may_not_be_listed_is_an_error_that_says_so_unless_something_else_is_known() {
    let stage = Stage::new().await;
    let pod = stage.pods_of("checkout").remove(0);
    stage.cluster.forbid("list", "deployments.apps");
    let found = stage.listed("kubernetes.patch_deployment", "deployment", json!({ "podName": pod })).await;
    assert_eq!(found, [format!("checkout: owner of pod {pod}")]);
    let error = stage.candidates("kubernetes.patch_deployment", "deployment", json!({})).await.unwrap_err();
    assert!(error.contains("deployments.apps") && error.contains("forbidden"), "{error}");
    stage.cluster.permit_all();
    stage.cluster.forbid_matching(Matching::verb("get"));
    let found = stage.listed("kubernetes.patch_deployment", "deployment", json!({ "podName": pod })).await;
    assert_eq!(found, ["checkout: 4 of 4 ready"], "an owner that may not be read is left out");
}

#[tokio::test]
async fn a_crowd_is_bounded_and_nothing_of_it_is_trusted() {
    let stage = Stage::new().await;
    for n in 0..60 {
        stage.cluster.add_pod("shop", &format!("crowd-{n:02}"), "node-1");
    }
    stage.cluster.add_pod("shop", "--all;rm", "node-1");
    let reason = |object: &mut Value| object["status"]["reason"] = json!(format!("\u{1b}[2J{}", "x".repeat(500)));
    let failed = |object: &mut Value| object["status"]["phase"] = json!("Failed");
    stage.cluster.change("pods", "shop", "crowd-59", reason).unwrap();
    stage.cluster.change("pods", "shop", "crowd-59", failed).unwrap();
    let found = stage.candidates("kubernetes.restart_pod", "podName", json!({})).await.unwrap();
    assert_eq!(found.len(), 50);
    assert_eq!(found[0].value, "crowd-59");
    assert!(found[0].note.starts_with("[2Jxxx") && found[0].note.len() <= 120, "{:?}", found[0].note);
    assert!(found.iter().all(|candidate| !candidate.value.starts_with('-')), "an option is no name");
    let hostile = json!({ "podName": "x,metadata.namespace!=y", "namespace": "../../nodes" });
    assert!(stage.candidates("kubernetes.scale_deployment", "deployment", hostile).await.is_ok());
}

#[tokio::test]
async fn an_action_that_cannot_say_offers_nothing() {
    let stage = Stage::new().await;
    assert_eq!(stage.listed("kubernetes.scale_deployment", "replicas", json!({})).await, [""; 0]);
    assert_eq!(stage.listed("kubernetes.drain_node", "podName", json!({})).await, [""; 0], "it has no such parameter");
    assert_eq!(stage.listed("command.run", "argv", json!({})).await, [""; 0]);
    assert_eq!(stage.asked(), [""; 0]);
}
