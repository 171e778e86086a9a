//! The actions through their common interface, against real servers and processes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::{get, post};
use belay_actions::action::{SecretError, SecretSource, Surroundings};
use belay_actions::registry::Registry;
use belay_runbook::act::{Act, Ending, Outcome};
use belay_runbook::action::{ActionCatalog, Effect, PolicyKind};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct OneSecret;

#[async_trait]
impl SecretSource for OneSecret {
    async fn secret(&self, name: &str) -> Result<SecretString, SecretError> {
        match self.missing(name).await {
            None => Ok(SecretString::from("very-secret-value")),
            Some(error) => Err(error),
        }
    }

    async fn missing(&self, name: &str) -> Option<SecretError> {
        let error = || SecretError { problem: format!("secret `{name}` is not set"), remedy: "set it".to_owned() };
        (name != "TOKEN").then(error)
    }
}

fn registry() -> Registry {
    Registry::standard(&Arc::new(support::helpers()))
}

fn surroundings(context: Value) -> (Surroundings, Arc<Mutex<Vec<String>>>) {
    let notices = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&notices);
    let surroundings = Surroundings {
        invocation: "test".into(),
        timeout: None,
        cancel: CancellationToken::new(),
        output: support::silent(),
        survives: false,
        context: Arc::new(context),
        secrets: Arc::new(OneSecret),
        now: "2026-01-02T03:04:05Z".parse().unwrap(),
        notices: Arc::new(move |text| sink.lock().unwrap().push(text)),
        host: None,
    };
    (surroundings, notices)
}

async fn run(action: &str, parameters: Value) -> Outcome {
    run_in(action, parameters, &surroundings(json!({})).0).await
}

async fn run_in(action: &str, parameters: Value, surroundings: &Surroundings) -> Outcome {
    let registry = registry();
    let found = registry.get(action).unwrap();
    let act = Act { action: action.to_owned(), parameters };
    match found.prepare(&act, surroundings).await {
        Ok(preparation) => found.run(&act, &preparation, surroundings).await,
        Err(error) => Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) },
    }
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

async fn web() -> String {
    let router = Router::new()
        .route("/ok", get(|| async { "all is well" }))
        .route("/bad", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "token=abcdefgh123") }))
        .route("/slow", get(std::future::pending::<&str>))
        .route("/moved", get(|| async { Redirect::temporary("/ok") }))
        .route("/away", get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data") }))
        .route("/elsewhere", get(|| async { Redirect::temporary("http://localhost:1/x") }))
        .route(
            "/auth",
            get(|headers: HeaderMap| async move {
                let good = headers.get("x-token").is_some_and(|token| token == "very-secret-value");
                (if good { StatusCode::OK } else { StatusCode::UNAUTHORIZED }, "very-secret-value")
            }),
        );
    serve(router).await
}

#[tokio::test]
async fn a_healthy_endpoint_is_healthy() {
    let base = web().await;
    let outcome = run("http.healthcheck", json!({ "url": format!("{base}/ok"), "expectBody": "is well" })).await;
    assert_eq!(outcome.ending, Ending::Succeeded);
    assert_eq!((&outcome.output["healthy"], &outcome.output["status"]), (&json!(true), &json!(200)));
    assert!(outcome.output["latencyMs"].is_u64());
    let moved = run("http.healthcheck", json!({ "url": format!("{base}/moved"), "method": "HEAD" })).await;
    assert_eq!(moved.output["healthy"], true, "a redirect on the same host is followed");
}

#[tokio::test]
async fn ill_health_is_an_observation_and_not_a_failure() {
    let base = web().await;
    let cases = [
        (json!({ "url": format!("{base}/bad") }), "status 503 instead of 200"),
        (json!({ "url": format!("{base}/ok"), "expectBody": "burning" }), "does not hold the expected text"),
        (json!({ "url": format!("{base}/slow"), "timeout": 0.1 }), "no answer in time"),
        (json!({ "url": format!("{base}/elsewhere") }), "status 307 instead of 200"),
        (json!({ "url": format!("{base}/away") }), "status 307 instead of 200"),
        (json!({ "url": "http://127.0.0.1:1/" }), "onnect"),
    ];
    for (parameters, error) in cases {
        let outcome = run("http.healthcheck", parameters.clone()).await;
        assert_eq!(outcome.ending, Ending::Succeeded, "{parameters}");
        assert_eq!(outcome.output["healthy"], false, "{parameters}");
        let said = outcome.output["error"].as_str().unwrap();
        assert!(said.contains(error), "{parameters}: {said}");
    }
}

#[tokio::test]
async fn a_metadata_address_is_never_asked() {
    for url in ["http://169.254.169.254/latest", "http://[::ffff:a9fe:a9fe]/", "http://metadata.google.internal/"] {
        let outcome = run("http.healthcheck", json!({ "url": url })).await;
        assert_eq!(outcome.ending, Ending::NotStarted, "{url}");
    }
    assert_eq!(run("http.healthcheck", json!({ "url": "file:///etc/passwd" })).await.ending, Ending::NotStarted);
}

#[tokio::test]
async fn a_secret_header_is_sent_and_shown_nowhere() {
    let base = web().await;
    let parameters = json!({ "url": format!("{base}/auth"), "headers": { "X-Token": { "$secret": "TOKEN" } } });
    let outcome = run("http.healthcheck", parameters).await;
    assert_eq!(outcome.output["healthy"], true);
    assert_eq!(outcome.excerpt, "[redacted]");
}

#[tokio::test]
async fn a_batch_counts_and_keeps_the_order() {
    let base = web().await;
    let urls = json!([format!("{base}/bad"), format!("{base}/ok"), format!("{base}/ok")]);
    let outcome = run("http.healthcheck_batch", json!({ "urls": urls })).await;
    assert_eq!(outcome.output["healthy"], false);
    assert_eq!((&outcome.output["healthyCount"], &outcome.output["total"]), (&json!(2), &json!(3)));
    assert_eq!(outcome.output["results"][0]["status"], 503);
}

#[tokio::test]
async fn the_preparation_answers_whether_it_is_healthy() {
    let base = web().await;
    let (surroundings, _) = surroundings(json!({}));
    let act = Act { action: "http.healthcheck".into(), parameters: json!({ "url": format!("{base}/ok") }) };
    let preparation = registry().get("http.healthcheck").unwrap().prepare(&act, &surroundings).await.unwrap();
    assert_eq!(preparation.facts["healthy"], true);
    assert_eq!(preparation.effect, Effect::Read);
}

#[tokio::test]
async fn a_notification_is_shown_and_posted() {
    let received = Arc::new(Mutex::new(None));
    let store = Arc::clone(&received);
    let router = Router::new().route(
        "/hook",
        post(move |axum::Json(body): axum::Json<Value>| async move { *store.lock().unwrap() = Some(body) }),
    );
    let base = serve(router).await;
    let (surroundings, notices) =
        surroundings(json!({ "config": { "notifications": { "ops": { "url": format!("{base}/hook") } } } }));
    let parameters = json!({ "channel": "ops", "message": "it \u{1b}[31mburns\nhere", "priority": "high" });
    let outcome = run_in("notification.send", parameters, &surroundings).await;
    assert_eq!(outcome.output["delivered"], json!(["terminal", "webhook:ops"]), "{outcome:?}");
    assert_eq!(*notices.lock().unwrap(), ["[high] ops: it [31mburns\nhere"], "no escape reaches the terminal");
    let body = received.lock().unwrap().take().unwrap();
    assert_eq!((&body["priority"], &body["at"]), (&json!("high"), &json!("2026-01-02T03:04:05Z")));
}

#[tokio::test]
async fn a_webhook_that_fails_is_a_failure_and_one_that_never_answers_is_lost() {
    let base = serve(
        Router::new()
            .route("/no", post(|| async { StatusCode::FORBIDDEN }))
            .route("/never", post(std::future::pending::<&str>)),
    )
    .await;
    let context = json!({ "config": { "webhooks": { "no": format!("{base}/no"), "never": format!("{base}/never"), "shut": "http://127.0.0.1:1/" } } });
    let (mut surroundings, notices) = surroundings(context);
    surroundings.timeout = Some(Duration::from_millis(200));
    for (webhook, ending) in
        [("no", Ending::Failed), ("never", Ending::Lost), ("shut", Ending::Failed), ("none", Ending::NotStarted)]
    {
        let outcome = run_in("notification.send", json!({ "message": "m", "webhook": webhook }), &surroundings).await;
        assert_eq!(outcome.ending, ending, "{webhook}: {outcome:?}");
    }
    assert_eq!(notices.lock().unwrap().len(), 3, "the terminal showed all that were started");
}

#[tokio::test]
async fn command_run_takes_secrets_by_name_and_only_in_the_environment() {
    let outcome = run(
        "command.run",
        json!({ "script": "echo \"$T\"; echo \"$N\"", "env": { "T": { "$secret": "TOKEN" }, "N": 5 } }),
    )
    .await;
    assert_eq!(outcome.output["stdout"], "[redacted]\n5\n");
    let refused = run("command.run", json!({ "argv": ["echo", { "$secret": "TOKEN" }] })).await;
    assert_eq!(refused.ending, Ending::NotStarted);
    assert!(refused.error.unwrap().contains("may not be an argument"));
    let missing = run("command.run", json!({ "script": "true", "env": { "T": { "$secret": "OTHER" } } })).await;
    assert_eq!(missing.ending, Ending::NotStarted);
    assert_eq!(missing.error.unwrap(), "parameter `env.T`: secret `OTHER` is not set; set it");
}

#[tokio::test]
async fn command_run_never_lets_a_shell_see_an_argument() {
    let outcome = run("command.run", json!({ "argv": ["echo", "$(id)", "; ls", "a  b"], "dir": "/tmp" })).await;
    assert_eq!(outcome.output["stdout"], "$(id) ; ls a  b\n");
    for wrong in
        [json!({}), json!({ "argv": [] }), json!({ "argv": ["a"], "script": "b" }), json!({ "argv": ["a"], "x": 1 })]
    {
        assert_eq!(run("command.run", wrong).await.ending, Ending::NotStarted);
    }
    let describe = |parameters: Value| registry().get("command.run").unwrap().describe(&parameters);
    assert_eq!(describe(json!({ "argv": ["kubectl", "get", "a b"] })), "run kubectl get 'a b'");
    assert_eq!(describe(json!({ "script": "# note\nset -e\ndo it" })), "run set -e …");
}

#[tokio::test]
async fn a_declared_action_refuses_to_prepare_and_to_run() {
    let outcome = run("database.failover", json!({ "replicaHost": "db-2" })).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert_eq!(
        outcome.error.as_deref(),
        Some("action `database.failover` cannot be performed by this version of belay")
    );
}

#[test]
fn declarations_are_consistent() {
    let registry = registry();
    assert!(registry.names().len() >= 35, "{:?}", registry.names());
    for name in registry.names() {
        let spec = registry.spec(name).unwrap();
        assert_eq!(spec.name, name);
        let properties = spec.parameters["properties"].as_object().unwrap();
        for parameter in spec.sinks.keys().chain(&spec.target_parameter) {
            assert!(properties.contains_key(parameter), "{name}: {parameter} is no parameter");
        }
        for field in &spec.published {
            assert!(spec.output["properties"].get(field).is_some(), "{name}: {field} is no output");
        }
        assert!(!spec.description.is_empty() && !spec.access.is_empty(), "{name}");
        assert!(!(spec.captures_undo && spec.effect == Effect::Read), "{name}: reading needs no undo");
    }
    assert_eq!(registry.spec("cache.flush").unwrap().effect, Effect::Destructive);
    assert_eq!(registry.spec("kubernetes.drain_node").unwrap().kinds, [PolicyKind::NodeOperation]);
    assert!(registry.spec("command.run").unwrap().available);
}
