//! The executions that this process drives for its faces, and what is said to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use belay_engine::event::{Confirmation, UndoChoice};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::call::Done;
use super::event::{Driven, Event};
use super::{Api, ExecutionRequest, OutcomeWord, Said, SayRequest, UndoWord};
use crate::drive::{Drive, Voice};
use crate::error::{CockpitError, ErrorClass};
use crate::say::Saying;
use crate::wire::DriveEvent;

/// Orders to a drive's task; more are never under way, because a face waits for the answer.
const ORDERS: usize = 8;

/// What this process drives.
#[derive(Default)]
pub(super) struct Drives {
    places: Mutex<BTreeMap<String, Place>>,
    /// Held while a drive starts, so that two calls do not start it twice.
    starting: tokio::sync::Mutex<()>,
}

struct Place {
    voice: Voice,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Place {
    /// Whether it still drives. Its task may go on for a moment after that, to tell where the execution stands.
    fn drives(&self) -> bool {
        !self.voice.is_over()
    }
}

enum Order {
    Cancel,
    Leave,
}

impl Drives {
    fn places(&self) -> MutexGuard<'_, BTreeMap<String, Place>> {
        // A panic elsewhere leaves the map whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an execution is driven here.
    pub(super) fn has(&self, execution: &str) -> bool {
        self.places().get(execution).is_some_and(Place::drives)
    }

    fn voice(&self, execution: &str) -> Option<Voice> {
        self.places().get(execution).filter(|place| place.drives()).map(|place| place.voice.clone())
    }

    fn orders(&self, execution: &str) -> Option<mpsc::Sender<Order>> {
        self.places().get(execution).map(|place| place.orders.clone())
    }

    /// Leaves everything, and waits until it is left.
    pub(super) async fn leave_all(&self) {
        let places = std::mem::take(&mut *self.places());
        for place in places.values() {
            // One that has ended takes no orders.
            if place.orders.send(Order::Leave).await.is_err() {
                tracing::debug!("a drive had ended before it was left");
            }
        }
        for place in places.into_values() {
            if let Err(error) = place.task.await {
                tracing::warn!(%error, "a drive did not end well");
            }
        }
    }
}

impl Api {
    /// Drives an execution here; nothing happens where that is so already.
    pub(super) async fn drive_here(self: &Arc<Self>, execution: &str) -> Result<(), CockpitError> {
        let _starting = self.drives.starting.lock().await;
        if self.drives.has(execution) {
            return Ok(());
        }
        // Makes room first: a drive that has ended lets go of its lock when its task is gone.
        let ended = self.drives.places().remove(execution);
        if let Some(ended) = ended
            && let Err(error) = ended.task.await
        {
            tracing::warn!(%error, "a drive did not end well");
        }
        let drive = self.cockpit().drive(execution)?;
        let (orders, taken) = mpsc::channel(ORDERS);
        let voice = drive.voice();
        let task = tokio::spawn(follow(Arc::clone(self), execution.to_owned(), drive, taken));
        self.drives.places().insert(execution.to_owned(), Place { voice, orders, task });
        Ok(())
    }
}

/// Passes a drive's events on until it ends or is left.
async fn follow(api: Arc<Api>, execution: String, mut drive: Drive, mut orders: mpsc::Receiver<Order>) {
    loop {
        tokio::select! {
            event = drive.next() => match event {
                Some(event) => api.feed.push(told(&execution, event)),
                None => break,
            },
            order = orders.recv() => match order {
                Some(Order::Cancel) => drive.cancel(),
                Some(Order::Leave) | None => break,
            },
        }
    }
    drive.leave().await;
    tell_state(&api, execution).await;
}

/// Tells where an execution stands after nobody here drives it any more.
async fn tell_state(api: &Arc<Api>, execution: String) {
    let asked = Arc::clone(api);
    let state = tokio::task::spawn_blocking(move || asked.cockpit().status(&execution)).await;
    match state {
        Ok(Ok(view)) => api.feed.push(Event::Execution { view: Box::new(view), driven: Driven::Nobody }),
        Ok(Err(error)) => tracing::warn!(%error, "an execution that was left cannot be read"),
        Err(error) => tracing::warn!(%error, "an execution that was left cannot be read"),
    }
}

fn told(execution: &str, event: DriveEvent) -> Event {
    let execution = execution.to_owned();
    match event {
        DriveEvent::Changed { view } | DriveEvent::Waiting { view } => Event::Execution { view, driven: Driven::Here },
        DriveEvent::Finished { view } => Event::Execution { view, driven: Driven::Nobody },
        DriveEvent::Started { step, act } => Event::ActStarted { execution, step, act },
        DriveEvent::Output { step, stream, text } => Event::Output { execution, step, stream, at: 0, text },
        DriveEvent::Notice { text } => Event::Notice { execution: Some(execution), text },
        DriveEvent::Escalated { step, reason } => Event::Escalated { execution, step, reason },
        DriveEvent::Stopped { error, hint } => Event::Stopped { execution, error, hint },
    }
}

/// Finds an execution beside the runtime's own threads.
async fn resolved(api: &Arc<Api>, request: ExecutionRequest) -> Result<String, CockpitError> {
    let cockpit = Arc::clone(api.cockpit());
    tokio::task::spawn_blocking(move || cockpit.resolve(&request.execution)).await.map_err(super::ended)?
}

pub(super) async fn drive(api: &Arc<Api>, request: ExecutionRequest) -> Result<Done, CockpitError> {
    let execution = resolved(api, request).await?;
    api.drive_here(&execution).await?;
    Ok(Done {})
}

pub(super) async fn leave(api: &Arc<Api>, request: ExecutionRequest) -> Result<Done, CockpitError> {
    let execution = resolved(api, request).await?;
    order(api, &execution, Order::Leave).await
}

pub(super) async fn cancel(api: &Arc<Api>, request: ExecutionRequest) -> Result<Done, CockpitError> {
    let execution = resolved(api, request).await?;
    order(api, &execution, Order::Cancel).await
}

async fn order(api: &Arc<Api>, execution: &str, order: Order) -> Result<Done, CockpitError> {
    let sent = match api.drives.orders(execution) {
        Some(orders) => orders.send(order).await.is_ok(),
        None => false,
    };
    if sent {
        return Ok(Done {});
    }
    Err(CockpitError::user("the execution is not driven here").hint("go on with it here first"))
}

/// Says something. Whoever speaks to an execution that nobody drives goes on driving it here, unless it is a remark.
pub(super) async fn say(api: &Arc<Api>, request: SayRequest) -> Result<Done, CockpitError> {
    let execution = resolved(api, ExecutionRequest { execution: request.execution }).await?;
    let saying = Saying::from(request.saying);
    if let Some(voice) = api.drives.voice(&execution)
        && let Some(answer) = voice.say_while_driven(saying.clone()).await
    {
        return answer.map(|()| Done {});
    }
    let remark = matches!(saying, Saying::Note { .. } | Saying::Pause);
    let (cockpit, of) = (Arc::clone(api.cockpit()), execution.clone());
    let view = tokio::task::spawn_blocking(move || cockpit.say(&of, saying)).await.map_err(super::ended)??;
    let over = view.summary.finished_at.is_some();
    if remark || over {
        let driven = api.driven(&execution);
        api.feed.push(Event::Execution { view: Box::new(view), driven });
        return Ok(Done {});
    }
    match api.drive_here(&execution).await {
        Ok(()) => Ok(Done {}),
        // Another process drives it and has heard what was said.
        Err(error) if error.class == ErrorClass::Refused => Ok(Done {}),
        Err(error) => Err(error),
    }
}

impl From<Said> for Saying {
    fn from(said: Said) -> Self {
        match said {
            Said::Note { text } => Self::Note { text },
            Said::Check { items, note } => Self::Check { items, note },
            Said::Provide { values } => Self::Provide { values },
            Said::Confirm { step, outcome, by_hand, note } => {
                Self::Confirm { step, outcome: outcome.into(), by_hand, note }
            }
            Said::Decide { step, branch } => Self::Decide { step, branch },
            Said::Approve { step, digest, target, comment } => {
                Self::Approve { step, digest: Some(digest), target, comment }
            }
            Said::Reject { step, digest, comment } => Self::Reject { step, digest: Some(digest), comment },
            Said::Retry { step } => Self::Retry { step },
            Said::Skip { step, reason } => Self::Skip { step, reason },
            Said::Pause {} => Self::Pause,
            Said::Resume {} => Self::Resume,
            Said::Abort { reason } => Self::Abort { reason },
            Said::Rollback { reason } => Self::Rollback { reason },
            Said::SettleUndo { step, choice, note } => Self::SettleUndo { step, choice: choice.into(), note },
        }
    }
}

impl From<OutcomeWord> for Confirmation {
    fn from(word: OutcomeWord) -> Self {
        match word {
            OutcomeWord::Done => Self::Done,
            OutcomeWord::NotDone => Self::NotDone,
            OutcomeWord::Failed => Self::Failed,
            OutcomeWord::Undo => Self::Undo,
        }
    }
}

impl From<UndoWord> for UndoChoice {
    fn from(word: UndoWord) -> Self {
        match word {
            UndoWord::Done => Self::Done,
            UndoWord::Retry => Self::Retry,
            UndoWord::ByHand => Self::ByHand,
            UndoWord::Leave => Self::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drive_that_has_ended_drives_nothing_though_its_task_still_tells_of_it() {
        let drives = Drives::default();
        let (orders, _taken) = mpsc::channel(ORDERS);
        let place = Place { voice: Voice::ended(), orders, task: tokio::spawn(std::future::pending()) };
        drives.places().insert("x".to_owned(), place);
        assert!(!drives.has("x"), "whoever speaks now has to drive it");
        assert!(drives.voice("x").is_none());
    }
}
