//! Opening connections: pragmas, and the checks that come before anything acts.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Damage, Doing, StoreError};
use crate::migrations::{APPLICATION_ID, LATEST};

const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// Files up to this size are checked page by page when they are opened, larger ones by `check` alone: it takes 2 to 3 ms
/// for each MiB, which every command would pay, and what is read is checked row by row anyway.
const QUICK_CHECK_LIMIT: i64 = 1 << 20;

/// How a connection is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Use {
    /// Journal and settings: on disk when the commit returns (`synchronous = FULL`).
    Durable,
    /// Output and catalog: whole after a crash, possibly older (`synchronous = NORMAL`).
    Relaxed,
    /// Reads only.
    Read,
}

/// What the first bytes of the file say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// There is nothing in it.
    Empty,
    /// It is a database with pages of this many bytes.
    Database(usize),
}

impl Start {
    pub(crate) fn page_size(self) -> Option<usize> {
        match self {
            Self::Empty => None,
            Self::Database(size) => Some(size),
        }
    }
}

/// Creates the file if it is not there, readable by its owner alone, and refuses a file that is something else.
pub(crate) fn prepare_file(path: &Path) -> Result<Start, StoreError> {
    let file = |operation| move |error: std::io::Error| StoreError::File { operation, source: Arc::new(error) };
    let mut create = OpenOptions::new();
    create.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut create, 0o600);
    match create.open(path) {
        Ok(_) => return Ok(Start::Empty),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        // A read-only disk may still hold a file, about which SQLite then says the right thing.
        Err(_) if path.is_file() => {}
        Err(error) => return Err(file("create the database file")(error)),
    }
    Ok(look_at_file(path)?.unwrap_or(Start::Empty))
}

/// Says what the file begins with; `None` when there is none. Refuses a file that is something else.
pub(crate) fn look_at_file(path: &Path) -> Result<Option<Start>, StoreError> {
    let mut start = Vec::new();
    match OpenOptions::new().read(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.and_then(|opened| opened.take(HEADER.len() as u64 + 2).read_to_end(&mut start)),
    }
    .map_err(|error| StoreError::File { operation: "read the database file", source: Arc::new(error) })?;
    if start.is_empty() {
        return Ok(Some(Start::Empty));
    }
    match start.strip_prefix(HEADER) {
        // The largest size does not fit into two bytes and is written as 1.
        Some([0, 1]) => Ok(Some(Start::Database(65536))),
        Some(size) => Ok(Some(Start::Database(size.iter().fold(0, |size, &byte| (size << 8) | usize::from(byte))))),
        None => Err(StoreError::NotADatabase),
    }
}

/// Opens a connection. WAL and its file are kept: the file is never truncated, nor removed when the last one closes.
pub(crate) fn connect(path: &Path, vfs: Option<&str>, usage: Use, busy: Duration) -> Result<Connection, StoreError> {
    // Without `SQLITE_OPEN_CREATE`: the file is made by `prepare_file`, so one that vanishes is an error.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    }
    .doing("open the database file")?;
    connection.busy_timeout(busy).doing("set the busy time-out")?;
    connection.set_prepared_statement_cache_capacity(64);
    let set = "configure the connection";
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).doing(set)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).doing(set)?;
    connection.pragma_update(None, "trusted_schema", false).doing(set)?;
    connection.pragma_update(None, "cell_size_check", true).doing(set)?;
    // The writer thread moves the log's pages itself.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(())).doing(set)?;
    let synchronous = match usage {
        Use::Durable => "FULL",
        Use::Relaxed | Use::Read => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous).doing(set)?;
    match usage {
        Use::Durable => {}
        // Output is deleted because somebody wants it gone.
        Use::Relaxed => connection.pragma_update(None, "secure_delete", true).doing(set)?,
        Use::Read => connection.pragma_update(None, "query_only", true).doing(set)?,
    }
    Ok(connection)
}

/// Whether the file is marked as ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Marked(bool);

/// Says whether the file is ours and of a version that can be read; returns whether it is marked as ours already.
pub(crate) fn check_file(connection: &Connection) -> Result<Marked, StoreError> {
    let read = "read the header of the database";
    let pragma = |name: &str| -> Result<i64, StoreError> {
        connection.pragma_query_value(None, name, |row| row.get(0)).doing(read)
    };
    // Tables first: another process that creates the file marks it as ours before it makes any.
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).doing(read)?;
    let application = pragma("application_id")?;
    let version = pragma("user_version")?;
    if application != APPLICATION_ID && (tables > 0 || application != 0) {
        return Err(StoreError::NotADatabase);
    }
    if version > LATEST {
        return Err(StoreError::NewerSchema { found: version, supported: LATEST });
    }
    Ok(Marked(application == APPLICATION_ID))
}

/// Refuses a file that can be read and not written.
pub(crate) fn refuse_read_only(connection: &Connection) -> Result<(), StoreError> {
    if connection.is_readonly("main").doing("read the header of the database")? {
        let refused = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(StoreError::ReadOnly { source: Arc::new(rusqlite::Error::SqliteFailure(refused, None)) });
    }
    Ok(())
}

/// Turns on WAL, marks the file as ours, and looks at its pages.
pub(crate) fn begin_file(connection: &Connection, marked: Marked) -> Result<(), StoreError> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).doing("turn on the write-ahead log")?;
    if !marked.0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID).doing("mark the database as ours")?;
    }
    let pragma = |name: &str| -> Result<i64, StoreError> {
        connection.pragma_query_value(None, name, |row| row.get(0)).doing("read the size of the database")
    };
    if pragma("page_count")?.saturating_mul(pragma("page_size")?) <= QUICK_CHECK_LIMIT
        && let Some(found) = damaged(connection, "PRAGMA quick_check(1)")?
    {
        // What is wrong with the index alone keeps nobody from the journal: it is made anew when it is needed.
        for table in KEPT {
            if let Some(found) = damaged(connection, &format!("PRAGMA quick_check('{table}')"))? {
                return Err(StoreError::Damaged(Damage::new(table, found)));
            }
        }
        tracing::warn!(found, "the index of the catalog is damaged");
    }
    Ok(())
}

/// The tables that cannot be made anew.
const KEPT: [&str; 8] =
    ["device", "journal", "chains", "executions", "output", "output_chunks", "settings", "catalog_sources"];

fn damaged(connection: &Connection, check: &str) -> Result<Option<String>, StoreError> {
    match connection.query_row(check, [], |row| row.get::<_, String>(0)).doing("check the pages of the database") {
        Ok(found) => Ok((found != "ok").then_some(found)),
        // The index's own tables can be so damaged that the check itself cannot open them.
        Err(StoreError::DamagedFile { source }) => Ok(Some(source.to_string())),
        Err(error) => Err(error),
    }
}
