//! Pause, abort, cancel and by-hand at every instant.

use belay_engine::driver::Input;
use belay_engine::event::{Confirmation, Statement};
use belay_engine::execution::Stage;
use belay_engine::status::{ExecutionStatus, StepStatus};

use crate::support::laws;
use crate::support::people::{acting, status};
use crate::support::{Fault, People, Run, Setting, at, crash_everywhere, me};

const MIXED: &str = "steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 1}
         - name: several
           commands: [thingctl add b 1, thingctl add b 1]
           rollback: {commands: [thingctl set b 0]}
         - name: script
           action: script.execute
           parameters:
             script: |
               call thing.set {\"name\":\"c\",\"value\":1}
               call thing.set {\"name\":\"c\",\"value\":2}
         - name: check
           type: verification
           action: thing.read
           parameters: {name: c}
           validation: {postCondition: {value: 2}}
         - name: look
           type: manual
           description: Look.
        ";

/// Says something after every number of turns that a run takes.
fn after_every_turn(setting: &Setting, statement: &Statement, check: impl Fn(&Run, usize)) {
    for turns in 0.. {
        let mut run = setting.start(People::new());
        let mut reached = true;
        for _ in 0..turns {
            reached &= run.turn().unwrap();
        }
        if !reached {
            assert!(turns > 10, "it takes some turns");
            return;
        }
        let before = run.world.log.len();
        run.say(statement.clone()).unwrap();
        if run.execution().paused {
            run.people.silent = true;
            // What runs may end, and nothing new starts.
            while !run.inbox.is_empty() {
                run.turn().unwrap();
            }
            assert_eq!(run.world.log.len(), before, "something started while it was paused (after {turns} turns)");
            run.people.silent = false;
        }
        run.drive();
        laws::hold(&run);
        check(&run, turns);
    }
}

#[test]
fn nothing_starts_while_it_is_paused_and_it_goes_on_afterwards() {
    for setting in [Setting::new(MIXED), Setting::new(MIXED).production()] {
        after_every_turn(&setting, &Statement::Pause, |run, turns| {
            assert_eq!(run.execution().status(), ExecutionStatus::Completed, "after {turns} turns");
            assert_eq!((run.world.value("a"), run.world.value("b"), run.world.value("c")), (1, 2, 2));
        });
    }
}

#[test]
fn an_abort_ends_it_after_what_runs_has_an_outcome() {
    for setting in [Setting::new(MIXED), Setting::new(MIXED).production()] {
        after_every_turn(&setting, &Statement::Abort { reason: "no".to_owned() }, |run, turns| {
            let status = run.execution().status();
            assert!(
                matches!(status, ExecutionStatus::Aborted | ExecutionStatus::Completed),
                "after {turns}: {status:?}"
            );
            let open =
                run.execution().visits.values().flatten().flat_map(|visit| &visit.acts).find(|it| !it.is_settled());
            assert!(open.is_none(), "after {turns} turns: {open:?}");
        });
    }
}

#[test]
fn a_rollback_at_any_instant_restores_everything() {
    for setting in [Setting::new(MIXED), Setting::new(MIXED).production()] {
        after_every_turn(&setting, &Statement::Rollback { reason: "no".to_owned() }, |run, turns| {
            assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "after {turns} turns");
            assert_eq!(run.world.values(), run.initial, "I8, after {turns} turns");
        });
    }
}

#[test]
fn every_sort_of_step_in_one_runbook_survives_a_crash_at_every_instant() {
    for setting in [Setting::new(MIXED), Setting::new(MIXED).production()] {
        crash_everywhere(&setting, People::new, |run| {
            assert_eq!(run.execution().status(), ExecutionStatus::Completed);
            assert_eq!((run.world.value("a"), run.world.value("b"), run.world.value("c")), (1, 2, 2));
        });
    }
}

#[test]
fn a_rollback_of_every_sort_of_step_survives_a_crash_at_every_instant() {
    let people = || {
        let mut people = People::new().when(|execution, _, _| {
            (execution.current == Some(at("look"))).then(|| Statement::Rollback { reason: "no".to_owned() })
        });
        people.by_hand = vec![("several", "b", 0)];
        people
    };
    crash_everywhere(&Setting::new(MIXED), people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
        assert_eq!(run.world.values(), run.initial);
    });
}

#[test]
fn a_cancel_at_any_instant_leaves_a_known_state() {
    let setting = Setting::new(MIXED);
    for turns in 0..200 {
        let mut run = setting.start(People::new());
        let mut reached = true;
        for _ in 0..turns {
            reached &= run.turn().unwrap();
        }
        if !reached {
            return;
        }
        run.input(Input::Cancel).unwrap();
        run.drive();
        laws::hold(&run);
        assert!(run.execution().is_finished(), "after {turns} turns: {:?}", run.execution().phase);
    }
}

#[test]
fn a_second_cancel_stops_the_undo_that_runs() {
    let setting = Setting::new(
        "rollbackOnFailure: true
         steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 1}
        ",
    );
    let mut run = setting.start(People::new());
    while !acting(run.execution(), "set") {
        run.turn().unwrap();
    }
    run.input(Input::Cancel).unwrap();
    run.people.interjections.push(Box::new(|execution, _, _| {
        execution.is_finished().then(|| Statement::Rollback { reason: "back".to_owned() })
    }));
    run.people.settles = Some(Confirmation::Failed);
    for _ in 0..200 {
        let undoing = run.driver.running().is_some_and(|id| matches!(id.act, belay_engine::ids::ActIndex::Undo(_)));
        if undoing {
            run.input(Input::Cancel).unwrap();
            let cancelled = run.inbox.iter().any(|input| {
                matches!(input, Input::Ended { outcome, .. } if outcome.ending == belay_runbook::act::Ending::Cancelled)
            });
            assert!(cancelled, "the undo is cancelled");
            return;
        }
        run.turn().unwrap();
    }
    panic!("it was never undone");
}

#[test]
fn a_step_is_done_by_hand_instead() {
    let setting = Setting::new(MIXED).production();
    let people = People::new().when(|execution, world, _| {
        let visit = execution.current_visit()?;
        (visit.id == at("set") && visit.stage == Stage::Approval).then(|| {
            world.foreign("a", 1);
            Statement::Confirm { at: at("set"), outcome: Confirmation::Done, by_hand: true, note: None }
        })
    });
    let run = setting.run(people);
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert!(run.execution().visit(&at("set")).unwrap().by_hand);
    assert!(run.world.invoked("thing.set a").is_empty());
}

#[test]
fn a_step_that_failed_is_done_by_hand_and_it_goes_on_after_it() {
    let setting = Setting::new(MIXED).world(|world| world.fault("thing.set a", 1, Fault::FAILED));
    let people = || {
        People::new().when(|execution, world, _| {
            execution.is_finished().then(|| {
                world.foreign("a", 1);
                Statement::Confirm { at: at("set"), outcome: Confirmation::Done, by_hand: true, note: None }
            })
        })
    };
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.refusals);
        assert_eq!(status(run.execution(), "set"), StepStatus::Succeeded);
    });
    let run = setting.run(people());
    let visit = run.execution().visit(&at("set")).unwrap();
    assert_eq!(visit.done_by, Some(me()), "who did it is on record");
    assert!(visit.by_hand, "it counts as done by hand, not as left out");
}

#[test]
fn a_step_that_failed_is_not_said_to_have_worked_without_hands() {
    let setting = Setting::new(MIXED).world(|world| world.fault("thing.set a", 1, Fault::FAILED));
    let people = People::new().when(|execution, _, _| {
        execution.is_finished().then(|| Statement::Confirm {
            at: at("set"),
            outcome: Confirmation::Done,
            by_hand: false,
            note: None,
        })
    });
    let run = setting.run(people);
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.refusals.len(), 1);
}

#[test]
fn a_decision_is_not_done_by_hand() {
    let setting = Setting::new(
        "steps:
         - name: choose
           type: decision
           branches: {one: end, two: add}
         - name: add
           action: thing.add
           parameters: {name: a, by: 1}
        ",
    );
    let people = People::new().decide("choose", "one").when(|execution, _, _| {
        execution.waits_for_person().then(|| Statement::Confirm {
            at: at("choose"),
            outcome: Confirmation::Done,
            by_hand: true,
            note: None,
        })
    });
    let run = setting.run(people);
    assert_eq!(run.refusals.len(), 1);
    assert_eq!(run.world.value("a"), 0, "a decision falls through to nothing");
}

#[test]
fn a_step_that_waits_is_skipped() {
    let setting = Setting::new(MIXED).production();
    let people = People::new().when(|execution, _, _| {
        let visit = execution.current_visit()?;
        (visit.id == at("several") && visit.stage == Stage::Approval)
            .then(|| Statement::Skip { at: at("several"), reason: "no need".to_owned() })
    });
    let run = setting.run(people);
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert_eq!(status(run.execution(), "several"), StepStatus::Skipped);
    assert_eq!(run.world.value("b"), 0);
}
