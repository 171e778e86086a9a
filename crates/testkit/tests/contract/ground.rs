//! What a case stands on: a client, a namespace, and the fake cluster where it is one.

use std::future::Future;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method, Request};
use belay_testkit::cluster::{Cluster, ClusterOptions};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client, a namespace, and the fake cluster where it is one.
#[derive(Clone)]
pub struct Ground {
    pub client: Client,
    pub namespace: String,
    cluster: Option<Cluster>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    /// The text at a JSON pointer of the body.
    pub fn at(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The whole number at a JSON pointer of the body.
    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.body.pointer(pointer).and_then(Value::as_i64)
    }

    /// The names of the items.
    pub fn names(&self) -> Vec<String> {
        names(self.body["items"].as_array().unwrap())
    }

    /// The same, where the status is as expected.
    #[track_caller]
    pub fn expect(self, code: u16) -> Self {
        assert_eq!(self.code, code, "answered {}", self.text);
        self
    }

    /// The same, where it is a `Status` that refuses for this reason.
    #[track_caller]
    pub fn refused(self, code: u16, reason: &str) -> Self {
        let answer = self.expect(code);
        assert_eq!(answer.at("/kind"), "Status", "an error is a Status: {}", answer.text);
        assert_eq!(answer.at("/status"), "Failure", "an error says that it is one");
        assert_eq!(answer.at("/reason"), reason, "the reason is what a program reads: {}", answer.text);
        assert_eq!(answer.number("/code"), Some(i64::from(code)), "the body repeats the status");
        answer
    }
}

/// The names of objects.
pub fn names(objects: &[Value]) -> Vec<String> {
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

async fn client(kubeconfig: Kubeconfig) -> Client {
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    // The client asks again after 429, 503 and 504 by itself, which would hide what was answered.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

impl Ground {
    /// The fake, with three nodes.
    pub async fn fake() -> Self {
        let cluster = ClusterOptions::new().volume_snapshots().start().await.unwrap();
        let client = client(Kubeconfig::from_yaml(&cluster.kubeconfig()).unwrap()).await;
        Self { client, namespace: "shop".to_owned(), cluster: Some(cluster) }
    }

    /// A real server, with a namespace that is made for the case.
    pub async fn real(kubeconfig: &str) -> Self {
        let client = client(Kubeconfig::read_from(kubeconfig).unwrap()).await;
        let ground = Self { client, namespace: String::new(), cluster: None };
        let wanted = json!({ "metadata": { "generateName": "belay-contract-" } });
        let made = ground.post("/api/v1/namespaces", &wanted).await.expect(201);
        Self { namespace: made.at("/metadata/name").to_owned(), ..ground }
    }

    /// Removes what was made for the case.
    pub async fn leave(&self) {
        if self.cluster.is_none() {
            self.delete(&format!("/api/v1/namespaces/{}", self.namespace), &Value::Null).await.expect(200);
        }
    }

    /// The fake cluster.
    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("the case is for the fake alone")
    }

    /// The fake cluster, where it is one.
    pub fn fake_cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// The address of core resources in the case's namespace.
    pub fn core(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// The address of resources of a group in the case's namespace.
    pub fn of(&self, group: &str, rest: &str) -> String {
        format!("/apis/{group}/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// The address of resources of `apps` in the case's namespace.
    pub fn apps(&self, rest: &str) -> String {
        self.of("apps", rest)
    }

    /// One request.
    pub async fn ask(&self, method: &str, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        self.try_ask(method, path, content_type, body).await.unwrap()
    }

    /// One request that may fail on its way.
    pub async fn try_ask(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Answer, kube::Error> {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header("content-type", content_type)
            .body(kube::client::Body::from(body))
            .unwrap();
        let response = self.client.send(request).await?;
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().collect_bytes().await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { code, headers, text, body })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "application/json", Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, "application/json", body.to_string().into_bytes()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path, "application/json", body.to_string().into_bytes()).await
    }

    pub async fn delete(&self, path: &str, options: &Value) -> Answer {
        let body = if options.is_null() { Vec::new() } else { options.to_string().into_bytes() };
        self.ask("DELETE", path, "application/json", body).await
    }

    /// A patch of a type: `merge`, `strategic-merge`, `json`, `apply`.
    pub async fn patch(&self, kind: &str, path: &str, patch: &Value) -> Answer {
        let content_type = if kind == "apply" {
            "application/apply-patch+yaml".to_owned()
        } else {
            format!("application/{kind}-patch+json")
        };
        self.ask("PATCH", path, &content_type, patch.to_string().into_bytes()).await
    }

    /// Creates a deployment of so many replicas.
    pub async fn deploy(&self, name: &str, replicas: u32) -> Answer {
        self.post(&self.apps("deployments"), &deployment(name, replicas)).await.expect(201)
    }

    /// Asks again and again until there is an answer that is accepted.
    pub async fn until<T, F>(&self, what: &str, mut ask: impl FnMut() -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            assert!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A deployment with one container `app`.
pub fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{
                    "name": "app", "image": "registry.example/app:v1", "env": [{ "name": "A", "value": "1" }],
                    "ports": [{ "containerPort": 8080 }], "resources": { "limits": { "memory": "512Mi" } },
                }] },
            },
        },
    })
}

/// A config map with one entry.
pub fn config(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "key": "value" } })
}

/// A pod with these containers.
pub fn pod(name: &str, containers: &[&str]) -> Value {
    let containers: Vec<Value> =
        containers.iter().map(|name| json!({ "name": name, "image": "registry.example/app:v1" })).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "app": name } },
        "spec": { "containers": containers },
    })
}
