//! The store's output of invocations.

use belay_trust::ExecutionId;

use super::Store;
use crate::error::StoreError;
use crate::output::{self, Kept, Output, OutputChunk};

impl Store {
    /// Adds a chunk to the output of an invocation, as far as its limit allows.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn append_output(
        &self,
        execution: ExecutionId,
        invocation: &str,
        chunk: OutputChunk,
    ) -> Result<Kept, StoreError> {
        let invocation = invocation.to_owned();
        let limit = self.inner.options.output_limit;
        self.relaxed(move |connection| output::append(connection, execution, &invocation, chunk, limit))
    }

    /// Returns what is kept of an invocation's output; nothing when there never was any or it was deleted.
    ///
    /// # Errors
    /// When a chunk is damaged.
    pub fn read_output(&self, invocation: &str) -> Result<Output, StoreError> {
        self.read(|connection| output::read(connection, invocation))
    }

    /// Deletes the output of invocations that wrote nothing since `before_ms`; returns how many there were.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn purge_output(&self, before_ms: i64) -> Result<usize, StoreError> {
        self.relaxed(move |connection| output::purge(connection, before_ms))
    }
}
