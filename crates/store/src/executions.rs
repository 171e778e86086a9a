//! Table `executions`: one row for each execution, folded from its events by the caller.

use belay_trust::ExecutionId;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::error::{Damage, Doing, StoreError};
use crate::row_hash::RowHash;

const TABLE: &str = "executions";

/// What lists and statistics show of an execution. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRow {
    /// The execution.
    pub id: ExecutionId,
    /// The label people see and type, a UUID of version 7.
    pub label: String,
    /// The runbook's reference in the catalog; statistics are kept by it.
    pub runbook: String,
    /// The runbook's name.
    pub runbook_name: String,
    /// The runbook's title.
    pub runbook_title: String,
    /// The digest of the runbook's bytes.
    pub runbook_digest: String,
    /// The status in the words of the engine.
    pub status: String,
    /// How it ended; `None` while it has not.
    pub succeeded: Option<bool>,
    /// When it began.
    pub started_ms: i64,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// Who began it.
    pub started_by: String,
    /// The incident it belongs to.
    pub incident: Option<String>,
    /// The change ticket.
    pub ticket: Option<String>,
    /// The context it acts in.
    pub context: Option<String>,
    /// What it waits for, as JSON.
    pub waiting_on: Option<String>,
    /// What triggered it.
    pub triggered_by: Option<String>,
    /// How long it took.
    pub duration_seconds: Option<f64>,
    /// The summary without steps, as JSON.
    pub summary: String,
}

/// Which executions to list; the default is all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExecutionFilter {
    /// Only those of this runbook.
    pub runbook: Option<String>,
    /// Only those of this incident.
    pub incident: Option<String>,
    /// Only those in one of these statuses; empty means every status.
    pub statuses: Vec<String>,
    /// Only those that began at this time or later.
    pub since_ms: Option<i64>,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

fn hash(row: &ExecutionRow) -> [u8; 32] {
    let duration = row.duration_seconds.map(|seconds| seconds.to_bits().cast_signed());
    RowHash::of(TABLE)
        .bytes(row.id.as_bytes())
        .text(&row.label)
        .text(&row.runbook)
        .text(&row.runbook_name)
        .text(&row.runbook_title)
        .text(&row.runbook_digest)
        .text(&row.status)
        .optional_integer(row.succeeded.map(i64::from))
        .integer(row.started_ms)
        .optional_integer(row.finished_ms)
        .text(&row.started_by)
        .optional_text(row.incident.as_deref())
        .optional_text(row.ticket.as_deref())
        .optional_text(row.context.as_deref())
        .optional_text(row.waiting_on.as_deref())
        .optional_text(row.triggered_by.as_deref())
        .optional_integer(duration)
        .text(&row.summary)
        .finish()
}

/// Writes the row of an execution, unless it is there already as it is.
pub(crate) fn put(connection: &Connection, row: &ExecutionRow) -> Result<(), StoreError> {
    let hash = hash(row);
    let known: Option<Vec<u8>> = connection
        .prepare_cached("SELECT row_hash FROM executions WHERE id = ?1")
        .and_then(|mut select| select.query_row([row.id.as_bytes()], |row| row.get(0)).optional())
        .doing("read the row of an execution")?;
    if known.is_some_and(|known| known == hash) {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO executions VALUES
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
             ON CONFLICT (id) DO UPDATE SET label = ?2, runbook = ?3, runbook_name = ?4, runbook_title = ?5,
             runbook_digest = ?6, status = ?7, succeeded = ?8, started_ms = ?9, finished_ms = ?10, started_by = ?11,
             incident = ?12, ticket = ?13, context = ?14, waiting_on = ?15, triggered_by = ?16,
             duration_seconds = ?17, summary = ?18, row_hash = ?19",
        )
        .and_then(|mut put| {
            put.execute(params![
                row.id.as_bytes(),
                row.label,
                row.runbook,
                row.runbook_name,
                row.runbook_title,
                row.runbook_digest,
                row.status,
                row.succeeded,
                row.started_ms,
                row.finished_ms,
                row.started_by,
                row.incident,
                row.ticket,
                row.context,
                row.waiting_on,
                row.triggered_by,
                row.duration_seconds,
                row.summary,
                hash,
            ])
        })
        .doing("write the row of an execution")?;
    Ok(())
}

fn raw(row: &Row<'_>) -> rusqlite::Result<(Vec<u8>, ExecutionRow, Vec<u8>)> {
    let execution = ExecutionRow {
        id: ExecutionId::ZERO,
        label: row.get(1)?,
        runbook: row.get(2)?,
        runbook_name: row.get(3)?,
        runbook_title: row.get(4)?,
        runbook_digest: row.get(5)?,
        status: row.get(6)?,
        succeeded: row.get(7)?,
        started_ms: row.get(8)?,
        finished_ms: row.get(9)?,
        started_by: row.get(10)?,
        incident: row.get(11)?,
        ticket: row.get(12)?,
        context: row.get(13)?,
        waiting_on: row.get(14)?,
        triggered_by: row.get(15)?,
        duration_seconds: row.get(16)?,
        summary: row.get(17)?,
    };
    Ok((row.get(0)?, execution, row.get(18)?))
}

fn checked((id, row, row_hash): (Vec<u8>, ExecutionRow, Vec<u8>)) -> Result<ExecutionRow, Damage> {
    let damage =
        || Damage { execution: ExecutionId::from_slice(&id), ..Damage::new(TABLE, "the row does not match its hash") };
    let row = ExecutionRow { id: ExecutionId::from_slice(&id).ok_or_else(damage)?, ..row };
    if row_hash == hash(&row) { Ok(row) } else { Err(damage()) }
}

/// Returns the rows that match, newest first.
pub(crate) fn list(connection: &Connection, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, StoreError> {
    let mut sql = "SELECT * FROM executions NOT INDEXED WHERE true".to_owned();
    let mut values: Vec<Value> = Vec::new();
    if let Some(runbook) = &filter.runbook {
        sql.push_str(" AND runbook = ?");
        values.push(runbook.clone().into());
    }
    if let Some(incident) = &filter.incident {
        sql.push_str(" AND incident = ?");
        values.push(incident.clone().into());
    }
    if let Some(since) = filter.since_ms {
        sql.push_str(" AND started_ms >= ?");
        values.push(since.into());
    }
    if !filter.statuses.is_empty() {
        let places = vec!["?"; filter.statuses.len()].join(", ");
        sql = format!("{sql} AND status IN ({places})");
        values.extend(filter.statuses.iter().cloned().map(Value::from));
    }
    sql.push_str(" ORDER BY started_ms DESC, id LIMIT ?");
    values.push(filter.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1).into());
    let doing = "list the executions";
    let mut statement = connection.prepare(&sql).doing(doing)?;
    let rows = statement.query_map(params_from_iter(values), raw).doing(doing)?;
    rows.map(|row| checked(row.doing(doing)?).map_err(StoreError::Damaged)).collect()
}

/// Returns the row of an execution. One that the index does not know is looked for in the table before it counts as absent.
pub(crate) fn get(connection: &Connection, id: ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
    for sql in ["SELECT * FROM executions WHERE id = ?1", "SELECT * FROM executions NOT INDEXED WHERE id = ?1"] {
        let row = connection
            .prepare_cached(sql)
            .and_then(|mut select| select.query_row([id.as_bytes()], raw).optional())
            .doing("read the row of an execution")?;
        if let Some(row) = row {
            return checked(row).map(Some).map_err(StoreError::Damaged);
        }
    }
    Ok(None)
}

/// Returns the rows whose label or hexadecimal id begins with `prefix`, newest first.
pub(crate) fn find(connection: &Connection, prefix: &str) -> Result<Vec<ExecutionRow>, StoreError> {
    let doing = "find an execution";
    let mut statement = connection
        .prepare_cached(
            "SELECT * FROM executions NOT INDEXED
             WHERE substr(label, 1, length(?1)) = ?1 OR substr(lower(hex(id)), 1, length(?1)) = ?1
             ORDER BY started_ms DESC, id",
        )
        .doing(doing)?;
    let rows = statement.query_map([prefix.to_lowercase()], raw).doing(doing)?;
    rows.map(|row| checked(row.doing(doing)?).map_err(StoreError::Damaged)).collect()
}

/// How many executions of the journal have no row.
pub(crate) fn unlisted(connection: &Connection) -> Result<u64, StoreError> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT DISTINCT execution FROM chains) AS known
             WHERE NOT EXISTS (SELECT 1 FROM executions WHERE executions.id = known.execution)",
        )
        .and_then(|mut count| count.query_row([], |row| row.get::<_, i64>(0)))
        .map(i64::cast_unsigned)
        .doing("count the executions without a row")
}

pub(crate) fn clear(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("DELETE FROM executions", []).doing("clear the rows of the executions")?;
    Ok(())
}

pub(crate) fn forget(connection: &Connection, id: ExecutionId) -> Result<(), StoreError> {
    connection.execute("DELETE FROM executions WHERE id = ?1", [id.as_bytes()]).doing("forget an execution")?;
    Ok(())
}

/// Checks every row against its hash.
pub(crate) fn check(connection: &Connection) -> Result<Vec<Damage>, StoreError> {
    let doing = "check the rows of the executions";
    let mut statement = connection.prepare("SELECT * FROM executions NOT INDEXED").doing(doing)?;
    let mut found = Vec::new();
    for row in statement.query_map([], raw).doing(doing)? {
        found.extend(checked(row.doing(doing)?).err());
    }
    Ok(found)
}
