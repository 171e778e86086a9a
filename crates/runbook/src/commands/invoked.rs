//! Which programs commands start.

use std::collections::BTreeSet;

use super::{BUILTINS, Source, groups, lexed};
use crate::model::CommandSpec;
use crate::template::{Joined, static_pieces};

/// What starts the program that is named after its options.
const WRAPPERS: [&str; 7] = ["sudo", "nohup", "time", "nice", "exec", "command", "env"];

/// The programs that commands name in so many words, by the name that is looked for on the path; what a value or the
/// shell puts there is not known before it runs.
pub fn programs(commands: &[CommandSpec], variables: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for group in groups(commands, variables) {
        match group.source {
            Source::Argv(argv) => add(argv.iter().cloned().map(Some), &mut found),
            Source::Lines(lines) => script(&lines, variables, &mut found),
            Source::Script(text) => script(&[text], variables, &mut found),
        }
    }
    found
}

fn script(lines: &[&str], variables: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    let Ok(joined) = Joined::parse(lines, variables) else { return };
    let [pieces, _] = static_pieces(&joined);
    let (lexed, _) = lexed(&pieces);
    let mut named = BTreeSet::new();
    for command in &lexed.commands {
        add(command.iter().filter(|word| !word.redirect).map(super::lexer::Word::literal), &mut named);
    }
    // A function of the script is no program.
    let defines =
        |name: &str| lexed.script.contains(&format!("{name}()")) || lexed.script.contains(&format!("{name} ()"));
    found.extend(named.into_iter().filter(|name| !defines(name)));
}

fn add(words: impl Iterator<Item = Option<String>>, found: &mut BTreeSet<String>) {
    let mut wrapped = false;
    for word in words {
        let Some(word) = word else { return };
        let assignment = word.split_once('=').is_some_and(|(name, _)| is_name(name));
        if assignment || wrapped && word.starts_with('-') {
            continue;
        }
        if WRAPPERS.contains(&word.as_str()) {
            wrapped = true;
            continue;
        }
        if !BUILTINS.contains(&word.as_str()) && is_program(&word) {
            found.insert(word);
        }
        return;
    }
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_program(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte))
        && word.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Vec<String> {
        let commands: Vec<CommandSpec> = lines.iter().map(|line| CommandSpec::Line((*line).to_owned())).collect();
        programs(&commands, &BTreeSet::from(["pod".to_owned()])).into_iter().collect()
    }

    #[test]
    fn every_program_of_a_pipe_or_a_list_is_named_once() {
        assert_eq!(of(&["kubectl get pods -n {pod} | grep Crash && kubectl top pods"]), ["grep", "kubectl"]);
        assert_eq!(of(&["sudo -n journalctl -u kubelet"]), ["journalctl"]);
        assert_eq!(of(&["LANG=C /usr/bin/df -h > /tmp/x"]), ["/usr/bin/df"]);
        assert_eq!(
            of(&["use() { kubectl get pods; }", "use x"]),
            ["kubectl", "use"],
            "entries are scripts of their own"
        );
        assert_eq!(of(&["use() { kubectl get pods; }; use x"]), ["kubectl"]);
        assert_eq!(of(&["# a note", "cd /tmp; set -e", "echo done"]), ["echo"]);
    }

    #[test]
    fn what_is_only_known_when_it_runs_is_not_named() {
        assert_eq!(of(&["$TOOL get pods", "{pod} x"]), Vec::<String>::new());
    }

    #[test]
    fn an_argument_vector_names_its_first_word() {
        let argv = CommandSpec::Argv(vec!["/bin/true".to_owned(), "x".to_owned()]);
        assert_eq!(programs(&[argv], &BTreeSet::new()).into_iter().collect::<Vec<_>>(), ["/bin/true"]);
    }
}
