//! How a cluster is started.

use std::time::Duration;

use super::handle::{Cluster, ClusterError};
use super::state::Settings;

/// How a cluster is started. [`Default`] is a cluster with the namespaces `default`, `kube-system` and `shop` and three
/// nodes, in which everything happens at once.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    pub(super) settings: Settings,
    pub(super) token: String,
    pub(super) namespaces: Vec<String>,
    pub(super) nodes: Vec<String>,
    pub(super) port: u16,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            settings: Settings {
                pod_start: Duration::ZERO,
                pod_stop: Duration::ZERO,
                job_run: Duration::ZERO,
                snapshot: Duration::ZERO,
                bookmark_every: Duration::from_secs(1),
                user: "alice".to_owned(),
                anonymous: false,
                snapshots: false,
            },
            token: "secret-token-of-alice".to_owned(),
            namespaces: vec!["shop".to_owned()],
            nodes: (1..=3).map(|number| format!("node-{number}")).collect(),
            port: 0,
        }
    }
}

impl ClusterOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these nodes and no others.
    #[must_use]
    pub fn nodes(mut self, names: &[&str]) -> Self {
        self.nodes = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// With these namespaces beside `default` and `kube-system`.
    #[must_use]
    pub fn namespaces(mut self, names: &[&str]) -> Self {
        self.namespaces = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// With a user of this name, which stands in every 403.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        name.clone_into(&mut self.settings.user);
        self
    }

    /// With this bearer token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// With requests that bring no token at all taken for the user's, as long as the login is not over: kubectl sends no
    /// token where there is no TLS. A wrong token is refused all the same.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.settings.anonymous = true;
        self
    }

    /// On this port of 127.0.0.1; 0 takes a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With pods that take this long from their node until they are ready.
    #[must_use]
    pub fn pod_start(mut self, time: Duration) -> Self {
        self.settings.pod_start = time;
        self
    }

    /// With pods that take this long to stop, where their grace period is not shorter.
    #[must_use]
    pub fn pod_stop(mut self, time: Duration) -> Self {
        self.settings.pod_stop = time;
        self
    }

    /// With `volumesnapshots` of `snapshot.storage.k8s.io/v1`.
    #[must_use]
    pub fn volume_snapshots(mut self) -> Self {
        self.settings.snapshots = true;
        self
    }

    /// Starts it on the present tokio runtime.
    pub async fn start(self) -> Result<Cluster, ClusterError> {
        Cluster::start_with(self).await
    }
}
