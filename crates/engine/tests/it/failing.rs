//! What a failure does: retries, delays, the ways to go on, and what a person says of an interrupted act.

use belay_engine::event::{Confirmation, Statement};
use belay_engine::execution::Stage;
use belay_engine::status::{ExecutionStatus, StepStatus};
use belay_runbook::act::Ending;
use rstest::rstest;

use crate::support::people::status;
use crate::support::{Fault, People, Run, Setting, at, crash_everywhere, crash_twice};

const PUT_TWICE: &str = "steps:
         - name: put
           action: thing.put
           parameters: {name: a, value: 5}
           retries: 2
           retryDelay: 10s
        ";

#[test]
fn an_idempotent_act_is_tried_again_after_its_delay() {
    let setting = Setting::new(PUT_TWICE).world(|world| world.fault("thing.put a", 1, Fault::FAILED));
    crash_everywhere(&setting, People::new, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!(run.world.value("a"), 5);
    });
}

#[test]
fn retries_end() {
    let mut setting = Setting::new(PUT_TWICE);
    for nth in 1..20 {
        setting =
            setting.world(|world| world.fault("thing.put a", nth, Fault { ending: Ending::Failed, applied: true }));
    }
    let run = setting.run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.world.invoked("thing.put a").len(), 3, "one attempt and two retries");
}

#[test]
fn retries_end_even_where_each_attempt_changes_what_the_judgement_rests_on() {
    let mut setting = Setting::new(PUT_TWICE);
    for nth in 1..20 {
        setting = setting.world(|world| world.fault("thing.put a", nth, Fault::FAILED));
    }
    // Somebody changes the object before every attempt, so each one is judged anew.
    let mut people = People::new();
    for attempt in 1..20 {
        people = people.when(move |execution, world, _| {
            let visit = execution.current_visit()?;
            if visit.failures > 0 && world.log.len() == attempt {
                world.foreign("a", 100 + i64::try_from(attempt).unwrap());
                return Some(Statement::Note { text: "changed".to_owned() });
            }
            None
        });
    }
    let run = setting.run(people);
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.world.invoked("thing.put a").len(), 3, "one attempt and two retries");
}

#[test]
fn an_act_that_never_started_is_tried_again_whatever_it_is() {
    let setting = Setting::new(
        "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 5}
           retries: 1
        ",
    )
    .world(|world| world.fault("thing.add a", 1, Fault::NOT_STARTED));
    crash_everywhere(&setting, People::new, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!(run.world.value("a"), 5);
    });
}

#[test]
fn a_change_that_failed_is_not_tried_again_by_itself() {
    let setting = Setting::new(
        "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 5}
           retries: 5
        ",
    )
    .world(|world| world.fault("thing.add a", 1, Fault::FAILED));
    let run = setting.run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.world.invoked("thing.add a").len(), 1);
}

#[rstest]
#[case::not_done(Fault::TIMED_OUT)]
#[case::done(Fault::TIMED_OUT_DONE)]
#[case::lost(Fault::LOST)]
fn a_change_without_an_outcome_waits_for_a_person(#[case] fault: Fault) {
    let setting = Setting::new(
        "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 5}
           retries: 5
           continueOnError: true
           validation:
             postCondition: {value: 5}
        ",
    )
    .world(|world| world.fault("thing.add a", 1, fault));
    let check = |run: &Run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!(status(run.execution(), "add"), StepStatus::Succeeded);
        assert_eq!(run.world.value("a"), 5);
    };
    crash_everywhere(&setting, People::new, check);
    crash_twice(&setting, People::new, check);
    let mut silent = People::new();
    silent.silent = true;
    let run = setting.run(silent);
    assert_eq!(status(run.execution(), "add"), StepStatus::Interrupted);
    assert_eq!(run.execution().status(), ExecutionStatus::Waiting);
}

#[test]
fn a_read_that_times_out_is_tried_again() {
    let setting = Setting::new(
        "steps:
         - name: look
           action: thing.read
           parameters: {name: a}
           retries: 2
        ",
    )
    .world(|world| world.fault("thing.read a", 1, Fault::TIMED_OUT));
    crash_everywhere(&setting, People::new, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    });
}

#[test]
fn a_read_whose_process_is_lost_each_time_fails_in_the_end() {
    let mut setting = Setting::new(
        "steps:
         - name: look
           action: thing.read
           parameters: {name: a}
           retries: 2
        ",
    );
    for nth in 1..50 {
        setting = setting.world(|world| world.fault("thing.read a", nth, Fault::LOST));
    }
    let run = setting.run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.world.invoked("thing.read a").len(), 3, "one attempt and two retries");
}

#[rstest]
#[case::stop("onFailure: stop", ExecutionStatus::Failed, 0)]
#[case::escalate("onFailure: escalate", ExecutionStatus::Failed, 0)]
#[case::nothing("title: nothing said", ExecutionStatus::Failed, 0)]
#[case::go_on("continueOnError: true", ExecutionStatus::Completed, 1)]
#[case::another_step("onFailure: last", ExecutionStatus::Completed, 1)]
#[case::rollback("onFailure: rollback", ExecutionStatus::RolledBack, 0)]
fn a_failed_step_does_what_it_says(#[case] line: &str, #[case] expected: ExecutionStatus, #[case] last: i64) {
    let spec = format!(
        "steps:
         - name: first
           action: thing.set
           parameters: {{name: c, value: 7}}
         - name: fails
           commands: [thingctl fail]
           rollback: {{irreversible: it counts}}
           {line}
         - name: last
           action: thing.put
           parameters: {{name: b, value: 1}}
        "
    );
    let setting = Setting::new(&spec);
    let people = People::new;
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), expected);
        assert_eq!(run.world.value("b"), last);
        let undone = expected == ExecutionStatus::RolledBack;
        assert_eq!(run.world.value("c"), if undone { 0 } else { 7 });
    });
    let run = setting.run(people());
    assert_eq!(run.escalations.len(), usize::from(line.ends_with("escalate")));
}

#[test]
fn a_failed_step_is_tried_again_by_a_person_and_the_execution_goes_on() {
    let setting = Setting::new(
        "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 5}
         - name: more
           action: thing.add
           parameters: {name: b, by: 1}
        ",
    )
    .production()
    .world(|world| world.fault("thing.add a", 1, Fault::FAILED));
    let people =
        || People::new().when(|execution, _, _| execution.is_finished().then(|| Statement::Retry { at: at("add") }));
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!((run.world.value("a"), run.world.value("b")), (5, 1));
    });
    let run = setting.run(people());
    let visit = run.execution().visit(&at("add")).unwrap();
    let digests: Vec<_> = visit.plans.iter().map(|plan| &plan.approval.as_ref().unwrap().digest).collect();
    assert_eq!(digests.len(), 2);
    assert_ne!(digests[0], digests[1], "a retry has its own approval");
}

#[test]
fn a_failed_step_is_skipped_by_a_person() {
    let setting = Setting::new(
        "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 5}
         - name: more
           action: thing.add
           parameters: {name: b, by: 1}
        ",
    )
    .world(|world| world.fault("thing.add a", 1, Fault::FAILED));
    let people = || {
        People::new().when(|execution, _, _| {
            execution.is_finished().then(|| Statement::Skip { at: at("add"), reason: "not needed".to_owned() })
        })
    };
    let run = setting.run(people());
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert_eq!(status(run.execution(), "add"), StepStatus::Skipped);
}

#[test]
fn parts_that_are_done_are_not_done_again_and_not_asked_about() {
    // The second command never started; the first one's object is gone by then.
    let setting = Setting::new(
        "steps:
         - name: several
           commands:
           - thingctl add a 1
           - thingctl add b 1
        ",
    )
    .world(|world| world.fault("thingctl add b 1", 1, Fault::LOST));
    let people = || {
        People::new().when(|execution, world, _| {
            let interrupted = matches!(execution.current_visit()?.stage, Stage::Interrupted(_));
            if interrupted && world.value("a") == 1 && world.value("b") == 0 {
                world.unreadable.push("a".to_owned());
                return Some(Statement::Note { text: "gone".to_owned() });
            }
            None
        })
    };
    let run = setting.run(people());
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().error);
    assert_eq!((run.world.value("a"), run.world.value("b")), (1, 1));
}

#[test]
fn a_notification_that_fails_never_fails_the_run() {
    for spec in [
        "steps:
         - name: tell
           type: notification
           action: note.send
           parameters: {text: hello}
        ",
        "steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 1}
         - name: stop
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
         rollback:
           steps:
           - name: tell
             type: notification
             action: note.send
             parameters: {text: hello}
        ",
    ] {
        let setting = Setting::new(spec).world(|world| world.fault("note.send", 1, Fault::FAILED));
        let mut people = People::new();
        people.settles = Some(Confirmation::Failed);
        people = people.when(|execution, _, _| {
            let current = execution.current_visit()?;
            matches!(current.stage, Stage::Person(_)).then(|| panic!("nobody is asked about a notification"))
        });
        let run = setting.run(people);
        let expected = [ExecutionStatus::Completed, ExecutionStatus::RolledBack];
        assert!(expected.contains(&run.execution().status()), "{:?}", run.execution().status());
    }
}
