//! Blocked addresses, isolated pods, and changes whose time is over.

use belay_actions::action::Surroundings;
use belay_runbook::act::{Ending, Outcome, ProbeAnswer, UndoState};
use belay_runbook::action::Impact;
use belay_testkit::cluster::{Fault, Matching};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, act, error};

const BLOCK: &str = "network.block_ip";
const UNBLOCK: &str = "network.unblock_ip";
const ISOLATE: &str = "network.isolate_pod";
const EXPIRE: &str = "kubernetes.expire_changes";
const POLICY: &str = "belay-blocked-addresses";

fn block() -> Value {
    json!({ "ip": "192.0.2.7", "duration": 3600 })
}

fn policy(stage: &Stage) -> Option<Value> {
    stage.cluster.object("networkpolicies", "shop", POLICY)
}

/// Every pod that is not isolated.
fn all_but_isolated() -> Value {
    json!({ "matchExpressions": [{ "key": "sre.oversight.io/isolated", "operator": "DoesNotExist" }] })
}

/// The addresses that the one policy leaves out.
fn excepted(stage: &Stage) -> Value {
    let Some(policy) = policy(stage) else { return json!([]) };
    let from = policy["spec"]["ingress"][0]["from"].as_array().unwrap();
    let excepts = from.iter().flat_map(|peer| peer["ipBlock"]["except"].as_array().cloned().unwrap_or_default());
    Value::Array(excepts.collect())
}

fn add_policy(stage: &Stage, name: &str, spec: &Value) {
    stage
        .cluster
        .create(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": { "name": name, "namespace": "shop" }, "spec": spec,
        }))
        .unwrap();
}

/// The same, so many seconds later.
fn later(stage: &Stage, seconds: i64) -> Surroundings {
    let now = stage.surroundings.now + jiff::SignedDuration::from_secs(seconds);
    Surroundings { now, ..stage.surroundings.clone() }
}

async fn run_at(stage: &Stage, name: &str, parameters: Value, surroundings: &Surroundings) -> Outcome {
    let act = act(name, parameters);
    let prepared = stage.action(name).prepare(&act, surroundings).await.unwrap();
    stage.action(name).run(&act, &prepared, surroundings).await
}

#[tokio::test]
async fn an_address_is_blocked_for_a_time_and_the_block_comes_off_again() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(BLOCK, block()).await.unwrap();
    assert_eq!(prepared.target.name, "192.0.2.7/32 in shop");
    assert_eq!(prepared.impact, Impact::High);
    assert_eq!(stage.probe(BLOCK, block(), &prepared).await, ProbeAnswer::NotDone);
    let outcome = stage.run_prepared(BLOCK, block(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["until"], "2026-01-02T04:04:05Z");
    let made = policy(&stage).unwrap();
    assert_eq!(made["spec"]["podSelector"], all_but_isolated());
    assert_eq!(made["spec"]["policyTypes"], json!(["Ingress"]));
    let from = &made["spec"]["ingress"][0]["from"];
    assert_eq!(from[0]["ipBlock"], json!({ "cidr": "0.0.0.0/0", "except": ["192.0.2.7/32"] }));
    assert_eq!(from[1]["ipBlock"], json!({ "cidr": "::/0" }));
    assert!(
        made["metadata"]["annotations"]["sre.oversight.io/blocked-addresses"]
            .as_str()
            .unwrap()
            .contains("2026-01-02T04:04:05Z")
    );
    assert!(matches!(stage.probe(BLOCK, block(), &prepared).await, ProbeAnswer::Done(_)));
    assert_eq!(stage.undo_state(BLOCK, block(), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(BLOCK, block(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(policy(&stage), None, "the policy goes with its last address");
    assert_eq!(stage.undo_state(BLOCK, block(), &prepared, &outcome).await, UndoState::AsBefore);
}

#[tokio::test]
async fn several_blocks_share_one_policy_because_two_would_open_each_other() {
    let stage = Stage::new().await;
    let v6 = json!({ "ip": "2001:db8::/48" });
    let first = stage.prepare(BLOCK, block()).await.unwrap();
    let blocked = stage.run_prepared(BLOCK, block(), &first).await;
    assert_eq!(stage.run(BLOCK, v6.clone()).await.ending, Ending::Succeeded);
    assert_eq!(stage.cluster.objects("networkpolicies", "shop").len(), 1);
    assert_eq!(excepted(&stage), json!(["192.0.2.7/32", "2001:db8::/48"]));
    assert_eq!(stage.undo(BLOCK, block(), &first, &blocked).await.ending, Ending::Succeeded);
    assert_eq!(excepted(&stage), json!(["2001:db8::/48"]), "what was blocked since stays blocked");
    let prepared = stage.prepare(UNBLOCK, v6.clone()).await.unwrap();
    let outcome = stage.run_prepared(UNBLOCK, v6.clone(), &prepared).await;
    assert_eq!(outcome.output, json!({ "unblocked": true }));
    assert_eq!(policy(&stage), None);
    assert_eq!(stage.undo(UNBLOCK, v6, &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(excepted(&stage), json!(["2001:db8::/48"]));
}

#[tokio::test]
async fn blocking_twice_blocks_once_and_never_for_a_shorter_time() {
    let stage = Stage::new().await;
    stage.run(BLOCK, block()).await;
    stage.asked();
    let shorter = stage.run(BLOCK, json!({ "ip": "192.0.2.7", "duration": 60 })).await;
    assert_eq!(shorter.output["until"], "2026-01-02T04:04:05Z");
    assert!(!stage.asked().iter().any(|call| call.starts_with("patch") || call.starts_with("create")));
    let longer = stage.run(BLOCK, json!({ "ip": "192.0.2.7/32" })).await;
    assert_eq!(longer.output["until"], Value::Null, "until somebody unblocks it");
    assert_eq!(excepted(&stage), json!(["192.0.2.7/32"]));
    let nothing = stage.run(UNBLOCK, json!({ "ip": "198.51.100.1" })).await;
    assert_eq!(nothing.output, json!({ "unblocked": true }));
    assert_eq!(excepted(&stage), json!(["192.0.2.7/32"]));
}

#[tokio::test]
async fn beside_a_policy_for_the_same_pods_no_block_is_made() {
    let stage = Stage::new().await;
    let rules = json!([{ "from": [{ "podSelector": {} }] }]);
    let web = json!({ "podSelector": { "matchLabels": { "app": "checkout" } }, "policyTypes": ["Ingress"], "ingress": rules });
    add_policy(&stage, "checkout-only", &web);
    let problem = stage.prepare(BLOCK, block()).await.unwrap_err().to_string();
    assert!(problem.contains("`checkout-only`") && problem.contains("would open those pods"), "{problem}");
    stage.cluster.add_pod("shop", "web", "node-1");
    let narrow = json!({ "ip": "192.0.2.7", "podLabels": { "app": "web" } });
    let prepared = stage.prepare(BLOCK, narrow.clone()).await.unwrap();
    assert!(prepared.notes.iter().any(|note| note.contains("`checkout-only` selects none")), "{:?}", prepared.notes);
    let outcome = stage.run_prepared(BLOCK, narrow, &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    stage.cluster.remove("networkpolicies", "shop", "checkout-only").unwrap();
    let problem = stage.prepare(BLOCK, block()).await.unwrap_err().to_string();
    assert!(problem.contains(POLICY), "two policies of Belay's own for the same pods open each other too: {problem}");
}

#[tokio::test]
async fn a_policy_that_comes_between_reading_and_acting_stops_the_block() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(BLOCK, block()).await.unwrap();
    add_policy(&stage, "deny", &json!({ "podSelector": {}, "policyTypes": ["Ingress"] }));
    let outcome = stage.run_prepared(BLOCK, block(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted, "{outcome:?}");
    assert_eq!(policy(&stage), None);
}

#[tokio::test]
async fn an_egress_policy_does_not_stand_in_the_way() {
    let stage = Stage::new().await;
    add_policy(&stage, "egress", &json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{}] }));
    assert_eq!(stage.run(BLOCK, block()).await.ending, Ending::Succeeded);
}

#[tokio::test]
async fn a_policy_that_somebody_edited_is_left_alone() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(BLOCK, block()).await.unwrap();
    let outcome = stage.run_prepared(BLOCK, block(), &prepared).await;
    let change = |policy: &mut Value| policy["spec"]["ingress"] = json!([]);
    stage.cluster.change("networkpolicies", "shop", POLICY, change).unwrap();
    let problem = stage.prepare(BLOCK, block()).await.unwrap_err().to_string();
    assert!(problem.contains("somebody has changed its rules"), "{problem}");
    let undone = stage.undo(BLOCK, block(), &prepared, &outcome).await;
    assert_eq!(undone.ending, Ending::NotStarted, "{undone:?}");
    assert_eq!(policy(&stage).unwrap()["spec"]["ingress"], json!([]));
    stage.cluster.remove("networkpolicies", "shop", POLICY).unwrap();
    add_policy(&stage, POLICY, &json!({ "podSelector": {} }));
    let problem = stage.prepare(BLOCK, block()).await.unwrap_err().to_string();
    assert!(problem.contains("does not tell which addresses"), "{problem}");
}

#[tokio::test]
async fn a_block_that_somebody_changed_since_is_not_taken_back() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(BLOCK, block()).await.unwrap();
    let outcome = stage.run_prepared(BLOCK, block(), &prepared).await;
    stage.run(BLOCK, json!({ "ip": "192.0.2.7", "duration": 7200 })).await;
    assert!(matches!(stage.undo_state(BLOCK, block(), &prepared, &outcome).await, UndoState::Other { .. }));
    assert_eq!(stage.undo(BLOCK, block(), &prepared, &outcome).await.ending, Ending::NotStarted);
    assert_eq!(excepted(&stage), json!(["192.0.2.7/32"]));
}

#[tokio::test]
async fn an_address_of_the_cluster_itself_is_not_blocked() {
    let stage = Stage::new().await;
    let change = |node: &mut Value| {
        node["status"]["addresses"] = json!([{ "type": "InternalIP", "address": "10.1.0.4" }]);
        node["spec"]["podCIDRs"] = json!(["10.244.1.0/24"]);
    };
    stage.cluster.change("nodes", "", "node-2", change).unwrap();
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "kubernetes", "namespace": "default" },
        "spec": { "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{ "port": 443 }] },
    });
    stage.cluster.create(service).unwrap();
    for (ip, expected) in [
        ("10.1.0.4", "the address of node node-2"),
        ("10.244.1.9", "addresses of pods on node node-2"),
        ("10.96.0.0/16", "the address of the API server"),
        ("127.0.0.1", "loopback"),
        ("0.0.0.0/0", "too large"),
    ] {
        let problem = stage.prepare(BLOCK, json!({ "ip": ip })).await.unwrap_err().to_string();
        assert!(problem.contains(expected), "{ip}: {problem}");
    }
    stage.cluster.forbid("list", "nodes");
    let prepared = stage.prepare(BLOCK, block()).await.unwrap();
    assert!(prepared.notes.iter().any(|note| note.contains("was not looked at")), "{:?}", prepared.notes);
}

#[rstest]
#[case::an_option("--all")]
#[case::a_query("192.0.2.7?x=y")]
#[case::lines("192.0.2.7\nx: y")]
#[case::a_list("192.0.2.7, 0.0.0.0/0")]
#[case::a_template("{{ .Alert.Labels.ip }}")]
#[tokio::test]
async fn a_hostile_address_reaches_no_request(#[case] hostile: &str) {
    let stage = Stage::new().await;
    for action in [BLOCK, UNBLOCK] {
        let problem = stage.prepare(action, json!({ "ip": hostile })).await.unwrap_err().to_string();
        assert!(problem.contains("neither an address"), "{problem}");
        let labels = json!({ "ip": "192.0.2.7", "podLabels": { "app": format!("web,{hostile}") } });
        let problem = stage.prepare(action, labels).await.unwrap_err().to_string();
        assert!(problem.contains("is no label"), "{problem}");
    }
    assert!(!stage.asked().iter().any(|call| call.contains("polic") || call.contains("pods")));
}

#[rstest]
#[case(BLOCK, block(), "get", "networkpolicies.networking.k8s.io")]
#[case(BLOCK, block(), "list", "networkpolicies.networking.k8s.io")]
#[case(BLOCK, block(), "create", "networkpolicies.networking.k8s.io")]
#[case(ISOLATE, json!({ "podName": "web" }), "get", "pods")]
#[case(ISOLATE, json!({ "podName": "web" }), "patch", "pods")]
#[case(ISOLATE, json!({ "podName": "web" }), "list", "services")]
#[case(ISOLATE, json!({ "podName": "web" }), "create", "networkpolicies.networking.k8s.io")]
#[case(EXPIRE, json!({}), "list", "networkpolicies.networking.k8s.io")]
#[tokio::test]
async fn who_may_not_is_told_the_rule(
    #[case] action: &str,
    #[case] parameters: Value,
    #[case] verb: &str,
    #[case] resource: &str,
) {
    let stage = Stage::new().await;
    stage.cluster.add_pod("shop", "web", "node-1");
    stage.cluster.forbid(verb, resource);
    let outcome = stage.run(action, parameters).await;
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    let rule = format!("{{apiGroups: [\"{group}\"], resources: [\"{name}\"], verbs: [\"{verb}\"]}}");
    assert!(error(&outcome).contains(&rule), "{outcome:?}");
    assert_eq!(outcome.ending, Ending::NotStarted, "{outcome:?}");
}

#[rstest]
#[case::unavailable(Fault::Unavailable, Ending::Lost)]
#[case::lost(Fault::LostAnswer, Ending::Lost)]
#[case::half(Fault::HalfAnswer, Ending::Lost)]
#[case::garbage(Fault::Garbage, Ending::Lost)]
#[case::busy(Fault::Busy(1), Ending::NotStarted)]
#[case::conflict(Fault::Conflict, Ending::NotStarted)]
#[tokio::test]
async fn a_block_that_goes_wrong_is_sent_once_and_made_once(#[case] fault: Fault, #[case] ending: Ending) {
    let stage = Stage::new().await;
    let prepared = stage.prepare(BLOCK, block()).await.unwrap();
    stage.cluster.fail_next(Matching::verb("create"), fault);
    stage.asked();
    let outcome = stage.run_prepared(BLOCK, block(), &prepared).await;
    assert_eq!(outcome.ending, ending, "{outcome:?}");
    assert_eq!(stage.asked().iter().filter(|call| call.starts_with("create")).count(), 1);
    assert_eq!(stage.run_prepared(BLOCK, block(), &prepared).await.ending, Ending::Succeeded);
    assert_eq!(excepted(&stage), json!(["192.0.2.7/32"]));
}

#[tokio::test]
async fn blocks_whose_time_is_over_are_put_back_and_no_others() {
    let stage = Stage::new().await;
    stage.run(BLOCK, block()).await;
    stage.run(BLOCK, json!({ "ip": "192.0.2.8", "duration": 7200 })).await;
    stage.run(BLOCK, json!({ "ip": "192.0.2.9" })).await;
    let early = stage.prepare(EXPIRE, json!({})).await.unwrap();
    assert_eq!(early.notes, ["no change's time is over"]);
    let outcome = run_at(&stage, EXPIRE, json!({}), &later(&stage, 3600)).await;
    assert_eq!(outcome.output["putBack"], json!(["block of 192.0.2.7/32 in shop"]), "{outcome:?}");
    assert_eq!(excepted(&stage), json!(["192.0.2.8/32", "192.0.2.9/32"]));
    let again = run_at(&stage, EXPIRE, json!({}), &later(&stage, 3600)).await;
    assert_eq!((again.ending, &again.output["putBack"]), (Ending::Succeeded, &json!([])));
    stage.cluster.forbid("patch", "networkpolicies.networking.k8s.io");
    let refused = run_at(&stage, EXPIRE, json!({}), &later(&stage, 7200)).await;
    assert_eq!(refused.ending, Ending::Failed);
    assert!(refused.output["left"][0].as_str().unwrap().contains("192.0.2.8/32"), "{refused:?}");
}

/// `checkout` behind a service and a policy; answers with one of its pods.
fn guarded(stage: &Stage) -> String {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "checkout", "namespace": "shop" },
        "spec": { "selector": { "app": "checkout" }, "ports": [{ "port": 80 }] },
    });
    stage.cluster.create(service).unwrap();
    let spec = json!({ "podSelector": { "matchLabels": { "app": "checkout" } }, "ingress": [{}] });
    add_policy(stage, "from-anywhere", &spec);
    stage.pods_of("checkout").remove(0)
}

#[tokio::test]
async fn an_isolated_pod_is_cut_off_kept_and_replaced() {
    let stage = Stage::new().await;
    let name = guarded(&stage);
    let parameters = json!({ "podName": name });
    let before = stage.object("pods", &name);
    let prepared = stage.prepare(ISOLATE, parameters.clone()).await.unwrap();
    assert_eq!(prepared.impact, Impact::High);
    let notes = prepared.notes.join("\n");
    assert!(
        notes.contains("service checkout no longer") && notes.contains("deployment/checkout makes another"),
        "{notes}"
    );
    assert_eq!(stage.probe(ISOLATE, parameters.clone(), &prepared).await, ProbeAnswer::NotDone);
    let outcome = stage.run_prepared(ISOLATE, parameters.clone(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["services"], json!(["checkout"]));
    let pod = stage.object("pods", &name);
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    assert_eq!(pod["metadata"]["labels"], json!({ "sre.oversight.io/isolated": uid }));
    let policy = stage.object("networkpolicies", &format!("belay-isolated-{uid}"));
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"], json!({ "sre.oversight.io/isolated": uid }));
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert!(policy["spec"].get("ingress").is_none() && policy["spec"].get("egress").is_none());
    assert_eq!(stage.pods_of("checkout").len(), 4, "the deployment has as many pods as it wants");
    assert!(matches!(stage.probe(ISOLATE, parameters.clone(), &prepared).await, ProbeAnswer::Done(_)));

    stage.asked();
    let again = stage.run_prepared(ISOLATE, parameters.clone(), &prepared).await;
    assert_eq!(again.ending, Ending::Succeeded);
    assert!(!stage.asked().iter().any(|call| call.starts_with("patch")), "it is isolated once");

    stage.cluster.change("deployments", "shop", "checkout", |object| object["spec"]["replicas"] = json!(5)).unwrap();
    assert_eq!(stage.undo_state(ISOLATE, parameters.clone(), &prepared, &outcome).await, UndoState::AsAfter);
    let undone = stage.undo(ISOLATE, parameters, &prepared, &outcome).await;
    assert_eq!(undone.ending, Ending::Succeeded, "{undone:?}");
    assert!(stage.cluster.object("networkpolicies", "shop", &format!("belay-isolated-{uid}")).is_none());
    if let Some(pod) = stage.cluster.object("pods", "shop", &name) {
        assert_eq!(pod["metadata"]["labels"], before["metadata"]["labels"]);
    }
}

#[tokio::test]
async fn a_pod_that_a_policy_would_still_reach_is_not_called_isolated() {
    let stage = Stage::new().await;
    let name = guarded(&stage);
    add_policy(&stage, "dns", &json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{}] }));
    let problem = stage.prepare(ISOLATE, json!({ "podName": name })).await.unwrap_err().to_string();
    assert!(problem.contains("`dns`") && problem.contains("whatever their labels"), "{problem}");
    stage.cluster.remove("networkpolicies", "shop", "dns").unwrap();
    add_policy(&stage, "deny", &json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] }));
    assert!(
        stage.prepare(ISOLATE, json!({ "podName": name })).await.is_ok(),
        "a policy that allows nothing is no hole"
    );
}

#[tokio::test]
async fn a_pod_on_its_nodes_network_is_not_isolated() {
    let stage = Stage::new().await;
    let name = guarded(&stage);
    stage.cluster.change("pods", "shop", &name, |pod| pod["spec"]["hostNetwork"] = json!(true)).unwrap();
    let problem = stage.prepare(ISOLATE, json!({ "podName": name })).await.unwrap_err().to_string();
    assert!(problem.contains("uses the network of its node"), "{problem}");
}

#[tokio::test]
async fn a_pod_or_a_policy_that_changed_since_it_was_read_stops_the_isolation() {
    let stage = Stage::new().await;
    let name = guarded(&stage);
    let parameters = json!({ "podName": name });
    let prepared = stage.prepare(ISOLATE, parameters.clone()).await.unwrap();
    let labels = stage.object("pods", &name)["metadata"]["labels"].clone();
    let change = |pod: &mut Value| pod["metadata"]["labels"]["app"] = json!("other");
    stage.cluster.change("pods", "shop", &name, change).unwrap();
    let outcome = stage.run_prepared(ISOLATE, parameters.clone(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted, "{outcome:?}");
    assert!(stage.object("pods", &name)["metadata"]["labels"].get("sre.oversight.io/isolated").is_none());
    stage.cluster.change("pods", "shop", &name, |pod| pod["metadata"]["labels"] = labels.clone()).unwrap();

    let other = stage.pods_of("checkout").pop().unwrap();
    let parameters = json!({ "podName": other });
    let prepared = stage.prepare(ISOLATE, parameters.clone()).await.unwrap();
    let outcome = stage.run_prepared(ISOLATE, parameters.clone(), &prepared).await;
    let change = |pod: &mut Value| pod["metadata"]["labels"]["app"] = json!("checkout");
    stage.cluster.change("pods", "shop", &other, change).unwrap();
    assert!(matches!(
        stage.undo_state(ISOLATE, parameters.clone(), &prepared, &outcome).await,
        UndoState::Other { .. }
    ));
    assert_eq!(stage.undo(ISOLATE, parameters, &prepared, &outcome).await.ending, Ending::NotStarted);
}

#[tokio::test]
async fn an_isolation_that_breaks_off_leaves_a_policy_for_no_pod_and_can_be_tried_again() {
    let stage = Stage::new().await;
    let name = guarded(&stage);
    let parameters = json!({ "podName": name });
    let prepared = stage.prepare(ISOLATE, parameters.clone()).await.unwrap();
    stage.cluster.fail_next(Matching::verb("patch"), Fault::LostAnswer);
    let outcome = stage.run_prepared(ISOLATE, parameters.clone(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Lost);
    assert!(matches!(stage.probe(ISOLATE, parameters.clone(), &prepared).await, ProbeAnswer::Done(_)));
    assert_eq!(stage.run_prepared(ISOLATE, parameters, &prepared).await.ending, Ending::Succeeded);
}

#[tokio::test]
async fn a_block_is_not_put_back_beside_a_policy_that_it_would_open() {
    let stage = Stage::new().await;
    assert_eq!(stage.run(BLOCK, block()).await.ending, Ending::Succeeded);
    let parameters = json!({ "ip": "192.0.2.7" });
    let prepared = stage.prepare(UNBLOCK, parameters.clone()).await.unwrap();
    let outcome = stage.run_prepared(UNBLOCK, parameters.clone(), &prepared).await;
    assert!(policy(&stage).is_none(), "{outcome:?}");
    add_policy(&stage, "nobody", &json!({ "podSelector": {}, "policyTypes": ["Ingress"] }));
    let undone = stage.undo(UNBLOCK, parameters, &prepared, &outcome).await;
    assert_eq!(undone.ending, Ending::NotStarted, "{undone:?}");
    assert!(policy(&stage).is_none(), "nothing opens what `nobody` closes");
}

#[tokio::test]
async fn an_address_is_blocked_and_a_pod_isolated_in_one_namespace() {
    for first in [BLOCK, ISOLATE] {
        let stage = Stage::new().await;
        let pod = stage.pods_of("checkout").remove(0);
        let isolate = json!({ "podName": pod });
        let both = if first == BLOCK {
            [(BLOCK, block()), (ISOLATE, isolate)]
        } else {
            [(ISOLATE, isolate), (BLOCK, block())]
        };
        for (action, parameters) in both {
            let outcome = stage.run(action, parameters).await;
            assert_eq!(outcome.ending, Ending::Succeeded, "{first} first: {action}: {outcome:?}");
        }
        let selector = &policy(&stage).unwrap()["spec"]["podSelector"];
        let expected =
            json!({ "matchExpressions": [{ "key": "sre.oversight.io/isolated", "operator": "DoesNotExist" }] });
        assert_eq!(*selector, expected, "what the block lets through does not reach the isolated pod");
    }
}

#[tokio::test]
async fn whoever_isolates_a_pod_again_and_takes_that_back_leaves_it_isolated() {
    let stage = Stage::new().await;
    let parameters = json!({ "podName": stage.pods_of("checkout").remove(0) });
    stage.run(ISOLATE, parameters.clone()).await;
    let prepared = stage.prepare(ISOLATE, parameters.clone()).await.unwrap();
    let again = stage.run_prepared(ISOLATE, parameters.clone(), &prepared).await;
    assert_eq!(again.ending, Ending::Succeeded, "{again:?}");
    assert_eq!(stage.undo_state(ISOLATE, parameters.clone(), &prepared, &again).await, UndoState::AsBefore);
    stage.undo(ISOLATE, parameters, &prepared, &again).await;
    let policies = stage.cluster.objects("networkpolicies", "shop");
    assert_eq!(policies.len(), 1, "the first isolation stays: {policies:#?}");
}

#[tokio::test]
async fn a_block_of_before_isolated_pods_were_left_alone_is_lifted_all_the_same() {
    for selector in [json!({}), json!({ "matchLabels": { "app": "checkout" } })] {
        let stage = Stage::new().await;
        let mut parameters = block();
        if let Some(labels) = selector.get("matchLabels") {
            parameters["podLabels"] = labels.clone();
        }
        stage.run(BLOCK, parameters.clone()).await;
        let name = stage.cluster.objects("networkpolicies", "shop")[0]["metadata"]["name"].as_str().unwrap().to_owned();
        stage
            .cluster
            .change("networkpolicies", "shop", &name, |policy| policy["spec"]["podSelector"] = selector.clone())
            .unwrap();
        parameters.as_object_mut().unwrap().remove("duration");
        let outcome = stage.run(UNBLOCK, parameters).await;
        assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
        assert_eq!(stage.cluster.objects("networkpolicies", "shop"), Vec::<Value>::new());
    }
}
