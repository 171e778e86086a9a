//! Values of declared variables: from text, with their types checked at the edge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use belay_engine::driver::{Driver, Rules, StepPlan};
use belay_runbook::model::{InputKind, InputSpec, Runbook};
use belay_runbook::template::{self, RenderError, Scope};
use serde_json::{Value, json};

use crate::Cockpit;
use crate::error::CockpitError;
use crate::home;
use crate::start::{Prepared, StartRequest};

impl Cockpit {
    /// Judges one value as it is typed: by its declaration, and in every place of the runbook that it would stand in, with
    /// the values that `request` has. What depends on other values that are missing is judged with those.
    pub fn judge_value(&self, request: &StartRequest, name: &str, text: &str) -> Result<(), CockpitError> {
        let mut prepared = self.gather(request)?;
        let runbook = Arc::clone(&prepared.found.runbook);
        let Some(spec) = runbook.inputs.get(name) else { return Ok(()) };
        let value = parse(name, spec, text)?;
        for (other, spec) in &runbook.inputs {
            prepared.values.entry(other.clone()).or_insert_with(|| sample(spec));
        }
        prepared.values.insert(name.to_owned(), sample(spec));
        let before = self.impossible(request, &prepared)?;
        prepared.values.insert(name.to_owned(), value);
        let with = self.impossible(request, &prepared)?;
        match with.difference(&before).next() {
            Some((step, why)) => Err(CockpitError::user(format!("`{}` cannot be used: {why}", excerpt(text)))
                .hint(format!("step `{step}` would have to use it; give another value"))),
            None => Ok(()),
        }
    }

    /// Steps that cannot be rendered whatever happens, and why.
    fn impossible(
        &self,
        request: &StartRequest,
        prepared: &Prepared,
    ) -> Result<BTreeSet<(String, String)>, CockpitError> {
        let execution = Self::pretend(request, prepared);
        let policy = self.shared.policy(&execution.genesis)?;
        let rules = Rules { actions: Arc::clone(self.registry()) as _, policy };
        let driver = Driver::new(execution, rules, home::nobody_yet());
        let runbook = &prepared.found.runbook;
        let steps = runbook.steps.iter().chain(&runbook.rollback_steps);
        Ok(steps
            .filter_map(|step| match driver.rendered(step) {
                StepPlan::Impossible(why) => Some((step.name.to_string(), why)),
                StepPlan::Nothing | StepPlan::Acts(_) | StepPlan::KnownAfter(_) => None,
            })
            .collect())
    }
}

/// A value of a variable's type that no place minds, for judging another one.
fn sample(spec: &InputSpec) -> Value {
    if let Some(option) = spec.options.first() {
        return option.clone();
    }
    match spec.kind {
        InputKind::String => json!("x"),
        InputKind::Integer | InputKind::Number => json!(1),
        InputKind::Boolean => json!(true),
        InputKind::Secret => json!({ "$secret": "x" }),
    }
}

/// Judges one value by its declaration alone.
pub fn judge_input(name: &str, spec: &InputSpec, text: &str) -> Result<(), CockpitError> {
    parse(name, spec, text).map(|_| ())
}

/// Reads one value as its declaration wants it.
pub(crate) fn parse(name: &str, spec: &InputSpec, text: &str) -> Result<Value, CockpitError> {
    let wrong = |what: &str| {
        let such = match spec.kind {
            InputKind::Integer => "such as `3`",
            InputKind::Number => "such as `0.5`",
            InputKind::Boolean | InputKind::String | InputKind::Secret => "write one of the two words",
        };
        CockpitError::user(format!("variable `{name}` is {what}, not `{}`", excerpt(text))).hint(such)
    };
    let value = match spec.kind {
        InputKind::String => Value::String(text.to_owned()),
        InputKind::Integer => text.trim().parse::<i64>().map(Value::from).map_err(|_| wrong("a whole number"))?,
        InputKind::Number => text
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from)
            .ok_or_else(|| wrong("a number"))?,
        InputKind::Boolean => match text.trim() {
            "true" | "yes" => Value::Bool(true),
            "false" | "no" => Value::Bool(false),
            _ => return Err(wrong("`true` or `false`")),
        },
        InputKind::Secret => json!({ "$secret": text }),
    };
    check(name, spec, &value)?;
    Ok(value)
}

fn check(name: &str, spec: &InputSpec, value: &Value) -> Result<(), CockpitError> {
    if !spec.options.is_empty() && !spec.options.contains(value) {
        let options: Vec<_> = spec.options.iter().map(plain).collect();
        return Err(CockpitError::user(format!("variable `{name}` may not be `{}`", excerpt(&plain(value))))
            .hint(format!("it is one of {}", options.join(", "))));
    }
    if let (Some(pattern), Some(text)) = (&spec.pattern, value.as_str()) {
        let anchored = regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
            CockpitError::user(format!("the pattern of variable `{name}` is wrong: {error}"))
                .hint("mend it in the runbook; `belay validate` shows where it stands")
        })?;
        if !anchored.is_match(text) {
            return Err(CockpitError::user(format!("variable `{name}` may not be `{}`", excerpt(text)))
                .hint(format!("it has to match `{pattern}`")));
        }
    }
    Ok(())
}

/// The values of an execution: given ones, then defaults, which may be templates over the alert.
///
/// A default whose template misses a value counts as missing itself. Returns the values and the names of required
/// variables that have none.
pub(crate) fn resolve(
    runbook: &Runbook,
    given: &BTreeMap<String, String>,
    root: &Value,
) -> Result<(BTreeMap<String, Value>, Vec<String>), CockpitError> {
    if let Some(unknown) = given.keys().find(|name| !runbook.inputs.contains_key(*name) && !name.starts_with('.')) {
        let known: Vec<_> = runbook.inputs.keys().cloned().collect();
        let hint = if known.is_empty() {
            "the runbook declares no variables".to_owned()
        } else {
            format!("the runbook declares {}", known.join(", "))
        };
        return Err(CockpitError::user(format!("there is no variable `{unknown}`")).hint(hint));
    }
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, text) in given.iter().filter(|(name, _)| name.starts_with('.')) {
        values.insert(name.clone(), Value::String(text.clone()));
    }
    let variables = runbook.inputs.keys().cloned().collect();
    let scope = Scope { root, variables: &variables };
    for (name, spec) in &runbook.inputs {
        let value = match (given.get(name), &spec.default) {
            (Some(text), _) => Some(parse(name, spec, text)?),
            (None, Some(Value::String(text))) => match template::render_text(text, &scope) {
                Ok(text) => Some(parse(name, spec, &text)?),
                Err(RenderError::Missing { .. }) => None,
                Err(error) => {
                    return Err(CockpitError::user(format!("the default of variable `{name}`: {error}"))
                        .hint(format!("give a value with `--var {name}=VALUE`, or mend the default in the runbook")));
                }
            },
            (None, Some(value)) => Some(value.clone()),
            (None, None) => None,
        };
        match value {
            Some(value) => {
                values.insert(name.clone(), value);
            }
            None if spec.required => missing.push(name.clone()),
            None => {}
        }
    }
    Ok((values, missing))
}

pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    short.escape_debug().to_string()
}
