//! What policy says of an act: its effect, and the approval that it needs.

use std::borrow::Cow;
use std::time::Duration;

use belay_runbook::act::{Act, Preparation};
use belay_runbook::action::{ActionSpec, COMMAND_ACTION, Effect as ActEffect, SCRIPT_ACTION};
use belay_runbook::automation::AutomationSpec;
use belay_runbook::model::{Does, Domain, Step, StepKind};
use belay_runbook::policy::{Case, Policy, Verdict};
use jiff::Timestamp;

use super::Driver;
use super::planning::{describe, later};
use crate::digest::ApprovalPreimage;
use crate::event::{ApprovalRequest, PlannedAct, UndoPlan};
use crate::ids::VisitId;

/// How long a request for approval stands where nobody says otherwise (execution.md, 5).
const APPROVAL_TIME: Duration = Duration::from_mins(5);

/// What a request for approval is for.
pub(super) struct Asking<'a> {
    pub(super) at: &'a VisitId,
    pub(super) plan: u32,
    pub(super) call: Option<u32>,
    pub(super) acts: &'a [PlannedAct],
    pub(super) undo: &'a UndoPlan,
    pub(super) attempts: u32,
}

impl Driver {
    /// Settles the effect of one act and lets policy judge it: the one of the start, and the one that is there now.
    pub(super) fn judge_act(
        &self,
        step: &Step,
        act: Act,
        preparation: Preparation,
    ) -> Result<(PlannedAct, Verdict), String> {
        self.judge_act_by(step, act, preparation, self.present.policy())
    }

    /// The same by the policy of the start and by another one where there is one; what either asks for counts.
    pub(super) fn judge_act_by(
        &self,
        step: &Step,
        act: Act,
        preparation: Preparation,
        present: Option<&Policy>,
    ) -> Result<(PlannedAct, Verdict), String> {
        let Some(spec) = self.rules.actions.spec(&act.action) else {
            return Err(format!("there is no action `{}`", act.action));
        };
        let policies = || std::iter::once(&*self.rules.policy).chain(present);
        // What a command does is for the policy to say; every other action knows best from live state.
        let live = if spec.name == COMMAND_ACTION { ActEffect::Read } else { preparation.effect };
        let automation = self.automation_of(step);
        let raised = step.effect.max(automation.and_then(|automation| automation.effect));
        let effect = policies().map(|policy| policy.effect_of(&act, spec, raised)).fold(live, ActEffect::max);
        if step.kind == StepKind::Verification && effect != ActEffect::Read {
            return Err(format!("a verification may only read, and `{}` is `{}`", describe(&act), effect.as_str()));
        }
        let idempotent =
            policies().all(|policy| policy.is_idempotent(&act, spec, effect)) || spec.name == SCRIPT_ACTION;
        let mut spec = Cow::Borrowed(spec);
        if let Some(automation) = automation.filter(|automation| !automation.kinds.is_empty()) {
            spec.to_mut().kinds.extend(automation.kinds.iter().copied());
        }
        let judge = |policy: &Policy| self.judge(policy, &act, &spec, effect, &preparation);
        let verdict = present.map(judge).into_iter().fold(judge(&self.rules.policy), Verdict::and);
        // What the policy finds weighty is shown as such, with its reasons, wherever the act is shown.
        let mut reasons = preparation.reasons;
        for reason in &verdict.impact_reasons {
            if !reasons.contains(reason) {
                reasons.push(reason.clone());
            }
        }
        let preparation = Preparation { impact: preparation.impact.max(verdict.impact), reasons, ..preparation };
        Ok((PlannedAct { act, effect, idempotent, preparation }, verdict))
    }

    /// The automation that a step runs.
    fn automation_of(&self, step: &Step) -> Option<&AutomationSpec> {
        match &step.does {
            Does::Automation(call) => self.automations.get(&call.name),
            Does::Action(_) | Does::Commands(_) | Does::Nothing => None,
        }
    }

    fn judge(
        &self,
        policy: &Policy,
        act: &Act,
        spec: &ActionSpec,
        effect: ActEffect,
        preparation: &Preparation,
    ) -> Verdict {
        let before = self.execution.touched(act);
        let genesis = &self.execution.genesis;
        policy.judge(&Case {
            act,
            spec,
            effect,
            preparation: Some(preparation),
            environment: &genesis.environment,
            namespace: genesis.cluster.as_ref().and_then(|cluster| cluster.get("namespace")?.as_str()),
            protected: &genesis.protected,
            solo: self.execution.is_solo(),
            before: &before,
            security_domain: self.execution.runbook.domain == Some(Domain::Security),
        })
    }

    /// The request that a plan needs: because the runbook, the step or the policy says so.
    pub(super) fn approval_for(
        &self,
        now: Timestamp,
        step: &Step,
        asking: &Asking<'_>,
        verdicts: &[Verdict],
    ) -> Option<ApprovalRequest> {
        let runbook = &self.execution.runbook;
        let changes = asking.acts.iter().any(|act| act.effect != ActEffect::Read);
        let of_step = step.approval.as_ref().filter(|approval| approval.required);
        let of_runbook = runbook.approval.as_ref().filter(|approval| approval.required && changes);
        let mut reasons = Vec::new();
        if of_step.is_some() {
            reasons.push("the step asks for it".to_owned());
        }
        if of_runbook.is_some() {
            reasons.push("the runbook asks for it on every change".to_owned());
        }
        let demanding: Vec<_> = verdicts.iter().filter(|verdict| verdict.required).collect();
        for reason in demanding.iter().flat_map(|verdict| &verdict.reasons) {
            let reason = format!("policy rule `{}`: {}", reason.rule, reason.text);
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        if reasons.is_empty() {
            return None;
        }
        let said = of_step.or(step.approval.as_ref()).or(of_runbook).or(runbook.approval.as_ref());
        let mut approvers = said.map(|approval| approval.approvers.clone()).unwrap_or_default();
        if approvers.is_empty() {
            approvers.clone_from(&runbook.approvers);
        }
        if approvers.is_empty() {
            for approver in demanding.iter().flat_map(|verdict| &verdict.approvers) {
                if !approvers.contains(approver) {
                    approvers.push(approver.clone());
                }
            }
        }
        let quorum = said
            .and_then(|approval| approval.quorum)
            .unwrap_or(1)
            .max(demanding.iter().map(|verdict| verdict.quorum).max().unwrap_or(1))
            .max(1);
        let time = said.and_then(|approval| approval.timeout).unwrap_or(APPROVAL_TIME);
        let expires_at = later(now, time);
        // Alone, one person approves by typing the target: more than one cannot be had.
        let quorum = if self.execution.is_solo() { 1 } else { quorum };
        let policy = self.present.policy().map(Policy::digest);
        let judged_by = match &policy {
            Some(present) => Cow::Owned(format!("{}+{present}", self.execution.genesis.policy_digest)),
            None => Cow::Borrowed(self.execution.genesis.policy_digest.as_str()),
        };
        let digest = ApprovalPreimage {
            genesis: &self.execution.id,
            epoch: 0,
            at: asking.at,
            plan: asking.plan,
            call: asking.call,
            acts: asking.acts,
            undo: asking.undo,
            policy_digest: &judged_by,
            approvers: &approvers,
            quorum,
            attempts: asking.attempts,
            requested_at: now,
            expires_at,
        }
        .digest();
        let target = asking.acts.first().map_or_else(String::new, |act| act.preparation.target.name.clone());
        Some(ApprovalRequest {
            digest,
            reasons,
            target,
            approvers,
            quorum,
            attempts: asking.attempts,
            requested_at: now,
            expires_at,
            policy,
        })
    }
}

/// Why policy asks for approval now and did not when the request was made.
pub(super) fn stricter(asked: &ApprovalRequest, verdict: &Verdict) -> Vec<String> {
    new_reasons(&asked.reasons, verdict)
}

pub(super) fn new_reasons(known: &[String], verdict: &Verdict) -> Vec<String> {
    let reasons = verdict.reasons.iter().filter(|_| verdict.required);
    let texts = reasons.map(|reason| format!("policy rule `{}`: {}", reason.rule, reason.text));
    texts.filter(|text| !known.contains(text)).collect()
}
