//! Evidence, actions, policy, contexts, and what surrounds them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::One;

#[derive(Debug, Args)]
pub struct Schema {
    /// Of what
    #[arg(value_enum, default_value = "runbook")]
    pub of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    Runbook,
    Policy,
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
    /// Refuse an exported file whose end is not proven, too
    #[arg(long, requires = "what")]
    pub complete: bool,
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
    /// Run cases through the policy: acts with live state, and what it is expected to say of them
    Test(PolicyTest),
}

#[derive(Debug, Args)]
pub struct PolicyTest {
    /// The file of cases
    pub cases: PathBuf,
    /// The policy's file; the one that the cases name, else the one in force, where absent
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PolicyFile {
    /// The file
    pub path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Freeze {
    /// Why, for everybody who meets it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Debug, Subcommand)]
pub enum Context {
    /// List the contexts
    List,
    /// Act there from now on
    Use(ContextName),
    /// Go where it acts, and say which rights are missing there
    Check(ContextOf),
}

#[derive(Debug, Args)]
pub struct ContextOf {
    /// The context's name; the one in use where absent
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct ContextName {
    /// The context's name
    pub name: String,
}

#[derive(Debug, Subcommand)]
pub enum Secret {
    /// Keep a secret: typed on the terminal without being shown, or read from standard input
    Set(SecretSet),
    /// List the names of the secrets that are kept, never a value
    List,
    /// Remove a secret
    Remove(SecretOf),
}

#[derive(Debug, Args)]
pub struct SecretSet {
    #[command(flatten)]
    pub of: SecretOf,
    /// Not meant to be given: whoever types a value here is told what to do instead
    #[arg(hide = true, num_args = 0.., allow_hyphen_values = true)]
    pub value: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub struct SecretOf {
    /// The name that runbooks use: letters, digits, `-`, `_` and `.`
    pub name: String,
}

#[derive(Debug, Subcommand)]
pub enum Identity {
    /// Show this device's key, and which device the database belongs to; makes nothing
    Show,
    /// Make this device's key; where the one before it is lost, go on with a new one and say so in every open log
    Init,
    /// Replace this device's key by a new one that the old one signs
    Rekey,
}

#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// A whole number with a unit: `45m`, `12h`, `90d`, `8w`.
pub(super) fn age(text: &str) -> Result<jiff::SignedDuration, String> {
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

#[derive(Debug, Args)]
pub struct Doctor {
    /// First put right what is damaged in the database's log, where that can be done exactly; copies the files before
    #[arg(long)]
    pub mend: bool,
    /// Go on without what was recorded behind damage that cannot be put right
    #[arg(long, requires = "mend")]
    pub accept_loss: bool,
}

/// `belay web`.
#[derive(Debug, Args)]
pub struct Web {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// A name or address that browsers may reach it by, beside the one it listens on (`host:port`)
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// Serve the user interface from a directory instead of the one built in
    #[arg(long, value_name = "DIR", hide = true)]
    pub ui: Option<PathBuf>,
}

/// `belay manual`.
#[derive(Debug, Args)]
pub struct Manual {
    /// The directory, made where it is missing
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}
