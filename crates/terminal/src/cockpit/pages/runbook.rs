//! One runbook: what it is for, its steps, its flow, what is wrong with it, its executions.

use belay_cockpit::api::{Answer, Call, CallError, RunbookPage, RunbookRequest};
use belay_cockpit::wire::ExecutionSummary;
use serde_json::Value;

use crate::cockpit::scroll::{List, Motion, Scroll};
use crate::cockpit::state::{Desk, Size};
use crate::cockpit::view::runbook::text;

/// Rows above a part of the page: title, facts, the names of the parts, a space.
pub const HEAD_ROWS: usize = 4;

/// A part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What it is for.
    Overview,
    /// Its steps with their commands.
    Steps,
    /// How the steps follow each other.
    Flow,
    /// What validation reports.
    Findings,
    /// Its executions.
    History,
}

impl Part {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Overview, Self::Steps, Self::Flow, Self::Findings, Self::History];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Steps => "Steps",
            Self::Flow => "Flow",
            Self::Findings => "Findings",
            Self::History => "History",
        }
    }
}

/// A runbook's page.
#[derive(Debug)]
pub struct Runbook {
    /// What it is asked for by.
    pub reference: String,
    /// The alert that led here.
    pub alert: Option<Value>,
    /// The answer.
    pub page: Option<RunbookPage>,
    /// Why there is none.
    pub error: Option<CallError>,
    /// The part that is shown.
    pub part: Part,
    /// The place in it.
    pub scroll: Scroll,
    /// The selected execution.
    pub list: List,
}

impl Runbook {
    /// The page of a runbook.
    pub fn new(reference: String, alert: Option<Value>) -> Self {
        Self {
            reference,
            alert,
            page: None,
            error: None,
            part: Part::Overview,
            scroll: Scroll::default(),
            list: List::default(),
        }
    }

    pub(super) fn ask(&mut self, desk: &mut Desk<'_>) {
        desk.ask(Call::Runbook(RunbookRequest { runbook: self.reference.clone() }));
    }

    pub(super) fn answered(&mut self, answer: Result<Answer, CallError>) {
        match answer {
            Ok(Answer::Runbook(page)) => {
                self.page = Some(*page);
                self.error = None;
            }
            Ok(_) => {}
            Err(error) => self.error = Some(error),
        }
    }

    /// Rows of a part.
    pub fn seen(size: Size) -> usize {
        size.page_rows().saturating_sub(HEAD_ROWS).max(1)
    }

    pub(super) fn go(&mut self, motion: Motion, desk: &mut Desk<'_>) {
        let Some(page) = &self.page else { return };
        let seen = Self::seen(desk.size);
        if self.part == Part::History {
            self.list.go(motion, page.history.len(), seen);
        } else {
            let lines = text(page, self.part, desk.size.text_columns()).lines().count();
            self.scroll.go(motion, lines, seen);
        }
    }

    /// Shows another part.
    pub fn show(&mut self, part: Part) {
        self.part = part;
        self.scroll = Scroll::default();
    }

    /// The part after the one that is shown.
    pub fn next_part(&self) -> Part {
        let at = Part::ALL.iter().position(|part| *part == self.part).unwrap_or(0);
        Part::ALL.get(at + 1).copied().unwrap_or(Part::Overview)
    }

    /// The selected execution, where executions are shown.
    pub fn execution(&self) -> Option<&ExecutionSummary> {
        if self.part != Part::History {
            return None;
        }
        self.page.as_ref()?.history.get(self.list.selected)
    }
}
