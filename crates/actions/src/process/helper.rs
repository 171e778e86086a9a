//! The helper: a process that starts children, watches them, and ends them when Belay is gone.
//!
//! One thread and one `poll` over the pipe from Belay, the pipes of the children and a handle of each child, so nothing
//! waits for a clock while something happens. The helper is a session leader without a terminal: neither Ctrl-C nor a
//! hang-up reaches it, and no child can ask for a password. It adopts orphans of its children (a child subreaper), which
//! is how those are found that fork twice.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use belay_runbook::act::{Ending, Outcome};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, getpid, setrlimit, setsid, wait};

use super::family::{self, Kin};
use super::job::Job;
use super::protocol::{self, Frame, Order, Report, Request, VERSION};
use super::records::Records;
use super::spool;

/// Output that Belay has not taken yet; beyond it children are not read, so that memory stays bounded.
const OUTBOX_LIMIT: usize = 4 * 1024 * 1024;

/// What is read from one pipe at a time.
const BUFFER: usize = 128 * 1024;

/// How long processes that were left in the background may take to end once Belay is gone.
const FAREWELL: Duration = Duration::from_secs(2);

/// The whole life of a helper; the binary calls it when its first argument is `__helper`.
pub fn helper_main() -> ExitCode {
    // It fails for a process that already leads a group, which a shell may have made of it; that is fine.
    if let Err(error) = setsid() {
        tracing::debug!(%error, "the helper keeps its session");
    }
    if let Err(error) = rustix::process::set_child_subreaper(Some(getpid())) {
        tracing::warn!(%error, "processes that fork twice will not be found");
    }
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "children may leave core files");
    }
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    if rustix::io::ioctl_fionbio(stdout.as_fd(), true).is_err() {
        return ExitCode::FAILURE;
    }
    Helper::new(stdin.as_fd(), stdout.as_fd()).run()
}

/// Which thing a polled descriptor belongs to.
#[derive(Clone, Copy)]
enum Source {
    Belay,
    Outbox,
    Child,
    Stream(u64, usize),
    Held(usize),
}

struct Helper<'fd> {
    stdin: BorrowedFd<'fd>,
    stdout: BorrowedFd<'fd>,
    own: i32,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    jobs: BTreeMap<u64, Job>,
    records: Records,
    held: Vec<Option<OwnedFd>>,
    belay_gone: bool,
    greeted: bool,
    buffer: Vec<u8>,
}

impl<'fd> Helper<'fd> {
    fn new(stdin: BorrowedFd<'fd>, stdout: BorrowedFd<'fd>) -> Self {
        Self {
            stdin,
            stdout,
            own: getpid().as_raw_nonzero().get(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            jobs: BTreeMap::new(),
            records: Records::new(),
            held: Vec::new(),
            belay_gone: false,
            greeted: false,
            buffer: vec![0; BUFFER],
        }
    }

    fn run(mut self) -> ExitCode {
        loop {
            if self.belay_gone && self.jobs.is_empty() {
                crate::crash::point("helper-farewell");
                if self.farewell() {
                    self.records.remove_all();
                }
                return ExitCode::SUCCESS;
            }
            let ready = match self.wait() {
                Ok(ready) => ready,
                Err(Errno::INTR) => Vec::new(),
                Err(_) => return ExitCode::FAILURE,
            };
            let mut child_ended = false;
            for source in ready {
                match source {
                    Source::Belay => self.receive(),
                    Source::Outbox => {}
                    Source::Child => child_ended = true,
                    Source::Stream(job, stream) => self.read_stream(job, stream),
                    Source::Held(index) => self.discard(index),
                }
            }
            if child_ended {
                self.reap();
            }
            self.advance();
            self.send();
        }
    }

    fn wait(&mut self) -> Result<Vec<Source>, Errno> {
        let mut sources = Vec::new();
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        if !self.belay_gone {
            sources.push(Source::Belay);
            fds.push(PollFd::new(&self.stdin, PollFlags::IN));
            if !self.outbox.is_empty() {
                sources.push(Source::Outbox);
                fds.push(PollFd::new(&self.stdout, PollFlags::OUT));
            }
        }
        let reading = self.outbox.len() < OUTBOX_LIMIT;
        for (id, job) in &self.jobs {
            if !job.exited() {
                sources.push(Source::Child);
                fds.push(PollFd::new(&job.handle, PollFlags::IN));
            }
            for (index, tap) in job.streams.iter().enumerate() {
                if let Some(pipe) = tap.pipe.as_ref().filter(|_| reading) {
                    sources.push(Source::Stream(*id, index));
                    fds.push(PollFd::new(pipe, PollFlags::IN));
                }
            }
        }
        for (index, pipe) in self.held.iter().enumerate() {
            if let Some(pipe) = pipe {
                sources.push(Source::Held(index));
                fds.push(PollFd::new(pipe, PollFlags::IN));
            }
        }
        let now = Instant::now();
        let timeout = self.jobs.values().filter_map(Job::wakes_at).min().map(|at| {
            Timespec::try_from(at.saturating_duration_since(now)).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 })
        });
        poll(&mut fds, timeout.as_ref())?;
        let ready = fds.iter().zip(sources).filter(|(fd, _)| !fd.revents().is_empty()).map(|(_, source)| source);
        Ok(ready.collect())
    }

    fn receive(&mut self) {
        match rustix::io::read(self.stdin, &mut *self.buffer) {
            Ok(0) => self.lost_belay(),
            Ok(length) => {
                self.inbox.extend_from_slice(&self.buffer[..length]);
                self.obey();
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.lost_belay(),
        }
    }

    fn obey(&mut self) {
        let inbox = std::mem::take(&mut self.inbox);
        let mut at = 0;
        loop {
            let order = match protocol::take(&inbox[at..]) {
                Ok(None) => break,
                Ok(Some((Frame::Message(body), length))) => {
                    at += length;
                    serde_json::from_slice::<Order>(body).ok()
                }
                Ok(Some((Frame::Output { .. }, _))) | Err(_) => None,
            };
            match order {
                Some(Order::Hello { version }) => {
                    protocol::put_message(&mut self.outbox, &Report::Hello { version: VERSION });
                    self.greeted = version == VERSION;
                    self.send();
                    crate::redact::warm();
                    if !self.greeted {
                        self.send();
                        self.lost_belay();
                        return;
                    }
                }
                Some(Order::Run(request)) if self.greeted => self.start(*request),
                Some(Order::Cancel { job }) => self.stop(job, Ending::Cancelled),
                // Nonsense on the pipe means that nobody sane is at its other end.
                Some(Order::Run(_)) | None => {
                    self.lost_belay();
                    return;
                }
            }
        }
        self.inbox = inbox[at..].to_vec();
    }

    fn start(&mut self, request: Request) {
        let id = request.job;
        match Job::start(request, &mut self.records, Instant::now()) {
            Ok(job) => {
                let started = Report::Started { job: id, pid: job.pid, start_time: job.start_time };
                protocol::put_message(&mut self.outbox, &started);
                self.jobs.insert(id, job);
            }
            Err(not_started) => {
                let outcome = Outcome { error: Some(not_started.problem), ..Outcome::bare(Ending::NotStarted) };
                protocol::put_message(&mut self.outbox, &Report::Ended { job: id, outcome: Box::new(outcome) });
            }
        }
    }

    fn stop(&mut self, id: u64, ending: Ending) {
        let alone = self.jobs.len() == 1;
        if let Some(job) = self.jobs.get_mut(&id) {
            let mark = job.mark();
            let kin = Kin { helper: self.own, leader: job.pid, mark: &mark, alone };
            job.stop(ending, Instant::now(), &kin);
        }
    }

    fn lost_belay(&mut self) {
        self.belay_gone = true;
        self.outbox.clear();
        let doomed: Vec<u64> = self.jobs.iter().filter(|(_, job)| !job.request.survives).map(|(id, _)| *id).collect();
        for id in doomed {
            self.stop(id, Ending::Cancelled);
        }
    }

    fn read_stream(&mut self, id: u64, index: usize) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(tap) = job.streams.get_mut(index) else { return };
        let shown = tap.read(&mut self.buffer);
        if !shown.is_empty() && !self.belay_gone {
            protocol::put_output(&mut self.outbox, id, tap.stream, &shown);
        }
    }

    fn discard(&mut self, index: usize) {
        let Some(pipe) = self.held.get_mut(index) else { return };
        let Some(open) = pipe.as_ref() else { return };
        match rustix::io::read(open, &mut *self.buffer) {
            Ok(0) => *pipe = None,
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => *pipe = None,
        }
        while self.held.last().is_some_and(Option::is_none) {
            self.held.pop();
        }
    }

    /// Takes every dead child, orphans that were adopted included.
    fn reap(&mut self) {
        crate::crash::point("helper-reap-before");
        let now = Instant::now();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = Pid::as_raw(Some(pid));
            if let Some(job) = self.jobs.values_mut().find(|job| job.pid == pid && !job.exited()) {
                job.reaped(status, now);
            }
        }
        crate::crash::point("helper-reap-after");
    }

    fn advance(&mut self) {
        let now = Instant::now();
        let alone = self.jobs.len() == 1;
        let own = self.own;
        let over: Vec<u64> =
            self.jobs.iter_mut().filter_map(|(id, job)| job.advance(now, own, alone).then_some(*id)).collect();
        for id in over {
            if let Some(job) = self.jobs.remove(&id) {
                self.finish(id, job);
            }
        }
    }

    fn finish(&mut self, id: u64, job: Job) {
        let spooled = job.request.spool_directory.clone().filter(|_| job.request.survives);
        let invocation = job.request.invocation.clone();
        let record = job.request.record.clone();
        let over = job.finish();
        self.held.extend(over.held.into_iter().map(Some));
        if let Some(directory) = spooled
            && let Err(error) = spool::leave(&directory, &invocation, &over.outcome)
        {
            tracing::error!(%error, "the outcome of a command could not be spooled");
        }
        if self.belay_gone {
            if let Some(record) = record {
                self.records.remove(&record);
            }
            return;
        }
        for (stream, bytes) in &over.rest {
            if !bytes.is_empty() {
                protocol::put_output(&mut self.outbox, id, *stream, bytes);
            }
        }
        protocol::put_message(&mut self.outbox, &Report::Ended { job: id, outcome: Box::new(over.outcome) });
    }

    fn send(&mut self) {
        let mut sent = 0;
        while !self.belay_gone && sent < self.outbox.len() {
            match rustix::io::write(self.stdout, &self.outbox[sent..]) {
                Ok(length) => sent += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    self.lost_belay();
                    return;
                }
            }
        }
        self.outbox.drain(..sent.min(self.outbox.len()));
    }

    /// Ends what finished commands left in the background; says whether nothing is left.
    fn farewell(&self) -> bool {
        let until = Instant::now() + FAREWELL;
        let mut sent = Signal::TERM;
        loop {
            let left = family::descendants(self.own);
            if left.is_empty() {
                return true;
            }
            for process in &left {
                family::signal(process, sent);
            }
            let now = Instant::now();
            if sent == Signal::KILL && now >= until + FAREWELL {
                return false;
            }
            // Adopted processes end as children of this one, so waiting for one of their handles is enough.
            let handles: Vec<OwnedFd> = left
                .iter()
                .filter_map(|process| Pid::from_raw(process.pid))
                .filter_map(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok())
                .collect();
            for handle in &handles {
                let patience = until.saturating_duration_since(Instant::now());
                let patience = if sent == Signal::KILL { FAREWELL } else { patience };
                let timeout = Timespec::try_from(patience).unwrap_or(Timespec { tv_sec: 2, tv_nsec: 0 });
                if poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&timeout)).is_err() {
                    break;
                }
            }
            if Instant::now() >= until {
                sent = Signal::KILL;
            }
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        }
    }
}
