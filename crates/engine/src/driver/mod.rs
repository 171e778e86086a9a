//! The driver: the one place that decides what happens next.
//!
//! [`Driver::handle`] takes the time and one input and answers with effects. It has no clock, no IO and no randomness.
//! Every decision becomes a transition that is applied to the state at once and handed out in one
//! [`Effect::Append`], which always comes first: whoever performs the effects makes it durable before anything that
//! follows, and drops the driver when it cannot.

mod acting;
mod checking;
mod flow;
mod hearing;
mod judging;
mod needing;
mod planning;
mod polling;
mod present;
mod preview;
mod rendering;
mod script;
mod undo_asking;
mod undoing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use belay_runbook::act::{Act, Outcome, Preparation, ProbeAnswer, UndoState, Unread};
use belay_runbook::action::ActionCatalog;
use belay_runbook::automation::AutomationSpec;
use belay_runbook::policy::Policy;
use jiff::Timestamp;
use serde_json::Value;

use self::checking::Check;
pub use self::flow::ENTRIES_ALONE;
pub use self::hearing::{Refusal, Stated};
use self::needing::Needing;
pub use self::planning::{describe, reads_live_state};
pub use self::present::Present;
pub use self::preview::{Judged, StepPlan};
use self::script::Suspension;
use crate::event::{Author, Draft, Event, Transition};
use crate::execution::{Execution, Stage, UndoEntryState};
use crate::fold::Illegal;
use crate::ids::{EventHash, InvocationId, VisitId};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Go on as far as possible: after loading, when a wake-up is due, when a person says so.
    Drive,
    /// A person said something, and it is durable.
    Statement(Stated),
    /// An [`Effect::Prepare`] was answered, act by act.
    Prepared {
        /// The ticket of the effect.
        ticket: u64,
        /// One answer per act, in order.
        results: Vec<Result<Preparation, Unread>>,
    },
    /// An invocation ended. Before the first [`Input::Drive`] this is how an outcome that a helper left is adopted.
    Ended {
        /// Which.
        id: InvocationId,
        /// How.
        outcome: Outcome,
    },
    /// The running script calls a host function.
    HostCall {
        /// The script's invocation.
        id: InvocationId,
        /// Which call, from zero.
        index: u32,
        /// The function's name.
        function: String,
        /// The act that it stands for; `None` where there is no such function.
        act: Option<Act>,
    },
    /// An [`Effect::Probe`] was answered.
    Probed {
        /// Which.
        id: InvocationId,
        /// What the action could say.
        answer: ProbeAnswer,
    },
    /// An [`Effect::CompareUndo`] was answered.
    Compared {
        /// Position in the rollback.
        item: u32,
        /// What the live state is.
        state: Result<UndoState, String>,
    },
    /// A person cancels the running act.
    Cancel,
}

/// What the application performs, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make these durable before performing anything that follows.
    Append(Vec<Draft>),
    /// Read the state before these acts; changes nothing.
    Prepare {
        /// To be named in the answer.
        ticket: u64,
        /// The acts.
        acts: Vec<Act>,
    },
    /// Perform an act, whose intent is durable.
    Invoke(Box<Invocation>),
    /// Ask an action whether an act without outcome has happened.
    Probe {
        /// Which.
        id: InvocationId,
        /// The act.
        act: Act,
        /// What was read before it.
        preparation: Box<Preparation>,
    },
    /// Compare the live state with a captured undo record.
    CompareUndo {
        /// Position in the rollback.
        item: u32,
        /// The act that captured it.
        act: Act,
        /// The record.
        record: Value,
        /// The state after the act.
        after: Option<Value>,
    },
    /// Stop a running act.
    Cancel(InvocationId),
    /// Answer a script's host call.
    AnswerHost {
        /// The script's invocation.
        id: InvocationId,
        /// Which call.
        index: u32,
        /// The answer.
        answer: HostAnswer,
    },
    /// Call [`Input::Drive`] at this time.
    Wake(Timestamp),
    /// Tell somebody.
    Escalate {
        /// The step.
        at: VisitId,
        /// Why.
        reason: String,
    },
}

/// An act to perform.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// Its identity.
    pub id: InvocationId,
    /// The act.
    pub act: Act,
    /// What was read before it; none for acts that take something back.
    pub preparation: Option<Preparation>,
    /// The captured record to take back; `None` performs the act itself.
    pub undo_record: Option<Value>,
    /// The state that a captured record may be taken back from: the recorded one after the act.
    pub expected: Option<Value>,
    /// Longest time.
    pub timeout: Duration,
    /// Whether its child outlives the program.
    pub survives: bool,
    /// The driver's time; for a script that is replayed, the time of its first start.
    pub now: Timestamp,
    /// What a replay has in common with the first start: the invocation that it repeats.
    pub first: InvocationId,
}

/// The answer to a host call.
#[derive(Debug, Clone, PartialEq)]
pub enum HostAnswer {
    /// Its value and the recorded time.
    Value {
        /// The value.
        value: Value,
        /// What the call published: members of the script's `context` from here on.
        published: BTreeMap<String, Value>,
        /// When it was recorded.
        at: Timestamp,
    },
    /// It failed.
    Error {
        /// Why.
        message: String,
        /// When it was recorded.
        at: Timestamp,
    },
    /// The script has to end now and is replayed later.
    Suspend,
}

/// What the driver judges by; fixed for an execution.
#[derive(Clone)]
pub struct Rules {
    /// Declarations of actions.
    pub actions: Arc<dyn ActionCatalog + Send + Sync>,
    /// The policy of the genesis.
    pub policy: Arc<Policy>,
}

/// Drives one execution. What it knows beside the [`Execution`] is lost with the program and rebuilt from the log.
pub struct Driver {
    execution: Execution,
    rules: Rules,
    /// The policy that is there now, which may ask for more than the one of the genesis.
    present: Present,
    /// Definitions of the automations that the genesis holds.
    automations: BTreeMap<String, AutomationSpec>,
    me: Author,
    /// Whether acts may start; statements alone never start one.
    driving: bool,
    busy: Option<Busy>,
    call: Option<CallBusy>,
    poll: Option<Poll>,
    check: Option<Check>,
    /// Steps of the rollback that are known to be needed still.
    needed: BTreeSet<VisitId>,
    next_ticket: u64,
    /// Interrupted invocations that were probed by this driver.
    probed: BTreeSet<InvocationId>,
    /// Items of the rollback whose interruption was compared by this driver.
    compared: BTreeSet<u32>,
    /// Items of the rollback whose acts may run: the policy asks for nothing more, or it was given.
    allowed: BTreeSet<u32>,
    /// The running act was cancelled by a person or by a stop.
    cancelling: bool,
    /// The script made another call than the recorded one.
    diverged: Option<String>,
    /// The running script was ended at a call that may not start, and why.
    suspension: Option<(InvocationId, Suspension)>,
    /// A script that ended while its host call still runs: its outcome waits for that of the call.
    held: Option<(InvocationId, Outcome)>,
    /// A read whose process was lost while this driver watched it, which is a failure; one that was lost with an
    /// earlier driver just runs again.
    lost: Option<InvocationId>,
    drafts: Vec<Draft>,
    effects: Vec<Effect>,
}

/// What the driver waits for.
#[derive(Debug, Clone, PartialEq)]
enum Busy {
    /// The state before a new plan.
    Planning { ticket: u64, at: VisitId, acts: Vec<Act> },
    /// The state right before an act that is already planned.
    Rereading { ticket: u64, at: VisitId },
    /// An act.
    Acting(InvocationId),
    /// The next round of a poll.
    Pausing { until: Timestamp },
    /// A probe.
    Probing(InvocationId),
    /// A comparison.
    Comparing(u32),
    /// Whether a step of the rollback is still needed.
    Needing(Box<Needing>),
    /// Another look at what an act did, whose post-condition does not hold yet.
    Checking(InvocationId),
    /// The state before acts that take a step back, for the policy to judge them by.
    Judging { ticket: u64, item: u32, acts: Vec<Act> },
}

/// What a running script's host call waits for.
#[derive(Debug, Clone, PartialEq)]
enum CallBusy {
    /// The state before it.
    Preparing { ticket: u64, script: InvocationId, index: u32, function: String, act: Act },
    /// The call itself.
    Acting { script: InvocationId, index: u32, id: InvocationId },
}

/// What a round of a poll has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Holds,
    Fails,
    NoData,
}

/// A poll in progress.
#[derive(Debug, Clone)]
struct Poll {
    at: VisitId,
    deadline: Timestamp,
    in_a_row: u32,
    last: Option<Seen>,
}

impl Driver {
    /// A driver for an execution that this device drives.
    pub fn new(execution: Execution, rules: Rules, me: Author) -> Self {
        let automations = execution
            .genesis
            .automations
            .iter()
            .filter_map(|(name, text)| Some((name.clone(), AutomationSpec::parse(name, text.as_bytes()).0?)))
            .collect();
        Self {
            execution,
            rules,
            present: Present::Unchanged,
            automations,
            me,
            driving: false,
            busy: None,
            call: None,
            poll: None,
            check: None,
            needed: BTreeSet::new(),
            next_ticket: 0,
            probed: BTreeSet::new(),
            compared: BTreeSet::new(),
            allowed: BTreeSet::new(),
            cancelling: false,
            diverged: None,
            suspension: None,
            held: None,
            lost: None,
            drafts: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// The state.
    pub fn execution(&self) -> &Execution {
        &self.execution
    }

    /// What the last driver left running has no outcome: puts that on record, as going on would, and starts nothing.
    pub fn find_left(&mut self, now: Timestamp) -> Result<Vec<Effect>, Illegal> {
        let undoing = self.execution.rollback.iter().flat_map(|rollback| &rollback.items);
        let undo = undoing.filter_map(|entry| match &entry.state {
            UndoEntryState::Acting(id) => Some(id.clone()),
            UndoEntryState::Due
            | UndoEntryState::Stuck(_)
            | UndoEntryState::Done
            | UndoEntryState::Skipped(_)
            | UndoEntryState::Left => None,
        });
        let undo = undo.collect::<Vec<_>>();
        if let Some(Stage::Acting(id)) = self.execution.current_visit().map(|visit| visit.stage.clone()) {
            self.recover(now, &id)?;
        }
        for id in undo {
            self.lose_undo(now, id)?;
        }
        Ok(self.turn())
    }

    /// Whether something is under way that will end by an input.
    pub fn is_busy(&self) -> bool {
        self.busy.is_some() || self.call.is_some()
    }

    /// The invocation that is running now.
    pub fn running(&self) -> Option<&InvocationId> {
        match &self.busy {
            Some(Busy::Acting(id)) => Some(id),
            Some(
                Busy::Planning { .. }
                | Busy::Rereading { .. }
                | Busy::Pausing { .. }
                | Busy::Probing(_)
                | Busy::Comparing(_)
                | Busy::Needing(_)
                | Busy::Checking(_)
                | Busy::Judging { .. },
            )
            | None => None,
        }
    }

    /// Takes one input in. Nothing has changed where it is refused.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Drive => {
                self.driving = true;
                if let Some(Busy::Pausing { until }) = self.busy
                    && now >= until
                {
                    self.busy = None;
                }
            }
            Input::Statement(stated) => self.hear(now, &stated)?,
            Input::Prepared { ticket, results } => self.prepared(now, ticket, results)?,
            Input::Ended { id, outcome } => self.ended(now, &id, outcome)?,
            Input::HostCall { id, index, function, act } => self.host_call(now, &id, index, function, act)?,
            Input::Probed { id, answer } => self.probed(now, &id, answer)?,
            Input::Compared { item, state } => self.compared(now, item, state)?,
            Input::Cancel => self.cancel(now)?,
        }
        self.advance(now)?;
        Ok(self.turn())
    }

    /// Puts on record that a durable statement came too late, so that no restart gives it effect after all.
    pub fn dismiss(&mut self, now: Timestamp, statement: EventHash, why: &Refusal) -> Result<Vec<Effect>, Refusal> {
        if !self.execution.cited.contains(&statement) {
            self.record_citing(now, Transition::Dismissed { why: why.to_string() }, vec![statement])?;
        }
        Ok(self.turn())
    }

    fn turn(&mut self) -> Vec<Effect> {
        let mut effects = Vec::with_capacity(self.effects.len() + 1);
        if !self.drafts.is_empty() {
            effects.push(Effect::Append(std::mem::take(&mut self.drafts)));
        }
        effects.append(&mut self.effects);
        effects
    }

    fn cancel(&mut self, now: Timestamp) -> Result<(), Illegal> {
        if matches!(self.busy, Some(Busy::Pausing { .. })) {
            self.cancel_poll(now)?;
        }
        self.cancel_check(now);
        if let Some(Busy::Acting(id)) = &self.busy
            && !self.cancelling
        {
            self.cancelling = true;
            self.effects.push(Effect::Cancel(id.clone()));
        }
        if let Some(CallBusy::Acting { id, .. }) = &self.call {
            self.effects.push(Effect::Cancel(id.clone()));
        }
        Ok(())
    }

    fn record(&mut self, now: Timestamp, transition: Transition) -> Result<(), Illegal> {
        self.record_citing(now, transition, Vec::new())
    }

    fn record_citing(&mut self, now: Timestamp, transition: Transition, cites: Vec<EventHash>) -> Result<(), Illegal> {
        // Time in the log never goes back, whatever the clock does.
        let at = now.max(self.execution.last_at);
        self.execution.apply(at, &transition, &cites)?;
        self.drafts.push(Draft { event: Event::Transition { at, transition }, cites });
        Ok(())
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}
