//! Opening a store: what has to hold before anything acts.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use belay_trust::{DeviceKey, SessionId};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::connect::{Start, Use, begin_file, check_file, connect, look_at_file, prepare_file, refuse_read_only};
use crate::error::{Doing, StoreError};
use crate::head::{self, Head};
use crate::journal::{self, Author};
use crate::migrations::migrate;
use crate::store::Options;
use crate::wal::Reading;
use crate::{device, image, wal};

/// How long opening waits before it tries a lock again.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

const READ_LOG: &str = "read the write-ahead log";

/// What a store is made of.
pub(crate) struct Opened {
    pub(crate) durable: Connection,
    pub(crate) relaxed: Connection,
    pub(crate) watcher: Connection,
    pub(crate) author: Author,
    pub(crate) head: Head,
}

/// Opens or creates the file.
pub(crate) fn open(path: &Path, key: DeviceKey, session: SessionId, options: &Options) -> Result<Opened, StoreError> {
    let witness = Witness::of(path, prepare_file(path)?, options)?;
    let vfs = options.vfs.as_deref();
    let mut durable = connect(path, vfs, Use::Durable, options.busy)?;
    make_ready(&mut durable, &witness, options.busy)?;
    let transaction = durable.transaction_with_behavior(TransactionBehavior::Immediate).doing("begin a transaction")?;
    let newest = journal::last_given(&transaction)?;
    device::record_open(&transaction, key.device(), options.adopt_device)?;
    let author = Author::new(&transaction, key, session)?;
    transaction.commit().doing("record the opening of the database")?;
    let note = "note down how far the journal was acknowledged";
    let head = Head::open(&heads(path, options))
        .and_then(|mut head| head.raise(newest).map(|()| head))
        .map_err(|error| StoreError::File { operation: note, source: Arc::new(error) })?;
    let relaxed = connect(path, vfs, Use::Relaxed, options.busy)?;
    let watcher = connect(path, vfs, Use::Read, options.busy)?;
    Ok(Opened { durable, relaxed, watcher, author, head })
}

/// Says whether the store would open, as far as damage is concerned; nothing is written.
pub(crate) fn inspect(path: &Path, options: &Options) -> Result<(), StoreError> {
    let witness = Witness::of(path, prepare_file(path)?, options)?;
    let connection = connect(path, None, Use::Read, options.busy)?;
    check_file(&connection)?;
    refuse_read_only(&connection)?;
    witness.compare(&connection)
}

/// A database that is only read.
pub(crate) struct Readable {
    /// `None` where every reader opens the file; else the database in memory.
    pub(crate) memory: Option<Connection>,
    /// Why it may not show all that was written.
    pub(crate) doubt: Option<StoreError>,
}

/// Opens the file for reading alone. Nothing is written or made, damage to the log is a doubt, and where SQLite cannot read
/// the log in its folder, log and database are read into memory.
pub(crate) fn open_to_read(path: &Path, options: &Options) -> Result<Readable, StoreError> {
    let start = look_at_file(path)?;
    let witness = Witness::of(path, start.unwrap_or(Start::Empty), options);
    if matches!(start, None | Some(Start::Empty)) {
        let doubt = match witness {
            Ok(witness) => (witness.log.proven > 0).then(|| witness.lost(0)),
            Err(error) => Some(error),
        };
        return Ok(Readable { memory: Some(image::empty()?), doubt });
    }
    let (memory, connection) = match connect(path, options.vfs.as_deref(), Use::Read, options.busy)
        .and_then(|connection| check_file(&connection).map(|_| connection))
    {
        Ok(connection) => (None, connection),
        Err(StoreError::ReadOnly { .. }) => {
            let connection = image::load(path)?;
            check_file(&connection)?;
            (Some(()), connection)
        }
        Err(error) => return Err(error),
    };
    let compared = witness.and_then(|witness| witness.counts(&connection));
    let doubt = match compared {
        Err(error) if error.is_damage() => Some(error),
        Err(error) => return Err(error),
        Ok(()) => None,
    };
    // The tables themselves may stand in the part of the log that is gone.
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name IN ('journal', 'executions')", [], |row| row.get(0))
        .doing("read the schema")?;
    if tables < 2 {
        return Ok(Readable { memory: Some(image::empty()?), doubt });
    }
    Ok(Readable { memory: memory.map(|()| connection), doubt })
}

/// The files that say how far the journal was acknowledged.
pub(crate) fn heads(path: &Path, options: &Options) -> Vec<PathBuf> {
    std::iter::once(head::path_of(path)).chain(options.second_head.clone()).collect()
}

/// Checks the file and brings it to the latest schema.
///
/// SQLite does not wait for a lock when it turns on the write-ahead log or when a read becomes a write, so processes
/// that create one file together may find it locked in spite of the busy time-out; all steps can be repeated.
fn make_ready(connection: &mut Connection, witness: &Witness, patience: Duration) -> Result<(), StoreError> {
    let began = Instant::now();
    loop {
        let ready = check_file(connection)
            .and_then(|marked| refuse_read_only(connection).map(|()| marked))
            .and_then(|marked| witness.compare(connection).map(|()| marked))
            .and_then(|marked| begin_file(connection, marked))
            .and_then(|()| migrate(connection));
        match ready {
            Err(StoreError::Locked { .. }) if began.elapsed() < patience => std::thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
}

/// What is known about the journal without SQLite.
///
/// It is gathered before the database is read, which then must show at least as much, whatever other processes do
/// meanwhile: a journal only counts up.
struct Witness<'a> {
    path: &'a Path,
    start: Start,
    /// What the head file says.
    noted: i64,
    /// What the log says.
    log: Reading,
}

impl<'a> Witness<'a> {
    fn of(path: &'a Path, start: Start, options: &Options) -> Result<Self, StoreError> {
        let noted = head::read(&heads(path, options)).map_err(failed("read how far the journal was acknowledged"))?;
        let noted = noted.unwrap_or(0);
        let log = wal::read(&wal::path_of(path), start.page_size(), noted).map_err(failed(READ_LOG))?;
        let witness = Self { path, start, noted, log };
        // SQLite would remove a log that stands beside an empty file. It is looked at again because another process may
        // have begun it meanwhile.
        if witness.log.proven > 0 && start == Start::Empty {
            let now = std::fs::metadata(path).map_err(failed("read the database file"))?;
            if now.len() == 0 {
                return Err(witness.lost(0));
            }
        }
        Ok(witness)
    }

    /// Refuses a database that shows less than was acknowledged.
    fn compare(&self, connection: &Connection) -> Result<(), StoreError> {
        let found = self.counted(connection)?;
        if self.misses_the_end_of_the_log(connection)? {
            return Err(self.lost(found));
        }
        if found > self.noted {
            self.sync_log()?;
        }
        Ok(())
    }

    /// The same for a database that is only read.
    ///
    /// Where the database or its log cannot be written, SQLite does not say how much of the log it reads; then what it counts
    /// has to do.
    fn counts(&self, connection: &Connection) -> Result<(), StoreError> {
        self.counted(connection)?;
        match self.misses_the_end_of_the_log(connection) {
            Ok(true) => Err(self.lost(self.counted(connection)?)),
            Ok(false) | Err(StoreError::ReadOnly { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How far the database counts, if that is not less than was acknowledged.
    fn counted(&self, connection: &Connection) -> Result<i64, StoreError> {
        let known: Option<i64> = connection
            .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'", [], |row| row.get(0))
            .optional()
            .doing("read the schema")?;
        let found = if known.is_some() { journal::last_given(connection)? } else { 0 };
        if found < self.log.proven { Err(self.lost(found)) } else { Ok(found) }
    }

    /// Says whether SQLite reads the log up to a place behind which there are commits that were on disk.
    ///
    /// SQLite is asked last, so that it knows of every commit that was found. Without any frame it reads the database
    /// alone, which is whole; that is also what it says for a moment when another process begins a new turn.
    fn misses_the_end_of_the_log(&self, connection: &Connection) -> Result<bool, StoreError> {
        let readable = frames(connection)?;
        if readable == 0 || !self.log.reaches_behind(readable) {
            return Ok(false);
        }
        let log = wal::path_of(self.path);
        let proven = wal::proven_frame(&log, readable).map_err(failed(READ_LOG))?;
        let readable = frames(connection)?;
        Ok(0 < readable && readable < proven && self.log.is_present(&log).map_err(failed(READ_LOG))?)
    }

    /// A program that was killed during its last sync leaves a commit that the next one finds and nobody knows to be on
    /// disk. It is put there before anything is written behind it, since what stands behind a commit proves it.
    fn sync_log(&self) -> Result<(), StoreError> {
        match File::open(wal::path_of(self.path)).and_then(|log| log.sync_data()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("sync the write-ahead log")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn lost(&self, found: i64) -> StoreError {
        let log = wal::path_of(self.path);
        match wal::state(&log, self.start.page_size()) {
            Ok(state) => StoreError::HistoryLost { acknowledged: self.log.proven, found, log, state },
            Err(error) => failed(READ_LOG)(error),
        }
    }
}

/// Returns how many frames of the log SQLite finds, without moving any.
fn frames(connection: &Connection) -> Result<u64, StoreError> {
    let frames: i64 = connection
        .query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))
        .doing("ask for the length of the write-ahead log")?;
    // It is -1 in a database that has no log yet.
    Ok(u64::try_from(frames).unwrap_or(0))
}

fn failed(operation: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
    move |error| StoreError::File { operation, source: Arc::new(error) }
}
