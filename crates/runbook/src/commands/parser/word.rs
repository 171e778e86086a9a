//! Words: quotes, expansions, and the text of here-documents.

use super::super::syntax::{Arithmetic, Form, Parameter, Part, Word};
use super::{Parsed, Parser, Pending, ends_word, is_name, unreadable};

/// The names in an arithmetic expression.
pub(in crate::commands) fn names_in(text: &str) -> Arithmetic {
    let known = |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || "_${}+-*/%<>=!&|^~?:,()@#".contains(c);
    let mut names = Vec::new();
    let mut name = String::new();
    let mut before = ' ';
    let mut start = ' ';
    for c in text.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            if name.is_empty() {
                start = before;
            }
            name.push(c);
        } else {
            let word = std::mem::take(&mut name);
            // A number is one, unless it is a positional parameter.
            if !word.is_empty() && (is_name(&word) || matches!(start, '$' | '{')) {
                names.push(word);
            }
            if matches!(c, '@' | '*') && matches!(before, '$' | '{') {
                names.push(c.to_string());
            }
        }
        before = c;
    }
    Arithmetic { names, opaque: !text.chars().all(known) }
}

fn push(word: &mut Word, c: char, quoted: bool) {
    match word.parts.last_mut() {
        Some(Part::Text { text, quoted: last }) if *last == quoted => text.push(c),
        Some(_) | None => word.parts.push(Part::Text { text: c.to_string(), quoted }),
    }
}

/// What ends the part of a word that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// White space or an operator.
    Word,
    /// A double quote.
    Quote,
    /// The brace of a parameter expansion.
    Brace { quoted: bool },
    /// The end of the text.
    Document,
}

impl Parser {
    /// Reads one word; there is one.
    pub(super) fn word(&mut self) -> Parsed<Word> {
        let mut word = Word::default();
        self.deeper(|parser| parser.until(End::Word, &mut word))?;
        if word.parts.is_empty() {
            return Err(unreadable("a word is missing"));
        }
        Ok(word)
    }

    fn until(&mut self, end: End, word: &mut Word) -> Parsed<()> {
        let quoted = matches!(end, End::Quote | End::Brace { quoted: true } | End::Document);
        loop {
            let Some(c) = self.peek() else {
                return if matches!(end, End::Word | End::Document) {
                    Ok(())
                } else {
                    Err(unreadable("a quote or a brace does not close"))
                };
            };
            match c {
                '<' | '>' if end == End::Word && self.text.get(self.at + 1) == Some(&'(') => {
                    if !word.parts.is_empty() {
                        return Ok(());
                    }
                    self.at += 2;
                    let script = self.list(&[])?;
                    if !self.eat(')') {
                        return Err(unreadable("a process substitution does not close"));
                    }
                    word.parts.push(Part::Process(script));
                }
                c if end == End::Word && ends_word(c) => return Ok(()),
                '"' if end == End::Quote => {
                    self.at += 1;
                    return Ok(());
                }
                '}' if matches!(end, End::Brace { .. }) => {
                    self.at += 1;
                    return Ok(());
                }
                '\'' if !quoted => {
                    self.at += 1;
                    self.single(word)?;
                }
                '"' if end != End::Document => {
                    if matches!(end, End::Brace { quoted: true }) {
                        return Err(unreadable("shells disagree on quotes inside an expansion"));
                    }
                    self.at += 1;
                    word.parts.push(Part::Text { text: String::new(), quoted: true });
                    self.deeper(|parser| parser.until(End::Quote, word))?;
                }
                '\'' if matches!(end, End::Brace { quoted: true }) => {
                    return Err(unreadable("shells disagree on quotes inside an expansion"));
                }
                '\\' => {
                    self.at += 1;
                    let Some(next) = self.text.get(self.at).copied() else {
                        return Err(unreadable("a backslash ends the script"));
                    };
                    self.at += 1;
                    if quoted && !matches!(next, '$' | '`' | '\\') && !(next == '"' && end != End::Document) {
                        push(word, '\\', true);
                    }
                    push(word, next, true);
                }
                '$' => {
                    self.at += 1;
                    self.deeper(|parser| parser.dollar(quoted, word))?;
                }
                '`' => {
                    self.at += 1;
                    self.backticks(quoted, word)?;
                }
                c => {
                    self.at += 1;
                    push(word, c, quoted);
                }
            }
        }
    }

    fn single(&mut self, word: &mut Word) -> Parsed<()> {
        let rest = self.text.get(self.at..).unwrap_or(&[]);
        let Some(length) = rest.iter().position(|c| *c == '\'') else {
            return Err(unreadable("a single quote does not close"));
        };
        let text = rest.iter().take(length).collect();
        self.at += length + 1;
        word.parts.push(Part::Text { text, quoted: true });
        Ok(())
    }

    fn backticks(&mut self, quoted: bool, word: &mut Word) -> Parsed<()> {
        let mut inside = String::new();
        loop {
            let Some(c) = self.text.get(self.at).copied() else {
                return Err(unreadable("a backtick does not close"));
            };
            self.at += 1;
            match c {
                '`' => break,
                '\\' => {
                    let next = self.text.get(self.at).copied();
                    self.at += 1;
                    match next {
                        Some(next @ ('$' | '`' | '\\')) => inside.push(next),
                        Some('"') if quoted => inside.push('"'),
                        Some(next) => inside.extend(['\\', next]),
                        None => return Err(unreadable("a backtick does not close")),
                    }
                }
                c => inside.push(c),
            }
        }
        let mut inner = Parser {
            text: inside.chars().collect(),
            at: 0,
            depth: self.depth,
            pending: Vec::new(),
            documents: std::mem::take(&mut self.documents),
        };
        let script = inner.list(&[])?;
        if inner.peek().is_some() || !inner.pending.is_empty() {
            return Err(unreadable("something in backticks does not end"));
        }
        self.documents = inner.documents;
        word.parts.push(Part::Output { script, quoted });
        Ok(())
    }

    /// Reads what a `$` begins.
    fn dollar(&mut self, quoted: bool, word: &mut Word) -> Parsed<()> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                if self.peek() == Some('(') {
                    let names = self.arithmetic()?;
                    word.parts.push(Part::Arithmetic(names));
                    return Ok(());
                }
                let script = self.list(&[])?;
                if !self.eat(')') {
                    return Err(unreadable("a `$(` does not close"));
                }
                word.parts.push(Part::Output { script, quoted });
            }
            Some('{') => {
                self.at += 1;
                self.expansion(quoted, word)?;
            }
            Some('\'' | '"') if !quoted => return Err(unreadable("`$'…'` is not known to every shell")),
            Some('[') => return Err(unreadable("`$[…]` is not known to every shell")),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.name();
                word.parts.push(Part::Parameter(Parameter { name, quoted, ..Parameter::default() }));
            }
            Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => {
                self.at += 1;
                word.parts.push(Part::Parameter(Parameter { name: c.to_string(), quoted, ..Parameter::default() }));
            }
            Some(_) | None => push(word, '$', quoted),
        }
        Ok(())
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            self.at += 1;
            name.push(c);
        }
        name
    }

    /// Reads `${…}` after its brace.
    fn expansion(&mut self, quoted: bool, word: &mut Word) -> Parsed<()> {
        let mut parameter = Parameter { quoted, ..Parameter::default() };
        if self.peek() == Some('#') && self.text.get(self.at + 1) != Some(&'}') {
            self.at += 1;
            parameter.form = Form::Length;
        } else if self.peek() == Some('!') {
            self.at += 1;
            parameter.form = Form::Evaluate;
        }
        parameter.name = match self.peek() {
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => self.name(),
            Some(c) if "@*#?$!-".contains(c) => {
                self.at += 1;
                c.to_string()
            }
            Some(_) | None => return Err(unreadable("an expansion names no variable")),
        };
        if self.eat('[') {
            let subscript = self.raw(']')?;
            parameter.arithmetic = names_in(&subscript);
        }
        let form = match self.take() {
            Some('}') => {
                word.parts.push(Part::Parameter(parameter));
                return Ok(());
            }
            Some(':') if self.peek().is_some_and(|c| "-=?+".contains(c)) => {
                if self.take() == Some('=') {
                    Form::Assign
                } else {
                    Form::Value
                }
            }
            Some(':') => {
                let offset = self.raw('}')?;
                let mut names = names_in(&offset);
                parameter.arithmetic.names.append(&mut names.names);
                parameter.arithmetic.opaque |= names.opaque;
                parameter.form = parameter.form.or(Form::Change);
                word.parts.push(Part::Parameter(parameter));
                return Ok(());
            }
            Some('=') => Form::Assign,
            Some('-' | '?' | '+') => Form::Value,
            Some('#' | '%' | '/' | '^' | ',') => Form::Change,
            Some('@') => Form::Evaluate,
            Some(_) | None => return Err(unreadable("an expansion is not known")),
        };
        parameter.form = parameter.form.or(form);
        let mut operand = Word::default();
        self.deeper(|parser| parser.until(End::Brace { quoted }, &mut operand))?;
        parameter.operand = Some(operand);
        word.parts.push(Part::Parameter(parameter));
        Ok(())
    }

    /// Text up to a character, which is taken.
    fn raw(&mut self, end: char) -> Parsed<String> {
        let mut text = String::new();
        while let Some(c) = self.take() {
            if c == end {
                return Ok(text);
            }
            text.push(c);
        }
        Err(unreadable("a bracket does not close"))
    }

    pub(super) fn here_document(&mut self, document: &Pending) -> Parsed<Word> {
        let mut lines = String::new();
        loop {
            if self.at >= self.text.len() {
                return Err(unreadable("a here-document does not end"));
            }
            let line: String = self.text.get(self.at..).unwrap_or(&[]).iter().take_while(|c| **c != '\n').collect();
            self.at = (self.at + line.chars().count() + 1).min(self.text.len());
            let line = if document.strip_tabs { line.trim_start_matches('\t') } else { &line };
            if line == document.delimiter {
                break;
            }
            lines.push_str(line);
            lines.push('\n');
        }
        if document.quoted {
            return Ok(Word::text(&lines));
        }
        let mut inner = Parser {
            text: lines.chars().collect(),
            at: 0,
            depth: self.depth,
            pending: Vec::new(),
            documents: std::mem::take(&mut self.documents),
        };
        let mut word = Word::default();
        inner.until(End::Document, &mut word)?;
        self.documents = inner.documents;
        Ok(word)
    }
}
