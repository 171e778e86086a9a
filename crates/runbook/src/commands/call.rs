//! Calls of `command.run` by its own parameters, where templates stand in `argv`, `script` and `env`.

use serde_json::Value;

use super::judged;
use super::{Judged, filled_at, lexed, word_of};
use crate::sink::Refusal;
use crate::template::{Filled, Origin, Piece};

/// Why the parameters are refused: their environment counts, because their own script or program may take a value out
/// of it. `pieces` evaluates a template, and fails nowhere that has not been reported.
pub(crate) fn refused(parameters: &Value, pieces: &dyn Fn(&str) -> Option<Vec<Piece>>) -> Option<Refusal> {
    let valued = |text: &Value| match text {
        Value::String(text) => text.contains("{{"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    };
    let variables: Vec<String> = parameters
        .get("env")
        .and_then(Value::as_object)
        .map(|env| env.iter().filter(|(_, value)| valued(value)).map(|(name, _)| name.clone()).collect())
        .unwrap_or_default();
    if let Some(name) = variables.iter().find(|name| super::programs::is_powerful(name)) {
        return Some(of_variable(name, format!("`{name}` changes what every later command means"), None));
    }
    if let Some(script) = parameters.get("script").and_then(Value::as_str)
        && !variables.is_empty()
    {
        let (lexed, mut names) = lexed(&pieces(script)?);
        let all: Vec<String> = std::mem::take(&mut names).into_values().chain(variables.iter().cloned()).collect();
        let (why, hint) = judged::environment(&lexed.script, &all)?;
        return Some(of_variable(&variables.join("`, `"), why, hint));
    }
    let argv = parameters.get("argv").and_then(Value::as_array)?;
    let mut all = Vec::new();
    let mut words = Vec::new();
    for argument in argv {
        words.push(word_of(pieces(argument.as_str()?)?, &mut all));
    }
    let judged = judged::with_environment(&words, &variables);
    first_variable(&judged, &all, &variables).or_else(|| judged.settle(&all).err())
}

/// A refusal of a value in the environment of an argument vector.
fn first_variable(judged: &Judged, pieces: &[Piece], variables: &[String]) -> Option<Refusal> {
    let misplaced = judged.misplaced.iter().find(|misplaced| filled_at(pieces, misplaced.value).is_none())?;
    let name = variables.get(usize::MAX - misplaced.value)?;
    Some(of_variable(name, misplaced.why.clone(), misplaced.hint.clone()))
}

fn of_variable(name: &str, why: String, hint: Option<String>) -> Refusal {
    let place = format!("env.{name}");
    let filled = Filled { value: Value::Null, origin: Origin::Data, place };
    let refusal = Refusal::of(&filled, why);
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}
