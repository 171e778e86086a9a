//! Setting keys of a config map.

use belay_runbook::act::{Ending, UndoState};
use serde_json::{Value, json};

use crate::stage::{Stage, error};

const UPDATE: &str = "kubernetes.update_configmap";

async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage
        .cluster
        .create(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "settings", "namespace": "shop" },
            "data": { "level": "info", "old": "x" },
        }))
        .unwrap();
    stage
}

fn parameters() -> Value {
    json!({ "name": "settings", "data": { "level": "debug", "old": null, "limit": 50 } })
}

fn data(stage: &Stage) -> Value {
    stage.object("configmaps", "settings")["data"].clone()
}

#[tokio::test]
async fn keys_are_set_and_removed_and_come_back() {
    let stage = stage().await;
    let before = data(&stage);
    let prepared = stage.prepare(UPDATE, parameters()).await.unwrap();
    stage.asked();
    let outcome = stage.run_prepared(UPDATE, parameters(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["changedKeys"], json!(["level", "limit", "old"]));
    assert_eq!(stage.asked(), ["patch configmaps"]);
    assert_eq!(data(&stage), json!({ "level": "debug", "limit": "50" }));
    assert_eq!(stage.undo_state(UPDATE, parameters(), &prepared, &outcome).await, UndoState::AsAfter);
    assert_eq!(stage.undo(UPDATE, parameters(), &prepared, &outcome).await.ending, Ending::Succeeded);
    assert_eq!(data(&stage), before);
}

#[tokio::test]
async fn what_somebody_wrote_since_it_was_read_is_not_overwritten() {
    let stage = stage().await;
    let prepared = stage.prepare(UPDATE, parameters()).await.unwrap();
    let change = |object: &mut Value| object["data"]["level"] = json!("warn");
    stage.cluster.change("configmaps", "shop", "settings", change).unwrap();
    let outcome = stage.run_prepared(UPDATE, parameters(), &prepared).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(error(&outcome).contains("was changed since it was read"), "{outcome:?}");
    assert_eq!(data(&stage)["level"], "warn");
}

#[tokio::test]
async fn a_key_that_somebody_changed_since_keeps_an_undo_from_running() {
    let stage = stage().await;
    let prepared = stage.prepare(UPDATE, parameters()).await.unwrap();
    let outcome = stage.run_prepared(UPDATE, parameters(), &prepared).await;
    let change = |object: &mut Value| object["data"]["level"] = json!("trace");
    stage.cluster.change("configmaps", "shop", "settings", change).unwrap();
    assert!(matches!(stage.undo_state(UPDATE, parameters(), &prepared, &outcome).await, UndoState::Other { .. }));
    assert_eq!(stage.undo(UPDATE, parameters(), &prepared, &outcome).await.ending, Ending::NotStarted);
    assert_eq!(data(&stage)["level"], "trace");
}

#[tokio::test]
async fn a_value_that_is_no_text_is_refused() {
    let stage = stage().await;
    let error = stage.prepare(UPDATE, json!({ "name": "settings", "data": { "a": { "b": 1 } } })).await.unwrap_err();
    assert!(error.to_string().contains("`a` is no text"), "{error}");
}
