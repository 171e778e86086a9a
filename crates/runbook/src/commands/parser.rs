//! A parser for the constant scripts that values are handed to: what POSIX shells and bash agree on.
//!
//! What it does not know is an error, and so is what shells read differently. It is the second reading of a script: the
//! lexer puts references in the place of values, and this reads what a shell will read.

use super::syntax::{Arithmetic, Assignment, Command, Direction, Redirect, Script, Simple, Tree, Word};

mod compound;
mod word;

pub(super) use word::names_in;

const MAX_DEPTH: usize = 24;

/// Why a script cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

type Parsed<T> = Result<T, Unreadable>;

/// Reads a script.
pub(super) fn parse(script: &str) -> Parsed<Tree> {
    let mut parser =
        Parser { text: script.chars().collect(), at: 0, depth: 0, pending: Vec::new(), documents: Vec::new() };
    let parsed = parser.list(&[])?;
    if parser.peek().is_some() {
        return Err(unreadable("something closes that was never opened"));
    }
    if !parser.pending.is_empty() {
        return Err(unreadable("a here-document does not end"));
    }
    Ok(Tree { script: parsed, documents: parser.documents })
}

fn unreadable(why: &str) -> Unreadable {
    Unreadable(why.to_owned())
}

/// A here-document whose text has not been reached yet.
struct Pending {
    delimiter: String,
    strip_tabs: bool,
    quoted: bool,
    slot: usize,
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
    pending: Vec<Pending>,
    documents: Vec<Word>,
}

/// Reserved words that end a list.
const CLOSERS: [&str; 9] = ["then", "else", "elif", "fi", "do", "done", "esac", "}", "in"];

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>')
}

pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Parser {
    /// The next character, line continuations left out.
    fn peek(&mut self) -> Option<char> {
        while self.text.get(self.at) == Some(&'\\') && self.text.get(self.at + 1) == Some(&'\n') {
            self.at += 2;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let eaten = self.peek() == Some(c);
        if eaten {
            self.at += 1;
        }
        eaten
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(unreadable("it nests too deeply"));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|c| c != '\n' && c.is_whitespace()) {
            self.at += 1;
        }
        if self.peek() == Some('#') {
            while self.text.get(self.at).is_some_and(|c| *c != '\n') {
                self.at += 1;
            }
        }
    }

    /// Blanks, line breaks and comments.
    fn gap(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            if !self.line_break()? {
                return Ok(());
            }
        }
    }

    fn line_break(&mut self) -> Parsed<bool> {
        if !self.eat('\n') {
            return Ok(false);
        }
        for document in std::mem::take(&mut self.pending) {
            let body = self.here_document(&document)?;
            if let Some(slot) = self.documents.get_mut(document.slot) {
                *slot = body;
            }
        }
        Ok(true)
    }

    /// The word that comes next, where it is made of plain characters alone.
    fn plain_word(&mut self) -> Option<String> {
        let start = self.at;
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if ends_word(c) {
                break;
            }
            if matches!(c, '\'' | '"' | '$' | '`' | '\\') {
                word.clear();
                break;
            }
            word.push(c);
            self.at += 1;
        }
        self.at = start;
        (!word.is_empty()).then_some(word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.plain_word().is_some_and(|plain| plain == word);
        if found {
            for _ in word.chars() {
                self.take();
            }
        }
        found
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        self.gap()?;
        if self.eat_word(word) { Ok(()) } else { Err(Unreadable(format!("`{word}` is missing"))) }
    }

    /// Reads commands up to one of the words, which stays, a parenthesis or the end.
    fn list(&mut self, closers: &[&str]) -> Parsed<Script> {
        self.deeper(|parser| {
            let mut script = Script::default();
            loop {
                parser.gap()?;
                match parser.peek() {
                    None | Some(')') => return Ok(script),
                    Some(';') => {
                        // `;;` ends a branch of `case`; a lone one is an empty command, which no shell takes.
                        return Ok(script);
                    }
                    Some(_) => {}
                }
                if let Some(word) = parser.plain_word()
                    && CLOSERS.contains(&word.as_str())
                {
                    if closers.contains(&word.as_str()) {
                        return Ok(script);
                    }
                    return Err(Unreadable(format!("`{word}` stands where nothing is open for it")));
                }
                script.pipelines.push(parser.pipeline()?);
                parser.blanks();
                match parser.peek() {
                    Some(';') => {
                        if parser.text.get(parser.at + 1) == Some(&';') {
                            return Ok(script);
                        }
                        parser.take();
                    }
                    Some('&') => {
                        parser.take();
                        parser.eat('&');
                    }
                    Some('|') => {
                        parser.take();
                        if !parser.eat('|') {
                            return Err(unreadable("a pipe leads nowhere"));
                        }
                    }
                    Some('\n' | ')') | None => {}
                    Some(c) => return Err(Unreadable(format!("`{c}` stands where a command should end"))),
                }
            }
        })
    }

    fn pipeline(&mut self) -> Parsed<Vec<Command>> {
        let mut commands = Vec::new();
        while self.eat_word("!") || self.eat_word("time") {
            self.blanks();
            // `time -p`
            while self.plain_word().is_some_and(|word| word.starts_with('-')) {
                self.word()?;
                self.blanks();
            }
        }
        loop {
            commands.push(self.deeper(Self::command)?);
            self.blanks();
            if self.peek() != Some('|') || self.text.get(self.at + 1) == Some(&'|') {
                return Ok(commands);
            }
            self.take();
            self.eat('&');
            self.gap()?;
        }
    }

    fn simple(&mut self) -> Parsed<Command> {
        let mut simple = Simple::default();
        loop {
            self.blanks();
            let start = self.at;
            match self.peek() {
                None | Some('\n' | ';' | ')' | '|') => break,
                Some('&') if self.text.get(self.at + 1) != Some(&'>') => break,
                Some('<' | '>') if self.is_process() => simple.words.push(self.word()?),
                Some('<' | '>' | '&') => simple.redirects.push(self.redirect()?),
                Some('(') => {
                    return self.function(&simple);
                }
                Some(_) => {
                    let word = self.word()?;
                    let descriptor = matches!(self.peek(), Some('<' | '>'))
                        && self.text.get(start..self.at).is_some_and(|raw| raw.iter().all(char::is_ascii_digit));
                    if descriptor {
                        continue;
                    }
                    match assignment(&word) {
                        Some(assignment) if simple.words.is_empty() => {
                            if self.peek() == Some('(') {
                                return Err(unreadable("arrays are not known to every shell"));
                            }
                            simple.assignments.push(assignment);
                        }
                        Some(_) | None => simple.words.push(word),
                    }
                }
            }
        }
        if simple == Simple::default() {
            return Err(unreadable("a command is missing"));
        }
        Ok(Command::Simple(simple))
    }

    fn function(&mut self, head: &Simple) -> Parsed<Command> {
        let [name] = head.words.as_slice() else { return Err(unreadable("a parenthesis stands inside a command")) };
        let name = name.literal().filter(|name| is_name(&name.replace('-', "_")));
        let Some(name) = name else { return Err(unreadable("a function has no plain name")) };
        self.take();
        self.blanks();
        if !self.eat(')') || !head.assignments.is_empty() || !head.redirects.is_empty() {
            return Err(unreadable("a parenthesis stands inside a command"));
        }
        self.gap()?;
        let body = Box::new(self.deeper(Self::command)?);
        Ok(Command::Function { name, body })
    }

    /// Whether `<(` or `>(` comes.
    fn is_process(&self) -> bool {
        self.text.get(self.at + 1) == Some(&'(')
    }

    fn redirect(&mut self) -> Parsed<Redirect> {
        self.eat('&');
        let first = self.take();
        let mut kind = if first == Some('<') { Direction::Read } else { Direction::Write };
        match self.peek() {
            Some('<') if first == Some('<') => {
                self.take();
                if self.eat('<') {
                    kind = Direction::Text;
                } else {
                    return self.here_start();
                }
            }
            Some('>') => {
                self.take();
                kind = Direction::Write;
            }
            Some('|') => {
                self.take();
            }
            Some('&') => {
                self.take();
                kind = Direction::Duplicate;
            }
            Some(_) | None => {}
        }
        self.blanks();
        let target = self.word()?;
        if kind == Direction::Duplicate
            && target.literal().is_none_or(|text| !text.chars().all(|c| c.is_ascii_digit() || c == '-'))
        {
            kind = Direction::Write;
        }
        Ok(Redirect { kind, target })
    }

    fn here_start(&mut self) -> Parsed<Redirect> {
        let strip_tabs = self.eat('-');
        self.blanks();
        let start = self.at;
        let delimiter = self.word()?;
        let quoted =
            self.text.get(start..self.at).is_some_and(|raw| raw.iter().any(|c| matches!(c, '\'' | '"' | '\\')));
        let Some(delimiter) = delimiter.literal() else { return Err(unreadable("a here-document's end is not plain")) };
        let slot = self.documents.len();
        self.documents.push(Word::default());
        self.pending.push(Pending { delimiter, strip_tabs, quoted, slot });
        Ok(Redirect { kind: Direction::Document(slot), target: Word::default() })
    }

    /// Reads an arithmetic expression from its second parenthesis to the last.
    fn arithmetic(&mut self) -> Parsed<Arithmetic> {
        self.take();
        let mut depth = 0_usize;
        let mut inside = String::new();
        while let Some(c) = self.take() {
            match c {
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                ')' => {
                    return if self.eat(')') {
                        Ok(word::names_in(&inside))
                    } else {
                        Err(unreadable("shells disagree whether this is arithmetic"))
                    };
                }
                _ => {}
            }
            inside.push(c);
        }
        Err(unreadable("an arithmetic expression does not end"))
    }
}

fn assignment(word: &Word) -> Option<Assignment> {
    use super::syntax::Part;
    let Some(Part::Text { text, quoted: false }) = word.parts.first() else { return None };
    let (name, rest) = text.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    if !is_name(name) {
        return None;
    }
    let mut value = word.clone();
    if let Some(Part::Text { text, .. }) = value.parts.first_mut() {
        rest.clone_into(text);
    }
    Some(Assignment { name: name.to_owned(), value })
}
