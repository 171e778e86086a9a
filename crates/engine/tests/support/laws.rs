//! What holds of every run, whatever was killed when (sync-and-trust.md, 6).

use std::collections::BTreeMap;

use belay_engine::event::{Confirmation, Event, Settlement, Statement, Transition};
use belay_engine::ids::{ActIndex, InvocationId, VisitId};
use belay_engine::status::ExecutionStatus;
use belay_runbook::act::Ending;
use belay_runbook::action::Effect;

use super::run::Run;

/// All of them.
pub fn hold(run: &Run) {
    every_invocation_has_a_durable_intent(run);
    nothing_that_counts_happens_twice(run);
    nothing_leaves_interrupted_by_itself(run);
    undos_are_applied_once(run);
}

/// Those that hold whatever people say, true or not.
pub fn safe(run: &Run) {
    every_invocation_has_a_durable_intent(run);
    nothing_that_counts_happens_twice(run);
    nothing_leaves_interrupted_by_itself(run);
}

/// I3.
fn every_invocation_has_a_durable_intent(run: &Run) {
    for invoked in &run.world.log {
        let durable = &run.journal.events[..invoked.durable];
        let execution = run.journal.fold_of(durable).expect("every prefix of a log folds");
        let record = execution.act(&invoked.id);
        let record = record.unwrap_or_else(|| panic!("I3: {} was performed without an intent", invoked.id));
        if run.world.effect(&invoked.act) == Effect::Read || invoked.id.act.takes_back() {
            continue;
        }
        let visit = execution.visit(&invoked.id.at).expect("its visit is there");
        assert!(visit.plan_of(record).is_some(), "I3: {} has no plan, so no undo", invoked.id);
        if run.world.specs[&invoked.act.action].captures_undo {
            let captured = visit.preparation(record).and_then(|preparation| preparation.undo.as_ref());
            assert!(captured.is_some(), "I3: {} has no undo record", invoked.id);
        }
    }
}

/// I5.
fn nothing_that_counts_happens_twice(run: &Run) {
    let mut counts: BTreeMap<(VisitId, ActIndex), (usize, usize)> = BTreeMap::new();
    let mut ids: Vec<&InvocationId> = Vec::new();
    for invoked in &run.world.log {
        if run.world.idempotent(&invoked.act) || invoked.undo {
            continue;
        }
        assert!(!ids.contains(&&invoked.id), "{} was performed twice under one intent", invoked.id);
        ids.push(&invoked.id);
        let (count, allowed) = counts.entry((invoked.id.at.clone(), invoked.id.act)).or_insert((0, 1));
        *count += 1;
        if invoked.ending == Ending::NotStarted {
            *allowed += 1;
        }
    }
    for transition in run.journal.transitions() {
        match transition {
            Transition::ActSettled { id, settlement: Settlement::NotDone, .. } => {
                if let Some((_, allowed)) = counts.get_mut(&(id.at.clone(), id.act)) {
                    *allowed += 1;
                }
            }
            Transition::Retried { at, .. } => {
                for ((visit, _), (_, allowed)) in &mut counts {
                    *allowed += usize::from(visit == at);
                }
            }
            _ => {}
        }
    }
    for ((visit, act), (count, allowed)) in counts {
        assert!(count <= allowed, "I5: act {act} of `{visit}` was performed {count} times, {allowed} allowed");
    }
}

/// I7: what is interrupted is settled by a probe or by a statement that its transition cites, and nothing starts before.
fn nothing_leaves_interrupted_by_itself(run: &Run) {
    let mut open: Vec<InvocationId> = Vec::new();
    for logged in &run.journal.events {
        let Event::Transition { transition, .. } = &logged.event else { continue };
        match transition {
            Transition::ActInterrupted { id, .. } => open.push(id.clone()),
            Transition::ActSettled { id, by, .. } => {
                assert!(
                    by.is_none() || cites_confirmation(run, &logged.cites, &id.at),
                    "I7: {id} was settled by nobody"
                );
                open.retain(|other| other != id);
            }
            Transition::UndoSettled { .. } | Transition::UndoSkipped { .. } => {
                open.retain(|other| !other.act.takes_back());
            }
            Transition::ActStarted { id, .. } => {
                assert!(open.is_empty(), "I7: {id} started while {open:?} was interrupted");
            }
            Transition::StepEnded { at, .. } => {
                let forward = |id: &&InvocationId| !id.act.takes_back();
                let left = open.iter().filter(forward).find(|id| &id.at == at);
                assert!(left.is_none(), "I7: `{at}` ended while {left:?} was interrupted");
            }
            _ => {}
        }
    }
}

fn cites_confirmation(run: &Run, cites: &[belay_engine::ids::EventHash], at: &VisitId) -> bool {
    run.journal.events.iter().filter(|logged| cites.contains(&logged.hash)).any(|logged| {
        let Event::Statement { statement: Statement::Confirm { at: confirmed, outcome, .. }, .. } = &logged.event
        else {
            return false;
        };
        let settles = [Confirmation::Done, Confirmation::NotDone, Confirmation::Failed, Confirmation::Undo];
        confirmed == at && settles.contains(outcome)
    })
}

/// I8, the part that needs no expectation: no undo is applied twice, and none to what never started.
fn undos_are_applied_once(run: &Run) {
    let mut applied: BTreeMap<(VisitId, String), usize> = BTreeMap::new();
    let changes = |act| run.world.effect(act) != Effect::Read;
    for invoked in run.world.log.iter().filter(|it| it.undo && it.applied && changes(&it.act)) {
        let started = run.world.log.iter().any(|other| other.id.at == invoked.id.at && !other.undo && other.applied);
        assert!(started, "I8: {} takes back what never started", invoked.id);
        *applied.entry((invoked.id.at.clone(), String::from_utf8(invoked.act.bytes()).unwrap())).or_insert(0) += 1;
    }
    for ((visit, act), count) in applied {
        let started = run.world.log.iter().filter(|other| other.id.at == visit && !other.undo && other.applied).count();
        assert!(count <= started.max(1), "I8: undo {act} of `{visit}` was applied {count} times");
    }
    if run.execution().status() == ExecutionStatus::RolledBack {
        let running = run.journal.transitions().filter(|it| matches!(it, Transition::ActStarted { .. })).count();
        let over = run.execution().visits.values().flatten().flat_map(|visit| &visit.acts).count();
        assert_eq!(running, over, "every intent is on record at the end");
    }
}
