//! What programs do with their arguments and with what they read.

use super::super::BUILTINS;
use super::super::programs::{self, Besides, Program, Text};
use super::taint::{Argument, Guard, Taint, taint_of};
use super::{AS_ARGUMENT, Flow, Place};

pub(super) use programs::is_powerful;

/// Programs that run each other.
pub(super) const MAX_RUNNERS: usize = 12;
/// Words that are looked at for a program among the arguments of another one.
const MAX_SEARCHED: usize = 256;
/// Runners that are looked for among the arguments of a program that is not known.
const SEARCHED_RUNNERS: [&str; 6] = ["sudo", "doas", "nohup", "xargs", "nsenter", "chroot"];

/// How many arguments a group of options in one word takes, and whether the first of its values is in the word.
enum Taken {
    Nothing,
    /// An option of the list, with its values in the next words.
    Next(usize),
    /// An option of the list, with its value in the same word.
    Here,
}

/// What an option's word takes, by options and how many values they have.
fn taken(argument: &Argument, options: &[(&str, usize)]) -> Taken {
    let prefix = argument.prefix.as_str();
    let whole = argument.literal.is_some();
    for (option, count) in options {
        if prefix == *option && whole {
            return Taken::Next(*count);
        }
        if prefix.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')) {
            return Taken::Here;
        }
    }
    if !prefix.starts_with('-') || prefix.starts_with("--") {
        return Taken::Nothing;
    }
    // `-ne PROGRAM`, `-ePROGRAM`: one letter after the other, up to one that takes a value.
    let letters: Vec<char> = prefix.chars().skip(1).collect();
    for (position, letter) in letters.iter().enumerate() {
        let found = options.iter().find(|(option, _)| {
            let mut name = option.chars();
            name.next() == Some('-') && name.next() == Some(*letter) && name.next().is_none()
        });
        if let Some((_, count)) = found {
            return if position + 1 == letters.len() && whole { Taken::Next(*count) } else { Taken::Here };
        }
    }
    Taken::Nothing
}

/// Where the command begins that a runner runs; an error where that is only known when it runs.
pub(super) fn command_in(rest: &[Argument], values: &[&str], operands: usize) -> Result<usize, ()> {
    let options: Vec<(&str, usize)> = values.iter().map(|option| (*option, 1)).collect();
    let mut at = 0;
    let mut skipped = 0;
    let mut open = true;
    while let Some(argument) = rest.get(at) {
        if argument.splits {
            return Err(());
        }
        let assigns = argument.prefix.split_once('=').is_some_and(|(name, _)| super::parser::is_name(name));
        if open && argument.is("--") {
            open = false;
            at += 1;
        } else if open && argument.is_option() {
            at += match taken(argument, &options) {
                Taken::Nothing | Taken::Here => 1,
                Taken::Next(count) => 1 + count,
            };
        } else if skipped < operands {
            // After an operand come no more options.
            skipped += 1;
            at += 1;
        } else if assigns {
            at += 1;
        } else {
            return Ok(at);
        }
    }
    Ok(rest.len())
}

/// Whether `grep` prints a number or nothing: of standard input, because it names files.
fn counts(rest: &[Argument]) -> bool {
    let quiet = rest.iter().any(|word| word.is("-q") || word.is("--quiet"));
    let number = rest.iter().any(|word| word.is("-c") || word.is("--count"));
    quiet || (number && rest.iter().filter(|word| !word.is_option()).count() <= 1)
}

/// The names that a word gives values to: `NAME=value`, `--env=NAME=value`, `-eNAME=value`.
fn assigned(word: &Argument) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in word.prefix.match_indices('=') {
        let before = word.prefix.get(..at).unwrap_or_default();
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        let name = before.get(start..).unwrap_or_default();
        names.push(name.to_owned());
        if before.starts_with("-e") && start == 1 {
            names.push(name.get(1..).unwrap_or_default().to_owned());
        }
    }
    names.retain(|name| super::parser::is_name(name));
    names
}

impl Flow {
    /// Runs a command of these words; gives what it prints.
    pub(super) fn run(&mut self, arguments: &[Argument], place: Place) -> Taint {
        let Some((first, rest)) = arguments.split_first() else { return Taint::NONE };
        let reaching = taint_of(rest).and(place.stdin);
        if first.taint.any() != 0 {
            self.refuse(first.taint.any(), "a value cannot be the name of a command", Some("write the command"));
            return first.taint.and(reaching).altered();
        }
        let Some(name) = first.literal.as_deref() else {
            self.refuse(
                reaching.and(self.directory).any(),
                "which program reads it is only known when the script runs",
                Some("write the program's name"),
            );
            return reaching.altered();
        };
        let held = if name.contains('/') { self.held(first, place) } else { Taint::NONE };
        self.refuse(held.any(), "it chose or wrote the file that is run as a program", Some(AS_ARGUMENT));
        if place.runners > MAX_RUNNERS {
            self.refuse_all("too many programs run each other", "write the command that is meant");
            return Taint::NONE;
        }
        // These only print what they get, however often it is divided.
        let function = self.functions.get(name).copied();
        if !matches!(name, "echo" | "printf") || function.is_some() {
            self.whole_words(rest);
        }
        let mut printed = Taint::NONE;
        if let Some(function) = function {
            printed = self.call(name, function, rest, place);
            // Whether the function has been defined by then is not known, so what it hides counts as well.
            let hidden = programs::known_name(name);
            if programs::program(hidden).is_none() && !programs::is_shell(hidden) && !BUILTINS.contains(&name) {
                return printed;
            }
        }
        if let Some(also) = self.builtin(name, rest, place) {
            return printed.and(also);
        }
        let known = programs::known_name(name);
        printed = printed.and(self.program(known, rest, place));
        if programs::program(known).is_none() && !programs::is_shell(known) {
            self.search(rest, rest.len(), place);
        }
        // What a file holds goes where the file goes.
        let held = rest.iter().fold(Taint::NONE, |held, word| held.and(self.files.named(word)));
        if held.any() != 0 || known == "tee" {
            let into = held.and(if known == "tee" { place.stdin } else { Taint::NONE }).altered();
            for word in rest.iter().filter(|word| !word.is_option()) {
                self.changed |= self.files.write(word, into);
            }
            printed = printed.and(into);
        }
        // It may write what it has or fetches into any file that it is told of.
        let reaching = reaching.altered();
        if reaching.any() != 0 && programs::program(known).is_some_and(|program| program.makes) {
            for word in rest {
                self.changed |= self.files.make(word, reaching);
            }
        }
        printed
    }

    /// Looks for a shell or an interpreter among the first arguments of a program, which may run it.
    fn search(&mut self, rest: &[Argument], positions: usize, place: Place) {
        if taint_of(rest).any() == 0 {
            return;
        }
        if rest.len() > MAX_SEARCHED {
            self.refuse(taint_of(rest).any(), "it stands among too many words", Some("use a file or several commands"));
            return;
        }
        for (position, word) in rest.iter().enumerate().take(positions) {
            let Some(name) = word.literal.as_deref() else { continue };
            let name = programs::known_name(name);
            let runs = programs::is_shell(name)
                || SEARCHED_RUNNERS.contains(&name)
                || programs::program(name).is_some_and(|program| {
                    program.joined
                        || program.remote.is_some()
                        || program.texts.iter().any(|text| matches!(text.besides, Besides::File | Besides::Operand))
                });
            let arguments = rest.get(position + 1..).unwrap_or(&[]);
            if runs && taint_of(arguments).any() != 0 {
                self.program(name, arguments, Place { runners: place.runners + 1, ..place });
            }
        }
    }

    fn program(&mut self, name: &str, rest: &[Argument], place: Place) -> Taint {
        let reaching = taint_of(rest).and(place.stdin);
        if programs::is_shell(name) {
            return self.shell(name, rest, place);
        }
        match name {
            "find" => self.find(rest, place),
            // A number, or nothing that was given.
            "wc" if rest.iter().all(Argument::is_option) => return Taint::NONE,
            "grep" | "egrep" | "fgrep" | "rg" if counts(rest) => {
                self.data(rest);
                return Taint::NONE;
            }
            "xargs" => return self.xargs(rest, place),
            _ => {}
        }
        let Some(program) = programs::program(name) else {
            self.data(rest);
            return reaching.altered();
        };
        if program.joined {
            self.refuse(reaching.any(), format!("`{name}` parses what it is given"), Some(AS_ARGUMENT));
            return reaching.altered();
        }
        for text in &program.texts {
            self.text(name, text, rest, place);
        }
        if let Some(options) = &program.remote {
            return self.remote(name, options, rest, place);
        }
        for (options, words, operands) in &program.within {
            let Some(word) = rest.iter().position(|argument| words.iter().any(|word| argument.is(word))) else {
                continue;
            };
            let (own, after) = rest.split_at(word + 1);
            let divider = after.iter().position(|argument| argument.is("--"));
            let begin = match divider {
                Some(divider) => Ok(divider + 1),
                None => command_in(after, options, *operands),
            };
            let (between, inner) = after.split_at(begin.unwrap_or(0).min(after.len()));
            self.data(own);
            self.data(between);
            self.environment(between);
            self.search(after, between.len(), place);
            return self.inner(name, begin.is_ok(), inner, place);
        }
        if let Some((options, operands)) = &program.runner {
            let begin = command_in(rest, options, *operands);
            let (own, inner) = rest.split_at(begin.unwrap_or(0).min(rest.len()));
            self.data(own);
            self.environment(own);
            // What is taken for the value of an option may be the command after a mere flag.
            self.search(rest, own.len(), place);
            return self.inner(name, begin.is_ok(), inner, place);
        }
        self.data(rest);
        self.guards(program, rest);
        let manifest = matches!(name, "kubectl" | "oc")
            && rest.windows(2).any(
                |pair| matches!(pair, [option, file] if (option.is("-f") || option.is("--filename")) && file.is("-")),
            )
            || rest.iter().any(|word| word.is("-f-") || word.is("--filename=-"));
        if manifest {
            self.refuse(
                place.stdin.chosen(),
                "it is in an object that is created, and could become any other",
                Some("make the object with `kubectl create … --dry-run=client -o yaml`, or use an action"),
            );
        }
        if program.query { reaching.answered() } else { reaching.altered() }
    }

    /// Variables that a program gives the one that it runs.
    fn environment(&mut self, words: &[Argument]) {
        for word in words.iter().filter(|word| word.taint.any() != 0) {
            for name in assigned(word) {
                self.assign(&name, word.taint);
            }
        }
    }

    /// What is asked of values because of the program.
    fn guards(&mut self, program: &Program, rest: &[Argument]) {
        for marker in &program.markers {
            for word in rest.iter().filter(|word| word.prefix.is_empty() || word.prefix.ends_with('=')) {
                self.guard(word.taint.direct, Guard::Marker(marker));
            }
        }
        let Some(options) = &program.url else { return };
        let options: Vec<(&str, usize)> = options.iter().map(|option| (*option, 1)).collect();
        let mut at = 0;
        while let Some(word) = rest.get(at) {
            at += 1;
            if word.is_option() {
                if let Taken::Next(count) = taken(word, &options) {
                    at += count;
                } else if word.is("--url") {
                    self.guard(rest.get(at).map_or(0, |url| url.start.direct), Guard::Url);
                    at += 1;
                }
            } else {
                self.guard(word.start.direct, Guard::Url);
            }
        }
    }

    /// The command that a program runs.
    pub(super) fn inner(&mut self, name: &str, known: bool, inner: &[Argument], place: Place) -> Taint {
        if !known {
            self.refuse(
                taint_of(inner).and(place.stdin).any(),
                format!("it cannot be told which word is the program that `{name}` runs"),
                Some("put the words before it in double quotes, or write them"),
            );
            return taint_of(inner).and(place.stdin).altered();
        }
        if inner.is_empty() {
            // Some of them start a shell.
            let shell = !matches!(name, "env" | "command" | "builtin" | "time" | "nohup" | "nice" | "ionice");
            self.refuse(
                if shell { place.stdin.any() } else { 0 },
                format!("`{name}` without a command may start a shell, which would read it"),
                Some(AS_ARGUMENT),
            );
            return if name == "env" { self.everything() } else { place.stdin.altered() };
        }
        self.run(inner, Place { runners: place.runners + 1, ..place })
    }

    fn text(&mut self, name: &str, text: &Text, rest: &[Argument], place: Place) {
        let programs: Vec<(&str, usize)> = text.options.iter().map(|option| (*option, 1)).collect();
        let mut given = false;
        let mut operands = 0_usize;
        let mut open = true;
        let mut at = 0;
        while let Some(word) = rest.get(at) {
            at += 1;
            let named = text.options.iter().any(|option| word.is(option));
            if open && word.is("--") {
                open = false;
                continue;
            }
            if open && (named || word.is_option()) {
                // `-v a=b -e TEXT`: a value of another option is none of ours.
                match (taken(word, &programs), taken(word, &text.values)) {
                    (Taken::Next(_), _) => {
                        given = true;
                        let program = rest.get(at).cloned().unwrap_or_default();
                        self.no_program(name, &program);
                        if word.prefix.ends_with("-f") || word.prefix.ends_with("file") {
                            self.no_file(name, &program, place);
                        }
                        at += 1;
                    }
                    (Taken::Here, _) => {
                        given = true;
                        self.no_program(name, word);
                    }
                    (Taken::Nothing, Taken::Next(count)) => at += count,
                    (Taken::Nothing, Taken::Here | Taken::Nothing) => {}
                }
                continue;
            }
            operands += 1;
            let program = match text.besides {
                Besides::Operand | Besides::File => !given,
                Besides::Second => operands > 1,
                Besides::Stdin | Besides::Alone | Besides::Nowhere => false,
            };
            if program {
                self.no_program(name, word);
                if text.besides == Besides::File {
                    self.no_file(name, word, place);
                }
            }
            given |= match text.besides {
                Besides::Operand | Besides::File | Besides::Alone => true,
                Besides::Second => operands > 1,
                Besides::Stdin | Besides::Nowhere => false,
            };
            if text.besides == Besides::File {
                break;
            }
        }
        if !given && !matches!(text.besides, Besides::Nowhere | Besides::Operand) {
            self.refuse(
                place.stdin.any(),
                format!("`{name}` would read it as a program"),
                Some("give the program as a constant argument, and the value as data of it"),
            );
        }
    }

    fn no_program(&mut self, name: &str, word: &Argument) {
        let hint = "hand the value over as an argument or a variable of its own, or use an action";
        self.refuse(
            word.taint.any(),
            format!("`{name}` parses this argument itself, and quoting does not reach that far"),
            Some(hint),
        );
    }

    fn no_file(&mut self, name: &str, file: &Argument, place: Place) {
        let held = self.held(file, place);
        self.refuse(held.any(), format!("it is in a file that `{name}` runs"), Some(AS_ARGUMENT));
    }

    /// What a file may hold that a program runs, or standard input by one of its names.
    pub(super) fn held(&self, file: &Argument, place: Place) -> Taint {
        let name = file.literal.as_deref().unwrap_or_default();
        let mut held = Taint::NONE;
        if name == "-" || name == "/dev/stdin" || name.starts_with("/dev/fd/") {
            held = place.stdin;
        } else if name.starts_with("/proc/") {
            held = self.everything();
        } else if !name.is_empty() && !name.starts_with(['/', '~']) {
            held = self.directory;
        }
        if file.literal.is_none() && file.prefix.is_empty() { held } else { held.and(self.files.holds(file)) }
    }
}
