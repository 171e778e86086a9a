//! What can be typed: the command line contract as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::style::ColorChoice;

/// Belay finds the right runbook, walks you through it, stops before what is dangerous, and can take changes back.
#[derive(Debug, Parser)]
#[command(
    name = "belay",
    version,
    about,
    disable_help_subcommand = true,
    after_help = "Without a command, on a terminal, belay asks what is wrong and guides you through the runbook.\n\
                  Exit codes: 0 done · 1 failed · 2 usage · 3 waiting for a person · 4 refused · 5 environment · 70 a bug"
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Print JSON on standard output
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Never ask anything (implied when standard input is not a terminal)
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_input: bool,
    /// Where executions, keys and settings live [default: the XDG data directory]
    #[arg(long, global = true, env = "BELAY_HOME", value_name = "DIR", help_heading = "Global options")]
    pub home: Option<PathBuf>,
    /// When to use colours; `NO_COLOR` is respected
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    pub color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find a runbook by symptom, alert, service or tag
    Search(Search),
    /// Find the best runbooks for an alert, and start one
    Alert(AlertCommand),
    /// Show one runbook
    Show(Show),
    /// Directories that are searched beside the bundled catalog
    #[command(subcommand)]
    Catalog(Catalog),
    /// Check runbook files
    Validate(Validate),
    /// Print a JSON Schema
    Schema(Schema),
    /// Show what a run would do, step by step, and change nothing
    Plan(Plan),
    /// Start an execution and drive it, guided on a terminal
    Run(Run),
    /// List executions
    Executions(Executions),
    /// Show where an execution stands
    Status(One),
    /// Go on driving an execution here
    Resume(One),
    /// Say how a step went: a manual one, an interrupted one, or one done by hand
    Confirm(Confirm),
    /// Pick a branch of a decision
    Decide(Decide),
    /// Answer items of a checklist
    Check(Check),
    /// Give values that a step misses
    Provide(Provide),
    /// List what waits for an approval
    Approvals,
    /// Agree to exactly what a step will run
    Approve(Approve),
    /// Refuse what a step would run
    Reject(Reject),
    /// Try a step again; reopens a failed execution
    Retry(Step),
    /// Leave a step out
    Skip(StepReason),
    /// Put a remark into the log
    Note(Note),
    /// Start nothing new
    Pause(One),
    /// End an execution without undoing anything
    Abort(Reason),
    /// Take back what an execution changed
    Rollback(Reason),
    /// Settle an undo that is stuck
    Settle(Settle),
    /// Show the events of an execution with their signatures
    Log(Log),
    /// Print the full output of a step
    Output(Output),
    /// Verify or export the signed log
    #[command(subcommand)]
    Audit(Audit),
    /// Delete old output and old finished executions
    Purge(Purge),
    /// The actions that runbooks can use
    #[command(subcommand)]
    Actions(Actions),
    /// The rules that say what needs approval
    #[command(subcommand)]
    Policy(Policy),
    /// Where belay acts
    #[command(subcommand)]
    Context(Context),
    /// Say what is missing here and how to fix it
    Doctor,
    /// Print completions for a shell
    Completions(Completions),
}

#[derive(Debug, Args)]
pub struct Search {
    /// Words: a symptom, a service, a name
    pub query: Vec<String>,
    /// The name of an alert, or an alert as a JSON file (`-` for standard input)
    #[arg(long, value_name = "NAME|ALERT")]
    pub alert: Option<String>,
    /// Which alert of a payload with several
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Option<String>,
    /// Only runbooks for this service
    #[arg(long, value_name = "S")]
    pub service: Option<String>,
    /// Only runbooks for this severity, or for all
    #[arg(long, value_name = "SEVERITY")]
    pub severity: Option<String>,
    /// Only runbooks of this category
    #[arg(long, value_name = "C")]
    pub category: Option<String>,
    /// Only runbooks of this domain
    #[arg(long, value_name = "D")]
    pub domain: Option<String>,
    /// Only runbooks with one of these tags
    #[arg(long = "tag", value_name = "T")]
    pub tags: Vec<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

#[derive(Debug, Args)]
pub struct AlertCommand {
    /// An Alertmanager payload or one alert as a JSON file (`-` for standard input)
    pub alert: String,
    /// Which alert of a payload with several
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Option<String>,
    #[command(flatten)]
    pub about: About,
}

#[derive(Debug, Args)]
pub struct Show {
    /// An id, a name or a path
    pub runbook: String,
    /// How to print it
    #[arg(long, value_enum, default_value = "md")]
    pub format: ShowFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    Md,
    Json,
    Yaml,
}

#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Search a directory too
    Add(Directory),
    /// Search a directory no longer
    Remove(Directory),
    /// List the directories
    List,
}

#[derive(Debug, Args)]
pub struct Directory {
    /// The directory
    pub dir: PathBuf,
}

#[derive(Debug, Args)]
pub struct Validate {
    /// Files and directories
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "text")]
    pub format: ValidateFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValidateFormat {
    Text,
    Json,
    Sarif,
}

#[derive(Debug, Args)]
pub struct Schema {
    /// Of what
    #[arg(value_enum, default_value = "runbook")]
    pub of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    Runbook,
}

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

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Verify every signature and link: of everything here, of one execution, or of an exported file
    Verify(AuditVerify),
    /// Write the signed log of an execution into a file
    Export(AuditExport),
}

#[derive(Debug, Args)]
pub struct AuditVerify {
    /// An execution, or a file
    #[arg(value_name = "EXEC|FILE")]
    pub what: Option<String>,
}

#[derive(Debug, Args)]
pub struct AuditExport {
    #[command(flatten)]
    pub at: One,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct Purge {
    /// Only what is older, such as 90d or 12h
    #[arg(long, value_name = "D", default_value = "90d", value_parser = age)]
    pub older_than: jiff::SignedDuration,
}

#[derive(Debug, Subcommand)]
pub enum Actions {
    /// List the actions
    List,
    /// Show one action
    Show(ActionName),
}

#[derive(Debug, Args)]
pub struct ActionName {
    /// Such as `kubernetes.restart_pod`
    pub name: String,
}

#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Print the policy in force
    Show,
    /// Check a policy file, or the policy in force
    Check(PolicyFile),
}

#[derive(Debug, Args)]
pub struct PolicyFile {
    /// The file
    pub path: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Context {
    /// List the contexts
    List,
    /// Act there from now on
    Use(ContextName),
}

#[derive(Debug, Args)]
pub struct ContextName {
    /// The context's name
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// A whole number with a unit: `45m`, `12h`, `90d`, `8w`.
fn age(text: &str) -> Result<jiff::SignedDuration, String> {
    let wrong = || "write it as a number with a unit: 45m, 12h, 90d or 8w".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: i64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).filter(|total| *total >= 0).map(jiff::SignedDuration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_variable_keeps_every_equals_sign_after_the_first() {
        assert_eq!(assignment("q=a=b").unwrap(), ("q".to_owned(), "a=b".to_owned()));
        assert!(assignment("=b").is_err());
        assert!(assignment("b").is_err());
    }

    #[test]
    fn an_age_has_a_unit() {
        assert_eq!(age("90d").unwrap(), jiff::SignedDuration::from_hours(2160));
        assert!(age("90").is_err());
        assert!(age("-1d").is_err());
        assert!(age("9é").is_err());
    }
}
