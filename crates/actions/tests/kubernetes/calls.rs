//! How many requests an act costs: no more than kubectl needs for the same, and no more than four before it.
//!
//! What kubectl asks was read off kubectl 1.32 with `-v=6` against the cluster of the testkit; discovery and schemas, which it
//! asks for now and then, are left out. Where it needs several commands for the same, they are added up.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_actions::action::{SecretError, SecretSource};
use belay_runbook::act::Ending;
use belay_runbook::action::{ActionCatalog as _, Effect};
use belay_testkit::cluster::{ClusterOptions, Executed};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::stage::Stage;

/// The most requests before an act: what is read of it, and what it captures for its undo.
const BEFORE: usize = 4;

/// `kubectl rollout status`: get, list, watch.
const ROLLOUT_STATUS: usize = 3;
/// `kubectl rollout restart`: get, patch.
const ROLLOUT_RESTART: usize = 2;
/// `kubectl patch`, `kubectl label`, `kubectl cordon`: get, patch.
const PATCH: usize = 2;
/// `kubectl delete`: delete, get until it is gone.
const DELETE: usize = 2;
/// `kubectl get`: get, or list.
const GET: usize = 1;
/// `kubectl create`: create.
const CREATE: usize = 1;

struct OneSecret;

#[async_trait]
impl SecretSource for OneSecret {
    async fn secret(&self, _name: &str) -> Result<SecretString, SecretError> {
        Ok(SecretString::from("issued-elsewhere-1"))
    }

    async fn missing(&self, _name: &str) -> Option<SecretError> {
        None
    }
}

/// A stage with something of everything, whose cluster has been reached already.
async fn stage() -> Stage {
    let mut stage = Stage::with(ClusterOptions::new().volume_snapshots()).await;
    stage.cluster.add_pod("shop", "web", "node-1");
    stage.cluster.on_exec(|_| Executed::said("pong\n"));
    for (name, data) in [("settings", json!({ "level": "info" })), ("checkout", json!({ "level": "info" }))] {
        let metadata = json!({ "name": name, "namespace": "shop" });
        create(&stage, json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data }));
    }
    let metadata = json!({ "name": "checkout-db", "namespace": "shop" });
    let data = json!({ "password": "b2xk" });
    create(&stage, json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data }));
    stage.describe_service(
        "checkout",
        json!({
            "workload": "deployment/checkout",
            "credentials": { "database": { "secret": "checkout-db", "key": "password", "from": "NEW_DB" } },
            "monitoring": { "detailed": { "settings": { "level": "debug" } } },
        }),
    );
    stage.surroundings.secrets = Arc::new(OneSecret);
    let image = |checkout: &mut Value| checkout["spec"]["template"]["spec"]["containers"][0]["image"] = json!("x:v2");
    stage.cluster.change("deployments", "shop", "checkout", image).unwrap();
    stage.prepare("kubernetes.get_node", json!({ "nodeName": "node-1" })).await.unwrap();
    stage.cluster.forget_calls();
    stage
}

fn create(stage: &Stage, object: Value) {
    stage.cluster.create(object).unwrap();
}

/// The requests of an act's preparation and of the act.
async fn requests(stage: &Stage, action: &str, parameters: &Value) -> (Vec<String>, Vec<String>) {
    let prepared = stage.prepare(action, parameters.clone()).await.unwrap();
    let before = stage.asked();
    let outcome = stage.run_prepared(action, parameters.clone(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{action}: {outcome:?}");
    (before, stage.asked())
}

fn within(action: &str, (before, during): &(Vec<String>, Vec<String>), kubectl: usize) {
    assert!(before.len() <= BEFORE, "{action} asks more than {BEFORE} times before it acts: {before:?}");
    assert!(during.len() <= kubectl, "{action} asks more than the {kubectl} times of kubectl: {during:?}");
}

#[rstest]
#[case::cordon("kubernetes.cordon_node", json!({ "nodeName": "node-1" }), PATCH)]
#[case::uncordon("kubernetes.uncordon_node", json!({ "nodeName": "node-1" }), PATCH)]
// `kubectl scale`: get, patch; with `--current-replicas`, which compares as we do, one more.
#[case::scale("kubernetes.scale_deployment", json!({ "deployment": "checkout", "replicas": 6 }), 2)]
#[case::restart("kubernetes.restart_deployment", json!({ "deployment": "checkout" }), ROLLOUT_RESTART + ROLLOUT_STATUS)]
#[case::patch(
    "kubernetes.patch_deployment",
    json!({ "deployment": "checkout", "patch": { "metadata": { "labels": { "a": "b" } } } }),
    PATCH
)]
// `kubectl rollout undo`: get, get, list of the replica sets, patch.
#[case::roll_back("kubernetes.rollback_deployment", json!({ "deployment": "checkout" }), 4)]
#[case::config_map("kubernetes.update_configmap", json!({ "name": "settings", "data": { "level": "debug" } }), PATCH)]
// `kubectl exec`: get, and the connection.
#[case::exec("kubernetes.exec", json!({ "podName": "web", "argv": ["redis-cli", "ping"] }), 2)]
// `kubectl get networkpolicy` to see what is there, and what is asked of whether it exists.
#[case::block("network.block_ip", json!({ "ip": "192.0.2.7" }), GET + GET + CREATE)]
#[case::unblock("network.unblock_ip", json!({ "ip": "192.0.2.7" }), PATCH)]
// `kubectl get networkpolicy,configmap` to see what there is.
#[case::nothing_expires("kubernetes.expire_changes", json!({}), GET + GET)]
#[case::settings("config.update", json!({ "service": "checkout", "config": { "level": "debug" } }), PATCH)]
#[case::settings_and_restart(
    "config.update",
    json!({ "service": "checkout", "config": { "level": "debug" }, "restart": true }),
    PATCH + ROLLOUT_RESTART + ROLLOUT_STATUS
)]
#[case::service("service.restart", json!({ "service": "checkout" }), ROLLOUT_RESTART + ROLLOUT_STATUS)]
#[case::monitoring("monitoring.enable_detailed", json!({ "service": "checkout", "duration": 600 }), PATCH)]
#[case::rotate(
    "security.rotate_credentials",
    json!({ "service": "checkout", "scope": "all" }),
    PATCH + ROLLOUT_RESTART + ROLLOUT_STATUS
)]
#[tokio::test]
async fn an_act_asks_no_more_than_kubectl(#[case] action: &str, #[case] parameters: Value, #[case] kubectl: usize) {
    let stage = stage().await;
    let requests = requests(&stage, action, &parameters).await;
    within(action, &requests, kubectl);
}

#[tokio::test]
async fn scaling_from_nothing_asks_no_more_than_kubectl() {
    let stage = stage().await;
    stage.cluster.change("deployments", "shop", "checkout", |one| one["spec"]["replicas"] = json!(0)).unwrap();
    let action = "kubernetes.scale_deployment";
    within(action, &requests(&stage, action, &json!({ "deployment": "checkout", "replicas": 2 })).await, 2);
}

#[tokio::test]
async fn a_pod_is_deleted_and_its_deployment_waited_for_with_no_more_than_kubectl() {
    let stage = stage().await;
    let pod = stage.pods_of("checkout").remove(0);
    let action = "kubernetes.restart_pod";
    within(action, &requests(&stage, action, &json!({ "podName": pod })).await, DELETE + ROLLOUT_STATUS);
}

#[tokio::test]
async fn a_pod_is_isolated_with_no_more_than_kubectl() {
    let stage = stage().await;
    let pod = stage.pods_of("checkout").remove(0);
    // The pod, services, its replica set and policies are looked at, a policy is made, the pod is labelled.
    let action = "network.isolate_pod";
    within(action, &requests(&stage, action, &json!({ "podName": pod })).await, 4 * GET + CREATE + PATCH);
}

#[tokio::test]
async fn a_block_is_lifted_with_no_more_than_kubectl() {
    let stage = stage().await;
    let parameters = json!({ "ip": "192.0.2.7" });
    assert_eq!(stage.run("network.block_ip", parameters.clone()).await.ending, Ending::Succeeded);
    stage.asked();
    let action = "network.unblock_ip";
    within(action, &requests(&stage, action, &parameters).await, DELETE);
}

#[tokio::test]
async fn what_is_over_is_put_back_with_no_more_than_kubectl() {
    let mut stage = stage().await;
    stage.run("network.block_ip", json!({ "ip": "192.0.2.7", "duration": 60 })).await;
    stage.surroundings.now += Duration::from_secs(61);
    stage.asked();
    let action = "kubernetes.expire_changes";
    within(action, &requests(&stage, action, &json!({})).await, GET + GET + DELETE);
    assert!(stage.cluster.objects("networkpolicies", "shop").is_empty());
}

#[tokio::test]
async fn old_credentials_go_with_no_more_than_kubectl() {
    let stage = stage().await;
    let before = json!("b2xkZXI=");
    stage.cluster.change("secrets", "shop", "checkout-db", |one| one["data"]["password.previous"] = before).unwrap();
    let parameters = json!({ "service": "checkout", "scope": "all" });
    // `kubectl rollout status` to see that nothing uses the old ones any more, `kubectl patch`.
    let action = "security.revoke_credentials";
    within(action, &requests(&stage, action, &parameters).await, ROLLOUT_STATUS + PATCH);
}

#[rstest]
#[case::few(4)]
#[case::many(30)]
#[tokio::test]
async fn a_node_is_drained_with_no_more_than_kubectl(#[case] replicas: u32) {
    let stage = Stage::new().await;
    stage.cluster.add_daemonset("shop", "agent");
    stage.cluster.add_deployment("shop", "payments", replicas);
    let parameters = json!({ "nodeName": "node-1", "ignoreDaemonsets": true });
    stage.prepare("kubernetes.get_node", json!({ "nodeName": "node-1" })).await.unwrap();
    stage.asked();
    let pods = stage.cluster.objects("pods", "shop");
    let here = pods.iter().filter(|pod| pod["spec"]["nodeName"] == "node-1").count() - 1;
    assert!(here > 1, "there is something to evict");
    // `kubectl drain`: get and patch of the node, list of its pods, get of the daemon set; for each pod the eviction and a
    // get until it is gone.
    let requests = requests(&stage, "kubernetes.drain_node", &parameters).await;
    within("kubernetes.drain_node", &requests, 4 + 2 * here);
}

/// What is counted here.
const COUNTED: [&str; 19] = [
    "config.update",
    "kubernetes.cordon_node",
    "kubernetes.drain_node",
    "kubernetes.exec",
    "kubernetes.expire_changes",
    "kubernetes.patch_deployment",
    "kubernetes.restart_deployment",
    "kubernetes.restart_pod",
    "kubernetes.rollback_deployment",
    "kubernetes.scale_deployment",
    "kubernetes.uncordon_node",
    "kubernetes.update_configmap",
    "monitoring.enable_detailed",
    "network.block_ip",
    "network.isolate_pod",
    "network.unblock_ip",
    "security.revoke_credentials",
    "security.rotate_credentials",
    "service.restart",
];

/// What is not: it has no fixed number, as it asks for whatever evidence there is.
const UNCOUNTED: [&str; 1] = ["forensics.snapshot"];

#[tokio::test]
async fn every_act_that_changes_a_cluster_is_counted() {
    let stage = Stage::new().await;
    let on_cluster = |right: &String| {
        let verbs = ["create ", "update ", "patch ", "delete "];
        verbs.iter().any(|verb| right.starts_with(verb))
    };
    let missing: Vec<&str> = stage
        .registry
        .names()
        .into_iter()
        .filter(|name| !COUNTED.contains(name) && !UNCOUNTED.contains(name))
        .filter(|name| {
            let spec = stage.registry.spec(name).unwrap();
            spec.available && spec.effect != Effect::Read && spec.access.iter().any(on_cluster)
        })
        .collect();
    assert!(missing.is_empty(), "nobody counts {missing:?}");
}

#[tokio::test]
async fn acts_of_one_execution_share_their_connections() {
    let stage = stage().await;
    let before = stage.cluster.connections();
    for replicas in 1..=10 {
        let parameters = json!({ "deployment": "checkout", "replicas": replicas });
        assert_eq!(stage.run("kubernetes.scale_deployment", parameters).await.ending, Ending::Succeeded);
    }
    assert_eq!(stage.cluster.connections(), before, "ten acts open no connection of their own");
}
