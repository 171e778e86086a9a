//! What the tests start: a helper (`__helper`), something that drives one and can be killed (`drive`), and a
//! measurement of what the helper costs (`measure`). No part of a shipped build.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a tool of the tests")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use belay_actions::process::{Command, Helpers, helper_main};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("__helper") => return helper_main(),
        Some("drive") => drive(&arguments[1..]),
        Some("measure") => measure(),
        other => panic!("unknown role {other:?}"),
    }
    ExitCode::SUCCESS
}

fn helpers() -> Helpers {
    Helpers::new(std::env::current_exe().unwrap(), vec!["__helper".into()])
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// `drive HOME INVOCATION SURVIVES SCRIPT`: runs a script and prints the ending.
fn drive(arguments: &[String]) {
    let [home, invocation, survives, script] = arguments else { panic!("wrong arguments") };
    let helpers = helpers().with_home(PathBuf::from(home));
    let command = Command { survives: survives == "true", ..command(invocation, &["/bin/sh", "-c", script]) };
    let outcome = runtime().block_on(helpers.run(command, &CancellationToken::new(), Arc::new(|_| {})));
    println!("{:?}", outcome.ending);
    helpers.acknowledge(invocation).unwrap();
}

fn command(invocation: &str, argv: &[&str]) -> Command {
    Command {
        invocation: invocation.to_owned(),
        argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
        directory: None,
        environment: std::collections::BTreeMap::new(),
        secrets: Vec::new(),
        timeout: None,
        survives: false,
    }
}

fn measure() {
    const ROUNDS: usize = 500;
    let home = tempfile::tempdir().unwrap();
    let bare = helpers();
    let recorded = helpers().with_home(home.path().to_owned());
    let runtime = runtime();
    let plain = median(ROUNDS, || {
        assert!(std::process::Command::new("/bin/true").status().unwrap().success());
    });
    let captured = median(ROUNDS, || {
        assert!(std::process::Command::new("/bin/true").output().unwrap().status.success());
    });
    let run = |helpers: &Helpers| {
        {
            let _inside = runtime.enter();
            helpers.warm();
        }
        median(ROUNDS, || {
            let outcome = runtime.block_on(async {
                let command = command("measure", &["/bin/true"]);
                helpers.run(command, &CancellationToken::new(), Arc::new(|_| {})).await
            });
            assert_eq!(outcome.exit_code, Some(0));
            // As in real use, where no invocation comes twice: replacing a file costs far more than making one.
            helpers.acknowledge("measure").unwrap();
        })
    };
    let without = run(&bare);
    let with = run(&recorded);
    println!("median of {ROUNDS} x /bin/true, in microseconds");
    println!("Command::status                 {plain}");
    println!("Command::output                 {captured}");
    println!("helper, nothing on disk         {without}");
    println!("helper, with a record of groups {with}");
}

fn median(rounds: usize, mut once: impl FnMut()) -> u128 {
    let mut times: Vec<u128> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            once();
            start.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    times[rounds / 2]
}
