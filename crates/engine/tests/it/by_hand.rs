//! What people did by hand: a rollback takes nothing of it back, and says what is left to them.

use belay_engine::event::{Confirmation, Statement, Transition};
use belay_engine::status::ExecutionStatus;

use crate::support::{People, Setting, at, crash_everywhere};

const BY_HAND: &str = "steps:
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: scale
           title: Scale it
           approval: {required: true}
           commands: [thingctl set b 2]
           rollback: {commands: [thingctl set b 0]}
         - name: look
           type: manual
           description: Look.
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ";

fn people() -> People {
    People::new().when(|execution, _, _| {
        (execution.current.as_ref()? == &at("scale")).then(|| Statement::Confirm {
            at: at("scale"),
            outcome: Confirmation::Done,
            by_hand: true,
            note: None,
        })
    })
}

#[test]
fn a_rollback_records_what_was_done_by_hand_and_how_it_is_undone() {
    let run = Setting::new(BY_HAND).run(people());
    assert_eq!(run.execution().status(), ExecutionStatus::RolledBack, "{:?}", run.refusals);
    assert_eq!(run.world.value("a"), 0, "what was done by Belay is taken back");
    let planned = run.journal.transitions().find_map(|transition| match transition {
        Transition::RollbackPlanned { by_hand, .. } => Some(by_hand.clone()),
        _ => None,
    });
    let planned = planned.unwrap();
    let told: Vec<String> = planned.iter().map(|done| format!("{}: {}", done.title, done.told())).collect();
    let expected = "Scale it: done by hand by robin, nothing is taken back by itself; undo: thingctl set b 0";
    assert_eq!(told, [expected], "what only looks is not among it");
    assert_eq!(run.execution().rollback.as_ref().unwrap().by_hand, planned, "the fold knows it");
    crash_everywhere(&Setting::new(BY_HAND), people, |run| {
        assert_eq!(run.execution().status(), ExecutionStatus::RolledBack);
    });
}
