//! Servers that only a cluster knows, reached from outside: real ones, behind the API server.

use std::net::SocketAddr;

use belay_runbook::act::Ending;
use belay_testkit::cluster::{Cluster, ClusterOptions};
use belay_testkit::machines;
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::{Desk, PASSWORD, secret};

/// A cluster with an application of one pod behind a service, whose port is what listens at an address on loopback.
struct Behind {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Behind {
    async fn new() -> Self {
        let options = ClusterOptions::new().nodes(&["node-1"]).namespaces(&["data"]);
        Self { cluster: options.start().await.unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// Puts a server behind the service `name` of the namespace `data`, on a port with a name.
    fn serve(&self, name: &str, port: u16, listens: u16, pods: u32) {
        self.cluster.add_deployment("data", name, pods);
        let inner = port + 1;
        self.cluster
            .change("deployments", "data", name, |object| {
                object["spec"]["template"]["spec"]["containers"][0]["ports"] =
                    json!([{ "name": "main", "containerPort": inner }]);
            })
            .unwrap();
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "data" },
            "spec": { "selector": { "app": name }, "ports": [{ "port": port, "targetPort": "main" }] },
        });
        self.cluster.create(service).unwrap();
        self.cluster.serve_app("data", name, inner, SocketAddr::from(([127, 0, 0, 1], listens)));
    }

    fn desk(&self, config: &Value) -> Desk {
        let kubeconfig = self.cluster.write_kubeconfig(self.folder.path()).unwrap();
        Desk::new(config).beside(&json!({ "kubeconfig": kubeconfig, "context": "shop", "namespace": "data" }))
    }
}

#[tokio::test]
async fn a_cache_is_reached_through_a_forwarded_port() {
    let (behind, machine) = (Behind::new().await, machines::redis(PASSWORD).await);
    behind.serve("cache", 6379, machine.port, 1);
    let desk = behind.desk(&json!({ "redis": { "host": "cache.data", "password": secret() } }));
    let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}/", machine.port)).unwrap();
    let mut keys = client.get_multiplexed_async_connection().await.unwrap();
    let () = keys.set("session:1", "x").await.unwrap();
    let outcome = desk.run("cache.get_stats", json!({})).await;
    assert_eq!(outcome.output["keys"], 1, "{outcome:?}");
    let prepared = desk.prepare("cache.flush", json!({ "pattern": "session:*" })).await.unwrap();
    assert_eq!(prepared.target.name, "cache.data:6379");
    let note = &prepared.notes[1];
    assert!(note.starts_with("service data/cache is reached through forwarded port 6380 of pod cache-"), "{note}");
    let outcome = desk.run("cache.flush", json!({ "pattern": "session:*" })).await;
    assert_eq!(outcome.output["deleted"], 1, "{outcome:?}");

    let wrong = behind.desk(&json!({ "redis": { "host": "cache.data" } }));
    let refused = wrong.prepare("cache.flush", json!({})).await.unwrap_err().to_string();
    assert!(refused.contains("NOAUTH"), "the server's own words come through: {refused}");
    let wrong = behind.desk(&json!({ "redis": { "host": "cache.data", "port": 9 } }));
    let refused = wrong.prepare("cache.flush", json!({})).await.unwrap_err().to_string();
    assert!(refused.contains("service data/cache has no port 9; it has 6379"), "{refused}");
}

#[tokio::test]
async fn a_database_is_reached_through_a_forwarded_port_and_its_work_can_be_stopped_there() {
    let (behind, machine) = (Behind::new().await, machines::postgres(PASSWORD).await);
    behind.serve("db", 5432, machine.port, 1);
    let entry = json!({ "host": "db.data.svc", "user": "postgres", "password": secret() });
    let desk = behind.desk(&json!({ "database": entry }));
    let outcome = desk.run("database.check_connections", json!({})).await;
    assert_eq!(outcome.output["maxConnections"], 20, "{outcome:?}");

    let login = format!("host=127.0.0.1 port={} user=postgres password={PASSWORD}", machine.port);
    let connect = async || {
        let (client, connection) = tokio_postgres::connect(&login, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    // Within a transaction the statistics stay as they were at the first look.
    let (holder, client) = (connect().await, connect().await);
    holder.batch_execute("CREATE TABLE held (id int)").await.unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE held").await.unwrap();
    let waits = async || {
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'VACUUM%' AND wait_event_type = 'Lock'";
        let row = client.query_one(busy, &[]).await.unwrap();
        row.get::<_, i64>(0)
    };
    let cancel = desk.surroundings.cancel.clone();
    let vacuum = desk.run("database.vacuum", json!({ "table": "held" }));
    let stop = async {
        while waits().await == 0 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(vacuum, stop);
    assert_eq!(outcome.ending, Ending::Cancelled, "{outcome:?}");
    assert!(outcome.error.as_deref().unwrap().ends_with("tables that had been done stay so"), "{outcome:?}");
    while waits().await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn metrics_are_asked_through_the_api_server() {
    let (behind, machine) = (Behind::new().await, machines::prometheus().await);
    behind.serve("prometheus", 9090, machine.port, 2);
    let queries = json!({ "cpu": "vector(93)" });
    let desk = behind.desk(&json!({ "prometheus": { "url": "http://prometheus.data:9090", "queries": queries } }));
    let outcome = desk.run("metrics.check", json!({ "metric": "up", "threshold": 2 })).await;
    assert_eq!(outcome.output["value"], json!(1.0), "{outcome:?}");
    let outcome = desk.run("metrics.get_cpu", json!({ "service": "prometheus" })).await;
    assert_eq!(outcome.output["percent"], json!(93.0));
    assert_eq!(outcome.published["currentReplicas"], 2, "as the cluster has it now: {outcome:?}");
    let outcome = desk.run("metrics.get_cpu", json!({ "service": "unheard-of" })).await;
    assert_eq!(outcome.output["currentReplicas"], Value::Null, "{outcome:?}");
    assert!(outcome.published.is_empty());

    let entry = json!({ "url": "http://prometheus.data:9090", "token": secret() });
    let desk = behind.desk(&json!({ "prometheus": entry }));
    let outcome = desk.run("metrics.check", json!({ "metric": "up" })).await;
    assert!(outcome.error.as_deref().unwrap().contains("header `authorization` cannot pass"), "{outcome:?}");
}

#[tokio::test]
async fn what_keeps_a_port_from_being_forwarded_is_said() {
    let behind = Behind::new().await;
    behind.serve("cache", 6379, 1, 1);
    let desk = behind.desk(&json!({ "redis": { "host": "cache.data", "password": secret() } }));
    let error = |outcome: belay_runbook::act::Outcome| outcome.error.unwrap();
    let refused = error(desk.run("cache.get_stats", json!({})).await);
    assert!(refused.contains("through a forwarded port"), "nothing listens there: {refused}");
    behind.cluster.forbid("*", "pods/portforward");
    let forbidden = error(desk.run("cache.get_stats", json!({})).await);
    assert!(
        forbidden.contains(r#"resources: ["pods/portforward"], verbs: ["create"]"#),
        "the right that is missing: {forbidden}"
    );
    behind.cluster.permit_all();
    behind.cluster.change("deployments", "data", "cache", |object| object["spec"]["replicas"] = json!(0)).unwrap();
    let nobody = error(desk.run("cache.get_stats", json!({})).await);
    assert!(nobody.contains("no pod behind service data/cache is ready"), "{nobody}");
    let desk = behind.desk(&json!({ "redis": { "host": "cache.data", "tls": true } }));
    behind.cluster.change("deployments", "data", "cache", |object| object["spec"]["replicas"] = json!(1)).unwrap();
    let encrypted = error(desk.run("cache.get_stats", json!({})).await);
    assert!(encrypted.contains("without `tls: true` only"), "{encrypted}");
    let desk = behind.desk(&json!({ "redis": { "host": "elsewhere.data.svc" } }));
    let missing = error(desk.run("cache.get_stats", json!({})).await);
    assert!(missing.contains("has no service and no pod `elsewhere`"), "{missing}");
}

#[tokio::test]
async fn credentials_are_not_sent_outside_while_the_cluster_does_not_tell() {
    let behind = Behind::new().await;
    let redis = json!({ "redis": { "host": "cache.data", "password": secret() } });
    let asked = async |config: &Value| behind.desk(config).run("cache.get_stats", json!({})).await.error.unwrap();
    let gone = asked(&redis).await;
    assert!(
        gone.contains("has no service and no pod `cache`"),
        "a service that is gone is not looked for outside: {gone}"
    );
    behind.cluster.forbid("get", "namespaces");
    behind.cluster.forbid("get", "services");
    let unknown = asked(&redis).await;
    assert!(unknown.contains("write `cache.data.svc` where it is, and `cache.data.` where it is not"), "{unknown}");
    let metrics = json!({ "prometheus": { "url": "http://prometheus.data:9090", "token": secret() } });
    let unknown = behind.desk(&metrics).run("metrics.check", json!({ "metric": "up" })).await.error.unwrap();
    assert!(unknown.contains("cannot be told"), "{unknown}");
    let wrong = asked(&json!({ "redis": { "host": "a.b.c.data.svc", "password": secret() } })).await;
    assert!(wrong.contains("names no service and no pod"), "{wrong}");
    behind.cluster.permit_all();
    behind.cluster.expire_login();
    let over = asked(&redis).await;
    assert!(over.contains("log in again") && over.contains("cache.data.svc"), "{over}");
}

#[tokio::test]
async fn a_service_that_may_be_seen_is_inside_though_namespaces_may_not() {
    let (behind, machine) = (Behind::new().await, machines::redis(PASSWORD).await);
    behind.serve("cache", 6379, machine.port, 1);
    behind.cluster.forbid("get", "namespaces");
    let desk = behind.desk(&json!({ "redis": { "host": "cache.data", "password": secret() } }));
    assert_eq!(desk.run("cache.get_stats", json!({})).await.ending, Ending::Succeeded);
}

#[tokio::test]
async fn a_host_that_an_alert_names_gets_no_way_into_the_cluster() {
    let (behind, machine) = (Behind::new().await, machines::redis(PASSWORD).await);
    behind.serve("vault", 6379, machine.port, 1);
    let desk = behind.desk(&json!({ "redis": { "host": "cache.data", "password": secret() } }));
    behind.cluster.forget_calls();
    let outcome = desk.run("cache.get_stats", json!({ "host": "vault.data.svc" })).await;
    assert!(outcome.error.as_deref().unwrap().contains("only the host that the context itself names"), "{outcome:?}");
    assert!(behind.cluster.calls().is_empty(), "{:?}", behind.cluster.calls());
}

#[tokio::test]
async fn what_changes_data_goes_to_the_one_pod_that_was_approved() {
    let (behind, machine) = (Behind::new().await, machines::redis(PASSWORD).await);
    behind.serve("cache", 6379, machine.port, 1);
    let desk = behind.desk(&json!({ "redis": { "host": "cache.data", "password": secret() } }));
    let flush = desk.registry.get("cache.flush").unwrap();
    let act = crate::act("cache.flush", json!({}));
    let prepared = desk.prepare("cache.flush", json!({})).await.unwrap();
    assert!(prepared.basis.namespaces.contains("data"), "a policy judges where it is: {prepared:?}");
    let pods = behind.cluster.objects("pods", "data");
    behind.cluster.remove("pods", "data", pods[0]["metadata"]["name"].as_str().unwrap()).unwrap();
    while desk.prepare("cache.flush", json!({})).await.is_err() {
        tokio::task::yield_now().await;
    }
    let outcome = flush.run(&act, &prepared, &desk.surroundings).await;
    assert_eq!(outcome.ending, Ending::NotStarted, "{outcome:?}");
    assert!(outcome.error.as_deref().unwrap().contains("another server now"), "{outcome:?}");
    behind.cluster.change("deployments", "data", "cache", |object| object["spec"]["replicas"] = json!(2)).unwrap();
    let several = loop {
        if let Err(error) = desk.prepare("cache.flush", json!({})).await {
            break error.to_string();
        }
    };
    assert!(several.contains("2 pods are ready behind it"), "{several}");
}
