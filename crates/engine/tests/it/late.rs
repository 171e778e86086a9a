//! Outcomes and statements that arrive after they were given up.

use belay_engine::driver::{Input, Refusal};
use belay_engine::event::{Confirmation, Event, Statement, Transition};
use belay_engine::execution::Stage;
use belay_engine::ids::EventHash;
use belay_engine::status::{ExecutionStatus, StepStatus};
use belay_runbook::act::{Ending, Outcome};

use crate::support::people::status;
use crate::support::{Fault, People, Run, Setting, at};

const ADD: &str = "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 1}
         - name: look
           type: manual
           description: Look.
        ";

/// An act that was lost, and has happened all the same.
fn lost(people: People) -> (Run, belay_engine::ids::InvocationId) {
    let fault = Fault { ending: Ending::TimedOut, applied: true };
    let mut run = Setting::new(ADD).world(|world| world.fault("thing.add a", 1, fault)).start(people);
    run.drive();
    let id = run.world.log.first().expect("it was invoked").id.clone();
    (run, id)
}

fn arrives(run: &mut Run, id: &belay_engine::ids::InvocationId, ending: Ending) {
    run.input(Input::Ended { id: id.clone(), outcome: Outcome::bare(ending) }).unwrap();
    run.drive();
}

#[test]
fn a_late_outcome_settles_what_nobody_has_settled() {
    let mut silent = People::new();
    silent.silent = true;
    let (mut run, id) = lost(silent);
    assert!(matches!(run.execution().current_visit().unwrap().stage, Stage::Interrupted(_)));
    arrives(&mut run, &id, Ending::Succeeded);
    assert_eq!(status(run.execution(), "add"), StepStatus::Succeeded);
    assert_eq!(run.world.value("a"), 1, "it is not performed again");
}

#[test]
fn a_late_outcome_that_contradicts_a_person_is_shown_as_contested() {
    for (said, came) in [
        (Confirmation::Done, Ending::Failed),
        (Confirmation::Done, Ending::NotStarted),
        (Confirmation::Failed, Ending::Succeeded),
        (Confirmation::NotDone, Ending::Succeeded),
    ] {
        let (mut run, id) = lost(People::new().settle(said).confirm("look", Confirmation::Done));
        arrives(&mut run, &id, came);
        assert_eq!(status(run.execution(), "add"), StepStatus::Contested, "{said:?} against {came:?}");
        let record = run.execution().act(&id).unwrap();
        assert_eq!(record.may_have_happened(), came != Ending::NotStarted, "what was seen counts");
    }
}

#[test]
fn a_late_outcome_that_agrees_changes_nothing_and_is_taken_once() {
    let (mut run, id) = lost(People::new().settle(Confirmation::Done).confirm("look", Confirmation::Done));
    let before = run.execution().status();
    arrives(&mut run, &id, Ending::Succeeded);
    assert_eq!(run.execution().status(), before);
    assert_eq!(status(run.execution(), "add"), StepStatus::Succeeded);
    run.refusals.clear();
    arrives(&mut run, &id, Ending::Failed);
    assert_eq!(run.refusals, [Refusal::Stale], "the first one stands");
}

#[test]
fn a_dismissed_statement_never_takes_effect_again() {
    let mut run = Setting::new(ADD).start(People::new());
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    let hash = EventHash("too-late".to_owned());
    let effects = run.driver.dismiss(run.now, hash.clone(), &Refusal::Ended).unwrap();
    assert_eq!(effects.len(), 1, "it is put on record");
    assert!(run.execution().cited.contains(&hash), "a restart does not hear it again");
    assert!(run.driver.dismiss(run.now, hash, &Refusal::Ended).unwrap().is_empty(), "once is enough");
    let pause = Statement::Pause;
    assert!(run.execution().accepts(&pause, run.now).is_err());
    let dismissed = Event::Transition { at: run.now, transition: Transition::Dismissed { why: String::new() } };
    assert_eq!(dismissed.kind(), "transition.dismissed");
    assert!(run.execution().last_visit(&at("add").step).is_some());
}
