//! The state of one execution: the fold of its log and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use belay_runbook::act::{Act, Ending, Outcome, Preparation};
use belay_runbook::action::Effect;
use belay_runbook::model::{Runbook, Step, StepName};
use jiff::Timestamp;
use serde_json::Value;

use crate::event::{
    ApprovalRequest, Author, Checklist, Closing, Finish, Genesis, Need, NextStep, Plan, PlannedAct, Settlement, Stop,
    UndoItem, UndoPlan, UndoSkip,
};
use crate::ids::{ActIndex, EventHash, InvocationId, VisitId};
use crate::status::{ExecutionStatus, StepStatus};

/// One execution. Built from its genesis and changed only by [`Execution::apply`](crate::fold).
#[derive(Debug, Clone)]
pub struct Execution {
    /// Hash of the genesis envelope.
    pub id: EventHash,
    /// What was fixed at the start.
    pub genesis: Arc<Genesis>,
    /// The runbook, parsed from the genesis.
    pub runbook: Arc<Runbook>,
    /// The part of its life that it is in.
    pub phase: Phase,
    /// Nothing new starts while true.
    pub paused: bool,
    /// Values of variables, and of references that a person provided.
    pub values: BTreeMap<String, Value>,
    /// Values that acts published under their own names.
    pub published: BTreeMap<String, Value>,
    /// When each of these was published: a condition trusts fresh values only.
    pub published_at: BTreeMap<String, Timestamp>,
    /// Visits of every step that was reached.
    pub visits: BTreeMap<StepName, Vec<Visit>>,
    /// The visit that the flow is at.
    pub current: Option<VisitId>,
    /// Where the flow goes when `current` is none.
    pub upcoming: Option<NextStep>,
    /// Answered items of both checklists.
    pub checked: BTreeMap<Checklist, BTreeSet<u32>>,
    /// Remarks.
    pub notes: Vec<Note>,
    /// Undoing, once it has begun.
    pub rollback: Option<Rollback>,
    /// Why it failed or was stopped.
    pub error: Option<String>,
    /// Statements cited by transitions.
    pub cited: BTreeSet<EventHash>,
    /// The instant of the last transition.
    pub last_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Whether anything beside the genesis has happened.
    pub started: bool,
    /// Intents so far.
    pub intents: u64,
}

/// The part of an execution's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The checklist before the first step.
    Checklist,
    /// Steps.
    Forward,
    /// Conditions are signed off.
    SignOff,
    /// A running act is let end first.
    Stopping(Stop),
    /// Acts are taken back.
    Undoing,
    /// The runbook's own rollback steps.
    RollbackSteps,
    /// The end.
    Finished(Finish),
}

/// A remark in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When it was taken into the log.
    pub at: Timestamp,
    /// Who.
    pub by: Author,
    /// What.
    pub text: String,
}

/// One visit of one step.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Which one.
    pub id: VisitId,
    /// When it was entered.
    pub entered_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Where it stands.
    pub stage: Stage,
    /// The plans, oldest first; the last one is in force.
    pub plans: Vec<Plan>,
    /// The approval of the plan in force, or of a host call.
    pub request: Option<Request>,
    /// Planned host calls of a script, by index.
    pub calls: BTreeMap<u32, Call>,
    /// Host calls that were refused before they started, by index.
    pub refused: BTreeMap<u32, RefusedCall>,
    /// Host calls of scripts that take the step back, by the script's position among the undo's acts.
    pub undo_paths: BTreeMap<u32, UndoPath>,
    /// Every invocation, in order of its intent.
    pub acts: Vec<ActRecord>,
    /// Position in `acts` from which host calls are replayed: a person's retry starts anew.
    pub calls_from: usize,
    /// Observations of a poll.
    pub observations: Vec<Observation>,
    /// The last attempt's number.
    pub attempt: u32,
    /// Position among all intents up to which the plan's last act counts as not performed: its post-condition did not
    /// hold, and it is performed again.
    pub redo: Option<u64>,
    /// Failed attempts of the plan in force (a retry is counted against the step's `retries`).
    pub failures: u32,
    /// The branch taken.
    pub branch: Option<String>,
    /// Whether a person did it by hand.
    pub by_hand: bool,
    /// Who said that it is done, where a person did.
    pub done_by: Option<Author>,
    /// Why it failed.
    pub error: Option<String>,
    /// What came of taking it back.
    pub undo: Option<UndoResult>,
}

/// Where a visit stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Entered; nothing rendered yet.
    Entered,
    /// A person has to act.
    Person(Need),
    /// Planned, and an approval is asked for.
    Approval,
    /// Planned and allowed: the next act may start.
    Ready,
    /// An act is running.
    Acting(InvocationId),
    /// An act's outcome is not known.
    Interrupted(InvocationId),
    /// A retry is due.
    Retry(Timestamp),
    /// Ended.
    Ended(StepStatus),
}

/// A host call of a script.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function that the script called.
    pub function: String,
    /// The act it became.
    pub act: PlannedAct,
}

/// A host call that was refused before it started.
#[derive(Debug, Clone)]
pub struct RefusedCall {
    /// The function that the script called.
    pub function: String,
    /// The act that it stands for; `None` where there is no such function.
    pub act: Option<Act>,
    /// Why.
    pub error: String,
    /// When.
    pub at: Timestamp,
}

/// The path that a script took which takes something back: a replay answers from it.
#[derive(Debug, Clone, Default)]
pub struct UndoPath {
    /// Planned host calls, by index.
    pub calls: BTreeMap<u32, Call>,
    /// Refused host calls, by index.
    pub refused: BTreeMap<u32, RefusedCall>,
    /// The call that a person wants tried again, with the position in [`Visit::acts`] from which its records count.
    pub again: Option<(u32, usize)>,
}

impl UndoPath {
    /// The last call of the path.
    fn last(&self) -> Option<u32> {
        self.calls.keys().chain(self.refused.keys()).max().copied()
    }

    /// A person has it tried again: the failure at the end of the path counts no longer, those that the script went
    /// past do.
    pub(crate) fn try_again(&mut self, acts: usize) {
        let Some(last) = self.last() else { return };
        if self.refused.remove(&last).is_none() {
            self.again = Some((last, acts));
        }
    }
}

/// A request for approval and its answers.
#[derive(Debug, Clone)]
pub struct Request {
    /// What was asked.
    pub asked: ApprovalRequest,
    /// The host call that it is for; `None` for the plan.
    pub call: Option<u32>,
    /// Distinct people who agreed.
    pub given: BTreeMap<String, Given>,
    /// How it ended without its approval.
    pub closed: Option<Closing>,
}

impl Request {
    /// Whether enough people agreed and it was not closed.
    pub fn granted(&self) -> bool {
        self.closed.is_none() && self.given.len() as u64 >= u64::from(self.asked.quorum)
    }

    /// Whether it still waits for people.
    pub fn open(&self) -> bool {
        self.closed.is_none() && !self.granted()
    }
}

/// One person's approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Who.
    pub by: Author,
    /// When the driver counted it.
    pub at: Timestamp,
    /// Whether it is the driver's own person.
    pub self_approved: bool,
    /// A remark.
    pub comment: Option<String>,
}

/// One invocation.
#[derive(Debug, Clone)]
pub struct ActRecord {
    /// Its identity.
    pub id: InvocationId,
    /// The plan's number.
    pub plan: u32,
    /// Position among all intents of the execution; instants may be equal, this never is.
    pub order: u64,
    /// What a host call was planned as when it started; a step's own acts stand in their plan.
    pub call: Option<Box<PlannedAct>>,
    /// The effect it was planned with.
    pub effect: Effect,
    /// Whether it may be performed again by itself.
    pub idempotent: bool,
    /// What was read right before, where that is newer than the plan.
    pub preparation: Option<Preparation>,
    /// When the intent was made durable.
    pub started_at: Timestamp,
    /// When the outcome was.
    pub ended_at: Option<Timestamp>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// Why the outcome is not known.
    pub interrupted: Option<String>,
    /// The outcome that arrived after it was interrupted.
    pub late: Option<Outcome>,
    /// How that was settled.
    pub settled: Option<Settlement>,
    /// Who settled it, where a person did.
    pub settled_by: Option<Author>,
}

impl ActRecord {
    /// Whether the act may have happened: everything with an intent that is not proven never started.
    pub fn may_have_happened(&self) -> bool {
        // What was seen to happen counts, whatever a person said before.
        if let Some(late) = &self.late {
            return late.ending != Ending::NotStarted;
        }
        if matches!(self.settled, Some(Settlement::NotDone)) {
            return false;
        }
        self.outcome.as_ref().is_none_or(|outcome| outcome.ending != Ending::NotStarted)
    }

    /// Whether an outcome that arrived late contradicts how a person settled it.
    pub fn is_contested(&self) -> bool {
        let (Some(late), Some(_)) = (&self.late, &self.settled_by) else { return false };
        let succeeded = late.ending == Ending::Succeeded;
        let started = late.ending != Ending::NotStarted;
        match &self.settled {
            Some(Settlement::Done(_)) => !succeeded,
            Some(Settlement::NotDone) => started,
            Some(Settlement::Failed) => succeeded,
            Some(Settlement::Undo) | None => false,
        }
    }

    /// Whether its outcome is recorded or given up.
    pub fn is_over(&self) -> bool {
        self.outcome.is_some() || self.interrupted.is_some()
    }

    /// Whether the same act may start again by itself: it is proven never started, or reading it again is harmless.
    pub fn may_start_again(&self) -> bool {
        if !self.is_settled() {
            return false;
        }
        !self.may_have_happened() || (self.effect == Effect::Read && self.idempotent && !self.succeeded())
    }

    /// Whether its outcome is known, or was settled.
    pub fn is_settled(&self) -> bool {
        self.settled.is_some() || (self.outcome.is_some() && self.interrupted.is_none())
    }

    /// Whether it did what it should.
    pub fn succeeded(&self) -> bool {
        match &self.settled {
            Some(Settlement::Done(_)) => true,
            Some(Settlement::NotDone | Settlement::Failed | Settlement::Undo) => false,
            None => {
                self.interrupted.is_none()
                    && self.outcome.as_ref().is_some_and(|outcome| outcome.ending == Ending::Succeeded)
            }
        }
    }

    /// The outcome that counts: the settled one, else the recorded one.
    pub fn counted_outcome(&self) -> Option<&Outcome> {
        match &self.settled {
            Some(Settlement::Done(outcome)) => Some(outcome),
            Some(Settlement::NotDone | Settlement::Failed | Settlement::Undo) | None => self.outcome.as_ref(),
        }
    }
}

/// An observation of a poll.
#[derive(Debug, Clone)]
pub struct Observation {
    /// When.
    pub at: Timestamp,
    /// Position of the act among all intents, where it had ended before.
    pub after: Option<u64>,
    /// Whether it holds; `None` is no data.
    pub holds: Option<bool>,
    /// What was seen.
    pub outcome: Outcome,
}

/// What came of taking a step back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoResult {
    /// Taken back.
    Undone,
    /// It failed or was left.
    Failed,
}

/// Undoing.
#[derive(Debug, Clone)]
pub struct Rollback {
    /// Everything to take back, newest first.
    pub items: Vec<UndoEntry>,
    /// Whether the whole execution is rolled back, or one step only.
    pub whole: bool,
}

/// One thing to take back, and how far that is.
#[derive(Debug, Clone)]
pub struct UndoEntry {
    /// What.
    pub item: UndoItem,
    /// How far.
    pub state: UndoEntryState,
    /// Acts that were rendered at the time of the undo ([`UndoPlan::Later`]).
    pub acts: Option<Vec<Act>>,
    /// Undo acts that have ended well (position of the next one).
    pub acts_done: u32,
    /// The undo act that was started and has not ended well; nobody has said yet whether it happened.
    pub unsettled: Option<InvocationId>,
}

/// How far an undo is.
#[derive(Debug, Clone, PartialEq)]
pub enum UndoEntryState {
    /// Not begun, or an act of it has ended well.
    Due,
    /// An undo act is running.
    Acting(InvocationId),
    /// Waits for a person, with what is in the way.
    Stuck(Value),
    /// Taken back.
    Done,
    /// Needs or has no act.
    Skipped(UndoSkip),
    /// Left as it is by a person.
    Left,
}

impl Execution {
    /// A step by name, of the forward flow or of the runbook's rollback.
    pub fn step(&self, name: &StepName) -> Option<&Step> {
        self.runbook.step(name).or_else(|| self.runbook.rollback_steps.iter().find(|step| &step.name == name))
    }

    /// A visit.
    pub fn visit(&self, id: &VisitId) -> Option<&Visit> {
        let index = usize::try_from(id.visit.checked_sub(1)?).ok()?;
        self.visits.get(&id.step)?.get(index)
    }

    /// The visit that the flow is at.
    pub fn current_visit(&self) -> Option<&Visit> {
        self.visit(self.current.as_ref()?)
    }

    /// The last visit of a step.
    pub fn last_visit(&self, step: &StepName) -> Option<&Visit> {
        self.visits.get(step)?.last()
    }

    /// Whether it has ended for good (a failed one can be reopened).
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished(_))
    }

    /// An invocation by its identity.
    pub fn act(&self, id: &InvocationId) -> Option<&ActRecord> {
        self.visit(&id.at)?.acts.iter().find(|record| &record.id == id)
    }

    /// Whether something that is not a read may have happened.
    pub fn has_changed_something(&self) -> bool {
        self.visits
            .values()
            .flatten()
            .flat_map(|visit| &visit.acts)
            .any(|record| record.effect != Effect::Read && record.may_have_happened())
    }

    /// The undo act of an entry whose outcome is not known.
    pub fn interrupted_undo(&self, entry: &UndoEntry) -> Option<&ActRecord> {
        self.act(entry.unsettled.as_ref()?).filter(|record| record.interrupted.is_some())
    }

    /// The acts that take an entry's step back; none where its own captured record does.
    pub fn undo_acts<'a>(&'a self, entry: &'a UndoEntry) -> &'a [Act] {
        match (&entry.acts, self.visit(&entry.item.at).and_then(Visit::undo_plan)) {
            (Some(acts), _) => acts,
            (None, Some(UndoPlan::Acts { acts, .. })) if entry.item.act.is_none() => acts,
            (None, _) => &[],
        }
    }

    /// Where it stands.
    pub fn status(&self) -> ExecutionStatus {
        match &self.phase {
            Phase::Finished(Finish::Completed) => ExecutionStatus::Completed,
            Phase::Finished(Finish::Failed) => ExecutionStatus::Failed,
            Phase::Finished(Finish::Aborted) => ExecutionStatus::Aborted,
            Phase::Finished(Finish::RolledBack) => ExecutionStatus::RolledBack,
            Phase::Stopping(_) => ExecutionStatus::Stopping,
            Phase::Undoing | Phase::RollbackSteps => {
                if self.waits_for_undo() {
                    ExecutionStatus::Stuck
                } else {
                    ExecutionStatus::RollingBack
                }
            }
            Phase::Checklist | Phase::Forward | Phase::SignOff => {
                if self.paused {
                    ExecutionStatus::Paused
                } else if self.waits_for_person() {
                    ExecutionStatus::Waiting
                } else if self.started {
                    ExecutionStatus::InProgress
                } else {
                    ExecutionStatus::NotStarted
                }
            }
        }
    }

    fn waits_for_undo(&self) -> bool {
        match &self.phase {
            Phase::Undoing => self.rollback.as_ref().is_some_and(|rollback| {
                rollback.items.iter().any(|entry| matches!(entry.state, UndoEntryState::Stuck(_)))
            }),
            Phase::RollbackSteps => self.current_visit().is_some_and(Visit::waits_for_person),
            Phase::Checklist | Phase::Forward | Phase::SignOff | Phase::Stopping(_) | Phase::Finished(_) => false,
        }
    }

    /// Whether nothing can go on without a person.
    pub fn waits_for_person(&self) -> bool {
        match &self.phase {
            Phase::Checklist | Phase::SignOff => true,
            Phase::Forward | Phase::RollbackSteps => self.current_visit().is_some_and(Visit::waits_for_person),
            Phase::Stopping(_) => {
                self.current_visit().is_some_and(|visit| matches!(visit.stage, Stage::Interrupted(_)))
            }
            Phase::Undoing => self.waits_for_undo(),
            Phase::Finished(_) => false,
        }
    }

    /// Where a step stands.
    pub fn step_status(&self, step: &Step) -> StepStatus {
        if let Some(visit) = self.last_visit(&step.name) {
            return visit.status();
        }
        match self.phase {
            Phase::Finished(Finish::Completed) => StepStatus::NotTaken,
            Phase::Finished(_)
            | Phase::Checklist
            | Phase::Forward
            | Phase::SignOff
            | Phase::Stopping(_)
            | Phase::Undoing
            | Phase::RollbackSteps => StepStatus::Pending,
        }
    }

    /// Whether the person is alone: a solo execution, where approving means typing the target's name.
    pub fn is_solo(&self) -> bool {
        true
    }

    /// The items of a checklist.
    pub fn checklist(&self, list: Checklist) -> &[String] {
        match list {
            Checklist::Prerequisites => &self.runbook.prerequisites,
            Checklist::PostConditions => &self.runbook.post_conditions,
        }
    }

    /// Positions of a checklist's items that nobody has answered.
    pub fn unchecked(&self, list: Checklist) -> Vec<u32> {
        let answered = self.checked.get(&list);
        (0..u32::try_from(self.checklist(list).len()).unwrap_or(u32::MAX))
            .filter(|item| !answered.is_some_and(|done| done.contains(item)))
            .collect()
    }

    /// Nodes that acts of this execution have touched.
    pub fn nodes_touched(&self) -> BTreeSet<String> {
        let mut nodes = BTreeSet::new();
        for visit in self.visits.values().flatten() {
            for record in &visit.acts {
                if record.may_have_happened()
                    && record.effect != Effect::Read
                    && let Some(preparation) = visit.preparation(record)
                {
                    nodes.extend(preparation.basis.nodes.iter().cloned());
                }
            }
        }
        nodes
    }
}

impl Visit {
    /// The plan in force.
    pub fn plan(&self) -> Option<&Plan> {
        self.plans.last()
    }

    /// The plan that an invocation belongs to.
    pub fn plan_of(&self, record: &ActRecord) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.number == record.plan)
    }

    /// What an invocation was planned to do; none for an undo.
    pub fn planned_act<'a>(&'a self, record: &'a ActRecord) -> Option<&'a PlannedAct> {
        match record.id.act {
            ActIndex::Act(index) => self.plan_of(record)?.acts.get(usize::try_from(index).ok()?),
            // What is planned for that call by now may be another act: a person's retry takes another path.
            ActIndex::Call(_) | ActIndex::UndoCall { .. } => record.call.as_deref(),
            ActIndex::Undo(_) => None,
        }
    }

    /// What was read before an invocation: right before where that is recorded, else when it was planned.
    pub fn preparation<'a>(&'a self, record: &'a ActRecord) -> Option<&'a Preparation> {
        record.preparation.as_ref().or_else(|| self.planned_act(record).map(|planned| &planned.preparation))
    }

    /// The undo plan in force when something of this visit last started.
    pub fn undo_plan(&self) -> Option<&UndoPlan> {
        let record = self.acts.iter().rev().find(|record| !record.id.act.takes_back())?;
        self.plan_of(record).map(|plan| &plan.undo)
    }

    /// Whether a person has to do something here.
    pub fn waits_for_person(&self) -> bool {
        match &self.stage {
            Stage::Person(_) | Stage::Approval | Stage::Interrupted(_) => true,
            Stage::Entered | Stage::Ready | Stage::Acting(_) | Stage::Retry(_) | Stage::Ended(_) => false,
        }
    }

    /// Where it stands, in the contract's words.
    pub fn status(&self) -> StepStatus {
        if self.undo.is_none() && self.acts.iter().any(ActRecord::is_contested) {
            return StepStatus::Contested;
        }
        match (&self.stage, self.undo) {
            (_, Some(UndoResult::Undone)) => StepStatus::Undone,
            (_, Some(UndoResult::Failed)) => StepStatus::UndoFailed,
            (Stage::Entered | Stage::Ready | Stage::Acting(_) | Stage::Retry(_), None) => StepStatus::Running,
            (Stage::Person(Need::Renewal) | Stage::Approval, None) => StepStatus::WaitingApproval,
            (Stage::Person(Need::Confirmation | Need::Decision { .. } | Need::Values { .. }), None) => {
                StepStatus::WaitingInput
            }
            (Stage::Person(Need::Recovery { .. }), None) => StepStatus::Failed,
            (Stage::Interrupted(_), None) => StepStatus::Interrupted,
            (Stage::Ended(status), None) => *status,
        }
    }

    /// The first act of the plan in force that has not succeeded.
    pub fn next_act(&self) -> Option<u32> {
        let plan = self.plan()?;
        let count = u32::try_from(plan.acts.len()).ok()?;
        (plan.from..count).find(|index| {
            let again = self.redo.filter(|_| index + 1 == count);
            !self.acts.iter().any(|record| {
                let counts = again.is_none_or(|again| record.order > again);
                record.plan == plan.number && record.id.act == ActIndex::Act(*index) && record.succeeded() && counts
            })
        })
    }

    /// The record of a host call that counts, since the script last started anew.
    pub fn call_record(&self, call: u32) -> Option<&ActRecord> {
        self.acts.get(self.calls_from..)?.iter().rev().find(|record| record.id.act == ActIndex::Call(call))
    }

    /// The record of a host call that counts, of a script that takes the step back. What ended well counts always.
    pub fn undo_call_record(&self, undo: u32, call: u32) -> Option<&ActRecord> {
        let of_call = |record: &&ActRecord| record.id.act == ActIndex::UndoCall { undo, call };
        let from = self.undo_paths.get(&undo).and_then(|path| path.again).filter(|(again, _)| *again == call);
        let (_, from) = from.unwrap_or((call, 0));
        let done = self.acts.iter().rev().filter(of_call).find(|record| record.succeeded());
        done.or_else(|| self.acts.get(from..)?.iter().rev().find(of_call))
    }

    /// Whether the step was approved, which covers what takes it back.
    pub fn undo_is_approved(&self) -> bool {
        let last = self.last_act().and_then(|record| self.plan_of(record));
        last.is_some_and(|plan| plan.approval.is_some())
    }

    /// The acts since the last one that took something back for good: attempts at the undo act that is next.
    pub fn undo_attempts(&self) -> impl Iterator<Item = &ActRecord> {
        let attempts = self.acts.iter().rev().filter(|record| matches!(record.id.act, ActIndex::Undo(_)));
        attempts.take_while(|record| !record.succeeded())
    }

    /// The last invocation of a step's own act or a host call.
    pub fn last_act(&self) -> Option<&ActRecord> {
        self.acts.iter().rev().find(|record| !record.id.act.takes_back())
    }

    /// The structured output that post-conditions and `.Steps` see: what was seen after the last act when its
    /// post-condition came to hold, else the last act that succeeded, else the last observation.
    pub fn output(&self) -> Option<&Outcome> {
        let last = self.last_act().map(|record| record.order);
        let looked = self.observations.last().filter(|seen| seen.after.is_some() && seen.after == last);
        let looked = looked.filter(|seen| seen.holds == Some(true));
        if let Some(seen) = looked {
            return Some(&seen.outcome);
        }
        self.acts
            .iter()
            .rev()
            .filter(|record| matches!(record.id.act, ActIndex::Act(_)))
            .find_map(ActRecord::counted_outcome)
            .or_else(|| self.observations.last().map(|observation| &observation.outcome))
    }
}
