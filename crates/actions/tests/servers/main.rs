//! The actions on servers, against real ones: Redis, PostgreSQL, Prometheus; and a Loki that answers as its API says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod cache;
mod database;
mod inside;
mod logs;
mod metrics;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use belay_actions::action::{ActionError, SecretError, SecretSource, Surroundings};
use belay_actions::registry::Registry;
use belay_runbook::act::{Act, Outcome, Preparation};
use belay_runbook::action::ActionCatalog as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct Secrets(BTreeMap<String, String>);

#[async_trait]
impl SecretSource for Secrets {
    async fn secret(&self, name: &str) -> Result<SecretString, SecretError> {
        self.0
            .get(name)
            .map(|value| SecretString::from(value.clone()))
            .ok_or_else(|| SecretError { problem: format!("there is no secret `{name}`"), remedy: "set it".to_owned() })
    }

    async fn missing(&self, _name: &str) -> Option<SecretError> {
        None
    }
}

/// Where acts are done from: a context with servers in it.
struct Desk {
    registry: Registry,
    surroundings: Surroundings,
    said: Arc<Mutex<String>>,
}

impl Desk {
    fn new(config: &Value) -> Self {
        let said = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&said);
        let context = json!({ "name": "shop", "environment": "staging", "config": config });
        let surroundings = Surroundings {
            invocation: "test".into(),
            timeout: Some(Duration::from_secs(20)),
            cancel: CancellationToken::new(),
            output: Arc::new(move |chunk| sink.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk.bytes))),
            survives: false,
            context: Arc::new(context),
            secrets: Arc::new(Secrets([("the-password".to_owned(), PASSWORD.to_owned())].into())),
            now: "2026-01-02T03:04:05Z".parse().unwrap(),
            notices: Arc::new(|_| {}),
            host: None,
        };
        Self { registry: Registry::standard(&Arc::new(support::helpers())), surroundings, said }
    }

    /// The same, with a cluster in its context.
    fn beside(mut self, kubernetes: &Value) -> Self {
        let mut context = (*self.surroundings.context).clone();
        context["kubernetes"] = kubernetes.clone();
        self.surroundings.context = Arc::new(context);
        self
    }

    async fn prepare(&self, name: &str, parameters: Value) -> Result<Preparation, ActionError> {
        self.registry.get(name).unwrap().prepare(&act(name, parameters), &self.surroundings).await
    }

    async fn run(&self, name: &str, parameters: Value) -> Outcome {
        let preparation = self.prepare(name, parameters.clone()).await.unwrap();
        let outcome = self.registry.get(name).unwrap();
        let outcome = outcome.run(&act(name, parameters), &preparation, &self.surroundings).await;
        assert!(!json!(outcome).to_string().contains(PASSWORD), "{outcome:?}");
        if outcome.error.is_none() {
            let schema = &self.registry.spec(name).unwrap().output;
            let declared = schema["properties"].as_object().unwrap();
            assert!(
                outcome.output.as_object().unwrap().keys().all(|field| declared.contains_key(field)),
                "{outcome:?}"
            );
        }
        outcome
    }
}

fn act(name: &str, parameters: Value) -> Act {
    Act { action: name.to_owned(), parameters }
}

const PASSWORD: &str = "correct-horse-battery";

fn secret() -> Value {
    json!({ "$secret": "the-password" })
}
