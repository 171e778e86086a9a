//! Approvals: who, for what, until when, and what makes them void.

use belay_engine::driver::Refusal;
use belay_engine::event::{Closing, Statement, Transition};
use belay_engine::execution::Stage;
use belay_engine::status::{ExecutionStatus, StepStatus};
use jiff::SignedDuration;

use crate::support::people::{approve, status};
use crate::support::{Fault, People, Run, Setting, at, crash_everywhere, visit};

const SET: &str = "steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
        ";

fn closings(run: &Run) -> Vec<Closing> {
    run.journal
        .transitions()
        .filter_map(|transition| match transition {
            Transition::ApprovalClosed { how, .. } => Some(how.clone()),
            _ => None,
        })
        .collect()
}

fn waiting() -> Run {
    let mut people = People::new();
    people.approves = false;
    let mut run = Setting::new(SET).production().start(people);
    while run.execution().current_visit().is_none_or(|visit| visit.stage != Stage::Approval) {
        assert!(run.turn().unwrap());
    }
    run
}

fn request(run: &Run) -> (String, String) {
    let asked = &run.execution().visit(&at("set")).unwrap().request.as_ref().unwrap().asked;
    (asked.digest.clone(), asked.target.clone())
}

fn approval(digest: &str, target: Option<&str>) -> Statement {
    Statement::Approve { at: at("set"), digest: digest.to_owned(), target: target.map(str::to_owned), comment: None }
}

#[test]
fn the_target_has_to_be_typed_and_the_digest_has_to_be_the_one_asked_for() {
    let mut run = waiting();
    let (digest, target) = request(&run);
    for (digest, target) in [(digest.as_str(), None), (digest.as_str(), Some("b")), ("0000", Some(target.as_str()))] {
        run.say(approval(digest, target)).unwrap();
    }
    let other = Refusal::OtherTarget { typed: "b".to_owned(), target: "a".to_owned() };
    assert_eq!(run.refusals, [Refusal::Target("a".to_owned()), other, Refusal::OtherDigest]);
    assert!(run.world.log.is_empty(), "nothing ran");
    run.say(approval(&digest, Some("a"))).unwrap();
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
}

#[test]
fn a_rejected_step_is_cancelled_and_nothing_runs() {
    let mut run = waiting();
    let (digest, _) = request(&run);
    run.say(Statement::Reject { at: at("set"), digest, comment: Some("no".to_owned()) }).unwrap();
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(status(run.execution(), "set"), StepStatus::Cancelled);
    assert!(run.world.log.is_empty());
}

#[test]
fn a_request_expires_and_a_person_asks_for_a_new_one() {
    let setting = Setting::new(SET).production();
    let people = || {
        let mut people = People::new();
        for _ in 0..3 {
            people = people.when(|execution, _, _| {
                // Answered only after the first request has gone.
                let visit = execution.current_visit()?;
                (visit.plans.len() > 1).then(|| approve(visit)).flatten()
            });
        }
        people.approves = false;
        people
    };
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!(run.world.invoked("thing.set a").len(), 1);
    });
    let run = setting.run(people());
    assert_eq!(closings(&run), [Closing::Expired]);
}

#[test]
fn an_approval_that_expired_before_the_act_is_not_used() {
    for retried in [false, true] {
        let mut setting = Setting::new(SET).production();
        if retried {
            setting = setting.world(|world| world.fault("thing.set a", 1, Fault::FAILED));
        }
        let mut run = setting.start(People::new());
        run.people.approves = false;
        if retried {
            run.people.approves = true;
            run.drive();
            run.people.approves = false;
            run.say(Statement::Retry { at: at("set") }).unwrap();
        }
        while run.execution().current_visit().is_none_or(|visit| visit.stage != Stage::Approval) {
            assert!(run.turn().unwrap());
        }
        let before = run.world.log.len();
        run.say(Statement::Pause).unwrap();
        let (digest, target) = request(&run);
        run.say(approval(&digest, Some(&target))).unwrap();
        run.now += SignedDuration::from_hours(1);
        run.people.silent = true;
        run.say(Statement::Resume).unwrap();
        run.drive();
        assert_eq!(run.world.log.len(), before, "it had expired (after a retry: {retried})");
        assert_eq!(status(run.execution(), "set"), StepStatus::WaitingApproval);
    }
}

#[test]
fn an_approval_is_void_when_what_it_rests_on_has_changed() {
    let setting = Setting::new(SET).production();
    let people = || {
        People::new().when(|execution, world, _| {
            let visit = execution.current_visit()?;
            (visit.stage == Stage::Approval && world.value("a") == 0).then(|| {
                world.foreign("a", 1);
                Statement::Note { text: "changed".to_owned() }
            })
        })
    };
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!(run.world.value("a"), 5);
    });
    let run = setting.run(people());
    match closings(&run).as_slice() {
        [Closing::Voided { difference }] => assert_eq!(difference, &["thing.set: `value` was 0 and is 1"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_approval_counts_for_one_visit() {
    let setting = Setting::new(
        "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 1}
         - name: again
           type: decision
           branches:
             more: add
             enough: end
        ",
    )
    .production();
    let people = || {
        People::new().decide("again", "enough").when(|execution, _, _| {
            let visit = execution.current_visit()?;
            let waits = matches!(visit.stage, Stage::Person(_)) && visit.id == at("again");
            waits.then(|| Statement::Decide { at: at("again"), branch: "more".to_owned() })
        })
    };
    crash_everywhere(&setting, people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!(run.world.value("a"), 2);
        let digest = |number| {
            let visit = run.execution().visit(&visit("add", number)).unwrap();
            visit.plan().unwrap().approval.as_ref().unwrap().digest.clone()
        };
        assert_ne!(digest(1), digest(2));
        let statements = run.journal.kinds().iter().filter(|kind| *kind == "statement.approve").count();
        assert!(statements >= 2, "each visit was approved");
    });
}

#[test]
fn destroying_needs_approval_everywhere() {
    let setting = Setting::new(
        "steps:
         - name: destroy
           action: thing.destroy
           parameters: {name: a}
           rollback: {irreversible: gone is gone}
        ",
    );
    let mut people = People::new();
    people.approves = false;
    let run = setting.run(people);
    assert!(run.world.log.is_empty());
    assert_eq!(run.execution().status(), ExecutionStatus::Waiting);
    crash_everywhere(&setting, People::new, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert!(!run.world.objects.contains_key("a"));
    });
}

#[test]
fn several_commands_run_under_one_approval_and_a_renewal_repeats_none() {
    let setting = Setting::new(
        "steps:
         - name: several
           commands:
           - thingctl add a 1
           - thingctl add b 1
        ",
    )
    .production()
    .world(|world| world.fault("thingctl add b 1", 1, Fault::LOST));
    // After `not done` the rest is asked for again; that request expires first.
    let people = || {
        let mut people = People::new()
            .when(|execution, _, _| {
                let visit = execution.current_visit()?;
                (visit.plans.len() == 1).then(|| approve(visit)).flatten()
            })
            .when(|execution, _, _| {
                let visit = execution.current_visit()?;
                (visit.plans.len() == 3).then(|| approve(visit)).flatten()
            });
        people.approves = false;
        people
    };
    let run = setting.run(people());
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert_eq!((run.world.value("a"), run.world.value("b")), (1, 1), "renewing is not trying again");
}

const TWICE: &str = "name: twice
description: Sets it twice
do:
  - {action: thing.set, parameters: {name: a, value: 1}}
  - {action: thing.set, parameters: {name: a, value: 2}}
";

fn twice() -> Setting {
    let mut setting = Setting::new(
        "steps:
         - name: twice
           automation: twice
        ",
    )
    .production();
    setting.automations.push(("twice", TWICE));
    setting
}

#[test]
fn one_approval_covers_every_part_although_the_first_changes_what_the_second_was_judged_by() {
    crash_everywhere(&twice(), People::new, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().error);
        assert_eq!(run.world.value("a"), 2);
        assert_eq!(run.world.log.iter().filter(|invoked| invoked.applied).count(), 2, "each part is performed once");
    });
    let run = twice().run(People::new());
    assert_eq!(closings(&run), [], "nobody is asked again about what was expected");
}

#[test]
fn a_foreign_change_between_two_parts_is_asked_about_and_what_is_done_stays_done() {
    let people = || {
        People::new().when(|execution, world, _| {
            let visit = execution.visit(&at("twice"))?;
            (world.value("a") == 1 && visit.acts.last()?.outcome.is_none()).then(|| {
                world.foreign("a", 7);
                Statement::Note { text: "changed".to_owned() }
            })
        })
    };
    let run = twice().run(people());
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert_eq!(run.world.log.len(), 2, "each part is performed once");
    let closings = closings(&run);
    let [Closing::Voided { difference }] = closings.as_slice() else { panic!("{closings:?}") };
    assert_eq!(difference, &["thing.set: `value` was 1 and is 7"]);
}
