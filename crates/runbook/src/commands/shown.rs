//! Commands as a person types them, with the values that are known.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

use super::{references, render};
use crate::model::CommandSpec;
use crate::template::{Scope, secret_name};

/// Each entry as a line or lines for a terminal. Values are quoted for where they stand; an entry that misses one, or
/// that no value is safe in, stays as it is written. Secrets are never shown.
pub fn shown(commands: &[CommandSpec], values: &BTreeMap<String, Value>, variables: &BTreeSet<String>) -> Vec<String> {
    let known: Map<String, Value> = values
        .iter()
        .filter(|(_, value)| secret_name(value).is_none())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let root = json!({ "Vars": known });
    let scope = Scope { root: &root, variables };
    commands.iter().map(|entry| filled(entry, &scope).unwrap_or_else(|| written(entry))).collect()
}

fn written(entry: &CommandSpec) -> String {
    match entry {
        CommandSpec::Line(text) | CommandSpec::Script(text) => text.clone(),
        CommandSpec::Argv(argv) => argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

/// The entry with its values; nothing where it has none, or not all of them.
fn filled(entry: &CommandSpec, scope: &Scope<'_>) -> Option<String> {
    let entry = std::slice::from_ref(entry);
    if references(entry, scope.variables).ok()?.is_empty() {
        return None;
    }
    let acts = render(entry, scope).ok()?;
    let [act] = acts.as_slice() else { return None };
    if let Some(argv) = super::argv(act) {
        return Some(argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
    }
    let script = act.parameters.get("script")?.as_str()?;
    let environment = act.parameters.get("env").and_then(Value::as_object)?;
    // In one pass, because a value may hold what looks like a reference. These are the three forms that the lexer writes.
    let forms = r#"'"\$(BELAY_[A-Z0-9_]+)"'|"\$(BELAY_[A-Z0-9_]+)"|\$\{(BELAY_[A-Z0-9_]+)\}"#;
    let reference = Regex::new(forms).ok()?;
    let mut complete = true;
    let script = reference.replace_all(script, |found: &Captures<'_>| {
        let name = found.get(1).or(found.get(2)).or(found.get(3)).map_or("", |name| name.as_str());
        let Some(value) = environment.get(name).and_then(Value::as_str) else {
            complete = false;
            return String::new();
        };
        if found.get(1).is_some() {
            value.replace('\'', r"'\''")
        } else if found.get(2).is_some() {
            quoted(value)
        } else {
            in_double_quotes(value)
        }
    });
    complete.then(|| script.into_owned())
}

fn in_double_quotes(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        if matches!(c, '\\' | '$' | '`' | '"') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, pod: &str) -> String {
        let values =
            BTreeMap::from([("pod".to_owned(), Value::from(pod)), ("token".to_owned(), json!({ "$secret": "api" }))]);
        let variables = ["pod", "token", "missing"].map(str::to_owned).into();
        shown(&[CommandSpec::Line(text.to_owned())], &values, &variables).concat()
    }

    #[test]
    fn values_stand_where_they_belong() {
        assert_eq!(line("kubectl get pod {pod}", "a-1"), "kubectl get pod a-1");
        assert_eq!(line("kubectl get pod {pod} | grep {pod}", "a-1"), "kubectl get pod a-1 | grep a-1");
        assert_eq!(line("echo \"pod {pod}\" '{pod}' > out", "a-1"), "echo \"pod a-1\" 'a-1' > out");
    }

    #[test]
    fn a_hostile_value_stays_one_word() {
        let hostile = "x; rm -rf '$HOME' `id`";
        assert_eq!(line("kubectl get pod {pod}", hostile), "kubectl get pod 'x; rm -rf '\\''$HOME'\\'' `id`'");
        assert_eq!(line("echo \"{pod}\" | cat", hostile), "echo \"x; rm -rf '\\$HOME' \\`id\\`\" | cat");
        assert_eq!(line("echo '{pod}' | cat", hostile), "echo 'x; rm -rf '\\''$HOME'\\'' `id`' | cat");
    }

    #[test]
    fn a_value_that_looks_like_a_reference_is_not_one() {
        assert_eq!(line("echo {pod} {pod} > x", "\"$BELAY_2\""), "echo '\"$BELAY_2\"' '\"$BELAY_2\"' > x");
    }

    #[test]
    fn what_is_missing_secret_or_refused_stays_as_written() {
        for text in ["kubectl get pod {missing}", "curl -H {token} x", "ls -l", "# about {pod}"] {
            assert_eq!(line(text, "a"), text);
        }
        assert_eq!(line("kubectl get pod {pod}", "-oyaml"), "kubectl get pod {pod}", "no value becomes an option");
    }
}
