//! The manifests about services: slow, failing, attacked.

use std::fmt::Write as _;

use axum::Router;
use axum::routing::get;
use belay_testkit::machines::{self, Machine};
use serde_json::{Value, json};

use super::{manifest, play, serve, undo};
use crate::support::shop::{CHECKOUT, SETTINGS, Shop};

const PASSWORD: &str = "correct-horse-battery";

fn settings(shop: &Shop) -> String {
    shop.cluster.object("configmaps", "shop", "checkout").unwrap()["data"]["app.yaml"].as_str().unwrap().to_owned()
}

/// A desk beside a real PostgreSQL, Redis and Prometheus, where the service uses so much of its processors.
fn slow_shop(cpu: u8) -> (Shop, [Machine; 3]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let machines = runtime.block_on(async {
        let database = machines::postgres(PASSWORD).await;
        let cache = machines::redis(PASSWORD).await;
        [database, cache, machines::prometheus().await]
    });
    let [database, cache, metrics] = machines.each_ref().map(|machine| machine.port);
    let mut config = format!("    config:\n{CHECKOUT}");
    write!(
        config,
        "      database: {{ host: 127.0.0.1, port: {database}, user: postgres, password: {{ $secret: shop }} }}
      redis: {{ host: 127.0.0.1, port: {cache}, password: {{ $secret: shop }} }}
      prometheus: {{ url: 'http://127.0.0.1:{metrics}/', queries: {{ cpu: 'vector({cpu})' }} }}
"
    )
    .unwrap();
    let mut shop = Shop::with_config("staging", &config);
    shop.desk.variables.push(("BELAY_SECRET_SHOP".to_owned(), PASSWORD.to_owned()));
    shop.furnish();
    // The manifest goes on only where the cache serves more than four of five look-ups.
    shop.runtime.block_on(async {
        let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{cache}/")).unwrap();
        let mut keys = client.get_multiplexed_async_connection().await.unwrap();
        let () = redis::cmd("SET").arg("session:1").arg("x").query_async(&mut keys).await.unwrap();
        for _ in 0..9 {
            let _: String = redis::cmd("GET").arg("session:1").query_async(&mut keys).await.unwrap();
        }
    });
    (shop, machines)
}

fn latency() -> Value {
    json!({ "alertname": "HighLatency", "service": "checkout", "namespace": "shop" })
}

#[test]
fn the_high_latency_of_the_document_measures_and_switches_the_breaker_on() {
    let Some(text) = manifest("high-latency") else { return };
    let (shop, _machines) = slow_shop(35);
    let (code, status) = play(&shop, &text, &latency());
    assert_eq!((code, &status["status"]), (Some(0), &json!("completed")), "{status:#}");
    assert!(settings(&shop).contains("circuitBreaker"), "{}", settings(&shop));
    assert_eq!(shop.replicas(), 4, "nothing is scaled at 35 %");
    let status = undo(&shop);
    assert_eq!(status["status"], "rolled_back", "{status:#}");
    assert_eq!(settings(&shop), SETTINGS);
}

#[test]
fn the_high_latency_of_the_document_adds_two_replicas_to_a_busy_service() {
    let Some(text) = manifest("high-latency") else { return };
    let (shop, _machines) = slow_shop(93);
    let (code, status) = play(&shop, &text, &latency());
    assert_eq!((code, &status["status"]), (Some(0), &json!("completed")), "{status:#}");
    assert_eq!(shop.replicas(), 6);
    let status = undo(&shop);
    assert_eq!(status["status"], "rolled_back", "{status:#}");
    assert_eq!((shop.replicas(), settings(&shop).as_str()), (json!(4), SETTINGS));
}

/// A Loki that found these lines.
fn loki(lines: &'static [&'static str]) -> Router {
    let values: Vec<Value> = lines.iter().map(|line| json!(["1767323047000000000", line])).collect();
    let data =
        json!({ "resultType": "streams", "result": [{ "stream": { "service": "checkout" }, "values": values }] });
    let answer = json!({ "status": "success", "data": data });
    Router::new()
        .route("/loki/api/v1/query_range", get(async move || axum::Json(answer)))
        .route("/health", get(async || "well"))
}

#[test]
fn the_error_spike_of_the_document_rolls_a_fresh_release_back() {
    let Some(text) = manifest("error-spike") else { return };
    let shop = Shop::with_config("staging", "");
    let lines =
        &[r#"{"error":{"type":"Timeout"}}"#, r#"{"error":{"type":"Timeout"}}"#, r#"{"error":{"type":"Refused"}}"#];
    let address = serve(&shop, loki(lines));
    let health = format!("{{ healthUrl: 'http://{address}/health' }}");
    let mut config = format!("    config:\n{CHECKOUT}      loki: {{ url: 'http://{address}' }}\n");
    for name in ["database", "redis", "authService"] {
        writeln!(config, "      {name}: {health}").unwrap();
    }
    shop.configure("staging", &config);
    shop.furnish();
    let image = || {
        let deployment = shop.cluster.object("deployments", "shop", "checkout").unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    let before = image();
    shop.cluster
        .change("deployments", "shop", "checkout", |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/checkout:2");
        })
        .unwrap();
    let labels = json!({ "alertname": "HighErrorRate", "service": "checkout", "namespace": "shop" });
    let (code, status) = play(&shop, &text, &labels);
    assert_eq!((code, &status["status"]), (Some(0), &json!("completed")), "{status:#}");
    let log = shop.desk.belay(["log", "@last", "--json"]).exits(0).stdout;
    assert!(log.contains(r#""primaryError": "Timeout""#), "{log}");
    assert_eq!(image(), before, "the release of a moment ago is taken back");
    assert!(settings(&shop).contains("level: debug"), "{}", settings(&shop));
    let status = undo(&shop);
    assert_eq!(status["status"], "rolled_back", "{status:#}");
    assert_eq!(image(), "registry.example/checkout:2", "and a rollback of the runbook brings it again");
    assert_eq!(settings(&shop), SETTINGS);
}

#[test]
fn the_suspicious_activity_of_the_document_contains_and_keeps_evidence() {
    let Some(text) = manifest("suspicious-activity") else { return };
    let shop = Shop::with_config("production", &format!("    config:\n{CHECKOUT}"));
    shop.furnish();
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "carts", "namespace": "shop" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    shop.cluster.create(claim).unwrap();
    shop.cluster.add_pod("shop", "web", "node-1");
    let labels = json!({
        "alertname": "SuspiciousActivity", "source_ip": "192.0.2.7", "service": "checkout", "namespace": "shop",
        "pod": "web", "volume": "carts",
    });
    let (code, status) = play(&shop, &text, &labels);
    assert_eq!((code, &status["status"]), (Some(0), &json!("completed")), "{status:#}");
    let policy = shop.cluster.object("networkpolicies", "shop", "belay-blocked-addresses").unwrap();
    assert!(policy["spec"].to_string().contains("192.0.2.7/32"), "{policy:#}");
    let secret = || shop.cluster.object("secrets", "shop", "checkout-token").unwrap()["data"]["token"].clone();
    assert_ne!(secret(), "b2xkLXRva2VuLWluLWZvcmNl");
    assert!(settings(&shop).contains("level: trace"), "{}", settings(&shop));
    assert_eq!(shop.cluster.objects("volumesnapshots", "shop").len(), 1);
    assert!(shop.desk.home.join("evidence/custody").is_dir());
    let status = undo(&shop);
    assert_eq!(status["status"], "rolled_back", "{status:#}");
    assert_eq!(shop.cluster.objects("networkpolicies", "shop"), Vec::<Value>::new());
    assert_eq!((secret(), settings(&shop).as_str()), (json!("b2xkLXRva2VuLWluLWZvcmNl"), SETTINGS));
}
