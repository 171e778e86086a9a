//! Several processes on one store.

use super::support::desk::{Desk, Running, eventually};
use super::support::runbooks::{furnish, runbook};

const STEPS: &str = "    - name: work
      commands:
        - belay-world --dir {dir} --slow 1000 add counter 1
      rollback:
        commands:
          - belay-world --dir {dir} add counter -1
    - name: finish
      commands:
        - belay-world --dir {dir} set finished yes
      rollback:
        commands:
          - belay-world --dir {dir} set finished no
";

fn start(desk: &Desk, file: &str) -> Running {
    let variable = format!("dir={}", desk.world_folder.display());
    desk.start(["run", file, "--no-input", "--json", "--var", &variable])
}

fn one_at_work(desk: &Desk) -> (Running, String) {
    furnish(desk);
    let file = desk.file("work.yaml", &runbook("work", STEPS)).display().to_string();
    let running = start(desk, &file);
    eventually("the command starts", || (!desk.world.lines().unwrap().is_empty()).then_some(()));
    let execution = desk.executions().remove(0);
    (running, execution)
}

#[test]
fn a_second_driver_is_refused_while_one_drives() {
    let desk = Desk::new();
    let (running, execution) = one_at_work(&desk);
    let refused = desk.belay(["resume", &execution, "--no-input"]).exits(4);
    assert!(refused.stderr.starts_with("error: "), "{refused:?}");
    running.wait().exits(0);
    assert_eq!(desk.world.number("counter").unwrap(), 1, "I5: it ran once");
}

#[test]
fn status_and_log_can_be_read_while_a_run_acts() {
    let desk = Desk::new();
    let (running, execution) = one_at_work(&desk);
    let status = desk.status(&execution);
    assert_eq!(status["status"], "in_progress");
    assert_eq!(status["steps"][0]["status"], "running");
    desk.belay(["log", &execution, "--json"]).exits(0);
    running.wait().exits(0);
}

#[test]
fn a_note_of_another_process_is_taken_up_by_the_driver() {
    let desk = Desk::new();
    let (running, execution) = one_at_work(&desk);
    desk.belay(["note", &execution, "the cache was cold"]).exits(0);
    running.wait().exits(0);
    assert_eq!(desk.status(&execution)["notes"][0]["text"], "the cache was cold");
    desk.belay(["audit", "verify"]).exits(0);
}

#[test]
fn an_abort_of_another_process_stops_the_driver_before_the_next_act() {
    let desk = Desk::new();
    let (running, execution) = one_at_work(&desk);
    desk.belay(["abort", &execution, "--reason", "enough"]).exits(0);
    let ran = running.wait();
    assert!(matches!(ran.code, Some(1 | 3)), "an aborted run is no success: {ran:?}");
    assert_eq!(desk.world.get("finished").unwrap().as_deref(), Some("no"), "nothing starts after the abort");
}

#[test]
fn runs_of_one_home_do_not_disturb_each_other() {
    let desk = Desk::new();
    furnish(&desk);
    let steps = "    - name: work
      commands:
        - belay-world --dir {dir} say hello
      rollback:
        irreversible: it only speaks
";
    let file = desk.file("speak.yaml", &runbook("speak", steps)).display().to_string();
    let running: Vec<Running> = (0..6).map(|_| start(&desk, &file)).collect();
    for run in running {
        run.wait().exits(0);
    }
    assert_eq!(desk.executions().len(), 6);
    assert_eq!(desk.world.lines().unwrap().len(), 12, "I5: each spoke once");
    desk.belay(["audit", "verify"]).exits(0);
}

#[test]
fn a_status_says_truthfully_that_nobody_drives_it_any_more() {
    let desk = Desk::new();
    let (running, execution) = one_at_work(&desk);
    let driven = desk.status(&execution);
    assert_eq!(driven["driver"]["present"], true);
    assert_eq!(driven["steps"][0]["status"], "running");
    running.kill();
    // The helper ends its command when the pipe to the program closes.
    eventually("nobody watches the command", || {
        (desk.status(&execution)["steps"][0]["status"] == "interrupted").then_some(())
    });
    let left = desk.status(&execution);
    assert_eq!(left["status"], "in_progress", "where it stands is what the log says");
    assert_eq!(left["driver"]["present"], false);
    assert_eq!(left["waiting_on"], serde_json::json!([]), "an action may know what happened; nobody asked it yet");
    let text = desk.belay(["status", &execution]).exits(0).stdout;
    assert!(text.contains("Nobody drives it now") && text.contains("belay resume"), "{text}");
    let list = desk.belay(["executions", "--json"]).exits(0).json();
    assert_eq!(list[0]["driver"]["present"], false);
    let events = |desk: &Desk| desk.belay(["log", &execution, "--json"]).exits(0).stdout;
    let before = events(&desk);
    desk.status(&execution);
    assert_eq!(events(&desk), before, "looking records nothing");
}

#[test]
fn what_came_of_an_act_can_be_said_without_going_on_first() {
    let desk = Desk::new();
    let (running, execution) = one_at_work(&desk);
    running.kill();
    eventually("nobody watches the command", || {
        (desk.status(&execution)["steps"][0]["status"] == "interrupted").then_some(())
    });
    let outcome = if desk.world.number("counter").unwrap() == 1 { "done" } else { "not-done" };
    desk.belay(["confirm", &execution, "work", "--outcome", outcome]).exits(0);
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    assert_eq!(desk.world.number("counter").unwrap(), 1, "I5: it happened once");
    desk.belay(["audit", "verify"]).exits(0);
}
