//! JavaScript: values become contents of the string literal they stand in, or JSON literals.
//!
//! A small lexer follows the literal text: strings, template literals with their `${…}`, comments, regular
//! expressions. Where a division cannot be told from a regular expression, every later value is refused.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Refusal, check_json, is_hidden, single_text};
use crate::template::{Filled, Piece, secret_name};

/// What the text at one point of a script is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Code,
    /// `'…'` or `"…"`.
    Quoted(char),
    /// A template literal's text.
    Template,
    LineComment,
    BlockComment,
    /// A regular expression; true inside a class.
    Regex(bool),
}

/// What the last token of code was, which decides what `/` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// An operator, a keyword or nothing: a value may follow, so `/` begins a regular expression.
    Operator,
    /// A name, a number, a string: `/` divides.
    Operand,
    /// `}` or `++`: nobody knows without a parser.
    Either,
}

/// Words after which a value follows.
const OPERATOR_WORDS: [&str; 14] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "instanceof",
    "new",
    "throw",
    "do",
    "else",
    "await",
    "yield",
];

/// A bracket of code that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// `(`; true where it belongs to `if`, `while`, `for` or `with`.
    Round(bool),
    Curly,
    /// `${` of a template literal.
    Substitution,
}

#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own part of the lexer")]
struct Reader {
    inside: Inside,
    last: Last,
    open: Vec<Open>,
    word: String,
    /// The word that ended last, where nothing but white space followed.
    keyword: bool,
    previous: char,
    escape: bool,
    /// Digits of an escape (`\x`, `\u`, `\u{…}`, octal) that are still to come.
    digits: u8,
    braced_escape: bool,
    lost: bool,
}

impl Reader {
    fn new() -> Self {
        Self {
            inside: Inside::Code,
            last: Last::Operator,
            open: Vec::new(),
            word: String::new(),
            keyword: false,
            previous: '\n',
            escape: false,
            digits: 0,
            braced_escape: false,
            lost: false,
        }
    }

    fn literal(&mut self, text: &str) {
        let characters: Vec<char> = text.chars().collect();
        let mut at = 0;
        while let Some(&c) = characters.get(at) {
            let next = characters.get(at + 1).copied();
            match self.inside {
                Inside::Code => at += self.code(c, next, characters.get(at + 2).copied()),
                Inside::Quoted(quote) => self.quoted(c, quote),
                Inside::Template => {
                    if !self.escaped(c) {
                        if c == '`' {
                            self.leave(Last::Operand);
                        } else if c == '$' && next == Some('{') {
                            at += 1;
                            self.open.push(Open::Substitution);
                            self.leave(Last::Operator);
                        }
                    }
                }
                Inside::LineComment => {
                    if matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}') {
                        self.inside = Inside::Code;
                    }
                }
                Inside::BlockComment => {
                    if c == '*' && next == Some('/') {
                        at += 1;
                        self.inside = Inside::Code;
                    }
                }
                Inside::Regex(class) => match c {
                    '\n' | '\r' => self.lost = true,
                    _ if self.escape => self.escape = false,
                    '\\' => self.escape = true,
                    '[' => self.inside = Inside::Regex(true),
                    ']' => self.inside = Inside::Regex(false),
                    '/' if !class => self.leave(Last::Operand),
                    _ => {}
                },
            }
            self.previous = c;
            at += 1;
        }
    }

    fn leave(&mut self, last: Last) {
        self.inside = Inside::Code;
        self.last = last;
        self.word.clear();
        self.keyword = false;
        self.escape = false;
        self.digits = 0;
    }

    /// Follows escapes; true where the character belongs to one.
    fn escaped(&mut self, c: char) -> bool {
        if self.escape {
            self.escape = false;
            self.braced_escape = false;
            self.digits = match c {
                'x' | '0'..='7' => 2,
                'u' => 4,
                _ => 0,
            };
            return true;
        }
        if c == '\\' {
            self.escape = true;
            self.digits = 0;
            self.braced_escape = false;
            return true;
        }
        if self.braced_escape {
            if c == '}' {
                self.braced_escape = false;
            }
        } else if self.digits == 4 && c == '{' {
            self.digits = 0;
            self.braced_escape = true;
        } else if c.is_ascii_hexdigit() {
            self.digits = self.digits.saturating_sub(1);
        } else {
            self.digits = 0;
        }
        false
    }

    fn quoted(&mut self, c: char, quote: char) {
        if self.escaped(c) {
            return;
        }
        if c == quote {
            self.leave(Last::Operand);
        } else if c == '\n' || c == '\r' {
            self.lost = true;
        }
    }

    /// Reads one character of code; returns how many more characters it took.
    fn code(&mut self, c: char, next: Option<char>, third: Option<char>) -> usize {
        if c.is_alphanumeric() || c == '_' || c == '$' {
            self.word_character(c);
            return 0;
        }
        if c.is_whitespace() {
            if !self.word.is_empty() {
                self.end_word();
            }
            return 0;
        }
        let heads_condition = self.keyword_heads_condition();
        self.word.clear();
        match c {
            '\'' | '"' => {
                self.inside = Inside::Quoted(c);
                self.escape = false;
                self.digits = 0;
            }
            '`' => {
                self.inside = Inside::Template;
                self.escape = false;
                self.digits = 0;
            }
            '/' if next == Some('/') => {
                self.inside = Inside::LineComment;
                return 1;
            }
            '/' if next == Some('*') => {
                self.inside = Inside::BlockComment;
                return 1;
            }
            '/' => match self.last {
                Last::Operator => {
                    self.inside = Inside::Regex(false);
                    self.escape = false;
                }
                Last::Operand => self.last = Last::Operator,
                Last::Either => {
                    self.lost = true;
                    self.last = Last::Operator;
                }
            },
            '<' | '#' if next == Some('!') => self.lost = true,
            '-' if next == Some('-') && third == Some('>') => self.lost = true,
            '+' | '-' if next == Some(c) => {
                self.last = Last::Either;
                return 1;
            }
            '(' => {
                self.open.push(Open::Round(heads_condition));
                self.last = Last::Operator;
            }
            ')' => {
                self.last = match self.open.pop() {
                    Some(Open::Round(true)) => Last::Operator,
                    Some(Open::Round(false)) => Last::Operand,
                    Some(Open::Curly | Open::Substitution) | None => {
                        self.lost = true;
                        Last::Operand
                    }
                };
            }
            '{' => {
                self.open.push(Open::Curly);
                self.last = Last::Operator;
            }
            '}' => match self.open.pop() {
                Some(Open::Curly) => self.last = Last::Either,
                Some(Open::Substitution) => {
                    self.inside = Inside::Template;
                    self.escape = false;
                    self.digits = 0;
                }
                Some(Open::Round(_)) | None => self.lost = true,
            },
            ']' => self.last = Last::Operand,
            _ => self.last = Last::Operator,
        }
        if c != '(' {
            self.keyword = false;
        }
        0
    }

    fn word_character(&mut self, c: char) {
        if !(self.previous.is_alphanumeric() || matches!(self.previous, '_' | '$')) {
            self.word.clear();
            self.keyword = self.previous != '.';
        }
        self.word.push(c);
        let before_value = self.keyword && OPERATOR_WORDS.contains(&self.word.as_str());
        self.last = if before_value { Last::Operator } else { Last::Operand };
    }

    fn end_word(&mut self) {
        if !self.keyword_heads_condition() {
            self.word.clear();
            self.keyword = false;
        }
    }

    fn keyword_heads_condition(&self) -> bool {
        self.keyword && matches!(self.word.as_str(), "if" | "while" | "for" | "with")
    }
}

/// Renders a script.
pub(super) fn script(pieces: &[Piece]) -> Result<String, Refusal> {
    let mut reader = Reader::new();
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
        if reader.lost {
            return Err(Refusal::of(filled, "it cannot be told here what the script's text before it means")
                .hint("assign the value to a constant in the first lines of the script"));
        }
        match reader.inside {
            Inside::LineComment | Inside::BlockComment => {
                return Err(
                    Refusal::of(filled, "it stands in a comment of the script").hint("remove it from the comment")
                );
            }
            Inside::Regex(_) => {
                return Err(Refusal::of(filled, "it stands in a regular expression")
                    .hint("compare with `includes` or `startsWith` instead"));
            }
            Inside::Quoted(_) | Inside::Template => {
                if reader.escape || reader.digits > 0 || reader.braced_escape {
                    return Err(Refusal::of(filled, "it would become part of an escape such as `\\u`"));
                }
                escape_into(&mut rendered, &single_text(filled)?);
            }
            Inside::Code => {
                if reader.previous.is_alphanumeric()
                    && !reader.word.is_empty()
                    && !rendered.ends_with(char::is_whitespace)
                {
                    return Err(Refusal::of(filled, "it stands right behind a name or a number of the script")
                        .hint("put it in quotes, or leave a space"));
                }
                rendered.push_str(&literal_of(filled)?);
                reader.leave(Last::Operand);
            }
        }
        reader.previous = ' ';
    }
    Ok(rendered)
}

/// A value as a JSON literal that is a JavaScript expression, too, with spaces that keep it from its neighbours.
fn literal_of(filled: &Filled) -> Result<String, Refusal> {
    if secret_name(&filled.value).is_some() {
        return Err(Refusal::of(filled, "a secret cannot stand in a script"));
    }
    check_json(filled, &filled.value)?;
    let mut literal = String::from(" ");
    write_literal(&mut literal, &filled.value);
    literal.push(' ');
    Ok(literal)
}

fn write_literal(output: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => output.push_str(&value.to_string()),
        Value::String(text) => write_string(output, text),
        Value::Array(items) => {
            output.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    output.push(',');
                }
                write_literal(output, item);
            }
            output.push(']');
        }
        Value::Object(fields) => {
            output.push('{');
            for (position, (key, item)) in fields.iter().enumerate() {
                if position > 0 {
                    output.push(',');
                }
                // A computed key: `"__proto__":` alone would set the prototype.
                output.push('[');
                write_string(output, key);
                output.push_str("]:");
                write_literal(output, item);
            }
            output.push('}');
        }
    }
}

fn write_string(output: &mut String, text: &str) {
    output.push('"');
    escape_into(output, text);
    output.push('"');
}

/// Escapes text for every kind of string literal at once, and for `</script>`.
fn escape_into(output: &mut String, text: &str) {
    for c in text.chars() {
        let escape = is_hidden(c) || matches!(c, '\\' | '\'' | '"' | '`' | '$' | '{' | '}' | '<' | '>' | '&');
        if escape {
            let mut units = [0_u16; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(output, "\\u{unit:04x}").expect("writing to a string never fails");
            }
        } else {
            output.push(c);
        }
    }
}
