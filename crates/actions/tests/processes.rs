//! Commands under a real helper, with children that misbehave.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use belay_actions::action::{OutputChunk, Stream};
use belay_actions::process::{Command, Limits};
use belay_runbook::act::Ending;
use rstest::rstest;
use support::{gone, helpers, quick, script, silent, wait_for_file};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_gives_its_output_and_status() {
    let outcome = helpers().run(script("a", "echo out; echo err >&2"), &CancellationToken::new(), silent()).await;
    assert_eq!(outcome.ending, Ending::Succeeded, "{outcome:?}");
    assert_eq!(outcome.output["stdout"], "out\n");
    assert_eq!(outcome.output["stderr"], "err\n");
    assert_eq!(outcome.exit_code, Some(0));
    assert_eq!(outcome.streams[0].bytes, 4);
    assert!(!outcome.streams[0].truncated);
    assert_eq!(outcome.excerpt, "out\n[stderr]\nerr\n");
}

#[tokio::test]
async fn a_status_other_than_zero_is_a_failure_with_the_last_line_of_stderr() {
    let outcome = helpers().run(script("b", "echo broken >&2; exit 7"), &CancellationToken::new(), silent()).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(outcome.exit_code, Some(7));
    assert_eq!(outcome.error.as_deref(), Some("exit status 7: broken"));
}

#[tokio::test]
async fn a_program_that_does_not_exist_was_never_started() {
    let command = Command { argv: vec!["belay-no-such-program".into()], ..script("c", "") };
    let outcome = helpers().run(command, &CancellationToken::new(), silent()).await;
    assert_eq!(outcome.ending, Ending::NotStarted);
    assert!(outcome.error.unwrap().contains("hint: install it"));
}

#[tokio::test]
async fn json_on_stdout_is_parsed() {
    let outcome = helpers().run(script("d", r#"echo '{"a": [1, 2]}'"#), &CancellationToken::new(), silent()).await;
    assert_eq!(outcome.output["json"]["a"][1], 2);
}

#[tokio::test]
async fn a_child_sees_only_the_variables_that_pass_and_its_own() {
    let mut command = script("e", "env");
    command.environment = BTreeMap::from([("OWN".to_owned(), "{{ .Alert }} $(id)".to_owned())]);
    let outcome = helpers().run(command, &CancellationToken::new(), silent()).await;
    let text = outcome.output["stdout"].as_str().unwrap();
    assert!(text.contains("OWN={{ .Alert }} $(id)\n"), "a value stays as it is");
    assert!(text.contains("TERM=dumb\n"));
    assert!(text.contains("BELAY_INVOCATION="));
    assert!(!text.contains("CARGO"), "what is not on the list stays behind: {text}");
}

#[rstest]
#[case::that_ignores_the_request("trap '' TERM; touch $READY; while :; do sleep 60; done")]
#[case::that_forks_twice("(setsid sh -c 'trap \"\" TERM; touch $READY; exec sleep 61' &) ; sleep 60")]
#[case::that_ends_at_once("touch $READY; sleep 60")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_family_is_dead(#[case] text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let invocation = format!("cancel/{text}");
    let mut command = script(&invocation, text);
    command.environment.insert("READY".into(), ready.display().to_string());
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let waiting = ready.clone();
    let canceller = tokio::task::spawn_blocking(move || {
        wait_for_file(&waiting);
        token.cancel();
    });
    let outcome = helpers().run(command, &cancel, silent()).await;
    canceller.await.unwrap();
    assert_eq!(outcome.ending, Ending::Cancelled, "{outcome:?}");
    assert!(gone(&invocation), "no process of the invocation is left");
}

#[tokio::test]
async fn a_command_over_its_time_is_stopped_with_its_family() {
    let command = Command {
        timeout: Some(Duration::from_millis(200)),
        ..script("late", "sh -c 'trap \"\" TERM; sleep 63' & sleep 62")
    };
    let outcome = helpers().run(command, &CancellationToken::new(), silent()).await;
    assert_eq!(outcome.ending, Ending::TimedOut);
    assert!(gone("late"), "no process of the invocation is left");
}

#[tokio::test]
async fn output_that_something_in_the_background_holds_is_given_up_and_said_so() {
    let helpers = helpers();
    let outcome = helpers.run(script("hold", "sleep 64 & echo done"), &CancellationToken::new(), silent()).await;
    assert_eq!(outcome.ending, Ending::Succeeded);
    let text = outcome.output["stdout"].as_str().unwrap();
    assert!(text.starts_with("done\n") && text.contains("in the background"), "{text}");
    assert!(!gone("hold"), "what was left in the background on purpose lives on");
    drop(helpers);
    assert!(support::eventually(|| gone("hold")), "and ends with the helper");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_of_output_is_bounded_and_never_blocks() {
    let received = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&received);
    let sink = Arc::new(move |chunk: OutputChunk| {
        assert_eq!(chunk.stream, Stream::Stdout);
        *count.lock().unwrap() += chunk.bytes.len();
    });
    let command = script("big", "yes 0123456789abcdef0123456789abcdef | head -c 1000000000; echo the-end");
    let helpers = helpers().with_limits(Limits { keep: 1024 * 1024, ..quick() });
    let outcome = helpers.run(command, &CancellationToken::new(), sink).await;
    assert_eq!(outcome.ending, Ending::Succeeded);
    assert_eq!(outcome.streams[0].bytes, 1_000_000_008);
    assert!(outcome.streams[0].truncated);
    assert!(*received.lock().unwrap() < 1_200_000, "only what is kept is sent");
    let text = outcome.output["stdout"].as_str().unwrap();
    assert!(text.starts_with("0123") && text.ends_with("the-end\n") && text.contains("bytes left out"));
    assert!(text.len() < 70_000 && outcome.excerpt.len() <= 4096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_one_helper_run_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let helpers = Arc::new(helpers());
    // Each of the two waits for the file of the other, so neither ends unless both run.
    let meet = |own: &str, other: &str| {
        let path = folder.path().display();
        script(
            &format!("meet-{own}"),
            &format!("touch {path}/{own}; while ! [ -e {path}/{other} ]; do sleep 0.01; done"),
        )
    };
    let (token, other) = (CancellationToken::new(), Arc::clone(&helpers));
    let (a, b) =
        tokio::join!(helpers.run(meet("x", "y"), &token, silent()), other.run(meet("y", "x"), &token, silent()));
    assert_eq!((a.ending, b.ending), (Ending::Succeeded, Ending::Succeeded));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_never_leaves_the_helper() {
    let mut command =
        script("secret", "printf '%s' \"$TOKEN\" | fold -w 3 | tr -d '\\n'; echo; printf %s \"$TOKEN\" | base64 >&2");
    command.environment.insert("TOKEN".into(), "correct horse battery".into());
    command.secrets.push("correct horse battery".to_owned().into());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let outcome = helpers()
        .run(command, &CancellationToken::new(), Arc::new(move |chunk| sink.lock().unwrap().extend(chunk.bytes)))
        .await;
    let everything = format!("{outcome:?}{}", String::from_utf8_lossy(&seen.lock().unwrap()));
    assert!(everything.contains("[redacted]"));
    assert!(!everything.contains("horse") && !everything.contains("Y29ycmVjdCBob3JzZSBi"), "{everything}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_helper_that_dies_makes_the_outcome_lost_and_the_next_command_gets_another() {
    let helpers = helpers();
    let outcome = helpers.run(script("lost", "kill -9 $PPID; sleep 65"), &CancellationToken::new(), silent()).await;
    assert_eq!(outcome.ending, Ending::Lost);
    assert!(support::eventually(|| gone("lost")), "what the helper watched does not run on");
    let outcome = helpers.run(script("next", "true"), &CancellationToken::new(), silent()).await;
    assert_eq!(outcome.ending, Ending::Succeeded);
}

#[tokio::test]
async fn dropping_the_future_cancels_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let helpers = helpers();
    let cancel = CancellationToken::new();
    let command = script("dropped", &format!("touch {}; sleep 66", ready.display()));
    let watcher = tokio::task::spawn_blocking(move || wait_for_file(&ready));
    tokio::select! {
        _ = helpers.run(command, &cancel, silent()) => panic!("it sleeps for a minute"),
        _ = watcher => {}
    }
    assert!(support::eventually(|| gone("dropped")), "nobody waits for it, so it is stopped");
}

#[tokio::test]
async fn a_short_command_does_not_wait_for_a_clock() {
    let helpers = helpers();
    helpers.run(script("warm", "true"), &CancellationToken::new(), silent()).await;
    let start = Instant::now();
    for _ in 0..20 {
        helpers.run(script("true", "true"), &CancellationToken::new(), silent()).await;
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?} for twenty", start.elapsed());
}
