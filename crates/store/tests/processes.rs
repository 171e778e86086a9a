//! Several processes on one file, and processes that are killed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use belay_store::{CrashPoints, Options, OutputChunk, Store, Stream};
use belay_trust::{ExecutionId, verify_chains};
use common::{begin, child, draft, open, open_with, second_process};
use nix::sys::signal::{Signal, raise};

/// Tells the parent what was acknowledged, in one write.
fn acknowledge(execution: ExecutionId, hash: impl std::fmt::Display) {
    let line = format!("\nacknowledged {execution} {hash}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Reads what a process acknowledged until it ends.
fn acknowledged_in(lines: ChildStdout) -> BTreeMap<ExecutionId, BTreeSet<String>> {
    let mut found: BTreeMap<ExecutionId, BTreeSet<String>> = BTreeMap::new();
    for line in BufReader::new(lines).split(b'\n') {
        let line = String::from_utf8(line.unwrap()).unwrap();
        // The last line of a killed process may be cut off.
        if let ["acknowledged", execution, hash] = *line.split(' ').collect::<Vec<_>>()
            && hash.len() == 64
        {
            found.entry(execution.parse().unwrap()).or_default().insert(hash.to_owned());
        }
    }
    found
}

/// Reads acknowledgements until there are `enough` or the child ends.
fn acknowledgements(child: &mut Child, enough: usize, kill: bool) -> BTreeMap<ExecutionId, BTreeSet<String>> {
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    let mut found: BTreeMap<ExecutionId, BTreeSet<String>> = BTreeMap::new();
    let mut count = 0;
    for line in lines {
        let line = String::from_utf8(line.unwrap()).unwrap();
        let mut words = line.split(' ');
        if words.next() != Some("acknowledged") {
            continue;
        }
        let (Some(execution), Some(hash)) = (words.next(), words.next()) else { continue };
        // The last line of a killed process may be cut off.
        if hash.len() == 64 {
            found.entry(execution.parse().unwrap()).or_default().insert(hash.to_owned());
            count += 1;
        }
        if kill && count == enough {
            child.kill().unwrap();
        }
    }
    found
}

fn assert_everything_is_there(path: &Path, number: u32, acknowledged: &BTreeMap<ExecutionId, BTreeSet<String>>) {
    let store = open(path, number);
    for (&execution, hashes) in acknowledged {
        let events = store.events(execution).unwrap();
        let found: BTreeSet<String> = events.iter().map(|event| event.hash().to_string()).collect();
        assert!(hashes.is_subset(&found), "an acknowledged event is lost");
        let report = verify_chains(events);
        assert!(report.is_clean(), "{report:?}");
    }
    assert_eq!(store.check().unwrap(), []);
}

const EACH: usize = 60;

fn append_many(store: &Store, execution: ExecutionId) {
    for _ in 0..EACH {
        let events = store.append(Some(execution), vec![draft("more"), draft("and more")]).unwrap();
        assert_eq!(events.len(), 2);
    }
}

#[test]
fn two_processes_append_to_one_file_without_gaps_or_duplicates() {
    if let Some((path, number)) = child() {
        let store = open(&path, number);
        append_many(&store, store.execution_ids().unwrap()[0]);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let execution = begin(&store, 1);
    let test = "two_processes_append_to_one_file_without_gaps_or_duplicates";
    let mut others: Vec<Child> = (2..4).map(|number| second_process(test, &path, number).spawn().unwrap()).collect();
    append_many(&store, execution);
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    let events = store.events(execution).unwrap();
    assert_eq!(events.len(), 1 + 3 * 2 * EACH);
    let mut positions: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for event in &events {
        positions.entry(event.chain()).or_default().push(event.envelope().seq);
    }
    assert_eq!(positions.len(), 3, "one chain for each process");
    for (chain, mut seqs) in positions {
        seqs.sort_unstable();
        let expected: Vec<u64> = (0..seqs.len() as u64).collect();
        assert_eq!(seqs, expected, "{chain:?}");
    }
    let report = verify_chains(events);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn several_processes_may_create_the_file_at_once() {
    if let Some((path, number)) = child() {
        begin(&open(&path, number), 1);
        return;
    }
    for _ in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belay.db");
        let test = "several_processes_may_create_the_file_at_once";
        let mut others: Vec<Child> =
            (2..6).map(|number| second_process(test, &path, number).stdout(Stdio::null()).spawn().unwrap()).collect();
        for other in &mut others {
            assert!(other.wait().unwrap().success());
        }
        assert_eq!(open(&path, 1).execution_ids().unwrap().len(), 4);
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9_in_the_middle_of_group_commits() {
    if let Some((path, number)) = child() {
        let store = open(&path, number);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let execution = begin(&store, 1);
                    loop {
                        let events = store.append(Some(execution), vec![draft("one"), draft("two")]).unwrap();
                        for event in events {
                            acknowledge(execution, event.hash());
                        }
                    }
                });
            }
        });
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    for round in 0..12 {
        let test = "what_was_acknowledged_survives_kill_9_in_the_middle_of_group_commits";
        let mut process = second_process(test, &path, 10 + round).stdout(Stdio::piped()).spawn().unwrap();
        let acknowledged = acknowledgements(&mut process, 7 + 13 * round as usize, true);
        assert_eq!(process.wait().unwrap().signal(), Some(9));
        assert!(!acknowledged.is_empty());
        assert_everything_is_there(&path, 1_000 + round, &acknowledged);
    }
}

#[test]
fn a_crash_at_each_named_point_loses_nothing_acknowledged_and_keeps_no_half() {
    if let Some((path, number)) = child() {
        let (point, nth) =
            (if number % 2 == 0 { belay_store::COMMIT_BEFORE } else { belay_store::COMMIT_AFTER }, number / 2);
        let reached = AtomicU32::new(0);
        let crash_points = CrashPoints::new(move |at| {
            if at == point && reached.fetch_add(1, Ordering::Relaxed) == nth {
                raise(Signal::SIGKILL).unwrap();
            }
        });
        let store = open_with(&path, number + 1, Options { crash_points, ..Options::default() });
        let execution = begin(&store, 3);
        acknowledge(execution, execution);
        loop {
            let events = store.append(Some(execution), vec![draft("a"), draft("b"), draft("c")]).unwrap();
            for event in events {
                acknowledge(execution, event.hash());
            }
        }
    }
    let test = "a_crash_at_each_named_point_loses_nothing_acknowledged_and_keeps_no_half";
    for number in 2..12 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belay.db");
        let mut process = second_process(test, &path, number).stdout(Stdio::piped()).spawn().unwrap();
        let acknowledged = acknowledgements(&mut process, 0, false);
        assert_eq!(process.wait().unwrap().signal(), Some(9));
        assert_everything_is_there(&path, 1_000, &acknowledged);
        let store = open(&path, 1_001);
        for execution in store.execution_ids().unwrap() {
            let events = store.events(execution).unwrap().len();
            assert_eq!(events % 3, 0, "a transaction is there as a whole");
            let acknowledged = acknowledged.get(&execution).map_or(0, |hashes| hashes.len().div_ceil(3) * 3);
            let after = if number % 2 == 1 { 3 } else { 0 };
            assert_eq!(events, acknowledged + after, "after the commit it is there, before it is not");
        }
    }
}

/// What every process of the next test adds: events and output, large enough that the log begins anew again and again.
fn write_much(store: &Store, execution: ExecutionId) {
    let mut large = draft("large");
    large.body = vec![7; 40_000];
    for at_ms in 0.. {
        let output = OutputChunk { stream: Stream::Stdout, at_ms, bytes: vec![8; 9_000] };
        store.append_output(execution, &format!("run-{}", at_ms / 100), output).unwrap();
        for event in store.append(Some(execution), vec![large.clone(), draft("small")]).unwrap() {
            acknowledge(execution, event.hash());
        }
    }
}

#[test]
fn opening_never_takes_other_processes_that_write_checkpoint_and_are_killed_for_damage() {
    let test = "opening_never_takes_other_processes_that_write_checkpoint_and_are_killed_for_damage";
    if let Some((path, number)) = child() {
        let store = open(&path, number);
        let execution = begin(&store, 1);
        write_much(&store, execution);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let mut acknowledged: BTreeMap<ExecutionId, BTreeSet<String>> = BTreeMap::new();
    let mut openings = 0;
    for round in 0..6 {
        let mut writers: Vec<Child> = (0..2)
            .map(|which| second_process(test, &path, 10 + 2 * round + which).stdout(Stdio::piped()).spawn().unwrap())
            .collect();
        let listeners: Vec<_> = writers
            .iter_mut()
            .map(|writer| writer.stdout.take().unwrap())
            .map(|lines| std::thread::spawn(move || acknowledged_in(lines)))
            .collect();
        for each in 0..20 {
            let store = open(&path, 1_000 + 100 * round + each);
            assert!(store.last_row().unwrap() >= 0);
            openings += 1;
        }
        for writer in &mut writers {
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
        for listener in listeners {
            for (execution, hashes) in listener.join().unwrap() {
                acknowledged.entry(execution).or_default().extend(hashes);
            }
        }
        let store = open(&path, 5_000 + round);
        for (&execution, hashes) in &acknowledged {
            let found: BTreeSet<String> =
                store.events(execution).unwrap().iter().map(|event| event.hash().to_string()).collect();
            assert!(hashes.is_subset(&found), "an acknowledged event is lost");
        }
    }
    assert_eq!(openings, 120);
    assert!(!acknowledged.is_empty());
}
