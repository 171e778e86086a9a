//! The rot report for people: what is wrong with each runbook, and how it has fared.

use std::collections::BTreeSet;

use belay_cockpit::{RotReport, RunbookHealth};
use belay_runbook::finding::{Finding, FindingLevel};

use crate::style::Style;
use crate::text;

/// Each runbook with something wrong, worst first; then what belongs to none; then a summary.
pub fn report(report: &RotReport, style: Style) -> String {
    let mut out = String::new();
    let mut told = BTreeSet::new();
    for runbook in report.runbooks.iter().filter(|runbook| runbook.findings > 0) {
        told.insert(runbook.file.as_str());
        let title = format!("{}  {}", style.bold(&text::line(&runbook.title)), style.dim(&text::line(&runbook.name)));
        out.push_str(&text::hang("", "  ", &title, style.columns));
        out.push_str(&text::hang("  ", "  ", &style.dim(&facts(runbook)), style.columns));
        for finding in report.findings.iter().filter(|finding| finding.file == runbook.file) {
            out.push_str(&one(finding, false, style));
        }
        out.push('\n');
    }
    let mut others = report.findings.iter().filter(|finding| !told.contains(finding.file.as_str())).peekable();
    if others.peek().is_some() {
        put!(out, "{}\n", style.bold("Files"));
        others.for_each(|finding| out.push_str(&one(finding, true, style)));
        out.push('\n');
    }
    out.push_str(&summary(report, style));
    out
}

fn one(finding: &Finding, with_file: bool, style: Style) -> String {
    let (mark, rule) = match finding.severity {
        FindingLevel::Error => (style.bad("✗"), style.bad(finding.rule)),
        FindingLevel::Warning => (style.care("!"), style.care(finding.rule)),
    };
    let place =
        if with_file { format!("{}:{} ", text::line(&finding.file), finding.position.line) } else { String::new() };
    let hint = finding.hint.as_ref().map(|hint| style.dim(&format!("; {}", text::line(hint)))).unwrap_or_default();
    let told = format!("{place}{rule} {}{hint}", text::line(&finding.message));
    text::hang(&format!("  {mark} "), "    ", &told, style.columns)
}

fn facts(runbook: &RunbookHealth) -> String {
    let mut facts = vec![text::line(&runbook.source)];
    facts.push(match runbook.review_date {
        Some(date) => format!("review {date}"),
        None => "no review date".to_owned(),
    });
    let statistics = &runbook.statistics;
    if let Some(last) = statistics.last_execution {
        facts.push(format!("last run {}", last.strftime("%Y-%m-%d")));
    }
    facts.extend(statistics.fared());
    facts.join(" · ")
}

fn summary(report: &RotReport, style: Style) -> String {
    let sound = report.runbooks.iter().filter(|runbook| runbook.findings == 0).count();
    let mut told =
        format!("{} of {} without a finding", sound, text::count(report.runbooks.len(), "runbook", "runbooks"));
    if let Some(rules) = report.alert_rules {
        put!(told, "; {} read", text::count(rules, "alerting rule", "alerting rules"));
    }
    if report.links > 0 {
        put!(told, "; {} asked for", text::count(report.links, "link", "links"));
    }
    let verdict = if report.findings.is_empty() { style.good("✓") } else { style.care("!") };
    format!("{verdict} {told}\n")
}
