//! Evidence of pods and volumes.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use belay_runbook::act::{Ending, Outcome};
use belay_testkit::cluster::{ClusterOptions, Fault, Matching};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::stage::{Stage, error};

const SNAPSHOT: &str = "forensics.snapshot";
const SNAPSHOTS: &str = "volumesnapshots";

async fn stage() -> Stage {
    let stage = Stage::with(ClusterOptions::new().volume_snapshots()).await;
    stage.cluster.add_pod("shop", "web", "node-1");
    stage.cluster.log("shop", "web", "app", &["password=hunter2hunter2", "second"]);
    stage.cluster.crash("shop", "web", "app", 137).unwrap();
    stage.cluster.log("shop", "web", "app", &["begun anew"]);
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data", "namespace": "shop" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "8Gi" } } },
    });
    stage.cluster.create(claim).unwrap();
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "web.1", "namespace": "shop" },
        "involvedObject": { "kind": "Pod", "name": "web", "namespace": "shop" }, "reason": "BackOff", "type": "Warning",
    });
    stage.cluster.create(event).unwrap();
    stage.cluster.forget_calls();
    stage
}

fn both() -> Value {
    json!({ "resources": [{ "type": "pod", "name": "web" }, { "type": "volume", "name": "data" }] })
}

fn folder(stage: &Stage) -> PathBuf {
    stage.folder().join("evidence")
}

/// What was kept, by its name.
fn kept(outcome: &Outcome) -> BTreeMap<String, Value> {
    let items = outcome.output["snapshots"].as_array().unwrap();
    items.iter().map(|item| (item["name"].as_str().unwrap().to_owned(), item.clone())).collect()
}

/// One content, whose hash is its name.
fn content(stage: &Stage, item: &Value) -> Vec<u8> {
    let sha256 = item["sha256"].as_str().unwrap();
    let path = folder(stage).join("objects").join(sha256);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(hash(&bytes), sha256);
    assert_eq!(item["bytes"], bytes.len());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    bytes
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn custody(stage: &Stage, outcome: &Outcome) -> Value {
    let sha256 = outcome.output["custody"].as_str().unwrap();
    let bytes = std::fs::read(folder(stage).join("custody").join(format!("{sha256}.json"))).unwrap();
    assert_eq!(hash(&bytes), sha256, "the record is named by what it holds");
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_pod_and_a_volume_are_kept_with_who_took_them_from_where() {
    let stage = stage().await;
    let prepared = stage.prepare(SNAPSHOT, both()).await.unwrap();
    assert_eq!(prepared.target.name, "pod/shop/web and 1 more");
    assert!(prepared.notes.iter().any(|note| note.contains("with every secret in them")), "{:?}", prepared.notes);
    assert!(!folder(&stage).exists(), "preparing keeps nothing");
    let outcome = stage.run_prepared(SNAPSHOT, both(), &prepared).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    let kept = kept(&outcome);
    let names: Vec<&str> = kept.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "pod/shop/web/events.json",
            "pod/shop/web/log/app",
            "pod/shop/web/manifest.json",
            "pod/shop/web/previous-log/app",
            "volume/shop/data/events.json",
            "volume/shop/data/manifest.json",
            "volume/shop/data/snapshot",
            "volume/shop/data/snapshot.json",
        ]
    );
    let text = |name: &str| String::from_utf8(content(&stage, &kept[name])).unwrap();
    assert!(text("pod/shop/web/previous-log/app").contains("password=hunter2hunter2"), "evidence is not redacted");
    assert!(text("pod/shop/web/log/app").contains("begun anew"));
    assert!(text("pod/shop/web/manifest.json").contains("\"uid\""));
    assert!(text("pod/shop/web/events.json").contains("BackOff"));
    assert!(!format!("{outcome:?}{}", stage.said.lock().unwrap()).contains("hunter2"), "the log holds no content");

    let custody = custody(&stage, &outcome);
    assert_eq!((&custody["by"], &custody["invocation"]), (&json!("alice@laptop"), &json!("test")));
    assert_eq!(custody["cluster"], format!("cluster {}", stage.cluster.uid()));
    assert_eq!(custody["started"], "2026-01-02T03:04:05Z");
    assert_eq!(custody["items"].as_array().unwrap().len(), 7);
    assert_eq!(custody["items"][0]["from"], "get pods web in shop");
    assert_eq!(custody["missing"], json!([]));
    assert_eq!(stage.cluster.objects(SNAPSHOTS, "shop").len(), 1);
}

#[tokio::test]
async fn the_same_act_twice_cuts_one_snapshot_and_another_act_another() {
    let mut stage = stage().await;
    stage.run(SNAPSHOT, both()).await;
    assert_eq!(stage.run(SNAPSHOT, both()).await.ending, Ending::Succeeded);
    assert_eq!(stage.cluster.objects(SNAPSHOTS, "shop").len(), 1);
    stage.surroundings.invocation = "another".to_owned();
    assert_eq!(stage.run(SNAPSHOT, both()).await.ending, Ending::Succeeded);
    assert_eq!(stage.cluster.objects(SNAPSHOTS, "shop").len(), 2);
}

#[tokio::test]
async fn what_cannot_be_had_is_said_and_the_rest_is_kept() {
    let stage = stage().await;
    let parameters = json!({ "resources": [
        { "type": "pod", "name": "gone" }, { "type": "pod", "name": "web" }, { "type": "volume", "name": "none" },
    ] });
    stage.cluster.forbid("get", "pods/log");
    let outcome = stage.run(SNAPSHOT, parameters).await;
    assert_eq!(outcome.ending, Ending::Failed, "{outcome:?}");
    let said = error(&outcome);
    for expected in ["2 kept", "pod/shop/gone: ", "pod/shop/web/log/app: ", "verbs: [\"get\"]", "volume/shop/none: "] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(kept(&outcome).len(), 2);
    for item in kept(&outcome).values() {
        content(&stage, item);
    }
    let custody = custody(&stage, &outcome);
    assert_eq!(custody["missing"].as_array().unwrap().len(), 4, "{custody:#}");
}

#[tokio::test]
async fn a_cluster_without_volume_snapshots_keeps_the_manifest() {
    let stage = Stage::new().await;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data", "namespace": "shop" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "8Gi" } } },
    });
    stage.cluster.create(claim).unwrap();
    let outcome = stage.run(SNAPSHOT, json!({ "resources": [{ "type": "volume", "name": "data" }] })).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(error(&outcome).contains("has no API for volume snapshots"), "{outcome:?}");
    assert!(kept(&outcome).contains_key("volume/shop/data/manifest.json"));
}

#[tokio::test]
async fn a_snapshot_that_is_not_ready_in_time_is_said() {
    let mut stage = stage().await;
    stage.cluster.set_snapshot_time(Duration::from_hours(1));
    stage.surroundings.timeout = Some(Duration::from_millis(300));
    let outcome = stage.run(SNAPSHOT, json!({ "resources": [{ "type": "volume", "name": "data" }] })).await;
    assert_eq!(outcome.ending, Ending::TimedOut, "the snapshot may still come: it is no failure");
    assert!(error(&outcome).contains("did not end within"), "{outcome:?}");
}

#[rstest]
#[case::unavailable(Fault::Unavailable, Ending::Lost)]
#[case::lost(Fault::LostAnswer, Ending::Lost)]
#[case::garbage(Fault::Garbage, Ending::Lost)]
#[case::conflict(Fault::Busy(1), Ending::Failed)]
#[tokio::test]
async fn a_snapshot_that_goes_wrong_is_asked_for_once(#[case] fault: Fault, #[case] ending: Ending) {
    let stage = stage().await;
    stage.cluster.fail_next(Matching::verb("create"), fault);
    let outcome = stage.run(SNAPSHOT, both()).await;
    assert_eq!(outcome.ending, ending, "{outcome:?}");
    assert_eq!(stage.asked().iter().filter(|call| call.starts_with("create")).count(), 1);
    assert!(kept(&outcome).contains_key("pod/shop/web/log/app"), "the rest is kept");
    assert_eq!(stage.run(SNAPSHOT, both()).await.ending, Ending::Succeeded);
    assert_eq!(stage.cluster.objects(SNAPSHOTS, "shop").len(), 1);
}

#[rstest]
#[case("get", "pods")]
#[case("get", "pods/log")]
#[case("list", "events")]
#[case("get", "persistentvolumeclaims")]
#[case("create", "volumesnapshots.snapshot.storage.k8s.io")]
#[case("get", "volumesnapshots.snapshot.storage.k8s.io")]
#[tokio::test]
async fn who_may_not_is_told_the_rule(#[case] verb: &str, #[case] resource: &str) {
    let stage = stage().await;
    stage.cluster.forbid(verb, resource);
    let outcome = stage.run(SNAPSHOT, both()).await;
    let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
    let rule = format!("{{apiGroups: [\"{group}\"], resources: [\"{name}\"], verbs: [\"{verb}\"]}}");
    assert!(error(&outcome).contains(&rule), "{outcome:?}");
    assert_eq!(outcome.ending, Ending::Failed);
}

#[rstest]
#[case::a_path(json!([{ "type": "pod", "name": "../../secrets/x" }]), "no name of an object")]
#[case::a_namespace(json!([{ "type": "pod", "name": "web", "namespace": "shop?x" }]), "no name of an object")]
#[case::another_kind(json!([{ "type": "secret", "name": "web" }]), "unknown variant")]
#[case::nothing(json!([]), "names nothing")]
#[tokio::test]
async fn a_hostile_resource_reaches_no_request_and_no_file(#[case] resources: Value, #[case] expected: &str) {
    let stage = stage().await;
    let problem = stage.prepare(SNAPSHOT, json!({ "resources": resources })).await.unwrap_err().to_string();
    assert!(problem.contains("resources") && problem.contains(expected), "{problem}");
    assert!(!stage.asked().iter().any(|call| call.contains("pods")));
    assert!(!folder(&stage).exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_said() {
    let stage = stage().await;
    std::fs::write(folder(&stage), "in the way").unwrap();
    let outcome = stage.run(SNAPSHOT, both()).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(error(&outcome).contains("cannot be written"), "{outcome:?}");
    assert_eq!(outcome.output["custody"], Value::Null);
}
