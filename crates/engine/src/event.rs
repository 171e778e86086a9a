//! What the log of an execution consists of.
//!
//! An event is the body of one signed envelope. There are three sorts: the [`Genesis`] that fixes everything an
//! execution depends on, a [`Statement`] by a person, and a [`Transition`] by the driver. Only transitions change
//! state; a statement takes effect when a transition cites it (execution.md, 3). Everything read from the world, the
//! time included, is recorded inside, so that replay evaluates nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use belay_runbook::act::{Act, Outcome, Preparation};
use belay_runbook::action::Effect;
use belay_runbook::model::{StepName, Target};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{ActIndex, EventHash, InvocationId, VisitId};
use crate::status::StepStatus;

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

/// Everything that an execution depends on, fixed at its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Genesis {
    /// A label for people, a `UUIDv7`; the identity is the envelope's hash.
    pub label: String,
    /// The runbook's file as it was read, so that replay needs nothing else.
    pub runbook: Arc<str>,
    /// SHA-256 of these bytes, hex.
    pub runbook_digest: String,
    /// Where it came from, for people (`bundled`, a path).
    pub runbook_source: String,
    /// Values of declared variables.
    pub inputs: BTreeMap<String, Value>,
    /// The alert that triggered it, as `.Alert` sees it.
    pub alert: Option<Value>,
    /// The chosen context's name.
    pub context: String,
    /// Its environment (`production`, `local` …), which the policy reads.
    pub environment: String,
    /// Its named services: `.Config`.
    pub config: Value,
    /// The policy as YAML.
    pub policy: Arc<str>,
    /// SHA-256 of the policy's canonical form, hex.
    pub policy_digest: String,
    /// Files of the automations that the runbook uses, by name.
    pub automations: BTreeMap<String, Arc<str>>,
    /// Earlier executions of this runbook, newest first: `.History`.
    pub history: Vec<PastExecution>,
    /// Who started it.
    pub started_by: Author,
    /// What started it: `manual`, `alert NAME`.
    pub triggered_by: String,
    /// Incident id.
    pub incident: Option<String>,
    /// Change ticket.
    pub ticket: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An earlier execution of the same runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastExecution {
    /// Hash of its genesis.
    pub execution: String,
    /// Where it stood.
    pub status: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// A person at a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author {
    /// The responder.
    pub responder: String,
    /// The device.
    pub device: String,
}

/// What a person says. It changes nothing until the driver cites it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// A remark.
    Note {
        /// Markdown.
        text: String,
    },
    /// Items of a checklist, answered.
    Check {
        /// Which list.
        list: Checklist,
        /// Positions in the list, from zero.
        items: Vec<u32>,
        /// A remark.
        note: Option<String>,
    },
    /// Values for what a step misses.
    Provide {
        /// By reference (`.Alert.Labels.pod`) or variable name.
        values: BTreeMap<String, Value>,
    },
    /// The outcome of a manual or interrupted step, or of an automated one done by hand.
    Confirm {
        /// The step.
        at: VisitId,
        /// What happened.
        outcome: Confirmation,
        /// An automated step was done by hand.
        by_hand: bool,
        /// A remark.
        note: Option<String>,
    },
    /// A branch of a decision.
    Decide {
        /// The step.
        at: VisitId,
        /// The branch.
        branch: String,
    },
    /// Agreement to exactly the bytes whose digest it names.
    Approve {
        /// The step.
        at: VisitId,
        /// The request's digest, computed from what was displayed.
        digest: String,
        /// The target's name, typed by an approver who is alone.
        target: Option<String>,
        /// A remark.
        comment: Option<String>,
    },
    /// Disagreement; closes the request.
    Reject {
        /// The step.
        at: VisitId,
        /// The request's digest.
        digest: String,
        /// Why.
        comment: Option<String>,
    },
    /// Try a step again, rendered anew; reopens a failed execution.
    Retry {
        /// The step.
        at: VisitId,
    },
    /// Leave a step out.
    Skip {
        /// The step.
        at: VisitId,
        /// Why.
        reason: String,
    },
    /// Start nothing new.
    Pause,
    /// Go on.
    Resume,
    /// End it without undoing.
    Abort {
        /// Why.
        reason: String,
    },
    /// Take everything back.
    Rollback {
        /// Why.
        reason: String,
    },
    /// What to do with an undo that is stuck.
    SettleUndo {
        /// The step whose undo it is.
        at: VisitId,
        /// The choice.
        choice: UndoChoice,
        /// A remark.
        note: Option<String>,
    },
}

impl Statement {
    /// The envelope's `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Note { .. } => "statement.note",
            Self::Check { .. } => "statement.check",
            Self::Provide { .. } => "statement.provide",
            Self::Confirm { .. } => "statement.confirm",
            Self::Decide { .. } => "statement.decide",
            Self::Approve { .. } => "statement.approve",
            Self::Reject { .. } => "statement.reject",
            Self::Retry { .. } => "statement.retry",
            Self::Skip { .. } => "statement.skip",
            Self::Pause => "statement.pause",
            Self::Resume => "statement.resume",
            Self::Abort { .. } => "statement.abort",
            Self::Rollback { .. } => "statement.rollback",
            Self::SettleUndo { .. } => "statement.settle_undo",
        }
    }
}

/// The two checklists of a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checklist {
    /// Before the first step.
    Prerequisites,
    /// After the last one.
    PostConditions,
}

/// What a person says about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// It was done.
    Done,
    /// It was not done.
    NotDone,
    /// It failed.
    Failed,
    /// It shall be taken back.
    Undo,
}

/// What to do with a stuck undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoChoice {
    /// Compare and try again: the undo act did not happen.
    Retry,
    /// The undo act happened; go on with the next one.
    Done,
    /// A person has taken it back.
    ByHand,
    /// It stays as it is.
    Leave,
}

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

/// A request for approval, with everything its digest covers beside the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// SHA-256 over the preimage, hex ([`crate::digest`]).
    pub digest: String,
    /// Why it is needed.
    pub reasons: Vec<String>,
    /// What an approver alone types.
    pub target: String,
    /// People and groups; everybody where empty.
    pub approvers: Vec<String>,
    /// Distinct people needed.
    pub quorum: u32,
    /// Attempts that it covers.
    pub attempts: u32,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Until when it stands.
    pub expires_at: Timestamp,
}

/// How a request ended without its approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// Somebody said no.
    Rejected {
        /// Who.
        by: Author,
        /// Why.
        comment: Option<String>,
    },
    /// Its time ended.
    Expired,
    /// What it rests on has changed.
    Voided {
        /// What is different.
        difference: Vec<String>,
    },
    /// The step was skipped, done by hand, or the execution stopped.
    Withdrawn,
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

/// One thing to take back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoItem {
    /// The visit whose act it was.
    pub at: VisitId,
    /// The act that captured its record; `None` where the step's own rollback takes it back as a whole.
    pub act: Option<InvocationRef>,
}

/// An act inside its visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InvocationRef {
    /// The attempt.
    pub attempt: u32,
    /// The act.
    pub act: ActIndex,
}

/// Why an item needs no act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoSkip {
    /// The live state already is the state before.
    AlreadyBefore,
    /// Nothing can take it back.
    Irreversible {
        /// Why.
        reason: String,
    },
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

/// An event that the driver wants durable, with what it cites.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The event.
    pub event: Event,
    /// Statements that it rests on.
    pub cites: Vec<EventHash>,
}
