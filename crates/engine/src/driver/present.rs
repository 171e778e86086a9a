//! The policy that is there now, beside the one of the start: it may ask for more, never for less (execution.md, 5).
//!
//! Everything is judged by both. What was judged or agreed to before is judged again right before it starts, where the
//! policy is no longer the one of the start. What comes of that stands in the driver's events, so that replay knows it
//! without either policy.

use std::sync::Arc;

use belay_runbook::act::{Act, Preparation};
use belay_runbook::action::{Effect as ActEffect, SCRIPT_ACTION};
use belay_runbook::model::Step;
use belay_runbook::policy::{Policy, Verdict};
use jiff::Timestamp;

use super::Driver;
use super::judging::Asking;
use super::planning::describe;
use super::script::Calling;
use crate::event::{ApprovalRequest, Closing, Need, PlannedAct, Transition, UndoPlan};
use crate::execution::{ActRecord, Visit};
use crate::fold::Illegal;
use crate::ids::{InvocationId, VisitId};

/// The policy that is there now.
#[derive(Debug, Clone, Default)]
pub enum Present {
    /// The one of the start.
    #[default]
    Unchanged,
    /// Another one.
    Changed(Arc<Policy>),
    /// Nothing that changes something starts, and why: it cannot be read and may ask for anything, or a person has stopped
    /// everything.
    Held {
        /// Why.
        why: String,
        /// The policy that is there, or the last one that could be read, where it is not the one of the start.
        policy: Option<Arc<Policy>>,
    },
}

impl Present {
    /// The policy that is judged by beside the one of the start.
    pub(super) fn policy(&self) -> Option<&Policy> {
        match self {
            Self::Changed(policy) | Self::Held { policy: Some(policy), .. } => Some(policy),
            Self::Unchanged | Self::Held { policy: None, .. } => None,
        }
    }

    fn is_unchanged(&self) -> bool {
        matches!(self, Self::Unchanged)
    }

    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unchanged, Self::Unchanged) => true,
            (Self::Changed(one), Self::Changed(other)) => same_policy(one, other),
            (Self::Held { why: one, policy: by_one }, Self::Held { why: other, policy: by_other }) => {
                let same = match (by_one, by_other) {
                    (Some(one), Some(other)) => same_policy(one, other),
                    (None, None) => true,
                    (Some(_) | None, _) => false,
                };
                one == other && same
            }
            (Self::Unchanged | Self::Changed(_) | Self::Held { .. }, _) => false,
        }
    }
}

fn same_policy(one: &Arc<Policy>, other: &Arc<Policy>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// An act as it is judged by the policy of the start alone, and by both.
pub(super) struct JudgedTwice {
    by_start: (PlannedAct, Verdict),
    pub(super) by_both: (PlannedAct, Verdict),
}

impl Driver {
    /// Takes note of the policy that is there now; told before every input that may start something.
    pub fn see_policy(&mut self, present: Present) {
        if !self.present.same_as(&present) {
            // What may be taken back without asking is judged again.
            self.allowed.clear();
            self.present = present;
        }
    }

    /// Whether the policy of the start is the one that is there now.
    pub(super) fn policy_is_unchanged(&self) -> bool {
        self.present.is_unchanged()
    }

    /// Why acts may not start although no rule forbids them: they change something, and everything is held.
    pub(super) fn refused_held<'a>(&self, mut acts: impl Iterator<Item = &'a PlannedAct>) -> Option<String> {
        let Present::Held { why, .. } = &self.present else { return None };
        let changes = acts.any(|act| act.effect != ActEffect::Read);
        changes.then(|| why.clone())
    }

    /// Judges an act by the policy of the start alone, and by both.
    pub(super) fn judge_twice(&self, step: &Step, act: Act, preparation: Preparation) -> Result<JudgedTwice, String> {
        let by_start = self.judge_act_by(step, act.clone(), preparation.clone(), None)?;
        let by_both = self.judge_act(step, act, preparation)?;
        Ok(JudgedTwice { by_start, by_both })
    }

    /// What the policy of now asks for beyond the one of the start, and beyond what was agreed to.
    pub(super) fn beyond(
        &self,
        now: Timestamp,
        step: &Step,
        at: &VisitId,
        judged: &[JudgedTwice],
        agreed: Option<&ApprovalRequest>,
    ) -> Vec<String> {
        if self.policy_is_unchanged() {
            return Vec::new();
        }
        let request = |of: fn(&JudgedTwice) -> &(PlannedAct, Verdict)| {
            let (acts, verdicts): (Vec<_>, Vec<_>) = judged.iter().map(of).cloned().unzip();
            let asking = Asking { at, plan: 0, call: None, acts: &acts, undo: &UndoPlan::NotNeeded, attempts: 1 };
            self.approval_for(now, step, &asking, &verdicts)
        };
        let Some(both) = request(|judged| &judged.by_both) else { return Vec::new() };
        let start = request(|judged| &judged.by_start);
        let known: Vec<&ApprovalRequest> = start.iter().chain(agreed).collect();
        let mut beyond: Vec<String> = both
            .reasons
            .iter()
            .filter(|reason| !known.iter().any(|known| known.reasons.contains(reason)))
            .cloned()
            .collect();
        if known.iter().all(|known| known.quorum < both.quorum) && !known.is_empty() {
            beyond.push(format!("the policy now asks for the approval of {} people", both.quorum));
        }
        let wider = |known: &ApprovalRequest| {
            known.approvers.is_empty() || known.approvers.iter().any(|name| !both.approvers.contains(name))
        };
        if !known.is_empty() && !both.approvers.is_empty() && known.iter().all(|known| wider(known)) {
            beyond.push(format!("the policy now lets only {} approve", both.approvers.join(", ")));
        }
        beyond
    }

    /// The same for a host call of a script.
    pub(super) fn beyond_call(
        &self,
        now: Timestamp,
        step: &Step,
        calling: &Calling<'_>,
        planned: &PlannedAct,
        agreed: Option<&ApprovalRequest>,
    ) -> Vec<String> {
        if self.policy_is_unchanged() {
            return Vec::new();
        }
        let judged = self.judge_twice(step, calling.act.clone(), planned.preparation.clone());
        judged.map_or_else(|why| vec![why], |judged| self.beyond(now, step, &calling.script.at, &[judged], agreed))
    }

    /// Judges what is left of a plan again where the policy is no longer the one of the start; true where the next act may
    /// not start as it was planned, and what comes instead is recorded.
    pub(super) fn policy_intervenes(
        &mut self,
        now: Timestamp,
        at: &VisitId,
        step: &Step,
        fresh: Option<&Preparation>,
    ) -> Result<bool, Illegal> {
        if self.policy_is_unchanged() {
            return Ok(false);
        }
        let Some(visit) = self.execution.visit(at) else { return Ok(false) };
        let (Some(plan), Some(next)) = (visit.plan(), visit.next_act()) else { return Ok(false) };
        let rest = plan.acts.get(next as usize..).unwrap_or_default();
        // Calls that a script has made are answered from the log; those that it makes now are judged one by one.
        let replayed = !visit.calls.is_empty() && rest.iter().all(|act| act.act.action == SCRIPT_ACTION);
        if let Some(why) = self.refused_held(rest.iter()).filter(|_| !replayed) {
            self.await_policy(now, at, why)?;
            return Ok(true);
        }
        let mut judged = Vec::with_capacity(rest.len());
        let mut difference = Vec::new();
        for (position, known) in rest.iter().enumerate() {
            let preparation = fresh.filter(|_| position == 0).unwrap_or(&known.preparation).clone();
            let twice = self.judge_twice(step, known.act.clone(), preparation).and_then(|twice| {
                let (act, verdict) = &twice.by_both;
                if let Some(reason) = &verdict.forbidden {
                    return Err(format!("policy rule `{}` forbids it: {}", reason.rule, reason.text));
                }
                if act.effect > known.effect {
                    let (was, is) = (known.effect.as_str(), act.effect.as_str());
                    difference.push(format!("{}: the effect was {was} and is {is}", describe(&act.act)));
                }
                Ok(twice)
            });
            match twice {
                Ok(twice) => judged.push(twice),
                Err(error) => {
                    self.fail_step(now, at, &error, crate::status::StepStatus::Failed)?;
                    return Ok(true);
                }
            }
        }
        let agreed = plan.approval.as_deref();
        difference.extend(self.beyond(now, step, at, &judged, agreed));
        if difference.is_empty() {
            return Ok(false);
        }
        let request = visit.request.as_ref().filter(|request| request.call.is_none() && request.closed.is_none());
        if let Some(digest) = request.map(|request| request.asked.digest.clone()) {
            let how = Closing::Voided { difference };
            self.record(now, Transition::ApprovalClosed { at: at.clone(), digest, how })?;
            return Ok(true);
        }
        let acts = plan.acts.iter().map(|planned| planned.act.clone()).collect();
        let preparations = plan.acts.iter().map(|planned| Ok(planned.preparation.clone())).collect();
        self.judge_plan(now, at, acts, preparations)?;
        Ok(true)
    }

    /// Waits until a person says that the policy can be read again.
    pub(super) fn await_policy(&mut self, now: Timestamp, at: &VisitId, why: String) -> Result<(), Illegal> {
        self.poll = None;
        self.record(now, Transition::PersonAwaited { at: at.clone(), need: Need::Policy { why } })
    }

    /// Why the rounds of a verification may not go on: by the policy of now it does more than to read.
    pub(super) fn reads_no_more(&self, id: &InvocationId, step: &Step, planned: &PlannedAct) -> Option<String> {
        self.present.policy()?;
        let preparation = self.execution.act(id).and_then(|record| record.preparation.clone());
        let preparation = preparation.unwrap_or_else(|| planned.preparation.clone());
        self.judge_act(step, planned.act.clone(), preparation).err()
    }

    /// Whether the policy of now lets an act be taken back that captured its own record; true where it does not by itself,
    /// and what comes instead is recorded. By the policy of the start the judgement of the act is that of its undo.
    pub(super) fn policy_holds_back(&mut self, now: Timestamp, item: u32, record: &ActRecord) -> Result<bool, Illegal> {
        if self.policy_is_unchanged() || self.allowed.contains(&item) {
            return Ok(false);
        }
        let at = record.id.at.clone();
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(false) };
        let Some(visit) = self.execution.visit(&at) else { return Ok(false) };
        let (Some(planned), Some(preparation)) = (visit.planned_act(record), visit.preparation(record)) else {
            return Ok(false);
        };
        match self.judge_twice(&step, planned.act.clone(), preparation.clone()) {
            Ok(judged) => self.settle_undo_judgement(now, item, &step, vec![judged], false)?,
            Err(error) => self.stick_undo(now, item, &error)?,
        }
        Ok(!self.allowed.contains(&item))
    }
}

impl Visit {
    /// The approval that the step itself was given, which covers what takes it back.
    pub(super) fn approval_of_step(&self) -> Option<&ApprovalRequest> {
        let plan = self.last_act().and_then(|record| self.plan_of(record))?;
        plan.approval.as_deref()
    }
}
