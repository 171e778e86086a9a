//! The commands of acts that are already rendered.

use serde_json::Value;

use super::lexer::Word;
use super::{lexed, programs};
use crate::act::Act;
use crate::template::Piece;

/// One command of a rendered act, as far as its words are known without a shell.
pub(crate) struct SimpleCommand {
    pub(crate) words: Vec<String>,
    /// Whether the shell adds words that are not known here.
    pub(crate) dynamic: bool,
}

/// The argument vector of a rendered act of `command.run`, where it has one.
pub(crate) fn argv(act: &Act) -> Option<Vec<String>> {
    let words = act.parameters.get("argv")?.as_array()?;
    words.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

/// The commands of a rendered act of `command.run`, those inside its script and inside nested shells included.
pub(crate) fn simple_commands(act: &Act) -> Vec<SimpleCommand> {
    let mut found = Vec::new();
    if let Some(words) = argv(act) {
        nested_commands(&words, &mut found, 0);
        found.push(SimpleCommand { words, dynamic: false });
    } else if let Some(script) = act.parameters.get("script").and_then(Value::as_str) {
        script_commands(script, &mut found, 0);
    }
    found
}

/// Shells inside shells that are looked into.
const MAX_NESTING: usize = 4;

fn script_commands(script: &str, found: &mut Vec<SimpleCommand>, depth: usize) {
    let (lexed, _) = lexed(&[Piece::Text(script.to_owned())]);
    for command in &lexed.commands {
        let words: Vec<Option<String>> = command.iter().filter(|word| !word.redirect).map(Word::literal).collect();
        let dynamic = words.iter().any(Option::is_none);
        let words: Vec<String> = words.into_iter().map(|word| word.unwrap_or_else(|| "$".to_owned())).collect();
        nested_commands(&words, found, depth);
        found.push(SimpleCommand { words, dynamic });
    }
}

/// Looks into the arguments of shells and of programs that hand their arguments to one.
fn nested_commands(words: &[String], found: &mut Vec<SimpleCommand>, depth: usize) {
    let Some(shell) = words.iter().position(|word| programs::runs_text(word)) else { return };
    if depth >= MAX_NESTING {
        return;
    }
    for word in words.iter().skip(shell + 1).filter(|word| word.contains(char::is_whitespace)) {
        script_commands(word, found, depth + 1);
    }
}
