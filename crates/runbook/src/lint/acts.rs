//! What steps perform: actions and their parameters, effects, undo, approval, prerequisites.

use super::effect::{changes, declared, effect};
use super::rule::{
    CHANGING_VERIFICATION, DESTRUCTIVE_WITHOUT_APPROVAL, EFFECT_LOWERED, MISSING_PARAMETER, MUTATING_WITHOUT_UNDO,
    UNKNOWN_ACTION, UNKNOWN_AUTOMATION, UNKNOWN_FACT, UNKNOWN_PARAMETER, WRONG_PARAMETER,
};
use super::{Linter, List};
use crate::action::{ActionSpec, Effect, SCRIPT_ACTION};
use crate::finding::Position;
use crate::format::shape::{Mismatch, Shape, suggestion};
use crate::format::{Content, Node, escape, quoted};
use crate::model::{ActionCall, Does, Step, StepKind, Undo};

static PARAMETERS: Mismatch = Mismatch {
    unknown: &UNKNOWN_PARAMETER,
    wrong: &WRONG_PARAMETER,
    missing: &MISSING_PARAMETER,
    noun: "parameter",
    templates: true,
    closed: true,
};

pub(super) fn check(linter: &mut Linter<'_>) {
    let undo_only: Vec<_> = linter.runbook.undo_only_steps();
    let undo_only: std::collections::BTreeSet<_> = undo_only.into_iter().collect();
    for (list, pointer, step) in linter.steps() {
        check_does(linter, &step.does, &pointer);
        if let Some(Undo::Does(does)) = &step.undo {
            check_does(linter, does, &format!("{pointer}/rollback"));
        }
        check_effect(linter, step, &pointer);
        check_facts(linter, step, &pointer);
        let takes_back = list == List::Rollback || undo_only.contains(&step.name);
        if !takes_back {
            check_undo(linter, step, &pointer);
        }
    }
}

fn check_does(linter: &mut Linter<'_>, does: &Does, pointer: &str) {
    match does {
        Does::Nothing | Does::Commands(_) => {}
        Does::Action(call) => {
            if let Some(spec) = linter.surroundings.actions.spec(&call.name) {
                check_parameters(linter, spec, pointer);
            } else {
                let names = linter.surroundings.actions.names();
                report_unknown(linter, call, &format!("{pointer}/action"), &names, true);
            }
        }
        Does::Automation(call) => {
            let known = linter.surroundings.automations;
            if !known.contains(&call.name) {
                let names: Vec<&str> = known.iter().map(String::as_str).collect();
                report_unknown(linter, call, &format!("{pointer}/automation"), &names, false);
            }
        }
    }
}

fn report_unknown(linter: &mut Linter<'_>, call: &ActionCall, place: &str, names: &[&str], action: bool) {
    let hint = suggestion(&call.name, names.iter().copied()).map(|word| format!("did you mean `{word}`?"));
    let (rule, noun) = if action { (&UNKNOWN_ACTION, "action") } else { (&UNKNOWN_AUTOMATION, "automation") };
    linter.report(rule, place, format!("there is no {noun} {}", quoted(&call.name)), hint);
}

fn check_parameters(linter: &mut Linter<'_>, spec: &ActionSpec, pointer: &str) {
    let place = format!("{pointer}/parameters");
    let name = format!("`{}`", spec.name);
    let absent;
    let node = if let Some(node) = linter.places.node(&place) {
        node
    } else {
        let position: Position = linter.places.nearest(&format!("{pointer}/action"));
        absent = Node { position, content: Content::Map(Vec::new()) };
        &absent
    };
    let found = Shape::compare(linter.file, &spec.parameters, &PARAMETERS, node, &name);
    linter.findings.extend(found);
}

fn check_effect(linter: &mut Linter<'_>, step: &Step, pointer: &str) {
    let actions = linter.surroundings.actions;
    let least = match (&step.does, step.kind) {
        // A person performs these, and pipelines are looked into for people.
        (Does::Commands(commands), StepKind::Manual) => {
            let variables = linter.runbook.inputs.keys().cloned().collect();
            declared(&step.does, actions).min(crate::commands::effect(commands, &variables))
        }
        _ => declared(&step.does, actions),
    };
    if let Some(written) = step.effect
        && step.does != Does::Nothing
        && written < least
    {
        let message = format!("`effect: {}` is less than the step's `{}`", written.as_str(), least.as_str());
        linter.report(&EFFECT_LOWERED, &format!("{pointer}/effect"), message, None);
    }
    if step.kind == StepKind::Verification
        && let Does::Action(call) = &step.does
        // What a script calls is judged call by call.
        && call.name != SCRIPT_ACTION
        && actions.spec(&call.name).is_some_and(|spec| spec.effect > Effect::Read)
    {
        let message = format!(
            "verification {} performs {}, which changes something",
            quoted(step.name.as_str()),
            quoted(&call.name)
        );
        linter.report(&CHANGING_VERIFICATION, &format!("{pointer}/action"), message, None);
    }
    let asks = step.approval.as_ref().or(linter.runbook.approval.as_ref()).is_some_and(|approval| approval.required);
    if effect(step, actions) == Effect::Destructive && !asks {
        let message = format!("step {} destroys something and asks nobody", quoted(step.name.as_str()));
        linter.report(&DESTRUCTIVE_WITHOUT_APPROVAL, &format!("{pointer}/name"), message, None);
    }
}

fn check_undo(linter: &mut Linter<'_>, step: &Step, pointer: &str) {
    let actions = linter.surroundings.actions;
    let captures = match &step.does {
        // An unknown action has its own finding.
        Does::Action(call) => actions.spec(&call.name).is_none_or(|spec| spec.captures_undo),
        Does::Nothing | Does::Commands(_) | Does::Automation(_) => false,
    };
    if step.undo.is_none() && !captures && changes(step, actions) {
        let message = format!("nothing says how to take step {} back", quoted(step.name.as_str()));
        let hint = "add `rollback`, or `rollback: {irreversible: reason}`".to_owned();
        linter.report(&MUTATING_WITHOUT_UNDO, &format!("{pointer}/name"), message, Some(hint));
    }
}

fn check_facts(linter: &mut Linter<'_>, step: &Step, pointer: &str) {
    let facts: &[String] = match &step.does {
        Does::Action(call) => match linter.surroundings.actions.spec(&call.name) {
            Some(spec) => &spec.facts,
            None => return,
        },
        // What an automation answers is known to its own definition.
        Does::Automation(_) => return,
        Does::Nothing | Does::Commands(_) => &[],
    };
    for condition in &step.prerequisite {
        if facts.contains(&condition.field) {
            continue;
        }
        let place = format!("{pointer}/validation/prerequisite/{}", escape(&condition.field));
        let hint = (!facts.is_empty()).then(|| {
            format!(
                "the action answers {}",
                facts.iter().map(|fact| format!("`{fact}`")).collect::<Vec<_>>().join(", ")
            )
        });
        let message = format!("nothing here answers {}", quoted(&condition.field));
        linter.report_key(&UNKNOWN_FACT, &place, message, hint);
    }
}
