//! Saying something to an execution, from any terminal.

use std::collections::BTreeMap;

use belay_cockpit::{Confirmation, Saying, UndoChoice};
use serde_json::Value;

use super::Desk;
use crate::arguments::{
    Approve, Check, Confirm, Decide, Note, One, Outcome, Provide, Reason, Reject, Settle, SettleChoice, Step,
    StepReason,
};
use crate::failure::{Exit, Failure};
use crate::render::status;

fn say(desk: &Desk, reference: &str, saying: Saying) -> Result<Exit, Failure> {
    let execution = desk.cockpit.resolve(reference)?;
    let view = desk.cockpit.say(&execution, saying)?;
    let style = desk.settings.style;
    desk.show(&view, || {
        format!(
            "{} said and signed; the execution is {}\n{}",
            style.good("✓"),
            style.status(&view.summary.status),
            status::next(&view, style)
        )
    })?;
    Ok(Exit::Done)
}

pub fn confirm(desk: &Desk, arguments: Confirm) -> Result<Exit, Failure> {
    let outcome = match arguments.outcome {
        Outcome::Done => Confirmation::Done,
        Outcome::NotDone => Confirmation::NotDone,
        Outcome::Failed => Confirmation::Failed,
        Outcome::Undo => Confirmation::Undo,
    };
    let saying = Saying::Confirm { step: arguments.at.step, outcome, by_hand: arguments.by_hand, note: arguments.note };
    say(desk, &arguments.at.execution, saying)
}

pub fn decide(desk: &Desk, arguments: Decide) -> Result<Exit, Failure> {
    say(desk, &arguments.at.execution, Saying::Decide { step: arguments.at.step, branch: arguments.branch })
}

pub fn check(desk: &Desk, arguments: Check) -> Result<Exit, Failure> {
    let items = (!arguments.all).then_some(arguments.items);
    say(desk, &arguments.at.execution, Saying::Check { items, note: arguments.note })
}

pub fn provide(desk: &Desk, arguments: Provide) -> Result<Exit, Failure> {
    let values: BTreeMap<String, Value> =
        arguments.values.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    say(desk, &arguments.at.execution, Saying::Provide { values })
}

pub fn approve(desk: &Desk, arguments: Approve) -> Result<Exit, Failure> {
    let saying =
        Saying::Approve { step: arguments.at.step, digest: None, target: arguments.target, comment: arguments.comment };
    say(desk, &arguments.at.execution, saying)
}

pub fn reject(desk: &Desk, arguments: Reject) -> Result<Exit, Failure> {
    say(
        desk,
        &arguments.at.execution,
        Saying::Reject { step: arguments.at.step, digest: None, comment: arguments.comment },
    )
}

pub fn retry(desk: &Desk, at: Step) -> Result<Exit, Failure> {
    say(desk, &at.execution, Saying::Retry { step: at.step })
}

pub fn skip(desk: &Desk, arguments: StepReason) -> Result<Exit, Failure> {
    say(desk, &arguments.at.execution, Saying::Skip { step: arguments.at.step, reason: arguments.reason })
}

pub fn note(desk: &Desk, arguments: &Note) -> Result<Exit, Failure> {
    say(desk, &arguments.at.execution, Saying::Note { text: arguments.text.join(" ") })
}

pub fn pause(desk: &Desk, at: &One) -> Result<Exit, Failure> {
    say(desk, &at.execution, Saying::Pause)
}

pub fn abort(desk: &Desk, arguments: Reason) -> Result<Exit, Failure> {
    say(desk, &arguments.at.execution, Saying::Abort { reason: arguments.reason })
}

pub fn rollback(desk: &Desk, arguments: Reason) -> Result<Exit, Failure> {
    say(desk, &arguments.at.execution, Saying::Rollback { reason: arguments.reason })
}

pub fn settle(desk: &Desk, arguments: Settle) -> Result<Exit, Failure> {
    let choice = match arguments.choice {
        SettleChoice::Done => UndoChoice::Done,
        SettleChoice::Retry => UndoChoice::Retry,
        SettleChoice::ByHand => UndoChoice::ByHand,
        SettleChoice::Leave => UndoChoice::Leave,
    };
    let saying = Saying::SettleUndo { step: arguments.at.step, choice, note: arguments.note };
    say(desk, &arguments.at.execution, saying)
}
