//! The one API of every face: calls with answers, and one stream of events.
//!
//! A face (desktop, browser, full-screen terminal) asks with a [`Call`] and is told with [`Event`]s; it keeps no truth of
//! its own. What a call takes and answers is defined here once, and the types of the web faces are generated from it
//! ([`typescript`]). A face that reloads names the last event it has seen and is told what came after, or that it has to
//! ask anew ([`Told::Anew`]); nothing is lost in between, because a page says which
//! events it holds.

#![allow(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::unused_async,
    reason = "every handler of the table takes what its call carries, and may fail"
)]

mod answer;
mod author;
mod call;
mod catalog;
mod drives;
mod event;
mod executions;
mod facets;
mod feed;
mod follow;
mod launch;
mod prose;
mod runbook;
mod settings;
mod typescript;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use ts_rs::TS;

pub use answer::*;
pub use call::{Answer, Call, Done, Nothing};
pub use event::{Driven, Event, Numbered, Place, Told};
pub use feed::{Feed, Listener};
pub use typescript::typescript;

use crate::error::{CockpitError, ErrorClass};
use crate::{Cockpit, Edit};

/// The application as a face sees it, with the executions that it drives. One for each process.
pub struct Api {
    cockpit: Arc<Cockpit>,
    feed: Arc<Feed>,
    drives: drives::Drives,
    /// Edits that are under way, by the reference they were begun with.
    edits: Mutex<BTreeMap<String, Edit>>,
}

impl Api {
    /// An API over a cockpit; nothing is opened yet.
    pub fn new(cockpit: Arc<Cockpit>) -> Arc<Self> {
        Arc::new(Self {
            cockpit,
            feed: Arc::new(Feed::default()),
            drives: drives::Drives::default(),
            edits: Mutex::default(),
        })
    }

    /// The cockpit behind it.
    pub fn cockpit(&self) -> &Arc<Cockpit> {
        &self.cockpit
    }

    /// Listens to the events after a place. Without one, or with another stream's, it is told first where this stream
    /// stands, and that whatever is shown has to be asked for anew.
    pub fn listen(&self, after: Option<&Place>) -> Listener {
        Feed::listen(&self.feed, after)
    }

    /// Tells every face something that this process noticed, such as a link that was opened.
    pub fn tell(&self, event: Event) {
        self.feed.push(event);
    }

    /// Tells what a person should know although what was asked for was done.
    fn tell_notices(&self) {
        for text in self.cockpit.take_notices() {
            self.feed.push(Event::Notice { execution: None, text });
        }
    }

    /// Leaves every execution that is driven here: what runs is ended and recorded, nothing is lost.
    pub async fn close(&self) {
        self.drives.leave_all().await;
    }
}

fn ended(error: tokio::task::JoinError) -> CockpitError {
    CockpitError::bug(format!("a task ended by itself: {error}"))
}

/// An error as a face shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct CallError {
    /// `user`, `refused`, `environment` or `bug`.
    pub class: String,
    /// What went wrong: lower case, no final period, literals in backquotes.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl From<CockpitError> for CallError {
    fn from(error: CockpitError) -> Self {
        let class = match error.class {
            ErrorClass::User => "user",
            ErrorClass::Refused => "refused",
            ErrorClass::Environment => "environment",
            ErrorClass::Bug => "bug",
        };
        Self { class: class.to_owned(), message: error.message, hint: error.hint }
    }
}
