//! How much memory a list of many pods takes, and how long beside reading the bytes of the same pages.
//!
//! The server is a process of its own, and so is the client, whose memory is measured: the peak while it lists (`VmHWM`, which
//! is reset before) less what it held before, when it was connected already. The floor of the time is a plain GET of
//! the same pages over one connection, of which only the token of the next page is read.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use belay_runbook::act::Ending;
use belay_testkit::cluster::ClusterOptions;
use serde_json::json;

use crate::Figure;
use crate::place::Place;
use crate::raw::Raw;

const PODS: u32 = 10_000;
/// Objects of a page, as the action asks for them.
const PAGE: u32 = 500;
/// How often the times are measured.
const RUNS: usize = 3;

/// A process that is ended when it is no longer needed.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Lists of ten thousand pods: as many as are listed where nobody says how many, and all of them.
pub(crate) fn lists() -> Vec<Figure> {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("--probe=server")
        .arg(&kubeconfig)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let _server = Running(server);
    let mut figures = Vec::new();
    for (name, limit, most) in [("1 000 kept", 1_000, Some(32.0)), ("all kept", PODS, None)] {
        let (mut peak, mut ours, mut floor, mut bytes) = (0.0_f64, f64::MAX, f64::MAX, 0.0);
        for _ in 0..RUNS {
            let numbers = client(&kubeconfig, ready.trim(), limit);
            peak = peak.max(numbers[0]);
            ours = ours.min(numbers[1]);
            floor = floor.min(numbers[2]);
            bytes = numbers[3];
        }
        let name = format!("10 000 pods listed, {name}");
        figures.push(Figure { limit: most, ..Figure::told(format!("{name}, memory"), peak, "MB") });
        figures.push(Figure::told(format!("{name}, time of a plain GET"), ours / floor, "").detail(format!(
            "{ours:.2} s, plain {floor:.2} s for {bytes:.1} MB in pages of {PAGE}; the least of {RUNS} runs each"
        )));
    }
    figures
}

/// Peak in MB, seconds of the action, seconds of the floor, MB of all pages.
fn client(kubeconfig: &Path, url: &str, limit: u32) -> Vec<f64> {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(format!("--probe={limit}"))
        .arg(kubeconfig)
        .arg(url)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the client ends well");
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// Runs one of the processes.
pub(crate) fn probe(which: &str, kubeconfig: Option<&str>, url: Option<&str>) -> ExitCode {
    match (which, kubeconfig, url) {
        ("server", Some(kubeconfig), _) => serve(Path::new(kubeconfig)),
        (limit, Some(kubeconfig), Some(url)) => measure(limit.parse().unwrap(), Path::new(kubeconfig), url),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// A cluster with many pods, until it is killed. Its address is the one line that it prints.
fn serve(kubeconfig: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = ClusterOptions::new().anonymous().start().await.unwrap();
        cluster.add_deployment("shop", "checkout", PODS);
        cluster.write_kubeconfig_to(kubeconfig).unwrap();
        println!("{}", cluster.url());
        std::future::pending::<()>().await;
    });
}

fn measure(limit: u32, kubeconfig: &Path, url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (peak, ours) = runtime.block_on(async {
        let place = Place::of(kubeconfig);
        let parameters = json!({ "limit": limit });
        let prepared = place.prepare("kubernetes.list_pods", &parameters).await;
        // The peak is counted from now on.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = memory("VmRSS:");
        let started = Instant::now();
        let outcome = place.run("kubernetes.list_pods", &parameters, &prepared).await;
        let took = started.elapsed().as_secs_f64();
        assert_eq!(outcome.ending, Ending::Succeeded, "{:?}", outcome.error);
        assert_eq!(outcome.output["count"], PODS);
        assert_eq!(outcome.published["pods"].as_array().unwrap().len(), limit as usize);
        (memory("VmHWM:") - before, took)
    });
    let started = Instant::now();
    let bytes = plainly(url);
    let floor = started.elapsed().as_secs_f64();
    println!("{peak} {ours} {floor} {}", bytes as f64 / 1e6);
}

/// Reads every page, and answers with how many bytes they were.
fn plainly(url: &str) -> usize {
    let mut raw = Raw::connect(url);
    let mut bytes = 0;
    let mut token = String::new();
    loop {
        let page = raw.get(&format!("/api/v1/namespaces/shop/pods?limit={PAGE}&continue={token}"));
        bytes += page.len();
        let mark = b"\"continue\":\"";
        let Some(at) = page.windows(mark.len()).position(|bytes| bytes == mark) else { return bytes };
        let rest = &page[at + mark.len()..];
        let end = rest.iter().position(|byte| *byte == b'"').unwrap();
        token = String::from_utf8(rest[..end].to_vec()).unwrap();
    }
}

/// A line of this process's status, in MB.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|found| found.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
