//! People who answer what is asked, honestly, from a small table; and who interject.

use std::collections::BTreeMap;

use belay_engine::Execution;
use belay_engine::event::{Checklist, Confirmation, Need, Statement, UndoChoice};
use belay_engine::execution::{Phase, Stage, UndoEntry, UndoEntryState, Visit};
use belay_engine::status::StepStatus;
use jiff::Timestamp;
use serde_json::Value;

use super::world::World;

/// Something that a person says once, as soon as it fits.
pub type Interjection = Box<dyn Fn(&Execution, &mut World, Timestamp) -> Option<Statement>>;

/// The people around an execution.
pub struct People {
    pub decisions: BTreeMap<String, String>,
    pub values: BTreeMap<String, Value>,
    pub confirmations: BTreeMap<String, Confirmation>,
    pub undo: UndoChoice,
    /// Approvals are given; otherwise nobody answers.
    pub approves: bool,
    /// What an honest person says of an interrupted act, where it is not what the world's log says.
    pub settles: Option<Confirmation>,
    /// Done by a person in the world when an undo is settled by hand.
    pub by_hand: Vec<(&'static str, &'static str, i64)>,
    pub interjections: Vec<Interjection>,
    pub said: Vec<usize>,
    pub silent: bool,
}

impl People {
    pub fn new() -> Self {
        Self {
            decisions: BTreeMap::new(),
            values: BTreeMap::new(),
            confirmations: BTreeMap::new(),
            undo: UndoChoice::Leave,
            approves: true,
            settles: None,
            by_hand: Vec::new(),
            interjections: Vec::new(),
            said: Vec::new(),
            silent: false,
        }
    }

    /// Says something once, when the closure has something to say.
    pub fn when(
        mut self,
        interjection: impl Fn(&Execution, &mut World, Timestamp) -> Option<Statement> + 'static,
    ) -> Self {
        self.interjections.push(Box::new(interjection));
        self
    }

    pub fn decide(mut self, step: &str, branch: &str) -> Self {
        self.decisions.insert(step.to_owned(), branch.to_owned());
        self
    }

    pub fn provide(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    pub fn confirm(mut self, step: &str, outcome: Confirmation) -> Self {
        self.confirmations.insert(step.to_owned(), outcome);
        self
    }

    pub fn undo(mut self, choice: UndoChoice) -> Self {
        self.undo = choice;
        self
    }

    pub fn settle(mut self, outcome: Confirmation) -> Self {
        self.settles = Some(outcome);
        self
    }

    /// What interrupts, whatever is going on.
    pub fn interject(&mut self, execution: &Execution, world: &mut World, now: Timestamp) -> Option<Statement> {
        for (index, interjection) in self.interjections.iter().enumerate() {
            if self.said.contains(&index) {
                continue;
            }
            if let Some(statement) = interjection(execution, world, now) {
                self.said.push(index);
                return Some(statement);
            }
        }
        None
    }

    /// What answers a question that is open.
    pub fn answer(&mut self, execution: &Execution, world: &mut World) -> Option<Statement> {
        if self.silent {
            return None;
        }
        match &execution.phase {
            Phase::Checklist => Some(check(execution, Checklist::Prerequisites)),
            Phase::SignOff => Some(check(execution, Checklist::PostConditions)),
            Phase::Finished(_) => None,
            Phase::Undoing => match execution.asking_undo() {
                Some(entry) => self.approves.then(|| approve_undo(entry)).flatten(),
                None => self.settle_undo(execution, world),
            },
            Phase::Forward | Phase::RollbackSteps | Phase::Stopping(_) => {
                if execution.paused {
                    return Some(Statement::Resume);
                }
                self.answer_step(execution.current_visit()?, world)
            }
        }
    }

    fn answer_step(&self, visit: &Visit, world: &World) -> Option<Statement> {
        let at = visit.id.clone();
        let step = visit.id.step.as_str();
        match &visit.stage {
            Stage::Approval if self.approves => approve(visit),
            Stage::Person(Need::Confirmation) => {
                let outcome = self.confirmations.get(step).copied().unwrap_or(Confirmation::Done);
                Some(Statement::Confirm { at, outcome, by_hand: false, note: None })
            }
            Stage::Person(Need::Decision { .. }) => {
                Some(Statement::Decide { at, branch: self.decisions.get(step)?.clone() })
            }
            Stage::Person(Need::Values { missing }) => {
                let given = |name: &String| Some((name.clone(), self.values.get(name)?.clone()));
                let values: BTreeMap<_, _> = missing.keys().filter_map(given).collect();
                (!values.is_empty()).then_some(Statement::Provide { values })
            }
            // Nobody asks for ever.
            Stage::Person(Need::Renewal) => (self.approves || visit.plans.len() < 4).then_some(Statement::Retry { at }),
            Stage::Person(Need::Again { .. } | Need::Policy { .. } | Need::Login { .. }) => None,
            Stage::Person(Need::Recovery { .. }) => Some(Statement::Skip { at, reason: "leave it".to_owned() }),
            Stage::Interrupted(id) => {
                let truth = match world.happened(id) {
                    Some(invoked) if invoked.applied => Confirmation::Done,
                    Some(_) | None => Confirmation::NotDone,
                };
                let outcome = self.settles.unwrap_or(truth);
                Some(Statement::Confirm { at, outcome, by_hand: false, note: None })
            }
            Stage::Approval | Stage::Entered | Stage::Ready | Stage::Acting(_) | Stage::Retry(_) | Stage::Ended(_) => {
                None
            }
        }
    }

    fn settle_undo(&self, execution: &Execution, world: &mut World) -> Option<Statement> {
        let rollback = execution.rollback.as_ref()?;
        let entry = rollback.items.iter().find(|entry| matches!(entry.state, UndoEntryState::Stuck(_)))?;
        let at = entry.item.at.clone();
        // An honest person looks: an undo whose outcome is not known was done, or is tried again.
        let lost = execution.interrupted_undo(entry);
        // What somebody else changed since is no question of whether the undo has happened.
        let foreign = matches!(&entry.state, UndoEntryState::Stuck(detail) if detail.get("live").is_some());
        let choice = match lost.filter(|_| !foreign) {
            Some(record) if world.happened(&record.id).is_some_and(|invoked| invoked.applied) => UndoChoice::Done,
            Some(_) => UndoChoice::Retry,
            None => self.undo,
        };
        if choice == UndoChoice::ByHand {
            for (_, name, value) in self.by_hand.iter().filter(|(step, _, _)| *step == at.step.as_str()) {
                world.foreign(name, *value);
            }
        }
        Some(Statement::SettleUndo { at, choice, note: None })
    }
}

fn check(execution: &Execution, list: Checklist) -> Statement {
    Statement::Check { list, items: execution.unchecked(list), note: None }
}

/// An approval of what a visit asks for, with its target typed.
pub fn approve(visit: &Visit) -> Option<Statement> {
    let request = visit.request.as_ref().filter(|request| request.open())?;
    Some(Statement::Approve {
        at: visit.id.clone(),
        digest: request.asked.digest.clone(),
        target: Some(request.asked.target.clone()),
        comment: None,
    })
}

/// An approval of what takes a step back, with its target typed.
pub fn approve_undo(entry: &UndoEntry) -> Option<Statement> {
    let asked = &entry.request.as_ref()?.asked;
    Some(Statement::Approve {
        at: entry.item.at.clone(),
        digest: asked.digest.clone(),
        target: Some(asked.target.clone()),
        comment: None,
    })
}

/// Whether the flow is at a step, and an act of it runs.
pub fn acting(execution: &Execution, step: &str) -> bool {
    let current = execution.current_visit();
    current.is_some_and(|visit| visit.id.step.as_str() == step && matches!(visit.stage, Stage::Acting(_)))
}

/// Where the last visit of a step stands.
pub fn status(execution: &Execution, step: &str) -> StepStatus {
    execution.step_status(execution.step(&step.into()).expect("the step exists"))
}
