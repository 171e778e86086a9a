//! Taking back: what is undone, in which order, and what stops it.

use belay_engine::event::{Confirmation, Statement, Transition, UndoChoice};
use belay_engine::execution::{Phase, UndoEntryState};
use belay_engine::status::{ExecutionStatus, StepStatus};
use rstest::rstest;

use crate::support::people::{acting, status};
use crate::support::{Fault, People, Run, Setting, at, crash_everywhere, crash_twice};

fn rollback(reason: &str) -> Statement {
    Statement::Rollback { reason: reason.to_owned() }
}

fn abort() -> Statement {
    Statement::Abort { reason: "enough".to_owned() }
}

fn restored(run: &Run) {
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.execution().error);
    assert_eq!(run.world.values(), run.initial, "I8: everything is as it was");
}

const TWO_ON_ONE: &str = "rollbackOnFailure: true
         steps:
         - name: z-first
           action: thing.set
           parameters: {name: a, value: 1}
         - name: a-second
           action: thing.set
           parameters: {name: a, value: 2}
         - name: m-third
           action: thing.set
           parameters: {name: a, value: 3}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
        ";

#[test]
fn captured_changes_are_taken_back_newest_first() {
    let setting = Setting::new(TWO_ON_ONE);
    crash_everywhere(&setting, People::new, restored);
    crash_twice(&setting, People::new, restored);
}

#[test]
fn the_order_is_that_of_the_log_even_where_the_clock_went_back() {
    let setting = Setting::new(TWO_ON_ONE);
    let mut run = setting.start(People::new());
    // Every act starts at the same recorded instant: time in the log never goes back.
    let early = run.now;
    for _ in 0..500 {
        if !run.turn().unwrap() {
            break;
        }
        run.now = early - jiff::SignedDuration::from_hours(1);
    }
    restored(&run);
}

#[rstest]
#[case::an_action("rollback: {action: thing.put, parameters: {name: a, value: 0}}")]
#[case::commands("rollback: {commands: [thingctl set b 0, thingctl add a -5]}")]
#[case::commands_that_count("rollback: {commands: [thingctl add a -2, thingctl add a -3]}")]
#[case::a_step("rollback: take-back")]
fn a_step_is_taken_back_as_it_declares(#[case] undo: &str) {
    let spec = format!(
        "steps:
         - name: add
           action: thing.add
           parameters: {{name: a, by: 5}}
           {undo}
           next: fails
         - name: take-back
           action: thing.add
           parameters: {{name: a, by: -5}}
         - name: fails
           commands: [thingctl fail]
           rollback: {{irreversible: nothing}}
           onFailure: rollback
        "
    );
    let setting = Setting::new(&spec);
    crash_everywhere(&setting, People::new, restored);
    crash_twice(&setting, People::new, restored);
}

/// Adds five, and takes it back in two acts that count.
const IN_TWO_ACTS: &str = "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 5}
           rollback: {commands: [thingctl add a -2, thingctl add a -3]}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ";

const LOST_DONE: Fault = Fault { ending: belay_runbook::act::Ending::Lost, applied: true };

#[test]
fn i8_an_undo_act_that_is_said_to_have_happened_is_not_repeated_and_the_next_one_follows() {
    for act in ["thingctl add a -2", "thingctl add a -3"] {
        let setting = Setting::new(IN_TWO_ACTS).world(|world| world.fault(act, 1, LOST_DONE));
        let run = setting.run(People::new());
        restored(&run);
        assert_eq!(run.world.invoked("thingctl add a -2").len(), 1, "I8: it is applied once");
        assert_eq!(run.world.invoked("thingctl add a -3").len(), 1, "I8: it is applied once");
        let visit = run.execution().visit(&at("add")).unwrap();
        let settled = visit.acts.iter().find(|record| record.interrupted.is_some()).unwrap();
        assert!(settled.succeeded() && settled.settled_by.is_some(), "who said so is on record: {settled:?}");
    }
}

#[test]
fn i8_an_undo_that_was_left_unsettled_is_asked_about_again_by_the_next_rollback() {
    let setting = Setting::new(IN_TWO_ACTS).world(|world| world.fault("thingctl add a -2", 1, LOST_DONE));
    let people = People::new()
        .when(|execution, _, _| {
            (execution.status() == ExecutionStatus::Stuck).then(|| Statement::SettleUndo {
                at: at("add"),
                choice: UndoChoice::Leave,
                note: None,
            })
        })
        .when(|execution, _, _| execution.is_finished().then(|| rollback("once more")));
    let run = setting.run(people);
    restored(&run);
    assert_eq!(run.world.invoked("thingctl add a -2").len(), 1, "I8: it is applied once");
}

#[test]
fn an_undo_act_that_was_never_started_cannot_have_happened() {
    let setting = Setting::new(TWO_ON_ONE);
    let people = People::new().undo(UndoChoice::Done).when(|execution, world, _| {
        (acting(execution, "fails") && world.value("a") == 3).then(|| {
            world.foreign("a", 99);
            Statement::Note { text: "changed".to_owned() }
        })
    });
    let mut run = setting.start(people);
    while run.refusals.is_empty() {
        assert!(run.turn().unwrap(), "what does not fit is refused");
    }
    assert_eq!(run.execution().status(), ExecutionStatus::Stuck);
    assert_eq!(run.world.value("a"), 99);
}

#[test]
fn an_outcome_of_an_undo_that_arrives_late_settles_it() {
    let setting = Setting::new(IN_TWO_ACTS).world(|world| world.fault("thingctl add a -2", 1, LOST_DONE));
    let mut people = People::new();
    people.silent = true;
    let mut run = setting.start(people);
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Stuck);
    let id = run.world.invoked("thingctl add a -2")[0].id.clone();
    let outcome = belay_runbook::act::Outcome::succeeded(serde_json::Value::Null);
    run.input(belay_engine::driver::Input::Ended { id, outcome }).unwrap();
    run.drive();
    restored(&run);
    let settled = run.journal.transitions().find_map(|it| match it {
        Transition::UndoSettled { choice, by, .. } => Some((*choice, by.clone())),
        _ => None,
    });
    assert_eq!(settled, Some((UndoChoice::Done, None)), "nobody said so");
}

#[test]
fn a_step_without_an_undo_is_left_and_the_rest_is_taken_back() {
    let setting = Setting::new(
        "rollbackOnFailure: true
         steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: undeclared
           action: thing.add
           parameters: {name: b, by: 5}
         - name: declared
           action: thing.add
           parameters: {name: c, by: 5}
           rollback: {irreversible: it counts}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
        ",
    );
    crash_everywhere(&setting, People::new, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
        assert_eq!((run.world.value("a"), run.world.value("b"), run.world.value("c")), (0, 5, 5));
    });
}

#[test]
fn a_manual_undo_waits_for_a_person() {
    let setting = Setting::new(
        "rollbackOnFailure: true
         steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 5}
           rollback: take-back
           next: fails
         - name: take-back
           type: manual
           description: Take five away.
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
        ",
    );
    let people = || {
        let mut people = People::new().undo(UndoChoice::ByHand);
        people.by_hand = vec![("add", "a", 0)];
        people
    };
    crash_everywhere(&setting, people, restored);
}

#[rstest]
#[case::left(UndoChoice::Leave, ExecutionStatus::Failed, 99)]
#[case::by_hand(UndoChoice::ByHand, ExecutionStatus::RolledBack, 0)]
fn a_foreign_change_is_stuck_until_a_person_settles_it(
    #[case] choice: UndoChoice,
    #[case] expected: ExecutionStatus,
    #[case] value: i64,
) {
    let setting = Setting::new(TWO_ON_ONE);
    let people = || {
        let mut people = People::new().undo(choice).when(|execution, world, _| {
            (acting(execution, "fails") && world.value("a") == 3).then(|| {
                world.foreign("a", 99);
                Statement::Note { text: "changed".to_owned() }
            })
        });
        people.by_hand = vec![("m-third", "a", 2)];
        people
    };
    let run = setting.run(people());
    assert_eq!(run.execution().status(), expected);
    assert_eq!(run.world.value("a"), value, "what somebody else changed is untouched");
}

#[test]
fn what_was_left_is_not_counted_as_taken_back_by_a_second_rollback() {
    let setting = Setting::new(TWO_ON_ONE);
    let people = People::new()
        .when(|execution, world, _| {
            (acting(execution, "fails") && world.value("a") == 3).then(|| {
                world.foreign("a", 99);
                Statement::Note { text: "changed".to_owned() }
            })
        })
        .when(|execution, _, _| execution.is_finished().then(|| rollback("once more")));
    let run = setting.run(people);
    assert_eq!(run.world.value("a"), 99);
    assert_eq!(run.execution().status(), ExecutionStatus::Failed, "I8: it was not taken back");
}

#[test]
fn a_retry_compares_again() {
    let setting = Setting::new(TWO_ON_ONE);
    let people = People::new()
        .undo(UndoChoice::Retry)
        .when(|execution, world, _| {
            (acting(execution, "fails") && world.value("a") == 3).then(|| {
                world.foreign("a", 99);
                Statement::Note { text: "changed".to_owned() }
            })
        })
        .when(|execution, world, _| {
            (execution.status() == ExecutionStatus::Stuck).then(|| {
                world.foreign("a", 2);
                Statement::Note { text: "put back".to_owned() }
            })
        });
    restored(&setting.run(people));
}

#[test]
fn an_abort_is_followed_by_a_rollback() {
    let setting = Setting::new(TWO_ON_ONE);
    let people = || {
        People::new()
            .when(|_, world, _| (world.value("a") == 2).then(abort))
            .when(|execution, _, _| (execution.status() == ExecutionStatus::Aborted).then(|| rollback("back")))
    };
    crash_everywhere(&setting, people, restored);
    crash_twice(&setting, people, restored);
}

#[test]
fn a_rollback_that_was_aborted_goes_on_where_it_was() {
    // Each undo counts: applied twice, the object would not be as it was.
    let setting = Setting::new(
        "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 5}
           rollback: {commands: [thingctl add a -2, thingctl add a -3]}
         - name: more
           action: thing.add
           parameters: {name: b, by: 5}
           rollback: {commands: [thingctl add b -5]}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ",
    );
    for value in [3, 0] {
        let people = move || {
            People::new()
                .when(move |execution, world, _| {
                    (execution.phase == Phase::Undoing && world.value("a") == value).then(abort)
                })
                .when(|execution, _, _| (execution.status() == ExecutionStatus::Aborted).then(|| rollback("on")))
        };
        crash_everywhere(&setting, people, restored);
    }
}

#[test]
fn a_person_who_settles_while_the_state_is_compared_is_heard() {
    let setting = Setting::new(TWO_ON_ONE).world(|world| {
        world.fault("undo thing.set a", 1, Fault { ending: belay_runbook::act::Ending::Lost, applied: false })
    });
    let mut people = People::new().when(|execution, world, _| {
        let entry = execution.rollback.as_ref()?.items.first()?;
        matches!(entry.state, UndoEntryState::Stuck(_)).then(|| {
            world.foreign("a", 2);
            Statement::SettleUndo { at: at("m-third"), choice: UndoChoice::ByHand, note: None }
        })
    });
    people.undo = UndoChoice::Retry;
    restored(&setting.run(people));
}

#[test]
fn a_stuck_undo_of_an_aborted_execution_is_not_settled_any_more() {
    let setting = Setting::new(TWO_ON_ONE);
    let people = People::new()
        .when(|execution, world, _| {
            (acting(execution, "fails") && world.value("a") == 3).then(|| {
                world.foreign("a", 99);
                Statement::Note { text: "changed".to_owned() }
            })
        })
        .when(|execution, _, _| (execution.status() == ExecutionStatus::Stuck).then(abort))
        .when(|execution, _, _| {
            (execution.status() == ExecutionStatus::Aborted).then(|| Statement::SettleUndo {
                at: at("m-third"),
                choice: UndoChoice::Leave,
                note: None,
            })
        });
    let run = setting.run(people);
    assert_eq!(run.execution().status(), ExecutionStatus::Aborted);
    assert_eq!(run.refusals.len(), 1, "{:?}", run.refusals);
}

#[test]
fn one_step_is_taken_back_when_a_person_says_so_of_an_interrupted_act() {
    let setting = Setting::new(TWO_ON_ONE).world(|world| world.fault("thing.set a", 2, Fault::TIMED_OUT_DONE));
    let people = || People::new().settle(Confirmation::Undo);
    let run = setting.run(people());
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.world.value("a"), 1);
    assert_eq!(status(run.execution(), "a-second"), StepStatus::Undone);
}

#[test]
fn i8_a_change_between_the_comparison_and_the_undo_is_not_overwritten() {
    let setting = Setting::new(TWO_ON_ONE);
    let people = || {
        People::new().when(|execution, world, _| {
            (execution.phase == Phase::Undoing && world.value("a") == 3).then(|| {
                world.foreign("a", 99);
                Statement::Note { text: "changed".to_owned() }
            })
        })
    };
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.world.value("a"), 99, "what somebody else changed is untouched");
        assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    });
    let mut people = people();
    people.silent = true;
    let run = setting.run(people);
    let stuck = run.journal.transitions().any(
        |it| matches!(it, Transition::UndoStuck { detail, .. } if detail["live"]["value"] == 99 && detail["after"]["value"] == 3),
    );
    assert!(stuck, "before, after and live are shown: {:?}", run.execution().rollback);
}
