//! Identifiers: fixed-length byte strings, written as lower-case hexadecimal.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Says why a text is not an identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdError {
    /// The text has the wrong number of characters.
    #[error("expected {expected} hexadecimal characters, found {found}")]
    Length {
        /// The number of characters an identifier of this type has.
        expected: usize,
        /// The number of bytes the text has.
        found: usize,
    },
    /// A character is not one of `0-9` and `a-f`.
    #[error("character {at} is not a lower-case hexadecimal digit")]
    Digit {
        /// The position of the byte, from 0.
        at: usize,
    },
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return Err(IdError::Length { expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    for (at, &digit) in text.iter().enumerate() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(IdError::Digit { at }),
        };
        let byte = bytes.get_mut(at / 2).expect("the text has two characters for each byte");
        *byte = *byte << 4 | value;
    }
    Ok(bytes)
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// Returns the bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Takes the identifier from a slice, if it has exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(d.bytes()?)
                    .ok_or_else(|| minicbor::decode::Error::message("an identifier of another length"))
            }
        }
    };
}

byte_id! {
    /// Names bytes by their SHA-256.
    Hash32, 32
}
byte_id! {
    /// Names an execution: the hash of its signed genesis envelope.
    ///
    /// The genesis envelope itself cannot contain its own hash; its field holds [`ExecutionId::ZERO`], and
    /// [`SignedEnvelope::execution`](crate::SignedEnvelope::execution) returns the envelope's hash instead.
    ExecutionId, 32
}
byte_id! {
    /// Names a device: the SHA-256 of its public key.
    DeviceId, 32
}
byte_id! {
    /// Names a key: the SHA-256 of its public part, or of its bytes where it is symmetric.
    KeyId, 32
}
byte_id! {
    /// An Ed25519 public key. Whether it is a point on the curve is found out when a signature is checked.
    PublicKey, 32
}
byte_id! {
    /// Names one opening of a device's store for writing: random bytes drawn then.
    SessionId, 16
}

impl Hash32 {
    /// Returns the SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl ExecutionId {
    /// Stands in the `execution` field of a genesis envelope.
    pub const ZERO: Self = Self([0; 32]);

    /// Returns the hash of the genesis envelope.
    pub const fn hash(&self) -> Hash32 {
        Hash32(self.0)
    }
}

impl From<Hash32> for ExecutionId {
    fn from(genesis: Hash32) -> Self {
        Self(genesis.0)
    }
}

impl PublicKey {
    /// Returns the id of the device that holds the secret part.
    pub fn device(&self) -> DeviceId {
        DeviceId(Sha256::digest(self.0).into())
    }

    /// Returns the id of this key.
    pub fn key_id(&self) -> KeyId {
        KeyId(self.device().0)
    }
}

/// Names one sequence of events: what one device appended to one execution in one session.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ChainId {
    /// The execution, never [`ExecutionId::ZERO`].
    pub execution: ExecutionId,
    /// The device that signs.
    pub device: DeviceId,
    /// The opening of the store.
    pub session: SessionId,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn an_id_prints_and_parses_as_lower_case_hexadecimal() {
        let hash = Hash32::of(b"belay");
        let text = hash.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(text.parse::<Hash32>().unwrap(), hash);
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<Hash32>(&json).unwrap(), hash);
    }

    #[test]
    fn a_text_of_another_length_or_alphabet_is_not_an_id() {
        assert_eq!("ab".parse::<SessionId>(), Err(IdError::Length { expected: 32, found: 2 }));
        assert_eq!(
            "0123456789abcdef0123456789abcdeF".parse::<SessionId>(),
            Err(IdError::Digit { at: 31 }),
            "one identifier has one spelling"
        );
        assert!("é".repeat(16).parse::<SessionId>().is_err());
    }
}
