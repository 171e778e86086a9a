//! Connections to servers inside of a cluster, by forwarded ports of pods.
//!
//! Source: Kubernetes, the subresource `portforward` of pods; how `kubectl port-forward service/NAME` chooses a pod and a
//! port.

use std::pin::Pin;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Api;
use kube::api::ListParams;
use tokio::io::DuplexStream;

use super::place::{Doubt, Place};
use crate::action::Surroundings;
use crate::kubernetes::clusters::{Cluster, Clusters};
use crate::kubernetes::pods::is_ready;
use crate::kubernetes::trouble::{Asked, Trouble};

/// How long the API server's own explanation of a broken connection is waited for.
const EXPLAINED: std::time::Duration = std::time::Duration::from_millis(500);

/// A port of one pod.
#[derive(Clone)]
pub(crate) struct Spot {
    cluster: Arc<Cluster>,
    /// The namespace of the pod.
    pub(crate) namespace: String,
    pod: String,
    port: u16,
    /// How many pods would have served as well.
    pub(crate) alike: usize,
    /// Which pod it is, and why.
    pub(crate) note: String,
}

/// A connection to a port of a pod. It ends when its stream is dropped.
pub(crate) struct Forwarded {
    /// What is sent and received.
    pub(crate) stream: DuplexStream,
    /// What explains why nothing came through it.
    pub(crate) explanation: Explanation,
}

/// What the API server says of a connection that broke.
pub(crate) struct Explanation(Pin<Box<dyn Future<Output = Option<String>> + Send>>);

impl Explanation {
    /// The API server's words for why the connection broke, else the client's own.
    pub(crate) async fn of(self, problem: String) -> String {
        match tokio::time::timeout(EXPLAINED, self.0).await {
            Ok(Some(told)) => format!("through a forwarded port: {told}"),
            Ok(None) | Err(_) => format!("through a forwarded port: {problem}"),
        }
    }
}

impl Spot {
    /// What tells its cluster from every other one.
    pub(crate) fn cluster(&self) -> &str {
        &self.cluster.fingerprint
    }

    /// `port 6379 of pod shop/cache-0`.
    pub(crate) fn shown(&self) -> String {
        format!("port {} of pod {}/{}", self.port, self.namespace, self.pod)
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Result<Forwarded, Trouble> {
        let (namespace, pod, port) = (self.namespace.as_str(), self.pod.as_str(), self.port);
        let pods: Api<Pod> = Api::namespaced(self.cluster.client(), namespace);
        let asked = Asked { verb: "create", resource: "pods/portforward", name: pod, namespace };
        let ports = [port];
        let mut forwarder = self.cluster.ask(&asked, || pods.portforward(pod, &ports)).await?;
        let lost = || Trouble::before(format!("port {port} of pod {namespace}/{pod} was not forwarded"));
        let stream = forwarder.take_stream(port).ok_or_else(lost)?;
        let error = forwarder.take_error(port).ok_or_else(lost)?;
        Ok(Forwarded { stream, explanation: Explanation(Box::pin(error)) })
    }
}

/// The pod that a host and a port of the context's own stand for in its cluster; `None` where they stand for nothing there,
/// or Belay itself is inside.
pub(crate) async fn find_spot(
    clusters: &Clusters,
    surroundings: &Surroundings,
    (host, port): (&str, u16),
    doubt: Doubt,
) -> Result<Option<Spot>, Trouble> {
    let Some(place) = Place::find(clusters, surroundings, host, doubt).await? else { return Ok(None) };
    // Another pod of the same owner is another server.
    if let Some(gone) = place.gone() {
        return Err(Trouble::before(format!(
            "namespace `{}` has no service and no pod `{gone}` any more",
            place.namespace
        )));
    }
    let (pod, port, alike) = match place.names.first() {
        Some(name) if place.resource == "services" => behind(&place, name, port).await?,
        Some(name) => (name.clone(), port, 1),
        None => return Ok(None),
    };
    let note = place.note(&format!("reached through forwarded port {port} of pod {pod}"));
    Ok(Some(Spot { cluster: Arc::clone(&place.cluster), namespace: place.namespace.clone(), pod, port, alike, note }))
}

/// A ready pod behind a service, its port for one of the service, and how many pods are ready.
async fn behind(place: &Place, name: &str, port: u16) -> Result<(String, u16, usize), Trouble> {
    let namespace = place.namespace.as_str();
    let services: Api<Service> = Api::namespaced(place.cluster.client(), namespace);
    let asked = Asked { verb: "get", resource: "services", name, namespace };
    let service = place.cluster.ask(&asked, || services.get(name)).await?;
    let spec = service.spec.unwrap_or_default();
    let selector = spec.selector.unwrap_or_default();
    if selector.is_empty() {
        return Err(Trouble::before(format!(
            "service {namespace}/{name} selects no pods, so that no port of one can be forwarded"
        )));
    }
    let ports = spec.ports.unwrap_or_default();
    // Without an address of its own a service only names its pods, which are reached at the port that is asked for.
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let served = ports.iter().find(|served| served.port == i32::from(port));
    if served.is_none() && !headless {
        let has: Vec<String> = ports.iter().map(|served| served.port.to_string()).collect();
        return Err(Trouble::before(format!(
            "service {namespace}/{name} has no port {port}; it has {}",
            if has.is_empty() { "none".to_owned() } else { has.join(", ") }
        )));
    }
    let labels: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods: Api<Pod> = Api::namespaced(place.cluster.client(), namespace);
    let asked = Asked { verb: "list", resource: "pods", name: "", namespace };
    let how = ListParams::default().labels(&labels.join(","));
    let found = place.cluster.ask(&asked, || pods.list(&how)).await?;
    let ready = found.items.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod));
    let ready: Vec<&Pod> = ready.collect();
    // The same one each time.
    let Some(pod) = ready.iter().min_by_key(|pod| &pod.metadata.name) else {
        return Err(Trouble::before(format!("no pod behind service {namespace}/{name} is ready")));
    };
    let inner = match served.filter(|_| !headless).and_then(|served| served.target_port.as_ref()) {
        None => Some(port),
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
        Some(IntOrString::String(name)) => named_port(pod, name),
    };
    let inner = inner.ok_or_else(|| {
        Trouble::before(format!("the pods behind service {namespace}/{name} have no port that its port {port} names"))
    })?;
    Ok((pod.metadata.name.clone().unwrap_or_default(), inner, ready.len()))
}

/// The number of a port that a container has given a name.
fn named_port(pod: &Pod, name: &str) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let port = containers.flat_map(|one| one.ports.iter().flatten()).find(|port| port.name.as_deref() == Some(name))?;
    u16::try_from(port.container_port).ok()
}
