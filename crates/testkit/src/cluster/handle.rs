//! The handle of a cluster: starting it, its objects, its settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::controllers::nodes;
use super::delete;
use super::json;
use super::kinds::Kind;
use super::options::ClusterOptions;
use super::server::Shared;
use super::state::State;

/// Why a cluster could not be started or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No port could be had.
    #[error("the cluster cannot listen on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// The kubeconfig could not be written.
    #[error("`{path}` cannot be written")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The cluster serves no such resource.
    #[error("`{0}` is no resource of this cluster")]
    NoResource(String),
    /// There is no such object.
    #[error("there is no `{0}`")]
    NoObject(String),
    /// There is such an object already.
    #[error("there is a `{0}` already")]
    Exists(String),
}

/// A running cluster. It stops when the last of its handles is dropped.
///
/// What a handle does is done past the API, as somebody else would do it: no request is recorded, nothing is forbidden,
/// and nothing is validated. The controllers have done their part when a method returns.
#[derive(Clone)]
pub struct Cluster {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    url: String,
    token: String,
    _tasks: JoinSet<()>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cluster").field("url", &self.inner.url).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts a cluster with the default [`ClusterOptions`] on the present tokio runtime.
    pub async fn start() -> Result<Self, ClusterError> {
        ClusterOptions::default().start().await
    }

    pub(super) async fn start_with(options: ClusterOptions) -> Result<Self, ClusterError> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await.map_err(ClusterError::Listen)?;
        let address = listener.local_addr().map_err(ClusterError::Listen)?;
        let shared = Arc::new(Shared::new(State::new(options.settings, options.token.clone())));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).listen(listener, address));
        tasks.spawn(Arc::clone(&shared).keep_time());
        let inner = Inner { shared, url: format!("http://{address}"), token: options.token, _tasks: tasks };
        let cluster = Self { inner: Arc::new(inner) };
        for name in ["default", "kube-system"].into_iter().chain(options.namespaces.iter().map(String::as_str)) {
            cluster.add_namespace(name);
        }
        for name in &options.nodes {
            cluster.add_node(name);
        }
        Ok(cluster)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The uid of the namespace `kube-system`, by which clusters are told apart.
    pub fn uid(&self) -> String {
        self.shared().with(|state| state.fingerprint())
    }

    /// A kubeconfig in YAML: context `shop`, cluster `shop`, user `alice` (or as set) with a token, namespace `shop`.
    pub fn kubeconfig(&self) -> String {
        let user = self.shared().with(|state| state.settings.user.clone());
        let (url, token) = (&self.inner.url, &self.inner.token);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: shop\nclusters:\n- name: shop\n  cluster:\n    server: {url}\n\
             contexts:\n- name: shop\n  context:\n    cluster: shop\n    namespace: shop\n    user: {user}\n\
             users:\n- name: {user}\n  user:\n    token: {token}\npreferences: {{}}\n"
        )
    }

    /// Writes the kubeconfig to `kubeconfig` in a folder, for its owner alone, and answers with the file.
    pub fn write_kubeconfig(&self, folder: &Path) -> Result<PathBuf, ClusterError> {
        let path = folder.join("kubeconfig");
        self.write_kubeconfig_to(&path)?;
        Ok(path)
    }

    /// Writes the kubeconfig to a file, for its owner alone; it is there as a whole or not at all.
    pub fn write_kubeconfig_to(&self, path: &Path) -> Result<(), ClusterError> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let draft = path.with_extension("new");
        let write = || {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(self.kubeconfig().as_bytes())?;
            std::fs::rename(&draft, path)
        };
        write().map_err(|source| ClusterError::Kubeconfig { path: path.to_owned(), source })
    }

    /// Creates an object, with whatever status it brings along, and answers with it as it is kept.
    pub fn create(&self, object: Value) -> Result<Value, ClusterError> {
        let kind = Kind::of_object(&object).ok_or_else(|| {
            ClusterError::NoResource(format!("{} {}", json::text(&object, "/apiVersion"), json::text(&object, "/kind")))
        })?;
        self.shared().change(|state| {
            let mut object = object;
            if kind.namespaced {
                json::default(&mut object, &["metadata", "namespace"], "shop");
            }
            let (namespace, name) = (json::namespace(&object), json::name(&object));
            if state.store.get(kind, namespace, name).is_some() {
                return Err(ClusterError::Exists(shown(kind.plural, namespace, name)));
            }
            Ok(Value::clone(&state.create(kind, object)))
        })
    }

    /// An object: the resource as `pods` or `deployments.apps`, the namespace empty where it lies in none.
    pub fn object(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let kind = Kind::named(plural)?;
        self.shared().with(|state| state.store.get(kind, namespace, name)).map(|object| Value::clone(&object))
    }

    /// The objects of a resource in a namespace, ordered by name; of all namespaces where it is empty.
    pub fn objects(&self, plural: &str, namespace: &str) -> Vec<Value> {
        let namespace = (!namespace.is_empty()).then_some(namespace);
        let objects = self.shared().with(|state| state.list(plural, namespace));
        objects.iter().map(|object| Value::clone(object)).collect()
    }

    /// Changes an object in any way, as somebody else would; its generation goes up where its `spec` changes.
    pub fn change(
        &self,
        plural: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, ClusterError> {
        let kind = Kind::named(plural).ok_or_else(|| ClusterError::NoResource(plural.to_owned()))?;
        self.shared().change(|state| {
            let old = state
                .store
                .get(kind, namespace, name)
                .ok_or_else(|| ClusterError::NoObject(shown(plural, namespace, name)))?;
            let mut new = Value::clone(&old);
            change(&mut new);
            let now = state.now();
            super::defaults::fill(kind, &mut new, now);
            if super::state::has_generation(kind) && old.get("spec") != new.get("spec") {
                let generation = json::number(&old, "/metadata/generation").unwrap_or_default() + 1;
                json::put(&mut new, &["metadata", "generation"], generation);
            }
            Ok(Value::clone(&state.store.put(kind, new)))
        })
    }

    /// Removes an object at once, whatever its grace period and finalizers; what it owns is collected.
    pub fn remove(&self, plural: &str, namespace: &str, name: &str) -> Result<(), ClusterError> {
        let kind = Kind::named(plural).ok_or_else(|| ClusterError::NoResource(plural.to_owned()))?;
        self.shared().change(|state| {
            let object = state
                .store
                .get(kind, namespace, name)
                .ok_or_else(|| ClusterError::NoObject(shown(plural, namespace, name)))?;
            delete::gone(state, kind, &object);
            Ok(())
        })
    }

    fn ensure(&self, object: Value) -> Value {
        let name = (json::namespace(&object).to_owned(), json::name(&object).to_owned());
        let kind = Kind::of_object(&object).expect("what the handle itself makes is served");
        self.shared().change(|state| {
            let object = match state.store.get(kind, &name.0, &name.1) {
                Some(object) => object,
                None => state.create(kind, object),
            };
            Value::clone(&object)
        })
    }

    /// Adds a namespace, unless there is one of this name.
    pub fn add_namespace(&self, name: &str) -> Value {
        self.ensure(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
    }

    /// Adds a node that is ready, unless there is one of this name.
    pub fn add_node(&self, name: &str) -> Value {
        let now = self.shared().with(|state| state.now());
        self.ensure(nodes::fresh(name, now))
    }

    /// Adds a deployment `name` with the label and selector `app: <name>` and one container `app` of the image
    /// `registry.example/<name>:v1` on port 8080 with limits of 512Mi and 500m; any one of this name is answered as it is.
    pub fn add_deployment(&self, namespace: &str, name: &str, replicas: u32) -> Value {
        self.add_namespace(namespace);
        self.ensure(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
            "spec": {
                "replicas": replicas, "selector": { "matchLabels": { "app": name } }, "template": template(name),
            },
        }))
    }

    /// Adds a daemonset of the same kind as [`add_deployment`](Self::add_deployment).
    pub fn add_daemonset(&self, namespace: &str, name: &str) -> Value {
        self.add_namespace(namespace);
        self.ensure(json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
            "spec": { "selector": { "matchLabels": { "app": name } }, "template": template(name) },
        }))
    }

    /// Adds a statefulset of the same kind as [`add_deployment`](Self::add_deployment).
    pub fn add_statefulset(&self, namespace: &str, name: &str, replicas: u32) -> Value {
        self.add_namespace(namespace);
        self.ensure(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
            "spec": {
                "replicas": replicas, "serviceName": name, "selector": { "matchLabels": { "app": name } },
                "template": template(name),
            },
        }))
    }

    /// Adds a disruption budget `name` over the pods with the label `app: <app>`.
    pub fn add_budget(&self, namespace: &str, name: &str, app: &str, min_available: u32) -> Value {
        self.ensure(json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "minAvailable": min_available, "selector": { "matchLabels": { "app": app } } },
        }))
    }

    /// Adds a pod that nobody owns, with one container `app`, on a node, or on any where that is empty.
    pub fn add_pod(&self, namespace: &str, name: &str, node: &str) -> Value {
        self.add_namespace(namespace);
        let mut pod = template(name);
        json::put(&mut pod, &["apiVersion"], "v1");
        json::put(&mut pod, &["kind"], "Pod");
        json::put(&mut pod, &["metadata", "name"], name);
        json::put(&mut pod, &["metadata", "namespace"], namespace);
        if !node.is_empty() {
            json::put(&mut pod, &["spec", "nodeName"], node);
        }
        self.ensure(pod)
    }

    /// How long a pod takes from its node until it is ready, from now on.
    pub fn set_pod_start(&self, time: Duration) {
        self.shared().change(|state| state.settings.pod_start = time);
    }

    /// How long a pod takes to stop, where its grace period is not shorter, from now on.
    pub fn set_pod_stop(&self, time: Duration) {
        self.shared().change(|state| state.settings.pod_stop = time);
    }

    /// How long the pods of jobs run, from now on.
    pub fn set_job_run(&self, time: Duration) {
        self.shared().change(|state| state.settings.job_run = time);
    }

    /// How long a volume snapshot takes, from now on.
    pub fn set_snapshot_time(&self, time: Duration) {
        self.shared().change(|state| state.settings.snapshot = time);
    }

    /// How often a watch that allows it gets a bookmark, for watches that begin from now on.
    pub fn set_bookmark_every(&self, time: Duration) {
        self.shared().with(|state| state.settings.bookmark_every = time);
    }

    /// Moves the clock of the cluster forward, and lets everything happen that is due by then.
    pub fn advance(&self, time: Duration) {
        self.shared().change(|state| state.advance(time));
    }
}

fn shown(plural: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{plural} {name}") } else { format!("{plural} {namespace}/{name}") }
}

fn template(name: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": name } },
        "spec": { "containers": [{
            "name": "app", "image": format!("registry.example/{name}:v1"),
            "ports": [{ "name": "http", "containerPort": 8080 }],
            "resources": {
                "limits": { "memory": "512Mi", "cpu": "500m" }, "requests": { "memory": "256Mi", "cpu": "100m" },
            },
        }] },
    })
}
