//! What a worker is asked to run, and within which limits.

use std::time::Duration;

use serde_json::{Map, Value};

/// One script with everything it can see.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The body of an async function.
    pub script: String,
    /// Read by the script as `variables`, frozen.
    pub variables: Map<String, Value>,
    /// Read and written by the script as `context`.
    pub context: Map<String, Value>,
    /// Global objects whose every method is a host function: `kubernetes`, `http`.
    pub host_objects: Vec<String>,
    /// Seeds `Math.random`.
    pub seed: u64,
    /// What `Date.now` returns until the first host call is answered, in milliseconds since the epoch.
    pub start: i64,
    /// The limits.
    pub limits: Limits,
}

/// Limits of one script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that the script's values may take.
    pub memory: usize,
    /// Bytes of stack.
    pub stack: usize,
    /// Time that the script may compute; waiting for a host call does not count.
    pub run_time: Duration,
    /// Host calls, replayed ones included.
    pub host_calls: u32,
    /// Bytes, as JSON, of the returned value together with the published context, and of one call's arguments.
    pub output: usize,
    /// Bytes of log text; what is beyond is dropped with a mark.
    pub log: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            stack: 512 << 10,
            run_time: Duration::from_secs(10),
            host_calls: 200,
            output: 1 << 20,
            log: 256 << 10,
        }
    }
}
