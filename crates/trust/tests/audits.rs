//! How sets of envelopes hang together: order, continuity, equivocation, histories that went back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::collections::BTreeSet;

use belay_trust::{AuditReport, ExecutionId, Fault, Hash32, SignedEnvelope, audit, causal_order, verify_chains};
use common::{Author, history};
use proptest::prelude::*;

fn without(history: &[SignedEnvelope], at: usize) -> AuditReport {
    verify_chains(history.iter().enumerate().filter(|&(index, _)| index != at).map(|(_, event)| event.clone()))
}

fn faults(report: &AuditReport, of: Hash32) -> &[Fault] {
    &report.events.iter().find(|event| event.hash == of).unwrap().faults
}

#[test]
fn a_whole_history_is_clean() {
    let report = verify_chains(history());
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.events.len(), 4);
}

#[test]
fn the_execution_of_a_genesis_is_its_own_hash() {
    let history = history();
    assert_eq!(history[0].execution().hash(), history[0].hash());
    assert!(history.iter().all(|event| event.execution() == history[0].execution()));
}

#[test]
fn removing_an_event_that_another_names_is_reported_with_its_hash() {
    let history = history();
    for at in 0..3 {
        let report = without(&history, at);
        assert!(!report.is_clean());
        assert_eq!(report.missing.keys().collect::<Vec<_>>(), [&history[at].hash()], "event {at} was removed");
    }
}

#[test]
fn an_event_that_was_only_witnessed_is_missed_too() {
    let history = history();
    let report = without(&history, 2);
    assert_eq!(faults(&report, history[3].hash()), [Fault::MissingWitnessed { hashes: vec![history[2].hash()] }]);
}

#[test]
fn one_position_taken_twice_is_an_equivocation_and_marks_what_follows() {
    let mut history = history();
    let mut liar = Author::new(1, 1);
    liar.seq = 1;
    liar.head = Some(history[0].hash());
    let twin = liar.say(history[0].execution(), "another first");
    history.push(twin.clone());
    let report = verify_chains(history.clone());
    assert_eq!(report.equivocations.len(), 1);
    assert_eq!(report.equivocations[0].seq, 1);
    assert_eq!(faults(&report, twin.hash()), [Fault::Equivocation { with: vec![history[1].hash()] }]);
    assert_eq!(faults(&report, history[2].hash()), [Fault::AfterEquivocation { seq: 1 }]);
    assert!(report.forks.is_empty(), "one session is no history that went back");
}

#[test]
fn two_sessions_after_one_event_are_a_history_that_went_back_and_no_fault() {
    let mut history = history();
    let mut starts = Vec::new();
    for session in [5, 6] {
        let mut restored = Author::new(1, session);
        restored.head = Some(history[2].hash());
        starts.push(restored.say(history[0].execution(), "resumed"));
    }
    history.push(starts[0].clone());
    assert!(verify_chains(history.clone()).is_clean(), "one later session is as it should be");
    history.push(starts[1].clone());
    let report = verify_chains(history.clone());
    assert_eq!(report.forks.len(), 1);
    assert_eq!(report.forks[0].after, Some(history[2].hash()));
    assert!(report.events.iter().all(belay_trust::EventAudit::is_ok), "it is shown, not rejected");
}

#[test]
fn links_that_do_not_fit_are_broken() {
    let history = history();
    let execution = history[0].execution();
    let mut cases: Vec<(&str, SignedEnvelope)> = Vec::new();
    let mut gap = Author::new(1, 1);
    (gap.seq, gap.head) = (5, Some(history[2].hash()));
    cases.push(("position", gap.say(execution, "gap")));
    let mut bare = Author::new(1, 1);
    bare.seq = 3;
    cases.push(("no predecessor", bare.say(execution, "bare")));
    let mut foreign = Author::new(2, 3);
    foreign.head = Some(history[2].hash());
    cases.push(("another device", foreign.say(execution, "foreign")));
    let mut elsewhere = Author::new(1, 4);
    elsewhere.head = Some(history[2].hash());
    cases.push(("another execution", elsewhere.say(ExecutionId([1; 32]), "elsewhere")));
    let mut hop = Author::new(1, 9);
    (hop.seq, hop.head) = (3, Some(history[2].hash()));
    cases.push(("another session", hop.say(execution, "hop")));
    let mut genesis = Author::new(1, 8);
    genesis.seq = 2;
    cases.push(("genesis has position", genesis.say(ExecutionId::ZERO, "late")));
    let mut on_event = Author::new(3, 8);
    cases.push(("not a genesis", on_event.say(ExecutionId(history[1].hash().0), "odd")));
    for (expected, event) in cases {
        let mut all = history.clone();
        all.push(event.clone());
        let report = verify_chains(all);
        assert!(
            faults(&report, event.hash())
                .iter()
                .any(|fault| matches!(fault, Fault::BrokenLink { reason } if reason.contains(expected))),
            "{expected}: {:?}",
            faults(&report, event.hash())
        );
    }
}

#[test]
fn an_audit_of_raw_bytes_names_the_event_that_was_altered() {
    let mut raw: Vec<Vec<u8>> = history().iter().map(|event| event.bytes().to_vec()).collect();
    raw[1][40] ^= 1;
    let report = audit(raw.iter().map(Vec::as_slice));
    assert_eq!(report.events.len(), 4);
    assert!(matches!(faults(&report, Hash32::of(&raw[1])), [Fault::NotAuthentic { .. }]));
    assert_eq!(report.missing.len(), 1, "the others miss the event as it was");
}

proptest! {
    #[test]
    fn the_order_is_a_function_of_the_set(order in Just((0..4).collect::<Vec<usize>>()).prop_shuffle()) {
        let history = history();
        let shuffled: Vec<_> = order.iter().chain(&[2, 0]).map(|&index| history[index].clone()).collect();
        let ordered = causal_order(shuffled);
        prop_assert_eq!(&ordered, &causal_order(history));
        let mut held = BTreeSet::new();
        for event in &ordered {
            prop_assert!(event.dependencies().all(|dependency| held.contains(&dependency)));
            held.insert(event.hash());
        }
    }
}
