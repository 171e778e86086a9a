//! Verification and decisions: fresh data, twice in a row, and no data is never a pass.

use belay_engine::driver::Input;
use belay_engine::event::{Need, Statement, Transition};
use belay_engine::execution::Stage;
use belay_engine::status::{ExecutionStatus, StepStatus};
use belay_runbook::act::Outcome;
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::json;

use crate::support::people::{acting, status};
use crate::support::{People, Setting, at, crash_everywhere};

const CHECK: &str = "steps:
         - name: check
           type: verification
           action: thing.read
           parameters: {name: a}
           retryDelay: 10s
           timeout: 60s
           validation: {postCondition: {value: \"> 3\"}}
        ";

#[rstest]
#[case::twice_in_a_row(&[Some(5), Some(5)], StepStatus::Succeeded, 2)]
#[case::not_alternating(&[Some(5), Some(1), Some(5), None, Some(5), Some(5)], StepStatus::Succeeded, 6)]
#[case::not_one_good_and_one_without_data(&[Some(5), None, Some(5), None, Some(5), None, Some(5), None, Some(5), None, Some(5), None, Some(5), None], StepStatus::Failed, 0)]
#[case::no_data_is_no_pass(&[None, None, None, None, None, None, None, None, None, None], StepStatus::Failed, 0)]
#[case::never(&[], StepStatus::Failed, 0)]
fn a_check_passes_when_it_holds_twice_in_a_row(
    #[case] reads: &[Option<i64>],
    #[case] expected: StepStatus,
    #[case] rounds: usize,
) {
    let setting = Setting::new(CHECK).world(|world| world.reads("a", reads));
    let run = setting.run(People::new());
    assert_eq!(status(run.execution(), "check"), expected);
    if rounds > 0 {
        assert_eq!(run.world.log.len(), rounds);
    }
}

#[test]
fn a_check_survives_any_crash_and_has_its_full_time_again() {
    let setting = Setting::new(CHECK).world(|world| world.reads("a", &[Some(1), Some(1), Some(1), Some(1)]));
    let people = || {
        People::new().when(|execution, world, _| {
            (execution.started && world.log.len() >= 3).then(|| {
                world.foreign("a", 9);
                Statement::Note { text: "up".to_owned() }
            })
        })
    };
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        let good = run.world.log.iter().filter(|invoked| invoked.applied).count();
        assert!(good >= 2);
    });
}

#[test]
fn an_outcome_that_arrives_twice_is_not_a_second_observation() {
    let setting = Setting::new(CHECK).world(|world| world.reads("a", &[Some(5), Some(1)]));
    let mut run = setting.start(People::new());
    while !run.inbox.iter().any(|input| matches!(input, Input::Ended { .. })) {
        assert!(run.turn().unwrap());
    }
    let twice = run.inbox.iter().find(|input| matches!(input, Input::Ended { .. })).unwrap().clone();
    run.inbox.push_back(twice);
    run.turn().unwrap();
    run.turn().unwrap();
    assert_ne!(status(run.execution(), "check"), StepStatus::Succeeded, "it was read once");
}

#[test]
fn an_outcome_that_a_helper_left_is_not_a_pass() {
    let setting = Setting::new(CHECK).world(|world| world.reads("a", &[Some(1), Some(1)]));
    let mut run = setting.start(People::new());
    while !acting(run.execution(), "check") {
        assert!(run.turn().unwrap());
    }
    let Stage::Acting(id) = run.execution().current_visit().unwrap().stage.clone() else { panic!("it acts") };
    run.restart();
    let outcome = Outcome::succeeded(json!({ "value": 1 }));
    run.input(Input::Ended { id, outcome }).unwrap();
    run.drive();
    assert_eq!(status(run.execution(), "check"), StepStatus::Failed);
}

#[test]
fn a_check_is_cancelled_between_two_rounds() {
    let setting = Setting::new(CHECK);
    let mut run = setting.start(People::new());
    while run.world.log.is_empty() || !run.inbox.is_empty() {
        assert!(run.turn().unwrap());
    }
    run.input(Input::Cancel).unwrap();
    run.drive();
    assert_eq!(status(run.execution(), "check"), StepStatus::Cancelled);
    assert_eq!(run.world.log.len(), 1);
}

const DECIDE: &str = "steps:
         - name: look
           action: thing.read
           parameters: {name: a}
         - name: wait
           type: manual
           description: Wait.
         - name: choose
           type: decision
           branches:
             high: {next: add, when: CONDITION}
             low: {next: end, when: \"{{ le .Steps.look.output.value 3 }}\"}
         - name: add
           action: thing.add
           parameters: {name: b, by: 1}
        ";

#[rstest]
#[case::one_holds("\"{{ gt .Steps.look.output.value 3 }}\"", 9, 0, None)]
#[case::the_other_holds("\"{{ gt .Steps.look.output.value 3 }}\"", 1, 0, None)]
#[case::both_hold("\"{{ gt .Steps.look.output.value 0 }}\"", 1, 0, Some("more than one"))]
#[case::none_holds("\"{{ gt .Steps.look.output.value 10 }}\"", 9, 0, Some("no branch"))]
#[case::stale("\"{{ gt .Steps.look.output.value 3 }}\"", 9, 6, Some("older than five minutes"))]
#[case::stale_published("\"{{ gt .Value 3 }}\"", 9, 6, Some("older than five minutes"))]
#[case::missing("\"{{ gt .Steps.never.output.value 3 }}\"", 9, 0, Some("cannot be evaluated"))]
fn a_condition_picks_a_branch_when_one_holds_and_is_fresh(
    #[case] condition: &str,
    #[case] value: i64,
    #[case] minutes: i64,
    #[case] asked: Option<&str>,
) {
    let text = DECIDE.replace("CONDITION", condition).replace(
        "{{ le .Steps.look.output.value 3 }}",
        if asked == Some("older than five minutes") && condition.contains(".Value") {
            "{{ le .Value 3 }}"
        } else {
            "{{ le .Steps.look.output.value 3 }}"
        },
    );
    let text = if condition.contains("never") {
        text.replace("steps:\n", "steps:\n         - name: never\n           type: manual\n           description: Never.\n           when: \"{{ eq 1 1 }}\"\n")
    } else {
        text
    };
    let setting = Setting::new(&text).world(|mut world| {
        world.foreign("a", value);
        world
    });
    let mut run = setting.start(People::new());
    run.people.interjections = Vec::new();
    loop {
        let waits = run
            .execution()
            .current_visit()
            .is_some_and(|visit| visit.id == at("wait") && matches!(visit.stage, Stage::Person(Need::Confirmation)));
        if waits {
            run.now += SignedDuration::from_mins(minutes);
            run.people.silent = false;
        }
        let decision = run.execution().current_visit().and_then(|visit| match &visit.stage {
            Stage::Person(Need::Decision { why }) => Some(why.clone()),
            _ => None,
        });
        if let Some(why) = decision {
            let expected = asked.unwrap_or_else(|| panic!("nobody should be asked: {why:?}"));
            assert!(why.clone().unwrap_or_default().contains(expected), "{why:?}");
            return;
        }
        if !run.turn().unwrap() {
            break;
        }
    }
    assert_eq!(asked, None, "a person should have been asked");
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert_eq!(run.world.value("b"), i64::from(value > 3));
}

#[test]
fn a_value_that_is_missing_is_asked_for_and_a_false_when_skips() {
    let setting = Setting::new(
        "inputs:
           target: {type: string}
         steps:
         - name: never
           action: thing.add
           parameters: {name: a, by: 1}
           when: \"{{ eq 1 2 }}\"
         - name: put
           action: thing.put
           parameters: {name: \"{{ .Vars.target }}\", value: 3}
        ",
    );
    let people = || People::new().provide("target", "b").provide(".Vars.target", "b");
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.journal.kinds());
        assert_eq!(status(run.execution(), "never"), StepStatus::Skipped);
        assert_eq!((run.world.value("a"), run.world.value("b")), (0, 3));
    });
}

const PLACED: &str = "steps:
         - name: place
           action: thing.place
           parameters: {name: a, value: 1}
           timeout: 20s
           validation: {postCondition: {value: 5}}
         - name: put
           action: thing.put
           parameters: {name: c, value: \"{{ .Steps.place.output.value }}\"}
        ";

#[test]
fn a_post_condition_that_does_not_hold_yet_is_looked_at_again_and_the_act_is_not_repeated() {
    let people = || {
        People::new().when(|execution, world, now| {
            let visit = execution.visit(&at("place"))?;
            let late = now.duration_since(visit.entered_at).as_secs() > 6;
            late.then(|| {
                world.foreign("a", 5);
                Statement::Note { text: "it takes effect".to_owned() }
            })
        })
    };
    let setting = Setting::new(PLACED);
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().error);
        assert_eq!(run.world.value("c"), 5, "later steps see what came to hold");
    });
    assert_eq!(setting.run(people()).world.invoked("thing.place a").len(), 1);
}

#[test]
fn a_post_condition_that_never_holds_fails_the_step_when_its_time_is_over() {
    let run = Setting::new(PLACED).run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.world.invoked("thing.place a").len(), 1, "a change is not repeated for its check");
    let observed = run.journal.transitions().filter(|it| matches!(it, Transition::Observed { .. })).count();
    assert_eq!(observed, 2, "the first look and the last one are on record");
    let visit = run.execution().visit(&at("place")).unwrap();
    assert!(visit.error.as_ref().is_some_and(|error| error.contains("expected 5")), "{:?}", visit.error);
    let took = visit.ended_at.unwrap().duration_since(visit.entered_at);
    assert!(took.as_secs() >= 20, "it was given {took}");
}

#[test]
fn a_read_whose_post_condition_does_not_hold_is_read_again_as_often_as_its_retries_say() {
    for (retries, expected) in [(1, ExecutionStatus::Failed), (2, ExecutionStatus::Completed)] {
        let setting = Setting::new(&format!(
            "steps:
             - name: read
               action: thing.read
               parameters: {{name: a}}
               retries: {retries}
               validation: {{postCondition: {{value: 5}}}}
            "
        ))
        .world(|world| world.reads("a", &[Some(1), None, Some(5)]));
        let run = setting.run(People::new());
        assert_eq!(run.execution().status(), expected, "{retries} retries");
        assert_eq!(run.world.invoked("thing.read a").len(), retries + 1);
    }
}

#[test]
fn an_idempotent_act_is_performed_again_for_its_check() {
    let setting = Setting::new(
        "steps:
         - name: put
           action: thing.put
           parameters: {name: a, value: 1}
           retries: 1
           validation: {postCondition: {value: 5}}
        ",
    );
    let run = setting.run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.world.invoked("thing.put a").len(), 2, "as often as `retries` says");
}
