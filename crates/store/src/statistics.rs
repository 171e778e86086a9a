//! What the executions of a runbook add up to.

use rusqlite::Connection;

use crate::error::{Doing, StoreError};

/// The record of one runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct RunbookStatistics {
    /// The runbook's reference in the catalog.
    pub runbook: String,
    /// How often it was executed, unfinished executions included.
    pub executions: u64,
    /// How many have ended.
    pub finished: u64,
    /// How many of those succeeded.
    pub succeeded: u64,
    /// When the last one began, in milliseconds since 1970-01-01T00:00:00Z.
    pub last_started_ms: i64,
    /// The status of the last one.
    pub last_status: String,
    /// When the last one that succeeded began, in milliseconds since 1970-01-01T00:00:00Z.
    pub last_succeeded_ms: Option<i64>,
    /// The share of the finished ones that succeeded, from 0 to 1; `None` when none has ended.
    pub success_rate: Option<f64>,
    /// How long the finished ones took on average; `None` when none has ended.
    pub average_duration_seconds: Option<f64>,
}

/// Returns the record of every runbook that was executed, or of one, by reference.
pub(crate) fn runbooks(connection: &Connection, runbook: Option<&str>) -> Result<Vec<RunbookStatistics>, StoreError> {
    let doing = "sum up the executions";
    // In SQLite the bare column `status` beside `max` is that of the row with the maximum.
    let mut statement = connection
        .prepare_cached(
            "SELECT runbook, count(*), count(succeeded), max(started_ms), status,
                    avg(succeeded), avg(CASE WHEN succeeded IS NOT NULL THEN duration_seconds END),
                    (SELECT max(won.started_ms) FROM executions won
                     WHERE won.runbook = executions.runbook AND won.succeeded = 1),
                    coalesce(sum(succeeded), 0)
             FROM executions WHERE ?1 IS NULL OR runbook = ?1
             GROUP BY runbook ORDER BY runbook",
        )
        .doing(doing)?;
    let rows = statement
        .query_map([runbook], |row| {
            Ok(RunbookStatistics {
                runbook: row.get(0)?,
                executions: row.get::<_, i64>(1)?.cast_unsigned(),
                finished: row.get::<_, i64>(2)?.cast_unsigned(),
                last_started_ms: row.get(3)?,
                last_status: row.get(4)?,
                success_rate: row.get(5)?,
                average_duration_seconds: row.get(6)?,
                last_succeeded_ms: row.get(7)?,
                succeeded: row.get::<_, i64>(8)?.cast_unsigned(),
            })
        })
        .doing(doing)?;
    rows.collect::<Result<_, _>>().doing(doing)
}
