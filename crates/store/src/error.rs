//! What can go wrong with the store, in words for the person in front of it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use belay_trust::{DeviceId, EnvelopeError, ExecutionId};
use rusqlite::ErrorCode;

use crate::wal::LogState;

/// A row that is not as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Damage {
    /// The table, or `file` when SQLite itself found it.
    pub table: &'static str,
    /// The execution, where the row belongs to one.
    pub execution: Option<ExecutionId>,
    /// The position in its chain, where the row is an event.
    pub seq: Option<u64>,
    /// What is wrong.
    pub detail: String,
}

impl Damage {
    /// Damage of a table as a whole, and what is wrong.
    pub fn new(table: &'static str, detail: impl Into<String>) -> Self {
        Self { table, execution: None, seq: None, detail: detail.into() }
    }

    pub(crate) fn in_execution(self, execution: ExecutionId) -> Self {
        Self { execution: Some(execution), ..self }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table `{}`", self.table)?;
        if let Some(execution) = self.execution {
            write!(f, ", execution `{execution}`")?;
        }
        if let Some(seq) = self.seq {
            write!(f, ", event {seq}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// A failed operation of the store. It can be cloned because one failed commit answers several callers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be opened.
    #[error("cannot open the database `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },
    /// The file is something else.
    #[error("the file is not a database of this program")]
    NotADatabase,
    /// The file was written by a newer program.
    #[error("the file has schema version {found}, this program knows versions up to {supported}")]
    NewerSchema {
        /// The version of the file.
        found: i64,
        /// The newest known version.
        supported: i64,
    },
    /// The schema could not be brought up to date.
    #[error("the schema cannot be brought up to date: {detail}")]
    Migration {
        /// What the migration reports.
        detail: String,
    },
    /// The file belongs to another device's key.
    #[error("the database belongs to device `{expected}`, the key at hand is that of `{found}`")]
    OtherDevice {
        /// The device recorded in the file.
        expected: DeviceId,
        /// The device of the given key.
        found: DeviceId,
    },
    /// The file or its directory cannot be written.
    #[error("the database cannot be written")]
    ReadOnly {
        /// What SQLite reports.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// Another process holds the file for too long.
    #[error("the database is locked by another process")]
    Locked {
        /// What SQLite reports.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// There is no space left.
    #[error("the disk is full")]
    DiskFull {
        /// What SQLite reports.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The disk reports an error.
    #[error("the disk reports an error while trying to {operation}")]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// What SQLite reports.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// SQLite finds the file damaged.
    #[error("the database file is damaged")]
    DamagedFile {
        /// What SQLite reports.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// A row is not as it was written.
    #[error("the database is damaged: {0}")]
    Damaged(Damage),
    /// Events that were acknowledged are not there any more.
    #[error(
        "the database is damaged: events that were acknowledged are missing (it counts {found}, and {acknowledged} or more \
         were written); its log `{}` {state}",
        log.display()
    )]
    HistoryLost {
        /// The row of the newest event that is known to have been acknowledged.
        acknowledged: i64,
        /// The row of the newest event that SQLite finds.
        found: i64,
        /// The file of SQLite's write-ahead log.
        log: PathBuf,
        /// How far that file can be read.
        state: LogState,
    },
    /// Another failure of SQLite.
    #[error("cannot {operation}")]
    Sql {
        /// What was tried.
        operation: &'static str,
        /// What SQLite reports.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file itself cannot be created or read.
    #[error("cannot {operation}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// What the system reports.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// An event cannot be signed as given.
    #[error("the event cannot be signed")]
    Envelope(#[from] EnvelopeError),
    /// The journal has no such execution.
    #[error("no execution `{0}` in this database")]
    UnknownExecution(ExecutionId),
    /// An execution cannot begin without an event.
    #[error("an execution begins with at least one event")]
    NoGenesis,
    /// A number is outside what the database can hold.
    #[error("{field} is out of range")]
    OutOfRange {
        /// The field.
        field: &'static str,
    },
    /// A failed write left it open what the disk holds; nothing more is written until the store is opened again.
    #[error("writing stopped after an earlier disk error")]
    Stopped,
    /// The store was opened for reading alone.
    #[error("the database was opened for reading alone")]
    OnlyRead,
    /// The writer thread has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Returns what the person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Open { source, .. } => source.hint(),
            Self::NotADatabase => Some("name another file, or move this one away to begin with an empty database"),
            Self::NewerSchema { .. } => Some("use the newer version of the program that wrote it"),
            Self::OtherDevice { .. } => {
                Some("restore this device's key, or enrol this computer as a new device of the database")
            }
            Self::ReadOnly { .. } => {
                Some("check the permissions of the file and its directory, and how the disk is mounted")
            }
            Self::Locked { .. } => Some("end the other process that uses the database, or wait until it is done"),
            Self::DiskFull { .. } => Some("make room on the disk; nothing that was acknowledged is lost"),
            Self::Disk { .. } | Self::Stopped => Some("check the disk, then start the program again"),
            Self::DamagedFile { .. } | Self::Damaged(_) | Self::Migration { .. } => {
                Some("run `belay doctor`, and restore the database from a backup or from another device")
            }
            Self::HistoryLost { .. } => Some(
                "run `belay doctor --mend`: it copies the files, then puts the log right if that can be done exactly; \
                 otherwise restore the database from a backup or another device, or add `--accept-loss` to go on \
                 without what is missing",
            ),
            Self::File { .. } => Some("check that the directory exists and can be written"),
            Self::UnknownExecution(_) => Some("list the executions with `belay executions`"),
            Self::Sql { .. }
            | Self::Envelope(_)
            | Self::NoGenesis
            | Self::OutOfRange { .. }
            | Self::OnlyRead
            | Self::Closed => None,
        }
    }

    /// Says whether rows or pages are not as they were written.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Open { source, .. } => source.is_damage(),
            Self::DamagedFile { .. } | Self::Damaged(_) | Self::HistoryLost { .. } => true,
            Self::NotADatabase
            | Self::NewerSchema { .. }
            | Self::Migration { .. }
            | Self::OtherDevice { .. }
            | Self::ReadOnly { .. }
            | Self::Locked { .. }
            | Self::DiskFull { .. }
            | Self::Disk { .. }
            | Self::Sql { .. }
            | Self::File { .. }
            | Self::Envelope(_)
            | Self::UnknownExecution(_)
            | Self::NoGenesis
            | Self::OutOfRange { .. }
            | Self::Stopped
            | Self::OnlyRead
            | Self::Closed => false,
        }
    }

    /// Sorts a failure of SQLite into what it means here.
    pub(crate) fn sql(operation: &'static str, error: rusqlite::Error) -> Self {
        let source = Arc::new(error);
        let Some(code) = source.sqlite_error_code() else {
            // Without a code it is about a value of the wrong type, which our own schema never holds.
            let unexpected = matches!(
                *source,
                rusqlite::Error::InvalidColumnType(..)
                    | rusqlite::Error::FromSqlConversionFailure(..)
                    | rusqlite::Error::IntegralValueOutOfRange(..)
                    | rusqlite::Error::Utf8Error(..)
            );
            return if unexpected { Self::DamagedFile { source } } else { Self::Sql { operation, source } };
        };
        let is = |codes: &[ErrorCode]| codes.contains(&code);
        if is(&[ErrorCode::NotADatabase]) {
            Self::NotADatabase
        } else if is(&[ErrorCode::DatabaseCorrupt]) {
            Self::DamagedFile { source }
        } else if is(&[ErrorCode::ReadOnly, ErrorCode::PermissionDenied, ErrorCode::CannotOpen]) {
            Self::ReadOnly { source }
        } else if is(&[ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked, ErrorCode::FileLockingProtocolFailed]) {
            Self::Locked { source }
        } else if is(&[ErrorCode::DiskFull]) {
            Self::DiskFull { source }
        } else if is(&[ErrorCode::SystemIoFailure]) {
            Self::Disk { operation, source }
        } else {
            Self::Sql { operation, source }
        }
    }
}

/// Names the operation that a failure of SQLite belongs to.
pub(crate) trait Doing<T> {
    fn doing(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::sql(operation, error))
    }
}
