//! What arrives twice or too late changes nothing.

use belay_engine::driver::{Input, Refusal, Stated};
use belay_engine::event::{Confirmation, Event, Statement, UndoChoice};
use belay_engine::execution::Stage;
use belay_engine::status::ExecutionStatus;
use belay_runbook::act::{Ending, Outcome, ProbeAnswer, UndoState};

use crate::support::people::status;
use crate::support::{Fault, People, Run, Setting, at, me};

const ADD: &str = "steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 1}
         - name: look
           type: manual
           description: Look.
         - name: more
           action: thing.add
           parameters: {name: a, by: 1}
        ";

fn debug(run: &Run) -> String {
    format!("{:?}", run.execution())
}

#[test]
fn a_statement_that_was_taken_is_not_taken_again() {
    let mut run = Setting::new(ADD).production().start(People::new());
    run.say(Statement::Note { text: "once".to_owned() }).unwrap();
    run.say(Statement::Pause).unwrap();
    run.say(Statement::Resume).unwrap();
    run.drive();
    let state = debug(&run);
    for logged in run.journal.events.clone() {
        if let Event::Statement { by, statement } = logged.event {
            run.refusals.clear();
            run.hear(Stated { hash: logged.hash, by, statement: statement.clone() }).unwrap();
            assert_eq!(run.refusals.len(), 1, "{statement:?} was taken twice");
            assert_eq!(debug(&run), state);
        }
    }
}

#[test]
fn outcomes_and_answers_that_belong_to_nothing_are_stale() {
    let mut run = Setting::new(ADD).world(|world| world.fault("thing.add a", 1, Fault::TIMED_OUT)).start(People::new());
    run.people.silent = true;
    run.drive();
    let Stage::Interrupted(id) = run.execution().current_visit().unwrap().stage.clone() else { panic!("interrupted") };
    let state = debug(&run);
    for input in [
        Input::Ended {
            id: belay_engine::ids::InvocationId { attempt: 9, ..id.clone() },
            outcome: Outcome::bare(Ending::Succeeded),
        },
        Input::Probed { id: id.clone(), answer: ProbeAnswer::NotDone },
        Input::Prepared { ticket: 1, results: Vec::new() },
        Input::Prepared { ticket: 99, results: Vec::new() },
        Input::Compared { item: 0, state: Ok(UndoState::AsBefore) },
        Input::HostCall { id, index: 0, function: "thing.read".to_owned(), act: None },
    ] {
        let answered = run.driver.handle(run.now, input.clone());
        assert_eq!(answered, Err(Refusal::Stale), "{input:?}");
        assert_eq!(debug(&run), state);
    }
}

#[test]
fn statements_about_what_is_not_there_are_refused() {
    let mut run = Setting::new(ADD).start(People::new());
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Completed);
    let state = debug(&run);
    let at = at("add");
    for statement in [
        Statement::Confirm { at: at.clone(), outcome: Confirmation::Done, by_hand: false, note: None },
        Statement::Decide { at: at.clone(), branch: "x".to_owned() },
        Statement::Approve { at: at.clone(), digest: "0".to_owned(), target: None, comment: None },
        Statement::Reject { at: at.clone(), digest: "0".to_owned(), comment: None },
        Statement::Retry { at: at.clone() },
        Statement::Skip { at: at.clone(), reason: String::new() },
        Statement::SettleUndo { at, choice: UndoChoice::ByHand, note: None },
        Statement::Pause,
        Statement::Resume,
        Statement::Abort { reason: String::new() },
        Statement::Provide { values: std::collections::BTreeMap::new() },
    ] {
        let hash = belay_engine::ids::EventHash("late".to_owned());
        let answered =
            run.driver.handle(run.now, Input::Statement(Stated { hash, by: me(), statement: statement.clone() }));
        assert!(answered.is_err(), "{statement:?} came too late");
        assert_eq!(debug(&run), state);
    }
}

#[test]
fn fewer_answers_than_acts_are_no_answer() {
    let setting = Setting::new(
        "steps:
         - name: several
           commands: [thingctl add a 1, thingctl add b 1]
        ",
    );
    let mut run = setting.start(People::new());
    run.turn().unwrap();
    let Some(Input::Prepared { results, .. }) = run.inbox.front_mut() else { panic!("it was prepared") };
    results.pop();
    run.drive();
    assert_eq!(run.execution().status(), ExecutionStatus::Failed, "no command is left out silently");
    assert_eq!(run.world.value("a"), 0);
}

#[test]
fn an_undo_that_stands_first_is_not_the_first_step() {
    let setting = Setting::new(
        "steps:
         - name: take-back
           action: thing.add
           parameters: {name: a, by: -1}
         - name: add
           action: thing.add
           parameters: {name: a, by: 1}
           rollback: take-back
        ",
    );
    let run = setting.run(People::new());
    assert_eq!(run.world.value("a"), 1);
    assert_eq!(status(run.execution(), "take-back"), belay_engine::status::StepStatus::NotTaken);
}
