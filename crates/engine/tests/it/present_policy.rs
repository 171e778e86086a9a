//! The policy that is there by now: it may ask for more than the one of the start, and never for less.

use std::sync::Arc;

use belay_engine::driver::Present;
use belay_engine::event::{Closing, Need, Statement, Transition, UndoChoice};
use belay_engine::execution::{Stage, UndoEntryState};
use belay_engine::status::ExecutionStatus;
use belay_runbook::policy::Policy;

use crate::support::people::{acting, approve, status};
use crate::support::{Fault, People, Run, Setting, at};

/// Three changes in one step, none of which needs an approval by the policy of the start.
const THREE: &str = "steps:
         - name: three
           commands: [thingctl set a 1, thingctl set b 2, thingctl set c 3]
        ";
/// A change that captures what it takes back, and a failure that rolls back.
const BACK: &str = "steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ";

fn policy(change: impl FnOnce(String) -> String) -> Present {
    let text = change(Policy::default_text().to_owned());
    Present::Changed(Arc::new(Policy::parse("policy.yaml", text.as_bytes()).unwrap()))
}

/// A policy with one more rule.
fn with_rule(rule: &str) -> Present {
    policy(|text| {
        text.replacen("rules:\n", &format!("rules:\n  - {{name: two-eyes, description: is looked at, {rule}}}\n"), 1)
    })
}

fn stricter() -> Present {
    with_rule("when: [{effects: [mutate]}]")
}

fn forbidding() -> Present {
    with_rule("when: [{effects: [mutate]}], forbid: true")
}

fn held(policy: Option<Arc<Policy>>) -> Present {
    Present::Held { why: "the policy cannot be used".to_owned(), policy }
}

/// A policy that takes no command for a read, and asks about nothing.
fn without_reads() -> Arc<Policy> {
    Arc::new(Policy::parse("p", b"name: now\nversion: 1\n").unwrap())
}

fn waits_for_policy(run: &Run) -> bool {
    run.execution().current_visit().is_some_and(|visit| matches!(visit.stage, Stage::Person(Need::Policy { .. })))
}

fn stuck(run: &Run) -> bool {
    let mut entries = run.execution().rollback.iter().flat_map(|rollback| &rollback.items);
    entries.any(|entry| matches!(&entry.state, UndoEntryState::Stuck(_)))
}

fn silent() -> People {
    let mut people = People::new();
    people.approves = false;
    people
}

fn differences(run: &Run) -> Vec<String> {
    let closed = run.journal.transitions().filter_map(|transition| match transition {
        Transition::ApprovalClosed { how: Closing::Voided { difference }, .. } => Some(difference.clone()),
        _ => None,
    });
    closed.flatten().collect()
}

/// Goes on until something holds.
fn until(run: &mut Run, holds: impl Fn(&Run) -> bool) {
    while !holds(run) {
        assert!(run.turn().unwrap(), "it comes to that: {:?}", run.journal.kinds());
    }
}

fn waits_for_approval(run: &Run) -> bool {
    run.execution().current_visit().is_some_and(|visit| visit.stage == Stage::Approval) && !run.driver.is_busy()
}

fn agree(run: &mut Run) {
    let statement = approve(run.execution().current_visit().unwrap()).unwrap();
    run.say(statement).unwrap();
}

#[test]
fn an_approval_under_a_weaker_policy_is_void_and_asked_for_again_with_the_difference() {
    let live = "steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 1}
        ";
    for spec in [THREE, live] {
        let mut run = Setting::new(spec).production().start(silent());
        until(&mut run, waits_for_approval);
        run.present = stricter();
        agree(&mut run);
        until(&mut run, waits_for_approval);
        assert!(run.world.log.is_empty(), "nothing runs on an approval that the policy of now does not take");
        assert_eq!(differences(&run), ["policy rule `two-eyes`: is looked at"]);
        let request = run.execution().current_visit().unwrap().request.clone().unwrap();
        assert!(request.asked.reasons.iter().any(|reason| reason.contains("two-eyes")), "{:?}", request.asked.reasons);
        assert!(request.asked.policy.is_some(), "the record says which policy it was judged by");
        agree(&mut run);
        run.drive();
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.refusals);
        assert_eq!(run.world.value("a"), 1);
    }
}

#[test]
fn what_needed_no_approval_at_the_start_is_asked_about_before_the_next_act() {
    let mut run = Setting::new(THREE).start(silent());
    until(&mut run, |run| run.world.log.len() == 1);
    run.present = stricter();
    until(&mut run, waits_for_approval);
    assert_eq!(run.world.log.len(), 1, "the second act has not started");
    agree(&mut run);
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert_eq!(run.world.log.len(), 3, "what was done is not repeated");
}

#[test]
fn what_the_policy_forbids_by_now_does_not_start() {
    let mut run = Setting::new(THREE).start(People::new());
    until(&mut run, |run| run.world.log.len() == 1);
    run.present = forbidding();
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Failed);
    assert_eq!(run.world.log.len(), 1);
    assert!(run.execution().error.as_ref().unwrap().contains("`two-eyes` forbids it"), "{:?}", run.execution().error);
}

#[test]
fn a_weaker_policy_weakens_nothing() {
    let mut run = Setting::new(THREE).production().start(silent());
    run.present = Present::Changed(Arc::new(Policy::parse("p", b"name: none\nversion: 1\n").unwrap()));
    until(&mut run, waits_for_approval);
    assert!(run.world.log.is_empty(), "the policy of the start asks for an approval");
}

#[test]
fn only_approvers_that_both_policies_let_count() {
    let rule = "rules: [{name: asks, description: asks, when: [{effects: [mutate]}], approvers: [dba, sre]}]";
    let mut setting = Setting::new(THREE);
    setting.policy = Policy::parse("p", format!("name: start\nversion: 1\n{rule}\n").as_bytes()).unwrap();
    let mut run = setting.start(silent());
    until(&mut run, waits_for_approval);
    let narrower = format!("name: now\nversion: 2\n{}\n", rule.replace("[dba, sre]", "[dba]"));
    run.present = Present::Changed(Arc::new(Policy::parse("p", narrower.as_bytes()).unwrap()));
    agree(&mut run);
    until(&mut run, waits_for_approval);
    assert_eq!(differences(&run), ["the policy now lets only dba approve"]);
    assert_eq!(run.execution().current_visit().unwrap().request.as_ref().unwrap().asked.approvers, ["dba"]);
    agree(&mut run);
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "it is asked once more, and not for ever");
}

#[test]
fn while_the_policy_cannot_be_read_nothing_that_changes_something_starts() {
    let mut run = Setting::new(THREE).start(People::new());
    until(&mut run, |run| run.world.log.len() == 1);
    run.present = held(None);
    run.drive();
    assert_eq!(run.world.log.len(), 1);
    let visit = run.execution().current_visit().unwrap();
    let Stage::Person(Need::Policy { why }) = &visit.stage else { panic!("{:?}", visit.stage) };
    assert!(why.contains("cannot be used"), "{why}");
    run.say(Statement::Retry { at: at("three") }).unwrap();
    run.drive();
    assert_eq!(run.world.log.len(), 1, "it still cannot be read");
    run.present = Present::Unchanged;
    run.say(Statement::Retry { at: at("three") }).unwrap();
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    assert_eq!(run.world.log.len(), 3, "what was done is not repeated");
    let reads = "steps:
         - name: look
           type: verification
           action: thing.read
           parameters: {name: a}
        ";
    let mut run = Setting::new(reads).start(People::new());
    run.present = held(None);
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "reading needs no policy");
}

#[test]
fn an_automatic_retry_is_judged_by_the_policy_of_now() {
    let spec = "steps:
         - name: put
           action: thing.put
           parameters: {name: a, value: 1}
           retries: 2
        ";
    for production in [false, true] {
        let mut setting = Setting::new(spec).world(|world| world.fault("thing.put a", 1, Fault::FAILED));
        if production {
            setting = setting.production();
        }
        let mut run = setting.start(silent());
        if production {
            until(&mut run, waits_for_approval);
            agree(&mut run);
        }
        until(&mut run, |run| run.world.log.len() == 1);
        run.present = stricter();
        until(&mut run, waits_for_approval);
        assert_eq!(run.world.log.len(), 1, "the second attempt has not started");
        assert!(run.execution().visit(&at("put")).unwrap().plan().unwrap().approval.is_some(), "it asks first");
    }
}

#[test]
fn a_command_that_the_policy_no_longer_takes_for_a_read_is_none() {
    let mut run = Setting::new(
        "steps:
         - name: look
           commands: [cat a, cat b]
        ",
    )
    .start(silent());
    until(&mut run, |run| run.world.log.len() == 1);
    run.present = policy(|text| {
        let start = text.find("readCommands:").unwrap();
        let rule = "rules:\n  - {name: two-eyes, description: is looked at, when: [{effects: [mutate]}]}\n";
        text[..start].replacen("rules:\n", rule, 1)
    });
    until(&mut run, waits_for_approval);
    assert_eq!(run.world.log.len(), 1, "the second one has not started");
}

#[test]
fn taking_back_is_judged_by_the_policy_of_now_whatever_the_step_was_given() {
    let declared = BACK.replace(
        "value: 5}",
        "value: 5}\n           approval: {required: true}\n           rollback: {action: thing.set, parameters: {name: a, value: 9}}",
    );
    for spec in [BACK, declared.as_str()] {
        // What was captured is compared first, and judged when the answer is there.
        let to_undo = |run: &mut Run| match spec {
            BACK => run.drive_to_undo(),
            _ => until(run, |run| acting(run.execution(), "fails")),
        };
        let mut run = Setting::new(spec).start(People::new());
        to_undo(&mut run);
        run.people.approves = false;
        run.present = stricter();
        until(&mut run, |run| run.execution().asking_undo().is_some() && !run.driver.is_busy());
        assert_eq!(run.world.value("a"), 5, "nothing was taken back yet");
        run.people.approves = true;
        run.drive();
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.refusals);

        let mut run = Setting::new(spec).start(People::new());
        to_undo(&mut run);
        run.people.silent = true;
        run.present = forbidding();
        run.drive();
        assert!(stuck(&run), "what is forbidden is left to a person");
        assert_eq!(run.world.value("a"), 5);
        run.present = held(None);
        run.say(Statement::SettleUndo { at: at("set"), choice: UndoChoice::Retry, note: None }).unwrap();
        run.drive();
        assert!(stuck(&run), "and so is what changes something while there is no policy");
        run.present = Present::Unchanged;
        run.say(Statement::SettleUndo { at: at("set"), choice: UndoChoice::Retry, note: None }).unwrap();
        run.people.silent = false;
        run.drive();
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
        assert_eq!(status(run.execution(), "set").as_str(), "undone");
    }
}

#[test]
fn while_everything_is_held_it_is_judged_by_the_policy_of_now_as_well() {
    let spec = "steps:
         - name: look
           commands: [cat a, cat b]
        ";
    for waits in [false, true] {
        let mut run = Setting::new(spec).start(silent());
        until(&mut run, |run| run.world.log.len() == 1);
        run.present = held(waits.then(without_reads));
        run.drive();
        assert_eq!(waits_for_policy(&run), waits, "{:?}", run.journal.kinds());
        assert_eq!(
            run.world.log.len(),
            if waits { 1 } else { 2 },
            "what it does not take for a read changes something"
        );
        run.present = Present::Unchanged;
        if waits {
            run.say(Statement::Retry { at: at("look") }).unwrap();
            run.drive();
        }
        assert_eq!(run.execution().status(), ExecutionStatus::Completed);
        assert_eq!(run.world.log.len(), 2);
    }
}

#[test]
fn a_call_of_a_script_waits_while_everything_is_held_and_goes_on_with_a_retry() {
    let spec = "steps:
         - name: script
           action: script.execute
           parameters:
             script: |
               try call thing.add {\"name\":\"a\",\"by\":1}
               try call thing.add {\"name\":\"c\",\"by\":1}
               call thing.read {\"name\":\"a\"}
               try call thing.add {\"name\":\"b\",\"by\":1}
           onFailure: rollback
        ";
    for production in [false, true] {
        let mut setting = Setting::new(spec).world(|world| world.fault("thing.add c", 1, Fault::FAILED));
        if production {
            setting = setting.production();
        }
        let mut run = setting.start(People::new());
        until(&mut run, |run| !run.world.invoked("thing.add c").is_empty());
        run.present = held(None);
        run.drive();
        assert!(waits_for_policy(&run), "{:?}", run.journal.kinds());
        assert!(!run.world.invoked("thing.read a").is_empty(), "what only reads goes on");
        for restarts in [false, true] {
            if restarts {
                run.restart();
            } else {
                run.say(Statement::Retry { at: at("script") }).unwrap();
            }
            run.drive();
            assert!(waits_for_policy(&run), "it is still held: {:?}", run.journal.kinds());
        }
        assert_eq!((run.world.value("a"), run.world.value("b")), (1, 0));
        run.present = Present::Unchanged;
        run.say(Statement::Retry { at: at("script") }).unwrap();
        run.drive();
        assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().error);
        assert_eq!((run.world.value("a"), run.world.value("b")), (1, 1));
        let calls = ["thing.add a", "thing.add c", "thing.read a", "thing.add b"];
        assert_eq!(calls.map(|call| run.world.invoked(call).len()), [1; 4], "no call is repeated");
        let refused = run.journal.transitions().any(|it| matches!(it, Transition::CallRefused { .. }));
        assert!(!refused, "the script sees nothing of it");
    }
}

#[test]
fn a_call_of_a_script_that_takes_back_waits_as_well() {
    let spec = "steps:
         - name: add
           commands: [thingctl add a 5]
           rollback:
             action: script.execute
             parameters:
               script: |
                 try call thing.add {\"name\":\"c\",\"by\":1}
                 try call thing.add {\"name\":\"a\",\"by\":-5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ";
    let mut run = Setting::new(spec).world(|world| world.fault("thing.add c", 1, Fault::FAILED)).start(People::new());
    until(&mut run, |run| !run.world.invoked("thing.add c").is_empty());
    run.people.silent = true;
    run.present = held(None);
    run.drive();
    assert!(stuck(&run), "{:?}", run.journal.kinds());
    let scripts = run.world.invoked("script.execute").len();
    run.restart();
    run.present = Present::Unchanged;
    run.drive();
    assert!(stuck(&run), "a person has it go on");
    assert_eq!(run.world.invoked("script.execute").len(), scripts);
    run.say(Statement::SettleUndo { at: at("add"), choice: UndoChoice::Retry, note: None }).unwrap();
    run.people.silent = false;
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.execution().rollback);
    assert_eq!(run.world.values(), run.initial);
    let calls = ["thing.add c", "thing.add a"];
    assert_eq!(calls.map(|call| run.world.invoked(call).len()), [1; 2], "no call is repeated");
}
