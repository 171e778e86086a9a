//! What is known about one act: from its words, its action's declaration and live state.

use std::collections::BTreeSet;

use super::file::{Match, Policy, PolicyRule};
use super::verdict::Verdict;
use super::{Case, environment, is_production, kubectl, pattern};
use crate::act::Basis;
use crate::action::{COMMAND_ACTION, Effect, Impact, PolicyKind, SCRIPT_ACTION};
use crate::commands;

/// Share of one workload's pods, in percent, over which an act is weighty.
const WIDE_SHARE: u32 = 50;
/// Number of pods over which an act is weighty.
const WIDE_PODS: u32 = 20;

/// Whether a condition holds.
pub(super) enum Answer {
    Yes(Option<String>),
    No,
    /// It cannot be told, and why.
    Unknown(String),
}

/// A number that may not be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// The act is not of that kind.
    Nothing,
    Known(u32),
    Unknown,
}

impl Count {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Known(one), Self::Known(other)) => Self::Known(one.saturating_add(other)),
            (Self::Nothing, count) | (count, Self::Nothing) => count,
        }
    }
}

/// What is known about one act.
pub(super) struct Facts {
    pub(super) effect: Effect,
    kinds: BTreeSet<PolicyKind>,
    /// Nodes that the execution has touched with this act; none where that cannot be told.
    nodes: Option<BTreeSet<String>>,
    /// Objects that the execution has touched with this act; none where that cannot be told.
    objects: Option<BTreeSet<String>>,
    /// Pods that this act ends.
    pods: Count,
    /// Share of one workload's pods that is missing at once because of this act, in percent.
    share: Count,
    /// Namespaces in which this act changes something; none where that cannot be told.
    namespaces: Option<BTreeSet<String>>,
    /// Those of them that are protected.
    protected: BTreeSet<String>,
}

impl Facts {
    pub(super) fn of(policy: &Policy, case: &Case<'_>) -> Self {
        let mut kinds: BTreeSet<PolicyKind> = case.spec.kinds.iter().copied().collect();
        let mut named = BTreeSet::new();
        let mut all_named = true;
        let is_command = case.act.action == COMMAND_ACTION;
        let mut namespaces = Some(BTreeSet::new());
        let mut pods = Count::Nothing;
        if is_command {
            for command in commands::simple_commands(case.act) {
                match kubectl::kind(&command) {
                    Some((PolicyKind::NodeOperation, Some(nodes))) => {
                        kinds.insert(PolicyKind::NodeOperation);
                        named.extend(nodes);
                    }
                    Some((kind, _)) => {
                        all_named &= kind != PolicyKind::NodeOperation;
                        kinds.insert(kind);
                    }
                    None => {}
                }
                pods = pods.and(kubectl::pods(&command));
                let own = kubectl::namespaces(&command, case.namespace);
                namespaces = namespaces.zip(own).map(|(known, own)| known.union(&own).cloned().collect());
            }
        }
        let basis = case.preparation.map(|preparation| &preparation.basis).filter(|basis| basis.known);
        let nodes = match basis {
            Some(basis) if !basis.nodes.is_empty() => Some(basis.nodes.clone()),
            _ if !kinds.contains(&PolicyKind::NodeOperation) => Some(BTreeSet::new()),
            _ if all_named && !named.is_empty() => Some(named),
            Some(_) | None => None,
        };
        if !is_command {
            namespaces = namespaces_of(case);
            pods = match basis {
                Some(Basis { pods: Some(pods), .. }) => Count::Known(*pods),
                Some(_) | None if ends_pods(case) => Count::Unknown,
                Some(_) | None => Count::Nothing,
            };
        }
        let share = match (basis.and_then(|basis| basis.share), pods) {
            (Some(share), _) => Count::Known(share),
            (None, Count::Nothing | Count::Known(0)) => Count::Nothing,
            (None, Count::Known(_) | Count::Unknown) => Count::Unknown,
        };
        // A script touches nothing but through its calls, and each of those is judged.
        let objects = match basis {
            _ if case.act.action == SCRIPT_ACTION => Some(BTreeSet::new()),
            Some(basis) if !is_command => Some(basis.objects.clone()),
            Some(_) | None => None,
        };
        let is_protected = |name: &String| {
            let mut patterns = policy.protected().chain(case.protected.iter().map(String::as_str));
            patterns.any(|protected| name == kubectl::EVERY || pattern::glob(protected, name))
        };
        let protected = namespaces.iter().flatten().filter(|name| is_protected(name)).cloned().collect();
        // What a command does is for the policy alone to say; every other action knows best from live state.
        let live = case.preparation.filter(|_| !is_command);
        let effect = live.map_or(case.effect, |preparation| case.effect.max(preparation.effect));
        Self {
            effect,
            kinds,
            nodes: nodes.map(|nodes| nodes.union(&case.before.nodes).cloned().collect()),
            objects: objects.map(|objects| objects.union(&case.before.objects).cloned().collect()),
            pods,
            share,
            namespaces,
            protected,
        }
    }

    /// The protected namespaces that the act changes something in, for people.
    pub(super) fn protected(&self) -> Option<String> {
        let shown = |name: &String| if name == kubectl::EVERY { "every namespace".to_owned() } else { name.clone() };
        let names: Vec<String> = self.protected.iter().map(shown).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Whether a rule applies, with what there is to add to its description.
    pub(super) fn answer_rule(&self, rule: &PolicyRule, case: &Case<'_>) -> Answer {
        let mut unknown = None;
        for condition in &rule.when {
            match self.answer(condition, case) {
                Answer::Yes(detail) => return Answer::Yes(detail),
                Answer::No => {}
                Answer::Unknown(why) => unknown = Some(why),
            }
        }
        unknown.map_or(Answer::No, Answer::Unknown)
    }

    fn answer(&self, condition: &Match, case: &Case<'_>) -> Answer {
        let environment = case.environment.trim();
        let listed = |names: &Vec<String>| names.iter().any(|name| environment::means(name, environment));
        let certain = condition.effects.as_ref().is_none_or(|effects| effects.contains(&self.effect))
            && condition
                .actions
                .as_ref()
                .is_none_or(|actions| actions.iter().any(|name| pattern::glob(name, &case.act.action)))
            && condition.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| self.kinds.contains(kind)))
            && condition.security_domain.is_none_or(|expected| expected == case.security_domain)
            && condition.environments.as_ref().is_none_or(|names| environment.is_empty() || listed(names));
        if !certain {
            return Answer::No;
        }
        let mut unknown = None;
        if condition.environments.is_some() && environment.is_empty() {
            unknown = Some("the environment is not known".to_owned());
        }
        let mut detail = None;
        for answer in [
            condition.namespaces.as_ref().map(|names| self.in_namespace(names)),
            condition.protected_namespace.map(|expected| self.in_protected(expected)),
            condition.nodes_more_than.map(|most| self.more_nodes_than(most, case)),
            condition.objects_more_than.map(|most| self.more_objects_than(most, case)),
            condition.pods_more_than.map(|most| self.more_pods_than(most, case)),
            condition.pods_over_percent.map(|percent| self.larger_share_than(percent)),
            condition.replica_change_over_percent.map(|percent| self.scaled_by_more_than(percent, case)),
        ]
        .into_iter()
        .flatten()
        {
            match answer {
                Answer::Yes(text) => detail = text.or(detail),
                Answer::No => return Answer::No,
                Answer::Unknown(why) => unknown = Some(why),
            }
        }
        unknown.map_or(Answer::Yes(detail), Answer::Unknown)
    }

    /// Why an act needs approval in a context that protects namespaces, where the policy says nothing of them.
    pub(super) fn protected_by_context(&self, case: &Case<'_>) -> Option<String> {
        match self.protected() {
            Some(names) => Some(format!("the context protects the namespace: {names}")),
            None if case.protected.is_empty() || self.namespaces.is_some() => None,
            None => {
                Some("the context protects namespaces, and in which one it changes something cannot be told".to_owned())
            }
        }
    }

    fn in_namespace(&self, patterns: &[String]) -> Answer {
        let Some(namespaces) = &self.namespaces else { return unknown_namespace() };
        let meant = |name: &&String| {
            name.as_str() == kubectl::EVERY || patterns.iter().any(|pattern| pattern::glob(pattern, name))
        };
        match namespaces.iter().find(meant) {
            Some(name) if name == kubectl::EVERY => Answer::Yes(Some("every namespace".to_owned())),
            Some(name) => Answer::Yes(Some(name.clone())),
            None => Answer::No,
        }
    }

    fn in_protected(&self, expected: bool) -> Answer {
        match (self.protected(), &self.namespaces) {
            (Some(names), _) if expected => Answer::Yes(Some(names)),
            (Some(_), _) => Answer::No,
            (None, None) => unknown_namespace(),
            (None, Some(_)) if expected => Answer::No,
            (None, Some(_)) => Answer::Yes(None),
        }
    }

    fn more_nodes_than(&self, most: u32, case: &Case<'_>) -> Answer {
        match &self.nodes {
            None => Answer::Unknown("which nodes it touches cannot be told".to_owned()),
            // An act that touches no node is not held up by what came before it.
            Some(nodes)
                if nodes.len() == case.before.nodes.len() && !self.kinds.contains(&PolicyKind::NodeOperation) =>
            {
                Answer::No
            }
            Some(nodes) if count(nodes) > most => Answer::Yes(Some(listed(nodes))),
            Some(_) => Answer::No,
        }
    }

    fn more_objects_than(&self, most: u32, case: &Case<'_>) -> Answer {
        match &self.objects {
            None => Answer::Unknown("how many objects it touches cannot be told".to_owned()),
            // An act that touches nothing new is not held up by what came before it.
            Some(objects) if objects.len() == case.before.objects.len() => Answer::No,
            Some(objects) if count(objects) > most => {
                Answer::Yes(Some(format!("{} objects of at most {most}: {}", objects.len(), listed(objects))))
            }
            Some(_) => Answer::No,
        }
    }

    fn more_pods_than(&self, most: u32, case: &Case<'_>) -> Answer {
        match self.pods {
            Count::Nothing | Count::Known(0) => Answer::No,
            Count::Unknown => Answer::Unknown("how many pods it ends cannot be told".to_owned()),
            Count::Known(pods) => {
                let all = pods.saturating_add(case.before.pods);
                let before = match case.before.pods {
                    0 => String::new(),
                    before => format!(", with the {before} before"),
                };
                if all > most { Answer::Yes(Some(format!("{all} pods of at most {most}{before}"))) } else { Answer::No }
            }
        }
    }

    fn larger_share_than(&self, percent: u32) -> Answer {
        match self.share {
            Count::Unknown => Answer::Unknown("which share of a workload's pods it ends cannot be told".to_owned()),
            Count::Known(share) if share > percent => {
                Answer::Yes(Some(format!("{share} % of one workload's pods, of at most {percent} %")))
            }
            Count::Nothing | Count::Known(_) => Answer::No,
        }
    }

    fn scaled_by_more_than(&self, percent: u32, case: &Case<'_>) -> Answer {
        let basis = case.preparation.map(|preparation| &preparation.basis).filter(|basis| basis.known);
        match basis.and_then(|basis| basis.replicas) {
            Some(change) => {
                let difference = u64::from(change.from.abs_diff(change.to));
                if difference * 100 > u64::from(percent) * u64::from(change.from) {
                    Answer::Yes(Some(format!("from {} to {} replicas", change.from, change.to)))
                } else {
                    Answer::No
                }
            }
            None if self.kinds.contains(&PolicyKind::Scaling) => {
                Answer::Unknown("the live number of replicas cannot be told".to_owned())
            }
            None => Answer::No,
        }
    }

    /// How much the act matters, and why.
    pub(super) fn impact(&self, case: &Case<'_>, verdict: &mut Verdict) {
        let mut reasons = Vec::new();
        if self.effect == Effect::Destructive {
            reasons.push("it destroys something".to_owned());
        }
        if self.effect != Effect::Read {
            if is_production(case.environment) {
                reasons.push("it changes production".to_owned());
            }
            if let Some(names) = self.protected() {
                reasons.push(format!("it changes something in a protected namespace: {names}"));
            }
            if self.nodes.as_ref().is_some_and(|nodes| nodes.len() > 1) {
                reasons.push("it touches more than one node".to_owned());
            }
            if let Count::Known(share) = self.share
                && share > WIDE_SHARE
            {
                reasons.push(format!("{share} % of one workload's pods are missing at once"));
            }
            if let Count::Known(pods) = self.pods
                && pods > WIDE_PODS
            {
                reasons.push(format!("it ends {pods} pods"));
            }
        }
        if let Some(preparation) = case.preparation
            && preparation.impact == Impact::High
        {
            reasons.extend(preparation.reasons.iter().cloned());
            verdict.impact = Impact::High;
        }
        if !reasons.is_empty() {
            verdict.impact = Impact::High;
        }
        verdict.impact_reasons = reasons;
    }
}

/// The namespaces of an act that is no command: what was read, else what its parameters say.
fn namespaces_of(case: &Case<'_>) -> Option<BTreeSet<String>> {
    let basis = case.preparation.map(|preparation| &preparation.basis);
    if let Some(basis) = basis.filter(|basis| !basis.namespaces.is_empty()) {
        return Some(basis.namespaces.clone());
    }
    if !case.spec.name.starts_with("kubernetes.") || case.spec.parameters.pointer("/properties/namespace").is_none() {
        return Some(BTreeSet::new());
    }
    let given = case.act.parameters.get("namespace").and_then(serde_json::Value::as_str);
    given.or(case.namespace).map(|name| BTreeSet::from([name.to_owned()]))
}

/// Whether an action may end pods, by the rights that it declares.
fn ends_pods(case: &Case<'_>) -> bool {
    let kinds = ["pods", "deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers", "jobs"];
    case.spec.access.iter().any(|right| {
        let Some((verb, resource)) = right.split_once(' ') else { return false };
        let mut parts = resource.split(['/', '.']);
        let kind = parts.next().unwrap_or_default();
        let evicts = resource.starts_with("pods/eviction");
        matches!(verb, "patch" | "update" | "delete" | "deletecollection") && kinds.contains(&kind) || evicts
    })
}

fn unknown_namespace() -> Answer {
    Answer::Unknown("in which namespace it changes something cannot be told".to_owned())
}

fn count(names: &BTreeSet<String>) -> u32 {
    u32::try_from(names.len()).unwrap_or(u32::MAX)
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
