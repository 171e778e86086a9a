//! One visit of one step: its plans, its acts and where it stands.

use std::collections::BTreeMap;

use belay_runbook::act::{Outcome, Preparation};
use jiff::Timestamp;

use super::{ActRecord, Call, RefusedCall, Request, UndoPath, UndoResult};
use crate::event::{Author, Need, Plan, PlannedAct, UndoPlan};
use crate::ids::{ActIndex, InvocationId, VisitId};
use crate::status::StepStatus;

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
            (
                Stage::Person(
                    Need::Confirmation
                    | Need::Decision { .. }
                    | Need::Values { .. }
                    | Need::Policy { .. }
                    | Need::Login { .. }
                    | Need::Again { .. },
                ),
                None,
            ) => StepStatus::WaitingInput,
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
