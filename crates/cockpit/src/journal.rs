//! From envelopes to executions: the fold of what the store holds, with statements that nobody has cited yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use belay_engine::driver::Stated;
use belay_engine::event::{Draft, Event, Genesis};
use belay_engine::execution::Execution;
use belay_engine::ids::EventHash;
use belay_runbook::format;
use belay_runbook::model::Runbook;
use belay_runbook::policy::Policy;
use belay_trust::{DeviceId, ExecutionId, Hash32, SignedEnvelope};
use jiff::Timestamp;

use crate::error::{CockpitError, ErrorClass};

/// An execution with what was said and is not cited.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) execution: Execution,
    pub(crate) pending: Vec<Stated>,
}

/// Texts and what they parse to, shared by every execution of the same digest.
#[derive(Default)]
pub(crate) struct Shared {
    runbooks: Mutex<ByDigest<Runbook>>,
    policies: Mutex<ByDigest<Policy>>,
}

/// A text and what it parses to, as long as some execution holds them.
type ByDigest<T> = BTreeMap<String, (Weak<str>, Weak<T>)>;

impl Shared {
    /// The runbook of a genesis, and the one copy of its text.
    fn runbook(&self, genesis: &mut Genesis) -> Result<Arc<Runbook>, CockpitError> {
        let mut known = self.runbooks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((text, runbook)) = known.get(&genesis.runbook_digest)
            && let (Some(text), Some(runbook)) = (text.upgrade(), runbook.upgrade())
            && text == genesis.runbook
        {
            genesis.runbook = text;
            return Ok(runbook);
        }
        let parsed = format::parse("<genesis>", genesis.runbook.as_bytes());
        let runbook = parsed.runbook.map(Arc::new).ok_or_else(|| {
            let why = parsed.findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
            CockpitError::bug(format!("the runbook of an execution cannot be read any more: {why}"))
        })?;
        known.insert(genesis.runbook_digest.clone(), (Arc::downgrade(&genesis.runbook), Arc::downgrade(&runbook)));
        Ok(runbook)
    }

    /// The policy of a genesis.
    pub(crate) fn policy(&self, genesis: &Genesis) -> Result<Arc<Policy>, CockpitError> {
        let mut known = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, policy)) = known.get(&genesis.policy_digest)
            && let Some(policy) = policy.upgrade()
        {
            return Ok(policy);
        }
        let policy = Policy::parse("<genesis>", genesis.policy.as_bytes()).map(Arc::new).map_err(|findings| {
            let why = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
            CockpitError::bug(format!("the policy of an execution cannot be read any more: {why}"))
        })?;
        known.insert(genesis.policy_digest.clone(), (Arc::downgrade(&genesis.policy), Arc::downgrade(&policy)));
        Ok(policy)
    }

    /// The one copy of the policy's text.
    fn policy_text(&self, genesis: &mut Genesis) {
        let mut known = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = known.get(&genesis.policy_digest).and_then(|(text, _)| text.upgrade());
        match shared {
            Some(text) if text == genesis.policy => genesis.policy = text,
            Some(_) | None => {
                let policy = known.remove(&genesis.policy_digest).map(|(_, policy)| policy).unwrap_or_default();
                known.insert(genesis.policy_digest.clone(), (Arc::downgrade(&genesis.policy), policy));
            }
        }
    }

    /// Folds an execution's envelopes, which are in causal order.
    pub(crate) fn fold(&self, events: &[SignedEnvelope]) -> Result<Loaded, CockpitError> {
        let Some((first, rest)) = events.split_first() else {
            return Err(CockpitError::bug("an execution without events"));
        };
        let Event::Genesis(mut genesis) = decode(first)? else {
            return Err(damaged("its first event is not a genesis"));
        };
        let runbook = self.runbook(&mut genesis)?;
        self.policy_text(&mut genesis);
        let mut execution = Execution::begin(hash_of(first), Arc::new(*genesis), runbook);
        let mut said = Vec::new();
        for envelope in rest {
            let event = decode(envelope)?;
            let cites: Vec<EventHash> =
                envelope.envelope().cites.iter().map(|hash| EventHash(hash.to_string())).collect();
            execution.absorb(&event, &cites).map_err(|illegal| damaged(&illegal.to_string()))?;
            if let Event::Statement { by, statement } = event {
                said.push(Stated { hash: hash_of(envelope), by, statement });
            }
        }
        let pending = said.into_iter().filter(|stated| !execution.cited.contains(&stated.hash)).collect();
        Ok(Loaded { execution, pending })
    }
}

fn damaged(why: &str) -> CockpitError {
    CockpitError {
        class: ErrorClass::Environment,
        message: format!("the log of the execution cannot be followed: {why}"),
        hint: Some("`belay audit verify` names what is wrong; `belay doctor` checks the database".to_owned()),
    }
}

/// The hash of an envelope as the engine names it.
pub(crate) fn hash_of(envelope: &SignedEnvelope) -> EventHash {
    EventHash(envelope.hash().to_string())
}

/// What a statement cites that is the first word of a device in a log: the ends of all that was said before.
///
/// What a device has seen of others' chains is testimony and orders nothing, so without this the first words of a new key
/// could be read before what the old one wrote. An event of a device that has spoken follows its own last one.
pub(crate) fn ends_before(events: &[SignedEnvelope], device: DeviceId) -> Vec<EventHash> {
    if events.iter().any(|event| event.device() == device) {
        return Vec::new();
    }
    let followed: BTreeSet<Hash32> = events.iter().flat_map(SignedEnvelope::dependencies).collect();
    events.iter().filter(|event| !followed.contains(&event.hash())).map(hash_of).collect()
}

/// The event inside an envelope.
pub(crate) fn decode(envelope: &SignedEnvelope) -> Result<Event, CockpitError> {
    serde_json::from_slice(&envelope.envelope().body)
        .map_err(|error| damaged(&format!("event {} is not one of ours: {error}", envelope.hash())))
}

/// The store's form of an event.
pub(crate) fn encode(draft: &Draft, now: Timestamp) -> Result<belay_store::Draft, CockpitError> {
    let cites = draft
        .cites
        .iter()
        .map(|hash| hash.0.parse::<Hash32>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CockpitError::bug(format!("a citation is no hash: {error}")))?;
    let body = serde_json::to_vec(&draft.event)
        .map_err(|error| CockpitError::bug(format!("an event cannot be written: {error}")))?;
    let wall_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    Ok(belay_store::Draft { kind: draft.event.kind().to_owned(), critical: true, cites, body, wall_ms })
}

/// The store's id of an execution.
pub(crate) fn execution_id(hex: &str) -> Result<ExecutionId, CockpitError> {
    hex.parse::<Hash32>()
        .map(ExecutionId::from)
        .map_err(|_| CockpitError::bug(format!("`{hex}` is no execution's hash")))
}
