//! Errors that a person can do something about say what.

use std::fs;

use crate::bench::Bench;

const DECIDES: &str = "  steps:\n    - name: which\n      title: Which way?\n      type: decision\n      branches: { left: end, right: end }\n";

/// The hint of a command that ends with this code.
#[track_caller]
fn hint(bench: &Bench, arguments: &[&str], code: i32) -> String {
    let error = bench.json(arguments, code);
    error["error"]["hint"].as_str().unwrap_or_else(|| panic!("{arguments:?} has a hint: {error:#}")).to_owned()
}

#[test]
fn a_payload_without_alerts_says_what_is_wanted() {
    let bench = Bench::new();
    for (text, wanted) in [
        (r#"{"version": "4", "alerts": []}"#, "labels"),
        (r#"{"version": "4", "alerts": [{"status": "firing"}]}"#, "labels"),
        (r#"{"labels": {"severity": "x"}}"#, "name"),
        ("not json", "Alertmanager"),
    ] {
        fs::write(bench.path().join("alert.json"), text).unwrap();
        let said = hint(&bench, &["alert", "alert.json"], 2);
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn validate_says_where_else_to_look() {
    let bench = Bench::new();
    assert!(hint(&bench, &["validate", "nosuch"], 2).contains("belay search"));
    let bundled = hint(&bench, &["validate", "pod-restart"], 2);
    assert!(bundled.contains("belay show pod-restart"), "{bundled}");
    fs::write(bench.path().join("page.md"), "# Disk full\n\n## Steps\n\nLook.\n").unwrap();
    let markdown = hint(&bench, &["validate", "page.md"], 2);
    assert!(markdown.contains("belay import page.md"), "{markdown}");
}

#[test]
fn a_wrong_branch_names_the_right_ones() {
    let bench = Bench::new();
    bench.runbook("way", DECIDES);
    bench.expect(&["run", "./way.yaml", "--no-input"], 3);
    let said = hint(&bench, &["decide", "@last", "which", "up"], 2);
    assert!(said.contains("`left`") && said.contains("`right`"), "{said}");
    assert!(hint(&bench, &["confirm", "@last", "nosuch"], 2).contains("`which`"));
    assert!(hint(&bench, &["output", "@last", "nosuch"], 2).contains("`which`"));
}

#[test]
fn a_runbook_that_cannot_run_as_written_is_not_begun() {
    let bench = Bench::new();
    let steps = "  steps:\n    - name: change\n      commands: ['touch changed']\n      rollback: { commands: ['rm changed'] }\n    \
                 - name: look\n      commands: ['true']\n      next: nosuch\n";
    bench.runbook("astray", steps);
    let error = bench.json(&["run", "./astray.yaml", "--no-input"], 2);
    let (message, hint) = (error["error"]["message"].as_str().unwrap(), error["error"]["hint"].as_str().unwrap());
    assert!(message.contains("dangling-step") && message.contains("`nosuch`"), "{message}");
    assert!(message.contains("astray.yaml:"), "the place is said: {message}");
    assert!(hint.contains("belay validate"), "{hint}");
    assert!(!bench.path().join("changed").exists(), "nothing was half started");
    assert_eq!(bench.json(&["executions"], 0), serde_json::json!([]));
    assert!(bench.expect(&["plan", "./astray.yaml"], 0).contains("change"), "it can still be read and planned");
}

#[test]
fn a_secret_that_is_not_given_is_asked_for_by_name() {
    let bench = Bench::new();
    bench.runbook(
        "needs",
        "  inputs:\n    door: { type: secret, description: what opens it, required: true }\n  steps:\n    - { name: look, \
         type: manual, title: Look }\n",
    );
    let said = hint(&bench, &["run", "./needs.yaml", "--no-input"], 2);
    assert!(said.contains("--var door=NAME") && said.contains("belay secret set"), "{said}");
}

#[test]
fn a_reason_or_a_note_without_words_is_not_taken() {
    let bench = Bench::new();
    bench.runbook("way", DECIDES);
    bench.expect(&["run", "./way.yaml", "--no-input"], 3);
    for said in [
        &["skip", "@last", "which", "--reason", ""][..],
        &["abort", "@last", "--reason", " "],
        &["rollback", "@last", "--reason", "\t"],
        &["note", "@last", " "],
    ] {
        assert!(hint(&bench, said, 2).contains("few words"), "{said:?}");
    }
    assert_eq!(bench.json(&["status", "@last"], 0)["status"], "waiting");
}

#[test]
fn a_filter_that_nothing_can_match_is_refused_with_the_words_there_are() {
    let bench = Bench::new();
    assert!(hint(&bench, &["search", "--severity", "sev9"], 2).contains("sev1, sev2"));
    assert!(hint(&bench, &["search", "--category", "cooking"], 2).contains("incident_response"));
    assert!(hint(&bench, &["search", "--domain", "kitchen"], 2).contains("database"));
    bench.expect(&["search", "pod", "--severity", "sev2"], 0);
}

#[test]
fn other_errors_say_what_to_do() {
    let bench = Bench::new();
    hint(&bench, &["audit", "verify", "./nosuch.belay"], 2);
    hint(&bench, &["catalog", "add", "nosuch"], 2);
    hint(&bench, &["import", "nosuch.md", "--out", "out"], 2);
    hint(&bench, &["show", "./nosuch.yaml"], 2);
    hint(&bench, &["show", "nosuch"], 2);
    hint(&bench, &["status", "@last"], 2);
    hint(&bench, &["run", "./nosuch.yaml"], 2);
}
