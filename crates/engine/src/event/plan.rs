//! A step's acts and what takes them back, rendered once.

use belay_runbook::act::{Act, Preparation};
use belay_runbook::action::Effect;
use belay_runbook::model::StepName;
use serde::{Deserialize, Serialize};

use super::ApprovalRequest;

/// A step's acts, rendered once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Counts from one within the visit; a person's retry makes a new one.
    pub number: u32,
    /// The first act that is still to be performed; acts before it were done under an earlier plan.
    pub from: u32,
    /// The acts.
    pub acts: Vec<PlannedAct>,
    /// What takes the step back as a whole.
    pub undo: UndoPlan,
    /// The approval that it needs.
    pub approval: Option<Box<ApprovalRequest>>,
}

/// One act, with all that is known about it before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedAct {
    /// The act.
    pub act: Act,
    /// The effect that policy and preparation settled on.
    pub effect: Effect,
    /// Whether performing it twice equals performing it once.
    pub idempotent: bool,
    /// What was read right before.
    pub preparation: Preparation,
}

/// What takes a step back, known before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoPlan {
    /// The step changes nothing.
    NotNeeded,
    /// Each act captured its own record (in its preparation).
    Captured,
    /// Acts rendered now.
    Acts {
        /// The acts, in order.
        acts: Vec<Act>,
        /// The step that they come from, where the undo names one.
        step: Option<StepName>,
    },
    /// Declared, and rendered at the time of the undo because it refers to what the step itself will give.
    Later {
        /// What is not known yet.
        missing: Vec<String>,
    },
    /// A person takes it back by this step.
    Manual {
        /// The step.
        step: StepName,
    },
    /// Nothing can.
    Irreversible {
        /// Why.
        reason: String,
    },
    /// Nothing was declared.
    Undeclared,
}
