//! Table `device`: whose journal this is.

use belay_trust::DeviceId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Damage, Doing, StoreError};
use crate::row_hash::RowHash;

const TABLE: &str = "device";

fn hash(device: &[u8], opens: i64) -> [u8; 32] {
    RowHash::of(TABLE).bytes(device).integer(opens).finish()
}

/// Returns the recorded device and how often the store was opened.
pub(crate) fn read(connection: &Connection) -> Result<Option<(DeviceId, i64)>, StoreError> {
    let row: Option<(Vec<u8>, i64, Vec<u8>)> = connection
        .query_row("SELECT id, opens, row_hash FROM device", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .doing("read whose database this is")?;
    let Some((id, opens, row_hash)) = row else {
        return Ok(None);
    };
    match DeviceId::from_slice(&id) {
        Some(device) if row_hash == hash(&id, opens) => Ok(Some((device, opens))),
        Some(_) | None => Err(StoreError::Damaged(Damage::new(TABLE, "the row does not match its hash"))),
    }
}

/// Records this opening, which also proves that the disk can be written before anything acts.
pub(crate) fn record_open(connection: &Connection, device: DeviceId, adopt: bool) -> Result<(), StoreError> {
    let recorded = read(connection)?;
    if recorded.is_none() {
        // The row is written with the schema; a journal without it has lost it.
        let events: i64 = connection
            .query_row("SELECT count(*) FROM (SELECT 1 FROM journal LIMIT 1)", [], |row| row.get(0))
            .doing("read the journal")?;
        if events > 0 {
            return Err(StoreError::Damaged(Damage::new(TABLE, "the row is missing")));
        }
    }
    let opens = match recorded {
        Some((expected, _)) if expected != device && !adopt => {
            return Err(StoreError::OtherDevice { expected, found: device });
        }
        Some((_, opens)) => opens.saturating_add(1),
        None => 1,
    };
    connection
        .execute(
            "INSERT OR REPLACE INTO device (one, id, opens, row_hash) VALUES (1, ?1, ?2, ?3)",
            params![device.as_bytes(), opens, hash(device.as_bytes(), opens)],
        )
        .doing("record the opening of the database")?;
    Ok(())
}
