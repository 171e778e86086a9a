//! Identities inside an execution.

use std::fmt;

use belay_runbook::model::StepName;
use serde::{Deserialize, Serialize};

/// The hash of an envelope, in lower-case hex: how events cite what people said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventHash(pub String);

impl fmt::Display for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One visit of one step: a step inside a loop is visited several times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VisitId {
    /// The step.
    pub step: StepName,
    /// Counts from one.
    pub visit: u32,
}

impl fmt::Display for VisitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.visit == 1 { write!(f, "{}", self.step) } else { write!(f, "{}#{}", self.step, self.visit) }
    }
}

/// One invocation of one act: the identity that its intent makes durable before the act starts (invariant I3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InvocationId {
    /// The driver's epoch; zero on an execution that never left its device.
    pub epoch: u32,
    /// The visit.
    #[serde(flatten)]
    pub at: VisitId,
    /// The attempt within the visit, from one.
    pub attempt: u32,
    /// Which act it is.
    pub act: ActIndex,
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}.{}", self.epoch, self.at.step, self.at.visit, self.attempt, self.act)
    }
}

/// Which act of a visit: a step's own, a script's host call, or one that takes something back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActIndex {
    /// The n-th act of the step's plan, from zero.
    Act(u32),
    /// The n-th host call of the step's script, from zero.
    Call(u32),
    /// The n-th act of the step's undo, from zero.
    Undo(u32),
    /// A host call of a script that takes the step back.
    UndoCall {
        /// Position of the script among the undo's acts, from zero.
        undo: u32,
        /// The n-th call of that script, from zero.
        call: u32,
    },
}

impl ActIndex {
    /// Whether it takes something back.
    pub fn takes_back(self) -> bool {
        match self {
            Self::Act(_) | Self::Call(_) => false,
            Self::Undo(_) | Self::UndoCall { .. } => true,
        }
    }
}

impl fmt::Display for ActIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(index) => write!(f, "a{index}"),
            Self::Call(index) => write!(f, "c{index}"),
            Self::Undo(index) => write!(f, "u{index}"),
            Self::UndoCall { undo, call } => write!(f, "u{undo}c{call}"),
        }
    }
}
