//! After a crash: what the helpers left behind, before anything is probed or asked.

use std::time::Duration;

use belay_actions::process::survivors::Liveness;
use belay_actions::process::{spool, survivors};
use belay_engine::driver::Input;
use belay_engine::execution::{Execution, Stage, UndoEntryState};
use belay_engine::ids::InvocationId;

use super::Loop;
use crate::Cockpit;
use crate::error::{CockpitError, chain};
use crate::leftovers;
use crate::wire::DriveEvent;

/// How often a survivor that still runs is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Between asking an orphan to end and killing it.
const GRACE: Duration = Duration::from_secs(2);

impl Loop {
    /// Takes over outcomes that helpers left, waits for survivors that still run, ends orphans.
    ///
    /// An invocation without an outcome after this is an interrupted one.
    pub(super) async fn adopt_survivors(&mut self) -> Result<(), CockpitError> {
        if let Some(id) = unwatched(self.driver.execution()) {
            if let Some(run) = self.cockpit.helpers().run_directory() {
                self.wait_for_group(&run, &id).await?;
            }
            self.adopt(id).await?;
        }
        // A helper may have finished after its act was given up as interrupted.
        for id in self.interrupted() {
            self.adopt(id).await?;
        }
        self.let_go_of_ended();
        self.cockpit.sweep_leftovers_once();
        Ok(())
    }

    /// Takes over the outcome that a helper left for an invocation, where it left one.
    async fn adopt(&mut self, id: InvocationId) -> Result<(), CockpitError> {
        let Some(spool) = self.cockpit.helpers().spool_directory() else { return Ok(()) };
        match spool::adopt(&spool, &self.invocation(&id)) {
            Ok(Some(outcome)) => {
                let text = format!("step `{}` went on while belay was away; its outcome is taken over", id.at);
                self.tell(DriveEvent::Notice { text }).await;
                self.handle(Input::Ended { id, outcome }).await
            }
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::warn!(error = chain(&error), "an outcome that a helper left cannot be read");
                Ok(())
            }
        }
    }

    /// Invocations that were given up and whose outcome never arrived.
    fn interrupted(&self) -> Vec<InvocationId> {
        let visits = self.driver.execution().visits.values().flatten();
        visits
            .flat_map(|visit| &visit.acts)
            .filter(|record| record.interrupted.is_some() && record.late.is_none())
            .map(|record| record.id.clone())
            .collect()
    }

    /// Lets go of what was left about acts whose outcome was durable when belay ended.
    fn let_go_of_ended(&self) {
        let helpers = self.cockpit.helpers();
        let (Some(run), Some(spool)) = (helpers.run_directory(), helpers.spool_directory()) else { return };
        let ours = format!("{}/", self.hex);
        let left = match leftovers::left_behind(&run, &spool, &ours) {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(error, "what helpers left behind cannot be listed");
                return;
            }
        };
        for invocation in left {
            let Some(id) = invocation.strip_prefix(&ours) else { continue };
            let mut acts = self.driver.execution().visits.values().flatten().flat_map(|visit| &visit.acts);
            let Some(record) = acts.find(|record| record.id.to_string() == id) else { continue };
            if record.outcome.is_some() || record.late.is_some() {
                if let Err(error) = leftovers::let_go(&run, &spool, &invocation) {
                    tracing::warn!(error, "what a helper left about a command that has ended stays behind");
                }
            } else if record.interrupted.is_some() {
                // Its outcome may still come to the spool.
                forget(&run, &invocation);
            }
        }
    }

    async fn wait_for_group(&mut self, run: &std::path::Path, id: &InvocationId) -> Result<(), CockpitError> {
        let mut told = false;
        loop {
            let known = match survivors::find_of(run, &inside(&self.hex, id)) {
                Ok(known) => known,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "records of running commands cannot be read");
                    return Ok(());
                }
            };
            let (gone, left): (Vec<_>, Vec<_>) =
                known.into_iter().partition(|(_, liveness)| *liveness == Liveness::Gone);
            for (survivor, _) in gone {
                forget(run, &survivor.invocation);
            }
            let Some((survivor, liveness)) = left.into_iter().next() else { return Ok(()) };
            match liveness {
                Liveness::Watched => {
                    if !told {
                        let text = format!("step `{}` still runs; waiting for it to end", id.at);
                        self.tell(DriveEvent::Notice { text }).await;
                        told = true;
                    }
                    tokio::time::sleep(LOOK).await;
                }
                Liveness::Orphaned => {
                    let orphan = survivor.clone();
                    let ended = tokio::task::spawn_blocking(move || survivors::finish(&orphan, GRACE)).await;
                    if let Err(error) = ended {
                        tracing::warn!(%error, "a process that was left behind could not be ended");
                        return Ok(());
                    }
                    forget(run, &survivor.invocation);
                }
                Liveness::Gone => forget(run, &survivor.invocation),
            }
        }
    }
}

/// The invocation that the log says is running.
fn unwatched(execution: &Execution) -> Option<InvocationId> {
    if let Some(Stage::Acting(id)) = execution.current_visit().map(|visit| &visit.stage) {
        return Some(id.clone());
    }
    execution.rollback.as_ref()?.items.iter().find_map(|entry| match &entry.state {
        UndoEntryState::Acting(id) => Some(id.clone()),
        UndoEntryState::Due
        | UndoEntryState::Stuck(_)
        | UndoEntryState::Done
        | UndoEntryState::Skipped(_)
        | UndoEntryState::Left => None,
    })
}

/// What the invocations of a visit begin with. A host call's command runs under the invocation of the call, inside that
/// of its script.
fn inside(hex: &str, id: &InvocationId) -> String {
    format!("{hex}/{}.{}.{}.", id.epoch, id.at.step, id.at.visit)
}

/// Whether an execution that nobody drives was left in the middle of an act, with nothing that still watches it and no
/// outcome that waits to be taken over.
pub(crate) fn is_left(cockpit: &Cockpit, hex: &str, execution: &Execution) -> bool {
    let Some(id) = unwatched(execution) else { return false };
    let inside = inside(hex, &id);
    let watched = cockpit.helpers().run_directory().is_some_and(|run| {
        let known = survivors::find_of(&run, &inside).unwrap_or_default();
        known.iter().any(|(_, liveness)| *liveness == Liveness::Watched)
    });
    let spooled = cockpit.helpers().spool_directory().is_some_and(|spool| {
        let waiting = spool::find(&spool).unwrap_or_default();
        waiting.iter().any(|invocation| invocation.starts_with(&inside))
    });
    !watched && !spooled
}

fn forget(run: &std::path::Path, invocation: &str) {
    if let Err(error) = survivors::forget(run, invocation) {
        tracing::warn!(error = chain(&error), "a record of a command that is gone stays behind");
    }
}
