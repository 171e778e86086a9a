//! Which words are names of programs: tells a command from its output, and a command in a sentence from other code.

use std::collections::BTreeSet;
use std::sync::LazyLock;

static NAMES: LazyLock<(BTreeSet<&str>, BTreeSet<&str>)> = LazyLock::new(|| {
    let lines = || include_str!("programs.txt").lines().filter(|line| !line.starts_with('#'));
    let programs = lines().filter(|line| !line.starts_with("word ")).flat_map(str::split_whitespace).collect();
    let words = lines().filter_map(|line| line.strip_prefix("word ")).flat_map(str::split_whitespace).collect();
    (programs, words)
});

/// Whether it is a program of people on call.
fn is_program(word: &str) -> bool {
    NAMES.0.contains(name(word))
}

/// Whether it is a program whose name is a word of English, too, or a word of shells.
fn is_word(word: &str) -> bool {
    NAMES.1.contains(name(word))
}

fn name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The words of a line after `sudo` and assignments.
fn significant(line: &str) -> Vec<&str> {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.peek() {
        if *word == "sudo" || is_assignment(word) {
            words.next();
            // Options of `sudo` that stand alone.
            while words.peek().is_some_and(|word| matches!(*word, "-E" | "-n" | "-i" | "-H" | "-S")) {
                words.next();
            }
        } else {
            break;
        }
    }
    words.collect()
}

/// Whether a word is `NAME=value`.
pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Whether a line of a code block is a command.
pub(super) fn is_command(line: &str) -> bool {
    let words = significant(line);
    match words.first() {
        None => line.split_whitespace().any(|word| word == "sudo" || is_assignment(word)),
        Some(word) => {
            let known = is_program(word) || is_word(word);
            let path = word.starts_with("./") || word.starts_with("~/") || (word.starts_with('/') && word.len() > 1);
            known || path || matches!(word.chars().next(), Some('{' | '(' | '[')) && line.ends_with([')', '}', ']'])
        }
    }
}

/// Whether code in a sentence is a command: a known program with something to do.
pub(super) fn is_inline_command(code: &str) -> bool {
    let words = significant(code);
    let (Some(first), true) = (words.first(), words.len() >= 2) else { return false };
    if code.contains('\n') || code.ends_with(':') {
        return false;
    }
    if is_program(first) && *first != "service" && *first != "http" && *first != "node" && *first != "go" {
        return true;
    }
    // `cat /proc/mdstat`, `top -c`; not `time series`.
    is_word(first) && words.iter().skip(1).any(|word| word.starts_with('-') || word.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_a_sentence_has_a_program_and_arguments() {
        for code in ["kubectl -n $NAMESPACE get pod $POD", "sudo systemctl restart nginx", "cat /proc/mdstat", "top -c"]
        {
            assert!(is_inline_command(code), "{code}");
        }
        for code in ["kubectl", "time series", "container_cpu_usage", "rate(x[5m])", "long: 1h", "find out more"] {
            assert!(!is_inline_command(code), "{code}");
        }
    }

    #[test]
    fn output_is_no_command() {
        assert!(is_command("NS=x kubectl get pods") && is_command("./fix.sh") && is_command("NAMESPACE=kube-etcd"));
        assert!(!is_command("NAME   READY   STATUS") && !is_command("level=error msg=\"x\" ts=1 y"));
    }
}
