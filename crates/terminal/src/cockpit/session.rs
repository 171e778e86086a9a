//! The cockpit on a real terminal: keys, signals, answers and events in one loop; what they lead to is done beside it.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use belay_cockpit::api::{Api, CallError};
use belay_cockpit::{Cockpit, CockpitError};
use crossterm::event::Event;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::message::{Command, Key, Message, Ticket};
use super::screen::{Screen, failed};
use super::state::{EVERYWHERE, Size, State};
use super::update::update;
use super::view::look::Look;
use super::view::view;
use crate::failure::{Exit, Failure};
use crate::guided::session::{Signalled, Signals};
use crate::style::Style;
use crate::{page, text};

/// Keys and events that wait to be taken; whoever sends more waits.
const WAITING: usize = 256;
/// Messages that are taken in before the screen is drawn.
const AT_ONCE: usize = 512;
/// What streams in is drawn so often at most; keys and answers are drawn at once.
const FRAME: Duration = Duration::from_millis(33);
/// A clock is shown in whole seconds.
const SECOND: Duration = Duration::from_secs(1);
/// The largest alert that is read.
const LARGEST_ALERT: u64 = 16 << 20;

/// Opens the cockpit until the person leaves it.
pub async fn open(cockpit: Arc<Cockpit>, color: bool, style: Style) -> Result<Exit, Failure> {
    let mut signals = Signals::catch()?;
    let goes_on = signal(SignalKind::from_raw(nix::libc::SIGCONT));
    let mut goes_on = goes_on.map_err(|source| Failure::Setup { what: "signals cannot be caught", source })?;
    let (sender, mut messages) = mpsc::channel(WAITING);
    let mut session = Session::new(Api::new(cockpit), Look { color })?;
    session.begin(&sender)?;
    let ended = session.attend(&mut messages, &mut signals, &mut goes_on).await;
    // A terminal that is gone ends the cockpit as well; what runs is left safely all the same.
    let left = session.leave(style).await;
    ended.and(left)
}

struct Session {
    api: Arc<Api>,
    screen: Screen,
    look: Look,
    state: State,
    tasks: JoinSet<Message>,
    /// When the screen was drawn last.
    drawn: Instant,
}

impl Session {
    fn new(api: Arc<Api>, look: Look) -> Result<Self, Failure> {
        let screen = Screen::take()?;
        let (columns, rows) = crossterm::terminal::size().map_err(failed)?;
        let (state, commands) = State::new(Timestamp::now(), Size { columns, rows });
        let mut session = Self { api, screen, look, state, tasks: JoinSet::new(), drawn: Instant::now() };
        // The first picture does not wait for anything.
        session.draw()?;
        for command in commands {
            session.perform(command)?;
        }
        Ok(session)
    }

    /// Starts what brings messages: the keyboard, the API's events, and the watch of what others change.
    fn begin(&mut self, sender: &mpsc::Sender<Message>) -> Result<(), Failure> {
        let typed = sender.clone();
        std::thread::Builder::new()
            .name("keyboard".to_owned())
            .spawn(move || read_keys(&typed))
            .map_err(|source| Failure::Setup { what: "the keyboard cannot be read", source })?;
        let mut listener = self.api.listen(None);
        let told = sender.clone();
        tokio::spawn(async move {
            while let Some(news) = listener.next().await {
                if told.send(Message::Told(news)).await.is_err() {
                    break;
                }
            }
        });
        let (api, trouble) = (Arc::clone(&self.api), sender.clone());
        tokio::spawn(async move {
            if let Err(error) = api.follow().await {
                let ticket = Ticket { page: EVERYWHERE, n: 0 };
                let message = Message::Answered { ticket, answer: Err(error.into()) };
                if trouble.send(message).await.is_err() {
                    tracing::debug!("nobody is left to be told that changes are not watched");
                }
            }
        });
        Ok(())
    }

    /// Takes what happens until the person leaves.
    async fn attend(
        &mut self,
        messages: &mut mpsc::Receiver<Message>,
        signals: &mut Signals,
        goes_on: &mut Signal,
    ) -> Result<(), Failure> {
        let mut due: Option<Instant> = None;
        let mut tick = Instant::now() + SECOND;
        while !self.state.leaving {
            let clock = self.state.shows_clock();
            let mut urgent = true;
            tokio::select! {
                Some(message) = messages.recv() => {
                    urgent = self.take(message)?;
                    for _ in 0..AT_ONCE {
                        let Ok(message) = messages.try_recv() else { break };
                        urgent |= self.take(message)?;
                    }
                }
                Some(done) = self.tasks.join_next() => match done {
                    Ok(message) => drop(self.take(message)?),
                    Err(error) => self.trouble(&CockpitError::bug(format!("a task ended by itself: {error}")).into())?,
                },
                signalled = signals.next() => match signalled {
                    Signalled::Interrupt => drop(self.take(Message::Interrupt)?),
                    Signalled::End => self.state.leaving = true,
                },
                _ = goes_on.recv() => self.perform(Command::Redraw)?,
                () = sleep_until(tick), if clock => tick = Instant::now() + SECOND,
                () = sleep_until(due.unwrap_or(tick)), if due.is_some() => due = None,
            }
            self.take(Message::Tick(Timestamp::now()))?;
            if urgent {
                self.draw()?;
                due = None;
            } else if due.is_none() {
                due = Some(self.drawn + FRAME);
            }
        }
        Ok(())
    }

    /// Takes a message; says whether what it changed has to be seen at once.
    fn take(&mut self, message: Message) -> Result<bool, Failure> {
        let urgent = match &message {
            Message::Told(_) | Message::Tick(_) => false,
            Message::Key(_)
            | Message::Paste(_)
            | Message::Interrupt
            | Message::Gone
            | Message::Resized { .. }
            | Message::Answered { .. }
            | Message::AlertRead(_)
            | Message::Saved(_) => true,
        };
        for command in update(&mut self.state, message) {
            self.perform(command)?;
        }
        Ok(urgent)
    }

    fn trouble(&mut self, error: &CallError) -> Result<(), Failure> {
        let ticket = Ticket { page: EVERYWHERE, n: 0 };
        self.take(Message::Answered { ticket, answer: Err(error.clone()) }).map(drop)
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let (state, look) = (&self.state, self.look);
        self.screen.terminal.draw(|frame| view(frame, state, look)).map_err(failed)?;
        self.drawn = Instant::now();
        Ok(())
    }

    fn perform(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Ask { ticket, call } => {
                let api = Arc::clone(&self.api);
                self.tasks.spawn(async move { Message::Answered { ticket, answer: api.answer(*call).await } });
            }
            Command::ReadAlert { path } => {
                self.tasks.spawn_blocking(move || Message::AlertRead(read_alert(&path)));
            }
            Command::Save { name, text } => {
                self.tasks.spawn_blocking(move || Message::Saved(save(&name, &text)));
            }
            Command::Suspend => {
                self.screen.suspend()?;
                let (columns, rows) = crossterm::terminal::size().map_err(failed)?;
                self.take(Message::Resized { columns, rows })?;
            }
            Command::Redraw => self.screen.redraw()?,
            Command::Quit => self.state.leaving = true,
        }
        Ok(())
    }

    /// Brings what runs to a known state, gives the terminal back, and says how to go on.
    async fn leave(mut self, style: Style) -> Result<Exit, Failure> {
        if let Err(error) = self.draw() {
            tracing::debug!(%error, "the terminal is gone");
        }
        self.api.close().await;
        let open: Vec<String> = self.state.driven.iter().cloned().collect();
        drop(self);
        let mut told = String::new();
        for execution in open {
            let command = format!("belay resume {}", text::short(&execution));
            put!(told, "Left safely; nothing is lost. Go on with {}\n", style.code(&command));
        }
        // A terminal that is gone hears nothing; what was left is safe all the same.
        match page::print(&told) {
            Ok(()) | Err(Failure::Closed | Failure::Output(_)) => Ok(Exit::Done),
            Err(failure) => Err(failure),
        }
    }
}

/// Reads the terminal until it is gone.
#[expect(clippy::wildcard_enum_match_arm, reason = "a terminal tells more than is used here")]
fn read_keys(sender: &mpsc::Sender<Message>) {
    while let Ok(event) = crossterm::event::read() {
        let message = match event {
            Event::Key(_) => match Key::of(&event) {
                Some(key) => Message::Key(key),
                None => continue,
            },
            Event::Paste(pasted) => Message::Paste(pasted),
            Event::Resize(columns, rows) => Message::Resized { columns, rows },
            _ => continue,
        };
        if sender.blocking_send(message).is_err() {
            return;
        }
    }
    if sender.blocking_send(Message::Gone).is_err() {
        tracing::debug!("the cockpit had ended before its terminal");
    }
}

fn user(message: String, hint: &str) -> CallError {
    CockpitError::user(message).hint(hint).into()
}

fn read_alert(path: &str) -> Result<String, CallError> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(at_home(path))
        .and_then(|file| file.take(LARGEST_ALERT).read_to_string(&mut text))
        .map(|_| text)
        .map_err(|error| user(format!("`{path}` cannot be read: {error}"), "name a file with an alert as JSON"))
}

/// People type `~`, and no shell is here to read it.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(below), Some(home)) => PathBuf::from(home).join(below),
        (Some(_) | None, _) => PathBuf::from(path),
    }
}

fn save(name: &str, content: &str) -> Result<String, CallError> {
    let written = std::fs::File::create_new(name).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(name.to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(user(format!("`{name}` is there already"), "move it away, then write again"))
        }
        Err(error) => Err(CockpitError::environment(&format!("`{name}` cannot be written here"), &error)
            .hint("start belay in a folder that you can write to")
            .into()),
    }
}
