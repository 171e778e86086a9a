//! Calls of `command.run` by its own parameters, where templates stand in `argv`, `script` and `env`.

use serde_json::Value;

use super::{judged, lexed, programs, word_of};
use crate::sink::{self, Refusal};
use crate::template::{Filled, Origin, Piece};

/// Why the parameters are refused: their environment counts, because their own script or program may take a value out
/// of it. `pieces` evaluates a template; where it cannot, that has been reported.
pub(crate) fn refused(parameters: &Value, pieces: &dyn Fn(&str) -> Option<Vec<Piece>>) -> Option<Refusal> {
    let mut environment = Vec::new();
    if let Some(Value::Object(variables)) = parameters.get("env") {
        for (name, value) in variables {
            if let Value::String(text) = value
                && text.contains("{{")
            {
                environment.push((name.clone(), filled(name, &pieces(text)?)));
            }
        }
    }
    if let Some((name, value)) = environment.iter().find(|(name, _)| programs::is_powerful(name)) {
        return Some(Refusal::of(value, format!("`{name}` changes what every later command means")));
    }
    let mut all = Vec::new();
    let judged = if let Some(script) = parameters.get("script").and_then(Value::as_str) {
        all = pieces(script)?;
        let (lexed, names) = lexed(&all);
        if environment.is_empty() || !lexed.misplaced.is_empty() || lexed.incomplete.is_some() {
            // Nothing but the script itself, which its own encoder asks.
            return None;
        }
        let mut variables: Vec<(usize, String)> = names.into_iter().collect();
        variables.extend(appended(environment, &mut all));
        judged::environment(&lexed.script, variables)
    } else {
        let mut words = Vec::new();
        for argument in parameters.get("argv").and_then(Value::as_array)? {
            words.push(word_of(pieces(argument.as_str()?)?, &mut all));
        }
        let variables = appended(environment, &mut all);
        judged::with_environment(&words, &variables)
    };
    judged.settle(&all).err()
}

fn appended(environment: Vec<(String, Filled)>, all: &mut Vec<Piece>) -> Vec<(usize, String)> {
    let mut variables = Vec::new();
    for (name, value) in environment {
        variables.push((all.len(), name));
        all.push(Piece::Value(value));
    }
    variables
}

/// The value of a variable, which may be put together of several.
fn filled(name: &str, pieces: &[Piece]) -> Filled {
    let place = format!("env.{name}");
    if let [Piece::Value(alone)] = pieces {
        return Filled { place, ..alone.clone() };
    }
    let origins = pieces.iter().map(|piece| match piece {
        Piece::Text(_) => Origin::Literal,
        Piece::Value(filled) => filled.origin,
    });
    let origin = origins.max().unwrap_or(Origin::Data);
    Filled { value: Value::String(sink::plain(pieces).unwrap_or_default()), origin, place }
}
