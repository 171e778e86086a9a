//! Following an execution that is not driven here.

use std::sync::Arc;
use std::time::Duration;

use crate::Cockpit;
use crate::drive::watch::Watched;
use crate::error::CockpitError;
use crate::journal::execution_id;
use crate::wire::ExecutionView;

/// How often it is looked whether somebody drives; that leaves no event.
const LOOK: Duration = Duration::from_millis(300);

/// An execution that others may change: what they do to it is told.
pub struct Follow {
    cockpit: Arc<Cockpit>,
    execution: String,
    watched: Watched,
    /// Whether somebody drove it when it was told last; none before.
    driven: Option<bool>,
}

impl Cockpit {
    /// Follows an execution from where it stands.
    pub fn follow(self: &Arc<Self>, execution: &str) -> Result<Follow, CockpitError> {
        let watched = self.watch.add(self.store()?, execution_id(execution)?)?;
        Ok(Follow { cockpit: Arc::clone(self), execution: execution.to_owned(), watched, driven: None })
    }
}

impl Follow {
    /// Where it stands: at once the first time, then whenever it was changed, or somebody began or ceased to drive it.
    pub async fn next(&mut self) -> Result<ExecutionView, CockpitError> {
        let mut changed = self.driven.is_none();
        loop {
            let driven = self.cockpit.home().is_driven(&self.execution);
            if changed || self.driven != Some(driven) {
                self.driven = Some(driven);
                return self.cockpit.status(&self.execution);
            }
            tokio::select! {
                () = self.watched.poke.notified() => changed = true,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}
