//! The store's rows of executions, and what they add up to.

use belay_trust::ExecutionId;

use super::Store;
use crate::error::StoreError;
use crate::executions::{self, ExecutionFilter, ExecutionRow};
use crate::retention;
use crate::statistics::{self, RunbookStatistics};

impl Store {
    /// Returns the rows of executions, newest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a row does not match its hash; [`Self::clear_projections`] and folding anew mends it.
    pub fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, StoreError> {
        self.read(|connection| executions::list(connection, filter))
    }

    /// Returns the row of an execution.
    ///
    /// # Errors
    /// As [`Self::executions`].
    pub fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        self.read(|connection| executions::get(connection, id))
    }

    /// Returns the rows whose label or hexadecimal id begins with `prefix`, newest first.
    ///
    /// # Errors
    /// As [`Self::executions`].
    pub fn find_executions(&self, prefix: &str) -> Result<Vec<ExecutionRow>, StoreError> {
        self.read(|connection| executions::find(connection, prefix))
    }

    /// Returns how many executions of the journal have no row; [`Self::rebuild_projections`] mends that.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unlisted_executions(&self) -> Result<u64, StoreError> {
        self.read(executions::unlisted)
    }

    /// Writes the row of an execution.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn put_projection(&self, row: ExecutionRow) -> Result<(), StoreError> {
        self.durable(move |connection| executions::put(connection, &row))
    }

    /// Makes the rows of the executions exactly these, in one transaction: what a caller folded anew from the journal.
    ///
    /// # Errors
    /// When the commit fails; then the rows are as before.
    pub fn rebuild_projections(&self, rows: Vec<ExecutionRow>) -> Result<(), StoreError> {
        self.durable(move |connection| {
            executions::clear(connection)?;
            rows.iter().try_for_each(|row| executions::put(connection, row))
        })
    }

    /// Removes the rows of all executions; the journal is untouched.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn clear_projections(&self) -> Result<(), StoreError> {
        self.durable(executions::clear)
    }

    /// Returns the record of every runbook that was executed, or of one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn statistics(&self, runbook: Option<&str>) -> Result<Vec<RunbookStatistics>, StoreError> {
        self.read(|connection| statistics::runbooks(connection, runbook))
    }

    /// Forgets executions that finished before `before_ms`, with their events and output; returns their ids.
    ///
    /// # Errors
    /// When a row is damaged or the commit fails; then nothing was forgotten.
    pub fn forget_finished(&self, before_ms: i64) -> Result<Vec<ExecutionId>, StoreError> {
        self.durable(move |connection| retention::forget_finished(connection, before_ms))
    }
}
