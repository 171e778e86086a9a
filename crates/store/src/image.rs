//! A database in memory: as SQLite would read it from a folder in which it may write nothing, or an empty one.
//!
//! SQLite reads a database with a write-ahead log only where it can make the log's index beside it, or finds one there.
//! Without, the log's commits are laid over the database here, frame by frame as its recovery does.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use crate::error::{Doing, StoreError};
use crate::migrations::migrate;
use crate::wal::{self, FRAME_HEADER, Frame, HEADER, Header, word};

/// How often the files are read again because another process changed them meanwhile.
const TRIES: u32 = 8;
const READ: &str = "read the database into memory";

/// Returns an empty database of the latest schema.
pub(crate) fn empty() -> Result<Connection, StoreError> {
    let mut connection = Connection::open_in_memory().doing("make a database in memory")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Reads a database with its log.
pub(crate) fn load(path: &Path) -> Result<Connection, StoreError> {
    let bytes = whole(path).map_err(|error| StoreError::File { operation: READ, source: Arc::new(error) })?;
    let mut connection = Connection::open_in_memory().doing(READ)?;
    let size = bytes.len();
    connection.deserialize_read_exact("main", bytes.as_slice(), size, true).doing(READ)?;
    Ok(connection)
}

fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let log_path = wal::path_of(path);
    let log = || match fs::read(&log_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    };
    for _ in 0..TRIES {
        let before = log()?;
        let database = fs::read(path)?;
        // A new turn of the log, or pages that were moved from it, would make a mixture of two states.
        if log()? == before {
            return Ok(laid_over(database, &before));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Lays the commits of a log over a database; what does not continue the log's checksum was never committed.
fn laid_over(mut database: Vec<u8>, log: &[u8]) -> Vec<u8> {
    if let Some(header) = log.first_chunk().and_then(Header::read) {
        let mut before = header.sum;
        let mut pages: Vec<(usize, &[u8])> = Vec::new();
        let frames = log.get(HEADER..).unwrap_or_default().chunks_exact(FRAME_HEADER + header.page);
        for frame in frames.map(Frame) {
            before = frame.sum(header.order, before);
            if frame.salts() != header.salts || before != frame.stored() {
                break;
            }
            pages.push((word(frame.0, 0) as usize, frame.page()));
            if frame.commits() {
                database.resize((word(frame.0, 4) as usize).saturating_mul(header.page), 0);
                for (number, page) in pages.drain(..) {
                    let start = number.saturating_sub(1).saturating_mul(header.page);
                    if let Some(place) = database.get_mut(start..start.saturating_add(page.len())) {
                        place.copy_from_slice(page);
                    }
                }
            }
        }
    }
    // The versions of writing and reading say that there is a log, and in memory there is none.
    if let Some(versions) = database.get_mut(18..20) {
        versions.fill(1);
    }
    database
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn what_is_laid_over_is_what_sqlite_reads_wherever_the_log_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        let fill = |count: u32| {
            for at in 0..count {
                connection.execute("INSERT INTO t VALUES (hex(randomblob(700)) || ?1)", [at]).unwrap();
            }
        };
        fill(12);
        connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0)).unwrap();
        fill(5);
        let log = fs::read(wal::path_of(&path)).unwrap();
        let database = fs::read(&path).unwrap();
        let copy = folder.path().join("copy.db");
        for cut in (0..=log.len()).step_by(1_777).chain([log.len()]) {
            for name in ["copy.db-wal", "copy.db-shm"] {
                drop(fs::remove_file(folder.path().join(name)));
            }
            fs::write(&copy, &database).unwrap();
            fs::write(wal::path_of(&copy), log.get(..cut).unwrap()).unwrap();
            let rows = |connection: &Connection| -> Vec<String> {
                let mut select = connection.prepare("SELECT a FROM t ORDER BY rowid").unwrap();
                select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            };
            let loaded = rows(&load(&copy).unwrap());
            assert_eq!(loaded, rows(&Connection::open(&copy).unwrap()), "cut off at {cut}");
        }
    }
}
