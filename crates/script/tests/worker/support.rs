//! What every test needs: a job, a scripted host, a run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use belay_script::{Host, HostCall, HostReply, Job, Limit, Limits, LogLine, ScriptEnd, ScriptOutcome, Worker};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// A test's name, which is a sentence, and the test.
pub type Test = (&'static str, fn());

/// Lists functions under their own names.
macro_rules! tests {
    ($($test:ident),* $(,)?) => {
        pub const TESTS: &[crate::support::Test] = &[$((stringify!($test), $test as fn())),*];
    };
}
pub(crate) use tests;

/// The instant at which every test's script starts.
pub const START: i64 = 1_760_000_000_000;

/// The worker that this test binary is.
pub fn worker() -> Worker {
    Worker::subcommand_of(std::env::current_exe().unwrap())
}

pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

/// A job without variables or context.
pub fn job(script: &str) -> Job {
    Job {
        script: script.into(),
        variables: Map::new(),
        context: Map::new(),
        host_objects: ["kubernetes", "cache", "metrics", "http", "database"].map(String::from).to_vec(),
        seed: 42,
        start: START,
        limits: Limits::default(),
    }
}

/// A job with a context.
pub fn job_in(script: &str, context: Value) -> Job {
    Job { context: object(context), ..job(script) }
}

/// A job with little time.
pub fn hasty(script: &str) -> Job {
    Job { limits: Limits { run_time: Duration::from_millis(300), ..Limits::default() }, ..job(script) }
}

/// Answers from a function, and keeps what was asked.
pub struct Scripted<F> {
    answer: F,
    pub calls: Mutex<Vec<(String, Value)>>,
}

impl<F: Fn(&HostCall) -> HostReply + Sync> Scripted<F> {
    pub fn new(answer: F) -> Self {
        Self { answer, calls: Mutex::default() }
    }

    pub fn functions(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|(function, _)| function.clone()).collect()
    }
}

impl<F: Fn(&HostCall) -> HostReply + Sync> Host for Scripted<F> {
    async fn call(&self, call: HostCall) -> HostReply {
        let reply = (self.answer)(&call);
        self.calls.lock().unwrap().push((call.function, call.arguments));
        reply
    }

    fn log(&self, _line: &LogLine) {}
}

/// A value that arrives one second after the start for each call so far.
pub fn value(call: &HostCall, value: Value) -> HostReply {
    HostReply::Value { value, published: BTreeMap::new(), at: START + 1000 * (i64::from(call.index) + 1) }
}

/// The same, with what it publishes.
pub fn publishing(call: &HostCall, given: Value, members: Value) -> HostReply {
    match value(call, given) {
        HostReply::Value { value, at, .. } => {
            HostReply::Value { value, at, published: object(members).into_iter().collect() }
        }
        reply => reply,
    }
}

/// A host that echoes its arguments.
pub fn echo() -> Scripted<impl Fn(&HostCall) -> HostReply + Sync> {
    Scripted::new(|call| value(call, json!({"function": call.function, "arguments": call.arguments})))
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Runs a job to its end.
pub fn run_with(job: &Job, host: &impl Host) -> ScriptOutcome {
    block_on(worker().run(job, host, None, &CancellationToken::new()))
}

/// Runs a script with the echoing host and returns how it ended.
pub fn run(script: &str) -> ScriptEnd {
    run_with(&job(script), &echo()).end
}

/// The value that a script returns.
#[track_caller]
pub fn returned(script: &str) -> Value {
    value_of(run(script))
}

#[track_caller]
pub fn value_of(end: ScriptEnd) -> Value {
    match end {
        ScriptEnd::Returned { value, .. } => value,
        other => panic!("did not return: {other:?}"),
    }
}

#[track_caller]
pub fn published(end: ScriptEnd) -> BTreeMap<String, Value> {
    match end {
        ScriptEnd::Returned { published, .. } => published,
        other => panic!("did not return: {other:?}"),
    }
}

/// The message and line with which a script fails.
#[track_caller]
pub fn failure(end: ScriptEnd) -> (String, Option<u32>) {
    match end {
        ScriptEnd::Failed { message, line, .. } => (message, line),
        other => panic!("did not fail: {other:?}"),
    }
}

#[track_caller]
pub fn limit(end: ScriptEnd) -> Limit {
    match end {
        ScriptEnd::LimitExceeded(limit) => limit,
        other => panic!("ran into no limit: {other:?}"),
    }
}
