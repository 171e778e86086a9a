//! What an approval binds: the digest over everything that will run and everything that was known when it was judged.

use belay_runbook::act::{Act, ActTarget, Preparation};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::event::{PlannedAct, UndoPlan};
use crate::ids::{EventHash, VisitId};

/// The preimage of an approval's digest (execution.md, 5). Serialised as JSON with sorted keys; a field added later
/// changes the domain.
#[derive(Debug, Serialize)]
pub struct ApprovalPreimage<'a> {
    /// Hash of the genesis envelope.
    pub genesis: &'a EventHash,
    /// The driver's epoch.
    pub epoch: u32,
    /// Step and visit.
    pub at: &'a VisitId,
    /// The plan's number within the visit.
    pub plan: u32,
    /// The host call, where the request is for one.
    pub call: Option<u32>,
    /// The acts with effect, target and basis.
    pub acts: &'a [PlannedAct],
    /// What takes them back.
    pub undo: &'a UndoPlan,
    /// SHA-256 of the policy of the genesis; where another one was judged by as well, both, joined by `+`.
    pub policy_digest: &'a str,
    /// Who may approve.
    pub approvers: &'a [String],
    /// How many people.
    pub quorum: u32,
    /// How many automatic attempts it covers.
    pub attempts: u32,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until when it stands.
    pub expires_at: Timestamp,
}

impl ApprovalPreimage<'_> {
    /// SHA-256 over the domain and the canonical bytes, hex.
    pub fn digest(&self) -> String {
        // Going through a `Value` sorts every key.
        let value = serde_json::to_value(self).expect("strings, numbers and maps with string keys serialise");
        hash(&[b"belay.approval.v1\0", value.to_string().as_bytes()])
    }
}

/// SHA-256 of an act's canonical bytes, hex: what an intent commits to.
pub fn act_digest(act: &Act) -> String {
    hash(&[b"belay.act.v1\0", &act.bytes()])
}

/// The reading of a later act's state as the acts before it were expected to leave it: each changed the same target, and
/// said how it left that.
pub fn expected_basis<'a>(
    planned: &Preparation,
    done: impl Iterator<Item = (&'a Preparation, Option<&'a Value>)>,
) -> Preparation {
    let mut expected = planned.clone();
    for (before, after) in done.filter(|(before, _)| before.target == planned.target) {
        if let (Some(later), Some(earlier)) = (&mut expected.basis.replicas, before.basis.replicas) {
            later.from = earlier.to;
        }
        for (name, value) in &mut expected.basis.values {
            if let Some(left) = after.and_then(|after| after.get(name)) {
                value.clone_from(left);
            }
        }
    }
    expected
}

/// What differs between two readings of the basis that a judgement rests on; empty where nothing does.
pub fn basis_difference(name: &str, before: &Preparation, now: &Preparation) -> Vec<String> {
    let mut difference = Vec::new();
    let (old, new) = (&before.basis, &now.basis);
    if before.target != now.target {
        let (was, is) = (&before.target, &now.target);
        // Where the names are the same, the fingerprints tell the targets apart.
        let shown = |target: &ActTarget| match target.fingerprint.as_ref().filter(|_| was.fingerprint != is.fingerprint)
        {
            Some(fingerprint) => format!("{} ({fingerprint})", target.name),
            None => target.name.clone(),
        };
        difference.push(format!("{name}: the target was {} and is {}", shown(was), shown(is)));
    }
    if now.effect > before.effect {
        difference.push(format!("{name}: the effect was {} and is {}", before.effect.as_str(), now.effect.as_str()));
    }
    if old.known != new.known {
        difference.push(format!("{name}: live state could {}be read", if new.known { "now " } else { "no longer " }));
    }
    match (old.replicas, new.replicas) {
        (Some(old), Some(new)) if old != new => difference.push(format!(
            "{name}: replicas were to go from {} to {}, now from {} to {}",
            old.from, old.to, new.from, new.to
        )),
        (Some(_), None) => difference.push(format!("{name}: it would no longer change a number of replicas")),
        (None, Some(new)) => {
            difference.push(format!("{name}: replicas would now go from {} to {}", new.from, new.to));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if old.objects != new.objects {
        difference.push(format!("{name}: it would touch other objects: {}", join(&new.objects)));
    }
    if let Some((was, is)) = old.pods.zip(new.pods)
        && is > was.saturating_add(tolerated(was))
    {
        difference.push(format!("{name}: it would end {is} pods, and {was} when it was judged"));
    }
    if old.nodes != new.nodes {
        difference.push(format!("{name}: it would touch other nodes: {}", join(&new.nodes)));
    }
    for (key, value) in &new.values {
        match old.values.get(key) {
            Some(was) if was == value => {}
            Some(was) => difference.push(format!("{name}: `{key}` was {was} and is {value}")),
            None => difference.push(format!("{name}: `{key}` is now {value}")),
        }
    }
    for key in old.values.keys().filter(|key| !new.values.contains_key(*key)) {
        difference.push(format!("{name}: `{key}` is gone"));
    }
    difference
}

/// Pods that may come to an act between its judgement and its start: pods move by themselves.
fn tolerated(pods: u32) -> u32 {
    (pods / 10).max(1)
}

fn join(names: &std::collections::BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn hash(parts: &[&[u8]]) -> String {
    use std::fmt::Write as _;
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a string cannot fail.
        write!(hex, "{byte:02x}").expect("a string takes every write");
    }
    hex
}
