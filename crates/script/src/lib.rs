//! Runs runbook scripts (JavaScript) in a `QuickJS` worker process and speaks with it.
//!
//! The worker has no access to files, network, processes or the clock. It touches the world only through host calls,
//! which [`Worker::run`] hands to a [`Host`]. Time and randomness come from the job and from recorded answers, so the
//! same job with the same answers makes the same calls and ends the same way.

mod client;
mod job;
pub mod wire;
mod worker;

pub use client::{Host, HostCall, HostReply, LogLine, ScriptEnd, ScriptOutcome, Worker};
pub use job::{Job, Limits};
pub use wire::{Limit, LogLevel};
pub use worker::{WORKER_SUBCOMMAND, worker_main};
