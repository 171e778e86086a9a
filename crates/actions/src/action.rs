//! The one interface through which Belay touches the world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Act, Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::ActionSpec;
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::candidate::Candidate;

/// One thing that Belay can do. Implementations hold no state of an execution.
///
/// The order within a step is `prepare` → approval → `prepare` again → `run`; `undo_state` and `undo` take it back;
/// `probe` answers after a crash. Only `run` and `undo` may change anything.
#[async_trait]
pub trait Action: Send + Sync {
    /// What it declares about itself.
    fn spec(&self) -> &ActionSpec;

    /// One line for people, from rendered parameters: `restart pod shop/web-0`.
    fn describe(&self, parameters: &Value) -> String;

    /// Reads the state before the act. Changes nothing.
    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError>;

    /// Performs the act. Every way of ending is an [`Outcome`]; what is not known says so.
    async fn run(&self, act: &Act, preparation: &Preparation, surroundings: &Surroundings) -> Outcome;

    /// Compares the live state with a captured undo record and the outcome's after-state.
    async fn undo_state(
        &self,
        _act: &Act,
        _record: &Value,
        _after: Option<&Value>,
        _surroundings: &Surroundings,
    ) -> Result<UndoState, ActionError> {
        Ok(UndoState::Incomparable)
    }

    /// Whether [`Action::undo`] itself refuses a target that is not in the expected state.
    fn undo_precondition(&self) -> UndoPrecondition {
        UndoPrecondition::ComparedBefore
    }

    /// Takes the act back from its captured undo record; only called where the spec says `captures_undo`.
    ///
    /// `expected` is the recorded state after the act. Where the target can compare and write in one request (a
    /// resource version, a transaction), the action does so, answers [`Ending::NotStarted`] for any other state, and
    /// says [`UndoPrecondition::Enforced`].
    ///
    /// [`Ending::NotStarted`]: belay_runbook::act::Ending::NotStarted
    async fn undo(
        &self,
        _act: &Act,
        _record: &Value,
        _expected: Option<&Value>,
        _surroundings: &Surroundings,
    ) -> Outcome {
        Outcome::failed("this action captures no undo record")
    }

    /// Says whether an act whose outcome was lost has happened.
    async fn probe(
        &self,
        _act: &Act,
        _preparation: &Preparation,
        _surroundings: &Surroundings,
    ) -> Result<ProbeAnswer, ActionError> {
        Ok(ProbeAnswer::Unknown)
    }

    /// Values that a parameter could have, the likeliest first and at most
    /// [`MOST_CANDIDATES`](crate::candidate::MOST_CANDIDATES); none where the action cannot say. Reads only.
    ///
    /// `known` holds the parameters that are known so far. What is known besides, such as the pod of an alert, stands there
    /// under the name that other actions have for it.
    async fn candidates(
        &self,
        _parameter: &str,
        _known: &Act,
        _surroundings: &Surroundings,
    ) -> Result<Vec<Candidate>, ActionError> {
        Ok(Vec::new())
    }
}

/// How an undo is kept from overwriting what somebody else changed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoPrecondition {
    /// The target compares and writes in one request: nothing is overwritten.
    Enforced,
    /// The state is compared right before; a change between that and the write is overwritten.
    ComparedBefore,
}

/// What surrounds one invocation: limits, where output goes, how it is cancelled, where it acts.
#[derive(Clone)]
pub struct Surroundings {
    /// A unique, stable text for this invocation (execution/epoch/step/visit/attempt/sub-act); names the spool file.
    pub invocation: String,
    /// Longest time for the act.
    pub timeout: Option<Duration>,
    /// Cancelled when a person cancels or the program ends.
    pub cancel: CancellationToken,
    /// Receives output while it happens, redacted.
    pub output: OutputSink,
    /// Whether the child outlives Belay (`survives: true`).
    pub survives: bool,
    /// Where it acts: the chosen context's name, environment and named services.
    pub context: Arc<Value>,
    /// Resolves secrets by name, only here.
    pub secrets: Arc<dyn SecretSource>,
    /// The instant that the driver recorded for this act, RFC 3339.
    pub now: jiff::Timestamp,
    /// Where effects for people go (`notification.send` to the terminal).
    pub notices: NoticeSink,
    /// For `script.execute`: answers host calls. Absent for every other action.
    pub host: Option<Arc<dyn ScriptHost>>,
}

impl Surroundings {
    /// A secret's value; waiting for it ends when the act is cancelled.
    pub(crate) async fn secret(&self, parameter: &str, name: &str) -> Result<SecretString, ActionError> {
        tokio::select! {
            found = self.secrets.secret(name) => found.map_err(|error| ActionError::secret(parameter, &error)),
            () = self.cancel.cancelled() => Err(ActionError::Parameter {
                parameter: parameter.to_owned(),
                problem: format!("it was cancelled before secret `{name}` could be read"),
            }),
        }
    }

    /// Refuses a name that no secret has, without reading a value.
    pub(crate) async fn expect_secret(&self, parameter: &str, name: &str) -> Result<(), ActionError> {
        match self.secrets.missing(name).await {
            Some(error) => Err(ActionError::secret(parameter, &error)),
            None => Ok(()),
        }
    }
}

/// Receives redacted output while an act runs. Never blocks the act for long: the channel behind it is bounded and
/// drops with a mark.
pub type OutputSink = Arc<dyn Fn(OutputChunk) + Send + Sync>;

/// Receives messages that an act wants people to see.
pub type NoticeSink = Arc<dyn Fn(String) + Send + Sync>;

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputChunk {
    /// `stdout` or `stderr`.
    pub stream: Stream,
    /// Redacted bytes.
    pub bytes: Vec<u8>,
}

/// The two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Resolves secrets by name. Where they are kept may have to be unlocked by a person, so an answer can take a minute.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The secret's value.
    async fn secret(&self, name: &str) -> Result<SecretString, SecretError>;

    /// Why there is no secret of that name. `None` where there is one, and where only reading it would tell; its value is
    /// not read.
    async fn missing(&self, name: &str) -> Option<SecretError>;
}

/// Why a secret cannot be had, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {remedy}")]
pub struct SecretError {
    /// What is wrong; names the secret.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// The secrets that parameters name, wherever they stand: every `{"$secret": NAME}`, and no name that is a template still.
pub fn secret_names(parameters: &Value) -> BTreeSet<String> {
    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                let name = members.get("$secret").and_then(Value::as_str);
                names.extend(name.filter(|name| !name.contains("{{")).map(str::to_owned));
                members.values().for_each(|member| collect(member, names));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut names = BTreeSet::new();
    collect(parameters, &mut names);
    names
}

/// Answers the host calls of a script; each call is an act of its own in the engine.
#[async_trait]
pub trait ScriptHost: Send + Sync {
    /// Performs or replays call number `index` (from zero) and returns its recorded answer.
    async fn call(&self, index: u32, function: &str, arguments: Value) -> HostAnswer;
}

/// The answer to a host call.
#[derive(Debug, Clone, PartialEq)]
pub enum HostAnswer {
    /// The call's value, with the instant recorded for it in milliseconds since the epoch (`Date.now` reads it).
    Value {
        /// The value.
        value: Value,
        /// What the call published: members of `context` for the rest of the script.
        published: BTreeMap<String, Value>,
        /// Milliseconds since the epoch, recorded.
        at: i64,
    },
    /// The call failed; the script sees an exception.
    Error {
        /// The message.
        message: String,
        /// Milliseconds since the epoch, recorded.
        at: i64,
    },
    /// The worker has to end now: the call waits for a person and is replayed later.
    Suspend,
}

/// Why an action could not read what it needs.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// A parameter is wrong.
    #[error("parameter `{parameter}`: {problem}")]
    Parameter {
        /// The parameter's name.
        parameter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The target could not be reached or read.
    #[error("{target} could not be read: {problem}")]
    Unreachable {
        /// The target.
        target: String,
        /// What went wrong.
        problem: String,
    },
    /// The login to the target has expired.
    #[error("{target} could not be read: {problem}")]
    Login {
        /// The target.
        target: String,
        /// What was refused, and the command that renews the login.
        problem: String,
    },
    /// This build declares the action and cannot perform it.
    #[error("action `{0}` cannot be performed by this version of belay")]
    NotAvailable(String),
}

impl ActionError {
    /// Whether it goes on once a person has logged in again.
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::Login { .. })
    }

    /// A parameter is wrong.
    pub(crate) fn parameter(parameter: &str, problem: impl Into<String>) -> Self {
        Self::Parameter { parameter: parameter.to_owned(), problem: problem.into() }
    }

    /// A target could not be reached or read.
    pub(crate) fn unreachable(target: &str, problem: impl Into<String>) -> Self {
        Self::Unreachable { target: target.to_owned(), problem: problem.into() }
    }

    fn secret(parameter: &str, error: &SecretError) -> Self {
        Self::parameter(parameter, error.to_string())
    }
}
