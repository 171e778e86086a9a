//! Deletes executions that ended long ago, with all that belongs to them.

use belay_trust::ExecutionId;
use rusqlite::Connection;

use crate::error::{Damage, Doing, StoreError};
use crate::{executions, journal, output};

/// Forgets the executions that finished before `before_ms`; returns their ids.
pub(crate) fn forget_finished(connection: &Connection, before_ms: i64) -> Result<Vec<ExecutionId>, StoreError> {
    let doing = "find executions that ended long ago";
    let ids: Vec<Vec<u8>> = connection
        .prepare_cached("SELECT id FROM executions WHERE finished_ms < ?1 ORDER BY id")
        .doing(doing)?
        .query_map([before_ms], |row| row.get(0))
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)?;
    let mut forgotten = Vec::with_capacity(ids.len());
    for id in ids {
        let missing = || StoreError::Damaged(Damage::new("executions", "an execution has no valid id"));
        let id = ExecutionId::from_slice(&id).ok_or_else(missing)?;
        // Nothing is deleted on the word of a damaged row: reading it again checks its hash.
        executions::get(connection, id)?.ok_or_else(missing)?;
        output::forget(connection, id)?;
        executions::forget(connection, id)?;
        journal::forget(connection, id)?;
        forgotten.push(id);
    }
    Ok(forgotten)
}
