//! Importing and writing runbooks.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct Import {
    /// Markdown files, and directories that are searched for them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where the runbooks are written, as NAME.yaml
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    pub force: bool,
    /// Say of every part of every file what it became
    #[arg(long)]
    pub details: bool,
}

#[derive(Debug, Args)]
pub struct New {
    /// The runbook's name, such as restart-gateway
    pub name: String,
    /// The title that people read
    #[arg(long, value_name = "T")]
    pub title: Option<String>,
    /// What it is for
    #[arg(long, value_name = "T")]
    pub description: Option<String>,
    /// The name of an alert that it answers; may be repeated
    #[arg(long = "alert", value_name = "NAME")]
    pub alerts: Vec<String>,
    /// A service that it is about; may be repeated
    #[arg(long = "service", value_name = "S")]
    pub services: Vec<String>,
    /// The severity that it addresses
    #[arg(long, value_name = "SEVERITY")]
    pub severity: Option<String>,
    /// Its category
    #[arg(long, value_name = "C")]
    pub category: Option<String>,
    /// A step: what to do, and after an equals sign the command; may be repeated
    #[arg(long = "step", value_name = "TITLE[=COMMAND]")]
    pub steps: Vec<String>,
    /// Begin with a Markdown file
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Where to write it [default: the first directory of the catalog, else here]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Edit {
    /// An id, a name or a path
    pub runbook: String,
    /// Where a bundled runbook is copied to [default: the first directory of the catalog]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What changed, for the changelog
    #[arg(long, value_name = "T")]
    pub note: Option<String>,
    /// How much of the version changes
    #[arg(long, value_enum, default_value = "patch")]
    pub bump: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Major,
    Minor,
    Patch,
    None,
}
