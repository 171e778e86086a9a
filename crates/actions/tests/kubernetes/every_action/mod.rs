//! What holds for every action on clusters, tried on every one of them: one scenario each, on one common stage.

mod faults;
mod rights;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use belay_actions::action::Surroundings;
use belay_runbook::act::Ending;
use belay_runbook::action::{ActionCatalog as _, Effect};
use belay_testkit::cluster::{ClusterOptions, Executed};
use serde_json::{Value, json};

use crate::stage::{Stage, act};

/// What belongs to a cluster by its name, whatever it is called.
const FAMILIES: [&str; 7] =
    ["config.", "forensics.", "kubernetes.", "monitoring.", "network.", "security.", "service."];

/// One act that succeeds on the common stage.
#[derive(Clone)]
pub struct Scenario {
    pub action: &'static str,
    pub parameters: Value,
    /// Acts that come first, two hours earlier.
    before: Vec<(&'static str, Value)>,
}

/// Every action with parameters that fit the common stage.
pub fn scenarios() -> Vec<Scenario> {
    let checkout = || json!({ "deployment": "checkout" });
    let block = || json!({ "ip": "192.0.2.7", "duration": 3600 });
    let rotated = || vec![("security.rotate_credentials", json!({ "service": "checkout" }))];
    let plain = [
        ("config.update", json!({ "service": "checkout", "config": { "breaker": { "enabled": true } } })),
        (
            "forensics.snapshot",
            json!({ "resources": [{ "type": "pod", "name": "web" }, { "type": "volume", "name": "carts" }] }),
        ),
        ("kubernetes.cordon_node", json!({ "nodeName": "node-1" })),
        ("kubernetes.deployment_history", checkout()),
        ("kubernetes.drain_node", json!({ "nodeName": "node-2", "ignoreDaemonsets": true })),
        ("kubernetes.exec", json!({ "podName": "web", "argv": ["redis-cli", "ping"] })),
        ("kubernetes.get_deployment", checkout()),
        ("kubernetes.get_events", json!({ "kind": "Pod", "name": "web" })),
        ("kubernetes.get_logs", json!({ "podName": "web" })),
        ("kubernetes.get_node", json!({ "nodeName": "node-1" })),
        ("kubernetes.get_pod", json!({ "podName": "web" })),
        ("kubernetes.list_pods", json!({ "labelSelector": "app=checkout" })),
        (
            "kubernetes.patch_deployment",
            json!({ "deployment": "checkout", "patch": { "spec": { "template": { "spec": { "priorityClassName": "high" } } } } }),
        ),
        ("kubernetes.restart_deployment", checkout()),
        ("kubernetes.restart_pod", json!({ "podName": "web", "force": true })),
        ("kubernetes.rollback_deployment", checkout()),
        ("kubernetes.rollout_status", checkout()),
        ("kubernetes.scale_deployment", json!({ "deployment": "checkout", "replicas": 6 })),
        ("kubernetes.uncordon_node", json!({ "nodeName": "node-3" })),
        ("kubernetes.update_configmap", json!({ "name": "checkout", "data": { "new": "x", "app.yaml": null } })),
        ("monitoring.enable_detailed", json!({ "service": "checkout", "duration": 600 })),
        ("network.block_ip", block()),
        ("network.isolate_pod", json!({ "podName": "web" })),
        ("security.rotate_credentials", json!({ "service": "checkout" })),
        ("service.restart", json!({ "service": "checkout" })),
    ];
    let mut all: Vec<Scenario> =
        plain.map(|(action, parameters)| Scenario { action, parameters, before: Vec::new() }).into();
    let after = |action, parameters, before| Scenario { action, parameters, before };
    all.push(after("kubernetes.expire_changes", json!({}), vec![("network.block_ip", block())]));
    all.push(after("network.unblock_ip", json!({ "ip": "192.0.2.7" }), vec![("network.block_ip", block())]));
    all.push(after("security.revoke_credentials", json!({ "service": "checkout" }), rotated()));
    all
}

impl Scenario {
    /// The common stage, with what comes first done.
    pub async fn stage(&self) -> Stage {
        let mut stage = common().await;
        let earlier = stage.surroundings.now - jiff::SignedDuration::from_hours(2);
        let earlier = Surroundings { now: earlier, ..stage.surroundings.clone() };
        for (action, parameters) in &self.before {
            let act = act(action, parameters.clone());
            let prepared = stage.action(action).prepare(&act, &earlier).await.unwrap();
            let outcome = stage.action(action).run(&act, &prepared, &earlier).await;
            assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
        }
        stage.surroundings.timeout = Some(Duration::from_secs(30));
        stage.cluster.forget_calls();
        stage
    }

    pub fn effect(&self, stage: &Stage) -> Effect {
        stage.registry.spec(self.action).unwrap().effect
    }
}

/// A service with everything that an action can be about.
async fn common() -> Stage {
    let mut stage = Stage::with(ClusterOptions::new().volume_snapshots()).await;
    let cluster = &stage.cluster;
    let object = |kind: &str, name: &str, data: Value| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" }, "data": data });
    cluster.create(object("ConfigMap", "checkout", json!({ "app.yaml": "logging:\n  level: info\n" }))).unwrap();
    cluster.create(object("Secret", "checkout-token", json!({ "token": "b2xkLXRva2VuLWluLWZvcmNl" }))).unwrap();
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "carts", "namespace": "shop" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    cluster.create(claim).unwrap();
    cluster.add_pod("shop", "web", "node-1");
    cluster.log("shop", "web", "app", &["a line"]);
    cluster.on_exec(|_| Executed::said("PONG\n"));
    // A second revision, to return from.
    let second =
        |object: &mut Value| object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("checkout:2");
    cluster.change("deployments", "shop", "checkout", second).unwrap();
    cluster.change("nodes", "", "node-3", |node| node["spec"]["unschedulable"] = json!(true)).unwrap();
    stage.describe_service(
        "checkout",
        json!({
            "configMap": "checkout", "configKey": "app.yaml",
            "monitoring": { "detailed": { "settings": { "logging": { "level": "debug" } } } },
            "credentials": { "token": { "secret": "checkout-token", "key": "token", "workloads": ["deployment/checkout"] } },
        }),
    );
    settled(&stage).await;
    stage
}

/// Waits until every pod of `checkout` is of its newest template and ready.
async fn settled(stage: &Stage) {
    for _ in 0..2000 {
        let deployment = stage.object("deployments", "checkout");
        let status = &deployment["status"];
        let wanted = &deployment["spec"]["replicas"];
        if status["updatedReplicas"] == *wanted
            && status["availableReplicas"] == *wanted
            && status["replicas"] == *wanted
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{:#}", stage.object("deployments", "checkout"));
}

/// What an undo has to bring back: everything that an action can change, without what the server adds.
pub fn snapshot(stage: &Stage) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (plural, namespace, fields) in [
        ("deployments", "shop", &["spec"][..]),
        ("configmaps", "shop", &["data"]),
        ("secrets", "shop", &["data"]),
        ("networkpolicies", "shop", &["spec"]),
        ("nodes", "", &["spec"]),
    ] {
        for object in stage.cluster.objects(plural, namespace) {
            let mut kept: serde_json::Map<String, Value> =
                fields.iter().map(|field| ((*field).to_owned(), object[field].clone())).collect();
            for field in ["labels", "annotations"] {
                let mut members = object["metadata"][field].clone();
                if let Some(members) = members.as_object_mut() {
                    members.retain(|name, _| name != "deployment.kubernetes.io/revision");
                }
                let none = members.as_object().is_none_or(serde_json::Map::is_empty);
                kept.insert(field.to_owned(), if none { Value::Null } else { members });
            }
            // When a node got a taint, and that pods were replaced when credentials came back, is no state to bring back.
            for taint in
                kept.get_mut("spec").and_then(|spec| spec.get_mut("taints")?.as_array_mut()).into_iter().flatten()
            {
                taint.as_object_mut().unwrap().remove("timeAdded");
            }
            if let Some(template) = kept.get_mut("spec").and_then(|spec| spec.pointer_mut("/template/metadata")) {
                if let Some(annotations) = template.get_mut("annotations").and_then(Value::as_object_mut) {
                    annotations.retain(|name, _| !name.starts_with("sre.oversight.io/rotation"));
                }
                template
                    .as_object_mut()
                    .unwrap()
                    .retain(|_, member| !member.as_object().is_some_and(serde_json::Map::is_empty));
            }
            all.insert(format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap()), Value::Object(kept));
        }
    }
    for pod in stage.cluster.objects("pods", "shop").iter().filter(|pod| pod["metadata"]["name"] == "web") {
        all.insert("pods/web".to_owned(), pod["metadata"]["labels"].clone());
    }
    all
}

/// What differs from before, in words; nothing where everything is as it was.
pub fn changed(stage: &Stage, before: &BTreeMap<String, Value>) -> String {
    let now = snapshot(stage);
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    names.into_iter().filter(|name| before.get(*name) != now.get(*name)).fold(String::new(), |all, name| {
        all + &format!("{name}\n  was {}\n  is  {}\n", shown(before.get(name)), shown(now.get(name)))
    })
}

#[tokio::test]
async fn every_action_on_a_cluster_has_a_scenario_that_succeeds() {
    let stage = common().await;
    let scenarios = scenarios();
    let missing: Vec<&str> = stage
        .registry
        .names()
        .into_iter()
        .filter(|name| FAMILIES.iter().any(|family| name.starts_with(family)))
        .filter(|name| stage.registry.spec(name).unwrap().available)
        .filter(|name| !scenarios.iter().any(|scenario| scenario.action == *name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new(), "each action is tried");
    for scenario in scenarios {
        let stage = scenario.stage().await;
        let outcome = stage.run(scenario.action, scenario.parameters.clone()).await;
        assert_eq!(outcome.ending, Ending::Succeeded, "{}: {outcome:?}", scenario.action);
    }
}

/// What cannot be taken back is known by name: a step with one of these has to say so (`rollback: { irreversible: … }`).
#[tokio::test]
async fn every_change_has_an_undo_or_is_known_to_have_none() {
    let stage = common().await;
    let mut without = Vec::new();
    for scenario in scenarios() {
        let spec = stage.registry.spec(scenario.action).unwrap();
        let prepared = scenario.stage().await.prepare(scenario.action, scenario.parameters.clone()).await.unwrap();
        assert_eq!(prepared.undo.is_some(), spec.captures_undo, "{}", scenario.action);
        if spec.effect != Effect::Read && !spec.captures_undo {
            without.push(scenario.action);
        }
    }
    without.sort_unstable();
    assert_eq!(
        without,
        [
            "forensics.snapshot",
            "kubernetes.exec",
            "kubernetes.expire_changes",
            "kubernetes.restart_deployment",
            "kubernetes.restart_pod",
            "security.revoke_credentials",
            "service.restart",
        ]
    );
}
