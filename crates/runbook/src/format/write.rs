//! From the model to YAML that reads back as the same runbook.

use serde_json::Value;

use super::condition::time;
use super::wire::{
    API_VERSION, Approval as WireApproval, ApprovalField, BranchField, BranchMap, Change, Command, Documentation, File,
    Input, KIND, Metadata, OneOrMany, Rollback, Script, Spec, Step as WireStep, Trigger, UndoField, UndoMap,
    Validation,
};
use crate::model::{
    ActionCall, Approval, Branch, CommandSpec, Condition, Does, InputKind, InputSpec, OnFailure, OnTimeout, Runbook,
    Severity, Step, Target, Undo,
};

/// Writes a runbook as YAML. Reading it again gives an equal runbook; what has its default is left out.
#[expect(clippy::missing_panics_doc, reason = "the wire types always serialise")]
pub fn to_yaml(runbook: &Runbook) -> String {
    // A line of a command must not be folded, so that people can copy it.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: 1_000_000 };
    serde_saphyr::to_string_with_options(&file(runbook), options)
        .expect("the wire types hold only text, numbers, lists and maps with text keys")
}

/// The runbook as JSON, for `--json` and for a custom resource: the same fields as the file.
#[expect(clippy::missing_panics_doc, reason = "the wire types always serialise")]
pub fn to_json(runbook: &Runbook) -> Value {
    serde_json::to_value(file(runbook)).expect("the wire types hold only text, numbers, lists and maps with text keys")
}

fn file(runbook: &Runbook) -> File {
    File {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        metadata: Metadata {
            name: runbook.name.clone(),
            namespace: runbook.namespace.clone(),
            labels: runbook.labels.clone(),
            annotations: runbook.annotations.clone(),
        },
        spec: spec(runbook),
    }
}

fn spec(runbook: &Runbook) -> Spec {
    let documentation = Documentation {
        symptoms: runbook.documentation.symptoms.clone(),
        impact: runbook.documentation.impact.clone(),
        resolution: runbook.documentation.resolution.clone(),
    };
    Spec {
        id: runbook.id.clone(),
        name: runbook.title.clone(),
        description: runbook.description.clone(),
        domain: runbook.domain.map(|domain| domain.to_string()),
        category: runbook.category.map(|category| category.to_string()),
        severity: (runbook.severity != Severity::All).then(|| runbook.severity.to_string()),
        services: runbook.services.clone(),
        tags: runbook.tags.clone(),
        trigger: trigger(runbook),
        author: runbook.author.clone(),
        version: runbook.version.clone(),
        created_at: runbook.created.map(|date| date.to_string()),
        updated_at: runbook.updated.map(|date| date.to_string()),
        review_date: runbook.review_date.map(|date| date.to_string()),
        approvers: runbook.approvers.clone(),
        estimated_duration_minutes: runbook.estimated_duration_minutes,
        requires_change_ticket: runbook.requires_change_ticket,
        automation_level: runbook.automation_level.map(|level| level.to_string()),
        prerequisites: runbook.prerequisites.clone(),
        inputs: runbook.inputs.iter().map(|(name, spec)| (name.clone(), input(spec))).collect(),
        approval: runbook.approval.as_ref().map(approval),
        rollback_on_failure: runbook.rollback_on_failure,
        steps: runbook.steps.iter().map(step).collect(),
        rollback: (!runbook.rollback_steps.is_empty())
            .then(|| Rollback { steps: runbook.rollback_steps.iter().map(step).collect() }),
        post_conditions: runbook.post_conditions.clone(),
        documentation: (documentation != Documentation::default()).then_some(documentation),
        related_runbooks: runbook.related_runbooks.clone(),
        references: runbook.references.clone(),
        changelog: runbook
            .changelog
            .iter()
            .map(|change| Change {
                date: change.date.clone(),
                author: change.author.clone(),
                changes: change.changes.clone(),
            })
            .collect(),
    }
}

fn trigger(runbook: &Runbook) -> Option<Trigger> {
    let trigger = Trigger {
        alert: match runbook.trigger.alerts.as_slice() {
            [] => None,
            [alert] => Some(OneOrMany::One(alert.clone())),
            alerts => Some(OneOrMany::Many(alerts.to_vec())),
        },
        manual: runbook.trigger.manual,
        schedule: runbook.trigger.schedule.clone(),
        prose: runbook.trigger.prose.clone(),
    };
    (trigger != Trigger::default()).then_some(trigger)
}

fn input(spec: &InputSpec) -> Input {
    let kind = match spec.kind {
        InputKind::String => "string",
        InputKind::Integer => "integer",
        InputKind::Number => "number",
        InputKind::Boolean => "boolean",
        InputKind::Secret => "secret",
    };
    Input {
        kind: Some(kind.to_owned()),
        description: spec.description.clone(),
        default: spec.default.clone(),
        options: spec.options.clone(),
        pattern: spec.pattern.clone(),
        required: (spec.required != spec.default.is_none()).then_some(spec.required),
    }
}

fn approval(approval: &Approval) -> ApprovalField {
    ApprovalField::Map(WireApproval {
        required: Some(approval.required),
        approvers: approval.approvers.clone(),
        quorum: approval.quorum,
        timeout: approval.timeout.map(time),
    })
}

fn step(step: &Step) -> WireStep {
    let act = act(&step.does);
    let validation =
        Validation { prerequisite: conditions(&step.prerequisite), post_condition: conditions(&step.post_condition) };
    WireStep {
        name: step.name.as_str().to_owned(),
        title: step.title.clone(),
        description: step.description.clone(),
        kind: step.kind_declared.then(|| step.kind.as_str().to_owned()),
        when: step.when.clone(),
        action: act.action,
        automation: act.automation,
        parameters: act.parameters,
        commands: act.commands,
        validation: (validation != Validation::default()).then_some(validation),
        expected_output: step.expected_output.clone(),
        success_criteria: step.success_criteria.clone(),
        failure_hint: step.failure_hint.clone(),
        retries: step.retries,
        retry_delay: step.retry_delay.map(time),
        timeout: step.timeout.map(time),
        on_timeout: step.on_timeout.map(|on_timeout| match on_timeout {
            OnTimeout::Wait => "wait".to_owned(),
            OnTimeout::Escalate => "escalate".to_owned(),
        }),
        continue_on_error: step.continue_on_error,
        on_failure: step.on_failure.as_ref().map(|on_failure| match on_failure {
            OnFailure::Stop => "stop".to_owned(),
            OnFailure::Escalate => "escalate".to_owned(),
            OnFailure::Rollback => "rollback".to_owned(),
            OnFailure::Step(name) => name.as_str().to_owned(),
        }),
        approval: step.approval.as_ref().map(approval),
        rollback: step.undo.as_ref().map(undo),
        effect: step.effect.map(|effect| effect.as_str().to_owned()),
        survives: step.survives,
        next: step.next.as_ref().map(target),
        branches: step.branches.iter().map(|(label, to)| (label.clone(), branch(to))).collect(),
        estimated_duration_minutes: step.estimated_duration_minutes,
    }
}

fn act(does: &Does) -> UndoMap {
    let parameters = |call: &ActionCall| {
        let empty = call.parameters.as_object().is_some_and(serde_json::Map::is_empty);
        (!empty).then(|| call.parameters.clone())
    };
    match does {
        Does::Nothing => UndoMap::default(),
        Does::Action(call) => {
            UndoMap { action: Some(call.name.clone()), parameters: parameters(call), ..UndoMap::default() }
        }
        Does::Automation(call) => {
            UndoMap { automation: Some(call.name.clone()), parameters: parameters(call), ..UndoMap::default() }
        }
        Does::Commands(commands) => {
            UndoMap { commands: Some(commands.iter().map(command).collect()), ..UndoMap::default() }
        }
    }
}

fn command(command: &CommandSpec) -> Command {
    match command {
        CommandSpec::Line(line) => Command::Line(line.clone()),
        CommandSpec::Argv(argv) => Command::Argv(argv.clone()),
        CommandSpec::Script(script) => Command::Script(Script { script: script.clone() }),
    }
}

fn undo(undo: &Undo) -> UndoField {
    match undo {
        Undo::Step(name) => UndoField::Step(name.as_str().to_owned()),
        Undo::Does(does) => UndoField::Map(Box::new(act(does))),
        Undo::Irreversible(reason) => {
            UndoField::Map(Box::new(UndoMap { irreversible: Some(reason.clone()), ..UndoMap::default() }))
        }
    }
}

fn conditions(conditions: &[Condition]) -> indexmap::IndexMap<String, Value> {
    conditions.iter().map(|condition| (condition.field.clone(), condition.written.clone())).collect()
}

fn target(target: &Target) -> String {
    match target {
        Target::Step(name) => name.as_str().to_owned(),
        Target::End => "end".to_owned(),
    }
}

fn branch(branch: &Branch) -> BranchField {
    if branch.when.is_none() && branch.description.is_none() {
        return BranchField::Next(target(&branch.target));
    }
    BranchField::Map(BranchMap {
        next: target(&branch.target),
        when: branch.when.clone(),
        description: branch.description.clone(),
    })
}
