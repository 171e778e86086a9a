//! Commands without a terminal.

use serde_json::Value;

use crate::bench::Bench;

const READS: &str = "  steps:\n    - name: look\n      title: Look\n      effect: read\n      commands:\n        - [echo, hello]\n      rollback: { irreversible: it only reads }\n";
const FAILS: &str = "  steps:\n    - name: break\n      title: Break\n      commands:\n        - [sh, -c, exit 7]\n      rollback: { irreversible: nothing to take back }\n";
const ASKS: &str = "  steps:\n    - name: ask\n      title: Ask\n      type: manual\n      description: Look at it\n";

#[test]
fn the_version_is_printed_without_a_home() {
    let bench = Bench::new();
    assert!(bench.expect(&["--version"], 0).starts_with("belay "));
    assert!(!bench.path().join("home").exists(), "a version needs no home");
}

#[test]
fn without_a_terminal_and_a_command_it_prints_help() {
    let out = Bench::new().expect(&[], 0);
    assert!(out.contains("Usage: belay"), "{out}");
}

#[test]
fn a_wrong_flag_is_a_usage_error_with_a_hint() {
    let output = Bench::new().belay(&["status", "--nonsense"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(err.starts_with("error: unexpected argument `--nonsense` found\nhint: "), "{err}");
}

#[test]
fn an_error_is_a_json_document_where_json_was_asked_for() {
    let bench = Bench::new();
    let error = bench.json(&["status", "feed"], 2);
    assert_eq!(error["error"]["exit_code"], 2);
    assert!(error["error"]["message"].as_str().is_some_and(|message| message.contains("feed")), "{error}");
}

#[test]
fn a_run_that_completes_ends_with_zero_and_streams_json_lines() {
    let bench = Bench::new();
    bench.runbook("reads", READS);
    let out = bench.expect(&["run", "./reads.yaml", "--json"], 0);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["event"] == "output" && line["text"].as_str() == Some("hello\n")), "{out}");
    assert_eq!(lines.last().unwrap()["status"], "completed", "the status document comes last");
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!(status["steps"][0]["status"], "succeeded");
    assert_eq!(bench.expect(&["output", "@last", "look"], 0), "hello\n");
    assert_eq!(bench.json(&["audit", "verify", "@last"], 0)["ok"], true);
    bench.expect(&["audit", "export", "@last", "--out", "log.belay"], 0);
    assert_eq!(bench.json(&["audit", "verify", "log.belay"], 0)["ok"], true, "the file verifies alone");
}

#[test]
fn a_run_that_fails_ends_with_one() {
    let bench = Bench::new();
    bench.runbook("fails", FAILS);
    let out = bench.expect(&["run", "./fails.yaml"], 1);
    assert!(out.contains("✗ failed") && out.contains("belay retry"), "{out}");
}

#[test]
fn a_run_that_waits_ends_with_three_and_says_what_to_type() {
    let bench = Bench::new();
    bench.runbook("asks", ASKS);
    let out = bench.expect(&["run", "./asks.yaml"], 3);
    assert!(out.contains("belay confirm ") && !out.contains("Nobody drives it"), "{out}");
    let executions = bench.json(&["executions"], 0);
    assert_eq!(executions[0]["waiting_on"][0]["kind"], "manual");
    bench.expect(&["confirm", "@last", "ask"], 0);
    bench.expect(&["resume", "@last", "--no-input"], 0);
}

#[test]
fn an_approval_for_another_target_is_refused_with_four() {
    let bench = Bench::new();
    bench.runbook("gate", &READS.replace("      effect: read\n", "      approval: { required: true }\n"));
    bench.expect(&["run", "./gate.yaml"], 3);
    assert_eq!(bench.json(&["approvals"], 0)[0]["step"], "look");
    bench.expect(&["approve", "@last", "look", "--target", "elsewhere"], 4);
    bench.expect(&["approve", "@last", "look", "--target", "local"], 0);
    bench.expect(&["resume", "@last"], 0);
    assert_eq!(bench.expect(&["approvals"], 0), "nothing waits for an approval\n");
}

#[test]
fn a_home_that_is_a_file_is_the_environments_fault() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("home"), "x").unwrap();
    bench.expect(&["executions"], 5);
}

#[test]
fn validation_fails_with_one_and_speaks_text_json_and_sarif() {
    let bench = Bench::new();
    bench.runbook("odd", "  stepz: []\n");
    assert!(bench.expect(&["validate", "odd.yaml"], 1).contains("error["));
    assert!(bench.json(&["validate", "odd.yaml"], 1).as_array().is_some_and(|list| !list.is_empty()));
    let sarif: Value = serde_json::from_str(&bench.expect(&["validate", "odd.yaml", "--format", "sarif"], 1)).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
}

#[test]
fn empty_states_say_what_to_do() {
    let bench = Bench::new();
    let out = bench.expect(&["executions"], 0);
    assert_eq!(out, "no executions yet\nhint: start one with `belay run pod-restart`\n");
    assert_eq!(bench.json(&["executions"], 0), Value::Array(Vec::new()));
}

#[test]
fn the_bundled_catalog_is_found_and_shown_without_a_database() {
    let bench = Bench::new();
    let document = bench.json(&["show", "pod-restart"], 0);
    assert_eq!(document["metadata"]["name"], "pod-restart");
    assert!(!bench.path().join("home").exists(), "showing needs no database");
    let hits = bench.json(&["search", "pod"], 0);
    assert!(hits.as_array().is_some_and(|hits| !hits.is_empty()));
}

pub const GATED_UNDO: &str = "  steps:
    - name: mark
      title: Write the marker
      commands:
        - [touch, marker]
      rollback: back
    - name: fail
      title: Fail
      commands:
        - [\"false\"]
      rollback: { irreversible: nothing to take back }
      onFailure: rollback
    - name: back
      title: Remove the marker
      approval: { required: true }
      commands:
        - [rm, marker]
";

#[test]
fn an_undo_that_needs_an_approval_is_asked_for_and_taken_back_after_it() {
    let bench = Bench::new();
    bench.runbook("gated", GATED_UNDO);
    let out = bench.expect(&["run", "./gated.yaml", "--no-input"], 3);
    assert!(out.contains("belay approve ") && out.contains("mark --target local"), "{out}");
    assert!(bench.path().join("marker").exists(), "nothing is taken back before somebody approved it");
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!(status["status"], "waiting");
    assert_eq!(status["waiting_on"][0]["kind"], "approval");
    assert_eq!(status["steps"][0]["acts"][0]["parameters"]["argv"][0], "rm", "what would run is shown: {status:#}");
    assert_eq!(bench.json(&["approvals"], 0)[0]["step"], "mark");
    bench.expect(&["approve", "@last", "mark", "--target", "elsewhere"], 4);
    bench.expect(&["approve", "@last", "mark", "--target", "local"], 0);
    bench.expect(&["resume", "@last", "--no-input"], 1);
    assert_eq!(bench.json(&["status", "@last"], 0)["status"], "rolled_back");
    assert!(!bench.path().join("marker").exists());
    assert_eq!(bench.json(&["audit", "verify", "@last"], 0)["ok"], true);
}

#[test]
fn a_failure_that_leads_back_to_a_change_is_a_decision() {
    let bench = Bench::new();
    let spec = "  steps:\n    - name: add\n      title: Add\n      commands:\n        - [sh, -c, 'echo x >> lines; test $(wc -l < lines) -ge 2']\n      rollback: { irreversible: it counts }\n      onFailure: add\n";
    bench.runbook("again", spec);
    let out = bench.expect(&["run", "./again.yaml", "--no-input"], 3);
    assert!(out.contains("belay decide ") && out.contains("add retry"), "{out}");
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!(status["waiting_on"][0]["kind"], "decision");
    let detail = status["waiting_on"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("step `add`: exit status 1"), "it says what failed: {detail}");
    assert_eq!(std::fs::read_to_string(bench.path().join("lines")).unwrap(), "x\n", "it is not repeated by itself");
    let wrong = bench.json(&["decide", "@last", "add", "maybe"], 2);
    assert!(wrong["error"]["hint"].as_str().unwrap().contains("`retry` or `skip`"), "{wrong}");
    bench.expect(&["decide", "@last", "add", "retry"], 0);
    bench.expect(&["resume", "@last", "--no-input"], 0);
    assert_eq!(std::fs::read_to_string(bench.path().join("lines")).unwrap(), "x\nx\n");
}

#[test]
fn a_rollback_names_what_was_done_by_hand_and_what_has_to_be_undone() {
    let bench = Bench::new();
    bench.runbook(
        "hands",
        "  steps:
    - name: scale
      title: Scale the shop
      commands:
        - [\"false\"]
      rollback:
        commands:
          - [shopctl, scale, \"2\"]
    - name: tell
      title: Tell them
      type: manual
      description: Say it.
",
    );
    bench.expect(&["run", "./hands.yaml", "--no-input"], 1);
    bench.expect(&["confirm", "@last", "scale", "--by-hand"], 0);
    bench.expect(&["resume", "@last", "--no-input"], 3);
    let by_hand = "nothing is taken back by itself; undo: shopctl scale 2";
    let preview = bench.json(&["status", "@last"], 0)["takes_back"].clone();
    let scale = preview.as_array().unwrap().iter().find(|item| item["status"] == "by_hand").unwrap();
    assert_eq!(scale["title"], "Scale the shop");
    assert!(scale["how"].as_str().unwrap().contains(by_hand), "{preview:#}");
    let told = bench.expect(&["rollback", "@last", "--reason", "enough"], 0);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("Scale the shop: done by hand by ") && told.contains(by_hand), "{told}");
    assert!(!told.contains("Tell them"), "what changes nothing is not asked back: {told}");
    bench.expect(&["resume", "@last", "--no-input"], 1);
    let log = bench.expect(&["log", "@last"], 0);
    let log = log.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(log.contains(by_hand), "the record has it, too: {log}");
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!(status["steps"][0]["undo"]["status"], "by_hand", "{status:#}");
    bench.expect(&["audit", "verify"], 0);
}

#[test]
fn what_would_fail_half_way_is_told_or_refused_at_the_start() {
    let bench = Bench::new();
    bench.runbook(
        "absent",
        "  inputs:
    replicas: { type: integer, description: how many, required: true }
  steps:
    - name: first
      title: First
      effect: read
      commands:
        - [echo, hello]
      rollback: { irreversible: it only reads }
    - name: second
      title: Second
      commands:
        - no-such-program-here --replicas {replicas}
        - echo {replicas}
      rollback: { irreversible: it only reads }
",
    );
    let plan = bench.expect(&["plan", "./absent.yaml", "--var", "replicas=3"], 0);
    let plan = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plan.contains("problem: `no-such-program-here` is not on this device's PATH"), "{plan}");
    let output = bench.belay(&["run", "./absent.yaml", "--no-input", "--var", "replicas=3"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let err = err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(err.contains("warning: `no-such-program-here` is not on this device"), "{out} {err}");
    assert!(err.contains("`second` would start it"), "{err}");

    let started = bench.json(&["executions"], 0).as_array().unwrap().len();
    let output = bench.belay(&["run", "./absent.yaml", "--no-input", "--var", "replicas=-5"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("`-5` cannot be used") && err.contains("step `second`"), "{err}");
    assert_eq!(bench.json(&["executions"], 0).as_array().unwrap().len(), started, "nothing was started");
}
