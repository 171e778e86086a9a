//! The one transition function: what is legal, and what it changes.
//!
//! Live runs and replay go through [`Execution::apply`] alike. It evaluates nothing: every value it needs stands in
//! the transition. An illegal transition leaves the state as it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use belay_runbook::act::{Ending, Outcome};
use belay_runbook::action::Effect;
use belay_runbook::model::Runbook;
use jiff::Timestamp;

use crate::event::{
    Author, Checklist, Closing, Event, Genesis, Need, NextStep, Settlement, Stop, Transition, UndoChoice, UndoItem,
};
use crate::execution::{
    ActRecord, Call, Execution, Given, Note, Observation, Phase, RefusedCall, Request, Rollback, Stage, UndoEntry,
    UndoEntryState, UndoPath, UndoResult, Visit,
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
            cited: std::collections::BTreeSet::new(),
            last_at: genesis.at,
            finished_at: None,
            started: false,
            intents: 0,
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
        self.cited.extend(cites.iter().cloned());
        self.last_at = at;
        self.started = true;
        Ok(())
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
            Transition::CallPlanned { at: id, undo: Some(undo), call, function, act, .. } => {
                let path = self.undo_path(id, *undo)?;
                ensure(!path.calls.contains_key(call), "a call is planned once")?;
                path.calls.insert(*call, Call { function: function.clone(), act: (**act).clone() });
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
                let visit = self.open_visit(id)?;
                let request = visit.request.as_mut().ok_or("there is no request")?;
                ensure(&request.asked.digest == digest, "the digest is another one")?;
                ensure(request.closed.is_none(), "the request is closed")?;
                let given = Given { by: by.clone(), at, self_approved: *self_approved, comment: comment.clone() };
                request.given.insert(by.responder.clone(), given);
                // A script that still runs, or an act that is not settled, is not overtaken by an approval.
                if request.granted() && visit.stage == Stage::Approval {
                    visit.stage = Stage::Ready;
                }
                Ok(())
            }
            Transition::ApprovalClosed { at: id, digest, how } => {
                let visit = self.open_visit(id)?;
                let request = visit.request.as_mut().ok_or("there is no request")?;
                ensure(&request.asked.digest == digest, "the digest is another one")?;
                ensure(request.closed.is_none(), "the request is closed")?;
                request.closed = Some(how.clone());
                let started = matches!(visit.stage, Stage::Acting(_) | Stage::Interrupted(_));
                if !started && matches!(how, Closing::Expired | Closing::Voided { .. }) {
                    visit.stage = Stage::Entered;
                }
                Ok(())
            }
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
            Transition::RollbackPlanned { items } => self.plan_rollback(items),
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
        self.current = Some(id.clone());
        self.upcoming = None;
        Ok(())
    }

    fn start_act(&mut self, at: Timestamp, id: &InvocationId) -> Result<(), String> {
        match id.act {
            ActIndex::Undo(_) => return self.start_undo(at, id),
            ActIndex::UndoCall { undo, call } => return self.start_undo_call(at, id, undo, call),
            ActIndex::Act(_) | ActIndex::Call(_) => {}
        }
        ensure(matches!(self.phase, Phase::Forward | Phase::RollbackSteps), "nothing starts in this phase")?;
        let visit = self.open_visit(id_visit(id))?;
        let plan = visit.plan().ok_or("nothing is planned")?;
        let plan_number = plan.number;
        let (effect, idempotent) = match id.act {
            ActIndex::Act(index) => {
                ensure(matches!(visit.stage, Stage::Ready | Stage::Retry(_)), "the step is not ready")?;
                ensure(id.attempt == visit.attempt + 1, "attempts are numbered in order")?;
                ensure(visit.next_act() == Some(index), "acts run in order")?;
                let allowed = plan.approval.is_none() || visit.calls_waiting() || visit.granted_plan();
                ensure(allowed, "its approval is missing")?;
                plan.acts.get(index as usize).map(|act| (act.effect, act.idempotent))
            }
            ActIndex::Call(index) => {
                ensure(matches!(visit.stage, Stage::Acting(_)), "the script is not running")?;
                let request = visit.request.as_ref().filter(|request| request.call == Some(index));
                ensure(request.is_none_or(Request::granted), "its approval is missing")?;
                let again = visit.call_record(index).is_none_or(ActRecord::may_start_again);
                ensure(again, "the call has started before")?;
                visit.calls.get(&index).map(|call| (call.act.effect, call.act.idempotent))
            }
            ActIndex::Undo(_) | ActIndex::UndoCall { .. } => None,
        }
        .ok_or("there is no such act")?;
        if let ActIndex::Act(_) = id.act {
            visit.attempt = id.attempt;
            visit.stage = Stage::Acting(id.clone());
        }
        let mut record = ActRecord::started(id.clone(), plan_number, effect, idempotent, at);
        if let ActIndex::Call(index) = id.act {
            record.call = visit.calls.get(&index).map(|call| Box::new(call.act.clone()));
        }
        self.push_act(record)
    }

    fn start_undo(&mut self, at: Timestamp, id: &InvocationId) -> Result<(), String> {
        ensure(self.phase == Phase::Undoing, "nothing is being undone")?;
        let next = self.next_undo().ok_or("nothing is left to undo")?;
        let entry = self.undo_entry(next)?;
        ensure(entry.item.at == id.at, "undo goes newest first")?;
        ensure(entry.state == UndoEntryState::Due, "it is being undone or stuck")?;
        entry.state = UndoEntryState::Acting(id.clone());
        entry.unsettled = Some(id.clone());
        let visit = self.visit_mut(&id.at)?;
        ensure(!visit.acts.iter().any(|act| &act.id == id), "this undo has started before")?;
        let plan = visit.plan().map_or(0, |plan| plan.number);
        self.push_act(ActRecord::started(id.clone(), plan, Effect::Mutate, false, at))
    }

    fn start_undo_call(&mut self, at: Timestamp, id: &InvocationId, undo: u32, call: u32) -> Result<(), String> {
        ensure(self.phase == Phase::Undoing, "nothing is being undone")?;
        let entry = self.undo_script_entry(&id.at)?;
        ensure(entry.acts_done == undo, "another act of the undo is running")?;
        let visit = self.visit_mut(&id.at)?;
        let again = visit.undo_call_record(undo, call).is_none_or(ActRecord::may_start_again);
        ensure(again, "the call has started before")?;
        let plan = visit.plan().map_or(0, |plan| plan.number);
        let planned = visit.undo_paths.get(&undo).and_then(|path| path.calls.get(&call)).ok_or("it is not planned")?;
        let mut record = ActRecord::started(id.clone(), plan, planned.act.effect, planned.act.idempotent, at);
        record.call = Some(Box::new(planned.act.clone()));
        self.push_act(record)
    }

    fn push_act(&mut self, record: ActRecord) -> Result<(), String> {
        let order = self.intents;
        let visit = self.visit_mut(&record.id.at)?;
        visit.acts.push(ActRecord { order, ..record });
        self.intents += 1;
        Ok(())
    }

    /// Whether the log says that something is being taken back right now.
    pub(crate) fn is_undo_running(&self) -> bool {
        self.rollback
            .iter()
            .flat_map(|rollback| &rollback.items)
            .any(|entry| matches!(entry.state, UndoEntryState::Acting(_)))
    }

    fn leave_act(&mut self, id: &InvocationId, ending: Ending) -> Result<(), String> {
        match id.act {
            ActIndex::Call(_) | ActIndex::UndoCall { .. } => Ok(()),
            ActIndex::Act(_) => {
                let visit = self.visit_mut(&id.at)?;
                // A host call that was interrupted decides the stage, not the script around it.
                if !matches!(visit.stage, Stage::Interrupted(_)) {
                    visit.stage = if visit.calls_waiting() { Stage::Approval } else { Stage::Ready };
                }
                Ok(())
            }
            ActIndex::Undo(_) => {
                let state = if ending == Ending::Succeeded {
                    UndoEntryState::Due
                } else {
                    let entry = self.entry_acting(id)?.clone();
                    let why = self.interrupted_undo(&entry).and_then(|record| record.interrupted.clone());
                    let why = why.unwrap_or_else(|| "the undo failed".to_owned());
                    UndoEntryState::Stuck(serde_json::json!({ "error": why }))
                };
                if ending == Ending::Succeeded {
                    let entry = self.entry_acting(id)?;
                    entry.acts_done += 1;
                    entry.unsettled = None;
                }
                self.set_undo_acting(id, state)
            }
        }
    }

    fn settle(
        &mut self,
        at: Timestamp,
        id: &InvocationId,
        settlement: &Settlement,
        by: Option<&Author>,
    ) -> Result<(), String> {
        let visit = self.visit_mut(&id.at)?;
        let record = visit.acts.iter_mut().find(|act| &act.id == id).ok_or("there is no such act")?;
        ensure(record.interrupted.is_some(), "its outcome is known")?;
        ensure(record.settled.is_none(), "it is settled")?;
        record.settled = Some(settlement.clone());
        record.settled_by = by.cloned();
        record.ended_at = Some(at);
        if visit.stage == Stage::Interrupted(id.clone()) {
            // After "not done" the act is rendered, prepared and approved anew before it may start again.
            visit.stage = match settlement {
                Settlement::NotDone => Stage::Entered,
                Settlement::Done(_) | Settlement::Failed | Settlement::Undo => Stage::Ready,
            };
        }
        if let Settlement::Done(outcome) = settlement {
            self.publish(at, outcome);
        }
        Ok(())
    }

    fn retry(&mut self, id: &VisitId) -> Result<(), String> {
        ensure(self.rollback.is_none() || self.phase == Phase::RollbackSteps, "something was taken back")?;
        let reopened = match &self.phase {
            Phase::Forward | Phase::RollbackSteps => false,
            Phase::Finished(crate::event::Finish::Failed) => true,
            Phase::Finished(_) | Phase::Checklist | Phase::SignOff | Phase::Stopping(_) | Phase::Undoing => {
                return Err("a step can be tried again only while it runs, or after a failure".to_owned());
            }
        };
        let in_rollback = self.runbook.rollback_steps.iter().any(|step| step.name == id.step);
        ensure(self.current.as_ref().is_none_or(|current| current == id), "another step is open")?;
        let visit = self.visit_mut(id)?;
        ensure(!matches!(visit.stage, Stage::Acting(_) | Stage::Interrupted(_)), "an act is running or not settled")?;
        ensure(visit.undo.is_none(), "it was taken back")?;
        // Asking for an approval anew is not trying again: what was done under the old one is not repeated.
        let renews = visit.stage == Stage::Person(Need::Renewal);
        visit.stage = Stage::Entered;
        visit.ended_at = None;
        visit.error = None;
        visit.request = None;
        visit.failures = 0;
        if !renews {
            visit.calls.clear();
            visit.refused.clear();
            visit.calls_from = visit.acts.len();
        }
        self.current = Some(id.clone());
        self.upcoming = None;
        if reopened {
            self.phase = if in_rollback { Phase::RollbackSteps } else { Phase::Forward };
            self.finished_at = None;
            self.error = None;
        }
        Ok(())
    }

    fn plan_rollback(&mut self, items: &[UndoItem]) -> Result<(), String> {
        let whole = match &self.phase {
            Phase::Stopping(Stop::Rollback) => true,
            Phase::Stopping(Stop::UndoStep(_)) => false,
            Phase::Stopping(Stop::Abort)
            | Phase::Checklist
            | Phase::Forward
            | Phase::SignOff
            | Phase::Undoing
            | Phase::RollbackSteps
            | Phase::Finished(_) => return Err("nothing asked for it".to_owned()),
        };
        let running =
            self.visits.values().flatten().any(|visit| matches!(visit.stage, Stage::Acting(_) | Stage::Interrupted(_)));
        ensure(!running && !self.is_undo_running(), "an act is running or not settled")?;
        let before = self.rollback.take().map(|rollback| rollback.items).unwrap_or_default();
        let entries = items
            .iter()
            .map(|item| {
                let entry = UndoEntry::continued(item, &before);
                let why = self.interrupted_undo(&entry).and_then(|record| record.interrupted.clone());
                match (entry.state, why) {
                    // What a person left without saying whether it happened is asked about again, not repeated.
                    (UndoEntryState::Due, Some(why)) => {
                        UndoEntry { state: UndoEntryState::Stuck(serde_json::json!({ "error": why })), ..entry }
                    }
                    (state, _) => UndoEntry { state, ..entry },
                }
            })
            .collect();
        self.rollback = Some(Rollback { items: entries, whole });
        self.phase = Phase::Undoing;
        self.current = None;
        self.upcoming = None;
        Ok(())
    }

    fn settle_undo(&mut self, at: Timestamp, item: u32, choice: UndoChoice, by: Option<&Author>) -> Result<(), String> {
        let entry = self.undo_entry(item)?;
        ensure(matches!(entry.state, UndoEntryState::Stuck(_)), "it is not stuck")?;
        match choice {
            UndoChoice::Retry => {
                entry.state = UndoEntryState::Due;
                let (undo, unsettled, id) = (entry.acts_done, entry.unsettled.take(), entry.item.at.clone());
                let visit = self.visit_mut(&id)?;
                match unsettled.filter(|id| matches!(id.act, ActIndex::UndoCall { .. })) {
                    Some(call) => {
                        let record = visit.acts.iter_mut().find(|act| act.id == call).ok_or("it has no intent")?;
                        record.settled = Some(Settlement::NotDone);
                        record.settled_by = by.cloned();
                        record.ended_at = Some(at);
                    }
                    None if by.is_some() => {
                        let acts = visit.acts.len();
                        if let Some(path) = visit.undo_paths.get_mut(&undo) {
                            path.try_again(acts);
                        }
                    }
                    None => {}
                }
                Ok(())
            }
            UndoChoice::Done => {
                let id = entry.unsettled.take().ok_or("no undo act was started")?;
                entry.state = UndoEntryState::Due;
                // A script goes on after the call that happened; any other act is done with it.
                if !matches!(id.act, ActIndex::UndoCall { .. }) {
                    entry.acts_done += 1;
                }
                let visit = self.visit_mut(&id.at)?;
                let record = visit.acts.iter_mut().find(|act| act.id == id).ok_or("it has no intent")?;
                let seen = record.late.clone().or_else(|| record.outcome.clone());
                let seen = seen.unwrap_or_else(|| Outcome::bare(Ending::Lost));
                let done = Outcome { ending: Ending::Succeeded, error: None, ..seen };
                record.settled = Some(Settlement::Done(Box::new(done)));
                record.settled_by = by.cloned();
                record.ended_at = Some(at);
                Ok(())
            }
            UndoChoice::ByHand => {
                entry.state = UndoEntryState::Done;
                self.mark_undone(item)
            }
            UndoChoice::Leave => {
                entry.state = UndoEntryState::Left;
                let id = entry.item.at.clone();
                self.visit_mut(&id)?.undo = Some(UndoResult::Failed);
                Ok(())
            }
        }
    }

    /// Position of the next item to take back.
    pub fn next_undo(&self) -> Option<u32> {
        let items = &self.rollback.as_ref()?.items;
        items.iter().position(|entry| !entry.is_over()).and_then(|index| u32::try_from(index).ok())
    }

    fn mark_undone(&mut self, item: u32) -> Result<(), String> {
        let id = self.undo_entry(item)?.item.at.clone();
        let rest = self
            .rollback
            .iter()
            .flat_map(|rollback| &rollback.items)
            .any(|entry| entry.item.at == id && !entry.is_over());
        let left = self
            .rollback
            .iter()
            .flat_map(|rollback| &rollback.items)
            .any(|entry| entry.item.at == id && entry.state == UndoEntryState::Left);
        let visit = self.visit_mut(&id)?;
        if !rest && !left {
            visit.undo = Some(UndoResult::Undone);
        }
        Ok(())
    }

    fn undo_entry(&mut self, item: u32) -> Result<&mut UndoEntry, String> {
        ensure(self.phase == Phase::Undoing, "nothing is being undone")?;
        self.rollback
            .as_mut()
            .and_then(|rollback| rollback.items.get_mut(item as usize))
            .ok_or_else(|| "there is no such item".to_owned())
    }

    fn entry_acting(&mut self, id: &InvocationId) -> Result<&mut UndoEntry, String> {
        self.rollback
            .as_mut()
            .and_then(|rollback| {
                rollback.items.iter_mut().find(|entry| entry.state == UndoEntryState::Acting(id.clone()))
            })
            .ok_or_else(|| "no such undo is running".to_owned())
    }

    /// The entry whose script is running.
    fn undo_script_entry(&mut self, at: &VisitId) -> Result<&mut UndoEntry, String> {
        self.rollback
            .as_mut()
            .and_then(|rollback| {
                rollback
                    .items
                    .iter_mut()
                    .find(|entry| &entry.item.at == at && matches!(entry.state, UndoEntryState::Acting(_)))
            })
            .ok_or_else(|| "no script takes that step back right now".to_owned())
    }

    /// The path of a script that takes a step back.
    fn undo_path(&mut self, at: &VisitId, undo: u32) -> Result<&mut UndoPath, String> {
        ensure(self.phase == Phase::Undoing, "nothing is being undone")?;
        let entry = self.undo_script_entry(at)?;
        ensure(entry.acts_done == undo, "another act of the undo is running")?;
        Ok(self.visit_mut(at)?.undo_paths.entry(undo).or_default())
    }

    fn set_undo_acting(&mut self, id: &InvocationId, state: UndoEntryState) -> Result<(), String> {
        self.entry_acting(id)?.state = state;
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

impl Visit {
    fn entered(id: VisitId, at: Timestamp) -> Self {
        Self {
            id,
            entered_at: at,
            ended_at: None,
            stage: Stage::Entered,
            plans: Vec::new(),
            request: None,
            calls: BTreeMap::new(),
            refused: BTreeMap::new(),
            undo_paths: BTreeMap::new(),
            acts: Vec::new(),
            calls_from: 0,
            observations: Vec::new(),
            attempt: 0,
            redo: None,
            failures: 0,
            branch: None,
            by_hand: false,
            done_by: None,
            error: None,
            undo: None,
        }
    }

    /// Whether the approval in question is a host call's and still open: the script is suspended.
    pub(crate) fn calls_waiting(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.call.is_some() && request.open())
    }

    fn granted_plan(&self) -> bool {
        // A request for a host call replaces the plan's own, which was granted before the script could start.
        self.request.as_ref().is_some_and(|request| request.call.is_some() || request.granted())
    }
}

impl ActRecord {
    fn started(id: InvocationId, plan: u32, effect: Effect, idempotent: bool, at: Timestamp) -> Self {
        Self {
            id,
            plan,
            order: 0,
            call: None,
            effect,
            idempotent,
            preparation: None,
            started_at: at,
            ended_at: None,
            outcome: None,
            interrupted: None,
            late: None,
            settled: None,
            settled_by: None,
        }
    }
}

impl UndoEntry {
    /// An entry for an item, as far as an earlier rollback that was stopped has come with it: nothing is taken back
    /// twice. What a person left is tried once more.
    fn continued(item: &UndoItem, before: &[UndoEntry]) -> Self {
        match before.iter().find(|entry| &entry.item == item) {
            Some(entry) => {
                let state = match &entry.state {
                    UndoEntryState::Left => UndoEntryState::Due,
                    state @ (UndoEntryState::Due
                    | UndoEntryState::Acting(_)
                    | UndoEntryState::Stuck(_)
                    | UndoEntryState::Done
                    | UndoEntryState::Skipped(_)) => state.clone(),
                };
                Self { state, ..entry.clone() }
            }
            None => Self { item: item.clone(), state: UndoEntryState::Due, acts: None, acts_done: 0, unsettled: None },
        }
    }

    /// Whether nothing more happens to it.
    pub fn is_over(&self) -> bool {
        match self.state {
            UndoEntryState::Done | UndoEntryState::Skipped(_) | UndoEntryState::Left => true,
            UndoEntryState::Due | UndoEntryState::Acting(_) | UndoEntryState::Stuck(_) => false,
        }
    }
}

fn new_request(asked: &crate::event::ApprovalRequest, call: Option<u32>) -> Request {
    Request { asked: asked.clone(), call, given: BTreeMap::new(), closed: None }
}

fn id_visit(id: &InvocationId) -> &VisitId {
    &id.at
}

fn unknown_visit(id: &VisitId) -> String {
    format!("step `{id}` was not entered")
}

fn ensure(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}
