//! What the acts of an execution were first planned on: a context that leads elsewhere later is not followed.

use std::collections::BTreeMap;

use belay_runbook::act::{Act, Preparation};

use crate::event::PlannedAct;

/// The first fingerprint of a target that a planned act carried, per family of actions: the part of a name before its
/// first `.`.
#[derive(Debug, Clone, Default)]
pub struct Targets(BTreeMap<String, String>);

impl Targets {
    /// Takes in what was planned.
    pub(crate) fn pin<'a>(&mut self, planned: impl IntoIterator<Item = &'a PlannedAct>) {
        for planned in planned {
            self.first(&planned.act, &planned.preparation);
        }
    }

    /// Whether the target of such acts is known.
    pub fn is_known(&self, act: &Act) -> bool {
        self.0.contains_key(family(act))
    }

    /// Why acts may not start: they were prepared on another target than those before them.
    pub fn led_elsewhere<'a>(&self, prepared: impl IntoIterator<Item = (&'a Act, &'a Preparation)>) -> Option<String> {
        let mut targets = self.clone();
        prepared.into_iter().find_map(|(act, preparation)| {
            let now = preparation.target.fingerprint.as_deref()?;
            let first = targets.first(act, preparation)?;
            (first != now).then(|| format!("the context leads to another target now: it was {first} and is {now}"))
        })
    }

    /// The fingerprint that counts for an act, which is its own where it is the first one.
    fn first(&mut self, act: &Act, preparation: &Preparation) -> Option<&str> {
        let now = preparation.target.fingerprint.as_ref()?;
        Some(self.0.entry(family(act).to_owned()).or_insert_with(|| now.clone()))
    }
}

fn family(act: &Act) -> &str {
    act.action.split('.').next().unwrap_or_default()
}
