//! A post-condition that does not hold yet is looked at again; the act is not performed again for it (execution.md, 6).

use std::time::Duration;

use belay_runbook::act::{Outcome, ProbeAnswer};
use jiff::Timestamp;

use super::planning::later;
use super::{Busy, Driver, Effect, Refusal, Seen};
use crate::check::{self, Unmet};
use crate::event::Transition;
use crate::execution::ActRecord;
use crate::fold::Illegal;
use crate::ids::{InvocationId, VisitId};
use crate::status::StepStatus;

/// How long a post-condition is looked at where its step says nothing.
const CHECK_TIME: Duration = Duration::from_mins(1);
/// Time between two looks where the step says nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Looking at a post-condition again.
#[derive(Debug, Clone)]
pub(super) struct Check {
    id: InvocationId,
    deadline: Timestamp,
    last: Option<Seen>,
    /// Why it does not hold, by the last look.
    unmet: String,
    /// Nothing more can be seen: the action cannot tell, or the time is over.
    over: bool,
}

impl Driver {
    /// A post-condition does not hold: asks the action for what is there now, unless that is over. False where the step
    /// has to be judged as it is.
    pub(super) fn check_again(&mut self, now: Timestamp, at: &VisitId, record: &ActRecord, unmet: &Unmet) -> bool {
        let Some(step) = self.execution.step(&at.step) else { return false };
        let check = match self.check.take().filter(|check| check.id == record.id) {
            Some(check) => check,
            None => Check {
                id: record.id.clone(),
                deadline: later(now, step.timeout.unwrap_or(CHECK_TIME)),
                last: None,
                unmet: unmet.to_string(),
                over: false,
            },
        };
        if check.over {
            return false;
        }
        self.check = Some(check);
        let probe = self.execution.visit(at).and_then(|visit| {
            let planned = visit.planned_act(record)?;
            let preparation = visit.preparation(record).unwrap_or(&planned.preparation);
            Some((planned.act.clone(), Box::new(preparation.clone())))
        });
        let Some((act, preparation)) = probe else { return false };
        self.effects.push(Effect::Probe { id: record.id.clone(), act, preparation });
        self.busy = Some(Busy::Checking(record.id.clone()));
        true
    }

    /// Why a post-condition that was looked at again does not hold, by the last look.
    pub(super) fn last_unmet(&self, id: &InvocationId) -> Option<String> {
        self.check.as_ref().filter(|check| &check.id == id).map(|check| check.unmet.clone())
    }

    /// What the action sees now.
    pub(super) fn checked(&mut self, now: Timestamp, id: &InvocationId, answer: ProbeAnswer) -> Result<(), Refusal> {
        self.busy = None;
        let Some(mut check) = self.check.take() else { return Err(Refusal::Stale) };
        let Some(step) = self.execution.step(&id.at.step).cloned() else { return Err(Refusal::Stale) };
        let ProbeAnswer::Done(outcome) = answer else {
            // The action cannot tell, so there is nothing to wait for.
            check.over = true;
            self.check = Some(check);
            return Ok(());
        };
        let (seen, holds) = match check::conditions(&step.post_condition, &outcome.output) {
            Ok(()) => (Seen::Holds, Some(true)),
            Err(unmet @ Unmet::NoData { .. }) => {
                check.unmet = unmet.to_string();
                (Seen::NoData, None)
            }
            Err(unmet @ Unmet::Differs { .. }) => {
                check.unmet = unmet.to_string();
                (Seen::Fails, Some(false))
            }
        };
        check.over = now >= check.deadline;
        if check.last != Some(seen) || check.over {
            self.observe(now, id, holds, outcome)?;
        }
        check.last = Some(seen);
        if seen == Seen::Holds {
            self.check = None;
            return Ok(self.end_step(now, &id.at, StepStatus::Succeeded, None)?);
        }
        if !check.over {
            self.pause_until(later(now, step.retry_delay.unwrap_or(CHECK_INTERVAL)));
        }
        self.check = Some(check);
        Ok(())
    }

    fn observe(
        &mut self,
        now: Timestamp,
        id: &InvocationId,
        holds: Option<bool>,
        outcome: Outcome,
    ) -> Result<(), Illegal> {
        self.record(now, Transition::Observed { id: id.clone(), holds, outcome: Box::new(outcome) })
    }

    /// A person cancels while the next look is waited for: the last one counts.
    pub(super) fn cancel_check(&mut self, now: Timestamp) {
        if let Some(check) = &mut self.check {
            check.deadline = now;
            if matches!(self.busy, Some(Busy::Pausing { .. })) {
                check.over = true;
                self.busy = None;
            }
        }
    }
}
