//! What can be typed: the command line contract as types.

mod author;
mod find;
mod run;
mod surroundings;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use author::*;
pub use find::*;
pub use run::*;
pub use surroundings::*;

use crate::style::ColorChoice;

/// Belay finds the right runbook, walks you through it, stops before what is dangerous, and can take changes back.
#[derive(Debug, Parser)]
#[command(
    name = "belay",
    version,
    about,
    disable_help_subcommand = true,
    after_help = "Without a command, on a terminal, belay opens the cockpit.\n\
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
    /// Write a new runbook
    New(New),
    /// Change a runbook in your editor, with findings
    Edit(Edit),
    /// Make runbooks of Markdown files
    Import(Import),
    /// Print a JSON Schema
    Schema(Schema),
    /// Show what a run would do, step by step, and change nothing
    Plan(Plan),
    /// Look for everything that would stop a run: programs, logins, the cluster, rights, policy; change nothing
    Preflight(Preflight),
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
    /// Stop everything that changes something on this device, at once and until `unfreeze`
    Freeze(Freeze),
    /// Let automation act again; executions go on with `retry`
    Unfreeze,
    /// Ask what is wrong, line by line, and guide you through the runbook
    Guide,
    /// Serve the cockpit to a browser, for one responder
    Web(Web),
    /// Secrets that runbooks name, kept in the keyring of the operating system
    #[command(subcommand)]
    Secret(Secret),
    /// Who this device is: its key, and what to do when it is lost
    #[command(subcommand)]
    Identity(Identity),
    /// Say what is missing here and how to fix it
    Doctor(Doctor),
    /// Print completions for a shell
    Completions(Completions),
    /// Write the manual pages of every command into a directory
    #[command(hide = true)]
    Manual(Manual),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use clap::CommandFactory as _;

    use super::run::assignment;
    use super::surroundings::age;
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
