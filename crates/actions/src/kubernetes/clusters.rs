//! Connections to clusters, made once for each way to one and used again.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::ListParams;
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use kube::core::{PartialObjectMeta, Request};
use kube::{Api, Client, Config};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::access::ClusterAccess;
use super::forensics::EvidenceRoom;
use super::trouble::{Asked, Trouble};

/// Longest time for a connection, and for the answer to one request.
const PATIENCE: Duration = Duration::from_secs(15);

/// The question that tells clusters apart.
const KUBE_SYSTEM: Asked<'static> = Asked { verb: "get", resource: "namespaces", name: "kube-system", namespace: "" };

/// Objects that are asked for at a time, as kubectl does it.
const PAGE: u32 = 500;

/// How often a question is asked again when the answer was lost, and how long it waits before.
const AGAIN: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(800), Duration::from_secs(2)];

/// How long a login, which may start a program, may take.
const LOGIN: Duration = Duration::from_secs(30);

/// How long a cluster's fingerprint is believed: a name may lead elsewhere a moment later.
const BELIEVED: Duration = Duration::from_secs(10);

/// A page of a list; of each object as much as is read.
#[derive(Deserialize)]
struct Page<T> {
    metadata: ListMeta,
    items: Vec<T>,
}

/// The clusters that this process has talked to.
#[derive(Debug, Default)]
pub struct Clusters {
    /// Held for a moment only; each way has a lock of its own, so that a slow cluster holds nobody else up.
    known: std::sync::Mutex<BTreeMap<ClusterAccess, Arc<Mutex<Option<Known>>>>>,
    evidence: OnceLock<EvidenceRoom>,
}

#[derive(Debug)]
struct Known {
    cluster: Arc<Cluster>,
    /// The kubeconfigs as they were when it was read.
    stamps: Vec<Stamp>,
    /// When its fingerprint was last read.
    seen: Instant,
}

/// A file as it was at some instant; a login that is renewed changes it.
type Stamp = (PathBuf, Option<(SystemTime, u64)>);

/// One cluster.
pub(super) struct Cluster {
    client: Client,
    /// The namespace of what names none.
    pub(super) namespace: String,
    /// The host in its address.
    pub(super) host: String,
    /// Its address, and the digest of the authority that vouches for it.
    address: String,
    /// What tells it from every other one: the uid of its `kube-system`, else [`Cluster::address`].
    pub(super) fingerprint: String,
    /// Whether its login was refused; the next use logs in anew.
    login_over: AtomicBool,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Clusters {
    /// Says where evidence is kept; the first word counts.
    pub fn keep_evidence_in(&self, room: EvidenceRoom) {
        self.evidence.get_or_init(|| room);
    }

    pub(super) fn evidence_room(&self) -> Option<EvidenceRoom> {
        self.evidence.get().cloned()
    }

    /// The cluster of a way to one. Connections are kept until the kubeconfig changes, or their login is refused.
    pub(super) async fn reach(&self, access: &ClusterAccess) -> Result<Arc<Cluster>, Trouble> {
        let way = Arc::clone(self.ways().entry(access.clone()).or_default());
        let mut known = way.lock().await;
        let stamps = stamps(access);
        if let Some(found) = known.as_mut().filter(|known| known.stamps == stamps && !known.cluster.is_over()) {
            if found.seen.elapsed() < BELIEVED {
                return Ok(Arc::clone(&found.cluster));
            }
            match found.cluster.read_fingerprint().await {
                Ok(fingerprint) if fingerprint == found.cluster.fingerprint => {
                    found.seen = Instant::now();
                    return Ok(Arc::clone(&found.cluster));
                }
                // It leads elsewhere, or its login is over: a program that logs in may have a new one by now.
                Ok(_) => {}
                Err(trouble) if trouble.needs_login() => {}
                Err(trouble) => return Err(trouble),
            }
        }
        let cluster = Arc::new(Cluster::connect(access).await?);
        *known = Some(Known { cluster: Arc::clone(&cluster), stamps, seen: Instant::now() });
        Ok(cluster)
    }

    fn ways(&self) -> MutexGuard<'_, BTreeMap<ClusterAccess, Arc<Mutex<Option<Known>>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    async fn connect(access: &ClusterAccess) -> Result<Self, Trouble> {
        let mut config = config(access).await?;
        config.connect_timeout = Some(PATIENCE);
        // Whether a request may be sent twice is decided where it is known what it does.
        config.default_retry = false;
        let namespace = access.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let authority = Sha256::digest(config.root_cert.clone().unwrap_or_default().concat());
        let authority = authority.iter().take(8).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let address = format!("{} {authority}", config.cluster_url);
        let host = config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        // A login may start a program and wait for it.
        let login = tokio::task::spawn_blocking(move || {
            Client::try_from(config).map_err(|error| Trouble::of(&error, &KUBE_SYSTEM))
        });
        let client = match tokio::time::timeout(LOGIN, login).await {
            Ok(Ok(client)) => client?,
            Ok(Err(error)) => return Err(Trouble::before(format!("the login to the cluster ended early: {error}"))),
            Err(_) => {
                return Err(Trouble::login(format!(
                    "the login to the cluster takes longer than {} s",
                    LOGIN.as_secs()
                )));
            }
        };
        let mut cluster =
            Self { client, namespace, host, address, fingerprint: String::new(), login_over: AtomicBool::new(false) };
        cluster.fingerprint = cluster.read_fingerprint().await?;
        Ok(cluster)
    }

    /// What tells the cluster that answers from every other one.
    async fn read_fingerprint(&self) -> Result<String, Trouble> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match self.ask(&KUBE_SYSTEM, || namespaces.get_metadata("kube-system")).await {
            Ok(PartialObjectMeta { metadata, .. }) => {
                Ok(metadata.uid.map_or_else(|| self.address.clone(), |uid| format!("cluster {uid}")))
            }
            // Who may not see it acts all the same; the address and its authority tell clusters apart then.
            Err(trouble) if matches!(trouble.code(), Some(403 | 404)) => Ok(self.address.clone()),
            Err(trouble) => Err(trouble),
        }
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
        self.ask_within(PATIENCE, asked, question).await
    }

    /// The same, of an answer that may take long.
    pub(super) async fn ask_within<T, F>(
        &self,
        patience: Duration,
        asked: &Asked<'_>,
        question: impl Fn() -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let mut pauses = AGAIN.iter();
        loop {
            match within(patience, asked, question()).await.map_err(|trouble| self.heard(trouble)) {
                Err(trouble) if trouble.is_passing() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(trouble),
                },
                answered => return answered,
            }
        }
    }

    /// Asks for the objects at a URL a page at a time, and hands on each, of every object what `T` reads; stops where `take`
    /// has enough.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        url: &str,
        asked: &Asked<'_>,
        wanted: ListParams,
        mut take: impl FnMut(Vec<T>) -> bool,
    ) -> Result<(), Trouble> {
        let (requests, client) = (Request::new(url), self.client());
        let mut wanted = wanted.limit(PAGE);
        loop {
            let question = || async {
                let request = requests.list(&wanted).map_err(kube::Error::BuildRequest)?;
                client.request::<Page<T>>(request).await
            };
            let page = self.ask(asked, question).await?;
            let next = page.metadata.continue_.filter(|token| !token.is_empty());
            if !take(page.items) {
                return Ok(());
            }
            match next {
                Some(token) => wanted.continue_token = Some(token),
                None => return Ok(()),
            }
        }
    }

    /// Sends something once, and waits for its answer no longer than is sensible.
    pub(super) async fn once<T>(
        &self,
        asked: &Asked<'_>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Trouble> {
        within(PATIENCE, asked, request).await.map_err(|trouble| self.heard(trouble))
    }

    /// After a refused login the next use logs in anew.
    pub(super) fn heard(&self, trouble: Trouble) -> Trouble {
        if trouble.needs_login() {
            self.login_over.store(true, Ordering::Relaxed);
        }
        trouble
    }

    fn is_over(&self) -> bool {
        self.login_over.load(Ordering::Relaxed)
    }
}

async fn within<T>(
    patience: Duration,
    asked: &Asked<'_>,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(patience, request).await {
        Ok(answer) => answer.map_err(|error| Trouble::of(&error, asked)),
        Err(_) => Err(Trouble::late(asked, patience.as_secs())),
    }
}

async fn config(access: &ClusterAccess) -> Result<Config, Trouble> {
    if access.in_cluster {
        return Config::incluster().map_err(|error| {
            Trouble::before(format!("belay does not run in a cluster, as `inCluster` says: {error}"))
        });
    }
    let wanted = access.context.as_deref().unwrap_or_default();
    let mut kubeconfig = read(access)?;
    if !kubeconfig.contexts.iter().any(|context| context.name == wanted) {
        let names: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
        let has = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        return Err(Trouble::before(format!("{} has no context `{wanted}`; {has}", place(access))));
    }
    // A login program that asks on the terminal would read the cockpit's keys: it says what it needs instead.
    let logins = kubeconfig.auth_infos.iter_mut().filter_map(|login| login.auth_info.as_mut()?.exec.as_mut());
    logins.for_each(|exec| exec.interactive_mode = Some(ExecInteractiveMode::Never));
    let options = KubeConfigOptions { context: Some(wanted.to_owned()), cluster: None, user: None };
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| Trouble::before(format!("context `{wanted}` of {}: {error}", place(access))))
}

/// The kubeconfig of a way to a cluster.
pub(super) fn read(access: &ClusterAccess) -> Result<Kubeconfig, Trouble> {
    match &access.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
    .map_err(|error| Trouble::before(format!("{}: {error}", place(access))))
}

/// Which kubeconfig it is, for people.
pub(super) fn place(access: &ClusterAccess) -> String {
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
