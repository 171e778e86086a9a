//! Redirections, here-documents among them.

use super::{HereDocument, Lexer, Unit};

impl Lexer<'_> {
    /// Reads a redirection's operator; true where a word follows that is a file.
    pub(super) fn redirection(&mut self) -> bool {
        let first = self.take();
        if first == Some('<') && self.peek_char(0) == Some('<') {
            self.take();
            if self.peek_char(0) == Some('<') {
                self.take();
                self.blank();
                let word = self.word();
                for value in word.values().collect::<Vec<_>>() {
                    self.refuse(value, "`<<<` is not known to every shell");
                }
                return false;
            }
            let strip_tabs = self.peek_char(0) == Some('-');
            if strip_tabs {
                self.take();
            }
            self.blank();
            let word = self.word();
            for value in word.values().collect::<Vec<_>>() {
                self.refuse(value, "a value cannot say where a here-document ends");
            }
            match word.literal() {
                Some(delimiter) if !delimiter.is_empty() => self.pending.push(HereDocument { delimiter, strip_tabs }),
                Some(_) | None => self.lost = true,
            }
            return false;
        }
        if self.peek_char(0) == Some('(') {
            self.region('(', ')', "a process substitution");
            return false;
        }
        if matches!(self.peek_char(0), Some('>' | '|' | '&')) || (first == Some('<') && self.peek_char(0) == Some('>'))
        {
            self.take();
        }
        true
    }

    pub(super) fn here_documents(&mut self) {
        for document in std::mem::take(&mut self.pending) {
            loop {
                if self.peek().is_none() {
                    self.incomplete("a here-document");
                    return;
                }
                let mut line = String::new();
                let mut valued = false;
                while let Some(unit) = self.peek() {
                    match unit {
                        Unit::Char('\n') => {
                            self.take();
                            break;
                        }
                        Unit::Char(c) => {
                            self.take();
                            line.push(c);
                        }
                        Unit::Value(value) => {
                            self.at += 1;
                            valued = true;
                            self.refuse_hint(
                                value,
                                "it stands in a here-document, where no quoting is safe",
                                "use `printf '%s\\n' \"…\" |` in place of the here-document",
                            );
                        }
                    }
                }
                let line = if document.strip_tabs { line.trim_start_matches('\t') } else { &line };
                if !valued && line == document.delimiter {
                    break;
                }
            }
        }
    }
}
