//! What people say, in the words of front ends: by step name, without visits and digests.

use std::collections::BTreeMap;

use belay_engine::event::{Checklist, Confirmation, Need, Statement, UndoChoice};
use belay_engine::execution::{Execution, Phase, Stage};
use belay_engine::ids::VisitId;
use belay_runbook::model::StepName;
use serde_json::Value;

use crate::error::CockpitError;

/// The branch of a step that would be repeated: perform it once more.
pub(crate) const AGAIN: &str = "retry";
/// The branch of a step that would be repeated: leave it out.
pub(crate) const LEAVE_OUT: &str = "skip";

/// Something a person says about an execution.
#[derive(Debug, Clone, PartialEq)]
pub enum Saying {
    /// A remark.
    Note {
        /// Markdown.
        text: String,
    },
    /// Items of the open checklist.
    Check {
        /// Positions from one; `None` answers all of them.
        items: Option<Vec<u32>>,
        /// A remark.
        note: Option<String>,
    },
    /// Values that are missing.
    Provide {
        /// By name.
        values: BTreeMap<String, Value>,
    },
    /// The outcome of a manual or interrupted step, or one done by hand.
    Confirm {
        /// The step.
        step: String,
        /// What happened.
        outcome: Confirmation,
        /// An automated step was done by hand.
        by_hand: bool,
        /// A remark.
        note: Option<String>,
    },
    /// A branch.
    Decide {
        /// The step.
        step: String,
        /// The branch.
        branch: String,
    },
    /// Agreement to what was shown.
    Approve {
        /// The step.
        step: String,
        /// The digest of what was shown, another one is refused; what is asked for now where absent.
        digest: Option<String>,
        /// The target's name, as typed.
        target: Option<String>,
        /// A remark.
        comment: Option<String>,
    },
    /// Disagreement.
    Reject {
        /// The step.
        step: String,
        /// The digest of what was shown; what is asked for now where absent.
        digest: Option<String>,
        /// Why.
        comment: Option<String>,
    },
    /// Try again.
    Retry {
        /// The step.
        step: String,
    },
    /// Leave out.
    Skip {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// Start nothing new.
    Pause,
    /// Go on.
    Resume,
    /// End it.
    Abort {
        /// Why.
        reason: String,
    },
    /// Take everything back.
    Rollback {
        /// Why.
        reason: String,
    },
    /// Settle a stuck undo.
    SettleUndo {
        /// The step.
        step: String,
        /// The choice.
        choice: UndoChoice,
        /// A remark.
        note: Option<String>,
    },
}

impl Saying {
    /// The statement that this is, given where the execution stands.
    pub(crate) fn statement(self, execution: &Execution) -> Result<Statement, CockpitError> {
        Ok(match self {
            Self::Note { text } => Statement::Note { text: worded("note", text)? },
            Self::Check { items, note } => {
                let list = open_list(execution)?;
                let items = match items {
                    None => execution.unchecked(list),
                    Some(items) => positions(&items)?,
                };
                Statement::Check { list, items, note }
            }
            Self::Provide { values } => Statement::Provide { values: typed(execution, values)? },
            Self::Confirm { step, outcome, by_hand, note } => {
                Statement::Confirm { at: visit(execution, &step)?, outcome, by_hand, note }
            }
            Self::Decide { step, branch } => decision(execution, visit(execution, &step)?, branch)?,
            Self::Approve { step, digest: shown, target, comment } => {
                let at = visit(execution, &step)?;
                let digest = shown.map_or_else(|| digest(execution, &at), Ok)?;
                Statement::Approve { at, digest, target, comment }
            }
            Self::Reject { step, digest: shown, comment } => {
                let at = visit(execution, &step)?;
                let digest = shown.map_or_else(|| digest(execution, &at), Ok)?;
                Statement::Reject { at, digest, comment }
            }
            Self::Retry { step } => Statement::Retry { at: visit(execution, &step)? },
            Self::Skip { step, reason } => {
                Statement::Skip { at: visit(execution, &step)?, reason: worded("reason", reason)? }
            }
            Self::Pause => Statement::Pause,
            Self::Resume => Statement::Resume,
            Self::Abort { reason } => Statement::Abort { reason: worded("reason", reason)? },
            Self::Rollback { reason } => Statement::Rollback { reason: worded("reason", reason)? },
            Self::SettleUndo { step, choice, note } => {
                Statement::SettleUndo { at: visit(execution, &step)?, choice, note }
            }
        })
    }
}

/// A decision's branch; where a step asks whether it is performed once more, the answer to that.
fn decision(execution: &Execution, at: VisitId, branch: String) -> Result<Statement, CockpitError> {
    let (left_out, asks) = match execution.visit(&at).map(|visit| &visit.stage) {
        Some(Stage::Person(Need::Again { .. })) => {
            ("it is not performed once more", "whether it is performed once more")
        }
        Some(Stage::Person(Need::Login { .. })) => ("its login was not renewed", "whether it goes on"),
        Some(Stage::Person(Need::Policy { .. })) => ("the policy could not be read", "whether it goes on"),
        Some(_) | None => return Ok(Statement::Decide { at, branch }),
    };
    match branch.as_str() {
        AGAIN => Ok(Statement::Retry { at }),
        LEAVE_OUT => Ok(Statement::Skip { at, reason: left_out.to_owned() }),
        other => Err(CockpitError::user(format!("step `{at}` has no branch `{other}`"))
            .hint(format!("it asks {asks}: `{AGAIN}` or `{LEAVE_OUT}`"))),
    }
}

/// What a person wrote, where it says anything.
fn worded(what: &str, text: String) -> Result<String, CockpitError> {
    if text.trim().is_empty() {
        return Err(CockpitError::user(format!("the {what} is empty"))
            .hint("say it in a few words; they are what others read in the log"));
    }
    Ok(text)
}

fn open_list(execution: &Execution) -> Result<Checklist, CockpitError> {
    match execution.phase {
        Phase::Checklist => Ok(Checklist::Prerequisites),
        Phase::SignOff => Ok(Checklist::PostConditions),
        Phase::Forward | Phase::Stopping(_) | Phase::Undoing | Phase::RollbackSteps | Phase::Finished(_) => {
            Err(CockpitError::user("no checklist is open").hint("`belay status EXEC` shows what waits"))
        }
    }
}

fn positions(items: &[u32]) -> Result<Vec<u32>, CockpitError> {
    items
        .iter()
        .map(|item| {
            item.checked_sub(1).ok_or_else(|| {
                CockpitError::user("items are counted from one")
                    .hint("`belay status EXEC` shows them with their numbers")
            })
        })
        .collect()
}

impl Saying {
    /// The values that are given by it, by variable: those of secrets are looked at before they are put into the log.
    pub(crate) fn given(&self) -> BTreeMap<String, String> {
        let Self::Provide { values } = self else { return BTreeMap::new() };
        values.iter().map(|(name, value)| (variable(name).to_owned(), crate::inputs::plain(value))).collect()
    }
}

/// The variable that a name means: `name` and `.Vars.name` are the same.
fn variable(name: &str) -> &str {
    name.strip_prefix(".Vars.").unwrap_or(name)
}

/// Values as their declarations want them. A name is one that the runbook declares, or a reference that the step waits for.
fn typed(execution: &Execution, values: BTreeMap<String, Value>) -> Result<BTreeMap<String, Value>, CockpitError> {
    let waits = match execution.current_visit().map(|visit| &visit.stage) {
        Some(Stage::Person(Need::Values { missing })) => missing.keys().cloned().collect(),
        Some(_) | None => Vec::new(),
    };
    values
        .into_iter()
        .map(|(name, value)| {
            let name = variable(&name).to_owned();
            let value = match (execution.runbook.inputs.get(&name), value) {
                (Some(spec), Value::String(text)) => crate::inputs::parse(&name, spec, &text)?,
                (Some(spec), value) => crate::inputs::parse(&name, spec, &crate::inputs::plain(&value))?,
                (None, value) if name.starts_with('.') || waits.contains(&name) => value,
                (None, _) => {
                    let declared = execution.runbook.inputs.keys().filter(|name| !waits.contains(name));
                    let known: Vec<&str> = waits.iter().chain(declared).map(String::as_str).collect();
                    return Err(crate::inputs::undeclared(&name, &known));
                }
            };
            Ok((name, value))
        })
        .collect()
}

/// The last visit of a step that the runbook has.
fn visit(execution: &Execution, step: &str) -> Result<VisitId, CockpitError> {
    let (name, wanted) = match step.rsplit_once('#') {
        Some((name, visit)) => (name, visit.parse::<u32>().ok()),
        None => (step, None),
    };
    let step_name = StepName::from(name);
    if execution.step(&step_name).is_none() {
        return Err(no_such_step(execution, name));
    }
    let last = execution.visits.get(&step_name).map_or(0, Vec::len);
    let visit = wanted.unwrap_or_else(|| u32::try_from(last).unwrap_or(u32::MAX)).max(1);
    Ok(VisitId { step: step_name, visit })
}

/// The steps that there are, for whoever named another one.
pub(crate) fn no_such_step(execution: &Execution, name: &str) -> CockpitError {
    let steps = execution.runbook.steps.iter().chain(&execution.runbook.rollback_steps);
    let names: Vec<_> = steps.map(|step| format!("`{}`", step.name)).collect();
    CockpitError::user(format!("the runbook has no step `{name}`")).hint(format!("its steps are {}", names.join(", ")))
}

fn digest(execution: &Execution, at: &VisitId) -> Result<String, CockpitError> {
    execution.request_of(at).map(|request| request.asked.digest.clone()).ok_or_else(|| {
        CockpitError::user(format!("step `{at}` does not wait for an approval"))
            .hint("`belay approvals` lists what does")
    })
}
