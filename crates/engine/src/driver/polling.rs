//! Verification: read until it holds twice in a row, or until the time-out ends. No data is never a pass.

use std::time::Duration;

use belay_runbook::act::{Ending, Outcome};
use belay_runbook::model::{Step, StepKind};
use jiff::Timestamp;

use super::planning::later;
use super::{Busy, Driver, Effect, Invocation, Poll, Seen};
use crate::check::{self, Unmet};
use crate::event::Transition;
use crate::execution::Stage;
use crate::fold::Illegal;
use crate::ids::{ActIndex, InvocationId, VisitId};

/// How long a verification is polled where its step says nothing.
const POLL_TIME: Duration = Duration::from_mins(1);
/// Time between two rounds where the step says nothing.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The longest pause before the second of two good rounds.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);
/// Good rounds in a row that make a pass.
const ROUNDS: u32 = 2;

impl Driver {
    /// Starts the clock of a poll; the acts of one step share it. After a restart it is the full time again.
    pub(super) fn begin_poll(&mut self, now: Timestamp, at: &VisitId, step: &Step) {
        let deadline = match &self.poll {
            Some(poll) if &poll.at == at => poll.deadline,
            Some(_) | None => later(now, step.timeout.unwrap_or(POLL_TIME)),
        };
        self.poll = Some(Poll { at: at.clone(), deadline, in_a_row: 0, last: None });
    }

    /// One round of a poll has ended.
    pub(super) fn observed(&mut self, now: Timestamp, id: &InvocationId, outcome: Outcome) -> Result<(), Illegal> {
        let Some(step) = self.execution.step(&id.at.step).cloned() else { return Ok(()) };
        let Some(mut poll) = self.poll.clone() else { return Ok(()) };
        if outcome.needs_login {
            // Nothing was read: a person renews the login, then it is watched anew.
            self.poll = None;
            return self.record(now, Transition::ActEnded { id: id.clone(), outcome: Box::new(outcome) });
        }
        let (holds, why) = self.judge_round(id, &step, &outcome);
        poll.in_a_row = if holds == Some(true) { poll.in_a_row + 1 } else { 0 };
        let passed = poll.in_a_row >= ROUNDS;
        let cancelled = outcome.ending == Ending::Cancelled;
        // A good round at the very end is read once more rather than thrown away.
        let over = (now >= poll.deadline && poll.in_a_row == 0) || cancelled;
        let seen = match holds {
            Some(true) => Seen::Holds,
            Some(false) => Seen::Fails,
            None => Seen::NoData,
        };
        if poll.last != Some(seen) || passed || over {
            self.record(now, Transition::Observed { id: id.clone(), holds, outcome: Box::new(outcome.clone()) })?;
        }
        poll.last = Some(seen);
        if passed {
            self.poll = Some(poll);
            return self.record(now, Transition::ActEnded { id: id.clone(), outcome: Box::new(outcome) });
        }
        if over {
            self.poll = None;
            let ending = if cancelled { Ending::Cancelled } else { Ending::Failed };
            let error =
                if cancelled { "it was cancelled".to_owned() } else { format!("it did not hold in time: {why}") };
            let outcome = Outcome { ending, error: Some(error), ..outcome };
            return self.record(now, Transition::ActEnded { id: id.clone(), outcome: Box::new(outcome) });
        }
        let interval = step.retry_delay.unwrap_or(POLL_INTERVAL);
        let pause = if poll.in_a_row > 0 { interval.min(CONFIRM_INTERVAL) } else { interval };
        self.poll = Some(poll);
        self.pause_until(later(now, pause));
        Ok(())
    }

    /// A person cancels while the next round is waited for.
    pub(super) fn cancel_poll(&mut self, now: Timestamp) -> Result<(), Illegal> {
        let Some(Stage::Acting(id)) = self.execution.current_visit().map(|visit| visit.stage.clone()) else {
            return Ok(());
        };
        self.busy = None;
        self.poll = None;
        let outcome =
            Box::new(Outcome { error: Some("it was cancelled".to_owned()), ..Outcome::bare(Ending::Cancelled) });
        self.record(now, Transition::ActEnded { id, outcome })
    }

    /// Whether a round holds, and what is in the way.
    fn judge_round(&self, id: &InvocationId, step: &Step, outcome: &Outcome) -> (Option<bool>, String) {
        let said = outcome.error.clone();
        match outcome.ending {
            Ending::Succeeded => {
                let last = self.execution.visit(&id.at).and_then(|visit| visit.plan()).is_some_and(|plan| {
                    id.act == ActIndex::Act(u32::try_from(plan.acts.len()).unwrap_or(0).saturating_sub(1))
                });
                if !last {
                    return (Some(true), String::new());
                }
                match check::verified(&step.post_condition, &outcome.output) {
                    Ok(()) => (Some(true), String::new()),
                    Err(unmet @ Unmet::NoData { .. }) => (None, unmet.to_string()),
                    Err(unmet @ Unmet::Differs { .. }) => (Some(false), unmet.to_string()),
                }
            }
            Ending::Failed => (Some(false), said.unwrap_or_else(|| "it failed".to_owned())),
            Ending::NotStarted | Ending::TimedOut | Ending::Cancelled | Ending::Lost | Ending::Suspended => {
                (None, said.unwrap_or_else(|| "there is no data".to_owned()))
            }
        }
    }

    /// The next round, under the same intent.
    pub(super) fn poll_again(&mut self, now: Timestamp, id: &InvocationId) -> Result<bool, Illegal> {
        let Some(step) = self.execution.step(&id.at.step) else { return Ok(false) };
        if step.kind != StepKind::Verification {
            return Ok(false);
        }
        let Some(visit) = self.execution.visit(&id.at) else { return Ok(false) };
        let Some(record) = visit.acts.iter().find(|act| &act.id == id) else { return Ok(false) };
        let Some(planned) = visit.planned_act(record) else { return Ok(false) };
        if let Some(error) = self.reads_no_more(id, step, planned) {
            self.poll = None;
            let outcome = Box::new(Outcome { error: Some(error), ..Outcome::bare(Ending::Failed) });
            self.record(now, Transition::ActEnded { id: id.clone(), outcome })?;
            return Ok(true);
        }
        let invocation = Invocation {
            first: id.clone(),
            id: id.clone(),
            act: planned.act.clone(),
            preparation: visit.preparation(record).cloned(),
            undo_record: None,
            expected: None,
            timeout: step.timeout.unwrap_or(POLL_TIME),
            survives: false,
            now,
        };
        self.cancelling = false;
        self.busy = Some(Busy::Acting(id.clone()));
        self.effects.push(Effect::Invoke(Box::new(invocation)));
        Ok(false)
    }
}
