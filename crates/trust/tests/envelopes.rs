//! Authenticity of single envelopes: signing, opening, every kind of damage, and the golden file of each version.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use belay_trust::{
    DeviceKey, Envelope, EnvelopeError, ExecutionId, Hash32, Hlc, KeyId, MAX_BODY, MAX_KIND, MAX_LINKS, SessionId,
    SignedEnvelope, VERSION,
};
use proptest::prelude::*;

const GOLDEN_V1: &[u8] = include_bytes!("golden/envelope-v1.cbor");

fn key() -> DeviceKey {
    DeviceKey::from_bytes(&[7; 32])
}

fn envelope() -> Envelope {
    Envelope {
        v: VERSION,
        key: key().public(),
        sealed_by: None,
        execution: ExecutionId([3; 32]),
        session: SessionId([9; 16]),
        seq: 300,
        prev: Some(Hash32([4; 32])),
        cites: vec![Hash32([6; 32]), Hash32([5; 32])],
        seen: vec![Hash32([8; 32])],
        kind: "step-started".to_owned(),
        critical: true,
        body: b"{\"step\":\"restart\"}".to_vec(),
        hlc: Hlc { wall_ms: 1_763_769_600_000, counter: 2 },
    }
}

prop_compose! {
    fn any_envelope()(
        sealed_by in proptest::option::of(any::<[u8; 32]>()),
        execution in any::<[u8; 32]>(),
        session in any::<[u8; 16]>(),
        seq in any::<u64>(),
        prev in proptest::option::of(any::<[u8; 32]>()),
        cites in proptest::collection::vec(any::<[u8; 32]>(), 0..4),
        seen in proptest::collection::vec(any::<[u8; 32]>(), 0..4),
        kind in ".{1,30}",
        critical in any::<bool>(),
        body in proptest::collection::vec(any::<u8>(), 0..400),
        wall_ms in any::<u64>(),
        counter in any::<u32>(),
    ) -> Envelope {
        Envelope {
            v: VERSION,
            key: key().public(),
            sealed_by: sealed_by.map(KeyId),
            execution: ExecutionId(execution),
            session: SessionId(session),
            seq,
            prev: prev.map(Hash32),
            cites: cites.into_iter().map(Hash32).collect(),
            seen: seen.into_iter().map(Hash32).collect(),
            kind,
            critical,
            body,
            hlc: Hlc { wall_ms, counter },
        }
    }
}

proptest! {
    #[test]
    fn what_was_signed_opens_as_the_same_envelope(envelope in any_envelope()) {
        let signed = envelope.clone().sign(&key()).unwrap();
        let opened = SignedEnvelope::open(signed.bytes()).unwrap();
        prop_assert_eq!(opened.envelope(), &envelope);
        prop_assert_eq!(opened.hash(), Hash32::of(signed.bytes()));
        prop_assert_eq!(&opened, &signed);
    }

    #[test]
    fn an_envelope_with_any_byte_changed_never_opens(
        envelope in any_envelope(), at in any::<prop::sample::Index>(), with in 1..=255_u8,
    ) {
        let mut bytes = envelope.sign(&key()).unwrap().bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        prop_assert!(SignedEnvelope::open(&bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_open_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(SignedEnvelope::open(&bytes).is_err());
    }
}

#[test]
fn an_envelope_with_any_single_bit_flipped_never_opens() {
    let bytes = envelope().sign(&key()).unwrap().bytes().to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(SignedEnvelope::open(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_truncated_or_lengthened_envelope_never_opens() {
    let bytes = envelope().sign(&key()).unwrap().bytes().to_vec();
    for length in 0..bytes.len() {
        assert!(SignedEnvelope::open(&bytes[..length]).is_err(), "{length} bytes");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(SignedEnvelope::open(&longer), Err(EnvelopeError::NotCanonical));
}

#[test]
fn another_encoding_of_the_same_content_is_refused_though_its_signature_would_verify() {
    let bytes = envelope().sign(&key()).unwrap().bytes().to_vec();
    // The outer array with an indefinite length holds the same content and the same valid signature.
    let mut indefinite = vec![0x9f];
    indefinite.extend(&bytes[1..]);
    indefinite.push(0xff);
    assert_eq!(SignedEnvelope::open(&indefinite), Err(EnvelopeError::NotCanonical));
}

#[test]
fn an_unknown_kind_is_kept() {
    let unknown = Envelope { kind: "from-the-future".to_owned(), ..envelope() };
    let signed = unknown.sign(&key()).unwrap();
    assert_eq!(SignedEnvelope::open(signed.bytes()).unwrap().envelope().kind, "from-the-future");
}

#[test]
fn another_version_is_named_rather_than_misread() {
    let newer = Envelope { v: 2, ..envelope() };
    assert_eq!(newer.clone().sign(&key()), Err(EnvelopeError::Version { found: 2 }));
    let content = minicbor::to_vec(&newer).unwrap();
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(2).unwrap().bytes(&content).unwrap().bytes(&[0; 64]).unwrap();
    assert_eq!(SignedEnvelope::open(&encoder.into_writer()), Err(EnvelopeError::Version { found: 2 }));
}

#[test]
fn a_field_beyond_its_limit_is_named() {
    let cases = [
        ("body", Envelope { body: vec![0; MAX_BODY + 1], ..envelope() }),
        ("kind", Envelope { kind: "k".repeat(MAX_KIND + 1), ..envelope() }),
        ("cites", Envelope { cites: vec![Hash32([1; 32]); MAX_LINKS + 1], ..envelope() }),
        ("seen", Envelope { seen: vec![Hash32([1; 32]); MAX_LINKS + 1], ..envelope() }),
    ];
    for (name, envelope) in cases {
        assert!(
            matches!(envelope.sign(&key()), Err(EnvelopeError::TooLong { field, .. }) if field == name),
            "{name} is over its limit"
        );
    }
    let nameless = Envelope { kind: String::new(), ..envelope() };
    assert_eq!(nameless.sign(&key()), Err(EnvelopeError::NoKind));
}

#[test]
fn the_largest_allowed_envelope_opens() {
    let largest = Envelope {
        body: vec![1; MAX_BODY],
        kind: "k".repeat(MAX_KIND),
        cites: vec![Hash32([1; 32]); MAX_LINKS],
        seen: vec![Hash32([2; 32]); MAX_LINKS],
        sealed_by: Some(KeyId([1; 32])),
        seq: u64::MAX,
        ..envelope()
    };
    let signed = largest.sign(&key()).unwrap();
    assert!(SignedEnvelope::open(signed.bytes()).is_ok(), "{} bytes are within the limit", signed.bytes().len());
}

#[test]
fn a_device_cannot_sign_in_anothers_name() {
    let other = DeviceKey::from_bytes(&[8; 32]);
    assert_eq!(envelope().sign(&other), Err(EnvelopeError::OtherKey));
}

#[test]
fn a_signature_over_the_same_bytes_without_the_domain_does_not_count() {
    use ed25519_dalek::Signer as _;
    let content = minicbor::to_vec(envelope()).unwrap();
    let bare = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).sign(&content);
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(2).unwrap().bytes(&content).unwrap().bytes(&bare.to_bytes()).unwrap();
    assert_eq!(SignedEnvelope::open(&encoder.into_writer()), Err(EnvelopeError::Signature));
}

#[test]
fn the_golden_envelope_of_version_1_is_still_what_is_written_and_read() {
    let signed = envelope().sign(&key()).unwrap();
    if std::env::var_os("BELAY_WRITE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/envelope-v1.cbor");
        std::fs::write(path, signed.bytes()).unwrap();
        return;
    }
    assert_eq!(signed.bytes(), GOLDEN_V1, "version 1 is fixed for ever; a change needs a new version");
    assert_eq!(SignedEnvelope::open(GOLDEN_V1).unwrap().envelope(), &envelope());
    assert_eq!(
        signed.hash().to_string(),
        include_str!("golden/envelope-v1.sha256").trim(),
        "an event keeps its identity"
    );
}
