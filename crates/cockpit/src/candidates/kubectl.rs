//! What commands of `kubectl` name: enough to know that `kubectl drain {node}` wants a node.
//!
//! It is for proposals alone. What it does not understand it leaves out.

use belay_runbook::model::CommandSpec;

/// Flags that are followed by a value, beside those that name something.
const VALUED: [&str; 12] = [
    "-o",
    "--output",
    "-l",
    "--selector",
    "-f",
    "--filename",
    "--context",
    "--kubeconfig",
    "-p",
    "--patch",
    "--type",
    "--tail",
];

/// Verbs that are followed by another one.
const DOUBLE: [&str; 4] = ["rollout", "set", "top", "auth"];

/// For each command of `kubectl`: the parameters that actions have for what it names, and the words as written.
pub(super) fn named(commands: &[CommandSpec]) -> Vec<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    for command in commands {
        let lines: Vec<Vec<String>> = match command {
            CommandSpec::Argv(argv) => vec![argv.clone()],
            CommandSpec::Line(text) | CommandSpec::Script(text) => text.lines().map(words).collect(),
        };
        for line in lines {
            let parts = line.split(|word| matches!(word.as_str(), "|" | "||" | "&&" | ";" | "&" | ">" | ">>" | "<"));
            found.extend(parts.filter_map(of_command));
        }
    }
    found
}

fn of_command(words: &[String]) -> Option<Vec<(&'static str, String)>> {
    let at = words.iter().position(|word| word == "kubectl" || word.ends_with("/kubectl"))?;
    let mut rest = words.iter().skip(at + 1).map(|word| word.trim_end_matches(';'));
    let (mut named, mut plain) = (Vec::new(), Vec::new());
    while let Some(word) = rest.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => (flag, Some(value)),
            _ => (word, None),
        };
        let parameter = match flag {
            "-n" | "--namespace" => Some("namespace"),
            "-c" | "--container" => Some("container"),
            // What follows is for the program in the container.
            "--" => break,
            _ => None,
        };
        if let Some(parameter) = parameter {
            named.extend(value.or_else(|| rest.next()).map(|value| (parameter, value.to_owned())));
        } else if VALUED.contains(&flag) && value.is_none() {
            rest.next();
        } else if !flag.starts_with('-') {
            plain.push(word);
        }
    }
    named.extend(object(&plain));
    (!named.is_empty()).then_some(named)
}

/// The object that the words without flags name.
fn object(plain: &[&str]) -> Option<(&'static str, String)> {
    let (verb, mut rest) = plain.split_first()?;
    if DOUBLE.contains(verb) && *verb != "top" {
        rest = rest.get(1..)?;
    }
    let (first, others) = rest.split_first()?;
    let (kind, name) = match first.split_once('/') {
        Some((kind, name)) => (kind, name),
        None => match *verb {
            "drain" | "cordon" | "uncordon" => ("node", *first),
            "logs" | "exec" | "attach" | "port-forward" => ("pod", *first),
            _ => (*first, *others.first()?),
        },
    };
    let kind = kind.split('.').next().unwrap_or(kind);
    let parameter = match kind {
        "po" | "pod" | "pods" => "podName",
        "deploy" | "deployment" | "deployments" => "deployment",
        "no" | "node" | "nodes" => "nodeName",
        "ns" | "namespace" | "namespaces" => "namespace",
        _ => return None,
    };
    Some((parameter, name.to_owned()))
}

/// The words of a line, without their quotes; a template stays in one.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (Vec::new(), String::new(), None, 0_usize);
    let mut rest = line.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '{' if rest.peek() == Some(&'{') => open += 1,
            '}' if rest.peek() == Some(&'}') => open = open.saturating_sub(1),
            _ => {}
        }
        match letter {
            '\'' | '"' if open == 0 && quote.is_none() => quote = Some(letter),
            _ if open == 0 && quote == Some(letter) => quote = None,
            '#' if open == 0 && quote.is_none() && word.is_empty() => break,
            _ if letter.is_whitespace() && open == 0 && quote.is_none() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(letter),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_names() {
        let names = |line: &str| {
            let found = named(&[CommandSpec::Line(line.to_owned())]).concat();
            found.iter().map(|(parameter, word)| format!("{parameter} {word}")).collect::<Vec<_>>().join(", ")
        };
        for (line, expected) in [
            ("kubectl get pod {pod} -n {namespace} -o json", "namespace {namespace}, podName {pod}"),
            ("kubectl -n shop get deployment.apps {d}", "namespace shop, deployment {d}"),
            ("kubectl rollout status deployment/{d} --timeout=20s", "deployment {d}"),
            ("kubectl set resources deployment/{d} -c {c} --limits=x=y", "container {c}, deployment {d}"),
            ("sudo kubectl drain {node} --force && echo done", "nodeName {node}"),
            (
                "kubectl logs {{ .Vars.pod }} --container='{{ .Vars.c }}'",
                "container {{ .Vars.c }}, podName {{ .Vars.pod }}",
            ),
            ("kubectl top node {node}", "nodeName {node}"),
            ("kubectl exec {pod} -- cat -n {file}", "podName {pod}"),
            ("kubectl get svc {s} # -n {namespace}", ""),
            ("echo kubectl", ""),
        ] {
            assert_eq!(names(line), expected, "{line}");
        }
    }
}
