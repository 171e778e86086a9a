//! Who descends from whom, read from `/proc`, and signals that cannot hit a recycled number.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One process as `/proc/PID/stat` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// Ticks since boot; together with the number it names one process for as long as the machine runs.
    pub(super) start_time: u64,
    pub(super) zombie: bool,
}

/// Reads one process; `None` where there is none of that number.
pub(super) fn process(pid: i32) -> Option<Process> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The name stands in parentheses and may hold any character, so the fields are counted from its last one.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    Some(Process {
        pid,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

/// Every process that exists now.
pub(super) fn everyone() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

/// The identity of this boot of the machine.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The mark in a process's environment as it was when its program started; `None` where it cannot be read or has none.
pub(super) fn mark(pid: i32) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{}=", super::INVOCATION_VARIABLE);
    environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(prefix.as_bytes()))
        .map(|mark| String::from_utf8_lossy(mark).into_owned())
}

/// Which processes a job is made of.
pub(super) struct Kin<'a> {
    /// The process that adopts orphans: the helper itself.
    pub(super) helper: i32,
    /// The job's child, which leads its group.
    pub(super) leader: i32,
    pub(super) mark: &'a str,
    /// Whether orphans without any mark are this job's, because the helper runs no other.
    pub(super) alone: bool,
}

impl Kin<'_> {
    /// The living members of the job: its group, everything below its child, and orphans that carry its mark.
    pub(super) fn members(&self) -> Vec<Process> {
        let everyone: BTreeMap<i32, Process> = everyone().into_iter().map(|process| (process.pid, process)).collect();
        let ours: BTreeSet<i32> = everyone
            .values()
            .filter(|process| process.pid == self.leader || self.is_ours(process))
            .map(|process| process.pid)
            .filter(|pid| *pid == self.leader || descends(&everyone, *pid, self.helper))
            .collect();
        everyone
            .values()
            .filter(|process| !process.zombie)
            .filter(|process| ours.iter().any(|member| descends(&everyone, process.pid, *member)))
            .copied()
            .collect()
    }

    fn is_ours(&self, process: &Process) -> bool {
        process.group == self.leader
            || (process.parent == self.helper && mark(process.pid).map_or(self.alone, |mark| mark == self.mark))
    }
}

/// Every living descendant of a process.
pub(super) fn descendants(ancestor: i32) -> Vec<Process> {
    let everyone: BTreeMap<i32, Process> = everyone().into_iter().map(|process| (process.pid, process)).collect();
    everyone
        .values()
        .filter(|process| process.pid != ancestor && !process.zombie && descends(&everyone, process.pid, ancestor))
        .copied()
        .collect()
}

fn descends(everyone: &BTreeMap<i32, Process>, pid: i32, ancestor: i32) -> bool {
    let mut at = pid;
    // Bounded, because the table was read while it changed and could hold a circle.
    for _ in 0..everyone.len() {
        if at == ancestor {
            return true;
        }
        match everyone.get(&at) {
            Some(process) if process.parent > 0 => at = process.parent,
            Some(_) | None => return false,
        }
    }
    false
}

/// Signals exactly this process and not one that took its number since. True where it was still there.
pub(super) fn signal(process: &Process, signal: Signal) -> bool {
    let Some(pid) = Pid::from_raw(process.pid) else { return false };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    // The handle fixes the process; only then is it certain that the start time read is that of the one signalled.
    let same = self::process(process.pid).is_some_and(|now| now.start_time == process.start_time);
    same && pidfd_send_signal(&handle, signal).is_ok()
}
