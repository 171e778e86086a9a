//! What a missing value could be: where it would stand says what it is, and the action there lists what there is.
//!
//! A candidate is a proposal for a person. Nothing is picked, nothing is kept, and what is taken is judged like any value
//! that was typed. A question never waits for it longer than a moment, nor depends on it.

mod kubectl;
mod mentions;

use std::collections::BTreeMap;
use std::time::Duration;

use belay_engine::execution::Execution;
use belay_runbook::act::Act;
use belay_runbook::model::{InputKind, InputSpec};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::Cockpit;
use crate::error::{CockpitError, chain};
use crate::inputs;
use crate::start::StartRequest;
use crate::wire::{Candidate, Candidates, ExecutionView, WaitingKind};

/// How long looking may take, for all values together.
const PATIENCE: Duration = Duration::from_secs(3);

/// Actions that are asked for one value at most; the first that has an answer is believed.
const MOST_ASKED: usize = 4;

/// Letters of a problem that are told.
const PROBLEM: usize = 240;

impl Cockpit {
    /// What missing values of a start could be, in the order of `names`.
    ///
    /// # Errors
    /// The request cannot be understood. What cannot be listed is no error but said in the answer.
    pub async fn candidates(&self, request: &StartRequest, names: &[String]) -> Result<Vec<Candidates>, CockpitError> {
        let prepared = self.gather(request)?;
        let execution = Self::pretend(request, &prepared, prepared.values.clone());
        Ok(self.look(&execution, names).await)
    }

    /// What values could be that an execution waits for, given what was typed for others and not said yet.
    ///
    /// # Errors
    /// There is no such execution, or it cannot be read.
    pub async fn candidates_in(
        &self,
        execution: &str,
        given: &BTreeMap<String, Value>,
        names: &[String],
    ) -> Result<Vec<Candidates>, CockpitError> {
        let mut execution = self.load_by_name(execution)?.execution;
        execution.values.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(self.look(&execution, names).await)
    }

    /// Puts what missing values could be to an execution that waits for some; what cannot be looked up is left out.
    pub async fn with_candidates(&self, mut view: ExecutionView) -> ExecutionView {
        let execution = view.summary.execution.clone();
        for waiting in view.summary.waiting_on.iter_mut().filter(|waiting| waiting.kind == WaitingKind::Input) {
            let names: Vec<String> = waiting.options.iter().map(|option| option.name.clone()).collect();
            match self.candidates_in(&execution, &BTreeMap::new(), &names).await {
                Ok(found) => {
                    for (option, found) in waiting.options.iter_mut().zip(found) {
                        option.candidates = found.candidates;
                    }
                }
                Err(error) => tracing::debug!(%error, "what a value could be is not known"),
            }
        }
        view
    }

    async fn look(&self, execution: &Execution, names: &[String]) -> Vec<Candidates> {
        let until = Instant::now() + PATIENCE;
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let looking = self.look_for(execution, name.strip_prefix(".Vars.").unwrap_or(name));
            let looked = tokio::time::timeout_at(until, looking).await.unwrap_or_else(|_| Found {
                candidates: Vec::new(),
                problem: Some(format!("no answer within {} s", PATIENCE.as_secs())),
            });
            found.push(Candidates {
                name: name.to_owned(),
                candidates: looked.candidates,
                problem: looked.problem.map(|problem| problem.chars().take(PROBLEM).collect()),
            });
        }
        found
    }

    async fn look_for(&self, execution: &Execution, name: &str) -> Found {
        let mut found = Found::default();
        let spec = execution.runbook.inputs.get(name);
        if spec.is_some_and(|spec| spec.kind != InputKind::String || !spec.options.is_empty()) {
            return found;
        }
        let surroundings = self.quiet_surroundings(&execution.genesis);
        for question in mentions::questions(execution, name).into_iter().take(MOST_ASKED) {
            let Some(action) = self.registry().get(&question.action) else { continue };
            let known = Act { action: question.action, parameters: Value::Object(question.known) };
            match action.candidates(&question.parameter, &known, &surroundings).await {
                Ok(candidates) => {
                    let fitting = candidates.into_iter().filter(|candidate| fits(name, spec, &candidate.value));
                    found.candidates =
                        fitting.map(|candidate| Candidate { value: candidate.value, note: candidate.note }).collect();
                }
                // Without a cluster nobody expects a list of what is on it.
                Err(_) if execution.genesis.cluster.is_none() => {}
                Err(error) => found.problem = found.problem.or_else(|| Some(chain(&error))),
            }
            if !found.candidates.is_empty() {
                return Found { problem: None, ..found };
            }
        }
        found
    }
}

#[derive(Default)]
struct Found {
    candidates: Vec<Candidate>,
    problem: Option<String>,
}

/// One action that may know what a value could be.
#[derive(Debug, Clone, PartialEq)]
struct Question {
    action: String,
    parameter: String,
    known: Map<String, Value>,
}

/// Whether a value would be taken where it is asked for.
fn fits(name: &str, spec: Option<&InputSpec>, value: &str) -> bool {
    spec.is_none_or(|spec| inputs::parse(name, spec, value).is_ok())
}
