//! Values of declared variables: from text, with their types checked at the edge.

use std::collections::BTreeMap;

use belay_runbook::model::{InputKind, InputSpec, Runbook};
use belay_runbook::template::{self, RenderError, Scope};
use serde_json::{Value, json};

use crate::error::CockpitError;

/// Reads one value as its declaration wants it.
pub(crate) fn parse(name: &str, spec: &InputSpec, text: &str) -> Result<Value, CockpitError> {
    let wrong = |what: &str| {
        CockpitError::user(format!("variable `{name}` is {what}, not `{}`", excerpt(text)))
            .hint(format!("give it as `--var {name}=VALUE`"))
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
        let anchored = regex::Regex::new(&format!("^(?:{pattern})$"))
            .map_err(|error| CockpitError::user(format!("the pattern of variable `{name}` is wrong: {error}")))?;
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
                    return Err(CockpitError::user(format!("the default of variable `{name}`: {error}")));
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
