//! Which process groups are under way, so that recovery finds those that outlived Belay.
//!
//! A record is a small file that its helper writes for one command after the other ([`records`](super::records)): before
//! a child is started, and again when it exists. Once the outcome is acknowledged, Belay marks the record as let go of,
//! and the file is free for the next command. It is not synced: it has to survive the death of Belay, not that of the
//! machine, after which no process is left to find.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, test_kill_process_group};
use serde::{Deserialize, Serialize};

use super::family::{self, Process};

/// The version of the file.
pub(super) const VERSION: u16 = 1;

/// The first byte of a record, as JSON has it, and the one that takes its place when the record is let go of.
pub(super) const HELD: u8 = b'{';
pub(super) const LET_GO: u8 = b'-';

/// How often a record is read again that makes no sense.
const READS: usize = 3;

/// A process group that was started for an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    /// Version of this record.
    pub version: u16,
    /// The invocation that it belongs to.
    pub invocation: String,
    /// The process group, which is also the number of the process that leads it; 0 where the record is from before the
    /// start of the child.
    pub group: i32,
    /// Start time of the leader in ticks since boot, from `/proc/PID/stat`.
    pub start_time: u64,
    /// The boot in which it was started.
    pub boot_id: String,
    /// Whether it is meant to outlive Belay; its helper leaves the outcome in the spool.
    pub survives: bool,
    /// The helper that watches it.
    pub helper: i32,
    /// Start time of the helper.
    pub helper_start_time: u64,
}

/// What can be said about a recorded group now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Processes of it run, and its helper watches them.
    Watched,
    /// Processes of it run, and nobody watches them.
    Orphaned,
    /// Nothing of it is left.
    Gone,
}

/// Why the records could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SurvivorError {
    /// The directory could not be listed.
    #[error("the records of running commands in `{directory}` could not be listed")]
    List {
        /// The directory.
        directory: String,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// A record could not be removed or let go of.
    #[error("the record of a command could not be let go of")]
    Forget(#[source] std::io::Error),
}

/// Every recorded group and whether it still lives. A record that cannot be read is skipped with a log line.
pub fn find(directory: &Path) -> Result<Vec<(Survivor, Liveness)>, SurvivorError> {
    find_of(directory, "")
}

/// As [`find`], for the invocations that begin with a text.
pub fn find_of(directory: &Path, prefix: &str) -> Result<Vec<(Survivor, Liveness)>, SurvivorError> {
    let mut found = Vec::new();
    for (path, record) in records(directory)? {
        match record {
            Record::Held(survivor) if survivor.invocation.starts_with(prefix) => {
                let liveness = survivor.liveness();
                found.push((survivor, liveness));
            }
            Record::Held(_) | Record::LetGo(_) | Record::Blank => {}
            Record::Unreadable => tracing::warn!(path = %path.display(), "a record of a command is unreadable"),
        }
    }
    found.sort_by(|(a, _), (b, _)| a.invocation.cmp(&b.invocation));
    Ok(found)
}

/// Removes the record of an invocation whose helper is gone. A helper that lives removes its records itself, so that
/// nobody else writes where it may be writing about its next command.
pub fn forget(directory: &Path, invocation: &str) -> Result<(), SurvivorError> {
    for (path, record) in records(directory)? {
        if let Record::Held(survivor) = record
            && survivor.invocation == invocation
            && !survivor.has_helper()
        {
            super::remove(&path).map_err(SurvivorError::Forget)?;
        }
    }
    Ok(())
}

/// Removes the records that were let go of, and those that were never written, whose helper had no time to remove them.
pub fn clear(directory: &Path) -> Result<(), SurvivorError> {
    for (path, record) in records(directory)? {
        let idle = match record {
            Record::LetGo(survivor) => !survivor.has_helper(),
            Record::Blank => super::records::helper_of(&path).is_some_and(|(helper, start)| !lives(helper, start)),
            Record::Held(_) | Record::Unreadable => false,
        };
        if idle {
            super::remove(&path).map_err(SurvivorError::Forget)?;
        }
    }
    Ok(())
}

/// What a file says.
enum Record {
    Held(Survivor),
    LetGo(Survivor),
    /// The helper has made the file, and wrote nothing in it yet.
    Blank,
    Unreadable,
}

fn records(directory: &Path) -> Result<Vec<(PathBuf, Record)>, SurvivorError> {
    let list = |source| SurvivorError::List { directory: directory.display().to_string(), source };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(list)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(list)?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let mut record = read(&path);
        // A helper may be writing there right now.
        for _ in 0..READS {
            if !matches!(record, Some(Record::Unreadable)) {
                break;
            }
            std::thread::yield_now();
            record = read(&path);
        }
        found.extend(record.map(|record| (path, record)));
    }
    Ok(found)
}

/// `None` where the file is gone.
fn read(path: &Path) -> Option<Record> {
    let mut bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(_) => return Some(Record::Unreadable),
    };
    let Some(first) = bytes.first_mut() else { return Some(Record::Blank) };
    let let_go = *first == LET_GO;
    *first = HELD;
    Some(match serde_json::from_slice::<Survivor>(&bytes) {
        Ok(survivor) if survivor.version == VERSION && let_go => Record::LetGo(survivor),
        Ok(survivor) if survivor.version == VERSION => Record::Held(survivor),
        Ok(_) | Err(_) => Record::Unreadable,
    })
}

/// Ends every process of a group whose helper is gone: asks, waits for `grace`, kills. Returns how many were signalled.
///
/// Also finds those that left the group, by the mark in their environment. Blocks for at most twice the grace.
pub fn finish(survivor: &Survivor, grace: Duration) -> usize {
    let members = survivor.members();
    let count = members.len();
    signal(survivor, &members, Signal::TERM);
    wait_for(&members, grace);
    let left = survivor.members();
    if !left.is_empty() {
        signal(survivor, &left, Signal::KILL);
        wait_for(&left, grace.max(Duration::from_millis(200)));
    }
    count
}

/// Ends what a helper that was lost while Belay lives had started. Without a known group it is found by its mark.
pub(super) fn finish_lost(invocation: &str, child: Option<(i32, u64)>, grace: Duration) -> usize {
    let (group, start_time) = child.unwrap_or((0, 0));
    let survivor = Survivor {
        version: VERSION,
        invocation: invocation.to_owned(),
        group,
        start_time,
        boot_id: family::boot_id(),
        survives: false,
        helper: 0,
        helper_start_time: 0,
    };
    finish(&survivor, grace)
}

fn signal(survivor: &Survivor, members: &[Process], signal: Signal) {
    if survivor.group_is_ours()
        && let Some(group) = Pid::from_raw(survivor.group)
        && let Err(error) = kill_process_group(group, signal)
    {
        tracing::debug!(%error, group = survivor.group, "the group could not be signalled");
    }
    for process in members.iter().filter(|process| process.group != survivor.group) {
        family::signal(process, signal);
    }
}

/// Waits until all of them are gone or the time is over.
fn wait_for(members: &[Process], grace: Duration) {
    let until = Instant::now() + grace;
    for process in members {
        let Some(handle) = Pid::from_raw(process.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
            continue;
        };
        let left = until.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { continue };
        if let Err(error) = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&left)) {
            tracing::debug!(%error, "waiting for a process was interrupted");
        }
    }
}

/// Whether the process that was started at that time still runs.
fn lives(pid: i32, start_time: u64) -> bool {
    family::process(pid).is_some_and(|process| process.start_time == start_time && !process.zombie)
}

impl Survivor {
    /// Whether anything of it is left, and whether its helper watches it.
    pub fn liveness(&self) -> Liveness {
        if self.members().is_empty() {
            return Liveness::Gone;
        }
        if self.has_helper() { Liveness::Watched } else { Liveness::Orphaned }
    }

    /// Whether the helper that wrote the record lives.
    fn has_helper(&self) -> bool {
        self.boot_id == family::boot_id() && lives(self.helper, self.helper_start_time)
    }

    /// A group's number is not given to a new process while the group exists; so it is ours when its leader is the one
    /// recorded, or when there is no process of that number but a group.
    fn group_is_ours(&self) -> bool {
        if self.boot_id != family::boot_id() {
            return false;
        }
        match family::process(self.group) {
            Some(leader) => leader.start_time == self.start_time,
            None => Pid::from_raw(self.group).is_some_and(|group| test_kill_process_group(group).is_ok()),
        }
    }

    fn members(&self) -> Vec<Process> {
        if self.boot_id != family::boot_id() {
            return Vec::new();
        }
        let group = self.group_is_ours();
        let mark = super::file_key(&self.invocation);
        family::everyone()
            .into_iter()
            .filter(|process| !process.zombie)
            .filter(|process| {
                (group && process.group == self.group)
                    || (process.start_time >= self.start_time && family::mark(process.pid).as_ref() == Some(&mark))
            })
            .collect()
    }
}
