//! Prerequisites and post-conditions: literals and comparisons against what was read.

use std::fmt;

use belay_runbook::model::{Comparison, Condition};
use serde_json::Value;

use crate::event::PlannedAct;

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Unmet {
    /// The field is not there: no data is never a pass.
    NoData {
        /// The field.
        field: String,
    },
    /// It is there and says otherwise.
    Differs {
        /// The field.
        field: String,
        /// What was expected, as written.
        expected: Value,
        /// What was found.
        found: Value,
    },
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData { field } => write!(f, "there is no data for `{field}`"),
            Self::Differs { field, expected, found } => {
                write!(f, "`{field}` is {found}, expected {}", written(expected))
            }
        }
    }
}

fn written(expected: &Value) -> String {
    expected.as_str().map_or_else(|| expected.to_string(), str::to_owned)
}

/// Whether every condition holds of an output; the first one that does not.
pub fn conditions(conditions: &[Condition], output: &Value) -> Result<(), Unmet> {
    for condition in conditions {
        let Some(found) = field(output, &condition.field) else {
            return Err(Unmet::NoData { field: condition.field.clone() });
        };
        match holds(&condition.test, found) {
            Some(true) => {}
            Some(false) => {
                return Err(Unmet::Differs {
                    field: condition.field.clone(),
                    expected: condition.written.clone(),
                    found: found.clone(),
                });
            }
            None => return Err(Unmet::NoData { field: condition.field.clone() }),
        }
    }
    Ok(())
}

/// Whether a verification's last act shows what it should. Where nothing is asked for, an action that answers whether
/// something is `healthy` has to answer yes.
pub fn verified(asked: &[Condition], output: &Value) -> Result<(), Unmet> {
    match output.get("healthy") {
        Some(found @ Value::Bool(false)) if asked.is_empty() => {
            Err(Unmet::Differs { field: "healthy".to_owned(), expected: Value::Bool(true), found: found.clone() })
        }
        Some(_) | None => conditions(asked, output),
    }
}

/// Whether prerequisites hold of the facts that preparations answered.
pub fn prerequisites(required: &[Condition], planned: &[PlannedAct]) -> Result<(), String> {
    for condition in required {
        let fact = planned.iter().find_map(|act| act.preparation.facts.get(&condition.field));
        let Some(found) = fact else {
            return Err(format!("prerequisite `{}` was not answered by the action", condition.field));
        };
        if holds(&condition.test, found) != Some(true) {
            let expected = written(&condition.written);
            return Err(format!(
                "prerequisite `{}` does not hold: it is {found}, expected {expected}",
                condition.field
            ));
        }
    }
    Ok(())
}

/// A field by its path: dots for nesting, numbers for positions. A field with dots in its own name is found first.
fn field<'a>(output: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(value) = output.get(path) {
        return (!value.is_null()).then_some(value);
    }
    let mut place = output;
    for part in path.split('.') {
        place = match place {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            Value::Object(fields) => fields.get(part)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
    }
    (!place.is_null()).then_some(place)
}

/// `None` where the two cannot be compared: a text where a number is expected is no data.
fn holds(test: &Comparison, found: &Value) -> Option<bool> {
    match test {
        Comparison::Equal(expected) => Some(equal(expected, found)),
        Comparison::NotEqual(expected) => Some(!equal(expected, found)),
        Comparison::Less(limit) => number(found).map(|found| found < *limit),
        Comparison::LessOrEqual(limit) => number(found).map(|found| found <= *limit),
        Comparison::Greater(limit) => number(found).map(|found| found > *limit),
        Comparison::GreaterOrEqual(limit) => number(found).map(|found| found >= *limit),
    }
}

fn equal(expected: &Value, found: &Value) -> bool {
    match (expected.as_f64(), found.as_f64()) {
        (Some(expected), Some(found)) => (expected - found).abs() <= f64::EPSILON * expected.abs().max(1.0),
        (Some(_) | None, Some(_) | None) => expected == found,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
