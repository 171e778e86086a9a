//! The client: starts a worker for one job, answers its calls, and ends it in time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::wire::{
    Answer, AnswerResult, FromWorker, Limit, LogLevel, Opening, PROTOCOL, WireEnd, WireJob, WireLimits, frame,
    frame_length,
};

/// Time beyond the run time that a worker gets to start, on a busy machine, and to report its own limits.
const GRACE: Duration = Duration::from_secs(3);

/// Time for a worker that closed its pipe to be gone by itself, so that its exit status is its own.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// Bytes of a broken worker's standard error that are kept.
const STDERR_LIMIT: u64 = 2048;

/// The signal of a process that used up its CPU time (`RLIMIT_CPU`).
const SIGXCPU: i32 = 24;

/// Performs or replays the host calls of a script, one at a time.
///
/// A call's future is dropped when the script is cancelled or reaches its deadline meanwhile.
pub trait Host: Sync {
    /// Answers one call.
    fn call(&self, call: HostCall) -> impl Future<Output = HostReply> + Send;

    /// Receives a log entry as it is made.
    fn log(&self, _line: &LogLine) {}
}

/// A call of a host function.
#[derive(Debug, Clone, PartialEq)]
pub struct HostCall {
    /// Its number, from zero.
    pub index: u32,
    /// `kubernetes.listPods`.
    pub function: String,
    /// Its positional arguments, a JSON array.
    pub arguments: Value,
}

/// The answer to a host call.
#[derive(Debug, Clone, PartialEq)]
pub enum HostReply {
    /// A value, and the instant recorded for it in milliseconds since the epoch.
    Value {
        /// The value.
        value: Value,
        /// Members of `context` that it sets for the rest of the script; they are not what the script publishes.
        published: BTreeMap<String, Value>,
        /// What `Date.now` returns from here on.
        at: i64,
    },
    /// The call failed; the script sees an exception.
    Error {
        /// The message.
        message: String,
        /// What `Date.now` returns from here on.
        at: i64,
    },
    /// The call waits for somebody: the worker ends, and a later one replays.
    Suspend,
}

/// A log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How important it is.
    pub level: LogLevel,
    /// The text, perhaps of several lines.
    pub text: String,
}

/// Everything known about a script that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptOutcome {
    /// How it ended.
    pub end: ScriptEnd,
    /// Host calls that were handed to the host.
    pub host_calls: u32,
    /// What it logged, within the limit.
    pub logs: Vec<LogLine>,
    /// Whether log entries beyond the limit were dropped.
    pub logs_truncated: bool,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ScriptEnd {
    /// It returned.
    Returned {
        /// The returned value; null for none.
        value: Value,
        /// Members of `context` that it changed; a deleted member is null.
        published: BTreeMap<String, Value>,
    },
    /// It threw, was no valid JavaScript, or returned or published something that is not JSON.
    Failed {
        /// The message.
        message: String,
        /// The line in the script, from one.
        line: Option<u32>,
        /// The script's own frames, innermost first, one a line.
        stack: String,
    },
    /// It ran into one of its job's limits.
    LimitExceeded(Limit),
    /// The deadline passed, waiting included; the worker was killed.
    DeadlineReached,
    /// It was cancelled; the worker was killed.
    Cancelled,
    /// The host suspended it at the call of this number; the worker was killed.
    Suspended {
        /// The call's number, from zero.
        index: u32,
    },
    /// No worker could be started; nothing of the script ran.
    NotStarted {
        /// Why.
        problem: String,
    },
    /// The worker died or spoke nonsense.
    Lost {
        /// What is known about it.
        problem: String,
    },
}

/// How to start a worker process: the `belay` binary with [`crate::WORKER_SUBCOMMAND`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// An absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Worker {
    /// A worker that is `program` itself under [`crate::WORKER_SUBCOMMAND`].
    pub fn subcommand_of(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: vec![crate::WORKER_SUBCOMMAND.into()] }
    }

    /// Runs one job to its end in a process of its own, which is gone when this returns.
    ///
    /// `deadline` counts from now and includes the time that host calls take; the job's run time does not. When the
    /// returned future is dropped, the worker is killed.
    pub async fn run<H: Host>(
        &self,
        job: &Job,
        host: &H,
        deadline: Option<Duration>,
        cancel: &CancellationToken,
    ) -> ScriptOutcome {
        let mut outcome =
            ScriptOutcome { end: ScriptEnd::Cancelled, host_calls: 0, logs: Vec::new(), logs_truncated: false };
        if cancel.is_cancelled() {
            return outcome;
        }
        let opening = match opening(job) {
            Ok(opening) => opening,
            Err(error) => {
                outcome.end = ScriptEnd::NotStarted { problem: format!("the job could not be sent: {error}") };
                return outcome;
            }
        };
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => {
                outcome.end = ScriptEnd::NotStarted { problem: format!("the worker could not be started: {error}") };
                return outcome;
            }
        };
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            outcome.end = ScriptEnd::Lost { problem: "the worker has no pipes".into() };
            return outcome;
        };
        let allowance = job.limits.run_time.saturating_add(GRACE);
        let mut conversation = Conversation { stdin, stdout, allowance, host, outcome: &mut outcome };
        let end = tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(ScriptEnd::Cancelled),
            () = reached(deadline) => Ok(ScriptEnd::DeadlineReached),
            end = conversation.hold(&opening) => end,
        };
        outcome.end = match end {
            Ok(end) => {
                end_child(&mut child).await;
                end
            }
            Err(error) => end_of_lost(&mut child, &error).await,
        };
        outcome
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            // Local time must not depend on the machine, or a replay elsewhere would differ.
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // An interrupt typed at the terminal is for Belay, which then ends the worker itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

struct Conversation<'a, H> {
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Time that the worker may still take while nobody waits for the host.
    allowance: Duration,
    host: &'a H,
    outcome: &'a mut ScriptOutcome,
}

impl<H: Host> Conversation<'_, H> {
    /// Speaks with the worker until the script has ended; an error means that the worker is lost.
    async fn hold(&mut self, opening: &[u8]) -> io::Result<ScriptEnd> {
        self.stdin.write_all(opening).await?;
        loop {
            let since = Instant::now();
            let Ok(bytes) = timeout(self.allowance, read_frame(&mut self.stdout)).await else {
                return Ok(ScriptEnd::LimitExceeded(Limit::RunTime));
            };
            self.allowance = self.allowance.saturating_sub(since.elapsed());
            match serde_json::from_slice(&bytes?)? {
                FromWorker::Call { index, function, arguments } => {
                    self.outcome.host_calls += 1;
                    let call = HostCall { index, function, arguments };
                    let name = call.function.clone();
                    let result = match self.host.call(call).await {
                        HostReply::Value { value, published, at } => {
                            answer_with_value(index, &name, &value, published, at)
                        }
                        HostReply::Error { message, at } => frame(&Answer {
                            index,
                            at,
                            published: BTreeMap::new(),
                            result: AnswerResult::Error(message),
                        }),
                        HostReply::Suspend => return Ok(ScriptEnd::Suspended { index }),
                    };
                    self.stdin.write_all(&result?).await?;
                }
                FromWorker::Log { level, text } => {
                    let line = LogLine { level, text };
                    self.host.log(&line);
                    self.outcome.logs.push(line);
                }
                FromWorker::LogTruncated => self.outcome.logs_truncated = true,
                FromWorker::Ended(end) => return Ok(end.into()),
                FromWorker::Refused { protocol: _, problem } => return Ok(ScriptEnd::NotStarted { problem }),
            }
        }
    }
}

impl From<WireEnd> for ScriptEnd {
    fn from(end: WireEnd) -> Self {
        match end {
            WireEnd::Returned { value, published } => Self::Returned { value, published },
            WireEnd::Failed { message, line, stack } => Self::Failed { message, line, stack },
            WireEnd::LimitExceeded(limit) => Self::LimitExceeded(limit),
        }
    }
}

fn opening(job: &Job) -> io::Result<Vec<u8>> {
    let limits = &job.limits;
    frame(&Opening {
        protocol: PROTOCOL,
        job: WireJob {
            script: job.script.clone(),
            variables: to_raw_value(&job.variables)?,
            context: to_raw_value(&job.context)?,
            host_objects: job.host_objects.clone(),
            seed: job.seed,
            start: job.start,
            limits: WireLimits {
                memory: limits.memory,
                stack: limits.stack,
                run_time_ms: u64::try_from(limits.run_time.as_millis()).unwrap_or(u64::MAX),
                host_calls: limits.host_calls,
                output: limits.output,
                log: limits.log,
            },
        },
    })
}

/// An answer too large for a frame becomes an error that the script sees, the same on every replay.
fn answer_with_value(
    index: u32,
    function: &str,
    value: &Value,
    published: BTreeMap<String, Value>,
    at: i64,
) -> io::Result<Vec<u8>> {
    match frame(&Answer { index, at, published, result: AnswerResult::Value(to_raw_value(value)?) }) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let message = format!("the answer of {function} is too large for a script");
            frame(&Answer { index, at, published: BTreeMap::new(), result: AnswerResult::Error(message) })
        }
        answer => answer,
    }
}

async fn read_frame(stdout: &mut ChildStdout) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    stdout.read_exact(&mut prefix).await?;
    let mut body = vec![0; frame_length(prefix)?];
    stdout.read_exact(&mut body).await?;
    Ok(body)
}

async fn reached(deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline).await,
        None => std::future::pending().await,
    }
}

/// Kills the worker and waits until it is gone.
async fn end_child(child: &mut Child) {
    // It fails only where the process has already ended and been waited for.
    child.kill().await.ok();
}

/// The end of a script whose worker broke off.
async fn end_of_lost(child: &mut Child, error: &io::Error) -> ScriptEnd {
    let status = timeout(EXIT_GRACE, child.wait()).await.ok().and_then(Result::ok);
    end_child(child).await;
    let mut stderr = Vec::new();
    if let Some(stream) = child.stderr.take() {
        // What can't be read is missing from the message and nowhere else.
        stream.take(STDERR_LIMIT).read_to_end(&mut stderr).await.ok();
    }
    let said = String::from_utf8_lossy(&stderr);
    if status.and_then(|status| status.signal()) == Some(SIGXCPU) {
        return ScriptEnd::LimitExceeded(Limit::RunTime);
    }
    // What Rust's allocator says before it aborts, here because of `RLIMIT_AS`.
    if said.contains("memory allocation of") {
        return ScriptEnd::LimitExceeded(Limit::Memory);
    }
    ScriptEnd::Lost { problem: lost_problem(status, said.trim(), error) }
}

fn lost_problem(status: Option<ExitStatus>, said: &str, error: &io::Error) -> String {
    let how = match status.map(|status| (status.signal(), status.code())) {
        Some((Some(signal), _)) => format!("the worker was ended by signal {signal}"),
        Some((None, Some(code))) => format!("the worker ended with status {code}"),
        Some((None, None)) | None => format!("the worker could not be understood: {error}"),
    };
    if said.is_empty() { how } else { format!("{how}: {said}") }
}
