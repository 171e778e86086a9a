//! Memory and recovery with many waiting executions in one process; what `--version` takes.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use belay_cockpit::wire::DriveEvent;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::step::{cockpit, request};
use crate::{Figure, belay, median};

/// How many executions wait.
const EXECUTIONS: usize = 1000;

const WAITS: &str = "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: {name: waits}
spec:
  name: Waits
  steps:
  - {name: look, commands: [[/bin/true]], type: manual, description: Look at it}
  - {name: act, commands: [[/bin/true]]}
";

/// A thousand executions that wait for a person: memory while driven, and recovery by another process.
pub(crate) fn waiting() -> Vec<Figure> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("waits.yaml"), WAITS).unwrap();
    let run = |probe: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .arg(format!("--probe={probe}"))
            .arg(home.path())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().unwrap()
    };
    let each = run("waiting");
    let recovery = run("recovery");
    vec![
        Figure {
            name: "memory of each of 1 000 waiting executions",
            value: each,
            unit: "KB",
            limit: Some(20.0),
            detail: String::new(),
        },
        Figure {
            name: "recovery of 1 000 executions",
            value: recovery,
            unit: "s",
            limit: Some(1.0),
            detail: String::new(),
        },
    ]
}

/// Runs one measurement in this process and prints its figures.
pub(crate) fn probe(which: &str, home: Option<&str>) -> ExitCode {
    match (which, home) {
        ("version", _) => version(),
        ("waiting", Some(home)) => drive_all(Path::new(home), true),
        ("recovery", Some(home)) => drive_all(Path::new(home), false),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

fn version() {
    let mut times = Vec::new();
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1000.0
    };
    for _ in 0..20 {
        let before = cpu();
        let status = Command::new(belay()).arg("--version").stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "`--version` ends well");
        times.push(cpu() - before);
    }
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() as f64 / 1024.0;
    println!("{} {peak}", median(&mut times));
}

/// Starts (or finds) the executions and drives each until it waits; prints what that took.
fn drive_all(home: &Path, fresh: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let cockpit = cockpit(home);
        let ids: Vec<String> = if fresh {
            let request = request(&home.join("waits.yaml"));
            (0..EXECUTIONS).map(|_| cockpit.start(&request).unwrap()).collect()
        } else {
            let filter = belay_cockpit::ExecutionFilter::default();
            cockpit.executions(&filter).unwrap().into_iter().map(|summary| summary.execution).collect()
        };
        assert_eq!(ids.len(), EXECUTIONS, "all of them are there");
        let before = resident();
        let started = Instant::now();
        let mut drives = Vec::with_capacity(ids.len());
        for id in &ids {
            drives.push(cockpit.drive(id).unwrap());
        }
        for drive in &mut drives {
            while let Some(event) = drive.next().await {
                if matches!(event, DriveEvent::Waiting { .. }) {
                    break;
                }
            }
        }
        let took = started.elapsed().as_secs_f64();
        let each = (resident() - before) / EXECUTIONS as f64;
        println!("{}", if fresh { each } else { took });
    });
}

/// Resident memory of this process in KB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
