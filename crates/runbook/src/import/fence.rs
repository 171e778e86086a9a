//! Code blocks: which of them hold commands, and what in those is a command, a note or output.

use std::sync::LazyLock;

use regex::Regex;

use super::markdown::Code;
use super::programs::{is_assignment, is_command};
use crate::model::CommandSpec;

/// What a code block of commands holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Block {
    /// Its commands as one text, prompts and output removed.
    pub(super) script: String,
    /// What its author saw.
    pub(super) output: Option<String>,
    /// Runme's name for the cell.
    pub(super) name: Option<String>,
    /// Runme's other attributes, `key=value`.
    pub(super) attributes: Vec<String>,
}

/// What the words after a fence say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Info {
    language: String,
    attributes: Vec<(String, String)>,
}

static PROMPT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^\s*(?:\([\w .-]+\)\s*)?(?:\[?[\w.-]+@[\w.-]+[\w.:~/ -]*\]?\s?|(?:sh|bash|zsh)-[\d.]+)?[$❯»]\s+(\S.*)$",
    )
    .expect("a constant pattern that a test uses")
});
static ROOT_PROMPT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s*(\[?[\w.-]+@[\w.-]+[\w.:~/ -]*\]?\s?|(?:sh|bash)-[\d.]+)?#\s+(\S.*)$")
        .expect("a constant pattern that a test uses")
});
static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"([A-Za-z_][\w.-]*)\s*[=:]\s*(?:"([^"]*)"|'([^']*)'|([^\s,}]+))"#)
        .expect("a constant pattern that a test uses")
});

/// Reads a code block; nothing where it holds no commands.
pub(super) fn read(code: &Code) -> Option<Block> {
    let info = info(code.info.as_deref().unwrap_or_default());
    let kind = kind(&info.language, &code.text)?;
    let (script, output) = transcript(&code.text, kind);
    if script.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return None;
    }
    let named = |name: &str| info.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    Some(Block {
        script,
        output,
        name: named("name").filter(|name| !name.trim().is_empty()),
        attributes: info
            .attributes
            .iter()
            .filter(|(key, _)| key != "name" && key != "id")
            .map(|(key, value)| format!("{key}={value}"))
            .collect(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    /// A script.
    Shell,
    /// What somebody saw on a terminal.
    Session,
}

fn kind(language: &str, text: &str) -> Option<Language> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match language {
        "sh" | "bash" | "shell" | "zsh" | "ksh" | "dash" | "ash" | "shellscript" | "shell script" => {
            Some(Language::Shell)
        }
        "console" | "shell-session" | "sh-session" | "shellsession" | "bash-session" | "terminal" | "term" => {
            Some(Language::Session)
        }
        "" | "text" | "txt" | "none" | "plaintext" | "code" => {
            let command = first.split_whitespace().count() > 1 && is_command(first) && !first.contains(": ");
            (PROMPT.is_match(first) || (language.is_empty() && command)).then_some(Language::Session)
        }
        _ => None,
    }
}

fn info(info: &str) -> Info {
    let info = info.trim();
    let end = info.find(|c: char| c.is_whitespace() || matches!(c, '{' | ',')).unwrap_or(info.len());
    let (language, rest) = info.split_at(end);
    let mut language = language.to_ascii_lowercase();
    let inside = rest.trim().trim_start_matches(',').trim();
    // `{bash}` and `{.bash}` name the language inside the braces.
    if language.is_empty() {
        let word = inside.trim_start_matches(['{', '.']).split(|c: char| !c.is_ascii_alphanumeric()).next();
        language = word.unwrap_or_default().to_ascii_lowercase();
    }
    let attributes = match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(inside) {
        Ok(map) => map
            .into_iter()
            .map(|(key, value)| (key, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect(),
        Err(_) => ATTRIBUTE
            .captures_iter(inside)
            .filter_map(|found| {
                let value = found.get(2).or(found.get(3)).or(found.get(4))?;
                Some((found.get(1)?.as_str().to_owned(), value.as_str().to_owned()))
            })
            .collect(),
    };
    Info { language, attributes }
}

/// Divides a block into commands and output.
fn transcript(text: &str, language: Language) -> (String, Option<String>) {
    if text.lines().any(|line| PROMPT.is_match(line) || is_root_line(line, language == Language::Session)) {
        return prompted(text);
    }
    unprompted(text, language)
}

fn is_root_line(line: &str, bare: bool) -> bool {
    ROOT_PROMPT.captures(line).is_some_and(|found| {
        let host = found.get(1).is_some_and(|host| !host.as_str().is_empty());
        (host || bare) && found.get(2).is_some_and(|command| is_command(command.as_str()))
    })
}

/// A session: what follows a prompt is a command, everything else its output.
fn prompted(text: &str) -> (String, Option<String>) {
    let mut script: Vec<&str> = Vec::new();
    let mut output: Vec<&str> = Vec::new();
    let mut commands = 0;
    let mut open = false;
    for line in text.lines() {
        let after = PROMPT.captures(line).and_then(|found| found.get(1)).map(|found| found.as_str());
        let root = || {
            let found = is_root_line(line, true).then(|| ROOT_PROMPT.captures(line)).flatten()?;
            Some(found.get(2)?.as_str())
        };
        if let Some(command) = after.or_else(root) {
            script.push(command);
            commands += 1;
            open = continues(command);
        } else if open {
            let more = line.strip_prefix("> ").unwrap_or(line);
            script.push(more);
            open = continues(more);
        } else if line.trim_start().starts_with("# ") {
            script.push(line.trim());
        } else {
            output.push(line);
        }
    }
    let printed = output.iter().any(|line| !line.trim().is_empty());
    let output = printed.then(|| {
        // Of several commands it is told which of them printed what.
        let whole = if commands > 1 { text.to_owned() } else { output.join("\n") };
        whole.trim_matches('\n').trim_end().to_owned()
    });
    (script.join("\n"), output)
}

fn continues(line: &str) -> bool {
    let slashes = line.trim_end().chars().rev().take_while(|c| *c == '\\').count();
    slashes % 2 == 1
}

/// Without prompts everything is a command, except what clearly is not.
fn unprompted(text: &str, language: Language) -> (String, Option<String>) {
    if needs_one_script(text) && language == Language::Shell {
        return (text.trim_matches('\n').trim_end().to_owned(), None);
    }
    let mut script: Vec<&str> = Vec::new();
    let mut output: Vec<&str> = Vec::new();
    let mut open = false;
    let mut printing = false;
    let mut blank = false;
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() {
            blank = true;
            if printing {
                output.push(line);
            } else {
                script.push(line);
            }
            continue;
        }
        if !open {
            let note = content.starts_with('#');
            let command = is_command(content);
            let foreign = !note && !command && !script.is_empty();
            printing = match language {
                Language::Session => foreign || (printing && !(blank && command)),
                Language::Shell => (foreign && looks_printed(content, blank)) || (printing && !(blank && command)),
            };
        }
        blank = false;
        if printing {
            output.push(line);
        } else {
            script.push(line);
            open = continues(line);
        }
    }
    let output = output.join("\n");
    let output = (!output.trim().is_empty()).then(|| output.trim_matches('\n').trim_end().to_owned());
    (script.join("\n").trim_matches('\n').trim_end().to_owned(), output)
}

/// Columns, dots for what was left out, dates of a log.
fn looks_printed(line: &str, after_blank: bool) -> bool {
    let columns = line.contains("   ") && !line.contains(['|', '$', '"', '\'']);
    let dated = line.as_bytes().get(..5).is_some_and(|start| start.iter().take(4).all(u8::is_ascii_digit));
    line == "..." || line == "…" || columns || (after_blank && (dated || line.starts_with("level=")))
}

/// Whether the lines only work together: variables, directories, loops, here-documents.
pub(super) fn needs_one_script(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        let sets = line.split_whitespace().next().is_some_and(is_assignment)
            && line.split_whitespace().all(|word| is_assignment(word) || word.ends_with(['\'', '"']));
        sets || line.contains("<<")
            || line.contains("$(cat")
            || is_assignment(first) && line.contains("$(")
            || matches!(
                first,
                "export"
                    | "cd"
                    | "source"
                    | "."
                    | "set"
                    | "unset"
                    | "for"
                    | "while"
                    | "until"
                    | "if"
                    | "case"
                    | "function"
                    | "read"
                    | "trap"
                    | "{"
                    | "("
                    | "declare"
                    | "local"
            )
            || first.ends_with("()")
    })
}

/// The commands of a script as entries of a step.
pub(super) fn entries(script: &str) -> Vec<CommandSpec> {
    if needs_one_script(script) {
        return vec![CommandSpec::Script(script.trim_matches('\n').trim_end().to_owned())];
    }
    let mut entries = Vec::new();
    let mut entry = String::new();
    for line in script.lines() {
        if line.trim().is_empty() && entry.is_empty() {
            continue;
        }
        if !entry.is_empty() {
            entry.push('\n');
        }
        entry.push_str(if entry.is_empty() { line.trim() } else { line.trim_end() });
        if !continues(line) && balanced(&entry) {
            entries.push(CommandSpec::Line(std::mem::take(&mut entry)));
        }
    }
    if !entry.trim().is_empty() {
        entries.push(CommandSpec::Line(entry));
    }
    entries
}

/// Whether no quote is open at the end.
fn balanced(text: &str) -> bool {
    if text.trim_start().starts_with('#') {
        return true;
    }
    let mut open = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (open, c) {
            (None | Some('"'), '\\') => {
                chars.next();
            }
            (None, '\'' | '"') => open = Some(c),
            (Some(quote), c) if quote == c => open = None,
            _ => {}
        }
    }
    open.is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn block(info: &str, text: &str) -> Option<Block> {
        read(&Code { info: Some(info.to_owned()), text: text.to_owned(), range: 0..0 })
    }

    #[test]
    fn what_follows_a_prompt_is_a_command_and_the_rest_its_output() {
        let found = block("console", "$ kubectl get pods \\\n>   -A\nNAME   READY\nx      1/1\n").unwrap();
        assert_eq!(found.script, "kubectl get pods \\\n  -A");
        assert_eq!(found.output.as_deref(), Some("NAME   READY\nx      1/1"));
        let found = block("shell", "$ oc debug node/x\n# sysctl -a | grep fs\nfs.file-max = 1\n# lsof -n\n").unwrap();
        assert_eq!(found.script, "oc debug node/x\nsysctl -a | grep fs\nlsof -n", "`#` is root's prompt in a session");
        assert!(found.output.unwrap().starts_with("$ oc debug"), "of several commands the whole session is kept");
        let found = block("", "[root@db-1 ~]# systemctl status postgresql\nactive\n");
        assert_eq!(found, None, "without a language only `$` tells a session");
        let found = block("console", "root@db-1:~# systemctl status postgresql\nactive\n").unwrap();
        assert_eq!(found.script, "systemctl status postgresql");
    }

    #[test]
    fn output_is_told_from_commands_without_prompts() {
        let found =
            block("shell", "kubectl get pod -l app=x\n\nNAMESPACE   NAME      READY\ndefault     x-0       1/2\n");
        let found = found.unwrap();
        assert_eq!(found.script, "kubectl get pod -l app=x");
        assert!(found.output.unwrap().starts_with("NAMESPACE"));
        let found = block("console", "kubectl edit cm x\n...\nmetricsBindAddress: 0.0.0.0:10249\n").unwrap();
        assert_eq!(found.script, "kubectl edit cm x");
        let found = block("bash", "mytool --fix\nother-tool --now\n").unwrap();
        assert_eq!(found.output, None, "an unknown program is a program");
    }

    #[test]
    fn other_languages_and_notes_alone_are_no_commands() {
        assert_eq!(block("promql", "up == 0"), None);
        assert_eq!(block("yaml", "a: b"), None);
        assert_eq!(block("shell", "# TODO: Command needed\n"), None);
        assert_eq!(block("", "up == 0"), None);
        assert!(block("", "kubectl get pods").is_some());
    }

    #[test]
    fn runme_names_a_cell_in_both_notations() {
        let json = block(r#"sh {"name":"list-pods","interactive":"false"}"#, "kubectl get pods").unwrap();
        let words = block("sh { name=list-pods interactive=false }", "kubectl get pods").unwrap();
        assert_eq!(json, words);
        assert_eq!(json.name.as_deref(), Some("list-pods"));
        assert_eq!(json.attributes, ["interactive=false"]);
        assert_eq!(info("{.bash}").language, "bash");
    }

    #[test]
    fn lines_that_need_each_other_are_one_script() {
        assert_eq!(entries("ls -l\n\ndf -h").len(), 2);
        assert_eq!(
            entries("NS=x\nkubectl -n $NS get pods"),
            [CommandSpec::Script("NS=x\nkubectl -n $NS get pods".into())]
        );
        assert_eq!(entries("for i in 1 2; do\n  echo $i\ndone").len(), 1);
        assert_eq!(entries("kubectl get pods \\\n  -A\ndf").len(), 2);
        assert_eq!(entries("psql -c 'select\n 1'").len(), 1);
        assert_eq!(entries("FOO=bar make test").len(), 1);
        assert!(matches!(entries("FOO=bar make test").first(), Some(CommandSpec::Line(_))));
    }
}
