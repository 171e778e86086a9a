//! Tests with real worker processes.
//!
//! This binary is its own worker: started with the worker's subcommand it runs the worker, as `belay` does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]
#![allow(clippy::wildcard_enum_match_arm, reason = "any other end fails the test")]
#![allow(clippy::wildcard_imports, reason = "the tests share one vocabulary")]

mod confinement;
mod language;
mod lifetime;
mod limits;
mod replay;
mod story;
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(belay_script::WORKER_SUBCOMMAND) => return belay_script::worker_main(),
        Some(lifetime::PARENT_SUBCOMMAND) => return lifetime::parent_main(),
        Some(_) | None => {}
    }
    let mut trials = Vec::new();
    for (module, tests) in [
        ("confinement", confinement::TESTS),
        ("language", language::TESTS),
        ("lifetime", lifetime::TESTS),
        ("limits", limits::TESTS),
        ("replay", replay::TESTS),
        ("story", story::TESTS),
    ] {
        trials.extend(tests.iter().map(|(name, test)| {
            Trial::test(format!("{module}::{name}"), move || {
                test();
                Ok(())
            })
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
