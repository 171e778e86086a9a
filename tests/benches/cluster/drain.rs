//! How long a drain takes beside what the disruption budgets allow, and how often it asks beside `kubectl drain`.
//!
//! The cluster has 20 nodes with 50 pods each. The node that is drained has ten applications with all of their five
//! replicas: four whose budget lets one replica go at a time, three whose budget lets two go, three without a budget.
//! Pods take less time to begin and to end than real ones, which makes it harder: what a drain waits too long for a budget
//! counts for more.
//!
//! **The floor with budgets** is computed from the times that the pods are given, so that no client can be below it. A
//! budget that lets `d` of `n` pods go at a time needs `n / d` rounds, rounded up. A round begins when the replacements of
//! the round before are ready, at the earliest the time that a pod takes to begin after its eviction; the last round is over
//! when its pods have ended. So a budget takes `(rounds - 1) × begin + end` seconds at the least, and a drain as long
//! as the slowest of its budgets. What requests take, and the server's own time for them, is not in it.
//!
//! **The floor without budgets** is measured, as the server's own time counts there: somebody who knows the pods already
//! sends the same evictions as plain requests over as many connections as a drain has under way, and their pods end. Both
//! are the least of two runs, which take turns.
//!
//! The calls of `kubectl drain` are counted where kubectl is installed: the same drain of the same cluster.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use belay_runbook::act::Ending;
use belay_testkit::cluster::{Cluster, ClusterOptions};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Figure;
use crate::place::Place;
use crate::raw::Raw;

const NODES: u32 = 20;
/// Pods on each node.
const PODS: u32 = 50;
/// Replicas of each application on the node that is drained.
const REPLICAS: u32 = 5;
/// How many replicas of each of its applications may be missing at a time; all of them where there is no budget.
const MISSING: [u32; 10] = [1, 1, 1, 1, 2, 2, 2, REPLICAS, REPLICAS, REPLICAS];
/// Evictions that a drain has under way at the same time.
const AT_ONCE: usize = 16;
/// The most time of a drain, as a multiple of its floor.
const MOST: f64 = 1.3;

/// How long pods take, and whether budgets hold them.
struct Pace {
    name: &'static str,
    begin: Duration,
    end: Duration,
    held: bool,
    /// The most time as a multiple of the floor; nothing where it is only told.
    most: Option<f64>,
}

const REAL: Pace = Pace {
    name: "pods of 4 s",
    begin: Duration::from_secs(4),
    end: Duration::from_secs(2),
    held: true,
    most: Some(MOST),
};

/// No pod begins that fast: how a drain does where everything is over before it looks a second time.
const QUICK: Pace = Pace {
    name: "pods of 1 s",
    begin: Duration::from_secs(1),
    end: Duration::from_millis(500),
    held: true,
    most: None,
};

const FREE: Pace = Pace {
    name: "no budgets",
    begin: Duration::from_secs(1),
    end: Duration::from_secs(2),
    held: false,
    most: Some(MOST),
};

/// What one drain took.
struct Drained {
    /// Seconds.
    took: f64,
    calls: usize,
    detail: String,
}

/// Drains of a node at different paces.
pub(crate) fn drains() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut figures = Vec::new();
    for pace in [REAL, QUICK] {
        let drained = ours(&runtime, &pace);
        let floor = floor(&pace).as_secs_f64();
        let name = format!("drain, {}, of what the budgets allow", pace.name);
        let figure = Figure { limit: pace.most, ..Figure::told(name, drained.took / floor, "") };
        figures.push(figure.detail(format!("{:.2} s, floor {floor:.2} s; {}", drained.took, drained.detail)));
        if pace.most.is_some() {
            figures.push(beside_kubectl(&runtime, &pace, &drained));
        }
    }
    let (first, drained) = (plainly(&runtime, &FREE), ours(&runtime, &FREE));
    let (second, again) = (plainly(&runtime, &FREE), ours(&runtime, &FREE));
    let floor = first.min(second);
    let drained = if again.took < drained.took { again } else { drained };
    let figure = Figure {
        limit: FREE.most,
        ..Figure::told(format!("drain, {}, of plain evictions", FREE.name), drained.took / floor, "")
    };
    figures.push(figure.detail(format!("{:.2} s, plain {floor:.2} s; {}", drained.took, drained.detail)));
    figures
}

/// The least time that the budgets allow.
fn floor(pace: &Pace) -> Duration {
    let most = MISSING.iter().map(|missing| REPLICAS.div_ceil(*missing)).max().unwrap();
    pace.begin * (most - 1) + pace.end
}

async fn furnish(pace: &Pace) -> Cluster {
    // Everything that is there comes onto the only node there is; what comes later onto the emptier ones.
    let cluster = ClusterOptions::new().nodes(&["node-01"]).anonymous().start().await.unwrap();
    for (number, missing) in MISSING.iter().enumerate() {
        let name = format!("drained-{number}");
        cluster.add_deployment("shop", &name, REPLICAS);
        if pace.held && *missing < REPLICAS {
            cluster.add_budget("shop", &name, &name, REPLICAS - missing);
        }
    }
    for number in 2..=NODES {
        cluster.add_node(&format!("node-{number:02}"));
    }
    for number in 2..=NODES {
        cluster.add_deployment(&format!("others-{number:02}"), "other", PODS);
    }
    for number in 1..=NODES {
        let here = on_node(&cluster, &format!("node-{number:02}")).len();
        assert_eq!(here, PODS as usize, "every node has the same number of pods");
    }
    cluster.set_pod_start(pace.begin);
    cluster.set_pod_stop(pace.end);
    cluster.forget_calls();
    cluster
}

fn on_node(cluster: &Cluster, node: &str) -> Vec<Value> {
    let mut pods = cluster.objects("pods", "");
    pods.retain(|pod| pod["spec"]["nodeName"] == node);
    pods
}

fn ours(runtime: &Runtime, pace: &Pace) -> Drained {
    runtime.block_on(async {
        let cluster = furnish(pace).await;
        let folder = tempfile::tempdir().unwrap();
        let acts = Place::of(&cluster.write_kubeconfig(folder.path()).unwrap());
        let parameters = json!({ "nodeName": "node-01" });
        let prepared = acts.prepare("kubernetes.drain_node", &parameters).await;
        cluster.forget_calls();
        let started = Instant::now();
        let outcome = acts.run("kubernetes.drain_node", &parameters, &prepared).await;
        let took = started.elapsed().as_secs_f64();
        assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
        assert_eq!(outcome.output["podsEvicted"], PODS);
        drained(&cluster, took)
    })
}

fn drained(cluster: &Cluster, took: f64) -> Drained {
    assert!(on_node(cluster, "node-01").is_empty(), "nothing is left on the node");
    let calls = cluster.calls();
    let held = calls.iter().filter(|call| call.subresource == "eviction" && call.status == 429).count();
    let detail = format!(
        "{} calls, {held} of them refused by a budget, {:.1} in a second",
        calls.len(),
        calls.len() as f64 / took
    );
    Drained { took, calls: calls.len(), detail }
}

/// The calls as a share of those of `kubectl drain`; its own least where it is not installed.
fn beside_kubectl(runtime: &Runtime, pace: &Pace, ours: &Drained) -> Figure {
    let folder = tempfile::tempdir().unwrap();
    let (calls, detail) = match kubectl(runtime, pace, folder.path()) {
        Some(theirs) => (theirs.calls as f64, format!("kubectl drain took {:.2} s; {}", theirs.took, theirs.detail)),
        // The node, the cordon, the pods, discovery; for each pod the eviction and one look whether it is gone.
        None => {
            (f64::from(4 + 2 * PODS), "kubectl is not installed; its least is counted, as if no budget held".to_owned())
        }
    };
    let name = format!("drain, {}, calls of `kubectl drain`", pace.name);
    Figure::most(name, ours.calls as f64 / calls, "", 1.0).detail(detail)
}

fn kubectl(runtime: &Runtime, pace: &Pace, home: &Path) -> Option<Drained> {
    let command = |arguments: &[&str]| {
        let mut command = Command::new("kubectl");
        command.args(arguments).env("HOME", home).env("KUBECONFIG", home.join("kubeconfig"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    command(&["version", "--client"]).status().ok().filter(std::process::ExitStatus::success)?;
    let cluster = runtime.block_on(furnish(pace));
    cluster.write_kubeconfig(home).unwrap();
    // What it asks of discovery is kept from here on.
    assert!(command(&["get", "nodes"]).status().unwrap().success(), "kubectl reaches the cluster");
    cluster.forget_calls();
    let started = Instant::now();
    let status = command(&["drain", "node-01"]).status().unwrap();
    let took = started.elapsed().as_secs_f64();
    assert!(status.success(), "kubectl drains the node");
    Some(drained(&cluster, took))
}

/// Seconds that the plain evictions of all pods take until these have ended.
fn plainly(runtime: &Runtime, pace: &Pace) -> f64 {
    let cluster = runtime.block_on(furnish(pace));
    let pods = on_node(&cluster, "node-01");
    let names: Vec<&str> = pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect();
    let cordon = |node: &mut Value| node["spec"]["unschedulable"] = json!(true);
    cluster.change("nodes", "", "node-01", cordon).unwrap();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for part in names.chunks(names.len().div_ceil(AT_ONCE)) {
            let mut raw = Raw::connect(cluster.url());
            scope.spawn(move || part.iter().for_each(|name| raw.evict("shop", name)));
        }
    });
    while !on_node(&cluster, "node-01").is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    started.elapsed().as_secs_f64()
}
