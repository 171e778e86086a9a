//! Removal of secrets from output before it is written or shown.
//!
//! Two kinds are known: declared secrets, in every encoding that a program is likely to print them in, and the shapes of
//! common tokens. [`Redactor`] works on a stream: a value that is split over chunks is found all the same. It holds back
//! the line that is not yet complete, because the rest of a value may follow.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::encodings;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Declared secrets shorter than this are not looked for, since they would match everywhere.
pub const SHORTEST_SECRET: usize = 4;

/// A line without an end is cut once it is this long.
const LONGEST_LINE: usize = 64 * 1024;

/// What is kept back when such a line is cut, so that a value across the cut is seen whole. Longer tokens are followed
/// to their end by [`Swallow`].
const OVERLAP: usize = 4 * 1024;

/// A private key without its end line is dropped up to this length.
const LONGEST_KEY: usize = 64 * 1024;

/// The longest end line of a private key.
const LONGEST_KEY_END: usize = 96;

const KEY_BEGIN: &str = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----";

/// The shapes of common tokens. Groups called `keep…` stay, the rest of a match is replaced. None reaches over the end of
/// a line, because output is released line by line.
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        // A private key; its body is dropped up to the end line by `Swallow::Key`.
        KEY_BEGIN,
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{16,}",
        r"\bgithub_pat_[A-Za-z0-9_]{16,}",
        r"\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bxox[a-z]-[A-Za-z0-9-]{8,}",
        r"\bxapp-[A-Za-z0-9-]{8,}",
        r"https://hooks\.slack\.com/services/[A-Za-z0-9/_-]+",
        r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}",
        r#"(?P<keep1>(?i:\bauthorization["']?[ \t]{0,3}[:=][ \t]{0,3}["']?(?:bearer|basic|token|digest)[ \t]{1,3}))[^\s"',;]+"#,
        r"(?P<keep2>(?i:\bbearer )\s{0,2})[A-Za-z0-9._~+/=-]{12,}",
        r#"(?P<keep3>(?i:\b[a-z0-9_.-]{0,40}(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token|refresh[_-]?token|pgpassword|private[_-]?key)["']?[ \t]{0,3}[:=][ \t]{0,3}))(?:"[^"\r\n]+"|'[^'\r\n]+'|[^\s"',;&}\])]+)"#,
        r#"(?P<keep4>\b[A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/?#"'@]+(?P<keep5>@)"#,
    ];
    let pattern = shapes.map(|shape| format!("(?:{shape})")).join("|");
    RegexBuilder::new(&pattern).unicode(false).build().expect("the shapes are constant and compiled by a test")
});

static KEY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^(?:{KEY_BEGIN})")).expect("a part of the shapes that compile"));

static KEY_END: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----").expect("a constant pattern without repetition")
});

/// Compiles the patterns ahead of time, so that the first output does not wait for it.
pub(crate) fn warm() {
    LazyLock::force(&TOKENS);
    LazyLock::force(&KEY);
    LazyLock::force(&KEY_END);
}

/// What to look for: the same for every stream of one act.
#[derive(Clone, Default)]
pub struct Redaction {
    literals: Option<Regex>,
    /// Encodings that hold an end of line, which the line-wise cut has to look out for.
    across_lines: Vec<Vec<u8>>,
    longest: usize,
}

impl Redaction {
    /// Looks for token shapes alone.
    pub fn tokens() -> Self {
        Self::default()
    }

    /// Looks for these values in all their encodings, and for token shapes.
    pub fn of_secrets<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: Vec<Vec<u8>> = Vec::new();
        // Alternatives of the pattern, with the length by which they are ordered.
        let mut alternatives: Vec<(usize, String)> = Vec::new();
        for secret in secrets {
            let trimmed = secret.trim();
            if trimmed.len() >= SHORTEST_SECRET {
                for value in [secret, trimmed].map(str::as_bytes) {
                    forms.extend(encodings::all(value));
                    alternatives.push((value.len(), encodings::percent_pattern(value)));
                }
            }
        }
        alternatives.extend(forms.iter().map(|form| (form.len(), encodings::literal_pattern(form))));
        // Longest first, because the first alternative that matches is taken.
        alternatives.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        alternatives.dedup();
        // In percent-encoded text every byte may take three.
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0) * 3;
        let across_lines = forms.iter().filter(|form| form.iter().any(|byte| is_line_end(*byte))).cloned().collect();
        Self { literals: compiled(&alternatives), across_lines, longest }
    }

    /// How many bytes of raw output have to precede a cut so that nothing secret survives right after it.
    pub fn margin(&self) -> usize {
        LONGEST_KEY.max(self.longest)
    }

    /// Redacts a whole text.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// Redacts whole bytes.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut redactor = Redactor::new(self.clone());
        let mut redacted = redactor.push(bytes);
        redacted.extend(redactor.finish());
        redacted
    }

    /// Redacts every text in a JSON value, keys included.
    pub fn value(&self, value: &serde_json::Value) -> serde_json::Value {
        self.owned(value.clone())
    }

    /// The same of a value that is no longer needed: a large one is never there twice.
    pub fn owned(&self, value: serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::Null | Value::Bool(_) => value,
            Value::Number(number) => {
                let written = number.to_string();
                let redacted = self.text(&written);
                if redacted == written { Value::Number(number) } else { Value::String(redacted) }
            }
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.owned(item)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.into_iter().map(|(key, field)| (self.text(&key), self.owned(field))).collect())
            }
        }
    }

    /// The first secret at or after `from`: its start, its end and what replaces it.
    fn next(&self, bytes: &[u8], from: usize) -> Option<Found> {
        let literal = self.literal(bytes, from);
        let Some(token) = TOKENS.captures_at(bytes, from).map(|captures| found_token(&captures)) else {
            return literal;
        };
        match literal {
            // What a token keeps may not hold a declared secret.
            Some(literal) if literal.start < token.start + token.kept_before => Some(literal),
            Some(literal) if literal.start < token.end => Some(Found { end: token.end.max(literal.end), ..token }),
            Some(_) | None => Some(token),
        }
    }

    /// The first declared secret, joined with those that overlap it.
    fn literal(&self, bytes: &[u8], from: usize) -> Option<Found> {
        let pattern = self.literals.as_ref()?;
        let first = pattern.find_at(bytes, from)?;
        let (start, mut end, mut at) = (first.start(), first.end(), first.start());
        while let Some(other) = pattern.find_at(bytes, at + 1).filter(|other| other.start() < end) {
            at = other.start();
            end = end.max(other.end());
        }
        Some(Found { start, end, kept_before: 0, replacement: REDACTED.into(), key: false })
    }
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redaction([redacted])")
    }
}

struct Found {
    start: usize,
    end: usize,
    /// Bytes at the start that are shown as they are.
    kept_before: usize,
    replacement: Vec<u8>,
    /// The begin line of a private key, whose body follows.
    key: bool,
}

fn found_token(captures: &Captures<'_>) -> Found {
    let whole = captures.get(0).expect("group zero is the whole match");
    let kept = |names: &[&str]| {
        names.iter().find_map(|name| captures.name(name)).map(|kept| kept.as_bytes().to_vec()).unwrap_or_default()
    };
    let before = kept(&["keep1", "keep2", "keep3", "keep4"]);
    let after = kept(&["keep5"]);
    Found {
        start: whole.start(),
        end: whole.end(),
        kept_before: before.len(),
        key: KEY.is_match(whole.as_bytes()),
        replacement: [before, REDACTED.into(), after].concat(),
    }
}

fn compiled(alternatives: &[(usize, String)]) -> Option<Regex> {
    if alternatives.is_empty() {
        return None;
    }
    let patterns: Vec<&str> = alternatives.iter().map(|(_, pattern)| pattern.as_str()).collect();
    let pattern = RegexBuilder::new(&patterns.join("|"))
        .unicode(false)
        .size_limit(256 * 1024 * 1024)
        .build()
        .expect("escaped bytes are a pattern, and requests are bounded far below the size limit");
    Some(pattern)
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Bytes that are dropped because they go on with something already replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swallow {
    Nothing,
    /// The rest of a token that was longer than what is kept back.
    Token,
    /// The body of a private key, with what may still be dropped.
    Key(usize),
}

/// Redacts one stream.
#[derive(Debug)]
pub struct Redactor {
    redaction: Redaction,
    pending: Vec<u8>,
    swallow: Swallow,
}

impl Redactor {
    /// Starts a stream.
    pub fn new(redaction: Redaction) -> Self {
        Self { redaction, pending: Vec::new(), swallow: Swallow::Nothing }
    }

    /// Takes a chunk and returns what is safe to show so far.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(chunk);
        let look = chunk.iter().any(|byte| is_line_end(*byte)) || self.pending.len() > LONGEST_LINE;
        let ready = if look { self.safe_length() } else { 0 };
        self.emit(ready, false)
    }

    /// Ends the stream and returns the rest.
    pub fn finish(&mut self) -> Vec<u8> {
        self.emit(self.pending.len(), true)
    }

    /// How much is held back.
    pub fn held_back(&self) -> usize {
        self.pending.len()
    }

    /// The length up to which no secret can reach beyond.
    fn safe_length(&self) -> usize {
        let bytes = &self.pending;
        let mut safe = match bytes.iter().rposition(|byte| is_line_end(*byte)) {
            Some(last) => last + 1,
            None if bytes.len() > LONGEST_LINE => bytes.len() - OVERLAP.max(self.redaction.longest).min(bytes.len()),
            None => 0,
        };
        if bytes.len() - safe > LONGEST_LINE {
            safe = bytes.len() - OVERLAP.max(self.redaction.longest).min(bytes.len());
        }
        for form in &self.redaction.across_lines {
            let first = bytes.len().saturating_sub(form.len() - 1);
            if let Some(start) = (first..safe).find(|start| form.starts_with(&bytes[*start..])) {
                safe = start;
            }
        }
        safe
    }

    /// Replaces what is found in the first `ready` bytes and beyond where a match crosses the end.
    fn emit(&mut self, ready: usize, last: bool) -> Vec<u8> {
        let mut shown = Vec::with_capacity(ready);
        let mut at = 0;
        while at < ready {
            at += self.swallowed(at, last);
            if at >= ready || self.swallow != Swallow::Nothing {
                break;
            }
            let Some(found) = self.redaction.next(&self.pending, at).filter(|found| found.start < ready) else {
                shown.extend_from_slice(&self.pending[at..ready]);
                at = ready;
                break;
            };
            shown.extend_from_slice(&self.pending[at..found.start]);
            shown.extend_from_slice(&found.replacement);
            at = found.end;
            if found.key {
                self.swallow = Swallow::Key(LONGEST_KEY);
            } else if at == self.pending.len() && !last && !self.pending.last().is_some_and(|byte| is_line_end(*byte)) {
                self.swallow = Swallow::Token;
            }
        }
        self.pending.drain(..at.min(self.pending.len()));
        shown
    }

    /// How many bytes go on with something already replaced. More may follow while `swallow` stays set.
    fn swallowed(&mut self, from: usize, last: bool) -> usize {
        let rest = &self.pending[from..];
        match self.swallow {
            Swallow::Nothing => 0,
            Swallow::Token => {
                let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/_=.%-~".contains(byte);
                let length = rest.iter().position(|byte| !token(byte));
                if length.is_some() {
                    self.swallow = Swallow::Nothing;
                }
                length.unwrap_or(rest.len())
            }
            Swallow::Key(left) => {
                if let Some(end) = KEY_END.find(rest).filter(|end| end.start() <= left) {
                    self.swallow = Swallow::Nothing;
                    return end.end();
                }
                if rest.len() > left {
                    self.swallow = Swallow::Nothing;
                    return left;
                }
                // An end line that is still incomplete stays, so that it is recognised once it is whole.
                let length = if last { rest.len() } else { rest.len().saturating_sub(LONGEST_KEY_END) };
                self.swallow = Swallow::Key(left - length);
                length
            }
        }
    }
}
