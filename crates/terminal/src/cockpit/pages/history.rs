//! Executions: all of them, or those that wait for a person.

use belay_cockpit::api::{Answer, Call, CallError, Event, ExecutionsRequest, Nothing};
use belay_cockpit::wire::ExecutionSummary;

use crate::cockpit::field::Field;
use crate::cockpit::message::Key;
use crate::cockpit::scroll::{List, Motion};
use crate::cockpit::state::{Desk, Size};

/// Rows above the list: the filter, the head of the table, a space.
pub const HEAD_ROWS: usize = 3;
/// Statuses that the list can be narrowed to.
pub const STATUSES: [&str; 10] = [
    "in_progress",
    "waiting",
    "paused",
    "failed",
    "stuck",
    "completed",
    "rolling_back",
    "rolled_back",
    "aborted",
    "not_started",
];

/// A list of executions.
#[derive(Debug, Default)]
pub struct History {
    /// Only what waits for a person.
    pub waiting: bool,
    /// Only this status.
    pub status: Option<String>,
    /// Only what holds these words.
    pub field: Field,
    /// Whether keys go into the field.
    pub typing: bool,
    /// The answer.
    pub all: Option<Vec<ExecutionSummary>>,
    /// Why there is none.
    pub error: Option<CallError>,
    /// Which one is selected.
    pub list: List,
    asked: Option<u64>,
    changed: bool,
}

impl History {
    /// What waits for a person.
    pub fn of_waiting() -> Self {
        Self { waiting: true, ..Self::default() }
    }

    /// Asks for the list; while an answer is under way the next one waits for it.
    pub fn ask(&mut self, desk: &mut Desk<'_>) {
        if self.asked.is_some() {
            self.changed = true;
            return;
        }
        self.changed = false;
        self.asked = Some(desk.ask(if self.waiting {
            Call::Waiting(Nothing {})
        } else {
            Call::Executions(ExecutionsRequest { status: self.status.clone(), runbook: None })
        }));
    }

    pub(super) fn answered(&mut self, n: u64, answer: Result<Answer, CallError>, desk: &mut Desk<'_>) {
        if self.asked != Some(n) {
            return;
        }
        self.asked = None;
        match answer {
            Ok(Answer::Executions(all) | Answer::Waiting(all)) => {
                // The list moves under the selection when something new comes; the selection stays with its execution.
                let selected = self.selected().map(|summary| summary.execution.clone());
                self.all = Some(*all);
                self.error = None;
                let place = selected.and_then(|id| self.shown().position(|summary| summary.execution == id));
                if let Some(place) = place {
                    self.list.selected = place;
                }
            }
            Ok(_) => {}
            Err(error) => self.error = Some(error),
        }
        self.settle(desk);
        if self.changed {
            self.ask(desk);
        }
    }

    pub(super) fn told(&mut self, event: &Event, desk: &mut Desk<'_>) {
        if matches!(event, Event::Execution { .. }) {
            self.ask(desk);
        }
    }

    /// What is shown.
    pub fn shown(&self) -> impl Iterator<Item = &ExecutionSummary> {
        let words: Vec<String> = self.field.text().to_lowercase().split_whitespace().map(str::to_owned).collect();
        self.all.iter().flatten().filter(move |summary| {
            words.is_empty() || {
                let mut text = format!(
                    "{} {} {} {} {} {}",
                    summary.execution,
                    summary.runbook.id,
                    summary.runbook.name,
                    summary.runbook.title,
                    summary.started_by,
                    summary.context
                );
                text.extend(summary.incident.iter().chain(&summary.ticket).map(|id| format!(" {id}")));
                let text = text.to_lowercase();
                words.iter().all(|word| text.contains(word))
            }
        })
    }

    /// The selected execution.
    pub fn selected(&self) -> Option<&ExecutionSummary> {
        self.shown().nth(self.list.selected)
    }

    /// Rows of the list.
    pub fn seen(size: Size) -> usize {
        size.page_rows().saturating_sub(HEAD_ROWS).max(1)
    }

    pub(super) fn go(&mut self, motion: Motion, desk: &mut Desk<'_>) {
        let count = self.shown().count();
        self.list.go(motion, count, Self::seen(desk.size));
    }

    fn settle(&mut self, desk: &mut Desk<'_>) {
        let count = self.shown().count();
        self.list.settle(count, Self::seen(desk.size));
    }

    pub(super) fn press(&mut self, key: &Key, desk: &mut Desk<'_>) -> bool {
        if !self.typing {
            return false;
        }
        match key.name.as_str() {
            "Enter" | "Esc" | "Tab" => self.typing = false,
            "Up" => self.go(Motion::Up, desk),
            "Down" => self.go(Motion::Down, desk),
            _ if key.request.is_none() => return false,
            _ if self.field.press(key) => self.list = List::default(),
            _ => {}
        }
        true
    }

    pub(super) fn paste(&mut self, text: &str) {
        if self.typing && self.field.paste(text) {
            self.list = List::default();
        }
    }

    /// Narrows to a status, or not any more.
    pub fn narrow(&mut self, status: &str, desk: &mut Desk<'_>) {
        self.status = if self.status.as_deref() == Some(status) { None } else { Some(status.to_owned()) };
        self.list = List::default();
        self.ask(desk);
    }

    /// Shows everything again.
    pub fn widen(&mut self, desk: &mut Desk<'_>) {
        self.status = None;
        self.field = Field::default();
        self.list = List::default();
        self.ask(desk);
    }
}
