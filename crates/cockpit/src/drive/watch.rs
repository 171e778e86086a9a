//! Noticing what other processes append to the same store: one look for all drives of this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use belay_store::{Store, StoreError};
use belay_trust::ExecutionId;
use tokio::sync::Notify;

/// How often the store is looked at. A look at an unchanged store reads one number.
const INTERVAL: Duration = Duration::from_millis(150);
/// How many events are taken in at a time.
const BATCH: usize = 1024;

/// Pokes a drive when its execution has new events.
#[derive(Default)]
pub(crate) struct Watch {
    drives: Mutex<BTreeMap<ExecutionId, Arc<Notify>>>,
}

/// A drive's place in the watch; given up when dropped.
pub(crate) struct Watched {
    watch: Weak<Watch>,
    id: ExecutionId,
    pub(crate) poke: Arc<Notify>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.upgrade() {
            watch.drives.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        }
    }
}

impl Watch {
    /// Watches an execution. The first one starts the task that looks; it ends with the last.
    pub(crate) fn add(self: &Arc<Self>, store: &Store, id: ExecutionId) -> Result<Watched, StoreError> {
        let poke = Arc::new(Notify::new());
        let mut drives = self.drives.lock().unwrap_or_else(PoisonError::into_inner);
        if drives.is_empty() {
            let (version, row) = (store.data_version()?, store.last_row()?);
            tokio::spawn(look(Arc::downgrade(self), store.clone(), version, row));
        }
        drives.insert(id, Arc::clone(&poke));
        Ok(Watched { watch: Arc::downgrade(self), id, poke })
    }

    fn poke(&self, id: ExecutionId) {
        if let Some(poke) = self.drives.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            poke.notify_one();
        }
    }

    fn is_idle(&self) -> bool {
        self.drives.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

async fn look(watch: Weak<Watch>, store: Store, mut version: i64, mut row: i64) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(watch) = watch.upgrade() else { return };
        if watch.is_idle() {
            return;
        }
        match fresh(&store, &mut version, &mut row) {
            Ok(ids) => ids.into_iter().for_each(|id| watch.poke(id)),
            // The drive's own next append says what is wrong with the store, to a person.
            Err(error) => tracing::warn!(error = crate::error::chain(&error), "the store cannot be looked at"),
        }
    }
}

fn fresh(store: &Store, version: &mut i64, row: &mut i64) -> Result<Vec<ExecutionId>, StoreError> {
    let now = store.data_version()?;
    if now == *version {
        return Ok(Vec::new());
    }
    let mut ids = Vec::new();
    loop {
        let events = store.events_after(*row, BATCH)?;
        for stored in &events {
            *row = stored.row;
            ids.push(stored.event.execution());
        }
        if events.len() < BATCH {
            break;
        }
    }
    *version = now;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
