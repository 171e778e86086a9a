//! Evicting the pods of a node within their disruption budgets, and waiting until they are gone.
//!
//! The pods are read once in full. What their budgets allow is evicted at once; where a budget says no, one pod of those
//! that share it is asked for again, at growing intervals ([`pause`]). Whether those that end are gone is looked at in the
//! server's cache, without their contents. When nothing is seen any more the node is read in full once more, as a cache
//! may be behind, and what has come onto it meanwhile is evicted too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::core::Status;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::select::{Allowed, Lot, lot};
use super::{Named, is_cordoned};
use crate::kubernetes::Site;
use crate::kubernetes::clusters::Cluster;
use crate::kubernetes::pods::{self, controller, named};
use crate::kubernetes::trouble::{Asked, Trouble};

/// Evictions that are asked for at the same time.
const AT_ONCE: usize = 16;

/// The shortest time between two questions about the same thing.
const SOONEST: Duration = Duration::from_millis(500);

/// The longest, which is kubectl's (kubernetes/kubectl, `pkg/cmd/drain`: `EvictErrorRetryDelay`).
const LATEST: Duration = Duration::from_secs(5);

/// The part of the time waited so far after which something is asked about again: what comes is seen late by no more.
const PART: u32 = 8;

/// All budgets that say no are asked together no more often than once in this time.
const SPACING: Duration = Duration::from_millis(50);

/// How long a server that has too much to do is left alone at the least.
const BUSY: Duration = Duration::from_secs(1);

/// How often the node is looked at as long as there is something to evict, and at the least.
const LOOK: Duration = Duration::from_secs(2);

/// How often it is looked at, at the most: a look costs the server less than an eviction.
const GLANCE: Duration = Duration::from_millis(250);

/// How far a drain has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Uids of the pods that were evicted.
    pub(super) evicted: BTreeSet<String>,
    /// Names of the pods that are still there, by their uids.
    pub(super) left: BTreeMap<String, String>,
    /// Whether the node has been read, so that `left` says something.
    pub(super) counted: bool,
    /// Why the last one that was asked for did not go.
    pub(super) trouble: Option<String>,
}

/// The node that is drained: by its name, and the uid that tells it from a later one of that name.
pub(super) struct Drained<'a> {
    pub(super) named: &'a Named,
    pub(super) uid: &'a str,
}

/// The answer to the request for one eviction.
enum Answer {
    /// It ends.
    Ends,
    /// It went without us.
    Gone,
    /// It is not what was read: the node is read anew.
    Other,
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
    node: Drained<'_>,
    allowed: Allowed,
    grace: Option<u32>,
    progress: &mut Progress,
) -> Result<(), Trouble> {
    let (groups, known) = (BTreeMap::new(), BTreeSet::new());
    let mut drain = Drain { site, node, grace, progress, groups, known, stale: false, told: String::new() };
    loop {
        drain.read(allowed).await?;
        if drain.progress.left.is_empty() {
            site.say(&format!("{} evicted, none left\n", drain.progress.evicted.len()));
            return Ok(());
        }
        drain.tell();
        drain.empty().await?;
    }
}

struct Drain<'a, 'b> {
    site: &'a Site<'b>,
    node: Drained<'a>,
    grace: Option<u32>,
    progress: &'a mut Progress,
    /// By the uid of the controller, or the name of a pod without one.
    groups: BTreeMap<String, Group>,
    /// Uids of all pods that were read.
    known: BTreeSet<String>,
    /// Whether the node has to be read anew.
    stale: bool,
    told: String,
}

impl Drain<'_, '_> {
    /// Reads the node in full.
    async fn read(&mut self, allowed: Allowed) -> Result<(), Trouble> {
        self.check().await?;
        let found = pods::on_node(self.site, &self.node.named.node_name).await?;
        self.stale = false;
        self.progress.counted = true;
        self.progress.left.clear();
        for group in self.groups.values_mut() {
            group.due.clear();
        }
        for pod in found {
            let uid = uid(&pod);
            self.known.insert(uid.clone());
            match lot(&pod, allowed) {
                Lot::Stays => {}
                Lot::Holds(why) => {
                    self.progress.left.insert(uid, named(&pod));
                    let node = &self.node.named.node_name;
                    return Err(Trouble::given_up(format!("`{node}` cannot be drained any further: {why}")));
                }
                Lot::Ends => {
                    self.progress.left.insert(uid, named(&pod));
                }
                Lot::Goes => {
                    self.progress.left.insert(uid, named(&pod));
                    self.groups.entry(group(&pod)).or_default().due.push_back(pod);
                }
            }
        }
        Ok(())
    }

    /// Gives up where the node takes pods again, or is another one: what has come onto it is not for us to evict.
    async fn check(&self) -> Result<(), Trouble> {
        let (named, name) = (self.node.named, &self.node.named.node_name);
        match named.read(self.site).await? {
            Some(node) if super::uid(&node) != self.node.uid => {
                Err(Trouble::given_up(format!("`{name}` is another node of the same name now")))
            }
            Some(node) if !is_cordoned(&node) => {
                Err(Trouble::given_up(format!("somebody has uncordoned `{name}`, so that pods come onto it again")))
            }
            Some(_) => Ok(()),
            None => Err(Trouble::given_up(format!("node `{name}` is gone"))),
        }
    }

    /// Evicts what was read, and waits until nothing of it is seen any more, or the node has to be read anew.
    async fn empty(&mut self) -> Result<(), Trouble> {
        let mut asking = JoinSet::new();
        let mut refused = None;
        let mut moved = Instant::now();
        let mut look = moved + GLANCE;
        loop {
            // Once one is refused no other is begun; those under way are heard to the end.
            if refused.is_none() {
                self.begin(&mut asking);
            } else if asking.is_empty() {
                return refused.map_or(Ok(()), Err);
            }
            let question = self.next_question().filter(|_| refused.is_none() && asking.len() < AT_ONCE);
            tokio::select! {
                Some(joined) = asking.join_next() => {
                    let (pod, answer) =
                        joined.map_err(|error| Trouble::given_up(format!("an eviction ended early: {error}")))?;
                    match self.hear(pod, answer) {
                        Ok(true) => {
                            moved = Instant::now();
                            look = look.min(moved + GLANCE);
                        }
                        Ok(false) => {}
                        Err(trouble) => refused = Some(trouble),
                    }
                }
                () = tokio::time::sleep_until(question.map_or(look, |question| question.min(look))) => {
                    if Instant::now() < look {
                        continue;
                    }
                    if self.look().await? {
                        moved = Instant::now();
                    }
                    self.tell();
                    if asking.is_empty() && (self.stale || self.progress.left.is_empty()) {
                        return Ok(());
                    }
                    let waits = self.groups.values().any(|group| !group.due.is_empty());
                    look = Instant::now() + if waits { LOOK } else { (moved.elapsed() / PART).clamp(GLANCE, LOOK) };
                }
            }
        }
    }

    /// Asks for the evictions that are due, a few at a time.
    fn begin(&mut self, asking: &mut JoinSet<(Pod, Answer)>) {
        let now = Instant::now();
        for group in self.groups.values_mut() {
            while asking.len() < AT_ONCE
                && group.may_ask(now)
                && let Some(pod) = group.due.pop_front()
            {
                group.asked += 1;
                let (cluster, grace) = (Arc::clone(&self.site.cluster), self.grace);
                asking.spawn(async move {
                    let answer = evict(&cluster, &pod, grace).await;
                    (pod, answer)
                });
            }
        }
    }

    /// When a budget that has said no is asked again.
    fn next_question(&self) -> Option<Instant> {
        let waiting = self.groups.values().filter(|group| group.asked == 0 && !group.due.is_empty());
        waiting.filter_map(|group| group.held.map(|held| held.until)).min()
    }

    /// Takes an answer; whether a pod ends by it.
    fn hear(&mut self, pod: Pod, answer: Answer) -> Result<bool, Trouble> {
        let now = Instant::now();
        let held = self.groups.values().filter(|group| group.waits()).count();
        let group = self.groups.entry(group(&pod)).or_default();
        group.asked = group.asked.saturating_sub(1);
        let (why, least, word) = match answer {
            Answer::Ends => {
                group.let_go(now);
                self.progress.evicted.insert(uid(&pod));
                return Ok(true);
            }
            Answer::Gone => {
                group.let_go(now);
                self.progress.left.remove(&uid(&pod));
                return Ok(true);
            }
            Answer::Other => {
                group.refuse(now, pause(BUSY, held));
                self.stale = true;
                return Ok(false);
            }
            Answer::Held(why) => (why, Duration::ZERO, "waits for its budget"),
            Answer::Busy(why) => (why, BUSY, "is asked again"),
            Answer::Refused(trouble) => return Err(trouble.giving_up(&format!("{} could not be evicted", named(&pod)))),
        };
        if !group.waits() {
            self.site.say(&format!("{} {word}: {why}\n", named(&pod)));
        }
        group.refuse(now, pause(group.waited(now), held).max(least));
        self.progress.trouble = Some(format!("{}: {why}", named(&pod)));
        group.due.push_back(pod);
        Ok(false)
    }

    /// Looks which pods are left; whether some have gone since.
    async fn look(&mut self) -> Result<bool, Trouble> {
        let seen = pods::glance(self.site, &self.node.named.node_name).await?;
        self.stale |= !seen.is_subset(&self.known);
        let before = self.progress.left.len();
        self.progress.left.retain(|uid, _| seen.contains(uid));
        Ok(self.progress.left.len() < before)
    }

    /// Says how far it has come, where that is new.
    fn tell(&mut self) {
        let line = format!("{} evicted, {} left\n", self.progress.evicted.len(), self.progress.left.len());
        if line != self.told {
            self.site.say(&line);
            self.told = line;
        }
    }
}

/// Pods that one controller owns: they mostly share a budget. Once that has said no, one of them is asked for at a time.
#[derive(Debug, Default)]
struct Group {
    /// Those that are to be evicted.
    due: VecDeque<Pod>,
    /// How many are asked for right now.
    asked: usize,
    /// Their budget, once it has said no.
    held: Option<Held>,
}

/// A budget that has said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// When it first said no; nothing once it has let a pod go again.
    since: Option<Instant>,
    /// When it is asked again.
    until: Instant,
    /// How long it was seen to say no, this time or the last.
    lasted: Duration,
}

impl Group {
    fn may_ask(&self, now: Instant) -> bool {
        self.held.is_none_or(|held| self.asked == 0 && held.until <= now)
    }

    /// Whether the budget says no.
    fn waits(&self) -> bool {
        self.held.is_some_and(|held| held.since.is_some())
    }

    /// How long the budget has said no by now.
    fn waited(&self, now: Instant) -> Duration {
        let since = self.held.and_then(|held| held.since);
        since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// The budget lets a pod go, and perhaps the next one, too.
    fn let_go(&mut self, now: Instant) {
        if let Some(held) = &mut self.held {
            held.since = None;
            held.until = now;
        }
    }

    /// The budget says no, and is left alone for a while; at first for most of the time that it took before, as
    /// replacements of the same pods take about the same time.
    fn refuse(&mut self, now: Instant, pause: Duration) {
        let before = self.held.unwrap_or(Held { since: None, until: now, lasted: Duration::ZERO });
        self.held = Some(match before.since {
            None => Held { since: Some(now), until: now + pause.max((before.lasted * 3 / 4).min(LATEST)), ..before },
            Some(since) => Held { until: now + pause, lasted: now.duration_since(since), ..before },
        });
    }
}

/// How long something is left alone that has been waited for so long, where so many things are.
fn pause(waited: Duration, things: usize) -> Duration {
    let spaced = SPACING * u32::try_from(things).unwrap_or(u32::MAX);
    (waited / PART).max(spaced).clamp(SOONEST, LATEST)
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
            404 => Answer::Gone,
            // Another pod of this name, or one that is written to right now.
            409 => Answer::Other,
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

/// The controller by whose pods a budget mostly counts.
fn group(pod: &Pod) -> String {
    controller(pod).map_or_else(|| named(pod), |owner| owner.uid.clone())
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[rstest]
    #[case::at_first(Duration::ZERO, 1, SOONEST)]
    #[case::a_part_of_what_it_took(SECOND * 16, 1, SECOND * 2)]
    #[case::as_kubectl_at_last(SECOND * 600, 1, LATEST)]
    #[case::many_share_what_a_server_bears(Duration::ZERO, 20, SECOND)]
    #[case::very_many(Duration::ZERO, usize::MAX, LATEST)]
    fn the_next_question_comes_after_a_part_of_the_time(
        #[case] waited: Duration,
        #[case] things: usize,
        #[case] expected: Duration,
    ) {
        assert_eq!(pause(waited, things), expected);
    }

    #[test]
    fn one_pod_at_a_time_is_asked_for_once_their_budget_has_said_no() {
        let now = Instant::now();
        let mut group = Group { asked: 3, ..Group::default() };
        assert!(group.may_ask(now), "nothing is known of a budget yet");
        group.refuse(now, SECOND);
        assert!(group.waits() && !group.may_ask(now + SECOND), "others are under way");
        group.asked = 0;
        assert!(!group.may_ask(now) && group.may_ask(now + SECOND));
        group.let_go(now + SECOND);
        assert!(!group.waits() && group.may_ask(now + SECOND), "the next may go, too");
    }

    #[test]
    fn a_budget_that_took_its_time_is_left_alone_for_most_of_it_the_next_time() {
        let now = Instant::now();
        let mut group = Group::default();
        group.refuse(now, SECOND);
        group.refuse(now + SECOND * 4, SECOND);
        assert_eq!(group.waited(now + SECOND * 5), SECOND * 5);
        group.let_go(now + SECOND * 5);
        group.refuse(now + SECOND * 6, SECOND);
        assert!(!group.may_ask(now + SECOND * 8) && group.may_ask(now + SECOND * 9), "three quarters of 4 s");
        group.let_go(now + SECOND * 9);
        group.refuse(now + SECOND * 9, SECOND * 4);
        assert!(!group.may_ask(now + SECOND * 12), "and never sooner than anybody else");
    }
}
