//! What a start would come to grief on, looked for before the first step (execution.md, 8): programs that are not here.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use belay_runbook::action::COMMAND_ACTION;
use belay_runbook::commands;
use belay_runbook::model::{Does, Runbook, Step, StepKind};
use serde_json::Value;

use crate::doctor::on_path;
use crate::start::{does_of, steps_of};

pub use report::{PreflightCheck, PreflightKind, PreflightLevel, PreflightReport};

/// Programs that a runbook's steps start by themselves and that this device has not, with the steps that want them.
pub fn missing_programs(runbook: &Runbook) -> BTreeMap<String, Vec<String>> {
    let variables = runbook.inputs.keys().cloned().collect();
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in steps_of(runbook) {
        for program in programs(step, &variables).into_iter().filter(|program| !is_here(program)) {
            missing.entry(program).or_default().push(step.name.to_string());
        }
    }
    missing
}

/// What stands against a program that is not here.
pub(crate) fn absent(program: &str) -> String {
    if program.contains('/') {
        format!("there is no program `{program}` on this device")
    } else {
        format!("`{program}` is not on this device's PATH")
    }
}

/// What to do about it.
pub(crate) const REMEDY: &str = "install it, or do its steps by hand";

/// The programs of one step that this device has not.
pub(crate) fn missing_of(runbook: &Runbook, step: &Step) -> Vec<String> {
    let variables = runbook.inputs.keys().cloned().collect();
    programs(step, &variables).into_iter().filter(|program| !is_here(program)).collect()
}

/// The programs that a step and its undo start without a person, as far as they are named in so many words.
fn programs(step: &Step, variables: &BTreeSet<String>) -> BTreeSet<String> {
    let by_person = matches!(step.kind, StepKind::Manual | StepKind::Decision);
    let mut found = BTreeSet::new();
    for does in does_of(step).filter(|does| !by_person || !std::ptr::eq(*does, &raw const step.does)) {
        match does {
            Does::Commands(entries) => found.extend(commands::programs(entries, variables)),
            Does::Action(call) if call.name == COMMAND_ACTION => {
                let argv = call.parameters.get("argv").and_then(Value::as_array);
                let first = argv.and_then(|argv| argv.first()).and_then(Value::as_str);
                found.extend(first.filter(|program| !program.contains(['{', '$'])).map(str::to_owned));
            }
            Does::Action(_) | Does::Automation(_) | Does::Nothing => {}
        }
    }
    found
}

/// Whether a program is found as it is named. What is named by a relative place depends on where it runs.
fn is_here(program: &str) -> bool {
    let path = Path::new(program);
    match (path.is_absolute(), program.contains('/')) {
        (true, _) => path.is_file(),
        (false, true) => true,
        (false, false) => on_path(program).is_some(),
    }
}
