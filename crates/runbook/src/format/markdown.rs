//! Markdown for people.

use crate::model::Runbook;

/// Writes a runbook as Markdown.
pub fn to_markdown(runbook: &Runbook) -> String {
    format!("# {}\n", runbook.display_title())
}
