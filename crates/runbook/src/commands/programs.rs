//! Programs that parse an argument as a program of its own: a value in such an argument has no safe encoding.
//!
//! A program is looked for at every position of a command, so that wrappers (`sudo`, `xargs`, `kubectl exec --`,
//! `find -exec`) need no rules of their own. A word that only looks like one costs a refusal, never safety.

use super::lexer::{Misplaced, Word};

/// How a program takes text that it parses.
enum Text {
    /// Shells: the argument after `-c`, or the script's file.
    Shell,
    /// Every argument.
    All,
    /// `ssh`: everything after the destination.
    Remote,
    /// The first operand, unless an option gives it; with the options that give it and those that take arguments.
    Operand { text: &'static [&'static str], skip: &'static [(&'static str, usize)] },
    /// Only the arguments of some options.
    Options(&'static [&'static str]),
    /// Every operand after the first.
    AfterFirst,
}

fn text_of(program: &str) -> Option<Text> {
    Some(match program {
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash" | "mksh" | "fish" | "rbash" | "csh" | "tcsh" => Text::Shell,
        "eval" | "watch" | "parallel" | "expect" | "osascript" | "rsh" | "mosh" | "pdsh" | "ansible" => Text::All,
        "ssh" | "autossh" => Text::Remote,
        "awk" | "gawk" | "mawk" | "nawk" => Text::Operand {
            text: &["-e", "--source", "-f", "--file", "-i", "-l"],
            skip: &[("-v", 1), ("-F", 1), ("--assign", 1), ("--field-separator", 1)],
        },
        "sed" | "gsed" => Text::Operand { text: &["-e", "--expression", "-f", "--file"], skip: &[("-l", 1)] },
        "jq" | "gojq" | "jaq" | "yq" => Text::Operand {
            text: &["-f", "--from-file", "-L"],
            skip: &[("--arg", 2), ("--argjson", 2), ("--slurpfile", 2), ("--rawfile", 2), ("--indent", 1)],
        },
        "perl" => Text::Options(&["-e", "-E", "-M", "-I"]),
        "python" | "python2" | "python3" => Text::Options(&["-c", "-m"]),
        "ruby" | "lua" | "Rscript" | "groovy" | "cqlsh" => Text::Options(&["-e", "--execute"]),
        "node" | "nodejs" | "deno" | "bun" => {
            Text::Options(&["-e", "-p", "--eval", "--print", "-r", "--require", "eval"])
        }
        "php" => Text::Options(&["-r", "-B", "-R", "-E"]),
        "psql" => Text::Options(&["-c", "--command", "-v", "--set", "--variable"]),
        "mysql" | "mariadb" => Text::Options(&["-e", "--execute", "--init-command"]),
        "mongo" | "mongosh" => Text::Options(&["--eval"]),
        "clickhouse-client" | "clickhouse" => Text::Options(&["-q", "--query"]),
        "sqlcmd" => Text::Options(&["-q", "-Q"]),
        "influx" => Text::Options(&["-execute"]),
        "redis-cli" | "valkey-cli" => Text::Options(&["--eval", "eval", "EVAL", "script"]),
        "pwsh" | "powershell" => Text::Options(&["-c", "-Command", "-EncodedCommand"]),
        "sqlite3" | "duckdb" => Text::AfterFirst,
        "su" | "runuser" | "flock" | "script" | "sg" => Text::Options(&["-c", "--command", "--session-command"]),
        "env" => Text::Options(&["-S", "--split-string"]),
        "kubectl" | "oc" => Text::Options(&["-o", "--output", "--template"]),
        "git" => Text::Options(&["-c", "--exec-path", "--upload-pack", "--receive-pack", "--config-env"]),
        "rsync" => Text::Options(&["-e", "--rsh", "--rsync-path"]),
        "scp" | "sftp" => Text::Options(&["-S", "-o", "-F", "-J"]),
        "tar" => Text::Options(&["-I", "--use-compress-program", "--to-command", "--checkpoint-action"]),
        "gdb" => Text::Options(&["-ex", "--eval-command", "-x"]),
        "vim" | "vi" | "nvim" | "ex" | "emacs" => Text::Options(&["-c", "--cmd", "--eval"]),
        "curl" => Text::Options(&["-K", "--config"]),
        _ => return None,
    })
}

/// Whether a program runs a text that it is given as shell commands.
pub(super) fn runs_text(program: &str) -> bool {
    let name = base_name(program);
    matches!(text_of(name), Some(Text::Shell | Text::All | Text::Remote)) || matches!(name, "su" | "runuser")
}

/// Builtins whose arguments a shell parses again, by the first word of a command.
const REPARSING: [&str; 14] = [
    "source", ".", "trap", "let", "declare", "typeset", "unset", "read", "alias", "getopts", "[[", "select", "at",
    "batch",
];
/// Builtins that take `NAME=value`.
const EXPORTING: [&str; 3] = ["export", "readonly", "local"];
/// Variables that change what later commands mean.
const POWERFUL: [&str; 10] = [
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "PS4",
    "SHELLOPTS",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "NODE_OPTIONS",
];

/// Whether a word is `NAME=…` in front of a command.
pub(super) fn is_assignment(word: &Word) -> bool {
    word.prefix().split_once('=').is_some_and(|(name, _)| is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The values of one simple command that stand where none may.
pub(super) fn misplaced(command: &[Word]) -> Vec<Misplaced> {
    let mut found = Vec::new();
    let words: Vec<&Word> = command.iter().filter(|word| !word.redirect).collect();
    let assignments = words.iter().take_while(|word| is_assignment(word)).count();
    for word in words.iter().take(assignments) {
        let name = word.prefix().split_once('=').map_or("", |(name, _)| name);
        if POWERFUL.contains(&name) {
            refuse(&mut found, word, &format!("`{name}` changes what every later command means"), None);
        }
    }
    let words = words.get(assignments..).unwrap_or(&[]);
    let Some(first) = words.first() else { return found };
    refuse(&mut found, first, "a value cannot be the name of a command", None);
    let Some(name) = first.literal() else {
        for word in words {
            refuse(&mut found, word, "which program reads it is only known when the script runs", None);
        }
        return found;
    };
    let arguments = words.get(1..).unwrap_or(&[]);
    let name = base_name(&name);
    if REPARSING.contains(&name) || words.iter().any(|word| word.literal().as_deref() == Some("]]")) {
        for word in arguments {
            refuse(&mut found, word, &format!("`{name}` reads its arguments as parts of a script"), None);
        }
    }
    if EXPORTING.contains(&name) {
        for word in arguments.iter().filter(|word| !is_assignment(word)) {
            refuse(&mut found, word, "a value cannot name a variable", None);
        }
    }
    if matches!(name, "test" | "[" | "printf")
        && arguments.first().and_then(|word| word.literal()).is_some_and(|option| option == "-v")
    {
        for word in arguments {
            refuse(&mut found, word, "a value cannot name a variable", None);
        }
    }
    if name == "for"
        && let Some(variable) = arguments.first()
    {
        refuse(&mut found, variable, "a value cannot name a variable", None);
    }
    for (position, word) in words.iter().enumerate() {
        let Some(program) = word.literal() else { continue };
        let Some(text) = text_of(base_name(&program)) else { continue };
        let rest = words.get(position + 1..).unwrap_or(&[]);
        for word in parsed(&text, rest) {
            refuse(
                &mut found,
                word,
                &format!("`{}` parses this argument itself, and quoting does not reach that far", base_name(&program)),
                Some("hand the value over as an argument or a variable of its own, or use an action"),
            );
        }
    }
    found
}

fn refuse(found: &mut Vec<Misplaced>, word: &Word, why: &str, hint: Option<&str>) {
    for value in word.values() {
        if found.iter().all(|known| known.value != value) {
            found.push(Misplaced { value, why: why.to_owned(), hint: hint.map(str::to_owned) });
        }
    }
}

pub(super) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// The words that a program parses.
fn parsed<'w>(text: &Text, words: &[&'w Word]) -> Vec<&'w Word> {
    match text {
        Text::All => words.to_vec(),
        Text::Shell => shell_text(words),
        Text::Remote => after_destination(words),
        Text::Options(options) => option_texts(options, words),
        Text::AfterFirst => {
            let operand = words.iter().position(|word| !word.prefix().starts_with('-')).unwrap_or(words.len());
            words.get(operand + 1..).unwrap_or(&[]).to_vec()
        }
        Text::Operand { text, skip } => operand_text(text, skip, words),
    }
}

fn shell_text<'w>(words: &[&'w Word]) -> Vec<&'w Word> {
    for (position, word) in words.iter().enumerate() {
        let prefix = word.prefix();
        let option = (prefix.starts_with('-') || prefix.starts_with('+')) && prefix.len() > 1;
        if !option {
            return vec![word];
        }
        if !prefix.starts_with("--") && prefix.contains('c') {
            return words.get(position..position + 2).unwrap_or(words.get(position..).unwrap_or(&[])).to_vec();
        }
        if word.values().next().is_some() {
            return vec![word];
        }
    }
    Vec::new()
}

fn after_destination<'w>(words: &[&'w Word]) -> Vec<&'w Word> {
    let mut position = 0;
    let mut found = Vec::new();
    while let Some(word) = words.get(position) {
        let prefix = word.prefix();
        if !prefix.starts_with('-') {
            found.extend(words.get(position + 1..).unwrap_or(&[]));
            break;
        }
        found.push(*word);
        position += 1;
        if prefix.len() == 2 && "BbcDEeFIiJLlmOopQRSWw".contains(prefix.chars().last().unwrap_or(' ')) {
            found.extend(words.get(position));
            position += 1;
        }
    }
    found
}

fn option_texts<'w>(options: &[&str], words: &[&'w Word]) -> Vec<&'w Word> {
    let mut found = Vec::new();
    for (position, word) in words.iter().enumerate() {
        let prefix = word.prefix();
        let next = words.get(position + 1).copied();
        for option in options {
            let letter = option.strip_prefix('-').filter(|rest| rest.len() == 1);
            let exact = prefix == *option || (word.parts.len() > 1 && prefix.starts_with(option));
            // `-ne` and `-Sc`: a cluster that ends in the letter, or has it before a value.
            let cluster = letter.is_some_and(|letter| {
                prefix.starts_with('-') && !prefix.starts_with("--") && prefix.len() > 2 && prefix.contains(letter)
            });
            if exact || cluster || (prefix.starts_with(option) && prefix.contains('=')) {
                found.push(*word);
                found.extend(next);
            }
        }
    }
    found
}

fn operand_text<'w>(text: &[&str], skip: &[(&str, usize)], words: &[&'w Word]) -> Vec<&'w Word> {
    let mut found = Vec::new();
    let mut given = false;
    let mut position = 0;
    while let Some(word) = words.get(position) {
        let prefix = word.prefix();
        position += 1;
        if let Some((_, count)) = skip.iter().find(|(option, _)| *option == prefix) {
            position += count;
        } else if text.contains(&prefix) {
            given = true;
            found.extend(words.get(position));
            position += 1;
        } else if prefix.starts_with('-') && prefix.len() > 1 {
            let parsed = text.iter().any(|option| prefix.starts_with(option));
            // `-ne PROGRAM`: a cluster that ends in an option which takes the text.
            let cluster = !prefix.starts_with("--")
                && text.iter().any(|option| option.len() == 2 && prefix.ends_with(&option[1..]));
            if parsed || cluster {
                given = true;
                found.push(*word);
            }
            if cluster {
                found.extend(words.get(position));
                position += 1;
            }
        } else if !given {
            given = true;
            found.push(*word);
        }
    }
    found
}
