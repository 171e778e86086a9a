//! The stream of events: kept for a while, so that a face that reloads misses nothing, and bounded, so that one that is
//! slow costs nothing.
//!
//! States replace each other: of an execution's states only the newest is kept, because each is whole. Output is kept up
//! to a limit; whoever is further behind is told that some was passed over, and can ask for all of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::event::{Event, Numbered, Place, Told};

/// Output that is kept for listeners that are behind, in bytes.
const OUTPUT: usize = 4 << 20;
/// Events other than output that are kept.
const EVENTS: usize = 4_096;
/// Output of the running act that a snapshot holds, in bytes: what a screen shows when it comes back.
const TAIL: usize = 256 << 10;
/// Output that is joined into one event, in bytes.
const JOINED: usize = 64 << 10;
/// Events that are handed out at a time; more would hold up a web view.
const BATCH: usize = 256;

/// The stream of one process.
pub struct Feed {
    /// Tells this stream from another process's.
    stream: String,
    state: Mutex<State>,
    last: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    last: u64,
    /// States and whatever else is no output.
    events: VecDeque<(u64, Arc<Event>)>,
    output: VecDeque<(u64, Arc<Event>, usize)>,
    output_bytes: usize,
    /// The number of the last event, other than output, that is gone and was not replaced.
    lost: u64,
    /// The number of the last output that is gone.
    output_lost: u64,
    tails: BTreeMap<String, Tail>,
}

/// The end of what the running act of an execution wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) step: String,
    /// Pieces with their streams, oldest first.
    pub(super) pieces: VecDeque<(String, String)>,
    bytes: usize,
    /// How much the act has written, in UTF-16 units.
    pub(super) written: usize,
    /// Whether earlier output was dropped.
    pub(super) cut: bool,
}

impl Default for Feed {
    fn default() -> Self {
        // A clock is enough: two processes that start in the same nanosecond have other process ids.
        let stream = format!("{}-{}", std::process::id(), Timestamp::now().as_nanosecond());
        Self { stream, state: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the queues whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event and wakes whoever listens.
    pub(super) fn push(&self, event: Event) {
        let mut state = self.state();
        state.last += 1;
        let last = state.last;
        state.keep(last, event);
        drop(state);
        self.last.send_replace(last);
    }

    /// Where the stream stands, and the end of what an execution's running act wrote. Whoever reads a state after this
    /// finds everything in it that was told up to that place.
    pub(super) fn place(&self, execution: &str) -> (Place, Option<Tail>) {
        let state = self.state();
        (Place { stream: self.stream.clone(), n: state.last }, state.tails.get(execution).cloned())
    }

    /// Listens to what comes after a place; without one, or with another stream's, it is told where this one stands.
    pub(super) fn listen(feed: &Arc<Self>, after: Option<&Place>) -> Listener {
        let last = feed.last.subscribe();
        let known = feed.state().last;
        let (seen, anew) = match after {
            Some(after) if after.stream == feed.stream && after.n <= known => (after.n, false),
            Some(_) | None => (known, true),
        };
        Listener { feed: Arc::clone(feed), last, seen, anew }
    }

    /// What a listener that has seen so much gets next, and what it has seen then.
    fn after(&self, seen: u64) -> Option<(u64, Told)> {
        let state = self.state();
        if seen >= state.last {
            return None;
        }
        if seen < state.lost {
            return Some((state.last, Told::Anew { after: Place { stream: self.stream.clone(), n: state.last } }));
        }
        let from = state.events.partition_point(|(n, _)| *n <= seen);
        let output_from = state.output.partition_point(|(n, ..)| *n <= seen);
        let mut events = state.events.range(from..).map(|(n, event)| (*n, event)).peekable();
        let mut output = state.output.range(output_from..).map(|(n, event, _)| (*n, event)).peekable();
        let mut told = Vec::new();
        if seen < state.output_lost {
            told.push(Numbered { n: state.output_lost, event: Event::OutputSkipped {} });
        }
        while told.len() < BATCH {
            let event_first = match (events.peek(), output.peek()) {
                (Some((event, _)), Some((written, _))) => event < written,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let next = if event_first { events.next() } else { output.next() };
            let Some((n, event)) = next else {
                // What is missing up to the last number has been replaced by what was handed out.
                return Some((state.last, Told::Events { events: told }));
            };
            if !joined(&mut told, n, event) {
                told.push(Numbered { n, event: event.as_ref().clone() });
            }
        }
        let last = told.last().map_or(seen, |numbered| numbered.n);
        Some((last, Told::Events { events: told }))
    }
}

/// Joins output with the one before it where it goes on with the same stream.
fn joined(told: &mut [Numbered], n: u64, event: &Event) -> bool {
    let Event::Output { execution, step, stream, text, .. } = event else { return false };
    let Some(before) = told.last_mut() else { return false };
    let Event::Output { execution: of, step: at, stream: same, text: joined, .. } = &mut before.event else {
        return false;
    };
    let fits = of == execution && at == step && same == stream && joined.len() + text.len() <= JOINED;
    if fits {
        joined.push_str(text);
        before.n = n;
    }
    fits
}

impl State {
    fn keep(&mut self, number: u64, mut event: Event) {
        match &mut event {
            Event::Output { execution, step, stream, at, text } => {
                *at = self.tail(execution, step, stream, text);
                let bytes = text.len();
                self.output_bytes += bytes;
                self.output.push_back((number, Arc::new(event), bytes));
                while self.output_bytes > OUTPUT {
                    let Some((gone, _, bytes)) = self.output.pop_front() else { break };
                    self.output_bytes -= bytes;
                    self.output_lost = gone;
                }
                return;
            }
            Event::Execution { view, .. } => {
                let execution = view.summary.execution.clone();
                if view.summary.finished_at.is_some() {
                    self.tails.remove(&execution);
                }
                self.events.retain(|(_, kept)| {
                    !matches!(kept.as_ref(), Event::Execution { view, .. } if view.summary.execution == execution)
                });
            }
            Event::ActStarted { execution, .. } => {
                self.tails.remove(execution);
            }
            Event::OutputSkipped {}
            | Event::Notice { .. }
            | Event::Escalated { .. }
            | Event::Stopped { .. }
            | Event::CatalogChanged { .. }
            | Event::Opened { .. } => {}
        }
        self.events.push_back((number, Arc::new(event)));
        while self.events.len() > EVENTS {
            if let Some((gone, _)) = self.events.pop_front() {
                self.lost = gone;
            }
        }
    }

    /// Adds to the end of what an act wrote; says how much it had written before.
    fn tail(&mut self, execution: &str, step: &str, stream: &str, text: &str) -> usize {
        let tail = self.tails.entry(execution.to_owned()).or_default();
        if tail.step != step {
            *tail = Tail { step: step.to_owned(), ..Tail::default() };
        }
        let at = tail.written;
        tail.written += text.encode_utf16().count();
        tail.bytes += text.len();
        tail.pieces.push_back((stream.to_owned(), text.to_owned()));
        while tail.bytes > TAIL && tail.pieces.len() > 1 {
            if let Some((_, gone)) = tail.pieces.pop_front() {
                tail.bytes -= gone.len();
                tail.cut = true;
            }
        }
        at
    }
}

/// Somebody who listens. Being slow costs no memory: what was replaced meanwhile is passed over.
pub struct Listener {
    feed: Arc<Feed>,
    last: watch::Receiver<u64>,
    seen: u64,
    anew: bool,
}

impl Listener {
    /// Waits for what comes next; `None` once the stream has ended. Nothing is lost when it is not waited for to the end.
    pub async fn next(&mut self) -> Option<Told> {
        if std::mem::take(&mut self.anew) {
            return Some(Told::Anew { after: Place { stream: self.feed.stream.clone(), n: self.seen } });
        }
        loop {
            self.last.borrow_and_update();
            if let Some((seen, told)) = self.feed.after(self.seen) {
                self.seen = seen;
                return Some(told);
            }
            self.last.changed().await.ok()?;
        }
    }
}
