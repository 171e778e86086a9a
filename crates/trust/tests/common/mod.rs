//! What the tests of sets of envelopes share.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part, and a failed test panics")]

use belay_trust::{DeviceKey, Envelope, ExecutionId, Hash32, Hlc, SessionId, SignedEnvelope, VERSION};

pub struct Author {
    pub key: DeviceKey,
    pub session: SessionId,
    pub head: Option<Hash32>,
    pub seq: u64,
}

impl Author {
    pub fn new(key: u8, session: u8) -> Self {
        Self { key: DeviceKey::from_bytes(&[key; 32]), session: SessionId([session; 16]), head: None, seq: 0 }
    }

    pub fn draft(&self, execution: ExecutionId, kind: &str) -> Envelope {
        Envelope {
            v: VERSION,
            key: self.key.public(),
            sealed_by: None,
            execution,
            session: self.session,
            seq: self.seq,
            prev: self.head,
            cites: Vec::new(),
            seen: Vec::new(),
            kind: kind.to_owned(),
            critical: false,
            body: Vec::new(),
            hlc: Hlc::default(),
        }
    }

    pub fn sign(&mut self, envelope: Envelope) -> SignedEnvelope {
        let signed = envelope.sign(&self.key).unwrap();
        self.head = Some(signed.hash());
        self.seq += 1;
        signed
    }

    pub fn say(&mut self, execution: ExecutionId, kind: &str) -> SignedEnvelope {
        self.sign(self.draft(execution, kind))
    }
}

/// A genesis and two events of its author, one of a second device that cites the first and saw the second.
pub fn history() -> Vec<SignedEnvelope> {
    let mut driver = Author::new(1, 1);
    let genesis = driver.say(ExecutionId::ZERO, "genesis");
    let execution = genesis.execution();
    let first = driver.say(execution, "first");
    let second = driver.say(execution, "second");
    let mut other = Author::new(2, 2);
    let mut note = other.draft(execution, "note");
    note.cites = vec![first.hash()];
    note.seen = vec![second.hash()];
    let note = other.sign(note);
    vec![genesis, first, second, note]
}
