//! Secrets in a real keyring, in the environment, and where there is neither.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::Bench;
use crate::keyring::{Session, printed};

const VALUE: &str = "correct-horse-battery";

/// Takes the secret of its variable, says how long it is, and tries to say what it is.
const NEEDS: &str = "  inputs:
    token: { type: secret, description: what opens the door, required: true }
  steps:
    - name: use
      title: Use it
      effect: read
      action: command.run
      parameters: { script: \"printf '%s|%s\\\\n' \\\"$T\\\" \\\"${#T}\\\"\", env: { T: '{{ .Vars.token }}' } }
      rollback: { irreversible: it only reads }
";

/// The same with the name of the secret in the runbook itself.
fn naming(secret: &str) -> String {
    let steps = NEEDS.split_once("  steps:").unwrap().1;
    format!("  steps:{}", steps.replace("'{{ .Vars.token }}'", &format!("{{ $secret: {secret} }}")))
}

const NEEDS_NONE: &str = "  steps:
    - name: look
      title: Look
      effect: read
      commands:
        - [echo, hello]
      rollback: { irreversible: it only reads }
";

/// Starts the runbook and approves its step, where policy wants that.
fn run_with(bench: &Bench, environment: &[(&str, &str)], variable: &str, code: i32) -> String {
    let arguments = ["run", "./needs.yaml", "--var", variable, "--no-input"];
    let output = bench.belay_with(environment, &arguments, "");
    if output.status.code() != Some(3) {
        let (out, err) = printed(&output, &arguments, code);
        return out + &err;
    }
    printed(&bench.belay_with(environment, &["approve", "@last", "use", "--target", "local"], ""), &["approve"], 0);
    let (out, err) = printed(&bench.belay_with(environment, &["resume", "@last", "--no-input"], ""), &["resume"], code);
    out + &err
}

/// Every file below a folder that holds a text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = Vec::from_iter(folder.exists().then(|| folder.to_owned()));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_secret_is_kept_given_to_a_command_and_removed() {
    let (session, bench) = (Session::open(), Bench::new());
    bench.runbook("needs", NEEDS);
    let (out, _) = session.expect(&bench, &["secret", "set", "door"], &format!("{VALUE}\n"), 0);
    assert!(out.starts_with("secret door is kept in the keyring"), "{out}");
    let (out, err) = session.expect(&bench, &["secret", "list", "--json"], "", 0);
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&list["secrets"][0]["name"], &list["locked"]), (&"door".into(), &false.into()));
    assert!(list["secrets"][0]["set_at"].is_string(), "GNOME Keyring says when: {out}");
    assert!(!(out + &err).contains(VALUE), "a value is never listed");
    let (plan, _) = session.expect(&bench, &["plan", "./needs.yaml", "--var", "token=door"], "", 0);
    assert!(!plan.contains("problem:"), "{plan}");

    let told = run_with(&bench, &session.environment(), "token=door", 0);
    let (out, _) = session.expect(&bench, &["output", "@last", "use"], "", 0);
    assert_eq!(out, format!("[redacted]|{}\n", VALUE.len()), "the command had it, and nobody is shown it");
    assert!(!told.contains(VALUE));
    assert_eq!(holding(&bench.path().join("home"), VALUE), Vec::<String>::new(), "no file of the home holds it");

    let (out, _) = session.expect(&bench, &["secret", "set", "door", "--json"], "another-value-entirely", 0);
    let kept: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(kept["replaced"], true);
    // The keyring comes before the environment.
    let mut both = session.environment().to_vec();
    both.push(("BELAY_SECRET_DOOR", "short"));
    run_with(&bench, &both, "token=door", 0);
    let (out, _) = session.expect(&bench, &["output", "@last", "use"], "", 0);
    assert_eq!(out, format!("[redacted]|{}\n", "another-value-entirely".len()));

    session.expect(&bench, &["secret", "remove", "door"], "", 0);
    let (_, err) = session.expect(&bench, &["secret", "remove", "door"], "", 2);
    assert!(err.starts_with("error: the keyring holds no secret `door`\nhint: "), "{err}");
    let (out, _) = session.expect(&bench, &["secret", "list"], "", 0);
    assert!(out.starts_with("no secrets are kept yet"), "{out}");
    let (out, _) = session.expect(&bench, &["doctor"], "", 0);
    assert!(out.contains("keeps secrets and gives them back"), "{out}");
}

#[test]
fn a_secret_that_the_runbook_names_and_that_is_missing_is_told_before_the_step_and_with_both_ways_to_give_it() {
    let (session, bench) = (Session::open(), Bench::new());
    bench.runbook("needs", &naming("front.door"));
    let (plan, _) = session.expect(&bench, &["plan", "./needs.yaml"], "", 0);
    let plan = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in
        ["problem: secret `front.door` is not set", "`belay secret set front.door`", "`BELAY_SECRET_FRONT_DOOR`"]
    {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(plan.contains("will run printf"), "the rest of the step is planned all the same: {plan}");
    let (out, err) = session.expect(&bench, &["run", "./needs.yaml", "--no-input"], "", 1);
    let told = (out + &err).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("warning: secret `front.door` is not set"), "{told}");
    let (status, _) = session.expect(&bench, &["status", "@last", "--json"], "", 0);
    let status: Value = serde_json::from_str(&status).unwrap();
    let error = status["steps"][0]["error"].as_str().unwrap_or_default();
    assert!(error.contains("`belay secret set front.door`"), "{status}");
    assert!(status["steps"][0]["approval"].is_null(), "nobody was asked to approve what cannot start: {status}");
}

#[test]
fn what_is_typed_for_a_secret_and_names_none_is_refused_and_stands_nowhere() {
    let bench = Bench::new();
    bench.runbook("needs", NEEDS);
    // One looks like a name, the other like nothing that could be one.
    for typed in ["hunter2", "correct horse battery!"] {
        let variable = format!("token={typed}");
        for command in ["run", "plan"] {
            let arguments = [command, "./needs.yaml", "--no-input", "--var", &variable];
            let (out, err) = printed(&bench.belay(&arguments), &arguments, 2);
            assert!(err.contains("variable `token`") && err.contains("`belay secret set NAME`"), "{err}");
            assert!(!(out + &err).contains(typed), "it may be the secret: {err}");
        }
        assert_eq!(holding(&bench.path().join("home"), typed), Vec::<String>::new(), "no file of the home holds it");
    }
    assert_eq!(bench.json(&["executions"], 0), Value::Array(Vec::new()), "nothing was started");

    let mut terminal = bench.terminal(&["run", "./needs.yaml"]);
    terminal.wait_for("token =");
    terminal.press("hunter2\r");
    terminal.shows("is not the name of a secret");
    assert_eq!(holding(&bench.path().join("home"), "hunter2"), Vec::<String>::new());
}

#[test]
fn a_missing_value_that_is_given_later_is_a_name_that_is_declared_and_a_secret_is_never_one_itself() {
    let bench = Bench::new();
    bench.runbook("later", &NEEDS.replace("required: true", "required: false"));
    bench.expect(&["run", "./later.yaml", "--no-input"], 3);
    let refused = |value: &str, parts: &[&str]| {
        let arguments = ["provide", "@last", value];
        let (out, err) = printed(&bench.belay(&arguments), &arguments, 2);
        for part in parts {
            assert!(err.contains(part), "{part}: {err}");
        }
        out + &err
    };
    assert!(!refused("token=hunter2", &["variable `token`", "`belay secret set NAME`"]).contains("hunter2"));
    refused("tokn=door", &["there is no variable `tokn`", "did you mean `token`?"]);
    assert_eq!(holding(&bench.path().join("home"), "hunter2"), Vec::<String>::new());
    let given = ["provide", "@last", "token=door"];
    printed(&bench.belay_with(&[("BELAY_SECRET_DOOR", VALUE)], &given, ""), &given, 0);
}

#[test]
fn a_secret_is_typed_without_being_shown() {
    let (session, bench) = (Session::open(), Bench::new());
    let mut terminal = bench.terminal_with(&session.environment(), &["secret", "set", "door"]);
    terminal.wait_for("(nothing is shown) ›");
    terminal.press("wrong\u{15}corrext\u{7f}\u{7f}ct-horse\r");
    let shown = terminal.shows("secret door is kept");
    assert!(!shown.contains("horse") && !shown.contains("wrong"), "{shown}");
    assert!(terminal.ends_restored());
    assert_eq!(terminal.end(), 0);
    bench.runbook("needs", NEEDS);
    run_with(&bench, &session.environment(), "token=door", 0);
    let (out, _) = session.expect(&bench, &["output", "@last", "use"], "", 0);
    assert_eq!(out, format!("[redacted]|{}\n", "correct-horse".len()), "it is what was typed in the end");

    let mut terminal = bench.terminal_with(&session.environment(), &["secret", "set", "other"]);
    terminal.wait_for("(nothing is shown) ›");
    terminal.press("half");
    terminal.interrupt();
    terminal.shows("no secret was given; nothing is changed");
    assert!(terminal.ends_restored());
    assert_eq!(terminal.end(), 2);
}

#[test]
fn a_name_or_value_that_cannot_be_is_bad_input() {
    let bench = Bench::new();
    let refused = |arguments: &[&str], input: &str| {
        let output = bench.belay_with(&[("BELAY_KEYRING", "system"), NOWHERE], arguments, input);
        let (_, err) = printed(&output, arguments, 2);
        assert!(err.starts_with("error: ") && err.contains("hint: "), "{err}");
        err
    };
    let err = refused(&["secret", "set", "door", VALUE], "");
    assert!(err.contains("never given as an argument") && !err.contains(VALUE), "{err}");
    let err = refused(&["secret", "set", "pass word!"], VALUE);
    assert!(err.contains("no name of a secret") && !err.contains("word!"), "it may be the secret: {err}");
    assert!(refused(&["secret", "set", "door"], "\n").contains("empty"));
    assert!(refused(&["secret", "set", "door"], "a\0b").contains("zero byte"));
    assert!(refused(&["secret", "set", "door"], &"x".repeat(70_000)).contains("longer than 64 KiB"));
}

/// An address where no bus is.
const NOWHERE: (&str, &str) = ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");

#[test]
fn without_a_keyring_the_environment_serves() {
    let bench = Bench::new();
    bench.runbook("needs", NEEDS);
    let nowhere = [("BELAY_KEYRING", "system"), NOWHERE];
    for arguments in [&["secret", "set", "door"][..], &["secret", "list"], &["secret", "remove", "door"]] {
        let (out, err) = printed(&bench.belay_with(&nowhere, arguments, VALUE), arguments, 5);
        assert!(err.starts_with("error: there is no keyring here: "), "{err}");
        assert!(err.contains("hint: ") && err.contains("BELAY_SECRET_<NAME>"), "{err}");
        assert!(!(out + &err).contains(VALUE));
    }
    let (out, _) = printed(&bench.belay_with(&nowhere, &["doctor", "--json"], ""), &["doctor"], 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "keyring").unwrap();
    assert_eq!((&check["ok"], &report["ok"]), (&false.into(), &true.into()), "it is told, and stops nothing");
    assert!(check["hint"].as_str().unwrap().contains("BELAY_SECRET_<NAME>"), "{check}");

    let told = run_with(&bench, &nowhere, "token=front-door", 2);
    assert!(told.contains("BELAY_SECRET_<NAME>") && !told.contains("front-door"), "{told}");
    bench.runbook("names", &naming("front-door"));
    let (out, err) = printed(&bench.belay_with(&nowhere, &["run", "./names.yaml", "--no-input"], ""), &["run"], 1);
    let told = (out + &err).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("not set in the environment, and there is no keyring here"), "{told}");
    run_with(&bench, &[nowhere[0], nowhere[1], ("BELAY_SECRET_FRONT_DOOR", VALUE)], "token=front-door", 0);
    assert_eq!(bench.expect(&["output", "@last", "use"], 0), format!("[redacted]|{}\n", VALUE.len()));
}

#[test]
fn a_bus_is_asked_for_secrets_alone_and_not_for_ever() {
    let bench = Bench::new();
    bench.runbook("needs", NEEDS);
    bench.runbook("needs-none", NEEDS_NONE);
    let path = bench.path().join("bus");
    let bus = UnixListener::bind(&path).unwrap();
    bus.set_nonblocking(true).unwrap();
    let address = format!("unix:path={}", path.display());
    let environment = [("BELAY_KEYRING", "system"), ("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    for arguments in [
        &["--version"][..],
        &["search", "slow"],
        &["show", "./needs.yaml"],
        &["plan", "./needs-none.yaml"],
        &["run", "./needs-none.yaml", "--no-input"],
        &["executions"],
        &["--help"],
    ] {
        printed(&bench.belay_with(&environment, arguments, ""), arguments, 0);
        assert!(bus.accept().is_err(), "belay {arguments:?} needs no secret and asks no bus");
    }
    let begun = Instant::now();
    let (_, err) = printed(&bench.belay_with(&environment, &["secret", "list"], ""), &["secret", "list"], 5);
    assert!(err.starts_with("error: the keyring does not answer\nhint: "), "{err}");
    assert!(begun.elapsed() < Duration::from_secs(20), "a bus that never answers is given up");
    assert!(bus.accept().is_ok(), "this one was asked");
    let begun = Instant::now();
    run_with(&bench, &[environment[0], environment[1], ("BELAY_SECRET_DOOR", VALUE)], "token=door", 0);
    assert!(begun.elapsed() < Duration::from_mins(1), "and the environment still serves");
}

#[test]
fn a_keyring_that_nobody_unlocks_is_given_up_and_the_environment_is_taken_before() {
    let (mut session, bench) = (Session::open(), Bench::new());
    bench.runbook("needs", NEEDS);
    session.expect(&bench, &["secret", "set", "door"], VALUE, 0);
    session.lock();
    let (out, _) = session.expect(&bench, &["secret", "list", "--no-input"], "", 0);
    assert!(out.contains("the keyring is locked and may hold more"), "{out}");
    let (plan, _) = session.expect(&bench, &["plan", "./needs.yaml", "--var", "token=door"], "", 0);
    assert!(
        !plan.contains("problem:"),
        "a locked keyring says that it holds it, and is not unlocked for a plan: {plan}"
    );
    let (_, err) = session.expect(&bench, &["secret", "set", "other", "--no-input"], VALUE, 5);
    assert!(err.starts_with("error: the keyring is locked\nhint: "), "nothing is asked: {err}");
    let mut given = session.environment().to_vec();
    given.push(("BELAY_SECRET_DOOR", "from-the-environment"));
    let begun = Instant::now();
    run_with(&bench, &given, "token=door", 0);
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody is waited for");
    assert_eq!(bench.expect(&["output", "@last", "use"], 0), "[redacted]|20\n");

    let begun = Instant::now();
    let told = run_with(&bench, &session.environment(), "token=door", 1);
    let waited = begun.elapsed();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("secret `door` cannot be read: the keyring stayed locked"), "{told}");
    assert!(waited < Duration::from_secs(100), "whoever gives up first, the keyring or Belay: {waited:?}");
}
