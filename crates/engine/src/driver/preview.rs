//! The same rendering and judging as in a run, without the run: what a plan shows.

use belay_runbook::act::{Act, Preparation};
use belay_runbook::action::{Effect, Impact};
use belay_runbook::model::{Does, Step, StepKind};
use belay_runbook::template::RenderError;
use jiff::Timestamp;

use super::Driver;
use super::judging::Asking;
use super::rendering::PlanError;
use crate::event::{NextStep, PlannedAct, UndoPlan};
use crate::ids::VisitId;

/// What is known of a step's acts before it is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum StepPlan {
    /// A person does it.
    Nothing,
    /// Everything.
    Acts(Vec<Act>),
    /// They refer to what is known later: `known after STEP`, or to values that nobody has given.
    KnownAfter(Vec<String>),
    /// They could not be rendered whatever happens.
    Impossible(String),
}

/// What policy says of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The acts.
    pub acts: Vec<PlannedAct>,
    /// The largest impact.
    pub impact: Impact,
    /// Why approval is needed; empty where it is not.
    pub approval: Vec<String>,
    /// What takes it back.
    pub undo: UndoPlan,
}

impl Driver {
    /// Renders a step's acts as far as they are known now.
    pub fn rendered(&self, step: &Step) -> StepPlan {
        if matches!(step.kind, StepKind::Manual | StepKind::Decision) || step.does == Does::Nothing {
            return StepPlan::Nothing;
        }
        match self.render_does(&step.does) {
            Ok(acts) => StepPlan::Acts(acts),
            Err(PlanError::Render(RenderError::Missing { references })) => {
                let mut known_after: Vec<String> = references
                    .iter()
                    .map(|reference| match reference.path.strip_prefix(".Steps.") {
                        Some(rest) => format!("known after {}", rest.split('.').next().unwrap_or(rest)),
                        None => match &reference.variable {
                            Some(variable) => format!("no value for `{variable}`"),
                            None => format!("no value for `{}`", reference.path),
                        },
                    })
                    .collect();
                known_after.dedup();
                StepPlan::KnownAfter(known_after)
            }
            Err(error @ (PlanError::Render(_) | PlanError::Unknown { .. } | PlanError::Expand(_))) => {
                StepPlan::Impossible(error.to_string())
            }
        }
    }

    /// Lets policy judge a step, given what was read before it.
    pub fn judged(&self, step: &Step, acts: Vec<Act>, preparations: Vec<Preparation>) -> Result<Judged, String> {
        let mut planned = Vec::with_capacity(acts.len());
        let mut verdicts = Vec::with_capacity(acts.len());
        for (act, preparation) in acts.into_iter().zip(preparations) {
            let (act, verdict) = self.judge_act(step, act, preparation)?;
            planned.push(act);
            verdicts.push(verdict);
        }
        if let Some(reason) = verdicts.iter().find_map(|verdict| verdict.forbidden.as_ref()) {
            return Err(format!("policy rule `{}` forbids it: {}", reason.rule, reason.text));
        }
        let undo = self.plan_undo(step, &planned);
        let at = VisitId { step: step.name.clone(), visit: 1 };
        let attempts = 1 + step.retries;
        let asking = Asking { at: &at, plan: 1, call: None, acts: &planned, undo: &undo, attempts };
        let approval = self.approval_for(Timestamp::UNIX_EPOCH, step, &asking, &verdicts);
        Ok(Judged {
            impact: planned
                .iter()
                .map(|act| act.preparation.impact)
                .chain(verdicts.iter().map(|verdict| verdict.impact))
                .max()
                .unwrap_or(Impact::Low),
            approval: approval.map(|asked| asked.reasons).unwrap_or_default(),
            undo,
            acts: planned,
        })
    }

    /// The effect that an act has by its declaration and the policy, without live state.
    pub fn declared_effect(&self, step: &Step, act: &Act) -> Effect {
        self.rules
            .actions
            .spec(&act.action)
            .map_or(Effect::Mutate, |spec| self.rules.policy.effect_of(act, spec, step.effect))
    }

    /// Where a step leads: the next step, each branch with its target, `end`.
    pub fn leads_to(&self, step: &Step) -> Vec<String> {
        if step.branches.is_empty() {
            let at = VisitId { step: step.name.clone(), visit: 1 };
            return vec![match self.next_of(&at) {
                NextStep::Step(name) => name.to_string(),
                NextStep::End => "end".to_owned(),
            }];
        }
        step.branches
            .iter()
            .map(|(name, branch)| match branch.target.step() {
                Some(step) => format!("{name} → {step}"),
                None => format!("{name} → end"),
            })
            .collect()
    }
}
