//! From an execution to what front ends see.

use belay_actions::registry::Registry;
use belay_engine::event::{Author, Checklist, Closing, Need, PlannedAct, Settlement};
use belay_engine::execution::{ActRecord, Execution, Phase, Request, Stage, UndoEntry, UndoEntryState, Visit};
use belay_engine::status::StepStatus;
use belay_runbook::act::{Act, Ending};
use belay_runbook::action::Effect;
use belay_runbook::model::Step;
use belay_store::ExecutionRow;
use belay_trust::ExecutionId;
use jiff::Timestamp;
use serde_json::Value;

use crate::error::CockpitError;
use crate::say::{AGAIN, LEAVE_OUT};
use crate::wire::{
    ActView, ApprovalView, AttemptView, Candidate, Conflict, DriverRef, ExecutionSummary, ExecutionView, GivenView,
    NoteView, RunbookRef, StepView, Waiting, WaitingKind, WaitingOption,
};

mod undo;

pub(crate) use undo::undo_text;

/// The whole of an execution.
pub(crate) fn execution(execution: &Execution, registry: &Registry, now: Timestamp) -> ExecutionView {
    let forward = execution.runbook.steps.iter();
    let rollback = execution.runbook.rollback_steps.iter();
    ExecutionView {
        summary: summary(execution, now),
        steps: forward.chain(rollback).map(|step| step_view(execution, step, registry, now)).collect(),
        conflicts: conflicts(execution),
        takes_back: undo::takes_back(execution, registry),
    }
}

/// Steps with an outcome that contradicts what a person said.
fn conflicts(execution: &Execution) -> Vec<Conflict> {
    execution
        .visits
        .iter()
        .filter(|(_, visits)| visits.iter().flat_map(|visit| &visit.acts).any(ActRecord::is_contested))
        .map(|(step, visits)| Conflict {
            step: step.to_string(),
            attempts: visits.iter().flat_map(|visit| &visit.acts).map(|record| record.id.attempt).collect(),
        })
        .collect()
}

/// An execution without its steps.
pub(crate) fn summary(execution: &Execution, now: Timestamp) -> ExecutionSummary {
    let genesis = &execution.genesis;
    let driver = DriverRef {
        device: genesis.started_by.device.clone(),
        responder: genesis.started_by.responder.clone(),
        epoch: 0,
        // Whoever asks knows, or looks at the mark.
        present: false,
    };
    ExecutionSummary {
        execution: execution.id.0.clone(),
        label: genesis.label.clone(),
        runbook: runbook_ref(execution),
        status: execution.status().as_str().to_owned(),
        started_by: genesis.started_by.responder.clone(),
        triggered_by: genesis.triggered_by.clone(),
        inputs: execution.values.clone(),
        incident: genesis.incident.clone(),
        ticket: genesis.ticket.clone(),
        context: genesis.context.clone(),
        driver,
        started_at: genesis.at,
        finished_at: execution.finished_at,
        duration_seconds: seconds_between(genesis.at, execution.finished_at.unwrap_or(now)),
        error: execution.error.clone(),
        notes: execution
            .notes
            .iter()
            .map(|note| NoteView { at: note.at, by: note.by.responder.clone(), text: note.text.clone() })
            .collect(),
        waiting_on: waiting_on(execution, now),
    }
}

/// The row of the projection. It says nothing about the present, so that it changes only when the execution does.
pub(crate) fn row(execution: &Execution, id: ExecutionId) -> Result<ExecutionRow, CockpitError> {
    // A duration up to now is that of whoever reads the row.
    let summary = summary(execution, execution.genesis.at);
    let status = execution.status();
    Ok(ExecutionRow {
        id,
        label: summary.label.clone(),
        runbook: summary.runbook.id.clone(),
        runbook_name: summary.runbook.name.clone(),
        runbook_title: summary.runbook.title.clone(),
        runbook_digest: summary.runbook.digest.clone(),
        status: summary.status.clone(),
        succeeded: status.is_final().then(|| status == belay_engine::status::ExecutionStatus::Completed),
        started_ms: summary.started_at.as_millisecond(),
        finished_ms: summary.finished_at.map(Timestamp::as_millisecond),
        started_by: summary.started_by.clone(),
        incident: summary.incident.clone(),
        ticket: summary.ticket.clone(),
        context: Some(summary.context.clone()),
        waiting_on: Some(json(&summary.waiting_on)?),
        triggered_by: Some(summary.triggered_by.clone()),
        duration_seconds: summary.finished_at.map(|_| summary.duration_seconds),
        summary: json(&summary)?,
    })
}

/// The summary that a projection's row holds, with its duration as of now.
pub(crate) fn summary_of_row(row: &ExecutionRow, now: Timestamp) -> Result<ExecutionSummary, CockpitError> {
    let summary: ExecutionSummary = serde_json::from_str(&row.summary)
        .map_err(|error| CockpitError::bug(format!("the summary of an execution cannot be read: {error}")))?;
    let end = summary.finished_at.unwrap_or(now);
    Ok(ExecutionSummary { duration_seconds: seconds_between(summary.started_at, end), ..summary })
}

fn json(value: &impl serde::Serialize) -> Result<String, CockpitError> {
    serde_json::to_string(value).map_err(|error| CockpitError::bug(format!("a summary cannot be written: {error}")))
}

fn runbook_ref(execution: &Execution) -> RunbookRef {
    let runbook = &execution.runbook;
    RunbookRef {
        id: runbook.reference().to_owned(),
        name: runbook.name.clone(),
        title: runbook.display_title().to_owned(),
        digest: execution.genesis.runbook_digest.clone(),
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// Everything that waits for a person.
fn waiting_on(execution: &Execution, now: Timestamp) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    match &execution.phase {
        Phase::Checklist => waiting.push(checklist(execution, Checklist::Prerequisites)),
        Phase::SignOff => waiting.push(checklist(execution, Checklist::PostConditions)),
        Phase::Undoing => {
            waiting.extend(execution.asking_undo().and_then(|entry| asking_undo(entry, now)));
            waiting.extend(stuck_undos(execution));
        }
        Phase::Forward | Phase::RollbackSteps | Phase::Stopping(_) | Phase::Finished(_) => {}
    }
    if !execution.is_finished()
        && let Some(visit) = execution.current_visit()
        && let Some(step) = execution.step(&visit.id.step)
    {
        waiting.extend(step_waiting(visit, step, now));
    }
    waiting
}

fn checklist(execution: &Execution, list: Checklist) -> Waiting {
    let items = execution.checklist(list);
    let detail = match list {
        Checklist::Prerequisites => "confirm what has to be in place before the first step",
        Checklist::PostConditions => "confirm that the work is done",
    };
    let options = execution
        .unchecked(list)
        .into_iter()
        .filter_map(|index| {
            let description = items.get(index as usize)?.clone();
            Some(WaitingOption { name: (index + 1).to_string(), description, ..WaitingOption::default() })
        })
        .collect();
    Waiting { kind: WaitingKind::Checklist, step: None, detail: detail.to_owned(), options }
}

/// An undo that asks for an approval of its own.
fn asking_undo(entry: &UndoEntry, now: Timestamp) -> Option<Waiting> {
    let request = entry.request.as_ref()?;
    let target = &request.asked.target;
    let step = entry.item.at.to_string();
    if has_run_out(request, now) {
        let detail = format!("the request for taking step `{step}` back has expired; {RESUME}");
        return Some(Waiting { kind: WaitingKind::Approval, step: Some(step), detail, options: Vec::new() });
    }
    let detail = format!("taking step `{step}` back needs an approval: approve by naming the target `{target}`");
    Some(Waiting { kind: WaitingKind::Approval, step: Some(step), detail, options: vec![option(REJECT_UNDO)] })
}

/// What to do about a request whose time has ended while nobody drove the execution.
const RESUME: &str = "`belay resume` goes on and asks again";

/// Whether a request still waits although its time has ended: nobody drives the execution, or not yet.
fn has_run_out(request: &Request, now: Timestamp) -> bool {
    request.open() && now >= request.asked.expires_at
}

/// All that can be done beside approving an undo.
const REJECT_UNDO: (&str, &str) = ("reject", "it is not taken back by itself");

fn stuck_undos(execution: &Execution) -> impl Iterator<Item = Waiting> + '_ {
    let entries = execution.rollback.iter().flat_map(|rollback| &rollback.items);
    entries.filter_map(|entry| {
        let UndoEntryState::Stuck(detail) = &entry.state else { return None };
        if entry.waits_for_approval() {
            return None;
        }
        let step = entry.item.at.to_string();
        let acts = execution.undo_acts(entry);
        let lost = execution.interrupted_undo(entry).and_then(|_| acts.get(entry.acts_done as usize));
        let text = match (detail.get("manual"), detail.get("error")) {
            (_, Some(_)) if let Some(call) = interrupted_call(execution, entry) => {
                format!("whether the call {call} of the script that takes step `{step}` back happened is not known")
            }
            (_, Some(_)) if let Some(act) = lost => format!(
                "whether undo act {} of {} of step `{step}` happened is not known: {}",
                entry.acts_done + 1,
                acts.len(),
                belay_engine::driver::describe(act)
            ),
            (Some(manual), _) => format!("take step `{step}` back by hand, as step {manual} says"),
            (None, Some(error)) => format!("taking step `{step}` back did not work: {}", plain(error)),
            (None, None) => format!("what step `{step}` changed was changed again since, so it is left alone"),
        };
        let mut options = Vec::new();
        if entry.unsettled.is_some() {
            options.push(("done", "the undo act happened; go on with the next one"));
        }
        options.extend([
            ("retry", "compare and try again"),
            ("by-hand", "the whole step was taken back by hand"),
            ("leave", "leave it as it is"),
        ]);
        let options = options.into_iter().map(option).collect();
        Some(Waiting { kind: WaitingKind::Undo, step: Some(step), detail: text, options })
    })
}

/// The host call, without an outcome, of a script that takes a step back.
fn interrupted_call(execution: &Execution, entry: &UndoEntry) -> Option<String> {
    let record = execution.interrupted_undo(entry)?;
    record.call.as_ref().map(|planned| belay_engine::driver::describe(&planned.act))
}

fn option((name, description): (&str, &str)) -> WaitingOption {
    WaitingOption { name: name.to_owned(), description: description.to_owned(), ..WaitingOption::default() }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn step_waiting(visit: &Visit, step: &Step, now: Timestamp) -> Option<Waiting> {
    let name = Some(visit.id.step.to_string());
    let (kind, detail, options) = match &visit.stage {
        Stage::Person(Need::Confirmation) => {
            let detail = step
                .success_criteria
                .clone()
                .or_else(|| step.expected_output.clone())
                .unwrap_or_else(|| format!("confirm when `{}` is done", step.display_title()));
            (WaitingKind::Manual, detail, Vec::new())
        }
        Stage::Person(Need::Decision { why }) => {
            let detail = match why {
                Some(why) => format!("pick a branch: {why}"),
                None => "pick a branch".to_owned(),
            };
            let options = step
                .branches
                .iter()
                .map(|(name, branch)| WaitingOption {
                    name: name.clone(),
                    description: branch.description.clone().unwrap_or_else(|| match branch.target.step() {
                        Some(step) => format!("goes on at `{step}`"),
                        None => "ends the runbook".to_owned(),
                    }),
                    ..WaitingOption::default()
                })
                .collect();
            (WaitingKind::Decision, detail, options)
        }
        Stage::Person(Need::Values { missing }) => {
            let names: Vec<_> = missing.keys().map(|name| format!("`{name}`")).collect();
            let options = missing
                .iter()
                .map(|(name, candidates)| WaitingOption {
                    name: name.clone(),
                    candidates: candidates.iter().map(|value| Candidate::bare(value)).collect(),
                    ..WaitingOption::default()
                })
                .collect();
            (WaitingKind::Input, format!("no value for {}", names.join(", ")), options)
        }
        Stage::Person(Need::Renewal) => {
            let detail = "the request expired; retry the step to ask again".to_owned();
            (WaitingKind::Approval, detail, vec![option((AGAIN, "ask again, with what would run now"))])
        }
        Stage::Person(Need::Policy { why }) => {
            let detail = format!("{why}; mend the policy, then go on");
            let options =
                [(AGAIN, "go on, with the policy read again"), (LEAVE_OUT, "leave it out and go on after it")];
            (WaitingKind::Decision, detail, options.map(option).into())
        }
        Stage::Person(Need::Login { why }) => {
            let options = [
                (AGAIN, "go on with it, now that the login is renewed"),
                (LEAVE_OUT, "leave it out and go on after it"),
            ];
            (WaitingKind::Decision, why.clone(), options.map(option).into())
        }
        Stage::Person(Need::Again { why }) => {
            let options = [(AGAIN, "perform it once more"), (LEAVE_OUT, "leave it out and go on after it")];
            (WaitingKind::Decision, why.clone(), options.map(option).into())
        }
        Stage::Person(Need::Recovery { error }) => {
            (WaitingKind::Undo, format!("this step of the rollback failed: {error}; retry or skip it"), Vec::new())
        }
        Stage::Approval => {
            let request = visit.request.as_ref()?;
            let detail = if has_run_out(request, now) {
                format!("the request has expired; {RESUME}")
            } else {
                format!("approve by naming the target `{}`", request.asked.target)
            };
            (WaitingKind::Approval, detail, Vec::new())
        }
        Stage::Interrupted(id) => {
            let why = visit.acts.iter().find(|act| &act.id == id).and_then(|act| act.interrupted.clone());
            let options = [
                ("done", "it happened"),
                ("not-done", "it did not happen, and may start again"),
                ("failed", "it failed"),
                ("undo", "take the step back"),
            ];
            let why = why.unwrap_or_default();
            (WaitingKind::Outcome, format!("was it done? its outcome is not known: {why}"), options.map(option).into())
        }
        Stage::Entered | Stage::Ready | Stage::Acting(_) | Stage::Retry(_) | Stage::Ended(_) => return None,
    };
    Some(Waiting { kind, step: name, detail, options })
}

fn step_view(execution: &Execution, step: &Step, registry: &Registry, now: Timestamp) -> StepView {
    let visit = execution.last_visit(&step.name);
    let asking = execution.asking_undo().filter(|entry| entry.item.at.step == step.name);
    let planned: Vec<&PlannedAct> = visit
        .filter(|_| asking.is_none())
        .and_then(Visit::plan)
        .into_iter()
        .flat_map(|plan| &plan.acts)
        .chain(
            visit.filter(|_| asking.is_none()).into_iter().flat_map(|visit| visit.calls.values().map(|call| &call.act)),
        )
        // While an approval of the undo is asked for, that is what would run.
        .chain(asking.into_iter().flat_map(|entry| &entry.asked))
        .collect();
    StepView {
        name: step.name.to_string(),
        title: step.display_title().to_owned(),
        kind: step.kind.as_str().to_owned(),
        status: match asking {
            Some(_) => StepStatus::WaitingApproval.as_str().to_owned(),
            None => execution.step_status(step).as_str().to_owned(),
        },
        effect: planned.iter().map(|act| act.effect).max().map(|effect| effect.as_str().to_owned()),
        impact: planned.iter().map(|act| act.preparation.impact).max().map(|impact| impact.as_str().to_owned()),
        impact_reasons: impact_reasons(planned.iter().copied()),
        by_hand: visit.is_some_and(|visit| visit.by_hand),
        done_by: visit.and_then(|visit| visit.done_by.as_ref()).map(|by| by.responder.clone()),
        branch: visit.and_then(|visit| visit.branch.clone()),
        error: visit.and_then(|visit| visit.error.clone()),
        acts: planned.iter().map(|act| act_view(act, registry)).collect(),
        attempts: execution
            .visits
            .get(&step.name)
            .into_iter()
            .flatten()
            .flat_map(|visit| &visit.acts)
            .map(|record| attempt(record, &execution.genesis.started_by))
            .collect(),
        approval: asking
            .and_then(|entry| entry.request.as_ref())
            .or_else(|| visit.and_then(|visit| visit.request.as_ref()))
            .map(|request| approval(request, now)),
        undo: visit.and_then(|visit| undo::view(execution, visit, registry)),
    }
}

/// Why acts matter as much as they do, each reason once.
pub(crate) fn impact_reasons<'a>(planned: impl Iterator<Item = &'a PlannedAct>) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for reason in planned.flat_map(|act| &act.preparation.reasons) {
        if !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    reasons
}

/// One planned act, with what was read about it.
pub(crate) fn act_view(planned: &PlannedAct, registry: &Registry) -> ActView {
    let preparation = &planned.preparation;
    let notes = preparation.reasons.iter().chain(&preparation.notes).cloned().collect();
    ActView { notes, ..rendered(&planned.act, planned.effect, &preparation.target.name, registry) }
}

/// One rendered act.
pub(crate) fn rendered(act: &Act, effect: Effect, target: &str, registry: &Registry) -> ActView {
    ActView {
        action: act.action.clone(),
        description: describe(act, registry),
        parameters: act.parameters.clone(),
        effect: effect.as_str().to_owned(),
        target: target.to_owned(),
        notes: Vec::new(),
    }
}

/// One line about an act.
pub(crate) fn describe(act: &Act, registry: &Registry) -> String {
    registry.get(&act.action).map_or_else(|| act.action.clone(), |action| action.describe(&act.parameters))
}

fn attempt(record: &ActRecord, driver: &Author) -> AttemptView {
    let outcome = record.counted_outcome();
    let status = match (&record.settled, &record.interrupted, outcome.map(|outcome| outcome.ending)) {
        (Some(Settlement::Done(_)), _, _) | (None, None, Some(Ending::Succeeded)) => "succeeded",
        (Some(Settlement::NotDone), _, _) | (None, None, Some(Ending::NotStarted)) => "not_started",
        (Some(Settlement::Failed | Settlement::Undo), _, _) | (None, None, Some(Ending::Failed)) => "failed",
        (None, Some(_), _) => "interrupted",
        (None, None, Some(Ending::TimedOut)) => "timed_out",
        (None, None, Some(Ending::Cancelled)) => "cancelled",
        (None, None, Some(Ending::Lost)) => "lost",
        (None, None, Some(Ending::Suspended)) => "suspended",
        (None, None, None) => "running",
    };
    AttemptView {
        n: record.id.attempt,
        act: record.id.act.to_string(),
        started_at: record.started_at,
        finished_at: record.ended_at,
        status: status.to_owned(),
        exit_code: outcome.and_then(|outcome| outcome.exit_code),
        output: outcome.map(|outcome| outcome.excerpt.clone()).unwrap_or_default(),
        error: outcome.and_then(|outcome| outcome.error.clone()).or_else(|| record.interrupted.clone()),
        device: driver.device.clone(),
        responder: driver.responder.clone(),
    }
}

fn approval(request: &Request, now: Timestamp) -> ApprovalView {
    let (status, difference) = match &request.closed {
        None if has_run_out(request, now) => ("expired", Vec::new()),
        None if request.granted() => ("granted", Vec::new()),
        None => ("waiting", Vec::new()),
        Some(Closing::Rejected { .. }) => ("rejected", Vec::new()),
        Some(Closing::Expired) => ("expired", Vec::new()),
        Some(Closing::Voided { difference }) => ("voided", difference.clone()),
        Some(Closing::Withdrawn) => ("withdrawn", Vec::new()),
    };
    let asked = &request.asked;
    ApprovalView {
        status: status.to_owned(),
        digest: asked.digest.clone(),
        needed: asked.quorum,
        approvers: asked.approvers.clone(),
        given: request
            .given
            .values()
            .map(|given| GivenView {
                responder: given.by.responder.clone(),
                device: given.by.device.clone(),
                at: given.at,
                self_approved: given.self_approved,
                comment: given.comment.clone(),
            })
            .collect(),
        expires_at: asked.expires_at,
        reasons: asked.reasons.clone(),
        target: asked.target.clone(),
        difference,
    }
}
