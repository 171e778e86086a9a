//! Whether a step of the runbook's own rollback is still needed, asked before it is planned (execution.md, 7).

use belay_runbook::act::{Act, Preparation, ProbeAnswer, Unread};
use belay_runbook::action::Effect as ActEffect;
use belay_runbook::model::StepKind;
use jiff::Timestamp;

use super::{Busy, Driver, Effect, Refusal};
use crate::execution::{ActRecord, Phase};
use crate::ids::{ActIndex, InvocationId, VisitId};
use crate::status::StepStatus;

/// A step of the rollback whose acts are asked, one after the other, whether they are done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Needing {
    at: VisitId,
    acts: Vec<Act>,
    results: Vec<Result<Preparation, Unread>>,
    /// The act that is asked about.
    next: usize,
}

impl Needing {
    fn id(&self) -> InvocationId {
        let index = u32::try_from(self.next).unwrap_or(u32::MAX);
        InvocationId { epoch: 0, at: self.at.clone(), attempt: 1, act: ActIndex::Act(index) }
    }
}

impl Driver {
    /// Asks whether a step of the rollback is still needed. True where the answer is waited for.
    pub(super) fn asks_whether_needed(
        &mut self,
        at: &VisitId,
        acts: &[Act],
        results: &[Result<Preparation, Unread>],
    ) -> bool {
        let automated = self.execution.step(&at.step).is_some_and(|step| step.kind == StepKind::Automated);
        let untouched =
            self.execution.visit(at).is_some_and(|visit| !visit.acts.iter().any(ActRecord::may_have_happened));
        let asks = self.execution.phase == Phase::RollbackSteps
            && automated
            && untouched
            && !self.needed.contains(at)
            && results.iter().all(Result::is_ok);
        if !asks {
            return false;
        }
        self.ask_next(Needing { at: at.clone(), acts: acts.to_vec(), results: results.to_vec(), next: 0 })
    }

    /// Asks about the next act that changes something; false where none is left.
    fn ask_next(&mut self, mut needing: Needing) -> bool {
        while let Some(act) = needing.acts.get(needing.next) {
            let declared = self.rules.actions.spec(&act.action).map_or(ActEffect::Mutate, |spec| spec.effect);
            if let Some(Ok(preparation)) = needing.results.get(needing.next)
                && declared.max(preparation.effect) != ActEffect::Read
            {
                let (id, act, preparation) = (needing.id(), act.clone(), Box::new(preparation.clone()));
                self.effects.push(Effect::Probe { id, act, preparation });
                self.busy = Some(Busy::Needing(Box::new(needing)));
                return true;
            }
            needing.next += 1;
        }
        false
    }

    /// The action's answer: done means that there is nothing left to do.
    pub(super) fn need_answered(
        &mut self,
        now: Timestamp,
        id: &InvocationId,
        mut needing: Needing,
        answer: &ProbeAnswer,
    ) -> Result<(), Refusal> {
        if &needing.id() != id {
            return Err(Refusal::Stale);
        }
        self.busy = None;
        let at = needing.at.clone();
        if !self.still_at(&at) {
            return Ok(());
        }
        match answer {
            ProbeAnswer::Done(_) => {
                needing.next += 1;
                if !self.ask_next(needing) {
                    let why = "what it would do is so already".to_owned();
                    self.end_step(now, &at, StepStatus::Skipped, Some(why))?;
                }
                Ok(())
            }
            ProbeAnswer::NotDone | ProbeAnswer::Unknown => {
                self.needed.insert(at.clone());
                Ok(self.judge_plan(now, &at, needing.acts, needing.results)?)
            }
        }
    }
}
