//! Table `journal`: the signed envelopes, which are the truth.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use belay_trust::{
    ChainId, DeviceKey, Envelope, ExecutionId, Hash32, Hlc, MAX_LINKS, SessionId, SignedEnvelope, VERSION, causal_order,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::chains::{self, Chain};
use crate::error::{Damage, Doing, StoreError};

const TABLE: &str = "journal";

/// An event that is to be appended; chain, position, links and signature are added in the write transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// What kind of event it is.
    pub kind: String,
    /// Whether somebody who does not know the kind must not drive.
    pub critical: bool,
    /// Events that this one depends on.
    pub cites: Vec<Hash32>,
    /// The event, opaque here.
    pub body: Vec<u8>,
    /// The wall clock, in milliseconds since 1970-01-01T00:00:00Z.
    pub wall_ms: u64,
}

/// An event and where it stands in the file.
struct StoredEvent {
    row: i64,
    event: SignedEnvelope,
}

/// Where an event arrived: a hint, of which nothing is checked before [`Store::event`](crate::Store::event) reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// The position in the order of arrival in this file.
    pub row: i64,
    /// The execution it belongs to.
    pub execution: ExecutionId,
    /// The event.
    pub hash: Hash32,
}

/// What the writer needs to append: the identity of this device and session, and its clock.
pub(crate) struct Author {
    key: DeviceKey,
    session: SessionId,
    clock: Hlc,
    /// Our own next positions as far as committed: a lower one in the file means that a row was lost.
    committed: BTreeMap<ExecutionId, u64>,
    pending: Vec<(ExecutionId, u64)>,
}

impl Author {
    /// Continues the clock of the last event in the file.
    pub(crate) fn new(connection: &Connection, key: DeviceKey, session: SessionId) -> Result<Self, StoreError> {
        let last: Option<Vec<u8>> = connection
            .query_row("SELECT envelope FROM journal ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
            .optional()
            .doing("read the end of the journal")?;
        // A damaged last event is reported when it is read; the clock alone does not depend on it.
        let clock = last
            .and_then(|bytes| SignedEnvelope::open(&bytes).ok())
            .map_or_else(Hlc::default, |event| event.envelope().hlc);
        Ok(Self { key, session, clock, committed: BTreeMap::new(), pending: Vec::new() })
    }

    /// Marks how much of the transaction stands, to go back there with [`Self::rewind`].
    pub(crate) fn mark(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn rewind(&mut self, mark: usize) {
        self.pending.truncate(mark);
    }

    pub(crate) fn commit(&mut self) {
        self.committed.extend(self.pending.drain(..));
    }

    /// Signs and inserts; the caller commits.
    pub(crate) fn append(
        &mut self,
        connection: &Connection,
        execution: Option<ExecutionId>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<SignedEnvelope>, StoreError> {
        let mut execution = execution;
        let mut held = match execution {
            Some(id) => {
                let held = chains::of(connection, id)?;
                if held.is_empty() {
                    return Err(self.lost_or_unknown(id));
                }
                held
            }
            None if drafts.is_empty() => return Err(StoreError::NoGenesis),
            None => BTreeMap::new(),
        };
        let mut appended = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let event = self.sign(execution, &held, draft)?;
            let Some(row) = insert(connection, &event)? else {
                let damage = Damage::new(TABLE, "the event to be written is already there");
                return Err(StoreError::Damaged(damage.in_execution(event.execution())));
            };
            let chain = event.chain();
            let grown = Chain::add(held.remove(&chain), &event, row);
            held.insert(chain, grown);
            execution = Some(event.execution());
            appended.push(event);
        }
        if let Some(last) = appended.last() {
            let id = last.chain();
            let grown = held.get(&id).expect("the chain of an event just appended is held");
            chains::put(connection, &id, grown)?;
            self.pending.push((id.execution, grown.top + 1));
        }
        Ok(appended)
    }

    fn lost_or_unknown(&self, execution: ExecutionId) -> StoreError {
        if self.committed.contains_key(&execution) {
            let damage = Damage::new("chains", "the row of an execution is missing");
            return StoreError::Damaged(damage.in_execution(execution));
        }
        StoreError::UnknownExecution(execution)
    }

    fn sign(
        &mut self,
        execution: Option<ExecutionId>,
        held: &BTreeMap<ChainId, Chain>,
        draft: Draft,
    ) -> Result<SignedEnvelope, StoreError> {
        let device = self.key.device();
        let own = held.iter().find(|(id, _)| id.device == device && id.session == self.session);
        let (seq, prev, since) = if let Some((_, chain)) = own {
            let seq = chain.top.checked_add(1).ok_or(StoreError::OutOfRange { field: "seq" })?;
            (seq, Some(chain.head), chain.latest)
        } else {
            let devices = held.iter().filter(|(id, _)| id.device == device);
            let last = devices.max_by_key(|(_, chain)| chain.latest);
            (0, last.map(|(_, chain)| chain.head), 0)
        };
        if let Some(id) = execution
            && self.committed.get(&id).is_some_and(|&next| seq < next)
        {
            let damage = Damage::new("chains", "the head of this session's chain went back");
            return Err(StoreError::Damaged(damage.in_execution(id)));
        }
        // Every participant witnesses the others: what arrived since our last event is named once.
        let seen = held
            .values()
            .filter(|chain| chain.latest > since && Some(chain.head) != prev && !draft.cites.contains(&chain.head))
            .map(|chain| chain.head)
            .take(MAX_LINKS)
            .collect();
        let hlc = self.clock.tick(draft.wall_ms);
        let event = Envelope {
            v: VERSION,
            key: self.key.public(),
            sealed_by: None,
            execution: execution.unwrap_or(ExecutionId::ZERO),
            session: self.session,
            seq,
            prev,
            cites: draft.cites,
            seen,
            kind: draft.kind,
            critical: draft.critical,
            body: draft.body,
            hlc,
        }
        .sign(&self.key)?;
        self.clock = hlc;
        Ok(event)
    }
}

/// Inserts an event unless it is there; returns its row if it is new.
fn insert(connection: &Connection, event: &SignedEnvelope) -> Result<Option<i64>, StoreError> {
    let doing = "write an event";
    let added = connection
        .prepare_cached("INSERT OR IGNORE INTO journal (hash, execution, seq, envelope) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut insert| {
            insert.execute(params![
                event.hash().as_bytes(),
                event.execution().as_bytes(),
                event.envelope().seq.cast_signed(),
                event.bytes(),
            ])
        })
        .doing(doing)?;
    Ok((added > 0).then(|| connection.last_insert_rowid()))
}

/// Adds events that other devices signed; returns how many were new.
pub(crate) fn import(connection: &Connection, events: &[SignedEnvelope]) -> Result<usize, StoreError> {
    let mut grown: BTreeMap<ChainId, Chain> = BTreeMap::new();
    let mut read: BTreeMap<ExecutionId, BTreeMap<ChainId, Chain>> = BTreeMap::new();
    let mut added = 0;
    for event in events {
        let Some(row) = insert(connection, event)? else {
            continue;
        };
        added += 1;
        let id = event.chain();
        let stored = match read.entry(id.execution) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(chains::of(connection, id.execution)?),
        };
        let before = grown.remove(&id).or_else(|| stored.remove(&id));
        grown.insert(id, Chain::add(before, event, row));
    }
    for (id, chain) in &grown {
        chains::put(connection, id, chain)?;
    }
    Ok(added)
}

struct RawEvent {
    row: i64,
    hash: Vec<u8>,
    execution: Vec<u8>,
    seq: i64,
    envelope: Vec<u8>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<RawEvent> {
    Ok(RawEvent {
        row: row.get(0)?,
        hash: row.get(1)?,
        execution: row.get(2)?,
        seq: row.get(3)?,
        envelope: row.get(4)?,
    })
}

/// Checks a row: its key is the SHA-256 of its bytes, the signature holds, and the columns say what the envelope says.
fn checked(raw: &RawEvent) -> Result<StoredEvent, Damage> {
    let damage = |detail: String| Damage {
        table: TABLE,
        execution: ExecutionId::from_slice(&raw.execution),
        seq: Some(raw.seq.cast_unsigned()),
        detail,
    };
    if Hash32::of(&raw.envelope).as_bytes().as_slice() != raw.hash {
        return Err(damage("the event does not match its hash".to_owned()));
    }
    let event = SignedEnvelope::open(&raw.envelope).map_err(|error| damage(error.to_string()))?;
    if event.execution().as_bytes().as_slice() != raw.execution || event.envelope().seq != raw.seq.cast_unsigned() {
        return Err(damage("the columns do not match the event".to_owned()));
    }
    Ok(StoredEvent { row: raw.row, event })
}

const COLUMNS: &str = "id, hash, execution, seq, envelope";

fn rows_of(connection: &Connection, execution: ExecutionId) -> Result<Vec<RawEvent>, StoreError> {
    let doing = "read the events of an execution";
    let mut statement = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM journal WHERE execution = ?1 ORDER BY id"))
        .doing(doing)?;
    let rows = statement.query_map([execution.as_bytes()], raw).doing(doing)?;
    rows.collect::<Result<_, _>>().doing(doing)
}

/// Compares what was read with what the chains say should be there.
fn complete(execution: ExecutionId, events: &[StoredEvent], chains: &BTreeMap<ChainId, Chain>) -> Result<(), Damage> {
    let mut found: BTreeMap<ChainId, Chain> = BTreeMap::new();
    for stored in events {
        let id = stored.event.chain();
        let grown = Chain::add(found.remove(&id), &stored.event, stored.row);
        found.insert(id, grown);
    }
    let same = |id: &ChainId, chain: &Chain| {
        chains.get(id).is_some_and(|expected| expected.events == chain.events && expected.mix == chain.mix)
    };
    if found.len() == chains.len() && found.iter().all(|(id, chain)| same(id, chain)) {
        return Ok(());
    }
    let expected: i64 = chains.values().map(|chain| chain.events).sum();
    Err(Damage::new(TABLE, format!("{} events found where {expected} were written", events.len()))
        .in_execution(execution))
}

/// Returns the events of an execution in causal order, every row checked and none lost.
pub(crate) fn events(connection: &Connection, execution: ExecutionId) -> Result<Vec<SignedEnvelope>, StoreError> {
    let rows = rows_of(connection, execution)?;
    let stored: Vec<StoredEvent> = rows.iter().map(checked).collect::<Result<_, _>>().map_err(StoreError::Damaged)?;
    let chains = chains::of(connection, execution)?;
    if stored.is_empty() && chains.is_empty() {
        return Err(StoreError::UnknownExecution(execution));
    }
    complete(execution, &stored, &chains).map_err(StoreError::Damaged)?;
    Ok(causal_order(stored.into_iter().map(|stored| stored.event)))
}

/// Returns where events arrived after a row, in the order of arrival; of one execution, or of all.
pub(crate) fn arrivals(
    connection: &Connection,
    execution: Option<ExecutionId>,
    row: i64,
    limit: usize,
) -> Result<Vec<Arrival>, StoreError> {
    let doing = "look for new events";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let arrival = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?));
    let found: Vec<(i64, Vec<u8>, Vec<u8>)> = match execution {
        Some(execution) => connection
            .prepare_cached(
                "SELECT id, execution, hash FROM journal WHERE execution = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )
            .doing(doing)?
            .query_map(params![execution.as_bytes(), row, limit], arrival)
            .doing(doing)?
            .collect::<Result<_, _>>(),
        None => connection
            .prepare_cached("SELECT id, execution, hash FROM journal WHERE id > ?1 ORDER BY id LIMIT ?2")
            .doing(doing)?
            .query_map(params![row, limit], arrival)
            .doing(doing)?
            .collect::<Result<_, _>>(),
    }
    .doing(doing)?;
    found
        .into_iter()
        .map(|(row, execution, hash)| {
            let (Some(execution), Some(hash)) = (ExecutionId::from_slice(&execution), Hash32::from_slice(&hash)) else {
                return Err(StoreError::Damaged(Damage::new(TABLE, format!("row {row} has a key of another length"))));
            };
            Ok(Arrival { row, execution, hash })
        })
        .collect()
}

/// Returns the event of a row, checked; `None` when it was purged.
pub(crate) fn event(connection: &Connection, row: i64) -> Result<Option<SignedEnvelope>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM journal WHERE id = ?1"))
        .and_then(|mut select| select.query_row([row], raw).optional())
        .doing("read an event")?
        .map(|raw| checked(&raw).map(|stored| stored.event).map_err(StoreError::Damaged))
        .transpose()
}

/// Returns the row of the newest event, 0 when there is none.
pub(crate) fn last_row(connection: &Connection) -> Result<i64, StoreError> {
    connection
        .prepare_cached("SELECT coalesce(max(id), 0) FROM journal")
        .and_then(|mut select| select.query_row([], |row| row.get(0)))
        .doing("read the end of the journal")
}

/// Returns the highest row that the journal ever gave to an event, 0 when there is none; it never counts down.
pub(crate) fn last_given(connection: &Connection) -> Result<i64, StoreError> {
    let last = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'journal'")
        .and_then(|mut select| select.query_row([], |row| row.get(0)).optional())
        .doing("read how far the journal counted")?;
    Ok(last.unwrap_or(0))
}

/// Checks every row of the journal against its hash and signature, and every execution for lost rows.
pub(crate) fn check(connection: &Connection) -> Result<Vec<Damage>, StoreError> {
    let doing = "check the journal";
    let (executions, mut found) = chains::executions(connection)?;
    let mut by_execution: BTreeMap<ExecutionId, Vec<StoredEvent>> =
        executions.into_iter().map(|execution| (execution, Vec::new())).collect();
    let mut statement =
        connection.prepare(&format!("SELECT {COLUMNS} FROM journal NOT INDEXED ORDER BY id")).doing(doing)?;
    for row in statement.query_map([], raw).doing(doing)? {
        match checked(&row.doing(doing)?) {
            Ok(stored) => by_execution.entry(stored.event.execution()).or_default().push(stored),
            Err(damage) => found.push(damage),
        }
    }
    for (execution, stored) in by_execution {
        match chains::of(connection, execution) {
            Ok(chains) => found.extend(complete(execution, &stored, &chains).err()),
            Err(StoreError::Damaged(damage)) => found.push(damage),
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

pub(crate) fn forget(connection: &Connection, execution: ExecutionId) -> Result<(), StoreError> {
    connection
        .execute("DELETE FROM journal WHERE execution = ?1", [execution.as_bytes()])
        .doing("forget an execution")?;
    chains::forget(connection, execution)
}
