//! The registry of actions, and a context that leads to a cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_actions::action::{SecretError, SecretSource, Surroundings};
use belay_actions::process::Helpers;
use belay_actions::registry::Registry;
use belay_runbook::act::{Act, Outcome, Preparation};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct NoSecrets;

#[async_trait]
impl SecretSource for NoSecrets {
    async fn secret(&self, name: &str) -> Result<SecretString, SecretError> {
        panic!("`{name}` is asked for")
    }

    async fn missing(&self, _name: &str) -> Option<SecretError> {
        None
    }
}

/// Where acts are performed.
pub(crate) struct Place {
    registry: Registry,
    surroundings: Surroundings,
}

impl Place {
    /// The cluster of a kubeconfig, in the namespace `shop`.
    pub(crate) fn of(kubeconfig: &Path) -> Self {
        let context = json!({
            "name": "bench",
            "environment": "staging",
            "config": {},
            "kubernetes": { "kubeconfig": kubeconfig, "context": "shop", "namespace": "shop" },
        });
        let surroundings = Surroundings {
            invocation: "bench".into(),
            timeout: Some(Duration::from_mins(2)),
            cancel: CancellationToken::new(),
            output: Arc::new(|_| {}),
            survives: false,
            context: Arc::new(context),
            secrets: Arc::new(NoSecrets),
            now: "2026-01-02T03:04:05Z".parse().unwrap(),
            notices: Arc::new(|_| {}),
            host: None,
        };
        // No act on a cluster starts a process.
        let helpers = Helpers::new(std::env::current_exe().unwrap(), vec!["--none".into()]);
        Self { registry: Registry::standard(&Arc::new(helpers)), surroundings }
    }

    pub(crate) async fn prepare(&self, action: &str, parameters: &Value) -> Preparation {
        self.registry.get(action).unwrap().prepare(&act(action, parameters), &self.surroundings).await.unwrap()
    }

    pub(crate) async fn run(&self, action: &str, parameters: &Value, prepared: &Preparation) -> Outcome {
        self.registry.get(action).unwrap().run(&act(action, parameters), prepared, &self.surroundings).await
    }
}

fn act(action: &str, parameters: &Value) -> Act {
    Act { action: action.to_owned(), parameters: parameters.clone() }
}
