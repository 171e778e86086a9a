//! What helpers left on disk about acts that nobody asks for any more.
//!
//! A record of a running command and the outcome of one that outlived Belay are removed once the outcome stands in the
//! journal. A kill right after that commit leaves them, and an execution that has ended is never driven again.

use std::collections::BTreeSet;
use std::path::Path;

use belay_actions::process::survivors::Liveness;
use belay_actions::process::{spool, survivors};
use belay_store::StoreError;

use crate::Cockpit;
use crate::error::{CockpitError, chain};
use crate::journal::execution_id;

/// What may go of an invocation's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leftover {
    /// Nothing.
    Nothing,
    /// The record of its processes.
    Record,
    /// That, and the outcome in the spool.
    All,
}

impl Cockpit {
    /// Does so once in this process: what is left behind comes from processes before it.
    pub(crate) fn sweep_leftovers_once(&self) {
        self.swept.call_once(|| self.sweep_leftovers());
    }

    /// Removes the files of acts whose execution has ended or was purged. One that cannot be judged stays.
    pub(crate) fn sweep_leftovers(&self) {
        let (Some(run), Some(spool)) = (self.helpers().run_directory(), self.helpers().spool_directory()) else {
            return;
        };
        if let Err(error) = survivors::clear(&run) {
            tracing::warn!(error = chain(&error), "records that were let go of stay behind");
        }
        let invocations = match left_behind(&run, &spool, "") {
            Ok(invocations) => invocations,
            Err(error) => {
                tracing::warn!(error, "what helpers left behind cannot be listed");
                return;
            }
        };
        for invocation in invocations {
            let swept = match self.leftover(&invocation) {
                Ok(Leftover::Nothing) => Ok(()),
                Ok(Leftover::Record) => survivors::forget(&run, &invocation).map_err(|error| chain(&error)),
                Ok(Leftover::All) => let_go(&run, &spool, &invocation),
                Err(error) => Err(error.message),
            };
            if let Err(error) = swept {
                tracing::warn!(error, invocation, "what a helper left behind stays");
            }
        }
    }

    fn leftover(&self, invocation: &str) -> Result<Leftover, CockpitError> {
        let Some((execution, act)) = invocation.split_once('/') else { return Ok(Leftover::Nothing) };
        let id = execution_id(execution)?;
        let store = self.store()?;
        let Some(row) = store.execution(id)? else {
            // The row may be missing for other reasons; the events say whether it was purged.
            return match store.events(id) {
                Err(StoreError::UnknownExecution(_)) => Ok(Leftover::All),
                Err(error) => Err(error.into()),
                Ok(_) => Ok(Leftover::Nothing),
            };
        };
        if row.finished_ms.is_none() {
            return Ok(Leftover::Nothing);
        }
        let loaded = self.load(id)?;
        let mut acts = loaded.execution.visits.values().flatten().flat_map(|visit| &visit.acts);
        let settled = acts
            .find(|record| record.id.to_string() == act)
            .is_some_and(|record| record.outcome.is_some() || record.late.is_some());
        // An outcome that nobody has read yet is kept for as long as the execution is.
        Ok(if settled { Leftover::All } else { Leftover::Record })
    }
}

/// The invocations that begin with a text and have files, without those of which anything still runs.
pub(crate) fn left_behind(run: &Path, outcomes: &Path, prefix: &str) -> Result<BTreeSet<String>, String> {
    let (gone, running): (Vec<_>, Vec<_>) = survivors::find_of(run, prefix)
        .map_err(|error| chain(&error))?
        .into_iter()
        .partition(|(_, liveness)| *liveness == Liveness::Gone);
    let mut invocations: BTreeSet<String> = spool::find(outcomes).map_err(|error| chain(&error))?.into_iter().collect();
    invocations.retain(|invocation| invocation.starts_with(prefix));
    invocations.extend(gone.into_iter().map(|(survivor, _)| survivor.invocation));
    for (survivor, _) in running {
        invocations.remove(&survivor.invocation);
    }
    Ok(invocations)
}

/// Removes the files of an invocation that nobody asks for any more.
pub(crate) fn let_go(run: &Path, outcomes: &Path, invocation: &str) -> Result<(), String> {
    spool::acknowledge(outcomes, invocation).map_err(|error| chain(&error))?;
    // The record goes last: as long as it is there, the next start finds what was not removed.
    survivors::forget(run, invocation).map_err(|error| chain(&error))
}
