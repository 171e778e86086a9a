//! From what a runbook says to acts: every template is replaced once, by what is known now.

use belay_runbook::act::Act;
use belay_runbook::action::{Effect as ActEffect, SCRIPT_ACTION, Sink};
use belay_runbook::automation::{AutomationUndo, ExpandError, Expansion};
use belay_runbook::commands;
use belay_runbook::model::{ActionCall, Does, Step, StepKind, Undo};
use belay_runbook::template::{self, RenderError, Scope};
use serde_json::Value;

use super::Driver;
use crate::event::{PlannedAct, UndoPlan};
use crate::scope::ScopeRoot;

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

impl Driver {
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
