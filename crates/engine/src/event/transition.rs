//! What the driver does: every change of state, and the words that it needs.

use std::collections::BTreeMap;

use belay_runbook::act::{Act, Outcome, Preparation};
use belay_runbook::model::{StepName, Target};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ApprovalRequest, Author, Checklist, Closing, DoneByHand, Plan, PlannedAct, UndoChoice, UndoItem, UndoSkip,
};
use crate::ids::{InvocationId, VisitId};
use crate::status::StepStatus;

/// A change of state by the driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// A remark was put into the log.
    Noted {
        /// Who.
        by: Author,
        /// What.
        text: String,
    },
    /// Items of a checklist were answered.
    Checked {
        /// Which list.
        list: Checklist,
        /// Positions, from zero.
        items: Vec<u32>,
    },
    /// Values were provided.
    Provided {
        /// By reference or variable name.
        values: BTreeMap<String, Value>,
    },
    /// The flow reached a step.
    StepEntered {
        /// The step and its visit.
        at: VisitId,
    },
    /// A person has to act: confirm, decide, or give values.
    PersonAwaited {
        /// The step.
        at: VisitId,
        /// For what.
        need: Need,
    },
    /// A step's acts were rendered, prepared and judged. The bytes stay what they are for every automatic attempt.
    Planned {
        /// The step.
        at: VisitId,
        /// The plan.
        plan: Box<Plan>,
    },
    /// A host call of a script was prepared and judged.
    CallPlanned {
        /// The step.
        at: VisitId,
        /// Position among the undo's acts, where the script takes the step back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<u32>,
        /// Which call.
        call: u32,
        /// The function that the script called.
        function: String,
        /// The act it became.
        act: Box<PlannedAct>,
        /// The approval it needs.
        approval: Option<Box<ApprovalRequest>>,
    },
    /// A host call of a script was refused before it could start: it could not be prepared, or may not run. A replay
    /// gives the same answer.
    CallRefused {
        /// The step.
        at: VisitId,
        /// Position among the undo's acts, where the script takes the step back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<u32>,
        /// Which call.
        call: u32,
        /// The function that the script called.
        function: String,
        /// The act that it stands for; `None` where there is no such function.
        act: Option<Act>,
        /// Why.
        error: String,
    },
    /// A person's approval was counted.
    ApprovalCounted {
        /// The step.
        at: VisitId,
        /// The request's digest.
        digest: String,
        /// Who.
        by: Author,
        /// Whether the approver is the driver's own person, alone.
        self_approved: bool,
        /// A remark.
        comment: Option<String>,
    },
    /// A request ended without its approval.
    ApprovalClosed {
        /// The step.
        at: VisitId,
        /// The request's digest.
        digest: String,
        /// How.
        how: Closing,
    },
    /// Intent: the act starts after this is durable.
    ActStarted {
        /// Its identity.
        id: InvocationId,
        /// SHA-256 of the act's bytes, hex.
        act_digest: String,
        /// What was read right before, where that is newer than the plan.
        preparation: Option<Box<Preparation>>,
    },
    /// The act's outcome.
    ActEnded {
        /// Its identity.
        id: InvocationId,
        /// The outcome.
        outcome: Box<Outcome>,
    },
    /// An intent whose outcome is not known.
    ActInterrupted {
        /// Its identity.
        id: InvocationId,
        /// Why.
        why: String,
        /// What was seen before it was lost.
        outcome: Option<Box<Outcome>>,
    },
    /// An interrupted act was settled, by a probe or by a person.
    ActSettled {
        /// Its identity.
        id: InvocationId,
        /// How.
        settlement: Settlement,
        /// Who, where a person settled it.
        by: Option<Author>,
    },
    /// An outcome arrived after its act was given up as interrupted. It settles what nobody has settled; where it
    /// contradicts what a person said, the step is contested.
    OutcomeArrived {
        /// Its identity.
        id: InvocationId,
        /// The outcome.
        outcome: Box<Outcome>,
    },
    /// The first, a changed or the last observation of a poll.
    Observed {
        /// The poll's identity.
        id: InvocationId,
        /// Whether it holds; `None` is no data, which is never a pass.
        holds: Option<bool>,
        /// What was seen.
        outcome: Box<Outcome>,
    },
    /// An automatic retry is due.
    RetryScheduled {
        /// The step.
        at: VisitId,
        /// Not before.
        not_before: Timestamp,
        /// Why the attempt before failed.
        error: String,
    },
    /// A step ended.
    StepEnded {
        /// The step.
        at: VisitId,
        /// How.
        status: StepStatus,
        /// Why.
        error: Option<String>,
        /// The branch of a decision.
        branch: Option<String>,
        /// Whether a person did it by hand.
        by_hand: bool,
        /// Who, where a person said that it is done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Author>,
        /// Where the flow goes; `None` where it stops here.
        next: Option<NextStep>,
    },
    /// A person asked for a step again.
    Retried {
        /// The step.
        at: VisitId,
        /// Who.
        by: Author,
    },
    /// The statement that this cites came too late to take effect, and never will.
    Dismissed {
        /// Why.
        why: String,
    },
    /// Nothing new starts.
    Paused,
    /// It goes on.
    Resumed,
    /// Running acts are let end; then it aborts or rolls back.
    Stopping {
        /// What comes then.
        then: Stop,
        /// Why.
        reason: String,
    },
    /// What will be undone, newest first.
    RollbackPlanned {
        /// The items.
        items: Vec<UndoItem>,
        /// What people did by hand, which is left to them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        by_hand: Vec<DoneByHand>,
    },
    /// The acts that take an item back need an approval that the step's own does not give.
    UndoAsked {
        /// Position in the plan.
        item: u32,
        /// What would run, as it was judged: the acts from the next one on.
        acts: Vec<PlannedAct>,
        /// The request.
        approval: Box<ApprovalRequest>,
    },
    /// An undo that refers to what its step gave was rendered.
    UndoRendered {
        /// Position in the plan.
        item: u32,
        /// The acts, in order.
        acts: Vec<Act>,
    },
    /// An item counts as undone, or cannot be, without an act.
    UndoSkipped {
        /// Position in the plan.
        item: u32,
        /// Why.
        why: UndoSkip,
    },
    /// An undo cannot go on without a person.
    UndoStuck {
        /// Position in the plan.
        item: u32,
        /// What is in the way: `before`, `after`, `live`, or an error.
        detail: Value,
    },
    /// A stuck undo was settled: by a person, by a comparison or by an outcome that arrived late.
    UndoSettled {
        /// Position in the plan.
        item: u32,
        /// How.
        choice: UndoChoice,
        /// Who, where a person settled it.
        by: Option<Author>,
    },
    /// An item is taken back.
    UndoDone {
        /// Position in the plan.
        item: u32,
    },
    /// Somebody has to be told.
    Escalated {
        /// The step.
        at: VisitId,
        /// Why.
        reason: String,
    },
    /// Steps of the runbook's own rollback follow, then it ends.
    RollbackStepsEntered,
    /// The last step was reached; conditions are signed off.
    SignOffAwaited,
    /// It ended.
    Finished {
        /// How.
        ending: Finish,
        /// Why.
        error: Option<String>,
    },
}

impl Transition {
    /// The envelope's `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Noted { .. } => "transition.noted",
            Self::Checked { .. } => "transition.checked",
            Self::Provided { .. } => "transition.provided",
            Self::StepEntered { .. } => "transition.step_entered",
            Self::PersonAwaited { .. } => "transition.person_awaited",
            Self::Planned { .. } => "transition.planned",
            Self::CallPlanned { .. } => "transition.call_planned",
            Self::CallRefused { .. } => "transition.call_refused",
            Self::ApprovalCounted { .. } => "transition.approval_counted",
            Self::ApprovalClosed { .. } => "transition.approval_closed",
            Self::ActStarted { .. } => "transition.act_started",
            Self::ActEnded { .. } => "transition.act_ended",
            Self::ActInterrupted { .. } => "transition.act_interrupted",
            Self::ActSettled { .. } => "transition.act_settled",
            Self::OutcomeArrived { .. } => "transition.outcome_arrived",
            Self::Observed { .. } => "transition.observed",
            Self::RetryScheduled { .. } => "transition.retry_scheduled",
            Self::StepEnded { .. } => "transition.step_ended",
            Self::Retried { .. } => "transition.retried",
            Self::Dismissed { .. } => "transition.dismissed",
            Self::Paused => "transition.paused",
            Self::Resumed => "transition.resumed",
            Self::Stopping { .. } => "transition.stopping",
            Self::RollbackPlanned { .. } => "transition.rollback_planned",
            Self::UndoAsked { .. } => "transition.undo_asked",
            Self::UndoRendered { .. } => "transition.undo_rendered",
            Self::UndoSkipped { .. } => "transition.undo_skipped",
            Self::UndoStuck { .. } => "transition.undo_stuck",
            Self::UndoSettled { .. } => "transition.undo_settled",
            Self::UndoDone { .. } => "transition.undo_done",
            Self::Escalated { .. } => "transition.escalated",
            Self::RollbackStepsEntered => "transition.rollback_steps_entered",
            Self::SignOffAwaited => "transition.sign_off_awaited",
            Self::Finished { .. } => "transition.finished",
        }
    }
}

/// What a step needs a person for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A manual step, or a verification with nothing to run.
    Confirmation,
    /// A decision that no condition takes.
    Decision {
        /// Why no condition took it.
        why: Option<String>,
    },
    /// Values that the step refers to and nobody has given.
    Values {
        /// References or variable names, with candidates.
        missing: BTreeMap<String, Vec<String>>,
    },
    /// A new approval request, after one expired.
    Renewal,
    /// What to do about a step of the rollback that failed.
    Recovery {
        /// Why it failed.
        error: String,
    },
    /// What to do while the policy cannot be read: nothing that changes something starts without it.
    Policy {
        /// What is wrong with it.
        why: String,
    },
    /// A login that has expired and has to be renewed; the act that needs it has not started.
    Login {
        /// What was refused, and the command that renews the login.
        why: String,
    },
    /// Whether the step may be performed once more: the flow came back to it by itself.
    Again {
        /// Why it does not go on by itself.
        why: String,
    },
}

/// Where the flow goes after a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// To a step.
    Step(StepName),
    /// To the end.
    End,
}

impl From<&Target> for NextStep {
    fn from(target: &Target) -> Self {
        match target {
            Target::Step(name) => Self::Step(name.clone()),
            Target::End => Self::End,
        }
    }
}

/// How an interrupted act was settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It was done.
    Done(Box<Outcome>),
    /// It was not done, and may start again.
    NotDone,
    /// It failed.
    Failed,
    /// It shall be taken back.
    Undo,
}

/// What comes after running acts have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It ends as aborted.
    Abort,
    /// Everything is taken back.
    Rollback,
    /// One step is taken back, and the execution fails.
    UndoStep(VisitId),
}

/// How an execution ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// At its end.
    Completed,
    /// By a failure.
    Failed,
    /// By a person.
    Aborted,
    /// Taken back.
    RolledBack,
}
