//! The store: the one handle to the file.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use belay_trust::{DeviceId, DeviceKey, SessionId, SignedEnvelope};
use rusqlite::Connection;

use crate::connect::{Use, connect};
use crate::crash::CrashPoints;
use crate::error::{Damage, Doing, StoreError};
use crate::mend::{self, Mended};
use crate::opening::{self, Opened, Readable};
use crate::search::Vocabulary;
use crate::writer::{Durability, Writer};
use crate::{check, device, image, renewal};

mod catalog;
mod executions;
mod journal;
mod output;
mod settings;

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
    /// A second file that says how far events were acknowledged, under a name that does not look like the database's.
    pub second_head: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            crash_points: CrashPoints::default(),
            busy: Duration::from_secs(5),
            output_limit: 16 << 20,
            adopt_device: false,
            vfs: None,
            second_head: None,
        }
    }
}

/// What a reader keeps of the file, in KB and negative as SQLite wants it: a search reads a few thousand pages.
const READ_CACHE: i64 = -32_768;

/// The events of an append on its way to the disk.
pub type Appending = Pin<Box<dyn Future<Output = Result<Vec<SignedEnvelope>, StoreError>> + Send>>;

/// A store that is open, for writing or for reading alone. Clones share one writer, whose thread ends with the last of
/// them.
///
/// The functions block on the disk; asynchronous callers use [`Self::append_async`] or a thread for blocking work.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    options: Options,
    /// `None` where the store is only read.
    writer: Option<Writer>,
    /// The database, where it is in memory.
    memory: Option<Mutex<Connection>>,
    /// Whether it is in memory and of this process alone, so that the catalog may be written.
    own: bool,
    /// Why it may not show all that was written.
    doubt: Option<StoreError>,
    /// Idle connections; there are at most as many as there were reads at once.
    readers: Mutex<Vec<Connection>>,
    /// Kept for itself, because `data_version` compares with the last call on the same connection.
    watcher: Mutex<Option<Connection>>,
    vocabulary: Vocabulary,
}

impl Inner {
    fn new(path: &Path, options: Options) -> Self {
        Self {
            path: path.to_owned(),
            options,
            writer: None,
            memory: None,
            own: false,
            doubt: None,
            readers: Mutex::new(Vec::new()),
            watcher: Mutex::new(None),
            vocabulary: Vocabulary::default(),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.path)
            .field("writes", &self.inner.writer.is_some())
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
        let Opened { durable, relaxed, watcher, author, head } = opening::open(path, key, session, &options)?;
        let writer = Writer::start(durable, relaxed, author, head, options.crash_points.clone())?;
        let inner = Inner { writer: Some(writer), watcher: Mutex::new(Some(watcher)), ..Inner::new(path, options) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the file for reading alone, without a key: nothing is written, and a file that is not there is empty. It works
    /// on a read-only disk, beside a process that writes, and where [`Self::open`] refuses a log that is damaged;
    /// [`Self::doubt`] then says that what is read may not be all.
    ///
    /// # Errors
    /// When the file is something else, newer, or cannot be read at all.
    pub fn open_to_read(path: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let Readable { memory, doubt } = opening::open_to_read(path, &options)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source: Box::new(source) })?;
        let inner = Inner { memory: memory.map(Mutex::new), doubt, ..Inner::new(path, options) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// An empty store in memory, whose catalog and rows of executions can be written; for a search where no file can be.
    ///
    /// # Errors
    /// When there is no memory left.
    pub fn in_memory() -> Result<Self, StoreError> {
        let memory = Some(Mutex::new(image::empty()?));
        let inner = Inner { memory, own: true, ..Inner::new(Path::new(":memory:"), Options::default()) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Returns the device that the file belongs to; `None` before anybody has written to it.
    ///
    /// # Errors
    /// When the row is damaged or the file cannot be read.
    pub fn owner(&self) -> Result<Option<DeviceId>, StoreError> {
        self.read(|connection| Ok(device::read(connection)?.map(|(device, _)| device)))
    }

    /// Says why a store that is only read may not show all that was written; `None` where nothing speaks against it.
    pub fn doubt(&self) -> Option<&StoreError> {
        self.inner.doubt.as_ref()
    }

    /// Runs reads on one snapshot of the file.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(memory) = &self.inner.memory {
            let connection = memory.lock().unwrap_or_else(PoisonError::into_inner);
            return work(&connection);
        }
        let idle = self.inner.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = if let Some(connection) = idle {
            connection
        } else {
            let vfs = self.inner.options.vfs.as_deref();
            let connection = connect(&self.inner.path, vfs, Use::Read, self.inner.options.busy)?;
            connection.pragma_update(None, "cache_size", READ_CACHE).doing("configure the connection")?;
            connection
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
        self.written(Durability::Durable, work)
    }

    fn relaxed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.written(Durability::Relaxed, work)
    }

    fn written<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.inner.memory {
            Some(memory) if self.inner.own => {
                let mut connection = memory.lock().unwrap_or_else(PoisonError::into_inner);
                let transaction = connection.transaction().doing("begin a transaction")?;
                let result = work(&transaction)?;
                transaction.commit().doing("commit")?;
                Ok(result)
            }
            Some(_) | None => self.writer()?.call(durability, move |connection, _| work(connection)),
        }
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.inner.writer.as_ref().ok_or(StoreError::OnlyRead)
    }
}

/// Health.
impl Store {
    /// Puts right what is damaged in the log of a database that is refused, where that can be done exactly.
    ///
    /// The files are copied into a folder beside them first. Without `accept_loss` nothing that was acknowledged is given
    /// up: what cannot be put right is an error as before. With it, the database goes on from before the damage.
    ///
    /// # Errors
    /// As [`Self::open`], and when the copy cannot be made.
    pub fn mend(path: &Path, options: &Options, accept_loss: bool) -> Result<Mended, StoreError> {
        mend::mend(path, options, accept_loss)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source: Box::new(source) })
    }

    /// Checks every page and every row that is relied on; returns what is not as it was written.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn check(&self) -> Result<Vec<Damage>, StoreError> {
        if self.inner.memory.is_some() {
            return self.read(check::check);
        }
        // A connection of its own: FTS5 compares its index with what an earlier search of the connection has cached.
        let vfs = self.inner.options.vfs.as_deref();
        let mut connection = connect(&self.inner.path, vfs, Use::Read, self.inner.options.busy)?;
        let snapshot = connection.transaction().doing("begin reading")?;
        check::check(&snapshot)
    }

    /// Makes the tables of the catalog's index anew, empty, whatever is in them; nothing else is touched.
    ///
    /// # Errors
    /// When the file cannot be written, or what else it holds is damaged as well.
    pub fn renew_index(&self) -> Result<(), StoreError> {
        self.writer()?;
        self.inner.vocabulary.forget();
        let mut connection =
            connect(&self.inner.path, self.inner.options.vfs.as_deref(), Use::Durable, self.inner.options.busy)?;
        renewal::renew(&mut connection)
    }
}
