//! Makes the index of the catalog anew where it is damaged. It is derived, so nothing is read of it.
//!
//! Its tables are taken out of the schema, whatever their pages hold, and made again. The pages that belong to nothing then
//! are given up by `VACUUM`, which reads only what is left and writes nothing where that is damaged as well.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::{Doing, StoreError};
use crate::migrations::CATALOG;

const RENEW: &str = "make the index of the catalog anew";

/// The names of the tables and of what belongs to them.
const NAMES: &str = "(tbl_name = 'catalog' OR tbl_name GLOB 'catalog_*') AND tbl_name <> 'catalog_sources'";

pub(crate) fn renew(connection: &mut Connection) -> Result<(), StoreError> {
    set(connection, true).and_then(|()| take_out(connection)).and(set(connection, false))?;
    let again = connection.transaction().doing(RENEW)?;
    again.execute_batch(CATALOG).doing(RENEW)?;
    // A process that remembers words by the number of changes does not take these for the ones it knows.
    again.execute("UPDATE catalog_state SET changes = abs(random() % 1000000000000)", []).doing(RENEW)?;
    again.commit().doing(RENEW)?;
    connection.execute_batch("VACUUM").doing(RENEW)
}

/// Lets the schema be written as a table, or not.
fn set(connection: &Connection, writable: bool) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, !writable).doing(RENEW)?;
    // `RESET` also reads the schema again.
    let value = if writable { "ON" } else { "RESET" };
    connection.execute_batch(&format!("PRAGMA writable_schema = {value}")).doing(RENEW)
}

fn take_out(connection: &mut Connection) -> Result<(), StoreError> {
    let version: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0)).doing(RENEW)?;
    let without = connection.transaction().doing(RENEW)?;
    without.execute(&format!("DELETE FROM sqlite_schema WHERE {NAMES}"), []).doing(RENEW)?;
    // Other connections read the schema again.
    without.pragma_update(None, "schema_version", version + 1).doing(RENEW)?;
    without.commit().doing(RENEW)
}
