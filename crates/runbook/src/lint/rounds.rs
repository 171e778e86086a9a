//! Flows that go round by themselves: failures that lead back without a way out, and changes that are repeated without
//! a person.
//!
//! A person's word ends a round, and so does a decision with a branch that leads out of it. What is left goes round as
//! long as a step keeps failing, or a condition keeps holding. The engine ends such a round with a question
//! (execution.md, 6); better the runbook says what happens then.

use std::collections::BTreeSet;

use super::effect::changes;
use super::flow::Graph;
use super::rule::{FAILURE_LOOP, REPEATED_CHANGE};
use super::{Linter, List};
use crate::action::ActionCatalog;
use crate::model::{Does, OnFailure, Step, StepKind};

/// How often decisions with a way out are taken away before what is left counts; only rounds within rounds, so deep,
/// need more.
const DEPTH: usize = 16;

pub(super) fn check(linter: &mut Linter<'_>, graph: &Graph<'_>, reachable: &BTreeSet<usize>) {
    let alone: BTreeSet<usize> =
        reachable.iter().copied().filter(|at| graph.step(*at).is_some_and(|step| !asks(linter, step))).collect();
    let rounds = rounds(graph, &alone);
    let endless = endless(graph, alone, rounds.clone());
    let mut reported: BTreeSet<usize> = BTreeSet::new();
    for round in &endless {
        let fails = |at: &&usize| fails_to(graph, **at).is_some_and(|to| round.contains(&to));
        let Some(at) = round.iter().find(fails).copied() else { continue };
        let to = fails_to(graph, at).unwrap_or(at);
        let message = if to == at {
            format!("step {} leads back to itself whenever it fails", graph.name(at))
        } else {
            format!("the failure of step {} leads back to it, and nothing on that way ends it", graph.name(at))
        };
        let hint = "use `retries` for another try, or lead to a manual step or a decision with a way out".to_owned();
        linter.report(&FAILURE_LOOP, &format!("{}/onFailure", List::Forward.pointer(at)), message, Some(hint));
        reported.extend(round);
    }
    for at in rounds.into_iter().flatten().filter(|at| !reported.contains(at)) {
        let Some(step) = graph.step(at) else { continue };
        if !changes(step, linter.surroundings.actions) || may_be_repeated(step, linter.surroundings.actions) {
            continue;
        }
        let message = format!("step {} may change something again and again without a person", graph.name(at));
        let hint = "ask for an approval, put a manual step into the round, or use an action that may be repeated";
        linter.report(&REPEATED_CHANGE, &format!("{}/name", List::Forward.pointer(at)), message, Some(hint.to_owned()));
    }
}

/// Whether a person has a say in every visit of a step.
fn asks(linter: &Linter<'_>, step: &Step) -> bool {
    let required = |approval: &Option<crate::model::Approval>| approval.as_ref().is_some_and(|it| it.required);
    let approved =
        required(&step.approval) || (required(&linter.runbook.approval) && changes(step, linter.surroundings.actions));
    match step.kind {
        StepKind::Manual => true,
        StepKind::Decision => step.branches.values().all(|branch| branch.when.is_none()),
        StepKind::Automated | StepKind::Verification | StepKind::Notification => approved || step.does == Does::Nothing,
    }
}

/// Whether performing a step twice equals performing it once, as far as its declaration tells.
fn may_be_repeated(step: &Step, actions: &dyn ActionCatalog) -> bool {
    match &step.does {
        // An unknown action has its own finding.
        Does::Action(call) => actions.spec(&call.name).is_none_or(|spec| spec.idempotent),
        Does::Nothing => true,
        Does::Commands(_) | Does::Automation(_) => false,
    }
}

/// The step that a failure leads to.
fn fails_to(graph: &Graph<'_>, at: usize) -> Option<usize> {
    let step = graph.step(at).filter(|step| !step.continue_on_error)?;
    match &step.on_failure {
        Some(OnFailure::Step(name)) => graph.index(name),
        Some(OnFailure::Stop | OnFailure::Escalate | OnFailure::Rollback) | None => None,
    }
}

/// Rounds that hold a failure's way and nothing that leads out of them.
fn endless(graph: &Graph<'_>, mut alone: BTreeSet<usize>, mut found: Vec<BTreeSet<usize>>) -> Vec<BTreeSet<usize>> {
    for _ in 0..DEPTH {
        let leads_out = |round: &BTreeSet<usize>, at: usize| {
            graph.decides(at) && (graph.ends(at) || graph.ways(at).iter().any(|to| !round.contains(to)))
        };
        let out: BTreeSet<usize> =
            found.iter().flat_map(|round| round.iter().copied().filter(move |at| leads_out(round, *at))).collect();
        if out.is_empty() {
            break;
        }
        alone.retain(|at| !out.contains(at));
        found = rounds(graph, &alone);
    }
    found.retain(|round| round.iter().any(|at| fails_to(graph, *at).is_some_and(|to| round.contains(&to))));
    found
}

/// The groups of steps, out of some, that lead round to each other: strongly connected, with at least one way inside
/// (Kosaraju's two walks).
fn rounds(graph: &Graph<'_>, among: &BTreeSet<usize>) -> Vec<BTreeSet<usize>> {
    let forward = |at: usize| graph.ways(at).iter().copied().filter(|to| among.contains(to)).collect::<Vec<_>>();
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for start in among.iter().copied() {
        // A step is left, and noted, after everything that it leads to.
        let mut walk = vec![(start, false)];
        while let Some((at, left)) = walk.pop() {
            if left {
                order.push(at);
            } else if seen.insert(at) {
                walk.push((at, true));
                walk.extend(forward(at).into_iter().map(|to| (to, false)));
            }
        }
    }
    let mut back: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
    for at in among.iter().copied() {
        for to in forward(at) {
            back.entry(to).or_default().push(at);
        }
    }
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for start in order.into_iter().rev() {
        let mut round = BTreeSet::new();
        let mut walk = vec![start];
        while let Some(at) = walk.pop() {
            if taken.insert(at) {
                round.insert(at);
                walk.extend(back.get(&at).into_iter().flatten().copied());
            }
        }
        if round.len() > 1 || round.iter().any(|at| forward(*at).contains(at)) {
            found.push(round);
        }
    }
    found.sort();
    found
}
