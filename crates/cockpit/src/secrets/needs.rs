//! The secrets that a runbook needs, before it runs.

use std::collections::{BTreeMap, BTreeSet};

use belay_actions::action::{SecretError, secret_names};
use belay_runbook::model::{Does, InputKind, Runbook};
use serde_json::Value;

use super::Secrets;
use super::source::Doubt;
use crate::Cockpit;
use crate::error::CockpitError;
use crate::start::{StartRequest, does_of, steps_of};

impl Cockpit {
    /// Secrets that a start would need and that are not there, or are behind a lock: what is wrong, and what to do. No
    /// value is read, and nothing is unlocked.
    ///
    /// # Errors
    /// When the runbook or a value of the request cannot be used.
    pub fn missing_secrets(&self, request: &StartRequest) -> Result<Vec<SecretError>, CockpitError> {
        let prepared = self.gather(request)?;
        Ok(self.secrets().doubts(&named(&prepared.found.runbook, &prepared.values)))
    }
}

impl Secrets {
    /// What stands against each of these names; blocks.
    pub(crate) fn doubts(&self, names: &BTreeSet<String>) -> Vec<SecretError> {
        let doubts = names.iter().filter_map(|name| self.doubt(name));
        doubts
            .map(|doubt| match doubt {
                Doubt::Missing(error) | Doubt::Unknown(error) => error,
            })
            .collect()
    }
}

/// The secrets that a runbook names: in the values of its secret variables, and in what its steps are given.
fn named(runbook: &Runbook, values: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let variables = runbook.inputs.iter().filter(|(_, spec)| spec.kind == InputKind::Secret);
    let given = variables.filter_map(|(name, _)| values.get(name));
    let written = steps_of(runbook).flat_map(does_of).filter_map(|does| match does {
        Does::Action(call) | Does::Automation(call) => Some(&call.parameters),
        Does::Commands(_) | Does::Nothing => None,
    });
    given.chain(written).flat_map(secret_names).collect()
}
