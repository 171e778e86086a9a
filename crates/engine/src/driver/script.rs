//! Host calls of a script: each is an act of its own, journaled, judged and undone like a step's (execution.md, 9).
//!
//! A call that needs an approval ends the worker. Later a new worker replays: recorded calls are answered from the
//! log and never performed again. A script that takes a step back is covered by the step's approval; each of its calls
//! is journaled and judged all the same.
//!
//! A call that may not start while everything is held, or whose login has expired, ends the worker as well, and waits for a
//! person; one that would act
//! on another target than the acts before it ends the worker and fails the step, whatever the script catches.

use std::time::Duration;

use belay_runbook::act::{Act, Ending, Outcome, Preparation, Unread};
use jiff::Timestamp;

use super::judging::{Asking, stricter};
use super::planning::describe;
use super::{Busy, CallBusy, Driver, Effect, HostAnswer, Invocation, Refusal};
use crate::digest::{act_digest, basis_difference};
use crate::event::{Closing, PlannedAct, Settlement, Transition, UndoPlan};
use crate::execution::{ActRecord, Phase, UndoEntryState};
use crate::fold::Illegal;
use crate::ids::{ActIndex, InvocationId};

/// Longest time of one host call.
const CALL_TIME: Duration = Duration::from_mins(2);

/// What the log says of a call.
#[derive(Default)]
struct KnownCall {
    /// The answer that it gave.
    answer: Option<HostAnswer>,
    /// The function and the act that stand at its place.
    path: Option<(String, Option<Act>)>,
}

/// One host call as it arrives.
pub(super) struct Calling<'a> {
    pub(super) script: &'a InvocationId,
    pub(super) index: u32,
    pub(super) function: String,
    pub(super) act: Act,
}

/// Why a script that ends because of a call does not go on by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Suspension {
    /// The call would act on another target than the acts before it; no script may catch that.
    Target(String),
    /// Nothing that changes something starts; it goes on with the call when a person says so.
    Policy(String),
    /// A login has expired before the call could start; it goes on with the call when a person has renewed it.
    Login(String),
}

impl Driver {
    /// Has the script end at a call that has not started, and keeps why for when it has.
    fn suspend(&mut self, script: &InvocationId, index: u32, why: Suspension) {
        self.suspension = Some((script.clone(), why));
        self.answer(script, index, HostAnswer::Suspend);
    }

    /// Why a script that has been suspended may not go on by itself.
    pub(super) fn suspended_for(&mut self, script: &InvocationId) -> Option<Suspension> {
        self.suspension.take().filter(|(suspended, _)| suspended == script).map(|(_, why)| why)
    }

    /// The running script calls a host function.
    pub(super) fn host_call(
        &mut self,
        now: Timestamp,
        script: &InvocationId,
        index: u32,
        function: String,
        act: Option<Act>,
    ) -> Result<(), Refusal> {
        if self.busy != Some(Busy::Acting(script.clone())) || self.call.is_some() {
            return Err(Refusal::Stale);
        }
        if !self.calls_may_start(script) {
            self.answer(script, index, HostAnswer::Suspend);
            return Ok(());
        }
        let known = self.known_call(script, index);
        if let Some((was, known)) = &known.path
            && (*was != function || *known != act)
        {
            // The script took another path than the one whose calls are in the log.
            let name = |function: &str, act: Option<&Act>| act.map_or_else(|| function.to_owned(), describe);
            self.diverged = Some(format!(
                "replay differs: call {index} was `{}` and is now `{}`",
                name(was, known.as_ref()),
                name(&function, act.as_ref())
            ));
            self.answer(script, index, HostAnswer::Suspend);
            return Ok(());
        }
        match (known.answer, act) {
            (Some(answer), _) => self.answer(script, index, answer),
            (None, Some(act)) => self.prepare_call(Calling { script, index, function, act }),
            (None, None) => {
                let error = format!("there is no host function `{function}`");
                self.refuse_call(now, script, index, function, None, error)?;
            }
        }
        Ok(())
    }

    /// Whether calls of a script may start now.
    fn calls_may_start(&self, script: &InvocationId) -> bool {
        if script.act.takes_back() {
            return self.execution.phase == Phase::Undoing && self.undo_position(script).is_some();
        }
        !self.execution.paused && matches!(self.execution.phase, Phase::Forward | Phase::RollbackSteps)
    }

    /// Position of a running script among its undo's acts.
    fn undo_position(&self, script: &InvocationId) -> Option<u32> {
        let running = UndoEntryState::Acting(script.clone());
        let mut entries = self.execution.rollback.iter().flat_map(|rollback| &rollback.items);
        entries.find(|entry| entry.state == running).map(|entry| entry.acts_done)
    }

    /// What the log says of a call.
    fn known_call(&self, script: &InvocationId, index: u32) -> KnownCall {
        let Some(visit) = self.execution.visit(&script.at) else { return KnownCall::default() };
        let undo = self.undo_position(script);
        let (planned, refused, record) = match undo {
            None => (visit.calls.get(&index), visit.refused.get(&index), visit.call_record(index)),
            Some(undo) => {
                let path = visit.undo_paths.get(&undo);
                let planned = path.and_then(|path| path.calls.get(&index));
                let refused = path.and_then(|path| path.refused.get(&index));
                (planned, refused, visit.undo_call_record(undo, index))
            }
        };
        let refusal = refused.map(|refused| HostAnswer::Error { message: refused.error.clone(), at: refused.at });
        let planned = planned.map(|call| (call.function.clone(), Some(call.act.act.clone())));
        KnownCall {
            answer: refusal.or_else(|| record.and_then(recorded_answer)),
            path: planned.or_else(|| refused.map(|refused| (refused.function.clone(), refused.act.clone()))),
        }
    }

    /// Puts on record that a call may not or cannot start, and answers with it.
    fn refuse_call(
        &mut self,
        now: Timestamp,
        script: &InvocationId,
        index: u32,
        function: String,
        act: Option<Act>,
        error: String,
    ) -> Result<(), Illegal> {
        let message = error.clone();
        let undo = self.undo_position(script);
        self.record(now, Transition::CallRefused { at: script.at.clone(), undo, call: index, function, act, error })?;
        self.answer(script, index, HostAnswer::Error { message, at: self.execution.last_at });
        Ok(())
    }

    pub(super) fn answer(&mut self, script: &InvocationId, index: u32, answer: HostAnswer) {
        self.effects.push(Effect::AnswerHost { id: script.clone(), index, answer });
    }

    fn prepare_call(&mut self, calling: Calling<'_>) {
        let ticket = self.ticket();
        self.effects.push(Effect::Prepare { ticket, acts: vec![calling.act.clone()] });
        self.call = Some(CallBusy::Preparing {
            ticket,
            script: calling.script.clone(),
            index: calling.index,
            function: calling.function,
            act: calling.act,
        });
    }

    /// Takes the answer to a preparation in where it belongs to a host call.
    pub(super) fn call_prepared(
        &mut self,
        now: Timestamp,
        ticket: u64,
        results: &[Result<Preparation, Unread>],
    ) -> Result<bool, Refusal> {
        let Some(CallBusy::Preparing { ticket: expected, script, index, function, act }) = self.call.clone() else {
            return Ok(false);
        };
        if expected != ticket {
            return Ok(false);
        }
        self.call = None;
        if !self.calls_may_start(&script) {
            // Stopped or paused while it was prepared: nothing new starts, and the call is made again by a replay.
            self.answer(&script, index, HostAnswer::Suspend);
            return Ok(true);
        }
        let preparation = match results.first() {
            Some(Ok(preparation)) => preparation.clone(),
            Some(Err(unread)) if unread.needs_login => {
                self.suspend(&script, index, Suspension::Login(unread.why.clone()));
                return Ok(true);
            }
            Some(Err(unread)) => {
                self.refuse_call(now, &script, index, function, Some(act), unread.why.clone())?;
                return Ok(true);
            }
            None => return Err(Refusal::Stale),
        };
        self.judge_call(now, &Calling { script: &script, index, function, act }, preparation)?;
        Ok(true)
    }

    fn judge_call(&mut self, now: Timestamp, calling: &Calling<'_>, preparation: Preparation) -> Result<(), Illegal> {
        let (script, index) = (calling.script, calling.index);
        let Some(step) = self.execution.step(&script.at.step).cloned() else { return Ok(()) };
        if let Some(why) = self.execution.targets.led_elsewhere([(&calling.act, &preparation)]) {
            self.suspend(script, index, Suspension::Target(why));
            return Ok(());
        }
        let (planned, verdict) = match self.judge_act(&step, calling.act.clone(), preparation) {
            Ok(judged) => judged,
            Err(error) => {
                let (function, act) = (calling.function.clone(), Some(calling.act.clone()));
                return self.refuse_call(now, script, index, function, act, error);
            }
        };
        let forbidden = verdict.forbidden.as_ref();
        let forbidden = forbidden.map(|reason| format!("policy rule `{}` forbids it: {}", reason.rule, reason.text));
        if let Some(error) = forbidden {
            let (function, act) = (calling.function.clone(), Some(calling.act.clone()));
            return self.refuse_call(now, script, index, function, act, error);
        }
        if let Some(why) = self.refused_held(std::iter::once(&planned)) {
            self.suspend(script, index, Suspension::Policy(why));
            return Ok(());
        }
        if let Some(undo) = self.undo_position(script) {
            return self.judge_undo_call(now, calling, undo, planned, &verdict);
        }
        let visit = self.execution.visit(&script.at);
        let request = visit.and_then(|visit| visit.request.as_ref()).filter(|request| request.call == Some(index));
        let known = visit.and_then(|visit| visit.calls.get(&index)).map(|call| call.act.clone());
        let granted = request.filter(|request| request.granted()).map(|request| request.asked.clone());
        if let Some(asked) = granted {
            let how = if now >= asked.expires_at {
                Some(Closing::Expired)
            } else {
                let mut difference = known.as_ref().map_or_else(Vec::new, |known| {
                    basis_difference(&describe(&known.act), &known.preparation, &planned.preparation)
                });
                difference.extend(stricter(&asked, &verdict));
                difference.extend(self.beyond_call(now, &step, calling, &planned, Some(&asked)));
                difference.dedup();
                (!difference.is_empty()).then_some(Closing::Voided { difference })
            };
            match how {
                None => return self.start_call(now, script, index, planned),
                Some(how) => {
                    let at = script.at.clone();
                    self.record(now, Transition::ApprovalClosed { at, digest: asked.digest, how })?;
                }
            }
        }
        let visit = self.execution.visit(&script.at);
        let plan = visit.and_then(|visit| visit.plan()).map_or(0, |plan| plan.number);
        let undo = if planned.preparation.undo.is_some() { UndoPlan::Captured } else { UndoPlan::Undeclared };
        let acts = std::slice::from_ref(&planned);
        let asking = Asking { at: &script.at, plan, call: Some(index), acts, undo: &undo, attempts: 1 };
        let approval = self.approval_for(now, &step, &asking, std::slice::from_ref(&verdict));
        let waits = approval.is_some();
        if known.is_none() || waits {
            self.record(
                now,
                Transition::CallPlanned {
                    at: script.at.clone(),
                    undo: None,
                    call: index,
                    function: calling.function.clone(),
                    act: Box::new(planned.clone()),
                    approval: approval.map(Box::new),
                },
            )?;
        }
        if waits {
            self.answer(script, index, HostAnswer::Suspend);
            return Ok(());
        }
        self.start_call(now, script, index, planned)
    }

    pub(super) fn start_call(
        &mut self,
        now: Timestamp,
        script: &InvocationId,
        index: u32,
        planned: PlannedAct,
    ) -> Result<(), Illegal> {
        let act = match self.undo_position(script) {
            Some(undo) => ActIndex::UndoCall { undo, call: index },
            None => ActIndex::Call(index),
        };
        let visit = self.execution.visit(&script.at);
        let tries = visit.map_or(0, |visit| visit.acts.iter().filter(|record| record.id.act == act).count());
        let attempt = u32::try_from(tries).unwrap_or(u32::MAX).saturating_add(1);
        let id = InvocationId { epoch: 0, at: script.at.clone(), attempt, act };
        self.record(
            now,
            Transition::ActStarted {
                id: id.clone(),
                act_digest: act_digest(&planned.act),
                preparation: Some(Box::new(planned.preparation.clone())),
            },
        )?;
        self.call = Some(CallBusy::Acting { script: script.clone(), index, id: id.clone() });
        self.effects.push(Effect::Invoke(Box::new(Invocation {
            first: id.clone(),
            id,
            act: planned.act,
            preparation: Some(planned.preparation),
            undo_record: None,
            expected: None,
            timeout: CALL_TIME,
            survives: false,
            now,
        })));
        Ok(())
    }

    /// A host call ended.
    pub(super) fn call_ended(&mut self, now: Timestamp, id: &InvocationId, outcome: Outcome) -> Result<(), Illegal> {
        let Some(record) = self.execution.act(id).cloned() else { return Ok(()) };
        let waiting = match self.call.take() {
            Some(CallBusy::Acting { script, index, id: expected }) if &expected == id => Some((script, index)),
            other @ (Some(CallBusy::Acting { .. } | CallBusy::Preparing { .. }) | None) => {
                self.call = other;
                None
            }
        };
        let message = outcome.error.clone().unwrap_or_else(|| "the call failed".to_owned());
        let login = message.clone();
        let (value, published) = (outcome.output.clone(), outcome.published.clone());
        let ended_well = outcome.ending == Ending::Succeeded;
        let needs_login = outcome.ending == Ending::NotStarted && outcome.needs_login;
        self.settle_outcome(now, &record, outcome)?;
        let interrupted = self.execution.act(id).is_some_and(|record| record.interrupted.is_some());
        if let Some((script, index)) = waiting {
            let answer = if interrupted {
                HostAnswer::Suspend
            } else if ended_well {
                HostAnswer::Value { value, published, at: self.execution.last_at }
            } else {
                HostAnswer::Error { message, at: self.execution.last_at }
            };
            if let Some((ended, outcome)) = self.held.take() {
                // The script has ended before; its outcome counts now that nothing of it runs any more.
                if self.busy == Some(Busy::Acting(ended.clone())) {
                    self.busy = None;
                }
                if ended.act.takes_back() {
                    return self.undo_ended(now, &ended, outcome);
                }
                if let Some(record) = self.execution.act(&ended).cloned() {
                    self.settle_outcome(now, &record, outcome)?;
                }
                return Ok(());
            }
            if needs_login {
                self.suspend(&script, index, Suspension::Login(login));
            } else {
                self.answer(&script, index, answer);
            }
        }
        Ok(())
    }
}

/// The answer that the log has for a call, unless the call may start (again).
fn recorded_answer(record: &ActRecord) -> Option<HostAnswer> {
    let at = record.ended_at.unwrap_or(record.started_at);
    if let Some(late) = record.late.as_ref().filter(|_| matches!(record.settled, Some(Settlement::NotDone))) {
        // It happened after all, whatever a person said before: it is not performed again.
        return outcome_answer(late, at);
    }
    match &record.settled {
        Some(Settlement::Done(outcome)) => return Some(value_answer(outcome, at)),
        Some(Settlement::Failed | Settlement::Undo) => {
            return Some(HostAnswer::Error { message: "a person said that it failed".to_owned(), at });
        }
        Some(Settlement::NotDone) => return None,
        None => {}
    }
    outcome_answer(record.outcome.as_ref()?, at)
}

fn value_answer(outcome: &Outcome, at: Timestamp) -> HostAnswer {
    HostAnswer::Value { value: outcome.output.clone(), published: outcome.published.clone(), at }
}

fn outcome_answer(outcome: &Outcome, at: Timestamp) -> Option<HostAnswer> {
    match outcome.ending {
        Ending::Succeeded => Some(value_answer(outcome, at)),
        Ending::Failed | Ending::TimedOut => {
            let message = outcome.error.clone().unwrap_or_else(|| "the call failed".to_owned());
            Some(HostAnswer::Error { message, at })
        }
        Ending::NotStarted | Ending::Cancelled | Ending::Lost | Ending::Suspended => None,
    }
}
