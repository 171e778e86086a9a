//! Settings that are in force for a time.

use belay_actions::action::Surroundings;
use belay_runbook::act::{Ending, Outcome, ProbeAnswer, UndoState};
use belay_testkit::cluster::{Fault, Matching};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, act, error};

const ENABLE: &str = "monitoring.enable_detailed";
const EXPIRE: &str = "kubernetes.expire_changes";
const TIME_BOX: &str = "sre.oversight.io/detailed-monitoring";

async fn stage() -> Stage {
    let mut stage = Stage::new().await;
    stage.describe_service(
        "checkout",
        json!({
            "configMap": "settings",
            "monitoring": {
                "detailed": { "settings": { "logging": { "level": "debug" }, "tracing": true } },
                "paranoid": { "settings": { "logging": { "level": "trace" } }, "restart": true },
            },
        }),
    );
    stage
        .cluster
        .create(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "shop" },
            "data": { "app.yaml": "logging:\n  level: info\n  to: stdout\n" },
        }))
        .unwrap();
    stage
}

fn parameters() -> Value {
    json!({ "service": "checkout", "duration": 600 })
}

fn paranoid() -> Value {
    json!({ "service": "checkout", "level": "paranoid", "duration": 600 })
}

fn text(stage: &Stage) -> String {
    stage.object("configmaps", "settings")["data"]["app.yaml"].as_str().unwrap().to_owned()
}

fn metadata(stage: &Stage) -> Value {
    stage.object("configmaps", "settings")["metadata"].clone()
}

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
async fn a_level_is_in_force_for_a_time_and_its_undo_puts_it_back() {
    let stage = stage().await;
    let prepared = stage.prepare(ENABLE, parameters()).await.unwrap();
    assert_eq!(prepared.target.name, "configmap/shop/settings");
    assert!(prepared.notes.iter().any(|note| note.contains("does not end by itself")), "{:?}", prepared.notes);
    assert_eq!(stage.probe(ENABLE, parameters(), &prepared).await, ProbeAnswer::NotDone);
    let outcome = stage.run_prepared(ENABLE, parameters(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["until"], "2026-01-02T03:14:05Z");
    assert!(text(&stage).contains("level: debug") && text(&stage).contains("tracing: true"));
    assert_eq!(metadata(&stage)["labels"]["sre.oversight.io/time-boxed"], "true");
    assert!(matches!(stage.probe(ENABLE, parameters(), &prepared).await, ProbeAnswer::Done(_)));
    assert_eq!(stage.undo_state(ENABLE, parameters(), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(ENABLE, parameters(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert!(text(&stage).contains("level: info") && !text(&stage).contains("tracing"));
    assert!(!metadata(&stage).to_string().contains(TIME_BOX) && !metadata(&stage).to_string().contains("time-boxed"));
    assert_eq!(stage.undo_state(ENABLE, parameters(), &prepared, &outcome).await, UndoState::AsBefore);
}

#[tokio::test]
async fn a_later_belay_puts_back_what_is_over_from_the_cluster_alone() {
    let stage = stage().await;
    stage.run(ENABLE, parameters()).await;
    let mut other = Stage::new().await;
    other.surroundings.context = stage.surroundings.context.clone();
    other.describe_service("checkout", Value::Null);
    let early = run_at(&other, EXPIRE, json!({}), &later(&other, 599)).await;
    assert_eq!(early.output["putBack"], json!([]));
    assert!(text(&stage).contains("level: debug"));
    let outcome = run_at(&other, EXPIRE, json!({}), &later(&other, 600)).await;
    assert_eq!(outcome.output["putBack"], json!(["level detailed in configmap/shop/settings"]), "{outcome:?}");
    assert!(text(&stage).contains("level: info") && !text(&stage).contains("tracing"));
    let again = run_at(&other, EXPIRE, json!({}), &later(&other, 600)).await;
    assert_eq!((again.ending, &again.output["putBack"]), (Ending::Succeeded, &json!([])));
}

#[tokio::test]
async fn what_was_before_the_first_comes_back_in_the_end() {
    let stage = stage().await;
    let first = stage.prepare(ENABLE, parameters()).await.unwrap();
    stage.run_prepared(ENABLE, parameters(), &first).await;
    let again = run_at(&stage, ENABLE, parameters(), &later(&stage, 300)).await;
    assert_eq!(again.output["until"], "2026-01-02T03:19:05Z", "it is longer in force");
    let shorter = run_at(&stage, ENABLE, json!({ "service": "checkout", "duration": 1 }), &later(&stage, 300)).await;
    assert_eq!(shorter.output["until"], "2026-01-02T03:19:05Z", "and never shorter");
    let problem = stage.prepare(ENABLE, paranoid()).await.unwrap_err().to_string();
    assert!(problem.contains("level `detailed` of `checkout` is in force until"), "{problem}");
    let outcome = run_at(&stage, EXPIRE, json!({}), &later(&stage, 900)).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert!(text(&stage).contains("level: info"));
}

#[tokio::test]
async fn pods_read_it_when_it_begins_and_when_it_ends() {
    let stage = stage().await;
    let (action, at) = (ENABLE, later(&stage, 600));
    let first = stage.pods_of("checkout");
    let outcome = stage.run(action, paranoid()).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    let second = stage.pods_of("checkout");
    assert!(first.iter().all(|pod| !second.contains(pod)));
    let outcome = run_at(&stage, EXPIRE, json!({}), &at).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    let third = stage.pods_of("checkout");
    assert!(second.iter().all(|pod| !third.contains(pod)));
}

#[tokio::test]
async fn what_somebody_changed_meanwhile_is_not_overwritten_when_it_ends() {
    let stage = stage().await;
    let prepared = stage.prepare(ENABLE, parameters()).await.unwrap();
    let outcome = stage.run_prepared(ENABLE, parameters(), &prepared).await;
    let change = |map: &mut Value| map["data"]["app.yaml"] = json!("logging:\n  level: warn\ntracing: true\n");
    stage.cluster.change("configmaps", "shop", "settings", change).unwrap();
    let expired = run_at(&stage, EXPIRE, json!({}), &later(&stage, 600)).await;
    assert_eq!(expired.ending, Ending::Failed);
    assert!(error(&expired).contains("somebody changed the same settings since"), "{expired:?}");
    assert!(matches!(stage.undo_state(ENABLE, parameters(), &prepared, &outcome).await, UndoState::Other { .. }));
    assert_eq!(stage.undo(ENABLE, parameters(), &prepared, &outcome).await.ending, Ending::NotStarted);
    assert!(text(&stage).contains("level: warn"));
}

#[tokio::test]
async fn an_annotation_that_somebody_edited_is_said_and_left() {
    let stage = stage().await;
    let prepared = stage.prepare(ENABLE, parameters()).await.unwrap();
    stage.run_prepared(ENABLE, parameters(), &prepared).await;
    let change = |map: &mut Value| map["metadata"]["annotations"][TIME_BOX] = json!("soon");
    stage.cluster.change("configmaps", "shop", "settings", change).unwrap();
    let expired = run_at(&stage, EXPIRE, json!({}), &later(&stage, 600)).await;
    assert_eq!(expired.ending, Ending::Failed);
    assert!(error(&expired).contains("not as belay wrote it"), "{expired:?}");
    assert!(stage.prepare(ENABLE, parameters()).await.is_err());
}

#[rstest]
#[case::no_such_level(json!({ "service": "checkout", "level": "total" }), "no level `total`; it has detailed, paranoid")]
#[case::no_levels(json!({ "service": "cart" }), "no level `detailed`; it has none")]
#[tokio::test]
async fn a_level_has_to_be_in_the_context(#[case] parameters: Value, #[case] expected: &str) {
    let stage = stage().await;
    let problem = stage.prepare(ENABLE, parameters).await.unwrap_err().to_string();
    assert!(problem.contains(expected) && problem.contains("settings: {"), "{problem}");
}

#[rstest]
#[case(ENABLE, parameters(), "get", "configmaps")]
#[case(ENABLE, parameters(), "patch", "configmaps")]
#[case(ENABLE, paranoid(), "get", "deployments.apps")]
#[case(ENABLE, paranoid(), "patch", "deployments.apps")]
#[case(EXPIRE, json!({}), "list", "configmaps")]
#[tokio::test]
async fn who_may_not_is_told_the_rule(
    #[case] action: &str,
    #[case] parameters: Value,
    #[case] verb: &str,
    #[case] resource: &str,
) {
    let stage = stage().await;
    stage.cluster.forbid(verb, resource);
    let outcome = stage.run(action, parameters).await;
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    let rule = format!("{{apiGroups: [\"{group}\"], resources: [\"{name}\"], verbs: [\"{verb}\"]}}");
    assert!(error(&outcome).contains(&rule), "{outcome:?}");
}

#[rstest]
#[case::lost(Fault::LostAnswer, Ending::Lost)]
#[case::lost_request(Fault::LostRequest, Ending::Lost)]
#[case::conflict(Fault::Conflict, Ending::NotStarted)]
#[case::garbage(Fault::Garbage, Ending::Lost)]
#[case::busy(Fault::Busy(1), Ending::NotStarted)]
#[tokio::test]
async fn a_write_that_goes_wrong_can_be_tried_again_and_comes_back_whole(#[case] fault: Fault, #[case] ending: Ending) {
    let stage = stage().await;
    let prepared = stage.prepare(ENABLE, parameters()).await.unwrap();
    stage.cluster.fail_next(Matching::verb("patch"), fault);
    let outcome = stage.run_prepared(ENABLE, parameters(), &prepared).await;
    assert_eq!(outcome.ending, ending, "{outcome:?}");
    let outcome = stage.run_prepared(ENABLE, parameters(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(stage.undo(ENABLE, parameters(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert!(text(&stage).contains("level: info") && !text(&stage).contains("tracing"));
}
