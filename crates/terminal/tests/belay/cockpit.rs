//! The full-screen cockpit on a real terminal.

use nix::sys::signal::Signal;

use crate::bench::{Bench, Terminal};

const STEPS: &str = "  inputs:
    host: { type: string, required: true, description: Which host }
  prerequisites:
    - The folder is there
  steps:
    - name: look
      title: Look at the host
      type: manual
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
      title: Slow work
      commands:
        - [sh, -c, 'printf \"a\\033[2Jb\\n\"; sleep 600']
      rollback: { irreversible: waiting changes nothing }
";
const ENTER: &str = "\r";
const ESC: &str = "\u{1b}";

fn opened(bench: &Bench) -> Terminal {
    bench.expect(&["catalog", "add", "."], 0);
    let mut terminal = bench.terminal(&[]);
    terminal.shows("runbooks");
    terminal
}

/// Finds the runbook of a name and opens it.
fn find(terminal: &mut Terminal, name: &str) {
    terminal.press(name);
    terminal.press(ENTER);
    let screen = terminal.shows("1 Overview");
    assert!(screen.contains(&format!("The {name} runbook")), "Enter opens what was typed: {screen}");
}

#[test]
fn from_the_search_through_an_approval_to_the_end() {
    let bench = Bench::new();
    bench.runbook("quagga", STEPS);
    let mut terminal = opened(&bench);
    find(&mut terminal, "quagga");
    terminal.press("r");
    terminal.shows("text, needed");
    terminal.press("web-1");
    terminal.shows("everything it needs is there");
    terminal.press("\u{13}");
    terminal.shows("WAITING");
    terminal.shows("The folder is there");
    terminal.press("1");
    terminal.shows("Waits for you: Look at the host");
    terminal.press("d");
    terminal.shows("Waits for you: Write the marker");
    assert!(!bench.path().join("marker").exists(), "nothing runs before it is approved");
    terminal.press("a");
    terminal.shows("Type the target's name");
    terminal.press("elsewhere\r");
    terminal.shows("nothing was approved");
    terminal.press(&"\u{7f}".repeat(9));
    terminal.press("local\r");
    terminal.shows("COMPLETED");
    terminal.press("q");
    assert!(terminal.ends_restored(), "the shell gets its terminal back");
    assert_eq!(terminal.end(), 0);
    assert!(bench.path().join("marker").exists());
    let status = bench.json(&["status", "@last"], 0);
    assert_eq!((&status["status"], &status["inputs"]["host"]), (&"completed".into(), &"web-1".into()), "{status:#}");
}

#[test]
fn killed_in_the_middle_it_comes_back_to_the_question_that_is_open() {
    let bench = Bench::new();
    bench.runbook("zebrano", SLOW);
    let mut terminal = opened(&bench);
    find(&mut terminal, "zebrano");
    terminal.press("r");
    terminal.shows("everything it needs is there");
    terminal.press(ENTER);
    let screen = terminal.shows("a␛[2Jb");
    assert!(screen.contains("IN PROGRESS"), "what an act writes cannot clear the screen: {screen}");
    terminal.signal(Signal::SIGKILL);
    terminal.end();
    let mut terminal = bench.terminal(&[]);
    terminal.shows("runbooks");
    terminal.press(ESC);
    terminal.press("gh");
    terminal.shows("in progress");
    terminal.press(ENTER);
    terminal.shows("Nobody drives it");
    terminal.press("d");
    terminal.shows("The outcome is not known");
    terminal.press("1");
    terminal.shows("COMPLETED");
    terminal.press("q");
    assert!(terminal.ends_restored());
    assert_eq!(bench.json(&["status", "@last"], 0)["status"], "completed");
    bench.expect(&["audit", "verify"], 0);
}

#[test]
fn an_interrupt_cancels_what_runs_and_the_end_of_the_process_restores_the_terminal() {
    let bench = Bench::new();
    bench.runbook("zebrano", SLOW);
    let mut terminal = opened(&bench);
    find(&mut terminal, "zebrano");
    terminal.press("r");
    terminal.shows("everything it needs is there");
    terminal.press(ENTER);
    terminal.shows("a␛[2Jb");
    terminal.interrupt();
    terminal.shows("cancelling what runs");
    terminal.shows("The outcome is not known");
    terminal.resize(120, 40);
    // A key that comes together with the new size may be read with the next one only.
    terminal.shows(&"─".repeat(60));
    terminal.press("?");
    terminal.shows("give the terminal to the shell");
    terminal.signal(Signal::SIGTERM);
    assert!(terminal.ends_restored(), "a terminal that is left raw is of no use to the shell");
    assert_eq!(terminal.end(), 0);
    assert_eq!(bench.json(&["status", "@last"], 0)["waiting_on"][0]["kind"], "outcome");
}

#[test]
fn a_terminal_that_hangs_up_ends_it_and_what_ran_is_asked_about() {
    for signal in [Signal::SIGHUP, Signal::SIGTERM] {
        let bench = Bench::new();
        bench.runbook("zebrano", SLOW);
        let mut terminal = opened(&bench);
        find(&mut terminal, "zebrano");
        terminal.press("r");
        terminal.shows("everything it needs is there");
        terminal.press(ENTER);
        terminal.shows("a␛[2Jb");
        terminal.signal(signal);
        assert!(terminal.ends_restored(), "{signal}: the terminal is given back");
        assert_eq!(terminal.end(), 0, "{signal}: it ends by itself");
        let status = bench.json(&["status", "@last"], 0);
        assert_eq!(status["driver"]["present"], false, "{signal}: nobody is said to drive it: {status:#}");
        assert!(status["finished_at"].is_null(), "{signal}: it goes on where somebody takes it up: {status:#}");
        bench.expect(&["audit", "verify"], 0);
    }
}

#[test]
fn a_rollback_says_what_it_takes_back_before_it_is_confirmed_with_a_reason() {
    let bench = Bench::new();
    bench.runbook("quagga", STEPS);
    bench.expect(&["run", "./quagga.yaml", "--var", "host=web-1", "--no-input"], 3);
    bench.expect(&["check", "@last", "1"], 0);
    bench.expect(&["resume", "@last", "--no-input"], 3);
    bench.expect(&["confirm", "@last", "look", "--outcome", "done"], 0);
    bench.expect(&["resume", "@last", "--no-input"], 3);
    bench.expect(&["approve", "@last", "mark", "--target", "local"], 0);
    bench.expect(&["resume", "@last", "--no-input"], 0);
    let mut terminal = opened(&bench);
    terminal.press(ESC);
    terminal.press("gh");
    terminal.shows("completed");
    terminal.press(ENTER);
    terminal.shows("COMPLETED");
    terminal.press("u");
    let screen = terminal.shows("Why is it taken back?");
    assert!(screen.contains("1. Write the marker"), "{screen}");
    assert!(screen.contains("rm marker"), "what would run is seen: {screen}");
    terminal.press(ENTER);
    terminal.press("?");
    terminal.shows("Why is it taken back?");
    assert_eq!(bench.json(&["status", "@last"], 0)["status"], "completed", "without a reason nothing happens");
    assert!(bench.path().join("marker").exists());
}

#[test]
fn without_colours_everything_has_its_word() {
    let bench = Bench::new();
    bench.runbook("quagga", STEPS);
    bench.expect(&["run", "./quagga.yaml", "--var", "host=web-1", "--no-input"], 3);
    let mut terminal = opened(&bench);
    let screen = terminal.shows("Waiting 1");
    assert!(!screen.is_empty());
    terminal.press(ESC);
    terminal.press("gw");
    terminal.shows("? waiting");
    terminal.press("q");
    assert!(terminal.ends_restored());
}
