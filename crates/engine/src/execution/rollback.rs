//! Undoing: everything to take back, and how far that is.

use std::collections::BTreeSet;

use belay_runbook::act::Act;
use belay_runbook::action::Effect;
use belay_runbook::commands;
use belay_runbook::model::{Does, Step, StepKind, Undo};
use serde_json::Value;

use super::{ActRecord, Execution, Request, Stage, Visit};
use crate::event::{DoneByHand, InvocationRef, PlannedAct, UndoItem, UndoPlan, UndoSkip};
use crate::ids::{InvocationId, VisitId};
use crate::status::StepStatus;

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
    /// What people did by hand, newest first, which is left to them.
    pub by_hand: Vec<DoneByHand>,
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
    /// Acts that were rendered at the time of the undo ([`UndoPlan::Later`](crate::event::UndoPlan::Later)).
    pub acts: Option<Vec<Act>>,
    /// Undo acts that have ended well (position of the next one).
    pub acts_done: u32,
    /// The undo act that was started and has not ended well; nobody has said yet whether it happened.
    pub unsettled: Option<InvocationId>,
    /// The approval that its acts, or a call of its script, needed beyond the step's own.
    pub request: Option<Request>,
    /// What that is for.
    pub asked: Vec<PlannedAct>,
}

impl UndoEntry {
    /// Whether it waits for an approval.
    pub fn waits_for_approval(&self) -> bool {
        !self.is_over() && self.request.as_ref().is_some_and(Request::open)
    }
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
    /// Everything that a rollback which begins now takes back, newest first; of one visit only where `only` names it.
    pub fn to_take_back(&self, only: Option<&VisitId>) -> Vec<UndoItem> {
        let mut touched: Vec<(&Visit, &ActRecord)> = self
            .visits
            .values()
            .flatten()
            .filter(|visit| only.is_none_or(|only| &visit.id == only))
            .filter(|visit| self.runbook.step(&visit.id.step).is_some())
            .flat_map(|visit| visit.acts.iter().map(move |record| (visit, record)))
            .filter(|(_, record)| {
                !record.id.act.takes_back() && record.effect != Effect::Read && record.may_have_happened()
            })
            .collect();
        touched.sort_by_key(|(_, record)| std::cmp::Reverse(record.order));
        let mut whole_steps = BTreeSet::new();
        let mut items = Vec::new();
        for (visit, record) in touched {
            let captured = visit.preparation(record).is_some_and(|preparation| preparation.undo.is_some());
            let own = visit.plan_of(record).is_some_and(|plan| match plan.undo {
                UndoPlan::Acts { .. }
                | UndoPlan::Later { .. }
                | UndoPlan::Manual { .. }
                | UndoPlan::Irreversible { .. } => true,
                UndoPlan::Captured | UndoPlan::NotNeeded | UndoPlan::Undeclared => false,
            });
            // A step's own rollback takes precedence over what its acts captured, and takes back the step as a whole.
            if captured && !own {
                let act = Some(InvocationRef { attempt: record.id.attempt, act: record.id.act });
                items.push(UndoItem { at: visit.id.clone(), act });
            } else if whole_steps.insert(&visit.id) {
                items.push(UndoItem { at: visit.id.clone(), act: None });
            }
        }
        items
    }

    /// Steps that people did by hand, newest first, of which a rollback that begins now takes nothing back by itself; of one
    /// visit only where `only` names it.
    pub fn done_by_hand(&self, only: Option<&VisitId>) -> Vec<DoneByHand> {
        let visits = self.visits.values().flatten();
        let mut done: Vec<(&Visit, &Step)> = visits
            .filter(|visit| only.is_none_or(|only| &visit.id == only))
            .filter(|visit| matches!(visit.stage, Stage::Ended(StepStatus::Succeeded)))
            .filter_map(|visit| Some((visit, self.runbook.step(&visit.id.step)?)))
            .filter(|(visit, step)| visit.by_hand || is_work(step))
            .collect();
        done.sort_by_key(|(visit, _)| std::cmp::Reverse((visit.ended_at, visit.entered_at)));
        done.into_iter()
            .map(|(visit, step)| DoneByHand {
                at: visit.id.clone(),
                title: step.display_title().to_owned(),
                by: visit.done_by.clone(),
                undo: self.undo_by_hand(step),
            })
            .collect()
    }

    /// What the runbook says of taking a step back, for whoever does that by hand.
    fn undo_by_hand(&self, step: &Step) -> Vec<String> {
        let lines = match &step.undo {
            Some(Undo::Does(does)) => self.told(does),
            Some(Undo::Step(name)) => match self.step(name) {
                Some(undo) => {
                    let mut lines = vec![format!("as step `{name}` says")];
                    lines.extend(self.told(&undo.does));
                    lines
                }
                None => Vec::new(),
            },
            Some(Undo::Irreversible(reason)) => vec![format!("nothing can ({reason})")],
            None => Vec::new(),
        };
        if !lines.is_empty() {
            return lines;
        }
        let done = self.told(&step.does);
        let what = if done.is_empty() { String::new() } else { format!(": what was done is {}", done.join("; ")) };
        vec![format!("the runbook does not say how{what}")]
    }

    /// What is performed, as a person would type or call it.
    fn told(&self, does: &Does) -> Vec<String> {
        match does {
            Does::Nothing => Vec::new(),
            Does::Commands(entries) => {
                let variables = self.runbook.inputs.keys().cloned().collect();
                commands::shown(entries, &self.values, &variables)
            }
            Does::Action(call) | Does::Automation(call) => vec![format!("{} {}", call.name, call.parameters)],
        }
    }
}

/// Whether a step that a person performs may change something.
fn is_work(step: &Step) -> bool {
    step.kind == StepKind::Manual
        && match step.effect {
            Some(effect) => effect != Effect::Read,
            None => step.undo.is_some() || step.does != Does::Nothing,
        }
}
