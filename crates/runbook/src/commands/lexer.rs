//! A lexer for shell scripts with values in them: what each value stands in, and what the script's words are.
//!
//! It knows quotes, expansions, comments, here-documents and the reserved words that open and close blocks. Where it
//! loses track, every later value is refused.

use crate::template::Piece;

mod quoting;
mod redirections;

const MAX_DEPTH: usize = 32;

/// A part of a word, with its quotes removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text as the command will see it.
    Text(String),
    /// The piece of that index.
    Value(usize),
    /// Something that only the shell knows (`$HOME`, `$(date)`).
    Dynamic,
}

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Word {
    pub(crate) parts: Vec<Part>,
    /// Whether it is the target of a redirection.
    pub(crate) redirect: bool,
    /// Whether anything in it was quoted.
    pub(crate) quoted: bool,
}

impl Word {
    /// The word's text, where it is known.
    pub(crate) fn literal(&self) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Value(_) | Part::Dynamic => return None,
            }
        }
        Some(text)
    }

    /// The text before the first value.
    pub(crate) fn prefix(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            Some(Part::Value(_) | Part::Dynamic) | None => "",
        }
    }

    /// The values in it.
    pub(crate) fn values(&self) -> impl Iterator<Item = usize> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(index) => Some(*index),
            Part::Text(_) | Part::Dynamic => None,
        })
    }

    fn push(&mut self, c: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(c),
            Some(Part::Value(_) | Part::Dynamic) | None => self.parts.push(Part::Text(c.to_string())),
        }
    }
}

/// A value in a place that has no safe encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misplaced {
    /// The index of the piece.
    pub(crate) value: usize,
    pub(crate) why: String,
    pub(crate) hint: Option<String>,
}

/// What is known of a script.
#[derive(Debug, Default)]
pub(crate) struct Lexed {
    /// The script, with `{name}` for each value already a reference to its variable.
    pub(crate) script: String,
    /// Its simple commands.
    pub(crate) commands: Vec<Vec<Word>>,
    /// Values where none may stand.
    pub(crate) misplaced: Vec<Misplaced>,
    /// Whether it needs a shell.
    pub(crate) syntax: bool,
    /// What is still open at its end.
    pub(crate) incomplete: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Char(char),
    Value(usize),
}

struct HereDocument {
    delimiter: String,
    strip_tabs: bool,
}

struct Lexer<'n> {
    units: Vec<Unit>,
    at: usize,
    names: &'n dyn Fn(usize) -> String,
    lexed: Lexed,
    pending: Vec<HereDocument>,
    /// The words that close what is open.
    blocks: Vec<&'static str>,
    cases: usize,
    lost: bool,
    depth: usize,
    open_operator: bool,
}

/// Reads a script; `names` gives the environment variable of each value.
pub(crate) fn lex(pieces: &[Piece], names: &dyn Fn(usize) -> String) -> Lexed {
    let mut units = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(text) => units.extend(text.chars().map(Unit::Char)),
            Piece::Value(_) => units.push(Unit::Value(index)),
        }
    }
    let mut lexer = Lexer {
        units,
        at: 0,
        names,
        lexed: Lexed::default(),
        pending: Vec::new(),
        blocks: Vec::new(),
        cases: 0,
        lost: false,
        depth: 0,
        open_operator: false,
    };
    lexer.list(None);
    if !lexer.pending.is_empty() {
        lexer.incomplete("a here-document");
    }
    if lexer.open_operator {
        lexer.incomplete("a pipe or a condition");
    }
    if let Some(closer) = lexer.blocks.last().copied() {
        lexer.incomplete(closer);
    }
    lexer.lexed
}

impl Lexer<'_> {
    fn peek(&self) -> Option<Unit> {
        self.units.get(self.at).copied()
    }

    fn peek_char(&self, ahead: usize) -> Option<char> {
        match self.units.get(self.at + ahead) {
            Some(Unit::Char(c)) => Some(*c),
            Some(Unit::Value(_)) | None => None,
        }
    }

    /// Takes one character into the script.
    fn take(&mut self) -> Option<char> {
        let Some(Unit::Char(c)) = self.peek() else { return None };
        self.at += 1;
        self.lexed.script.push(c);
        Some(c)
    }

    fn incomplete(&mut self, what: &'static str) {
        self.lexed.incomplete.get_or_insert(what);
    }

    fn refuse(&mut self, value: usize, why: &str) {
        self.lexed.misplaced.push(Misplaced { value, why: why.to_owned(), hint: None });
    }

    fn refuse_hint(&mut self, value: usize, why: &str, hint: &str) {
        self.lexed.misplaced.push(Misplaced { value, why: why.to_owned(), hint: Some(hint.to_owned()) });
    }

    /// Reads commands up to a closing parenthesis or the end.
    fn list(&mut self, closer: Option<char>) {
        let mut words: Vec<Word> = Vec::new();
        let mut redirect = false;
        loop {
            let Some(unit) = self.peek() else {
                self.end_command(&mut words);
                if closer.is_some() {
                    self.incomplete("a parenthesis");
                }
                return;
            };
            let c = match unit {
                Unit::Value(_) => None,
                Unit::Char(c) => Some(c),
            };
            match c {
                Some('\n') => {
                    self.lexed.syntax = true;
                    self.take();
                    self.end_command(&mut words);
                    self.here_documents();
                }
                Some(c) if c.is_whitespace() => {
                    self.take();
                }
                Some('\\') if self.peek_char(1) == Some('\n') => {
                    self.take();
                    self.take();
                }
                Some('#') => self.comment(),
                Some(';' | '&' | '|') => {
                    self.lexed.syntax = true;
                    let first = self.take();
                    let second = self.peek_char(0).filter(|c| matches!(c, '&' | '|' | ';'));
                    if second.is_some() {
                        self.take();
                    } else if first == Some('&') && self.peek_char(0) == Some('>') {
                        self.take();
                        redirect = true;
                        continue;
                    }
                    self.end_command(&mut words);
                    self.open_operator = first == Some('|') || (first == Some('&') && second == Some('&'));
                }
                Some('(') => {
                    self.lexed.syntax = true;
                    self.parenthesis(&mut words);
                }
                Some(')') => {
                    self.take();
                    self.end_command(&mut words);
                    if closer == Some(')') && self.cases == 0 {
                        return;
                    }
                    if self.cases == 0 {
                        self.lost = true;
                    }
                    self.lexed.syntax = true;
                }
                Some('<' | '>') => {
                    self.lexed.syntax = true;
                    self.drop_descriptor(&mut words);
                    redirect = self.redirection();
                }
                Some(_) | None => {
                    let mut word = self.word();
                    word.redirect = std::mem::take(&mut redirect);
                    self.accept(word, &mut words);
                }
            }
        }
    }

    fn comment(&mut self) {
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Char('\n') => return,
                Unit::Char(_) => {
                    self.take();
                }
                Unit::Value(value) => {
                    self.at += 1;
                    self.refuse_hint(
                        value,
                        "it stands in a comment, where a line break would end the comment",
                        "remove it from the comment",
                    );
                }
            }
        }
    }

    fn parenthesis(&mut self, words: &mut Vec<Word>) {
        if self.peek_char(1) == Some('(') && words.is_empty() {
            self.region('(', ')', "arithmetic");
            return;
        }
        if words.is_empty() {
            self.take();
            self.nested();
            return;
        }
        let mut ahead = 1;
        while self.peek_char(ahead).is_some_and(|c| c == ' ') {
            ahead += 1;
        }
        if words.len() == 1 && self.peek_char(ahead) == Some(')') {
            // `name()`: what follows is the body.
            for _ in 0..=ahead {
                self.take();
            }
            let name = std::mem::take(words);
            for value in name.iter().flat_map(Word::values).collect::<Vec<_>>() {
                self.refuse(value, "a value cannot name a function");
            }
            return;
        }
        self.region('(', ')', "a list in parentheses");
    }

    /// Reads a nested list after its opening parenthesis.
    fn nested(&mut self) {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.lost = true;
            self.at = self.units.len();
        } else {
            let cases = std::mem::take(&mut self.cases);
            let blocks = std::mem::take(&mut self.blocks);
            self.list(Some(')'));
            if let Some(closer) = self.blocks.last().copied() {
                self.incomplete(closer);
            }
            self.blocks = blocks;
            self.cases = cases;
        }
        self.depth -= 1;
        self.open_operator = false;
    }

    /// Takes back the digits of `2>`, which are no argument.
    fn drop_descriptor(&self, words: &mut Vec<Word>) {
        let before = self.at.checked_sub(1).and_then(|at| self.units.get(at));
        let adjacent = matches!(before, Some(Unit::Char(c)) if c.is_ascii_digit());
        let is_number = |word: &Word| {
            !word.quoted
                && !word.redirect
                && word.literal().is_some_and(|text| text.bytes().all(|b| b.is_ascii_digit()))
        };
        if adjacent && words.last().is_some_and(is_number) {
            words.pop();
        }
    }

    fn blank(&mut self) {
        while self.peek_char(0).is_some_and(|c| c == ' ' || c == '\t') {
            self.take();
        }
    }

    /// Takes what stands between two brackets, quotes respected; no value may stand in it.
    fn region(&mut self, open: char, close: char, what: &str) {
        let start = self.lexed.script.len();
        let mut depth = 0_usize;
        let mut quote: Option<char> = None;
        while let Some(unit) = self.peek() {
            let c = match unit {
                Unit::Value(value) => {
                    self.at += 1;
                    self.refuse(value, &format!("it stands in {what}"));
                    continue;
                }
                Unit::Char(c) => c,
            };
            self.take();
            match (quote, c) {
                (None | Some('"'), '\\') => {
                    self.take();
                }
                (Some(open), c) if open == c => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, c) if c == open => depth += 1,
                (None, c) if c == close => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        // Shells disagree on quotes and comments in here, so nothing behind them is certain.
                        let inside = self.lexed.script.get(start..).unwrap_or("");
                        self.lost |= inside.contains(['\'', '"', '`', '\\']) || (open == '(' && inside.contains('#'));
                        return;
                    }
                }
                (Some(_) | None, _) => {}
            }
        }
        self.incomplete("a bracket");
    }

    /// Sorts a complete word: a reserved word, or one of the command.
    fn accept(&mut self, word: Word, words: &mut Vec<Word>) {
        self.open_operator = false;
        let literal = if word.quoted || word.redirect { None } else { word.literal() };
        let first = words.is_empty();
        let Some(text) = literal else {
            words.push(word);
            return;
        };
        if first {
            let reserved = match text.as_str() {
                "if" => self.open("fi"),
                "while" | "until" => self.open("done"),
                "{" => self.open("}"),
                "then" | "do" | "else" | "elif" | "!" | "time" => true,
                "fi" | "done" | "}" => self.close(&text),
                "esac" => {
                    self.cases = self.cases.saturating_sub(1);
                    self.close("esac")
                }
                "for" | "select" => {
                    self.open("done");
                    false
                }
                "case" => {
                    self.open("esac");
                    false
                }
                _ => false,
            };
            if reserved {
                self.lexed.syntax = true;
                return;
            }
        } else if text == "in" && words.first().and_then(Word::literal).as_deref() == Some("case") {
            self.cases += 1;
            self.end_command(words);
            return;
        }
        words.push(word);
    }

    fn open(&mut self, closer: &'static str) -> bool {
        self.lexed.syntax = true;
        self.blocks.push(closer);
        true
    }

    fn close(&mut self, word: &str) -> bool {
        if self.blocks.last().is_some_and(|expected| *expected == word) {
            self.blocks.pop();
        } else {
            self.lost = true;
        }
        true
    }

    fn end_command(&mut self, words: &mut Vec<Word>) {
        if !words.is_empty() {
            self.lexed.commands.push(std::mem::take(words));
        }
    }
}
