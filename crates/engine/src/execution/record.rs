//! One invocation: its intent, its outcome, and how it was settled.

use belay_runbook::act::{Ending, Outcome, Preparation};
use belay_runbook::action::Effect;
use jiff::Timestamp;

use crate::event::{Author, PlannedAct, Settlement};
use crate::ids::InvocationId;

/// One invocation.
#[derive(Debug, Clone)]
pub struct ActRecord {
    /// Its identity.
    pub id: InvocationId,
    /// The plan's number.
    pub plan: u32,
    /// Position among all intents of the execution; instants may be equal, this never is.
    pub order: u64,
    /// What a host call was planned as when it started; a step's own acts stand in their plan.
    pub call: Option<Box<PlannedAct>>,
    /// The effect it was planned with.
    pub effect: Effect,
    /// Whether it may be performed again by itself.
    pub idempotent: bool,
    /// What was read right before, where that is newer than the plan.
    pub preparation: Option<Preparation>,
    /// When the intent was made durable.
    pub started_at: Timestamp,
    /// When the outcome was.
    pub ended_at: Option<Timestamp>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// Why the outcome is not known.
    pub interrupted: Option<String>,
    /// The outcome that arrived after it was interrupted.
    pub late: Option<Outcome>,
    /// How that was settled.
    pub settled: Option<Settlement>,
    /// Who settled it, where a person did.
    pub settled_by: Option<Author>,
}

impl ActRecord {
    /// Whether the act may have happened: everything with an intent that is not proven never started.
    pub fn may_have_happened(&self) -> bool {
        // What was seen to happen counts, whatever a person said before.
        if let Some(late) = &self.late {
            return late.ending != Ending::NotStarted;
        }
        if matches!(self.settled, Some(Settlement::NotDone)) {
            return false;
        }
        self.outcome.as_ref().is_none_or(|outcome| outcome.ending != Ending::NotStarted)
    }

    /// Whether an outcome that arrived late contradicts how a person settled it.
    pub fn is_contested(&self) -> bool {
        let (Some(late), Some(_)) = (&self.late, &self.settled_by) else { return false };
        let succeeded = late.ending == Ending::Succeeded;
        let started = late.ending != Ending::NotStarted;
        match &self.settled {
            Some(Settlement::Done(_)) => !succeeded,
            Some(Settlement::NotDone) => started,
            Some(Settlement::Failed) => succeeded,
            Some(Settlement::Undo) | None => false,
        }
    }

    /// Whether its outcome is recorded or given up.
    pub fn is_over(&self) -> bool {
        self.outcome.is_some() || self.interrupted.is_some()
    }

    /// Whether the same act may start again by itself: it is proven never started, or reading it again is harmless.
    pub fn may_start_again(&self) -> bool {
        if !self.is_settled() {
            return false;
        }
        !self.may_have_happened() || (self.effect == Effect::Read && self.idempotent && !self.succeeded())
    }

    /// Whether its outcome is known, or was settled.
    pub fn is_settled(&self) -> bool {
        self.settled.is_some() || (self.outcome.is_some() && self.interrupted.is_none())
    }

    /// Whether it did what it should.
    pub fn succeeded(&self) -> bool {
        match &self.settled {
            Some(Settlement::Done(_)) => true,
            Some(Settlement::NotDone | Settlement::Failed | Settlement::Undo) => false,
            None => {
                self.interrupted.is_none()
                    && self.outcome.as_ref().is_some_and(|outcome| outcome.ending == Ending::Succeeded)
            }
        }
    }

    /// The outcome that counts: the settled one, else the recorded one.
    pub fn counted_outcome(&self) -> Option<&Outcome> {
        match &self.settled {
            Some(Settlement::Done(outcome)) => Some(outcome),
            Some(Settlement::NotDone | Settlement::Failed | Settlement::Undo) | None => self.outcome.as_ref(),
        }
    }
}
