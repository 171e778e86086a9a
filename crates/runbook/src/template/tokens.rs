//! The tokens of a template, and where its expressions begin and end.

use serde_json::Value;

use super::TemplateError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Path { from_root: bool, fields: Vec<String> },
    Fields(Vec<String>),
    Word(String),
    Literal(Value),
    Open,
    Close,
    Pipe,
}

#[derive(Debug, Clone)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Finds where an action's expression ends (before `}}` or ` -}}`), and whether it trims.
pub(super) fn find_close(text: &str, start: usize) -> Option<(usize, bool)> {
    let bytes = text.as_bytes();
    let mut at = start;
    let mut quote: Option<u8> = None;
    while let Some(&byte) = bytes.get(at) {
        match quote {
            Some(b'"') if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            None if byte == b'"' || byte == b'`' => quote = Some(byte),
            None if byte == b'}' && bytes.get(at + 1) == Some(&b'}') => {
                let before = &text[start..at];
                return match before.strip_suffix('-') {
                    Some(rest) if rest.is_empty() || rest.ends_with(|c: char| c.is_whitespace()) => {
                        Some((at - 1, true))
                    }
                    Some(_) | None => Some((at, false)),
                };
            }
            Some(_) | None => {}
        }
        at += 1;
    }
    None
}

pub(super) fn is_field_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(super) fn is_field(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Turns `text[start..end]` into tokens.
pub(super) fn tokens(text: &str, start: usize, end: usize) -> Result<Vec<Spanned>, TemplateError> {
    let mut tokens: Vec<Spanned> = Vec::new();
    let mut at = start;
    let mut spaced = true;
    while let Some(c) = text[at..end].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            spaced = true;
            continue;
        }
        let begin = at;
        let rest = &text[at..end];
        let token = match c {
            '(' => {
                at += 1;
                Token::Open
            }
            ')' => {
                at += 1;
                Token::Close
            }
            '|' => {
                at += 1;
                Token::Pipe
            }
            '"' => {
                let (value, length) = quoted(rest, begin)?;
                at += length;
                Token::Literal(Value::String(value))
            }
            '`' => {
                let Some(close) = rest[1..].find('`') else {
                    return Err(TemplateError::new(begin, "this raw string never ends"));
                };
                at += close + 2;
                Token::Literal(Value::String(rest[1..=close].to_owned()))
            }
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let (value, length) = number(rest, begin)?;
                at += length;
                Token::Literal(value)
            }
            '.' | '$' => {
                let (token, length) = path(rest, begin, spaced, tokens.last())?;
                at += length;
                token
            }
            '0'..='9' | '-' | '+' => {
                let (value, length) = number(rest, begin)?;
                at += length;
                Token::Literal(value)
            }
            c if is_field_start(c) => {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                at += length;
                match &rest[..length] {
                    "true" => Token::Literal(Value::Bool(true)),
                    "false" => Token::Literal(Value::Bool(false)),
                    "nil" => Token::Literal(Value::Null),
                    word => Token::Word(word.to_owned()),
                }
            }
            ':' | '=' => return Err(TemplateError::new(begin, "variables cannot be assigned in these templates")),
            other => return Err(TemplateError::new(begin, format!("`{other}` means nothing here"))),
        };
        tokens.push(Spanned { token, start: begin, end: at });
        spaced = false;
    }
    Ok(tokens)
}

pub(super) fn path(
    rest: &str,
    begin: usize,
    spaced: bool,
    before: Option<&Spanned>,
) -> Result<(Token, usize), TemplateError> {
    let mut length = 0;
    let from_root = rest.starts_with('$');
    if from_root {
        length = 1;
        if rest[1..].starts_with(is_field_start) {
            return Err(TemplateError::new(begin, "variables with `$` are not part of these templates"));
        }
    }
    let mut fields = Vec::new();
    while let Some(after) = rest[length..].strip_prefix('.') {
        if !after.starts_with(is_field_start) {
            if fields.is_empty() && !from_root && !after.starts_with('.') {
                // The dot alone.
                return Ok((Token::Path { from_root: false, fields }, 1));
            }
            return Err(TemplateError::new(begin + length, "a field name must follow this dot"));
        }
        let mut field = after.find(|c: char| !is_field(c)).unwrap_or(after.len());
        // `.x -}}` trims and `.x-}}` was meant to; a name never ends in a dash.
        field = after[..field].trim_end_matches('-').len();
        fields.push(after[..field].to_owned());
        length += 1 + field;
    }
    let follows_close = !spaced && !from_root && before.is_some_and(|before| before.token == Token::Close);
    Ok((if follows_close { Token::Fields(fields) } else { Token::Path { from_root, fields } }, length))
}

/// A double-quoted string with Go's escapes; returns its value and its length in the source.
pub(super) fn quoted(rest: &str, begin: usize) -> Result<(String, usize), TemplateError> {
    let bad = |at: usize| TemplateError::new(begin + at, "this escape means nothing in a string");
    let mut value = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, at + 1)),
            '\n' => return Err(TemplateError::new(begin + at, "a string in quotes ends on its own line")),
            '\\' => {
                let (_, escape) = characters.next().ok_or_else(|| bad(at))?;
                let digits = match escape {
                    'n' => {
                        value.push('\n');
                        continue;
                    }
                    't' => {
                        value.push('\t');
                        continue;
                    }
                    'r' => {
                        value.push('\r');
                        continue;
                    }
                    '\\' | '"' | '\'' => {
                        value.push(escape);
                        continue;
                    }
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => return Err(bad(at)),
                };
                let mut code = 0_u32;
                for _ in 0..digits {
                    let digit = characters.next().and_then(|(_, c)| c.to_digit(16)).ok_or_else(|| bad(at))?;
                    code = code.checked_mul(16).and_then(|code| code.checked_add(digit)).ok_or_else(|| bad(at))?;
                }
                value.push(char::from_u32(code).ok_or_else(|| bad(at))?);
            }
            c => value.push(c),
        }
    }
    Err(TemplateError::new(begin, "this string never ends"))
}

pub(super) fn number(rest: &str, begin: usize) -> Result<(Value, usize), TemplateError> {
    let bytes = rest.as_bytes();
    let mut length = 0;
    while let Some(&byte) = bytes.get(length) {
        let signs = length == 0 || matches!(bytes.get(length - 1), Some(b'e' | b'E'));
        if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' || (signs && (byte == b'-' || byte == b'+')) {
            length += 1;
        } else {
            break;
        }
    }
    let written = rest.get(..length).unwrap_or("");
    let invalid = || TemplateError::new(begin, format!("`{written}` is not a number; text stands in quotes"));
    if let Ok(whole) = written.parse::<i64>() {
        return Ok((Value::from(whole), length));
    }
    let valid_characters = written.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    let float =
        written.parse::<f64>().ok().filter(|float| valid_characters && float.is_finite()).ok_or_else(invalid)?;
    Ok((Value::from(float), length))
}
