//! The one transition function: what is legal, and what it changes.
//!
//! Live runs and replay go through [`Execution::apply`] alike. It evaluates nothing: every value it needs stands in
//! the transition. An illegal transition leaves the state as it was.

mod acting;
mod approving;
mod undoing;

use std::collections::BTreeMap;
use std::sync::Arc;

use belay_runbook::act::{Ending, Outcome};
use belay_runbook::model::{Runbook, StepKind};
use jiff::Timestamp;

use crate::event::{Checklist, Event, Genesis, NextStep, Stop, Transition};
use crate::execution::{
    ActRecord, Call, Execution, Given, Note, Observation, Phase, RefusedCall, Request, Stage, Targets, UndoEntry,
    UndoEntryState, Visit,
};
use crate::ids::{ActIndex, EventHash, InvocationId, VisitId};
use crate::status::StepStatus;

/// A transition that the log may not contain here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{transition}` is not possible here: {why}")]
pub struct Illegal {
    /// The transition's kind.
    pub transition: &'static str,
    /// Why.
    pub why: String,
}

impl Execution {
    /// The state after the genesis event.
    ///
    /// `runbook` is what [`Genesis::runbook`] parses to; callers share one for all executions of the same digest.
    pub fn begin(id: EventHash, genesis: Arc<Genesis>, runbook: Arc<Runbook>) -> Self {
        let phase = if runbook.prerequisites.is_empty() { Phase::Forward } else { Phase::Checklist };
        let undo_only = runbook.undo_only_steps();
        let first = runbook.steps.iter().find(|step| !undo_only.contains(&&step.name));
        let upcoming = first.map_or(NextStep::End, |step| NextStep::Step(step.name.clone()));
        Self {
            id,
            phase,
            paused: false,
            values: genesis.inputs.clone(),
            published: BTreeMap::new(),
            published_at: BTreeMap::new(),
            visits: BTreeMap::new(),
            current: None,
            upcoming: Some(upcoming),
            checked: BTreeMap::new(),
            notes: Vec::new(),
            rollback: None,
            error: None,
            entered_alone: BTreeMap::new(),
            failed_alone: None,
            cited: std::collections::BTreeSet::new(),
            last_at: genesis.at,
            finished_at: None,
            started: false,
            intents: 0,
            targets: Targets::default(),
            genesis,
            runbook,
        }
    }

    /// Folds one event of the log in. Statements change nothing by themselves.
    pub fn absorb(&mut self, event: &Event, cites: &[EventHash]) -> Result<(), Illegal> {
        match event {
            Event::Genesis(_) => Err(Illegal { transition: "genesis", why: "an execution begins once".to_owned() }),
            Event::Statement { .. } => Ok(()),
            Event::Transition { at, transition } => self.apply(*at, transition, cites),
        }
    }

    /// Applies one transition, or says why it may not stand here.
    pub fn apply(&mut self, at: Timestamp, transition: &Transition, cites: &[EventHash]) -> Result<(), Illegal> {
        self.check_and_change(at, transition).map_err(|why| Illegal { transition: transition.kind(), why })?;
        self.pin_targets(transition);
        self.cite(transition, cites);
        self.last_at = at;
        self.started = true;
        Ok(())
    }

    /// Takes in what a transition rests on. Where a person's word moved the flow, it no longer goes on by itself alone.
    pub(crate) fn cite(&mut self, transition: &Transition, cites: &[EventHash]) {
        let moves = matches!(
            transition,
            Transition::Checked { .. }
                | Transition::Provided { .. }
                | Transition::ApprovalCounted { .. }
                | Transition::ApprovalClosed { .. }
                | Transition::ActSettled { .. }
                | Transition::StepEnded { .. }
                | Transition::Retried { .. }
                | Transition::Resumed
        );
        if moves && !cites.is_empty() {
            self.entered_alone.clear();
            self.failed_alone = None;
        }
        self.cited.extend(cites.iter().cloned());
    }

    #[expect(clippy::too_many_lines, reason = "one arm per transition, each a few lines: the table of the machine")]
    fn check_and_change(&mut self, at: Timestamp, transition: &Transition) -> Result<(), String> {
        match transition {
            Transition::Noted { by, text } => {
                self.notes.push(Note { at, by: by.clone(), text: text.clone() });
                Ok(())
            }
            Transition::Checked { list, items } => self.check_items(*list, items),
            Transition::Provided { values } => {
                self.values.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
                if let Some(visit) = self.current_visit_mut()
                    && matches!(visit.stage, Stage::Person(crate::event::Need::Values { .. }))
                {
                    visit.stage = Stage::Entered;
                }
                Ok(())
            }
            Transition::StepEntered { at: id } => self.enter(at, id),
            Transition::PersonAwaited { at: id, need } => {
                let visit = self.open_visit(id)?;
                ensure(!matches!(visit.stage, Stage::Acting(_) | Stage::Interrupted(_)), "an act is not settled")?;
                visit.stage = Stage::Person(need.clone());
                Ok(())
            }
            Transition::Planned { at: id, plan } => {
                let visit = self.open_visit(id)?;
                ensure(!matches!(visit.stage, Stage::Acting(_) | Stage::Interrupted(_)), "an act is not settled")?;
                let expected = visit.plans.last().map_or(1, |plan| plan.number + 1);
                ensure(plan.number == expected, "plans are numbered in order")?;
                visit.request = plan.approval.as_ref().map(|asked| new_request(asked, None));
                visit.stage = if visit.request.is_some() { Stage::Approval } else { Stage::Ready };
                visit.plans.push((**plan).clone());
                Ok(())
            }
            Transition::CallPlanned { at: id, undo: Some(undo), call, function, act, approval } => {
                let path = self.undo_path(id, *undo)?;
                ensure(!path.calls.contains_key(call) || approval.is_some(), "a call is planned once")?;
                path.calls.insert(*call, Call { function: function.clone(), act: (**act).clone() });
                if let Some(asked) = approval {
                    let entry = self.undo_script_entry(id)?;
                    entry.request = Some(new_request(asked, Some(*call)));
                    entry.asked = vec![(**act).clone()];
                }
                Ok(())
            }
            Transition::CallRefused { at: id, undo, call, function, act, error } => {
                let refused = RefusedCall { function: function.clone(), act: act.clone(), error: error.clone(), at };
                let refusals = match undo {
                    Some(undo) => &mut self.undo_path(id, *undo)?.refused,
                    None => &mut self.open_visit(id)?.refused,
                };
                refusals.insert(*call, refused);
                Ok(())
            }
            Transition::CallPlanned { at: id, undo: None, call, function, act, approval } => {
                let visit = self.open_visit(id)?;
                ensure(!visit.calls.contains_key(call) || approval.is_some(), "a call is planned once")?;
                visit.calls.insert(*call, Call { function: function.clone(), act: (**act).clone() });
                if let Some(asked) = approval {
                    visit.request = Some(new_request(asked, Some(*call)));
                }
                Ok(())
            }
            Transition::ApprovalCounted { at: id, digest, by, self_approved, comment } => {
                let given = Given { by: by.clone(), at, self_approved: *self_approved, comment: comment.clone() };
                self.count_approval(id, digest, given)
            }
            Transition::ApprovalClosed { at: id, digest, how } => self.close_approval(id, digest, how),
            Transition::ActStarted { id, preparation, .. } => {
                self.start_act(at, id)?;
                if let Some(record) = self.visit_mut(&id.at)?.acts.last_mut() {
                    record.preparation = preparation.as_deref().cloned();
                }
                Ok(())
            }
            Transition::ActEnded { id, outcome } => {
                let record = self.running(id)?;
                record.outcome = Some((**outcome).clone());
                record.ended_at = Some(at);
                let ended_well = outcome.ending == Ending::Succeeded;
                if ended_well {
                    self.publish(at, outcome);
                }
                self.leave_act(id, outcome.ending)
            }
            Transition::ActInterrupted { id, why, outcome } => {
                let record = self.running(id)?;
                record.interrupted = Some(why.clone());
                record.outcome = outcome.as_deref().cloned();
                match id.act {
                    ActIndex::Undo(_) => {
                        let detail = serde_json::json!({ "error": why });
                        self.set_undo_acting(id, UndoEntryState::Stuck(detail))
                    }
                    ActIndex::UndoCall { .. } => {
                        // The script around it still has to end; then this is what its undo is stuck at.
                        self.undo_script_entry(&id.at)?.unsettled = Some(id.clone());
                        Ok(())
                    }
                    ActIndex::Act(_) | ActIndex::Call(_) => {
                        self.visit_mut(&id.at)?.stage = Stage::Interrupted(id.clone());
                        Ok(())
                    }
                }
            }
            Transition::ActSettled { id, settlement, by } => self.settle(at, id, settlement, by.as_ref()),
            Transition::OutcomeArrived { id, outcome } => {
                let visit = self.visit_mut(&id.at)?;
                let record = visit.acts.iter_mut().find(|act| &act.id == id).ok_or("it has no intent")?;
                ensure(record.interrupted.is_some(), "it was not interrupted")?;
                ensure(record.late.is_none(), "its outcome has arrived")?;
                record.late = Some((**outcome).clone());
                Ok(())
            }
            Transition::Observed { id, holds, outcome } => {
                let record = self.act(id).ok_or("it has no intent")?;
                // What has succeeded is looked at again until its post-condition holds.
                ensure(!record.is_over() || record.succeeded(), "its outcome is recorded")?;
                let after = record.is_over().then_some(record.order);
                if after.is_some() && *holds == Some(true) {
                    self.publish(at, outcome);
                }
                let observation = Observation { at, after, holds: *holds, outcome: (**outcome).clone() };
                self.visit_mut(&id.at)?.observations.push(observation);
                Ok(())
            }
            Transition::RetryScheduled { at: id, not_before, error } => {
                let visit = self.open_visit(id)?;
                ensure(matches!(visit.stage, Stage::Ready), "only an act that has ended is tried again")?;
                visit.failures += 1;
                visit.error = Some(error.clone());
                visit.stage = Stage::Retry(*not_before);
                if visit.next_act().is_none() {
                    visit.redo = visit.last_act().map(|record| record.order);
                }
                // What was refused never started: it is tried again, unless the script went on past it.
                let passed = visit.calls.keys().next_back().copied();
                visit.refused.retain(|call, _| passed.is_some_and(|passed| *call < passed));
                Ok(())
            }
            Transition::StepEnded { at: id, status, error, branch, by_hand, by, next } => {
                let visit = self.open_visit(id)?;
                ensure(
                    !matches!(visit.stage, Stage::Acting(_) | Stage::Interrupted(_)),
                    "an act is running or not settled",
                )?;
                visit.stage = Stage::Ended(*status);
                visit.ended_at = Some(at);
                visit.error.clone_from(error);
                visit.branch.clone_from(branch);
                visit.by_hand = *by_hand;
                visit.done_by.clone_from(by);
                if *status != StepStatus::Failed && *status != StepStatus::Cancelled {
                    visit.error = None;
                }
                let failed = matches!(status, StepStatus::Failed | StepStatus::Cancelled);
                // A message that could not be sent is no failure of what it tells about.
                let forgiven = self
                    .step(&id.step)
                    .is_some_and(|step| step.kind == StepKind::Notification && step.on_failure.is_none());
                if failed && !forgiven && next.is_some() {
                    self.failed_alone = Some(self.intents);
                }
                self.current = None;
                self.upcoming.clone_from(next);
                Ok(())
            }
            Transition::Retried { at: id, .. } => self.retry(id),
            Transition::Dismissed { .. } => Ok(()),
            Transition::Paused => {
                ensure(!self.is_finished() && !self.paused, "it is finished or paused")?;
                self.paused = true;
                Ok(())
            }
            Transition::Resumed => {
                ensure(self.paused, "it is not paused")?;
                self.paused = false;
                Ok(())
            }
            Transition::Stopping { then, reason } => {
                let possible = match then {
                    Stop::Rollback => !matches!(self.phase, Phase::Undoing | Phase::RollbackSteps),
                    Stop::Abort | Stop::UndoStep(_) => !self.is_finished(),
                };
                ensure(possible, "it is finished or already undoing")?;
                self.phase = Phase::Stopping(then.clone());
                self.paused = false;
                self.finished_at = None;
                self.error = Some(reason.clone());
                Ok(())
            }
            Transition::RollbackPlanned { items, by_hand } => self.plan_rollback(items, by_hand),
            Transition::UndoAsked { item, acts, approval } => {
                let entry = self.undo_entry(*item)?;
                ensure(entry.state == UndoEntryState::Due, "it is being undone or stuck")?;
                ensure(!entry.waits_for_approval(), "it is asked for already")?;
                entry.request = Some(new_request(approval, None));
                entry.asked.clone_from(acts);
                Ok(())
            }
            Transition::UndoRendered { item, acts } => {
                let entry = self.undo_entry(*item)?;
                ensure(entry.state == UndoEntryState::Due && entry.acts.is_none(), "it is rendered once")?;
                entry.acts = Some(acts.clone());
                Ok(())
            }
            Transition::UndoSkipped { item, why } => {
                self.undo_entry(*item)?.state = UndoEntryState::Skipped(why.clone());
                if matches!(why, crate::event::UndoSkip::AlreadyBefore) {
                    self.mark_undone(*item)?;
                }
                Ok(())
            }
            Transition::UndoStuck { item, detail } => {
                self.undo_entry(*item)?.state = UndoEntryState::Stuck(detail.clone());
                Ok(())
            }
            Transition::UndoSettled { item, choice, by } => self.settle_undo(at, *item, *choice, by.as_ref()),
            Transition::UndoDone { item } => {
                let entry = self.undo_entry(*item)?;
                ensure(entry.state == UndoEntryState::Due, "its acts have not ended well")?;
                entry.state = UndoEntryState::Done;
                self.mark_undone(*item)
            }
            Transition::Escalated { at: id, .. } => self.visit(id).map(|_| ()).ok_or_else(|| unknown_visit(id)),
            Transition::RollbackStepsEntered => {
                ensure(self.phase == Phase::Undoing, "undoing has not ended")?;
                let done = self.rollback.as_ref().is_some_and(|rollback| rollback.items.iter().all(UndoEntry::is_over));
                ensure(done, "something is not undone")?;
                self.phase = Phase::RollbackSteps;
                self.current = None;
                self.upcoming = self
                    .runbook
                    .rollback_steps
                    .first()
                    .map(|step| NextStep::Step(step.name.clone()))
                    .or(Some(NextStep::End));
                Ok(())
            }
            Transition::SignOffAwaited => {
                ensure(self.phase == Phase::Forward && self.current.is_none(), "a step is open")?;
                self.phase = Phase::SignOff;
                Ok(())
            }
            Transition::Finished { ending, error } => {
                let open = self
                    .current_visit()
                    .is_some_and(|visit| matches!(visit.stage, Stage::Acting(_) | Stage::Interrupted(_)));
                ensure(!open && !self.is_undo_running(), "an act is running or not settled")?;
                ensure(!self.is_finished(), "it is finished")?;
                self.phase = Phase::Finished(*ending);
                self.finished_at = Some(at);
                self.paused = false;
                if error.is_some() {
                    self.error.clone_from(error);
                }
                Ok(())
            }
        }
    }

    fn pin_targets(&mut self, transition: &Transition) {
        if let Transition::Planned { plan, .. } = transition {
            self.targets.pin(&plan.acts);
        } else if let Transition::CallPlanned { act, .. } = transition {
            self.targets.pin([&**act]);
        } else if let Transition::UndoAsked { acts, .. } = transition {
            self.targets.pin(acts);
        }
    }

    fn publish(&mut self, at: Timestamp, outcome: &Outcome) {
        for (name, value) in &outcome.published {
            self.published.insert(name.clone(), value.clone());
            self.published_at.insert(name.clone(), at);
        }
    }

    fn check_items(&mut self, list: Checklist, items: &[u32]) -> Result<(), String> {
        let phase = match list {
            Checklist::Prerequisites => Phase::Checklist,
            Checklist::PostConditions => Phase::SignOff,
        };
        ensure(self.phase == phase, "that checklist is not open")?;
        let count = self.checklist(list).len();
        ensure(items.iter().all(|item| (*item as usize) < count), "there is no such item")?;
        self.checked.entry(list).or_default().extend(items);
        if list == Checklist::Prerequisites && self.unchecked(list).is_empty() {
            self.phase = Phase::Forward;
        }
        Ok(())
    }

    fn enter(&mut self, at: Timestamp, id: &VisitId) -> Result<(), String> {
        ensure(matches!(self.phase, Phase::Forward | Phase::RollbackSteps), "no step can be entered in this phase")?;
        ensure(self.current.is_none(), "another step is open")?;
        ensure(self.upcoming == Some(NextStep::Step(id.step.clone())), "the flow leads elsewhere")?;
        ensure(self.step(&id.step).is_some(), "there is no such step")?;
        let visits = self.visits.entry(id.step.clone()).or_default();
        ensure(visits.len() + 1 == id.visit as usize, "visits are numbered in order")?;
        visits.push(Visit::entered(id.clone(), at));
        let alone = self.entered_alone.entry(id.step.clone()).or_default();
        *alone = alone.saturating_add(1);
        self.current = Some(id.clone());
        self.upcoming = None;
        Ok(())
    }

    fn running(&mut self, id: &InvocationId) -> Result<&mut ActRecord, String> {
        let visit = self.visit_mut(&id.at)?;
        let record = visit.acts.iter_mut().find(|act| &act.id == id).ok_or("it has no intent")?;
        ensure(record.outcome.is_none() && record.interrupted.is_none(), "its outcome is recorded")?;
        Ok(record)
    }

    fn visit_mut(&mut self, id: &VisitId) -> Result<&mut Visit, String> {
        id.visit
            .checked_sub(1)
            .and_then(|index| self.visits.get_mut(&id.step)?.get_mut(index as usize))
            .ok_or_else(|| unknown_visit(id))
    }

    fn current_visit_mut(&mut self) -> Option<&mut Visit> {
        let id = self.current.clone()?;
        self.visit_mut(&id).ok()
    }

    fn open_visit(&mut self, id: &VisitId) -> Result<&mut Visit, String> {
        ensure(self.current.as_ref() == Some(id), "the flow is not at that step")?;
        let visit = self.visit_mut(id)?;
        ensure(!matches!(visit.stage, Stage::Ended(_)), "the step has ended")?;
        Ok(visit)
    }
}

fn new_request(asked: &crate::event::ApprovalRequest, call: Option<u32>) -> Request {
    Request { asked: asked.clone(), call, given: BTreeMap::new(), closed: None }
}

fn unknown_visit(id: &VisitId) -> String {
    format!("step `{id}` was not entered")
}

fn ensure(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}
