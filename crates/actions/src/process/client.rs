//! Belay's side of the helper.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use belay_runbook::act::{Ending, Outcome};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Recorded, StartError, Waiting, lock, lost};
use super::protocol::{self, LARGEST_FRAME, Order, Request};
use super::spool::{self, SpoolError};
use super::survivors::SurvivorError;
use crate::action::OutputSink;

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
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    home: Option<PathBuf>,
    pub(super) limits: Limits,
    shared: Mutex<Option<Arc<Connection>>>,
    /// Where commands are recorded that are not acknowledged yet, by invocation.
    recorded: Mutex<BTreeMap<String, Recorded>>,
}

impl Helpers {
    /// Helpers that are started as `program arguments…`, with nothing left on disk.
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self {
            program,
            arguments,
            home: None,
            limits: Limits::default(),
            shared: Mutex::default(),
            recorded: Mutex::default(),
        }
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
    /// when a command needs the helper. Like [`Self::run`] it has to be called within a tokio runtime, where a task listens.
    pub fn warm(&self) {
        if let Err(error) = self.shared_connection() {
            tracing::warn!(error = %chain(&error), "the helper could not be started ahead of time");
        }
    }

    /// Runs a command to its end. `output` gets redacted bytes while it runs, and must not block.
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

    /// Lets go of what this process and its helpers left on disk about an invocation, once its outcome stands in the
    /// journal.
    pub fn acknowledge(&self, invocation: &str) -> Result<(), AcknowledgeError> {
        crate::crash::point("acknowledge-before");
        // The record goes last: as long as it is there, the next start finds what was not removed.
        if let Some(directory) = self.spool_directory() {
            spool::acknowledge(&directory, invocation)?;
        }
        let recorded = lock(&self.recorded).remove(invocation);
        if let Some(recorded) = recorded {
            recorded.let_go()?;
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
            record: None,
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
            let recorded = connection.record(&mut request);
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
                unused(recorded);
                return Err("the command and its environment are too large".to_owned());
            }
            crate::crash::point("spawn-before");
            match connection.write(&bytes) {
                Ok(()) => {
                    crate::crash::point("spawn-after");
                    self.remember(order, recorded);
                    return Ok(Sent { job, connection, ended });
                }
                Err(error) => {
                    connection.waiting().remove(&job);
                    connection.closed.store(true, Ordering::Release);
                    unused(recorded);
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

    /// Keeps the place of a record until the invocation is acknowledged.
    fn remember(&self, order: Order, recorded: Option<Recorded>) {
        let (Order::Run(request), Some(recorded)) = (order, recorded) else { return };
        unused(lock(&self.recorded).insert(request.invocation, recorded));
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

/// Gives back a place that nothing is to be found in.
fn unused(recorded: Option<Recorded>) {
    if let Some(Err(error)) = recorded.map(Recorded::let_go) {
        tracing::warn!(%error, "the record of a command stays behind");
    }
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
