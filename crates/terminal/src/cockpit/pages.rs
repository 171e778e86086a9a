//! The places: what each of them knows and asks for.

pub mod alerts;
pub mod catalog;
pub mod execution;
pub mod history;
pub mod output;
pub mod reader;
pub mod runbook;
pub mod start;

use belay_cockpit::api::{Answer, CallError, Event};

use super::message::Key;
use super::scroll::Motion;
use super::state::Desk;

/// A place.
#[derive(Debug)]
pub enum Page {
    /// The catalog.
    Catalog(Box<catalog::Catalog>),
    /// One runbook.
    Runbook(Box<runbook::Runbook>),
    /// What a start asks for.
    Start(Box<start::Start>),
    /// One execution.
    Execution(Box<execution::Execution>),
    /// Executions.
    History(Box<history::History>),
    /// Alerts with their runbooks.
    Alerts(alerts::Alerts),
    /// Something to read.
    Reader(Box<reader::Reader>),
}

impl Page {
    /// Asks for what it shows.
    pub fn ask(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Catalog(page) => page.ask(desk),
            Self::Runbook(page) => page.ask(desk),
            Self::Start(page) => page.ask(desk),
            Self::Execution(page) => page.ask(desk),
            Self::History(page) => page.ask(desk),
            Self::Alerts(_) => {}
            Self::Reader(page) => page.ask(desk),
        }
    }

    /// Takes an answer.
    pub fn answered(&mut self, n: u64, answer: Result<Answer, CallError>, desk: &mut Desk<'_>) {
        match self {
            Self::Catalog(page) => page.answered(n, answer, desk),
            Self::Runbook(page) => page.answered(answer),
            Self::Start(page) => page.answered(n, answer, desk),
            Self::Execution(page) => page.answered(n, answer, desk),
            Self::History(page) => page.answered(n, answer, desk),
            Self::Alerts(_) => {}
            Self::Reader(page) => page.answered(answer, desk),
        }
    }

    /// Takes an event.
    pub fn told(&mut self, n: u64, event: &Event, desk: &mut Desk<'_>) {
        match self {
            Self::Catalog(page) => page.told(event, desk),
            Self::Execution(page) => page.told(n, event),
            Self::History(page) => page.told(event, desk),
            Self::Runbook(_) | Self::Start(_) | Self::Alerts(_) | Self::Reader(_) => {}
        }
    }

    /// Moves.
    pub fn go(&mut self, motion: Motion, desk: &mut Desk<'_>) {
        match self {
            Self::Catalog(page) => page.go(motion, desk),
            Self::Runbook(page) => page.go(motion, desk),
            Self::Start(page) => page.go(motion),
            Self::Execution(page) => page.go(motion, desk),
            Self::History(page) => page.go(motion, desk),
            Self::Alerts(page) => page.go(motion, desk),
            Self::Reader(page) => page.go(motion, desk),
        }
    }

    /// The terminal has another size.
    pub fn resized(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Reader(page) => page.lay_out(desk),
            Self::Catalog(page) => page.settle(desk),
            Self::Runbook(_) | Self::Start(_) | Self::Execution(_) | Self::History(_) | Self::Alerts(_) => {}
        }
    }

    /// Takes a key where something is being typed; says whether it was taken.
    pub fn press(&mut self, key: &Key, desk: &mut Desk<'_>) -> bool {
        match self {
            Self::Catalog(page) => page.press(key, desk),
            Self::Start(page) => page.press(key, desk),
            Self::History(page) => page.press(key, desk),
            Self::Runbook(_) | Self::Execution(_) | Self::Alerts(_) | Self::Reader(_) => false,
        }
    }

    /// Takes pasted text where something is being typed.
    pub fn paste(&mut self, text: &str, desk: &mut Desk<'_>) {
        match self {
            Self::Catalog(page) => page.paste(text, desk),
            Self::Start(page) => page.paste(text, desk),
            Self::History(page) => page.paste(text),
            Self::Runbook(_) | Self::Execution(_) | Self::Alerts(_) | Self::Reader(_) => {}
        }
    }
}
