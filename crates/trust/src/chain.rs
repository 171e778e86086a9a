//! The links between authentic envelopes: continuity, dependencies, equivocation, histories that went back.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{AuditReport, Equivocation, EventAudit, Fault, Fork};
use crate::envelope::SignedEnvelope;
use crate::ids::{ChainId, DeviceId, ExecutionId, Hash32};
use crate::order::causal_order;

/// The first events of one device's sessions in one execution, by the event they go on from.
type Starts = BTreeMap<(ExecutionId, DeviceId, Option<Hash32>), BTreeSet<Hash32>>;

/// Checks how a set of authentic envelopes, of one or several executions, hangs together.
pub fn verify_chains(envelopes: impl IntoIterator<Item = SignedEnvelope>) -> AuditReport {
    let ordered = causal_order(envelopes);
    let held: BTreeMap<Hash32, &SignedEnvelope> = ordered.iter().map(|envelope| (envelope.hash(), envelope)).collect();
    let mut positions: BTreeMap<(ChainId, u64), BTreeSet<Hash32>> = BTreeMap::new();
    let mut starts = Starts::new();
    for event in &ordered {
        let seq = event.envelope().seq;
        positions.entry((event.chain(), seq)).or_default().insert(event.hash());
        if seq == 0 {
            starts.entry((event.execution(), event.device(), event.envelope().prev)).or_default().insert(event.hash());
        }
    }
    let equivocations: Vec<Equivocation> = positions
        .into_iter()
        .filter(|(_, events)| events.len() > 1)
        .map(|((chain, seq), events)| Equivocation { chain, seq, events: events.into_iter().collect() })
        .collect();
    let mut report = AuditReport { forks: forks(starts, &held), ..AuditReport::default() };
    for event in &ordered {
        let faults = faults(event, &held, &equivocations);
        for fault in &faults {
            if let Fault::Missing { hashes } | Fault::MissingWitnessed { hashes } = fault {
                for &hash in hashes {
                    report.missing.entry(hash).or_default().insert(event.hash());
                }
            }
        }
        report.events.push(EventAudit {
            hash: event.hash(),
            chain: Some(event.chain()),
            seq: Some(event.envelope().seq),
            kind: Some(event.envelope().kind.clone()),
            faults,
        });
    }
    report.equivocations = equivocations;
    report
}

/// Two sessions that start after one event, unless they are one position taken twice, which is an equivocation.
fn forks(starts: Starts, held: &BTreeMap<Hash32, &SignedEnvelope>) -> Vec<Fork> {
    starts
        .into_iter()
        .filter_map(|((execution, device, after), events)| {
            let sessions: BTreeSet<_> =
                events.iter().filter_map(|hash| held.get(hash)).map(|event| event.envelope().session).collect();
            (sessions.len() > 1).then(|| Fork { execution, device, after, sessions: events.into_iter().collect() })
        })
        .collect()
}

fn faults(
    event: &SignedEnvelope,
    held: &BTreeMap<Hash32, &SignedEnvelope>,
    equivocations: &[Equivocation],
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(reason) = broken_link(event, held) {
        faults.push(Fault::BrokenLink { reason });
    }
    let absent = |hash: &Hash32| !held.contains_key(hash);
    let missing: BTreeSet<Hash32> = event.dependencies().filter(absent).collect();
    if !missing.is_empty() {
        faults.push(Fault::Missing { hashes: missing.into_iter().collect() });
    }
    let unseen: BTreeSet<Hash32> = event.envelope().seen.iter().copied().filter(absent).collect();
    if !unseen.is_empty() {
        faults.push(Fault::MissingWitnessed { hashes: unseen.into_iter().collect() });
    }
    let chain = event.chain();
    let seq = event.envelope().seq;
    let mut earliest: Option<u64> = None;
    for equivocation in equivocations.iter().filter(|found| found.chain == chain) {
        if equivocation.seq == seq {
            faults.push(Fault::Equivocation {
                with: equivocation.events.iter().copied().filter(|&other| other != event.hash()).collect(),
            });
        } else if equivocation.seq < seq {
            earliest = Some(earliest.map_or(equivocation.seq, |found| found.min(equivocation.seq)));
        }
    }
    faults.extend(earliest.map(|seq| Fault::AfterEquivocation { seq }));
    faults
}

/// Says what is wrong with `prev` and `seq`, as far as the set can tell; an absent `prev` is reported as missing.
fn broken_link(event: &SignedEnvelope, held: &BTreeMap<Hash32, &SignedEnvelope>) -> Option<String> {
    let envelope = event.envelope();
    if envelope.is_genesis() {
        if envelope.seq != 0 {
            return Some(format!("a genesis has position {}", envelope.seq));
        }
        return envelope.prev.map(|_| "a genesis has a predecessor".to_owned());
    }
    if let Some(genesis) = held.get(&envelope.execution.hash())
        && !genesis.envelope().is_genesis()
    {
        return Some("the execution it names is not a genesis".to_owned());
    }
    let Some(prev) = envelope.prev else {
        return (envelope.seq != 0).then(|| format!("position {} has no predecessor", envelope.seq));
    };
    let prev = held.get(&prev)?;
    if prev.execution() != event.execution() {
        return Some("the predecessor belongs to another execution".to_owned());
    }
    if prev.device() != event.device() {
        return Some("the predecessor is another device's".to_owned());
    }
    let same_session = prev.envelope().session == envelope.session;
    match (envelope.seq, same_session) {
        (0, true) => Some("the first event of a session follows one of the same session".to_owned()),
        (1.., false) => Some(format!("position {} follows an event of another session", envelope.seq)),
        (0, false) => None,
        (seq, true) => (prev.envelope().seq.checked_add(1) != Some(seq))
            .then(|| format!("position {seq} follows position {}", prev.envelope().seq)),
    }
}
