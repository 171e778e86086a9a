//! Conditions and times as text has them.

use std::time::Duration;

use serde_json::Value;

use super::node::Node;
use super::wire::{LONGEST_SECONDS, Time};
use super::yaml;
use crate::finding::Position;
use crate::model::Comparison;

/// Reads a literal or a comparison; `None` where it starts like a comparison and is none, or holds a template.
///
/// `"== text"` compares with text that itself starts like a comparison.
pub fn comparison(written: &Value) -> Option<Comparison> {
    let Value::String(text) = written else {
        return (!written.is_array() && !written.is_object()).then(|| Comparison::Equal(written.clone()));
    };
    if text.contains("{{") {
        return None;
    }
    let number = |rest: &str| rest.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    if let Some(rest) = text.strip_prefix("==") {
        Some(Comparison::Equal(literal(rest)))
    } else if let Some(rest) = text.strip_prefix("!=") {
        Some(Comparison::NotEqual(literal(rest)))
    } else if let Some(rest) = text.strip_prefix("<=") {
        number(rest).map(Comparison::LessOrEqual)
    } else if let Some(rest) = text.strip_prefix(">=") {
        number(rest).map(Comparison::GreaterOrEqual)
    } else if let Some(rest) = text.strip_prefix('<') {
        number(rest).map(Comparison::Less)
    } else if let Some(rest) = text.strip_prefix('>') {
        number(rest).map(Comparison::Greater)
    } else {
        Some(Comparison::Equal(written.clone()))
    }
}

/// Text after an operator means what it would mean as a plain scalar.
fn literal(text: &str) -> Value {
    Node { position: Position { line: 1, column: 1 }, content: yaml::plain(text.trim()) }.to_json()
}

/// Reads a time; `None` for text without units, and for more than a year.
pub(crate) fn duration(time: &Time) -> Option<Duration> {
    let duration = match time {
        Time::Seconds(seconds) => Duration::from_secs(*seconds),
        Time::Text(text) => duration_text(text)?,
    };
    (duration <= Duration::from_secs(LONGEST_SECONDS)).then_some(duration)
}

fn duration_text(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let amount: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let milliseconds = match rest.get(..letters)? {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        rest = rest.get(letters..)?;
        total = total.checked_add(Duration::from_millis(amount.checked_mul(milliseconds)?))?;
    }
    Some(total)
}

/// Writes a time: whole seconds as a number, anything finer in milliseconds.
pub(crate) fn time(duration: Duration) -> Time {
    if duration.subsec_nanos() == 0 {
        Time::Seconds(duration.as_secs())
    } else {
        Time::Text(format!("{}ms", duration.as_millis()))
    }
}
