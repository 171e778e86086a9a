//! From a step to a plan: render once, read the state before, judge, ask for approval where policy says so.

use std::collections::BTreeSet;
use std::time::Duration;

use belay_runbook::act::{Act, Preparation};
use belay_runbook::action::{ActionSpec, COMMAND_ACTION, Effect as ActEffect, SCRIPT_ACTION, Sink};
use belay_runbook::automation::{AutomationSpec, AutomationUndo, ExpandError, Expansion};
use belay_runbook::commands;
use belay_runbook::model::{ActionCall, Does, Domain, Step, StepKind, Undo};
use belay_runbook::policy::{Case, Verdict};
use belay_runbook::template::{self, RenderError, Scope};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Busy, Driver, Effect, Refusal};
use crate::check;
use crate::digest::{ApprovalPreimage, basis_difference, expected_basis};
use crate::event::{ApprovalRequest, Closing, Plan, PlannedAct, Transition, UndoPlan};
use crate::execution::Visit;
use crate::fold::Illegal;
use crate::ids::{ActIndex, VisitId};
use crate::scope::ScopeRoot;
use crate::status::StepStatus;

/// How long a request for approval stands where nobody says otherwise (execution.md, 5).
const APPROVAL_TIME: Duration = Duration::from_mins(5);

/// Why a step fails whose acts were not all answered for.
const UNANSWERED: &str = "the state before could not be read";

/// Why a step's acts could not be rendered.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    /// A template.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A name that means nothing here.
    #[error("there is no {what} `{name}`")]
    Unknown { what: &'static str, name: String },
    /// The parameters of an automation.
    #[error(transparent)]
    Expand(#[from] ExpandError),
}

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

    /// Renders what a step or an undo performs, from what is known now.
    pub(super) fn render_does(&self, does: &Does) -> Result<Vec<Act>, PlanError> {
        let root = ScopeRoot::of(&self.execution);
        let scope = Scope { root: &root.root, variables: &root.variables };
        match does {
            Does::Nothing => Ok(Vec::new()),
            Does::Commands(commands) => Ok(commands::render(commands, &scope)?),
            Does::Action(call) => Ok(vec![self.render_call(call, &root, &scope)?]),
            Does::Automation(call) => {
                let expansion = self.expand(call, &scope)?;
                self.render_parts(&expansion, &expansion.parts, root)
            }
        }
    }

    /// Puts a step's parameters to its automation.
    fn expand(&self, call: &ActionCall, scope: &Scope<'_>) -> Result<Expansion, PlanError> {
        let Some(automation) = self.automations.get(&call.name) else {
            return Err(PlanError::Unknown { what: "automation", name: call.name.clone() });
        };
        let parameters = rendered_leaves(&call.parameters, scope)?;
        Ok(automation.expand(&parameters)?)
    }

    /// Renders parts of an automation, whose own parameters are their `.Vars` and `{name}`.
    fn render_parts(&self, expansion: &Expansion, parts: &[Does], mut root: ScopeRoot) -> Result<Vec<Act>, PlanError> {
        if let Some(fields) = root.root.as_object_mut() {
            let variables = expansion.variables.iter().map(|(name, value)| (name.clone(), value.clone()));
            fields.insert("Vars".to_owned(), Value::Object(variables.collect()));
        }
        root.variables = expansion.variables.keys().cloned().collect();
        let scope = Scope { root: &root.root, variables: &root.variables };
        let mut acts = Vec::new();
        for part in parts {
            match part {
                Does::Commands(commands) => acts.extend(commands::render(commands, &scope)?),
                Does::Action(call) => acts.push(self.render_call(call, &root, &scope)?),
                // An automation does not call another one.
                Does::Nothing | Does::Automation(_) => {}
            }
        }
        Ok(acts)
    }

    fn render_call(&self, call: &ActionCall, root: &ScopeRoot, scope: &Scope<'_>) -> Result<Act, PlanError> {
        let Some(spec) = self.rules.actions.spec(&call.name) else {
            return Err(PlanError::Unknown { what: "action", name: call.name.clone() });
        };
        let mut parameters = template::render_parameters(&call.parameters, spec, scope)?;
        if call.name == SCRIPT_ACTION
            && let Some(parameters) = parameters.as_object_mut()
        {
            parameters.insert("context".to_owned(), root.script_context(&self.execution));
        }
        Ok(Act { action: call.name.clone(), parameters })
    }

    /// The answer to [`Effect::Prepare`].
    pub(super) fn prepared(
        &mut self,
        now: Timestamp,
        ticket: u64,
        results: Vec<Result<Preparation, String>>,
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
            Some(
                Busy::Planning { .. }
                | Busy::Rereading { .. }
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
        results: Vec<Result<Preparation, String>>,
    ) -> Result<(), Illegal> {
        let Some(step) = self.execution.step(&at.step).cloned() else { return Ok(()) };
        if results.len() != acts.len() {
            return self.fail_step(now, at, UNANSWERED, StepStatus::Failed);
        }
        if self.asks_whether_needed(at, &acts, &results) {
            return Ok(());
        }
        // Only what has not succeeded is planned again; a person's retry starts from the front.
        let visit = self.execution.visit(at);
        let from = visit.filter(|visit| visit.acts.len() > visit.calls_from).and_then(Visit::next_act).unwrap_or(0);
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
                Err(error) => return self.fail_step(now, at, &error, StepStatus::Failed),
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
        let undo = self.plan_undo(&step, &planned);
        let visit = self.execution.visit(at);
        let number = visit.and_then(|visit| visit.plans.last()).map_or(1, |plan| plan.number + 1);
        let attempts = 1 + step.retries;
        let asking = Asking { at, plan: number, call: None, acts: &planned, undo: &undo, attempts };
        let approval = self.approval_for(now, &step, &asking, &verdicts);
        let waits = approval.is_some();
        let plan = Box::new(Plan { number, from, acts: planned, undo, approval: approval.map(Box::new) });
        self.record(now, Transition::Planned { at: at.clone(), plan })?;
        if !waits && !self.execution.paused {
            self.start_next(now, at)?;
        }
        Ok(())
    }

    /// Settles the effect of one act and lets policy judge it.
    pub(super) fn judge_act(
        &self,
        step: &Step,
        act: Act,
        preparation: Preparation,
    ) -> Result<(PlannedAct, Verdict), String> {
        let Some(spec) = self.rules.actions.spec(&act.action) else {
            return Err(format!("there is no action `{}`", act.action));
        };
        let policy = &self.rules.policy;
        // What a command does is for the policy to say; every other action knows best from live state.
        let live = if spec.name == COMMAND_ACTION { ActEffect::Read } else { preparation.effect };
        let automation = self.automation_of(step);
        let raised = step.effect.max(automation.and_then(|automation| automation.effect));
        let effect = policy.effect_of(&act, spec, raised).max(live);
        if step.kind == StepKind::Verification && effect != ActEffect::Read {
            return Err(format!("a verification may only read, and `{}` is `{}`", describe(&act), effect.as_str()));
        }
        let idempotent = policy.is_idempotent(&act, spec, effect) || spec.name == SCRIPT_ACTION;
        let verdict = match automation.filter(|automation| !automation.kinds.is_empty()) {
            None => self.judge(&act, spec, effect, Some(&preparation)),
            Some(automation) => {
                let mut spec = spec.clone();
                spec.kinds.extend(automation.kinds.iter().copied());
                self.judge(&act, &spec, effect, Some(&preparation))
            }
        };
        Ok((PlannedAct { act, effect, idempotent, preparation }, verdict))
    }

    /// The automation that a step runs.
    fn automation_of(&self, step: &Step) -> Option<&AutomationSpec> {
        match &step.does {
            Does::Automation(call) => self.automations.get(&call.name),
            Does::Action(_) | Does::Commands(_) | Does::Nothing => None,
        }
    }

    fn judge(&self, act: &Act, spec: &ActionSpec, effect: ActEffect, preparation: Option<&Preparation>) -> Verdict {
        let nodes: BTreeSet<String> = self.execution.nodes_touched();
        self.rules.policy.judge(&Case {
            act,
            spec,
            effect,
            preparation,
            environment: &self.execution.genesis.environment,
            solo: self.execution.is_solo(),
            nodes_before: &nodes,
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
            reasons.push(format!("policy rule `{}`: {}", reason.rule, reason.text));
        }
        reasons.dedup();
        if reasons.is_empty() {
            return None;
        }
        let said = of_step.or(step.approval.as_ref()).or(of_runbook).or(runbook.approval.as_ref());
        let mut approvers = said.map(|approval| approval.approvers.clone()).unwrap_or_default();
        if approvers.is_empty() {
            approvers.clone_from(&runbook.approvers);
        }
        if approvers.is_empty() {
            approvers = demanding.iter().flat_map(|verdict| verdict.approvers.iter().cloned()).collect();
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
        let digest = ApprovalPreimage {
            genesis: &self.execution.id,
            epoch: 0,
            at: asking.at,
            plan: asking.plan,
            call: asking.call,
            acts: asking.acts,
            undo: asking.undo,
            policy_digest: &self.execution.genesis.policy_digest,
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
        })
    }

    /// What takes a step back: its own `rollback` first, then what its acts captured.
    pub(super) fn plan_undo(&self, step: &Step, planned: &[PlannedAct]) -> UndoPlan {
        match &step.undo {
            Some(Undo::Irreversible(reason)) => UndoPlan::Irreversible { reason: reason.clone() },
            Some(Undo::Step(name)) => match self.execution.step(name) {
                Some(undo) if undo.kind == StepKind::Manual || undo.does == Does::Nothing => {
                    UndoPlan::Manual { step: name.clone() }
                }
                Some(undo) => match self.render_does(&undo.does) {
                    Ok(acts) => UndoPlan::Acts { acts, step: Some(name.clone()) },
                    Err(error) => UndoPlan::Later { missing: vec![error.to_string()] },
                },
                None => UndoPlan::Undeclared,
            },
            Some(Undo::Does(does)) => match self.render_does(does) {
                Ok(acts) => UndoPlan::Acts { acts, step: None },
                Err(error) => UndoPlan::Later { missing: vec![error.to_string()] },
            },
            None if let Some(undo) = self.automation_undo(step) => undo,
            None if planned.iter().any(|act| act.preparation.undo.is_some()) => UndoPlan::Captured,
            None if planned.iter().all(|act| act.effect == ActEffect::Read) => UndoPlan::NotNeeded,
            None => UndoPlan::Undeclared,
        }
    }

    /// What an automation says about taking it back.
    fn automation_undo(&self, step: &Step) -> Option<UndoPlan> {
        let Does::Automation(call) = &step.does else { return None };
        let root = ScopeRoot::of(&self.execution);
        let scope = Scope { root: &root.root, variables: &root.variables };
        let expansion = self.expand(call, &scope).ok()?;
        match &expansion.undo {
            AutomationUndo::Unknown => None,
            AutomationUndo::Irreversible(reason) => Some(UndoPlan::Irreversible { reason: reason.clone() }),
            AutomationUndo::Parts(parts) => Some(match self.render_parts(&expansion, parts, root.clone()) {
                Ok(acts) => UndoPlan::Acts { acts, step: None },
                Err(error) => UndoPlan::Later { missing: vec![error.to_string()] },
            }),
        }
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
        results: Vec<Result<Preparation, String>>,
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
                Err(error) => return self.fail_step(now, at, &error, StepStatus::Failed),
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

/// Why policy asks for approval now and did not when the request was made.
pub(super) fn stricter(asked: &ApprovalRequest, verdict: &Verdict) -> Vec<String> {
    new_reasons(&asked.reasons, verdict)
}

fn new_reasons(known: &[String], verdict: &Verdict) -> Vec<String> {
    let reasons = verdict.reasons.iter().filter(|_| verdict.required);
    let texts = reasons.map(|reason| format!("policy rule `{}`: {}", reason.rule, reason.text));
    texts.filter(|text| !known.contains(text)).collect()
}

/// A call's parameters with every template in them rendered as JSON.
fn rendered_leaves(parameters: &Value, scope: &Scope<'_>) -> Result<Value, RenderError> {
    Ok(match parameters {
        Value::String(text) => template::render_value(text, Sink::Json, scope)?,
        Value::Array(items) => items.iter().map(|item| rendered_leaves(item, scope)).collect::<Result<_, _>>()?,
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), rendered_leaves(value, scope)?)))
                .collect::<Result<_, RenderError>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => parameters.clone(),
    })
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
