//! Finding, reading and checking runbooks.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand, ValueEnum};

use super::About;

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
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
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
    /// Say what is rotten: overdue reviews, runbooks never run, missing programs, alerts without a runbook
    Check(CatalogCheck),
}

#[derive(Debug, Args)]
pub struct CatalogCheck {
    /// A Prometheus rule file, or a directory of them: alerts without a runbook, and runbooks without an alert
    #[arg(long = "rules", value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Ask for every link (nothing leaves this device otherwise)
    #[arg(long)]
    pub links: bool,
    /// Only the directories that were added, not the bundled catalog
    #[arg(long)]
    pub own: bool,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "text")]
    pub format: ValidateFormat,
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
