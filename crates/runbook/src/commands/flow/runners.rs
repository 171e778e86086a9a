//! Shells, other machines, `find` and `xargs`: what runs its arguments in a way of its own.

use super::super::programs;
use super::programs::command_in;
use super::taint::{Argument, Taint, taint_of};
use super::{AS_ARGUMENT, Flow, Place};

/// Shells that read what every other shell reads.
const SCRIPTS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "rbash"];
/// Options of `find` before a command.
const FIND_RUNS: [&str; 4] = ["-exec", "-execdir", "-ok", "-okdir"];

/// The text that `xargs` replaces in the words of its command, where an option says so.
fn mark(option: &str, next: Option<&str>) -> Option<String> {
    if let Some(long) = option.strip_prefix("--") {
        let given = long.strip_prefix("replace")?;
        return Some(given.strip_prefix('=').unwrap_or("{}").to_owned());
    }
    let letters = option.strip_prefix('-')?;
    let at = letters.find(|c| "nIPiLdsaE".contains(c))?;
    let rest = letters.get(at + 1..).unwrap_or_default();
    match letters.get(at..=at)? {
        "I" if rest.is_empty() => next.map(str::to_owned),
        "i" if rest.is_empty() => Some("{}".to_owned()),
        "I" | "i" => Some(rest.to_owned()),
        _ => None,
    }
}

impl Flow {
    pub(super) fn shell(&mut self, name: &str, rest: &[Argument], place: Place) -> Taint {
        let (mut command, mut stdin) = (false, false);
        let mut at = 0;
        while let Some(word) = rest.get(at) {
            let text = word.literal.as_deref().unwrap_or_default();
            if matches!(text, "--" | "-") {
                at += 1;
                break;
            }
            if !(text.len() > 1 && text.starts_with(['-', '+'])) {
                break;
            }
            at += 1;
            if matches!(text, "--rcfile" | "--init-file") {
                let file = rest.get(at).map_or(Taint::NONE, |file| file.taint.and(self.held(file, place)));
                self.refuse(file.any(), "a shell would run the file of that name", Some(AS_ARGUMENT));
                at += 1;
            } else if !text.starts_with("--") {
                command |= text.starts_with('-') && text.contains('c');
                stdin |= text.starts_with('-') && text.contains('s');
                at += usize::from(text.ends_with(['o', 'O']));
            }
        }
        let given = rest.get(at..).unwrap_or(&[]);
        let reaching = taint_of(rest).and(place.stdin);
        let Some(text) = given.first().filter(|_| command || !stdin) else {
            self.refuse(reaching.any(), "a shell would read it as a script", Some(AS_ARGUMENT));
            return reaching.altered();
        };
        if text.taint.any() != 0 {
            let why =
                if command { "a shell would parse it as a script" } else { "a shell would run the file of that name" };
            self.refuse(text.taint.any(), why, Some(AS_ARGUMENT));
            return reaching.altered();
        }
        let Some(literal) = text.literal.as_deref() else {
            self.refuse(reaching.any(), "which script reads it is only known when it runs", Some("write the script"));
            return reaching.altered();
        };
        let arguments = given.get(1..).unwrap_or(&[]);
        if command && !SCRIPTS.contains(&name) {
            self.refuse(reaching.any(), format!("what a script of `{name}` does is not known"), Some("use `sh`"));
            return reaching.altered();
        }
        if command {
            return self.nested(literal, arguments, place);
        }
        let held = self.held(text, place);
        self.refuse(held.any(), "it is in the file that a shell runs", Some(AS_ARGUMENT));
        self.data(arguments);
        reaching.altered()
    }

    pub(super) fn remote(&mut self, name: &str, options: &[&str], rest: &[Argument], place: Place) -> Taint {
        let destination = command_in(rest, options, 0);
        let (own, after) = rest.split_at(destination.unwrap_or(0).min(rest.len()));
        let harmless = ["-i", "-p", "-l", "-b", "-B"];
        let mut before: Option<&Argument> = None;
        for word in own {
            let safe = before.is_some_and(|option| harmless.iter().any(|known| option.is(known)));
            if !safe {
                self.refuse(word.taint.any(), format!("`{name}` may take it for a command"), Some("write the option"));
            }
            before = Some(word);
        }
        let (destination_word, command) = after.split_at(after.len().min(1));
        self.data(destination_word);
        self.data(own);
        self.refuse(
            taint_of(command).any(),
            format!("`{name}` parses this argument itself, and quoting does not reach that far"),
            Some("run a constant command there and hand the value over another way, or use an action"),
        );
        let words: Option<Vec<&str>> = command.iter().map(|word| word.literal.as_deref()).collect();
        if place.stdin.any() != 0 || destination.is_err() {
            let reaching = place.stdin.and(taint_of(rest));
            match words {
                Some(words) if !words.is_empty() && destination.is_ok() => {
                    return self.nested(&words.join(" "), &[], place);
                }
                Some(_) | None => {
                    self.refuse(reaching.any(), "a shell on another machine would read it", Some(AS_ARGUMENT));
                }
            }
        }
        taint_of(rest).and(place.stdin).altered()
    }

    pub(super) fn find(&mut self, rest: &[Argument], place: Place) {
        let mut at = 0;
        let mut before = Taint::NONE;
        while let Some(word) = rest.get(at) {
            at += 1;
            before = before.and(word.taint);
            if !FIND_RUNS.iter().any(|option| word.is(option)) {
                continue;
            }
            let inner = rest.get(at..).unwrap_or(&[]);
            let end = inner.iter().position(|word| word.is(";") || word.is("+")).unwrap_or(inner.len());
            // The names of what was found stand where the braces are.
            let found = Argument::added(before.answered());
            let inner: Vec<Argument> = inner
                .iter()
                .take(end)
                .map(|word| {
                    let mut word = word.clone();
                    if word.prefix.contains("{}") {
                        word.taint = word.taint.and(found.taint);
                        word.start = word.start.and(found.taint);
                    }
                    word
                })
                .collect();
            self.inner("find", true, &inner, place);
            at += end;
        }
    }

    pub(super) fn xargs(&mut self, rest: &[Argument], place: Place) -> Taint {
        let values =
            programs::program("xargs").and_then(|xargs| xargs.runner.as_ref()).map_or(&[][..], |(values, _)| values);
        let begin = command_in(rest, values, 0);
        let (own, inner) = rest.split_at(begin.unwrap_or(0).min(rest.len()));
        self.data(own);
        let read = place.stdin.altered();
        let replaced = own.iter().enumerate().find_map(|(position, word)| {
            mark(word.literal.as_deref()?, own.get(position + 1).and_then(|next| next.literal.as_deref()))
        });
        if begin.is_ok() && inner.is_empty() {
            return read.and(taint_of(own).altered());
        }
        let mut inner = inner.to_vec();
        match replaced {
            Some(mark) => {
                for word in
                    inner.iter_mut().filter(|word| word.literal.as_ref().is_none_or(|text| text.contains(&mark)))
                {
                    word.taint = word.taint.and(read);
                    if word.prefix.starts_with(&mark) {
                        word.start = word.start.and(read);
                    }
                    word.literal = None;
                }
            }
            None => inner.push(Argument::added(read)),
        }
        self.inner("xargs", begin.is_ok(), &inner, Place { stdin: Taint::NONE, ..place })
    }
}
