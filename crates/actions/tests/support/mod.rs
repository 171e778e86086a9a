//! What the tests of processes share.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use belay_actions::action::OutputSink;
use belay_actions::process::{Command, Helpers, INVOCATION_VARIABLE, Limits};
use sha2::{Digest as _, Sha256};

/// The example binary beside the test binary.
pub fn helper_program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/helper");
    assert!(program.exists(), "build it first: cargo build -p belay-actions --example helper");
    program
}

pub fn helpers() -> Helpers {
    Helpers::new(helper_program(), vec!["__helper".into()]).with_limits(quick())
}

/// Limits that keep tests short.
pub fn quick() -> Limits {
    Limits { grace: Duration::from_millis(200), linger: Duration::from_millis(200), ..Limits::default() }
}

pub fn script(invocation: &str, text: &str) -> Command {
    Command {
        invocation: invocation.to_owned(),
        argv: vec!["/bin/sh".into(), "-c".into(), text.into()],
        directory: None,
        environment: BTreeMap::new(),
        secrets: Vec::new(),
        timeout: None,
        survives: false,
    }
}

pub fn silent() -> OutputSink {
    Arc::new(|_| {})
}

/// The processes of an invocation, by the mark in their environment.
pub fn alive(invocation: &str) -> Vec<i32> {
    let digest = Sha256::digest(invocation.as_bytes());
    let key = digest[..16].iter().fold(String::new(), |key, byte| key + &format!("{byte:02x}"));
    let mark = format!("{INVOCATION_VARIABLE}={key}");
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()))
        })
        .collect()
}

pub fn gone(invocation: &str) -> bool {
    alive(invocation).is_empty()
}

/// Whether something holds within ten seconds.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

pub fn wait_for_file(path: &Path) {
    assert!(eventually(|| path.exists()), "{} never appeared", path.display());
}
