//! Commands that no current tool has, or that need a terminal; and commands known to change nothing.

use std::sync::LazyLock;

use regex::Regex;

use super::Linter;
use super::rule::DEAD_COMMAND;
use crate::model::{CommandSpec, Does, StepKind, Undo};
use crate::policy::Policy;

/// What is dead, why, and what to use instead.
struct Dead {
    pattern: Regex,
    /// Whether it works where a person types it.
    in_a_terminal: bool,
    message: &'static str,
    hint: &'static str,
}

static DEAD: LazyLock<Vec<Dead>> = LazyLock::new(|| {
    let dead = |pattern: &str, message, hint| Dead {
        pattern: Regex::new(pattern).expect("the patterns are constants that a test compiles"),
        in_a_terminal: false,
        message,
        hint,
    };
    vec![
        dead(
            r"\bkubectl\s+(?:-\S+\s+)*rename\b",
            "`kubectl rename` does not exist",
            "create the object under its new name and delete the old one",
        ),
        dead(
            r"\bkubectl\s+version\b[^|;&\n]*\s--short\b",
            "`kubectl version` has no `--short` any more",
            "leave `--short` out; the short form is the default",
        ),
        dead(
            r"\bkubectl\b[^|;&\n]*\s(?:get|describe)\s+(?:[^|;&\n]*\s)?(?:componentstatus(?:es)?|cs)\b",
            "`componentstatuses` is deprecated and says nothing about a current cluster",
            "use `kubectl get --raw /readyz?verbose`",
        ),
        dead(
            r"\bcert-manager\.io/renew\b",
            "cert-manager knows no annotation `cert-manager.io/renew`",
            "use `cmctl renew NAME`",
        ),
        Dead {
            in_a_terminal: true,
            ..dead(
                r"\b(?:kubectl|docker|podman|oc)\s+(?:\S+\s+)*?(?:exec|run)\s+(?:[^|;&\n]*?\s)?(?:-it|-ti|-t|--tty)(?:\s|$)",
                "there is no terminal for `-t`",
                "leave `-it` out",
            )
        },
    ]
});

pub(super) fn check(linter: &mut Linter<'_>) {
    for (_, pointer, step) in linter.steps() {
        check_does(linter, &step.does, &format!("{pointer}/commands"), step.kind == StepKind::Manual);
        if let Some(Undo::Does(does)) = &step.undo {
            check_does(linter, does, &format!("{pointer}/rollback/commands"), false);
        }
    }
}

fn check_does(linter: &mut Linter<'_>, does: &Does, pointer: &str, by_a_person: bool) {
    let Does::Commands(commands) = does else { return };
    for (index, command) in commands.iter().enumerate() {
        let text = match command {
            CommandSpec::Line(text) | CommandSpec::Script(text) => text.clone(),
            CommandSpec::Argv(argv) => argv.join(" "),
        };
        for dead in DEAD.iter().filter(|dead| !(by_a_person && dead.in_a_terminal)) {
            // After ` -- ` stand the words of another program.
            let own = |line: &'_ str| line.split(" -- ").next().is_some_and(|line| dead.pattern.is_match(line));
            let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            if lines.any(own) {
                linter.report(&DEAD_COMMAND, &format!("{pointer}/{index}"), dead.message, Some(dead.hint.to_owned()));
            }
        }
    }
}

/// What holds where nobody has written a policy; a runbook is checked before anybody chooses one.
static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default_policy);

/// Whether a command is known to change nothing: a note, or a plain call on the default policy's list.
pub(super) fn reads_only(command: &CommandSpec) -> bool {
    let words: Vec<&str> = match command {
        CommandSpec::Line(line) => {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                return true;
            }
            if line.contains(['|', ';', '&', '>', '<', '`', '$', '\n', '(']) {
                return false;
            }
            line.split_whitespace().collect()
        }
        CommandSpec::Argv(argv) => argv.iter().map(String::as_str).collect(),
        CommandSpec::Script(_) => return false,
    };
    POLICY.read_commands.iter().any(|pattern| pattern.matches(&words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(DEAD.len(), 5);
    }

    #[test]
    fn only_plain_calls_of_tools_that_look_read() {
        let reads = |line: &str| reads_only(&CommandSpec::Line(line.to_owned()));
        assert!(reads("kubectl get pods -n {namespace}"));
        assert!(reads("# a note"));
        assert!(!reads("kubectl get pods | xargs kubectl delete"));
        assert!(!reads("kubectl get pods $(rm -rf x)"));
        assert!(!reads("kubectl delete pod x"));
        assert!(!reads("curl -X POST http://x"));
    }
}
