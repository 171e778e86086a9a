//! The values of a command's words, encoded for what the words are.

use serde_json::Value;

use super::lexer::{Part, Word};
use crate::sink::{Refusal, no_option, no_overflow, single_text, url_values};
use crate::template::{Filled, Piece, secret_name};

/// A word's values by their piece, as the command is to receive them.
pub(super) type Encoded = Vec<(usize, Value)>;

/// Encodes the values of a simple command; `argv` says that they become arguments directly.
pub(super) fn encode(command: &[Word], pieces: &[Piece], argv: bool) -> Result<Encoded, Refusal> {
    let mut encoded = Vec::new();
    for word in command {
        encoded.extend(word_values(word, pieces, argv)?);
    }
    Ok(encoded)
}

fn filled_of(pieces: &[Piece], index: usize) -> Option<&Filled> {
    match pieces.get(index) {
        Some(Piece::Value(filled)) => Some(filled),
        Some(Piece::Text(_)) | None => None,
    }
}

fn word_values(word: &Word, pieces: &[Piece], argv: bool) -> Result<Encoded, Refusal> {
    let values: Vec<(usize, &Filled)> =
        word.values().filter_map(|index| filled_of(pieces, index).map(|filled| (index, filled))).collect();
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let prefix = word.prefix();
    let is_url = prefix.starts_with("http://") || prefix.starts_with("https://");
    let body = prefix.split_once('=').filter(|_| prefix.starts_with('-')).map_or(prefix, |(_, body)| body);
    let is_json = body.trim_start().starts_with(['{', '[']);
    if let Some((index, filled)) = values.iter().find(|(_, filled)| secret_name(&filled.value).is_some()) {
        crate::sink::check_secret(filled, argv || is_url || is_json)?;
        return if values.len() == 1 {
            Ok(vec![(*index, filled.value.clone())])
        } else {
            Err(Refusal::of(filled, "a secret stands alone in its word"))
        };
    }
    if is_url {
        let word_pieces: Vec<Piece> = word
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Piece::Text(text.clone()),
                Part::Value(index) => pieces.get(*index).cloned().unwrap_or_else(|| Piece::Text(String::new())),
                // What the shell puts there was written by the author.
                Part::Dynamic => Piece::Text("x".to_owned()),
            })
            .collect();
        let texts = url_values(&word_pieces)?;
        return Ok(values.iter().map(|(index, _)| *index).zip(texts.into_iter().map(Value::String)).collect());
    }
    let mut encoded = Vec::new();
    let mut empty_so_far = true;
    let mut inside_string = false;
    for part in &word.parts {
        match part {
            Part::Text(text) => {
                empty_so_far &= text.is_empty();
                inside_string = json_string_state(text, inside_string);
            }
            Part::Dynamic => empty_so_far = false,
            Part::Value(index) => {
                let Some(filled) = filled_of(pieces, *index) else { continue };
                let text = single_text(filled)?;
                no_overflow(filled, &text)?;
                if empty_so_far && !word.redirect {
                    no_option(filled, &text)?;
                }
                if is_json {
                    check_json_part(filled, &text, inside_string)?;
                }
                empty_so_far &= text.is_empty();
                encoded.push((*index, Value::String(text)));
            }
        }
    }
    Ok(encoded)
}

/// Whether a JSON text stands inside a string at its end.
fn json_string_state(text: &str, mut inside: bool) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            _ => {}
        }
    }
    inside
}

/// A value inside an argument that is JSON must not end the string that it stands in.
fn check_json_part(filled: &Filled, text: &str, inside_string: bool) -> Result<(), Refusal> {
    let fits = if inside_string {
        !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'))
    } else {
        matches!(text, "true" | "false") || serde_json::from_str::<serde_json::Number>(text).is_ok()
    };
    if fits {
        return Ok(());
    }
    let why = if inside_string {
        "it contains a quote, a backslash or a control character and stands in a JSON string"
    } else {
        "outside the strings of a JSON argument only a number, true or false may stand"
    };
    Err(Refusal::of(filled, why).hint("build the JSON with `jq --arg name VALUE`, or use an action"))
}
