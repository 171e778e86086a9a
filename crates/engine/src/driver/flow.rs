//! The flow: from step to step, and to the end.

use std::collections::BTreeMap;

use belay_runbook::model::{Does, OnFailure, OnTimeout, Step, StepKind, Target};
use belay_runbook::template::{self, Reference, RenderError, Scope};
use jiff::{SignedDuration, Timestamp};

use super::rendering::PlanError;
use super::{Busy, Driver, Effect};
use crate::check;
use crate::event::{Checklist, Closing, Finish, Need, NextStep, Stop, Transition};
use crate::execution::{Phase, Stage, UndoEntryState, Visit};
use crate::fold::Illegal;
use crate::ids::VisitId;
use crate::scope::ScopeRoot;
use crate::status::StepStatus;

/// How old a value may be on which a condition picks a branch by itself.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How often a step is entered without a person having a say: a flow that goes round by itself ends with a question.
pub const ENTRIES_ALONE: u32 = 20;

impl Driver {
    /// Goes on until something has to be waited for.
    pub(super) fn advance(&mut self, now: Timestamp) -> Result<(), Illegal> {
        while self.busy.is_none() && self.advance_once(now)? {}
        Ok(())
    }

    fn advance_once(&mut self, now: Timestamp) -> Result<bool, Illegal> {
        match self.execution.phase.clone() {
            Phase::Finished(_) | Phase::Checklist => Ok(false),
            Phase::SignOff => {
                if !self.execution.unchecked(Checklist::PostConditions).is_empty() {
                    return Ok(false);
                }
                self.record(now, Transition::Finished { ending: Finish::Completed, error: None })?;
                Ok(true)
            }
            Phase::Stopping(stop) => self.stop(now, &stop),
            Phase::Undoing => self.undo_once(now),
            Phase::Forward | Phase::RollbackSteps => {
                if self.execution.paused {
                    return Ok(false);
                }
                self.advance_step(now)
            }
        }
    }

    fn advance_step(&mut self, now: Timestamp) -> Result<bool, Illegal> {
        let Some(visit) = self.execution.current_visit() else {
            return self.go_to_next(now);
        };
        let id = visit.id.clone();
        match visit.stage.clone() {
            Stage::Entered => self.begin_step(now, &id),
            Stage::Person(_) | Stage::Ended(_) => Ok(false),
            Stage::Approval => self.await_approval(now, &id),
            Stage::Ready => self.driving_only(|driver| driver.go_on(now, &id)),
            Stage::Acting(invocation) => self.driving_only(|driver| driver.recover(now, &invocation)),
            Stage::Interrupted(invocation) => self.driving_only(|driver| Ok(driver.probe_once(&invocation))),
            Stage::Retry(not_before) => {
                if now < not_before {
                    self.effects.push(Effect::Wake(not_before));
                    return Ok(false);
                }
                self.driving_only(|driver| driver.start_next(now, &id))
            }
        }
    }

    pub(super) fn driving_only(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<bool, Illegal>,
    ) -> Result<bool, Illegal> {
        if self.driving { act(self) } else { Ok(false) }
    }

    fn go_to_next(&mut self, now: Timestamp) -> Result<bool, Illegal> {
        match self.execution.upcoming.clone() {
            Some(NextStep::Step(step)) => {
                let visit = self.execution.visits.get(&step).map_or(0, Vec::len) + 1;
                let at = VisitId { step, visit: u32::try_from(visit).unwrap_or(u32::MAX) };
                self.record(now, Transition::StepEntered { at })?;
                Ok(true)
            }
            Some(NextStep::End) if self.execution.phase == Phase::RollbackSteps => {
                self.record(now, Transition::Finished { ending: Finish::RolledBack, error: None })?;
                Ok(true)
            }
            Some(NextStep::End) if self.execution.runbook.post_conditions.is_empty() => {
                self.record(now, Transition::Finished { ending: Finish::Completed, error: None })?;
                Ok(true)
            }
            Some(NextStep::End) => {
                self.record(now, Transition::SignOffAwaited)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn begin_step(&mut self, now: Timestamp, at: &VisitId) -> Result<bool, Illegal> {
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(false) };
        if self.goes_round(&step) {
            return self.ask_about_round(now, at, &step);
        }
        let scope = ScopeRoot::of(&self.execution);
        let scope = Scope { root: &scope.root, variables: &scope.variables };
        if let Some(when) = &step.when {
            match template::evaluate(when, &scope) {
                Ok(true) => {}
                Ok(false) => {
                    self.end_step(now, at, StepStatus::Skipped, Some("its `when` does not hold".to_owned()))?;
                    return Ok(true);
                }
                Err(error) => return self.cannot_render(now, at, &error.into()),
            }
        }
        match step.kind {
            StepKind::Decision => {
                let need = match self.pick_branch(now, &step, &scope) {
                    Ok(branch) => {
                        self.take_branch(now, at, &step, &branch)?;
                        return Ok(true);
                    }
                    Err(why) => Need::Decision { why },
                };
                self.record(now, Transition::PersonAwaited { at: at.clone(), need })?;
                Ok(true)
            }
            StepKind::Manual => self.await_confirmation(now, at),
            StepKind::Automated | StepKind::Verification | StepKind::Notification => {
                if step.does == Does::Nothing {
                    return self.await_confirmation(now, at);
                }
                self.driving_only(|driver| driver.plan_step(now, at, &step))
            }
        }
    }

    /// Whether the flow has come to a step too often by itself. A step that a person performs waits anyway.
    fn goes_round(&self, step: &Step) -> bool {
        let often = self.execution.entered_alone.get(&step.name).is_some_and(|entered| *entered > ENTRIES_ALONE);
        often && step.kind != StepKind::Manual
    }

    fn ask_about_round(&mut self, now: Timestamp, at: &VisitId, step: &Step) -> Result<bool, Illegal> {
        let why = format!("the flow came here {ENTRIES_ALONE} times without a person; it may go round for ever");
        let need = match step.kind {
            StepKind::Decision => Need::Decision { why: Some(why) },
            StepKind::Manual | StepKind::Automated | StepKind::Verification | StepKind::Notification => {
                Need::Again { why }
            }
        };
        self.record(now, Transition::PersonAwaited { at: at.clone(), need })?;
        Ok(true)
    }

    pub(super) fn await_confirmation(&mut self, now: Timestamp, at: &VisitId) -> Result<bool, Illegal> {
        self.record(now, Transition::PersonAwaited { at: at.clone(), need: Need::Confirmation })?;
        Ok(true)
    }

    /// A template could not be rendered: values are asked for, anything else fails the step.
    pub(super) fn cannot_render(&mut self, now: Timestamp, at: &VisitId, error: &PlanError) -> Result<bool, Illegal> {
        if let PlanError::Render(RenderError::Missing { references }) = error {
            let name = |reference: &Reference| reference.variable.clone().unwrap_or_else(|| reference.path.clone());
            let missing: BTreeMap<_, _> = references.iter().map(|reference| (name(reference), Vec::new())).collect();
            self.record(now, Transition::PersonAwaited { at: at.clone(), need: Need::Values { missing } })?;
            return Ok(true);
        }
        self.fail_step(now, at, &error.to_string(), StepStatus::Failed)?;
        Ok(true)
    }

    /// The branch that conditions pick, or why a person has to.
    fn pick_branch(&self, now: Timestamp, step: &Step, scope: &Scope<'_>) -> Result<String, Option<String>> {
        let mut holding = Vec::new();
        let mut conditions = 0;
        for (name, branch) in &step.branches {
            let Some(when) = &branch.when else { continue };
            conditions += 1;
            if let Some(stale) = self.stale_reference(now, when) {
                return Err(Some(format!("what `{stale}` says is older than five minutes")));
            }
            match template::evaluate(when, scope) {
                Ok(true) => holding.push(name.clone()),
                Ok(false) => {}
                Err(error) => return Err(Some(format!("branch `{name}` cannot be evaluated: {error}"))),
            }
        }
        match (conditions, holding.len()) {
            (0, _) => Err(None),
            (_, 1) => Ok(holding.remove(0)),
            (_, 0) => Err(Some("no branch's condition holds".to_owned())),
            (_, _) => Err(Some(format!("more than one branch holds: {}", holding.join(", ")))),
        }
    }

    fn stale_reference(&self, now: Timestamp, condition: &str) -> Option<String> {
        let references = template::condition_references(condition).ok()?;
        references.iter().find_map(|reference| {
            let mut parts = reference.path.trim_start_matches('.').split('.');
            let first = parts.next()?;
            let (name, at) = if first == "Steps" {
                let step = parts.next()?;
                (step, self.execution.last_visit(&step.into())?.ended_at?)
            } else {
                (first, *self.execution.published_at.get(first)?)
            };
            (now.duration_since(at) > FRESH).then(|| name.to_owned())
        })
    }

    pub(super) fn take_branch(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        step: &Step,
        branch: &str,
    ) -> Result<(), Illegal> {
        let next = step.branches.get(branch).map(|taken| NextStep::from(&taken.target));
        self.record(
            now,
            Transition::StepEnded {
                at: at.clone(),
                status: StepStatus::Succeeded,
                error: None,
                branch: Some(branch.to_owned()),
                by_hand: false,
                by: None,
                next,
            },
        )
    }

    /// Where the flow goes after a step: its `next`, else the next one in the file that is not only an undo.
    pub(super) fn next_of(&self, at: &VisitId) -> NextStep {
        let runbook = &self.execution.runbook;
        let Some(step) = self.execution.step(&at.step) else { return NextStep::End };
        if let Some(target) = &step.next {
            return NextStep::from(target);
        }
        let forward = runbook.position(&at.step).is_some();
        let steps = if forward { &runbook.steps } else { &runbook.rollback_steps };
        let undo_only = runbook.undo_only_steps();
        steps
            .iter()
            .skip_while(|other| other.name != at.step)
            .skip(1)
            .find(|other| !undo_only.contains(&&other.name))
            .map_or(NextStep::End, |other| NextStep::from(&Target::Step(other.name.clone())))
    }

    pub(super) fn end_step(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        status: StepStatus,
        error: Option<String>,
    ) -> Result<(), Illegal> {
        self.withdraw_request(now, at)?;
        let next = Some(self.next_of(at));
        self.poll = None;
        self.record(
            now,
            Transition::StepEnded { at: at.clone(), status, error, branch: None, by_hand: false, by: None, next },
        )
    }

    pub(super) fn withdraw_request(&mut self, now: Timestamp, at: &VisitId) -> Result<(), Illegal> {
        let open = self.execution.visit(at).and_then(|visit| visit.request.as_ref()).filter(|request| request.open());
        if let Some(request) = open {
            let digest = request.asked.digest.clone();
            self.record(now, Transition::ApprovalClosed { at: at.clone(), digest, how: Closing::Withdrawn })?;
        }
        Ok(())
    }

    /// The failure path: `continueOnError`, then `onFailure`, then `rollbackOnFailure`.
    pub(super) fn fail_step(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        error: &str,
        status: StepStatus,
    ) -> Result<(), Illegal> {
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(()) };
        let forgiving = step.kind == StepKind::Notification && step.on_failure.is_none();
        if status == StepStatus::Failed && (step.continue_on_error || forgiving) {
            return self.end_step(now, at, status, Some(error.to_owned()));
        }
        if self.execution.phase == Phase::RollbackSteps {
            self.withdraw_request(now, at)?;
            self.poll = None;
            let need = Need::Recovery { error: error.to_owned() };
            return self.record(now, Transition::PersonAwaited { at: at.clone(), need });
        }
        let next = match &step.on_failure {
            Some(OnFailure::Step(name)) => Some(NextStep::Step(name.clone())),
            Some(OnFailure::Stop | OnFailure::Escalate | OnFailure::Rollback) | None => None,
        };
        let goes_on = next.is_some();
        self.withdraw_request(now, at)?;
        self.poll = None;
        self.record(
            now,
            Transition::StepEnded {
                at: at.clone(),
                status,
                error: Some(error.to_owned()),
                branch: None,
                by_hand: false,
                by: None,
                next,
            },
        )?;
        if goes_on {
            return Ok(());
        }
        let reason = format!("step `{at}` failed: {error}");
        if step.on_failure == Some(OnFailure::Escalate) {
            self.escalate(now, at, &reason)?;
        }
        let rolls_back = step.on_failure == Some(OnFailure::Rollback)
            || (self.execution.runbook.rollback_on_failure && status == StepStatus::Failed);
        if rolls_back {
            self.record(now, Transition::Stopping { then: Stop::Rollback, reason })
        } else {
            self.record(now, Transition::Finished { ending: Finish::Failed, error: Some(reason) })
        }
    }

    pub(super) fn escalate(&mut self, now: Timestamp, at: &VisitId, reason: &str) -> Result<(), Illegal> {
        self.record(now, Transition::Escalated { at: at.clone(), reason: reason.to_owned() })?;
        self.effects.push(Effect::Escalate { at: at.clone(), reason: reason.to_owned() });
        Ok(())
    }

    fn await_approval(&mut self, now: Timestamp, at: &VisitId) -> Result<bool, Illegal> {
        let Some(request) = self.execution.visit(at).and_then(|visit| visit.request.as_ref()) else {
            return Ok(false);
        };
        let (digest, expires_at) = (request.asked.digest.clone(), request.asked.expires_at);
        if now < expires_at {
            self.effects.push(Effect::Wake(expires_at));
            return Ok(false);
        }
        self.expire_request(now, at, digest)?;
        Ok(true)
    }

    /// Closes a request whose time has ended; a person asks for a new one.
    pub(super) fn expire_request(&mut self, now: Timestamp, at: &VisitId, digest: String) -> Result<(), Illegal> {
        self.record(now, Transition::ApprovalClosed { at: at.clone(), digest, how: Closing::Expired })?;
        self.record(now, Transition::PersonAwaited { at: at.clone(), need: Need::Renewal })?;
        let escalates = self.execution.step(&at.step).is_some_and(|step| step.on_timeout == Some(OnTimeout::Escalate));
        if escalates {
            self.escalate(now, at, &format!("nobody approved step `{at}` in time"))?;
        }
        Ok(())
    }

    /// Lets what runs come to an outcome, then aborts or turns to undoing.
    fn stop(&mut self, now: Timestamp, stop: &Stop) -> Result<bool, Illegal> {
        if let Some(visit) = self.execution.current_visit() {
            let id = visit.id.clone();
            match visit.stage.clone() {
                Stage::Acting(invocation) => {
                    return self.driving_only(|driver| driver.recover(now, &invocation));
                }
                Stage::Interrupted(invocation) => {
                    return self.driving_only(|driver| Ok(driver.probe_once(&invocation)));
                }
                Stage::Entered | Stage::Person(_) | Stage::Approval | Stage::Ready | Stage::Retry(_) => {
                    self.cancel_step(now, &id)?;
                }
                Stage::Ended(_) => {}
            }
        }
        let undoing =
            self.execution.rollback.iter().flat_map(|rollback| &rollback.items).find_map(|entry| match &entry.state {
                UndoEntryState::Acting(id) => Some(id.clone()),
                UndoEntryState::Due
                | UndoEntryState::Stuck(_)
                | UndoEntryState::Done
                | UndoEntryState::Skipped(_)
                | UndoEntryState::Left => None,
            });
        if let Some(id) = undoing {
            return self.driving_only(|driver| driver.lose_undo(now, id));
        }
        match stop {
            Stop::Abort => {
                let error = self.execution.error.clone();
                self.record(now, Transition::Finished { ending: Finish::Aborted, error })?;
            }
            Stop::Rollback => {
                let items = self.execution.to_take_back(None);
                let by_hand = self.execution.done_by_hand(None);
                self.record(now, Transition::RollbackPlanned { items, by_hand })?;
            }
            Stop::UndoStep(at) => {
                let items = self.execution.to_take_back(Some(at));
                let by_hand = self.execution.done_by_hand(Some(at));
                self.record(now, Transition::RollbackPlanned { items, by_hand })?;
            }
        }
        Ok(true)
    }

    fn cancel_step(&mut self, now: Timestamp, at: &VisitId) -> Result<(), Illegal> {
        self.withdraw_request(now, at)?;
        self.poll = None;
        let done = self.execution.visit(at).is_some_and(|visit| {
            visit.stage == Stage::Ready && visit.next_act().is_none() && visit.plan().is_some() && self.holds(visit)
        });
        let status = if done { StepStatus::Succeeded } else { StepStatus::Cancelled };
        let error = (!done).then(|| "the execution was stopped".to_owned());
        self.record(
            now,
            Transition::StepEnded { at: at.clone(), status, error, branch: None, by_hand: false, by: None, next: None },
        )
    }

    /// Whether the post-conditions of a step hold of what its last act gave.
    fn holds(&self, visit: &Visit) -> bool {
        let Some(step) = self.execution.step(&visit.id.step) else { return false };
        let by_hand = visit.last_act().is_some_and(|record| record.settled_by.is_some() && record.succeeded());
        let output = visit.output().map(|outcome| outcome.output.clone()).unwrap_or_default();
        step.kind == StepKind::Verification || by_hand || check::conditions(&step.post_condition, &output).is_ok()
    }

    pub(super) fn pause_until(&mut self, until: Timestamp) {
        self.busy = Some(Busy::Pausing { until });
        self.effects.push(Effect::Wake(until));
    }
}
