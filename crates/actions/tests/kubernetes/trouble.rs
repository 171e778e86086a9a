//! A cluster that refuses, is late, or is not there; contexts that lead nowhere; names that are none.

use std::time::Duration;

use belay_runbook::act::{Ending, ProbeAnswer};
use belay_testkit::cluster::{Fault, Matching};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, act, error};

const GET: &str = "kubernetes.get_node";
const SCALE: &str = "kubernetes.scale_deployment";

fn node() -> Value {
    json!({ "nodeName": "node-1" })
}

fn scale() -> Value {
    json!({ "deployment": "checkout", "replicas": 6 })
}

#[rstest]
#[case::unavailable(Fault::Unavailable)]
#[case::internal(Fault::Internal)]
#[case::busy(Fault::Busy(1))]
#[case::lost(Fault::LostAnswer)]
#[case::half(Fault::HalfAnswer)]
#[case::garbage(Fault::Garbage)]
#[tokio::test]
async fn a_question_whose_answer_was_lost_is_asked_again(#[case] fault: Fault) {
    let stage = Stage::new().await;
    stage.cluster.fail_next(Matching::resource("nodes"), fault);
    let outcome = stage.run(GET, node()).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
}

#[tokio::test]
async fn a_change_is_never_sent_twice() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(SCALE, scale()).await.unwrap();
    stage.cluster.fail_always(Matching::verb("patch"), Fault::Unavailable);
    stage.asked();
    let outcome = stage.run_prepared(SCALE, scale(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Lost, "{outcome:?}");
    assert_eq!(stage.asked(), ["patch deployments/scale"]);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_has_time_to_arrive_before_anybody_looks() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(SCALE, scale()).await.unwrap();
    stage.cluster.forget_calls();
    stage.cluster.fail_next(Matching::verb("patch"), Fault::LostRequest);
    let arrives = async {
        while !stage.cluster.calls().iter().any(|call| call.verb == "patch") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // It was only late.
        stage
            .cluster
            .change("deployments", "shop", "checkout", |object| object["spec"]["replicas"] = json!(6))
            .unwrap();
    };
    let (outcome, ()) = tokio::join!(stage.run_prepared(SCALE, scale(), &prepared), arrives);
    assert_eq!(outcome.ending, Ending::Lost, "{outcome:?}");
    let answer = stage.probe(SCALE, scale(), &prepared).await;
    assert!(matches!(answer, ProbeAnswer::Done(_)), "{answer:?}");
}

#[rstest]
#[case::forbidden_read("get", "deployments.apps", SCALE, scale())]
#[case::forbidden_scale("patch", "deployments/scale.apps", SCALE, scale())]
#[case::forbidden_node("get", "nodes", GET, node())]
#[case::forbidden_list("list", "pods", "kubernetes.list_pods", json!({}))]
#[case::forbidden_patch("patch", "nodes", "kubernetes.cordon_node", node())]
#[tokio::test]
async fn who_may_not_is_told_the_verb_the_resource_and_the_rule(
    #[case] verb: &str,
    #[case] resource: &str,
    #[case] action: &str,
    #[case] parameters: Value,
) {
    let stage = Stage::new().await;
    stage.cluster.forbid(verb, resource);
    let outcome = stage.run(action, parameters).await;
    let said = error(&outcome);
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    let rule = format!("{{apiGroups: [\"{group}\"], resources: [\"{name}\"], verbs: [\"{verb}\"]}}");
    assert!(said.contains("is forbidden") && said.contains(&rule), "{said}");
    assert!(matches!(outcome.ending, Ending::NotStarted | Ending::Failed), "{outcome:?}");
}

#[tokio::test]
async fn an_expired_login_is_named_and_a_renewed_one_is_used_at_once() {
    let stage = Stage::new().await;
    assert_eq!(stage.run(GET, node()).await.ending, Ending::Succeeded);
    stage.cluster.expire_login();
    let outcome = stage.run(GET, node()).await;
    assert!(error(&outcome).contains("log in again"), "{outcome:?}");
    stage.cluster.renew_login("fresh");
    let kubeconfig = stage.folder().join("kubeconfig");
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    std::fs::write(&kubeconfig, text.replace("secret-token-of-alice", "fresh")).unwrap();
    assert_eq!(stage.run(GET, node()).await.ending, Ending::Succeeded);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_and_nothing_was_started() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(SCALE, scale()).await.unwrap();
    stage.cluster.refuse_connections(Duration::from_mins(1));
    let outcome = stage.run_prepared(SCALE, scale(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted, "{outcome:?}");
    assert!(error(&outcome).contains("cannot be reached"), "{outcome:?}");
}

#[tokio::test]
async fn a_context_that_leads_to_another_cluster_now_acts_on_neither() {
    let stage = Stage::new().await;
    let other = Stage::new().await;
    let prepared = stage.prepare(SCALE, scale()).await.unwrap();
    other.cluster.write_kubeconfig(stage.folder()).unwrap();
    let outcome = stage.run_prepared(SCALE, scale(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("leads to another cluster now"), "{outcome:?}");
    for stage in [&stage, &other] {
        assert_eq!(stage.object("deployments", "checkout")["spec"]["replicas"], 4);
    }
}

#[rstest]
#[case::no_cluster(Value::Null, "names no cluster")]
#[case::no_context(json!({}), "`context` is missing")]
#[case::two_ways(json!({ "context": "shop", "inCluster": true }), "two ways")]
#[case::a_typing_error(json!({ "contxt": "shop" }), "contxt")]
#[case::no_file(json!({ "kubeconfig": "/nowhere/config", "context": "shop" }), "/nowhere/config")]
#[case::not_in_a_cluster(json!({ "inCluster": true }), "does not run in a cluster")]
#[tokio::test]
async fn a_context_that_leads_nowhere_says_what_is_wrong(#[case] kubernetes: Value, #[case] expected: &str) {
    let stage = Stage::new().await;
    let surroundings = stage.in_context(&kubernetes);
    let error = stage.action(GET).prepare(&act(GET, node()), &surroundings).await.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn a_context_that_the_kubeconfig_has_not_is_said_with_those_that_it_has() {
    let stage = Stage::new().await;
    let mut kubernetes = stage.surroundings.context["kubernetes"].clone();
    kubernetes["context"] = json!("shopp");
    let surroundings = stage.in_context(&kubernetes);
    let error = stage.action(GET).prepare(&act(GET, node()), &surroundings).await.unwrap_err();
    assert!(error.to_string().contains("no context `shopp`; it has shop"), "{error}");
}

#[rstest]
#[case::another_path("../../nodes/node-1")]
#[case::a_query("node-1?dryRun=All")]
#[case::a_selector("node-1,metadata.name!=x")]
#[case::an_option("-node")]
#[case::a_line("node-1\nHost: x")]
#[case::nothing("")]
#[case::percent("node%2F1")]
#[case::too_long(&"a".repeat(254))]
#[tokio::test]
async fn a_hostile_name_reaches_no_request(#[case] name: &str) {
    let stage = Stage::new().await;
    for (action, parameter) in [
        (GET, "nodeName"),
        ("kubernetes.cordon_node", "nodeName"),
        ("kubernetes.drain_node", "nodeName"),
        ("kubernetes.get_pod", "podName"),
        ("kubernetes.restart_pod", "podName"),
        ("kubernetes.get_logs", "podName"),
        ("kubernetes.exec", "podName"),
        ("kubernetes.exec", "container"),
        ("config.update", "service"),
        ("service.restart", "namespace"),
        ("network.block_ip", "namespace"),
        ("network.isolate_pod", "podName"),
        ("kubernetes.expire_changes", "namespace"),
        ("monitoring.enable_detailed", "service"),
        ("security.rotate_credentials", "scope"),
        ("security.revoke_credentials", "namespace"),
        ("kubernetes.restart_deployment", "deployment"),
        ("kubernetes.rollback_deployment", "deployment"),
        ("kubernetes.list_pods", "namespace"),
        ("kubernetes.get_events", "name"),
    ] {
        let error = stage.prepare(action, json!({ parameter: name })).await.unwrap_err().to_string();
        assert!(error.contains(parameter) && error.contains("no name of an object"), "{action}: {error}");
    }
    assert!(stage.asked().is_empty(), "nothing was asked");
}

#[tokio::test]
async fn one_connection_serves_many_acts() {
    let stage = Stage::new().await;
    for _ in 0..5 {
        stage.run(GET, node()).await;
    }
    let asked = stage.asked();
    assert_eq!(asked.iter().filter(|call| *call == "get namespaces").count(), 1, "{asked:?}");
}

/// A kubeconfig whose user logs in by a program.
fn logs_in_by(stage: &Stage, script: &str) {
    let kubeconfig = stage.folder().join("kubeconfig");
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let (before, _) = text.split_once("    token:").unwrap();
    let exec = format!(
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: IfAvailable\n      \
         command: sh\n      args: ['-c', {}]\n",
        json!(script)
    );
    std::fs::write(&kubeconfig, format!("{before}{exec}")).unwrap();
}

#[tokio::test]
async fn a_login_program_is_run_and_its_words_are_told_when_it_fails() {
    let stage = Stage::new().await;
    let token = "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\
                 \"status\":{\"token\":\"secret-token-of-alice\"}}'";
    logs_in_by(&stage, token);
    let outcome = stage.run(GET, node()).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");

    let stage = Stage::new().await;
    logs_in_by(&stage, "echo the session is over, run sso login >&2; exit 3");
    let outcome = stage.run(GET, node()).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("the session is over, run sso login"), "{outcome:?}");
    let refused = stage.prepare(GET, node()).await.unwrap_err();
    assert!(refused.needs_login(), "{refused}");
}

#[tokio::test]
async fn a_login_that_is_refused_in_the_middle_is_made_anew_by_the_next_use() {
    let stage = Stage::new().await;
    let token = stage.folder().join("token");
    let say = |name: &str| {
        let text = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": { "token": name },
        });
        std::fs::write(&token, text.to_string()).unwrap();
    };
    say("secret-token-of-alice");
    logs_in_by(&stage, &format!("cat {}", token.display()));
    let prepared = stage.prepare(SCALE, scale()).await.unwrap();
    stage.cluster.expire_login();
    let outcome = stage.run_prepared(SCALE, scale(), &prepared).await;
    assert_eq!((outcome.ending, outcome.needs_login), (Ending::NotStarted, true), "{outcome:?}");
    assert!(error(&outcome).contains("renew it with `sh "), "the plug-in's own command: {outcome:?}");
    let refused = stage.prepare(SCALE, scale()).await.unwrap_err();
    assert!(refused.needs_login() && refused.to_string().contains("renew it with"), "{refused}");

    stage.cluster.renew_login("fresh");
    say("fresh");
    let outcome = stage.run_prepared(SCALE, scale(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "the kubeconfig has not changed, the login has: {outcome:?}");
    assert_eq!(stage.object("deployments", "checkout")["spec"]["replicas"], 6);
}

#[tokio::test]
async fn a_login_that_ends_while_a_change_is_waited_for_leaves_open_what_comes_of_it() {
    let restart = "kubernetes.restart_deployment";
    let parameters = json!({ "deployment": "checkout" });
    let stage = Stage::new().await;
    let prepared = stage.prepare(restart, parameters.clone()).await.unwrap();
    stage.cluster.fail_next(Matching::verb("get").with_resource("deployments.apps"), Fault::ExpiredLogin);
    let outcome = stage.run_prepared(restart, parameters, &prepared).await;
    assert_eq!(outcome.ending, Ending::Lost, "no failure, which would roll back: {outcome:?}");
    assert!(error(&outcome).contains("put a login that is valid into the kubeconfig"), "{outcome:?}");
    assert!(outcome.after.is_some());

    let stage = Stage::new().await;
    stage.cluster.fail_next(Matching::resource("pods/eviction"), Fault::ExpiredLogin);
    let outcome = stage.run("kubernetes.drain_node", node()).await;
    assert_eq!(outcome.ending, Ending::Lost, "the node is cordoned by now: {outcome:?}");
    assert!(error(&outcome).contains("could not be evicted"), "{outcome:?}");
}

#[tokio::test]
async fn a_cluster_that_is_slow_holds_no_other_one_up() {
    let slow = Stage::new().await;
    let quick = Stage::new().await;
    slow.cluster.fail_always(Matching::any(), Fault::Slow(Duration::from_mins(5)));
    let (mut waits, act) = (slow.surroundings.clone(), act(GET, node()));
    waits.invocation = "slow".into();
    let action = quick.action(GET);
    let hanging = action.prepare(&act, &waits);
    let other = async {
        while slow.cluster.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        action.prepare(&act, &quick.surroundings).await
    };
    tokio::select! {
        _ = hanging => panic!("a cluster that does not answer has answered"),
        prepared = other => assert!(prepared.is_ok(), "{prepared:?}"),
    }
}
