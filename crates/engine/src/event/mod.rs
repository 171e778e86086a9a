//! What the log of an execution consists of.
//!
//! An event is the body of one signed envelope. There are three sorts: the [`Genesis`] that fixes everything an
//! execution depends on, a [`Statement`] by a person, and a [`Transition`] by the driver. Only transitions change
//! state; a statement takes effect when a transition cites it (execution.md, 3). Everything read from the world, the
//! time included, is recorded inside, so that replay evaluates nothing.

mod approval;
mod genesis;
mod plan;
mod statement;
mod transition;
mod undo;

pub use self::approval::{ApprovalRequest, Closing};
pub use self::genesis::{Author, Genesis, PastExecution};
pub use self::plan::{Plan, PlannedAct, UndoPlan};
pub use self::statement::{Checklist, Confirmation, Statement};
pub use self::transition::{Finish, Need, NextStep, Settlement, Stop, Transition};
pub use self::undo::{DoneByHand, InvocationRef, UndoChoice, UndoItem, UndoSkip};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::EventHash;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first event.
    Genesis(Box<Genesis>),
    /// What a person said.
    Statement {
        /// Who.
        by: Author,
        /// What.
        statement: Statement,
    },
    /// What the driver did with it.
    Transition {
        /// The driver's clock.
        at: Timestamp,
        /// The change.
        transition: Transition,
    },
}

impl Event {
    /// The envelope's `kind`: stable words, `genesis`, `statement.approve`, `transition.act_started` …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::Statement { statement, .. } => statement.kind(),
            Self::Transition { transition, .. } => transition.kind(),
        }
    }
}

/// An event that the driver wants durable, with what it cites.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The event.
    pub event: Event,
    /// Statements that it rests on.
    pub cites: Vec<EventHash>,
}
