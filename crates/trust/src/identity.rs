//! One device's key after another: who says that the new key belongs to the device that the old one named.
//!
//! # Wire format
//! The canonical CBOR of `[content, signature of the new key, signature of the old key or null]`. The signatures are over
//! the domain `belay.succession.v1`, a zero byte and the content, which is the canonical CBOR of the array
//! `[v, new key, old device, old key or null, at_ms]`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::{Decode, Encode};

use crate::envelope::EnvelopeError;
use crate::ids::{DeviceId, PublicKey};
use crate::key::DeviceKey;
use crate::signed::{self, canonical, encode, peek_version};

const DOMAIN: &[u8] = b"belay.succession.v1\0";
const VERSION: u32 = 1;

#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
#[cbor(array)]
struct Content {
    #[n(0)]
    v: u32,
    #[n(1)]
    key: PublicKey,
    #[n(2)]
    before: DeviceId,
    #[n(3)]
    old_key: Option<PublicKey>,
    #[n(4)]
    at_ms: u64,
}

#[derive(Decode, Encode)]
#[cbor(array)]
struct Wire {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    content: Vec<u8>,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    new: Vec<u8>,
    #[n(2)]
    old: Option<minicbor::bytes::ByteVec>,
}

/// An authentic statement that a key comes after another one of the same device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Succession {
    bytes: Vec<u8>,
    content: Content,
    linked: bool,
}

impl Succession {
    /// The old key hands over to the new one.
    pub fn link(old: &DeviceKey, new: &DeviceKey, at_ms: u64) -> Self {
        let content =
            Content { v: VERSION, key: new.public(), before: old.device(), old_key: Some(old.public()), at_ms };
        Self::signed(content, new, Some(old))
    }

    /// The new key says that it comes after one that was lost. Nobody but the new key vouches for that.
    pub fn after_loss(before: DeviceId, new: &DeviceKey, at_ms: u64) -> Self {
        let content = Content { v: VERSION, key: new.public(), before, old_key: None, at_ms };
        Self::signed(content, new, None)
    }

    fn signed(content: Content, new: &DeviceKey, old: Option<&DeviceKey>) -> Self {
        let encoded = encode(&content);
        let message = signed::message(DOMAIN, &encoded);
        let wire = Wire {
            new: new.sign(&message).to_vec(),
            old: old.map(|old| old.sign(&message).to_vec().into()),
            content: encoded,
        };
        Self { bytes: encode(&wire), content, linked: old.is_some() }
    }

    /// Reads a statement and checks its signatures.
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
        signed::verify(DOMAIN, &wire.content, &content.key, &wire.new)?;
        match (&content.old_key, &wire.old) {
            (Some(old), Some(signature)) if old.device() == content.before => {
                signed::verify(DOMAIN, &wire.content, old, signature)?;
            }
            (None, None) => {}
            (Some(_), Some(_) | None) | (None, Some(_)) => return Err(EnvelopeError::Signature),
        }
        Ok(Self { bytes: bytes.to_vec(), linked: wire.old.is_some(), content })
    }

    /// The bytes that are kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The new key.
    pub fn key(&self) -> PublicKey {
        self.content.key
    }

    /// The device that the old key named.
    pub fn before(&self) -> DeviceId {
        self.content.before
    }

    /// Whether the old key signed it as well.
    pub fn is_linked(&self) -> bool {
        self.linked
    }

    /// When it was signed, in milliseconds since 1970-01-01T00:00:00Z.
    pub fn at_ms(&self) -> u64 {
        self.content.at_ms
    }
}

impl fmt::Display for Succession {
    /// Writes the bytes in standard Base64.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.bytes))
    }
}

impl FromStr for Succession {
    type Err = EnvelopeError;

    fn from_str(text: &str) -> Result<Self, EnvelopeError> {
        let malformed = |error: base64::DecodeError| EnvelopeError::Malformed { detail: error.to_string() };
        Self::open(&STANDARD.decode(text).map_err(malformed)?)
    }
}
