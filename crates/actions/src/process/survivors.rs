//! Which process groups are under way: one small file per invocation, so that recovery finds those that outlived Belay.
//!
//! A file is written when the child exists and removed once its outcome is acknowledged. It is not synced: it has to
//! survive the death of Belay, not that of the machine, after which no process is left to find.

use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process_group, pidfd_open, test_kill_process_group};
use serde::{Deserialize, Serialize};

use super::family::{self, Process};
use super::protocol::Request;

/// The version of the file.
const VERSION: u16 = 1;

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
    /// A record could not be removed.
    #[error("the record of a command could not be removed")]
    Forget(#[source] std::io::Error),
}

/// Writes the record of a child, from inside the helper: before it is started without a group, in which case it can only
/// be found by its mark, and again once its group is known.
///
/// A record that cannot be written is logged and does not stop the act: the journal still holds its intent.
pub(super) fn record(request: &Request, child: Option<(i32, u64)>) {
    // Neither changes while the helper lives, and reading them costs as much as the record itself.
    static SELF: OnceLock<(String, u64)> = OnceLock::new();
    let Some(directory) = &request.run_directory else { return };
    let helper = getpid().as_raw_nonzero().get();
    let (boot_id, helper_start_time) =
        SELF.get_or_init(|| (family::boot_id(), family::process(helper).map_or(0, |process| process.start_time)));
    let (group, start_time) = child.unwrap_or((0, 0));
    let survivor = Survivor {
        version: VERSION,
        invocation: request.invocation.clone(),
        group,
        start_time,
        boot_id: boot_id.clone(),
        survives: request.survives,
        helper,
        helper_start_time: *helper_start_time,
    };
    let bytes = serde_json::to_vec(&survivor).expect("a record holds only text and numbers");
    if let Err(error) = overwrite(&path(directory, &request.invocation), &bytes, child.is_none()) {
        tracing::warn!(%error, "a running command could not be recorded");
    }
}

/// One write and no draft. The second record is never shorter than the first, so the file needs no cutting in between and
/// is whole at every instant.
fn overwrite(path: &Path, bytes: &[u8], first: bool) -> std::io::Result<()> {
    let mut file = std::fs::File::options().write(true).create(true).truncate(first).open(path)?;
    file.write_all(bytes)
}

/// Every recorded group and whether it still lives. A record that cannot be read is skipped with a log line.
pub fn find(directory: &Path) -> Result<Vec<(Survivor, Liveness)>, SurvivorError> {
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
        match std::fs::read(&path).map(|bytes| serde_json::from_slice::<Survivor>(&bytes)) {
            Ok(Ok(survivor)) if survivor.version == VERSION => {
                let liveness = survivor.liveness();
                found.push((survivor, liveness));
            }
            Ok(Ok(_) | Err(_)) | Err(_) => {
                tracing::warn!(path = %path.display(), "a record of a command is unreadable");
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.invocation.cmp(&b.invocation));
    Ok(found)
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

/// Removes the record of an invocation.
pub fn forget(directory: &Path, invocation: &str) -> Result<(), SurvivorError> {
    super::remove(&path(directory, invocation)).map_err(SurvivorError::Forget)
}

/// Removes the record of a child that could not be started.
pub(super) fn forget_unstarted(request: &Request) {
    if let Some(directory) = &request.run_directory
        && let Err(error) = forget(directory, &request.invocation)
    {
        tracing::warn!(%error, "a command that was never started stays on record");
    }
}

fn path(directory: &Path, invocation: &str) -> std::path::PathBuf {
    directory.join(format!("{}.json", super::file_key(invocation)))
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

impl Survivor {
    /// Whether anything of it is left, and whether its helper watches it.
    pub fn liveness(&self) -> Liveness {
        if self.members().is_empty() {
            return Liveness::Gone;
        }
        let watched = family::process(self.helper)
            .is_some_and(|process| process.start_time == self.helper_start_time && !process.zombie);
        if watched { Liveness::Watched } else { Liveness::Orphaned }
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
