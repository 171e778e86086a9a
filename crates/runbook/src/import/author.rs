//! Runbooks that somebody writes from nothing.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::convert::{check, manual};
use super::naming::{step_name, title as short};
use super::placeholder::Inputs;
use crate::commands;
use crate::model::{AutomationLevel, Change, Documentation, Does, Runbook, Severity, Trigger};

/// Adds a manual step with the commands that it shows; their placeholders become inputs.
///
/// The error says why the commands could not stand in a runbook; the runbook is as it was then.
pub fn add_step(runbook: &mut Runbook, title: &str, script: &str) -> Result<(), String> {
    let mut inputs = Inputs::default();
    let script = inputs.rewrite(script.trim(), &BTreeMap::new());
    let mut names = inputs.names();
    names.extend(runbook.inputs.keys().cloned());
    let (entries, used) = check(&script, &names)?;
    for (name, spec) in inputs.declared(&used, !runbook.trigger.alerts.is_empty()) {
        runbook.inputs.entry(name).or_insert(spec);
    }
    let (does, effect) = match entries.as_slice() {
        [] => (Does::Nothing, None),
        entries => (Does::Commands(entries.to_vec()), Some(commands::effect(entries, &names))),
    };
    let own = step_name(title);
    let numbered = (2_u32..).map(|number| format!("{own}-{number}"));
    let taken = |name: &String| runbook.steps.iter().any(|step| step.name.as_str() == name);
    let name = std::iter::once(own.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(own);
    let mut step = manual(&name, &short(title), does, effect);
    // What the title had no room for is not lost.
    step.description = (short(title) != title.trim()).then(|| title.trim().to_owned());
    runbook.steps.push(step);
    Ok(())
}

/// Gives a runbook what a new one has: a version, a change, and a date for its review.
pub fn publish(runbook: &mut Runbook, author: Option<&str>, today: Date, review: Date, changes: &str) {
    runbook.version.get_or_insert_with(|| "1.0.0".to_owned());
    runbook.created.get_or_insert(today);
    runbook.review_date = Some(runbook.review_date.filter(|date| *date > today).unwrap_or(review));
    let change = Change { date: today.to_string(), author: author.map(str::to_owned), changes: changes.to_owned() };
    runbook.changelog.insert(0, change);
}

/// A runbook with a name and nothing else.
pub fn blank(name: &str) -> Runbook {
    Runbook {
        name: name.to_owned(),
        namespace: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        id: None,
        title: None,
        description: None,
        domain: None,
        category: None,
        severity: Severity::All,
        services: Vec::new(),
        tags: Vec::new(),
        trigger: Trigger::default(),
        author: None,
        version: None,
        created: None,
        updated: None,
        review_date: None,
        approvers: Vec::new(),
        estimated_duration_minutes: None,
        requires_change_ticket: false,
        automation_level: Some(AutomationLevel::Manual),
        prerequisites: Vec::new(),
        post_conditions: Vec::new(),
        inputs: indexmap::IndexMap::new(),
        approval: None,
        rollback_on_failure: false,
        steps: Vec::new(),
        rollback_steps: Vec::new(),
        documentation: Documentation::default(),
        related_runbooks: Vec::new(),
        references: Vec::new(),
        changelog: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;
    use crate::action::Effect;

    #[test]
    fn a_step_takes_placeholders_and_refuses_what_no_value_is_safe_in() {
        let mut runbook = blank("x");
        add_step(&mut runbook, "Look", "kubectl get pod <pod>").unwrap();
        add_step(&mut runbook, "Look", "kubectl describe pod <pod>").unwrap();
        add_step(&mut runbook, "Ask the owner", "").unwrap();
        let names: Vec<_> = runbook.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["look", "look-2", "ask-the-owner"]);
        assert_eq!(runbook.steps.first().and_then(|step| step.effect), Some(Effect::Read));
        assert_eq!(runbook.inputs.keys().collect::<Vec<_>>(), ["pod"]);
        assert!(add_step(&mut runbook, "Kill", "ssh x 'kill <pid>'").unwrap_err().contains("no safe encoding"));
        assert_eq!(runbook.steps.len(), 3);
    }
}
