//! What takes steps back, for people.

use belay_actions::registry::Registry;
use belay_engine::event::{UndoItem, UndoPlan, UndoSkip};
use belay_engine::execution::{Execution, UndoEntryState, UndoResult, Visit};
use belay_engine::ids::ActIndex;
use belay_runbook::act::Act;
use serde_json::Value;

use super::describe;
use crate::wire::{TakenBack, UndoView};

/// What a rollback that begins now would do, in its order; nothing where one has begun.
pub(super) fn takes_back(execution: &Execution, registry: &Registry) -> Vec<TakenBack> {
    if execution.rollback.as_ref().is_some_and(|rollback| rollback.whole) {
        return Vec::new();
    }
    let items = execution.to_take_back(None);
    let mut all: Vec<TakenBack> = items.iter().filter_map(|item| taken_back(execution, item, registry)).collect();
    let acts = !all.is_empty();
    all.extend(execution.done_by_hand(None).iter().map(|done| TakenBack {
        step: done.at.step.to_string(),
        title: done.title.clone(),
        status: BY_HAND.to_owned(),
        how: done.told(),
    }));
    if acts {
        all.extend(execution.runbook.rollback_steps.iter().map(|step| TakenBack {
            step: step.name.to_string(),
            title: step.display_title().to_owned(),
            status: "step".to_owned(),
            how: "a step of the runbook's own rollback".to_owned(),
        }));
    }
    all
}

fn taken_back(execution: &Execution, item: &UndoItem, registry: &Registry) -> Option<TakenBack> {
    let step = execution.runbook.step(&item.at.step)?;
    let visit = execution.visits.get(&item.at.step)?.iter().find(|visit| visit.id == item.at)?;
    let undo = view(execution, visit, registry);
    let of_act = item.act.as_ref().and_then(|act| {
        let record = visit.acts.iter().find(|record| record.id.attempt == act.attempt && record.id.act == act.act)?;
        Some(format!("restores what was before: {}", describe(&visit.planned_act(record)?.act, registry)))
    });
    let (status, how) = match (undo, of_act) {
        (Some(undo), Some(of_act)) if undo.status == "ready" => (undo.status, of_act),
        (Some(undo), _) => (undo.status, undo.output),
        (None, of_act) => ("ready".to_owned(), of_act?),
    };
    Some(TakenBack { step: step.name.to_string(), title: step.display_title().to_owned(), status, how })
}

/// The status of the undo of a step that was done by hand.
const BY_HAND: &str = "by_hand";

pub(super) fn view(execution: &Execution, visit: &Visit, registry: &Registry) -> Option<UndoView> {
    let by_hand = execution.rollback.iter().flat_map(|rollback| &rollback.by_hand).find(|done| done.at == visit.id);
    if let Some(done) = by_hand {
        return Some(UndoView { status: BY_HAND.to_owned(), output: done.told(), detail: None });
    }
    let entry = execution.rollback.iter().flat_map(|rollback| &rollback.items).rfind(|entry| entry.item.at == visit.id);
    let plan = visit.plan().map(|plan| &plan.undo);
    let said = plan.map(|plan| undo_text(plan, registry)).unwrap_or_default();
    let (status, output, detail) = match entry.map(|entry| &entry.state) {
        Some(UndoEntryState::Due) => ("ready", said, None),
        Some(UndoEntryState::Acting(_)) => ("running", said, None),
        Some(UndoEntryState::Stuck(detail)) => ("stuck", said, Some(detail.clone())),
        Some(UndoEntryState::Done) => ("done", undo_output(visit).unwrap_or(said), None),
        Some(UndoEntryState::Skipped(UndoSkip::AlreadyBefore)) => {
            ("already_before", "it was as before already".to_owned(), None)
        }
        Some(UndoEntryState::Skipped(UndoSkip::Irreversible { reason })) => ("irreversible", reason.clone(), None),
        Some(UndoEntryState::Left) => ("left", said, None),
        None => match (plan?, visit.undo) {
            (UndoPlan::NotNeeded, _) => return None,
            (_, Some(UndoResult::Failed)) => ("failed", said, None),
            (UndoPlan::Irreversible { .. }, _) => ("irreversible", said, None),
            (UndoPlan::Undeclared, _) => ("undeclared", said, None),
            (
                UndoPlan::Captured | UndoPlan::Acts { .. } | UndoPlan::Later { .. } | UndoPlan::Manual { .. },
                Some(UndoResult::Undone) | None,
            ) => ("ready", said, None),
        },
    };
    Some(UndoView { status: status.to_owned(), output, detail })
}

fn undo_output(visit: &Visit) -> Option<String> {
    let record = visit.acts.iter().rev().find(|record| matches!(record.id.act, ActIndex::Undo(_)))?;
    record.outcome.as_ref().map(|outcome| outcome.excerpt.clone()).filter(|text| !text.is_empty())
}

/// The values that a script finds in its environment: without them it does not say what it does.
fn environment(act: &Act) -> String {
    let Some(Value::Object(variables)) = act.parameters.get("env") else { return String::new() };
    let told: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if told.is_empty() { String::new() } else { format!(" with {}", told.join(", ")) }
}

/// What would take a step back, for people.
pub(crate) fn undo_text(plan: &UndoPlan, registry: &Registry) -> String {
    match plan {
        UndoPlan::NotNeeded => "it changes nothing".to_owned(),
        UndoPlan::Captured => "the state before is captured and restored".to_owned(),
        UndoPlan::Acts { acts, step } => {
            let lines: Vec<_> =
                acts.iter().map(|act| format!("{}{}", describe(act, registry), environment(act))).collect();
            match step {
                Some(step) => format!("step `{step}`: {}", lines.join("; ")),
                None => lines.join("; "),
            }
        }
        UndoPlan::Later { missing } => format!("known only after the step: {}", missing.join(", ")),
        UndoPlan::Manual { step } => format!("by hand, as step `{step}` says"),
        UndoPlan::Irreversible { reason } => reason.clone(),
        UndoPlan::Undeclared => "nothing takes it back".to_owned(),
    }
}
