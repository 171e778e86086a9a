//! How acts start, end and are settled.

use std::collections::BTreeMap;

use belay_runbook::act::Ending;
use belay_runbook::action::Effect;
use jiff::Timestamp;

use super::ensure;
use crate::event::{Author, Need, Settlement};
use crate::execution::{ActRecord, Execution, Phase, Request, Stage, UndoEntryState, Visit};
use crate::ids::{ActIndex, InvocationId, VisitId};

impl Execution {
    pub(super) fn start_act(&mut self, at: Timestamp, id: &InvocationId) -> Result<(), String> {
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

    pub(super) fn push_act(&mut self, record: ActRecord) -> Result<(), String> {
        let order = self.intents;
        let visit = self.visit_mut(&record.id.at)?;
        visit.acts.push(ActRecord { order, ..record });
        self.intents += 1;
        Ok(())
    }

    pub(super) fn leave_act(&mut self, id: &InvocationId, ending: Ending) -> Result<(), String> {
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

    pub(super) fn settle(
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

    pub(super) fn retry(&mut self, id: &VisitId) -> Result<(), String> {
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
        // Asking for an approval anew, or going on with a policy that can be read again or a login that is renewed, is not
        // trying again: what was done is not repeated.
        let renews = matches!(visit.stage, Stage::Person(Need::Renewal | Need::Policy { .. } | Need::Login { .. }));
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
}

impl Visit {
    pub(super) fn entered(id: VisitId, at: Timestamp) -> Self {
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
    pub(super) fn started(id: InvocationId, plan: u32, effect: Effect, idempotent: bool, at: Timestamp) -> Self {
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

fn id_visit(id: &InvocationId) -> &VisitId {
    &id.at
}
