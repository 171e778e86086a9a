//! Where the values of a constant script can get.
//!
//! A value is data: it may become an argument of a program that is named in so many words, and of nothing that would
//! read it as a command, a program or an expression. Values are followed through variables, positional parameters,
//! functions, pipes, files and what commands print, whatever the order in which they run. What is not understood is
//! refused. Rendering and validation both ask here.

use std::collections::BTreeMap;

use super::parser;
use super::syntax::{
    Arithmetic, Command, Compound, Direction, Form, Kind, Parameter, Part, Redirect, Script, Simple, Tree, Word,
};

mod builtins;
mod files;
mod programs;
mod runners;
mod taint;
#[cfg(test)]
mod tests;

pub(super) use taint::{Guard, MAX_VALUES, Refused, Sources, Verdict};

use files::Files;
use taint::{Argument, Taint};

/// Scripts inside scripts that are followed.
const MAX_NESTING: usize = 4;
/// Readings of a script until its values get nowhere new.
const MAX_READINGS: usize = 24;
/// The longest script with values, in bytes.
const MAX_SCRIPT: usize = 128 * 1024;

pub(super) const AS_ARGUMENT: &str = "let the program be constant and the value an argument of it: `[program, \"{value}\"]`, or \
                           `sh -c '… \"$1\"' _ {value}`";

/// What becomes of the values in the variables of these names.
pub(super) fn of_script(script: &str, names: &[String]) -> Verdict {
    if names.is_empty() {
        return Verdict::default();
    }
    if names.len() > MAX_VALUES {
        return whole(&format!("it holds more than {MAX_VALUES} values"), "divide it into several scripts");
    }
    if script.len() > MAX_SCRIPT {
        return whole("it is too long to be followed", "divide it into several scripts");
    }
    match parser::parse(script) {
        Ok(tree) => Flow::new(names).settled(|flow| {
            flow.script(&tree, &tree.script, Place::default());
        }),
        Err(parser::Unreadable(why)) => whole(
            &format!("it cannot be told what the script does with it: {why}"),
            "write the script in plain POSIX shell, or as separate commands",
        ),
    }
}

/// What becomes of the values in an argument vector.
pub(super) fn of_argv(words: &[Word], names: &[String]) -> Verdict {
    if names.is_empty() {
        return Verdict::default();
    }
    if names.len() > MAX_VALUES {
        return whole(&format!("it holds more than {MAX_VALUES} values"), "use fewer of them");
    }
    let tree = Tree::default();
    Flow::new(names).settled(|flow| {
        let arguments: Vec<Argument> = words.iter().map(|word| flow.argument(&tree, word, Place::default())).collect();
        flow.run(&arguments, Place::default());
    })
}

fn whole(why: &str, hint: &str) -> Verdict {
    let refused = Refused { sources: Sources::MAX, why: why.to_owned(), hint: Some(hint.to_owned()) };
    Verdict { refused: vec![refused], guards: Vec::new() }
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// What it reads.
    stdin: Taint,
    /// How many scripts it is inside of.
    nesting: usize,
    /// How many programs run each other up to it.
    runners: usize,
}

/// A function of the script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Function {
    stdin: Taint,
    output: Taint,
}

/// What has been found so far. Everything only grows, so reading again comes to an end.
#[derive(Debug, Default)]
struct Flow {
    all: Sources,
    variables: BTreeMap<String, Taint>,
    /// By nesting.
    positional: [Taint; MAX_NESTING + 1],
    functions: BTreeMap<String, Function>,
    files: Files,
    /// What `exec` opened.
    descriptors: Taint,
    /// What chose the working directory.
    directory: Taint,
    /// Whether the script says itself where words end.
    splits_oddly: bool,
    changed: bool,
    verdict: Verdict,
}

impl Flow {
    fn new(names: &[String]) -> Self {
        let variables: BTreeMap<String, Taint> =
            names.iter().enumerate().map(|(number, name)| (name.clone(), Taint::of(number))).collect();
        let all = variables.values().fold(0, |all, taint| all | taint.direct);
        Self { all, variables, ..Self::default() }
    }

    fn settled(mut self, read: impl Fn(&mut Self)) -> Verdict {
        for _ in 0..MAX_READINGS {
            self.changed = false;
            self.verdict = Verdict::default();
            read(&mut self);
            if !self.changed {
                return self.verdict;
            }
        }
        whole("it passes through too many variables to be followed", "use fewer variables")
    }

    fn refuse(&mut self, sources: Sources, why: impl Into<String>, hint: Option<&str>) {
        let refused = Refused { sources, why: why.into(), hint: hint.map(str::to_owned) };
        if sources != 0 && !self.verdict.refused.contains(&refused) {
            self.verdict.refused.push(refused);
        }
    }

    /// Refuses every value, because what the script does is not known.
    fn refuse_all(&mut self, why: impl Into<String>, hint: &str) {
        self.refuse(self.all, why, Some(hint));
    }

    fn everything(&self) -> Taint {
        Taint { altered: self.all, ..Taint::NONE }
    }

    fn guard(&mut self, sources: Sources, guard: Guard) {
        if sources != 0 && !self.verdict.guards.contains(&(sources, guard)) {
            self.verdict.guards.push((sources, guard));
        }
    }

    fn assign(&mut self, name: &str, taint: Taint) {
        if name == "IFS" {
            self.changed |= !self.splits_oddly;
            self.splits_oddly = true;
        }
        if taint.any() == 0 {
            return;
        }
        if programs::is_powerful(name) {
            self.refuse(taint.any(), format!("`{name}` changes what every later command means"), None);
        }
        let known = self.variables.entry(name.to_owned()).or_default();
        let both = known.and(taint);
        self.changed |= both != *known;
        *known = both;
    }

    fn add_positional(&mut self, nesting: usize, taint: Taint) {
        if let Some(known) = self.positional.get_mut(nesting) {
            let both = known.and(taint);
            self.changed |= both != *known;
            *known = both;
        }
    }

    fn script(&mut self, tree: &Tree, script: &Script, place: Place) -> Taint {
        let mut output = Taint::NONE;
        for pipeline in &script.pipelines {
            let mut passed = place.stdin;
            let last = pipeline.len().saturating_sub(1);
            for (position, command) in pipeline.iter().enumerate() {
                let printed = self.command(tree, command, Place { stdin: passed, ..place });
                if position == last {
                    output = output.and(printed);
                } else {
                    passed = printed;
                }
            }
        }
        output
    }

    fn command(&mut self, tree: &Tree, command: &Command, place: Place) -> Taint {
        match command {
            Command::Simple(simple) => self.simple(tree, simple, place),
            Command::Compound(compound) => self.compound(tree, compound, place),
            Command::Function { name, body } => {
                let known = self.functions.get(name).copied();
                self.changed |= known.is_none();
                let function = known.unwrap_or_default();
                let printed = self.command(tree, body, Place { stdin: function.stdin, ..place });
                let function = self.functions.entry(name.clone()).or_default();
                let output = function.output.and(printed);
                self.changed |= output != function.output;
                function.output = output;
                Taint::NONE
            }
        }
    }

    fn compound(&mut self, tree: &Tree, compound: &Compound, place: Place) -> Taint {
        let (place, written) = self.redirected(tree, &compound.redirects, place);
        match &compound.kind {
            Kind::Plain => {}
            Kind::For { name, words } => {
                let taint = match words {
                    Some(words) => {
                        let arguments = self.arguments(tree, words, place);
                        self.whole_words(&arguments);
                        taint::taint_of(&arguments)
                    }
                    None => self.positional.get(place.nesting).copied().unwrap_or_default(),
                };
                self.assign(name, taint);
            }
            Kind::Case { subject, patterns } => {
                self.argument(tree, subject, place);
                for pattern in patterns {
                    self.argument(tree, pattern, place);
                }
            }
            Kind::Arithmetic(names) => self.arithmetic(names, place),
        }
        let mut output = Taint::NONE;
        for body in &compound.bodies {
            output = output.and(self.script(tree, body, place));
        }
        self.write(&written, output);
        output
    }

    fn simple(&mut self, tree: &Tree, simple: &Simple, place: Place) -> Taint {
        for assignment in &simple.assignments {
            let value = self.argument(tree, &assignment.value, place);
            self.assign(&assignment.name, value.taint);
        }
        let (place, written) = self.redirected(tree, &simple.redirects, place);
        let arguments = self.arguments(tree, &simple.words, place);
        if arguments.first().is_some_and(|first| first.is("exec")) && !simple.redirects.is_empty() {
            let descriptors = self.descriptors.and(place.stdin);
            self.changed |= descriptors != self.descriptors;
            self.descriptors = descriptors;
            // Everything after it prints into these.
            let everything = self.everything();
            self.write(&written, everything);
        }
        let output = if arguments.is_empty() { Taint::NONE } else { self.run(&arguments, place) };
        self.write(&written, output);
        output
    }

    fn arguments(&mut self, tree: &Tree, words: &[Word], place: Place) -> Vec<Argument> {
        words.iter().map(|word| self.argument(tree, word, place)).collect()
    }

    /// Looks at what the shell splits into words, options among them. A value as it was given is asked to be one word.
    fn whole_words(&mut self, arguments: &[Argument]) {
        for argument in arguments {
            let mut open = argument.open.altered;
            if self.splits_oddly {
                open |= argument.open.direct;
            } else {
                self.guard(argument.open.direct, Guard::Word);
            }
            let hint = "put it in double quotes: `\"$name\"`";
            self.refuse(open, "the shell would split it into words and file names here", Some(hint));
        }
    }

    fn argument(&mut self, tree: &Tree, word: &Word, place: Place) -> Argument {
        let mut argument =
            Argument { literal: word.literal(), prefix: word.prefix(), splits: word.splits(), ..Argument::default() };
        let mut at_start = true;
        // Values that are asked to be one plain word, beside text that keeps the word from vanishing.
        let mut one = !self.splits_oddly && !word.expands();
        for part in &word.parts {
            let taint = self.part(tree, part, place);
            argument.taint = argument.taint.and(taint);
            let open = match part {
                Part::Parameter(parameter) => !parameter.quoted,
                Part::Output { quoted, .. } => !quoted,
                Part::Text { .. } | Part::Arithmetic(_) | Part::Process(_) => false,
            };
            if open {
                argument.open = argument.open.and(taint);
                one &= taint.direct != 0 && taint.any() == taint.direct;
            }
            if at_start {
                argument.start = argument.start.and(taint);
            }
            at_start &= !matches!(part, Part::Text { text, .. } if !text.is_empty());
        }
        argument.splits &= !one || argument.prefix.is_empty();
        argument
    }

    fn part(&mut self, tree: &Tree, part: &Part, place: Place) -> Taint {
        match part {
            Part::Text { .. } => Taint::NONE,
            Part::Parameter(parameter) => self.parameter(tree, parameter, place),
            Part::Output { script, .. } => self.script(tree, script, place).altered(),
            Part::Arithmetic(names) => {
                self.arithmetic(names, place);
                Taint::NONE
            }
            // What is written into it is not followed.
            Part::Process(script) => {
                let stdin = self.everything();
                self.script(tree, script, Place { stdin, ..place }).altered()
            }
        }
    }

    fn named(&self, name: &str, place: Place) -> Taint {
        if name.bytes().all(|byte| byte.is_ascii_digit()) || matches!(name, "@" | "*") {
            return self.positional.get(place.nesting).copied().unwrap_or_default();
        }
        // The last argument of the command before.
        if name == "_" {
            return self.everything();
        }
        self.variables.get(name).copied().unwrap_or_default()
    }

    fn parameter(&mut self, tree: &Tree, parameter: &Parameter, place: Place) -> Taint {
        self.arithmetic(&parameter.arithmetic, place);
        let mut taint = self.named(&parameter.name, place);
        if let Some(operand) = &parameter.operand {
            let operand = self.argument(tree, operand, place).taint;
            taint = taint.and(operand);
            if parameter.form == Form::Assign {
                self.assign(&parameter.name, operand);
            }
        }
        match parameter.form {
            Form::Value | Form::Assign => taint,
            Form::Change => taint.altered(),
            Form::Length => Taint::NONE,
            Form::Evaluate => {
                let hint = "write it without `!` or `@`";
                self.refuse_all("an expansion in the script takes text for a name or a program", hint);
                taint.altered()
            }
        }
    }

    /// Shells evaluate what the variables of an expression hold, down to commands in subscripts.
    fn arithmetic(&mut self, arithmetic: &Arithmetic, place: Place) {
        if arithmetic.opaque {
            self.refuse_all(
                "an arithmetic expression in the script is not understood",
                "keep to names, numbers and operators",
            );
        }
        for name in &arithmetic.names {
            self.refuse(
                self.named(name, place).any(),
                "a shell may evaluate it as an expression, commands in it included",
                Some("make a number of it first: `n=$(printf %d \"$text\")`"),
            );
        }
    }

    /// What a command reads after its redirections, which are checked.
    fn redirected(&mut self, tree: &Tree, redirects: &[Redirect], place: Place) -> (Place, Vec<Argument>) {
        let mut written = Vec::new();
        let mut stdin = place.stdin.and(self.descriptors);
        for redirect in redirects {
            match redirect.kind {
                Direction::Document(number) => {
                    let text = tree.documents.get(number).cloned().unwrap_or_default();
                    stdin = self.argument(tree, &text, place).taint.altered();
                }
                Direction::Text => stdin = self.argument(tree, &redirect.target, place).taint.altered(),
                Direction::Duplicate => {}
                Direction::Read | Direction::Write => {
                    let target = self.argument(tree, &redirect.target, place);
                    let process = redirect.target.parts.iter().any(|part| matches!(part, Part::Process(_)));
                    if !process {
                        self.guard(target.taint.direct, Guard::File);
                        self.refuse(
                            target.taint.altered,
                            "it is changed before it becomes the file of a redirection",
                            Some("write the file's name, or use the value as it is"),
                        );
                    }
                    if redirect.kind == Direction::Read {
                        stdin = target.taint.altered().and(self.files.of(&target));
                    } else {
                        written.push(target);
                    }
                }
            }
        }
        (Place { stdin, ..place }, written)
    }

    /// Notes what a command wrote into files.
    fn write(&mut self, targets: &[Argument], output: Taint) {
        for target in targets {
            self.changed |= self.files.write(target, output.altered());
        }
    }
}
