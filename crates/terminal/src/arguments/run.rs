//! Planning, running, and what people say to an execution.

use clap::{Args, ValueEnum};

/// What belongs to a start besides the runbook.
#[derive(Debug, Args)]
pub struct About {
    /// The incident it belongs to
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// The change ticket it belongs to
    #[arg(long, value_name = "ID")]
    pub ticket: Option<String>,
    /// Where to act
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// Values and the alert of a plan or a run.
#[derive(Debug, Args)]
pub struct Given {
    /// A value for a variable; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = assignment)]
    pub variables: Vec<(String, String)>,
    /// The alert as a JSON file (`-` for standard input)
    #[arg(long, value_name = "ALERT")]
    pub alert: Option<String>,
    /// Which alert of a payload with several
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Option<String>,
}

#[derive(Debug, Args)]
pub struct Plan {
    /// An id, a name or a path
    pub runbook: String,
    #[command(flatten)]
    pub given: Given,
    /// Where it would act
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Read no live state
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Args)]
pub struct Preflight {
    /// An id, a name or a path
    pub runbook: String,
    #[command(flatten)]
    pub given: Given,
    /// The change ticket it would belong to
    #[arg(long, value_name = "ID")]
    pub ticket: Option<String>,
    /// Where it would act
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

#[derive(Debug, Args)]
pub struct Run {
    /// An id, a name or a path
    pub runbook: String,
    #[command(flatten)]
    pub given: Given,
    #[command(flatten)]
    pub about: About,
}

#[derive(Debug, Args)]
pub struct Executions {
    /// Only those that stand so: waiting, failed, completed …
    #[arg(long, value_name = "S")]
    pub status: Option<String>,
    /// Only those of this runbook
    #[arg(long, value_name = "R")]
    pub runbook: Option<String>,
}

#[derive(Debug, Args)]
pub struct One {
    /// An id, the beginning of one, or @last
    #[arg(value_name = "EXEC")]
    pub execution: String,
}

#[derive(Debug, Args)]
pub struct Step {
    /// An id, the beginning of one, or @last
    #[arg(value_name = "EXEC")]
    pub execution: String,
    /// The step's name
    pub step: String,
}

#[derive(Debug, Args)]
pub struct StepReason {
    #[command(flatten)]
    pub at: Step,
    /// Why
    #[arg(long)]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct Reason {
    #[command(flatten)]
    pub at: One,
    /// Why
    #[arg(long)]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct Confirm {
    #[command(flatten)]
    pub at: Step,
    /// How it went
    #[arg(long, value_enum, default_value = "done")]
    pub outcome: Outcome,
    /// An automated step was done by hand
    #[arg(long)]
    pub by_hand: bool,
    /// A remark
    #[arg(long, value_name = "T")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Outcome {
    Done,
    NotDone,
    Failed,
    Undo,
}

#[derive(Debug, Args)]
pub struct Decide {
    #[command(flatten)]
    pub at: Step,
    /// The branch's name
    pub branch: String,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub at: One,
    /// Numbers of items, from one
    #[arg(value_name = "ITEM", required_unless_present = "all", conflicts_with = "all")]
    pub items: Vec<u32>,
    /// Every item
    #[arg(long)]
    pub all: bool,
    /// A remark
    #[arg(long, value_name = "T")]
    pub note: Option<String>,
}

#[derive(Debug, Args)]
pub struct Provide {
    #[command(flatten)]
    pub at: One,
    /// A value by its name
    #[arg(value_name = "NAME=VALUE", required = true, value_parser = assignment)]
    pub values: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub struct Approve {
    #[command(flatten)]
    pub at: Step,
    /// The target's name, which an approver alone has to type
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// A remark
    #[arg(long, value_name = "T")]
    pub comment: Option<String>,
}

#[derive(Debug, Args)]
pub struct Reject {
    #[command(flatten)]
    pub at: Step,
    /// Why
    #[arg(long, value_name = "T")]
    pub comment: Option<String>,
}

#[derive(Debug, Args)]
pub struct Note {
    #[command(flatten)]
    pub at: One,
    /// The remark
    #[arg(required = true)]
    pub text: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Settle {
    #[command(flatten)]
    pub at: Step,
    /// What to do: `done` says that the undo act happened and goes on with the next one, `retry` compares and tries it
    /// again, `by-hand` says that you took the whole step back, `leave` leaves it as it is
    #[arg(long, value_enum)]
    pub choice: SettleChoice,
    /// A remark
    #[arg(long, value_name = "T")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SettleChoice {
    Done,
    Retry,
    ByHand,
    Leave,
}

#[derive(Debug, Args)]
pub struct Log {
    #[command(flatten)]
    pub at: One,
    /// Go on printing until it ends
    #[arg(long)]
    pub follow: bool,
}

#[derive(Debug, Args)]
pub struct Output {
    #[command(flatten)]
    pub at: Step,
}

pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as NAME=VALUE".to_owned()),
    }
}
