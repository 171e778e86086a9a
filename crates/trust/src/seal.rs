//! The seal of an export: the exporting device's signed statement of which events the export holds, and that these were all.
//!
//! # Wire format
//! The canonical CBOR of `[content, signature]`. The signature is over the domain `belay.export.v2`, a zero byte and the
//! content, which is the canonical CBOR of the array `[v, key, at_ms, [hash of each event, in the order of the lines],
//! [each statement by which the key comes after another one]]`.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use crate::envelope::{EnvelopeError, SignedEnvelope};
use crate::identity::Succession;
use crate::ids::{DeviceId, Hash32, PublicKey};
use crate::key::DeviceKey;
use crate::signed::{self, Wire, canonical, encode, peek_version};

const DOMAIN: &[u8] = b"belay.export.v2\0";
/// The version of the export that has such a seal.
pub(crate) const VERSION: u32 = 2;

#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(array)]
struct Content {
    #[n(0)]
    v: u32,
    #[n(1)]
    key: PublicKey,
    #[n(2)]
    at_ms: u64,
    #[n(3)]
    events: Vec<Hash32>,
    #[n(4)]
    successions: Vec<minicbor::bytes::ByteVec>,
}

/// An authentic seal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seal {
    bytes: Vec<u8>,
    content: Content,
    successions: Vec<Succession>,
}

impl Seal {
    /// Says that these are all events that the device holds of what it exports.
    pub fn sign<'a>(
        envelopes: impl IntoIterator<Item = &'a SignedEnvelope>,
        successions: &[Succession],
        key: &DeviceKey,
        at_ms: u64,
    ) -> Self {
        let content = Content {
            v: VERSION,
            key: key.public(),
            at_ms,
            events: envelopes.into_iter().map(SignedEnvelope::hash).collect(),
            successions: successions.iter().map(|one| one.bytes().to_vec().into()).collect(),
        };
        let encoded = encode(&content);
        let signature = key.sign(&signed::message(DOMAIN, &encoded)).to_vec();
        Self { bytes: encode(&Wire { content: encoded, signature }), content, successions: successions.to_vec() }
    }

    /// Reads a seal and checks every signature in it.
    ///
    /// # Errors
    /// When the bytes are not exactly what the stated keys signed.
    pub fn open(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let wire: Wire = canonical(bytes)?;
        let found = peek_version(&wire.content)?;
        if found != VERSION {
            return Err(EnvelopeError::Version { found });
        }
        let content: Content = canonical(&wire.content)?;
        signed::verify(DOMAIN, &wire.content, &content.key, &wire.signature)?;
        let successions = content.successions.iter().map(|one| Succession::open(one)).collect::<Result<_, _>>()?;
        Ok(Self { bytes: bytes.to_vec(), content, successions })
    }

    /// The bytes that are kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The device that sealed.
    pub fn device(&self) -> DeviceId {
        self.content.key.device()
    }

    /// When it was sealed, in milliseconds since 1970-01-01T00:00:00Z.
    pub fn at_ms(&self) -> u64 {
        self.content.at_ms
    }

    /// The events, in the order of their lines.
    pub fn events(&self) -> &[Hash32] {
        &self.content.events
    }

    /// The devices that the sealing one has been under earlier keys, as far as those keys signed the change; itself first.
    pub fn devices(&self) -> BTreeSet<DeviceId> {
        let mut known = BTreeSet::from([self.device()]);
        // A later statement may stand first, so that this goes on until nothing is added.
        while let Some(one) = self
            .successions
            .iter()
            .find(|one| one.is_linked() && known.contains(&one.key().device()) && !known.contains(&one.before()))
        {
            known.insert(one.before());
        }
        known
    }
}
