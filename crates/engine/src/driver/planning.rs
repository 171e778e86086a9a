//! From a step to a plan: render once, read the state before, judge, ask for approval where policy says so.

use std::time::Duration;

use belay_runbook::act::{Act, Preparation, Unread};
use belay_runbook::action::{COMMAND_ACTION, SCRIPT_ACTION};
use belay_runbook::model::Step;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::judging::{Asking, new_reasons};
use super::{Busy, Driver, Effect, Refusal};
use crate::check;
use crate::digest::{basis_difference, expected_basis};
use crate::event::{Closing, Need, Plan, Transition};
use crate::execution::Visit;
use crate::fold::Illegal;
use crate::ids::{ActIndex, VisitId};
use crate::status::StepStatus;

/// Why a step fails whose acts were not all answered for.
const UNANSWERED: &str = "the state before could not be read";

impl Driver {
    /// Renders a step's acts and asks for the state before them.
    pub(super) fn plan_step(&mut self, now: Timestamp, at: &VisitId, step: &Step) -> Result<bool, Illegal> {
        let acts = match self.render_does(&step.does) {
            Ok(acts) => acts,
            Err(error) => return self.cannot_render(now, at, &error),
        };
        if acts.is_empty() {
            return self.await_confirmation(now, at);
        }
        let ticket = self.ticket();
        self.busy = Some(Busy::Planning { ticket, at: at.clone(), acts: acts.clone() });
        self.effects.push(Effect::Prepare { ticket, acts });
        Ok(false)
    }

    /// The answer to [`Effect::Prepare`].
    pub(super) fn prepared(
        &mut self,
        now: Timestamp,
        ticket: u64,
        results: Vec<Result<Preparation, Unread>>,
    ) -> Result<(), Refusal> {
        if self.call_prepared(now, ticket, &results)? {
            return Ok(());
        }
        match self.busy.clone() {
            Some(Busy::Planning { ticket: expected, at, acts }) if expected == ticket => {
                self.busy = None;
                if self.still_at(&at) {
                    self.judge_plan(now, &at, acts, results)?;
                }
                Ok(())
            }
            Some(Busy::Rereading { ticket: expected, at }) if expected == ticket => {
                self.busy = None;
                if self.still_at(&at) {
                    self.reread(now, &at, results)?;
                }
                Ok(())
            }
            Some(Busy::Judging { ticket: expected, item, acts }) if expected == ticket => {
                self.busy = None;
                Ok(self.undo_prepared(now, item, acts, results)?)
            }
            Some(
                Busy::Planning { .. }
                | Busy::Rereading { .. }
                | Busy::Judging { .. }
                | Busy::Acting(_)
                | Busy::Pausing { .. }
                | Busy::Probing(_)
                | Busy::Comparing(_)
                | Busy::Needing(_)
                | Busy::Checking(_),
            )
            | None => Err(Refusal::Stale),
        }
    }

    /// Whether the flow is where it was when the question was asked; a person may have skipped or stopped meanwhile.
    pub(super) fn still_at(&self, at: &VisitId) -> bool {
        use crate::execution::Phase;
        self.execution.current.as_ref() == Some(at)
            && matches!(self.execution.phase, Phase::Forward | Phase::RollbackSteps)
    }

    pub(super) fn judge_plan(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        acts: Vec<Act>,
        results: Vec<Result<Preparation, Unread>>,
    ) -> Result<(), Illegal> {
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(()) };
        if results.len() != acts.len() {
            return self.fail_step(now, at, UNANSWERED, StepStatus::Failed);
        }
        // Only what has not succeeded is planned again; a person's retry starts from the front.
        let visit = self.execution.visit(at);
        let from = visit.filter(|visit| visit.acts.len() > visit.calls_from).and_then(Visit::next_act).unwrap_or(0);
        if let Some(error) = self.led_elsewhere(acts.iter().zip(&results).skip(from as usize)) {
            return self.fail_step(now, at, &error, StepStatus::Failed);
        }
        if self.asks_whether_needed(at, &acts, &results) {
            return Ok(());
        }
        let visit = self.execution.visit(at);
        let former = visit.and_then(Visit::plan).map(|plan| plan.acts.clone()).unwrap_or_default();
        let mut planned = Vec::with_capacity(acts.len());
        let mut verdicts = Vec::with_capacity(acts.len());
        for (index, (act, result)) in acts.into_iter().zip(results).enumerate() {
            if index < from as usize
                && let Some(done) = former.get(index)
            {
                // It is done: what it would do now is neither judged nor a reason to fail.
                planned.push(done.clone());
                continue;
            }
            let preparation = match result {
                Ok(preparation) => preparation,
                Err(unread) => return self.could_not_read(now, at, unread),
            };
            match self.judge_act(&step, act, preparation) {
                Ok((act, verdict)) => {
                    planned.push(act);
                    verdicts.push(verdict);
                }
                Err(error) => return self.fail_step(now, at, &error, StepStatus::Failed),
            }
        }
        if from == 0
            && let Err(error) = check::prerequisites(&step.prerequisite, &planned)
        {
            return self.fail_step(now, at, &error, StepStatus::Failed);
        }
        if let Some(reason) = verdicts.iter().find_map(|verdict| verdict.forbidden.as_ref()) {
            let error = format!("policy rule `{}` forbids it: {}", reason.rule, reason.text);
            return self.fail_step(now, at, &error, StepStatus::Failed);
        }
        if let Some(why) = self.refused_held(planned.iter().skip(from as usize)) {
            return self.await_policy(now, at, why);
        }
        let undo = self.plan_undo(&step, &planned);
        let visit = self.execution.visit(at);
        let number = visit.and_then(|visit| visit.plans.last()).map_or(1, |plan| plan.number + 1);
        let attempts = 1 + step.retries;
        let asking = Asking { at, plan: number, call: None, acts: &planned, undo: &undo, attempts };
        let approval = self.approval_for(now, &step, &asking, &verdicts);
        let waits = approval.is_some();
        // Whoever approves it has a say in it.
        if !waits && self.execution.is_repeated_by_failure(at) {
            let failed = self.execution.last_failure().map(|why| format!(" ({why})")).unwrap_or_default();
            let why =
                format!("it was performed before, and a failure led back to it{failed}; it is not repeated by itself");
            return self.record(now, Transition::PersonAwaited { at: at.clone(), need: Need::Again { why } });
        }
        let plan = Box::new(Plan { number, from, acts: planned, undo, approval: approval.map(Box::new) });
        self.record(now, Transition::Planned { at: at.clone(), plan })?;
        if !waits && !self.execution.paused {
            self.start_next(now, at)?;
        }
        Ok(())
    }

    /// The state before could not be read: an expired login is waited for, anything else fails the step.
    fn could_not_read(&mut self, now: Timestamp, at: &VisitId, unread: Unread) -> Result<(), Illegal> {
        if unread.needs_login {
            return self.await_login(now, at, unread.why);
        }
        self.fail_step(now, at, &unread.why, StepStatus::Failed)
    }

    /// Waits until a person says that a login is renewed. Nothing of the act has started, so it goes on with it.
    pub(super) fn await_login(&mut self, now: Timestamp, at: &VisitId, why: String) -> Result<(), Illegal> {
        self.poll = None;
        self.record(now, Transition::PersonAwaited { at: at.clone(), need: Need::Login { why } })
    }

    /// Why acts may not start: they were prepared on another target than those of this execution before them.
    pub(super) fn led_elsewhere<'a>(
        &self,
        prepared: impl Iterator<Item = (&'a Act, &'a Result<Preparation, Unread>)>,
    ) -> Option<String> {
        self.execution.targets.led_elsewhere(prepared.filter_map(|(act, result)| Some((act, result.as_ref().ok()?))))
    }

    /// Asks for the state right before an act that was approved, or that follows another one.
    pub(super) fn read_again(&mut self, at: &VisitId, acts: Vec<Act>) {
        let ticket = self.ticket();
        self.busy = Some(Busy::Rereading { ticket, at: at.clone() });
        self.effects.push(Effect::Prepare { ticket, acts });
    }

    /// Compares what was judged with what is there now; starts, or asks for approval anew with the difference shown.
    fn reread(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        results: Vec<Result<Preparation, Unread>>,
    ) -> Result<(), Illegal> {
        let (Some(step), Some(visit)) = (self.execution.step(&at.step).cloned(), self.execution.visit(at)) else {
            return Ok(());
        };
        let Some(plan) = visit.plan().cloned() else { return Ok(()) };
        if self.execution.paused {
            // It is read once more when it goes on.
            return Ok(());
        }
        let first = visit.next_act().unwrap_or(0) as usize;
        if results.len() != plan.acts.len().saturating_sub(first) {
            return self.fail_step(now, at, UNANSWERED, StepStatus::Failed);
        }
        let rest = plan.acts.iter().skip(first).map(|planned| &planned.act);
        if let Some(error) = self.led_elsewhere(rest.zip(&results)) {
            return self.fail_step(now, at, &error, StepStatus::Failed);
        }
        let request = visit.request.as_ref().map(|request| request.asked.clone());
        let mut fresh = Vec::new();
        let mut difference = Vec::new();
        // A plan that was made after an act knows what that has left.
        let done: Vec<(&Preparation, Option<&Value>)> = visit
            .acts
            .iter()
            .filter(|record| record.plan == plan.number && matches!(record.id.act, ActIndex::Act(_)))
            .filter(|record| record.succeeded())
            .filter_map(|record| {
                let after = record.counted_outcome().and_then(|outcome| outcome.after.as_ref());
                Some((visit.preparation(record)?, after))
            })
            .collect();
        for (planned, result) in plan.acts.iter().skip(first).zip(results) {
            let preparation = match result {
                Ok(preparation) => preparation,
                Err(unread) => return self.could_not_read(now, at, unread),
            };
            let expected = expected_basis(&planned.preparation, done.iter().copied());
            difference.extend(basis_difference(&describe(&planned.act), &expected, &preparation));
            match self.judge_act(&step, planned.act.clone(), preparation) {
                Ok((act, verdict)) => {
                    if let Some(reason) = verdict.forbidden {
                        let error = format!("policy rule `{}` forbids it: {}", reason.rule, reason.text);
                        return self.fail_step(now, at, &error, StepStatus::Failed);
                    }
                    let known = request.as_ref().map(|asked| asked.reasons.as_slice()).unwrap_or_default();
                    difference.extend(new_reasons(known, &verdict));
                    fresh.push(act);
                }
                Err(error) => return self.fail_step(now, at, &error, StepStatus::Failed),
            }
        }
        // What had to hold before the first act need not hold after it.
        if first == 0
            && let Err(error) = check::prerequisites(&step.prerequisite, &fresh)
        {
            return self.fail_step(now, at, &error, StepStatus::Failed);
        }
        if !difference.is_empty() {
            // What was agreed to is no longer what would happen.
            if let Some(asked) = request {
                let how = Closing::Voided { difference };
                return self.record(now, Transition::ApprovalClosed { at: at.clone(), digest: asked.digest, how });
            }
            let acts = plan.acts.iter().map(|planned| planned.act.clone()).collect::<Vec<_>>();
            let preparations = plan
                .acts
                .iter()
                .take(first)
                .map(|planned| Ok(planned.preparation.clone()))
                .chain(fresh.into_iter().map(|planned| Ok(planned.preparation)))
                .collect();
            return self.judge_plan(now, at, acts, preparations);
        }
        let preparation = fresh.into_iter().next().map(|planned| planned.preparation);
        self.start_act(now, at, preparation)?;
        Ok(())
    }
}

/// Whether an act's preparation depends on live state, so that it has to be read again right before the act.
pub fn reads_live_state(action: &str) -> bool {
    action != COMMAND_ACTION && action != SCRIPT_ACTION
}

/// A short name of an act for messages: its action, or the start of its command.
pub fn describe(act: &Act) -> String {
    let argv = act.parameters.get("argv").and_then(Value::as_array);
    match argv {
        Some(argv) => argv.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        None => match act.parameters.get("script").and_then(Value::as_str) {
            Some(script) if act.action == COMMAND_ACTION => script.lines().next().unwrap_or_default().to_owned(),
            Some(_) | None => act.action.clone(),
        },
    }
}

/// An instant later by a duration; far ones are cut to the latest instant there is.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
