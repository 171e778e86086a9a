//! The signed envelope, version 1.
//!
//! # Wire format
//! An envelope is the canonical CBOR (RFC 8949, 4.2.1: definite lengths, shortest integers) of `[content, signature]`.
//! `signature` is 64 bytes of Ed25519 over the domain `belay.envelope.v1`, a zero byte and the bytes of `content`, which
//! are the canonical CBOR of the array
//! `[v, key, sealed_by, execution, session, seq, prev, cites, seen, kind, critical, body, [wall_ms, counter]]`.
//! Bytes that are not the canonical form of what they say are refused, so that an event has one hash.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::hlc::Hlc;
use crate::ids::{ChainId, DeviceId, ExecutionId, Hash32, KeyId, PublicKey, SessionId};
use crate::key::DeviceKey;
use crate::signed::{self, Wire, decode, encode, peek_version};

/// The version that this code writes and the only one it reads.
pub const VERSION: u32 = 1;
/// The longest body, in bytes: a genesis holds a runbook of up to 1 MiB and its inputs.
pub const MAX_BODY: usize = 4 << 20;
/// The longest kind, in bytes.
pub const MAX_KIND: usize = 128;
/// The most entries of `cites`, and the most of `seen`.
pub const MAX_LINKS: usize = 1024;
/// The longest envelope, in bytes: body, links and fixed fields together.
pub const MAX_ENVELOPE: usize = MAX_BODY + 2 * 34 * MAX_LINKS + 1024;

const DOMAIN: &[u8] = b"belay.envelope.v1\0";

/// Says why bytes are no envelope, or why an envelope cannot be signed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes are not CBOR of the expected shape.
    #[error("malformed envelope: {detail}")]
    Malformed {
        /// What the decoder found.
        detail: String,
    },
    /// The bytes say the same as a shorter or differently ordered form.
    #[error("envelope is not in canonical form")]
    NotCanonical,
    /// The envelope was written by a newer program.
    #[error("envelope has version {found}, this program reads version {VERSION}")]
    Version {
        /// The version that it states.
        found: u32,
    },
    /// A field is longer than its limit.
    #[error("{field} has length {length}, the limit is {limit}")]
    TooLong {
        /// The field, or `envelope`.
        field: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The kind is empty.
    #[error("envelope has no kind")]
    NoKind,
    /// The signature is not that of the stated key over these bytes.
    #[error("signature does not verify")]
    Signature,
    /// The stated key is not a valid public key.
    #[error("public key is not valid")]
    PublicKey,
    /// The envelope to be signed states another device's key.
    #[error("envelope states another key than the signing one")]
    OtherKey,
}

/// What a device says: the fields of an envelope, without the signature.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(array)]
pub struct Envelope {
    /// The format version, [`VERSION`].
    #[n(0)]
    pub v: u32,
    /// The signing key, carried along so that every envelope verifies alone.
    #[n(1)]
    pub key: PublicKey,
    /// The key that `body` is sealed under; `None` means that it is in plain.
    #[n(2)]
    pub sealed_by: Option<KeyId>,
    /// The execution, or [`ExecutionId::ZERO`] in the genesis.
    #[n(3)]
    pub execution: ExecutionId,
    /// The opening of the store in which this was appended.
    #[n(4)]
    pub session: SessionId,
    /// The position in its chain, from 0, without gaps.
    #[n(5)]
    pub seq: u64,
    /// The event before in this chain; in the first event of a session the device's last one in this execution.
    #[n(6)]
    pub prev: Option<Hash32>,
    /// Events that this one depends on.
    #[n(7)]
    pub cites: Vec<Hash32>,
    /// Heads of other chains that the device held: testimony for an audit, not a dependency.
    #[n(8)]
    pub seen: Vec<Hash32>,
    /// What kind of event it is; unknown kinds are kept.
    #[n(9)]
    pub kind: String,
    /// Whether somebody who does not know the kind must not drive.
    #[n(10)]
    pub critical: bool,
    /// The event, opaque here.
    #[n(11)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// When it was written, for display.
    #[n(12)]
    pub hlc: Hlc,
}

impl Envelope {
    /// Signs the envelope with the key that it states.
    ///
    /// # Errors
    /// When `key` is another one, or a field is beyond its limit.
    pub fn sign(self, key: &DeviceKey) -> Result<SignedEnvelope, EnvelopeError> {
        if self.key != key.public() {
            return Err(EnvelopeError::OtherKey);
        }
        self.check()?;
        let content = encode(&self);
        let signature = key.sign(&signed::message(DOMAIN, &content));
        let bytes = encode(&Wire { content, signature: signature.to_vec() });
        Ok(SignedEnvelope { hash: Hash32::of(&bytes), bytes, envelope: self })
    }

    /// Says whether this is the first event of an execution.
    pub fn is_genesis(&self) -> bool {
        self.execution == ExecutionId::ZERO
    }

    fn check(&self) -> Result<(), EnvelopeError> {
        if self.v != VERSION {
            return Err(EnvelopeError::Version { found: self.v });
        }
        if self.kind.is_empty() {
            return Err(EnvelopeError::NoKind);
        }
        within("kind", self.kind.len(), MAX_KIND)?;
        within("cites", self.cites.len(), MAX_LINKS)?;
        within("seen", self.seen.len(), MAX_LINKS)?;
        within("body", self.body.len(), MAX_BODY)
    }
}

/// An authentic envelope: it is only made by signing or by a successful check of the signature.
#[derive(Clone, Eq, PartialEq)]
pub struct SignedEnvelope {
    bytes: Vec<u8>,
    hash: Hash32,
    envelope: Envelope,
}

impl SignedEnvelope {
    /// Reads an envelope: canonical form, version, limits and signature (`verify_strict`, which refuses weak keys).
    ///
    /// A kind that nobody knows is kept. What `prev`, `cites` and `seq` claim about other envelopes is not looked at;
    /// [`verify_chains`](crate::verify_chains) does that.
    ///
    /// # Errors
    /// When the bytes are not exactly what the stated key's device signed.
    pub fn open(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        within("envelope", bytes.len(), MAX_ENVELOPE)?;
        let wire: Wire = decode(bytes)?;
        // The version comes before the rest: a newer version may have another shape.
        let found = peek_version(&wire.content)?;
        if found != VERSION {
            return Err(EnvelopeError::Version { found });
        }
        let envelope: Envelope = decode(&wire.content)?;
        envelope.check()?;
        if encode(&envelope) != wire.content || encode(&wire) != bytes {
            return Err(EnvelopeError::NotCanonical);
        }
        signed::verify(DOMAIN, &wire.content, &envelope.key, &wire.signature)?;
        Ok(Self { bytes: bytes.to_vec(), hash: Hash32::of(bytes), envelope })
    }

    /// Returns the bytes that are stored and sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the SHA-256 of the bytes: the event's identity.
    pub const fn hash(&self) -> Hash32 {
        self.hash
    }

    /// Returns the fields.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns the execution; for a genesis that is the envelope's own hash.
    pub fn execution(&self) -> ExecutionId {
        if self.envelope.is_genesis() { self.hash.into() } else { self.envelope.execution }
    }

    /// Returns the device that signed.
    pub fn device(&self) -> DeviceId {
        self.envelope.key.device()
    }

    /// Returns the chain that the envelope belongs to.
    pub fn chain(&self) -> ChainId {
        ChainId { execution: self.execution(), device: self.device(), session: self.envelope.session }
    }

    /// Iterates over everything that this event depends on: the genesis, `prev` and `cites`.
    pub fn dependencies(&self) -> impl Iterator<Item = Hash32> + '_ {
        let genesis = (!self.envelope.is_genesis()).then(|| self.envelope.execution.hash());
        genesis.into_iter().chain(self.envelope.prev).chain(self.envelope.cites.iter().copied())
    }
}

impl fmt::Debug for SignedEnvelope {
    /// Names the event; what it says does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedEnvelope")
            .field("hash", &self.hash)
            .field("kind", &self.envelope.kind)
            .field("chain", &self.chain())
            .field("seq", &self.envelope.seq)
            .finish_non_exhaustive()
    }
}

fn within(field: &'static str, length: usize, limit: usize) -> Result<(), EnvelopeError> {
    if length > limit {
        return Err(EnvelopeError::TooLong { field, length, limit });
    }
    Ok(())
}
