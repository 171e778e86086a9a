//! What the tests of the store share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses a part, and a failed test panics"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use belay_store::{Draft, ExecutionRow, Options, Store};
use belay_trust::{DeviceKey, ExecutionId, SessionId};

pub fn key() -> DeviceKey {
    DeviceKey::from_bytes(&[1; 32])
}

pub fn session(number: u32) -> SessionId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SessionId(bytes)
}

pub fn draft(kind: &str) -> Draft {
    Draft {
        kind: kind.to_owned(),
        critical: false,
        cites: Vec::new(),
        body: format!("{{\"what\":\"{kind}\"}}").into_bytes(),
        wall_ms: 1_700_000_000_000,
    }
}

pub fn open(path: &Path, number: u32) -> Store {
    Store::open(path, key(), session(number)).unwrap()
}

pub fn open_with(path: &Path, number: u32, options: Options) -> Store {
    Store::open_with(path, key(), session(number), options).unwrap()
}

/// Begins an execution with `events` events in all.
pub fn begin(store: &Store, events: usize) -> ExecutionId {
    let drafts = (0..events).map(|at| draft(&format!("event-{at}"))).collect();
    store.append(None, drafts).unwrap()[0].execution()
}

pub fn row(id: ExecutionId, runbook: &str, started_ms: i64) -> ExecutionRow {
    ExecutionRow {
        id,
        label: format!("0199-{}", &id.to_string()[..8]),
        runbook: runbook.to_owned(),
        runbook_name: "restart".to_owned(),
        runbook_title: "Restart a pod".to_owned(),
        runbook_digest: "sha256:00".to_owned(),
        status: "running".to_owned(),
        succeeded: None,
        started_ms,
        finished_ms: None,
        started_by: "ada".to_owned(),
        incident: Some("INC-7".to_owned()),
        ticket: None,
        context: Some("prod".to_owned()),
        waiting_on: Some("{\"approval\":\"restart\"}".to_owned()),
        triggered_by: None,
        duration_seconds: None,
        summary: "{}".to_owned(),
    }
}

/// Runs one test of this binary in a second process, in which [`child`] returns `path`.
pub fn second_process(test: &str, path: &Path, number: u32) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env("BELAY_STORE_TEST_CHILD", path)
        .env("BELAY_STORE_TEST_SESSION", number.to_string());
    command
}

/// Returns the path that the parent gave, when this is the second process.
pub fn child() -> Option<(PathBuf, u32)> {
    let path = std::env::var_os("BELAY_STORE_TEST_CHILD")?;
    let number = std::env::var("BELAY_STORE_TEST_SESSION").unwrap().parse().unwrap();
    Some((path.into(), number))
}
