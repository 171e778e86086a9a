//! The schema and its versions.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::error::StoreError;

/// Marks the file as ours: `BLAY` in the header field `application_id`.
pub(crate) const APPLICATION_ID: i64 = 0x424c_4159;

const STEPS: &[M<'_>] = &[M::up(include_str!("migrations/v1.sql"))];

/// The schema version that this program writes.
pub(crate) const LATEST: i64 = 1;

/// Brings an older or empty file to [`LATEST`]. Each step is one transaction, so a crash leaves the older version whole.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    Migrations::from_slice(STEPS).to_latest(connection).map_err(|error| {
        if let rusqlite_migration::Error::RusqliteError { err, .. } = error {
            return StoreError::sql("migrate the schema", err);
        }
        StoreError::Migration { detail: error.to_string() }
    })
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
