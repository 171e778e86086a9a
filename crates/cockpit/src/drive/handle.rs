//! A running drive, as a front end holds it.

use tokio::sync::{mpsc, oneshot};

use crate::error::CockpitError;
use crate::say::Saying;
use crate::wire::DriveEvent;

/// A running drive, as a front end holds it.
pub struct Drive {
    events: mpsc::Receiver<Box<DriveEvent>>,
    control: mpsc::Sender<Control>,
    task: tokio::task::JoinHandle<()>,
}

impl Drive {
    pub(super) fn new(
        events: mpsc::Receiver<Box<DriveEvent>>,
        control: mpsc::Sender<Control>,
        task: tokio::task::JoinHandle<()>,
    ) -> Self {
        Self { events, control, task }
    }

    /// The next event; `None` after the drive has ended.
    pub async fn next(&mut self) -> Option<DriveEvent> {
        self.events.recv().await.map(|event| *event)
    }

    /// The next event, if one is there already.
    pub fn try_next(&mut self) -> Option<DriveEvent> {
        self.events.try_recv().ok().map(|event| *event)
    }

    /// Says something to the execution. Whoever takes the events in the same task uses [`Drive::voice`] instead: the
    /// drive may wait for its events to be taken before it answers.
    pub async fn say(&self, saying: Saying) -> Result<(), CockpitError> {
        self.voice().say(saying).await
    }

    /// A way to say something from another task.
    pub fn voice(&self) -> Voice {
        Voice { control: self.control.clone() }
    }

    /// Cancels the running act.
    pub fn cancel(&self) {
        // A full channel holds a cancellation already; a closed one has nothing to cancel.
        if self.control.try_send(Control::Cancel).is_err() {
            tracing::debug!("there was nothing to cancel");
        }
    }

    /// Stops driving. A running act is ended and recorded; nothing is lost.
    pub async fn leave(mut self) {
        if self.control.send(Control::Leave).await.is_ok() {
            // The drive may wait for somebody to take its events.
            while self.events.recv().await.is_some() {}
        }
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the drive did not end well");
        }
    }
}

/// Says things to a running drive, apart from whoever takes its events.
#[derive(Clone)]
pub struct Voice {
    control: mpsc::Sender<Control>,
}

impl Voice {
    /// Says something to the execution.
    pub async fn say(&self, saying: Saying) -> Result<(), CockpitError> {
        self.say_while_driven(saying).await.unwrap_or_else(|| {
            Err(CockpitError::user("the execution is no longer driven here").hint("`belay resume EXEC` goes on"))
        })
    }

    /// Whether the drive has ended: it hears nothing any more, and somebody else may drive.
    pub fn is_over(&self) -> bool {
        self.control.is_closed()
    }

    /// Says something to the execution; `None` when the drive had ended before it heard it, so that nothing was said.
    pub async fn say_while_driven(&self, saying: Saying) -> Option<Result<(), CockpitError>> {
        let (answer, answered) = oneshot::channel();
        self.control.send(Control::Say { saying: Box::new(saying), answer }).await.ok()?;
        // The drive answers whatever it hears; one that ends with something unheard drops it.
        answered.await.ok()
    }
}

#[cfg(test)]
impl Voice {
    /// That of a drive which has ended.
    pub(crate) fn ended() -> Self {
        Self { control: mpsc::channel(1).0 }
    }
}

pub(super) enum Control {
    Say { saying: Box<Saying>, answer: oneshot::Sender<Result<(), CockpitError>> },
    Cancel,
    Leave,
}
