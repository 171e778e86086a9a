//! What is asked of values before they become a part of a command: by the lexer for where they stand, by the flow for
//! where they get. Validation asks with values that are not known, rendering with those that are.

use std::collections::BTreeMap;

use super::flow::{self, Guard, MAX_VALUES, Verdict};
use super::lexer::{Lexed, Misplaced, Part, Word};
use super::{filled_at, plain_command, syntax};
use crate::sink::{Refusal, no_option, single_text, url_argument};
use crate::template::{Filled, Origin, Piece, secret_name};

/// Which values may not stand where they stand, and what is asked of the others.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) misplaced: Vec<Misplaced>,
    guards: Vec<(usize, Guard)>,
}

impl Judged {
    fn of(verdict: Verdict, values: &[usize]) -> Self {
        let mut judged = Self::default();
        for refused in verdict.refused {
            for (number, value) in values.iter().enumerate() {
                // More values than there are bits are refused all together.
                if refused.sources & (1 << (number % MAX_VALUES)) == 0 {
                    continue;
                }
                if judged.misplaced.iter().all(|known| known.value != *value) {
                    let (why, hint) = (refused.why.clone(), refused.hint.clone());
                    judged.misplaced.push(Misplaced { value: *value, why, hint });
                }
            }
        }
        for (sources, guard) in verdict.guards {
            let reached = values.iter().enumerate().filter(|(number, _)| sources & (1 << (number % MAX_VALUES)) != 0);
            judged.guards.extend(reached.map(|(_, value)| (*value, guard)));
        }
        judged
    }

    /// Refuses what may not stand there, and values that do not fit where they get.
    pub(super) fn settle(self, pieces: &[Piece]) -> Result<(), Refusal> {
        for misplaced in self.misplaced {
            if let Some(filled) = filled_at(pieces, misplaced.value) {
                let refusal = Refusal::of(filled, misplaced.why);
                return Err(match misplaced.hint {
                    Some(hint) => refusal.hint(hint),
                    None => refusal,
                });
            }
        }
        for (value, guard) in self.guards {
            if let Some(filled) = filled_at(pieces, value) {
                check(filled, guard)?;
            }
        }
        Ok(())
    }
}

/// Judges a line or script.
pub(super) fn script(lexed: &Lexed, names: &BTreeMap<usize, String>, pieces: &[Piece]) -> Judged {
    let mut judged = Judged { misplaced: lexed.misplaced.clone(), ..Judged::default() };
    if judged.misplaced.is_empty() && lexed.incomplete.is_none() {
        judged = environment(&lexed.script, names.iter().map(|(value, name)| (*value, name.clone())).collect());
    }
    for command in &lexed.commands {
        for found in lone_files(command, pieces) {
            if judged.misplaced.iter().all(|known| known.value != found.value) {
                judged.misplaced.push(found);
            }
        }
    }
    judged
}

/// Judges a line, which becomes an argument vector where it needs no shell.
pub(super) fn line(lexed: &Lexed, names: &BTreeMap<usize, String>, pieces: &[Piece]) -> Judged {
    match plain_command(lexed) {
        Some(words) if lexed.incomplete.is_none() && lexed.misplaced.is_empty() => argv(words),
        Some(_) | None => script(lexed, names, pieces),
    }
}

/// Judges an argument vector.
pub(super) fn argv(words: &[Word]) -> Judged {
    with_environment(words, &[])
}

/// Judges an argument vector whose program also finds values in variables, each with its piece.
pub(super) fn with_environment(words: &[Word], variables: &[(usize, String)]) -> Judged {
    let mut known = Vec::new();
    let mut tree = Vec::new();
    for word in words {
        let mut parts = Vec::new();
        for part in &word.parts {
            parts.push(match part {
                Part::Text(text) => syntax::Part::Text { text: text.clone(), quoted: true },
                Part::Value(value) => {
                    // No variable can have such a name.
                    let name = format!("value {value}");
                    known.push((*value, name.clone()));
                    syntax::Part::Parameter(syntax::Parameter { name, quoted: true, ..syntax::Parameter::default() })
                }
                Part::Dynamic => syntax::Part::Output { script: syntax::Script::default(), quoted: true },
            });
        }
        tree.push(syntax::Word { parts });
    }
    known.extend(variables.iter().cloned());
    let (values, names): (Vec<usize>, Vec<String>) = known.into_iter().unzip();
    Judged::of(flow::of_argv(&tree, &names), &values)
}

/// Judges a constant script whose values are in variables, each with its piece.
pub(super) fn environment(script: &str, variables: Vec<(usize, String)>) -> Judged {
    let (values, names): (Vec<usize>, Vec<String>) = variables.into_iter().unzip();
    Judged::of(flow::of_script(script, &names), &values)
}

/// Values that would choose the file of a redirection all alone and come from neither a person nor the context.
fn lone_files<'w>(command: &'w [Word], pieces: &'w [Piece]) -> impl Iterator<Item = Misplaced> + 'w {
    command
        .iter()
        .filter(|word| word.redirect && word.prefix().is_empty())
        .flat_map(Word::values)
        .filter(|value| filled_at(pieces, *value).is_none_or(|filled| filled.origin == Origin::Data))
        .map(|value| Misplaced {
            value,
            why: "a value alone cannot be the file of a redirection".to_owned(),
            hint: Some("write the directory before it, or declare a variable for the file".to_owned()),
        })
}

/// Asks a value what the places that it reaches ask.
fn check(filled: &Filled, guard: Guard) -> Result<(), Refusal> {
    if secret_name(&filled.value).is_some() {
        return Ok(());
    }
    let text = single_text(filled)?;
    match guard {
        Guard::Option => no_option(filled, &text),
        Guard::Word => word(filled, &text),
        Guard::File => file(filled, &text),
        Guard::Marker(marker) if text.starts_with(marker) => {
            Err(Refusal::of(filled, "the program would read a file of that name"))
        }
        Guard::Marker(_) => Ok(()),
        Guard::Url => url_argument(filled, &text),
    }
}

/// A value without quotes around its variable stays one word.
fn word(filled: &Filled, text: &str) -> Result<(), Refusal> {
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || matches!(c, '*' | '?' | '[' | '\\')) {
        return Err(Refusal::of(
            filled,
            "the shell would split it into words and file names where its variable has no quotes",
        )
        .hint("put the variable in double quotes: `\"$name\"`"));
    }
    Ok(())
}

/// A value in the file of a redirection stays in the directory that the script names.
fn file(filled: &Filled, text: &str) -> Result<(), Refusal> {
    let leaves = text.starts_with('/') || text.split('/').any(|part| matches!(part, "." | ".."));
    if leaves || (filled.origin == Origin::Data && text.contains('/')) || text.contains('\0') {
        return Err(Refusal::of(filled, "as a part of a redirection's file it would lead to another directory")
            .hint("write the directory in the script, and let the value be a name in it"));
    }
    Ok(())
}
