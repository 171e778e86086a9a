//! What an approval binds: every field changes the digest.

use std::collections::{BTreeMap, BTreeSet};

use belay_engine::digest::{ApprovalPreimage, act_digest, basis_difference};
use belay_engine::event::{PlannedAct, UndoPlan};
use belay_engine::ids::EventHash;
use belay_runbook::act::{Act, ActTarget, Basis, Preparation, ReplicaChange};
use belay_runbook::action::{Effect, Impact};
use serde_json::{Value, json};

use crate::support::{at, visit};

fn preparation() -> Preparation {
    Preparation {
        target: ActTarget { name: "a".to_owned(), fingerprint: Some("uid".to_owned()) },
        effect: Effect::Mutate,
        impact: Impact::Low,
        reasons: Vec::new(),
        facts: BTreeMap::new(),
        basis: Basis {
            known: true,
            replicas: Some(ReplicaChange { from: 1, to: 2 }),
            objects: BTreeSet::from(["o".to_owned()]),
            nodes: BTreeSet::from(["n".to_owned()]),
            values: BTreeMap::from([("v".to_owned(), json!(1))]),
            ..Basis::default()
        },
        undo: Some(json!({ "value": 1 })),
        candidates: BTreeMap::new(),
        notes: Vec::new(),
    }
}

fn planned() -> PlannedAct {
    PlannedAct {
        act: Act { action: "thing.set".to_owned(), parameters: json!({ "name": "a", "value": 1 }) },
        effect: Effect::Mutate,
        idempotent: false,
        preparation: preparation(),
    }
}

/// Kept until the test process ends.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// The JSON that is hashed, so that a field that is added later is covered by this test by itself.
fn preimage(change: impl FnOnce(&mut ApprovalPreimage<'static>)) -> (String, Value) {
    let instant = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut preimage = ApprovalPreimage {
        genesis: kept(EventHash("g".to_owned())),
        epoch: 0,
        at: kept(at("step")),
        plan: 1,
        call: None,
        acts: kept([planned()]),
        undo: &UndoPlan::Captured,
        policy_digest: "p",
        approvers: kept(["team".to_owned()]),
        quorum: 1,
        attempts: 1,
        requested_at: instant,
        expires_at: instant,
    };
    change(&mut preimage);
    (preimage.digest(), serde_json::to_value(&preimage).unwrap())
}

#[test]
fn every_field_changes_the_digest() {
    let (digest, fields) = preimage(|_| {});
    assert_eq!(digest, preimage(|_| {}).0, "the same request has the same digest");
    let other = "2026-01-01T00:05:00Z".parse().unwrap();
    let mut digests = BTreeSet::from([digest]);
    digests.extend([
        preimage(|it| it.genesis = kept(EventHash("h".to_owned()))).0,
        preimage(|it| it.epoch = 1).0,
        preimage(|it| it.at = kept(at("other"))).0,
        preimage(|it| it.at = kept(visit("step", 2))).0,
        preimage(|it| it.plan = 2).0,
        preimage(|it| it.call = Some(0)).0,
        preimage(|it| it.undo = kept(UndoPlan::Irreversible { reason: "no".to_owned() })).0,
        preimage(|it| it.policy_digest = "q").0,
        preimage(|it| it.approvers = &[]).0,
        preimage(|it| it.quorum = 2).0,
        preimage(|it| it.attempts = 2).0,
        preimage(|it| it.requested_at = other).0,
        preimage(|it| it.expires_at = other).0,
    ]);
    assert_eq!(digests.len(), 14, "no two are equal");
    assert_eq!(fields.as_object().unwrap().len(), 13, "a new field belongs into this test");
}

#[test]
fn everything_that_is_known_of_an_act_changes_the_digest() {
    let changes: [fn(&mut PlannedAct); 11] = [
        |it| it.act.action = "thing.put".to_owned(),
        |it| it.act.parameters = json!({ "name": "a", "value": 2 }),
        |it| it.effect = Effect::Destructive,
        |it| it.idempotent = true,
        |it| it.preparation.target.name = "b".to_owned(),
        |it| it.preparation.target.fingerprint = Some("other".to_owned()),
        |it| it.preparation.undo = None,
        |it| it.preparation.basis.replicas = None,
        |it| it.preparation.basis.objects = BTreeSet::new(),
        |it| it.preparation.basis.nodes = BTreeSet::new(),
        |it| it.preparation.basis.values = BTreeMap::new(),
    ];
    let mut digests = BTreeSet::from([preimage(|_| {}).0]);
    for change in changes {
        let mut act = planned();
        change(&mut act);
        digests.insert(preimage(|it| it.acts = kept([act])).0);
    }
    digests.insert(preimage(|it| it.acts = &[]).0);
    assert_eq!(digests.len(), 13);
}

#[test]
fn an_act_is_bound_by_its_bytes() {
    let one = planned().act;
    let two = Act { parameters: json!({ "value": 1, "name": "a" }), ..one.clone() };
    assert_eq!(act_digest(&one), act_digest(&two), "the order of keys is no difference");
    let three = Act { parameters: json!({ "value": "1", "name": "a" }), ..one.clone() };
    assert_ne!(act_digest(&one), act_digest(&three));
}

#[test]
fn each_part_of_a_basis_is_compared() {
    let before = preparation();
    assert!(basis_difference("x", &before, &before).is_empty());
    let changes: [fn(&mut Preparation); 9] = [
        |it| it.target.name = "b".to_owned(),
        |it| it.target.fingerprint = None,
        |it| it.effect = Effect::Destructive,
        |it| it.basis.known = false,
        |it| it.basis.replicas = Some(ReplicaChange { from: 3, to: 2 }),
        |it| it.basis.replicas = None,
        |it| it.basis.objects = BTreeSet::new(),
        |it| it.basis.nodes = BTreeSet::new(),
        |it| it.basis.values = BTreeMap::from([("w".to_owned(), json!(1))]),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut now = preparation();
        change(&mut now);
        assert!(!basis_difference("x", &before, &now).is_empty(), "change {index} is a difference");
    }
    let mut now = preparation();
    now.target.fingerprint = Some("other".to_owned());
    assert_eq!(basis_difference("x", &before, &now), ["x: the target was a (uid) and is a (other)"]);
    now.target.fingerprint = None;
    assert_eq!(basis_difference("x", &before, &now), ["x: the target was a (uid) and is a"]);
    now.target.name = "b".to_owned();
    now.target.fingerprint = Some("uid".to_owned());
    assert_eq!(basis_difference("x", &before, &now), ["x: the target was a and is b"]);
}
