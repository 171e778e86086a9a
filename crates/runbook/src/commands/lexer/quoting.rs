//! Words: quotes, escapes and expansions, and what a value in them stands in.

use super::{Lexer, Part, Unit, Word};

impl Lexer<'_> {
    /// Reads one word.
    pub(super) fn word(&mut self) -> Word {
        let mut word = Word::default();
        let start = self.at;
        while let Some(unit) = self.peek() {
            let c = match unit {
                Unit::Value(value) => {
                    self.at += 1;
                    self.place(value, &mut word, '"');
                    continue;
                }
                Unit::Char(c) => c,
            };
            match c {
                c if c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>') => break,
                '\'' => {
                    word.quoted = true;
                    self.take();
                    self.single(&mut word);
                }
                '"' => {
                    word.quoted = true;
                    self.take();
                    self.double(&mut word);
                }
                '\\' => {
                    word.quoted = true;
                    self.take();
                    self.escape(&mut word, |_| true);
                }
                '$' => self.dollar(&mut word, false),
                '`' => self.backticks(&mut word),
                c => {
                    let is_url = ["http://", "https://"].iter().any(|scheme| word.prefix().starts_with(scheme));
                    let glob = matches!(c, '*' | '?' | '[') && !is_url;
                    let home =
                        c == '~' && (self.at == start || matches!(word.prefix().chars().last(), Some('=' | ':')));
                    if glob || home {
                        self.lexed.syntax = true;
                    }
                    self.take();
                    word.push(c);
                }
            }
        }
        if word.parts.is_empty() {
            word.parts.push(Part::Text(String::new()));
        }
        word
    }

    /// Puts a value's reference into the script for the quoting state it stands in: `"` unquoted, `d` inside double
    /// quotes, `'` inside single quotes.
    pub(super) fn place(&mut self, value: usize, word: &mut Word, state: char) {
        word.parts.push(Part::Value(value));
        if self.lost {
            self.refuse(value, "it cannot be told here what the script's text before it means");
        } else if self.cases > 0 {
            self.refuse_hint(
                value,
                "it stands inside `case … esac`",
                "put the value into a variable before the `case`",
            );
        }
        let name = (self.names)(value);
        match state {
            'd' => self.lexed.script.extend(["${", &name, "}"]),
            '\'' => self.lexed.script.extend(["'\"$", &name, "\"'"]),
            _ => self.lexed.script.extend(["\"$", &name, "\""]),
        }
    }

    pub(super) fn single(&mut self, word: &mut Word) {
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Value(value) => {
                    self.at += 1;
                    self.place(value, word, '\'');
                }
                Unit::Char(c) => {
                    self.take();
                    if c == '\'' {
                        if word.parts.is_empty() {
                            word.parts.push(Part::Text(String::new()));
                        }
                        return;
                    }
                    word.push(c);
                }
            }
        }
        self.incomplete("a single quote");
    }

    pub(super) fn double(&mut self, word: &mut Word) {
        while let Some(unit) = self.peek() {
            let c = match unit {
                Unit::Value(value) => {
                    self.at += 1;
                    self.place(value, word, 'd');
                    continue;
                }
                Unit::Char(c) => c,
            };
            match c {
                '"' => {
                    self.take();
                    if word.parts.is_empty() {
                        word.parts.push(Part::Text(String::new()));
                    }
                    return;
                }
                '\\' => {
                    self.take();
                    self.escape(word, |c| matches!(c, '$' | '`' | '"' | '\\' | '\n'));
                }
                '$' => self.dollar(word, true),
                '`' => self.backticks(word),
                c => {
                    self.take();
                    word.push(c);
                }
            }
        }
        self.incomplete("a double quote");
    }

    /// Reads what a backslash escapes.
    pub(super) fn escape(&mut self, word: &mut Word, special: impl Fn(char) -> bool) {
        match self.peek() {
            Some(Unit::Char(c)) => {
                self.take();
                if !special(c) {
                    word.push('\\');
                }
                if c != '\n' {
                    word.push(c);
                }
            }
            Some(Unit::Value(value)) => {
                self.at += 1;
                word.parts.push(Part::Value(value));
                self.refuse(value, "a backslash stands right before it");
            }
            None => self.incomplete("a backslash at the end of the line"),
        }
    }

    pub(super) fn backticks(&mut self, word: &mut Word) {
        self.lexed.syntax = true;
        word.parts.push(Part::Dynamic);
        self.take();
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Value(value) => {
                    self.at += 1;
                    self.refuse_hint(value, "it stands in backticks", "use `$(…)` in place of the backticks");
                }
                Unit::Char(c) => {
                    self.take();
                    match c {
                        '`' => return,
                        '\\' => {
                            self.take();
                        }
                        _ => {}
                    }
                }
            }
        }
        self.incomplete("a backtick");
    }

    pub(super) fn dollar(&mut self, word: &mut Word, inside_double: bool) {
        self.lexed.syntax = true;
        self.take();
        match self.peek() {
            Some(Unit::Value(value)) => {
                self.at += 1;
                word.parts.push(Part::Value(value));
                self.refuse(value, "a `$` stands right before it");
                return;
            }
            Some(Unit::Char('(')) if self.peek_char(1) == Some('(') => self.region('(', ')', "arithmetic"),
            Some(Unit::Char('(')) => {
                self.take();
                self.nested();
            }
            Some(Unit::Char('{')) => self.region('{', '}', "a parameter expansion"),
            Some(Unit::Char('\'')) if !inside_double => {
                self.take();
                while let Some(unit) = self.peek() {
                    match unit {
                        Unit::Value(value) => {
                            self.at += 1;
                            self.refuse(value, "it stands in `$'…'`, which not every shell knows");
                        }
                        Unit::Char(c) => {
                            self.take();
                            match c {
                                '\'' => break,
                                '\\' => {
                                    self.take();
                                }
                                _ => {}
                            }
                        }
                    }
                }
            }
            Some(Unit::Char('"')) if !inside_double => self.lost = true,
            Some(Unit::Char(c))
                if c.is_alphanumeric() || matches!(c, '_' | '@' | '*' | '#' | '?' | '$' | '!' | '-') =>
            {
                self.take();
                if c.is_alphabetic() || c == '_' {
                    while self.peek_char(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
                        self.take();
                    }
                    if matches!(self.peek(), Some(Unit::Value(_))) && inside_double {
                        // `$NAME${BELAY_1}`: the reference begins a name of its own.
                    }
                }
            }
            Some(Unit::Char(_)) | None => {
                word.push('$');
                return;
            }
        }
        word.parts.push(Part::Dynamic);
    }
}
