//! Belay's side of the helper.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use belay_runbook::act::{Ending, Outcome};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::family;
use super::protocol::{self, Frame, LARGEST_FRAME, Order, Report, Request, VERSION};
use super::spool::{self, SpoolError};
use super::survivors::{self, SurvivorError};
use crate::action::{OutputChunk, OutputSink};

/// Limits of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Between asking a command to end and killing it.
    pub grace: Duration,
    /// How long output is still read that something in the background holds after the command ended.
    pub linger: Duration,
    /// Bytes kept of each stream: the first and the last half.
    pub keep: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { grace: Duration::from_secs(2), linger: Duration::from_secs(1), keep: 8 * 1024 * 1024 }
    }
}

/// A command that is ready to run: every template replaced, every secret resolved.
pub struct Command {
    /// The unique, stable text of the invocation.
    pub invocation: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The working directory; the helper's own where absent.
    pub directory: Option<PathBuf>,
    /// Variables beyond those that every child gets.
    pub environment: BTreeMap<String, String>,
    /// Values that may appear in no output.
    pub secrets: Vec<SecretString>,
    /// Longest time.
    pub timeout: Option<Duration>,
    /// Whether it outlives Belay.
    pub survives: bool,
}

/// Starts helpers and runs commands under them.
///
/// One helper serves every command, at the same time or one after another; a command that outlives Belay gets one of its
/// own. Dropping this closes the pipes, upon which the helpers end whatever may not survive.
#[derive(Debug)]
pub struct Helpers {
    program: PathBuf,
    arguments: Vec<OsString>,
    home: Option<PathBuf>,
    limits: Limits,
    shared: Mutex<Option<Arc<Connection>>>,
}

/// Why a helper could not be started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("the helper `{program}` could not be started")]
    Spawn {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the directory `{directory}` could not be made")]
    Directory {
        directory: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the helper gave no pipe")]
    NoPipe,
    #[error("the helper could not be greeted")]
    Greeting(#[source] std::io::Error),
    #[error("the thread that listens to the helper could not be started")]
    Thread(#[source] std::io::Error),
}

impl Helpers {
    /// Helpers that are started as `program arguments…`, with nothing left on disk.
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, home: None, limits: Limits::default(), shared: Mutex::new(None) }
    }

    /// Keeps records of running commands in `home/run` and outcomes of surviving ones in `home/spool`.
    #[must_use]
    pub fn with_home(self, home: PathBuf) -> Self {
        Self { home: Some(home), ..self }
    }

    /// Replaces the limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Where running commands are recorded.
    pub fn run_directory(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join("run"))
    }

    /// Where outcomes of surviving commands are left.
    pub fn spool_directory(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join("spool"))
    }

    /// Starts the shared helper, so that the first command does not wait for it. A failure shows up again, as an outcome,
    /// when a command needs the helper.
    pub fn warm(&self) {
        if let Err(error) = self.shared_connection() {
            tracing::warn!(error = %chain(&error), "the helper could not be started ahead of time");
        }
    }

    /// Runs a command to its end. `output` gets redacted bytes while it runs, on a thread of its own.
    ///
    /// Dropping the future cancels the command, unless it survives.
    pub async fn run(&self, command: Command, cancel: &CancellationToken, output: OutputSink) -> Outcome {
        let not_started = |problem: String| Outcome { error: Some(problem), ..Outcome::bare(Ending::NotStarted) };
        if cancel.is_cancelled() {
            return not_started("it was cancelled before it started".to_owned());
        }
        if command.survives && self.home.is_none() {
            return not_started("a command that survives needs a place for its outcome".to_owned());
        }
        let survives = command.survives;
        let limit = command.timeout;
        let request = self.request(command);
        let sent = match self.send(request, &output) {
            Ok(sent) => sent,
            Err(problem) => return not_started(problem),
        };
        let job = sent.job;
        let connection = sent.connection;
        let mut ended = sent.ended;
        let mut guard = CancelOnDrop { connection: Arc::clone(&connection), job, armed: !survives };
        // The helper keeps the time; this only notices a helper that does not answer any more.
        let overdue = limit.map(|limit| limit + self.limits.grace + self.limits.linger + Duration::from_secs(10));
        let outcome = tokio::select! {
            outcome = &mut ended => outcome,
            () = cancel.cancelled() => {
                connection.cancel(job);
                let patience = self.limits.grace + self.limits.linger + Duration::from_secs(10);
                settle(tokio::time::timeout(patience, &mut ended).await, &connection)
            }
            () = sleep_or_never(overdue) => {
                connection.give_up();
                ended.await
            }
        };
        guard.armed = false;
        crate::crash::point("reap-after");
        outcome.unwrap_or_else(|_| lost())
    }

    /// Removes what is left on disk about an invocation, once its outcome stands in the journal.
    pub fn acknowledge(&self, invocation: &str) -> Result<(), AcknowledgeError> {
        crate::crash::point("acknowledge-before");
        // The record goes last: as long as it is there, the next start finds what was not removed.
        if let Some(directory) = self.spool_directory() {
            spool::acknowledge(&directory, invocation)?;
        }
        if let Some(directory) = self.run_directory() {
            survivors::forget(&directory, invocation)?;
        }
        crate::crash::point("acknowledge-after");
        Ok(())
    }

    fn request(&self, command: Command) -> Request {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Request {
            job: 0,
            invocation: command.invocation,
            argv: command.argv,
            directory: command.directory,
            environment: command.environment,
            secrets: command.secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect(),
            timeout_ms: command.timeout.map(milliseconds),
            grace_ms: milliseconds(self.limits.grace),
            linger_ms: milliseconds(self.limits.linger),
            keep: self.limits.keep,
            survives: command.survives,
            run_directory: self.run_directory(),
            spool_directory: self.spool_directory(),
        }
    }

    /// Sends a request. A helper that died while nobody used it is replaced once, since it cannot have started anything.
    fn send(&self, mut request: Request, output: &OutputSink) -> Result<Sent, String> {
        let survives = request.survives;
        for last in [false, true] {
            let connection = if survives { Connection::start(self).map(Arc::new) } else { self.shared_connection() };
            let connection = connection.map_err(|error| chain(&error))?;
            let (sender, ended) = oneshot::channel();
            request.job = connection.next_job.fetch_add(1, Ordering::Relaxed);
            let job = request.job;
            connection.waiting().insert(
                job,
                Waiting {
                    invocation: request.invocation.clone(),
                    output: Arc::clone(output),
                    ended: sender,
                    group: None,
                },
            );
            let mut bytes = Vec::new();
            let order = Order::Run(Box::new(request));
            protocol::put_message(&mut bytes, &order);
            if bytes.len() > LARGEST_FRAME / 4 {
                connection.waiting().remove(&job);
                return Err("the command and its environment are too large".to_owned());
            }
            crate::crash::point("spawn-before");
            match connection.write(&bytes) {
                Ok(()) => {
                    crate::crash::point("spawn-after");
                    return Ok(Sent { job, connection, ended });
                }
                Err(error) => {
                    connection.waiting().remove(&job);
                    connection.closed.store(true, Ordering::Release);
                    if last {
                        return Err(format!("the helper does not listen: {error}"));
                    }
                }
            }
            let Order::Run(unsent) = order else { return Err("the helper does not listen".to_owned()) };
            request = *unsent;
        }
        Err("the helper does not listen".to_owned())
    }

    fn shared_connection(&self) -> Result<Arc<Connection>, StartError> {
        let mut shared = lock(&self.shared);
        if let Some(connection) = shared.as_ref().filter(|connection| !connection.closed.load(Ordering::Acquire)) {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(Connection::start(self)?);
        *shared = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

/// Why what is left of an invocation could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum AcknowledgeError {
    /// The record of its process group.
    #[error(transparent)]
    Record(#[from] SurvivorError),
    /// Its spooled outcome.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

struct Sent {
    job: u64,
    connection: Arc<Connection>,
    ended: oneshot::Receiver<Outcome>,
}

type Ended = Result<Outcome, oneshot::error::RecvError>;

/// The outcome of a cancelled command, or of one whose helper does not even answer that.
fn settle(answer: Result<Ended, tokio::time::error::Elapsed>, connection: &Connection) -> Ended {
    answer.unwrap_or_else(|_| {
        connection.give_up();
        Ok(lost())
    })
}

fn lost() -> Outcome {
    Outcome {
        error: Some("the helper that watched the command was lost; what the command did is not known".to_owned()),
        ..Outcome::bare(Ending::Lost)
    }
}

async fn sleep_or_never(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves maps and options whole, so a poisoned lock may be used on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cancels a command whose future is dropped.
struct CancelOnDrop {
    connection: Arc<Connection>,
    job: u64,
    armed: bool,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if self.armed {
            self.connection.cancel(self.job);
        }
    }
}

/// Somebody who waits for a job.
struct Waiting {
    invocation: String,
    output: OutputSink,
    ended: oneshot::Sender<Outcome>,
    /// The job's process group and the start time of its leader.
    group: Option<(i32, u64)>,
}

/// One helper and the jobs that it runs.
struct Connection {
    stdin: Mutex<ChildStdin>,
    waiting: Arc<Mutex<BTreeMap<u64, Waiting>>>,
    next_job: AtomicU64,
    closed: Arc<AtomicBool>,
    pid: u32,
    start_time: u64,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Connection {
    fn start(helpers: &Helpers) -> Result<Self, StartError> {
        for directory in [helpers.run_directory(), helpers.spool_directory()].into_iter().flatten() {
            std::fs::create_dir_all(&directory)
                .map_err(|source| StartError::Directory { directory: directory.display().to_string(), source })?;
        }
        let mut child = std::process::Command::new(&helpers.program)
            .args(&helpers.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| StartError::Spawn { program: helpers.program.display().to_string(), source })?;
        let pid = child.id();
        let start_time = i32::try_from(pid).ok().and_then(family::process).map_or(0, |process| process.start_time);
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(StartError::NoPipe);
        };
        let mut hello = Vec::new();
        protocol::put_message(&mut hello, &Order::Hello { version: VERSION });
        stdin.write_all(&hello).map_err(StartError::Greeting)?;
        let waiting = Arc::default();
        let closed = Arc::new(AtomicBool::new(false));
        let listener =
            Listener { waiting: Arc::clone(&waiting), closed: Arc::clone(&closed), grace: helpers.limits.grace };
        std::thread::Builder::new()
            .name("belay-helper".to_owned())
            .spawn(move || listener.listen(child, stdout))
            .map_err(StartError::Thread)?;
        Ok(Self { stdin: Mutex::new(stdin), waiting, next_job: AtomicU64::new(1), closed, pid, start_time })
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Waiting>> {
        lock(&self.waiting)
    }

    fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        lock(&self.stdin).write_all(bytes)
    }

    fn cancel(&self, job: u64) {
        let mut bytes = Vec::new();
        protocol::put_message(&mut bytes, &Order::Cancel { job });
        if let Err(error) = self.write(&bytes) {
            tracing::debug!(%error, job, "a helper that is gone was not asked to cancel");
        }
    }

    /// Kills a helper that does not answer; whoever waits for it learns that it was lost.
    fn give_up(&self) {
        let Some(helper) = i32::try_from(self.pid).ok().and_then(family::process) else { return };
        if helper.start_time == self.start_time {
            family::signal(&helper, rustix::process::Signal::KILL);
        }
    }
}

/// The thread that reads what a helper says.
struct Listener {
    waiting: Arc<Mutex<BTreeMap<u64, Waiting>>>,
    closed: Arc<AtomicBool>,
    grace: Duration,
}

impl Listener {
    fn listen(self, mut child: Child, mut stdout: ChildStdout) {
        let mut received = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match stdout.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => received.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::warn!(%error, "a helper could not be read");
                    break;
                }
            }
            let Some(taken) = self.take_all(&received) else { break };
            received.drain(..taken);
        }
        self.closed.store(true, Ordering::Release);
        drop(stdout);
        if let Err(error) = child.kill() {
            tracing::debug!(%error, "the helper had ended by itself");
        }
        if let Err(error) = child.wait() {
            tracing::debug!(%error, "the helper was reaped elsewhere");
        }
        self.bury();
    }

    /// Handles every whole frame; `None` where the helper talks nonsense.
    fn take_all(&self, received: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            match protocol::take(&received[at..]) {
                Ok(None) => return Some(at),
                Ok(Some((Frame::Output { job, stream, bytes }, length))) => {
                    let output = lock(&self.waiting).get(&job).map(|waiting| Arc::clone(&waiting.output));
                    if let Some(output) = output {
                        output(OutputChunk { stream, bytes: bytes.to_vec() });
                    }
                    at += length;
                }
                Ok(Some((Frame::Message(body), length))) => {
                    self.hear(serde_json::from_slice(body).ok()?)?;
                    at += length;
                }
                Err(error) => {
                    tracing::warn!(%error, "a helper sent nonsense");
                    return None;
                }
            }
        }
    }

    fn hear(&self, report: Report) -> Option<()> {
        match report {
            Report::Hello { version } => return (version == VERSION).then_some(()),
            Report::Started { job, pid, start_time } => {
                if let Some(waiting) = lock(&self.waiting).get_mut(&job) {
                    waiting.group = Some((pid, start_time));
                }
            }
            Report::Ended { job, outcome } => {
                crate::crash::point("reap-before");
                let waiting = lock(&self.waiting).remove(&job);
                if let Some(waiting) = waiting
                    && waiting.ended.send(*outcome).is_err()
                {
                    tracing::debug!(job, "nobody waits for the outcome of a command any more");
                }
            }
        }
        Some(())
    }

    /// Ends what a lost helper watched, and tells everybody who waits.
    fn bury(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for (job, waiting) in waiting {
            let ended = survivors::finish_lost(&waiting.invocation, waiting.group, self.grace);
            tracing::warn!(job, ended, "the helper of a command was lost");
            if waiting.ended.send(lost()).is_err() {
                tracing::debug!(job, "nobody waits for a command that was lost");
            }
        }
    }
}
