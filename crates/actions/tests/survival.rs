//! Belay is killed while a command runs: a process that drives a helper gets SIGKILL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use belay_actions::process::survivors::{self, Liveness};
use belay_actions::process::{Helpers, spool};
use belay_runbook::act::Ending;
use support::{eventually, gone, helper_program, helpers, silent, wait_for_file};
use tokio_util::sync::CancellationToken;

/// Starts something that drives a helper.
fn drive(home: &Path, invocation: &str, survives: bool, script: &str) -> Child {
    Command::new(helper_program())
        .args(["drive", home.to_str().unwrap(), invocation, &survives.to_string(), script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn kill(mut driver: Child) {
    driver.kill().unwrap();
    driver.wait().unwrap();
}

#[test]
fn a_command_dies_with_belay() {
    let home = tempfile::tempdir().unwrap();
    let ready = home.path().join("ready");
    let script = format!("(trap '' TERM; sleep 71) & touch {}; sleep 70", ready.display());
    let driver = drive(home.path(), "dies", false, &script);
    wait_for_file(&ready);
    let run = home.path().join("run");
    let found = survivors::find(&run).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0.invocation.as_str(), found[0].1), ("dies", Liveness::Watched));
    kill(driver);
    assert!(eventually(|| gone("dies")), "the helper ends the whole family, even what ignores the request");
    assert!(eventually(|| survivors::find(&run).unwrap().is_empty()), "nothing is left to recover");
}

#[test]
fn a_command_that_survives_is_finished_and_its_outcome_adopted() {
    let home = tempfile::tempdir().unwrap();
    let (ready, go) = (home.path().join("ready"), home.path().join("go"));
    let script = format!(
        "touch {}; while ! [ -e {} ]; do sleep 0.01; done; echo restored; exit 3",
        ready.display(),
        go.display()
    );
    let driver = drive(home.path(), "survives/1", true, &script);
    wait_for_file(&ready);
    kill(driver);
    let spooled = home.path().join("spool");
    assert_eq!(spool::adopt(&spooled, "survives/1").unwrap(), None, "it still runs");
    assert_eq!(survivors::find(&home.path().join("run")).unwrap()[0].1, Liveness::Watched);
    std::fs::write(&go, "").unwrap();
    assert!(eventually(|| spool::adopt(&spooled, "survives/1").unwrap().is_some()));
    let outcome = spool::adopt(&spooled, "survives/1").unwrap().unwrap();
    assert_eq!((outcome.ending, outcome.exit_code), (Ending::Failed, Some(3)));
    assert_eq!(outcome.output["stdout"], "restored\n");
    spool::acknowledge(&spooled, "survives/1").unwrap();
    assert_eq!(spool::adopt(&spooled, "survives/1").unwrap(), None);
}

#[test]
fn a_group_without_belay_and_helper_is_found_and_finished() {
    let home = tempfile::tempdir().unwrap();
    let ready = home.path().join("ready");
    // The child kills its own helper once Belay is dead, so that nobody watches it.
    let go = home.path().join("go");
    let script = format!(
        "setsid sleep 73 & helper=$PPID; touch {}; while ! [ -e {} ]; do sleep 0.01; done; kill -9 $helper; sleep 72",
        ready.display(),
        go.display()
    );
    let driver = drive(home.path(), "orphan", true, &script);
    wait_for_file(&ready);
    kill(driver);
    std::fs::write(&go, "").unwrap();
    let run = home.path().join("run");
    assert!(eventually(|| survivors::find(&run).unwrap()[0].1 == Liveness::Orphaned));
    let (survivor, _) = survivors::find(&run).unwrap().remove(0);
    assert!(survivors::finish(&survivor, Duration::from_millis(300)) >= 2);
    assert!(gone("orphan"), "what left the group is found by its mark");
    assert_eq!(survivors::find(&run).unwrap()[0].1, Liveness::Gone);
    survivors::forget(&run, "orphan").unwrap();
    assert!(survivors::find(&run).unwrap().is_empty());
}

#[test]
fn a_recycled_group_number_is_not_taken_for_a_survivor() {
    let home = tempfile::tempdir().unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let record = serde_json::json!({
        "version": 1, "invocation": "other", "group": own, "start_time": 1, "boot_id": boot.trim(),
        "survives": false, "helper": own, "helper_start_time": 1,
    });
    std::fs::write(home.path().join("x.json"), record.to_string()).unwrap();
    let found = survivors::find(home.path()).unwrap();
    assert_eq!(found[0].1, Liveness::Gone, "the number is ours, but the start time is another");
}

#[test]
fn a_damaged_spool_file_is_an_error_and_never_an_outcome() {
    let home = tempfile::tempdir().unwrap();
    let driver =
        drive(home.path(), "damaged", true, "echo $PPID; kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); sleep 0.05");
    driver.wait_with_output().unwrap();
    let spooled = home.path().join("spool");
    assert!(eventually(|| spool::adopt(&spooled, "damaged").unwrap().is_some()));
    let path = std::fs::read_dir(&spooled).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("succeeded", "failed")).unwrap();
    assert!(spool::adopt(&spooled, "damaged").is_err());
}

#[tokio::test]
async fn an_acknowledged_command_leaves_nothing_on_disk() {
    let home = tempfile::tempdir().unwrap();
    let helpers: Helpers = helpers().with_home(home.path().to_owned());
    for (invocation, survives) in [("plain", false), ("surviving", true)] {
        let command = belay_actions::process::Command { survives, ..support::script(invocation, "echo hi") };
        let outcome = helpers.run(command, &CancellationToken::new(), silent()).await;
        assert_eq!(outcome.ending, Ending::Succeeded);
        // One that survives has a helper of its own, which takes its record with it; its outcome waits in the spool.
        let records = survivors::find(&home.path().join("run")).unwrap().len();
        assert!(records == 1 || (survives && records == 0), "{invocation} is recorded until it is acknowledged");
        assert_eq!(spool::adopt(&home.path().join("spool"), invocation).unwrap().is_some(), survives);
        helpers.acknowledge(invocation).unwrap();
        assert!(survivors::find(&home.path().join("run")).unwrap().is_empty());
        assert_eq!(spool::adopt(&home.path().join("spool"), invocation).unwrap(), None);
    }
}

fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_helper_records_one_command_after_the_other_in_one_file_and_removes_it_at_its_end() {
    let home = tempfile::tempdir().unwrap();
    let run = home.path().join("run");
    let helpers: Helpers = helpers().with_home(home.path().to_owned());
    let never = CancellationToken::new();
    // The second one's record is shorter than what it overwrites.
    for invocation in ["a command with a long name", "short", "another command with a long name"] {
        let outcome = helpers.run(support::script(invocation, "true"), &never, silent()).await;
        assert_eq!(outcome.ending, Ending::Succeeded);
        let found = survivors::find(&run).unwrap();
        assert_eq!(found.len(), 1, "it is on record until its outcome is acknowledged");
        assert_eq!((found[0].0.invocation.as_str(), found[0].1), (invocation, Liveness::Gone));
        survivors::forget(&run, invocation).unwrap();
        assert_eq!(survivors::find(&run).unwrap().len(), 1, "nobody else writes where its helper lives");
        helpers.acknowledge(invocation).unwrap();
        assert!(survivors::find(&run).unwrap().is_empty());
        assert_eq!(files(&run), 1, "no command needs a file of its own");
    }
    drop(helpers);
    assert!(eventually(|| files(&run) == 0), "the helper leaves nothing behind");
}

#[tokio::test]
async fn commands_at_the_same_time_and_those_not_acknowledged_keep_records_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let run = home.path().join("run");
    let helpers: Helpers = helpers().with_home(home.path().to_owned());
    let never = CancellationToken::new();
    let (one, two) = tokio::join!(
        helpers.run(support::script("one", "true"), &never, silent()),
        helpers.run(support::script("two", "true"), &never, silent()),
    );
    assert_eq!((one.ending, two.ending), (Ending::Succeeded, Ending::Succeeded));
    helpers.run(support::script("three", "true"), &never, silent()).await;
    let known: Vec<_> = survivors::find(&run).unwrap().into_iter().map(|(found, _)| found.invocation).collect();
    assert_eq!(known, ["one", "three", "two"]);
    helpers.acknowledge("two").unwrap();
    let outcome = helpers.run(support::script("lost", "kill -9 $PPID; sleep 60"), &never, silent()).await;
    assert_eq!(outcome.ending, Ending::Lost);
    let known: Vec<_> = survivors::find(&run).unwrap().into_iter().map(|(found, _)| found.invocation).collect();
    assert_eq!(known, ["lost", "one", "three"], "the records outlive the helper");
    for invocation in known {
        helpers.acknowledge(&invocation).unwrap();
    }
    assert!(eventually(|| files(&run) == 0), "belay removes the files of a helper that is gone");
}

#[test]
fn a_record_that_was_let_go_of_is_cleared_once_its_helper_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let lives: u64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    for (name, start_time) in [("lives", lives), ("gone", lives + 1)] {
        let record = serde_json::json!({
            "version": 1, "invocation": name, "group": own, "start_time": 1, "boot_id": boot.trim(),
            "survives": false, "helper": own, "helper_start_time": start_time,
        });
        let text = record.to_string().replacen('{', "-", 1);
        std::fs::write(home.path().join(format!("{name}.json")), text).unwrap();
    }
    assert!(survivors::find(home.path()).unwrap().is_empty(), "what was let go of is nobody's record");
    survivors::clear(home.path()).unwrap();
    assert!(home.path().join("lives.json").exists(), "its helper may write there at any time");
    assert!(!home.path().join("gone.json").exists());
}

#[test]
fn a_record_that_was_never_written_is_cleared_once_its_helper_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let own = std::process::id();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let lives: u64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    let (lives, gone) = (format!("{own}-{lives}-1.json"), format!("{own}-{}-1.json", lives + 1));
    for name in [&lives, &gone] {
        std::fs::write(home.path().join(name), "").unwrap();
    }
    survivors::clear(home.path()).unwrap();
    assert!(home.path().join(lives).exists(), "its helper is about to write there");
    assert!(!home.path().join(gone).exists());
}

/// Needs `--features crash-points`; says so where they are not compiled in.
#[test]
fn a_crash_point_kills_at_its_passing_and_the_command_dies_with_it() {
    if !cfg!(feature = "crash-points") {
        eprintln!("skipped: crash points are not compiled in (--features crash-points)");
        return;
    }
    for point in
        ["spawn-before", "spawn-after", "reap-before", "reap-after", "acknowledge-before", "acknowledge-after:1"]
    {
        let home = tempfile::tempdir().unwrap();
        let status = Command::new(helper_program())
            .args(["drive", home.path().to_str().unwrap(), point, "false", "sleep 0.05"])
            .env("BELAY_CRASH_AT", point)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(9), "{point}");
        assert!(eventually(|| gone(point)), "{point}");
    }
    for point in ["helper-spawn-before", "helper-spawn-after", "helper-reap-before", "helper-reap-after"] {
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(helper_program())
            .args(["drive", home.path().to_str().unwrap(), point, "false", "sleep 0.05"])
            .env("BELAY_CRASH_AT", point)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Lost\n", "{point}");
        assert!(eventually(|| gone(point)), "{point}");
    }
}
