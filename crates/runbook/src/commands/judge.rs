//! What commands that a person performs would do, told from their text alone.
//!
//! This is for people: it sorts the steps of a text into those that look and those that change something. It knows
//! pipelines and wrappers, which [`crate::policy`] does not, and it decides about no approval.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::lexer::{Part, Word};
use super::programs::base_name;
use super::{Source, groups, lexed};
use crate::action::Effect;
use crate::model::CommandSpec;
use crate::policy::{Policy, destroys_rows, is_of_system};
use crate::template::{Joined, static_pieces};

mod reading;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default_policy);

/// Scripts inside commands that are looked into.
const MAX_DEPTH: usize = 4;

/// The effect of commands: the largest of theirs, `read` where all of them are known to change nothing.
pub fn effect(commands: &[CommandSpec], variables: &BTreeSet<String>) -> Effect {
    let mut effect = Effect::Read;
    for group in groups(commands, variables) {
        let own = match &group.source {
            Source::Argv(argv) => of_words(&argv.iter().map(String::as_str).collect::<Vec<_>>(), 0),
            Source::Lines(lines) => of_text(&lines.join("\n"), variables, 0),
            Source::Script(script) => of_text(script, variables, 0),
        };
        effect = effect.max(own);
    }
    effect
}

fn of_text(text: &str, variables: &BTreeSet<String>, depth: usize) -> Effect {
    if depth > MAX_DEPTH {
        return Effect::Mutate;
    }
    let Ok(joined) = Joined::parse(&[text], variables) else { return Effect::Mutate };
    let [pieces, _] = static_pieces(&joined);
    let (lexed, _) = lexed(&pieces);
    let mut effect = if lexed.incomplete.is_some() { Effect::Mutate } else { Effect::Read };
    // What stands in backticks is a script that the lexer does not look into.
    if text.contains('`') {
        for inside in text.split('`').skip(1).step_by(2) {
            effect = effect.max(of_text(inside, variables, depth + 1));
        }
    }
    for command in &lexed.commands {
        effect = effect.max(of_command(command, depth));
    }
    effect
}

fn of_command(command: &[Word], depth: usize) -> Effect {
    let writes = command.iter().filter(|word| word.redirect).any(|word| {
        !matches!(word.literal().as_deref(), Some("/dev/null" | "1" | "2" | "/dev/stdout" | "/dev/stderr"))
    });
    let words: Vec<String> = command.iter().filter(|word| !word.redirect).map(text).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let effect = of_words(&words, depth);
    if writes { effect.max(Effect::Mutate) } else { effect }
}

/// A word as far as it is known.
fn text(word: &Word) -> String {
    word.parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Value(_) | Part::Dynamic => "x",
        })
        .collect()
}

fn of_words(words: &[&str], depth: usize) -> Effect {
    let whole = words;
    let words = without_wrappers(words);
    let Some((program, arguments)) = words.split_first() else { return Effect::Read };
    let owned: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let destroys = destroys_rows(&owned)
        || (0..words.len()).any(|start| {
            let argv = words.get(start..).unwrap_or(&[]);
            POLICY.destructive_commands.iter().any(|pattern| pattern.matches(argv))
        });
    if destroys {
        return Effect::Destructive;
    }
    if let Some(inner) = inner(base_name(program), arguments) {
        return match inner {
            Inner::Words(words) => of_words(words, depth),
            Inner::Script(script) => of_text(script, &BTreeSet::new(), depth + 1),
        };
    }
    let known = POLICY.read_commands.iter().any(|pattern| pattern.trusts(words))
        || (is_of_system(program) && reading::reads(base_name(program), arguments));
    let wrappers = whole.get(..whole.len() - words.len()).unwrap_or(&[]);
    let harmless = wrappers.iter().all(|word| match word.split_once('=') {
        Some((variable, _)) => is_harmless(variable),
        None => is_of_system(word),
    });
    if known && harmless { Effect::Read } else { Effect::Mutate }
}

/// Whether a variable only says how something is shown. Others make a program load code, run another one, or act elsewhere.
fn is_harmless(variable: &str) -> bool {
    matches!(variable, "LANG" | "LANGUAGE" | "TZ" | "TERM" | "COLUMNS" | "LINES" | "NO_COLOR")
        || variable.starts_with("LC_")
}

/// Leaves out assignments and programs that run what follows them as it is.
fn without_wrappers<'w, 'a>(mut words: &'w [&'a str]) -> &'w [&'a str] {
    loop {
        let Some((first, rest)) = words.split_first() else { return words };
        let assigns = first.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let wrapper = matches!(base_name(first), "sudo" | "time" | "nohup" | "env" | "command" | "exec" | "stdbuf")
            && !rest.is_empty();
        if assigns {
            words = rest;
        } else if wrapper {
            let value = |option: &str| matches!(option, "-u" | "-g" | "--user" | "--group");
            let mut at = 0;
            while let Some(option) = rest.get(at).filter(|word| word.starts_with('-')) {
                at += if value(option) { 2 } else { 1 };
            }
            words = rest.get(at..).unwrap_or(&[]);
        } else {
            return words;
        }
    }
}

enum Inner<'w, 'a> {
    Words(&'w [&'a str]),
    Script(&'a str),
}

/// The command that a program is given to run somewhere else.
fn inner<'w, 'a>(program: &str, arguments: &'w [&'a str]) -> Option<Inner<'w, 'a>> {
    let after = |position: usize| Some(Inner::Words(arguments.get(position..).unwrap_or(&[])));
    let operand = |from: usize, values: &[&str]| {
        let mut at = from;
        while let Some(word) = arguments.get(at) {
            if !word.starts_with('-') {
                return Some(at);
            }
            at += if values.contains(word) { 2 } else { 1 };
        }
        None
    };
    match program {
        "kubectl" | "oc" => {
            let verb = arguments.iter().any(|word| matches!(*word, "exec" | "rsh" | "debug"));
            let divider = arguments.iter().position(|word| *word == "--")?;
            if verb { after(divider + 1) } else { None }
        }
        "docker" | "podman" | "crictl" if arguments.first() == Some(&"exec") => {
            let container = operand(1, &["-u", "--user", "-e", "--env", "-w", "--workdir"])?;
            after(container + 1)
        }
        "ssh" => {
            let host = operand(0, &["-i", "-p", "-l", "-o", "-F", "-J"])?;
            match arguments.get(host + 1..) {
                Some([script]) => Some(Inner::Script(script)),
                Some([]) | None => None,
                Some(_) => after(host + 1),
            }
        }
        "sh" | "bash" | "zsh" | "dash" | "ash" | "su" => {
            let option = arguments
                .iter()
                .position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
            arguments.get(option + 1).map(|script| Inner::Script(script))
        }
        "watch" => {
            let first = operand(0, &["-n", "--interval"])?;
            match arguments.get(first..) {
                Some([script]) => Some(Inner::Script(script)),
                _ => after(first),
            }
        }
        "timeout" => after(operand(0, &["-s", "--signal", "-k", "--kill-after"])? + 1),
        "nice" | "ionice" => after(operand(0, &["-n", "-c", "--adjustment"])?),
        "xargs" => {
            let values = ["-n", "-I", "-P", "-L", "-d", "-a", "-s"];
            match operand(0, &values) {
                Some(first) => after(first),
                // Alone it only prints.
                None => after(arguments.len()),
            }
        }
        "eval" => arguments.first().map(|script| Inner::Script(script)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kubectl -n {namespace} get pod {pod} -o yaml")]
    #[case("kubectl get pods -A | grep -v Running | wc -l")]
    #[case("oc -n {namespace} logs -l 'app=prometheus'")]
    #[case("kubectl exec -it {pod} -n x -- df -h")]
    #[case("docker ps -a")]
    #[case("sudo systemctl status nginx")]
    #[case("journalctl -b -f -u kubelet.service")]
    #[case("psql -h db -c 'SELECT pid, state FROM pg_stat_activity'")]
    #[case("redis-cli -h cache info memory")]
    #[case("etcdctl endpoint status -w table")]
    #[case("aws ec2 describe-instances --region eu-west-1")]
    #[case("gcloud compute instances list")]
    #[case("curl -s -H 'X: y' http://localhost:9090/-/healthy | jq .")]
    #[case("kubectl get storageclass `kubectl -n x get pvc y -ojson | jq -r .spec`")]
    #[case("kubectl get pods > /dev/null 2>&1")]
    #[case("for p in a b; do kubectl get pod $p; done")]
    #[case("ssh {node} 'cat /proc/mdstat'")]
    #[case("NS=x\nkubectl -n $NS get pods")]
    #[case("sysctl -a | grep 'fs.file-'")]
    #[case("kubectl get pods -oname | xargs -n1 kubectl describe")]
    fn looking_is_told(#[case] text: &str) {
        assert_eq!(judged(text), Effect::Read);
    }

    #[rstest]
    #[case("kubectl scale deployment x --replicas 3")]
    #[case("kubectl get pods -oname | xargs kubectl label x=y")]
    #[case("curl -X POST http://localhost:9090/-/reload")]
    #[case("curl -d x http://h")]
    #[case("systemctl restart nginx")]
    #[case("psql -c \"SELECT pg_terminate_backend(1)\"")]
    #[case("psql -c 'SELECT 1; UPDATE t SET x = 1'")]
    #[case("etcdctl defrag")]
    #[case("kubectl get pods > out.txt")]
    #[case("echo 1 | tee /proc/sys/vm/drop_caches")]
    #[case("sed -i s/a/b/ x")]
    #[case("sysctl -w vm.swappiness=1")]
    #[case("kubectl exec x -- kill 1")]
    #[case("unknown-tool list")]
    #[case("docker restart x")]
    #[case("kubectl get pods `touch x`")]
    fn changing_is_told(#[case] text: &str) {
        assert_eq!(judged(text), Effect::Mutate);
    }

    #[rstest]
    #[case("kubectl delete pod x")]
    #[case("kubectl get pods -oname | xargs kubectl delete")]
    #[case("ssh x 'rm -rf /tmp/y'")]
    #[case("psql -c 'DROP TABLE x'")]
    fn destroying_is_told(#[case] text: &str) {
        assert_eq!(judged(text), Effect::Destructive);
    }

    fn judged(text: &str) -> Effect {
        let variables = ["namespace", "pod", "node"].map(str::to_owned).into();
        effect(&[CommandSpec::Script(text.to_owned())], &variables)
    }
}
