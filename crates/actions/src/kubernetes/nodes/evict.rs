//! Evicting the pods of a node within their disruption budgets, and waiting until they are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, EvictParams, Preconditions};
use kube::core::Status;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::select::{Allowed, Lot, lot};
use crate::kubernetes::Site;
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
}

/// The answer to the request for one eviction.
enum Answer {
    /// It ends, or is gone.
    Ends,
    /// Its budget forbids it for now.
    Held(String),
    /// The server has too much to do.
    Busy,
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
    loop {
        while asking.len() < AT_ONCE
            && let Some(pod) = due.next()
        {
            if held.get(&group(&pod)).is_some_and(|until| Instant::now() < *until) {
                continue;
            }
            let namespace = pod.metadata.namespace.clone().unwrap_or_default();
            let api: Api<Pod> = site.api(&namespace);
            asking.spawn(async move {
                let answer = evict(&api, &pod, grace).await;
                (pod, answer)
            });
        }
        let Some(joined) = asking.join_next().await else { return Ok(()) };
        let (pod, answer) = joined.map_err(|error| Trouble::given_up(format!("an eviction ended early: {error}")))?;
        match answer {
            Answer::Ends => {
                held.remove(&group(&pod));
                progress.evicted.insert(pod.metadata.uid.clone().unwrap_or_default());
            }
            Answer::Held(why) => {
                if held.insert(group(&pod), Instant::now() + HELD).is_none() {
                    site.say(&format!("{} waits for its budget: {why}\n", named(&pod)));
                }
            }
            Answer::Busy => {
                held.insert(group(&pod), Instant::now() + HELD);
            }
            Answer::Refused(trouble) => {
                return Err(Trouble::given_up(format!("{} could not be evicted: {trouble}", named(&pod))));
            }
        }
    }
}

async fn evict(api: &Api<Pod>, pod: &Pod, grace: Option<u32>) -> Answer {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut how = DeleteParams { grace_period_seconds: grace, ..DeleteParams::default() };
    // A pod of a stateful set comes back under its name: only the one that was seen is evicted.
    how.preconditions = pod.metadata.uid.clone().map(|uid| Preconditions { uid: Some(uid), resource_version: None });
    let asked = Asked { verb: "create", resource: "pods/eviction", name, namespace };
    match api.evict(name, &EvictParams { delete_options: Some(how), ..EvictParams::default() }).await {
        Ok(_) => Answer::Ends,
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Answer::Ends,
        Err(kube::Error::Api(status)) if status.code == 429 && of_a_budget(&status) => Answer::Held(status.message),
        Err(kube::Error::Api(status)) if status.code == 429 => Answer::Busy,
        Err(error) => match Trouble::of(&error, &asked) {
            // The next look shows whether it ends.
            trouble if trouble.is_passing() => Answer::Busy,
            trouble => Answer::Refused(trouble),
        },
    }
}

/// Whether it is a disruption budget that says no, and not a server with too much to do.
fn of_a_budget(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "DisruptionBudget")
}

/// Pods that one controller owns mostly share a budget.
fn group(pod: &Pod) -> String {
    controller(pod).map_or_else(|| named(pod), |owner| owner.uid.clone())
}
