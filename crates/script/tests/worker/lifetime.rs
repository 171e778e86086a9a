//! How workers begin and end as processes.

use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use belay_script::{Host, HostCall, HostReply, ScriptEnd, Worker};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::*;

tests![
    a_cancelled_script_ends_at_once,
    a_script_that_is_cancelled_before_its_start_does_not_start,
    a_deadline_counts_the_waiting,
    a_dropped_run_ends_its_worker,
    a_worker_that_waits_dies_with_its_parent,
    a_worker_that_computes_dies_with_its_parent,
    a_missing_program_is_not_started,
    a_program_that_speaks_nonsense_is_lost,
    a_job_of_another_protocol_is_refused,
    an_empty_script_starts_quickly_and_takes_little_memory,
];

/// Under this name the test binary is a client that runs a worker until it is killed.
pub const PARENT_SUBCOMMAND: &str = "__parent-of-a-worker";

/// Runs the script of the second argument with a host that never answers.
pub fn parent_main() -> ExitCode {
    let script = std::env::args().nth(2).unwrap();
    run_with(&job(&script), &Silent);
    ExitCode::SUCCESS
}

/// Never answers.
struct Silent;

impl Host for Silent {
    async fn call(&self, _call: HostCall) -> HostReply {
        std::future::pending().await
    }
}

fn a_cancelled_script_ends_at_once() {
    for script in ["while (true) {}", "await http.a()", "const f = () => Promise.resolve().then(f); f()"] {
        let cancel = CancellationToken::new();
        let began = Instant::now();
        let outcome = block_on(async {
            let job = job(script);
            let worker = worker();
            let run = worker.run(&job, &Silent, None, &cancel);
            let later = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                cancel.cancel();
            };
            tokio::join!(run, later).0
        });
        assert_eq!(outcome.end, ScriptEnd::Cancelled, "{script}");
        assert!(began.elapsed() < Duration::from_secs(3), "{script}");
        assert_eq!(children_of(std::process::id()), [] as [u32; 0], "{script}: the worker is gone and waited for");
    }
}

fn a_script_that_is_cancelled_before_its_start_does_not_start() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let missing = Worker { program: "/does/not/exist".into(), arguments: Vec::new() };
    assert_eq!(block_on(missing.run(&job(""), &echo(), None, &cancel)).end, ScriptEnd::Cancelled);
}

fn a_deadline_counts_the_waiting() {
    let deadline = Some(Duration::from_millis(300));
    let outcome = block_on(worker().run(&job("await http.a()"), &Silent, deadline, &CancellationToken::new()));
    assert_eq!(outcome.end, ScriptEnd::DeadlineReached);
    assert_eq!(outcome.host_calls, 1, "the call that was under way is counted");
}

fn a_dropped_run_ends_its_worker() {
    let worker_process = block_on(async {
        let job = job("await http.a()");
        let worker = worker();
        let cancel = CancellationToken::new();
        let run = worker.run(&job, &Silent, None, &cancel);
        let ended = tokio::time::timeout(Duration::from_millis(500), run).await;
        assert!(ended.is_err(), "the host never answers");
        children_of(std::process::id())
    });
    assert!(worker_process.iter().all(|process| soon_gone(*process)), "{worker_process:?}");
}

fn a_worker_that_waits_dies_with_its_parent() {
    worker_dies_with_its_parent("await http.a()");
}

fn a_worker_that_computes_dies_with_its_parent() {
    worker_dies_with_its_parent("while (true) {}");
}

fn worker_dies_with_its_parent(script: &str) {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([PARENT_SUBCOMMAND, script])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let worker_process = loop {
        if let [only] = children_of(parent.id()).as_slice() {
            break *only;
        }
        assert!(parent.try_wait().unwrap().is_none(), "the parent lives until it is killed");
        std::thread::yield_now();
    };
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(soon_gone(worker_process), "the worker of a killed parent ends");
}

/// Processes whose parent is `parent`, zombies included.
fn children_of(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
        let listed = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.extend(listed.split_whitespace().map(|child| child.parse::<u32>().unwrap()));
    }
    children
}

/// Whether a process ends within three seconds.
fn soon_gone(process: u32) -> bool {
    let until = Instant::now() + Duration::from_secs(3);
    loop {
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // A zombie has ended; whoever adopted it only has not looked yet.
        if state.is_empty() || state.contains(") Z ") {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn a_missing_program_is_not_started() {
    let missing = Worker { program: "/does/not/exist".into(), arguments: Vec::new() };
    let end = block_on(missing.run(&job(""), &echo(), None, &CancellationToken::new())).end;
    assert!(matches!(end, ScriptEnd::NotStarted { .. }), "{end:?}");
}

fn a_program_that_speaks_nonsense_is_lost() {
    for (program, argument) in [("/bin/echo", "hello, this is no frame"), ("/bin/true", ""), ("/bin/cat", "/dev/null")]
    {
        let other = Worker { program: program.into(), arguments: vec![argument.into()] };
        let end = block_on(other.run(&job(""), &echo(), None, &CancellationToken::new())).end;
        assert!(matches!(end, ScriptEnd::Lost { .. }), "{program}: {end:?}");
    }
}

fn a_job_of_another_protocol_is_refused() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(belay_script::WORKER_SUBCOMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    belay_script::wire::write_frame(&mut stdin, &json!({"protocol": 3, "job": {"unheard": "of"}})).unwrap();
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    child.wait().unwrap();
    let frame = belay_script::wire::read_frame(&mut said.as_slice()).unwrap().unwrap();
    let frame: serde_json::Value = serde_json::from_slice(&frame).unwrap();
    assert_eq!(frame["refused"]["protocol"], 2, "{frame}");
}

fn an_empty_script_starts_quickly_and_takes_little_memory() {
    let mut times: Vec<Duration> = (0..20)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(returned(""), json!(null));
            began.elapsed()
        })
        .collect();
    times.sort();
    let peak = Scripted::new(|call| value(call, json!(peak_kilobytes(&children_of(std::process::id())))));
    let peak = value_of(run_with(&job("return await http.peak()"), &peak).end);
    eprintln!("empty script: median {:?}, slowest {:?}; peak memory {peak} kB", times[10], times[19]);
    assert!(times[10] < Duration::from_secs(1), "{times:?}");
}

/// The largest resident set of the processes so far.
fn peak_kilobytes(processes: &[u32]) -> u64 {
    let peak = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    processes.iter().map(peak).max().unwrap()
}
