//! The cluster as a process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};

#[tokio::test]
async fn the_shop_runs_in_it_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let mut process = Command::new(env!("CARGO_BIN_EXE_belay-cluster"))
        .arg("--kubeconfig")
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["kubeconfig"].as_str(), file.to_str());
    assert!(ready["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));

    let kubeconfig = Kubeconfig::read_from(&file).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let all = ListParams::default();
    assert_eq!(Api::<Node>::all(client.clone()).list(&all).await.unwrap().items.len(), 3);
    let checkout = Api::<Deployment>::default_namespaced(client.clone()).get("checkout").await.unwrap();
    assert_eq!(checkout.annotations()["deployment.kubernetes.io/revision"], "2");
    assert_eq!(checkout.status.unwrap().available_replicas, Some(4));
    Api::<Deployment>::default_namespaced(client.clone()).get("payments").await.unwrap();
    Api::<ConfigMap>::default_namespaced(client.clone()).get("checkout").await.unwrap();
    Api::<Service>::default_namespaced(client.clone()).get("checkout").await.unwrap();
    let sets = Api::<ReplicaSet>::default_namespaced(client.clone());
    assert_eq!(
        sets.list(&all.clone().labels("app=checkout")).await.unwrap().items.len(),
        2,
        "the old revision is kept"
    );
    assert_eq!(Api::<DaemonSet>::default_namespaced(client.clone()).list(&all).await.unwrap().items.len(), 1);
    let budget = Api::<PodDisruptionBudget>::default_namespaced(client).get("checkout").await.unwrap();
    assert_eq!(budget.status.unwrap().disruptions_allowed, Some(1));

    assert!(Command::new("kill").arg(process.id().to_string()).status().unwrap().success());
    assert!(process.wait().unwrap().success(), "it stops when it is told to");
}
