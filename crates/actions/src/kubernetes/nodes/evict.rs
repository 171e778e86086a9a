//! Evicting the pods of a node within their disruption budgets, and waiting until they are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::core::Status;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::select::{Allowed, Lot, lot};
use crate::kubernetes::Site;
use crate::kubernetes::clusters::Cluster;
use crate::kubernetes::pods::{self, controller, named};
use crate::kubernetes::trouble::{Asked, Trouble};

/// How often the pods that are left are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long a pod that its budget holds is left alone before it is asked about again.
const HELD: Duration = Duration::from_secs(1);

/// Evictions that are asked for at the same time.
const AT_ONCE: usize = 16;

/// How far a drain has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Uids of the pods that were evicted.
    pub(super) evicted: BTreeSet<String>,
    /// Pods that are still there.
    pub(super) left: Vec<String>,
    /// Why the last one that was asked for did not go.
    pub(super) trouble: Option<String>,
}

/// The answer to the request for one eviction.
enum Answer {
    /// It ends.
    Ends,
    /// It went without us.
    Gone,
    /// Its budget forbids it for now.
    Held(String),
    /// The server could not say yes or no, and is asked again.
    Busy(String),
    /// It was refused.
    Refused(Trouble),
}

/// Evicts until nothing is left that goes. `progress` says how far it has come at every instant.
pub(super) async fn evict_all(
    site: &Site<'_>,
    node: &str,
    allowed: Allowed,
    grace: Option<u32>,
    progress: &mut Progress,
) -> Result<(), Trouble> {
    let mut held: BTreeMap<String, Instant> = BTreeMap::new();
    let mut told = String::new();
    loop {
        let found = pods::on_node(site, node).await?;
        let mut due = Vec::new();
        progress.left.clear();
        for pod in &found {
            match lot(pod, allowed) {
                Lot::Stays => {}
                Lot::Holds(why) => {
                    return Err(Trouble::given_up(format!("`{node}` cannot be drained any further: {why}")));
                }
                Lot::Ends => progress.left.push(named(pod)),
                Lot::Goes => {
                    progress.left.push(named(pod));
                    let waits = held.get(&group(pod)).is_some_and(|until| Instant::now() < *until);
                    if !waits {
                        due.push(pod.clone());
                    }
                }
            }
        }
        if progress.left.is_empty() {
            site.say(&format!("{} evicted, none left\n", progress.evicted.len()));
            return Ok(());
        }
        let line = format!("{} evicted, {} left\n", progress.evicted.len(), progress.left.len());
        if line != told {
            site.say(&line);
            told = line;
        }
        ask(site, due, grace, &mut held, progress).await?;
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks for the evictions that are due, a few at a time. Of pods that one controller owns the others wait once one is held.
async fn ask(
    site: &Site<'_>,
    due: Vec<Pod>,
    grace: Option<u32>,
    held: &mut BTreeMap<String, Instant>,
    progress: &mut Progress,
) -> Result<(), Trouble> {
    let mut due = due.into_iter();
    let mut asking = JoinSet::new();
    let mut refused = None;
    loop {
        // Once one is refused no other is begun; those under way are heard to the end.
        while refused.is_none()
            && asking.len() < AT_ONCE
            && let Some(pod) = due.next()
        {
            if held.get(&group(&pod)).is_some_and(|until| Instant::now() < *until) {
                continue;
            }
            let cluster = Arc::clone(&site.cluster);
            asking.spawn(async move {
                let answer = evict(&cluster, &pod, grace).await;
                (pod, answer)
            });
        }
        let Some(joined) = asking.join_next().await else { return refused.map_or(Ok(()), Err) };
        let (pod, answer) = joined.map_err(|error| Trouble::given_up(format!("an eviction ended early: {error}")))?;
        match answer {
            Answer::Ends => {
                held.remove(&group(&pod));
                progress.evicted.insert(pod.metadata.uid.clone().unwrap_or_default());
            }
            Answer::Gone => {
                held.remove(&group(&pod));
            }
            Answer::Held(why) => {
                if held.insert(group(&pod), Instant::now() + HELD).is_none() {
                    site.say(&format!("{} waits for its budget: {why}\n", named(&pod)));
                }
                progress.trouble = Some(format!("{}: {why}", named(&pod)));
            }
            Answer::Busy(why) => {
                if held.insert(group(&pod), Instant::now() + HELD).is_none() {
                    site.say(&format!("{} is asked again: {why}\n", named(&pod)));
                }
                progress.trouble = Some(format!("{}: {why}", named(&pod)));
            }
            Answer::Refused(trouble) => {
                refused = Some(trouble.giving_up(&format!("{} could not be evicted", named(&pod))));
            }
        }
    }
}

async fn evict(cluster: &Cluster, pod: &Pod, grace: Option<u32>) -> Answer {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let asked = Asked { verb: "create", resource: "pods/eviction", name, namespace };
    // A pod of a stateful set comes back under its name: only the one that was seen is evicted.
    let preconditions = pod.metadata.uid.clone().map(|uid| Preconditions { uid: Some(uid), resource_version: None });
    let how = DeleteParams { grace_period_seconds: grace, preconditions, ..DeleteParams::default() };
    // Written here: the client's own request names the options so that a server passes them over.
    let body = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": name, "namespace": namespace },
        "deleteOptions": how,
    });
    let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into_bytes());
    let request = match request {
        Ok(request) => request,
        Err(error) => return Answer::Refused(Trouble::before(error.to_string())),
    };
    let client = cluster.client();
    let answered = async {
        match client.request::<Status>(request).await {
            Err(kube::Error::Api(status)) => Ok(Err(status)),
            other => other.map(|_| Ok(())),
        }
    };
    match cluster.once(&asked, answered).await {
        Ok(Ok(())) => Answer::Ends,
        Ok(Err(status)) => match status.code {
            404 | 409 => Answer::Gone,
            429 if has_cause(&status, "DisruptionBudget") => Answer::Held(status.message),
            // The pod goes with its namespace.
            403 if has_cause(&status, "NamespaceTerminating") => Answer::Held(status.message),
            429 => Answer::Busy(status.message),
            _ => of_trouble(cluster.heard(Trouble::of(&kube::Error::Api(status), &asked))),
        },
        Err(trouble) => of_trouble(trouble),
    }
}

fn of_trouble(trouble: Trouble) -> Answer {
    // The next look shows whether it ends.
    if trouble.is_passing() { Answer::Busy(trouble.to_string()) } else { Answer::Refused(trouble) }
}

/// Whether a refusal names this cause: a budget that says no is told from a server with too much to do by it alone.
fn has_cause(status: &Status, reason: &str) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == reason)
}

/// Pods that one controller owns mostly share a budget.
fn group(pod: &Pod) -> String {
    controller(pod).map_or_else(|| named(pod), |owner| owner.uid.clone())
}
