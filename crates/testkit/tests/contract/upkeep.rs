//! Nodes, disruption budgets, and who may do what.

use std::time::Duration;

use belay_testkit::cluster::Matching;
use serde_json::{Value, json};

use crate::ground::Ground;

crate::cases! {
    anywhere: [
        an_access_review_says_what_would_be_allowed,
    ],
    fake: [
        a_verb_that_is_forbidden_is_403_with_the_servers_words,
        an_access_review_agrees_with_what_is_forbidden,
        a_wrong_token_is_401,
        a_cordon_keeps_new_pods_away_and_lets_the_old_ones_run,
        a_node_that_stops_reporting_is_unknown_and_tainted,
        pods_of_a_lost_node_are_replaced_when_their_patience_ends,
        pods_of_a_removed_node_go_after_a_while,
        mirror_pods_and_daemons_can_be_told,
        a_budget_counts_healthy_pods,
        a_budget_in_percent_follows_its_controller,
        the_kubeconfig_is_for_its_owner_alone,
        a_cluster_stops_with_its_last_handle,
        every_request_is_recorded,
    ],
}

fn review(attributes: &Value) -> Value {
    json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": attributes },
    })
}

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

async fn an_access_review_says_what_would_be_allowed(ground: Ground) {
    let asked = review(&json!({ "verb": "get", "resource": "pods", "namespace": ground.namespace }));
    let answer = ground.post(REVIEWS, &asked).await.expect(201);
    assert_eq!(answer.body["status"]["allowed"], true);
}

async fn a_verb_that_is_forbidden_is_403_with_the_servers_words(ground: Ground) {
    ground.deploy("checkout", 1).await;
    ground.cluster().forbid("patch", "deployments.apps");
    ground.cluster().forbid("patch", "deployments/scale.apps");
    ground.cluster().forbid("list", "nodes");
    ground.cluster().forbid("create", "pods/exec");
    let path = ground.apps("deployments/checkout");
    let answer = ground.patch("merge", &path, &json!({})).await.refused(403, "Forbidden");
    assert_eq!(
        answer.at("/message"),
        "deployments.apps \"checkout\" is forbidden: User \"alice\" cannot patch resource \"deployments\" in API group \
         \"apps\" in the namespace \"shop\""
    );
    assert_eq!(answer.body["details"], json!({ "name": "checkout", "group": "apps", "kind": "deployments" }));
    let answer = ground.patch("merge", &format!("{path}/scale"), &json!({})).await.refused(403, "Forbidden");
    assert!(answer.at("/message").contains("cannot patch resource \"deployments/scale\""), "{}", answer.text);
    let answer = ground.get("/api/v1/nodes").await.refused(403, "Forbidden");
    let sentence =
        "nodes is forbidden: User \"alice\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";
    assert_eq!(answer.at("/message"), sentence);
    let answer = ground.get(&ground.core("pods/web/exec?command=ls&stdout=true")).await.refused(403, "Forbidden");
    assert!(answer.at("/message").contains("cannot create resource \"pods/exec\""), "{}", answer.text);
    ground.cluster().permit_all();
    ground.get("/api/v1/nodes").await.expect(200);
}

async fn an_access_review_agrees_with_what_is_forbidden(ground: Ground) {
    ground.cluster().forbid_matching(Matching::from("patch deployments/scale.apps").in_namespace("shop"));
    let allowed = async |attributes: Value| {
        ground.post(REVIEWS, &review(&attributes)).await.expect(201).body["status"]["allowed"].clone()
    };
    let scale = |namespace: &str| json!({ "verb": "patch", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": namespace });
    assert_eq!(allowed(scale("shop")).await, false);
    assert_eq!(allowed(scale("other")).await, true);
    let whole = json!({ "verb": "patch", "group": "apps", "resource": "deployments", "namespace": "shop" });
    assert_eq!(allowed(whole).await, true);
}

async fn a_wrong_token_is_401(ground: Ground) {
    ground.cluster().expire_login();
    let answer = ground.get("/api/v1/nodes").await.refused(401, "Unauthorized");
    assert_eq!(answer.at("/message"), "Unauthorized");
    ground.cluster().renew_login("secret-token-of-alice");
    ground.get("/api/v1/nodes").await.expect(200);
    ground.cluster().renew_login("another");
    ground.get("/api/v1/nodes").await.refused(401, "Unauthorized");
}

async fn a_cordon_keeps_new_pods_away_and_lets_the_old_ones_run(ground: Ground) {
    ground.deploy("checkout", 3).await;
    let patch = json!({ "spec": { "unschedulable": true } });
    ground.patch("strategic-merge", "/api/v1/nodes/node-1", &patch).await.expect(200);
    let path = ground.core("pods?fieldSelector=spec.nodeName%3Dnode-1");
    assert_eq!(ground.get(&path).await.names().len(), 1);
    let scale = ground.apps("deployments/checkout/scale");
    ground.patch("merge", &scale, &json!({ "spec": { "replicas": 9 } })).await.expect(200);
    assert_eq!(ground.get(&path).await.names().len(), 1);
    ground.patch("merge", "/api/v1/nodes/node-1", &json!({ "spec": { "unschedulable": null } })).await.expect(200);
    let node = ground.get("/api/v1/nodes/node-1").await.expect(200);
    assert!(node.body["spec"].get("taints").is_none(), "the taint goes with the cordon");
}

async fn a_node_that_stops_reporting_is_unknown_and_tainted(ground: Ground) {
    ground.deploy("checkout", 3).await;
    ground.cluster().lose_node("node-1").unwrap();
    let node = ground.get("/api/v1/nodes/node-1").await.expect(200);
    let ready =
        node.body["status"]["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "Ready").unwrap();
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("Unknown"), &json!("NodeStatusUnknown")));
    let taints: Vec<&Value> = node.body["spec"]["taints"].as_array().unwrap().iter().collect();
    assert!(taints.iter().all(|taint| taint["key"] == "node.kubernetes.io/unreachable"));
    let effects: Vec<&str> = taints.iter().map(|taint| taint["effect"].as_str().unwrap()).collect();
    assert_eq!(effects, ["NoSchedule", "NoExecute"]);
    let path = ground.core("pods?fieldSelector=spec.nodeName%3Dnode-1");
    let pods = ground.get(&path).await.expect(200);
    assert_eq!(pods.names().len(), 1, "its pods are not deleted at once");
    let deployment = ground.get(&ground.apps("deployments/checkout")).await.expect(200);
    assert_eq!(deployment.number("/status/readyReplicas"), Some(2), "but they count as not ready");
    let name = pods.names().remove(0);
    ground.delete(&ground.core(&format!("pods/{name}")), &Value::Null).await.expect(200);
    ground.cluster().advance(Duration::from_mins(2));
    ground.get(&ground.core(&format!("pods/{name}"))).await.expect(200);
    ground.cluster().restore_node("node-1").unwrap();
    ground.get(&ground.core(&format!("pods/{name}"))).await.refused(404, "NotFound");
}

async fn pods_of_a_lost_node_are_replaced_when_their_patience_ends(ground: Ground) {
    ground.deploy("checkout", 3).await;
    ground.cluster().add_daemonset("shop", "agent");
    ground.cluster().lose_node("node-1").unwrap();
    let path = ground.core("pods?labelSelector=app%3Dcheckout");
    ground.cluster().advance(Duration::from_secs(299));
    assert_eq!(ground.get(&path).await.names().len(), 3);
    ground.cluster().advance(Duration::from_secs(2));
    let pods = ground.get(&path).await.expect(200);
    let going = |pod: &&Value| pod["metadata"].get("deletionTimestamp").is_some();
    let pods = pods.body["items"].as_array().unwrap();
    assert_eq!((pods.len(), pods.iter().filter(going).count()), (4, 1), "one goes and another comes");
    let daemons = ground.get(&ground.core("pods?labelSelector=app%3Dagent")).await.expect(200);
    assert!(!daemons.body["items"].as_array().unwrap().iter().any(|pod| going(&pod)), "a daemon bears the taint");
}

async fn pods_of_a_removed_node_go_after_a_while(ground: Ground) {
    ground.deploy("checkout", 3).await;
    ground.delete("/api/v1/nodes/node-1", &Value::Null).await.expect(200);
    let path = ground.core("pods?fieldSelector=spec.nodeName%3Dnode-1");
    assert_eq!(ground.get(&path).await.names().len(), 1);
    ground.cluster().advance(Duration::from_secs(41));
    assert!(ground.get(&path).await.names().is_empty());
    assert_eq!(ground.get(&ground.core("pods")).await.names().len(), 3, "and come back elsewhere");
}

async fn mirror_pods_and_daemons_can_be_told(ground: Ground) {
    ground.cluster().add_daemonset("shop", "agent");
    ground
        .cluster()
        .create(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "etcd-node-1", "namespace": "kube-system",
                "annotations": { "kubernetes.io/config.mirror": "3c1d" },
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": "node-1", "controller": true,
                    "uid": ground.cluster().object("nodes", "", "node-1").unwrap()["metadata"]["uid"] }],
            },
            "spec": { "nodeName": "node-1", "containers": [{ "name": "etcd", "image": "registry.example/etcd:v3" }] },
        }))
        .unwrap();
    let list = ground.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1").await.expect(200);
    let mirror = &list.body["items"][0]["metadata"];
    assert_eq!(mirror["annotations"]["kubernetes.io/config.mirror"], "3c1d");
    let daemon = &list.body["items"][1]["metadata"];
    assert_eq!(daemon["ownerReferences"][0]["kind"], "DaemonSet");
}

async fn a_budget_counts_healthy_pods(ground: Ground) {
    ground.deploy("checkout", 4).await;
    ground.cluster().add_budget("shop", "checkout", "checkout", 3);
    let path = ground.of("policy", "poddisruptionbudgets/checkout");
    let budget = ground.get(&path).await.expect(200);
    for (field, number) in
        [("expectedPods", 4), ("currentHealthy", 4), ("desiredHealthy", 3), ("disruptionsAllowed", 1)]
    {
        assert_eq!(budget.number(&format!("/status/{field}")), Some(number), "{field}");
    }
    ground.cluster().lose_node("node-1").unwrap();
    let budget = ground.get(&path).await.expect(200);
    assert_eq!(budget.number("/status/disruptionsAllowed"), Some(0));
    assert_eq!(budget.at("/status/conditions/0/reason"), "InsufficientPods");
}

async fn a_budget_in_percent_follows_its_controller(ground: Ground) {
    ground.deploy("checkout", 5).await;
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "checkout" },
        "spec": { "maxUnavailable": "30%", "selector": { "matchLabels": { "app": "checkout" } } },
    });
    ground.post(&ground.of("policy", "poddisruptionbudgets"), &budget).await.expect(201);
    let budget = ground.get(&ground.of("policy", "poddisruptionbudgets/checkout")).await.expect(200);
    assert_eq!(budget.number("/status/desiredHealthy"), Some(3), "30% of 5 is rounded up to 2");
    assert_eq!(budget.number("/status/disruptionsAllowed"), Some(2));
}

async fn the_kubeconfig_is_for_its_owner_alone(ground: Ground) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = ground.cluster().write_kubeconfig(folder.path()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let read = kube::config::Kubeconfig::read_from(path).unwrap();
    assert_eq!(read.current_context.as_deref(), Some("shop"));
    assert_eq!(ground.client.default_namespace(), "shop");
}

async fn a_cluster_stops_with_its_last_handle(ground: Ground) {
    let cluster = belay_testkit::cluster::Cluster::start().await.unwrap();
    let address = cluster.url().trim_start_matches("http://").to_owned();
    let second = cluster.clone();
    drop(cluster);
    tokio::net::TcpStream::connect(&address).await.unwrap();
    drop(second);
    let refused = || async { tokio::net::TcpStream::connect(&address).await.err() };
    ground.until("the port to be closed", refused).await;
}

async fn every_request_is_recorded(ground: Ground) {
    ground.deploy("checkout", 1).await;
    ground.cluster().forget_calls();
    ground.get(&ground.core("pods")).await.expect(200);
    ground
        .patch("merge", &ground.apps("deployments/checkout/scale?dryRun=All"), &json!({ "spec": { "replicas": 2 } }))
        .await;
    ground.patch("merge", &ground.apps("deployments/checkout/scale"), &json!({ "spec": { "replicas": 2 } })).await;
    ground.get(&ground.core("pods/none")).await;
    let calls = ground.cluster().calls();
    let told: Vec<(&str, &str, &str, &str, bool, u16)> = calls
        .iter()
        .map(|call| {
            let resource = call.resource.as_str();
            (call.verb.as_str(), resource, call.subresource.as_str(), call.name.as_str(), call.dry_run, call.status)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("list", "pods", "", "", false, 200),
            ("patch", "deployments", "scale", "checkout", true, 200),
            ("patch", "deployments", "scale", "checkout", false, 200),
            ("get", "pods", "", "none", false, 404),
        ]
    );
    assert_eq!((calls[1].group.as_str(), calls[1].namespace.as_str()), ("apps", "shop"));
    assert_eq!(ground.cluster().changes().len(), 1);
}
