//! Markdown runbooks to runbooks: headings, lists and code blocks become steps, placeholders become inputs.
//!
//! No text is lost: what fits nowhere stays in the description under its heading, the headings and the rest of the
//! front matter in annotations. Everything that people did by hand stays manual; commands are shown and sorted
//! into those that look and those that change something.

use serde::Serialize;

use crate::finding::{Finding, Position};
use crate::format;
use crate::lint::rule::Rule;
use crate::model::Runbook;

mod author;
mod convert;
mod fence;
mod front_matter;
mod headings;
mod html;
mod links;
mod markdown;
mod naming;
mod placeholder;
mod programs;
pub mod rules;
mod source;
mod steps;

pub use author::{add_step, blank, publish};
pub use naming::runbook_name;
pub use source::{SIZE_LIMIT, too_large};

/// The annotation with the file that a runbook was imported from.
pub const FROM_ANNOTATION: &str = "sre.oversight.io/imported-from";
/// The annotation with the headings of that file, one a line.
pub const HEADINGS_ANNOTATION: &str = "sre.oversight.io/imported-headings";
/// The annotation with the front matter that has no field of its own, one key a line.
pub const FRONT_MATTER_ANNOTATION: &str = "sre.oversight.io/imported-front-matter";

/// The annotation with an id that another runbook has as well.
pub const ID_ANNOTATION: &str = "sre.oversight.io/imported-id";

/// A runbook and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The runbook. It validates without errors.
    pub runbook: Runbook,
    /// What became what.
    pub report: ImportReport,
}

/// What became what, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ImportReport {
    /// The file as given.
    pub file: String,
    /// Parts of the file.
    pub became: Vec<Became>,
    /// Whether some heading or command said what the steps are; without, the file may be no runbook.
    pub has_steps: bool,
    /// What somebody should look at.
    pub findings: Vec<Finding>,
}

/// A part of the file and what it became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Became {
    /// Its line, from one.
    pub line: u32,
    /// The part.
    pub what: String,
    /// What it became.
    pub into: String,
}

/// Imports one Markdown file; the file's name gives the runbook's name and, in camel case, its alert.
///
/// Never panics and takes time linear in the file, whatever the bytes. The error says why nothing could be made of it.
pub fn import(file: &str, bytes: &[u8]) -> Result<Import, Finding> {
    let text = source::decode(file, bytes)?;
    let text = markdown::normal(text);
    let matter = front_matter::read(file, &text)?;
    let (text, unclosed) = markdown::closed(&text, matter.body);
    let mut import = convert::convert(file, &text, &matter);
    if let Some(offset) = unclosed {
        let line = markdown::line(&text, offset);
        import.report.find(&rules::UNCLOSED_FENCE, line, "a code block starts here and is not closed".to_owned(), None);
    }
    import.report.became.sort_by_key(|became| became.line);
    import.report.findings.sort();
    let yaml = format::to_yaml(&import.runbook);
    let parsed = format::parse(file, yaml.as_bytes());
    match parsed.findings.iter().find(|finding| finding.severity == crate::finding::FindingLevel::Error) {
        None => Ok(import),
        Some(finding) => {
            let message = format!("no valid runbook comes of it: {}", finding.message);
            Err(rules::TOO_LARGE.at(file, Position { line: 1, column: 1 }, message))
        }
    }
}

impl ImportReport {
    fn add(&mut self, line: u32, what: impl Into<String>, into: impl Into<String>) {
        self.became.push(Became { line, what: what.into(), into: into.into() });
    }

    fn find(&mut self, rule: &Rule, line: u32, message: String, hint: Option<&str>) {
        let hint = hint.unwrap_or(rule.help);
        let mut chars = hint.trim_end_matches('.').chars();
        let hint = chars.next().map(|first| first.to_lowercase().chain(chars).collect());
        let finding = rule.at(&self.file, Position { line, column: 1 }, message);
        self.findings.push(Finding { hint, ..finding });
    }
}
