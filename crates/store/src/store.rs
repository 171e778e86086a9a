//! The store: the one handle to the file.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use belay_trust::{DeviceId, DeviceKey, ExecutionId, SessionId, SignedEnvelope};
use rusqlite::Connection;

use crate::catalog::{self, Document};
use crate::chains;
use crate::check;
use crate::connect::{Use, check_file, connect, prepare_file};
use crate::crash::CrashPoints;
use crate::device;
use crate::error::{Damage, Doing, StoreError};
use crate::executions::{self, ExecutionFilter, ExecutionRow};
use crate::journal::{self, Arrival, Author, Draft};
use crate::migrations::migrate;
use crate::output::{self, Kept, Output, OutputChunk};
use crate::retention;
use crate::search::{self, Hit, Query, SearchFilter, Vocabulary};
use crate::settings;
use crate::sources::{self, CatalogSource};
use crate::statistics::{self, RunbookStatistics};
use crate::writer::{Durability, Writer};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Named points at which a test or a drill ends the process.
    pub crash_points: CrashPoints,
    /// How long to wait for another process that writes.
    pub busy: Duration,
    /// How many bytes of output are kept of one invocation.
    pub output_limit: u64,
    /// Whether to go on with another device's file under the given key, as a new device.
    pub adopt_device: bool,
    /// The SQLite file system to use instead of the system's own.
    pub vfs: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            crash_points: CrashPoints::default(),
            busy: Duration::from_secs(5),
            output_limit: 16 << 20,
            adopt_device: false,
            vfs: None,
        }
    }
}

/// The events of an append on its way to the disk.
pub type Appending = Pin<Box<dyn Future<Output = Result<Vec<SignedEnvelope>, StoreError>> + Send>>;

/// How long opening waits before it tries a lock again.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// A store that is open for writing. Clones share one writer thread, which ends with the last of them.
///
/// The functions block on the disk; asynchronous callers use [`Self::append_async`] or a thread for blocking work.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    device: DeviceId,
    session: SessionId,
    options: Options,
    writer: Writer,
    /// Idle connections; there are at most as many as there were reads at once.
    readers: Mutex<Vec<Connection>>,
    /// Kept for itself, because `data_version` compares with the last call on the same connection.
    watcher: Mutex<Connection>,
    vocabulary: Vocabulary,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.path)
            .field("device", &self.inner.device)
            .field("session", &self.inner.session)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the file, with default options. `session` is 16 random bytes drawn for this opening.
    ///
    /// # Errors
    /// Before anything acts: when the file is something else, newer, another device's, damaged or locked, or when it
    /// cannot be written because of permissions or a full disk.
    pub fn open(path: impl AsRef<Path>, key: DeviceKey, session: SessionId) -> Result<Self, StoreError> {
        Self::open_with(path, key, session, Options::default())
    }

    /// Opens or creates the file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        path: impl AsRef<Path>,
        key: DeviceKey,
        session: SessionId,
        options: Options,
    ) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Self::try_open(path, key, session, options)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source: Box::new(source) })
    }

    fn try_open(path: &Path, key: DeviceKey, session: SessionId, options: Options) -> Result<Self, StoreError> {
        prepare_file(path)?;
        let vfs = options.vfs.as_deref();
        let mut durable = connect(path, vfs, Use::Durable, options.busy)?;
        make_ready(&mut durable, options.busy)?;
        let device = key.device();
        let transaction =
            durable.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).doing("begin a transaction")?;
        device::record_open(&transaction, device, options.adopt_device)?;
        let author = Author::new(&transaction, key, session)?;
        transaction.commit().doing("record the opening of the database")?;
        let relaxed = connect(path, vfs, Use::Relaxed, options.busy)?;
        let watcher = connect(path, vfs, Use::Read, options.busy)?;
        let writer = Writer::start(durable, relaxed, author, options.crash_points.clone())?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                device,
                session,
                options,
                writer,
                readers: Mutex::new(Vec::new()),
                watcher: Mutex::new(watcher),
                vocabulary: Vocabulary::default(),
            }),
        })
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Returns the device that signs.
    pub fn device(&self) -> DeviceId {
        self.inner.device
    }

    /// Returns the session of this opening.
    pub fn session(&self) -> SessionId {
        self.inner.session
    }

    /// Runs reads on one snapshot of the file.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.inner.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.inner.path, self.inner.options.vfs.as_deref(), Use::Read, self.inner.options.busy)?,
        };
        let snapshot = connection.transaction().doing("begin reading")?;
        let result = work(&snapshot);
        snapshot.finish().doing("end reading")?;
        self.inner.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }

    fn durable<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.call(Durability::Durable, move |connection, _| work(connection))
    }

    fn relaxed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.writer.call(Durability::Relaxed, move |connection, _| work(connection))
    }
}

/// Checks the file and brings it to the latest schema.
///
/// SQLite does not wait for a lock when it turns on the write-ahead log or when a read becomes a write, so processes
/// that create one file together may find it locked in spite of the busy time-out; both steps can be repeated.
fn make_ready(connection: &mut Connection, patience: Duration) -> Result<(), StoreError> {
    let began = Instant::now();
    loop {
        match check_file(connection).and_then(|()| migrate(connection)) {
            Err(StoreError::Locked { .. }) if began.elapsed() < patience => std::thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
}

/// Journal and projections.
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
    /// `project` runs on the writer thread and must not call the store.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_with(
        &self,
        execution: Option<ExecutionId>,
        drafts: Vec<Draft>,
        project: impl FnOnce(&[SignedEnvelope]) -> Option<ExecutionRow> + Send + 'static,
    ) -> Result<Vec<SignedEnvelope>, StoreError> {
        self.inner
            .writer
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
        let queued = self.inner.writer.submit(
            Durability::Durable,
            move |connection, author| append(connection, author, execution, drafts, project),
            // A caller that no longer waits has dropped its end; the events are appended all the same.
            move |result| drop(reply.send(result)),
        );
        Box::pin(async move {
            queued?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
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
        self.inner
            .watcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .doing("look for changes")
    }

    /// Returns the ids of all executions in the journal, projected or not.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn execution_ids(&self) -> Result<Vec<ExecutionId>, StoreError> {
        let (ids, damage) = self.read(chains::executions)?;
        damage.into_iter().next().map_or(Ok(ids), |damage| Err(StoreError::Damaged(damage)))
    }

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

/// Output.
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

/// Catalog.
impl Store {
    /// Adds or replaces documents by key.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn put_documents(&self, documents: Vec<Document>) -> Result<(), StoreError> {
        self.relaxed(move |connection| catalog::put(connection, &documents))
    }

    /// Makes the documents of a source exactly these.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn replace_documents(&self, source: &str, documents: Vec<Document>) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.relaxed(move |connection| catalog::replace_source(connection, &source, &documents))
    }

    /// Removes a document; returns whether it was there.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn remove_document(&self, key: &str) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.relaxed(move |connection| catalog::remove(connection, &key))
    }

    /// Removes the documents of a source; returns how many there were.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn remove_documents(&self, source: &str) -> Result<usize, StoreError> {
        let source = source.to_owned();
        self.relaxed(move |connection| catalog::remove_source(connection, &source))
    }

    /// Returns the content hash of every document of a source, by key.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn document_hashes(&self, source: &str) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|connection| catalog::hashes(connection, source))
    }

    /// Finds documents by an alert or by what was typed, whatever characters that has; best first. An empty query lists
    /// them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn search(&self, query: &Query, filter: &SearchFilter) -> Result<Vec<Hit>, StoreError> {
        self.read(|connection| search::search(connection, &self.inner.vocabulary, query, filter))
    }

    /// Returns the directories that were added to the catalog.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn sources(&self) -> Result<Vec<CatalogSource>, StoreError> {
        self.read(sources::all)
    }

    /// Adds a directory to the catalog.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn add_source(&self, source: CatalogSource) -> Result<(), StoreError> {
        self.durable(move |connection| sources::add(connection, &source))
    }

    /// Removes a directory and its documents from the catalog; returns whether it was there.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn remove_source(&self, path: &str) -> Result<bool, StoreError> {
        let path = path.to_owned();
        self.durable(move |connection| {
            catalog::remove_source(connection, &path)?;
            sources::remove(connection, &path)
        })
    }
}

/// Settings and health.
impl Store {
    /// Returns the value of a setting.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| settings::get(connection, key))
    }

    /// Returns every setting, by key.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn settings(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(settings::all)
    }

    /// Sets a value; `None` removes the key.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn set_setting(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let (key, value) = (key.to_owned(), value.map(ToOwned::to_owned));
        self.durable(move |connection| settings::set(connection, &key, value.as_deref()))
    }

    /// Checks every page and every row that is relied on; returns what is not as it was written.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn check(&self) -> Result<Vec<Damage>, StoreError> {
        // A connection of its own: FTS5 compares its index with what an earlier search of the connection has cached.
        let vfs = self.inner.options.vfs.as_deref();
        let mut connection = connect(&self.inner.path, vfs, Use::Read, self.inner.options.busy)?;
        let snapshot = connection.transaction().doing("begin reading")?;
        check::check(&snapshot)
    }
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
