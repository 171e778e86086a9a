//! What the controllers make of deployments, stateful sets, daemon sets and jobs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::{Ground, deployment};

crate::cases! {
    anywhere: [],
    fake: [
        a_deployment_gets_its_pods_at_once,
        a_new_template_makes_a_new_revision_and_keeps_the_old_set,
        an_undo_is_a_write_of_the_older_template,
        a_rollout_stays_within_its_bounds,
        a_recreating_deployment_stops_all_before_it_starts_any,
        a_rollout_that_cannot_advance_exceeds_its_deadline,
        a_paused_deployment_does_not_roll_out,
        a_scale_down_takes_pods_away,
        a_pod_that_is_no_longer_selected_is_let_go_and_taken_in_again,
        old_sets_are_kept_up_to_a_limit,
        a_pod_counts_as_available_after_its_time,
        a_pod_without_a_node_stays_pending,
        a_stateful_set_numbers_its_pods_and_replaces_them_from_the_last,
        a_daemon_set_runs_on_every_node,
        a_job_completes,
        a_job_fails_beyond_its_limit,
        a_snapshot_becomes_ready_where_its_claim_is_bound,
        a_field_that_a_schema_does_not_name_is_pruned,
    ],
}

fn status(ground: &Ground, name: &str, field: &str) -> i64 {
    let deployment = ground.cluster().object("deployments", "shop", name).unwrap();
    deployment["status"][field].as_i64().unwrap_or_default()
}

fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|one| one["type"] == kind).cloned().unwrap_or_default()
}

fn revision(object: &Value) -> String {
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap_or_default().to_owned()
}

async fn set_image(ground: &Ground, image: &str) {
    let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": image }] } } } });
    ground.patch("strategic-merge", &ground.apps("deployments/checkout"), &patch).await.expect(200);
}

async fn a_pod_that_is_no_longer_selected_is_let_go_and_taken_in_again(ground: Ground) {
    ground.deploy("checkout", 2).await;
    let name = ground.get(&ground.core("pods")).await.names().remove(0);
    let path = ground.core(&format!("pods/{name}"));
    let relabel = |app: &str| json!({ "metadata": { "labels": { "app": app } } });
    ground.patch("merge", &path, &relabel("kept")).await.expect(200);
    let kept = ground.get(&path).await.expect(200);
    assert_eq!(kept.at("/metadata/ownerReferences/0/name"), "", "its controller has let it go");
    assert_eq!(ground.cluster().objects("pods", "shop").len(), 3, "and has made another one");
    ground.patch("merge", &path, &relabel("checkout")).await.expect(200);
    assert_eq!(ground.cluster().objects("pods", "shop").len(), 2, "taken in again, there is one too many");
    let owners = |pod: &Value| pod["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
    assert!(ground.cluster().objects("pods", "shop").iter().all(|pod| owners(pod) == 1));
}

async fn a_deployment_gets_its_pods_at_once(ground: Ground) {
    ground.deploy("checkout", 3).await;
    let pods = ground.cluster().objects("pods", "shop");
    assert_eq!(pods.len(), 3);
    let mut nodes: Vec<&str> = pods.iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap()).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["node-1", "node-2", "node-3"], "pods are spread");
    let set = &ground.cluster().objects("replicasets", "shop")[0];
    let owner = &pods[0]["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"], &owner["controller"]),
        (&json!("ReplicaSet"), &set["metadata"]["uid"], &json!(true))
    );
    assert_eq!(set["metadata"]["ownerReferences"][0]["kind"], "Deployment");
    assert!(pods[0]["metadata"]["labels"]["pod-template-hash"].is_string());
    let deployment = ground.get(&ground.apps("deployments/checkout")).await.expect(200);
    for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        assert_eq!(deployment.number(&format!("/status/{field}")), Some(3), "{field}");
    }
    assert_eq!(deployment.number("/status/observedGeneration"), Some(1));
    assert_eq!(condition(&deployment.body, "Available")["status"], "True");
    assert_eq!(condition(&deployment.body, "Progressing")["reason"], "NewReplicaSetAvailable");
    let path = ground.core("pods?fieldSelector=spec.nodeName%3Dnode-2%2Cstatus.phase%3DRunning");
    assert_eq!(ground.get(&path).await.expect(200).names().len(), 1);
}

async fn a_new_template_makes_a_new_revision_and_keeps_the_old_set(ground: Ground) {
    ground.deploy("checkout", 2).await;
    set_image(&ground, "registry.example/app:v2").await;
    let deployment = ground.cluster().object("deployments", "shop", "checkout").unwrap();
    assert_eq!(revision(&deployment), "2");
    let sets = ground.cluster().objects("replicasets", "shop");
    let mut found: Vec<(String, i64)> =
        sets.iter().map(|set| (revision(set), set["spec"]["replicas"].as_i64().unwrap())).collect();
    found.sort();
    assert_eq!(found, [("1".to_owned(), 0), ("2".to_owned(), 2)]);
    assert_eq!(deployment["metadata"]["generation"], 2, "the controller's own annotation counts for nothing");
    let pods = ground.cluster().objects("pods", "shop");
    assert!(pods.iter().all(|pod| pod["spec"]["containers"][0]["image"] == "registry.example/app:v2"));
}

async fn an_undo_is_a_write_of_the_older_template(ground: Ground) {
    ground.deploy("checkout", 2).await;
    set_image(&ground, "registry.example/app:v2").await;
    let sets = ground.cluster().objects("replicasets", "shop");
    let first = sets.iter().find(|set| revision(set) == "1").unwrap();
    let mut template = first["spec"]["template"].clone();
    template["metadata"]["labels"].as_object_mut().unwrap().remove("pod-template-hash");
    let patch = json!([{ "op": "replace", "path": "/spec/template", "value": template }]);
    ground.patch("json", &ground.apps("deployments/checkout"), &patch).await.expect(200);
    let deployment = ground.cluster().object("deployments", "shop", "checkout").unwrap();
    assert_eq!(revision(&deployment), "3", "the older set becomes the newest");
    let sets = ground.cluster().objects("replicasets", "shop");
    assert_eq!(sets.len(), 2, "no set is made for a template that has one");
    let again = sets.iter().find(|set| set["metadata"]["uid"] == first["metadata"]["uid"]).unwrap();
    assert_eq!((revision(again).as_str(), again["spec"]["replicas"].as_i64()), ("3", Some(2)));
}

async fn a_rollout_stays_within_its_bounds(ground: Ground) {
    ground.deploy("checkout", 4).await;
    ground.cluster().set_pod_start(Duration::from_secs(10));
    set_image(&ground, "registry.example/app:v2").await;
    // A quarter of four may be missing, and a quarter may be too many.
    assert_eq!(status(&ground, "checkout", "replicas"), 5);
    assert_eq!(status(&ground, "checkout", "updatedReplicas"), 2);
    assert_eq!(status(&ground, "checkout", "availableReplicas"), 3);
    let deployment = ground.cluster().object("deployments", "shop", "checkout").unwrap();
    assert_eq!(condition(&deployment, "Available")["status"], "True");
    assert_eq!(condition(&deployment, "Progressing")["reason"], "ReplicaSetUpdated");
    for _ in 0..6 {
        ground.cluster().advance(Duration::from_secs(11));
        assert!(status(&ground, "checkout", "availableReplicas") >= 3, "no more than one is ever missing");
        assert!(status(&ground, "checkout", "replicas") <= 5, "no more than one is ever too many");
    }
    assert_eq!(status(&ground, "checkout", "updatedReplicas"), 4);
    assert_eq!(status(&ground, "checkout", "availableReplicas"), 4);
    assert_eq!(status(&ground, "checkout", "replicas"), 4);
}

async fn a_recreating_deployment_stops_all_before_it_starts_any(ground: Ground) {
    let mut object = deployment("checkout", 2);
    object["spec"]["strategy"] = json!({ "type": "Recreate" });
    ground.post(&ground.apps("deployments"), &object).await.expect(201);
    ground.cluster().set_pod_stop(Duration::from_secs(5));
    set_image(&ground, "registry.example/app:v2").await;
    assert_eq!(status(&ground, "checkout", "updatedReplicas"), 0);
    assert_eq!(status(&ground, "checkout", "availableReplicas"), 0);
    ground.cluster().advance(Duration::from_secs(6));
    assert_eq!(status(&ground, "checkout", "availableReplicas"), 2);
}

async fn a_rollout_that_cannot_advance_exceeds_its_deadline(ground: Ground) {
    ground.deploy("checkout", 4).await;
    let patch = json!({ "spec": { "progressDeadlineSeconds": 30 } });
    ground.patch("merge", &ground.apps("deployments/checkout"), &patch).await.expect(200);
    set_image(&ground, "registry.example/app:broken").await;
    assert_eq!(status(&ground, "checkout", "availableReplicas"), 3, "the old pods go on");
    ground.cluster().advance(Duration::from_secs(31));
    let deployment = ground.cluster().object("deployments", "shop", "checkout").unwrap();
    let progressing = condition(&deployment, "Progressing");
    assert_eq!((&progressing["status"], &progressing["reason"]), (&json!("False"), &json!("ProgressDeadlineExceeded")));
    set_image(&ground, "registry.example/app:v3").await;
    let deployment = ground.cluster().object("deployments", "shop", "checkout").unwrap();
    assert_eq!(condition(&deployment, "Progressing")["reason"], "NewReplicaSetAvailable");
}

async fn a_paused_deployment_does_not_roll_out(ground: Ground) {
    ground.deploy("checkout", 2).await;
    let path = ground.apps("deployments/checkout");
    ground.patch("merge", &path, &json!({ "spec": { "paused": true } })).await.expect(200);
    set_image(&ground, "registry.example/app:v2").await;
    assert_eq!(ground.cluster().objects("replicasets", "shop").len(), 1);
    let deployment = ground.cluster().object("deployments", "shop", "checkout").unwrap();
    assert_eq!(condition(&deployment, "Progressing")["reason"], "DeploymentPaused");
    ground.patch("merge", &path, &json!({ "spec": { "replicas": 3 } })).await.expect(200);
    assert_eq!(status(&ground, "checkout", "replicas"), 3, "it is still scaled");
    ground.patch("merge", &path, &json!({ "spec": { "paused": false } })).await.expect(200);
    assert_eq!(status(&ground, "checkout", "updatedReplicas"), 3);
}

async fn a_scale_down_takes_pods_away(ground: Ground) {
    ground.deploy("checkout", 4).await;
    let path = ground.apps("deployments/checkout/scale");
    ground.patch("merge", &path, &json!({ "spec": { "replicas": 1 } })).await.expect(200);
    assert_eq!(ground.cluster().objects("pods", "shop").len(), 1);
    let scale = ground.get(&path).await.expect(200);
    assert_eq!(scale.number("/status/replicas"), Some(1));
}

async fn old_sets_are_kept_up_to_a_limit(ground: Ground) {
    let mut object = deployment("checkout", 1);
    object["spec"]["revisionHistoryLimit"] = json!(2);
    ground.post(&ground.apps("deployments"), &object).await.expect(201);
    for version in 2..7 {
        set_image(&ground, &format!("registry.example/app:v{version}")).await;
    }
    let mut kept: Vec<String> = ground.cluster().objects("replicasets", "shop").iter().map(revision).collect();
    kept.sort();
    assert_eq!(kept, ["4", "5", "6"]);
}

async fn a_pod_counts_as_available_after_its_time(ground: Ground) {
    let mut object = deployment("checkout", 1);
    object["spec"]["minReadySeconds"] = json!(20);
    ground.post(&ground.apps("deployments"), &object).await.expect(201);
    assert_eq!(
        (status(&ground, "checkout", "readyReplicas"), status(&ground, "checkout", "availableReplicas")),
        (1, 0)
    );
    ground.cluster().advance(Duration::from_secs(21));
    assert_eq!(status(&ground, "checkout", "availableReplicas"), 1);
}

async fn a_pod_without_a_node_stays_pending(ground: Ground) {
    for node in ["node-1", "node-2", "node-3"] {
        let patch = json!({ "spec": { "unschedulable": true } });
        let after = ground.patch("merge", &format!("/api/v1/nodes/{node}"), &patch).await.expect(200);
        assert_eq!(after.at("/spec/taints/0/key"), "node.kubernetes.io/unschedulable");
    }
    ground.deploy("checkout", 1).await;
    let pods = ground.cluster().objects("pods", "shop");
    assert_eq!(pods[0]["status"]["phase"], "Pending");
    assert_eq!(condition(&pods[0], "PodScheduled")["reason"], "Unschedulable");
    let message = "0/3 nodes are available: 3 node(s) were unschedulable.";
    assert_eq!(condition(&pods[0], "PodScheduled")["message"], message);
    let patch = json!({ "spec": { "unschedulable": null } });
    ground.patch("merge", "/api/v1/nodes/node-2", &patch).await.expect(200);
    let pods = ground.cluster().objects("pods", "shop");
    assert_eq!((&pods[0]["status"]["phase"], &pods[0]["spec"]["nodeName"]), (&json!("Running"), &json!("node-2")));
}

async fn a_stateful_set_numbers_its_pods_and_replaces_them_from_the_last(ground: Ground) {
    ground.cluster().add_statefulset("shop", "db", 3);
    let path = ground.core("pods?labelSelector=app%3Ddb");
    assert_eq!(ground.get(&path).await.names(), ["db-0", "db-1", "db-2"]);
    ground.cluster().set_pod_start(Duration::from_secs(10));
    let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": "registry.example/db:v2" }] } } } });
    ground.patch("strategic-merge", &ground.apps("statefulsets/db"), &patch).await.expect(200);
    let updated = |ground: &Ground| {
        ground.cluster().object("statefulsets", "shop", "db").unwrap()["status"]["updatedReplicas"].clone()
    };
    assert_eq!(updated(&ground), 1, "one after the other");
    for _ in 0..3 {
        ground.cluster().advance(Duration::from_secs(11));
    }
    assert_eq!(updated(&ground), 3);
    let scale = ground.apps("statefulsets/db/scale");
    ground.patch("merge", &scale, &json!({ "spec": { "replicas": 1 } })).await.expect(200);
    assert_eq!(ground.get(&path).await.names(), ["db-0"]);
}

async fn a_daemon_set_runs_on_every_node(ground: Ground) {
    ground.cluster().add_daemonset("shop", "agent");
    let pods = ground.cluster().objects("pods", "shop");
    assert_eq!(pods.len(), 3);
    assert_eq!(pods[0]["metadata"]["ownerReferences"][0]["kind"], "DaemonSet");
    ground.cluster().add_node("node-4");
    assert_eq!(ground.cluster().objects("pods", "shop").len(), 4);
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { "restarted": "now" } } } } });
    ground.patch("strategic-merge", &ground.apps("daemonsets/agent"), &patch).await.expect(200);
    let set = ground.cluster().object("daemonsets", "shop", "agent").unwrap();
    assert_eq!((&set["status"]["updatedNumberScheduled"], &set["status"]["numberReady"]), (&json!(4), &json!(4)));
    ground.patch("merge", "/api/v1/nodes/node-4", &json!({ "spec": { "unschedulable": true } })).await.expect(200);
    assert_eq!(ground.cluster().objects("pods", "shop").len(), 4, "a daemon stays on a cordoned node");
}

fn job(image: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "migrate" },
        "spec": {
            "backoffLimit": 1,
            "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "app", "image": image }] } },
        },
    })
}

async fn a_job_completes(ground: Ground) {
    ground.cluster().set_job_run(Duration::from_secs(10));
    ground.post(&ground.of("batch", "jobs"), &job("registry.example/migrate:v1")).await.expect(201);
    let path = ground.of("batch", "jobs/migrate");
    assert_eq!(ground.get(&path).await.number("/status/active"), Some(1));
    ground.cluster().advance(Duration::from_secs(11));
    let done = ground.get(&path).await.expect(200);
    assert_eq!(done.number("/status/succeeded"), Some(1));
    assert_eq!(condition(&done.body, "Complete")["status"], "True");
    let pods = ground.get(&ground.core("pods?labelSelector=job-name%3Dmigrate")).await.expect(200);
    assert_eq!(pods.at("/items/0/status/phase"), "Succeeded");
}

async fn a_job_fails_beyond_its_limit(ground: Ground) {
    ground.post(&ground.of("batch", "jobs"), &job("registry.example/migrate:failing")).await.expect(201);
    let done = ground.get(&ground.of("batch", "jobs/migrate")).await.expect(200);
    assert_eq!(done.number("/status/failed"), Some(2));
    assert_eq!(condition(&done.body, "Failed")["reason"], "BackoffLimitExceeded");
}

async fn a_snapshot_becomes_ready_where_its_claim_is_bound(ground: Ground) {
    ground.cluster().set_snapshot_time(Duration::from_secs(10));
    let claim = json!({
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "8Gi" } } },
    });
    ground.post(&ground.core("persistentvolumeclaims"), &claim).await.expect(201);
    let path = ground.of("snapshot.storage.k8s.io", "volumesnapshots");
    let snapshot = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": { "name": "before" },
        "spec": { "source": { "persistentVolumeClaimName": "data" } },
    });
    ground.post(&path, &snapshot).await.expect(201);
    let one = format!("{path}/before");
    assert_eq!(ground.get(&one).await.expect(200).body["status"]["readyToUse"], false);
    ground.cluster().advance(Duration::from_secs(11));
    let ready = ground.get(&one).await.expect(200);
    assert_eq!((&ready.body["status"]["readyToUse"], ready.at("/status/restoreSize")), (&json!(true), "8Gi"));
    ground
        .patch("strategic-merge", &one, &json!({ "metadata": { "labels": { "a": "b" } } }))
        .await
        .refused(415, "UnsupportedMediaType");
}

async fn a_field_that_a_schema_does_not_name_is_pruned(ground: Ground) {
    let path = ground.of("snapshot.storage.k8s.io", "volumesnapshots");
    let snapshot = json!({
        "metadata": { "name": "before", "labels": { "kept": "yes" } }, "extra": true,
        "spec": { "source": { "persistentVolumeClaimName": "none", "extra": 1 }, "extra": {} },
    });
    let made = ground.post(&path, &snapshot).await.expect(201);
    assert_eq!(made.body["spec"], json!({ "source": { "persistentVolumeClaimName": "none" } }));
    assert!(made.body.get("extra").is_none());
    assert_eq!(made.at("/metadata/labels/kept"), "yes");
    let snapshot = ground.get(&format!("{path}/before")).await.expect(200);
    assert!(snapshot.at("/status/error/message").contains("failed to retrieve PVC none"), "{}", snapshot.text);
}
