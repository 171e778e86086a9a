//! Findings of a validation for people; programs get them from the runbook crate's reports.

use belay_runbook::finding::{Finding, FindingLevel};

use crate::style::Style;
use crate::text;

/// One finding on a line, with its hint below.
pub fn one(finding: &Finding, style: Style) -> String {
    let mut out = String::new();
    let level = match finding.severity {
        FindingLevel::Error => style.bad("error"),
        FindingLevel::Warning => style.care("warning"),
    };
    put!(
        out,
        "{}:{}:{}: {level}[{}]: {}\n",
        text::line(&finding.file),
        finding.position.line,
        finding.position.column,
        finding.rule,
        text::line(&finding.message)
    );
    if let Some(hint) = &finding.hint {
        put!(out, "  {} {}\n", style.code("hint:"), text::line(hint));
    }
    out
}

/// One line for each finding with its hint below, and a summary.
pub fn text(findings: &[Finding], files: usize, style: Style) -> String {
    let mut out = String::new();
    for finding in findings {
        out.push_str(&one(finding, style));
    }
    let errors = findings.iter().filter(|finding| finding.severity == FindingLevel::Error).count();
    let warnings = findings.len() - errors;
    let verdict = if errors > 0 { style.bad("✗") } else { style.good("✓") };
    put!(
        out,
        "{verdict} {}, {} in {}\n",
        text::count(errors, "error", "errors"),
        text::count(warnings, "warning", "warnings"),
        text::count(files, "path", "paths")
    );
    out
}
