//! What outlives Belay, and what must not.

use super::support::desk::{Desk, eventually, processes_in};
use super::support::journal::Journal;
use super::support::runbooks::{furnish, runbook};

fn slow_step(desk: &Desk, survives: bool) -> String {
    furnish(desk);
    let steps = format!(
        "    - name: restore
      survives: {survives}
      commands:
        - belay-world --dir {{dir}} --slow 1500 add restored 5
      rollback:
        commands:
          - belay-world --dir {{dir}} add restored -5
"
    );
    desk.file("slow.yaml", &runbook("slow", &steps)).display().to_string()
}

/// Starts the runbook and kills Belay while its command is at work.
fn kill_in_the_middle(desk: &Desk, file: &str) -> String {
    let variable = format!("dir={}", desk.world_folder.display());
    let running = desk.start(["run", file, "--no-input", "--json", "--var", &variable]);
    eventually("the command starts", || (!desk.world.lines().unwrap().is_empty()).then_some(()));
    assert!(running.kill().was_killed());
    let executions = desk.executions();
    assert_eq!(executions.len(), 1);
    executions[0].clone()
}

#[test]
fn i5_a_command_that_survives_ends_without_belay_and_its_outcome_is_adopted() {
    let desk = Desk::new();
    let file = slow_step(&desk, true);
    let execution = kill_in_the_middle(&desk, &file);
    eventually("the command ends alone", || (desk.world.number("restored").unwrap() == 5).then_some(()));
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    assert_eq!(desk.status(&execution)["status"], "completed");
    assert_eq!(desk.world.number("restored").unwrap(), 5, "I5: it ran once");
    assert_eq!(desk.world.lines().unwrap().len(), 2, "one beginning and one end");
    assert_eq!(Journal::read(&desk, &execution).all("transition.act_interrupted").count(), 0);
}

#[test]
fn i5_a_command_that_survives_is_waited_for_while_it_runs() {
    let desk = Desk::new();
    let file = slow_step(&desk, true);
    let execution = kill_in_the_middle(&desk, &file);
    assert!(!processes_in(&desk.world_folder).is_empty(), "it outlives belay");
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    assert_eq!(desk.status(&execution)["status"], "completed");
    assert_eq!(desk.world.lines().unwrap().len(), 2, "I5: one beginning and one end");
}

#[test]
fn i7_any_other_command_ends_with_belay_and_a_person_is_asked() {
    let desk = Desk::new();
    let file = slow_step(&desk, false);
    let execution = kill_in_the_middle(&desk, &file);
    eventually("nothing of it is left", || processes_in(&desk.world_folder).is_empty().then_some(()));
    assert_eq!(desk.world.number("restored").unwrap(), 0, "it was ended before it changed anything");
    desk.belay(["resume", &execution, "--no-input"]).exits(3);
    let status = desk.status(&execution);
    assert_eq!(status["waiting_on"][0]["kind"], "outcome", "I7: its outcome is asked for: {status:#}");
    assert_eq!(desk.world.lines().unwrap().len(), 1, "I7: nothing runs before somebody has answered");
    desk.belay(["confirm", &execution, "restore", "--outcome", "not-done"]).exits(0);
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    assert_eq!(desk.world.number("restored").unwrap(), 5);
}
