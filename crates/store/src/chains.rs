//! Table `chains`: for each chain its head, and a count and a mix of its events that show when a row is lost.

use std::collections::BTreeMap;

use belay_trust::{ChainId, DeviceId, ExecutionId, Hash32, SessionId, SignedEnvelope};
use rusqlite::{Connection, Row, params};

use crate::error::{Damage, Doing, StoreError};
use crate::row_hash::RowHash;

const TABLE: &str = "chains";

/// What is known of one chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Chain {
    /// The highest position.
    pub(crate) top: u64,
    /// The event there.
    pub(crate) head: Hash32,
    /// The journal row that was added last.
    pub(crate) latest: i64,
    /// How many events there are.
    pub(crate) events: i64,
    /// The exclusive or of their hashes.
    pub(crate) mix: [u8; 32],
}

impl Chain {
    pub(crate) fn add(chain: Option<Self>, event: &SignedEnvelope, row: i64) -> Self {
        let seq = event.envelope().seq;
        let mut chain = chain.unwrap_or(Self { top: seq, head: event.hash(), latest: row, events: 0, mix: [0; 32] });
        if seq > chain.top {
            chain.top = seq;
            chain.head = event.hash();
        }
        chain.latest = row;
        chain.events += 1;
        for (mixed, byte) in chain.mix.iter_mut().zip(event.hash().as_bytes()) {
            *mixed ^= byte;
        }
        chain
    }
}

fn hash(id: &ChainId, chain: &Chain) -> [u8; 32] {
    RowHash::of(TABLE)
        .bytes(id.execution.as_bytes())
        .bytes(id.device.as_bytes())
        .bytes(id.session.as_bytes())
        .integer(chain.top.cast_signed())
        .bytes(chain.head.as_bytes())
        .integer(chain.latest)
        .integer(chain.events)
        .bytes(&chain.mix)
        .finish()
}

pub(crate) fn put(connection: &Connection, id: &ChainId, chain: &Chain) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO chains
             (execution, device, session, top, head, latest, events, mix, row_hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .and_then(|mut put| {
            put.execute(params![
                id.execution.as_bytes(),
                id.device.as_bytes(),
                id.session.as_bytes(),
                chain.top.cast_signed(),
                chain.head.as_bytes(),
                chain.latest,
                chain.events,
                chain.mix,
                hash(id, chain),
            ])
        })
        .doing("write the head of a chain")?;
    Ok(())
}

type Raw = ([Vec<u8>; 6], [i64; 3]);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((
        [row.get(0)?, row.get(1)?, row.get(2)?, row.get(4)?, row.get(7)?, row.get(8)?],
        [row.get(3)?, row.get(5)?, row.get(6)?],
    ))
}

fn checked(
    ([execution, device, session, head, mix, row_hash], [top, latest, events]): Raw,
) -> Option<(ChainId, Chain)> {
    let id = ChainId {
        execution: ExecutionId::from_slice(&execution)?,
        device: DeviceId::from_slice(&device)?,
        session: SessionId::from_slice(&session)?,
    };
    let chain =
        Chain { top: top.cast_unsigned(), head: Hash32::from_slice(&head)?, latest, events, mix: mix.try_into().ok()? };
    (row_hash == hash(&id, &chain)).then_some((id, chain))
}

const COLUMNS: &str = "execution, device, session, top, head, latest, events, mix, row_hash";

/// Returns the chains of one execution, each row checked.
pub(crate) fn of(connection: &Connection, execution: ExecutionId) -> Result<BTreeMap<ChainId, Chain>, StoreError> {
    let doing = "read the heads of the chains";
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM chains WHERE execution = ?1")).doing(doing)?;
    let rows = statement.query_map([execution.as_bytes()], raw).doing(doing)?;
    let mut chains = BTreeMap::new();
    for row in rows {
        let (id, chain) = checked(row.doing(doing)?).filter(|(id, _)| id.execution == execution).ok_or_else(|| {
            let damage = Damage::new(TABLE, "the row does not match its hash");
            StoreError::Damaged(damage.in_execution(execution))
        })?;
        chains.insert(id, chain);
    }
    Ok(chains)
}

/// Returns every execution that has a chain, and a damage for every row that does not match its hash.
pub(crate) fn executions(connection: &Connection) -> Result<(Vec<ExecutionId>, Vec<Damage>), StoreError> {
    let doing = "list the executions of the journal";
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM chains ORDER BY execution")).doing(doing)?;
    let mut found = Vec::new();
    let mut damage = Vec::new();
    for row in statement.query_map([], raw).doing(doing)? {
        match checked(row.doing(doing)?) {
            Some((id, _)) => found.push(id.execution),
            None => damage.push(Damage::new(TABLE, "a row does not match its hash")),
        }
    }
    found.dedup();
    Ok((found, damage))
}

pub(crate) fn forget(connection: &Connection, execution: ExecutionId) -> Result<(), StoreError> {
    connection
        .execute("DELETE FROM chains WHERE execution = ?1", [execution.as_bytes()])
        .doing("forget an execution")?;
    Ok(())
}
