//! Scripts: every host call is an act of its own, and a replay performs none again.

use belay_engine::driver::Input;
use belay_engine::event::{Closing, Confirmation, Statement, Transition};
use belay_engine::execution::{Phase, Stage};
use belay_engine::status::{ExecutionStatus, StepStatus};
use belay_runbook::act::Ending;

use crate::support::people::{approve, status};
use crate::support::{Fault, People, Run, Setting, at, crash_everywhere, crash_twice};

const TWO_CALLS: &str = "steps:
         - name: script
           action: script.execute
           parameters:
             script: |
               call thing.read {\"name\":\"a\"}
               call thing.add {\"name\":\"a\",\"by\":1}
               call thing.set {\"name\":\"b\",\"value\":2}
           rollbackLINE
        ";

fn two_calls() -> String {
    TWO_CALLS.replace("           rollbackLINE\n", "")
}

fn done(run: &Run) {
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().error);
    assert_eq!((run.world.value("a"), run.world.value("b")), (1, 2));
}

#[test]
fn host_calls_are_journaled_and_never_performed_again() {
    let setting = Setting::new(&two_calls());
    crash_everywhere(&setting, People::new, done);
    crash_twice(&setting, People::new, done);
}

#[test]
fn a_call_that_needs_approval_suspends_the_script_and_is_replayed() {
    let setting = Setting::new(&two_calls()).production();
    crash_everywhere(&setting, People::new, done);
    let run = setting.run(People::new());
    let suspended = run
        .journal
        .transitions()
        .filter(|it| matches!(it, Transition::ActEnded { outcome, .. } if outcome.ending == Ending::Suspended));
    assert_eq!(suspended.count(), 2, "once for each change");
}

#[test]
fn renewing_an_expired_approval_of_a_call_repeats_no_call() {
    let setting = Setting::new(&two_calls()).production();
    let people = || {
        let mut people = People::new().when(|execution, _, _| approve_call(execution.current_visit()?, 1)).when(
            |execution, _, _| {
                let visit = execution.current_visit()?;
                (visit.plans.len() > 1).then(|| approve_call(visit, 2)).flatten()
            },
        );
        people.approves = false;
        people
    };
    let run = setting.run(people());
    done(&run);
}

fn approve_call(visit: &belay_engine::execution::Visit, call: u32) -> Option<Statement> {
    let request = visit.request.as_ref()?;
    (visit.stage == Stage::Approval && request.call == Some(call)).then(|| approve(visit)).flatten()
}

#[test]
fn an_approved_call_whose_basis_changed_is_asked_for_again_with_the_difference() {
    let setting = Setting::new(&two_calls()).production();
    let people = People::new().when(|execution, world, _| {
        let visit = execution.current_visit()?;
        let asked = visit.request.as_ref()?.call == Some(2) && visit.stage == Stage::Approval;
        (asked && world.value("b") == 0).then(|| {
            world.foreign("b", 1);
            Statement::Note { text: "changed".to_owned() }
        })
    });
    let run = setting.run(people);
    done(&run);
    let voided = run.journal.transitions().any(
        |it| matches!(it, Transition::ApprovalClosed { how: Closing::Voided { difference }, .. } if !difference.is_empty()),
    );
    assert!(voided, "the difference stands in the log");
}

#[test]
fn a_replay_that_differs_is_interrupted() {
    let setting = Setting::new(
        "steps:
         - name: script
           action: script.execute
           parameters:
             script: |
               differ call thing.read {\"name\":\"a\"} | call thing.read {\"name\":\"b\"}
               call thing.add {\"name\":\"a\",\"by\":1}
        ",
    )
    .production();
    let mut people = People::new();
    people.settles = Some(Confirmation::Failed);
    let run = setting.run(people);
    assert_eq!(status(run.execution(), "script"), StepStatus::Failed);
    assert_eq!(run.world.value("a"), 0, "nothing was done on the other path");
    let interrupted = run
        .journal
        .transitions()
        .any(|it| matches!(it, Transition::ActInterrupted { why, .. } if why.contains("replay differs")));
    assert!(interrupted);
}

#[test]
fn a_call_without_an_outcome_is_settled_before_the_script_goes_on() {
    for fault in [Fault::TIMED_OUT, Fault::TIMED_OUT_DONE] {
        let setting = Setting::new(&two_calls()).world(|world| world.fault("thing.add a", 1, fault));
        crash_everywhere(&setting, People::new, done);
    }
}

#[test]
fn a_script_whose_step_is_said_to_change_something_leaves_no_call_unsettled() {
    let text = TWO_CALLS.replace("rollbackLINE", "effect: mutate");
    let setting = Setting::new(&text);
    crash_everywhere(&setting, People::new, |run| {
        done(run);
        let visit = run.execution().visit(&at("script")).unwrap();
        let open = visit.acts.iter().find(|record| !record.is_settled());
        assert!(open.is_none(), "I7: {open:?} was never settled");
    });
}

#[test]
fn a_rejected_call_ends_the_step() {
    let setting = Setting::new(&two_calls()).production();
    // At once, while the script is still ending; or later.
    for early in [true, false] {
        let mut people = People::new().when(move |execution, _, _| {
            let visit = execution.current_visit()?;
            let request = visit.request.as_ref().filter(|request| request.call.is_some() && request.open())?;
            let acting = matches!(visit.stage, Stage::Acting(_));
            (acting == early).then(|| Statement::Reject {
                at: at("script"),
                digest: request.asked.digest.clone(),
                comment: None,
            })
        });
        people.approves = false;
        let run = setting.run(people);
        assert_eq!(status(run.execution(), "script"), StepStatus::Cancelled, "early: {early}");
        assert_eq!(run.world.value("a"), 0);
    }
}

#[test]
fn stopping_while_a_call_is_prepared_lets_the_script_end() {
    for statement in [Statement::Abort { reason: "no".to_owned() }, Statement::Pause] {
        let mut run = Setting::new(&two_calls()).start(People::new());
        let preparing = |run: &Run| {
            let acting = matches!(run.execution().current_visit().map(|visit| &visit.stage), Some(Stage::Acting(_)));
            acting && run.inbox.iter().any(|input| matches!(input, Input::Prepared { .. }))
        };
        while !preparing(&run) {
            assert!(run.turn().unwrap());
        }
        run.people.silent = true;
        run.say(statement.clone()).unwrap();
        let before = run.world.log.len();
        run.drive();
        assert_eq!(run.world.log.len(), before, "nothing new starts");
        let expected = match statement {
            Statement::Pause => ExecutionStatus::Paused,
            _ => ExecutionStatus::Aborted,
        };
        assert_eq!(run.execution().status(), expected);
    }
}

#[test]
fn a_script_that_ends_while_its_call_runs_waits_for_the_call() {
    let mut run = Setting::new(&two_calls()).start(People::new());
    let calling = |run: &Run| {
        run.inbox
            .iter()
            .any(|input| matches!(input, Input::Ended { id, .. } if id.act != belay_engine::ids::ActIndex::Act(0)))
            && run.world.value("a") == 1
    };
    while !calling(&run) {
        assert!(run.turn().unwrap());
    }
    // The script is killed at its deadline before the call's outcome is heard of.
    let Some(Stage::Acting(script)) = run.execution().current_visit().map(|visit| visit.stage.clone()) else {
        panic!("it acts")
    };
    let ended = run.world.cancel(&script, Ending::TimedOut).unwrap();
    run.inbox.push_front(ended);
    run.drive();
    assert_eq!(run.world.value("a"), 1, "the call was performed once");
    let visit = run.execution().visit(&at("script")).unwrap();
    let open = visit.acts.iter().find(|record| !record.is_settled());
    assert!(open.is_none(), "{open:?} was left without an outcome");
    assert!(run.execution().is_finished());
}

#[test]
fn calls_are_taken_back_newest_first_also_those_before_a_persons_retry() {
    let setting = Setting::new(
        "steps:
         - name: script
           action: script.execute
           parameters:
             script: |
               call thing.set {\"name\":\"a\",\"value\":1}
               call thing.set {\"name\":\"b\",\"value\":2}
               call thing.add {\"name\":\"c\",\"by\":1}
        ",
    )
    .world(|world| world.fault("thing.add c", 1, Fault::FAILED).fault("thing.add c", 2, Fault::FAILED));
    let people = || {
        People::new()
            .when(|execution, _, _| execution.is_finished().then(|| Statement::Retry { at: at("script") }))
            .when(|execution, world, _| {
                (execution.is_finished() && world.invoked("thing.add c").len() == 2)
                    .then(|| Statement::Rollback { reason: "back".to_owned() })
            })
    };
    let run = setting.run(people());
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.execution().phase);
    assert_eq!(run.world.values(), run.initial);
    assert_ne!(run.execution().phase, Phase::Undoing);
}

#[test]
fn a_refused_call_is_on_record_and_a_replay_gets_the_same_answer() {
    let setting = Setting::new(
        "steps:
         - name: script
           action: script.execute
           parameters:
             script: |
               try call thing.set {\"name\":\"b\",\"value\":2}
               try call no.such {}
               call thing.add {\"name\":\"a\",\"by\":1}
        ",
    )
    .production()
    .world(|mut world| {
        world.unreadable.push("b".to_owned());
        world
    });
    let people = || {
        People::new().when(|execution, world, _| {
            (execution.current_visit()?.stage == Stage::Approval).then(|| {
                world.unreadable.clear();
                Statement::Note { text: "it can be read again".to_owned() }
            })
        })
    };
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().error);
        assert_eq!((run.world.value("a"), run.world.value("b")), (1, 0), "the script went another way");
        let refused = run.journal.transitions().filter(|it| matches!(it, Transition::CallRefused { .. })).count();
        assert_eq!(refused, 2);
    });
}

#[test]
fn a_refused_call_is_tried_again_by_an_automatic_retry() {
    let setting = Setting::new(
        "steps:
         - name: script
           action: script.execute
           retries: 1
           parameters: {script: 'call thing.set {\"name\":\"b\",\"value\":2}'}
        ",
    )
    .world(|mut world| {
        world.unreadable.push("b".to_owned());
        world
    });
    let people = People::new().when(|execution, world, _| {
        matches!(execution.current_visit()?.stage, Stage::Retry(_)).then(|| {
            world.unreadable.clear();
            Statement::Note { text: "it can be read again".to_owned() }
        })
    });
    let run = setting.run(people);
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().error);
    assert_eq!(run.world.value("b"), 2);
}

#[test]
fn a_call_that_was_said_not_to_have_happened_and_did_is_not_performed_again() {
    let setting = Setting::new(&two_calls()).world(|world| world.fault("thing.add a", 1, Fault::TIMED_OUT_DONE));
    let mut people = People::new();
    people.silent = true;
    let mut run = setting.start(people);
    run.drive();
    let id = run.world.invoked("thing.add a")[0].id.clone();
    run.say(Statement::Confirm { at: at("script"), outcome: Confirmation::NotDone, by_hand: false, note: None })
        .unwrap();
    let outcome = belay_runbook::act::Outcome::succeeded(serde_json::Value::Null);
    run.input(Input::Ended { id, outcome }).unwrap();
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert_eq!(run.world.value("a"), 1, "I5: it happened once");
    assert_eq!(status(run.execution(), "script"), StepStatus::Contested, "what a person said is shown against it");
}
