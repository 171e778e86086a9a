//! A person who answers what Belay asks, truthfully: the world's log says what happened.

use belay_testkit::world::{Line, Phase};
use serde_json::Value;

use super::desk::{Desk, processes_of};
use super::journal::Journal;

/// What became of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    Done,
    NotDone,
    Failed,
}

/// What the world knows of an invocation.
pub fn truth(desk: &Desk, mark: &str) -> Truth {
    let lines: Vec<Line> = desk.world.lines().unwrap().into_iter().filter(|line| line.invocation == mark).collect();
    let Some(begin) = lines.iter().find(|line| line.phase == Phase::Begin) else { return Truth::NotDone };
    let ended = lines.iter().any(|line| line.phase == Phase::End);
    if begin.verb == "fail" {
        return if ended { Truth::Failed } else { Truth::NotDone };
    }
    let changed = match (&begin.key, &begin.after) {
        (Some(key), Some(after)) => begin.before != begin.after && desk.world.get(key).unwrap().as_ref() == Some(after),
        _ => false,
    };
    if ended || changed { Truth::Done } else { Truth::NotDone }
}

/// Answers everything that waits. Nothing that is asked about may still run.
pub fn answer(desk: &Desk, execution: &str, status: &Value) {
    for waiting in status["waiting_on"].as_array().unwrap() {
        let step = waiting["step"].as_str().unwrap_or_default();
        let said = match waiting["kind"].as_str().unwrap() {
            "manual" => desk.belay(["confirm", execution, step, "--note", "seen"]),
            "decision" => desk.belay(["decide", execution, step, "on"]),
            "checklist" => desk.belay(["check", execution, "--all"]),
            "approval" => {
                let steps = status["steps"].as_array().unwrap();
                let asked = steps.iter().find(|known| known["name"] == step).unwrap();
                let target = asked["approval"]["target"].as_str().unwrap();
                desk.belay(["approve", execution, step, "--target", target])
            }
            "outcome" => {
                let outcome = match truth_of_step(desk, execution, step) {
                    Truth::Done => "done",
                    Truth::NotDone => "not-done",
                    Truth::Failed => "failed",
                };
                desk.belay(["confirm", execution, step, "--outcome", outcome])
            }
            "undo" => {
                let choice = match truth_of_step(desk, execution, step) {
                    Truth::Done => "done",
                    Truth::NotDone | Truth::Failed => "retry",
                };
                desk.belay(["settle", execution, step, "--choice", choice])
            }
            other => panic!("nobody expects to be asked for `{other}`: {status:#}"),
        };
        said.exits(0);
    }
}

fn truth_of_step(desk: &Desk, execution: &str, step: &str) -> Truth {
    let journal = Journal::read(desk, execution);
    let invocation = journal.last_of(step).expect("what is interrupted was started");
    let mark = invocation.mark(execution);
    assert_eq!(
        processes_of(&mark),
        Vec::<i32>::new(),
        "recovery deals with survivors before it asks: {invocation:?} still runs"
    );
    match step {
        // A notification leaves no trace in the world; the person has seen it.
        "tell" => Truth::Done,
        _ => truth(desk, &mark),
    }
}
