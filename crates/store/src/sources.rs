//! Table `catalog_sources`: the directories that were added to the catalog.

use rusqlite::{Connection, params};

use crate::error::{Damage, Doing, StoreError};
use crate::row_hash::RowHash;

const TABLE: &str = "catalog_sources";

/// A directory that was added to the catalog.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CatalogSource {
    /// The directory.
    pub path: String,
    /// When it was added, in milliseconds since 1970-01-01T00:00:00Z.
    pub added_ms: i64,
}

fn hash(source: &CatalogSource) -> [u8; 32] {
    RowHash::of(TABLE).text(&source.path).integer(source.added_ms).finish()
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<CatalogSource>, StoreError> {
    let doing = "read the catalog's sources";
    let mut statement = connection
        .prepare_cached("SELECT path, added_ms, row_hash FROM catalog_sources NOT INDEXED ORDER BY path")
        .doing(doing)?;
    let rows = statement
        .query_map([], |row| {
            let source = CatalogSource { path: row.get(0)?, added_ms: row.get(1)? };
            Ok((source, row.get::<_, Vec<u8>>(2)?))
        })
        .doing(doing)?;
    rows.map(|row| {
        let (source, row_hash) = row.doing(doing)?;
        if row_hash == hash(&source) {
            return Ok(source);
        }
        Err(StoreError::Damaged(Damage::new(TABLE, "a source does not match its hash")))
    })
    .collect()
}

/// Adds a directory; one that is there keeps the time at which it was added.
pub(crate) fn add(connection: &Connection, source: &CatalogSource) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT OR IGNORE INTO catalog_sources (path, added_ms, row_hash) VALUES (?1, ?2, ?3)",
            params![source.path, source.added_ms, hash(source)],
        )
        .doing("add a source to the catalog")?;
    Ok(())
}

/// Removes a directory; returns whether it was there.
pub(crate) fn remove(connection: &Connection, path: &str) -> Result<bool, StoreError> {
    connection
        .execute("DELETE FROM catalog_sources WHERE path = ?1", [path])
        .map(|removed| removed > 0)
        .doing("remove a source from the catalog")
}
