//! Verification and decisions: fresh data, twice in a row, and no data is never a pass.

use belay_engine::driver::Input;
use belay_engine::event::{Need, Statement};
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
