//! Tables `output` and `output_chunks`: what acts wrote to their streams, kept for a while and deletable.

use belay_trust::ExecutionId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Damage, Doing, StoreError};
use crate::row_hash::RowHash;

const TABLE: &str = "output_chunks";

/// Where a chunk came from.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    const fn number(self) -> i64 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            _ => None,
        }
    }
}

/// A piece of output, redacted by the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutputChunk {
    /// Where it came from.
    pub stream: Stream,
    /// When it came, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: i64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kept {
    /// How many of its bytes were kept.
    pub kept: usize,
    /// How many were dropped because the invocation reached its limit.
    pub dropped: usize,
}

/// What is kept of an invocation's output.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Output {
    /// The chunks in the order of arrival.
    pub chunks: Vec<OutputChunk>,
    /// How many bytes were dropped at the end because of the limit.
    pub dropped: u64,
}

fn hash(invocation: &str, chunk: &OutputChunk) -> [u8; 32] {
    RowHash::of(TABLE).text(invocation).integer(chunk.stream.number()).integer(chunk.at_ms).bytes(&chunk.bytes).finish()
}

/// What is known of all chunks of an invocation together.
struct Total {
    execution: Vec<u8>,
    bytes: i64,
    dropped: i64,
    updated_ms: i64,
}

fn total_hash(invocation: &str, total: &Total) -> [u8; 32] {
    RowHash::of("output")
        .text(invocation)
        .bytes(&total.execution)
        .integer(total.bytes)
        .integer(total.dropped)
        .integer(total.updated_ms)
        .finish()
}

fn total(connection: &Connection, invocation: &str) -> Result<Option<Total>, StoreError> {
    let found = connection
        .prepare_cached("SELECT execution, bytes, dropped, updated_ms, row_hash FROM output WHERE invocation = ?1")
        .and_then(|mut select| {
            let total = |row: &rusqlite::Row<'_>| {
                let (execution, bytes, dropped) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((Total { execution, bytes, dropped, updated_ms: row.get(3)? }, row.get::<_, Vec<u8>>(4)?))
            };
            select.query_row([invocation], total).optional()
        })
        .doing("read output")?;
    match found {
        Some((total, row_hash)) if row_hash == total_hash(invocation, &total) => Ok(Some(total)),
        Some(_) => Err(damaged("output", invocation, "does not match its hash")),
        None => Ok(None),
    }
}

fn damaged(table: &'static str, invocation: &str, what: &str) -> StoreError {
    StoreError::Damaged(Damage::new(table, format!("output of invocation `{}` {what}", invocation.escape_default())))
}

/// Adds a chunk as far as the limit of `limit` bytes for each invocation allows.
pub(crate) fn append(
    connection: &Connection,
    execution: ExecutionId,
    invocation: &str,
    mut chunk: OutputChunk,
    limit: u64,
) -> Result<Kept, StoreError> {
    let doing = "write output";
    let mut total = total(connection, invocation)?.unwrap_or_else(|| Total {
        execution: execution.as_bytes().to_vec(),
        bytes: 0,
        dropped: 0,
        updated_ms: chunk.at_ms,
    });
    let offered = chunk.bytes.len();
    let room = limit.saturating_sub(total.bytes.cast_unsigned());
    let kept = usize::try_from(room).map_or(offered, |room| room.min(offered));
    let dropped = offered - kept;
    let number = |bytes: usize| i64::try_from(bytes).map_err(|_| StoreError::OutOfRange { field: "output" });
    total.bytes = total.bytes.saturating_add(number(kept)?);
    total.dropped = total.dropped.saturating_add(number(dropped)?);
    total.updated_ms = total.updated_ms.max(chunk.at_ms);
    connection
        .prepare_cached("INSERT OR REPLACE INTO output VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .and_then(|mut put| {
            put.execute(params![
                invocation,
                total.execution,
                total.bytes,
                total.dropped,
                total.updated_ms,
                total_hash(invocation, &total)
            ])
        })
        .doing(doing)?;
    if kept > 0 {
        chunk.bytes.truncate(kept);
        connection
            .prepare_cached(
                "INSERT INTO output_chunks (invocation, stream, at_ms, bytes, row_hash) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    invocation,
                    chunk.stream.number(),
                    chunk.at_ms,
                    chunk.bytes,
                    hash(invocation, &chunk)
                ])
            })
            .doing(doing)?;
    }
    Ok(Kept { kept, dropped })
}

type Raw = (String, i64, i64, Vec<u8>, Vec<u8>);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn checked((invocation, stream, at_ms, bytes, row_hash): Raw) -> Result<OutputChunk, Damage> {
    let chunk = Stream::from_number(stream).map(|stream| OutputChunk { stream, at_ms, bytes });
    match chunk {
        Some(chunk) if hash(&invocation, &chunk).as_slice() == row_hash => Ok(chunk),
        Some(_) | None => Err(Damage::new(
            TABLE,
            format!("output of invocation `{}` does not match its hash", invocation.escape_default()),
        )),
    }
}

const COLUMNS: &str = "invocation, stream, at_ms, bytes, row_hash";

pub(crate) fn read(connection: &Connection, invocation: &str) -> Result<Output, StoreError> {
    let doing = "read output";
    let total = total(connection, invocation)?;
    let mut statement = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM output_chunks WHERE invocation = ?1 ORDER BY id"))
        .doing(doing)?;
    let rows = statement.query_map([invocation], raw).doing(doing)?;
    let chunks: Vec<OutputChunk> =
        rows.map(|row| checked(row.doing(doing)?).map_err(StoreError::Damaged)).collect::<Result<_, _>>()?;
    let found: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
    let (bytes, dropped) = total.map_or((0, 0), |total| (total.bytes, total.dropped));
    if i64::try_from(found) != Ok(bytes) {
        return Err(damaged(TABLE, invocation, "is not complete"));
    }
    Ok(Output { chunks, dropped: dropped.cast_unsigned() })
}

/// Deletes the output of invocations that wrote nothing since `before_ms`; returns how many there were.
pub(crate) fn purge(connection: &Connection, before_ms: i64) -> Result<usize, StoreError> {
    let doing = "delete old output";
    connection
        .execute(
            "DELETE FROM output_chunks WHERE invocation IN (SELECT invocation FROM output WHERE updated_ms < ?1)",
            [before_ms],
        )
        .doing(doing)?;
    connection.execute("DELETE FROM output WHERE updated_ms < ?1", [before_ms]).doing(doing)
}

pub(crate) fn forget(connection: &Connection, execution: ExecutionId) -> Result<(), StoreError> {
    let doing = "forget the output of an execution";
    connection
        .execute(
            "DELETE FROM output_chunks WHERE invocation IN (SELECT invocation FROM output WHERE execution = ?1)",
            [execution.as_bytes()],
        )
        .doing(doing)?;
    connection.execute("DELETE FROM output WHERE execution = ?1", [execution.as_bytes()]).doing(doing)?;
    Ok(())
}

/// Checks every chunk against its hash.
pub(crate) fn check(connection: &Connection) -> Result<Vec<Damage>, StoreError> {
    let doing = "check the output";
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM output_chunks NOT INDEXED")).doing(doing)?;
    let mut found = Vec::new();
    for row in statement.query_map([], raw).doing(doing)? {
        found.extend(checked(row.doing(doing)?).err());
    }
    Ok(found)
}
