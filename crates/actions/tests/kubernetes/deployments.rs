//! Scaling, restarting, patching and returning deployments.

use belay_runbook::act::{Ending, ProbeAnswer, ReplicaChange, UndoState};
use belay_testkit::cluster::{Fault, Matching};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, error};

const SCALE: &str = "kubernetes.scale_deployment";
const PATCH: &str = "kubernetes.patch_deployment";
const ROLLBACK: &str = "kubernetes.rollback_deployment";

fn to(replicas: u32) -> Value {
    json!({ "deployment": "checkout", "replicas": replicas })
}

fn replicas(stage: &Stage) -> Value {
    stage.object("deployments", "checkout")["spec"]["replicas"].clone()
}

#[tokio::test]
async fn scaling_changes_the_number_by_one_request_and_puts_it_back() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(SCALE, to(6)).await.unwrap();
    assert_eq!(prepared.basis.replicas, Some(ReplicaChange { from: 4, to: 6 }));
    assert_eq!(prepared.target.name, "deployment/shop/checkout");
    assert_eq!(prepared.target.fingerprint, Some(format!("cluster {}", stage.cluster.uid())));
    stage.asked();

    let outcome = stage.run_prepared(SCALE, to(6), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.published["currentReplicas"], 6);
    assert_eq!(stage.asked(), ["patch deployments/scale"], "kubectl needs one request too");
    assert_eq!(replicas(&stage), 6);

    assert_eq!(stage.undo_state(SCALE, to(6), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(SCALE, to(6), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(replicas(&stage), 4);
    assert_eq!(stage.undo_state(SCALE, to(6), &prepared, &outcome).await, UndoState::AsBefore);
}

#[rstest]
#[case::to_nothing(4, 0)]
#[case::from_nothing(0, 3)]
#[tokio::test]
async fn no_replicas_are_a_number_too(#[case] from: u32, #[case] goal: u32) {
    let stage = Stage::new().await;
    stage.cluster.change("deployments", "shop", "checkout", |object| object["spec"]["replicas"] = json!(from)).unwrap();
    let prepared = stage.prepare(SCALE, to(goal)).await.unwrap();
    let outcome = stage.run_prepared(SCALE, to(goal), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(replicas(&stage), goal);
    assert_eq!(stage.undo(SCALE, to(goal), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(replicas(&stage), from);
}

#[rstest]
#[case::before(4)]
#[case::before_from_nothing(0)]
#[tokio::test]
async fn an_autoscaler_that_was_faster_is_not_overwritten(#[case] from: u32) {
    let stage = Stage::new().await;
    let set = |number: u32| {
        let change = |object: &mut Value| object["spec"]["replicas"] = json!(number);
        stage.cluster.change("deployments", "shop", "checkout", change).unwrap();
    };
    set(from);
    let prepared = stage.prepare(SCALE, to(6)).await.unwrap();
    set(9);
    let outcome = stage.run_prepared(SCALE, to(6), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert_eq!(error(&outcome), format!("somebody changed the replicas since they were read: {from} then, 9 now"));
    assert_eq!(replicas(&stage), 9);
}

#[tokio::test]
async fn an_undo_does_not_overwrite_what_came_after() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(SCALE, to(6)).await.unwrap();
    let outcome = stage.run_prepared(SCALE, to(6), &prepared).await;
    let change = |object: &mut Value| object["spec"]["replicas"] = json!(9);
    stage.cluster.change("deployments", "shop", "checkout", change).unwrap();
    let UndoState::Other { before, after, live } = stage.undo_state(SCALE, to(6), &prepared, &outcome).await else {
        panic!("it was changed");
    };
    assert_eq!([&before["replicas"], &after["replicas"], &live["replicas"]], [4, 6, 9]);
    assert_eq!(stage.undo(SCALE, to(6), &prepared, &outcome).await.ending, Ending::NotStarted);
    assert_eq!(replicas(&stage), 9);
}

#[tokio::test]
async fn one_that_was_deleted_and_made_anew_is_another_one() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(SCALE, to(6)).await.unwrap();
    stage.cluster.remove("deployments", "shop", "checkout").unwrap();
    stage.cluster.add_deployment("shop", "checkout", 4);
    let outcome = stage.run_prepared(SCALE, to(6), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("made anew"), "{outcome:?}");
    assert_eq!(replicas(&stage), 4);
}

#[rstest]
#[case::done(Fault::LostAnswer, true)]
#[case::half_an_answer(Fault::HalfAnswer, true)]
#[case::not_done(Fault::LostRequest, false)]
#[case::garbage(Fault::Garbage, false)]
#[tokio::test]
async fn a_lost_answer_is_not_known_until_it_is_asked_about(#[case] fault: Fault, #[case] done: bool) {
    let stage = Stage::new().await;
    let prepared = stage.prepare(SCALE, to(6)).await.unwrap();
    stage.cluster.fail_next(Matching::verb("patch"), fault);
    let outcome = stage.run_prepared(SCALE, to(6), &prepared).await;
    assert_eq!(outcome.ending, Ending::Lost, "{outcome:?}");
    match stage.probe(SCALE, to(6), &prepared).await {
        ProbeAnswer::Done(outcome) => {
            assert!(done);
            assert_eq!(outcome.output["previousReplicas"], 4);
        }
        ProbeAnswer::NotDone => assert!(!done),
        ProbeAnswer::Unknown => panic!("the number tells"),
    }
}

#[tokio::test]
async fn a_deployment_that_is_not_there_is_said_before_anything_is_asked_for() {
    let stage = Stage::new().await;
    let error = stage.prepare(SCALE, json!({ "deployment": "chekout", "replicas": 2 })).await.unwrap_err();
    assert!(error.to_string().contains("there is no deployment `chekout` in shop"), "{error}");
}

#[tokio::test]
async fn a_restart_replaces_every_pod_and_waits_for_them() {
    let stage = Stage::new().await;
    let before = stage.pods_of("checkout");
    stage.cluster.set_pod_start(std::time::Duration::from_millis(300));
    let outcome = stage.run("kubernetes.restart_deployment", json!({ "deployment": "checkout" })).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?} {}", stage.said.lock().unwrap());
    assert_eq!(outcome.output["restartedAt"], "2026-01-02T03:04:05Z");
    let after = stage.pods_of("checkout");
    assert_eq!(after.len(), 4);
    assert!(before.iter().all(|pod| !after.contains(pod)), "{before:?} {after:?}");
    assert!(!stage.said.lock().unwrap().is_empty(), "who waits is told what for");
}

#[tokio::test]
async fn a_restart_that_is_cancelled_says_what_goes_on() {
    let stage = Stage::new().await;
    stage.cluster.set_pod_start(std::time::Duration::from_mins(10));
    let cancel = stage.surroundings.cancel.clone();
    let (outcome, ()) =
        tokio::join!(stage.run("kubernetes.restart_deployment", json!({ "deployment": "checkout" })), async {
            while stage.said.lock().unwrap().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            cancel.cancel();
        });
    assert_eq!(outcome.ending, Ending::Cancelled, "what it did is for a probe or a person to say");
    assert!(error(&outcome).contains("cancelled") && error(&outcome).contains("goes on in the cluster"), "{outcome:?}");
}

#[tokio::test]
async fn a_restart_with_a_broken_image_gives_up_with_the_controllers_reason() {
    let stage = Stage::new().await;
    let broken = |object: &mut Value| {
        object["spec"]["progressDeadlineSeconds"] = json!(1);
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop/checkout:broken");
    };
    stage.cluster.change("deployments", "shop", "checkout", broken).unwrap();
    let outcome = stage.run("kubernetes.restart_deployment", json!({ "deployment": "checkout" })).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(error(&outcome).contains("does not come to an end"), "{outcome:?}");
}

fn memory(limit: &str) -> Value {
    json!({
        "deployment": "checkout",
        "patch": { "spec": { "template": { "spec": { "containers": [
            { "name": "app", "resources": { "limits": { "memory": limit } } },
        ] } } } },
    })
}

fn containers(stage: &Stage) -> Value {
    stage.object("deployments", "checkout")["spec"]["template"]["spec"]["containers"].clone()
}

#[tokio::test]
async fn a_patch_merges_containers_by_name_and_is_put_back_whole() {
    let stage = Stage::new().await;
    let sidecar = |object: &mut Value| {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
        containers.push(json!({ "name": "proxy", "image": "shop/proxy:1" }));
    };
    stage.cluster.change("deployments", "shop", "checkout", sidecar).unwrap();
    let before = containers(&stage);
    let prepared = stage.prepare(PATCH, memory("768Mi")).await.unwrap();
    stage.asked();
    let outcome = stage.run_prepared(PATCH, memory("768Mi"), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["patched"], true);
    assert_eq!(stage.asked(), ["patch deployments"]);
    let after = containers(&stage);
    assert_eq!(after.as_array().unwrap().len(), 2, "the other container is still there: {after}");
    assert_eq!(after[0]["resources"]["limits"]["memory"], "768Mi");

    // An autoscaler's work is not undone with it.
    let scale = |object: &mut Value| object["spec"]["replicas"] = json!(7);
    stage.cluster.change("deployments", "shop", "checkout", scale).unwrap();
    assert_eq!(stage.undo_state(PATCH, memory("768Mi"), &prepared, &outcome).await, UndoState::AsAfter);
    let undone = stage.undo(PATCH, memory("768Mi"), &prepared, &outcome).await;
    assert_eq!(undone.ending, Ending::Succeeded, "{undone:?}");
    assert_eq!(containers(&stage), before);
    assert_eq!(replicas(&stage), 7);
}

#[tokio::test]
async fn labels_and_annotations_of_a_patch_are_put_back_too() {
    let stage = Stage::new().await;
    let patch = json!({ "deployment": "checkout", "patch": { "metadata": {
        "labels": { "incident": "17" },
        "annotations": { "belay.dev/why": "slow" },
    } } });
    let before = stage.object("deployments", "checkout")["metadata"].clone();
    let prepared = stage.prepare(PATCH, patch.clone()).await.unwrap();
    let outcome = stage.run_prepared(PATCH, patch.clone(), &prepared).await;
    assert_eq!(stage.object("deployments", "checkout")["metadata"]["labels"]["incident"], "17");
    assert_eq!(stage.undo(PATCH, patch, &prepared, &outcome).await.ending, Ending::Succeeded);
    let after = stage.object("deployments", "checkout")["metadata"].clone();
    assert_eq!((&after["labels"], &after["annotations"]), (&before["labels"], &before["annotations"]));
}

#[rstest]
#[case::status(json!({ "status": {} }), "`status` is no part")]
#[case::name(json!({ "metadata": { "name": "other" } }), "`metadata.name` cannot be changed")]
#[case::finalizers(json!({ "metadata": { "finalizers": [] } }), "`metadata.finalizers` cannot be changed")]
#[tokio::test]
async fn a_patch_reaches_what_it_may_change_alone(#[case] patch: Value, #[case] expected: &str) {
    let stage = Stage::new().await;
    let error = stage.prepare(PATCH, json!({ "deployment": "checkout", "patch": patch })).await.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn a_patch_that_the_server_refuses_is_known_before_anybody_approves_it() {
    let stage = Stage::new().await;
    let patch = json!({ "deployment": "checkout", "patch": { "spec": { "replicas": -1 } } });
    let error = stage.prepare(PATCH, patch).await.unwrap_err();
    assert!(error.to_string().contains("422"), "{error}");
    assert_eq!(replicas(&stage), 4);
}

#[tokio::test]
async fn what_somebody_patched_since_keeps_an_undo_from_running() {
    let stage = Stage::new().await;
    let prepared = stage.prepare(PATCH, memory("768Mi")).await.unwrap();
    let outcome = stage.run_prepared(PATCH, memory("768Mi"), &prepared).await;
    let image = |object: &mut Value| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop/checkout:9");
    };
    stage.cluster.change("deployments", "shop", "checkout", image).unwrap();
    assert!(matches!(stage.undo_state(PATCH, memory("768Mi"), &prepared, &outcome).await, UndoState::Other { .. }));
    let refused = stage.undo(PATCH, memory("768Mi"), &prepared, &outcome).await;
    assert_eq!(refused.ending, Ending::NotStarted, "{refused:?}");
    assert_eq!(containers(&stage)[0]["image"], "shop/checkout:9");
}

/// A second revision with another image.
fn release(stage: &Stage, image: &str) {
    let image = image.to_owned();
    let change = move |object: &mut Value| object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    stage.cluster.change("deployments", "shop", "checkout", change).unwrap();
}

#[tokio::test]
async fn a_rollback_writes_the_older_template_and_can_be_taken_back() {
    let stage = Stage::new().await;
    let first = containers(&stage);
    release(&stage, "shop/checkout:2");
    let second = containers(&stage);
    let parameters = json!({ "deployment": "checkout" });
    let prepared = stage.prepare(ROLLBACK, parameters.clone()).await.unwrap();
    assert!(prepared.notes.iter().any(|note| note == "from revision 2 to revision 1"), "{:?}", prepared.notes);
    stage.asked();
    let outcome = stage.run_prepared(ROLLBACK, parameters.clone(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output, json!({ "rolledBack": true, "revision": 1 }));
    assert_eq!(stage.asked(), ["get deployments", "patch deployments"], "kubectl lists the replica sets besides");
    assert_eq!(containers(&stage), first);
    let template = &stage.object("deployments", "checkout")["spec"]["template"];
    assert_eq!(template["metadata"]["labels"].get("pod-template-hash"), None, "the hash is the controller's");

    assert_eq!(stage.undo_state(ROLLBACK, parameters.clone(), &prepared, &outcome).await, UndoState::AsAfter);
    let undone = stage.undo(ROLLBACK, parameters.clone(), &prepared, &outcome).await;
    assert_eq!(undone.ending, Ending::Succeeded, "{undone:?}");
    assert_eq!(containers(&stage), second);
}

#[tokio::test]
async fn a_release_between_reading_and_returning_stops_it() {
    let stage = Stage::new().await;
    release(&stage, "shop/checkout:2");
    let parameters = json!({ "deployment": "checkout" });
    let prepared = stage.prepare(ROLLBACK, parameters.clone()).await.unwrap();
    release(&stage, "shop/checkout:3");
    let outcome = stage.run_prepared(ROLLBACK, parameters, &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("somebody changed the template since it was read"), "{outcome:?}");
    assert_eq!(containers(&stage)[0]["image"], "shop/checkout:3");
}

#[rstest]
#[case::none_before(None, "no revision before 1; it has 1")]
#[case::no_such(Some(7), "no revision 7; it has 1")]
#[tokio::test]
async fn a_revision_that_is_not_there_is_said_with_those_that_are(
    #[case] revision: Option<u64>,
    #[case] expected: &str,
) {
    let stage = Stage::new().await;
    let mut parameters = json!({ "deployment": "checkout" });
    if let Some(revision) = revision {
        parameters["revision"] = json!(revision);
    }
    let error = stage.prepare(ROLLBACK, parameters).await.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn the_history_has_the_newest_revision_first() {
    let stage = Stage::new().await;
    release(&stage, "shop/checkout:2");
    let outcome = stage.run("kubernetes.deployment_history", json!({ "deployment": "checkout", "limit": 1 })).await;
    assert_eq!(outcome.output["count"], 2);
    let revisions = outcome.published["revisions"].as_array().unwrap();
    assert_eq!(revisions.len(), 1);
    assert_eq!(revisions[0]["revision"], 2);
    assert_eq!(revisions[0]["images"], json!(["shop/checkout:2"]));
    assert!(revisions[0]["timestamp"].as_i64().unwrap() > 1_600_000_000_000);
}

#[tokio::test]
async fn a_rollout_says_how_far_it_has_come() {
    let stage = Stage::new().await;
    let parameters = json!({ "deployment": "checkout" });
    let complete = stage.run("kubernetes.rollout_status", parameters.clone()).await;
    assert_eq!(complete.output["complete"], true);
    assert_eq!(complete.published["currentReplicas"], 4);
    release(&stage, "shop/checkout:broken");
    let prepared = stage.prepare("kubernetes.rollout_status", parameters.clone()).await.unwrap();
    assert_eq!(prepared.facts["rolloutComplete"], false);
    let halted = stage.run_prepared("kubernetes.rollout_status", parameters, &prepared).await;
    assert_eq!(halted.output["complete"], false);
    assert_ne!(halted.output["message"], "");
}

#[tokio::test]
async fn a_deployment_is_read_with_what_its_containers_may_use() {
    let stage = Stage::new().await;
    let outcome = stage.run("kubernetes.get_deployment", json!({ "deployment": "checkout" })).await;
    let container = &outcome.output["containers"][0];
    assert_eq!((&container["name"], &container["limits"]["memory"]), (&json!("app"), &json!("512Mi")), "{outcome:?}");
    assert_eq!(container["requests"]["memory"], "256Mi");
    assert_eq!(outcome.published["currentReplicas"], 4);
    assert_eq!(outcome.published["deploymentObject"]["metadata"]["name"], "checkout");
    let missing = json!({ "deployment": "nothing" });
    let prepared = stage.prepare("kubernetes.get_deployment", missing.clone()).await.unwrap();
    assert_eq!(prepared.facts["deploymentExists"], json!(false));
    assert!(
        error(&stage.run("kubernetes.get_deployment", missing).await)
            .contains("there is no deployment `nothing` in shop")
    );
}
