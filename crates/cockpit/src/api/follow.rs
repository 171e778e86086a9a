//! Noticing what other processes append and what editors save, and telling it.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use belay_trust::ExecutionId;

use super::{Api, Event, FindingView};
use crate::error::{CockpitError, chain};
use crate::sources::CatalogWatch;

/// How often the store is looked at. A look at an unchanged store reads one number.
const INTERVAL: Duration = Duration::from_millis(250);
/// How many arrivals are taken in at a time.
const ARRIVALS: usize = 1_024;

impl Api {
    /// Notices what other processes and editors change, and tells it, as long as this is held.
    ///
    /// # Errors
    /// When the store or a directory of the catalog cannot be watched; what is asked for works all the same.
    pub async fn follow(self: &Arc<Self>) -> Result<(), CockpitError> {
        let asked = Arc::clone(self);
        let begun = tokio::task::spawn_blocking(move || {
            let store = asked.cockpit().store()?;
            let place = Place { version: store.data_version()?, row: store.last_row()? };
            Ok::<_, CockpitError>((place, asked.cockpit().watch_catalog()))
        });
        let (place, watch) = begun.await.map_err(super::ended)??;
        tokio::spawn(follow_store(Arc::downgrade(self), place));
        tokio::spawn(follow_catalog(Arc::downgrade(self), watch?));
        Ok(())
    }

    /// Tells the state of executions that others have changed.
    fn look_again(&self, place: &mut Place) -> Result<(), CockpitError> {
        let store = self.cockpit().store()?;
        let version = store.data_version()?;
        if version == place.version {
            return Ok(());
        }
        let mut touched: BTreeSet<ExecutionId> = BTreeSet::new();
        loop {
            let arrivals = store.arrivals(None, place.row, ARRIVALS)?;
            let Some(last) = arrivals.last() else { break };
            place.row = last.row;
            touched.extend(arrivals.iter().map(|arrival| arrival.execution));
        }
        place.version = version;
        for id in touched {
            let execution = id.to_string();
            // A drive of our own tells its states itself.
            if !self.drives.has(&execution) {
                let view = self.cockpit().status(&execution)?;
                let driven = self.driven(&execution);
                self.feed.push(Event::Execution { view: Box::new(view), driven });
            }
        }
        Ok(())
    }
}

/// How far the store has been looked at.
struct Place {
    version: i64,
    row: i64,
}

async fn follow_store(api: Weak<Api>, mut place: Place) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(api) = api.upgrade() else { return };
        let looked = tokio::task::spawn_blocking(move || {
            let result = api.look_again(&mut place);
            (place, result)
        });
        place = match looked.await {
            Ok((place, Ok(()))) => place,
            Ok((place, Err(error))) => {
                tracing::warn!(error = chain(&error), "the store cannot be looked at");
                place
            }
            Err(error) => {
                tracing::error!(%error, "the look at the store ended by itself");
                return;
            }
        };
    }
}

async fn follow_catalog(api: Weak<Api>, mut watch: CatalogWatch) {
    while let Some(change) = watch.next().await {
        let Some(api) = api.upgrade() else { break };
        api.feed.push(Event::CatalogChanged {
            source: change.source,
            changed: change.changed,
            removed: change.removed,
            findings: change.findings.iter().map(FindingView::from).collect(),
        });
    }
    // Ending the watch waits for its thread.
    if let Err(error) = tokio::task::spawn_blocking(move || drop(watch)).await {
        tracing::warn!(%error, "the watch of the catalog did not end well");
    }
}
