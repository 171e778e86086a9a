//! What a test asks of a cluster that no user could: records, rules, faults, and what lies inside of pods.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::exec::{Exec, Executed};
use super::fault::{Call, Fault, Matching};
use super::handle::{Cluster, ClusterError};
use super::json;
use super::state::LogLine;

impl Cluster {
    /// Every request so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared().with(|state| state.calls.iter().map(|(_, call)| call.clone()).collect())
    }

    /// The requests so far that changed something, or would have: no reads, no dry runs, no questions about access.
    pub fn changes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_change).collect()
    }

    /// Forgets the requests so far.
    pub fn forget_calls(&self) {
        self.shared().with(|state| state.calls.clear());
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> u64 {
        self.shared().with(|state| state.connections)
    }

    /// Forbids a verb for a resource: `forbid("patch", "deployments/scale.apps")`; `*` stands for any.
    pub fn forbid(&self, verb: &str, resource: &str) {
        self.forbid_matching(Matching::verb(verb).with_resource(resource));
    }

    /// Forbids these requests.
    pub fn forbid_matching(&self, matching: impl Into<Matching>) {
        let matching = matching.into();
        self.shared().with(|state| state.rules.push(matching));
    }

    /// Allows everything again.
    pub fn permit_all(&self) {
        self.shared().with(|state| state.rules.clear());
    }

    /// Lets the next of these requests go wrong. Faults are used up in the order in which they were asked for.
    pub fn fail_next(&self, matching: impl Into<Matching>, fault: Fault) {
        let matching = matching.into();
        self.shared().with(|state| state.plan.add(matching, fault, false));
    }

    /// Lets all of these requests go wrong, until [`heal`](Self::heal).
    pub fn fail_always(&self, matching: impl Into<Matching>, fault: Fault) {
        let matching = matching.into();
        self.shared().with(|state| state.plan.add(matching, fault, true));
    }

    /// Forgets all faults that wait. A login that is over stays over.
    pub fn heal(&self) {
        self.shared().with(|state| state.plan.clear());
    }

    /// How many faults wait for their request.
    pub fn waiting_faults(&self) -> usize {
        self.shared().with(|state| state.plan.len())
    }

    /// Ends the login: every request is answered with 401 until [`renew_login`](Self::renew_login).
    pub fn expire_login(&self) {
        self.shared().with(|state| state.token = None);
    }

    /// Accepts this token from now on, and no other.
    pub fn renew_login(&self, token: &str) {
        self.shared().with(|state| state.token = Some(token.to_owned()));
    }

    /// Ends every connection, and refuses new ones for a time.
    pub fn refuse_connections(&self, time: Duration) {
        self.shared().refuse(time);
    }

    /// Ends every watch, as a server does now and then.
    pub fn end_watches(&self) {
        self.shared().change(|state| state.watch_epoch += 1);
    }

    /// Forgets the past: a watch or a continued list from before now is answered with 410.
    pub fn compact(&self) {
        self.shared().change(|state| state.store.compact());
    }

    /// Defines `volumesnapshots` now: as with every new definition, its resource answers a plain-text 404 first, then 429,
    /// and is served from then on.
    pub fn define_volume_snapshots(&self) {
        self.shared().with(|state| {
            state.settings.snapshots = true;
            for fault in [Fault::NotYetServed, Fault::Initializing] {
                state.plan.add(Matching::resource("volumesnapshots"), fault, false);
            }
        });
    }

    /// Lets a node stop reporting: its conditions become `Unknown`, it gets the taints, and nothing starts or stops on it.
    pub fn lose_node(&self, name: &str) -> Result<(), ClusterError> {
        self.change("nodes", "", name, |node| super::controllers::nodes::set_reporting(node, false))?;
        Ok(())
    }

    /// Lets a node report again.
    pub fn restore_node(&self, name: &str) -> Result<(), ClusterError> {
        self.change("nodes", "", name, |node| super::controllers::nodes::set_reporting(node, true))?;
        Ok(())
    }

    /// Lets a container end with an exit code and start again: its restarts are counted, and what it wrote becomes the
    /// log of the previous container.
    pub fn crash(&self, namespace: &str, pod: &str, container: &str, code: i32) -> Result<(), ClusterError> {
        let now = self.shared().with(|state| {
            let key = |previous| (namespace.to_owned(), pod.to_owned(), container.to_owned(), previous);
            let lines = state.logs.remove(&key(false)).unwrap_or_default();
            state.logs.insert(key(true), lines);
            json::seconds(state.now())
        });
        self.change("pods", namespace, pod, |pod| {
            for status in json::items(json::slot(pod, &["status", "containerStatuses"])) {
                if json::text(status, "/name") == container {
                    let restarts = json::number(status, "/restartCount").unwrap_or_default();
                    json::put(status, &["restartCount"], restarts + 1);
                    let reason = if code == 137 { "OOMKilled" } else { "Error" };
                    let ended = serde_json::json!({ "exitCode": code, "reason": reason, "finishedAt": now });
                    json::put(status, &["lastState", "terminated"], ended);
                    json::put(status, &["state"], serde_json::json!({ "running": { "startedAt": now } }));
                }
            }
        })?;
        Ok(())
    }

    /// Lets a container write lines to its log.
    pub fn log(&self, namespace: &str, pod: &str, container: &str, lines: &[&str]) {
        self.write_log(namespace, pod, container, false, lines);
    }

    /// Lets the container before the present one have written lines to its log.
    pub fn log_previous(&self, namespace: &str, pod: &str, container: &str, lines: &[&str]) {
        self.write_log(namespace, pod, container, true, lines);
    }

    fn write_log(&self, namespace: &str, pod: &str, container: &str, previous: bool, lines: &[&str]) {
        self.shared().change(|state| {
            let time = state.now();
            let key = (namespace.to_owned(), pod.to_owned(), container.to_owned(), previous);
            let log = state.logs.entry(key).or_default();
            log.extend(lines.iter().map(|text| LogLine { time, text: (*text).to_owned() }));
        });
    }

    /// Answers commands in containers. Without a handler every command is answered with exit code 127.
    pub fn on_exec(&self, handler: impl Fn(&Exec) -> Executed + Send + Sync + 'static) {
        self.shared().with(|state| state.exec = Some(Arc::new(handler)));
    }

    /// Lets what listens at an address be what listens on a port of every pod of an application (the label `app`), of those
    /// to come, too.
    pub fn serve_app(&self, namespace: &str, app: &str, port: u16, address: SocketAddr) {
        self.shared().with(|state| state.served_apps.insert((namespace.to_owned(), app.to_owned(), port), address));
    }

    /// Lets what listens at an address be what listens on a port of a pod, for proxies and forwarded ports.
    pub fn serve_pod(&self, namespace: &str, pod: &str, port: u16, address: SocketAddr) {
        self.shared().with(|state| state.served.insert((namespace.to_owned(), pod.to_owned(), port), address));
    }
}
