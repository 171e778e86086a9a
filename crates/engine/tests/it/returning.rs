//! A flow that comes back to a step by itself: what is repeated, how often, and when a person is asked.

use belay_engine::driver::ENTRIES_ALONE;
use belay_engine::event::{Need, Statement};
use belay_engine::execution::Stage;
use belay_engine::status::{ExecutionStatus, StepStatus};
use rstest::rstest;

use crate::support::people::status;
use crate::support::{Fault, People, Run, Setting, at, crash_everywhere, visit};

const ITSELF: &str = "steps:
         - name: add
           commands: [thingctl add a 1]
           rollback: {irreversible: it counts}
           onFailure: add
        ";
const THROUGH_ANOTHER: &str = "steps:
         - name: add
           commands: [thingctl add a 1]
           rollback: {irreversible: it counts}
           onFailure: tidy
           next: end
         - name: tidy
           action: thing.put
           parameters: {name: b, value: 1}
           next: add
        ";
const AFTER_A_CHECK: &str = "steps:
         - name: add
           commands: [thingctl add a 1]
           rollback: {irreversible: it counts}
         - name: check
           action: thing.read
           parameters: {name: b}
           validation: {postCondition: {value: 1}}
           onFailure: add
        ";

fn asks_again(run: &Run) -> bool {
    let current = run.execution().current_visit();
    current.is_some_and(|visit| matches!(visit.stage, Stage::Person(Need::Again { .. })))
}

fn failing(spec: &str) -> Setting {
    let mut setting = Setting::new(spec);
    for nth in 1..200 {
        setting = setting.world(|world| world.fault("thingctl add a 1", nth, Fault::FAILED));
    }
    setting
}

#[rstest]
#[case::itself(ITSELF)]
#[case::through_another(THROUGH_ANOTHER)]
#[case::after_a_check(AFTER_A_CHECK)]
fn a_change_that_a_failure_leads_back_to_waits_for_a_person(#[case] spec: &str) {
    let setting = if spec == AFTER_A_CHECK { Setting::new(spec) } else { failing(spec) };
    let run = setting.run(People::new());
    assert!(asks_again(&run), "{:?}", run.journal.kinds());
    assert_eq!(run.execution().status(), ExecutionStatus::Waiting);
    assert_eq!(status(run.execution(), "add"), StepStatus::WaitingInput);
    assert_eq!(run.world.invoked("thingctl add a 1").len(), 1, "it is performed once without a person");
}

#[rstest]
#[case::itself(ITSELF)]
#[case::through_another(THROUGH_ANOTHER)]
fn a_person_has_it_performed_once_more(#[case] spec: &str) {
    let setting = Setting::new(spec).world(|world| world.fault("thingctl add a 1", 1, Fault::FAILED));
    let people = || {
        People::new().when(|execution, _, _| {
            let current = execution.current_visit()?;
            matches!(current.stage, Stage::Person(Need::Again { .. }))
                .then(|| Statement::Retry { at: current.id.clone() })
        })
    };
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!(run.world.value("a"), 1);
    });
}

#[test]
fn it_can_be_skipped_or_done_by_hand_instead() {
    for by_hand in [false, true] {
        let people = People::new().when(move |execution, _, _| {
            let current = execution.current_visit()?;
            let at = current.id.clone();
            let asked = matches!(current.stage, Stage::Person(Need::Again { .. }));
            asked.then(|| {
                if by_hand {
                    let outcome = belay_engine::event::Confirmation::Done;
                    Statement::Confirm { at, outcome, by_hand: true, note: None }
                } else {
                    Statement::Skip { at, reason: "enough".to_owned() }
                }
            })
        });
        let run = failing(ITSELF).run(people);
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.refusals);
        assert_eq!(run.world.invoked("thingctl add a 1").len(), 1);
    }
}

#[test]
fn a_person_on_the_way_back_has_had_a_say() {
    let setting = Setting::new(
        "steps:
         - name: add
           commands: [thingctl add a 1]
           rollback: {irreversible: it counts}
           onFailure: look
           next: end
         - name: look
           type: manual
           description: Look at it.
           next: add
        ",
    )
    .world(|world| world.fault("thingctl add a 1", 1, Fault::FAILED));
    let run = setting.run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "whoever confirmed the look wanted it");
    assert_eq!(run.world.value("a"), 1);
}

#[test]
fn an_approval_is_a_say() {
    let setting = Setting::new(ITSELF).production().world(|world| world.fault("thingctl add a 1", 1, Fault::FAILED));
    let run = setting.run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "both performances were approved, nothing more");
    assert!(run.execution().visit(&visit("add", 2)).unwrap().plan().unwrap().approval.is_some());
}

#[test]
fn calls_of_a_script_are_not_repeated_by_a_failure_either() {
    let spec = "steps:
         - name: script
           action: script.execute
           parameters:
             script: |
               call thing.add {\"name\":\"a\",\"by\":1}
               call thing.put {\"name\":\"b\",\"value\":1}
           onFailure: script
        ";
    let mut setting = Setting::new(spec);
    for nth in 1..200 {
        setting = setting.world(|world| world.fault("thing.put b", nth, Fault::FAILED));
    }
    let run = setting.run(People::new());
    assert!(asks_again(&run), "{:?}", run.journal.kinds());
    assert_eq!(run.world.invoked("thing.add a").len(), 1, "what was done stays done once");
}

#[test]
fn what_may_be_repeated_is_repeated_a_bounded_number_of_times() {
    let mut setting = Setting::new(
        "steps:
         - name: put
           action: thing.put
           parameters: {name: a, value: 5}
           onFailure: put
        ",
    );
    for nth in 1..200 {
        setting = setting.world(|world| world.fault("thing.put a", nth, Fault::FAILED));
    }
    let run = setting.run(People::new());
    assert!(asks_again(&run));
    let bound = usize::try_from(ENTRIES_ALONE).unwrap();
    assert_eq!(run.world.invoked("thing.put a").len(), bound);
    // A person's word opens it for as many again.
    let last = visit("put", ENTRIES_ALONE + 1);
    let people = People::new().when(move |execution, _, _| {
        let current = execution.current_visit()?;
        let asked = current.id == last && matches!(current.stage, Stage::Person(_));
        asked.then(|| Statement::Retry { at: last.clone() })
    });
    let run = setting.run(people);
    assert!(asks_again(&run));
    assert_eq!(run.world.invoked("thing.put a").len(), 2 * bound + 1, "the retried visit, and as many more");
}

#[test]
fn steps_that_are_only_skipped_do_not_go_round_for_ever() {
    let setting = Setting::new(
        "steps:
         - name: one
           action: thing.read
           parameters: {name: a}
           when: \"{{ eq 1 2 }}\"
         - name: two
           action: thing.read
           parameters: {name: a}
           when: \"{{ eq 1 2 }}\"
           next: one
        ",
    );
    let run = setting.run(People::new());
    assert!(asks_again(&run));
    assert_eq!(run.execution().visits[&at("one").step].len(), usize::try_from(ENTRIES_ALONE).unwrap() + 1);
}

#[test]
fn a_condition_that_goes_round_too_often_leaves_the_branch_to_a_person() {
    let spec = "steps:
         - name: add
           commands: [thingctl add a 1]
           rollback: {irreversible: it counts}
         - name: enough
           type: decision
           branches:
             more: {next: add, when: \"{{ eq 1 1 }}\"}
             stop: {next: end, when: \"{{ eq 1 2 }}\"}
        ";
    let run = Setting::new(spec).run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Waiting);
    let bound = usize::try_from(ENTRIES_ALONE).unwrap();
    assert_eq!(
        run.world.invoked("thingctl add a 1").len(),
        bound,
        "nothing failed, so the runbook's word counts so far"
    );
}

#[test]
fn an_old_failure_does_not_stop_what_is_repeated_on_purpose() {
    let spec = "steps:
         - name: first
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: add
         - name: add
           commands: [thingctl add a 1]
           rollback: {irreversible: it counts}
         - name: look
           action: thing.read
           parameters: {name: a}
         - name: enough
           type: decision
           branches:
             more: {next: add, when: \"{{ lt .Value 3 }}\"}
             stop: {next: end, when: \"{{ ge .Value 3 }}\"}
        ";
    let run = Setting::new(spec).run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().current_visit());
    assert_eq!(run.world.value("a"), 3);
}
