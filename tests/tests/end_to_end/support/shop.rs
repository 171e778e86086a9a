//! A desk whose context leads to a cluster.

use belay_testkit::cluster::{Cluster, ClusterOptions};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::desk::Desk;

/// What `config` of a context says of the service `checkout`, in YAML; its objects are made by [`Shop::furnish`].
pub const CHECKOUT: &str = "      services:
        checkout:
          kubernetes:
            configMap: checkout
            configKey: app.yaml
            monitoring: { paranoid: { settings: { logging: { level: trace } } } }
            credentials: { token: { secret: checkout-token, key: token } }
";

/// The settings of `checkout`.
pub const SETTINGS: &str = "logging:\n  level: info\n";

/// A desk whose context leads to a cluster with a shop on it.
pub struct Shop {
    pub desk: Desk,
    pub cluster: Cluster,
    /// Drives the API server, and what else a test serves.
    pub runtime: Runtime,
}

impl Shop {
    /// A shop in an environment.
    pub fn new(environment: &str) -> Self {
        Self::with_config(environment, "")
    }

    /// The same, with the `config` of its context in YAML.
    pub fn with_config(environment: &str, config: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let desk = Desk::new();
        let options =
            ClusterOptions::new().nodes(&["node-1", "node-2", "node-3"]).namespaces(&["shop"]).volume_snapshots();
        let cluster = runtime.block_on(async { options.start().await.unwrap() });
        cluster.add_deployment("shop", "checkout", 4);
        cluster.add_daemonset("shop", "agent");
        cluster.write_kubeconfig(&desk.home).unwrap();
        cluster.forget_calls();
        let shop = Self { desk, cluster, runtime };
        shop.configure(environment, config);
        shop
    }

    /// Writes the file of contexts anew.
    pub fn configure(&self, environment: &str, config: &str) {
        let contexts = format!(
            "current: shop\ncontexts:\n  shop:\n    environment: {environment}\n    kubernetes:\n      \
             kubeconfig: kubeconfig\n      context: shop\n      namespace: shop\n{config}"
        );
        std::fs::write(self.desk.home.join("contexts.yaml"), contexts).unwrap();
    }

    /// Gives `checkout` its settings and a credential, as [`CHECKOUT`] has them.
    pub fn furnish(&self) {
        let object = |kind: &str, name: &str, data: Value| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" }, "data": data });
        self.cluster.create(object("ConfigMap", "checkout", json!({ "app.yaml": SETTINGS }))).unwrap();
        let token = json!({ "token": "b2xkLXRva2VuLWluLWZvcmNl" });
        self.cluster.create(object("Secret", "checkout-token", token)).unwrap();
        self.cluster.forget_calls();
    }

    /// A runbook of these steps.
    pub fn runbook(&self, steps: &str) -> String {
        let head = "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata:\n  name: on-a-cluster\nspec:\n  \
                    name: A test on a cluster\n  description: Changes a cluster.\n  trigger: { manual: true }\n  \
                    rollbackOnFailure: true\n  steps:\n";
        self.desk.file("runbook.yaml", &format!("{head}{steps}")).display().to_string()
    }

    pub fn replicas(&self) -> Value {
        self.cluster.object("deployments", "shop", "checkout").unwrap()["spec"]["replicas"].clone()
    }

    pub fn is_cordoned(&self, node: &str) -> bool {
        self.cluster.object("nodes", "", node).unwrap()["spec"]["unschedulable"] == json!(true)
    }

    /// Approves what waits, typing the target as a person does who is alone.
    pub fn approve(&self, step: &str) -> String {
        let status = self.desk.status("@last");
        let waiting = status["steps"].as_array().unwrap().iter().find(|one| one["name"] == step).unwrap();
        let target = waiting["approval"]["target"].as_str().unwrap_or_else(|| panic!("{status:#}")).to_owned();
        self.desk.belay(["approve", "@last", step, "--target", &target]).exits(0);
        target
    }

    pub fn resume(&self) -> Option<i32> {
        self.desk.belay(["resume", "@last", "--no-input"]).code
    }

    /// Requests that changed a resource.
    pub fn changes(&self, resource: &str) -> usize {
        self.cluster
            .changes()
            .iter()
            .filter(|call| format!("{}/{}", call.resource, call.subresource).trim_end_matches('/') == resource)
            .count()
    }
}
