//! A context that leads to another target in the middle of an execution is not followed.

use belay_engine::event::{Statement, UndoChoice};
use belay_engine::execution::{Phase, Stage, UndoEntryState};
use belay_engine::status::{ExecutionStatus, StepStatus};

use crate::support::people::{approve, status};
use crate::support::{People, Run, Setting, at};

const MOVED: &str = "the context leads to another target now: it was cluster one and is cluster two";

fn start(spec: &str, people: People) -> Run {
    setting(spec).start(people)
}

fn setting(spec: &str) -> Setting {
    Setting::new(spec).world(|mut world| {
        world.cluster = Some("cluster one");
        world
    })
}

/// Goes on until something holds.
fn until(run: &mut Run, holds: impl Fn(&Run) -> bool) {
    while !holds(run) {
        assert!(run.turn().unwrap(), "it comes to that: {:?}", run.journal.kinds());
    }
}

fn fails_there(run: &Run, step: &str) {
    assert_eq!(status(run.execution(), step), StepStatus::Failed, "{:?}", run.journal.kinds());
    let error = run.execution().visit(&at(step)).unwrap().error.clone().unwrap();
    assert!(error.ends_with(MOVED), "{error}");
}

const TWO_STEPS: &str = "steps:
         - name: one
           action: thing.add
           parameters: {name: a, by: 1}
         - name: two
           action: thing.add
           parameters: {name: b, by: 1}
        ";

#[test]
fn a_step_that_is_planned_on_another_target_fails_before_anything_starts() {
    for restarts in [false, true] {
        let mut run = start(TWO_STEPS, People::new());
        until(&mut run, |run| run.world.value("a") == 1);
        run.world.cluster = Some("cluster two");
        if restarts {
            run.restart();
        }
        run.drive();
        fails_there(&run, "two");
        assert_eq!(run.world.value("b"), 0);
        run.world.cluster = Some("cluster one");
        run.say(Statement::Retry { at: at("two") }).unwrap();
        run.drive();
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "it leads back");
    }
}

#[test]
fn acts_without_a_fingerprint_are_not_concerned() {
    let mut run = start(TWO_STEPS, People::new());
    until(&mut run, |run| run.world.value("a") == 1);
    run.world.cluster = None;
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
}

#[test]
fn what_was_agreed_to_is_not_started_elsewhere() {
    let mut run = setting(TWO_STEPS).production().start(People::new());
    run.people.approves = false;
    until(&mut run, |run| {
        run.execution().current_visit().is_some_and(|visit| visit.stage == Stage::Approval) && !run.driver.is_busy()
    });
    run.world.cluster = Some("cluster two");
    let statement = approve(run.execution().current_visit().unwrap()).unwrap();
    run.say(statement).unwrap();
    run.drive();
    fails_there(&run, "one");
    assert!(run.world.log.is_empty(), "not even the first act of an execution");
}

#[test]
fn a_script_whose_call_would_go_elsewhere_fails_whatever_it_catches() {
    let spec = "steps:
         - name: script
           action: script.execute
           parameters:
             script: |
               call thing.add {\"name\":\"a\",\"by\":1}
               try call thing.add {\"name\":\"b\",\"by\":1}
               call thing.add {\"name\":\"c\",\"by\":1}
        ";
    let mut run = start(spec, People::new());
    until(&mut run, |run| run.world.value("a") == 1);
    run.world.cluster = Some("cluster two");
    run.drive();
    fails_there(&run, "script");
    assert_eq!((run.world.value("b"), run.world.value("c")), (0, 0));
}

/// A change with a declared undo, and a failure that rolls back.
const DECLARED: &str = "steps:
         - name: set
           action: thing.add
           parameters: {name: a, by: 5}
           APPROVAL
           rollback:
             action: thing.add
             parameters: {name: a, by: -5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ";

fn stuck(run: &Run) -> Option<String> {
    let rollback = run.execution().rollback.as_ref()?;
    rollback.items.iter().find_map(|entry| match &entry.state {
        UndoEntryState::Stuck(detail) => detail["error"].as_str().map(str::to_owned),
        _ => None,
    })
}

fn restored(run: &Run) {
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.execution().rollback);
    assert_eq!(run.world.values(), run.initial);
}

#[test]
fn what_is_taken_back_is_taken_back_where_it_was_done() {
    let script = "rollback:
             action: script.execute
             parameters: {script: 'try call thing.add {\"name\":\"a\",\"by\":-5}'}";
    let acts = DECLARED.split_once("rollback:").unwrap().1.split_once("- name: fails").unwrap().0.trim_end();
    let by_script = DECLARED.replace(&format!("rollback:{acts}"), script);
    for spec in [DECLARED, &by_script] {
        for approval in ["approval: {required: true}", "title: Set"] {
            let mut people = People::new();
            people.undo = UndoChoice::Leave;
            let mut run = start(&spec.replace("APPROVAL", approval), people);
            until(&mut run, |run| run.world.value("a") == 5);
            run.people.silent = true;
            run.world.cluster = Some("cluster two");
            run.drive();
            assert_eq!(run.world.value("a"), 5, "{spec} {approval}");
            assert_eq!(stuck(&run).as_deref(), Some(MOVED), "{spec} {approval}: {:?}", run.journal.kinds());
            // What cannot be read there is not taken for what it was.
            if spec == DECLARED {
                run.world.unreadable.push("a".to_owned());
                run.say(Statement::SettleUndo { at: at("set"), choice: UndoChoice::Retry, note: None }).unwrap();
                run.drive();
                assert_eq!(stuck(&run).as_deref(), Some("`a` could not be read"));
                run.world.unreadable.clear();
            }
            run.world.cluster = Some("cluster one");
            run.say(Statement::SettleUndo { at: at("set"), choice: UndoChoice::Retry, note: None }).unwrap();
            run.people.silent = false;
            run.drive();
            restored(&run);
        }
    }
}

#[test]
fn steps_of_the_rollback_are_not_asked_elsewhere_whether_they_are_needed() {
    let spec = "rollbackOnFailure: true
         steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
         rollback:
           steps:
           - name: place
             action: thing.place
             parameters: {name: b, value: 0}
        ";
    let mut run = start(spec, People::new());
    run.drive_to_undo();
    run.people.silent = true;
    until(&mut run, |run| run.execution().phase == Phase::RollbackSteps);
    run.world.cluster = Some("cluster two");
    run.inbox.clear();
    run.restart();
    run.drive();
    let visit = run.execution().visit(&at("place")).unwrap();
    let Stage::Person(need) = &visit.stage else { panic!("{:?}", visit.stage) };
    assert!(format!("{need:?}").contains(MOVED), "{need:?}");
}
