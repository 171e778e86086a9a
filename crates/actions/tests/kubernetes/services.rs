//! Settings of services, and restarts of what runs them.

use std::time::Duration;

use belay_runbook::act::{Ending, Outcome, ProbeAnswer, UndoState};
use belay_runbook::action::Impact;
use belay_testkit::cluster::{Fault, Matching};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, error};

const UPDATE: &str = "config.update";
const RESTART: &str = "service.restart";
const DOCUMENT: &str = "logging:\n  level: info\n  to: stdout\nlimit: 5\n";

/// `checkout` with its settings in keys of a config map.
async fn keys() -> Stage {
    with(&json!({ "level": "info", "old": "x", "other": "y" })).await
}

/// `checkout` with its settings in a document.
async fn document() -> Stage {
    with(&json!({ "application.yaml": DOCUMENT })).await
}

async fn with(data: &Value) -> Stage {
    let stage = Stage::new().await;
    let metadata = json!({ "name": "checkout", "namespace": "shop" });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data });
    stage.cluster.create(map).unwrap();
    stage
}

fn data(stage: &Stage) -> Value {
    stage.object("configmaps", "checkout")["data"].clone()
}

fn nested() -> Value {
    json!({ "service": "checkout", "config": { "logging": { "level": "debug" }, "breaker": { "enabled": true } } })
}

fn flat() -> Value {
    json!({ "service": "checkout", "config": { "level": "debug", "old": null, "limit": 50 } })
}

fn with_restart(mut parameters: Value) -> Value {
    parameters["restart"] = json!(true);
    parameters
}

/// The annotation of the pod template that tells which settings were read.
fn digest(stage: &Stage) -> Value {
    stage.object("deployments", "checkout")["spec"]["template"]["metadata"]["annotations"]
        ["sre.oversight.io/config-digest"]
        .clone()
}

fn revision(stage: &Stage) -> Value {
    stage.object("deployments", "checkout")["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone()
}

#[tokio::test]
async fn a_policy_judges_the_namespace_that_the_service_lies_in() {
    let stage = Stage::new().await;
    stage.cluster.add_namespace("payments");
    stage.cluster.add_deployment("payments", "billing", 2);
    let mut surroundings = stage.surroundings.clone();
    let mut context = (*surroundings.context).clone();
    context["config"] = json!({ "services": { "billing": { "kubernetes": { "namespace": "payments" } } } });
    surroundings.context = std::sync::Arc::new(context);
    let act = crate::stage::act(RESTART, json!({ "service": "billing" }));
    let prepared = stage.action(RESTART).prepare(&act, &surroundings).await.unwrap();
    assert_eq!(prepared.basis.namespaces, ["payments".to_owned()].into());
    assert_eq!(prepared.basis.pods, Some(2), "and counts every pod that it ends");
}

#[tokio::test]
async fn settings_end_pods_only_where_a_restart_is_asked_for() {
    let stage = keys().await;
    assert_eq!(stage.prepare(UPDATE, flat()).await.unwrap().basis.pods, Some(0));
    assert_eq!(stage.prepare(UPDATE, with_restart(flat())).await.unwrap().basis.pods, Some(4));
}

#[tokio::test]
async fn settings_that_are_back_are_not_undone_while_pods_run_with_the_others() {
    let stage = keys().await;
    let parameters = with_restart(flat());
    let prepared = stage.prepare(UPDATE, parameters.clone()).await.unwrap();
    let outcome = stage.run_prepared(UPDATE, parameters.clone(), &prepared).await;
    stage.cluster.forbid("patch", "deployments.apps");
    let undone = stage.undo(UPDATE, parameters.clone(), &prepared, &outcome).await;
    assert_eq!(undone.ending, Ending::Failed, "the settings are back, the pods are not replaced: {undone:?}");
    assert_eq!(data(&stage)["level"], "info");
    stage.cluster.permit_all();
    let left = stage.undo_state(UPDATE, parameters.clone(), &prepared, &outcome).await;
    assert_eq!(left, UndoState::AsAfter, "something is left to undo");
    let before = revision(&stage);
    assert_eq!(stage.undo(UPDATE, parameters.clone(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_ne!(revision(&stage), before, "the pods began anew");
    assert_eq!(stage.undo_state(UPDATE, parameters, &prepared, &outcome).await, UndoState::AsBefore);
}

#[tokio::test]
async fn settings_merge_into_a_document_and_come_back() {
    let stage = document().await;
    let prepared = stage.prepare(UPDATE, nested()).await.unwrap();
    assert_eq!(prepared.target.name, "configmap/shop/checkout");
    stage.asked();
    let outcome = stage.run_prepared(UPDATE, nested(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(stage.asked(), ["get configmaps", "patch configmaps"]);
    assert_eq!(outcome.output["updated"], true);
    assert_eq!(outcome.output["previous"], json!({ "logging": { "level": "info" }, "breaker": null }));
    assert_eq!(outcome.output["key"], "application.yaml");
    let text = data(&stage)["application.yaml"].as_str().unwrap().to_owned();
    for line in ["level: debug", "to: stdout", "limit: 5", "enabled: true"] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(stage.undo_state(UPDATE, nested(), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(UPDATE, nested(), &prepared, &outcome).await.ending, Ending::Succeeded);
    let text = data(&stage)["application.yaml"].as_str().unwrap().to_owned();
    assert!(text.contains("level: info") && !text.contains("breaker"), "{text}");
    assert_eq!(stage.undo_state(UPDATE, nested(), &prepared, &outcome).await, UndoState::AsBefore);
}

#[tokio::test]
async fn settings_that_are_keys_of_their_own_are_set_removed_and_come_back() {
    let stage = keys().await;
    let before = data(&stage);
    let prepared = stage.prepare(UPDATE, flat()).await.unwrap();
    let outcome = stage.run_prepared(UPDATE, flat(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(data(&stage), json!({ "level": "debug", "limit": "50", "other": "y" }));
    assert_eq!(outcome.output["previous"], json!({ "level": "info", "old": "x", "limit": null }));
    assert_eq!(stage.undo(UPDATE, flat(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(data(&stage), before);
}

#[tokio::test]
async fn the_same_settings_twice_are_written_once() {
    let stage = document().await;
    stage.run(UPDATE, with_restart(nested())).await;
    let (version, revision_before) =
        (stage.object("configmaps", "checkout")["metadata"]["resourceVersion"].clone(), revision(&stage));
    let prepared = stage.prepare(UPDATE, with_restart(nested())).await.unwrap();
    assert!(prepared.notes.iter().any(|note| note.contains("so already")), "{:?}", prepared.notes);
    let outcome = stage.run_prepared(UPDATE, with_restart(nested()), &prepared).await;
    assert_eq!((outcome.ending, &outcome.output["updated"]), (Ending::Succeeded, &json!(false)), "{outcome:?}");
    assert_eq!(stage.object("configmaps", "checkout")["metadata"]["resourceVersion"], version);
    assert_eq!(revision(&stage), revision_before, "no pod was replaced a second time");
}

#[tokio::test]
async fn pods_read_the_settings_after_a_restart_and_again_after_an_undo() {
    let stage = document().await;
    let pods = stage.pods_of("checkout");
    let prepared = stage.prepare(UPDATE, with_restart(nested())).await.unwrap();
    assert!(prepared.basis.objects.contains("deployment/shop/checkout"));
    let outcome = stage.run_prepared(UPDATE, with_restart(nested()), &prepared).await;
    assert_eq!(outcome.output["restarted"], "deployment/checkout", "{outcome:?}");
    let after = stage.pods_of("checkout");
    assert!(pods.iter().all(|pod| !after.contains(pod)), "every pod is a new one: {pods:?} {after:?}");
    let begun_with = digest(&stage);
    assert!(begun_with.is_string());
    let probed = stage.probe(UPDATE, with_restart(nested()), &prepared).await;
    assert!(matches!(probed, ProbeAnswer::Done(done) if done.output == outcome.output));
    assert_eq!(stage.undo(UPDATE, with_restart(nested()), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_ne!(digest(&stage), begun_with);
    assert!(after.iter().all(|pod| !stage.pods_of("checkout").contains(pod)));
}

#[tokio::test]
async fn the_context_says_where_the_settings_of_a_service_lie() {
    let mut stage = Stage::new().await;
    let entry = json!({
        "namespace": "other", "workload": "statefulset/store", "configMap": "store-settings", "configKey": "app.json",
    });
    stage.describe_service("payments", entry);
    stage.cluster.add_namespace("other");
    stage.cluster.add_statefulset("other", "store", 2);
    let metadata = json!({ "name": "store-settings", "namespace": "other" });
    let data = json!({ "app.json": "{\"a\": {\"b\": 1}}", "notes.yaml": "x: 1" });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data });
    stage.cluster.create(map).unwrap();
    let parameters = json!({ "service": "payments", "config": { "a": { "b": 2 } }, "restart": true });
    let outcome = stage.run(UPDATE, parameters).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["configMap"], "configmap/other/store-settings");
    assert_eq!(outcome.output["restarted"], "statefulset/store");
    let map = stage.cluster.object("configmaps", "other", "store-settings").unwrap();
    let text = map["data"]["app.json"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), json!({ "a": { "b": 2 } }));
    assert_eq!(map["data"]["notes.yaml"], "x: 1");
}

#[tokio::test]
async fn other_settings_may_change_in_between_and_these_may_not() {
    let stage = document().await;
    let prepared = stage.prepare(UPDATE, nested()).await.unwrap();
    let write = |text: &str| {
        let change = |map: &mut Value| map["data"]["application.yaml"] = json!(text);
        stage.cluster.change("configmaps", "shop", "checkout", change).unwrap();
    };
    write(&DOCUMENT.replace("limit: 5", "limit: 6"));
    let outcome = stage.run_prepared(UPDATE, nested(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert!(data(&stage)["application.yaml"].as_str().unwrap().contains("limit: 6"), "it is not overwritten");

    write(&DOCUMENT.replace("level: info", "level: warn"));
    let again = stage.run_prepared(UPDATE, nested(), &prepared).await;
    assert_eq!(again.ending, Ending::NotStarted);
    assert!(error(&again).contains("was changed since it was read"), "{again:?}");
    assert!(matches!(stage.undo_state(UPDATE, nested(), &prepared, &outcome).await, UndoState::Other { .. }));
    assert_eq!(stage.undo(UPDATE, nested(), &prepared, &outcome).await.ending, Ending::NotStarted);
    assert!(data(&stage)["application.yaml"].as_str().unwrap().contains("level: warn"));
}

#[tokio::test]
async fn a_write_between_reading_and_writing_is_not_overwritten() {
    let stage = document().await;
    let prepared = stage.prepare(UPDATE, nested()).await.unwrap();
    stage.cluster.fail_next(Matching::verb("patch"), Fault::Conflict);
    let outcome = stage.run_prepared(UPDATE, nested(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("was changed since it was read"), "{outcome:?}");
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_looking() {
    for (fault, expected) in [(Fault::LostAnswer, true), (Fault::LostRequest, false)] {
        let stage = document().await;
        let prepared = stage.prepare(UPDATE, nested()).await.unwrap();
        stage.cluster.fail_next(Matching::verb("patch"), fault);
        stage.asked();
        assert_eq!(stage.run_prepared(UPDATE, nested(), &prepared).await.ending, Ending::Lost);
        assert_eq!(stage.asked(), ["get configmaps", "patch configmaps"], "a change is sent once");
        let probed = stage.probe(UPDATE, nested(), &prepared).await;
        assert_eq!(matches!(probed, ProbeAnswer::Done(_)), expected, "{probed:?}");
        assert_eq!(matches!(probed, ProbeAnswer::NotDone), !expected, "{probed:?}");
        // Whoever retries it gets what was asked for, once.
        assert_eq!(stage.run_prepared(UPDATE, nested(), &prepared).await.ending, Ending::Succeeded);
        assert!(data(&stage)["application.yaml"].as_str().unwrap().contains("level: debug"));
    }
}

#[rstest]
#[case::unavailable(Fault::Unavailable, Ending::Lost)]
#[case::internal(Fault::Internal, Ending::Lost)]
#[case::busy(Fault::Busy(1), Ending::NotStarted)]
#[case::half(Fault::HalfAnswer, Ending::Lost)]
#[case::garbage(Fault::Garbage, Ending::Lost)]
#[case::gone(Fault::NotYetServed, Ending::NotStarted)]
#[tokio::test]
async fn what_goes_wrong_with_the_write_is_said(#[case] fault: Fault, #[case] ending: Ending) {
    let stage = document().await;
    let prepared = stage.prepare(UPDATE, nested()).await.unwrap();
    stage.cluster.fail_next(Matching::verb("patch"), fault);
    let outcome = stage.run_prepared(UPDATE, nested(), &prepared).await;
    assert_eq!(outcome.ending, ending, "{outcome:?}");
    assert!(error(&outcome).contains("configmaps"), "{outcome:?}");
}

#[tokio::test]
async fn a_restart_that_fails_after_the_settings_were_written_says_so_and_can_be_undone() {
    let stage = document().await;
    let prepared = stage.prepare(UPDATE, with_restart(nested())).await.unwrap();
    stage.cluster.forbid("patch", "deployments.apps");
    let outcome = stage.run_prepared(UPDATE, with_restart(nested()), &prepared).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(error(&outcome).contains("patch"), "{outcome:?}");
    stage.cluster.permit_all();
    assert_eq!(stage.undo_state(UPDATE, with_restart(nested()), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(UPDATE, with_restart(nested()), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert!(data(&stage)["application.yaml"].as_str().unwrap().contains("level: info"));
}

#[rstest]
#[case(UPDATE, flat(), "get", "configmaps")]
#[case(UPDATE, flat(), "patch", "configmaps")]
#[case(UPDATE, with_restart(flat()), "get", "deployments.apps")]
#[case(UPDATE, with_restart(flat()), "patch", "deployments.apps")]
#[case(RESTART, json!({ "service": "checkout" }), "get", "statefulsets.apps")]
#[case(RESTART, json!({ "service": "checkout" }), "patch", "deployments.apps")]
#[tokio::test]
async fn who_may_not_is_told_the_rule(
    #[case] action: &str,
    #[case] parameters: Value,
    #[case] verb: &str,
    #[case] resource: &str,
) {
    let stage = keys().await;
    stage.cluster.forbid(verb, resource);
    let outcome = stage.run(action, parameters).await;
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    let rule = format!("{{apiGroups: [\"{group}\"], resources: [\"{name}\"], verbs: [\"{verb}\"]}}");
    assert!(error(&outcome).contains(&rule), "{outcome:?}");
}

#[tokio::test]
async fn hostile_values_stay_values() {
    for hostile in ["a: b # c", "{{ .Alert.Labels.pod }}", "$(id)", "x\ny: z", "*alias", "\u{7}\0", "'\"`", "yes"] {
        let stage = document().await;
        let parameters = json!({ "service": "checkout", "config": { hostile: { "level": hostile } } });
        let outcome = stage.run(UPDATE, parameters.clone()).await;
        assert_eq!(outcome.ending, Ending::Succeeded, "{hostile:?}: {outcome:?}");
        let prepared = stage.prepare(UPDATE, parameters).await.unwrap();
        assert!(prepared.notes.iter().any(|note| note.contains("so already")), "{hostile:?} reads as it was meant");

        let stage = keys().await;
        let parameters = json!({ "service": "checkout", "config": { "level": hostile } });
        assert_eq!(stage.run(UPDATE, parameters).await.ending, Ending::Succeeded);
        assert_eq!(data(&stage)["level"], *hostile);
        let problem = stage.prepare(UPDATE, json!({ "service": "checkout", "config": { "a/b\n": 1 } })).await;
        assert!(problem.unwrap_err().to_string().contains("no key of a config map"));
    }
}

#[rstest]
#[case::nested(json!({ "a": { "b": 1 } }), "`kubernetes.configKey`")]
#[case::a_list(json!({ "a": [1] }), "no text")]
#[tokio::test]
async fn nested_settings_need_a_document(#[case] config: Value, #[case] expected: &str) {
    let stage = keys().await;
    let problem = stage.prepare(UPDATE, json!({ "service": "checkout", "config": config })).await.unwrap_err();
    assert!(problem.to_string().contains(expected), "{problem}");
}

#[rstest]
#[case::a_typing_error(json!({ "configmap": "x" }), "configmap")]
#[case::no_kind(json!({ "workload": "checkout" }), "none of deployment/NAME")]
#[case::another_kind(json!({ "workload": "job/checkout" }), "none of deployment/NAME")]
#[case::a_path(json!({ "workload": "deployment/../../nodes" }), "none of deployment/NAME")]
#[case::a_hostile_map(json!({ "configMap": "../secrets/x" }), "no name of an object")]
#[case::no_format(json!({ "configKey": "app.properties" }), "neither `.yaml` nor `.json`")]
#[case::no_such_key(json!({ "configKey": "app.yaml" }), "no key `app.yaml`; it has level, old, other")]
#[case::no_such_map(json!({ "configMap": "nothing" }), "there is no config map `nothing`")]
#[tokio::test]
async fn an_entry_that_is_wrong_says_what_is_wrong(#[case] entry: Value, #[case] expected: &str) {
    let mut stage = keys().await;
    stage.describe_service("checkout", entry);
    let problem = stage.prepare(UPDATE, with_restart(flat())).await.unwrap_err().to_string();
    assert!(problem.contains(expected), "{problem}");
}

#[tokio::test]
async fn a_document_that_cannot_be_read_or_changed_is_left_alone() {
    let stage = with(&json!({ "application.yaml": "a: [1,\n" })).await;
    let problem = stage.prepare(UPDATE, nested()).await.unwrap_err().to_string();
    assert!(problem.contains("cannot be read"), "{problem}");
    let stage = document().await;
    stage.cluster.change("configmaps", "shop", "checkout", |map| map["immutable"] = json!(true)).unwrap();
    let problem = stage.prepare(UPDATE, nested()).await.unwrap_err().to_string();
    assert!(problem.contains("immutable"), "{problem}");
    let stage = with(&json!({ "application.yaml": "# the level\nlogging: {}\n" })).await;
    let prepared = stage.prepare(UPDATE, nested()).await.unwrap();
    assert!(prepared.notes.iter().any(|note| note.contains("comments")), "{:?}", prepared.notes);
}

#[tokio::test]
async fn a_service_restarts_and_all_of_its_pods_are_new() {
    for workload in ["deployment", "statefulset", "daemonset"] {
        let stage = Stage::new().await;
        match workload {
            "deployment" => stage.cluster.add_deployment("shop", "cart", 2),
            "statefulset" => stage.cluster.add_statefulset("shop", "cart", 2),
            _ => stage.cluster.add_daemonset("shop", "cart"),
        };
        let uids = || -> Vec<Value> {
            let pods = stage.pods_of("cart");
            pods.iter().map(|pod| stage.object("pods", pod)["metadata"]["uid"].clone()).collect()
        };
        let before = uids();
        let parameters = json!({ "service": "cart" });
        let prepared = stage.prepare(RESTART, parameters.clone()).await.unwrap();
        assert_eq!(stage.probe(RESTART, parameters.clone(), &prepared).await, ProbeAnswer::NotDone);
        let outcome = stage.run_prepared(RESTART, parameters.clone(), &prepared).await;
        assert_eq!(outcome.ending, Ending::Succeeded, "{workload}: {outcome:?}");
        assert_eq!(outcome.output["workload"], format!("{workload}/cart"));
        let after = uids();
        assert!(after.len() == before.len() && after.iter().all(|uid| !before.contains(uid)), "{workload}");
        assert_eq!(stage.probe(RESTART, parameters, &prepared).await, ProbeAnswer::Unknown);
    }
}

#[tokio::test]
async fn what_runs_a_service_has_to_be_clear() {
    let mut stage = Stage::new().await;
    let problem = stage.prepare(RESTART, json!({ "service": "nothing" })).await.unwrap_err().to_string();
    assert!(problem.contains("kubernetes.workload: deployment/NAME"), "{problem}");
    stage.cluster.add_daemonset("shop", "checkout");
    let problem = stage.prepare(RESTART, json!({ "service": "checkout" })).await.unwrap_err().to_string();
    assert!(problem.contains("deployment/checkout, daemonset/checkout"), "{problem}");
    stage.describe_service("checkout", json!({ "workload": "DaemonSet/checkout" }));
    let prepared = stage.prepare(RESTART, json!({ "service": "checkout" })).await.unwrap();
    assert_eq!(prepared.target.name, "daemonset/shop/checkout");
}

#[rstest]
#[case::paused("deployments", "checkout", json!({ "paused": true }), "is paused")]
#[case::on_delete("statefulsets", "db", json!({ "updateStrategy": { "type": "OnDelete" } }), "OnDelete")]
#[case::a_partition(
    "statefulsets",
    "db",
    json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } } }),
    "partition"
)]
#[tokio::test]
async fn a_restart_that_would_replace_nothing_is_refused(
    #[case] plural: &str,
    #[case] name: &str,
    #[case] spec: Value,
    #[case] expected: &str,
) {
    let stage = Stage::new().await;
    stage.cluster.add_statefulset("shop", "db", 2);
    let change = |object: &mut Value| {
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
    };
    stage.cluster.change(plural, "shop", name, change).unwrap();
    let problem = stage.prepare(RESTART, json!({ "service": name })).await.unwrap_err().to_string();
    assert!(problem.contains(expected), "{problem}");
}

#[tokio::test]
async fn a_restart_is_sent_once_and_not_where_the_workload_is_another_one() {
    let stage = Stage::new().await;
    let parameters = json!({ "service": "checkout" });
    let prepared = stage.prepare(RESTART, parameters.clone()).await.unwrap();
    stage.cluster.fail_always(Matching::verb("patch"), Fault::Unavailable);
    stage.asked();
    let outcome = stage.run_prepared(RESTART, parameters.clone(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Lost);
    assert_eq!(stage.asked().iter().filter(|call| call.starts_with("patch")).count(), 1);
    stage.cluster.heal();
    stage.cluster.remove("deployments", "shop", "checkout").unwrap();
    stage.cluster.add_deployment("shop", "checkout", 1);
    let outcome = stage.run_prepared(RESTART, parameters.clone(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted, "{outcome:?}");
    assert!(error(&outcome).contains("another one now"), "{outcome:?}");
    let prepared = stage.prepare(RESTART, parameters).await.unwrap();
    assert_eq!(prepared.impact, Impact::High, "{:?}", prepared.reasons);
}

#[tokio::test]
async fn a_rollout_that_does_not_end_is_given_up_at_the_time_limit() {
    let mut stage = Stage::new().await;
    stage.cluster.add_statefulset("shop", "db", 2);
    stage.cluster.set_pod_start(Duration::from_hours(1));
    stage.surroundings.timeout = Some(Duration::from_millis(300));
    let outcome: Outcome = stage.run(RESTART, json!({ "service": "db" })).await;
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert!(error(&outcome).contains("the rollout of statefulset/db did not end"), "{outcome:?}");
}
