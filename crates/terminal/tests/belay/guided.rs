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
    terminal.type_line("u");
    terminal.wait_for("Why");
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
