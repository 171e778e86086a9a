//! PostgreSQL and Redis servers: which one an act means, and with whose credentials.

mod cache;
mod database;

use std::sync::Arc;

use belay_runbook::act::Preparation;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::action::{ActionError, Surroundings};
use crate::http::address;
use crate::kubernetes::Clusters;
use crate::kubernetes::inside::{self, Doubt, Spot};
use crate::observation::Observing;
use crate::preparation;
use crate::registry::Registry;

/// Adds every action of this module.
pub(crate) fn register(registry: &mut Registry, clusters: &Arc<Clusters>) {
    registry.register(Arc::new(Observing::new(cache::Stats(Arc::clone(clusters)))));
    registry.register(Arc::new(cache::Flush::new(clusters)));
    registry.register(Arc::new(Observing::new(database::Connections(Arc::clone(clusters)))));
    registry.register(Arc::new(database::Vacuum::new(clusters)));
}

/// What the parameters of an act say of a server.
#[derive(Debug, Clone, Default, Deserialize)]
struct Named {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<SecretName>,
}

/// A secret by its name.
#[derive(Debug, Clone, Deserialize)]
struct SecretName {
    #[serde(rename = "$secret")]
    name: String,
}

/// The pod on which an act rests: another one in its place is asked about anew.
const POD: &str = "pod";

/// A kind of server: where the context names its own, and where it listens where nobody says.
struct Kind {
    /// Its entry under `config` of a context.
    key: &'static str,
    /// Its name, for people.
    name: &'static str,
    port: u16,
}

/// The way to a server.
struct Way {
    host: String,
    port: u16,
    /// The pod where it is inside of the context's cluster and Belay is not.
    inside: Option<Spot>,
}

/// A server, and how to log in there.
struct Server {
    way: Way,
    user: Option<String>,
    password: Option<SecretString>,
    /// The context's entry of it; only how it is encrypted where the act names another server.
    entry: Value,
}

impl Named {
    /// `db.shop:5432`, as plans and logs name the server.
    fn shown(&self, kind: &Kind, context: &Value) -> String {
        let (entry, own) = self.entry(kind, context);
        let host = self.host.as_deref().or_else(|| entry.get("host")?.as_str());
        let Some(host) = host else { return kind.name.to_owned() };
        format!("{host}:{}", self.port(kind, entry, own))
    }

    /// What the context says of its own server, and whether that is the one that is meant.
    fn entry<'a>(&self, kind: &Kind, context: &'a Value) -> (&'a Value, bool) {
        let entry = context.pointer("/config").and_then(|config| config.get(kind.key)).unwrap_or(&Value::Null);
        let its = entry.get("host").and_then(Value::as_str);
        let port = entry.get("port").and_then(Value::as_u64).unwrap_or(u64::from(kind.port));
        let own = self.host.as_deref().is_none_or(|host| its == Some(host))
            && self.port.is_none_or(|given| u64::from(given) == port);
        (entry, own)
    }

    fn port(&self, kind: &Kind, entry: &Value, own: bool) -> u16 {
        let its = entry.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        self.port.or(its.filter(|_| own)).unwrap_or(kind.port)
    }

    /// The way to the server, with its address looked at.
    async fn way(&self, kind: &Kind, clusters: &Clusters, surroundings: &Surroundings) -> Result<Way, ActionError> {
        let context = &surroundings.context;
        let (entry, own) = self.entry(kind, context);
        let Some(host) = self.host.clone().or_else(|| Some(entry.get("host")?.as_str()?.to_owned())) else {
            let context = context.get("name").and_then(Value::as_str).unwrap_or("local");
            return Err(ActionError::unreachable(
                kind.name,
                format!(
                    "neither the step nor context `{context}` says where it is; give the context `config: {{ {}: {{ host: … }} }}`",
                    kind.key
                ),
            ));
        };
        let port = self.port(kind, entry, own);
        let place = format!("{host}:{port}");
        address::check_host(&host).map_err(|refused| ActionError::unreachable(&place, refused.to_string()))?;
        // A host that came from elsewhere gets no way into the cluster by the responder's rights.
        let doubt =
            if self.password.is_some() || entry.get("password").is_some() { Doubt::Refused } else { Doubt::Outside };
        if !own && inside::needs_a_way(surroundings, &host)? {
            let problem = "it is inside of the cluster, where only the host that the context itself names is reached";
            return Err(ActionError::unreachable(&place, problem));
        }
        let inside = if own { inside::find_spot(clusters, surroundings, (&host, port), doubt).await? } else { None };
        // A dot at its end has said that it is outside, and is no part of a name that a certificate has.
        let host = host.strip_suffix('.').map(str::to_owned).unwrap_or(host);
        if inside.is_none() {
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            for found in found.map_err(|error| ActionError::unreachable(&place, error.to_string()))? {
                address::check(found.ip()).map_err(|refused| ActionError::unreachable(&place, refused.to_string()))?;
            }
        }
        Ok(Way { host, port, inside })
    }

    /// The server, and its password read. The context's credentials go to the context's own server and to no other one: a
    /// host may come from an alert.
    async fn server(
        &self,
        kind: &Kind,
        clusters: &Clusters,
        surroundings: &Surroundings,
    ) -> Result<Server, ActionError> {
        let way = self.way(kind, clusters, surroundings).await?;
        let (entry, own) = self.entry(kind, &surroundings.context);
        // Another server gets no credentials, and no less encryption.
        let kept = ["tls", "sslmode"].into_iter().filter_map(|name| Some((name.to_owned(), entry.get(name)?.clone())));
        let entry = if own { entry.clone() } else { Value::Object(kept.collect()) };
        let user = self.user.clone().or_else(|| Some(entry.get("user")?.as_str()?.to_owned()));
        let secret = match &self.password {
            Some(secret) => Some(("password".to_owned(), secret.name.clone())),
            None => entry
                .pointer("/password/$secret")
                .and_then(Value::as_str)
                .map(|name| (format!("config.{}.password", kind.key), name.to_owned())),
        };
        let password = match secret {
            Some((parameter, name)) => Some(surroundings.secret(&parameter, &name).await?),
            None => None,
        };
        Ok(Server { way, user, password, entry })
    }
}

impl Server {
    fn shown(&self) -> String {
        format!("{}:{}", self.way.host, self.way.port)
    }

    /// What tells it from servers of the same address elsewhere.
    fn fingerprint(&self) -> String {
        match &self.way.inside {
            Some(spot) => format!("{} in {}", self.shown(), spot.cluster()),
            None => self.shown(),
        }
    }

    /// The pod that it is; nothing where it is none.
    fn pod(&self) -> Option<Value> {
        self.way.inside.as_ref().map(|spot| Value::String(spot.shown()))
    }

    /// Refuses to change one of several servers that an address stands for, and one that is not what was approved.
    fn check(&self, prepared: Option<&Preparation>) -> Result<(), ActionError> {
        let place = self.shown();
        if let Some(spot) = self.way.inside.as_ref().filter(|spot| spot.alike > 1) {
            let problem = format!(
                "{} pods are ready behind it, and each may hold other data; name one of them in the file of contexts: `host: \
                 POD.{}.svc`",
                spot.alike, spot.namespace
            );
            return Err(ActionError::unreachable(&place, problem));
        }
        let same = |prepared: &Preparation| {
            prepared.target.fingerprint.as_ref() == Some(&self.fingerprint())
                && prepared.basis.values.get(POD) == self.pod().as_ref()
        };
        if prepared.is_some_and(|prepared| !same(prepared)) {
            return Err(ActionError::unreachable(&place, "it is another server now than the one that was prepared"));
        }
        Ok(())
    }

    /// What a preparation says of it: the target, the namespace that a policy judges, and how it is reached.
    fn prepared(&self, name: &str, notes: Vec<String>) -> Preparation {
        let mut prepared = preparation::reading(name);
        prepared.target.fingerprint = Some(self.fingerprint());
        prepared.notes = notes;
        if let Some(spot) = &self.way.inside {
            prepared.basis.namespaces.insert(spot.namespace.clone());
            prepared.basis.values.extend(self.pod().map(|pod| (POD.to_owned(), pod)));
            prepared.notes.push(spot.note.clone());
        }
        prepared
    }
}
