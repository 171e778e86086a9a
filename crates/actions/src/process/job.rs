//! One child under the helper, from its start to its outcome.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use belay_runbook::act::{Ending, Outcome};
use rustix::process::{Pid, PidfdFlags, Signal, WaitStatus, kill_process_group, pidfd_open};

use super::capture::Capture;
use super::environment;
use super::family::{self, Kin};
use super::protocol::Request;
use super::records::Records;
use crate::action::Stream;
use crate::command::report::{self, Finished};
use crate::redact::Redaction;

/// How long a process that was killed may take to go; one that waits for a broken disk never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running job.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) pid: i32,
    pub(super) start_time: u64,
    pub(super) handle: OwnedFd,
    pub(super) streams: [Tap; 2],
    mark: String,
    deadline: Option<Instant>,
    phase: Phase,
    exit: Option<WaitStatus>,
    /// When the streams are given up although something still holds them.
    linger_until: Option<Instant>,
}

/// One output stream and what was taken from it.
pub(super) struct Tap {
    pub(super) stream: Stream,
    pub(super) pipe: Option<OwnedFd>,
    pub(super) capture: Capture,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// It was asked to end and is killed at an instant.
    Asked {
        ending: Ending,
        kill_at: Instant,
    },
    /// It was killed and is given up at an instant.
    Killed {
        ending: Ending,
        give_up_at: Instant,
    },
}

/// A job that could not be started.
pub(super) struct NotStarted {
    pub(super) problem: String,
}

/// What is left when a job is over.
pub(super) struct Over {
    pub(super) outcome: Outcome,
    /// Output that had not been shown.
    pub(super) rest: [(Stream, Vec<u8>); 2],
    /// Pipes that something in the background still holds; they are read on, so that it never blocks or dies of them.
    pub(super) held: Vec<OwnedFd>,
}

impl Job {
    /// Starts the child.
    pub(super) fn start(request: Request, records: &mut Records, now: Instant) -> Result<Self, NotStarted> {
        let mark = super::file_key(&request.invocation);
        let variables = environment::of_child(&request.environment, &mark);
        let path = variables.get(std::ffi::OsStr::new("PATH")).map(std::ffi::OsString::as_os_str);
        let Some((program, arguments)) = request.argv.split_first() else {
            return Err(NotStarted { problem: "the command is empty".to_owned() });
        };
        if let Some(directory) = request.directory.as_ref().filter(|directory| !directory.is_dir()) {
            return Err(NotStarted { problem: format!("directory `{}` does not exist", directory.display()) });
        }
        // Looked up here and not by the library, which would fork the whole process to search a changed `PATH`.
        let Some(found) = environment::find_program(program, path, request.directory.as_deref()) else {
            return Err(NotStarted { problem: report::not_found(program) });
        };
        let mut command = Command::new(&found);
        command
            .arg0(program)
            .args(arguments)
            .env_clear()
            .envs(&variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(directory) = &request.directory {
            command.current_dir(directory);
        }
        records.write(&request, None);
        crate::crash::point("helper-spawn-before");
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Err(NotStarted { problem: format!("`{program}` could not be started: {error}") }),
        };
        crate::crash::point("helper-spawn-after");
        let pid = i32::try_from(child.id()).expect("the kernel's process numbers are positive and small");
        let raw = Pid::from_raw(pid).expect("a child's number is not zero");
        let start_time = family::process(pid).map_or(0, |process| process.start_time);
        let handle = match pidfd_open(raw, PidfdFlags::NONBLOCK).or_else(|_| pidfd_open(raw, PidfdFlags::empty())) {
            Ok(handle) => handle,
            Err(error) => {
                // Without a handle its end cannot be noticed, so it does not run on unwatched.
                if let Err(error) = kill_process_group(raw, Signal::KILL) {
                    tracing::warn!(%error, pid, "a child without a handle could not be killed");
                }
                return Err(NotStarted { problem: format!("`{program}` could not be watched: {error}") });
            }
        };
        records.write(&request, Some((pid, start_time)));
        let redaction = Redaction::of_secrets(request.secrets.iter().map(String::as_str));
        let tap = |stream, pipe: Option<OwnedFd>| Tap {
            stream,
            pipe,
            capture: Capture::new(redaction.clone(), request.keep),
        };
        let streams = [
            tap(Stream::Stdout, child.stdout.take().map(OwnedFd::from)),
            tap(Stream::Stderr, child.stderr.take().map(OwnedFd::from)),
        ];
        let deadline = request.timeout_ms.and_then(|timeout| now.checked_add(Duration::from_millis(timeout)));
        Ok(Self {
            request,
            pid,
            start_time,
            handle,
            streams,
            mark,
            deadline,
            phase: Phase::Running,
            exit: None,
            linger_until: None,
        })
    }

    /// Whether its child was reaped.
    pub(super) fn exited(&self) -> bool {
        self.exit.is_some()
    }

    /// Notes how its child ended.
    pub(super) fn reaped(&mut self, status: WaitStatus, now: Instant) {
        self.exit = Some(status);
        self.linger_until = Some(now + Duration::from_millis(self.request.linger_ms));
    }

    /// Asks it to end; a later reason does not replace an earlier one.
    pub(super) fn stop(&mut self, ending: Ending, now: Instant, kin: &Kin<'_>) {
        if self.phase == Phase::Running {
            self.phase = Phase::Asked { ending, kill_at: now + Duration::from_millis(self.request.grace_ms) };
            self.signal(Signal::TERM, kin);
        }
    }

    /// Its family, for signals.
    pub(super) fn kin(&self, helper: i32, alone: bool) -> Kin<'_> {
        Kin { helper, leader: self.pid, mark: &self.mark, alone }
    }

    /// The identity of its family without a borrow of the job.
    pub(super) fn mark(&self) -> String {
        self.mark.clone()
    }

    fn signal(&self, signal: Signal, kin: &Kin<'_>) {
        // The group first and at once, so that a script cannot start its next command in between.
        if self.exit.is_none()
            && let Some(group) = Pid::from_raw(self.pid)
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, pid = self.pid, "the group could not be signalled");
        }
        for process in kin.members() {
            let signalled = process.group == self.pid && self.exit.is_none();
            if !signalled {
                family::signal(&process, signal);
            }
        }
    }

    /// When it has to be looked at again although nothing happens.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running if self.exited() => self.linger_until,
            Phase::Running => self.deadline,
            Phase::Asked { kill_at, .. } => Some(kill_at),
            Phase::Killed { give_up_at, .. } => {
                Some(self.linger_until.map_or(give_up_at, |linger| linger.min(give_up_at)))
            }
        }
    }

    /// Does what is due, and says whether the job is over.
    pub(super) fn advance(&mut self, now: Instant, helper: i32, alone: bool) -> bool {
        if self.exit.is_none() && self.deadline.is_some_and(|deadline| deadline <= now) {
            let mark = self.mark();
            self.stop(Ending::TimedOut, now, &Kin { helper, leader: self.pid, mark: &mark, alone });
        }
        if let Phase::Asked { ending, kill_at } = self.phase
            && kill_at <= now
        {
            self.kill(helper, alone);
            self.phase = Phase::Killed { ending, give_up_at: now + PATIENCE };
        }
        let silent = self.streams.iter().all(|tap| tap.pipe.is_none());
        let lingered = self.linger_until.is_some_and(|until| until <= now);
        match self.phase {
            Phase::Running => self.exited() && (silent || lingered),
            // The child may have gone while others of its family ignore the request; they are killed at the end of the
            // grace.
            Phase::Asked { .. } => self.exited() && silent && self.kin(helper, alone).members().is_empty(),
            Phase::Killed { give_up_at, .. } => (self.exited() && (silent || lingered)) || give_up_at <= now,
        }
    }

    /// Kills everything that belongs to it, again and again while a fork could have slipped through.
    fn kill(&self, helper: i32, alone: bool) {
        for _ in 0..20 {
            let kin = self.kin(helper, alone);
            self.signal(Signal::KILL, &kin);
            if kin.members().is_empty() {
                return;
            }
        }
        tracing::warn!(pid = self.pid, "processes of a job outlive their kill");
    }

    /// The outcome.
    pub(super) fn finish(self) -> Over {
        let (ending, given_up) = match self.phase {
            Phase::Running => (None, false),
            Phase::Asked { ending, .. } | Phase::Killed { ending, .. } => (Some(ending), self.exit.is_none()),
        };
        let mut held = Vec::new();
        let mut captured = Vec::with_capacity(2);
        let mut rest = Vec::with_capacity(2);
        for tap in self.streams {
            let remark = tap
                .pipe
                .is_some()
                .then_some("a process left in the background still holds this output; it is no longer read");
            held.extend(tap.pipe);
            let name = match tap.stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            let (shown, stream) = tap.capture.finish(name, remark);
            rest.push((tap.stream, shown));
            captured.push(stream);
        }
        let [stdout, stderr] =
            <[_; 2]>::try_from(captured).unwrap_or_else(|_| unreachable!("there are two streams by type"));
        let rest = <[_; 2]>::try_from(rest).unwrap_or_else(|_| unreachable!("there are two streams by type"));
        let outcome = report::outcome(Finished {
            stopped: ending,
            exit_code: self.exit.and_then(WaitStatus::exit_status),
            signal: self.exit.and_then(WaitStatus::terminating_signal),
            given_up,
            stdout,
            stderr,
        });
        Over { outcome, rest, held }
    }
}

impl Tap {
    /// Reads what is there; returns what can be shown. An end or an error closes the pipe.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Vec<u8> {
        let Some(pipe) = &self.pipe else { return Vec::new() };
        match rustix::io::read(pipe.as_fd(), &mut *buffer) {
            Ok(0) => {
                self.pipe = None;
                Vec::new()
            }
            Ok(length) => self.capture.push(&buffer[..length]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "the output of a child could not be read");
                self.pipe = None;
                Vec::new()
            }
        }
    }
}
