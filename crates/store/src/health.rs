//! Table `catalog_health`: what is wrong with the documents of the catalog, as far as their files alone tell.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Doing, StoreError};

/// What is wrong with a document, kept beside it so that nothing has to be read again when it is found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// The day by which somebody has to look it through, as in `2026-01-31`; empty where there is none.
    pub review_due: String,
    /// Findings that keep it from running as written.
    pub errors: u32,
    /// Findings that say what could be better.
    pub warnings: u32,
}

/// Reads a row whose columns begin at `from`; nothing is wrong where a join found no such row.
pub(crate) fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Health> {
    Ok(Health {
        review_due: row.get::<_, Option<String>>(from)?.unwrap_or_default(),
        errors: row.get::<_, Option<u32>>(from + 1)?.unwrap_or_default(),
        warnings: row.get::<_, Option<u32>>(from + 2)?.unwrap_or_default(),
    })
}

/// Returns what is wrong with a document.
pub(crate) fn of(connection: &Connection, document: i64) -> Result<Health, StoreError> {
    connection
        .prepare_cached("SELECT review_due, errors, warnings FROM catalog_health WHERE document = ?1")
        .and_then(|mut select| select.query_row([document], |row| read(row, 0)).optional())
        .map(Option::unwrap_or_default)
        .doing("read what is wrong with a document of the catalog")
}

/// Keeps what is wrong with a document.
pub(crate) fn put(connection: &Connection, document: i64, health: &Health) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO catalog_health (document, review_due, errors, warnings) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut insert| insert.execute(params![document, health.review_due, health.errors, health.warnings]))
        .map(|_| ())
        .doing("write what is wrong with a document of the catalog")
}
