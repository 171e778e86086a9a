//! Scripts that take a step back: each call is an act of its own, journaled and applied once.

use belay_engine::event::{Statement, Transition, UndoChoice};
use belay_engine::execution::Stage;
use belay_engine::status::ExecutionStatus;
use belay_runbook::act::Ending;
use rstest::rstest;

use crate::support::{Fault, People, Run, Setting, at, crash_everywhere, crash_twice};

const UNDO: &str = "steps:
         - name: add
           commands: [thingctl add a 5]
           rollback:
             action: script.execute
             parameters:
               script: |
                 call thing.read {\"name\":\"a\"}
                 call thing.add {\"name\":\"a\",\"by\":-2}
                 call thing.add {\"name\":\"a\",\"by\":-3}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ";

fn restored(run: &Run) {
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.execution().rollback);
    assert_eq!(run.world.values(), run.initial, "I8: everything is as it was");
}

#[rstest]
fn i8_a_script_takes_a_step_back_whenever_the_program_is_killed(#[values(false, true)] production: bool) {
    let setting = Setting::new(UNDO);
    let setting = if production { setting.production() } else { setting };
    crash_everywhere(&setting, People::new, restored);
    crash_twice(&setting, People::new, restored);
}

#[test]
fn i8_a_call_of_an_undo_without_an_outcome_is_settled_before_the_script_goes_on() {
    for fault in [Fault::TIMED_OUT, Fault::TIMED_OUT_DONE] {
        for nth in [1, 2] {
            let setting = Setting::new(UNDO).world(|world| world.fault("thing.add a", nth, fault));
            crash_everywhere(&setting, People::new, restored);
        }
    }
}

#[test]
fn a_retry_repeats_the_call_that_failed_and_none_before_it() {
    let setting = Setting::new(UNDO).world(|world| world.fault("thing.add a", 2, Fault::FAILED));
    let run = setting.run(People::new().undo(UndoChoice::Retry));
    restored(&run);
    assert_eq!(run.world.invoked("thing.add a").len(), 3, "one failed, and is tried again");
}

#[test]
fn a_call_that_could_not_be_prepared_is_tried_again_by_a_retry() {
    let setting = Setting::new(UNDO).world(|mut world| {
        world.unreadable.push("c".to_owned());
        world
    });
    let setting = Setting { runbook: setting.runbook.replace("\"a\",\"by\":-3", "\"c\",\"by\":-3"), ..setting };
    let people = People::new().undo(UndoChoice::Retry).when(|execution, world, _| {
        (execution.status() == ExecutionStatus::Stuck).then(|| {
            world.unreadable.clear();
            Statement::Note { text: "it can be read again".to_owned() }
        })
    });
    let run = setting.run(people);
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
    assert_eq!((run.world.value("a"), run.world.value("c")), (3, -3));
    let refused = run.journal.transitions().filter(|it| matches!(it, Transition::CallRefused { .. })).count();
    assert_eq!(refused, 1, "why it could not start is on record");
}

#[test]
fn a_call_that_the_approval_does_not_cover_is_asked_for() {
    let setting = Setting::new(
        "steps:
         - name: script
           action: script.execute
           parameters: {script: 'call thing.add {\"name\":\"a\",\"by\":1}'}
           rollback:
             action: script.execute
             parameters:
               script: |
                 call thing.add {\"name\":\"a\",\"by\":-3}
                 call thing.add {\"name\":\"a\",\"by\":2}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ",
    )
    .production();
    let mut run = setting.start(People::new());
    while run.execution().asking_undo().is_none() || run.driver.is_busy() {
        assert!(run.turn().unwrap());
    }
    assert_eq!(run.execution().status(), ExecutionStatus::Waiting);
    assert_eq!(run.world.value("a"), 1, "I4: nothing runs that nobody approved");
    crash_everywhere(&setting, People::new, restored);
    crash_twice(&setting, People::new, restored);
    let run = setting.run(People::new());
    assert_eq!(run.world.invoked("thing.add a").len(), 3, "each call happened once");
}

/// Runs until a script runs, kills the program and starts it again, as often as it lets that happen.
fn crash_loop(run: &mut Run, takes_back: bool) -> usize {
    for crashes in 0..20 {
        let running = |run: &Run| {
            let script = |id: &belay_engine::ids::InvocationId| {
                run.execution().act(id).is_some() && id.act.takes_back() == takes_back
            };
            run.driver.running().is_some_and(script)
        };
        let mut turns = 0;
        while !running(run) {
            if !run.turn().unwrap() || turns > 500 {
                return crashes;
            }
            turns += 1;
        }
        run.restart();
    }
    panic!("it runs again without end");
}

#[test]
fn a_script_under_a_crash_loop_is_interrupted_in_the_end() {
    let setting = Setting::new(
        "steps:
         - name: script
           action: script.execute
           parameters: {script: 'call thing.read {\"name\":\"a\"}'}
        ",
    );
    let mut people = People::new();
    people.silent = true;
    let mut run = setting.start(people);
    let crashes = crash_loop(&mut run, false);
    let stage = run.execution().visit(&at("script")).map(|visit| visit.stage.clone());
    assert!(matches!(stage, Some(Stage::Interrupted(_))), "after {crashes} crashes: {stage:?}");
    run.people.silent = false;
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "a person lets it start again");
}

#[test]
fn an_undo_script_under_a_crash_loop_is_stuck_in_the_end() {
    let setting = Setting::new(UNDO);
    let mut run = setting.start(People::new());
    while run.world.value("a") != 5 {
        run.turn().unwrap();
    }
    run.drive_to_undo();
    run.people.silent = true;
    let crashes = crash_loop(&mut run, true);
    assert_eq!(run.execution().status(), ExecutionStatus::Stuck, "after {crashes} crashes");
    let lost = run
        .journal
        .transitions()
        .filter(|it| matches!(it, Transition::ActEnded { outcome, .. } if outcome.ending == Ending::Lost))
        .count();
    assert!(lost > 2, "some crashes are recovered from");
    run.people = People::new().undo(UndoChoice::Retry);
    run.drive();
    restored(&run);
}
