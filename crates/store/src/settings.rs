//! Table `settings`: keys and values.

use rusqlite::{Connection, params};

use crate::error::{Damage, Doing, StoreError};
use crate::row_hash::RowHash;

const TABLE: &str = "settings";

fn hash(key: &str, value: &str) -> [u8; 32] {
    RowHash::of(TABLE).text(key).text(value).finish()
}

fn checked(key: &str, value: String, row_hash: &[u8]) -> Result<String, StoreError> {
    if row_hash == hash(key, &value) {
        return Ok(value);
    }
    let detail = format!("setting `{}` does not match its hash", key.escape_default());
    Err(StoreError::Damaged(Damage::new(TABLE, detail)))
}

/// Returns the value of a setting. All are read, past the index: there are few, and none is missed silently.
pub(crate) fn get(connection: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    let all = all(connection)?;
    Ok(all.into_iter().find_map(|(found, value)| (found == key).then_some(value)))
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    let doing = "read the settings";
    let mut statement =
        connection.prepare_cached("SELECT key, value, row_hash FROM settings NOT INDEXED ORDER BY key").doing(doing)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)))
        .doing(doing)?;
    rows.map(|row| {
        let (key, value, row_hash) = row.doing(doing)?;
        let value = checked(&key, value, &row_hash)?;
        Ok((key, value))
    })
    .collect()
}

/// Sets a value; `None` removes the key.
pub(crate) fn set(connection: &Connection, key: &str, value: Option<&str>) -> Result<(), StoreError> {
    match value {
        Some(value) => connection.execute(
            "INSERT OR REPLACE INTO settings (key, value, row_hash) VALUES (?1, ?2, ?3)",
            params![key, value, hash(key, value)],
        ),
        None => connection.execute("DELETE FROM settings WHERE key = ?1", [key]),
    }
    .doing("write a setting")?;
    Ok(())
}
