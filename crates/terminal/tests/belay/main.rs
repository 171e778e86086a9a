//! The real binary: exit codes, JSON, and guided runs on a real terminal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod author;
mod bench;
mod candidates;
mod cockpit;
mod commands;
mod guided;
mod hints;
mod import;
mod keyring;
mod promises;
mod refusals;
mod secrets;
