//! Reading, cordoning and uncordoning nodes.

use belay_runbook::act::{Ending, UndoState};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stage::{Stage, error};

fn node() -> Value {
    json!({ "nodeName": "node-1" })
}

fn is_cordoned(stage: &Stage) -> bool {
    stage.object("nodes", "node-1")["spec"]["unschedulable"] == json!(true)
}

#[tokio::test]
async fn a_node_is_read_with_its_conditions() {
    let stage = Stage::new().await;
    stage.cluster.lose_node("node-1").unwrap();
    let prepared = stage.prepare("kubernetes.get_node", node()).await.unwrap();
    assert_eq!(prepared.facts["nodeReady"], false);
    let outcome = stage.run_prepared("kubernetes.get_node", node(), &prepared).await;
    assert_eq!(outcome.output["ready"], false);
    assert_eq!(outcome.output["conditions"]["Ready"], "Unknown");
    assert_eq!(outcome.published["nodeObject"]["metadata"]["name"], "node-1");
}

#[rstest]
#[case::cordon("kubernetes.cordon_node", true)]
#[case::uncordon("kubernetes.uncordon_node", false)]
#[tokio::test]
async fn a_node_is_cordoned_and_uncordoned_and_back(#[case] action: &str, #[case] wanted: bool) {
    let stage = Stage::new().await;
    let before = |object: &mut Value| object["spec"]["unschedulable"] = json!(!wanted);
    stage.cluster.change("nodes", "", "node-1", before).unwrap();
    let prepared = stage.prepare(action, node()).await.unwrap();
    assert!(prepared.basis.nodes.contains("node-1"));
    stage.asked();
    let outcome = stage.run_prepared(action, node(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["changed"], true);
    assert_eq!(stage.asked(), ["patch nodes"]);
    assert_eq!(is_cordoned(&stage), wanted);
    assert_eq!(stage.undo_state(action, node(), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(action, node(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(is_cordoned(&stage), !wanted);
}

#[tokio::test]
async fn what_was_cordoned_before_stays_so_after_the_undo() {
    let stage = Stage::new().await;
    let cordon = |object: &mut Value| object["spec"]["unschedulable"] = json!(true);
    stage.cluster.change("nodes", "", "node-1", cordon).unwrap();
    let prepared = stage.prepare("kubernetes.cordon_node", node()).await.unwrap();
    assert!(prepared.notes.iter().any(|note| note.contains("so already")), "{:?}", prepared.notes);
    let outcome = stage.run_prepared("kubernetes.cordon_node", node(), &prepared).await;
    assert_eq!(outcome.output["changed"], false);
    let live = stage.undo_state("kubernetes.cordon_node", node(), &prepared, &outcome).await;
    assert_eq!(live, UndoState::AsBefore, "there is nothing to take back");
}

#[tokio::test]
async fn a_node_that_was_replaced_under_its_name_is_another_one() {
    let stage = Stage::new().await;
    let prepared = stage.prepare("kubernetes.cordon_node", node()).await.unwrap();
    stage.cluster.remove("nodes", "", "node-1").unwrap();
    stage.cluster.add_node("node-1");
    let outcome = stage.run_prepared("kubernetes.cordon_node", node(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted, "{outcome:?}");
    assert!(error(&outcome).contains("409"), "{outcome:?}");
    assert!(!is_cordoned(&stage));
}
