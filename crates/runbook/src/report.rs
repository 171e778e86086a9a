//! Findings for people, for programs and for code scanners.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::finding::{Finding, FindingLevel};
use crate::lint::rule::{RULES, rule};

/// One finding after the other, `file:line:column: level[rule]: message` with its hint, and a count; empty where
/// there is none.
pub fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        text.push_str(&finding.to_string());
        text.push('\n');
    }
    if !findings.is_empty() {
        let errors = findings.iter().filter(|finding| finding.severity == FindingLevel::Error).count();
        let warnings = findings.len() - errors;
        let counted = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            _ => format!("{count} {noun}s"),
        };
        writeln!(text, "{}, {}", counted(errors, "error"), counted(warnings, "warning"))
            .expect("writing to a string never fails");
    }
    text
}

/// A JSON array with an object per finding: file, line, column, rule, severity, message, hint.
pub fn json(findings: &[Finding]) -> String {
    pretty(&json!(findings))
}

/// SARIF 2.1.0 with the text and help of every rule that occurs.
pub fn sarif(findings: &[Finding]) -> String {
    let used: Vec<&str> =
        RULES.iter().map(|rule| rule.id).filter(|id| findings.iter().any(|finding| finding.rule == *id)).collect();
    let index: BTreeMap<&str, usize> = used.iter().copied().enumerate().map(|(index, id)| (id, index)).collect();
    let rules: Vec<Value> = used
        .iter()
        .filter_map(|id| rule(id))
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.summary },
                "fullDescription": { "text": rule.help },
                "help": { "text": rule.help },
                "defaultConfiguration": { "level": level(rule.level) },
            })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut result = json!({
                "ruleId": finding.rule,
                "level": level(finding.severity),
                "message": { "text": message(finding) },
                "locations": [{
                    "physicalLocation": {
                        "artifactLocation": { "uri": uri(&finding.file) },
                        "region": { "startLine": finding.position.line, "startColumn": finding.position.column },
                    },
                }],
            });
            if let Some(index) = index.get(finding.rule) {
                result["ruleIndex"] = json!(index);
            }
            result
        })
        .collect();
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "belay", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn level(level: FindingLevel) -> &'static str {
    match level {
        FindingLevel::Error => "error",
        FindingLevel::Warning => "warning",
    }
}

fn message(finding: &Finding) -> String {
    match &finding.hint {
        Some(hint) => format!("{}; {hint}", finding.message),
        None => finding.message.clone(),
    }
}

/// The file as a relative or absolute URI reference.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02X}").expect("writing to a string never fails");
        }
    }
    if file.starts_with('/') { format!("file://{uri}") } else { uri }
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a JSON value always serialises");
    text.push('\n');
    text
}
