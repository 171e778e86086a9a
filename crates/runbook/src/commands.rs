//! Commands: lines as people write them, turned into acts whose values no shell ever parses.
//!
//! A line without shell syntax becomes an argument vector. Everything else becomes a constant script for `/bin/sh` in
//! which each value is a quoted reference to an environment variable. Comments and blank entries are notes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::act::Act;
use crate::action::COMMAND_ACTION;
use crate::model::CommandSpec;
use crate::sink::Refusal;
use crate::template::{
    Filled, Joined, Piece, Reference, RenderError, Scope, TemplateError, distinct, pieces_of_joined, secret_name,
    static_pieces,
};

mod acts;
mod call;
mod flow;
mod invoked;
mod judge;
mod judged;
mod lexer;
mod parser;
mod programs;
mod shown;
mod syntax;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use acts::{SimpleCommand, argv, simple_commands};
pub(crate) use call::refused as refused_call;
pub use invoked::programs;
pub use judge::effect;
pub use shown::shown;

use judged::Judged;
use lexer::{Lexed, Part, Word};

/// Something in `commands` that could not run as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandProblem {
    /// The entry, from zero.
    pub entry: usize,
    /// Lower case, no final period.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// False where the command runs all the same and probably not as meant.
    pub fatal: bool,
}

/// Builtins and words that only a shell knows.
const BUILTINS: [&str; 33] = [
    ":", ".", "source", "cd", "export", "set", "unset", "ulimit", "umask", "wait", "exec", "eval", "trap", "alias",
    "unalias", "read", "type", "command", "builtin", "local", "readonly", "shift", "return", "exit", "times", "hash",
    "jobs", "fg", "bg", "declare", "typeset", "let", "[[",
];

/// Entries that belong together.
struct Group<'c> {
    /// The first entry, from zero.
    entry: usize,
    source: Source<'c>,
    /// The comments right before it.
    notes: Vec<String>,
}

enum Source<'c> {
    Lines(Vec<&'c str>),
    Argv(&'c [String]),
    Script(&'c str),
}

/// Turns the entries into acts of `command.run`.
///
/// An act's parameters are `{"argv": […]}` or `{"script": …, "env": {…}}`, with the comments before it as
/// `description`. Every missing value of every entry is reported together.
pub fn render(commands: &[CommandSpec], scope: &Scope<'_>) -> Result<Vec<Act>, RenderError> {
    let mut missing = Vec::new();
    let mut first_error = None;
    let mut acts = Vec::new();
    for group in groups(commands, scope.variables) {
        match parameters(&group, scope, &mut missing) {
            Ok(Some(mut parameters)) => {
                if !group.notes.is_empty() {
                    parameters.insert("description".to_owned(), Value::String(group.notes.join("\n")));
                }
                acts.push(Act { action: COMMAND_ACTION.to_owned(), parameters: Value::Object(parameters) });
            }
            Ok(None) => {}
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    if !missing.is_empty() {
        return Err(RenderError::Missing { references: distinct(missing) });
    }
    first_error.map_or(Ok(acts), Err)
}

/// Everything the commands refer to.
pub fn references(commands: &[CommandSpec], variables: &BTreeSet<String>) -> Result<Vec<Reference>, TemplateError> {
    let mut found = Vec::new();
    for group in groups(commands, variables) {
        match group.source {
            Source::Lines(lines) => found.extend(Joined::parse(&lines, variables)?.references()),
            Source::Script(script) => found.extend(Joined::parse(&[script], variables)?.references()),
            Source::Argv(argv) => {
                for argument in argv {
                    found.extend(Joined::parse(&[argument], variables)?.references());
                }
            }
        }
    }
    Ok(distinct(found))
}

/// The comments, in order and without their `#`.
pub fn notes(commands: &[CommandSpec]) -> Vec<String> {
    commands
        .iter()
        .filter_map(|command| match command {
            CommandSpec::Line(line) if is_note(line) => Some(note_lines(line)),
            CommandSpec::Line(_) | CommandSpec::Argv(_) | CommandSpec::Script(_) => None,
        })
        .flatten()
        .collect()
}

/// Finds what could not run as written, without knowing any value.
pub fn check(commands: &[CommandSpec], variables: &BTreeSet<String>) -> Vec<CommandProblem> {
    let mut problems = Vec::new();
    for group in groups(commands, variables) {
        let texts: Vec<&str> = match &group.source {
            Source::Lines(lines) => lines.clone(),
            Source::Script(script) => vec![script],
            Source::Argv(argv) => argv.iter().map(String::as_str).collect(),
        };
        if let Err(error) = check_group(&group, &texts, variables, &mut problems) {
            problems.push(CommandProblem { entry: group.entry, message: error.to_string(), hint: None, fatal: true });
        }
        for text in texts {
            problems.extend(nearly_placeholders(text, variables).map(|(name, near)| CommandProblem {
                entry: group.entry,
                message: format!("`{{{name}}}` is no declared variable and stays as it is"),
                hint: Some(format!("did you mean `{{{near}}}`?")),
                fatal: false,
            }));
        }
    }
    problems
}

fn check_group(
    group: &Group<'_>,
    texts: &[&str],
    variables: &BTreeSet<String>,
    problems: &mut Vec<CommandProblem>,
) -> Result<(), TemplateError> {
    if let Source::Argv(argv) = group.source {
        if argv.is_empty() {
            problems.push(CommandProblem {
                entry: group.entry,
                message: "an argument vector needs at least the name of a program".to_owned(),
                hint: None,
                fatal: true,
            });
            return Ok(());
        }
        let mut pieces = Vec::new();
        let mut words = Vec::new();
        for argument in argv {
            let [first, _] = static_pieces(&Joined::parse(&[argument], variables)?);
            words.push(word_of(first, &mut pieces));
        }
        report(group.entry, judged::argv(&words), &pieces, problems);
        return Ok(());
    }
    for pieces in static_pieces(&Joined::parse(texts, variables)?) {
        let (lexed, names) = lexed(&pieces);
        let judged = match group.source {
            Source::Lines(_) => judged::line(&lexed, &names, &pieces),
            Source::Script(_) | Source::Argv(_) => judged::script(&lexed, &names, &pieces),
        };
        report(group.entry, judged, &pieces, problems);
        if let Some(open) = lexed.incomplete {
            let problem = CommandProblem {
                entry: group.entry,
                message: format!("the script ends inside something: {} is still open", open_text(open)),
                hint: None,
                fatal: true,
            };
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    Ok(())
}

fn report(entry: usize, judged: Judged, pieces: &[Piece], problems: &mut Vec<CommandProblem>) {
    for misplaced in judged.misplaced {
        let place = filled_at(pieces, misplaced.value).map_or("this value", |filled| filled.place.as_str());
        let problem = CommandProblem {
            entry,
            message: format!("`{place}` has no safe encoding here: {}", misplaced.why),
            hint: misplaced.hint,
            fatal: true,
        };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

fn open_text(open: &str) -> String {
    if open.contains(' ') { open.to_owned() } else { format!("a block that `{open}` closes") }
}

/// Names in braces that are almost a declared variable.
fn nearly_placeholders<'t>(text: &'t str, variables: &'t BTreeSet<String>) -> impl Iterator<Item = (&'t str, &'t str)> {
    text.match_indices('{').filter_map(move |(open, _)| {
        let rest = &text[open + 1..];
        let name = &rest[..rest.find('}')?];
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain || text[..open].ends_with(['$', '{']) || variables.contains(name) {
            return None;
        }
        variables
            .iter()
            .filter(|known| strsim::damerau_levenshtein(name, known) <= 1 + known.len() / 5)
            .map(|known| (name, known.as_str()))
            .next()
    })
}

fn is_note(line: &str) -> bool {
    line.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

fn note_lines(line: &str) -> Vec<String> {
    line.lines()
        .map(|line| line.trim().trim_start_matches('#').trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Puts entries together that form one script.
fn groups<'c>(commands: &'c [CommandSpec], variables: &BTreeSet<String>) -> Vec<Group<'c>> {
    let mut groups = Vec::new();
    let mut notes = Vec::new();
    let mut next = 0;
    while let Some(command) = commands.get(next) {
        let entry = next;
        next += 1;
        let source = match command {
            CommandSpec::Argv(argv) => Source::Argv(argv),
            CommandSpec::Script(script) => Source::Script(script),
            CommandSpec::Line(line) if is_note(line) => {
                notes.extend(note_lines(line));
                continue;
            }
            CommandSpec::Line(line) => {
                let mut lines = vec![line.trim_matches('\n')];
                let mut ahead = next;
                while is_incomplete(&lines, variables) {
                    let Some(CommandSpec::Line(more)) = commands.get(ahead) else { break };
                    lines.push(more.trim_end_matches('\n'));
                    ahead += 1;
                }
                // What never ends swallows nothing: the entry stays alone and is reported.
                if is_incomplete(&lines, variables) {
                    lines.truncate(1);
                } else {
                    next = ahead;
                }
                Source::Lines(lines)
            }
        };
        groups.push(Group { entry, source, notes: std::mem::take(&mut notes) });
    }
    groups
}

fn is_incomplete(lines: &[&str], variables: &BTreeSet<String>) -> bool {
    let Ok(joined) = Joined::parse(lines, variables) else { return false };
    let [pieces, _] = static_pieces(&joined);
    lexed(&pieces).0.incomplete.is_some()
}

/// Reads a script with a free variable name for each value; also gives those names.
fn lexed(pieces: &[Piece]) -> (Lexed, BTreeMap<usize, String>) {
    let taken: String = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Value(_) => None,
        })
        .collect();
    let prefix = if taken.contains("BELAY_") { free_prefix(&taken) } else { "BELAY_".to_owned() };
    let names = RefCell::new(BTreeMap::new());
    let lexed = lexer::lex(pieces, &|value| {
        let mut names = names.borrow_mut();
        let next = names.len() + 1;
        names.entry(value).or_insert_with(|| format!("{prefix}{next}")).clone()
    });
    (lexed, names.into_inner())
}

/// A prefix that the script does not use itself.
fn free_prefix(taken: &str) -> String {
    let mut prefix = "BELAY_VALUE_".to_owned();
    while taken.contains(&prefix) {
        prefix.push_str("X_");
    }
    prefix
}

fn filled_at(pieces: &[Piece], index: usize) -> Option<&Filled> {
    match pieces.get(index) {
        Some(Piece::Value(filled)) => Some(filled),
        Some(Piece::Text(_)) | None => None,
    }
}

/// The parameters of one group's act; nothing where nothing is left to run, or a value is missing.
fn parameters(
    group: &Group<'_>,
    scope: &Scope<'_>,
    missing: &mut Vec<Reference>,
) -> Result<Option<Map<String, Value>>, RenderError> {
    let before = missing.len();
    match &group.source {
        Source::Argv(argv) => {
            let mut pieces = Vec::new();
            let mut words = Vec::new();
            for argument in *argv {
                let joined = Joined::parse(&[argument], scope.variables)?;
                words.push(word_of(pieces_of_joined(&joined, scope, missing)?, &mut pieces));
            }
            if missing.len() > before {
                return Ok(None);
            }
            judged::argv(&words).settle(&pieces)?;
            Ok(Some(argv_parameters(&words, &pieces)?))
        }
        Source::Lines(lines) => {
            let joined = Joined::parse(lines, scope.variables)?;
            let pieces = pieces_of_joined(&joined, scope, missing)?;
            if missing.len() > before {
                return Ok(None);
            }
            let (lexed, names) = lexed(&pieces);
            if let (Some(words), false) = (plain_command(&lexed), lexed.incomplete.is_some()) {
                judged::line(&lexed, &names, &pieces).settle(&pieces)?;
                return Ok(Some(argv_parameters(words, &pieces)?));
            }
            if lexed.commands.is_empty() && !lexed.syntax && lexed.incomplete.is_none() {
                return Ok(None);
            }
            Ok(Some(script_parameters(&pieces)?))
        }
        Source::Script(script) => {
            let joined = Joined::parse(&[script], scope.variables)?;
            let pieces = pieces_of_joined(&joined, scope, missing)?;
            if missing.len() > before {
                return Ok(None);
            }
            Ok(Some(script_parameters(&pieces)?))
        }
    }
}

/// The words of a line that needs no shell.
fn plain_command(lexed: &Lexed) -> Option<&[Word]> {
    let [words] = lexed.commands.as_slice() else { return None };
    let first = words.first()?;
    let builtin = first.literal().is_some_and(|name| BUILTINS.contains(&name.as_str()));
    let plain = !lexed.syntax && !builtin && !programs::is_assignment(first) && words.iter().all(|word| !word.redirect);
    plain.then_some(words)
}

fn word_of(from: Vec<Piece>, pieces: &mut Vec<Piece>) -> Word {
    let mut word = Word { quoted: true, ..Word::default() };
    for piece in from {
        match &piece {
            Piece::Text(text) => word.parts.push(Part::Text(text.clone())),
            Piece::Value(_) => word.parts.push(Part::Value(pieces.len())),
        }
        pieces.push(piece);
    }
    word
}

fn argv_parameters(words: &[Word], pieces: &[Piece]) -> Result<Map<String, Value>, RenderError> {
    let values: BTreeMap<usize, Value> = words::encode(words, pieces, true)?.into_iter().collect();
    let mut argv = Vec::new();
    for word in words {
        let mut argument = String::new();
        for part in &word.parts {
            match part {
                Part::Text(text) => argument.push_str(text),
                Part::Value(index) => argument.push_str(values.get(index).and_then(Value::as_str).unwrap_or("")),
                Part::Dynamic => {}
            }
        }
        argv.push(Value::String(argument));
    }
    Ok(Map::from_iter([("argv".to_owned(), Value::Array(argv))]))
}

fn script_parameters(pieces: &[Piece]) -> Result<Map<String, Value>, RenderError> {
    let (script, environment) = script_of(pieces)?;
    let mut parameters = Map::from_iter([("script".to_owned(), Value::String(script))]);
    if !environment.is_empty() {
        parameters.insert("env".to_owned(), json!(environment));
    }
    Ok(parameters)
}

/// A constant script and the environment that holds its values.
pub(crate) fn script_of(pieces: &[Piece]) -> Result<(String, BTreeMap<String, Value>), Refusal> {
    let (lexed, names) = lexed(pieces);
    judged::script(&lexed, &names, pieces).settle(pieces)?;
    let mut values: BTreeMap<usize, Value> = BTreeMap::new();
    for command in &lexed.commands {
        values.extend(words::encode(command, pieces, false)?);
    }
    let mut environment = BTreeMap::new();
    for (index, piece) in pieces.iter().enumerate() {
        let Piece::Value(filled) = piece else { continue };
        // A value that is in no word and was not refused would be lost without a word.
        let (Some(name), Some(value)) = (names.get(&index), values.remove(&index)) else {
            return Err(Refusal::of(filled, "it cannot be told what it is a part of here"));
        };
        debug_assert!(value.is_string() || secret_name(&value).is_some(), "an environment holds text and secrets");
        environment.insert(name.clone(), value);
    }
    if let Some(open) = lexed.incomplete
        && !environment.is_empty()
    {
        return Err(Refusal::whole(
            pieces,
            &lexed.script,
            format!("the script ends inside something: {} is still open", open_text(open)),
        ));
    }
    Ok((lexed.script, environment))
}
