//! Reading, listing and restarting pods; logs and events.

use std::time::Duration;

use belay_runbook::act::{Ending, ProbeAnswer};
use belay_runbook::action::{Effect, Impact};
use serde_json::{Value, json};

use crate::stage::{Stage, error};

const RESTART: &str = "kubernetes.restart_pod";

fn pod(name: &str) -> Value {
    json!({ "podName": name })
}

#[tokio::test]
async fn a_pod_is_read_with_its_owner_and_its_memory() {
    let stage = Stage::new().await;
    let limit = |object: &mut Value| {
        object["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({ "limits": { "memory": "512Mi" } });
    };
    stage.cluster.change("deployments", "shop", "checkout", limit).unwrap();
    let name = stage.pods_of("checkout").pop().unwrap();
    let prepared = stage.prepare("kubernetes.get_pod", pod(&name)).await.unwrap();
    assert_eq!(prepared.facts["podExists"], true);
    assert_eq!(prepared.facts["podReady"], true);
    let outcome = stage.run_prepared("kubernetes.get_pod", pod(&name), &prepared).await;
    assert_eq!(outcome.published["deployment"], "checkout");
    assert_eq!(outcome.published["CurrentMemory"], "512Mi");
    assert_eq!(outcome.published["pod"]["status"]["containerStatuses"][0]["restartCount"], 0);
    assert_eq!(outcome.published["pod"]["metadata"].get("managedFields"), None);
}

#[tokio::test]
async fn a_pod_that_is_not_there_is_a_fact() {
    let stage = Stage::new().await;
    let prepared = stage.prepare("kubernetes.get_pod", pod("gone")).await.unwrap();
    assert_eq!(prepared.facts["podExists"], false);
    assert_eq!(error(&stage.run("kubernetes.get_pod", pod("gone")).await), "there is no pod `gone` in shop");
}

#[tokio::test]
async fn pods_of_a_node_are_listed_in_every_namespace_and_say_whose_they_are() {
    let stage = Stage::new().await;
    stage.cluster.add_namespace("system");
    stage.cluster.add_daemonset("system", "agent");
    let outcome = stage.run("kubernetes.list_pods", json!({ "fieldSelector": "spec.nodeName=node-1" })).await;
    let pods = outcome.published["pods"].as_array().unwrap();
    let of = |daemonset: bool| pods.iter().filter(|pod| pod["spec"]["daemonset"] == daemonset).count();
    assert_eq!(of(true), 1);
    assert!(of(false) >= 1);
    assert_eq!(outcome.output["count"], pods.len());
    let few = stage.run("kubernetes.list_pods", json!({ "labelSelector": "app=checkout", "limit": 3 })).await;
    assert_eq!(few.output["count"], 4);
    assert_eq!(few.output["truncated"], true);
    assert_eq!(few.published["pods"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_restart_waits_until_the_owner_has_as_many_pods_as_before() {
    let stage = Stage::new().await;
    stage.cluster.set_pod_start(Duration::from_millis(400));
    let before = stage.pods_of("checkout");
    let name = &before[0];
    let prepared = stage.prepare(RESTART, pod(name)).await.unwrap();
    assert_eq!(prepared.effect, Effect::Mutate);
    stage.asked();
    let outcome = stage.run_prepared(RESTART, pod(name), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["owner"], "deployment/checkout");
    assert_eq!(stage.asked().iter().filter(|call| *call == "delete pods").count(), 1);
    let after = stage.pods_of("checkout");
    assert!(!after.contains(name));
    let replacement = outcome.output["replacement"].as_str().unwrap();
    assert!(after.iter().any(|pod| pod == replacement) && !before.iter().any(|pod| pod == replacement));
    let ready = &stage.object("pods", replacement)["status"]["conditions"];
    assert!(
        ready.as_array().unwrap().iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    );
    assert!(matches!(stage.probe(RESTART, pod(name), &prepared).await, ProbeAnswer::Done(_)));
}

#[tokio::test]
async fn a_pod_that_was_replaced_already_is_a_success_with_a_note() {
    let stage = Stage::new().await;
    let name = stage.pods_of("checkout").remove(0);
    stage.cluster.remove("pods", "shop", &name).unwrap();
    stage.asked();
    let outcome = stage.run(RESTART, pod(&name)).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["restarted"], false);
    assert_eq!(outcome.output["note"], "the pod was replaced already");
    assert!(!stage.asked().iter().any(|call| call.starts_with("delete")));
}

#[tokio::test]
async fn the_same_restart_twice_ends_one_pod() {
    let stage = Stage::new().await;
    let name = stage.pods_of("checkout").remove(0);
    let prepared = stage.prepare(RESTART, pod(&name)).await.unwrap();
    stage.run_prepared(RESTART, pod(&name), &prepared).await;
    let after = stage.pods_of("checkout");
    let again = stage.run_prepared(RESTART, pod(&name), &prepared).await;
    assert_eq!(again.ending, Ending::Succeeded, "{again:?}");
    assert_eq!(stage.pods_of("checkout"), after);
}

#[tokio::test]
async fn a_pod_that_nothing_replaces_is_deleted_only_by_force() {
    let stage = Stage::new().await;
    stage.cluster.add_pod("shop", "alone", "node-1");
    let error = stage.prepare(RESTART, pod("alone")).await.unwrap_err();
    assert!(error.to_string().contains("`force: true`"), "{error}");
    let forced = json!({ "podName": "alone", "force": true });
    let prepared = stage.prepare(RESTART, forced.clone()).await.unwrap();
    assert_eq!((prepared.effect, prepared.impact), (Effect::Destructive, Impact::High));
    let outcome = stage.run_prepared(RESTART, forced, &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(stage.cluster.object("pods", "shop", "alone"), None);
}

#[tokio::test]
async fn the_only_pod_of_its_owner_weighs_more() {
    let stage = Stage::new().await;
    stage.cluster.add_statefulset("shop", "ledger", 1);
    let prepared = stage.prepare(RESTART, pod("ledger-0")).await.unwrap();
    assert_eq!(prepared.impact, Impact::High);
    assert!(prepared.reasons[0].contains("statefulset/ledger"), "{:?}", prepared.reasons);
    let outcome = stage.run_prepared(RESTART, pod("ledger-0"), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["replacement"], "ledger-0");
}

#[tokio::test]
async fn the_end_of_a_log_is_read() {
    let stage = Stage::new().await;
    let name = stage.pods_of("checkout").remove(0);
    stage.cluster.log("shop", &name, "app", &["one", "two", "three"]);
    let outcome = stage.run("kubernetes.get_logs", json!({ "podName": name, "tailLines": 2 })).await;
    assert_eq!(outcome.published["logs"], json!(["two", "three"]));
    assert_eq!(outcome.output["truncated"], true);
    assert!(stage.said.lock().unwrap().contains("three"));
}

#[tokio::test]
async fn events_come_newest_first_and_by_object() {
    let stage = Stage::new().await;
    for (n, object) in [(1, "a"), (2, "b"), (3, "a")] {
        stage
            .cluster
            .create(json!({
                "apiVersion": "v1", "kind": "Event",
                "metadata": { "name": format!("e{n}"), "namespace": "shop" },
                "involvedObject": { "kind": "Pod", "name": object },
                "type": "Warning", "reason": "BackOff", "message": format!("number {n}"),
                "lastTimestamp": format!("2026-01-01T00:00:0{n}Z"),
            }))
            .unwrap();
    }
    let outcome = stage.run("kubernetes.get_events", json!({ "kind": "Pod", "name": "a" })).await;
    let messages: Vec<&str> =
        outcome.published["events"].as_array().unwrap().iter().filter_map(|event| event["message"].as_str()).collect();
    assert_eq!(messages, ["number 3", "number 1"]);
}

#[tokio::test]
async fn a_restart_that_was_cut_off_is_done_only_once_its_owner_is_well() {
    let stage = Stage::new().await;
    let name = stage.pods_of("checkout").remove(0);
    let prepared = stage.prepare(RESTART, pod(&name)).await.unwrap();
    assert_eq!(stage.probe(RESTART, pod(&name), &prepared).await, ProbeAnswer::NotDone);
    stage.cluster.set_pod_start(Duration::from_mins(10));
    stage.cluster.remove("pods", "shop", &name).unwrap();
    assert_eq!(stage.probe(RESTART, pod(&name), &prepared).await, ProbeAnswer::Unknown);
    stage.cluster.advance(Duration::from_mins(11));
    assert!(matches!(stage.probe(RESTART, pod(&name), &prepared).await, ProbeAnswer::Done(_)));
}

#[tokio::test]
async fn a_credential_in_a_log_is_neither_shown_nor_kept() {
    let stage = Stage::new().await;
    let name = stage.pods_of("checkout").remove(0);
    stage.cluster.log("shop", &name, "app", &["Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789"]);
    let outcome = stage.run("kubernetes.get_logs", pod(&name)).await;
    let said = stage.said.lock().unwrap().clone();
    let kept = format!("{said} {} {:?} {}", outcome.excerpt, outcome.published, outcome.output);
    assert!(kept.contains("Authorization") && !kept.contains("abcdefghijklmnopqrstuvwxyz"), "{kept}");
}
