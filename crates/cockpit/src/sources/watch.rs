//! Watching added directories, so that a long-lived front end sees a changed runbook at once and need not look itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use belay_runbook::finding::Finding;
use belay_store::StoreError;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use serde::Serialize;
use tokio::sync::mpsc;

use super::index::index_directory;
use crate::Cockpit;
use crate::error::{CockpitError, chain};

/// An editor writes a file in several steps; what follows within this time is one change.
const QUIET: Duration = Duration::from_millis(40);
/// A directory in which something always changes is looked at all the same.
const LONGEST: Duration = Duration::from_millis(200);
/// How often somebody may have added a directory from another process, or mounted one that was away.
const ROUND: Duration = Duration::from_secs(2);
/// Changes that a slow front end may be behind; it lists the catalog anew after one, so that more say nothing more.
const CHANGES: usize = 64;

/// What changed in a directory of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogChange {
    /// The directory.
    pub source: String,
    /// How many runbooks are new or other than before.
    pub changed: usize,
    /// How many files are gone.
    pub removed: usize,
    /// What is wrong with files that were looked at.
    pub findings: Vec<Finding>,
}

/// Keeps the index up to date as long as it is held; searches do not look at the files meanwhile.
pub struct CatalogWatch {
    changes: mpsc::Receiver<CatalogChange>,
    /// Dropped to end the thread.
    stop: Option<Sender<Woken>>,
    thread: Option<JoinHandle<()>>,
    cockpit: Arc<Cockpit>,
}

impl CatalogWatch {
    /// The next change; `None` once nothing is watched any more.
    pub async fn next(&mut self) -> Option<CatalogChange> {
        self.changes.recv().await
    }
}

impl Drop for CatalogWatch {
    fn drop(&mut self) {
        self.cockpit.watched.fetch_sub(1, Ordering::AcqRel);
        if let Some(stop) = self.stop.take()
            && stop.send(Woken::Stop).is_err()
        {
            tracing::debug!("the watch of the catalog has ended before");
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the watch of the catalog has panicked");
        }
    }
}

enum Woken {
    Touched(Vec<PathBuf>),
    /// Something was missed: everything is looked at again.
    Missed,
    Stop,
}

impl Cockpit {
    /// Watches the added directories. The index is up to date when this returns.
    ///
    /// # Errors
    /// When the index cannot be written, or the system does not let files be watched.
    pub fn watch_catalog(self: &Arc<Self>) -> Result<CatalogWatch, CockpitError> {
        let (waker, queue) = channel();
        let stop = waker.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let woken = match event {
                Ok(event) if event.need_rescan() => Woken::Missed,
                // Reading a file changes nothing.
                Ok(event) if event.kind.is_access() => return,
                Ok(event) => Woken::Touched(event.paths),
                Err(error) => {
                    tracing::warn!(%error, "a change of the catalog may have been missed");
                    Woken::Missed
                }
            };
            if waker.send(woken).is_err() {
                tracing::debug!("nobody watches the catalog any more");
            }
        })
        .map_err(|error| CockpitError::environment("the directories of the catalog cannot be watched", &error))?;
        let (sender, changes) = mpsc::channel(CHANGES);
        let mut round = Round { cockpit: Arc::downgrade(self), watcher, watched: BTreeSet::new(), changes: sender };
        // Watched first: what changes while the index is brought up to date is seen again.
        round.arrange(self)?;
        self.store()?;
        self.index()?;
        self.watched.fetch_add(1, Ordering::AcqRel);
        let thread = std::thread::Builder::new().name("belay-catalog".to_owned()).spawn(move || round.run(&queue));
        match thread {
            Ok(thread) => {
                Ok(CatalogWatch { changes, stop: Some(stop), thread: Some(thread), cockpit: Arc::clone(self) })
            }
            Err(error) => {
                self.watched.fetch_sub(1, Ordering::AcqRel);
                Err(CockpitError::environment("the watch of the catalog cannot be started", &error))
            }
        }
    }

    /// Brings the index up to date, unless a watch does.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        if self.watched.load(Ordering::Acquire) > 0 { Ok(()) } else { self.index() }
    }
}

struct Round {
    cockpit: Weak<Cockpit>,
    watcher: RecommendedWatcher,
    watched: BTreeSet<String>,
    changes: mpsc::Sender<CatalogChange>,
}

impl Round {
    fn run(&mut self, queue: &Receiver<Woken>) {
        loop {
            let touched = match queue.recv_timeout(ROUND) {
                Ok(Woken::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(first) => match settle(first, queue) {
                    Some(touched) => touched,
                    None => return,
                },
                Err(RecvTimeoutError::Timeout) => Touched::default(),
            };
            let Some(cockpit) = self.cockpit.upgrade() else { return };
            if let Err(error) = self.look(&cockpit, &touched) {
                tracing::warn!(error = chain(&error), "the catalog cannot be looked at");
            }
        }
    }

    fn look(&mut self, cockpit: &Cockpit, touched: &Touched) -> Result<(), CockpitError> {
        let fresh = self.arrange(cockpit)?;
        for source in self.watched.clone() {
            let below = |path: &PathBuf| path.starts_with(Path::new(&source));
            if touched.everything || fresh.contains(&source) || touched.paths.iter().any(below) {
                let change = index_directory(cockpit, cockpit.store()?, &source)?;
                let tells = change.changed > 0 || change.removed > 0 || !change.findings.is_empty();
                if tells && self.changes.try_send(change).is_err() {
                    tracing::debug!("a front end is behind with the changes of the catalog");
                }
            }
        }
        Ok(())
    }

    /// Watches the directories that were added and no others; returns the new ones.
    fn arrange(&mut self, cockpit: &Cockpit) -> Result<BTreeSet<String>, CockpitError> {
        let wanted: BTreeSet<String> = cockpit.store()?.sources()?.into_iter().map(|source| source.path).collect();
        for gone in self.watched.difference(&wanted) {
            if let Err(error) = self.watcher.unwatch(Path::new(gone)) {
                tracing::debug!(%error, "a directory was watched no more");
            }
        }
        self.watched.retain(|source| wanted.contains(source));
        let mut fresh = BTreeSet::new();
        for source in wanted {
            // A directory that is not mounted is tried again in the next round.
            if !self.watched.contains(&source) {
                match self.watcher.watch(Path::new(&source), RecursiveMode::Recursive) {
                    Ok(()) => {
                        self.watched.insert(source.clone());
                        fresh.insert(source);
                    }
                    Err(error) => tracing::warn!(%error, "a directory of the catalog cannot be watched"),
                }
            }
        }
        Ok(fresh)
    }
}

#[derive(Default)]
struct Touched {
    paths: BTreeSet<PathBuf>,
    everything: bool,
}

/// Waits until a burst of changes is over; `None` when the watch is to end.
fn settle(first: Woken, queue: &Receiver<Woken>) -> Option<Touched> {
    let until = Instant::now() + LONGEST;
    let mut touched = Touched::default();
    let mut next = first;
    loop {
        match next {
            Woken::Touched(paths) => touched.paths.extend(paths),
            Woken::Missed => touched.everything = true,
            Woken::Stop => return None,
        }
        let patience = until.saturating_duration_since(Instant::now()).min(QUIET);
        match queue.recv_timeout(patience) {
            Ok(woken) if Instant::now() < until => next = woken,
            Ok(Woken::Stop) => return None,
            Ok(Woken::Touched(paths)) => {
                touched.paths.extend(paths);
                return Some(touched);
            }
            Ok(Woken::Missed) => {
                touched.everything = true;
                return Some(touched);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Some(touched),
        }
    }
}
