//! Groups, conditions, loops and `case`.

use super::super::syntax::{Command, Compound, Kind, Script};
use super::{Parsed, Parser, Unreadable, ends_word, is_name, unreadable};

impl Parser {
    pub(super) fn command(&mut self) -> Parsed<Command> {
        if self.peek() == Some('(') {
            self.take();
            if self.peek() == Some('(') {
                let names = self.arithmetic()?;
                return self.compound(Kind::Arithmetic(names), Vec::new());
            }
            let body = self.list(&[])?;
            if !self.eat(')') {
                return Err(unreadable("a parenthesis does not close"));
            }
            return self.compound(Kind::Plain, vec![body]);
        }
        match self.plain_word().as_deref() {
            Some("{") => {
                self.eat_word("{");
                let body = self.list(&["}"])?;
                self.expect("}")?;
                self.compound(Kind::Plain, vec![body])
            }
            Some("if") => {
                self.eat_word("if");
                let mut bodies = vec![self.list(&["then"])?];
                self.expect("then")?;
                loop {
                    bodies.push(self.list(&["elif", "else", "fi"])?);
                    if self.eat_word("fi") {
                        return self.compound(Kind::Plain, bodies);
                    }
                    if self.eat_word("elif") {
                        bodies.push(self.list(&["then"])?);
                        self.expect("then")?;
                    } else {
                        self.expect("else")?;
                    }
                }
            }
            Some(word @ ("while" | "until")) => {
                self.eat_word(word);
                let condition = self.list(&["do"])?;
                let body = self.body()?;
                self.compound(Kind::Plain, vec![condition, body])
            }
            Some("for") => self.loop_over_words(),
            Some("case") => self.case(),
            Some(word @ ("select" | "function" | "coproc")) => {
                Err(Unreadable(format!("`{word}` is not known to every shell")))
            }
            Some(_) | None => self.simple(),
        }
    }

    fn body(&mut self) -> Parsed<Script> {
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(body)
    }

    fn compound(&mut self, kind: Kind, bodies: Vec<Script>) -> Parsed<Command> {
        let mut redirects = Vec::new();
        loop {
            self.blanks();
            let start = self.at;
            while self.peek().is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
            }
            match self.peek() {
                Some('<' | '>') => redirects.push(self.redirect()?),
                Some('&') if self.text.get(self.at + 1) == Some(&'>') => redirects.push(self.redirect()?),
                Some(_) | None => {
                    self.at = start;
                    return Ok(Command::Compound(Compound { kind, bodies, redirects }));
                }
            }
        }
    }

    fn loop_over_words(&mut self) -> Parsed<Command> {
        self.eat_word("for");
        self.blanks();
        let name = self.plain_word().filter(|name| is_name(name));
        let Some(name) = name else { return Err(unreadable("this `for` is not known to every shell")) };
        self.eat_word(&name);
        self.gap()?;
        let words = if self.eat_word("in") {
            let mut words = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    Some(';' | '\n') => break,
                    None => return Err(unreadable("a `for` does not end")),
                    Some(c) if ends_word(c) => return Err(unreadable("a list of `for` holds more than words")),
                    Some(_) => words.push(self.word()?),
                }
            }
            Some(words)
        } else {
            None
        };
        self.blanks();
        self.eat(';');
        let body = self.body()?;
        self.compound(Kind::For { name, words }, vec![body])
    }

    fn case(&mut self) -> Parsed<Command> {
        self.eat_word("case");
        self.blanks();
        let subject = self.word()?;
        self.expect("in")?;
        let mut patterns = Vec::new();
        let mut bodies = Vec::new();
        loop {
            self.gap()?;
            if self.eat_word("esac") {
                return self.compound(Kind::Case { subject, patterns }, bodies);
            }
            self.eat('(');
            loop {
                self.blanks();
                patterns.push(self.word()?);
                self.blanks();
                match self.take() {
                    Some('|') => {}
                    Some(')') => break,
                    Some(_) | None => return Err(unreadable("a pattern of `case` does not end")),
                }
            }
            bodies.push(self.list(&["esac"])?);
            self.gap()?;
            if self.eat(';') && !self.eat(';') {
                return Err(unreadable("a branch of `case` does not end"));
            }
            if self.peek() == Some('&') {
                return Err(unreadable("`;&` is not known to every shell"));
            }
        }
    }
}
