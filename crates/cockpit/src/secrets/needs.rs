//! The secrets that a runbook needs, before it runs.

use std::collections::{BTreeMap, BTreeSet};

use belay_actions::action::{SecretError, secret_names};
use belay_runbook::model::{Does, InputKind, Runbook};
use serde_json::Value;

use super::source::{Doubt, Known};
use super::{SecretName, Secrets};
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
        self.secrets().refuse_unknown(&prepared.found.runbook, &request.variables)?;
        Ok(self.secrets().doubts(&named(&prepared.found.runbook, &prepared.values)))
    }
}

impl Secrets {
    /// Refuses what was given for secret variables and is not the name of a secret that the keyring or the environment
    /// has: it may be the secret itself, which would stand in the signed log for ever. Blocks, reads no value, and never
    /// repeats what was given.
    pub(crate) fn refuse_unknown(
        &self,
        runbook: &Runbook,
        given: &BTreeMap<String, String>,
    ) -> Result<(), CockpitError> {
        let secret = |name: &String| runbook.inputs.get(name).is_some_and(|spec| spec.kind == InputKind::Secret);
        for (variable, text) in given.iter().filter(|(name, _)| secret(name)) {
            match SecretName::parse(text).map(|name| self.knows(&name)) {
                Ok(Known::Yes) => {}
                Ok(Known::No) | Err(_) => return Err(no_secret(variable)),
                Ok(Known::Locked) => {
                    return Err(CockpitError::user(format!(
                        "the keyring is locked, so nobody knows whether what was given for `{variable}` is the name of a \
                         secret"
                    ))
                    .hint("open the keyring (`belay secret list` asks for it), then try again"));
                }
            }
        }
        Ok(())
    }

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

/// What was given for a variable names no secret. It is not repeated: it may be the secret.
pub(crate) fn no_secret(variable: &str) -> CockpitError {
    CockpitError::user(format!(
        "what was given for variable `{variable}` is not the name of a secret that is known here"
    ))
    .hint(
        "give a secret's *name*, never the secret itself: `belay secret list` shows the names, `belay secret set NAME` \
             keeps a new one, and `BELAY_SECRET_<NAME>` gives one to a single process",
    )
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
