//! What is done to pods: deleting, evicting, reading logs, running commands, reaching ports.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use belay_testkit::cluster::{ExecFault, Executed};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::ground::{Ground, pod};

crate::cases! {
    anywhere: [
        an_eviction_of_a_missing_pod_is_404,
        an_eviction_of_another_version_is_400,
        a_pod_keeps_its_containers,
    ],
    fake: [
        a_pod_is_deleted_after_its_grace_period,
        a_pod_that_was_never_bound_goes_at_once,
        an_eviction_is_a_deletion,
        an_eviction_that_a_budget_forbids_is_429_without_retry_after,
        an_eviction_asks_no_budget_for_a_pod_that_does_not_run,
        logs_are_read_by_container_tail_and_limit,
        a_container_must_be_chosen_among_several,
        the_previous_log_is_there_after_a_crash,
        the_log_of_a_waiting_container_is_400,
        a_log_is_followed,
        a_command_runs_in_a_container,
        a_command_reads_its_input,
        a_failed_command_tells_its_exit_code,
        a_command_without_an_end_tells_none,
        requests_are_passed_on_to_a_pod_and_a_service,
        a_port_is_forwarded,
        an_image_that_cannot_be_had_backs_off,
    ],
}

fn eviction(name: &str) -> Value {
    json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } })
}

async fn an_eviction_of_a_missing_pod_is_404(ground: Ground) {
    ground.post(&ground.core("pods/none/eviction"), &eviction("none")).await.refused(404, "NotFound");
}

async fn an_eviction_of_another_version_is_400(ground: Ground) {
    ground.post(&ground.core("pods"), &pod("web", &["app"])).await.expect(201);
    let old = json!({ "apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": { "name": "web" } });
    ground.post(&ground.core("pods/web/eviction"), &old).await.refused(400, "BadRequest");
}

async fn a_pod_keeps_its_containers(ground: Ground) {
    ground.post(&ground.core("pods"), &pod("web", &["app"])).await.expect(201);
    let path = ground.core("pods/web");
    let patch = json!({ "spec": { "containers": [{ "name": "app", "image": "registry.example/app:v2" }] } });
    ground.patch("strategic-merge", &path, &patch).await.expect(200);
    let patch = json!({ "spec": { "containers": [{ "name": "app", "env": [{ "name": "A", "value": "1" }] }] } });
    let answer = ground.patch("strategic-merge", &path, &patch).await.refused(422, "Invalid");
    assert!(answer.at("/message").contains("pod updates may not change fields other than"), "{}", answer.text);
}

async fn a_pod_is_deleted_after_its_grace_period(ground: Ground) {
    ground.cluster().set_pod_stop(Duration::from_mins(1));
    ground.cluster().add_pod("shop", "web", "");
    let path = ground.core("pods/web");
    let answer = ground.delete(&path, &json!({ "gracePeriodSeconds": 10 })).await.expect(200);
    assert_eq!(answer.at("/kind"), "Pod");
    assert_eq!(answer.number("/metadata/deletionGracePeriodSeconds"), Some(10));
    assert!(!answer.at("/metadata/deletionTimestamp").is_empty());
    ground.cluster().advance(Duration::from_secs(5));
    assert_eq!(ground.get(&path).await.expect(200).at("/status/phase"), "Running", "it is there until its time is up");
    ground.cluster().advance(Duration::from_secs(6));
    ground.get(&path).await.refused(404, "NotFound");
}

async fn a_pod_that_was_never_bound_goes_at_once(ground: Ground) {
    let mut lonely = pod("lonely", &["app"]);
    lonely["spec"]["nodeSelector"] = json!({ "nowhere": "true" });
    ground.post(&ground.core("pods"), &lonely).await.expect(201);
    ground.cluster().set_pod_stop(Duration::from_mins(1));
    ground.delete(&ground.core("pods/lonely"), &Value::Null).await.expect(200);
    ground.get(&ground.core("pods/lonely")).await.refused(404, "NotFound");
}

async fn an_eviction_is_a_deletion(ground: Ground) {
    ground.deploy("checkout", 1).await;
    let name = ground.get(&ground.core("pods")).await.names().remove(0);
    let path = ground.core(&format!("pods/{name}/eviction"));
    ground.post(&format!("{path}?dryRun=All"), &eviction(&name)).await.expect(201);
    let dry = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name },
        "deleteOptions": { "dryRun": ["All"] } });
    ground.post(&path, &dry).await.expect(201);
    assert_eq!(ground.get(&ground.core("pods")).await.names(), std::slice::from_ref(&name), "a dry run evicts nobody");
    let answer = ground.post(&path, &eviction(&name)).await.expect(201);
    assert_eq!((answer.at("/kind"), answer.at("/status")), ("Status", "Success"));
    let after = ground.get(&ground.core("pods")).await.names();
    assert_eq!(after.len(), 1);
    assert_ne!(after, [name], "a pod under a controller comes back under another name");
}

async fn an_eviction_that_a_budget_forbids_is_429_without_retry_after(ground: Ground) {
    ground.cluster().set_pod_start(Duration::ZERO);
    ground.deploy("checkout", 2).await;
    ground.cluster().add_budget("shop", "checkout", "checkout", 2);
    let name = ground.get(&ground.core("pods")).await.names().remove(0);
    let path = ground.core(&format!("pods/{name}/eviction"));
    let answer = ground.post(&path, &eviction(&name)).await.refused(429, "TooManyRequests");
    assert_eq!(answer.at("/details/causes/0/reason"), "DisruptionBudget");
    assert!(answer.headers.get("retry-after").is_none(), "time alone does not help");
    assert_eq!(answer.at("/message"), "Cannot evict pod as it would violate the pod's disruption budget.");
    let cause = "The disruption budget checkout needs 2 healthy pods and has 2 currently";
    assert_eq!(answer.at("/details/causes/0/message"), cause);
    ground.post(&format!("{path}?dryRun=All"), &eviction(&name)).await.refused(429, "TooManyRequests");
    let budget = ground.of("policy", "poddisruptionbudgets/checkout");
    ground.patch("merge", &budget, &json!({ "spec": { "minAvailable": 1 } })).await.expect(200);
    ground.post(&path, &eviction(&name)).await.expect(201);
}

async fn an_eviction_asks_no_budget_for_a_pod_that_does_not_run(ground: Ground) {
    ground.cluster().set_pod_start(Duration::from_mins(10));
    ground.deploy("checkout", 1).await;
    ground.cluster().add_budget("shop", "checkout", "checkout", 1);
    let name = ground.get(&ground.core("pods")).await.names().remove(0);
    ground.post(&ground.core(&format!("pods/{name}/eviction")), &eviction(&name)).await.expect(201);
}

async fn logs_are_read_by_container_tail_and_limit(ground: Ground) {
    ground.cluster().add_pod("shop", "web", "");
    ground.cluster().log("shop", "web", "app", &["one", "two"]);
    ground.cluster().advance(Duration::from_secs(100));
    ground.cluster().log("shop", "web", "app", &["three"]);
    let read = async |query: &str| ground.get(&ground.core(&format!("pods/web/log?{query}"))).await.expect(200).text;
    assert_eq!(read("").await, "one\ntwo\nthree\n");
    assert_eq!(read("container=app&tailLines=2").await, "two\nthree\n");
    assert_eq!(read("sinceSeconds=50").await, "three\n");
    assert_eq!(read("limitBytes=5").await, "one\nt");
    let line = read("timestamps=true&tailLines=1").await;
    let (time, text) = line.split_once(' ').unwrap();
    assert!(time.ends_with('Z') && time.starts_with("20"), "{time}");
    assert_eq!(text, "three\n");
    ground.get(&ground.core("pods/none/log")).await.refused(404, "NotFound");
}

async fn a_container_must_be_chosen_among_several(ground: Ground) {
    ground.post(&ground.core("pods"), &pod("web", &["app", "proxy"])).await.expect(201);
    let answer = ground.get(&ground.core("pods/web/log")).await.refused(400, "BadRequest");
    let sentence = "a container name must be specified for pod web, choose one of: [app proxy]";
    assert_eq!(answer.at("/message"), sentence);
    let answer = ground.get(&ground.core("pods/web/log?container=other")).await.refused(400, "BadRequest");
    assert_eq!(answer.at("/message"), "container other is not valid for pod web");
    ground.get(&ground.core("pods/web/log?container=proxy")).await.expect(200);
}

async fn the_previous_log_is_there_after_a_crash(ground: Ground) {
    ground.cluster().add_pod("shop", "web", "");
    let path = ground.core("pods/web/log?previous=true");
    let answer = ground.get(&path).await.refused(400, "BadRequest");
    assert_eq!(answer.at("/message"), "previous terminated container \"app\" in pod \"web\" not found");
    ground.cluster().log("shop", "web", "app", &["out of memory"]);
    ground.cluster().crash("shop", "web", "app", 137).unwrap();
    assert_eq!(ground.get(&path).await.expect(200).text, "out of memory\n");
    assert_eq!(ground.get(&ground.core("pods/web/log")).await.expect(200).text, "");
    let web = ground.get(&ground.core("pods/web")).await.expect(200);
    assert_eq!(web.number("/status/containerStatuses/0/restartCount"), Some(1));
    assert_eq!(web.at("/status/containerStatuses/0/lastState/terminated/reason"), "OOMKilled");
}

async fn the_log_of_a_waiting_container_is_400(ground: Ground) {
    let mut broken = pod("web", &["app"]);
    broken["spec"]["containers"][0]["image"] = json!("registry.example/app:broken");
    ground.post(&ground.core("pods"), &broken).await.expect(201);
    let answer = ground.get(&ground.core("pods/web/log")).await.refused(400, "BadRequest");
    let sentence = "container \"app\" in pod \"web\" is waiting to start: trying and failing to pull image";
    assert_eq!(answer.at("/message"), sentence);
}

async fn a_log_is_followed(ground: Ground) {
    ground.cluster().add_pod("shop", "web", "");
    ground.cluster().log("shop", "web", "app", &["one"]);
    let asked = ground.clone();
    let path = ground.core("pods/web/log?follow=true");
    let following = tokio::spawn(async move { asked.get(&path).await.text });
    let calls = || async { (!ground.cluster().calls().is_empty()).then_some(()) };
    ground.until("the log to be asked for", calls).await;
    ground.cluster().log("shop", "web", "app", &["two"]);
    ground.cluster().remove("pods", "shop", "web").unwrap();
    let text = tokio::time::timeout(Duration::from_secs(20), following).await.unwrap().unwrap();
    assert!(text.starts_with("one\n"), "{text}");
}

fn pods(ground: &Ground) -> Api<Pod> {
    Api::namespaced(ground.client.clone(), &ground.namespace)
}

async fn a_command_runs_in_a_container(ground: Ground) {
    ground.cluster().add_pod("shop", "web", "");
    ground
        .cluster()
        .on_exec(|exec| Executed::said(&format!("{} in {}/{}", exec.command.join(" "), exec.pod, exec.container)));
    let parameters = AttachParams::default().stderr(true).stdout(true);
    let mut attached = pods(&ground).exec("web", ["redis-cli", "ping"], &parameters).await.unwrap();
    let status = attached.take_status().unwrap();
    let mut text = String::new();
    attached.stdout().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "redis-cli ping in web/app");
    assert_eq!(status.await.unwrap().status.as_deref(), Some("Success"));
}

async fn a_command_reads_its_input(ground: Ground) {
    ground.cluster().add_pod("shop", "web", "");
    ground.cluster().on_exec(|exec| Executed { stdout: exec.stdin.clone(), ..Executed::default() });
    let parameters = AttachParams::default().stdin(true).stdout(true).stderr(false);
    let mut attached = pods(&ground).exec("web", ["cat"], &parameters).await.unwrap();
    let mut input = attached.stdin().unwrap();
    input.write_all(b"hello").await.unwrap();
    input.shutdown().await.unwrap();
    drop(input);
    let mut text = String::new();
    attached.stdout().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello");
}

async fn a_failed_command_tells_its_exit_code(ground: Ground) {
    ground.cluster().add_pod("shop", "web", "");
    ground.cluster().on_exec(|_| Executed::failed(7, "no such key\n"));
    let parameters = AttachParams::default().stderr(true).stdout(true);
    let mut attached = pods(&ground).exec("web", ["redis-cli", "get"], &parameters).await.unwrap();
    let status = attached.take_status().unwrap();
    let mut text = String::new();
    attached.stderr().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "no such key\n");
    let status = status.await.unwrap();
    assert_eq!(status.reason.as_deref(), Some("NonZeroExitCode"));
    let causes = status.details.unwrap().causes.unwrap();
    assert_eq!((causes[0].reason.as_deref(), causes[0].message.as_deref()), (Some("ExitCode"), Some("7")));
}

async fn a_command_without_an_end_tells_none(ground: Ground) {
    ground.cluster().add_pod("shop", "web", "");
    let parameters = AttachParams::default().stderr(true).stdout(true);
    for (fault, told) in [
        (ExecFault::Cut, None),
        (ExecFault::Garbled, None),
        (ExecFault::Refused("no such container".to_owned()), Some("Internal error occurred: no such container")),
    ] {
        let executed = Executed { fault: Some(fault), ..Executed::said("begun") };
        ground.cluster().on_exec(move |_| executed.clone());
        let mut attached = pods(&ground).exec("web", ["redis-cli"], &parameters).await.unwrap();
        let status = attached.take_status().unwrap();
        let mut begun = [0; 5];
        attached.stdout().unwrap().read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"begun");
        assert_eq!(status.await.and_then(|status| status.message).as_deref(), told);
    }
}

/// A server that answers with what it was asked.
async fn echo() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = Router::new().fallback(|request: Request| async move {
        let login = request.headers().contains_key("authorization");
        format!("{} {} login={login}", request.method(), request.uri())
    });
    tokio::spawn(async move { axum::serve(listener, pages).await });
    address
}

async fn requests_are_passed_on_to_a_pod_and_a_service(ground: Ground) {
    ground.deploy("checkout", 1).await;
    let name = ground.get(&ground.core("pods")).await.names().remove(0);
    let path = ground.core(&format!("pods/{name}:8080/proxy/admin/flush?all=true"));
    ground.post(&path, &Value::Null).await.refused(503, "ServiceUnavailable");
    ground.cluster().serve_pod("shop", &name, 8080, echo().await);
    let answer = ground.post(&path, &Value::Null).await.expect(200);
    assert_eq!(answer.text, "POST /admin/flush?all=true login=false", "the login stays with the API server");
    let service = json!({
        "metadata": { "name": "checkout" },
        "spec": { "selector": { "app": "checkout" }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
    });
    ground.post(&ground.core("services"), &service).await.expect(201);
    for port in ["checkout:80", "checkout:http", "http:checkout:80"] {
        let answer = ground.get(&ground.core(&format!("services/{port}/proxy/stats"))).await.expect(200);
        assert_eq!(answer.text, "GET /stats login=false");
    }
    ground
        .patch("merge", &ground.apps("deployments/checkout/scale"), &json!({ "spec": { "replicas": 0 } }))
        .await
        .expect(200);
    let answer = ground.get(&ground.core("services/checkout:80/proxy/stats")).await.refused(503, "ServiceUnavailable");
    assert_eq!(answer.at("/message"), "no endpoints available for service \"checkout\"");
}

async fn a_port_is_forwarded(ground: Ground) {
    ground.cluster().add_pod("shop", "web", "");
    ground.cluster().serve_pod("shop", "web", 8080, echo().await);
    let mut forwarder = pods(&ground).portforward("web", &[8080]).await.unwrap();
    let mut stream = forwarder.take_stream(8080).unwrap();
    stream.write_all(b"GET /stats HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("GET /stats login=false"), "{text}");
}

async fn an_image_that_cannot_be_had_backs_off(ground: Ground) {
    let mut broken = pod("web", &["app"]);
    broken["spec"]["containers"][0]["image"] = json!("registry.example/app:broken");
    ground.post(&ground.core("pods"), &broken).await.expect(201);
    let web = ground.get(&ground.core("pods/web")).await.expect(200);
    assert_eq!(web.at("/status/phase"), "Pending");
    assert_eq!(web.at("/status/containerStatuses/0/state/waiting/reason"), "ImagePullBackOff");
    let events = ground.get(&ground.core("events?fieldSelector=involvedObject.name%3Dweb")).await.expect(200);
    assert_eq!(events.at("/items/0/reason"), "BackOff");
}
