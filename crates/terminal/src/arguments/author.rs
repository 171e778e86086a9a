//! Importing and writing runbooks.

use std::path::PathBuf;

use clap::Args;

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
