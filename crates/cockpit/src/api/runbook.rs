//! A runbook as its page shows it.

use std::collections::{BTreeMap, BTreeSet};

use belay_runbook::action::{ActionCatalog as _, Effect};
use belay_runbook::commands;
use belay_runbook::model::{Comparison, Condition, Does, OnFailure, Runbook, Step, StepKind, StepName, Target, Undo};
use serde_json::Value;

use super::prose::prose;
use super::{BranchSpec, ChangeView, FlowEdge, FlowKind, RelatedRunbook, RunbookView, StepSpec, UndoSpec};
use crate::Cockpit;
use crate::inputs::plain;

/// The end of the flow, as edges name it.
const END: &str = "end";

/// The whole page; commands show `values` where they are known.
pub(super) fn view(cockpit: &Cockpit, runbook: &Runbook, values: &BTreeMap<String, Value>) -> RunbookView {
    let undo_only: BTreeSet<&StepName> = runbook.undo_only_steps().into_iter().collect();
    let variables: BTreeSet<String> = runbook.inputs.keys().cloned().collect();
    let spec = |step: &Step| step_spec(cockpit, step, undo_only.contains(&step.name), values, &variables);
    let word = |text: &str| text.to_owned();
    let mut triggers = runbook.trigger.prose.clone();
    triggers.extend(runbook.trigger.schedule.iter().map(|schedule| format!("schedule {schedule}")));
    RunbookView {
        id: runbook.reference().to_owned(),
        name: runbook.name.clone(),
        title: runbook.display_title().to_owned(),
        description: runbook.description.as_deref().map(prose),
        domain: runbook.domain.map(|domain| word(domain.as_str())),
        category: runbook.category.map(|category| word(category.as_str())),
        severity: word(runbook.severity.as_str()),
        services: runbook.services.clone(),
        tags: runbook.tags.clone(),
        alerts: runbook.trigger.alerts.clone(),
        triggers,
        symptoms: runbook.documentation.symptoms.clone(),
        impact: runbook.documentation.impact.as_deref().map(prose),
        resolution: runbook.documentation.resolution.as_deref().map(prose),
        author: runbook.author.clone(),
        version: runbook.version.clone(),
        updated: runbook.updated.map(|date| date.to_string()),
        review_date: runbook.review_date.map(|date| date.to_string()),
        estimated_minutes: runbook.estimated_duration_minutes,
        automation_level: runbook.automation_level.map(|level| word(level.as_str())),
        rollback_on_failure: runbook.rollback_on_failure,
        requires_change_ticket: runbook.requires_change_ticket,
        prerequisites: runbook.prerequisites.clone(),
        post_conditions: runbook.post_conditions.clone(),
        steps: runbook.steps.iter().map(spec).collect(),
        rollback_steps: runbook.rollback_steps.iter().map(spec).collect(),
        flow: flow(runbook, &undo_only),
        related: runbook.related_runbooks.iter().map(|text| related(cockpit, text)).collect(),
        references: runbook.references.clone(),
        changelog: runbook
            .changelog
            .iter()
            .map(|change| ChangeView {
                date: change.date.clone(),
                author: change.author.clone(),
                changes: change.changes.clone(),
            })
            .collect(),
    }
}

fn step_spec(
    cockpit: &Cockpit,
    step: &Step,
    undo_only: bool,
    values: &BTreeMap<String, Value>,
    variables: &BTreeSet<String>,
) -> StepSpec {
    let (shown, remarks) = match &step.does {
        Does::Commands(entries) => (commands::shown(entries, values, variables), commands::notes(entries)),
        Does::Action(_) | Does::Automation(_) | Does::Nothing => (Vec::new(), Vec::new()),
    };
    let call = match &step.does {
        Does::Action(call) | Does::Automation(call) => Some(call),
        Does::Commands(_) | Does::Nothing => None,
    };
    let approval = step.approval.as_ref();
    StepSpec {
        name: step.name.to_string(),
        title: step.display_title().to_owned(),
        kind: step.kind.as_str().to_owned(),
        description: step.description.as_deref().map(prose),
        commands: shown,
        remarks,
        action: call.map(|call| call.name.clone()),
        parameters: call.map(|call| call.parameters.clone()),
        effect: effect(cockpit, step, variables).map(|effect| effect.as_str().to_owned()),
        when: step.when.clone(),
        prerequisites: step.prerequisite.iter().map(condition).collect(),
        post_conditions: step.post_condition.iter().map(condition).collect(),
        expected_output: step.expected_output.clone(),
        success_criteria: step.success_criteria.clone(),
        retries: step.retries,
        timeout_seconds: step.timeout.map(|timeout| timeout.as_secs_f64()),
        failure_hint: step.failure_hint.clone(),
        continue_on_error: step.continue_on_error,
        needs_approval: approval.is_some_and(|approval| approval.required),
        approvers: approval.map(|approval| approval.approvers.clone()).unwrap_or_default(),
        quorum: approval.and_then(|approval| approval.quorum).unwrap_or(1),
        undo: step.undo.as_ref().map(|undo| undo_spec(undo, values, variables)),
        undo_only,
        branches: step
            .branches
            .iter()
            .map(|(name, branch)| BranchSpec {
                name: name.clone(),
                to: target(&branch.target),
                when: branch.when.clone(),
                description: branch.description.clone(),
            })
            .collect(),
        estimated_minutes: step.estimated_duration_minutes,
    }
}

/// What a step does to the world as far as its text tells; nothing where a person acts.
fn effect(cockpit: &Cockpit, step: &Step, variables: &BTreeSet<String>) -> Option<Effect> {
    let declared = match &step.does {
        Does::Nothing => return None,
        Does::Commands(_) if step.kind == StepKind::Manual => return None,
        Does::Commands(entries) => commands::effect(entries, variables),
        Does::Action(call) => cockpit.registry().spec(&call.name)?.effect,
        Does::Automation(_) => Effect::Mutate,
    };
    Some(step.effect.map_or(declared, |raised| raised.max(declared)))
}

fn undo_spec(undo: &Undo, values: &BTreeMap<String, Value>, variables: &BTreeSet<String>) -> UndoSpec {
    let (kind, text) = match undo {
        Undo::Irreversible(reason) => ("irreversible", reason.clone()),
        Undo::Step(name) => ("step", name.to_string()),
        Undo::Does(Does::Commands(entries)) => ("acts", commands::shown(entries, values, variables).join("\n")),
        Undo::Does(Does::Action(call) | Does::Automation(call)) => ("acts", call.name.clone()),
        Undo::Does(Does::Nothing) => ("acts", String::new()),
    };
    UndoSpec { kind: kind.to_owned(), text }
}

fn condition(condition: &Condition) -> String {
    let field = &condition.field;
    match &condition.test {
        Comparison::Equal(value) => format!("{field} = {}", plain(value)),
        Comparison::NotEqual(value) => format!("{field} ≠ {}", plain(value)),
        Comparison::Less(number) => format!("{field} < {number}"),
        Comparison::LessOrEqual(number) => format!("{field} ≤ {number}"),
        Comparison::Greater(number) => format!("{field} > {number}"),
        Comparison::GreaterOrEqual(number) => format!("{field} ≥ {number}"),
    }
}

fn target(target: &Target) -> String {
    target.step().map_or_else(|| END.to_owned(), ToString::to_string)
}

/// Every way from one step to another.
fn flow(runbook: &Runbook, undo_only: &BTreeSet<&StepName>) -> Vec<FlowEdge> {
    let mut edges = Vec::new();
    let mut add = |from: &Step, to: String, kind: FlowKind, label: Option<&str>| {
        edges.push(FlowEdge { from: from.name.to_string(), to, kind, label: label.map(str::to_owned) });
    };
    for (index, step) in runbook.steps.iter().enumerate() {
        for (name, branch) in &step.branches {
            add(step, target(&branch.target), FlowKind::Branch, Some(name));
        }
        if step.branches.is_empty() && !undo_only.contains(&step.name) {
            let after = || runbook.steps.iter().skip(index + 1).find(|other| !undo_only.contains(&other.name));
            let to = match &step.next {
                Some(next) => target(next),
                None => after().map_or_else(|| END.to_owned(), |other| other.name.to_string()),
            };
            add(step, to, FlowKind::Next, None);
        }
        if let Some(OnFailure::Step(to)) = &step.on_failure {
            add(step, to.to_string(), FlowKind::Failure, None);
        }
        if let Some(Undo::Step(to)) = &step.undo {
            add(step, to.to_string(), FlowKind::Undo, None);
        }
    }
    edges
}

/// A reference such as `RB-DB-002 (Connection pool)`, looked up by its first word.
fn related(cockpit: &Cockpit, text: &str) -> RelatedRunbook {
    let reference = text.split([' ', '(', ':']).next().unwrap_or_default();
    let name = if reference.contains('/') { None } else { cockpit.find(reference).ok() };
    RelatedRunbook { text: text.to_owned(), name: name.map(|found| found.runbook.name.clone()) }
}
