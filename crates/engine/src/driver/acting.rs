//! From a plan to outcomes: start, judge what came back, retry, recover.

use std::time::Duration;

use belay_runbook::act::{Act, Ending, Outcome, Preparation, ProbeAnswer};
use belay_runbook::action::{Effect as ActEffect, SCRIPT_ACTION};
use belay_runbook::model::{Step, StepKind};
use jiff::Timestamp;

use super::planning::{later, reads_live_state};
use super::script::Suspension;
use super::{Busy, CallBusy, Driver, Effect, Invocation, Refusal};
use crate::check;
use crate::digest::act_digest;
use crate::event::{Closing, Settlement, Stop, Transition};
use crate::execution::{ActRecord, Phase};
use crate::fold::Illegal;
use crate::ids::{ActIndex, InvocationId, VisitId};
use crate::status::StepStatus;

/// Longest time of an act whose step says nothing (the Guide's).
const ACT_TIME: Duration = Duration::from_mins(5);
/// First delay between attempts where the step says nothing.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// How often in a row what was lost runs again by itself: a crash loop ends with a question.
pub(super) const RESTARTS: usize = 5;
/// The longest delay that growing reaches.
const LONGEST_DELAY: Duration = Duration::from_mins(2);

impl Driver {
    /// A step whose plan may go on: look at what happened last.
    pub(super) fn go_on(&mut self, now: Timestamp, at: &VisitId) -> Result<bool, Illegal> {
        let Some(visit) = self.execution.visit(at) else { return Ok(false) };
        let Some(plan) = visit.plan() else { return Ok(false) };
        let last = visit
            .acts
            .iter()
            .rev()
            .find(|record| record.plan == plan.number && matches!(record.id.act, ActIndex::Act(_)))
            .cloned();
        match last {
            None => self.start_next(now, at),
            Some(record) => self.judge_record(now, at, &record),
        }
    }

    fn judge_record(&mut self, now: Timestamp, at: &VisitId, record: &ActRecord) -> Result<bool, Illegal> {
        let settled = self.execution.visit(at).and_then(|visit| {
            visit.acts.iter().rev().find(|act| act.settled.is_some()).and_then(|act| act.settled.clone())
        });
        match &record.settled {
            Some(Settlement::Failed) => {
                self.fail_step(now, at, "a person said that it failed", StepStatus::Failed)?;
                return Ok(true);
            }
            Some(Settlement::Undo) => return self.undo_step(now, at),
            Some(Settlement::Done(_) | Settlement::NotDone) | None => {}
        }
        if settled == Some(Settlement::Undo) {
            return self.undo_step(now, at);
        }
        if record.succeeded() {
            let more = self.execution.visit(at).is_some_and(|visit| visit.next_act().is_some());
            return if more { self.start_next(now, at) } else { self.complete(now, at, record) };
        }
        let outcome = record.outcome.clone().unwrap_or_else(|| Outcome::bare(Ending::Lost));
        match outcome.ending {
            Ending::Succeeded => Ok(false),
            // A lost read runs again, and a suspended script is replayed: neither is a failure.
            Ending::Lost if self.lost.take().as_ref() == Some(&record.id) => {
                self.retry_or_fail(now, at, "what watched it was lost", true)
            }
            Ending::Suspended if let Some(error) = self.rejected_call(at) => {
                self.fail_step(now, at, &error, StepStatus::Cancelled)?;
                Ok(true)
            }
            Ending::Suspended if let Some(why) = self.suspended_for(&record.id) => {
                match why {
                    Suspension::Target(error) => self.fail_step(now, at, &error, StepStatus::Failed)?,
                    Suspension::Policy(why) => self.await_policy(now, at, why)?,
                    Suspension::Login(why) => self.await_login(now, at, why)?,
                }
                Ok(true)
            }
            Ending::Lost | Ending::Suspended => self.start_act(now, at, None),
            Ending::Cancelled => {
                self.fail_step(now, at, "it was cancelled", StepStatus::Cancelled)?;
                Ok(true)
            }
            Ending::NotStarted if outcome.needs_login => {
                self.await_login(now, at, why(&outcome))?;
                Ok(true)
            }
            Ending::Failed | Ending::NotStarted | Ending::TimedOut => {
                let again = outcome.ending == Ending::NotStarted || record.idempotent;
                self.retry_or_fail(now, at, &why(&outcome), again)
            }
        }
    }

    /// Who rejected the host call that a script waited for, while the script was still ending.
    fn rejected_call(&self, at: &VisitId) -> Option<String> {
        let request = self.execution.visit(at)?.request.as_ref().filter(|request| request.call.is_some())?;
        match request.closed.as_ref()? {
            Closing::Rejected { by, comment } => {
                let why = comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
                Some(format!("{} rejected it{why}", by.responder))
            }
            Closing::Expired | Closing::Voided { .. } | Closing::Withdrawn => None,
        }
    }

    fn undo_step(&mut self, now: Timestamp, at: &VisitId) -> Result<bool, Illegal> {
        let reason = format!("a person asked to take step `{at}` back");
        self.record(now, Transition::Stopping { then: Stop::UndoStep(at.clone()), reason })?;
        Ok(true)
    }

    /// Every act has succeeded: the post-conditions decide.
    fn complete(&mut self, now: Timestamp, at: &VisitId, record: &ActRecord) -> Result<bool, Illegal> {
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(false) };
        // Whoever says that it was done has looked; there may be no output to compare.
        let by_hand = matches!(record.settled, Some(Settlement::Done(_))) && record.settled_by.is_some();
        if step.kind != StepKind::Verification && !by_hand {
            let output = record.counted_outcome().map(|outcome| outcome.output.clone()).unwrap_or_default();
            if let Err(unmet) = check::conditions(&step.post_condition, &output) {
                // Whatever changes something is looked at again rather than repeated; a read is read again.
                if record.effect != ActEffect::Read && self.check_again(now, at, record, &unmet) {
                    return Ok(false);
                }
                let error = self.last_unmet(&record.id).unwrap_or_else(|| unmet.to_string());
                self.check = None;
                return self.retry_or_fail(now, at, &error, record.idempotent);
            }
        }
        self.end_step(now, at, StepStatus::Succeeded, None)?;
        Ok(true)
    }

    fn retry_or_fail(&mut self, now: Timestamp, at: &VisitId, error: &str, again: bool) -> Result<bool, Illegal> {
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(false) };
        let failures = self.execution.visit(at).map_or(0, |visit| visit.failures);
        if again && step.kind != StepKind::Verification && failures < step.retries {
            let not_before = later(now, retry_delay(&step, failures, at));
            self.record(now, Transition::RetryScheduled { at: at.clone(), not_before, error: error.to_owned() })?;
            return Ok(true);
        }
        self.fail_step(now, at, error, StepStatus::Failed)?;
        Ok(true)
    }

    /// Starts the next act of a plan, after reading its state again where that may have changed since.
    pub(super) fn start_next(&mut self, now: Timestamp, at: &VisitId) -> Result<bool, Illegal> {
        let Some(visit) = self.execution.visit(at) else { return Ok(false) };
        let Some(plan) = visit.plan() else { return Ok(false) };
        let Some(next) = visit.next_act() else { return Ok(false) };
        let rest: Vec<_> = plan.acts.iter().skip(next as usize).map(|planned| planned.act.clone()).collect();
        let fresh = plan.approval.is_none()
            && next == plan.from
            && !visit.acts.iter().any(|act| act.plan == plan.number)
            && self.execution.last_at == now;
        let live = rest.iter().any(|act| reads_live_state(&act.action));
        if fresh || !live {
            return self.start_act(now, at, None);
        }
        self.read_again(at, rest);
        Ok(false)
    }

    /// Makes the intent durable and performs the next act.
    pub(super) fn start_act(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        preparation: Option<Preparation>,
    ) -> Result<bool, Illegal> {
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(false) };
        let Some(visit) = self.execution.visit(at) else { return Ok(false) };
        let expired = visit
            .request
            .as_ref()
            .filter(|request| {
                let used = visit.plan().is_some_and(|plan| visit.acts.iter().any(|act| act.plan == plan.number));
                request.call.is_none() && !used && now >= request.asked.expires_at
            })
            .map(|request| request.asked.digest.clone());
        if let Some(digest) = expired {
            self.expire_request(now, at, digest)?;
            return Ok(true);
        }
        if self.policy_intervenes(now, at, &step, preparation.as_ref())? {
            return Ok(true);
        }
        let Some(visit) = self.execution.visit(at) else { return Ok(false) };
        let Some((next, planned)) =
            visit.next_act().and_then(|next| Some((next, visit.plan()?.acts.get(next as usize)?.clone())))
        else {
            return Ok(false);
        };
        let id = InvocationId { epoch: 0, at: at.clone(), attempt: visit.attempt + 1, act: ActIndex::Act(next) };
        let newer = preparation.filter(|fresh| *fresh != planned.preparation).map(Box::new);
        let known = newer.as_deref().cloned().unwrap_or_else(|| planned.preparation.clone());
        self.record(
            now,
            Transition::ActStarted { id: id.clone(), act_digest: act_digest(&planned.act), preparation: newer },
        )?;
        if step.kind == StepKind::Verification {
            self.begin_poll(now, at, &step);
        }
        self.cancelling = false;
        self.busy = Some(Busy::Acting(id.clone()));
        let (first, now) = self.first_start(&id, &planned.act).unwrap_or_else(|| (id.clone(), now));
        self.effects.push(Effect::Invoke(Box::new(Invocation {
            first,
            id,
            act: planned.act,
            preparation: Some(known),
            undo_record: None,
            expected: None,
            timeout: step.timeout.unwrap_or(ACT_TIME),
            survives: step.survives,
            now,
        })));
        Ok(false)
    }

    /// The start that a script's replay repeats, so that it sees the same time and the same random numbers.
    fn first_start(&self, id: &InvocationId, act: &Act) -> Option<(InvocationId, Timestamp)> {
        if act.action != SCRIPT_ACTION {
            return None;
        }
        let visit = self.execution.visit(&id.at)?;
        let same = |record: &&ActRecord| record.id.act == id.act;
        visit.acts.get(visit.calls_from..)?.iter().find(same).map(|record| (record.id.clone(), record.started_at))
    }

    /// An invocation ended.
    pub(super) fn ended(&mut self, now: Timestamp, id: &InvocationId, outcome: Outcome) -> Result<(), Refusal> {
        let Some(record) = self.execution.act(id) else { return Err(Refusal::Stale) };
        if record.outcome.is_some() || record.interrupted.is_some() {
            return self.late_outcome(now, id, outcome);
        }
        let record = record.clone();
        match id.act {
            ActIndex::Undo(_) => {
                return match self.hold_for_call(id, outcome) {
                    Some(outcome) => Ok(self.undo_ended(now, id, outcome)?),
                    None => Ok(()),
                };
            }
            ActIndex::Call(_) | ActIndex::UndoCall { .. } => return Ok(self.call_ended(now, id, outcome)?),
            ActIndex::Act(_) => {}
        }
        let watched = self.busy == Some(Busy::Acting(id.clone()));
        if self.poll.as_ref().is_some_and(|poll| poll.at == id.at) {
            if !watched {
                // A round counts once, however often its outcome arrives.
                return Err(Refusal::Stale);
            }
            self.busy = None;
            return Ok(self.observed(now, id, outcome)?);
        }
        let Some(outcome) = self.hold_for_call(id, outcome) else { return Ok(()) };
        if watched {
            self.busy = None;
        }
        let verifies = self.execution.step(&id.at.step).is_some_and(|step| step.kind == StepKind::Verification);
        // One reading that a helper left is no pass: it has to hold twice in a row, and now.
        let outcome = if verifies && !watched { Outcome::bare(Ending::Lost) } else { outcome };
        if watched && outcome.ending == Ending::Lost {
            self.lost = Some(id.clone());
        }
        Ok(self.settle_outcome(now, &record, outcome)?)
    }

    /// The outcome of a script, unless a host call of it still runs: then it waits for the call.
    fn hold_for_call(&mut self, id: &InvocationId, outcome: Outcome) -> Option<Outcome> {
        match self.call.take() {
            Some(CallBusy::Acting { script, index, id: call }) if &script == id => {
                // What the call did is not known yet; nothing goes on past it.
                self.effects.push(Effect::Cancel(call.clone()));
                self.call = Some(CallBusy::Acting { script, index, id: call });
                self.held = Some((id.clone(), outcome));
                return None;
            }
            // A call that was still being prepared has not started, and never will.
            Some(CallBusy::Preparing { script, .. }) if &script == id => {}
            other @ (Some(CallBusy::Acting { .. } | CallBusy::Preparing { .. }) | None) => self.call = other,
        }
        Some(outcome)
    }

    /// An outcome that arrives after its act was given up: a fact. It settles what nobody has settled yet.
    fn late_outcome(&mut self, now: Timestamp, id: &InvocationId, outcome: Outcome) -> Result<(), Refusal> {
        let Some(record) = self.execution.act(id) else { return Err(Refusal::Stale) };
        let settlement = match outcome.ending {
            Ending::Succeeded => Settlement::Done(Box::new(outcome.clone())),
            Ending::Failed => Settlement::Failed,
            Ending::NotStarted => Settlement::NotDone,
            Ending::TimedOut | Ending::Cancelled | Ending::Lost | Ending::Suspended => return Err(Refusal::Stale),
        };
        if record.interrupted.is_none() || record.late.is_some() {
            return Err(Refusal::Stale);
        }
        let undo = id.act.takes_back();
        let open = record.settled.is_none() && !undo;
        let ending = outcome.ending;
        self.record(now, Transition::OutcomeArrived { id: id.clone(), outcome: Box::new(outcome) })?;
        if undo {
            return Ok(self.undo_late(now, id, ending)?);
        }
        if open {
            if self.busy == Some(Busy::Probing(id.clone())) {
                self.busy = None;
            }
            self.record(now, Transition::ActSettled { id: id.clone(), settlement, by: None })?;
        }
        Ok(())
    }

    /// Records an outcome as what it is: an end, or an interruption that a person or a probe has to settle.
    pub(super) fn settle_outcome(
        &mut self,
        now: Timestamp,
        record: &ActRecord,
        outcome: Outcome,
    ) -> Result<(), Illegal> {
        let id = record.id.clone();
        if let Some(why) = self.diverged.take() {
            return self.record(now, Transition::ActInterrupted { id, why, outcome: Some(Box::new(outcome)) });
        }
        let unknown = match outcome.ending {
            Ending::TimedOut => Some("it was still running at its time limit"),
            Ending::Cancelled => Some("it was cancelled while it ran"),
            Ending::Lost => Some("what watched it was lost"),
            Ending::Succeeded | Ending::Failed | Ending::NotStarted | Ending::Suspended => None,
        };
        // A script touches nothing but through its calls, which are replayed; whatever the step says of its effect.
        let script = self
            .execution
            .visit(&id.at)
            .and_then(|visit| visit.planned_act(record))
            .is_some_and(|planned| planned.act.action == SCRIPT_ACTION);
        let harmless = script || (record.effect == ActEffect::Read && record.idempotent);
        let unknown = match unknown {
            Some(_) if outcome.ending == Ending::Lost && harmless && self.was_lost_often(record) => {
                let why = format!("what watched it was lost {} times in a row", RESTARTS + 1);
                return self.record(now, Transition::ActInterrupted { id, why, outcome: Some(Box::new(outcome)) });
            }
            unknown => unknown,
        };
        match unknown {
            Some(why) if !harmless => {
                // What the action itself says of it is more than its kind.
                let said = outcome.error.clone().filter(|error| !error.is_empty());
                let why = said.unwrap_or_else(|| why.to_owned());
                self.record(now, Transition::ActInterrupted { id, why, outcome: Some(Box::new(outcome)) })
            }
            Some(_) | None => self.record(now, Transition::ActEnded { id, outcome: Box::new(outcome) }),
        }
    }

    /// Whether the same act was lost as often as it may run again by itself, without anything else in between.
    fn was_lost_often(&self, record: &ActRecord) -> bool {
        let Some(visit) = self.execution.visit(&record.id.at) else { return false };
        let lost = |record: &&ActRecord| {
            let ending = record.outcome.as_ref().map(|outcome| outcome.ending);
            ending == Some(Ending::Lost) && record.interrupted.is_none()
        };
        let before = visit.acts.iter().rev().filter(|act| act.id.act == record.id.act && act.id != record.id);
        before.take_while(lost).count() >= RESTARTS
    }

    /// An intent without an outcome, found in the log: nobody watches it any more.
    pub(super) fn recover(&mut self, now: Timestamp, id: &InvocationId) -> Result<bool, Illegal> {
        if self.poll.as_ref().is_some_and(|poll| poll.at == id.at)
            && !matches!(self.execution.phase, Phase::Stopping(_))
        {
            return self.poll_again(now, id);
        }
        self.poll = None;
        let Some(visit) = self.execution.visit(&id.at) else { return Ok(false) };
        let open_call = visit
            .acts
            .iter()
            .find(|act| matches!(act.id.act, ActIndex::Call(_)) && act.outcome.is_none() && act.interrupted.is_none())
            .cloned();
        let script = visit.acts.iter().find(|act| &act.id == id).cloned();
        if let Some(call) = open_call {
            self.settle_outcome(now, &call, Outcome::bare(Ending::Lost))?;
        }
        if let Some(record) = script {
            self.settle_outcome(now, &record, Outcome::bare(Ending::Lost))?;
        }
        Ok(true)
    }

    /// Asks the action once about an interrupted act, where it can tell.
    pub(super) fn probe_once(&mut self, id: &InvocationId) -> bool {
        if !self.probed.insert(id.clone()) {
            return false;
        }
        let Some(visit) = self.execution.visit(&id.at) else { return false };
        let Some(record) = visit.acts.iter().find(|act| &act.id == id) else { return false };
        let Some(planned) = visit.planned_act(record) else { return false };
        if planned.act.action == SCRIPT_ACTION {
            return false;
        }
        let preparation = visit.preparation(record).cloned().unwrap_or_else(|| planned.preparation.clone());
        self.effects.push(Effect::Probe {
            id: id.clone(),
            act: planned.act.clone(),
            preparation: Box::new(preparation),
        });
        self.busy = Some(Busy::Probing(id.clone()));
        false
    }

    /// The answer to [`Effect::Probe`].
    pub(super) fn probed(&mut self, now: Timestamp, id: &InvocationId, answer: ProbeAnswer) -> Result<(), Refusal> {
        match self.busy.clone() {
            Some(Busy::Needing(needing)) => return self.need_answered(now, id, *needing, &answer),
            Some(Busy::Checking(checking)) if &checking == id => return self.checked(now, id, answer),
            Some(Busy::Probing(probing)) if &probing == id => self.busy = None,
            Some(
                Busy::Planning { .. }
                | Busy::Rereading { .. }
                | Busy::Acting(_)
                | Busy::Pausing { .. }
                | Busy::Probing(_)
                | Busy::Comparing(_)
                | Busy::Checking(_)
                | Busy::Judging { .. },
            )
            | None => return Err(Refusal::Stale),
        }
        let settlement = match answer {
            ProbeAnswer::Done(outcome) => Settlement::Done(Box::new(outcome)),
            ProbeAnswer::NotDone => Settlement::NotDone,
            ProbeAnswer::Unknown => return Ok(()),
        };
        let open = self.execution.act(id).is_some_and(|record| record.settled.is_none());
        if open {
            self.record(now, Transition::ActSettled { id: id.clone(), settlement, by: None })?;
        }
        Ok(())
    }
}

/// The delay before an attempt: doubled each time, spread by ±10 % so that several drivers do not act in step.
///
/// The spread is taken from the visit's name, so that it is the same in every replay.
fn retry_delay(step: &Step, failures: u32, at: &VisitId) -> Duration {
    let base = step.retry_delay.unwrap_or(RETRY_DELAY);
    let grown =
        base.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX)).min(LONGEST_DELAY.max(base));
    let seed =
        at.step.as_str().bytes().fold(failures + 1, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    grown.mul_f64(f64::from(90 + seed % 21) / 100.0)
}

fn why(outcome: &Outcome) -> String {
    let said = match outcome.ending {
        Ending::TimedOut => "it was still running at its time limit".to_owned(),
        Ending::Failed
        | Ending::NotStarted
        | Ending::Succeeded
        | Ending::Cancelled
        | Ending::Lost
        | Ending::Suspended => {
            outcome.exit_code.map_or_else(|| "it failed".to_owned(), |code| format!("exit status {code}"))
        }
    };
    match &outcome.error {
        Some(error) if !error.is_empty() => error.clone(),
        Some(_) | None => said,
    }
}
