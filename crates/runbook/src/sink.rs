//! Sinks: how the pieces of a template become one value that nothing can misread (execution.md, 2).
//!
//! Literal text was written by the runbook's author and is trusted to be what it looks like; a value is data. Each
//! encoder reads the literal text around a value to know what will parse it. Where it cannot know, it refuses.

use serde_json::{Value, json};

use crate::action::Sink;
use crate::template::{Filled, Origin, Piece, secret_name, shortened, value_text};

mod query;
mod script;
pub(crate) mod shell;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use url::{argument as url_argument, values as url_values};

/// The longest value in an argument or an environment variable, in bytes. Linux takes 128 KiB for one string.
pub(crate) const MAX_ARGUMENT: usize = 100 * 1024;

/// A value that has no safe encoding where it would stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) place: String,
    pub(crate) value_excerpt: String,
    pub(crate) why: String,
    pub(crate) hint: Option<String>,
}

impl Refusal {
    pub(crate) fn of(filled: &Filled, why: impl Into<String>) -> Self {
        Self {
            place: filled.place.clone(),
            value_excerpt: excerpt(&value_text(&filled.value)),
            why: why.into(),
            hint: None,
        }
    }

    /// A refusal of the rendered whole.
    pub(crate) fn whole(pieces: &[Piece], rendered: &str, why: impl Into<String>) -> Self {
        let place = pieces.iter().find_map(|piece| match piece {
            Piece::Value(filled) => Some(filled.place.clone()),
            Piece::Text(_) => None,
        });
        Self {
            place: place.unwrap_or_else(|| excerpt(rendered)),
            value_excerpt: excerpt(rendered),
            why: why.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The start of a value, with everything invisible escaped.
fn excerpt(text: &str) -> String {
    shortened(text)
        .chars()
        .flat_map(|c| if c == '…' || !is_hidden(c) { vec![c] } else { c.escape_unicode().collect() })
        .collect()
}

/// Control characters and those that change what people see around them (bidirectional marks, zero width).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{061C}')
}

/// Encodes an evaluated template for one sink.
pub(crate) fn encode(sink: Sink, pieces: &[Piece]) -> Result<Value, Refusal> {
    if let [Piece::Value(filled)] = pieces {
        if secret_name(&filled.value).is_some() {
            return secret(sink, filled);
        }
        if sink == Sink::Json {
            check_json(filled, &filled.value)?;
            return Ok(filled.value.clone());
        }
        if sink == Sink::Name && matches!(filled.value, Value::Array(_) | Value::Object(_)) {
            check_json(filled, &filled.value)?;
            return names(filled, &filled.value);
        }
    }
    for piece in pieces {
        if let Piece::Value(filled) = piece
            && secret_name(&filled.value).is_some()
            && sink != Sink::Shell
        {
            return Err(Refusal::of(filled, "a secret cannot be part of a longer text")
                .hint("let the secret be a whole parameter"));
        }
    }
    match sink {
        Sink::Text | Sink::Json => plain(pieces).map(Value::String),
        Sink::Name => name(pieces).map(Value::String),
        Sink::Url => url::url(pieces).map(Value::String),
        Sink::Host => url::host(pieces).map(Value::String),
        Sink::Query => query::query(pieces).map(Value::String),
        Sink::Script => script::script(pieces).map(Value::String),
        Sink::Argument => argument(pieces).map(Value::String),
        Sink::Shell => {
            let shell = shell::script(pieces)?;
            Ok(json!({ "script": shell.script, "env": shell.environment }))
        }
    }
}

/// A secret alone: it stays a name, which is resolved while acting.
fn secret(sink: Sink, filled: &Filled) -> Result<Value, Refusal> {
    if filled.origin != Origin::Vars {
        return Err(Refusal::of(filled, "only a declared variable can name a secret"));
    }
    match sink {
        Sink::Text | Sink::Json | Sink::Name | Sink::Url | Sink::Host => Ok(filled.value.clone()),
        Sink::Argument => {
            Err(Refusal::of(filled, "every process of the machine can read arguments, and this is a secret")
                .hint("hand it over in the environment: `VARIABLE={name} command`"))
        }
        Sink::Query | Sink::Script | Sink::Shell => Err(Refusal::of(filled, "a secret cannot stand here")),
    }
}

/// Refuses a secret that did not come from a variable, or that would become readable by others.
pub(crate) fn check_secret(filled: &Filled, argument: bool) -> Result<(), Refusal> {
    if argument {
        return secret(Sink::Argument, filled).map(drop);
    }
    secret(Sink::Json, filled).map(drop)
}

/// Refuses what looks like a reference to a secret but came with data, and NUL.
fn check_json(filled: &Filled, value: &Value) -> Result<(), Refusal> {
    match value {
        Value::String(text) => no_nul(filled, text),
        Value::Array(items) => items.iter().try_for_each(|item| check_json(filled, item)),
        Value::Object(fields) => {
            if fields.contains_key("$secret") && (filled.origin != Origin::Vars || fields.len() != 1) {
                return Err(Refusal::of(filled, "only a declared variable can name a secret"));
            }
            fields.iter().try_for_each(|(key, item)| no_nul(filled, key).and_then(|()| check_json(filled, item)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn no_nul(filled: &Filled, text: &str) -> Result<(), Refusal> {
    if text.contains('\0') { Err(Refusal::of(filled, "it contains a NUL character")) } else { Ok(()) }
}

/// The text of a value for a sink that takes lists and objects as JSON.
fn loose_text(filled: &Filled) -> Result<String, Refusal> {
    let text = value_text(&filled.value);
    no_nul(filled, &text)?;
    Ok(text)
}

/// The text of a single value: no list, no object, no secret, no NUL.
pub(crate) fn single_text(filled: &Filled) -> Result<String, Refusal> {
    match &filled.value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => loose_text(filled),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Refusal::of(filled, "one text or number belongs here, not a list or an object"))
        }
    }
}

/// Plain text, which nothing parses.
pub(crate) fn plain(pieces: &[Piece]) -> Result<String, Refusal> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Value(filled) => text.push_str(&loose_text(filled)?),
        }
    }
    Ok(text)
}

/// The name of an object.
fn name(pieces: &[Piece]) -> Result<String, Refusal> {
    let mut name = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(literal) => name.push_str(literal),
            Piece::Value(filled) => {
                let text = single_text(filled)?;
                if let Some(bad) = text.chars().find(|c| is_hidden(*c) || matches!(c, '/' | '\\')) {
                    return Err(Refusal::of(filled, format!("a name cannot contain `{}`", bad.escape_debug())));
                }
                name.push_str(&text);
            }
        }
    }
    if !pieces.iter().any(|piece| matches!(piece, Piece::Value(_))) {
        return Ok(name);
    }
    let problem = if name.trim().is_empty() {
        Some("a name cannot be empty")
    } else if name.starts_with('-') {
        Some("a name cannot begin with `-`")
    } else if name == "." || name == ".." {
        Some("this is a directory, not a name")
    } else if name.len() > 1024 {
        Some("a name cannot be longer than 1024 bytes")
    } else {
        None
    };
    problem.map_or(Ok(name.clone()), |why| Err(Refusal::whole(pieces, &name, why)))
}

/// A list or an object of names: each text in it is one.
fn names(filled: &Filled, value: &Value) -> Result<Value, Refusal> {
    match value {
        Value::String(_) => name(&[Piece::Value(Filled { value: value.clone(), ..filled.clone() })]).map(Value::String),
        Value::Array(items) => items.iter().map(|item| names(filled, item)).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, member)| Ok((key.clone(), names(filled, member)?))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

/// One argument of an argument vector.
pub(crate) fn argument(pieces: &[Piece]) -> Result<String, Refusal> {
    let mut argument = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(literal) => argument.push_str(literal),
            Piece::Value(filled) => {
                let text = single_text(filled)?;
                if argument.is_empty() {
                    no_option(filled, &text)?;
                }
                no_overflow(filled, &text)?;
                argument.push_str(&text);
            }
        }
    }
    Ok(argument)
}

/// Refuses a value that a program would take for an option.
pub(crate) fn no_option(filled: &Filled, text: &str) -> Result<(), Refusal> {
    if text.starts_with('-') {
        return Err(Refusal::of(filled, "it begins with `-`, so the program would take it for an option")
            .hint("give it as `--option=VALUE` where the program allows that"));
    }
    Ok(())
}

/// Refuses a value that the system could not hand over.
pub(crate) fn no_overflow(filled: &Filled, text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_ARGUMENT {
        return Err(Refusal::of(filled, format!("it has {} bytes, and {MAX_ARGUMENT} are the most", text.len())));
    }
    Ok(())
}
