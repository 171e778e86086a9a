//! Watches.

use std::time::Duration;

use axum::http::Request;
use futures_util::{AsyncBufReadExt as _, StreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::runtime::watcher;
use serde_json::{Value, json};

use crate::ground::{Ground, config};

crate::cases! {
    anywhere: [
        a_watch_tells_every_change_since_a_version,
        a_watch_without_a_version_begins_with_what_is_there,
        an_object_that_leaves_the_selection_is_told_as_deleted,
        a_streamed_list_ends_with_a_marked_bookmark,
        a_watch_ends_at_its_timeout,
    ],
    fake: [
        bookmarks_come_when_they_are_allowed,
        a_version_that_is_forgotten_is_410_in_the_stream,
        a_watcher_relists_after_410_and_after_the_end,
    ],
}

/// The events of a watch, up to a number of them.
async fn events(ground: &Ground, path: &str, number: usize) -> Vec<Value> {
    let request = Request::get(path).body(Vec::new()).unwrap();
    let lines = ground.client.request_stream(request).await.unwrap().lines();
    let read = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).take(number).collect();
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("the events come")
}

fn told(events: &[Value]) -> Vec<(&str, &str)> {
    let name = |event: &'_ Value| -> (usize, usize) { (event["type"].as_str().unwrap().len(), 0) };
    assert!(events.iter().all(|event| name(event).0 > 0), "every event has a type");
    events
        .iter()
        .map(|event| {
            (event["type"].as_str().unwrap(), event["object"]["metadata"]["name"].as_str().unwrap_or_default())
        })
        .collect()
}

async fn version(ground: &Ground) -> String {
    ground.get(&ground.core("configmaps")).await.expect(200).at("/metadata/resourceVersion").to_owned()
}

async fn a_watch_tells_every_change_since_a_version(ground: Ground) {
    let version = version(&ground).await;
    ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core("configmaps/cache");
    ground.patch("merge", &path, &json!({ "data": { "key": "new" } })).await.expect(200);
    ground.delete(&path, &Value::Null).await.expect(200);
    let path =
        ground.core(&format!("configmaps?watch=true&resourceVersion={version}&fieldSelector=metadata.name%3Dcache"));
    let events = events(&ground, &path, 3).await;
    assert_eq!(told(&events), [("ADDED", "cache"), ("MODIFIED", "cache"), ("DELETED", "cache")]);
    let versions: Vec<u64> = events
        .iter()
        .map(|event| event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(versions.is_sorted(), "versions go up: {versions:?}");
    assert_eq!(events[0]["object"]["kind"], "ConfigMap", "an object in a watch tells its type");
}

async fn a_watch_without_a_version_begins_with_what_is_there(ground: Ground) {
    ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core("configmaps?watch=true&fieldSelector=metadata.name%3Dcache");
    assert_eq!(told(&events(&ground, &path, 1).await), [("ADDED", "cache")]);
}

async fn an_object_that_leaves_the_selection_is_told_as_deleted(ground: Ground) {
    let version = version(&ground).await;
    ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    for tier in ["web", "db"] {
        let patch = json!({ "metadata": { "labels": { "tier": tier } } });
        ground.patch("merge", &ground.core("configmaps/cache"), &patch).await.expect(200);
    }
    let path = ground.core(&format!("configmaps?watch=true&resourceVersion={version}&labelSelector=tier%3Dweb"));
    assert_eq!(told(&events(&ground, &path, 2).await), [("ADDED", "cache"), ("DELETED", "cache")]);
}

async fn a_streamed_list_ends_with_a_marked_bookmark(ground: Ground) {
    ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core(
        "configmaps?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true\
         &fieldSelector=metadata.name%3Dcache",
    );
    let events = events(&ground, &path, 2).await;
    assert_eq!(told(&events), [("ADDED", "cache"), ("BOOKMARK", "")]);
    assert_eq!(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

async fn a_watch_ends_at_its_timeout(ground: Ground) {
    let version = version(&ground).await;
    let path = ground.core(&format!(
        "configmaps?watch=true&resourceVersion={version}&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone"
    ));
    assert!(events(&ground, &path, 9).await.is_empty());
}

async fn bookmarks_come_when_they_are_allowed(ground: Ground) {
    ground.cluster().set_bookmark_every(Duration::from_millis(30));
    let version = version(&ground).await;
    let path = ground.core(&format!("configmaps?watch=true&resourceVersion={version}&allowWatchBookmarks=true"));
    let events = events(&ground, &path, 2).await;
    assert_eq!(told(&events), [("BOOKMARK", ""), ("BOOKMARK", "")]);
    assert_eq!(events[0]["object"]["kind"], "ConfigMap");
}

async fn a_version_that_is_forgotten_is_410_in_the_stream(ground: Ground) {
    let version = version(&ground).await;
    ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    ground.cluster().compact();
    let path = ground.core(&format!("configmaps?watch=true&resourceVersion={version}"));
    let events = events(&ground, &path, 9).await;
    assert_eq!(events.len(), 1, "the watch ends with it");
    assert_eq!(events[0]["type"], "ERROR");
    assert_eq!(events[0]["object"]["code"], 410);
    assert_eq!(events[0]["object"]["reason"], "Expired");
}

async fn a_watcher_relists_after_410_and_after_the_end(ground: Ground) {
    let deployments: Api<Deployment> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let mut events = Box::pin(watcher::watcher(deployments, watcher::Config::default()));
    let mut next = async || {
        let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("an event comes");
        event.unwrap()
    };
    assert!(matches!(next().await, Ok(watcher::Event::Init)));
    assert!(matches!(next().await, Ok(watcher::Event::InitDone)));
    ground.deploy("checkout", 1).await;
    assert!(matches!(next().await, Ok(watcher::Event::Apply(_))));
    ground.cluster().fail_next("watch deployments", belay_testkit::cluster::Fault::Gone);
    ground.cluster().end_watches();
    // What the stream still holds comes first; then the 410, and the list anew.
    let mut seen = Vec::new();
    loop {
        match next().await {
            Ok(watcher::Event::InitApply(object)) => {
                seen.push(object.metadata.name.unwrap());
                break;
            }
            Ok(_) | Err(watcher::Error::WatchError(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(seen, ["checkout"]);
}
