//! Nodes: the one of the known pod, then those that fare badly.

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::{Known, Ranked, rank};
use crate::candidate::Candidate;
use crate::kubernetes::Site;
use crate::kubernetes::nodes::{is_cordoned, is_ready};
use crate::kubernetes::pods::Named;
use crate::kubernetes::trouble::{Asked, Trouble};

/// Conditions that say something is wrong where they hold, and their words.
///
/// Source: Kubernetes, "Node Status", "Conditions".
const WRONG: [(&str, &str); 4] = [
    ("MemoryPressure", "memory pressure"),
    ("DiskPressure", "disk pressure"),
    ("PIDPressure", "process pressure"),
    ("NetworkUnavailable", "no network"),
];

pub(super) async fn nodes(site: &Site<'_>, known: &Known<'_>) -> Result<Vec<Candidate>, Trouble> {
    let of_pod = match known.pod() {
        Some(pod) => node_of(site, known.namespace(site), pod).await,
        None => None,
    };
    let mut found = Ranked::default();
    let api: Api<Node> = Api::all(site.cluster.client());
    let asked = Asked { verb: "list", resource: "nodes", name: "", namespace: "" };
    site.cluster
        .pages(api.resource_url(), &asked, ListParams::default(), |page: Vec<Node>| {
            for node in &page {
                let name = node.name_any();
                let (state, mut words) = state(node);
                let belongs = of_pod.as_ref() == Some(&name);
                if let Some(pod) = known.pod().filter(|_| belongs) {
                    words.insert(0, format!("runs pod {pod}"));
                }
                found.add(rank(belongs, state), &name, &words.join(", "));
            }
            true
        })
        .await?;
    Ok(found.best())
}

/// The node of a pod, where it can be read.
async fn node_of(site: &Site<'_>, namespace: &str, pod: &str) -> Option<String> {
    Named::of(namespace, pod).read(site).await.ok()??.spec?.node_name
}

/// How a node fares, the worst first, and in words.
fn state(node: &Node) -> (u8, Vec<String>) {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let holds = |kind: &str| conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True");
    let mut words = vec![if is_ready(node) { "ready" } else { "not ready" }.to_owned()];
    words.extend(WRONG.iter().filter(|(kind, _)| holds(kind)).map(|(_, words)| (*words).to_owned()));
    let state = match (is_ready(node), words.len()) {
        (false, _) => 0,
        (true, 1) => 2,
        (true, _) => 1,
    };
    if is_cordoned(node) {
        words.push("cordoned".to_owned());
    }
    (state, words)
}
