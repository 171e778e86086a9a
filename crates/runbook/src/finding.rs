//! What validation reports, and where.

use std::fmt;

use serde::Serialize;

/// Whether a runbook could not run as written, or could be better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingLevel {
    /// It could be better.
    Warning,
    /// It could not run as written.
    Error,
}

/// A place in a text; line and column count from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// Line, from one.
    pub line: u32,
    /// Column in characters, from one.
    pub column: u32,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file as given, or a name in angle brackets for text without one.
    pub file: String,
    /// Where it starts.
    #[serde(flatten)]
    pub position: Position,
    /// Stable kebab-case id, such as `unknown-field`.
    pub rule: &'static str,
    /// Error or warning.
    pub severity: FindingLevel,
    /// Lower case, no final period.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.severity {
            FindingLevel::Error => "error",
            FindingLevel::Warning => "warning",
        };
        write!(
            f,
            "{}:{}:{}: {level}[{}]: {}",
            self.file, self.position.line, self.position.column, self.rule, self.message
        )?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}
