//! Checks the whole file, for `belay doctor`.

use rusqlite::Connection;

use crate::error::{Damage, Doing, StoreError};
use crate::{device, executions, journal, output, settings, sources};

/// Returns everything that is not as it was written; pages first, then rows.
///
/// # Errors
/// When the file cannot be read at all; damage is a result, not an error.
pub(crate) fn check(connection: &Connection) -> Result<Vec<Damage>, StoreError> {
    let mut found = Vec::new();
    collect(pages(connection), &mut found)?;
    collect(device::read(connection).map(|_| Vec::new()), &mut found)?;
    collect(journal::check(connection), &mut found)?;
    collect(executions::check(connection), &mut found)?;
    collect(settings::all(connection).map(|_| Vec::new()), &mut found)?;
    collect(sources::all(connection).map(|_| Vec::new()), &mut found)?;
    collect(output::check(connection), &mut found)?;
    Ok(found)
}

/// One damaged table does not keep the others from being checked.
fn collect(result: Result<Vec<Damage>, StoreError>, found: &mut Vec<Damage>) -> Result<(), StoreError> {
    match result {
        Ok(damage) => found.extend(damage),
        Err(StoreError::Damaged(damage)) => found.push(damage),
        Err(StoreError::DamagedFile { source }) => found.push(Damage::new("file", source.to_string())),
        Err(other) => return Err(other),
    }
    Ok(())
}

fn pages(connection: &Connection) -> Result<Vec<Damage>, StoreError> {
    let doing = "check the pages of the database";
    let mut statement = connection.prepare("PRAGMA integrity_check").doing(doing)?;
    let lines = statement
        .query_map([], |row| row.get::<_, String>(0))
        .doing(doing)?
        .collect::<Result<Vec<_>, _>>()
        .doing(doing)?;
    Ok(lines.into_iter().filter(|line| line != "ok").map(|line| Damage::new("file", line)).collect())
}
