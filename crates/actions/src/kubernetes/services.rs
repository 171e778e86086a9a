//! Services as the context's file describes them: where their settings lie, and what runs them.

mod config;
mod credentials;
mod document;
mod monitoring;
mod restart;
mod revoke;
mod rotate;
mod settings;
mod time_box;
mod workload;

use std::collections::BTreeMap;
use std::sync::Arc;

use belay_runbook::action::Sink;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::access::ClusterAccess;
use super::trouble::Trouble;
use super::{Clusters, OnCluster, Site, is_name};
use crate::action::Surroundings;
use crate::declaration::{Declaration, text};
use crate::registry::Registry;
use credentials::Credential;

pub(super) use time_box::{OverdueSettings, overdue};
pub(super) use workload::rolls;

pub(super) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(OnCluster::<config::UpdateConfig>::new(clusters)));
    registry.register(Arc::new(OnCluster::<monitoring::EnableDetailed>::new(clusters)));
    registry.register(Arc::new(OnCluster::<revoke::RevokeCredentials>::new(clusters)));
    registry.register(Arc::new(OnCluster::<rotate::RotateCredentials>::new(clusters)));
    registry.register(Arc::new(OnCluster::<restart::RestartService>::new(clusters)));
}

/// A service, and what its entry in the context's file says of it.
struct Service {
    name: String,
    namespace: String,
    entry: Entry,
}

/// `config.services.NAME.kubernetes` in the context's file. Whatever is left out goes by the service's name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    /// Where everything of the service lies; the context's own namespace where absent.
    namespace: Option<String>,
    /// `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`.
    workload: Option<String>,
    /// The config map with its settings.
    config_map: Option<String>,
    /// The key of a YAML or JSON document in it; each setting is a key of its own where absent.
    config_key: Option<String>,
    /// Levels of detail by name.
    #[serde(default)]
    monitoring: BTreeMap<String, Level>,
    /// Credentials by name.
    #[serde(default)]
    credentials: BTreeMap<String, Credential>,
}

/// What a level of detail sets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    /// Merged into the service's settings.
    settings: Map<String, Value>,
    /// Whether its pods read them only when they begin.
    #[serde(default)]
    restart: bool,
}

/// Which service.
#[derive(Debug, Clone, Deserialize)]
struct Named {
    service: String,
    namespace: Option<String>,
}

impl Named {
    fn shown(&self) -> String {
        self.namespace
            .as_ref()
            .map_or_else(|| self.service.clone(), |namespace| format!("{namespace}/{}", self.service))
    }

    /// The service, as the context's file has it.
    fn find(&self, site: &Site<'_>) -> Result<Service, Trouble> {
        let context = &site.surroundings.context;
        let services = context.get("config").and_then(|config| config.get("services"));
        let entry = services.and_then(|services| services.get(&self.service)).and_then(|entry| entry.get("kubernetes"));
        let entry: Entry = match entry.filter(|entry| !entry.is_null()) {
            None => Entry::default(),
            Some(entry) => serde_json::from_value(entry.clone())
                .map_err(|error| wrong(&self.service, &format!("`kubernetes`: {error}")))?,
        };
        for (what, name) in [("namespace", &entry.namespace), ("configMap", &entry.config_map)] {
            if let Some(name) = name.as_deref().filter(|name| !is_name(name)) {
                let name = name.escape_debug();
                return Err(wrong(&self.service, &format!("`kubernetes.{what}`: `{name}` is no name of an object")));
            }
        }
        let namespace = self.namespace.as_deref().or(entry.namespace.as_deref());
        let namespace = site.namespace(namespace).to_owned();
        Ok(Service { name: self.service.clone(), namespace, entry })
    }
}

/// How many pods a service wants now; `None` where the context's cluster, or what its file says of the service, does not
/// tell.
pub(crate) async fn replicas(clusters: &Clusters, surroundings: &Surroundings, service: &str) -> Option<u64> {
    let access = ClusterAccess::of(&surroundings.context).ok()?;
    let cluster = clusters.reach(&access).await.ok()?;
    let site = Site { cluster, surroundings, evidence: None };
    let service = Named { service: service.to_owned(), namespace: None }.find(&site).ok()?;
    workload::Workload::of(&site, &service).await.ok()?.wanted()
}

/// What is wrong with a service's entry, and where it stands.
fn wrong(service: &str, problem: &str) -> Trouble {
    Trouble::before(format!("`config.services.{service}` in the file of contexts: {problem}"))
}

/// A declaration of something done to a service.
fn of_service(name: &str, description: &str) -> Declaration {
    Declaration::new(name, description)
        .required("service", Sink::Name, text("the service, as the context's file or its workload is called"))
        .optional(
            "namespace",
            Sink::Name,
            text("the namespace; the service's entry, else the context's own, where absent"),
        )
        .target("service")
        .fact("serviceExists")
}

/// The live values of some settings by their JSON pointer: a list of one value, or an empty one where there is none.
type Values = BTreeMap<String, Vec<Value>>;

/// The values in a record.
fn values_in(record: &Value, name: &str) -> Values {
    record.get(name).and_then(|values| Values::deserialize(values).ok()).unwrap_or_default()
}
