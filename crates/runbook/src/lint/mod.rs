//! What a runbook could do better, and what would keep it from running, beyond its shape.
//!
//! Every rule is a [`rule::Rule`]; the modules here look for them. All of them take time linear in the runbook, so a
//! file that is hostile to reading is not hostile here either.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::action::ActionCatalog;
use crate::finding::{Finding, Position};
use crate::format::{self, Parsed, Places};
use crate::model::{Runbook, Step};
use rule::Rule;

mod about;
mod acts;
mod commands;
mod effect;
mod flow;
mod rounds;
pub mod rule;
mod texts;

/// What a runbook is checked against.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The actions that exist.
    pub actions: &'a dyn ActionCatalog,
    /// The names of registered automations.
    pub automations: &'a BTreeSet<String>,
    /// Ids and names of the catalog's runbooks; `None` checks no references.
    pub runbooks: Option<&'a BTreeSet<String>>,
    /// Today, for review dates.
    pub today: Date,
}

/// Checks a runbook that could be read; nothing where it could not. What reading found is not repeated.
pub fn check(parsed: &Parsed, surroundings: &Surroundings<'_>) -> Vec<Finding> {
    let Some(runbook) = &parsed.runbook else { return Vec::new() };
    check_runbook(runbook, &parsed.places, &parsed.file, surroundings)
}

/// Checks a runbook whose `file` was read before, and of which it is known where everything stands.
pub fn check_runbook(runbook: &Runbook, places: &Places, file: &str, surroundings: &Surroundings<'_>) -> Vec<Finding> {
    let mut linter = Linter { places, file, runbook, surroundings, findings: Vec::new() };
    about::check(&mut linter);
    flow::check(&mut linter);
    acts::check(&mut linter);
    commands::check(&mut linter);
    texts::check(&mut linter);
    let mut findings = linter.findings;
    findings.sort_by(|a, b| (a.position, a.rule).cmp(&(b.position, b.rule)));
    findings
}

/// Reads and checks a runbook in one go; all findings are in the result, in the order of the file.
pub fn validate(file: &str, bytes: &[u8], surroundings: &Surroundings<'_>) -> Parsed {
    let mut parsed = format::parse(file, bytes);
    let more = check(&parsed, surroundings);
    parsed.findings.extend(more);
    parsed.findings.sort_by(|a, b| (a.position, a.rule).cmp(&(b.position, b.rule)));
    parsed
}

/// Which of the two lists a step stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Forward,
    Rollback,
}

impl List {
    fn pointer(self, index: usize) -> String {
        match self {
            Self::Forward => format!("/spec/steps/{index}"),
            Self::Rollback => format!("/spec/rollback/steps/{index}"),
        }
    }
}

struct Linter<'a> {
    places: &'a Places,
    file: &'a str,
    runbook: &'a Runbook,
    surroundings: &'a Surroundings<'a>,
    findings: Vec<Finding>,
}

impl<'a> Linter<'a> {
    /// Every step with its list and pointer.
    fn steps(&self) -> impl Iterator<Item = (List, String, &'a Step)> + use<'a> {
        let runbook = self.runbook;
        let forward = runbook.steps.iter().enumerate().map(|(index, step)| (List::Forward, index, step));
        let rollback = runbook.rollback_steps.iter().enumerate().map(|(index, step)| (List::Rollback, index, step));
        forward.chain(rollback).map(|(list, index, step)| (list, list.pointer(index), step))
    }

    /// Reports at a value.
    fn report(&mut self, rule: &Rule, pointer: &str, message: impl Into<String>, hint: Option<String>) {
        let position = self.places.nearest(pointer);
        self.report_at(rule, position, message, hint);
    }

    /// Reports at a key, or at the closest place there is.
    fn report_key(&mut self, rule: &Rule, pointer: &str, message: impl Into<String>, hint: Option<String>) {
        let position = self.places.key(pointer).unwrap_or_else(|| self.places.nearest(pointer));
        self.report_at(rule, position, message, hint);
    }

    fn report_at(&mut self, rule: &Rule, position: Position, message: impl Into<String>, hint: Option<String>) {
        self.findings.push(Finding { hint, ..rule.at(self.file, position, message) });
    }
}
