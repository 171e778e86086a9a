//! Driving: performs the engine's effects and feeds it what came of them.
//!
//! One task drives one execution, under a lock that the system releases when the process ends. Everything that an
//! effect needs durable is durable before it starts; when an append fails, nothing that follows it is performed and
//! the drive ends, so that what is on the disk is what counts.

pub(crate) mod acts;
mod handle;
mod hearing;
mod output;
mod recovery;
pub(crate) mod watch;

pub use self::handle::{Drive, Voice};
pub(crate) use self::recovery::is_left;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::sync::Arc;

use belay_engine::driver::{Driver, Effect, HostAnswer, Input, Refusal, Rules, Stated, reads_live_state};
use belay_engine::event::{Draft, Event, Transition};
use belay_engine::ids::InvocationId;
use belay_trust::{ExecutionId, Hash32, SignedEnvelope};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::handle::Control;
use self::hearing::Said;
use self::watch::Watched;
use crate::error::{CockpitError, chain};
use crate::journal::encode;
use crate::wire::DriveEvent;
use crate::{Cockpit, view};

/// How many events a slow front end may be behind before the drive waits for it.
const EVENTS: usize = 256;

/// How many answers of acts may be on their way; there is one act at a time, its host calls and its output.
const INBOX: usize = 64;

/// What comes back from the world.
enum Answer {
    Input(Box<Input>),
    HostCall { input: Box<Input>, reply: oneshot::Sender<HostAnswer> },
    Notice(String),
    Output { step: String, stream: &'static str, text: String },
}

/// Held while a drive lasts; the system lets go of it when the process ends.
pub(crate) struct Held {
    /// Nobody else drives, and nothing said takes effect elsewhere.
    pub(crate) _lock: File,
    /// Others see that somebody drives.
    pub(crate) _mark: File,
}

struct Loop {
    cockpit: Arc<Cockpit>,
    driver: Driver,
    id: ExecutionId,
    hex: String,
    _held: Held,
    /// Boxed, because a channel holds room for many: a thousand executions may wait.
    events: mpsc::Sender<Box<DriveEvent>>,
    inbox: mpsc::Sender<Box<Answer>>,
    tasks: JoinSet<()>,
    running: Vec<(InvocationId, CancellationToken)>,
    host_reply: Option<oneshot::Sender<HostAnswer>>,
    wake: Option<Timestamp>,
    /// Whether the last state that was told is one that waits for a person.
    waiting_told: bool,
    /// What this drive knows of the events after `last_row`.
    seen: BTreeSet<Hash32>,
    watched: Watched,
    last_row: i64,
}

/// Starts driving an execution whose lock is held.
pub(crate) fn start(cockpit: &Arc<Cockpit>, hex: &str, held: Held) -> Result<Drive, CockpitError> {
    let store = cockpit.store()?;
    let id = crate::journal::execution_id(hex)?;
    // Watched before the events are read, so that nothing appended in between is missed.
    let watched = cockpit.watch.add(store, id)?;
    let last_row = store.last_row()?;
    let events = store.events(id)?;
    let loaded = cockpit.shared.fold(&events)?;
    let policy = cockpit.shared.policy(&loaded.execution.genesis)?;
    let rules = Rules { actions: Arc::clone(cockpit.registry()) as _, policy };
    let driver = Driver::new(loaded.execution, rules, cockpit.author()?);
    let (event_sender, event_receiver) = mpsc::channel(EVENTS);
    let (control_sender, control_receiver) = mpsc::channel(8);
    let (inbox, answers) = mpsc::channel(INBOX);
    // What arrived between the two reads is known, too.
    let known: BTreeSet<Hash32> = events.iter().map(SignedEnvelope::hash).collect();
    let seen = store
        .arrivals(Some(id), last_row, usize::MAX)?
        .into_iter()
        .map(|arrival| arrival.hash)
        .filter(|hash| known.contains(hash))
        .collect();
    let mut this = Loop {
        cockpit: Arc::clone(cockpit),
        driver,
        id,
        hex: hex.to_owned(),
        _held: held,
        events: event_sender,
        inbox,
        tasks: JoinSet::new(),
        running: Vec::new(),
        host_reply: None,
        wake: None,
        waiting_told: false,
        seen,
        watched,
        last_row,
    };
    let task = tokio::spawn(async move {
        if let Err(error) = this.run(loaded.pending, control_receiver, answers).await {
            this.tell(DriveEvent::Stopped { error: error.message, hint: error.hint }).await;
        }
        this.stop_acts().await;
    });
    Ok(Drive::new(event_receiver, control_sender, task))
}

impl Loop {
    /// The loop of the drive. What it calls is boxed, so that a drive that waits, of which there may be a thousand, holds
    /// no room for what it is not doing.
    async fn run(
        &mut self,
        pending: Vec<Stated>,
        mut control: mpsc::Receiver<Control>,
        mut answers: mpsc::Receiver<Box<Answer>>,
    ) -> Result<(), CockpitError> {
        Box::pin(self.adopt_survivors()).await?;
        for stated in pending {
            Box::pin(self.hear(stated)).await?;
        }
        Box::pin(self.handle(Input::Drive)).await?;
        // A front end that comes to something that waits already has to see it, too.
        self.tell_state().await;
        loop {
            if self.driver.execution().is_finished() && !self.driver.is_busy() {
                let view = Box::new(self.view());
                self.tell(DriveEvent::Finished { view }).await;
                return Ok(());
            }
            // A probe may end without an event: what waited for its answer waits for a person from then on.
            if self.waits() && !self.waiting_told {
                self.tell_state().await;
            }
            let wake = self.wake;
            tokio::select! {
                biased;
                message = control.recv() => match message {
                    Some(Control::Say { saying, answer }) => {
                        let said = Box::pin(self.say(*saying)).await;
                        let refused = match said {
                            Ok(()) => Ok(()),
                            Err(Said::Refused(error)) => Err(error),
                            Err(Said::Broken(error)) => {
                                if answer.send(Err(error.clone())).is_err() {
                                    tracing::debug!("nobody waited for the answer");
                                }
                                return Err(error);
                            }
                        };
                        if answer.send(refused).is_err() {
                            tracing::debug!("nobody waited for the answer");
                        }
                    }
                    Some(Control::Cancel) => Box::pin(self.handle(Input::Cancel)).await?,
                    Some(Control::Leave) | None => {
                        Box::pin(self.leave(&mut answers)).await?;
                        return Ok(());
                    }
                },
                answer = answers.recv() => {
                    if let Some(answer) = answer {
                        Box::pin(self.take(*answer)).await?;
                    }
                }
                () = sleep_until(wake) => {
                    self.wake = None;
                    Box::pin(self.handle(Input::Drive)).await?;
                }
                () = self.watched.poke.notified() => Box::pin(self.look_around()).await?,
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        return Err(CockpitError::bug(format!("an act's task ended by itself: {error}")));
                    }
                }
            }
        }
    }

    async fn take(&mut self, answer: Answer) -> Result<(), CockpitError> {
        match answer {
            Answer::Input(input) => {
                if let Input::Ended { id, .. } = &*input {
                    self.running.retain(|(running, _)| running != id);
                }
                self.handle(*input).await
            }
            Answer::HostCall { input, reply } => {
                self.host_reply = Some(reply);
                self.handle(*input).await
            }
            Answer::Notice(text) => {
                self.tell(DriveEvent::Notice { text }).await;
                Ok(())
            }
            Answer::Output { step, stream, text } => {
                self.tell(DriveEvent::Output { step, stream: stream.to_owned(), text }).await;
                Ok(())
            }
        }
    }

    /// Feeds the engine, which judges by the policy that is there now as well.
    fn decide(&mut self, input: Input) -> Result<Vec<Effect>, Refusal> {
        let present = self.cockpit.present_policy(&self.driver.execution().genesis.policy_digest);
        self.driver.see_policy(present);
        self.driver.handle(Timestamp::now(), input)
    }

    /// Feeds the engine and performs what it answers.
    async fn handle(&mut self, input: Input) -> Result<(), CockpitError> {
        let effects = match self.decide(input) {
            Ok(effects) => effects,
            // What arrives for something that was given up meanwhile is of no use any more.
            Err(Refusal::Stale) => return Ok(()),
            Err(refusal) => return Err(refusal.into()),
        };
        self.perform(effects).await
    }

    /// Performs effects in their order. Events are gathered and made durable in one commit before the first effect that
    /// touches the world, so that a step whose preparation reads nothing costs a single one.
    async fn perform(&mut self, effects: Vec<Effect>) -> Result<(), CockpitError> {
        let mut queue = VecDeque::from(effects);
        let mut drafts = Vec::new();
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::Append(more) => drafts.extend(more),
                Effect::Prepare { ticket, acts } if acts.iter().all(|act| !reads_live_state(&act.action)) => {
                    let results = self.prepare_now(&acts).await;
                    match self.decide(Input::Prepared { ticket, results }) {
                        Ok(more) => queue.extend(more),
                        Err(Refusal::Stale) => {}
                        Err(refusal) => return Err(refusal.into()),
                    }
                }
                Effect::Invoke(invocation) => {
                    let ended = self.append(std::mem::take(&mut drafts)).await?;
                    // The act begins first; what else is to be done is done beside it.
                    let started = self.invoke(*invocation);
                    tokio::task::yield_now().await;
                    self.acknowledge(&ended);
                    self.tell_state().await;
                    self.tell(started).await;
                }
                effect @ (Effect::Prepare { .. }
                | Effect::Probe { .. }
                | Effect::CompareUndo { .. }
                | Effect::Cancel(_)
                | Effect::AnswerHost { .. }
                | Effect::Wake(_)
                | Effect::Escalate { .. }) => {
                    self.flush(&mut drafts).await?;
                    self.perform_one(effect).await;
                }
            }
        }
        self.flush(&mut drafts).await
    }

    /// Makes what was gathered durable, then tells it.
    async fn flush(&mut self, drafts: &mut Vec<Draft>) -> Result<(), CockpitError> {
        if drafts.is_empty() {
            return Ok(());
        }
        let ended = self.append(std::mem::take(drafts)).await?;
        self.acknowledge(&ended);
        self.tell_state().await;
        Ok(())
    }

    async fn perform_one(&mut self, effect: Effect) {
        match effect {
            // Gathered, or begun, by the caller.
            Effect::Append(_) | Effect::Invoke(_) => {}
            Effect::Prepare { ticket, acts } => self.prepare(ticket, acts),
            Effect::Probe { id, act, preparation } => self.probe(id, act, *preparation),
            Effect::CompareUndo { item, act, record, after } => self.compare(item, act, record, after),
            Effect::Cancel(id) => {
                for (_, cancel) in self.running.iter().filter(|(running, _)| *running == id) {
                    cancel.cancel();
                }
            }
            Effect::AnswerHost { answer, .. } => {
                if let Some(reply) = self.host_reply.take()
                    && reply.send(answer).is_err()
                {
                    tracing::debug!("the script ended before its call was answered");
                }
            }
            Effect::Wake(at) => self.wake = Some(self.wake.map_or(at, |wake| wake.min(at))),
            Effect::Escalate { at, reason } => {
                self.tell(DriveEvent::Escalated { step: at.to_string(), reason }).await;
            }
        }
    }

    /// Whether nothing goes on without a person.
    fn waits(&self) -> bool {
        let execution = self.driver.execution();
        (execution.waits_for_person() || execution.paused) && !self.driver.is_busy()
    }

    /// Tells where the execution stands now; its end is told apart.
    async fn tell_state(&mut self) {
        if self.driver.execution().is_finished() {
            return;
        }
        let view = Box::new(self.view());
        self.waiting_told = self.waits();
        let event = if self.waiting_told { DriveEvent::Waiting { view } } else { DriveEvent::Changed { view } };
        self.tell(event).await;
    }

    /// Makes events durable, with the projection in the same transaction; returns the acts that have ended by them.
    async fn append(&mut self, drafts: Vec<Draft>) -> Result<Vec<InvocationId>, CockpitError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let now = Timestamp::now();
        let encoded = drafts.iter().map(|draft| encode(draft, now)).collect::<Result<Vec<_>, _>>()?;
        let row = view::row(self.driver.execution(), self.id)?;
        let store = self.cockpit.store()?;
        let appended = store.append_here(Some(self.id), encoded, move |_| Some(row)).await?;
        self.seen.extend(appended.iter().map(SignedEnvelope::hash));
        Ok(drafts.into_iter().filter_map(|draft| ended_act(draft.event)).collect())
    }

    /// Lets go of a helper's records of acts whose outcome is durable.
    fn acknowledge(&self, ended: &[InvocationId]) {
        for id in ended {
            if let Err(error) = self.cockpit.helpers().acknowledge(&self.invocation(id)) {
                tracing::warn!(error = chain(&error), "a record of a command that has ended stays behind");
            }
        }
    }

    /// The unique, stable text of an invocation.
    fn invocation(&self, id: &InvocationId) -> String {
        format!("{}/{id}", self.hex)
    }

    /// Ends what runs, and records how it ended, before the lock is let go of.
    async fn leave(&mut self, answers: &mut mpsc::Receiver<Box<Answer>>) -> Result<(), CockpitError> {
        let Some(id) = self.driver.running().cloned() else { return Ok(()) };
        let survives = self.driver.execution().step(&id.at.step).is_some_and(|step| step.survives);
        if survives {
            return Ok(());
        }
        self.handle(Input::Cancel).await?;
        while self.driver.running() == Some(&id) {
            match answers.recv().await {
                Some(answer) => self.take(*answer).await?,
                None => break,
            }
        }
        Ok(())
    }

    async fn stop_acts(&mut self) {
        self.tasks.shutdown().await;
    }

    fn view(&self) -> crate::wire::ExecutionView {
        let mut view = view::execution(self.driver.execution(), self.cockpit.registry(), Timestamp::now());
        view.summary.driver.present = !self.driver.execution().is_finished();
        view
    }

    async fn tell(&self, event: DriveEvent) {
        // A front end that went away needs no events; the drive goes on until it is told to leave.
        if self.events.send(Box::new(event)).await.is_err() {
            tracing::debug!("nobody takes the events");
        }
    }
}

/// The act whose outcome an event is.
fn ended_act(event: Event) -> Option<InvocationId> {
    let Event::Transition { transition, .. } = event else { return None };
    let (Transition::ActEnded { id, .. }
    | Transition::ActInterrupted { id, .. }
    | Transition::OutcomeArrived { id, .. }) = transition
    else {
        return None;
    };
    Some(id)
}

async fn sleep_until(wake: Option<Timestamp>) {
    match wake {
        None => std::future::pending().await,
        Some(at) => {
            let wait = at.duration_since(Timestamp::now()).unsigned_abs();
            if at > Timestamp::now() {
                tokio::time::sleep_until(Instant::now() + wait).await;
            }
        }
    }
}
