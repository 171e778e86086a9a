//! The guided run on a real terminal: typed lines, signals and the drive's events, in one loop.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::Arc;

use belay_cockpit::wire::{Candidates, DriveEvent, ExecutionView};
use belay_cockpit::{Cockpit, CockpitError, Drive, ErrorClass, Follow, Saying};
use belay_runbook::format;
use belay_runbook::model::Runbook;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::guide::{Deed, Guide, Happening};
use crate::failure::Failure;
use crate::page;
use crate::style::Style;

/// Lines that were typed and not read yet; typing waits beyond it.
const LINES: usize = 4;

/// The signals that a drive answers to.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signalled {
    /// Ctrl-C.
    Interrupt,
    /// The process shall end, or its terminal is gone.
    End,
}

impl Signals {
    /// From here on signals no longer end the process.
    pub fn catch() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(|source| Failure::Setup { what: "signals cannot be caught", source });
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Signalled {
        tokio::select! {
            _ = self.interrupt.recv() => Signalled::Interrupt,
            _ = self.terminate.recv() => Signalled::End,
            _ = self.hangup.recv() => Signalled::End,
        }
    }
}

/// What the loop wakes up for.
enum Wake {
    Event(Option<DriveEvent>),
    Line(Option<String>),
    Signal(Signalled),
    Said(Said),
    Found(Candidates),
    Elsewhere(Result<Box<ExecutionView>, CockpitError>),
}

/// What came of something that was said.
enum Said {
    Heard(Result<(), CockpitError>),
    /// The drive had ended before it heard it.
    Unheard(Saying),
}

/// The runbook as the execution's first event holds it, so that descriptions are those of what runs.
pub fn runbook_of(cockpit: &Cockpit, execution: &str) -> Option<Arc<Runbook>> {
    let log = cockpit.log(execution).ok()?;
    let text = log.first()?.event.pointer("/genesis/runbook")?.as_str()?.to_owned();
    format::parse("<genesis>", text.as_bytes()).runbook.map(Arc::new)
}

/// Guides a person through an execution until it ends or the person leaves; gives back where it stands then.
pub async fn guide(cockpit: &Arc<Cockpit>, execution: &str, style: Style) -> Result<ExecutionView, Failure> {
    let view = cockpit.status(execution)?;
    let mut guide = Guide::new(&view, runbook_of(cockpit, execution), style);
    let mut signals = Signals::catch()?;
    let mut lines = typed_lines();
    let mut wheel = Wheel { cockpit, execution, drive: Some(cockpit.drive(execution)?), follow: None };
    let mut says: JoinSet<Said> = JoinSet::new();
    let mut looks: JoinSet<Candidates> = JoinSet::new();
    // Whether the drive has ended while something was on its way to it: that is answered first, as it may go on after it.
    let mut ended = false;
    loop {
        let wake = tokio::select! {
            event = next_event(wheel.drive.as_mut()) => Wake::Event(event),
            view = next_change(wheel.follow.as_mut()) => Wake::Elsewhere(view.map(Box::new)),
            line = lines.recv() => Wake::Line(line),
            signalled = signals.next() => Wake::Signal(signalled),
            Some(said) = says.join_next() => Wake::Said(said.unwrap_or_else(|error| {
                Said::Heard(Err(CockpitError::bug(format!("a saying ended by itself: {error}"))))
            })),
            Some(Ok(found)) = looks.join_next() => Wake::Found(found),
        };
        let mut deeds = match wake {
            Wake::Event(Some(event)) => guide.handle(Happening::Event(event)),
            Wake::Event(None) => {
                wheel.let_go().await?;
                ended = !says.is_empty();
                if ended { Vec::new() } else { guide.handle(Happening::Ended) }
            }
            Wake::Elsewhere(view) => guide.handle(Happening::Elsewhere(view?)),
            Wake::Line(Some(line)) => guide.handle(Happening::Line(line)),
            Wake::Line(None) | Wake::Signal(Signalled::End) => guide.handle(Happening::EndOfInput),
            Wake::Signal(Signalled::Interrupt) => guide.handle(Happening::Interrupt),
            Wake::Said(Said::Heard(answer)) => {
                // What the drive told before it answered comes first.
                let mut deeds = Vec::new();
                while let Some(event) = wheel.drive.as_mut().and_then(Drive::try_next) {
                    deeds.extend(guide.handle(Happening::Event(event)));
                }
                deeds.extend(guide.handle(match answer {
                    Ok(()) => Happening::Taken,
                    Err(error) => Happening::Refused(error),
                }));
                deeds
            }
            Wake::Found(found) => guide.handle(Happening::Found(found)),
            Wake::Said(Said::Unheard(saying)) => {
                ended = false;
                // Its last event may not have been taken yet; what it showed has been answered all the same.
                wheel.let_go().await?;
                wheel.say_undriven(saying, &mut guide)?
            }
        };
        if ended && says.is_empty() && wheel.drive.is_none() {
            ended = false;
            deeds.extend(guide.handle(Happening::Ended));
        }
        while !deeds.is_empty() {
            match deeds.remove(0) {
                Deed::Print(content) => page::print(&content)?,
                Deed::Say(saying) => match &wheel.drive {
                    Some(drive) => {
                        let voice = drive.voice();
                        says.spawn(async move {
                            match voice.say_while_driven(saying.clone()).await {
                                Some(answer) => Said::Heard(answer),
                                None => Said::Unheard(saying),
                            }
                        });
                    }
                    None => deeds.extend(wheel.say_undriven(saying, &mut guide)?),
                },
                Deed::Look { name, given } => {
                    let (cockpit, execution) = (Arc::clone(cockpit), execution.to_owned());
                    looks.spawn(async move { look(&cockpit, &execution, name, &given).await });
                }
                Deed::Drive => {
                    wheel.take()?;
                    deeds.extend(guide.handle(Happening::Taken));
                }
                Deed::Cancel => {
                    if let Some(drive) = &wheel.drive {
                        drive.cancel();
                    }
                }
                Deed::ForgetTyped => forget_typed(),
                Deed::Leave => {
                    if let Some(drive) = wheel.drive.take() {
                        drive.leave().await;
                    }
                    return Ok(cockpit.status(execution)?);
                }
            }
        }
    }
}

/// What a missing value could be; that it cannot be listed is no more than a remark.
async fn look(cockpit: &Cockpit, execution: &str, name: String, given: &BTreeMap<String, Value>) -> Candidates {
    let found = cockpit.candidates_in(execution, given, std::slice::from_ref(&name)).await;
    let problem = match found {
        Ok(mut found) if !found.is_empty() => return Candidates { name, ..found.remove(0) },
        Ok(_) => None,
        Err(error) => Some(error.message),
    };
    Candidates { name, candidates: Vec::new(), problem }
}

/// Who has the wheel: this process drives, or follows what others do.
struct Wheel<'a> {
    cockpit: &'a Arc<Cockpit>,
    execution: &'a str,
    drive: Option<Drive>,
    follow: Option<Follow>,
}

impl Wheel<'_> {
    /// The drive has ended: from here on others may go on with it.
    async fn let_go(&mut self) -> Result<(), Failure> {
        if let Some(ended) = self.drive.take() {
            ended.leave().await;
        }
        if self.follow.is_none() {
            self.follow = Some(self.cockpit.follow(self.execution)?);
        }
        Ok(())
    }

    /// Drives it here, unless another process does.
    fn take(&mut self) -> Result<(), Failure> {
        match self.cockpit.drive(self.execution) {
            Ok(drive) => {
                self.drive = Some(drive);
                self.follow = None;
                Ok(())
            }
            Err(error) if error.class == ErrorClass::Refused => {
                // From the start, so that what the other process shows is asked here, too.
                self.follow = Some(self.cockpit.follow(self.execution)?);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says something to an execution that is not driven here, and drives it when that opened it.
    fn say_undriven(&mut self, saying: Saying, guide: &mut Guide) -> Result<Vec<Deed>, Failure> {
        let remark = matches!(saying, Saying::Note { .. });
        match self.cockpit.say(self.execution, saying) {
            Ok(_) if remark => Ok(guide.handle(Happening::Taken)),
            Ok(_) => {
                self.take()?;
                Ok(guide.handle(Happening::Taken))
            }
            Err(error) => Ok(guide.handle(Happening::Refused(error))),
        }
    }
}

async fn next_change(follow: Option<&mut Follow>) -> Result<ExecutionView, CockpitError> {
    match follow {
        Some(follow) => follow.next().await,
        None => std::future::pending().await,
    }
}

async fn next_event(drive: Option<&mut Drive>) -> Option<DriveEvent> {
    match drive {
        Some(drive) => drive.next().await,
        None => std::future::pending().await,
    }
}

/// Lines from standard input, from a thread: a terminal cannot be read without waiting in every system.
fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Forgets what was typed and not read.
pub fn forget_typed() {
    // Where standard input is no terminal there is nothing to forget.
    if let Err(error) = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush) {
        tracing::debug!(%error, "typed characters stay");
    }
}
