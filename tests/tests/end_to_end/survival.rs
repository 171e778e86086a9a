//! What outlives Belay, and what must not.

use super::support::desk::{Desk, eventually, processes_at, processes_in};
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

fn records(desk: &Desk) -> usize {
    std::fs::read_dir(desk.home.join("run")).map_or(0, Iterator::count)
}

/// Kills Belay, or its helper, at a passing of a point in a run of one command; its execution has ended all the same.
fn killed_after_the_last_commit(desk: &Desk, point: &str) -> String {
    furnish(desk);
    let steps = "    - name: count
      commands:
        - belay-world --dir {dir} add counter 1
      rollback:
        commands:
          - belay-world --dir {dir} add counter -1
";
    let file = desk.file("count.yaml", &runbook("count", steps)).display().to_string();
    let variable = format!("dir={}", desk.world_folder.display());
    let mut command = desk.command(["run", &file, "--no-input", "--var", &variable]);
    command.env("BELAY_CRASH_AT", point);
    let finished = Desk::finish(command);
    assert_eq!(finished.was_killed(), point == "acknowledge-before");
    assert_eq!(desk.status(&desk.executions()[0])["status"], "completed");
    file
}

fn run_again(desk: &Desk, file: &str) {
    let variable = format!("dir={}", desk.world_folder.display());
    desk.belay(["run", file, "--no-input", "--var", &variable]).exits(0);
}

#[test]
fn a_helper_removes_its_records_when_belay_is_killed_after_the_last_commit() {
    let desk = Desk::new();
    killed_after_the_last_commit(&desk, "acknowledge-before");
    eventually("the helper leaves nothing", || (records(&desk) == 0).then_some(()));
}

#[test]
fn a_record_that_was_let_go_of_by_belay_is_swept_when_the_helper_could_not_remove_it() {
    let desk = Desk::new();
    let file = killed_after_the_last_commit(&desk, "helper-farewell");
    eventually("the helper is killed", || processes_at(&desk.home).is_empty().then_some(()));
    assert_eq!(records(&desk), 1, "the record of the command outlives belay and its helper");
    run_again(&desk, &file);
    eventually("the next run sweeps it", || (records(&desk) == 0).then_some(()));
}

#[test]
fn a_record_that_kills_of_belay_and_its_helper_left_is_swept_by_the_next_run() {
    let desk = Desk::new();
    let file = killed_after_the_last_commit(&desk, "acknowledge-before");
    eventually("the helper leaves nothing", || (records(&desk) == 0).then_some(()));
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    // Larger than any process number that Linux gives.
    let gone = i32::MAX;
    let record = serde_json::json!({
        "version": 1, "invocation": format!("{}/0.count.1.1.a0", desk.executions()[0]), "group": gone,
        "start_time": 1, "boot_id": boot.trim(), "survives": false, "helper": gone, "helper_start_time": 1,
    });
    std::fs::write(desk.home.join("run/left.json"), record.to_string()).unwrap();
    run_again(&desk, &file);
    eventually("the next run sweeps it", || (records(&desk) == 0).then_some(()));
}

#[test]
fn a_purge_sweeps_what_is_left_of_ended_executions_and_keeps_what_unfinished_ones_wait_for() {
    let desk = Desk::new();
    killed_after_the_last_commit(&desk, "acknowledge-before");
    let file = slow_step(&desk, true);
    let variable = format!("dir={}", desk.world_folder.display());
    let running = desk.start(["run", &file, "--no-input", "--json", "--var", &variable]);
    eventually("the command starts", || (desk.world.lines().unwrap().len() > 2).then_some(()));
    assert!(running.kill().was_killed());
    desk.belay(["purge"]).exits(0);
    eventually("the command ends alone", || (desk.world.number("restored").unwrap() == 5).then_some(()));
    let spooled = || std::fs::read_dir(desk.home.join("spool")).map_or(0, Iterator::count);
    // The helper of a command that survives lets go of its record when it leaves the outcome.
    eventually("its outcome is left", || (spooled() == 1 && records(&desk) == 0).then_some(()));
    desk.belay(["purge"]).exits(0);
    assert_eq!(spooled(), 1, "what an unfinished execution waits for is kept");
    let unfinished = desk.executions().into_iter().find(|id| desk.status(id)["status"] != "completed").unwrap();
    desk.belay(["resume", &unfinished, "--no-input"]).exits(0);
    assert_eq!(desk.world.number("restored").unwrap(), 5, "its outcome is adopted");
    desk.belay(["purge"]).exits(0);
    assert_eq!(spooled(), 0);
    // The helper of the last command removes its records when belay has gone.
    eventually("nothing is left", || (records(&desk) == 0).then_some(()));
}
