//! What is refused or warned of at the edge, and says what to do.

use crate::bench::Bench;
use crate::keyring::printed;

const READS: &str = "  steps:
    - name: look
      title: Look
      approval: { required: true }
      commands:
        - [echo, hello]
      rollback: { irreversible: it only reads }
";

/// Runs it and gives what it said on standard error, in one line.
fn told(bench: &Bench, arguments: &[&str], code: i32) -> String {
    let (_, err) = printed(&bench.belay(arguments), arguments, code);
    err.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_new_runbook_with_the_name_of_a_bundled_one_is_told() {
    let bench = Bench::new();
    let out = bench.expect(&["new", "pod-restart", "--step", "Look=echo hello", "--dir", "own"], 0);
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("a bundled runbook is named `pod-restart`, too"), "{out}");
    let other = bench.expect(&["new", "pod-dance", "--step", "Look=echo hello", "--dir", "own"], 0);
    assert!(!other.contains("bundled"), "{other}");
}

#[test]
fn what_cannot_be_validated_is_said_at_once() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path().join("empty")).unwrap();
    let err = told(&bench, &["validate", "empty"], 2);
    assert!(err.contains("there is no runbook in `empty`") && err.contains("hint: "), "{err}");
    nix::unistd::mkfifo(&bench.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let err = told(&bench, &["validate", "pipe"], 2);
    assert!(err.contains("`pipe` is no regular file") && err.contains("hint: "), "{err}");
}

#[test]
fn an_alert_that_is_a_list_says_what_an_alert_is() {
    let bench = Bench::new();
    for (text, what) in [("[]", "an empty list"), ("[{}]", "a list")] {
        std::fs::write(bench.path().join("alert.json"), text).unwrap();
        let err = told(&bench, &["alert", "alert.json"], 2);
        assert!(err.contains(&format!("the file is {what}, not an alert")) && err.contains("`labels`"), "{err}");
    }
}

#[test]
fn a_limit_of_nothing_and_a_guide_without_a_person_are_refused() {
    let bench = Bench::new();
    assert!(told(&bench, &["search", "pod", "--limit", "0"], 2).contains("--limit"));
    let arguments = ["guide", "--json", "--no-input"];
    let (out, err) = printed(&bench.belay(&arguments), &arguments, 2);
    assert!((out.clone() + &err).contains("nobody can be asked here"), "{out} {err}");
    assert!(!out.contains("What is wrong?"), "no prompt is printed: {out}");
}

#[test]
fn a_missing_and_a_wrong_target_are_two_things() {
    let bench = Bench::new();
    bench.runbook("gate", READS);
    bench.expect(&["run", "./gate.yaml"], 3);
    let missing = told(&bench, &["approve", "@last", "look"], 4);
    assert!(missing.contains("has to be typed: `local`"), "{missing}");
    let wrong = told(&bench, &["approve", "@last", "look", "--target", "elsewhere"], 4);
    assert!(wrong.contains("`elsewhere` is not the target of what would run, which is `local`"), "{wrong}");
}

#[test]
fn an_environment_with_production_in_its_name_is_production() {
    let bench = Bench::new();
    bench.runbook(
        "change",
        "  steps:
    - name: change
      title: Change
      commands:
        - [touch, changed]
      rollback: { irreversible: it is a file }
",
    );
    std::fs::create_dir_all(bench.path().join("home")).unwrap();
    for environment in ["prod-eu", "eu-production", "prd_1"] {
        let contexts = format!("current: there\ncontexts:\n  there: {{ environment: {environment} }}\n");
        std::fs::write(bench.path().join("home/contexts.yaml"), contexts).unwrap();
        bench.expect(&["run", "./change.yaml", "--no-input"], 3);
        let reasons = bench.json(&["approvals"], 0)[0]["approval"]["reasons"].to_string();
        assert!(reasons.contains("production-changes"), "{environment}: {reasons}");
    }
    assert!(!bench.path().join("changed").exists());
}
