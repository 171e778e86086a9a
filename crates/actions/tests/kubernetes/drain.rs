//! Draining a node.

use std::time::Duration;

use belay_runbook::act::{Ending, ProbeAnswer, UndoState};
use belay_testkit::cluster::{Fault, Matching};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, error};

const DRAIN: &str = "kubernetes.drain_node";

fn parameters() -> Value {
    json!({ "nodeName": "node-1", "ignoreDaemonsets": true })
}

/// Pods that are on the node, by the names of their applications.
fn on_node(stage: &Stage) -> Vec<String> {
    let pods = stage.cluster.objects("pods", "shop");
    let here = pods.iter().filter(|pod| pod["spec"]["nodeName"] == "node-1");
    here.map(|pod| pod["metadata"]["labels"]["app"].as_str().unwrap_or("?").to_owned()).collect()
}

#[tokio::test]
async fn pods_leave_within_their_budget_and_those_of_daemon_sets_stay() {
    let stage = Stage::new().await;
    stage.cluster.add_daemonset("shop", "agent");
    stage.cluster.add_deployment("shop", "payments", 6);
    stage.cluster.add_budget("shop", "payments", "payments", 5);
    stage.cluster.set_pod_start(Duration::from_millis(200));
    let prepared = stage.prepare(DRAIN, parameters()).await.unwrap();
    assert!(prepared.basis.nodes.contains("node-1"));
    let goes = on_node(&stage).iter().filter(|app| *app != "agent").count();
    assert!(goes >= 3, "there is something to evict");
    stage.asked();

    let outcome = stage.run_prepared(DRAIN, parameters(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output, json!({ "drained": true, "podsEvicted": goes, "remaining": 0 }));
    assert_eq!(on_node(&stage), ["agent"]);
    let said = stage.said.lock().unwrap().clone();
    assert!(said.contains("left"), "{said}");
    let calls = stage.cluster.calls();
    let denied = calls.iter().filter(|call| call.subresource == "eviction" && call.status == 429).count();
    let evicted = calls.iter().filter(|call| call.subresource == "eviction" && call.status == 201).count();
    assert_eq!(evicted, goes);
    assert!(denied > 0, "the budget held some of them for a while");
    assert!(!calls.iter().any(|call| call.verb == "delete"), "nothing goes past a budget");

    assert_eq!(stage.undo_state(DRAIN, parameters(), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(DRAIN, parameters(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(stage.object("nodes", "node-1")["spec"].get("unschedulable"), None);
}

#[rstest]
#[case::daemon_set(json!({ "nodeName": "node-1" }), "ignoreDaemonsets")]
#[case::unowned(parameters(), "`force: true`")]
#[tokio::test]
async fn what_holds_a_drain_is_said_before_it_begins(#[case] parameters: Value, #[case] expected: &str) {
    let stage = Stage::new().await;
    stage.cluster.add_daemonset("shop", "agent");
    stage.cluster.add_pod("shop", "alone", "node-1");
    let error = stage.prepare(DRAIN, parameters).await.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(stage.object("nodes", "node-1")["spec"].get("unschedulable"), None);
}

#[tokio::test]
async fn a_budget_that_never_gives_way_ends_with_the_time_and_says_who_is_left() {
    let mut stage = Stage::new().await;
    stage.cluster.add_budget("shop", "checkout", "checkout", 4);
    stage.surroundings.timeout = Some(Duration::from_secs(2));
    let outcome = stage.run(DRAIN, parameters()).await;
    assert_eq!(outcome.ending, Ending::TimedOut, "what it did is for a probe or a person to say: {outcome:?}");
    assert!(error(&outcome).contains("did not end within 2 s"), "{outcome:?}");
    assert!(error(&outcome).contains("shop/checkout-"), "{outcome:?}");
    assert_eq!(outcome.output["drained"], false);
    let held = on_node(&stage).iter().filter(|app| *app == "checkout").count();
    assert!(held > 0);
    let calls = stage.cluster.calls();
    let asked = calls.iter().filter(|call| call.subresource == "eviction").count();
    assert!(asked <= held + 4, "once each, then one of them every half second at the most: {asked}");
}

#[tokio::test]
async fn a_pod_that_comes_onto_the_node_meanwhile_is_evicted_too() {
    let stage = Stage::new().await;
    stage.cluster.set_pod_stop(Duration::from_millis(300));
    let parameters = json!({ "nodeName": "node-1", "force": true });
    let prepared = stage.prepare(DRAIN, parameters.clone()).await.unwrap();
    let comes = async {
        while !stage.cluster.calls().iter().any(|call| call.subresource == "eviction" && call.status == 201) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Past the scheduler, as what is bound already comes onto a node that is cordoned.
        stage.cluster.add_pod("shop", "late", "node-1");
    };
    let (outcome, ()) = tokio::join!(stage.run_prepared(DRAIN, parameters, &prepared), comes);
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert!(on_node(&stage).is_empty());
    assert_eq!(stage.cluster.object("pods", "shop", "late"), None);
}

#[tokio::test]
async fn an_overloaded_server_is_no_budget_and_is_asked_again() {
    let stage = Stage::new().await;
    stage.cluster.fail_next(Matching::resource("pods/eviction"), Fault::Busy(1));
    stage.cluster.fail_next(Matching::resource("pods/eviction"), Fault::LostAnswer);
    let outcome = stage.run(DRAIN, parameters()).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert!(on_node(&stage).is_empty());
}

#[tokio::test]
async fn a_drain_that_was_cut_off_is_known_by_what_is_left() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(DRAIN, parameters()).await.unwrap();
    assert_eq!(stage.probe(DRAIN, parameters(), &prepared).await, ProbeAnswer::Unknown);
    stage.run_prepared(DRAIN, parameters(), &prepared).await;
    assert!(matches!(stage.probe(DRAIN, parameters(), &prepared).await, ProbeAnswer::Done(_)));
}

#[tokio::test]
async fn who_may_not_evict_is_told_the_rule() {
    let stage = Stage::new().await;
    stage.cluster.forbid("create", "pods/eviction");
    let outcome = stage.run(DRAIN, parameters()).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(
        error(&outcome).contains("{apiGroups: [\"\"], resources: [\"pods/eviction\"], verbs: [\"create\"]}"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn pods_have_the_time_for_ending_that_is_given() {
    let mut stage = Stage::new().await;
    stage.cluster.set_pod_stop(Duration::from_mins(5));
    stage.surroundings.timeout = Some(Duration::from_secs(15));
    let at_once = json!({ "nodeName": "node-1", "ignoreDaemonsets": true, "gracePeriod": 0 });
    let outcome = stage.run(DRAIN, at_once).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
}

#[tokio::test]
async fn a_pod_that_came_back_under_its_name_is_not_evicted() {
    let stage = Stage::new().await;
    stage.cluster.add_statefulset("shop", "ledger", 1);
    let pod = stage.object("pods", "ledger-0");
    let node = pod["spec"]["nodeName"].as_str().unwrap().to_owned();
    let parameters = json!({ "nodeName": node });
    let prepared = stage.prepare(DRAIN, parameters.clone()).await.unwrap();
    stage
        .cluster
        .fail_next(Matching::resource("pods/eviction").named("ledger-0"), Fault::Slow(Duration::from_millis(700)));
    let replaced = async {
        // Its eviction is under way by now.
        while !stage.cluster.calls().iter().any(|call| call.subresource == "eviction" && call.name == "ledger-0") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stage.cluster.remove("pods", "shop", "ledger-0").unwrap();
        stage.object("pods", "ledger-0")["metadata"]["uid"].clone()
    };
    let (outcome, new) = tokio::join!(stage.run_prepared(DRAIN, parameters, &prepared), replaced);
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_ne!(new, pod["metadata"]["uid"]);
    assert_eq!(stage.object("pods", "ledger-0")["metadata"]["uid"], new, "the new one is left alone");
}

#[tokio::test]
async fn a_drain_ends_where_somebody_uncordons_the_node_or_it_is_another_one() {
    for (change, expected) in
        [("uncordon", "somebody has uncordoned `node-1`"), ("replace", "is another node of the same name")]
    {
        let stage = Stage::new().await;
        stage.cluster.add_budget("shop", "checkout", "checkout", 4);
        let parameters = json!({ "nodeName": "node-1", "ignoreDaemonsets": true });
        let prepared = stage.prepare("kubernetes.drain_node", parameters.clone()).await.unwrap();
        let disturb = async {
            while !stage.cluster.calls().iter().any(|call| call.subresource == "eviction") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if change == "uncordon" {
                stage
                    .cluster
                    .change("nodes", "", "node-1", |node| node["spec"]["unschedulable"] = json!(false))
                    .unwrap();
                stage
                    .cluster
                    .change("deployments", "shop", "checkout", |object| object["spec"]["replicas"] = json!(7))
                    .unwrap();
            } else {
                stage.cluster.change("nodes", "", "node-1", |node| node["metadata"]["uid"] = json!("another")).unwrap();
                let pod = json!({
                    "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "newcomer", "namespace": "shop" },
                    "spec": { "nodeName": "node-1", "containers": [{ "name": "app", "image": "x" }] },
                });
                stage.cluster.create(pod).unwrap();
            }
        };
        let (outcome, ()) = tokio::join!(stage.run_prepared("kubernetes.drain_node", parameters, &prepared), disturb);
        assert!(error(&outcome).contains(expected), "{change}: {outcome:?}");
        assert_eq!(outcome.output["drained"], json!(false), "{outcome:?}");
    }
}
