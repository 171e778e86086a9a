//! Connections to clusters, made once for each way to one and used again.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::access::ClusterAccess;
use super::trouble::{Asked, Trouble};

/// Longest time for a connection, and for the answer to one request.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a question is asked again when the answer was lost, and how long it waits before.
const AGAIN: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(800), Duration::from_secs(2)];

/// The clusters that this process has talked to.
#[derive(Debug, Default)]
pub struct Clusters {
    known: Mutex<BTreeMap<ClusterAccess, Known>>,
}

#[derive(Debug)]
struct Known {
    cluster: Arc<Cluster>,
    /// The kubeconfigs as they were when it was read.
    stamps: Vec<Stamp>,
}

/// A file as it was at some instant; a login that is renewed changes it.
type Stamp = (PathBuf, Option<(SystemTime, u64)>);

/// One cluster.
pub(super) struct Cluster {
    client: Client,
    /// The namespace of what names none.
    pub(super) namespace: String,
    /// What tells it from every other one: the uid of its `kube-system`, else its address and its authority.
    pub(super) fingerprint: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Clusters {
    /// The cluster of a way to one. Connections are kept until the kubeconfig changes.
    pub(super) async fn reach(&self, access: &ClusterAccess) -> Result<Arc<Cluster>, Trouble> {
        let stamps = stamps(access);
        let mut known = self.known.lock().await;
        if let Some(found) = known.get(access).filter(|known| known.stamps == stamps) {
            return Ok(Arc::clone(&found.cluster));
        }
        let cluster = Arc::new(Cluster::connect(access).await?);
        known.insert(access.clone(), Known { cluster: Arc::clone(&cluster), stamps });
        Ok(cluster)
    }

    /// Forgets a connection, so that the next use reads the login anew.
    pub(super) async fn forget(&self, access: &ClusterAccess) {
        self.known.lock().await.remove(access);
    }
}

impl Cluster {
    async fn connect(access: &ClusterAccess) -> Result<Self, Trouble> {
        let mut config = config(access).await?;
        config.connect_timeout = Some(PATIENCE);
        // Whether a request may be sent twice is decided where it is known what it does.
        config.default_retry = false;
        let namespace = access.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let address = config.cluster_url.to_string();
        let authority = config.root_cert.clone().unwrap_or_default().concat();
        let asked = Asked { verb: "get", resource: "namespaces", name: "kube-system", namespace: "" };
        let client = Client::try_from(config).map_err(|error| Trouble::of(&error, &asked))?;
        let mut cluster = Self { client, namespace, fingerprint: String::new() };
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        let uid = match cluster.ask(&asked, || namespaces.get_metadata("kube-system")).await {
            Ok(namespace) => namespace.metadata.uid,
            // Who may not see it acts all the same; the address and its authority tell clusters apart then.
            Err(trouble) if matches!(trouble.code(), Some(403 | 404)) => None,
            Err(trouble) => return Err(trouble),
        };
        cluster.fingerprint = uid.map_or_else(
            || {
                let digest = Sha256::new().chain_update(&address).chain_update(&authority).finalize();
                format!(
                    "{address} {}",
                    digest.iter().take(8).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
                )
            },
            |uid| format!("cluster {uid}"),
        );
        Ok(cluster)
    }

    /// The client, for an [`Api`].
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Asks something that changes nothing; asks again where the answer was lost on the way.
    pub(super) async fn ask<T, F>(&self, asked: &Asked<'_>, question: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut pauses = AGAIN.iter();
        loop {
            match self.once(asked, question()).await {
                Err(trouble) if trouble.is_passing() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(trouble),
                },
                answered => return answered,
            }
        }
    }

    /// Sends something once, and waits for its answer no longer than is sensible.
    pub(super) async fn once<T>(
        &self,
        asked: &Asked<'_>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout(PATIENCE, request).await {
            Ok(answer) => answer.map_err(|error| Trouble::of(&error, asked)),
            Err(_) => Err(Trouble::late(asked, PATIENCE.as_secs())),
        }
    }
}

async fn config(access: &ClusterAccess) -> Result<Config, Trouble> {
    if access.in_cluster {
        return Config::incluster().map_err(|error| {
            Trouble::before(format!("belay does not run in a cluster, as `inCluster` says: {error}"))
        });
    }
    let wanted = access.context.as_deref().unwrap_or_default();
    let kubeconfig = match &access.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
    .map_err(|error| Trouble::before(format!("{}: {error}", place(access))))?;
    if !kubeconfig.contexts.iter().any(|context| context.name == wanted) {
        let names: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
        let has = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        return Err(Trouble::before(format!("{} has no context `{wanted}`; {has}", place(access))));
    }
    let options = KubeConfigOptions { context: Some(wanted.to_owned()), cluster: None, user: None };
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| Trouble::before(format!("context `{wanted}` of {}: {error}", place(access))))
}

fn place(access: &ClusterAccess) -> String {
    access
        .kubeconfig
        .as_deref()
        .map_or_else(|| "the kubeconfig".to_owned(), |path: &Path| format!("the kubeconfig `{}`", path.display()))
}

/// The kubeconfigs of a way to a cluster, as they are now.
fn stamps(access: &ClusterAccess) -> Vec<Stamp> {
    let paths = match &access.kubeconfig {
        Some(path) => vec![path.clone()],
        None => match std::env::var_os("KUBECONFIG") {
            Some(paths) => std::env::split_paths(&paths).collect(),
            None => std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
        },
    };
    let stamp = |path: PathBuf| {
        let seen = std::fs::metadata(&path).ok().and_then(|file| Some((file.modified().ok()?, file.len())));
        (path, seen)
    };
    paths.into_iter().map(stamp).collect()
}
