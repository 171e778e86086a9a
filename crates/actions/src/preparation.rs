//! What simple actions answer before they act.

use std::collections::BTreeMap;

use belay_runbook::act::{ActTarget, Basis, Preparation};
use belay_runbook::action::{Effect, Impact};

/// The preparation of an act that changes nothing and rests on no live state.
pub(crate) fn reading(target: &str) -> Preparation {
    Preparation {
        target: ActTarget { name: target.to_owned(), fingerprint: None },
        effect: Effect::Read,
        impact: Impact::Low,
        reasons: Vec::new(),
        facts: BTreeMap::new(),
        basis: Basis { known: true, ..Basis::default() },
        undo: None,
        candidates: BTreeMap::new(),
        notes: Vec::new(),
    }
}
