//! The state of one execution: the fold of its log and nothing else.

mod call;
mod record;
mod request;
mod rollback;
mod targets;
mod visit;

pub use self::call::{Call, RefusedCall, UndoPath};
pub use self::record::ActRecord;
pub use self::request::{Given, Request};
pub use self::rollback::{Rollback, UndoEntry, UndoEntryState, UndoResult};
pub use self::targets::Targets;
pub use self::visit::{Observation, Stage, Visit};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use belay_runbook::act::Act;
use belay_runbook::action::{COMMAND_ACTION, Effect};
use belay_runbook::model::{Runbook, Step, StepName};
use belay_runbook::policy::{Touched, touched_by_command};
use jiff::Timestamp;
use serde_json::Value;

use crate::event::{Author, Checklist, Finish, Genesis, Need, NextStep, Stop, UndoPlan};
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
    /// How often each step was entered since a person last had a say: a flow that goes round by itself comes to an end.
    pub entered_alone: BTreeMap<StepName, u32>,
    /// How many intents there were when a step last failed and the flow went on by itself, since a person last had a say.
    pub failed_alone: Option<u64>,
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
    /// What its acts were first planned on.
    pub targets: Targets,
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

    /// The undo that waits for an approval.
    pub fn asking_undo(&self) -> Option<&UndoEntry> {
        let undoing = self.phase == Phase::Undoing;
        let next = self.rollback.as_ref().filter(|_| undoing)?.items.iter().find(|entry| !entry.is_over())?;
        Some(next).filter(|entry| entry.waits_for_approval())
    }

    /// The request for approval of a visit that counts now: that of taking it back, while it is taken back and asks for one.
    pub fn request_of(&self, at: &VisitId) -> Option<&Request> {
        match self.asking_undo().filter(|entry| &entry.item.at == at) {
            Some(entry) => entry.request.as_ref(),
            None => self.visit(at)?.request.as_ref(),
        }
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
                } else if self.waits_for_person() {
                    ExecutionStatus::Waiting
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
                rollback
                    .items
                    .iter()
                    .any(|entry| matches!(entry.state, UndoEntryState::Stuck(_)) && !entry.waits_for_approval())
            }),
            // A step of the rollback may ask like any other one; stuck is what cannot go on as it is.
            Phase::RollbackSteps => self.current_visit().is_some_and(|visit| {
                matches!(visit.stage, Stage::Person(Need::Recovery { .. }) | Stage::Interrupted(_))
            }),
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
            Phase::Undoing => self.waits_for_undo() || self.asking_undo().is_some(),
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

    /// Whether a failure has led the flow back, without a person, to a step that did what does not bear repeating: retries
    /// happen by themselves only for idempotent acts (execution.md, 6).
    pub fn is_repeated_by_failure(&self, at: &VisitId) -> bool {
        let Some(failed) = self.failed_alone else { return false };
        let earlier = self.visits.get(&at.step).into_iter().flatten().filter(|visit| visit.id.visit < at.visit);
        earlier.flat_map(|visit| &visit.acts).any(|record| {
            record.order < failed
                && !record.id.act.takes_back()
                && record.effect != Effect::Read
                && !record.idempotent
                && record.may_have_happened()
        })
    }

    /// The step that failed last, and why.
    pub fn last_failure(&self) -> Option<String> {
        let ended = self.visits.values().flatten().filter(|visit| {
            matches!(visit.stage, Stage::Ended(StepStatus::Failed | StepStatus::Cancelled)) && visit.error.is_some()
        });
        let last = ended.max_by_key(|visit| visit.ended_at)?;
        Some(format!("step `{}`: {}", last.id, last.error.as_ref()?))
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

    /// What acts of this execution have touched. An act that was tried several times counts its pods once, and not at all
    /// where it is `about` to be tried again in the current visit.
    pub fn touched(&self, about: &Act) -> Touched {
        let mut touched = Touched::default();
        for visit in self.visits.values().flatten() {
            let mut pods: BTreeMap<ActIndex, u32> = BTreeMap::new();
            for record in &visit.acts {
                if record.may_have_happened()
                    && record.effect != Effect::Read
                    && let Some(preparation) = visit.preparation(record)
                {
                    let basis = &preparation.basis;
                    let planned = visit.planned_act(record).map(|planned| &planned.act);
                    let command = planned.filter(|act| act.action == COMMAND_ACTION).map(touched_by_command);
                    touched.nodes.extend(command.iter().flat_map(|command| command.nodes.iter().cloned()));
                    let ended = basis.pods.or(command.map(|command| command.pods)).unwrap_or(0);
                    touched.nodes.extend(basis.nodes.iter().cloned());
                    touched.objects.extend(basis.objects.iter().cloned());
                    let same = self.current.as_ref() == Some(&visit.id) && planned == Some(about);
                    let most = pods.entry(record.id.act).or_default();
                    *most = (*most).max(if same { 0 } else { ended });
                }
            }
            touched.pods = pods.values().fold(touched.pods, |all, pods| all.saturating_add(*pods));
        }
        touched
    }
}
