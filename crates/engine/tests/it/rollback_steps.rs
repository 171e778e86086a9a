//! The runbook's own rollback: which steps follow what is taken back, and which are needed still.

use belay_engine::event::Statement;
use belay_engine::status::{ExecutionStatus, StepStatus};

use crate::support::people::status;
use crate::support::{People, Setting, at, crash_everywhere};

fn rollback(reason: &str) -> Statement {
    Statement::Rollback { reason: reason.to_owned() }
}

#[test]
fn the_runbooks_own_steps_follow() {
    let setting = Setting::new(
        "rollbackOnFailure: true
         steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
         rollback:
           steps:
           - name: put
             action: thing.put
             parameters: {name: b, value: 1}
           - name: check
             type: verification
             action: thing.read
             parameters: {name: a}
             validation: {postCondition: {value: 0}}
        ",
    );
    crash_everywhere(&setting, People::new, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
        assert_eq!((run.world.value("a"), run.world.value("b")), (0, 1));
    });
}

#[test]
fn nothing_started_means_nothing_undone() {
    let setting = Setting::new(
        "steps:
         - name: look
           type: manual
           description: Look.
         rollback:
           steps:
           - name: put
             action: thing.put
             parameters: {name: b, value: 1}
        ",
    );
    let people = || People::new().when(|execution, _, _| execution.started.then(|| rollback("no")));
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.execution().error);
        assert_eq!(run.world.values(), run.initial, "I8: everything is as it was");
    });
}

#[test]
fn the_rollbacks_own_steps_are_not_taken_back() {
    let setting = Setting::new(
        "rollbackOnFailure: true
         steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
         rollback:
           steps:
           - name: repair
             action: thing.set
             parameters: {name: b, value: 1}
           - name: look
             type: manual
             description: Look.
        ",
    );
    let people = People::new()
        .when(|execution, _, _| {
            (execution.current.as_ref()? == &at("look")).then(|| Statement::Abort { reason: "enough".to_owned() })
        })
        .when(|execution, _, _| (execution.status() == ExecutionStatus::Aborted).then(|| rollback("on")));
    let run = setting.run(people);
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
    assert_eq!((run.world.value("a"), run.world.value("b")), (0, 1));
}

#[test]
fn a_step_of_the_rollback_is_asked_first_whether_it_is_still_needed() {
    let setting = Setting::new(
        "rollbackOnFailure: true
         steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
         rollback:
           steps:
           - name: so-already
             action: thing.place
             parameters: {name: b, value: 0}
           - name: needed
             action: thing.place
             parameters: {name: c, value: 7}
           - name: cannot-tell
             commands: [thingctl add b 1]
        ",
    );
    for setting in [setting.clone(), setting.production()] {
        crash_everywhere(&setting, People::new, |run| {
            assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
            assert_eq!((run.world.value("b"), run.world.value("c")), (1, 7));
            assert_eq!(status(run.execution(), "so-already"), StepStatus::Skipped);
            assert!(run.world.invoked("thing.place b").is_empty(), "what is so already is not done");
        });
    }
}
