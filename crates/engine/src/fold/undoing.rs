//! How acts are taken back.

use belay_runbook::act::{Ending, Outcome};
use belay_runbook::action::Effect;
use jiff::Timestamp;

use super::ensure;
use crate::event::{Author, Closing, DoneByHand, Settlement, Stop, UndoChoice, UndoItem};
use crate::execution::{
    ActRecord, Execution, Phase, Request, Rollback, Stage, UndoEntry, UndoEntryState, UndoPath, UndoResult,
};
use crate::ids::{ActIndex, InvocationId, VisitId};

impl Execution {
    pub(super) fn plan_rollback(&mut self, items: &[UndoItem], by_hand: &[DoneByHand]) -> Result<(), String> {
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
        self.rollback = Some(Rollback { items: entries, by_hand: by_hand.to_vec(), whole });
        self.phase = Phase::Undoing;
        self.current = None;
        self.upcoming = None;
        Ok(())
    }

    pub(super) fn start_undo(&mut self, at: Timestamp, id: &InvocationId) -> Result<(), String> {
        ensure(self.phase == Phase::Undoing, "nothing is being undone")?;
        let next = self.next_undo().ok_or("nothing is left to undo")?;
        let entry = self.undo_entry(next)?;
        ensure(entry.item.at == id.at, "undo goes newest first")?;
        ensure(entry.state == UndoEntryState::Due, "it is being undone or stuck")?;
        let asked = entry.request.as_ref().filter(|request| !matches!(request.closed, Some(Closing::Voided { .. })));
        ensure(asked.is_none_or(Request::granted), "its approval is missing")?;
        entry.state = UndoEntryState::Acting(id.clone());
        entry.unsettled = Some(id.clone());
        let visit = self.visit_mut(&id.at)?;
        ensure(!visit.acts.iter().any(|act| &act.id == id), "this undo has started before")?;
        let plan = visit.plan().map_or(0, |plan| plan.number);
        self.push_act(ActRecord::started(id.clone(), plan, Effect::Mutate, false, at))
    }

    pub(super) fn start_undo_call(
        &mut self,
        at: Timestamp,
        id: &InvocationId,
        undo: u32,
        call: u32,
    ) -> Result<(), String> {
        ensure(self.phase == Phase::Undoing, "nothing is being undone")?;
        let entry = self.undo_script_entry(&id.at)?;
        ensure(entry.acts_done == undo, "another act of the undo is running")?;
        let asked = entry.request.as_ref().filter(|request| request.call == Some(call));
        ensure(asked.is_none_or(Request::granted), "its approval is missing")?;
        let visit = self.visit_mut(&id.at)?;
        let again = visit.undo_call_record(undo, call).is_none_or(ActRecord::may_start_again);
        ensure(again, "the call has started before")?;
        let plan = visit.plan().map_or(0, |plan| plan.number);
        let planned = visit.undo_paths.get(&undo).and_then(|path| path.calls.get(&call)).ok_or("it is not planned")?;
        let mut record = ActRecord::started(id.clone(), plan, planned.act.effect, planned.act.idempotent, at);
        record.call = Some(Box::new(planned.act.clone()));
        self.push_act(record)
    }

    pub(super) fn settle_undo(
        &mut self,
        at: Timestamp,
        item: u32,
        choice: UndoChoice,
        by: Option<&Author>,
    ) -> Result<(), String> {
        let entry = self.undo_entry(item)?;
        ensure(matches!(entry.state, UndoEntryState::Stuck(_)), "it is not stuck")?;
        match choice {
            UndoChoice::Retry => {
                entry.state = UndoEntryState::Due;
                if by.is_some() {
                    // A person's retry is asked for anew.
                    entry.request = None;
                    entry.asked.clear();
                }
                let (undo, unsettled, id) = (entry.acts_done, entry.unsettled.take(), entry.item.at.clone());
                let visit = self.visit_mut(&id)?;
                // A script that was ended before a call has nothing that failed: it goes on with that call.
                let suspended = |id: &InvocationId| {
                    let record = visit.acts.iter().find(|act| &act.id == id && act.interrupted.is_none());
                    let outcome = record.and_then(|record| record.outcome.as_ref());
                    outcome.is_some_and(|outcome| outcome.ending == Ending::Suspended)
                };
                let goes_on = unsettled.as_ref().is_some_and(suspended);
                match unsettled.filter(|id| matches!(id.act, ActIndex::UndoCall { .. })) {
                    Some(call) => {
                        let record = visit.acts.iter_mut().find(|act| act.id == call).ok_or("it has no intent")?;
                        record.settled = Some(Settlement::NotDone);
                        record.settled_by = by.cloned();
                        record.ended_at = Some(at);
                    }
                    None if by.is_some() && !goes_on => {
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

    pub(super) fn mark_undone(&mut self, item: u32) -> Result<(), String> {
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

    /// Whether the log says that something is being taken back right now.
    pub(crate) fn is_undo_running(&self) -> bool {
        self.rollback
            .iter()
            .flat_map(|rollback| &rollback.items)
            .any(|entry| matches!(entry.state, UndoEntryState::Acting(_)))
    }

    pub(super) fn undo_entry(&mut self, item: u32) -> Result<&mut UndoEntry, String> {
        ensure(self.phase == Phase::Undoing, "nothing is being undone")?;
        self.rollback
            .as_mut()
            .and_then(|rollback| rollback.items.get_mut(item as usize))
            .ok_or_else(|| "there is no such item".to_owned())
    }

    pub(super) fn entry_acting(&mut self, id: &InvocationId) -> Result<&mut UndoEntry, String> {
        self.rollback
            .as_mut()
            .and_then(|rollback| {
                rollback.items.iter_mut().find(|entry| entry.state == UndoEntryState::Acting(id.clone()))
            })
            .ok_or_else(|| "no such undo is running".to_owned())
    }

    /// The entry whose script is running.
    pub(super) fn undo_script_entry(&mut self, at: &VisitId) -> Result<&mut UndoEntry, String> {
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
    pub(super) fn undo_path(&mut self, at: &VisitId, undo: u32) -> Result<&mut UndoPath, String> {
        ensure(self.phase == Phase::Undoing, "nothing is being undone")?;
        let entry = self.undo_script_entry(at)?;
        ensure(entry.acts_done == undo, "another act of the undo is running")?;
        Ok(self.visit_mut(at)?.undo_paths.entry(undo).or_default())
    }

    pub(super) fn set_undo_acting(&mut self, id: &InvocationId, state: UndoEntryState) -> Result<(), String> {
        self.entry_acting(id)?.state = state;
        Ok(())
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
                Self { state, request: None, asked: Vec::new(), ..entry.clone() }
            }
            None => Self {
                item: item.clone(),
                state: UndoEntryState::Due,
                acts: None,
                acts_done: 0,
                unsettled: None,
                request: None,
                asked: Vec::new(),
            },
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
