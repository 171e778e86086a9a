//! The engine in a simulated world.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "a failed test panics, and a test names only what it looks at"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, clippy::new_without_default, reason = "one simulation for every module")]
mod support;

mod approval;
mod by_hand;
mod digest;
mod failing;
mod golden;
mod interrupting;
mod late;
mod polling;
mod present_policy;
mod properties;
mod returning;
mod rollback;
mod rollback_steps;
mod scripts;
mod statements;
mod steps;
mod targets;
mod undo_approval;
mod undo_scripts;
