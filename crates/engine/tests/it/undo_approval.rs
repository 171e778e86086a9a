//! Approval of what takes a step back, and of the runbook's own rollback.

use belay_engine::event::{Statement, UndoChoice};
use belay_engine::execution::{Stage, UndoEntryState};
use belay_engine::status::ExecutionStatus;

use crate::support::people::approve_undo;
use crate::support::{People, Run, Setting, at, crash_everywhere, crash_twice};

/// Deleting needs an approval wherever it is; what it takes back does not.
const DELETES: &str = "steps:
         - name: put
           action: thing.put
           parameters: {name: a, value: 5}
           rollback:
             action: thing.destroy
             parameters: {name: a}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ";

fn silent() -> People {
    let mut people = People::new();
    people.approves = false;
    people
}

/// Drives to the question.
fn asked() -> Run {
    let mut run = Setting::new(DELETES).start(silent());
    while run.execution().asking_undo().is_none() || run.driver.is_busy() {
        assert!(run.turn().unwrap());
    }
    run
}

fn destroyed(run: &Run) -> usize {
    run.world.invoked("thing.destroy a").len()
}

#[test]
fn an_undo_that_the_policy_gates_waits_for_an_approval_of_its_own() {
    let run = asked();
    assert_eq!(run.execution().status(), ExecutionStatus::Waiting, "it asks like a forward step");
    assert_eq!(destroyed(&run), 0, "I4: nothing runs that nobody approved");
    let request = run.execution().request_of(&at("put")).unwrap();
    assert!(request.asked.reasons.iter().any(|reason| reason.contains("policy rule")), "{:?}", request.asked.reasons);
    let done = |run: &Run| {
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
        assert!(!run.world.objects.contains_key("a"));
    };
    crash_everywhere(&Setting::new(DELETES), People::new, done);
    crash_twice(&Setting::new(DELETES), People::new, done);
}

#[test]
fn the_steps_approval_covers_its_undo() {
    let spec = DELETES.replace("value: 5}", "value: 5}\n           approval: {required: true}");
    let run = Setting::new(&spec).run(People::new());
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
    let asked = run.journal.kinds().into_iter().filter(|kind| *kind == "statement.approve").count();
    assert_eq!(asked, 1, "the plan that was approved showed the undo");
}

#[test]
fn a_rejected_undo_is_stuck_and_a_retry_asks_again() {
    let mut run = asked();
    let digest = run.execution().request_of(&at("put")).unwrap().asked.digest.clone();
    run.say(Statement::Reject { at: at("put"), digest: digest.clone(), comment: None }).unwrap();
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Failed, "whoever is asked leaves it");
    assert_eq!(destroyed(&run), 0);
    let mut run = asked();
    let digest = run.execution().request_of(&at("put")).unwrap().asked.digest.clone();
    run.say(Statement::Reject { at: at("put"), digest, comment: None }).unwrap();
    assert_eq!(run.execution().status(), ExecutionStatus::Stuck);
    run.say(Statement::SettleUndo { at: at("put"), choice: UndoChoice::Retry, note: None }).unwrap();
    run.people.approves = true;
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.refusals);
    assert_eq!(destroyed(&run), 1);
}

#[test]
fn an_approval_that_comes_too_late_starts_nothing() {
    let mut run = asked();
    let statement = approve_undo(run.execution().asking_undo().unwrap()).unwrap();
    run.now = run.execution().request_of(&at("put")).unwrap().asked.expires_at;
    run.say(statement).unwrap();
    assert_eq!(run.refusals.len(), 1, "it is refused");
    run.input(belay_engine::Input::Drive).unwrap();
    let items = &run.execution().rollback.as_ref().unwrap().items;
    let entry = items.iter().find(|entry| entry.item.at == at("put")).unwrap();
    assert!(matches!(entry.state, UndoEntryState::Stuck(_)), "a person says what becomes of it");
    assert_eq!(destroyed(&run), 0);
}

#[test]
fn what_changed_since_it_was_asked_for_is_asked_about_again() {
    let people = || {
        People::new().when(|execution, world, _| {
            execution.asking_undo()?;
            (world.value("a") == 5).then(|| {
                world.foreign("a", 7);
                Statement::Note { text: "changed".to_owned() }
            })
        })
    };
    let run = Setting::new(DELETES).run(people());
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
    let kinds = run.journal.kinds();
    let asked = kinds.iter().filter(|kind| **kind == "transition.undo_asked").count();
    assert_eq!(asked, 2, "it was asked again: {kinds:?}");
}

#[test]
fn a_step_of_the_rollback_has_its_own_approval_and_waits_for_it() {
    let setting = Setting::new(
        "steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
         rollback:
           steps:
           - name: last
             action: thing.destroy
             parameters: {name: b}
        ",
    );
    let run = setting.run(silent());
    let closed = run.execution().visit(&at("last")).unwrap();
    assert!(matches!(closed.stage, Stage::Person(_) | Stage::Approval), "nobody approved it");
    assert_eq!(run.execution().status(), ExecutionStatus::Waiting, "an approval is asked for; nothing is stuck");
    crash_everywhere(&setting, People::new, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
        assert!(!run.world.objects.contains_key("b"));
    });
}
