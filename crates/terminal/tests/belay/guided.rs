//! Guided runs on a real terminal.

use crate::bench::Bench;

const STEPS: &str = "  prerequisites:
    - The folder is there
  steps:
    - name: which
      title: Which way?
      type: decision
      branches:
        mark: { next: mark, description: Write the marker }
        stop: { next: end, description: Nothing to do }
    - name: mark
      title: Write the marker
      approval: { required: true }
      commands:
        - [touch, marker]
      rollback:
        commands:
          - [rm, marker]
";
const SLOW: &str = "  steps:
    - name: slow
      title: Slow
      commands:
        - [sh, -c, echo started; sleep 600]
      rollback: { irreversible: waiting changes nothing }
";

#[test]
fn a_checklist_a_decision_and_an_approval_by_typed_target_complete_a_run() {
    let bench = Bench::new();
    bench.runbook("way", STEPS);
    let mut terminal = bench.terminal(&["run", "./way.yaml"]);
    terminal.wait_for("[ ] 1  The folder is there");
    terminal.wait_for("Item 1?");
    terminal.type_line("y");
    terminal.wait_for("Which branch, 1 to 2?");
    terminal.type_line("?");
    terminal.wait_for("leave safely");
    terminal.wait_for("Which branch, 1 to 2?");
    terminal.type_line("1");
    terminal.wait_for("Target?");
    terminal.type_line("not-it");
    terminal.wait_for("nothing was approved");
    terminal.wait_for("Target?");
    terminal.type_line("local");
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn leaving_keeps_the_execution_and_resuming_asks_again() {
    let bench = Bench::new();
    bench.runbook("way", STEPS);
    let mut terminal = bench.terminal(&["run", "./way.yaml"]);
    terminal.wait_for("Item 1?");
    terminal.type_line("n");
    terminal.wait_for("Note:");
    terminal.type_line("the pager rang at three");
    terminal.wait_for("Item 1?");
    terminal.type_line("q");
    terminal.wait_for("Left safely");
    assert_eq!(terminal.end(), 3);
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!(status["notes"][0]["text"], "the pager rang at three");
    let mut terminal = bench.terminal(&["resume", "@last"]);
    terminal.wait_for("Item 1?");
    terminal.type_line("all");
    terminal.wait_for("Which branch, 1 to 2?");
    terminal.type_line("stop");
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn the_first_interrupt_cancels_what_runs_and_its_outcome_is_asked_for() {
    let bench = Bench::new();
    bench.runbook("slow", SLOW);
    let mut terminal = bench.terminal(&["run", "./slow.yaml"]);
    terminal.wait_for("│ started");
    terminal.interrupt();
    terminal.wait_for("cancelling what runs");
    terminal.wait_for("What happened?");
    terminal.type_line("3");
    terminal.wait_for("It failed");
    terminal.wait_for("What now?");
    terminal.type_line("q");
    assert_eq!(terminal.end(), 1);
    assert_eq!(bench.json(&["status", "@last"], 0)["status"], "failed");
}

#[test]
fn the_second_interrupt_leaves_safely() {
    let bench = Bench::new();
    bench.runbook("slow", SLOW);
    let mut terminal = bench.terminal(&["run", "./slow.yaml"]);
    terminal.wait_for("│ started");
    terminal.interrupt();
    terminal.wait_for("cancelling what runs");
    terminal.interrupt();
    terminal.wait_for("Left safely");
    assert_eq!(terminal.end(), 3);
    assert_eq!(bench.json(&["status", "@last"], 0)["waiting_on"][0]["kind"], "outcome");
}

#[test]
fn a_failed_step_can_be_skipped_with_a_reason() {
    let bench = Bench::new();
    let spec = "  steps:\n    - name: break\n      title: Break\n      commands:\n        - [\"false\"]\n      rollback: { irreversible: nothing to take back }\n";
    bench.runbook("fails", spec);
    let mut terminal = bench.terminal(&["run", "./fails.yaml"]);
    terminal.wait_for("It failed");
    terminal.type_line("s");
    terminal.wait_for("Why skip it?");
    terminal.type_line("it is broken tonight");
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn another_process_that_drove_in_between_leaves_the_log_whole() {
    let bench = Bench::new();
    let spec = "  steps:\n    - name: do\n      commands:\n        - [\"true\"]\n      rollback:\n        commands:\n          - [\"true\"]\n    - name: fail\n      commands:\n        - [\"false\"]\n      rollback: { irreversible: nothing to take back }\n";
    bench.runbook("twice", spec);
    let mut terminal = bench.terminal(&["run", "./twice.yaml"]);
    terminal.wait_for("It failed");
    // The failed drive is over, so that another process may go on.
    bench.expect(&["retry", "@last", "fail"], 0);
    bench.expect(&["resume", "@last", "--no-input"], 1);
    terminal.wait_for("It failed");
    terminal.wait_for("What now?");
    terminal.answer("u", "Why");
    terminal.type_line("it cannot be had tonight");
    terminal.wait_for("rolled back");
    terminal.end();
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!(status["status"], "rolled_back", "{status:#}");
    bench.expect(&["audit", "verify"], 0);
}

#[test]
fn control_sequences_in_output_do_not_reach_the_terminal() {
    let bench = Bench::new();
    let spec = "  steps:\n    - name: evil\n      title: Evil\n      effect: read\n      commands:\n        - [printf, 'a\\033[2Jb\\n']\n      rollback: { irreversible: it only reads }\n";
    bench.runbook("evil", spec);
    let mut terminal = bench.terminal(&["run", "./evil.yaml"]);
    terminal.wait_for("a␛[2Jb");
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
}

const VALUES: &str = "  inputs:
    name: { type: string, pattern: '[a-z]+', description: A name }
    count: { type: integer, description: How many }
    level: { type: string, options: [low, high] }
    host: { type: string, description: Where }
  steps:
    - name: look
      title: Look
      effect: read
      commands:
        - [echo, '{name}', '{count}', '{level}']
      rollback: { irreversible: it only reads }
    - name: ask
      title: Ask
      type: verification
      when: '{{ eq 1 2 }}'
      action: http.healthcheck
      parameters: { url: 'http://{{ .Vars.host }}/health' }
";

#[test]
fn each_value_is_judged_where_it_is_typed_and_can_be_taken_back() {
    let bench = Bench::new();
    bench.runbook("values", VALUES);
    let mut terminal = bench.terminal(&["run", "./values.yaml"]);
    terminal.wait_for("name =");
    terminal.type_line("Not so");
    terminal.wait_for("has to match `[a-z]+`");
    terminal.wait_for("name =");
    terminal.type_line("<");
    terminal.wait_for("this is the first value");
    terminal.wait_for("name =");
    terminal.type_line("wrong");
    terminal.wait_for("count =");
    terminal.type_line("many");
    terminal.wait_for("a whole number");
    terminal.wait_for("count =");
    terminal.type_line("?");
    terminal.wait_for("back to the value before");
    terminal.wait_for("count =");
    terminal.type_line("<");
    terminal.wait_for("name =");
    terminal.type_line("right");
    terminal.wait_for("count =");
    terminal.type_line("3");
    terminal.wait_for("level =");
    terminal.type_line("middle");
    terminal.wait_for("it is one of low, high");
    terminal.wait_for("level =");
    terminal.type_line("2");
    terminal.wait_for("host =");
    // A value from outside may not name a metadata address, nor leave its place in the address.
    terminal.type_line("169.254.169.254");
    terminal.wait_for("cannot be used");
    terminal.wait_for("host =");
    terminal.type_line("web-1");
    terminal.wait_for("right 3 high");
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!(status["inputs"]["count"], 3);
    assert_eq!(bench.json(&["executions"], 0).as_array().unwrap().len(), 1, "nothing was started in vain");
}

const MISSES: &str = "  inputs:
    one: { type: integer, required: false }
    two: { type: integer, required: false }
  steps:
    - name: look
      title: Look
      effect: read
      commands:
        - [echo, 'sum {one} {two}']
      rollback: { irreversible: it only reads }
";

#[test]
fn values_that_a_step_misses_are_judged_and_taken_back_alike() {
    let bench = Bench::new();
    bench.runbook("misses", MISSES);
    let mut terminal = bench.terminal(&["run", "./misses.yaml"]);
    terminal.wait_for("one =");
    terminal.type_line("first");
    terminal.wait_for("a whole number");
    terminal.type_line("1");
    terminal.wait_for("two =");
    terminal.type_line("<");
    terminal.wait_for("one =");
    terminal.type_line("5");
    terminal.wait_for("two =");
    terminal.type_line("6");
    terminal.wait_for("sum 5 6");
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
}

const BREAKS: &str = "  steps:\n    - name: break\n      title: Break\n      commands:\n        - [\"false\"]\n      rollback: { irreversible: nothing to take back }\n";

#[test]
fn a_failed_screen_shows_that_another_process_skipped_the_step() {
    let bench = Bench::new();
    bench.runbook("fails", BREAKS);
    let mut terminal = bench.terminal(&["run", "./fails.yaml"]);
    terminal.wait_for("What now?");
    bench.expect(&["skip", "@last", "break", "--reason", "not tonight"], 0);
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_failed_screen_shows_that_another_process_opened_the_step_again() {
    let bench = Bench::new();
    bench.runbook("fails", BREAKS);
    let mut terminal = bench.terminal(&["run", "./fails.yaml"]);
    terminal.wait_for("What now?");
    bench.expect(&["retry", "@last", "break"], 0);
    terminal.wait_for("nobody drives it now");
    terminal.wait_for("Go on here?");
    terminal.type_line("r");
    terminal.wait_for("It failed");
    terminal.wait_for("What now?");
    terminal.type_line("q");
    assert_eq!(terminal.end(), 1);
    assert_eq!(bench.json(&["status", "@last"], 0)["steps"][0]["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_failed_screen_shows_what_another_process_does_and_answers_it() {
    let bench = Bench::new();
    let spec = format!("{BREAKS}    - name: look\n      title: Look\n      type: manual\n      description: Look.\n");
    bench.runbook("fails", &spec);
    let mut terminal = bench.terminal(&["run", "./fails.yaml"]);
    terminal.wait_for("What now?");
    bench.expect(&["skip", "@last", "break", "--reason", "not tonight"], 0);
    terminal.wait_for("Done?");
    let mut other = bench.terminal(&["resume", "@last"]);
    other.wait_for("Done?");
    terminal.wait_for("another process drives it now");
    terminal.type_line("d");
    other.wait_for("completed");
    assert_eq!(other.end(), 0);
    terminal.wait_for("completed");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn an_undo_that_needs_an_approval_is_asked_for_on_the_terminal() {
    let bench = Bench::new();
    bench.runbook("gated", crate::commands::GATED_UNDO);
    let mut terminal = bench.terminal(&["run", "./gated.yaml"]);
    terminal.wait_for("rm marker");
    terminal.wait_for("Taking this back needs an approval");
    terminal.wait_for("Target?");
    terminal.type_line("r");
    terminal.wait_for("Why reject it?");
    terminal.type_line("not like this");
    terminal.wait_for("An undo is stuck");
    terminal.type_line("r");
    terminal.wait_for("Target?");
    terminal.type_line("local");
    terminal.wait_for("rolled back");
    assert_eq!(terminal.end(), 1);
    assert!(!bench.path().join("marker").exists());
}
