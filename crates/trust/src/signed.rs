//! What every signed thing has in common: canonical CBOR of `[content, signature, …]`, each signature over a domain, a
//! zero byte and the bytes of the content.

use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::{Decode, Encode};

use crate::envelope::EnvelopeError;
use crate::ids::PublicKey;

/// Content and the signature of one key.
#[derive(Decode, Encode)]
#[cbor(array)]
pub(crate) struct Wire {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) content: Vec<u8>,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) signature: Vec<u8>,
}

/// What is signed of some content; `domain` ends with a zero byte.
pub(crate) fn message(domain: &[u8], content: &[u8]) -> Vec<u8> {
    [domain, content].concat()
}

pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing to memory does not fail")
}

pub(crate) fn malformed(error: &minicbor::decode::Error) -> EnvelopeError {
    EnvelopeError::Malformed { detail: error.to_string() }
}

pub(crate) fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, EnvelopeError> {
    minicbor::decode(bytes).map_err(|error| malformed(&error))
}

/// Reads bytes that are the canonical form of what they say, and nothing else.
pub(crate) fn canonical<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8]) -> Result<T, EnvelopeError> {
    let value: T = decode(bytes)?;
    if encode(&value) == bytes { Ok(value) } else { Err(EnvelopeError::NotCanonical) }
}

/// The version that content states first: a newer one may have another shape.
pub(crate) fn peek_version(content: &[u8]) -> Result<u32, EnvelopeError> {
    let mut decoder = minicbor::Decoder::new(content);
    decoder.array().and_then(|_| decoder.u32()).map_err(|error| malformed(&error))
}

/// Checks a signature (`verify_strict`, which refuses weak keys).
pub(crate) fn verify(domain: &[u8], content: &[u8], key: &PublicKey, signature: &[u8]) -> Result<(), EnvelopeError> {
    let signature = Signature::from_slice(signature).map_err(|_| EnvelopeError::Signature)?;
    VerifyingKey::from_bytes(key.as_bytes())
        .map_err(|_| EnvelopeError::PublicKey)?
        .verify_strict(&message(domain, content), &signature)
        .map_err(|_| EnvelopeError::Signature)
}
