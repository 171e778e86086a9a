//! What the script has used of its limits.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::wire::Limit;

/// The script's run time, and the first limit it ran into.
pub(super) struct Budget {
    run_time: Duration,
    used: Cell<Duration>,
    running_since: Cell<Option<Instant>>,
    exceeded: Cell<Option<Limit>>,
}

impl Budget {
    /// A budget whose time runs from now.
    pub(super) fn started(run_time: Duration) -> Self {
        Self {
            run_time,
            used: Cell::new(Duration::ZERO),
            running_since: Cell::new(Some(Instant::now())),
            exceeded: Cell::new(None),
        }
    }

    /// Stops the time while a host call is under way.
    pub(super) fn pause(&self) {
        self.used.set(self.elapsed());
        self.running_since.set(None);
    }

    /// Lets the time run again.
    pub(super) fn resume(&self) {
        self.running_since.set(Some(Instant::now()));
    }

    /// Notes a limit that was run into; the first one counts.
    pub(super) fn exceed(&self, limit: Limit) {
        if self.exceeded.get().is_none() {
            self.exceeded.set(Some(limit));
        }
    }

    /// The limit that was run into, with the time looked at.
    pub(super) fn check(&self) -> Option<Limit> {
        if self.exceeded.get().is_none() && self.elapsed() > self.run_time {
            self.exceeded.set(Some(Limit::RunTime));
        }
        self.exceeded.get()
    }

    fn elapsed(&self) -> Duration {
        self.used.get() + self.running_since.get().map_or(Duration::ZERO, |since| since.elapsed())
    }
}
