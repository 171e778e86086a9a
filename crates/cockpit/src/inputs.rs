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
use crate::secrets::{SecretName, no_secret};
use crate::start::{Prepared, StartRequest};

impl Cockpit {
    /// Judges one value as it is typed: by its declaration, and in every place of the runbook that it would stand in, with
    /// the values that `request` has. What depends on other values that are missing is judged with those.
    pub fn judge_value(&self, request: &StartRequest, name: &str, text: &str) -> Result<(), CockpitError> {
        let prepared = self.gather(request)?;
        let runbook = Arc::clone(&prepared.found.runbook);
        let Some(spec) = runbook.inputs.get(name) else { return Ok(()) };
        let value = parse(name, spec, text)?;
        let given = BTreeMap::from([(name.to_owned(), text.to_owned())]);
        self.secrets().refuse_unknown(&runbook, &given)?;
        let mut values = prepared.values.clone();
        for (other, spec) in &runbook.inputs {
            values.entry(other.clone()).or_insert_with(|| sample(spec));
        }
        values.insert(name.to_owned(), sample(spec));
        let before = self.impossible(request, &prepared, values.clone())?;
        values.insert(name.to_owned(), value);
        let with = self.impossible(request, &prepared, values)?;
        match with.difference(&before).next() {
            Some((step, _)) if spec.kind == InputKind::Secret => {
                Err(CockpitError::user(format!("variable `{name}` cannot be used as step `{step}` would"))
                    .hint("mend the runbook; `belay plan` shows the step"))
            }
            Some((step, why)) => Err(CockpitError::user(format!("`{}` cannot be used: {why}", excerpt(text)))
                .hint(format!("step `{step}` would have to use it; give another value"))),
            None => Ok(()),
        }
    }

    /// Refuses values that were given and that a place of the runbook would not take, so that no step fails for them half way.
    pub(crate) fn refuse_unusable(&self, request: &StartRequest, prepared: &Prepared) -> Result<(), CockpitError> {
        let runbook = &prepared.found.runbook;
        let given = || request.variables.keys().filter_map(|name| Some((name, runbook.inputs.get(name)?)));
        if given().next().is_none() {
            return Ok(());
        }
        let harmless = given().map(|(name, spec)| (name.clone(), sample(spec)));
        let mut values = prepared.values.clone();
        values.extend(harmless);
        let before = self.impossible(request, prepared, values)?;
        let with = self.impossible(request, prepared, prepared.values.clone())?;
        if with.is_subset(&before) {
            return Ok(());
        }
        for (name, text) in &request.variables {
            self.judge_value(request, name, text)?;
        }
        // Only together do they not fit.
        let why = with.difference(&before).map(|(step, why)| format!("step `{step}`: {why}")).collect::<Vec<_>>();
        Err(CockpitError::user(format!("the values cannot be used: {}", why.join("; "))).hint("give other values"))
    }

    /// Steps that cannot be rendered whatever happens, and why.
    fn impossible(
        &self,
        request: &StartRequest,
        prepared: &Prepared,
        values: BTreeMap<String, Value>,
    ) -> Result<BTreeSet<(String, String)>, CockpitError> {
        let execution = Self::pretend(request, prepared, values);
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
        // What is no name may be the secret: nothing of it is repeated.
        InputKind::Secret => {
            let options: Vec<_> = spec.options.iter().map(plain).collect();
            if SecretName::parse(text).is_err() || !(options.is_empty() || options.iter().any(|option| option == text))
            {
                return Err(no_secret(name));
            }
            return Ok(json!({ "$secret": text }));
        }
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
        let known: Vec<_> = runbook.inputs.keys().map(String::as_str).collect();
        return Err(undeclared(unknown, &known));
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

/// There is no such variable, and which one may be meant.
pub(crate) fn undeclared(name: &str, known: &[&str]) -> CockpitError {
    let near = known.iter().map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()), known));
    let meant = near.filter(|(nearness, _)| *nearness > 0.8).max_by(|(one, _), (other, _)| one.total_cmp(other));
    let hint = match meant {
        Some((_, meant)) => format!("did you mean `{meant}`? the runbook declares {}", known.join(", ")),
        None if known.is_empty() => "the runbook declares no variables".to_owned(),
        None => format!("the runbook declares {}", known.join(", ")),
    };
    CockpitError::user(format!("there is no variable `{name}`")).hint(hint)
}

pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    short.escape_debug().to_string()
}
