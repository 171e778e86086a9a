//! The runbook file: text to runbook and findings, and back; its JSON Schema; Markdown for people.
//!
//! Reading has three stages, and each reports everything it finds: bytes to a tree with positions ([`yaml`]), tree
//! against the schema of the wire types, wire types to the model.

use std::fmt;
use std::sync::LazyLock;

use serde_json::Value;

use crate::finding::Finding;
use crate::lint::rule::{MISSING_FIELD, NOT_A_RUNBOOK, UNKNOWN_FIELD, WRONG_TYPE};
use crate::model::Runbook;

mod condition;
mod de;
mod markdown;
mod node;
mod read;
mod schema;
pub(crate) mod shape;
mod wire;
mod write;
pub mod yaml;

pub use condition::comparison;
pub use markdown::to_markdown;
pub use node::Places;
pub(crate) use node::{Content, Node, escape};
pub use schema::schema;
pub(crate) use schema::schema_of;
pub use wire::{API_VERSION, File, KIND};
pub use write::{to_json, to_yaml};

/// What a text holds.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The runbook, where one could be built. It may come with errors (an unknown field), so whoever runs it checks
    /// [`Parsed::has_errors`].
    pub runbook: Option<Runbook>,
    /// What is wrong with the text, in the order of the file.
    pub findings: Vec<Finding>,
    /// Where everything stands.
    pub places: Places,
    /// The file as given.
    pub file: String,
}

impl Parsed {
    /// Whether some finding says that the runbook could not run as written.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == crate::finding::FindingLevel::Error)
    }
}

static FIELDS: shape::Mismatch = shape::Mismatch {
    unknown: &UNKNOWN_FIELD,
    wrong: &WRONG_TYPE,
    missing: &MISSING_FIELD,
    noun: "field",
    templates: false,
    closed: false,
};

/// Made once: a catalog has thousands of files.
static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// Reads a runbook. Never panics and never takes more than bounded time and memory, whatever the bytes.
pub fn parse(file: &str, bytes: &[u8]) -> Parsed {
    let (root, mut findings) = yaml::read_node(file, bytes);
    let mut parsed = Parsed { file: file.to_owned(), ..Parsed::default() };
    if let Some(root) = root {
        let stranger = stranger(file, &root);
        if stranger.is_none() {
            findings.extend(shape::Shape::compare(file, &SCHEMA, &FIELDS, &root, "the runbook"));
        }
        parsed.places = Places::new(Some(root));
        // An unknown field does not hinder reading; anything else that differs does.
        let readable = |finding: &Finding| finding.rule == UNKNOWN_FIELD.id || finding.rule == "duplicate-key";
        if let Some(finding) = stranger {
            findings.push(finding);
        } else if findings.iter().all(readable) {
            let (runbook, more) = read::read(file, &parsed.places);
            parsed.runbook = runbook;
            findings.extend(more);
        }
    } else if findings.is_empty() {
        let start = crate::finding::Position { line: 1, column: 1 };
        findings.push(NOT_A_RUNBOOK.at(file, start, "the file is empty"));
    }
    findings.sort_by(|a, b| (a.position, a.rule).cmp(&(b.position, b.rule)));
    parsed.findings = findings;
    parsed
}

/// Says why a document is no runbook at all, before every field of some other document is reported.
fn stranger(file: &str, root: &Node) -> Option<Finding> {
    if !matches!(root.content, Content::Map(_)) {
        return Some(NOT_A_RUNBOOK.at(file, root.position, "the document is not a map"));
    }
    let hint = format!("a runbook starts with `apiVersion: {API_VERSION}` and `kind: {KIND}`");
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let (position, message) = match root.entry(key) {
            None => (root.position, format!("the document has no `{key}`")),
            Some(entry) if entry.value.text() == Some(wanted) => continue,
            Some(entry) => (entry.value.position, format!("`{key}` is not `{wanted}`")),
        };
        return Some(Finding { hint: Some(hint), ..NOT_A_RUNBOOK.at(file, position, message) });
    }
    None
}

/// Text of a file as it stands in a message: in backquotes, short, and without control characters, which a terminal
/// would obey.
pub(crate) fn quoted(text: &str) -> Quoted<'_> {
    Quoted { text, fence: "`" }
}

pub(crate) struct Quoted<'t> {
    text: &'t str,
    fence: &'static str,
}

impl Quoted<'_> {
    /// Without the backquotes.
    pub(crate) fn bare(mut self) -> Self {
        self.fence = "";
        self
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 60;
        f.write_str(self.fence)?;
        for (index, c) in self.text.chars().enumerate() {
            if index == LONGEST {
                f.write_str("…")?;
                break;
            }
            // Marks that reorder text could make a message say something else than it does.
            let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || reorders {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        f.write_str(self.fence)
    }
}
