//! Programs that do more with an argument than take it as data, as a table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::lexer::Word;
use super::parser::is_name;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("programs.txt")));

/// Shells: they parse the argument of `-c`, a file, or what they read.
const SHELLS: [&str; 12] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish", "rbash", "csh", "tcsh", "pdksh"];

type Words = Vec<&'static str>;

#[derive(Default)]
struct Table {
    programs: BTreeMap<&'static str, Program>,
    powerful: Words,
}

/// What is known of a program.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// It prints what the system that it asks has.
    pub(super) query: bool,
    /// It writes files that it is told of.
    pub(super) makes: bool,
    /// Its options with a value, and the operands before the command that it runs.
    pub(super) runner: Option<(Words, usize)>,
    /// The same after one of the words.
    pub(super) within: Vec<(Words, Words, usize)>,
    /// Its options with a value; a shell parses what follows the first operand.
    pub(super) remote: Option<Words>,
    /// Everything is parsed.
    pub(super) joined: bool,
    pub(super) texts: Vec<Text>,
    pub(super) markers: Words,
    /// Its options with a value; the operands are URLs.
    pub(super) url: Option<Words>,
}

/// Arguments that are programs.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) options: Words,
    /// Other options with how many values they take.
    pub(super) values: Vec<(&'static str, usize)>,
    pub(super) besides: Besides,
}

/// Where else a program is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Besides {
    Operand,
    File,
    Stdin,
    Alone,
    Second,
    Nowhere,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let fields: Vec<&'static str> = line.split(';').map(str::trim).collect();
            let words =
                |field: usize| -> Words { fields.get(field).copied().unwrap_or_default().split_whitespace().collect() };
            let count = |field: usize| fields.get(field).and_then(|field| field.parse().ok()).unwrap_or_default();
            if fields.first() == Some(&"powerful") {
                table.powerful.extend(words(1));
                continue;
            }
            for name in words(1) {
                let program = table.programs.entry(name).or_default();
                match fields.first().copied().unwrap_or_default() {
                    "query" => program.query = true,
                    "makes" => program.makes = true,
                    "runner" => program.runner = Some((words(2), count(3))),
                    "within" => program.within.push((words(2), words(3), count(4))),
                    "remote" => program.remote = Some(words(2)),
                    "joined" => program.joined = true,
                    "text" => program.texts.push(Text {
                        options: words(2),
                        values: words(3).into_iter().map(counted).collect(),
                        besides: besides(fields.get(4).copied().unwrap_or_default()),
                    }),
                    "marker" => program.markers.extend(words(2)),
                    "url" => program.url = Some(words(2)),
                    _ => {}
                }
            }
        }
        table
    }
}

fn counted(option: &'static str) -> (&'static str, usize) {
    match option.split_once(':') {
        Some((option, count)) => (option, count.parse().unwrap_or(1)),
        None => (option, 1),
    }
}

fn besides(word: &str) -> Besides {
    match word {
        "operand" => Besides::Operand,
        "file" => Besides::File,
        "stdin" => Besides::Stdin,
        "alone" => Besides::Alone,
        "second" => Besides::Second,
        _ => Besides::Nowhere,
    }
}

/// The name that a program is known by: without its directory, and without a version that is no part of a known name.
pub(super) fn known_name(program: &str) -> &str {
    let name = base_name(program);
    if TABLE.programs.contains_key(name) || is_shell(name) {
        return name;
    }
    let short = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    if TABLE.programs.contains_key(short) || is_shell(short) { short } else { name }
}

/// What is known of a program, by [`known_name`].
pub(super) fn program(name: &str) -> Option<&'static Program> {
    TABLE.programs.get(name)
}

pub(super) fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

/// Whether a variable changes what later commands do.
pub(super) fn is_powerful(variable: &str) -> bool {
    TABLE.powerful.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => variable.starts_with(start),
        None => variable == *known,
    })
}

/// Whether a program runs a text that it is given as shell commands.
pub(super) fn runs_text(name: &str) -> bool {
    let name = known_name(name);
    let known = program(name);
    is_shell(name)
        || known.is_some_and(|known| known.joined || known.remote.is_some())
        || matches!(name, "su" | "runuser")
}

/// Whether a word is `NAME=…` in front of a command.
pub(super) fn is_assignment(word: &Word) -> bool {
    word.prefix().split_once('=').is_some_and(|(name, _)| is_name(name))
}

pub(super) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_it_means() {
        assert!(program("sudo").is_some_and(|sudo| sudo.runner.is_some()));
        assert_eq!(program("jq").map(|jq| jq.texts[0].values.contains(&("--arg", 2))), Some(true));
        assert_eq!(known_name("/usr/bin/python3.11"), "python");
        assert!(is_powerful("LD_PRELOAD") && is_powerful("PATH") && !is_powerful("PATHS"));
        let kinds =
            ["plain", "query", "makes", "runner", "within", "remote", "joined", "text", "marker", "url", "powerful"];
        let besides = ["operand", "file", "stdin", "alone", "second", "none"];
        for line in include_str!("programs.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(';').map(str::trim).collect();
            assert!(kinds.contains(&fields[0]), "{line}");
            assert!(fields[0] != "text" || (fields.len() == 5 && besides.contains(&fields[4])), "{line}");
            assert!(fields[0] != "runner" || (fields.len() == 4 && fields[3].parse::<usize>().is_ok()), "{line}");
            assert!(fields[0] != "within" || (fields.len() == 5 && fields[4].parse::<usize>().is_ok()), "{line}");
        }
    }
}
