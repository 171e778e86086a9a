//! Performing acts: each in a task of its own, answering through the inbox.

use std::sync::Arc;

use async_trait::async_trait;
use belay_actions::action::{HostAnswer as ScriptAnswer, NoticeSink, ScriptHost, SecretSource, Surroundings};
use belay_actions::host_functions::action_for;
use belay_engine::driver::{HostAnswer, Input, Invocation};
use belay_engine::ids::InvocationId;
use belay_runbook::act::{Act, Outcome, Preparation, ProbeAnswer, UndoState};
use belay_runbook::action::SCRIPT_ACTION;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::output::OutputKeeper;
use super::{Answer, Loop};
use crate::error::chain;
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
    pub(super) async fn prepare_now(&self, acts: &[Act]) -> Vec<Result<Preparation, String>> {
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
            context: Arc::new(serde_json::json!({
                "name": genesis.context,
                "environment": genesis.environment,
                "config": genesis.config,
            })),
            secrets: Arc::new(EnvironmentSecrets),
            now: Timestamp::now(),
            notices,
            host: None,
        }
    }
}

async fn prepare_all(
    registry: &belay_actions::registry::Registry,
    acts: &[Act],
    surroundings: &Surroundings,
) -> Vec<Result<Preparation, String>> {
    let mut results = Vec::with_capacity(acts.len());
    for act in acts {
        results.push(match registry.get(&act.action) {
            Some(action) => action.prepare(act, surroundings).await.map_err(|error| chain(&error)),
            None => Err(format!("there is no action `{}`", act.action)),
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
        (Some(record), _) => action.undo(&invocation.act, record, surroundings).await,
        (None, Some(preparation)) => action.run(&invocation.act, preparation, surroundings).await,
        // An act that takes something back was never prepared with its step: its state is read now.
        (None, None) => match action.prepare(&invocation.act, surroundings).await {
            Ok(preparation) => action.run(&invocation.act, &preparation, surroundings).await,
            Err(error) => {
                Outcome { error: Some(chain(&error)), ..Outcome::bare(belay_runbook::act::Ending::NotStarted) }
            }
        },
    }
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
            Ok(HostAnswer::Value { value, at }) => ScriptAnswer::Value { value, at: at.as_millisecond() },
            Ok(HostAnswer::Error { message, at }) => ScriptAnswer::Error { message, at: at.as_millisecond() },
            Ok(HostAnswer::Suspend) | Err(_) => ScriptAnswer::Suspend,
        }
    }
}

/// Secrets from the environment: `BELAY_SECRET_<NAME>`, upper case, dashes as underscores.
struct EnvironmentSecrets;

impl SecretSource for EnvironmentSecrets {
    fn secret(&self, name: &str) -> Option<SecretString> {
        let name = name.to_uppercase().replace(['-', '.'], "_");
        std::env::var(format!("BELAY_SECRET_{name}")).ok().map(SecretString::from)
    }
}
