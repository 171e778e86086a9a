//! Files that a script writes values into.

use super::taint::{Argument, Taint};

/// Devices that keep nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "-"];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    text: String,
    /// Whether more may follow, which is only known when the script runs.
    open: bool,
}

#[derive(Debug, Default)]
pub(super) struct Files {
    written: Vec<(Name, Taint)>,
    /// Words of commands that were given values: files that they may have made.
    made: Vec<(String, Taint)>,
}

/// More than these and every file counts as written.
const MAX_FILES: usize = 64;
const MAX_MADE: usize = 512;

impl Name {
    fn of(argument: &Argument) -> Self {
        match &argument.literal {
            Some(text) => Self { text: plain(text), open: false },
            None => Self { text: plain(&argument.prefix), open: true },
        }
    }

    fn may_be(&self, other: &Self) -> bool {
        match (self.open, other.open) {
            (false, false) => self.text == other.text,
            (true, false) => other.text.starts_with(&self.text),
            (false, true) => self.text.starts_with(&other.text),
            (true, true) => self.text.starts_with(&other.text) || other.text.starts_with(&self.text),
        }
    }
}

fn plain(path: &str) -> String {
    path.trim_start_matches("./").to_owned()
}

impl Files {
    /// Notes what a file holds; true where that is new.
    pub(super) fn write(&mut self, target: &Argument, taint: Taint) -> bool {
        if taint.any() == 0 || target.literal.as_deref().is_some_and(|name| DEVICES.contains(&name)) {
            return false;
        }
        let mut name = Name::of(target);
        if self.written.len() >= MAX_FILES {
            name = Name { text: String::new(), open: true };
        }
        if let Some((_, known)) = self.written.iter_mut().find(|(known, _)| *known == name) {
            let both = known.and(taint);
            let new = both != *known;
            *known = both;
            return new;
        }
        self.written.push((name, taint));
        true
    }

    /// Notes that a program may have made a file or directory of that name; true where that is new.
    pub(super) fn make(&mut self, word: &Argument, taint: Taint) -> bool {
        let text = word.literal.as_deref().unwrap_or(&word.prefix);
        let text = text.rsplit('=').next().unwrap_or(text);
        let mut name = plain(text);
        if name.is_empty() || name.starts_with('-') {
            return false;
        }
        if self.made.len() >= MAX_MADE {
            name.clear();
        }
        if let Some((_, known)) = self.made.iter_mut().find(|(known, _)| *known == name) {
            let both = known.and(taint);
            let new = both != *known;
            *known = both;
            return new;
        }
        self.made.push((name, taint));
        true
    }

    /// What a file may hold that is run.
    pub(super) fn holds(&self, file: &Argument) -> Taint {
        let name = plain(file.literal.as_deref().unwrap_or(&file.prefix));
        let made = self.made.iter().filter(|(made, _)| {
            made.is_empty()
                || name.strip_prefix(made.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        made.fold(self.of(file), |taint, (_, held)| taint.and(*held))
    }

    /// What a file may hold.
    pub(super) fn of(&self, file: &Argument) -> Taint {
        let name = Name::of(file);
        let held = self.written.iter().filter(|(written, _)| written.may_be(&name));
        held.fold(Taint::NONE, |taint, (_, held)| taint.and(*held))
    }

    /// Whether a word names a file that was written, in so many words.
    pub(super) fn named(&self, word: &Argument) -> Taint {
        if self.written.is_empty() || (word.prefix.is_empty() && word.literal.is_none()) {
            Taint::NONE
        } else {
            self.of(word)
        }
    }
}
