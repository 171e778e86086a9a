//! The four ways to patch, and `scale`.

use serde_json::{Value, json};

use crate::ground::{Ground, config, deployment};

crate::cases! {
    anywhere: [
        a_strategic_patch_merges_containers_by_name,
        a_merge_patch_replaces_the_list_of_containers,
        a_strategic_patch_deletes_and_replaces_by_directive,
        lists_of_a_strategic_patch_are_merged_by_their_keys,
        tolerations_are_replaced_as_a_whole,
        finalizers_are_a_set,
        a_json_patch_tests_and_writes,
        a_patch_of_another_type_is_415,
        a_patch_with_a_stale_version_is_409,
        a_patch_of_a_missing_object_is_404,
        apply_creates_and_tracks_managers,
        apply_conflicts_with_other_managers_unless_forced,
        apply_removes_what_it_no_longer_names,
        managers_are_tracked_for_every_write,
        scale_is_read_replaced_and_patched,
        a_restart_is_an_annotation_on_the_template,
    ],
    fake: [],
}

fn containers(object: &Value) -> Vec<(String, String)> {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    containers.iter().map(|one| (text(&one["name"]), text(&one["image"]))).collect()
}

fn template(spec: &Value) -> Value {
    json!({ "spec": { "template": { "spec": spec } } })
}

async fn two(ground: &Ground) -> String {
    let mut object = deployment("checkout", 1);
    let list = object["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
    list.push(json!({ "name": "sidecar", "image": "registry.example/sidecar:v1" }));
    ground.post(&ground.apps("deployments"), &object).await.expect(201);
    ground.apps("deployments/checkout")
}

async fn a_strategic_patch_merges_containers_by_name(ground: Ground) {
    let path = two(&ground).await;
    let patch = template(&json!({ "containers": [
        { "name": "app", "image": "registry.example/app:v2", "resources": { "limits": { "memory": "1Gi" } } },
    ] }));
    let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
    let expected = [("app", "registry.example/app:v2"), ("sidecar", "registry.example/sidecar:v1")];
    assert_eq!(containers(&after.body), expected.map(|(name, image)| (name.to_owned(), image.to_owned())));
    let app = &after.body["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(app["resources"]["limits"]["memory"], "1Gi");
    assert_eq!(app["env"][0]["value"], "1", "what the patch does not name stays");
}

async fn a_merge_patch_replaces_the_list_of_containers(ground: Ground) {
    let path = two(&ground).await;
    let patch = template(&json!({ "containers": [{ "name": "app", "image": "registry.example/app:v2" }] }));
    let after = ground.patch("merge", &path, &patch).await.expect(200);
    assert_eq!(containers(&after.body), [("app".to_owned(), "registry.example/app:v2".to_owned())]);
    assert!(after.body["spec"]["template"]["spec"]["containers"][0].get("env").is_none());
}

async fn a_strategic_patch_deletes_and_replaces_by_directive(ground: Ground) {
    let path = two(&ground).await;
    let patch = template(&json!({ "containers": [{ "name": "sidecar", "$patch": "delete" }] }));
    let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
    assert_eq!(containers(&after.body).len(), 1);
    let patch = template(&json!({ "containers": [
        { "$patch": "replace" }, { "name": "only", "image": "registry.example/only:v1" },
    ] }));
    let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
    assert_eq!(containers(&after.body), [("only".to_owned(), "registry.example/only:v1".to_owned())]);
    let patch = json!({ "spec": { "strategy": { "$patch": "replace", "type": "Recreate" } } });
    let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
    assert_eq!(after.body["spec"]["strategy"], json!({ "type": "Recreate" }));
}

async fn lists_of_a_strategic_patch_are_merged_by_their_keys(ground: Ground) {
    let path = two(&ground).await;
    let patch = template(&json!({
        "volumes": [{ "name": "tmp", "emptyDir": {} }],
        "imagePullSecrets": [{ "name": "registry" }],
        "containers": [{
            "name": "app", "env": [{ "name": "B", "value": "2" }], "ports": [{ "containerPort": 9090 }],
            "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
        }],
    }));
    let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
    let app = |after: &Value| after["spec"]["template"]["spec"]["containers"][0].clone();
    assert_eq!(app(&after.body)["env"].as_array().unwrap().len(), 2);
    assert_eq!(app(&after.body)["ports"].as_array().unwrap().len(), 2);
    let patch = template(&json!({ "containers": [{
        "name": "app", "env": [{ "name": "A", "$patch": "delete" }, { "name": "B", "value": "3" }],
    }] }));
    let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
    assert_eq!(app(&after.body)["env"], json!([{ "name": "B", "value": "3" }]));
    assert_eq!(app(&after.body)["volumeMounts"][0]["mountPath"], "/tmp");
}

async fn tolerations_are_replaced_as_a_whole(ground: Ground) {
    let path = two(&ground).await;
    for key in ["a", "b"] {
        let patch = template(&json!({ "tolerations": [{ "key": key, "operator": "Exists" }] }));
        let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
        let expected = json!([{ "key": key, "operator": "Exists" }]);
        assert_eq!(after.body["spec"]["template"]["spec"]["tolerations"], expected);
    }
}

async fn finalizers_are_a_set(ground: Ground) {
    let mut object = config("held");
    object["metadata"]["finalizers"] = json!(["belay.example/a"]);
    ground.post(&ground.core("configmaps"), &object).await.expect(201);
    let path = ground.core("configmaps/held");
    let patch = json!({ "metadata": { "finalizers": ["belay.example/b"] } });
    let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
    assert_eq!(after.body["metadata"]["finalizers"], json!(["belay.example/a", "belay.example/b"]));
    let patch = json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["belay.example/a"] } });
    let after = ground.patch("strategic-merge", &path, &patch).await.expect(200);
    assert_eq!(after.body["metadata"]["finalizers"], json!(["belay.example/b"]));
    let patch = json!({ "metadata": { "finalizers": null } });
    ground.patch("strategic-merge", &path, &patch).await.expect(200);
}

async fn a_json_patch_tests_and_writes(ground: Ground) {
    ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core("configmaps/cache");
    let patch = json!([
        { "op": "test", "path": "/data/key", "value": "value" }, { "op": "replace", "path": "/data/key", "value": "new" },
    ]);
    let after = ground.patch("json", &path, &patch).await.expect(200);
    assert_eq!(after.at("/data/key"), "new");
    ground.patch("json", &path, &patch).await.refused(422, "Invalid");
    assert_eq!(ground.get(&path).await.expect(200).at("/data/key"), "new");
}

async fn a_patch_of_another_type_is_415(ground: Ground) {
    ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core("configmaps/cache");
    let answer = ground.ask("PATCH", &path, "application/json", b"{}".to_vec()).await;
    answer.refused(415, "UnsupportedMediaType");
}

async fn a_patch_with_a_stale_version_is_409(ground: Ground) {
    let made = ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core("configmaps/cache");
    let patch = |value: &str| json!({ "metadata": { "resourceVersion": made.at("/metadata/resourceVersion") }, "data": { "key": value } });
    ground.patch("merge", &path, &patch("a")).await.expect(200);
    for kind in ["merge", "strategic-merge"] {
        ground.patch(kind, &path, &patch("b")).await.refused(409, "Conflict");
    }
    assert_eq!(ground.get(&path).await.expect(200).at("/data/key"), "a");
}

async fn a_patch_of_a_missing_object_is_404(ground: Ground) {
    let path = ground.core("configmaps/none");
    ground.patch("merge", &path, &json!({ "data": { "a": "b" } })).await.refused(404, "NotFound");
}

fn managers(object: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = object["metadata"]["managedFields"].as_array().unwrap();
    fields.iter().map(|one| (text(&one["manager"]), text(&one["operation"]))).collect()
}

async fn apply_creates_and_tracks_managers(ground: Ground) {
    let path = ground.apps("deployments/checkout");
    ground.patch("apply", &path, &deployment("checkout", 1)).await.expect(400);
    let path = format!("{path}?fieldManager=belay");
    let made = ground.patch("apply", &path, &deployment("checkout", 1)).await.expect(201);
    assert_eq!(managers(&made.body), [("belay".to_owned(), "Apply".to_owned())]);
    let fields = &made.body["metadata"]["managedFields"][0]["fieldsV1"];
    assert!(fields["f:spec"]["f:replicas"].is_object(), "the fields are tracked: {fields}");
    let again = ground.patch("apply", &path, &deployment("checkout", 1)).await.expect(200);
    assert_eq!(again.body["metadata"]["managedFields"][0], made.body["metadata"]["managedFields"][0]);
    assert_eq!(again.number("/metadata/generation"), Some(1), "nothing was changed");
}

async fn apply_conflicts_with_other_managers_unless_forced(ground: Ground) {
    let path = ground.apps("deployments/checkout");
    ground.patch("apply", &format!("{path}?fieldManager=gitops"), &deployment("checkout", 1)).await.expect(201);
    let mine = format!("{path}?fieldManager=belay");
    let answer = ground.patch("apply", &mine, &deployment("checkout", 3)).await.refused(409, "Conflict");
    assert_eq!(answer.at("/message"), "Apply failed with 1 conflict: conflict with \"gitops\": .spec.replicas");
    assert_eq!(answer.at("/details/causes/0/reason"), "FieldManagerConflict");
    assert_eq!(answer.at("/details/causes/0/field"), ".spec.replicas");
    let forced = ground.patch("apply", &format!("{mine}&force=true"), &deployment("checkout", 3)).await.expect(200);
    assert_eq!(forced.number("/spec/replicas"), Some(3));
    assert_eq!(managers(&forced.body).len(), 2);
}

async fn apply_removes_what_it_no_longer_names(ground: Ground) {
    let path = ground.core("configmaps/cache?fieldManager=belay");
    let mut object = config("cache");
    object["data"]["other"] = json!("x");
    ground.patch("apply", &path, &object).await.expect(201);
    let after = ground.patch("apply", &path, &config("cache")).await.expect(200);
    assert_eq!(after.body["data"], json!({ "key": "value" }));
}

async fn managers_are_tracked_for_every_write(ground: Ground) {
    let path = ground.core("configmaps?fieldManager=first");
    ground.post(&path, &config("cache")).await.expect(201);
    let path = ground.core("configmaps/cache?fieldManager=second");
    let after = ground.patch("merge", &path, &json!({ "data": { "more": "x" } })).await.expect(200);
    let expected = ["first", "second"].map(|name| (name.to_owned(), "Update".to_owned()));
    assert_eq!(managers(&after.body), expected);
}

async fn scale_is_read_replaced_and_patched(ground: Ground) {
    ground.deploy("checkout", 2).await;
    let path = ground.apps("deployments/checkout/scale");
    let scale = ground.get(&path).await.expect(200);
    assert_eq!((scale.at("/kind"), scale.at("/apiVersion")), ("Scale", "autoscaling/v1"));
    assert_eq!(scale.number("/spec/replicas"), Some(2));
    assert_eq!(scale.at("/status/selector"), "app=checkout");
    let mut wanted = scale.body.clone();
    wanted["metadata"]["resourceVersion"] = json!("1");
    wanted["spec"]["replicas"] = json!(3);
    ground.put(&path, &wanted).await.refused(409, "Conflict");
    wanted["metadata"]["resourceVersion"] = Value::Null;
    ground.put(&path, &wanted).await.expect(200);
    let after = ground.patch("merge", &path, &json!({ "spec": { "replicas": 0 } })).await.expect(200);
    assert_eq!(after.number("/spec/replicas"), None, "a scale of zero is left out");
    let after = ground.get(&ground.apps("deployments/checkout")).await.expect(200);
    assert_eq!(after.number("/spec/replicas"), Some(0));
    let answer = ground.patch("merge", &path, &json!({ "spec": { "replicas": -2 } })).await;
    answer.refused(422, "Invalid");
    ground.get(&ground.apps("deployments/none/scale")).await.refused(404, "NotFound");
}

async fn a_restart_is_an_annotation_on_the_template(ground: Ground) {
    ground.deploy("checkout", 1).await;
    let annotation = json!({ "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" });
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotation } } } });
    let after = ground.patch("strategic-merge", &ground.apps("deployments/checkout"), &patch).await.expect(200);
    assert_eq!(after.number("/metadata/generation"), Some(2), "a restart is a change of the template");
    if let Some(cluster) = ground.fake_cluster() {
        assert_eq!(cluster.objects("replicasets", "shop").len(), 2, "and so makes a new replica set");
    }
}
