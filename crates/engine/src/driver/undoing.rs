//! Rollback: newest first, only what may have happened, only where the live state is what the act left behind.

use std::time::Duration;

use belay_runbook::act::{Act, Ending, Outcome, UndoState};
use belay_runbook::action::SCRIPT_ACTION;
use belay_runbook::model::{Does, Undo};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::acting::RESTARTS;
use super::script::Suspension;
use super::{Busy, Driver, Effect, Invocation, Refusal};
use crate::digest::act_digest;
use crate::event::{Finish, InvocationRef, Transition, UndoChoice, UndoPlan, UndoSkip};
use crate::execution::{ActRecord, Phase, Request, UndoEntry, UndoEntryState};
use crate::fold::Illegal;
use crate::ids::{ActIndex, InvocationId, VisitId};

/// Longest time of one undo act where its step says nothing.
const UNDO_TIME: Duration = Duration::from_mins(5);

impl Driver {
    /// One move of the rollback.
    pub(super) fn undo_once(&mut self, now: Timestamp) -> Result<bool, Illegal> {
        let Some(item) = self.execution.next_undo() else { return self.end_undoing(now) };
        let Some(entry) = self.entry(item).cloned() else { return Ok(false) };
        if entry.waits_for_approval() && !matches!(entry.state, UndoEntryState::Acting(_)) {
            return self.await_undo_approval(now, &entry);
        }
        match &entry.state {
            UndoEntryState::Due => self.undo_due(now, item, &entry),
            UndoEntryState::Acting(id) => {
                let id = id.clone();
                self.driving_only(|driver| driver.lose_undo(now, id))
            }
            UndoEntryState::Stuck(_) if self.script_goes_on(&entry) => self.driving_only(|driver| {
                driver.record(now, Transition::UndoSettled { item, choice: UndoChoice::Retry, by: None })?;
                Ok(true)
            }),
            UndoEntryState::Stuck(_) => Ok(self.compare_interrupted(item, &entry)),
            UndoEntryState::Done | UndoEntryState::Skipped(_) | UndoEntryState::Left => Ok(false),
        }
    }

    /// An undo without an outcome, found in the log: nobody watches it any more.
    pub(super) fn lose_undo(&mut self, now: Timestamp, id: InvocationId) -> Result<bool, Illegal> {
        let visit = self.execution.visit(&id.at);
        let call = visit.and_then(|visit| {
            visit.acts.iter().find(|act| matches!(act.id.act, ActIndex::UndoCall { .. }) && !act.is_over()).cloned()
        });
        if let Some(call) = call {
            self.settle_outcome(now, &call, Outcome::bare(Ending::Lost))?;
        }
        if self.is_undo_script(&id) {
            self.record(now, Transition::ActEnded { id, outcome: Box::new(Outcome::bare(Ending::Lost)) })?;
            return Ok(true);
        }
        let why = "belay ended while the undo ran".to_owned();
        self.record(now, Transition::ActInterrupted { id, why, outcome: None })?;
        Ok(true)
    }

    /// Whether a running undo act is a script, which touches nothing but through its calls.
    fn is_undo_script(&self, id: &InvocationId) -> bool {
        let running = UndoEntryState::Acting(id.clone());
        let mut entries = self.execution.rollback.iter().flat_map(|rollback| &rollback.items);
        let entry = entries.find(|entry| entry.state == running);
        entry.is_some_and(|entry| self.next_is_script(entry))
    }

    fn next_is_script(&self, entry: &UndoEntry) -> bool {
        let acts = self.execution.undo_acts(entry);
        acts.get(entry.acts_done as usize).is_some_and(|act| act.action == SCRIPT_ACTION)
    }

    /// Whether a script that was suspended or lost goes on by itself: nothing of it is unknown.
    fn script_goes_on(&self, entry: &UndoEntry) -> bool {
        let (Some(id), Some(visit)) = (&entry.unsettled, self.execution.visit(&entry.item.at)) else { return false };
        // A call of it may not start before a person has had a say.
        let waits = matches!(&entry.state, UndoEntryState::Stuck(detail) if detail.get("waits").is_some());
        if waits || !matches!(id.act, ActIndex::Undo(_)) || !self.next_is_script(entry) {
            return false;
        }
        let ending = |record: &ActRecord| record.outcome.as_ref().map(|outcome| outcome.ending);
        let lost = visit.undo_attempts().take_while(|record| ending(record) == Some(Ending::Lost)).count();
        let granted = entry.request.as_ref().is_none_or(Request::granted);
        match self.execution.act(id).filter(|record| record.interrupted.is_none()).and_then(ending) {
            Some(Ending::Suspended) => granted,
            Some(Ending::Lost) => lost <= RESTARTS,
            Some(Ending::Succeeded | Ending::Failed | Ending::NotStarted | Ending::TimedOut | Ending::Cancelled)
            | None => false,
        }
    }

    fn entry(&self, item: u32) -> Option<&UndoEntry> {
        self.execution.rollback.as_ref()?.items.get(item as usize)
    }

    fn end_undoing(&mut self, now: Timestamp) -> Result<bool, Illegal> {
        let Some(rollback) = &self.execution.rollback else { return Ok(false) };
        let left: Vec<String> = rollback
            .items
            .iter()
            .filter(|entry| entry.state == UndoEntryState::Left)
            .map(|entry| entry.item.at.to_string())
            .collect();
        let changed = !rollback.items.is_empty();
        let whole = rollback.whole;
        if !left.is_empty() {
            let error = Some(format!("not taken back: {}", left.join(", ")));
            self.record(now, Transition::Finished { ending: Finish::Failed, error })?;
        } else if !whole {
            let error = self.execution.error.clone();
            self.record(now, Transition::Finished { ending: Finish::Failed, error })?;
        } else if changed && !self.execution.runbook.rollback_steps.is_empty() {
            self.record(now, Transition::RollbackStepsEntered)?;
        } else {
            self.record(now, Transition::Finished { ending: Finish::RolledBack, error: None })?;
        }
        Ok(true)
    }

    fn undo_due(&mut self, now: Timestamp, item: u32, entry: &UndoEntry) -> Result<bool, Illegal> {
        let Some(visit) = self.execution.visit(&entry.item.at) else { return Ok(false) };
        if let Some(reference) = entry.item.act {
            if entry.acts_done > 0 {
                self.record(now, Transition::UndoDone { item })?;
                return Ok(true);
            }
            let at = entry.item.at.clone();
            if self.captured(&at, reference).is_none() {
                self.stick_undo(now, item, "the record of what it changed is missing")?;
                return Ok(true);
            }
            let record = self.record_of(&at, reference).cloned();
            return self.driving_only(|driver| {
                if let Some(record) = record
                    && driver.policy_holds_back(now, item, &record)?
                {
                    return Ok(true);
                }
                Ok(driver.compare(item, &at, reference))
            });
        }
        let undo = visit.undo_plan().cloned().unwrap_or(UndoPlan::Undeclared);
        let acts = match (&entry.acts, undo) {
            (Some(acts), _) => acts.clone(),
            (None, UndoPlan::Acts { acts, .. }) => acts,
            (None, UndoPlan::Later { .. }) => return self.render_undo(now, item, &entry.item.at),
            (None, UndoPlan::Manual { step }) => {
                let detail = json!({ "manual": step.as_str() });
                self.record(now, Transition::UndoStuck { item, detail })?;
                return Ok(true);
            }
            (None, UndoPlan::Irreversible { reason }) => {
                self.record(now, Transition::UndoSkipped { item, why: UndoSkip::Irreversible { reason } })?;
                return Ok(true);
            }
            (None, UndoPlan::Undeclared | UndoPlan::Captured | UndoPlan::NotNeeded) => {
                let reason = "no undo is declared".to_owned();
                self.record(now, Transition::UndoSkipped { item, why: UndoSkip::Irreversible { reason } })?;
                return Ok(true);
            }
        };
        let Some(act) = acts.get(entry.acts_done as usize).cloned() else {
            self.record(now, Transition::UndoDone { item })?;
            return Ok(true);
        };
        let at = entry.item.at.clone();
        if self.undo_is_allowed(item, &at, &act) {
            if self.execution.targets.is_known(&act) && self.driving {
                // The one after it is read and judged again.
                self.allowed.remove(&item);
            }
            return self.driving_only(|driver| driver.start_undo(now, &at, act, None));
        }
        let rest = acts.get(entry.acts_done as usize..).unwrap_or_default().to_vec();
        self.driving_only(|driver| Ok(driver.judge_undo(item, rest)))
    }

    /// Renders an undo that refers to what its own step gave.
    fn render_undo(&mut self, now: Timestamp, item: u32, at: &VisitId) -> Result<bool, Illegal> {
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(false) };
        let does = match &step.undo {
            Some(Undo::Does(does)) => does.clone(),
            Some(Undo::Step(name)) => self.execution.step(name).map(|undo| undo.does.clone()).unwrap_or_default(),
            Some(Undo::Irreversible(_)) | None => Does::Nothing,
        };
        match self.render_does(&does) {
            Ok(acts) => self.record(now, Transition::UndoRendered { item, acts })?,
            Err(error) => {
                let detail = json!({ "error": error.to_string() });
                self.record(now, Transition::UndoStuck { item, detail })?;
            }
        }
        Ok(true)
    }

    fn compare(&mut self, item: u32, at: &VisitId, reference: InvocationRef) -> bool {
        let Some((act, record, after)) = self.captured(at, reference) else { return false };
        self.busy = Some(Busy::Comparing(item));
        self.effects.push(Effect::CompareUndo { item, act, record, after });
        false
    }

    fn record_of(&self, at: &VisitId, reference: InvocationRef) -> Option<&ActRecord> {
        let mut acts = self.execution.visit(at)?.acts.iter();
        acts.find(|record| record.id.attempt == reference.attempt && record.id.act == reference.act)
    }

    fn captured(&self, at: &VisitId, reference: InvocationRef) -> Option<(Act, Value, Option<Value>)> {
        let visit = self.execution.visit(at)?;
        let record = self.record_of(at, reference)?;
        let act = visit.planned_act(record)?.act.clone();
        let undo = visit.preparation(record)?.undo.clone()?;
        let after = record.counted_outcome().and_then(|outcome| outcome.after.clone());
        Some((act, undo, after))
    }

    /// The answer to [`Effect::CompareUndo`].
    pub(super) fn compared(
        &mut self,
        now: Timestamp,
        item: u32,
        state: Result<UndoState, String>,
    ) -> Result<(), Refusal> {
        if self.busy != Some(Busy::Comparing(item)) {
            return Err(Refusal::Stale);
        }
        self.busy = None;
        if self.execution.phase != Phase::Undoing {
            return Ok(());
        }
        let Some(entry) = self.entry(item).cloned() else { return Err(Refusal::Stale) };
        let Some(reference) = entry.item.act else { return Err(Refusal::Stale) };
        let interrupted = matches!(entry.state, UndoEntryState::Stuck(_));
        match state {
            Ok(UndoState::AsBefore) => {
                self.record(now, Transition::UndoSkipped { item, why: UndoSkip::AlreadyBefore })?;
            }
            // After an interruption an action that cannot compare leaves the question to a person.
            Ok(UndoState::Incomparable) if interrupted => {}
            Ok(UndoState::AsAfter | UndoState::Incomparable) => {
                if interrupted {
                    self.record(now, Transition::UndoSettled { item, choice: UndoChoice::Retry, by: None })?;
                }
                // The policy may have changed while it was compared.
                if let Some(record) = self.record_of(&entry.item.at, reference).cloned()
                    && self.policy_holds_back(now, item, &record)?
                {
                    return Ok(());
                }
                if let Some((act, record, after)) = self.captured(&entry.item.at, reference) {
                    self.start_undo(now, &entry.item.at, act, Some((record, after)))?;
                }
            }
            Ok(UndoState::Other { before, after, live }) => {
                let detail = json!({ "before": before, "after": after, "live": live });
                self.record(now, Transition::UndoStuck { item, detail })?;
            }
            Err(error) => self.record(now, Transition::UndoStuck { item, detail: json!({ "error": error }) })?,
        }
        Ok(())
    }

    /// An outcome of an undo act that arrived after it was given up settles what nobody has settled.
    pub(super) fn undo_late(&mut self, now: Timestamp, id: &InvocationId, ending: Ending) -> Result<(), Illegal> {
        let choice = match ending {
            Ending::Succeeded => UndoChoice::Done,
            Ending::NotStarted => UndoChoice::Retry,
            // What a failed undo has changed is for a person to see.
            Ending::Failed | Ending::TimedOut | Ending::Cancelled | Ending::Lost | Ending::Suspended => return Ok(()),
        };
        let waits =
            |entry: &UndoEntry| entry.unsettled.as_ref() == Some(id) && matches!(entry.state, UndoEntryState::Stuck(_));
        let position = self.execution.rollback.iter().flat_map(|rollback| &rollback.items).position(waits);
        let item = position.and_then(|position| u32::try_from(position).ok());
        let Some(item) = item.filter(|_| self.execution.phase == Phase::Undoing) else { return Ok(()) };
        if self.busy == Some(Busy::Comparing(item)) {
            self.busy = None;
        }
        self.record(now, Transition::UndoSettled { item, choice, by: None })
    }

    /// An undo that was interrupted, or that found another state than the expected one, is looked at once by each driver
    /// before a person is asked; where its action can compare.
    fn compare_interrupted(&mut self, item: u32, entry: &UndoEntry) -> bool {
        let Some(reference) = entry.item.act else { return false };
        let refused = |record: &ActRecord| {
            record.interrupted.is_none()
                && record.outcome.as_ref().is_some_and(|outcome| outcome.ending == Ending::NotStarted)
        };
        let last = entry.unsettled.as_ref().and_then(|id| self.execution.act(id));
        if !self.driving
            || !last.is_some_and(|record| record.interrupted.is_some() || refused(record))
            || !self.compared.insert(item)
        {
            return false;
        }
        self.compare(item, &entry.item.at, reference)
    }

    fn start_undo(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        act: Act,
        captured: Option<(Value, Option<Value>)>,
    ) -> Result<bool, Illegal> {
        let before = self
            .execution
            .visit(at)
            .map_or(0, |visit| visit.acts.iter().filter(|record| matches!(record.id.act, ActIndex::Undo(_))).count());
        let number = u32::try_from(before).unwrap_or(u32::MAX);
        let id = InvocationId { epoch: 0, at: at.clone(), attempt: 1, act: ActIndex::Undo(number) };
        self.record(now, Transition::ActStarted { id: id.clone(), act_digest: act_digest(&act), preparation: None })?;
        let (first, started) = match self.first_undo_start(&id, &act) {
            Some(first) => first,
            None => (id.clone(), now),
        };
        let timeout = self.execution.step(&at.step).and_then(|step| step.timeout).unwrap_or(UNDO_TIME);
        self.cancelling = false;
        self.busy = Some(Busy::Acting(id.clone()));
        self.effects.push(Effect::Invoke(Box::new(Invocation {
            first,
            id,
            act,
            preparation: None,
            undo_record: captured.as_ref().map(|(record, _)| record.clone()),
            expected: captured.and_then(|(_, after)| after),
            timeout,
            survives: false,
            now: started,
        })));
        Ok(false)
    }

    /// The start that a script's replay repeats, so that it sees the same time and the same random numbers.
    fn first_undo_start(&self, id: &InvocationId, act: &Act) -> Option<(InvocationId, Timestamp)> {
        if act.action != SCRIPT_ACTION {
            return None;
        }
        let first = self.execution.visit(&id.at)?.undo_attempts().last()?;
        Some((first.id.clone(), first.started_at))
    }

    /// An undo act ended.
    pub(super) fn undo_ended(&mut self, now: Timestamp, id: &InvocationId, outcome: Outcome) -> Result<(), Illegal> {
        if self.busy == Some(Busy::Acting(id.clone())) {
            self.busy = None;
        }
        let diverged = self.diverged.take();
        let unknown = match outcome.ending {
            _ if diverged.is_some() => true,
            Ending::TimedOut | Ending::Cancelled | Ending::Lost => !self.is_undo_script(id),
            Ending::Succeeded | Ending::Failed | Ending::NotStarted | Ending::Suspended => false,
        };
        if unknown {
            let why = diverged.unwrap_or_else(|| "the undo's outcome is not known".to_owned());
            return self
                .record(now, Transition::ActInterrupted { id: id.clone(), why, outcome: Some(Box::new(outcome)) });
        }
        let suspended = outcome.ending == Ending::Suspended;
        self.record(now, Transition::ActEnded { id: id.clone(), outcome: Box::new(outcome) })?;
        match (self.suspended_for(id).filter(|_| suspended), self.execution.next_undo()) {
            (Some(Suspension::Target(why) | Suspension::Policy(why) | Suspension::Login(why)), Some(item))
                if self.execution.phase == Phase::Undoing =>
            {
                self.record(now, Transition::UndoStuck { item, detail: json!({ "error": why, "waits": true }) })
            }
            _ => Ok(()),
        }
    }
}
