//! Everything that the cockpit shows.

use std::collections::{BTreeMap, BTreeSet};

use belay_cockpit::api::{About, Call, CallError, Nothing};
use belay_cockpit::wire::ExecutionSummary;
use jiff::Timestamp;

use super::dialog::Dialog;
use super::message::{Command, Ticket};
use super::pages::Page;

/// The page number of calls that belong to no page.
pub const EVERYWHERE: u64 = 0;

/// The state.
#[derive(Debug)]
pub struct State {
    /// Pages, the one that is shown last; never empty.
    pub pages: Vec<Open>,
    /// What stands in front of the page.
    pub dialog: Option<Dialog>,
    /// What was said last, until the next key.
    pub notice: Option<Notice>,
    /// The program, the person and the device.
    pub about: Option<About>,
    /// Executions that wait for a person.
    pub waiting: BTreeMap<String, ExecutionSummary>,
    /// Executions that this process drives.
    pub driven: BTreeSet<String>,
    /// The time, as of the last message that brought it.
    pub now: Timestamp,
    /// The terminal's size.
    pub size: Size,
    /// Words that were typed and not sent, by what they were for.
    pub drafts: BTreeMap<String, String>,
    /// The first key of two.
    pub prefix: Option<String>,
    /// Ctrl-C was the last key.
    pub interrupted: bool,
    /// It ends as soon as everything is left safely.
    pub leaving: bool,
    /// The last number given to a page or a call.
    pub next: u64,
}

/// An open page.
#[derive(Debug)]
pub struct Open {
    /// Its number.
    pub id: u64,
    /// The page.
    pub page: Page,
}

/// The terminal's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

impl Size {
    /// From this width on there is room for two panes.
    const WIDE: u16 = 104;

    /// Whether lists have a preview beside them.
    pub fn is_wide(self) -> bool {
        self.columns >= Self::WIDE
    }

    /// Rows of a page: without the bar at the top, and the notice and the keys at the bottom.
    pub fn page_rows(self) -> usize {
        usize::from(self.rows).saturating_sub(3).max(1)
    }

    /// Columns of a text.
    pub fn text_columns(self) -> usize {
        usize::from(self.columns).saturating_sub(2).clamp(20, 120)
    }
}

/// Something that is said at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It went as it should.
    Good(String),
    /// To be known.
    Care(String),
    /// It did not work.
    Error(CallError),
}

impl State {
    /// The state at the start, and what to do first.
    pub fn new(now: Timestamp, size: Size) -> (Self, Vec<Command>) {
        let mut state = Self {
            pages: Vec::new(),
            dialog: None,
            notice: None,
            about: None,
            waiting: BTreeMap::new(),
            driven: BTreeSet::new(),
            now,
            size,
            drafts: BTreeMap::new(),
            prefix: None,
            interrupted: false,
            leaving: false,
            next: 0,
        };
        let mut commands = Vec::new();
        state.push(Page::Catalog(Box::default()), &mut commands);
        state.ask(Call::About(Nothing {}), &mut commands);
        state.ask(Call::Waiting(Nothing {}), &mut commands);
        (state, commands)
    }

    /// Shows a page in front of the one that is shown.
    pub fn push(&mut self, page: Page, commands: &mut Vec<Command>) {
        self.next += 1;
        self.pages.push(Open { id: self.next, page });
        let (page, mut desk) = self.top(commands);
        page.ask(&mut desk);
    }

    /// Goes back to the page before; says whether there was one.
    pub fn pop(&mut self) -> bool {
        let back = self.pages.len() > 1;
        if back {
            self.pages.pop();
        }
        back
    }

    /// Asks for something that belongs to no page.
    pub fn ask(&mut self, call: Call, commands: &mut Vec<Command>) {
        self.next += 1;
        commands.push(Command::Ask { ticket: Ticket { page: EVERYWHERE, n: self.next }, call: Box::new(call) });
    }

    /// The page that is shown.
    pub fn page(&self) -> &Page {
        &self.pages.last().expect("the first page is never closed").page
    }

    /// The page that is shown, with what it works with.
    pub fn top<'s>(&'s mut self, commands: &'s mut Vec<Command>) -> (&'s mut Page, Desk<'s>) {
        let open = self.pages.last_mut().expect("the first page is never closed");
        let desk = Desk { page: open.id, next: &mut self.next, commands, size: self.size };
        (&mut open.page, desk)
    }

    /// Every page, with what it works with.
    pub fn each(&mut self, commands: &mut Vec<Command>, mut with: impl FnMut(&mut Page, &mut Desk<'_>)) {
        for open in &mut self.pages {
            let mut desk = Desk { page: open.id, next: &mut self.next, commands, size: self.size };
            with(&mut open.page, &mut desk);
        }
    }

    /// Whether something is shown that changes with the time alone.
    pub fn shows_clock(&self) -> bool {
        matches!(self.page(), Page::Execution(execution) if execution.is_open())
    }

    /// Says something at the bottom.
    pub fn say(&mut self, notice: Notice) {
        self.notice = Some(notice);
    }
}

/// What a page works with.
pub struct Desk<'s> {
    page: u64,
    next: &'s mut u64,
    /// What is to be done.
    pub commands: &'s mut Vec<Command>,
    /// The terminal's size.
    pub size: Size,
}

impl Desk<'_> {
    /// Asks the API; the answer comes to this page. Gives back the call's number.
    pub fn ask(&mut self, call: Call) -> u64 {
        *self.next += 1;
        let ticket = Ticket { page: self.page, n: *self.next };
        self.commands.push(Command::Ask { ticket, call: Box::new(call) });
        ticket.n
    }
}
