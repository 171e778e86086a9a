//! Actions that ask a server something and change nothing: what they share.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Act, Ending, Outcome, Preparation};
use belay_runbook::action::ActionSpec;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::action::{Action, ActionError, Surroundings};
use crate::preparation;
use crate::redact::Redaction;

/// How long an answer is waited for where the step sets no time.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a preparation, which only answers facts, waits for one.
const GLIMPSE: Duration = Duration::from_secs(3);

/// One thing to ask; [`Observing`] makes an action of it.
#[async_trait]
pub(crate) trait Observation: Send + Sync + 'static {
    /// What it is given.
    type Parameters: DeserializeOwned + Send + Sync;

    /// What it declares.
    fn declaration() -> ActionSpec;

    /// One line for people.
    fn describe(parameters: &Self::Parameters) -> String;

    /// What is asked, as plans and logs name it.
    fn target(parameters: &Self::Parameters, context: &Value) -> String;

    /// Asks; the answer is the action's output. Dropped when nobody wants the answer any more.
    async fn observe(&self, parameters: &Self::Parameters, surroundings: &Surroundings) -> Result<Value, ActionError>;

    /// The fact that a preparation answers, with what it is when the server answered this.
    fn fact(_output: &Value) -> Option<(&'static str, bool)> {
        None
    }

    /// The fact's name, where there is one: it is false when the server does not answer.
    const FACT: Option<&'static str> = None;
}

/// An [`Observation`] as an action of the registry.
pub(crate) struct Observing<O> {
    spec: ActionSpec,
    observation: O,
}

impl<O: Observation> Observing<O> {
    pub(crate) fn new(observation: O) -> Self {
        Self { spec: O::declaration(), observation }
    }

    async fn asked(
        &self,
        parameters: &O::Parameters,
        surroundings: &Surroundings,
        patience: Duration,
    ) -> Result<Value, Unseen> {
        tokio::select! {
            answer = tokio::time::timeout(patience, self.observation.observe(parameters, surroundings)) => match answer {
                Ok(Ok(output)) => Ok(Redaction::tokens().value(&output)),
                Ok(Err(error)) => Err(Unseen::Error(error)),
                Err(_) => Err(Unseen::Error(ActionError::Unreachable {
                    target: O::target(parameters, &surroundings.context),
                    problem: format!("no answer within {} s", patience.as_secs()),
                })),
            },
            () = surroundings.cancel.cancelled() => Err(Unseen::Cancelled),
        }
    }
}

/// Why nothing was seen.
enum Unseen {
    Error(ActionError),
    Cancelled,
}

/// The parameters of an act, read as their type; the error names the place.
pub(crate) fn parameters<P: DeserializeOwned>(act: &Act) -> Result<P, ActionError> {
    serde_path_to_error::deserialize(&act.parameters).map_err(|error| ActionError::Parameter {
        parameter: error.path().to_string(),
        problem: error.inner().to_string(),
    })
}

/// The values of an output that an action publishes.
pub(crate) fn published(spec: &ActionSpec, output: &Value) -> BTreeMap<String, Value> {
    let known = |name: &String| output.get(name).filter(|value| !value.is_null()).cloned();
    spec.published.iter().filter_map(|name| Some((name.clone(), known(name)?))).collect()
}

#[async_trait]
impl<O: Observation> Action for Observing<O> {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        match O::Parameters::deserialize(parameters) {
            Ok(parameters) => O::describe(&parameters),
            Err(_) => self.spec.description.clone(),
        }
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        let parameters: O::Parameters = parameters(act)?;
        let mut prepared = preparation::reading(&O::target(&parameters, &surroundings.context));
        let Some(fact) = O::FACT else { return Ok(prepared) };
        let (name, holds) = match self.asked(&parameters, surroundings, GLIMPSE).await {
            Ok(output) => O::fact(&output).unwrap_or((fact, true)),
            Err(Unseen::Error(error @ ActionError::Parameter { .. })) => return Err(error),
            Err(Unseen::Error(error)) => {
                prepared.notes.push(Redaction::tokens().text(&error.to_string()));
                (fact, false)
            }
            Err(Unseen::Cancelled) => (fact, false),
        };
        prepared.facts.insert(name.to_owned(), Value::Bool(holds));
        Ok(prepared)
    }

    async fn run(&self, act: &Act, _preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let parameters: O::Parameters = match parameters(act) {
            Ok(parameters) => parameters,
            Err(error) => return Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) },
        };
        match self.asked(&parameters, surroundings, surroundings.timeout.unwrap_or(PATIENCE)).await {
            Ok(output) => Outcome { published: published(&self.spec, &output), ..Outcome::succeeded(output) },
            Err(Unseen::Error(error)) => Outcome::failed(Redaction::tokens().text(&error.to_string())),
            Err(Unseen::Cancelled) => {
                Outcome { error: Some("it was cancelled".to_owned()), ..Outcome::bare(Ending::Cancelled) }
            }
        }
    }
}
