//! The store's journal: what is appended, imported and read.

use belay_trust::{ExecutionId, SignedEnvelope};
use rusqlite::Connection;

use super::{Appending, Options, Store};
use crate::connect::{Use, connect};
use crate::error::{Doing, StoreError};
use crate::executions::ExecutionRow;
use crate::journal::{Arrival, Author, Draft};
use crate::writer::Durability;
use crate::{chains, executions, journal};

impl Store {
    /// Signs and appends events; when it returns they are on disk.
    ///
    /// Without an execution the first draft is the genesis of a new one and the others follow it. Positions, links and
    /// signatures are made inside the write transaction, so several processes may append to one file. What other chains
    /// added since this session's last event is witnessed in `seen`.
    ///
    /// # Errors
    /// When the execution is unknown, an event is beyond a limit, or the commit fails; then nothing was appended. After
    /// a disk error in the commit itself it is open whether the events are found when the store is opened again.
    pub fn append(
        &self,
        execution: Option<ExecutionId>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<SignedEnvelope>, StoreError> {
        self.append_with(execution, drafts, |_| None)
    }

    /// Appends events and, in the same transaction, the row that `project` makes of them.
    ///
    /// `project` runs while nobody else can write and must not call the store.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_with(
        &self,
        execution: Option<ExecutionId>,
        drafts: Vec<Draft>,
        project: impl FnOnce(&[SignedEnvelope]) -> Option<ExecutionRow> + Send + 'static,
    ) -> Result<Vec<SignedEnvelope>, StoreError> {
        self.writer()?
            .call(Durability::Durable, move |connection, author| append(connection, author, execution, drafts, project))
    }

    /// Does what [`Self::append_with`] does, without blocking on the disk and without any runtime.
    ///
    /// The events are queued when this returns, whether or not the future is polled. Only when more than 1 024 appends
    /// wait for the disk does the call itself wait.
    pub fn append_async(
        &self,
        execution: Option<ExecutionId>,
        drafts: Vec<Draft>,
        project: impl FnOnce(&[SignedEnvelope]) -> Option<ExecutionRow> + Send + 'static,
    ) -> Appending {
        let (reply, answer) = futures_channel::oneshot::channel();
        let queued = self.writer().and_then(|writer| {
            writer.submit(
                Durability::Durable,
                move |connection, author| append(connection, author, execution, drafts, project),
                // A caller that no longer waits has dropped its end; the events are appended all the same.
                move |result| drop(reply.send(result)),
            )
        });
        appending(queued, answer)
    }

    /// Does what [`Self::append_async`] does, but commits before it returns where nobody else writes or waits to write.
    ///
    /// That blocks the calling thread for one sync of the disk, and spares waking two. Of all callers at most one is
    /// blocked at any time.
    pub fn append_here(
        &self,
        execution: Option<ExecutionId>,
        drafts: Vec<Draft>,
        project: impl FnOnce(&[SignedEnvelope]) -> Option<ExecutionRow> + Send + 'static,
    ) -> Appending {
        let (reply, answer) = futures_channel::oneshot::channel();
        let done = self.writer().and_then(|writer| {
            writer.submit_here(
                Durability::Durable,
                move |connection, author| append(connection, author, execution, drafts, project),
                move |result| drop(reply.send(result)),
            )
        });
        appending(done, answer)
    }

    /// Adds events that other devices signed; returns how many were new.
    ///
    /// # Errors
    /// When the commit fails; then none was added.
    pub fn import(&self, events: Vec<SignedEnvelope>) -> Result<usize, StoreError> {
        self.durable(move |connection| journal::import(connection, &events))
    }

    /// Returns the events of an execution in causal order, each checked against its hash and signature.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the execution and the position when a row is not as it was written, or says how
    /// many rows were lost.
    pub fn events(&self, execution: ExecutionId) -> Result<Vec<SignedEnvelope>, StoreError> {
        self.read(|connection| journal::events(connection, execution))
    }

    /// Returns where up to `limit` events of an execution, or of all, arrived in this file after `row`, in their order.
    ///
    /// # Errors
    /// When the file cannot be read, or a key has another length than it was written with.
    pub fn arrivals(&self, execution: Option<ExecutionId>, row: i64, limit: usize) -> Result<Vec<Arrival>, StoreError> {
        self.read(|connection| journal::arrivals(connection, execution, row, limit))
    }

    /// Returns the event of a row, checked against its hash and signature; `None` when it is there no more.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub fn event(&self, row: i64) -> Result<Option<SignedEnvelope>, StoreError> {
        self.read(|connection| journal::event(connection, row))
    }

    /// Returns the row of the newest event, 0 when there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_row(&self) -> Result<i64, StoreError> {
        self.read(journal::last_row)
    }

    /// Returns a number that changes with every commit to the file, by this or another process.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        let doing = "look for changes";
        let version = |connection: &Connection| {
            connection.pragma_query_value(None, "data_version", |row| row.get(0)).doing(doing)
        };
        let mut watcher = self.inner.watcher.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if watcher.is_none() && self.inner.memory.is_none() {
            let Options { vfs, busy, .. } = &self.inner.options;
            *watcher = Some(connect(&self.inner.path, vfs.as_deref(), Use::Read, *busy)?);
        }
        watcher.as_ref().map_or_else(|| self.read(version), version)
    }

    /// Returns the ids of all executions in the journal, projected or not.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn execution_ids(&self) -> Result<Vec<ExecutionId>, StoreError> {
        let (ids, damage) = self.read(chains::executions)?;
        damage.into_iter().next().map_or(Ok(ids), |damage| Err(StoreError::Damaged(damage)))
    }
}

fn appending(
    submitted: Result<(), StoreError>,
    answer: futures_channel::oneshot::Receiver<Result<Vec<SignedEnvelope>, StoreError>>,
) -> Appending {
    Box::pin(async move {
        submitted?;
        answer.await.map_err(|_| StoreError::Closed)?
    })
}

fn append(
    connection: &Connection,
    author: &mut Author,
    execution: Option<ExecutionId>,
    drafts: Vec<Draft>,
    project: impl FnOnce(&[SignedEnvelope]) -> Option<ExecutionRow>,
) -> Result<Vec<SignedEnvelope>, StoreError> {
    let appended = author.append(connection, execution, drafts)?;
    if let Some(row) = project(&appended) {
        executions::put(connection, &row)?;
    }
    Ok(appended)
}
