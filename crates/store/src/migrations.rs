//! The schema and its versions.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::error::{Doing, StoreError};

/// Marks the file as ours: `BLAY` in the header field `application_id`.
pub(crate) const APPLICATION_ID: i64 = 0x424c_4159;

/// The tables of the catalog's index, which can be made anew.
pub(crate) const CATALOG: &str = include_str!("migrations/catalog.sql");

const STEPS: &[M<'_>] = &[
    M::up(include_str!("migrations/v1.sql")),
    M::up(concat!(include_str!("migrations/v2.sql"), include_str!("migrations/catalog.sql"))),
    M::up(include_str!("migrations/v3.sql")),
];

/// The schema version that this program writes.
pub(crate) const LATEST: i64 = 3;

/// Brings an older or empty file to [`LATEST`]. Each step is one transaction, so a crash leaves an older version whole.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    loop {
        let before = version(connection)?;
        let Err(error) = Migrations::from_slice(STEPS).to_latest(connection) else {
            return Ok(());
        };
        // A step fails when another process has just done it; then the file is further along than before.
        if version(connection)? > before {
            continue;
        }
        if let rusqlite_migration::Error::RusqliteError { err, .. } = error {
            return Err(StoreError::sql("migrate the schema", err));
        }
        return Err(StoreError::Migration { detail: error.to_string() });
    }
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).doing("read the schema version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_valid_and_lead_to_the_latest_version() {
        assert_eq!(i64::try_from(STEPS.len()), Ok(LATEST));
        assert!(Migrations::from_slice(STEPS).validate().is_ok());
    }
}
