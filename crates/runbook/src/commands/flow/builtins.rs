//! What shells do themselves.

use super::super::parser::{self, is_name};
use super::taint::{Argument, Taint, taint_of};
use super::{AS_ARGUMENT, Flow, Function, MAX_NESTING, Place};

impl Flow {
    /// Performs a builtin; nothing where it is a program. Gives what it prints.
    pub(super) fn builtin(&mut self, name: &str, rest: &[Argument], place: Place) -> Option<Taint> {
        let given = taint_of(rest);
        match name {
            ":" | "true" | "false" | "exit" | "return" | "break" | "continue" | "shift" | "umask" | "ulimit"
            | "wait" | "times" | "sleep" | "kill" | "jobs" | "fg" | "bg" => {
                self.data(rest);
            }
            "cd" | "pushd" => {
                self.data(rest);
                let directory = self.directory.and(given);
                self.changed |= directory != self.directory;
                self.directory = directory;
                self.assign("PWD", given.altered());
                self.assign("OLDPWD", given.altered());
            }
            "pwd" | "dirs" | "popd" => return Some(self.directory.altered()),
            "test" | "[" => {
                if rest.iter().any(|word| word.is("-v") || word.is("-R")) {
                    self.refuse(given.any(), "a value cannot name a variable", None);
                }
            }
            "echo" => return Some(given.altered()),
            "printf" => return Some(self.printf(rest)),
            "[[" | "let" => {
                for word in rest.iter().filter(|_| name == "let") {
                    let names = parser::names_in(word.literal.as_deref().unwrap_or_default());
                    self.arithmetic(&names, place);
                }
                self.refuse(
                    given.any(),
                    format!("`{name}` reads its arguments as parts of a script"),
                    Some("use `[ … ]` with the value in double quotes"),
                );
            }
            // Alone they print every variable.
            "export" | "readonly" | "declare" | "typeset" | "set"
                if rest.iter().all(|word| word.literal.as_deref().is_some_and(|word| word.starts_with('-')))
                    && !rest.iter().any(|word| word.is("--")) =>
            {
                return Some(if rest.is_empty() || name != "set" { self.everything() } else { Taint::NONE });
            }
            "export" | "readonly" | "local" | "declare" | "typeset" => self.declare(name, rest),
            "read" => {
                self.refuse(given.any(), "a value cannot name a variable", None);
                for word in rest.iter().filter_map(|word| word.literal.as_deref()).filter(|word| is_name(word)) {
                    self.assign(word, place.stdin.altered());
                }
                if !rest.iter().any(|word| word.literal.as_deref().is_some_and(is_name)) {
                    self.assign("REPLY", place.stdin.altered());
                }
            }
            "getopts" => {
                let positional = self.named("@", place).and(given).altered();
                self.assign("OPTARG", positional);
                if let Some(variable) = rest.get(1).and_then(|word| word.literal.clone()) {
                    self.assign(&variable, positional);
                }
            }
            "set" => {
                self.data(rest);
                self.add_positional(place.nesting, given);
            }
            "mapfile" | "readarray" | "unset" | "hash" | "fc" | "enable" | "bind" | "complete" | "compgen"
            | "shopt" | "unalias" => {
                self.refuse(
                    given.and(place.stdin).any(),
                    format!("`{name}` reads its arguments as parts of a script"),
                    None,
                );
            }
            "alias" => self.refuse_all("an alias changes what the words after it mean", "use a function"),
            "trap" => return Some(self.trap(rest, place)),
            "eval" => return Some(self.eval(rest, place)),
            "." | "source" => self.source(rest, place),
            "command" if rest.first().is_some_and(|word| word.is("-v") || word.is("-V")) => {}
            "exec" if rest.is_empty() => {}
            _ => return None,
        }
        Some(Taint::NONE)
    }

    pub(super) fn call(&mut self, name: &str, function: Function, rest: &[Argument], place: Place) -> Taint {
        self.add_positional(place.nesting, taint_of(rest));
        let stdin = function.stdin.and(place.stdin);
        if stdin != function.stdin {
            self.changed = true;
            self.functions.insert(name.to_owned(), Function { stdin, ..function });
        }
        function.output
    }

    fn printf(&mut self, rest: &[Argument]) -> Taint {
        let given = taint_of(rest);
        let mut rest = rest;
        if let [option, variable, more @ ..] = rest
            && option.is("-v")
        {
            self.refuse(variable.taint.any(), "a value cannot name a variable", None);
            if let Some(name) = &variable.literal {
                self.assign(name, given.altered());
            }
            rest = more;
        }
        let format = rest.first().and_then(|format| format.literal.as_deref());
        if format.is_some_and(prints_numbers) { Taint::NONE } else { given.altered() }
    }

    fn declare(&mut self, name: &str, rest: &[Argument]) {
        // Integers and references are evaluated.
        let evaluates = rest.iter().any(|word| {
            word.literal.as_deref().is_some_and(|word| {
                word.starts_with(['-', '+']) && !word.trim_matches(['-', '+', 'x', 'r', 'g', 'p']).is_empty()
            })
        });
        for word in rest {
            let assigned =
                word.prefix.split_once('=').map(|(name, _)| name.trim_end_matches('+')).filter(|name| is_name(name));
            match assigned {
                Some(variable) if !evaluates => self.assign(variable, word.taint),
                Some(_) | None => {
                    self.refuse(
                        word.taint.any(),
                        format!("`{name}` takes it for the name of a variable or evaluates it"),
                        None,
                    );
                }
            }
        }
    }

    fn trap(&mut self, rest: &[Argument], place: Place) -> Taint {
        let given = taint_of(rest);
        self.refuse(given.any(), "`trap` takes it for a script", Some(AS_ARGUMENT));
        match rest.iter().find(|word| !word.is("--")).map(|word| word.literal.as_deref()) {
            None | Some(Some("-" | "")) => Taint::NONE,
            Some(Some(script)) => self.followed(script, Place { runners: place.runners + 1, ..place }),
            Some(None) if given.any() != 0 => Taint::NONE,
            Some(None) => {
                self.refuse_all("what `trap` runs is only known when the script runs", "write it in the script");
                Taint::NONE
            }
        }
    }

    fn eval(&mut self, rest: &[Argument], place: Place) -> Taint {
        let given = taint_of(rest);
        self.refuse(given.any(), "`eval` takes it for a part of a script", Some(AS_ARGUMENT));
        let words: Option<Vec<&str>> = rest.iter().map(|word| word.literal.as_deref()).collect();
        match words {
            Some(words) => self.followed(&words.join(" "), Place { runners: place.runners + 1, ..place }),
            None if given.any() != 0 => Taint::NONE,
            None => {
                self.refuse_all("what `eval` runs is only known when the script runs", "leave `eval` out");
                Taint::NONE
            }
        }
    }

    fn source(&mut self, rest: &[Argument], place: Place) {
        let Some((file, arguments)) = rest.split_first() else { return };
        self.refuse(file.taint.any(), "a shell would run the file of that name", Some(AS_ARGUMENT));
        let held = self.held(file, place);
        self.refuse(held.any(), "it is in the file that the script runs", Some(AS_ARGUMENT));
        self.refuse(taint_of(arguments).any(), "what the file does with it is not known here", Some(AS_ARGUMENT));
    }

    /// Follows a constant text that a shell parses, in the same shell.
    pub(super) fn followed(&mut self, script: &str, place: Place) -> Taint {
        if place.runners > super::programs::MAX_RUNNERS {
            self.refuse_all("scripts stand too deeply inside each other", "write them as scripts of their own");
            return Taint::NONE;
        }
        match parser::parse(script) {
            Ok(tree) => self.script(&tree, &tree.script, place),
            Err(parser::Unreadable(why)) => {
                self.refuse_all(
                    format!("it cannot be told what a script inside does: {why}"),
                    "write the script in plain POSIX shell",
                );
                Taint::NONE
            }
        }
    }

    /// Follows a constant text that another shell parses, with its positional parameters.
    pub(super) fn nested(&mut self, script: &str, arguments: &[Argument], place: Place) -> Taint {
        let nesting = place.nesting + 1;
        if nesting > MAX_NESTING {
            self.refuse_all("scripts stand too deeply inside each other", "write them as scripts of their own");
            return Taint::NONE;
        }
        self.add_positional(nesting, taint_of(arguments));
        self.followed(script, Place { nesting, runners: place.runners + 1, ..place })
    }

    /// Arguments that a program takes as data: none of them may look like an option.
    pub(super) fn data(&mut self, arguments: &[Argument]) {
        let mut options_end = false;
        for argument in arguments {
            options_end |= argument.is("--");
            self.guard(argument.start.direct, super::Guard::Option);
            if !options_end {
                self.refuse(
                    argument.start.altered,
                    "it is changed before it becomes an argument, and could become an option",
                    Some("write `--` before it where the program knows that, or use the value as it is"),
                );
            }
        }
    }
}

/// A format that prints nothing but numbers, whatever it is given.
fn prints_numbers(format: &str) -> bool {
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit() || "-+ #.".contains(c));
        let Some(conversion) = after.chars().next() else { return false };
        if !"diuxXo%".contains(conversion) {
            return false;
        }
        rest = after.get(1..).unwrap_or("");
    }
    true
}
