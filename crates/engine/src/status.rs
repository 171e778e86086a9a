//! The words for where an execution and its steps stand (the command line contract fixes them).

use serde::{Deserialize, Serialize};

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Created, and nothing happened yet.
    NotStarted,
    /// Going on.
    InProgress,
    /// Paused by a person.
    Paused,
    /// Waits for a person.
    Waiting,
    /// Lets a running act end before it aborts or rolls back.
    Stopping,
    /// Reached its end.
    Completed,
    /// Ended by a failure.
    Failed,
    /// Undoing.
    RollingBack,
    /// Everything reversible was taken back.
    RolledBack,
    /// An undo cannot go on without a person.
    Stuck,
    /// Ended by a person.
    Aborted,
}

impl ExecutionStatus {
    /// The word used in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::InProgress => "in_progress",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
            Self::Stuck => "stuck",
            Self::Aborted => "aborted",
        }
    }

    /// Whether nothing more happens by itself or by a driver.
    pub fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::RolledBack | Self::Aborted => true,
            Self::NotStarted
            | Self::InProgress
            | Self::Paused
            | Self::Waiting
            | Self::Stopping
            | Self::RollingBack
            | Self::Stuck => false,
        }
    }
}

/// Where one step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not reached.
    Pending,
    /// Waits for an approval.
    WaitingApproval,
    /// Waits for a person: a value, a confirmation, a decision.
    WaitingInput,
    /// Acting or polling.
    Running,
    /// Done.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Left out by its `when` or by a person.
    Skipped,
    /// On a branch that was not taken.
    NotTaken,
    /// Stopped before it ended.
    Cancelled,
    /// Something was started and its outcome is not known.
    Interrupted,
    /// Two outcomes contradict each other.
    Contested,
    /// Taken back.
    Undone,
    /// Taking it back failed.
    UndoFailed,
}

impl StepStatus {
    /// The word used in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::WaitingApproval => "waiting_approval",
            Self::WaitingInput => "waiting_input",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotTaken => "not_taken",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Contested => "contested",
            Self::Undone => "undone",
            Self::UndoFailed => "undo_failed",
        }
    }
}
