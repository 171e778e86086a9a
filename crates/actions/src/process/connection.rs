//! One helper from Belay's side: its pipes, what it was asked for, and what it says.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use belay_runbook::act::{Ending, Outcome};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::client::Helpers;
use super::family;
use super::protocol::{self, Frame, Order, Report, Request, VERSION};
use super::records::{Place, Places};
use super::survivors::{self, SurvivorError};
use crate::action::{OutputChunk, OutputSink};

/// What is read from a helper at a time.
const READ: usize = 16 * 1024;

/// Why a helper could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
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
    #[error("the helper cannot be listened to")]
    Listening(#[source] std::io::Error),
}

/// A record of a command that is not acknowledged.
#[derive(Debug)]
pub(super) struct Recorded {
    places: Arc<Mutex<Places>>,
    place: Place,
}

impl Recorded {
    pub(super) fn let_go(self) -> Result<(), SurvivorError> {
        lock(&self.places).let_go(self.place)
    }
}

/// Somebody who waits for a job.
pub(super) struct Waiting {
    pub(super) invocation: String,
    pub(super) output: OutputSink,
    pub(super) ended: oneshot::Sender<Outcome>,
    /// The job's process group and the start time of its leader.
    pub(super) group: Option<(i32, u64)>,
}

/// One helper and the jobs that it runs.
pub(super) struct Connection {
    stdin: Mutex<ChildStdin>,
    waiting: Arc<Mutex<BTreeMap<u64, Waiting>>>,
    pub(super) next_job: AtomicU64,
    pub(super) closed: Arc<AtomicBool>,
    places: Option<Arc<Mutex<Places>>>,
    pid: u32,
    start_time: u64,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn start(helpers: &Helpers) -> Result<Self, StartError> {
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
        let places =
            helpers.run_directory().map(|directory| Arc::new(Mutex::new(Places::new(directory, pid, start_time))));
        let listener = Listener {
            waiting: Arc::clone(&waiting),
            closed: Arc::clone(&closed),
            places: places.clone(),
            grace: helpers.limits.grace,
        };
        let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout)).map_err(StartError::Listening)?;
        tokio::spawn(listener.listen(child, stdout));
        Ok(Self { stdin: Mutex::new(stdin), waiting, next_job: AtomicU64::new(1), closed, places, pid, start_time })
    }

    /// Gives a command the file of its record.
    pub(super) fn record(&self, request: &mut Request) -> Option<Recorded> {
        let places = Arc::clone(self.places.as_ref()?);
        let place = lock(&places).take();
        request.record = Some(place.path.clone());
        Some(Recorded { places, place })
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Waiting>> {
        lock(&self.waiting)
    }

    pub(super) fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        lock(&self.stdin).write_all(bytes)
    }

    pub(super) fn cancel(&self, job: u64) {
        let mut bytes = Vec::new();
        protocol::put_message(&mut bytes, &Order::Cancel { job });
        if let Err(error) = self.write(&bytes) {
            tracing::debug!(%error, job, "a helper that is gone was not asked to cancel");
        }
    }

    /// Kills a helper that does not answer; whoever waits for it learns that it was lost.
    pub(super) fn give_up(&self) {
        let Some(helper) = i32::try_from(self.pid).ok().and_then(family::process) else { return };
        if helper.start_time == self.start_time {
            family::signal(&helper, rustix::process::Signal::KILL);
        }
    }
}

/// What reads the words of a helper, in a task: what a command's end is waited for with is woken by the pipe itself.
struct Listener {
    waiting: Arc<Mutex<BTreeMap<u64, Waiting>>>,
    closed: Arc<AtomicBool>,
    places: Option<Arc<Mutex<Places>>>,
    grace: Duration,
}

impl Drop for Listener {
    /// A helper that nobody listens to, because its runtime has ended, is not used any more.
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl Listener {
    async fn listen(self, child: Child, mut stdout: pipe::Receiver) {
        let mut received = Vec::new();
        loop {
            received.reserve(READ);
            match stdout.read_buf(&mut received).await {
                Ok(0) => break,
                Ok(_) => {}
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
        // Looking for what it left behind takes its time.
        if let Err(error) = tokio::task::spawn_blocking(move || self.bury(child)).await {
            tracing::warn!(%error, "what a helper left behind was not looked after to the end");
        }
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
    fn bury(&self, mut child: Child) {
        if let Err(error) = child.kill() {
            tracing::debug!(%error, "the helper had ended by itself");
        }
        if let Err(error) = child.wait() {
            tracing::debug!(%error, "the helper was reaped elsewhere");
        }
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for (job, waiting) in waiting {
            let ended = survivors::finish_lost(&waiting.invocation, waiting.group, self.grace);
            tracing::warn!(job, ended, "the helper of a command was lost");
            if waiting.ended.send(lost()).is_err() {
                tracing::debug!(job, "nobody waits for a command that was lost");
            }
        }
        if let Some(places) = &self.places {
            lock(places).orphan();
        }
    }
}

pub(super) fn lost() -> Outcome {
    Outcome {
        error: Some("the helper that watched the command was lost; what the command did is not known".to_owned()),
        ..Outcome::bare(Ending::Lost)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves maps and options whole, so a poisoned lock may be used on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
