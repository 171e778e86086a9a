//! `LogQL` and `PromQL`: values stand inside quoted strings and are escaped for them.

use std::fmt::Write as _;

use super::{Refusal, single_text};
use crate::template::{Filled, Origin, Piece};

/// What the text at one point of a query is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Query,
    /// A string, its quote, and whether it is a regular expression.
    String {
        quote: char,
        regex: bool,
    },
    Comment,
}

struct Reader {
    inside: Inside,
    /// After a backslash in a quoted string, so that the next character belongs to an escape.
    escape: bool,
    /// Digits of an escape that are still to come.
    digits: u8,
    /// The query so far without what stands in strings, to see the operator before a string.
    before: String,
}

impl Reader {
    fn literal(&mut self, text: &str) {
        for c in text.chars() {
            match self.inside {
                Inside::Query => match c {
                    '"' | '\'' | '`' => {
                        let operator = self.before.trim_end();
                        let regex = ["=~", "!~", "|~"].iter().any(|regex| operator.ends_with(regex));
                        self.inside = Inside::String { quote: c, regex };
                    }
                    '#' => self.inside = Inside::Comment,
                    c => self.before.push(c),
                },
                Inside::Comment if c == '\n' => {
                    self.inside = Inside::Query;
                    self.before.push(c);
                }
                Inside::Comment => {}
                Inside::String { quote, .. } => {
                    if self.escape {
                        self.escape = false;
                        self.digits = match c {
                            'x' | '0'..='7' => 2,
                            'u' => 4,
                            'U' => 8,
                            _ => 0,
                        };
                    } else if c == '\\' && quote != '`' {
                        self.escape = true;
                        self.digits = 0;
                    } else {
                        self.digits = self.digits.saturating_sub(1);
                        if c == quote {
                            self.digits = 0;
                            self.inside = Inside::Query;
                            self.before.push(c);
                        }
                    }
                }
            }
        }
    }
}

/// Renders a query.
pub(super) fn query(pieces: &[Piece]) -> Result<String, Refusal> {
    let mut reader = Reader { inside: Inside::Query, escape: false, digits: 0, before: String::new() };
    let mut rendered = String::new();
    for piece in pieces {
        let filled = match piece {
            Piece::Text(text) => {
                reader.literal(text);
                rendered.push_str(text);
                continue;
            }
            Piece::Value(filled) => filled,
        };
        let text = single_text(filled)?;
        match reader.inside {
            Inside::Comment => return Err(Refusal::of(filled, "it stands in a comment of the query")),
            Inside::Query => {
                if filled.origin > Origin::Vars || !is_number_or_duration(&text) {
                    return Err(Refusal::of(
                        filled,
                        "outside a quoted string of a query only a variable that is a number or a duration may stand",
                    )
                    .hint("put it in quotes, as in `{service=\"{{ .Alert.Labels.service }}\"}`"));
                }
                // A number must not run into the text before or after it.
                reader.before.push('0');
                rendered.push_str(&text);
            }
            Inside::String { .. } if reader.escape || reader.digits > 0 => {
                return Err(Refusal::of(filled, "it would become part of an escape such as `\\u`"));
            }
            Inside::String { quote, regex } => {
                if text.contains("{{") && reader.before.contains("_format") {
                    return Err(Refusal::of(filled, "`{{` would be a template of the query's own here"));
                }
                let text = if regex { regex::escape(&text) } else { text };
                rendered.push_str(&quoted(filled, &text, quote)?);
            }
        }
    }
    Ok(rendered)
}

fn quoted(filled: &Filled, text: &str, quote: char) -> Result<String, Refusal> {
    if quote == '`' {
        if text.contains(['`', '\r']) {
            return Err(Refusal::of(filled, "it contains a backtick, and a string in backticks has no escapes")
                .hint("use double quotes in the query"));
        }
        return Ok(text.to_owned());
    }
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c == quote => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => {
                write!(escaped, "\\u{:04x}", u32::from(c)).expect("writing to a string never fails");
            }
            c => escaped.push(c),
        }
    }
    Ok(escaped)
}

fn is_number_or_duration(text: &str) -> bool {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if is_digits(whole) && is_digits(fraction) {
        return true;
    }
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if digits == 0 {
            return false;
        }
        let unit = ["ms", "s", "m", "h", "d", "w", "y"].iter().find_map(|unit| rest[digits..].strip_prefix(unit));
        let Some(after) = unit else { return false };
        rest = after;
    }
    !text.is_empty()
}
