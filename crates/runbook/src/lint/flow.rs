//! Where the flow goes: names that lead nowhere, steps that nothing leads to, fall-through, loops.
//!
//! The flow is an explicit `next`, a branch or `onFailure`, and otherwise the next step of the file. Every search
//! here visits a step a bounded number of times.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::changes;
use super::rule::{
    CHANGE_WITHOUT_VERIFICATION, DANGLING_STEP, DECISION_WITHOUT_BRANCHES, DUPLICATE_STEP, FALL_THROUGH,
    LOOP_WITHOUT_EXIT, RESERVED_NAME, STRAY_BRANCHES, UNREACHABLE_STEP,
};
use super::{Linter, List, rounds};
use crate::format::shape::suggestion;
use crate::format::{escape, quoted};
use crate::model::{OnFailure, Runbook, Step, StepKind, StepName, Target, Undo};

/// The most visits that the search for fall-through makes; only a runbook of thousands of branches needs more.
const VISITS: usize = 500_000;

pub(super) fn check(linter: &mut Linter<'_>) {
    check_names(linter);
    check_targets(linter);
    check_branches(linter);
    let graph = Graph::new(linter.runbook);
    let reachable = graph.reachable();
    check_reach(linter, &graph, &reachable);
    check_fall_through(linter, &graph, &reachable);
    check_loops(linter, &graph, &reachable);
    rounds::check(linter, &graph, &reachable);
    check_verification(linter, &graph, &reachable);
}

fn check_names(linter: &mut Linter<'_>) {
    let mut seen: BTreeSet<&StepName> = BTreeSet::new();
    for (_, pointer, step) in linter.steps() {
        let place = format!("{pointer}/name");
        if !seen.insert(&step.name) {
            let message = format!("there are two steps named {}", quoted(step.name.as_str()));
            linter.report(&DUPLICATE_STEP, &place, message, None);
        }
        if ["end", "stop", "escalate", "rollback"].contains(&step.name.as_str()) {
            let message = format!("`{}` is a word of the format and cannot name a step", step.name);
            linter.report(&RESERVED_NAME, &place, message, None);
        }
    }
}

fn check_targets(linter: &mut Linter<'_>) {
    let runbook = linter.runbook;
    let names = |steps: &'_ [Step]| steps.iter().map(|step| step.name.clone()).collect::<BTreeSet<_>>();
    let forward = names(&runbook.steps);
    let rollback = names(&runbook.rollback_steps);
    for (list, pointer, step) in linter.steps() {
        let own = match list {
            List::Forward => &forward,
            List::Rollback => &rollback,
        };
        let mut targets: Vec<(&StepName, String)> = Vec::new();
        if let Some(Target::Step(name)) = &step.next {
            targets.push((name, format!("{pointer}/next")));
        }
        if let Some(OnFailure::Step(name)) = &step.on_failure {
            targets.push((name, format!("{pointer}/onFailure")));
        }
        for (label, branch) in &step.branches {
            if let Target::Step(name) = &branch.target {
                let place = format!("{pointer}/branches/{}", escape(label));
                let inner = format!("{place}/next");
                let place = if linter.places.value(&inner).is_some() { inner } else { place };
                targets.push((name, place));
            }
        }
        for (name, place) in targets {
            if !own.contains(name) {
                report_dangling(linter, name, &place, own);
            }
        }
        // An undo may name a step of the forward list from either list.
        if let Some(Undo::Step(name)) = &step.undo
            && !forward.contains(name)
        {
            let inner = format!("{pointer}/rollback/step");
            let outer = format!("{pointer}/rollback");
            let place = if linter.places.value(&inner).is_some() { inner } else { outer };
            report_dangling(linter, name, &place, &forward);
        }
    }
}

fn report_dangling(linter: &mut Linter<'_>, name: &StepName, place: &str, known: &BTreeSet<StepName>) {
    let hint = suggestion(name.as_str(), known.iter().map(StepName::as_str))
        .map(|word| format!("did you mean {}?", quoted(word)));
    linter.report(&DANGLING_STEP, place, format!("there is no step {}", quoted(name.as_str())), hint);
}

fn check_branches(linter: &mut Linter<'_>) {
    for (_, pointer, step) in linter.steps() {
        let decision = step.kind == StepKind::Decision;
        if decision && step.branches.is_empty() {
            let message = format!("decision {} has no branches", quoted(step.name.as_str()));
            linter.report(&DECISION_WITHOUT_BRANCHES, &format!("{pointer}/name"), message, None);
        } else if !decision && !step.branches.is_empty() {
            let message =
                format!("{} is a step of type {} and has branches", quoted(step.name.as_str()), step.kind.as_str());
            linter.report_key(&STRAY_BRANCHES, &format!("{pointer}/branches"), message, None);
        }
    }
}

/// The forward flow by index.
pub(super) struct Graph<'a> {
    steps: &'a [Step],
    /// Steps that some way leads to from a step.
    ways: Vec<Vec<usize>>,
    /// Whether a step can be the last one.
    ends: Vec<bool>,
    /// Whether a step leads to its successor only because that comes next in the file.
    falls: Vec<bool>,
    undo_only: Vec<bool>,
    index: BTreeMap<&'a StepName, usize>,
}

impl<'a> Graph<'a> {
    fn new(runbook: &'a Runbook) -> Self {
        let steps = &runbook.steps;
        let mut index: BTreeMap<&StepName, usize> = BTreeMap::new();
        for (position, step) in steps.iter().enumerate() {
            index.entry(&step.name).or_insert(position);
        }
        let undos: BTreeSet<&StepName> = undo_only(runbook);
        let mut graph = Self {
            steps,
            ways: Vec::new(),
            ends: Vec::new(),
            falls: Vec::new(),
            undo_only: steps.iter().map(|step| undos.contains(&step.name)).collect(),
            index: BTreeMap::new(),
        };
        for (position, step) in steps.iter().enumerate() {
            let mut ways = Vec::new();
            let mut ends = false;
            let mut falls = false;
            let mut lead = |target: &Target| match target.step().map(|name| index.get(name)) {
                Some(Some(to)) => ways.push(*to),
                // A name that does not exist has its own finding; here it counts as the end.
                Some(None) | None => ends = true,
            };
            if step.kind == StepKind::Decision && !step.branches.is_empty() {
                step.branches.values().for_each(|branch| lead(&branch.target));
            } else if let Some(next) = &step.next {
                lead(next);
            } else if position + 1 < steps.len() {
                falls = true;
            } else {
                ends = true;
            }
            if let Some(OnFailure::Step(name)) = &step.on_failure
                && let Some(to) = index.get(name)
            {
                ways.push(*to);
            }
            if falls {
                ways.push(position + 1);
            }
            graph.ways.push(ways);
            graph.ends.push(ends);
            graph.falls.push(falls);
        }
        graph.index = index;
        graph
    }

    pub(super) fn step(&self, at: usize) -> Option<&'a Step> {
        self.steps.get(at)
    }

    /// The position of a step.
    pub(super) fn index(&self, name: &StepName) -> Option<usize> {
        self.index.get(name).copied()
    }

    pub(super) fn ways(&self, from: usize) -> &[usize] {
        self.ways.get(from).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a step can be the last one.
    pub(super) fn ends(&self, at: usize) -> bool {
        self.ends.get(at).copied().unwrap_or_default()
    }

    fn falls(&self, from: usize) -> bool {
        self.falls.get(from).copied().unwrap_or_default()
    }

    pub(super) fn decides(&self, step: usize) -> bool {
        self.steps.get(step).is_some_and(|step| step.kind == StepKind::Decision && !step.branches.is_empty())
    }

    fn is_undo_only(&self, step: usize) -> bool {
        self.undo_only.get(step).copied().unwrap_or_default()
    }

    pub(super) fn name(&self, step: usize) -> String {
        quoted(self.steps.get(step).map_or("", |step| step.name.as_str())).to_string()
    }

    /// The steps that the flow can visit.
    fn reachable(&self) -> BTreeSet<usize> {
        if self.steps.is_empty() {
            return BTreeSet::new();
        }
        spread([0], |step| self.ways(step).to_vec())
    }

    /// The steps from which some of `goals` can be reached, the goals included.
    fn leading_to(&self, goals: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut back: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (from, ways) in self.ways.iter().enumerate() {
            for to in ways {
                back.entry(*to).or_default().push(from);
            }
        }
        spread(goals, |step| back.get(&step).cloned().unwrap_or_default())
    }
}

/// Names of the steps that serve only as undos.
///
/// The same as [`Runbook::undo_only_steps`], in time that does not grow with the square of the runbook.
fn undo_only(runbook: &Runbook) -> BTreeSet<&StepName> {
    let mut targets: BTreeSet<&StepName> = BTreeSet::new();
    for step in &runbook.steps {
        targets.extend(step.next.iter().filter_map(Target::step));
        targets.extend(step.branches.values().filter_map(|branch| branch.target.step()));
        if let Some(OnFailure::Step(name)) = &step.on_failure {
            targets.insert(name);
        }
    }
    runbook
        .steps
        .iter()
        .filter_map(|step| match &step.undo {
            Some(Undo::Step(name)) => Some(name),
            Some(Undo::Does(_) | Undo::Irreversible(_)) | None => None,
        })
        .filter(|name| !targets.contains(name))
        .collect()
}

fn spread(from: impl IntoIterator<Item = usize>, ways: impl Fn(usize) -> Vec<usize>) -> BTreeSet<usize> {
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut waiting: Vec<usize> = from.into_iter().collect();
    while let Some(step) = waiting.pop() {
        if seen.insert(step) {
            waiting.extend(ways(step));
        }
    }
    seen
}

fn check_reach(linter: &mut Linter<'_>, graph: &Graph<'_>, reachable: &BTreeSet<usize>) {
    let undos: BTreeSet<&StepName> = linter
        .runbook
        .steps
        .iter()
        .chain(&linter.runbook.rollback_steps)
        .filter_map(|step| match &step.undo {
            Some(Undo::Step(name)) => Some(name),
            Some(Undo::Does(_) | Undo::Irreversible(_)) | None => None,
        })
        .collect();
    for (index, step) in graph.steps.iter().enumerate() {
        if !reachable.contains(&index) && !undos.contains(&step.name) {
            let message = format!("nothing leads to step {}", graph.name(index));
            linter.report(&UNREACHABLE_STEP, &format!("/spec/steps/{index}/name"), message, None);
        }
    }
}

fn check_fall_through(linter: &mut Linter<'_>, graph: &Graph<'_>, reachable: &BTreeSet<usize>) {
    let mut found: BTreeMap<usize, &str> = BTreeMap::new();
    for step in reachable.iter().copied() {
        if graph.falls(step) && graph.is_undo_only(step + 1) && !graph.is_undo_only(step) {
            found.insert(step, "an undo step");
        }
    }
    let mut visits = 0;
    for decision in reachable.iter().copied().filter(|step| graph.decides(*step)) {
        let siblings: BTreeSet<usize> = graph.ways(decision).iter().copied().collect();
        for branch in siblings.iter().copied() {
            // The branch's own steps: whatever it leads to before another branch begins.
            let mut seen: BTreeSet<usize> = BTreeSet::new();
            let mut waiting = vec![branch];
            while let Some(step) = waiting.pop() {
                visits += 1;
                if visits > VISITS {
                    break;
                }
                if step == decision || (step != branch && siblings.contains(&step)) || !seen.insert(step) {
                    continue;
                }
                let next = step + 1;
                if graph.falls(step) && next != branch && siblings.contains(&next) && !graph.is_undo_only(step) {
                    found.entry(step).or_insert("a sibling branch");
                }
                waiting.extend(graph.ways(step));
            }
        }
    }
    for (step, into) in found {
        let message = format!("step {} runs on into {}, {into}", graph.name(step), graph.name(step + 1));
        let hint = "say where it goes with `next: STEP` or `next: end`".to_owned();
        linter.report(&FALL_THROUGH, &format!("/spec/steps/{step}/name"), message, Some(hint));
    }
}

fn check_loops(linter: &mut Linter<'_>, graph: &Graph<'_>, reachable: &BTreeSet<usize>) {
    let last = graph.ends.iter().enumerate().filter_map(|(step, ends)| ends.then_some(step));
    let ending = graph.leading_to(last);
    let mut walked: BTreeSet<usize> = BTreeSet::new();
    for start in reachable.difference(&ending).copied() {
        // No step here leads to the end, so every one leads to another one of them: walking on comes round.
        let mut path: Vec<usize> = Vec::new();
        let mut step = start;
        while walked.insert(step) {
            path.push(step);
            let Some(next) = graph.ways(step).first() else { break };
            step = *next;
        }
        let Some(begin) = path.iter().position(|walked| *walked == step) else { continue };
        let Some(first) = path.get(begin..).and_then(|round| round.iter().min()).copied() else { continue };
        let message = format!("no way leads from step {} to the end", graph.name(first));
        linter.report(&LOOP_WITHOUT_EXIT, &format!("/spec/steps/{first}/name"), message, None);
    }
}

fn check_verification(linter: &mut Linter<'_>, graph: &Graph<'_>, reachable: &BTreeSet<usize>) {
    let checks = |step: &Step| step.kind == StepKind::Verification || !step.post_condition.is_empty();
    let verified = graph.leading_to(graph.steps.iter().enumerate().filter_map(|(at, step)| checks(step).then_some(at)));
    let changing: BTreeSet<usize> = graph
        .steps
        .iter()
        .enumerate()
        .filter(|(at, step)| {
            reachable.contains(at) && !graph.is_undo_only(*at) && changes(step, linter.surroundings.actions)
        })
        .map(|(at, _)| at)
        .collect();
    let unverified: BTreeSet<usize> = changing.difference(&verified).copied().collect();
    // One finding where the changes end says enough about all that come before.
    let before_change = graph.leading_to(unverified.iter().copied());
    let last: Vec<usize> =
        unverified.iter().copied().filter(|at| !graph.ways(*at).iter().any(|to| before_change.contains(to))).collect();
    let reported = if last.is_empty() { unverified.iter().copied().take(1).collect() } else { last };
    for at in reported {
        let message = format!("nothing verifies the result of step {}", graph.name(at));
        linter.report(&CHANGE_WITHOUT_VERIFICATION, &format!("/spec/steps/{at}/name"), message, None);
    }
}
