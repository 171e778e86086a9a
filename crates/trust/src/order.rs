//! The order in which a set of envelopes is read.

use std::collections::{BTreeMap, BTreeSet};

use crate::envelope::SignedEnvelope;
use crate::ids::Hash32;

/// Sorts a set causally: an event comes after everything in the set that it depends on; ties are broken by hash.
///
/// The result is a function of the set alone, whatever order it arrives in; duplicates are dropped. Dependencies that
/// are not in the set do not hold an event back. What a device has seen of its own other sessions counts as one.
pub fn causal_order(envelopes: impl IntoIterator<Item = SignedEnvelope>) -> Vec<SignedEnvelope> {
    let mut by_hash: BTreeMap<Hash32, SignedEnvelope> =
        envelopes.into_iter().map(|envelope| (envelope.hash(), envelope)).collect();
    let mut waiting_for: BTreeMap<Hash32, usize> = BTreeMap::new();
    let mut dependants: BTreeMap<Hash32, Vec<Hash32>> = BTreeMap::new();
    let mut ready = BTreeSet::new();
    for (&hash, envelope) in &by_hash {
        let present: BTreeSet<Hash32> = envelope
            .dependencies()
            .filter(|dependency| by_hash.contains_key(dependency))
            .chain(witnessed_here(envelope, &by_hash))
            .collect();
        if present.is_empty() {
            ready.insert(hash);
            continue;
        }
        waiting_for.insert(hash, present.len());
        for dependency in present {
            dependants.entry(dependency).or_default().push(hash);
        }
    }
    let mut ordered = Vec::with_capacity(by_hash.len());
    // Hashes cannot form a cycle, so everything becomes ready.
    while let Some(hash) = ready.pop_first() {
        ordered.extend(by_hash.remove(&hash));
        for dependant in dependants.remove(&hash).unwrap_or_default() {
            let Some(open) = waiting_for.get_mut(&dependant) else {
                continue;
            };
            *open -= 1;
            if *open == 0 {
                ready.insert(dependant);
            }
        }
    }
    ordered
}

/// What an event says to have seen of its own device's other sessions: two processes of one device share a file, and what
/// one of them found there came before what it wrote. What other devices wrote is testimony alone.
fn witnessed_here<'e>(
    envelope: &'e SignedEnvelope,
    by_hash: &'e BTreeMap<Hash32, SignedEnvelope>,
) -> impl Iterator<Item = Hash32> + 'e {
    let device = envelope.chain().device;
    let own = move |hash: &Hash32| by_hash.get(hash).is_some_and(|seen| seen.chain().device == device);
    envelope.envelope().seen.iter().copied().filter(own)
}
