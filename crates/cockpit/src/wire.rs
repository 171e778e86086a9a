//! What front ends see: the JSON of the command line contract, the same for every face.
//!
//! Names and words are fixed. Times are RFC 3339 UTC.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

mod waiting;

pub use waiting::{Candidate, Candidates, Waiting, WaitingKind, WaitingOption};

/// A runbook as executions and hits name it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, TS)]
pub struct RunbookRef {
    /// Its id, or its name where it has none.
    pub id: String,
    /// `metadata.name`.
    pub name: String,
    /// The title.
    pub title: String,
    /// SHA-256 of its file, hex.
    pub digest: String,
}

/// A hit of the catalog search.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct SearchHit {
    /// Its id, or its name where it has none.
    pub id: String,
    /// `metadata.name`.
    pub name: String,
    /// The title.
    pub title: String,
    /// Higher is better.
    pub score: f64,
    /// Whether it only comes closest: no alert, name, title, symptom or tag of it says what was typed.
    pub weak: bool,
    /// What matched, for people.
    pub matched: Vec<String>,
    /// The severity addressed.
    pub severity: String,
    /// The Guide's category.
    pub category: Option<String>,
    /// The Story's domain.
    pub domain: Option<String>,
    /// Services affected.
    pub services: Vec<String>,
    /// Free tags.
    pub tags: Vec<String>,
    /// Where it comes from: `bundled`, or a path.
    pub source: String,
    /// Whether it comes instead of the bundled runbook of the same id.
    pub hides_bundled: bool,
    /// Whether another runbook has its name, so that only its id or its path names it.
    pub shares_name: bool,
    /// Statistics of its executions here.
    pub statistics: RunbookStatistics,
    /// What may let somebody down who starts it, the worst first.
    pub rot: Vec<RotSign>,
}

/// One thing about a runbook that may let somebody down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct RotSign {
    /// `findings`, or the rule: `overdue-review`, `never-run`, `long-without-success`.
    pub rule: String,
    /// `error` or `warning`.
    pub severity: String,
    /// In a few words, for people.
    pub text: String,
}

/// The Story's status of a runbook, from this store's executions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, TS)]
pub struct RunbookStatistics {
    /// Start of the last execution.
    pub last_execution: Option<Timestamp>,
    /// Start of the last one that completed.
    pub last_success: Option<Timestamp>,
    /// How many there were.
    pub executions: u64,
    /// How many of them have ended.
    pub finished: u64,
    /// How many of those succeeded.
    pub succeeded: u64,
    /// Share of finished ones that completed, from 0 to 1.
    pub success_rate: Option<f64>,
    /// Average duration of finished ones in seconds.
    pub average_duration_seconds: Option<f64>,
}

/// An execution without its steps (`belay executions`).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, TS)]
pub struct ExecutionSummary {
    /// Hash of its genesis, hex.
    pub execution: String,
    /// The `UUIDv7` label.
    pub label: String,
    /// What is run.
    pub runbook: RunbookRef,
    /// Where it stands.
    pub status: String,
    /// The responder who started it.
    pub started_by: String,
    /// What started it.
    pub triggered_by: String,
    /// Values of variables; secrets by name.
    pub inputs: BTreeMap<String, Value>,
    /// Incident.
    pub incident: Option<String>,
    /// Change ticket.
    pub ticket: Option<String>,
    /// Where it acts.
    pub context: String,
    /// Who drives it.
    pub driver: DriverRef,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// From start to end, or to now.
    pub duration_seconds: f64,
    /// Why it failed or was stopped.
    pub error: Option<String>,
    /// Remarks.
    pub notes: Vec<NoteView>,
    /// What a person has to do.
    pub waiting_on: Vec<Waiting>,
}

/// An execution with its steps (`belay status`).
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ExecutionView {
    /// Everything but the steps.
    #[serde(flatten)]
    pub summary: ExecutionSummary,
    /// The steps, in the order of the file; rollback steps follow.
    pub steps: Vec<StepView>,
    /// Steps whose outcomes contradict each other.
    pub conflicts: Vec<Conflict>,
    /// What a rollback that begins now would do, in its order; empty once one has begun.
    pub takes_back: Vec<TakenBack>,
}

/// One thing that a rollback would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct TakenBack {
    /// The step.
    pub step: String,
    /// Its title.
    pub title: String,
    /// The status of its undo, `by_hand` for what a person did and has to take back, or `step` for a step of the runbook's
    /// own rollback.
    pub status: String,
    /// What would run, or why nothing can, for people.
    pub how: String,
}

/// Two outcomes of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Conflict {
    /// The step.
    pub step: String,
    /// Numbers of the attempts.
    pub attempts: Vec<u32>,
}

/// Who drives an execution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, TS)]
pub struct DriverRef {
    /// The device.
    pub device: String,
    /// The responder.
    pub responder: String,
    /// The epoch.
    pub epoch: u32,
    /// Whether a process drives it right now. Without one nothing goes on by itself.
    #[serde(default)]
    pub present: bool,
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, TS)]
pub struct NoteView {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
}

/// One step of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// One of the five kinds.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it stands.
    pub status: String,
    /// The effect of its plan, once planned.
    pub effect: Option<String>,
    /// The impact of its plan, once planned.
    pub impact: Option<String>,
    /// Why it matters that much.
    pub impact_reasons: Vec<String>,
    /// A person did it by hand.
    pub by_hand: bool,
    /// Who said that it is done, where a person did.
    pub done_by: Option<String>,
    /// The branch taken.
    pub branch: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What it will run, rendered, once planned.
    pub acts: Vec<ActView>,
    /// Its attempts.
    pub attempts: Vec<AttemptView>,
    /// Its approval.
    pub approval: Option<ApprovalView>,
    /// What came of taking it back, or what would.
    pub undo: Option<UndoView>,
}

/// One rendered act.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ActView {
    /// The action.
    pub action: String,
    /// One line for people.
    pub description: String,
    /// Its parameters as they will be performed.
    pub parameters: Value,
    /// Its effect.
    pub effect: String,
    /// What it is aimed at.
    pub target: String,
    /// What was read about it: how many pods it evicts, from which revision to which it goes.
    pub notes: Vec<String>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct AttemptView {
    /// Its number.
    pub n: u32,
    /// Which act: `a0`, a host call `c0`, an undo `u0`.
    pub act: String,
    /// When its intent was durable.
    pub started_at: Timestamp,
    /// When its outcome was.
    pub finished_at: Option<Timestamp>,
    /// `running`, `succeeded`, `failed`, `not_started`, `timed_out`, `cancelled`, `lost`, `suspended`, `interrupted`.
    pub status: String,
    /// Exit status of a process.
    pub exit_code: Option<i32>,
    /// A redacted excerpt.
    pub output: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The device that performed it.
    pub device: String,
    /// Its responder.
    pub responder: String,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ApprovalView {
    /// `waiting`, `granted`, `rejected`, `expired`, `voided`, `withdrawn`.
    pub status: String,
    /// What it binds.
    pub digest: String,
    /// People needed.
    pub needed: u32,
    /// Who may approve; everybody where empty.
    pub approvers: Vec<String>,
    /// Who agreed.
    pub given: Vec<GivenView>,
    /// Until when it stands.
    pub expires_at: Timestamp,
    /// Why it is needed.
    pub reasons: Vec<String>,
    /// What an approver alone types.
    pub target: String,
    /// What changed, where it was voided.
    pub difference: Vec<String>,
}

/// One person's approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct GivenView {
    /// Who.
    pub responder: String,
    /// On which device.
    pub device: String,
    /// When.
    pub at: Timestamp,
    /// Whether it is the driver's own person.
    pub self_approved: bool,
    /// A remark.
    pub comment: Option<String>,
}

/// What takes a step back.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct UndoView {
    /// `ready`, `irreversible`, `undeclared`, `running`, `done`, `already_before`, `stuck`, `left`, `failed`.
    pub status: String,
    /// What would run or has run, or why nothing can, for people.
    pub output: String,
    /// `before`, `after`, `live` or `error` of a stuck one.
    pub detail: Option<Value>,
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct LogEntry {
    /// Position in causal order, from one.
    pub n: u64,
    /// Hash of its envelope, hex.
    pub hash: String,
    /// Its kind.
    pub kind: String,
    /// When, by its writer's clock.
    pub at: Timestamp,
    /// Its device.
    pub device: String,
    /// One line for people.
    pub text: String,
    /// Whether its signature and links hold.
    pub verified: bool,
    /// What is wrong, where they do not.
    pub fault: Option<String>,
    /// What it cites.
    pub cites: Vec<String>,
    /// The event itself.
    pub event: Value,
}

/// What would happen (`belay plan`).
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PlanView {
    /// What is planned.
    pub runbook: RunbookRef,
    /// Where it would act.
    pub context: String,
    /// Its environment.
    pub environment: String,
    /// Values that were given or are defaults.
    pub inputs: BTreeMap<String, Value>,
    /// Names of values that are missing before the start.
    pub missing: Vec<String>,
    /// The steps.
    pub steps: Vec<PlanStep>,
    /// SHA-256 over everything above, hex.
    pub digest: String,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PlanStep {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// One of the five kinds.
    #[serde(rename = "type")]
    pub kind: String,
    /// Rendered acts; empty where they are known later.
    pub acts: Vec<ActView>,
    /// The effect.
    pub effect: Option<String>,
    /// The impact.
    pub impact: Option<String>,
    /// Why it matters that much.
    pub impact_reasons: Vec<String>,
    /// Why approval is needed; empty where it is not.
    pub approval: Vec<String>,
    /// What takes it back.
    pub undo: Option<UndoView>,
    /// Where the flow goes: `next`, or each branch.
    pub next: Vec<String>,
    /// What is known only later: `known after STEP`, or names of missing values.
    pub known_after: Vec<String>,
    /// What would stop it (an action that this version cannot perform).
    pub problems: Vec<String>,
}

/// What a running drive tells its front end.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum DriveEvent {
    /// Something changed; the whole state as of now.
    Changed {
        /// The state.
        view: Box<ExecutionView>,
    },
    /// An act started.
    Started {
        /// The step.
        step: String,
        /// The act.
        act: Box<ActView>,
    },
    /// Output of the running act, redacted.
    Output {
        /// The step.
        step: String,
        /// `stdout` or `stderr`.
        stream: String,
        /// Text.
        text: String,
    },
    /// Something that people should see.
    Notice {
        /// The text.
        text: String,
    },
    /// Somebody has to be told.
    Escalated {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// Nothing goes on without a person.
    Waiting {
        /// The state.
        view: Box<ExecutionView>,
    },
    /// It ended.
    Finished {
        /// The state.
        view: Box<ExecutionView>,
    },
    /// Driving cannot go on here (disk full, damage): nothing was started after it.
    Stopped {
        /// Why.
        error: String,
        /// What to do.
        hint: Option<String>,
    },
}
