//! Noticing what other processes append to the same store: one look for all drives of this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use belay_store::{Store, StoreError};
use belay_trust::ExecutionId;
use tokio::sync::Notify;

/// How often the store is looked at. A look at an unchanged store reads one number.
const INTERVAL: Duration = Duration::from_millis(150);
/// How many arrivals are taken in at a time.
const BATCH: usize = 1024;

/// Pokes whoever drives or follows an execution when it has new events.
#[derive(Default)]
pub(crate) struct Watch {
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    watched: BTreeMap<ExecutionId, Vec<Arc<Notify>>>,
    /// Whether the task that looks is there.
    looking: bool,
}

/// A place in the watch; given up when dropped.
pub(crate) struct Watched {
    watch: Weak<Watch>,
    id: ExecutionId,
    pub(crate) poke: Arc<Notify>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.upgrade() {
            let mut places = watch.places();
            if let Some(pokes) = places.watched.get_mut(&self.id) {
                pokes.retain(|poke| !Arc::ptr_eq(poke, &self.poke));
                if pokes.is_empty() {
                    places.watched.remove(&self.id);
                }
            }
        }
    }
}

impl Watch {
    /// Watches an execution. The first one starts the task that looks; it ends when there is none left.
    pub(crate) fn add(self: &Arc<Self>, store: &Store, id: ExecutionId) -> Result<Watched, StoreError> {
        let poke = Arc::new(Notify::new());
        let mut places = self.places();
        if !places.looking {
            let (version, row) = (store.data_version()?, store.last_row()?);
            tokio::spawn(look(Looking::new(self), store.clone(), version, row));
            places.looking = true;
        }
        places.watched.entry(id).or_default().push(Arc::clone(&poke));
        Ok(Watched { watch: Arc::downgrade(self), id, poke })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // A panic elsewhere leaves the map whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poke(&self, id: ExecutionId) {
        for poke in self.places().watched.get(&id).into_iter().flatten() {
            poke.notify_one();
        }
    }
}

/// The one task that looks; another may start once it is gone, also when its runtime ended under it.
struct Looking {
    watch: Weak<Watch>,
    gone: bool,
}

impl Looking {
    fn new(watch: &Arc<Watch>) -> Self {
        Self { watch: Arc::downgrade(watch), gone: false }
    }

    /// The watch, as long as somebody is in it.
    fn watch(&mut self) -> Option<Arc<Watch>> {
        let watch = self.watch.upgrade()?;
        let mut places = watch.places();
        if places.watched.is_empty() {
            places.looking = false;
            self.gone = true;
            return None;
        }
        drop(places);
        Some(watch)
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        if !self.gone
            && let Some(watch) = self.watch.upgrade()
        {
            watch.places().looking = false;
        }
    }
}

async fn look(mut looking: Looking, store: Store, mut version: i64, mut row: i64) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(watch) = looking.watch() else { return };
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
        let arrivals = store.arrivals(None, *row, BATCH)?;
        for arrival in &arrivals {
            *row = arrival.row;
            ids.push(arrival.execution);
        }
        if arrivals.len() < BATCH {
            break;
        }
    }
    *version = now;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use belay_store::Draft;
    use belay_trust::{DeviceKey, SessionId};
    use tokio::runtime::Handle;

    use super::*;

    fn open(path: &std::path::Path, session: u8) -> Store {
        Store::open(path, DeviceKey::from_bytes(&[1; 32]), SessionId([session; 16])).unwrap()
    }

    fn draft() -> Draft {
        Draft { kind: "note".to_owned(), critical: false, cites: Vec::new(), body: b"{}".to_vec(), wall_ms: 1 }
    }

    #[tokio::test]
    async fn drives_that_come_and_go_share_one_look_and_are_poked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belay.db");
        let (ours, theirs) = (open(&path, 1), open(&path, 2));
        let id = ours.append(None, vec![draft()]).unwrap()[0].execution();
        let watch = Arc::new(Watch::default());
        for _ in 0..20 {
            drop(watch.add(&ours, id).unwrap());
        }
        let watched = watch.add(&ours, id).unwrap();
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "one task looks for all of them");
        theirs.append(Some(id), vec![draft()]).unwrap();
        watched.poke.notified().await;
        drop(watched);
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(INTERVAL).await;
        }
        let again = watch.add(&ours, id).unwrap();
        theirs.append(Some(id), vec![draft()]).unwrap();
        again.poke.notified().await;
    }
}
