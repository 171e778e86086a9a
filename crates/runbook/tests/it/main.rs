//! Tests of the runbook crate from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed test panics, and a skipped one says so"
)]

mod catalog;
mod hostile;
mod importing;
mod linting;
mod linting_values;
mod markdown;
mod reading;
mod reports;
mod roundtrip;
mod samples;
mod schema;
mod strategy;
