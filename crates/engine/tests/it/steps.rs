//! Each kind of step, from its start to its end, killed at every instant.

use belay_engine::event::Confirmation;
use belay_engine::status::{ExecutionStatus, StepStatus};
use rstest::rstest;

use crate::support::people::status;
use crate::support::{Fault, People, Run, Setting, crash_everywhere, crash_twice};

fn completed(run: &Run) {
    assert_eq!(run.execution().status(), ExecutionStatus::Completed, "{:?}", run.execution().error);
}

#[test]
fn a_manual_step_is_confirmed() {
    let setting = Setting::new(
        "steps:
         - name: look
           type: manual
           description: Look.
        ",
    );
    crash_everywhere(&setting, People::new, |run| {
        completed(run);
        assert_eq!(status(run.execution(), "look"), StepStatus::Succeeded);
    });
}

#[test]
fn checklists_are_answered_before_and_after() {
    let setting = Setting::new(
        "prerequisites: [One, Two]
         postConditions: [Three]
         steps:
         - name: add
           action: thing.add
           parameters: {name: a, by: 1}
        ",
    );
    crash_everywhere(&setting, People::new, |run| {
        completed(run);
        assert_eq!(run.world.value("a"), 1);
    });
}

#[rstest]
#[case::a_captured_change("thing.set", "value: 5", 5)]
#[case::a_change_that_can_be_probed("thing.place", "value: 5", 5)]
#[case::an_idempotent_change("thing.put", "value: 5", 5)]
#[case::a_change_that_counts("thing.add", "by: 5", 5)]
fn an_action_is_performed_once_whenever_the_program_is_killed(
    #[case] action: &str,
    #[case] parameter: &str,
    #[case] value: i64,
    #[values(false, true)] production: bool,
) {
    let spec = format!(
        "steps:
         - name: act
           action: {action}
           parameters: {{name: a, {parameter}}}
         - name: look
           action: thing.read
           parameters: {{name: a}}
        "
    );
    let setting = if production { Setting::new(&spec).production() } else { Setting::new(&spec) };
    let check = |run: &Run| {
        completed(run);
        assert_eq!(run.world.value("a"), value, "exactly once");
    };
    crash_everywhere(&setting, People::new, check);
    crash_twice(&setting, People::new, check);
}

#[test]
fn commands_go_on_where_they_were_when_one_of_them_fails() {
    let setting = Setting::new(
        "steps:
         - name: several
           commands:
           - thingctl add a 1
           - thingctl add b 1
           - thingctl add c 1
           onFailure: other
         - name: other
           type: manual
           description: Look.
        ",
    )
    .world(|world| world.fault("thingctl add b 1", 1, Fault::FAILED));
    crash_everywhere(
        &setting,
        || People::new().confirm("other", Confirmation::Done),
        |run| {
            completed(run);
            assert_eq!((run.world.value("a"), run.world.value("c")), (1, i64::from(run.world.value("b") == 1)));
        },
    );
}
