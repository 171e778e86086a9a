//! Everything that the cluster knows, behind one lock.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::exec::{Exec, Executed};
use super::fault::{Call, Matching, Plan};
use super::json;
use super::kinds::{KINDS, Kind};
use super::store::Store;

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a pod takes from its node until it is ready.
    pub pod_start: Duration,
    /// How long a pod takes to stop, where its grace period is not shorter.
    pub pod_stop: Duration,
    /// How long the pods of jobs run.
    pub job_run: Duration,
    /// How long a volume snapshot takes.
    pub snapshot: Duration,
    /// How often a watch that allows it gets a bookmark.
    pub bookmark_every: Duration,
    /// Whose token it is.
    pub user: String,
    /// Whether a request that brings no login at all is taken for the user's.
    pub anonymous: bool,
    /// Whether volume snapshots are served.
    pub snapshots: bool,
}

/// One line that a container wrote.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// When.
    pub time: Timestamp,
    /// What.
    pub text: String,
}

/// Namespace, pod, container, and whether it is the container before the present one.
pub type LogKey = (String, String, String, bool);

/// What answers commands in containers.
pub type ExecHandler = Arc<dyn Fn(&Exec) -> Executed + Send + Sync>;

/// Everything that the cluster knows.
pub struct State {
    /// The objects.
    pub store: Store,
    /// What can be set.
    pub settings: Settings,
    /// What is forbidden.
    pub rules: Vec<Matching>,
    /// What goes wrong.
    pub plan: Plan,
    /// The requests, each with its number.
    pub calls: Vec<(u64, Call)>,
    /// The number of the next request.
    pub next_call: u64,
    /// How many connections were taken.
    pub connections: u64,
    /// The token that is accepted; `None` where the login is over.
    pub token: Option<String>,
    /// What listens in pods: namespace, pod, port.
    pub served: BTreeMap<(String, String, u16), SocketAddr>,
    /// What listens in every pod of an application: namespace, application, port.
    pub served_apps: BTreeMap<(String, String, u16), SocketAddr>,
    /// What containers wrote.
    pub logs: BTreeMap<LogKey, Vec<LogLine>>,
    /// What answers commands.
    pub exec: Option<ExecHandler>,
    /// Goes up when every watch shall end.
    pub watch_epoch: u64,
    /// Since when something holds, to less than the second that objects tell: uid and what.
    since: BTreeMap<(String, &'static str), Timestamp>,
    due: Option<Timestamp>,
    seed: u64,
    counter: u64,
    offset: SignedDuration,
}

const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Spreads a number over all bits (the finaliser of splitmix64).
pub fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number as letters that spell no words, as generated names have them.
pub fn letters(mut number: u64, length: usize) -> String {
    let base = u64::try_from(LETTERS.len()).unwrap_or(1);
    (0..length)
        .map(|_| {
            let at = usize::try_from(number % base).unwrap_or_default();
            number /= base;
            LETTERS.get(at).map_or('b', |letter| char::from(*letter))
        })
        .collect()
}

impl State {
    /// An empty cluster.
    pub fn new(settings: Settings, token: String) -> Self {
        Self {
            store: Store::default(),
            settings,
            rules: Vec::new(),
            plan: Plan::default(),
            calls: Vec::new(),
            next_call: 0,
            connections: 0,
            token: Some(token),
            served: BTreeMap::new(),
            served_apps: BTreeMap::new(),
            logs: BTreeMap::new(),
            exec: None,
            watch_epoch: 0,
            since: BTreeMap::new(),
            due: None,
            // Two clusters never have a uid in common, whereas names follow from what was done.
            seed: RandomState::new().build_hasher().finish(),
            counter: 0,
            offset: SignedDuration::ZERO,
        }
    }

    /// The present time of the cluster.
    pub fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.offset).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock of the cluster forward.
    pub fn advance(&mut self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.offset = self.offset.saturating_add(by);
    }

    /// A uid that no other object of any cluster has.
    pub fn new_uid(&mut self) -> String {
        self.counter += 1;
        let high = spread(self.seed ^ spread(self.counter));
        let low = spread(high);
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }

    /// A suffix for a generated name.
    pub fn suffix(&mut self) -> String {
        self.counter += 1;
        letters(spread(self.counter), 5)
    }

    /// A resource by its name; only those that are served.
    pub fn is_served(&self, kind: &Kind) -> bool {
        !kind.is_custom() || self.settings.snapshots
    }

    /// The resources that are served.
    pub fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        KINDS.iter().filter(|kind| self.is_served(kind))
    }

    /// Gives an object what every new one has: type, uid, creation time, generation.
    pub fn bear(&mut self, kind: &Kind, object: &mut Value) {
        let now = json::seconds(self.now());
        let uid = self.new_uid();
        json::put(object, &["apiVersion"], kind.api_version());
        json::put(object, &["kind"], kind.kind);
        json::put(object, &["metadata", "uid"], uid);
        json::put(object, &["metadata", "creationTimestamp"], now);
        if has_generation(kind) {
            json::put(object, &["metadata", "generation"], 1);
        }
    }

    /// Creates an object as a controller or a test does, past the API. A name is generated where there is none.
    pub fn create(&mut self, kind: &Kind, mut object: Value) -> Arc<Value> {
        if json::name(&object).is_empty() {
            let name = format!("{}{}", json::text(&object, "/metadata/generateName"), self.suffix());
            json::put(&mut object, &["metadata", "name"], name);
        }
        super::defaults::fill(kind, &mut object, self.now());
        self.bear(kind, &mut object);
        self.store.put(kind, object)
    }

    /// Asks to be run again at this time.
    pub fn wake_at(&mut self, time: Timestamp) {
        self.due = Some(self.due.map_or(time, |due| due.min(time)));
    }

    /// When the controllers want to run next.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Forgets when the controllers want to run: they are about to, and say it again.
    pub fn forget_due(&mut self) {
        self.due = None;
    }

    /// Since when this holds for an object: now, where it is asked for the first time.
    pub fn since(&mut self, uid: &str, what: &'static str) -> Timestamp {
        let now = self.now();
        *self.since.entry((uid.to_owned(), what)).or_insert(now)
    }

    /// Notes that this holds from now on.
    pub fn mark(&mut self, uid: &str, what: &'static str) {
        let now = self.now();
        self.since.insert((uid.to_owned(), what), now);
    }

    /// Notes that this no longer holds for an object.
    pub fn no_longer(&mut self, uid: &str, what: &'static str) {
        self.since.remove(&(uid.to_owned(), what));
    }

    /// Whether this has held for a time; asks to be run again where it has not.
    pub fn has_held(&mut self, uid: &str, what: &'static str, time: Duration) -> bool {
        let since = self.since(uid, what);
        if time.is_zero() {
            return true;
        }
        let until = SignedDuration::try_from(time).ok().and_then(|time| since.checked_add(time).ok());
        let Some(until) = until else { return false };
        if until <= self.now() {
            return true;
        }
        self.wake_at(until);
        false
    }

    /// Forgets what was noted about objects that are no more.
    pub fn forget(&mut self, uid: &str) {
        self.since.retain(|(of, _), _| of != uid);
    }

    /// The uid of `kube-system`, which tells clusters apart.
    pub fn fingerprint(&self) -> String {
        Kind::named("namespaces")
            .and_then(|kind| self.store.get(kind, "", "kube-system"))
            .map(|namespace| json::uid(&namespace).to_owned())
            .unwrap_or_default()
    }

    /// The objects of a resource, by its name.
    pub fn list(&self, plural: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        Kind::named(plural).map(|kind| self.store.list(kind, namespace)).unwrap_or_default()
    }

    /// Tells everybody about something that happened to an object.
    pub fn tell(&mut self, about: &Value, kind: &str, reason: &str, message: &str) {
        let Some(events) = Kind::named("events") else { return };
        let namespace = match json::namespace(about) {
            "" => "default",
            namespace => namespace,
        };
        let same = self.store.list(events, Some(namespace)).into_iter().find(|event| {
            json::text(event, "/involvedObject/uid") == json::uid(about)
                && json::text(event, "/reason") == reason
                && json::text(event, "/message") == message
        });
        if same.is_some() {
            return;
        }
        self.counter += 1;
        let name = format!("{}.{:016x}", json::name(about), spread(self.counter));
        let now = json::seconds(self.now());
        let event = json!({
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": {
                "apiVersion": about.get("apiVersion"), "kind": about.get("kind"), "name": json::name(about),
                "namespace": about.pointer("/metadata/namespace"), "uid": json::uid(about),
                "resourceVersion": about.pointer("/metadata/resourceVersion"),
            },
            "type": kind, "reason": reason, "message": message, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now, "eventTime": null,
            "source": { "component": "belay-cluster" }, "reportingComponent": "belay-cluster", "reportingInstance": "",
        });
        self.create(events, event);
    }
}

/// Whether objects of this resource count their generations.
pub fn has_generation(kind: &Kind) -> bool {
    matches!(
        kind.plural,
        "pods"
            | "deployments"
            | "replicasets"
            | "daemonsets"
            | "statefulsets"
            | "jobs"
            | "poddisruptionbudgets"
            | "networkpolicies"
            | "volumesnapshots"
    )
}
