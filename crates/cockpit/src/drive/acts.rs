//! Performing acts: each in a task of its own, answering through the inbox.

use std::sync::Arc;

use async_trait::async_trait;
use belay_actions::action::{
    Action, HostAnswer as ScriptAnswer, NoticeSink, ScriptHost, Surroundings, UndoPrecondition,
};
use belay_actions::host_functions::{action_for, value_of};
use belay_engine::driver::{HostAnswer, Input, Invocation};
use belay_engine::event::Genesis;
use belay_engine::ids::InvocationId;
use belay_runbook::act::{Act, Ending, Outcome, Preparation, ProbeAnswer, UndoState, Unread};
use belay_runbook::action::SCRIPT_ACTION;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::output::OutputKeeper;
use super::{Answer, Loop};
use crate::error::chain;
use crate::secrets::SecretReader;
use crate::view;
use crate::wire::DriveEvent;

impl Loop {
    /// Reads the state before acts, in a task of its own.
    pub(super) fn prepare(&mut self, ticket: u64, acts: Vec<Act>) {
        let surroundings = self.surroundings("prepare".to_owned(), CancellationToken::new());
        let registry = Arc::clone(self.cockpit.registry());
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let results = prepare_all(&registry, &acts, &surroundings).await;
            answer(&inbox, Answer::Input(Box::new(Input::Prepared { ticket, results }))).await;
        });
    }

    /// Prepares acts that read nothing from the world, right here.
    pub(super) async fn prepare_now(&self, acts: &[Act]) -> Vec<Result<Preparation, Unread>> {
        let surroundings = self.surroundings("prepare".to_owned(), CancellationToken::new());
        prepare_all(self.cockpit.registry(), acts, &surroundings).await
    }

    /// Performs an act, or takes one back, in a task of its own; returns what to tell about it.
    pub(super) fn invoke(&mut self, invocation: Invocation) -> DriveEvent {
        let step = invocation.id.at.step.to_string();
        let effect = self.driver.execution().act(&invocation.id).map(|record| record.effect);
        let target = invocation.preparation.as_ref().map(|known| known.target.name.clone()).unwrap_or_default();
        let registry = Arc::clone(self.cockpit.registry());
        let act = view::rendered(
            &invocation.act,
            effect.unwrap_or(belay_runbook::action::Effect::Mutate),
            &target,
            &registry,
        );
        let started = DriveEvent::Started { step: step.clone(), act: Box::new(act) };
        let cancel = CancellationToken::new();
        self.running.push((invocation.id.clone(), cancel.clone()));
        let text = self.invocation(&invocation.id);
        let keeper = OutputKeeper::start(self.cockpit.store().ok().cloned(), self.id, &text, step, self.inbox.clone());
        let mut surroundings = self.surroundings(text, cancel);
        surroundings.timeout = Some(invocation.timeout);
        surroundings.survives = invocation.survives;
        surroundings.now = invocation.now;
        surroundings.output = keeper.sink();
        if invocation.act.action == SCRIPT_ACTION {
            let host = Host { id: invocation.id.clone(), inbox: self.inbox.clone() };
            surroundings.host = Some(Arc::new(host));
            // A replay has to see the time and the random numbers of the first start.
            surroundings.invocation = self.invocation(&invocation.first);
        }
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let outcome = perform(&registry, &invocation, &surroundings).await;
            // The output is kept before the outcome is told, so that nobody sees an end without what led to it.
            drop(surroundings);
            keeper.finish().await;
            answer(&inbox, Answer::Input(Box::new(Input::Ended { id: invocation.id, outcome }))).await;
        });
        started
    }

    /// Asks an action about an act whose outcome was lost.
    pub(super) fn probe(&mut self, id: InvocationId, act: Act, preparation: Preparation) {
        let surroundings = self.surroundings("probe".to_owned(), CancellationToken::new());
        let registry = Arc::clone(self.cockpit.registry());
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let probed = match registry.get(&act.action) {
                Some(action) => action.probe(&act, &preparation, &surroundings).await.unwrap_or(ProbeAnswer::Unknown),
                None => ProbeAnswer::Unknown,
            };
            answer(&inbox, Answer::Input(Box::new(Input::Probed { id, answer: probed }))).await;
        });
    }

    /// Compares the live state with an undo record.
    pub(super) fn compare(&mut self, item: u32, act: Act, record: Value, after: Option<Value>) {
        let surroundings = self.surroundings("compare".to_owned(), CancellationToken::new());
        let registry = Arc::clone(self.cockpit.registry());
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let state: Result<UndoState, String> = match registry.get(&act.action) {
                Some(action) => {
                    action.undo_state(&act, &record, after.as_ref(), &surroundings).await.map_err(|error| chain(&error))
                }
                None => Err(format!("there is no action `{}`", act.action)),
            };
            answer(&inbox, Answer::Input(Box::new(Input::Compared { item, state }))).await;
        });
    }

    fn surroundings(&self, invocation: String, cancel: CancellationToken) -> Surroundings {
        let genesis = &self.driver.execution().genesis;
        let inbox = self.inbox.clone();
        let notices: NoticeSink = Arc::new(move |text| {
            if inbox.try_send(Box::new(Answer::Notice(text))).is_err() {
                tracing::warn!("a notice was dropped");
            }
        });
        Surroundings {
            invocation,
            timeout: None,
            cancel,
            output: Arc::new(|_| {}),
            survives: false,
            context: Arc::new(context_of(genesis)),
            secrets: Arc::new(SecretReader::acting(self.cockpit.secrets())),
            now: Timestamp::now(),
            notices,
            host: None,
        }
    }
}

/// What actions see: the context's name, environment, `config` and cluster, and the alert. A plan and a run show the same.
pub(crate) fn context_of(genesis: &Genesis) -> Value {
    json!({
        "name": genesis.context,
        "environment": genesis.environment,
        "config": genesis.config,
        "kubernetes": genesis.cluster,
        "alert": genesis.alert,
    })
}

async fn prepare_all(
    registry: &belay_actions::registry::Registry,
    acts: &[Act],
    surroundings: &Surroundings,
) -> Vec<Result<Preparation, Unread>> {
    let mut results = Vec::with_capacity(acts.len());
    for act in acts {
        results.push(match registry.get(&act.action) {
            Some(action) => action
                .prepare(act, surroundings)
                .await
                .map_err(|error| Unread { why: chain(&error), needs_login: error.needs_login() }),
            None => Err(format!("there is no action `{}`", act.action).into()),
        });
    }
    results
}

async fn perform(
    registry: &belay_actions::registry::Registry,
    invocation: &Invocation,
    surroundings: &Surroundings,
) -> Outcome {
    let Some(action) = registry.get(&invocation.act.action) else {
        return Outcome::failed(format!("there is no action `{}`", invocation.act.action));
    };
    match (&invocation.undo_record, &invocation.preparation) {
        (Some(record), _) => take_back(&*action, invocation, record, surroundings).await,
        (None, Some(preparation)) => action.run(&invocation.act, preparation, surroundings).await,
        // An act that takes something back was never prepared with its step: its state is read now.
        (None, None) => match action.prepare(&invocation.act, surroundings).await {
            Ok(preparation) => action.run(&invocation.act, &preparation, surroundings).await,
            Err(error) => Outcome {
                error: Some(chain(&error)),
                needs_login: error.needs_login(),
                ..Outcome::bare(Ending::NotStarted)
            },
        },
    }
}

/// Takes an act back from its captured record, unless somebody has changed the target since it was compared.
async fn take_back(
    action: &dyn Action,
    invocation: &Invocation,
    record: &Value,
    surroundings: &Surroundings,
) -> Outcome {
    let expected = invocation.expected.as_ref();
    let refused = |error: String| Outcome { error: Some(error), ..Outcome::bare(Ending::NotStarted) };
    match action.undo_precondition() {
        UndoPrecondition::Enforced => {}
        // The comparison that the engine asked for is a commit old.
        UndoPrecondition::ComparedBefore => {
            match action.undo_state(&invocation.act, record, expected, surroundings).await {
                Ok(UndoState::AsAfter | UndoState::Incomparable) => {}
                Ok(UndoState::AsBefore | UndoState::Other { .. }) => {
                    return refused("it was changed since it was compared".to_owned());
                }
                Err(error) => return refused(chain(&error)),
            }
        }
    }
    action.undo(&invocation.act, record, expected, surroundings).await
}

pub(super) async fn answer(inbox: &mpsc::Sender<Box<Answer>>, answer: Answer) {
    // The drive has ended: what is on the disk counts, and recovery asks about the rest.
    if inbox.send(Box::new(answer)).await.is_err() {
        tracing::debug!("the drive ended before an answer arrived");
    }
}

/// Forwards a script's host calls to the engine.
struct Host {
    id: InvocationId,
    inbox: mpsc::Sender<Box<Answer>>,
}

#[async_trait]
impl ScriptHost for Host {
    async fn call(&self, index: u32, function: &str, arguments: Value) -> ScriptAnswer {
        let act = action_for(function, &arguments).map(|(action, parameters)| Act { action, parameters });
        let input = Input::HostCall { id: self.id.clone(), index, function: function.to_owned(), act };
        let (reply, replied) = oneshot::channel();
        answer(&self.inbox, Answer::HostCall { input: Box::new(input), reply }).await;
        match replied.await {
            Ok(HostAnswer::Value { value, published, at }) => {
                ScriptAnswer::Value { value: value_of(function, value), published, at: at.as_millisecond() }
            }
            Ok(HostAnswer::Error { message, at }) => ScriptAnswer::Error { message, at: at.as_millisecond() },
            Ok(HostAnswer::Suspend) | Err(_) => ScriptAnswer::Suspend,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use std::sync::Mutex;

    use belay_actions::action::ActionError;
    use belay_engine::ids::{ActIndex, VisitId};
    use belay_runbook::action::{ActionSpec, Effect};
    use serde_json::json;

    use super::*;
    use crate::secrets::{KeyringChoice, Secrets};

    /// A number that is put back, compared before or in the same request.
    struct Number {
        live: Mutex<i64>,
        precondition: UndoPrecondition,
        spec: ActionSpec,
    }

    impl Number {
        fn new(live: i64, precondition: UndoPrecondition) -> Self {
            let spec = ActionSpec {
                name: "number".to_owned(),
                description: String::new(),
                parameters: json!({}),
                output: json!({}),
                sinks: std::collections::BTreeMap::new(),
                effect: Effect::Mutate,
                idempotent: true,
                captures_undo: true,
                published: Vec::new(),
                facts: Vec::new(),
                target_parameter: None,
                kinds: Vec::new(),
                access: Vec::new(),
                available: true,
            };
            Self { live: Mutex::new(live), precondition, spec }
        }
    }

    #[async_trait]
    impl Action for Number {
        fn spec(&self) -> &ActionSpec {
            &self.spec
        }

        fn describe(&self, _parameters: &Value) -> String {
            "number".to_owned()
        }

        async fn prepare(&self, _act: &Act, _surroundings: &Surroundings) -> Result<Preparation, ActionError> {
            Err(ActionError::NotAvailable("number".to_owned()))
        }

        async fn run(&self, _act: &Act, _preparation: &Preparation, _surroundings: &Surroundings) -> Outcome {
            Outcome::bare(Ending::NotStarted)
        }

        fn undo_precondition(&self) -> UndoPrecondition {
            self.precondition
        }

        async fn undo_state(
            &self,
            _act: &Act,
            record: &Value,
            after: Option<&Value>,
            _surroundings: &Surroundings,
        ) -> Result<UndoState, ActionError> {
            assert_eq!(self.precondition, UndoPrecondition::ComparedBefore, "what is enforced is not read twice");
            let live = json!(*self.live.lock().unwrap());
            Ok(match after {
                Some(after) if *after == live => UndoState::AsAfter,
                _ => UndoState::Other { before: record.clone(), after: json!(after), live },
            })
        }

        async fn undo(
            &self,
            _act: &Act,
            record: &Value,
            expected: Option<&Value>,
            _surroundings: &Surroundings,
        ) -> Outcome {
            let mut live = self.live.lock().unwrap();
            if self.precondition == UndoPrecondition::Enforced && expected != Some(&json!(*live)) {
                return Outcome::bare(Ending::NotStarted);
            }
            *live = record.as_i64().unwrap();
            Outcome::succeeded(Value::Null)
        }
    }

    #[tokio::test]
    async fn i8_an_undo_does_not_start_on_what_somebody_changed_since_it_was_compared() {
        for precondition in [UndoPrecondition::Enforced, UndoPrecondition::ComparedBefore] {
            for (live, ending, left) in [(5, Ending::Succeeded, 1), (7, Ending::NotStarted, 7)] {
                let number = Number::new(live, precondition);
                let id = InvocationId {
                    epoch: 0,
                    at: VisitId { step: "set".into(), visit: 1 },
                    attempt: 1,
                    act: ActIndex::Undo(0),
                };
                let invocation = Invocation {
                    first: id.clone(),
                    id,
                    act: Act { action: "number".to_owned(), parameters: json!({}) },
                    preparation: None,
                    undo_record: Some(json!(1)),
                    expected: Some(json!(5)),
                    timeout: std::time::Duration::from_secs(1),
                    survives: false,
                    now: Timestamp::UNIX_EPOCH,
                };
                let surroundings = Surroundings {
                    invocation: "test".to_owned(),
                    timeout: None,
                    cancel: CancellationToken::new(),
                    output: Arc::new(|_| {}),
                    survives: false,
                    context: Arc::new(json!({})),
                    secrets: Arc::new(SecretReader::looking(&Arc::new(Secrets::new(KeyringChoice::Off)))),
                    now: Timestamp::UNIX_EPOCH,
                    notices: Arc::new(|_| {}),
                    host: None,
                };
                let outcome = take_back(&number, &invocation, &json!(1), &surroundings).await;
                assert_eq!(outcome.ending, ending, "{precondition:?}, live {live}");
                assert_eq!(*number.live.lock().unwrap(), left, "what somebody changed is untouched");
            }
        }
    }
}
