//! What an audit finds in a set of events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::chain::verify_chains;
use crate::envelope::SignedEnvelope;
use crate::ids::{ChainId, DeviceId, ExecutionId, Hash32};

/// What is wrong with one event.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The bytes are not an authentic envelope: altered, truncated, forged or of an unknown version.
    NotAuthentic {
        /// What the check of the envelope found.
        reason: String,
    },
    /// `prev` is there and is not what the position in the chain calls for.
    BrokenLink {
        /// What is wrong with it.
        reason: String,
    },
    /// Something that the event depends on is not in the set.
    Missing {
        /// The hashes of what is missing.
        hashes: Vec<Hash32>,
    },
    /// Something that the event testifies to have seen is not in the set: it was removed or never arrived.
    MissingWitnessed {
        /// The hashes of what is missing.
        hashes: Vec<Hash32>,
    },
    /// Another event has the same chain and position: the device said two things at once.
    Equivocation {
        /// The hashes of the others.
        with: Vec<Hash32>,
    },
    /// The chain has an equivocation at an earlier position.
    AfterEquivocation {
        /// The position of the first one.
        seq: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAuthentic { reason } => write!(f, "not authentic: {reason}"),
            Self::BrokenLink { reason } => write!(f, "its link to the event before is broken: {reason}"),
            Self::Missing { hashes } => write!(f, "it depends on events that are missing: {}", Listed(hashes)),
            Self::MissingWitnessed { hashes } => {
                write!(f, "it testifies to events that are missing: {}", Listed(hashes))
            }
            Self::Equivocation { with } => {
                write!(f, "the device said something else at the same position: {}", Listed(with))
            }
            Self::AfterEquivocation { seq } => {
                write!(f, "the device said two things at position {seq} of its chain")
            }
        }
    }
}

/// Hashes in hex, with commas.
struct Listed<'a>(&'a [Hash32]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, hash) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{hash}")?;
        }
        Ok(())
    }
}

/// The finding about one event.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EventAudit {
    /// The SHA-256 of the bytes as they were given.
    pub hash: Hash32,
    /// The chain; `None` when the bytes are not authentic.
    pub chain: Option<ChainId>,
    /// The position in the chain; `None` when the bytes are not authentic.
    pub seq: Option<u64>,
    /// The kind; `None` when the bytes are not authentic.
    pub kind: Option<String>,
    /// Everything that is wrong; empty when the event is as it should be.
    pub faults: Vec<Fault>,
}

impl EventAudit {
    /// Says whether nothing is wrong with the event.
    pub fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }
}

/// A device said two things at one position.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Equivocation {
    /// The chain.
    pub chain: ChainId,
    /// The position.
    pub seq: u64,
    /// The events, in the order of their hashes.
    pub events: Vec<Hash32>,
}

/// A device's history went back: two sessions go on from one event, as after restoring a backup.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Fork {
    /// The execution.
    pub execution: ExecutionId,
    /// The device.
    pub device: DeviceId,
    /// The event that both go on from; `None` when both start anew.
    pub after: Option<Hash32>,
    /// The first events of the sessions, in the order of their hashes.
    pub sessions: Vec<Hash32>,
}

/// What an audit found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct AuditReport {
    /// Every event once: authentic ones in causal order, then the others in the order given.
    pub events: Vec<EventAudit>,
    /// What is missing, and which events name it.
    pub missing: BTreeMap<Hash32, BTreeSet<Hash32>>,
    /// Positions that were taken twice.
    pub equivocations: Vec<Equivocation>,
    /// Histories that went back. They are shown and are no fault of an event.
    pub forks: Vec<Fork>,
}

impl AuditReport {
    /// Says whether every event is as it should be and no history went back.
    pub fn is_clean(&self) -> bool {
        self.forks.is_empty() && self.events.iter().all(EventAudit::is_ok)
    }
}

/// Audits raw envelopes: each signature, then the links between the authentic ones.
pub fn audit<'a>(raw: impl IntoIterator<Item = &'a [u8]>) -> AuditReport {
    let mut authentic = Vec::new();
    let mut rejected = Vec::new();
    for bytes in raw {
        match SignedEnvelope::open(bytes) {
            Ok(envelope) => authentic.push(envelope),
            Err(error) => rejected.push(EventAudit {
                hash: Hash32::of(bytes),
                chain: None,
                seq: None,
                kind: None,
                faults: vec![Fault::NotAuthentic { reason: error.to_string() }],
            }),
        }
    }
    let mut report = verify_chains(authentic);
    report.events.extend(rejected);
    report
}
