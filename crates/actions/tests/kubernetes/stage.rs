//! A cluster, and a context that leads to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use belay_actions::action::{Action, ActionError, SecretError, SecretSource, Surroundings};
use belay_actions::kubernetes::EvidenceRoom;
use belay_actions::registry::Registry;
use belay_runbook::act::{Act, Ending, Outcome, Preparation, ProbeAnswer, UndoState};
use belay_testkit::cluster::{Call, Cluster, ClusterOptions};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support;

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

/// A shop on a cluster: `checkout` with four replicas on three nodes.
pub struct Stage {
    pub cluster: Cluster,
    pub registry: Registry,
    pub surroundings: Surroundings,
    /// What was said while acts ran.
    pub said: Arc<Mutex<String>>,
    folder: tempfile::TempDir,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(ClusterOptions::new()).await
    }

    pub async fn with(options: ClusterOptions) -> Self {
        let cluster = options.nodes(&["node-1", "node-2", "node-3"]).namespaces(&["shop"]).start().await.unwrap();
        cluster.add_deployment("shop", "checkout", 4);
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = cluster.write_kubeconfig(folder.path()).unwrap();
        let context = json!({
            "name": "shop",
            "environment": "staging",
            "config": {},
            "kubernetes": { "kubeconfig": kubeconfig, "context": "shop", "namespace": "shop" },
        });
        let said = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&said);
        let surroundings = Surroundings {
            invocation: "test".into(),
            timeout: Some(Duration::from_secs(20)),
            cancel: CancellationToken::new(),
            output: Arc::new(move |chunk| sink.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk.bytes))),
            survives: false,
            context: Arc::new(context),
            secrets: Arc::new(NoSecrets),
            now: "2026-01-02T03:04:05Z".parse().unwrap(),
            notices: Arc::new(|_| {}),
            host: None,
        };
        cluster.forget_calls();
        let registry = Registry::standard(&Arc::new(support::helpers()));
        let room = EvidenceRoom { folder: folder.path().join("evidence"), by: Arc::new(|| "alice@laptop".to_owned()) };
        registry.clusters().keep_evidence_in(room);
        Self { cluster, registry, surroundings, said, folder }
    }

    /// The kubeconfig's folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The same, with something else in the context.
    pub fn in_context(&self, kubernetes: &Value) -> Surroundings {
        let mut context = (*self.surroundings.context).clone();
        context["kubernetes"] = kubernetes.clone();
        Surroundings { context: Arc::new(context), ..self.surroundings.clone() }
    }

    /// Lets the context say something about a service.
    pub fn describe_service(&mut self, name: &str, entry: Value) {
        let mut context = (*self.surroundings.context).clone();
        context["config"]["services"][name]["kubernetes"] = entry;
        self.surroundings.context = Arc::new(context);
    }

    pub fn action(&self, name: &str) -> Arc<dyn Action> {
        self.registry.get(name).unwrap()
    }

    pub async fn prepare(&self, name: &str, parameters: Value) -> Result<Preparation, ActionError> {
        self.action(name).prepare(&act(name, parameters), &self.surroundings).await
    }

    pub async fn run_prepared(&self, name: &str, parameters: Value, preparation: &Preparation) -> Outcome {
        self.action(name).run(&act(name, parameters), preparation, &self.surroundings).await
    }

    /// Prepares and runs.
    pub async fn run(&self, name: &str, parameters: Value) -> Outcome {
        match self.prepare(name, parameters.clone()).await {
            Ok(preparation) => self.run_prepared(name, parameters, &preparation).await,
            Err(error) => Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) },
        }
    }

    pub async fn probe(&self, name: &str, parameters: Value, preparation: &Preparation) -> ProbeAnswer {
        self.action(name).probe(&act(name, parameters), preparation, &self.surroundings).await.unwrap()
    }

    pub async fn undo_state(
        &self,
        name: &str,
        parameters: Value,
        preparation: &Preparation,
        outcome: &Outcome,
    ) -> UndoState {
        let record = preparation.undo.as_ref().unwrap();
        let act = act(name, parameters);
        self.action(name).undo_state(&act, record, outcome.after.as_ref(), &self.surroundings).await.unwrap()
    }

    pub async fn undo(&self, name: &str, parameters: Value, preparation: &Preparation, outcome: &Outcome) -> Outcome {
        let record = preparation.undo.as_ref().unwrap();
        let act = act(name, parameters);
        self.action(name).undo(&act, record, outcome.after.as_ref(), &self.surroundings).await
    }

    /// An object that is there.
    pub fn object(&self, plural: &str, name: &str) -> Value {
        let namespace = if plural == "nodes" { "" } else { "shop" };
        self.cluster.object(plural, namespace, name).unwrap_or_else(|| panic!("there is no {plural}/{name}"))
    }

    /// Names of the pods of an application, in order.
    pub fn pods_of(&self, app: &str) -> Vec<String> {
        let pods = self.cluster.objects("pods", "shop");
        let of_app = pods.iter().filter(|pod| pod["metadata"]["labels"]["app"] == app);
        let mut names: Vec<String> = of_app.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// `VERB RESOURCE` of every request since it was last asked.
    pub fn asked(&self) -> Vec<String> {
        let calls = self.cluster.calls();
        self.cluster.forget_calls();
        calls.iter().map(shown).collect()
    }
}

pub fn act(name: &str, parameters: Value) -> Act {
    Act { action: name.to_owned(), parameters }
}

fn shown(call: &Call) -> String {
    let slash = if call.subresource.is_empty() { "" } else { "/" };
    let dry = if call.dry_run { " (dry)" } else { "" };
    format!("{} {}{slash}{}{dry}", call.verb, call.resource, call.subresource)
}

/// The error of an outcome that is one.
pub fn error(outcome: &Outcome) -> &str {
    outcome.error.as_deref().unwrap_or_else(|| panic!("{outcome:?} is no failure"))
}
