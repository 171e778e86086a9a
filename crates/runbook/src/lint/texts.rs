//! Templates in texts: their syntax, what they refer to, and whether their values have a safe place.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Linter;
use super::rule::{
    COMMAND_SYNTAX, CONDITION_SYNTAX, Rule, TEMPLATE_SYNTAX, UNDECLARED_VARIABLE, UNLIKELY_PLACEHOLDER, UNSAFE_VALUE,
};
use crate::action::{ActionSpec, COMMAND_ACTION, SCRIPT_ACTION, Sink};
use crate::commands::{self, CommandProblem};
use crate::format::shape::suggestion;
use crate::format::{escape, quoted};
use crate::model::{ActionCall, CommandSpec, Does, Undo};
use crate::sink;
use crate::template::{self, Joined, Piece, Reference, static_pieces};

/// What the driver itself puts into the context.
const ROOTS: [&str; 6] = ["Alert", "Config", "Service", "Vars", "History", "Steps"];

pub(super) fn check(linter: &mut Linter<'_>) {
    let names = Names::of(linter);
    for (_, pointer, step) in linter.steps() {
        check_does(linter, &names, &step.does, &pointer);
        if let Some(Undo::Does(does)) = &step.undo {
            check_does(linter, &names, does, &format!("{pointer}/rollback"));
        }
        if let Some(when) = &step.when {
            check_condition(linter, &names, when, &format!("{pointer}/when"));
        }
        for (label, branch) in &step.branches {
            if let Some(when) = &branch.when {
                check_condition(linter, &names, when, &format!("{pointer}/branches/{}/when", escape(label)));
            }
        }
    }
    for (name, input) in &linter.runbook.inputs {
        if let Some(Value::String(text)) = &input.default {
            check_text(linter, &names, text, &format!("/spec/inputs/{}/default", escape(name)));
        }
    }
}

/// What templates can refer to.
struct Names {
    variables: BTreeSet<String>,
    steps: BTreeSet<String>,
    /// Values that some action of the runbook publishes; `None` where that cannot be told from the file.
    published: Option<BTreeSet<String>>,
}

impl Names {
    fn of(linter: &Linter<'_>) -> Self {
        let mut published = Some(BTreeSet::new());
        for (_, _, step) in linter.steps() {
            let action = match &step.does {
                Does::Nothing => continue,
                // A script publishes what it likes, and so does what an automation is made of.
                Does::Automation(_) => None,
                Does::Action(call) if call.name == SCRIPT_ACTION => None,
                Does::Action(call) => Some(call.name.as_str()),
                Does::Commands(_) => Some(COMMAND_ACTION),
            };
            match action.map(|name| (name, linter.surroundings.actions.spec(name))) {
                Some((_, Some(spec))) => {
                    if let Some(published) = &mut published {
                        published.extend(spec.published.iter().cloned());
                    }
                }
                Some((COMMAND_ACTION, None)) => {}
                Some((_, None)) | None => published = None,
            }
        }
        Self {
            variables: linter.runbook.inputs.keys().cloned().collect(),
            steps: linter.steps().map(|(_, _, step)| step.name.as_str().to_owned()).collect(),
            published,
        }
    }
}

fn check_does(linter: &mut Linter<'_>, names: &Names, does: &Does, pointer: &str) {
    match does {
        Does::Nothing => {}
        Does::Commands(entries) => check_commands(linter, names, entries, &format!("{pointer}/commands")),
        Does::Automation(call) => check_parameters(linter, names, call, None, pointer),
        Does::Action(call) => {
            check_parameters(linter, names, call, linter.surroundings.actions.spec(&call.name), pointer);
        }
    }
}

fn check_parameters(linter: &mut Linter<'_>, names: &Names, call: &ActionCall, spec: Option<&ActionSpec>, at: &str) {
    let Value::Object(parameters) = &call.parameters else { return };
    if call.name == COMMAND_ACTION {
        check_command_call(linter, &call.parameters, &format!("{at}/parameters"));
    }
    for (name, value) in parameters {
        let sink = spec.map_or(Sink::Json, |spec| spec.sink(name));
        walk(value, &format!("{at}/parameters/{}", escape(name)), &mut |text, pointer| {
            if check_text(linter, names, text, pointer) {
                check_place(linter, sink, text, pointer);
            }
        });
    }
}

/// Checks where the values of a call of `command.run` can get, as far as the text alone tells.
fn check_command_call(linter: &mut Linter<'_>, parameters: &Value, pointer: &str) {
    for branch in 0..2 {
        let pieces = |text: &str| {
            let joined = Joined::parse(&[text], &BTreeSet::new()).ok()?;
            static_pieces(&joined).into_iter().nth(branch)
        };
        if let Some(refusal) = commands::refused_call(parameters, &pieces) {
            let message = format!("{} has no safe encoding here: {}", quoted(&refusal.place), refusal.why);
            linter.report(&UNSAFE_VALUE, pointer, message, refusal.hint);
            return;
        }
    }
}

/// Calls for every text in a value. Reading has bounded the depth.
fn walk(value: &Value, pointer: &str, visit: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => visit(text, pointer),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{pointer}/{index}"), visit);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                walk(item, &format!("{pointer}/{}", escape(key)), visit);
            }
        }
    }
}

/// Checks the syntax and the references of a template; whether it parses.
fn check_text(linter: &mut Linter<'_>, names: &Names, text: &str, pointer: &str) -> bool {
    if !text.contains("{{") {
        return false;
    }
    match template::references(text) {
        Ok(references) => {
            check_references(linter, names, &references, pointer);
            true
        }
        Err(error) => {
            linter.report(&TEMPLATE_SYNTAX, pointer, error.message, None);
            false
        }
    }
}

fn check_condition(linter: &mut Linter<'_>, names: &Names, text: &str, pointer: &str) {
    match template::condition_references(text) {
        Ok(references) => check_references(linter, names, &references, pointer),
        Err(error) => linter.report(&CONDITION_SYNTAX, pointer, error.message, None),
    }
}

fn check_references(linter: &mut Linter<'_>, names: &Names, references: &[Reference], pointer: &str) {
    for reference in references.iter().filter(|reference| !reference.optional) {
        let root = reference.root();
        if let Some(variable) = &reference.variable {
            if !names.variables.contains(variable) {
                let message = format!("{} is no declared input", quoted(variable));
                let hint = likely(variable, &names.variables)
                    .or_else(|| Some(format!("declare {} under `inputs`", quoted(variable))));
                linter.report(&UNDECLARED_VARIABLE, pointer, message, hint);
            }
        } else if root == "Steps" {
            let step = reference.path.split('.').nth(2).unwrap_or_default();
            // A name with dots in it cannot be told from a path.
            if !step.is_empty() && !names.steps.iter().any(|name| name.split('.').next() == Some(step)) {
                let message = format!("there is no step {} to take a value from", quoted(step));
                linter.report(&UNDECLARED_VARIABLE, pointer, message, likely(step, &names.steps));
            }
        } else if !ROOTS.contains(&root)
            && let Some(published) = &names.published
            && !published.contains(root)
        {
            let message = format!("nothing supplies {}", quoted(&reference.path));
            let known: BTreeSet<String> =
                published.iter().cloned().chain(ROOTS.iter().map(|root| (*root).to_owned())).collect();
            linter.report(&UNDECLARED_VARIABLE, pointer, message, likely(root, &known));
        }
    }
}

fn likely(word: &str, known: &BTreeSet<String>) -> Option<String> {
    suggestion(word, known.iter().map(String::as_str)).map(|word| format!("did you mean `{word}`?"))
}

/// Checks that the values of a template have an encoding where they stand, as far as the text alone tells.
fn check_place(linter: &mut Linter<'_>, sink: Sink, text: &str, pointer: &str) {
    let Ok(joined) = Joined::parse(&[text], &BTreeSet::new()) else { return };
    for pieces in static_pieces(&joined) {
        let from_people = |piece: &Piece| match piece {
            Piece::Text(_) => false,
            Piece::Value(filled) => filled.place.contains(".Vars") || filled.place.contains(".Config"),
        };
        let knowable = match sink {
            Sink::Script | Sink::Shell => true,
            // A number from a variable may stand where other values may not.
            Sink::Query => !pieces.iter().any(from_people),
            // Whether these take a value depends on the value.
            Sink::Text | Sink::Json | Sink::Name | Sink::Url | Sink::Host | Sink::Argument => false,
        };
        if knowable && let Err(refusal) = sink::encode(sink, &pieces) {
            let message = format!("{} has no safe encoding here: {}", quoted(&refusal.place), refusal.why);
            linter.report(&UNSAFE_VALUE, pointer, message, refusal.hint);
            return;
        }
    }
}

fn check_commands(linter: &mut Linter<'_>, names: &Names, entries: &[CommandSpec], pointer: &str) {
    for (index, entry) in entries.iter().enumerate() {
        let place = format!("{pointer}/{index}");
        match commands::references(std::slice::from_ref(entry), &names.variables) {
            Ok(references) => check_references(linter, names, &references, &place),
            Err(error) => {
                linter.report(&TEMPLATE_SYNTAX, &place, error.message, None);
                // Nothing more can be said about commands that do not parse.
                return;
            }
        }
    }
    for problem in commands::check(entries, &names.variables) {
        let rule = command_rule(&problem);
        linter.report(rule, &format!("{pointer}/{}", problem.entry), problem.message, problem.hint);
    }
}

fn command_rule(problem: &CommandProblem) -> &'static Rule {
    if !problem.fatal {
        &UNLIKELY_PLACEHOLDER
    } else if problem.message.contains("has no safe encoding") {
        &UNSAFE_VALUE
    } else {
        &COMMAND_SYNTAX
    }
}
