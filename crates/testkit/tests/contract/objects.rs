//! Creating, reading, listing, replacing and deleting.

use serde_json::{Value, json};

use crate::ground::{Ground, config, deployment, names, pod};

crate::cases! {
    anywhere: [
        the_server_says_its_version,
        discovery_lists_resources_and_subresources,
        create_answers_201_and_sets_what_every_object_has,
        a_name_is_generated_from_a_prefix,
        a_second_object_of_a_name_is_409_already_exists,
        a_missing_object_is_404_with_the_servers_words,
        an_unknown_path_is_plain_text,
        an_object_in_a_missing_namespace_is_404,
        a_put_with_a_stale_version_is_409_conflict,
        a_put_of_a_missing_object_is_404_but_creates_a_lease,
        a_lease_is_locked_by_its_version,
        invalid_objects_are_422_with_causes,
        an_object_of_another_kind_is_400,
        a_dry_run_validates_and_persists_nothing,
        generation_follows_the_spec_and_not_labels_or_status,
        an_update_that_changes_nothing_keeps_the_version,
        a_list_has_a_kind_a_version_and_items_without_type,
        metadata_alone_is_answered_where_it_is_asked_for,
        label_selectors_choose,
        field_selectors_choose,
        a_list_is_read_page_by_page_as_of_one_version,
        an_expired_page_is_410,
        deletion_honours_preconditions,
        deletion_of_a_plain_object_answers_a_status,
        a_finalizer_holds_an_object_until_it_is_taken_away,
        many_are_deleted_by_a_selector,
        status_is_written_through_its_subresource_alone,
        secrets_take_plain_text_and_answer_base64,
    ],
    fake: [
        kube_system_tells_clusters_apart,
        a_list_spans_all_namespaces,
        owned_objects_are_collected,
        orphans_are_left,
        foreground_deletion_waits_for_what_is_owned,
        a_namespace_takes_its_content_with_it,
    ],
}

async fn the_server_says_its_version(ground: Ground) {
    let version = ground.client.apiserver_version().await.unwrap();
    assert_eq!(version.major, "1");
    assert!(version.git_version.starts_with("v1."), "a version looks like one: {}", version.git_version);
}

async fn discovery_lists_resources_and_subresources(ground: Ground) {
    let groups = ground.client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|group| group.name == "apps"), "apps is a group");
    let resources = ground.client.list_api_group_resources("apps/v1").await.unwrap();
    let names: Vec<&str> = resources.resources.iter().map(|one| one.name.as_str()).collect();
    for name in ["deployments", "deployments/scale", "deployments/status", "replicasets", "daemonsets", "statefulsets"]
    {
        assert!(names.contains(&name), "{name} is served");
    }
    let core = ground.client.list_core_api_resources("v1").await.unwrap();
    let eviction = core.resources.iter().find(|one| one.name == "pods/eviction").unwrap();
    assert_eq!((eviction.group.as_deref(), eviction.version.as_deref()), (Some("policy"), Some("v1")));
}

async fn create_answers_201_and_sets_what_every_object_has(ground: Ground) {
    let made = ground.deploy("checkout", 2).await;
    for pointer in ["/metadata/uid", "/metadata/resourceVersion", "/metadata/creationTimestamp"] {
        assert!(!made.at(pointer).is_empty(), "{pointer} is set");
    }
    assert_eq!(made.number("/metadata/generation"), Some(1));
    assert_eq!(made.number("/spec/progressDeadlineSeconds"), Some(600), "defaults are filled in");
    assert_eq!(made.at("/spec/strategy/rollingUpdate/maxSurge"), "25%");
}

async fn a_name_is_generated_from_a_prefix(ground: Ground) {
    let mut object = config("x");
    object["metadata"] = json!({ "generateName": "run-" });
    let first = ground.post(&ground.core("configmaps"), &object).await.expect(201);
    let second = ground.post(&ground.core("configmaps"), &object).await.expect(201);
    assert!(first.at("/metadata/name").starts_with("run-"));
    assert_eq!(first.at("/metadata/name").len(), "run-".len() + 5);
    assert_ne!(first.at("/metadata/name"), second.at("/metadata/name"));
}

async fn a_second_object_of_a_name_is_409_already_exists(ground: Ground) {
    ground.deploy("checkout", 1).await;
    let again = ground.post(&ground.apps("deployments"), &deployment("checkout", 1)).await;
    let again = again.refused(409, "AlreadyExists");
    assert_eq!(again.at("/message"), "deployments.apps \"checkout\" already exists");
}

async fn a_missing_object_is_404_with_the_servers_words(ground: Ground) {
    let answer = ground.get(&ground.core("pods/x")).await.refused(404, "NotFound");
    assert_eq!(answer.at("/message"), "pods \"x\" not found");
    assert_eq!(answer.body["details"], json!({ "name": "x", "kind": "pods" }));
    let answer = ground.get(&ground.apps("deployments/x")).await.refused(404, "NotFound");
    assert_eq!(answer.at("/message"), "deployments.apps \"x\" not found");
    assert_eq!(answer.body["details"], json!({ "name": "x", "group": "apps", "kind": "deployments" }));
}

async fn an_unknown_path_is_plain_text(ground: Ground) {
    let answer = ground.get("/apis/nobody.example/v1/things").await.expect(404);
    assert_eq!(answer.text, "404 page not found\n");
}

async fn an_object_in_a_missing_namespace_is_404(ground: Ground) {
    let answer = ground.post("/api/v1/namespaces/nowhere/configmaps", &config("x")).await.refused(404, "NotFound");
    assert_eq!(answer.at("/message"), "namespaces \"nowhere\" not found");
}

async fn a_put_with_a_stale_version_is_409_conflict(ground: Ground) {
    let made = ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core("configmaps/cache");
    let mut object = made.body.clone();
    object["data"]["key"] = json!("other");
    ground.put(&path, &object).await.expect(200);
    let stale = ground.put(&path, &object).await.refused(409, "Conflict");
    assert_eq!(
        stale.at("/message"),
        "Operation cannot be fulfilled on configmaps \"cache\": the object has been modified; please apply your changes \
         to the latest version and try again"
    );
    object["metadata"]["resourceVersion"] = Value::Null;
    ground.put(&path, &object).await.expect(200);
}

fn lease(holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "leader" },
        "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15 },
    })
}

async fn a_put_of_a_missing_object_is_404_but_creates_a_lease(ground: Ground) {
    ground.put(&ground.core("configmaps/none"), &config("none")).await.refused(404, "NotFound");
    let path = ground.of("coordination.k8s.io", "leases/leader");
    ground.put(&path, &lease("a")).await.expect(201);
}

async fn a_lease_is_locked_by_its_version(ground: Ground) {
    let made = ground.post(&ground.of("coordination.k8s.io", "leases"), &lease("a")).await.expect(201);
    let path = ground.of("coordination.k8s.io", "leases/leader");
    ground.put(&path, &lease("b")).await.refused(422, "Invalid");
    let mut mine = made.body.clone();
    mine["spec"]["holderIdentity"] = json!("b");
    ground.put(&path, &mine).await.expect(200);
    mine["spec"]["holderIdentity"] = json!("c");
    ground.put(&path, &mine).await.refused(409, "Conflict");
}

async fn invalid_objects_are_422_with_causes(ground: Ground) {
    let path = ground.apps("deployments");
    let mut object = deployment("bad", 1);
    object["spec"]["replicas"] = json!(-1);
    let answer = ground.post(&path, &object).await.refused(422, "Invalid");
    let sentence =
        "Deployment.apps \"bad\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!(answer.at("/message"), sentence);
    assert_eq!(answer.at("/details/causes/0/field"), "spec.replicas");
    assert_eq!(answer.at("/details/causes/0/reason"), "FieldValueInvalid");

    let mut object = deployment("bad", 1);
    object["spec"]["template"]["spec"]["containers"][0] = json!({ "name": "app" });
    let answer = ground.post(&path, &object).await.refused(422, "Invalid");
    assert_eq!(answer.at("/details/causes/0/field"), "spec.template.spec.containers[0].image");
    assert_eq!(answer.at("/details/causes/0/reason"), "FieldValueRequired");

    let mut object = deployment("bad", 1);
    object["spec"]["template"]["metadata"]["labels"] = json!({ "app": "other" });
    let answer = ground.post(&path, &object).await.refused(422, "Invalid");
    assert_eq!(answer.at("/details/causes/0/field"), "spec.template.metadata.labels");

    let answer = ground.post(&path, &deployment("Bad_Name", 1)).await.refused(422, "Invalid");
    assert_eq!(answer.at("/details/causes/0/field"), "metadata.name");

    ground.deploy("good", 1).await;
    let patch = json!({ "spec": { "selector": { "matchLabels": { "app": "other" } },
        "template": { "metadata": { "labels": { "app": "other" } } } } });
    let answer = ground.patch("merge", &ground.apps("deployments/good"), &patch).await.refused(422, "Invalid");
    assert!(answer.at("/message").contains("field is immutable"), "{}", answer.text);
    let patch = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "app", "resources": { "requests": { "memory": "1Gi" } } },
    ] } } } });
    let answer =
        ground.patch("strategic-merge", &ground.apps("deployments/good"), &patch).await.refused(422, "Invalid");
    assert!(answer.at("/message").contains("must be less than or equal to memory limit of 512Mi"), "{}", answer.text);
}

async fn an_object_of_another_kind_is_400(ground: Ground) {
    ground.post(&ground.core("pods"), &config("x")).await.refused(400, "BadRequest");
    let mut object = deployment("x", 1);
    object["metadata"]["namespace"] = json!("elsewhere");
    ground.post(&ground.apps("deployments"), &object).await.refused(400, "BadRequest");
    let mut object = deployment("x", 1);
    object["spec"]["replicas"] = json!("three");
    ground.post(&ground.apps("deployments"), &object).await.refused(400, "BadRequest");
}

async fn a_dry_run_validates_and_persists_nothing(ground: Ground) {
    let path = ground.apps("deployments");
    let made = ground.post(&format!("{path}?dryRun=All"), &deployment("dry", 1)).await.expect(201);
    assert!(!made.at("/metadata/uid").is_empty(), "the object that would be is answered");
    let mut bad = deployment("dry", 1);
    bad["spec"]["replicas"] = json!(-1);
    ground.post(&format!("{path}?dryRun=All"), &bad).await.refused(422, "Invalid");
    ground.get(&format!("{path}/dry")).await.refused(404, "NotFound");

    ground.post(&format!("{path}?dryRun=Some"), &deployment("dry", 1)).await.refused(422, "Invalid");

    let before = ground.deploy("wet", 1).await;
    let one = format!("{path}/wet");
    let patch = json!({ "spec": { "replicas": 5 } });
    let would = ground.patch("merge", &format!("{one}?dryRun=All"), &patch).await.expect(200);
    assert_eq!(would.number("/spec/replicas"), Some(5));
    ground.patch("merge", &format!("{one}/scale?dryRun=All"), &patch).await.expect(200);
    let mut object = before.body.clone();
    object["metadata"]["resourceVersion"] = Value::Null;
    object["spec"]["replicas"] = json!(6);
    ground.put(&format!("{one}?dryRun=All"), &object).await.expect(200);
    ground.delete(&format!("{one}?dryRun=All"), &Value::Null).await.expect(200);
    let after = ground.get(&one).await.expect(200);
    assert_eq!(after.number("/spec/replicas"), Some(1), "nothing was kept");
    assert_eq!(after.number("/metadata/generation"), Some(1), "and nothing counted");
}

async fn generation_follows_the_spec_and_not_labels_or_status(ground: Ground) {
    ground.deploy("checkout", 1).await;
    let path = ground.apps("deployments/checkout");
    let labelled =
        ground.patch("merge", &path, &json!({ "metadata": { "labels": { "tier": "web" } } })).await.expect(200);
    assert_eq!(labelled.number("/metadata/generation"), Some(1));
    let scaled = ground.patch("merge", &path, &json!({ "spec": { "replicas": 2 } })).await.expect(200);
    assert_eq!(scaled.number("/metadata/generation"), Some(2));
    let patch = json!({ "spec": { "replicas": 3 } });
    ground.patch("merge", &format!("{path}/scale"), &patch).await.expect(200);
    let after = ground.get(&path).await.expect(200);
    assert_eq!(after.number("/metadata/generation"), Some(3), "a scale is a change of the spec");
}

async fn an_update_that_changes_nothing_keeps_the_version(ground: Ground) {
    let made = ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core("configmaps/cache");
    let same = ground.patch("merge", &path, &json!({ "data": { "key": "value" } })).await.expect(200);
    assert_eq!(same.at("/metadata/resourceVersion"), made.at("/metadata/resourceVersion"));
}

async fn a_list_has_a_kind_a_version_and_items_without_type(ground: Ground) {
    ground.deploy("checkout", 1).await;
    let list = ground.get(&ground.apps("deployments")).await.expect(200);
    assert_eq!((list.at("/kind"), list.at("/apiVersion")), ("DeploymentList", "apps/v1"));
    assert!(!list.at("/metadata/resourceVersion").is_empty());
    assert_eq!(list.names(), ["checkout"]);
    assert!(list.body["items"][0].get("kind").is_none(), "the list tells the type of its items");
}

async fn metadata_alone_is_answered_where_it_is_asked_for(ground: Ground) {
    ground.deploy("checkout", 1).await;
    let deployments: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
        kube::Api::namespaced(ground.client.clone(), &ground.namespace);
    let list = deployments.list_metadata(&kube::api::ListParams::default()).await.unwrap();
    assert_eq!(list.items[0].metadata.name.as_deref(), Some("checkout"));
    let one = deployments.get_metadata("checkout").await.unwrap();
    assert_eq!(one.types.unwrap().kind, "PartialObjectMetadata");
    let none = deployments.get_metadata("none").await.unwrap_err();
    assert!(matches!(none, kube::Error::Api(status) if status.code == 404), "an error keeps its form");
}

async fn labelled(ground: &Ground) {
    for (name, tier) in [("a", "web"), ("b", "api"), ("c", "db")] {
        let mut object = config(name);
        object["metadata"]["labels"] = json!({ "tier": tier, "case": "labels" });
        ground.post(&ground.core("configmaps"), &object).await.expect(201);
    }
}

async fn label_selectors_choose(ground: Ground) {
    labelled(&ground).await;
    let path = ground.core("configmaps");
    for (selector, expected) in [
        ("tier%3Dweb", vec!["a"]),
        ("tier%3D%3Dweb", vec!["a"]),
        ("case%3Dlabels%2Ctier!%3Dweb", vec!["b", "c"]),
        ("tier%20in%20(web%2C%20db)", vec!["a", "c"]),
        ("case%2Ctier%20notin%20(web)", vec!["b", "c"]),
        ("case%2C!other", vec!["a", "b", "c"]),
        ("nothing", vec![]),
    ] {
        let list = ground.get(&format!("{path}?labelSelector={selector}")).await.expect(200);
        assert_eq!(list.names(), expected, "{selector}");
    }
    ground.get(&format!("{path}?labelSelector=a%3D%3D%3Db%20c")).await.refused(400, "BadRequest");
}

async fn field_selectors_choose(ground: Ground) {
    labelled(&ground).await;
    let list = ground.get(&ground.core("configmaps?fieldSelector=metadata.name%3Db")).await.expect(200);
    assert_eq!(list.names(), ["b"]);
    let list = ground.get(&ground.core("pods?fieldSelector=status.phase%3DRunning%2Cspec.nodeName%3Dnowhere")).await;
    assert!(list.expect(200).names().is_empty());
    ground.get(&ground.core("pods?fieldSelector=spec.color%3Dred")).await.refused(400, "BadRequest");
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e1" }, "reason": "Tested", "type": "Warning",
        "involvedObject": { "kind": "Pod", "name": "checkout-1", "namespace": ground.namespace },
    });
    ground.post(&ground.core("events"), &event).await.expect(201);
    let path = ground.core("events?fieldSelector=involvedObject.name%3Dcheckout-1%2Ctype%3DWarning");
    assert_eq!(ground.get(&path).await.expect(200).names(), ["e1"]);
}

async fn a_list_is_read_page_by_page_as_of_one_version(ground: Ground) {
    for name in ["a", "b", "c", "d", "e"] {
        let mut object = config(name);
        object["metadata"]["labels"] = json!({ "case": "pages" });
        ground.post(&ground.core("configmaps"), &object).await.expect(201);
    }
    let path = ground.core("configmaps?labelSelector=case%3Dpages&limit=2");
    let first = ground.get(&path).await.expect(200);
    assert_eq!(first.names(), ["a", "b"]);
    ground.delete(&ground.core("configmaps/d"), &Value::Null).await.expect(200);
    let second = ground.get(&format!("{path}&continue={}", first.at("/metadata/continue"))).await.expect(200);
    assert_eq!(second.names(), ["c", "d"], "a page shows what was there when the list began");
    let third = ground.get(&format!("{path}&continue={}", second.at("/metadata/continue"))).await.expect(200);
    assert_eq!(third.names(), ["e"]);
    assert_eq!(third.at("/metadata/continue"), "");
    let versions: Vec<&str> = [&first, &second, &third].map(|page| page.at("/metadata/resourceVersion")).to_vec();
    assert_eq!(versions[0], versions[1], "all pages are of one version");
    assert_eq!(versions[0], versions[2], "all pages are of one version");
}

async fn an_expired_page_is_410(ground: Ground) {
    // A token is opaque, so that a real server is asked with one that cannot be read.
    ground.get(&ground.core("configmaps?limit=1&continue=nonsense")).await.refused(400, "BadRequest");
    if let Some(cluster) = ground.fake_cluster() {
        for name in ["a", "b"] {
            ground.post(&ground.core("configmaps"), &config(name)).await.expect(201);
        }
        let first = ground.get(&ground.core("configmaps?limit=1")).await.expect(200);
        ground.post(&ground.core("configmaps"), &config("c")).await.expect(201);
        cluster.compact();
        let path = ground.core(&format!("configmaps?limit=1&continue={}", first.at("/metadata/continue")));
        ground.get(&path).await.refused(410, "Expired");
    }
}

async fn deletion_honours_preconditions(ground: Ground) {
    let made = ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let path = ground.core("configmaps/cache");
    let wrong = json!({ "preconditions": { "uid": "00000000-0000-4000-8000-000000000000" } });
    let answer = ground.delete(&path, &wrong).await.refused(409, "Conflict");
    assert!(answer.at("/message").contains("Precondition failed: UID in precondition:"), "{}", answer.text);
    ground.delete(&path, &json!({ "preconditions": { "resourceVersion": "1" } })).await.refused(409, "Conflict");
    ground.delete(&path, &json!({ "preconditions": { "uid": made.at("/metadata/uid") } })).await.expect(200);
    ground.delete(&path, &Value::Null).await.refused(404, "NotFound");
}

async fn deletion_of_a_plain_object_answers_a_status(ground: Ground) {
    let made = ground.post(&ground.core("configmaps"), &config("cache")).await.expect(201);
    let gone = ground.delete(&ground.core("configmaps/cache"), &Value::Null).await.expect(200);
    assert_eq!((gone.at("/kind"), gone.at("/status")), ("Status", "Success"));
    assert_eq!(gone.at("/details/uid"), made.at("/metadata/uid"));
}

async fn a_finalizer_holds_an_object_until_it_is_taken_away(ground: Ground) {
    let mut object = config("held");
    object["metadata"]["finalizers"] = json!(["belay.example/hold"]);
    ground.post(&ground.core("configmaps"), &object).await.expect(201);
    let path = ground.core("configmaps/held");
    ground.delete(&path, &Value::Null).await.expect(200);
    let held = ground.get(&path).await.expect(200);
    assert!(!held.at("/metadata/deletionTimestamp").is_empty());
    let answer = ground.post(&ground.core("configmaps"), &config("held")).await.refused(409, "AlreadyExists");
    assert!(answer.at("/message").starts_with("object is being deleted: "), "{}", answer.text);
    ground.patch("merge", &path, &json!({ "metadata": { "finalizers": null } })).await.expect(200);
    ground.get(&path).await.refused(404, "NotFound");
}

async fn many_are_deleted_by_a_selector(ground: Ground) {
    labelled(&ground).await;
    let path = ground.core("configmaps?labelSelector=case%3Dlabels%2Ctier!%3Ddb");
    ground.delete(&path, &Value::Null).await.expect(200);
    let left = ground.get(&ground.core("configmaps?labelSelector=case%3Dlabels")).await.expect(200);
    assert_eq!(left.names(), ["c"]);
}

async fn status_is_written_through_its_subresource_alone(ground: Ground) {
    let made = ground.post(&ground.core("pods"), &pod("lonely", &["app"])).await.expect(201);
    assert_eq!(made.at("/status/phase"), "Pending");
    let path = ground.core("pods/lonely");
    let patch = json!({ "status": { "message": "written" }, "metadata": { "labels": { "tier": "web" } } });
    let ignored = ground.patch("merge", &path, &patch).await.expect(200);
    assert_eq!(ignored.at("/status/message"), "");
    assert_eq!(ignored.at("/metadata/labels/tier"), "web");
    let patch = json!({ "status": { "message": "written" }, "spec": { "activeDeadlineSeconds": 5 } });
    let written = ground.patch("merge", &format!("{path}/status"), &patch).await.expect(200);
    assert_eq!(written.at("/status/message"), "written");
    assert_eq!(written.number("/spec/activeDeadlineSeconds"), None, "the spec is not written with the status");
}

async fn secrets_take_plain_text_and_answer_base64(ground: Ground) {
    let object = json!({ "metadata": { "name": "login" }, "stringData": { "password": "geheim" } });
    let made = ground.post(&ground.core("secrets"), &object).await.expect(201);
    assert_eq!(made.at("/data/password"), "Z2VoZWlt");
    assert!(made.body.get("stringData").is_none());
}

async fn kube_system_tells_clusters_apart(ground: Ground) {
    let namespace = ground.get("/api/v1/namespaces/kube-system").await.expect(200);
    assert_eq!(namespace.at("/metadata/uid"), ground.cluster().uid());
    let other = belay_testkit::cluster::Cluster::start().await.unwrap();
    assert_ne!(other.uid(), ground.cluster().uid());
}

async fn a_list_spans_all_namespaces(ground: Ground) {
    ground.cluster().add_deployment("other", "payments", 1);
    ground.deploy("checkout", 1).await;
    let list = ground.get("/apis/apps/v1/deployments").await.expect(200);
    assert_eq!(list.names(), ["payments", "checkout"], "ordered by namespace and name");
    let list = ground.get("/apis/apps/v1/deployments?fieldSelector=metadata.namespace%3Dother").await.expect(200);
    assert_eq!(list.names(), ["payments"]);
}

async fn owned_objects_are_collected(ground: Ground) {
    ground.deploy("checkout", 2).await;
    assert_eq!(ground.cluster().objects("pods", "shop").len(), 2);
    ground.delete(&ground.apps("deployments/checkout"), &Value::Null).await.expect(200);
    assert!(ground.cluster().objects("replicasets", "shop").is_empty());
    assert!(ground.cluster().objects("pods", "shop").is_empty());
}

async fn orphans_are_left(ground: Ground) {
    ground.deploy("checkout", 2).await;
    let options = json!({ "propagationPolicy": "Orphan" });
    ground.delete(&ground.apps("deployments/checkout"), &options).await.expect(200);
    assert!(ground.cluster().objects("deployments", "shop").is_empty());
    let sets = ground.cluster().objects("replicasets", "shop");
    assert_eq!(sets.len(), 1);
    assert!(sets[0]["metadata"].get("ownerReferences").is_none());
    assert_eq!(names(&ground.cluster().objects("pods", "shop")).len(), 2);
}

async fn foreground_deletion_waits_for_what_is_owned(ground: Ground) {
    ground.cluster().set_pod_stop(std::time::Duration::from_secs(5));
    ground.deploy("checkout", 1).await;
    let options = json!({ "propagationPolicy": "Foreground" });
    let answer = ground.delete(&ground.apps("deployments/checkout"), &options).await.expect(200);
    assert_eq!(answer.at("/metadata/finalizers/0"), "foregroundDeletion");
    assert_eq!(ground.cluster().objects("deployments", "shop").len(), 1, "it waits for its pod");
    ground.cluster().advance(std::time::Duration::from_secs(6));
    assert!(ground.cluster().objects("deployments", "shop").is_empty());
}

async fn a_namespace_takes_its_content_with_it(ground: Ground) {
    ground.deploy("checkout", 2).await;
    ground.cluster().set_pod_stop(std::time::Duration::from_secs(5));
    ground.delete("/api/v1/namespaces/shop", &Value::Null).await.expect(200);
    let going = ground.get("/api/v1/namespaces/shop").await.expect(200);
    assert_eq!(going.at("/status/phase"), "Terminating");
    let answer = ground.post(&ground.core("configmaps"), &config("late")).await.refused(403, "Forbidden");
    assert_eq!(answer.at("/details/causes/0/reason"), "NamespaceTerminating");
    ground.cluster().advance(std::time::Duration::from_secs(6));
    ground.get("/api/v1/namespaces/shop").await.refused(404, "NotFound");
}
