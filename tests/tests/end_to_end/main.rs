//! The real `belay` binary against a real world: what holds when it is killed, starved, lied to and asked wrongly.
//!
//! The names of tests carry the ids of the invariants that they check.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed test panics, and what it skipped is told"
)]

mod broken_disk;
mod bundled;
mod candidates;
mod cluster_policy;
mod clusters;
mod command_line;
mod hostile_sources;
mod hostile_values;
mod identity;
mod kill_points;
mod present_policy;
mod random_kills;
mod reading;
mod rot;
mod services;
mod story;
mod support;
mod survival;
mod two_processes;
