//! Policy: what an act does, and who has to agree to it.
//!
//! Pure data and pure functions: live state comes in as the act's preparation. What cannot be evaluated needs approval.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::act::{Act, Preparation};
use crate::action::{ActionSpec, COMMAND_ACTION, Effect, Impact, PolicyKind};
use crate::commands::{self, SimpleCommand};
use crate::finding::{Finding, FindingLevel, Position};

mod environment;
mod file;
mod pattern;
#[cfg(test)]
mod tests;
mod verdict;

pub use environment::is_production;
pub use file::{CommandPattern, LimitedPattern, Match, Policy, PolicyRule};
pub use pattern::Pattern;
pub(crate) use pattern::is_of_system;
pub use verdict::{Reason, Verdict};

/// Everything that a decision may look at.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The rendered act.
    pub act: &'a Act,
    /// Its action's declaration.
    pub spec: &'a ActionSpec,
    /// Its effect, from [`Policy::effect_of`].
    pub effect: Effect,
    /// Live state; absent where it could not be read.
    pub preparation: Option<&'a Preparation>,
    /// The chosen context's environment (`production`, `local`).
    pub environment: &'a str,
    /// Whether there is no team, so that nobody else could approve.
    pub solo: bool,
    /// Nodes that this execution has touched already.
    pub nodes_before: &'a BTreeSet<String>,
    /// Whether the runbook's domain or category is security.
    pub security_domain: bool,
}

/// Whether a condition holds.
enum Answer {
    Yes(Option<String>),
    No,
    /// It cannot be told, and why.
    Unknown(String),
}

impl Policy {
    /// The policy that holds where nobody has written one.
    pub fn default_policy() -> Self {
        serde_saphyr::from_str(Self::default_text()).expect("a test parses the embedded policy")
    }

    /// The YAML of [`Policy::default_policy`].
    pub fn default_text() -> &'static str {
        include_str!("policy/default.yaml")
    }

    /// Reads a policy file.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Finding>> {
        let finding = |position, rule, message| Finding {
            file: file.to_owned(),
            position,
            rule,
            severity: FindingLevel::Error,
            message,
            hint: None,
        };
        let start = Position { line: 1, column: 1 };
        let policy: Self = serde_saphyr::from_slice(bytes).map_err(|error| {
            let position = error.location().map_or(start, |location| Position {
                line: u32::try_from(location.line()).unwrap_or(u32::MAX),
                column: u32::try_from(location.column()).unwrap_or(u32::MAX),
            });
            vec![finding(position, "policy-format", error.without_snippet().to_string())]
        })?;
        let mut findings = Vec::new();
        let mut names = BTreeSet::new();
        for rule in &policy.rules {
            if !names.insert(&rule.name) {
                findings.push(finding(start, "duplicate-rule", format!("two rules are named `{}`", rule.name)));
            }
            if rule.when.is_empty() {
                findings.push(finding(start, "empty-rule", format!("rule `{}` can never hold", rule.name)));
            }
            if rule.quorum == Some(0) {
                findings.push(finding(start, "quorum", format!("rule `{}` asks for nobody", rule.name)));
            }
        }
        for command in &policy.read_commands {
            if command.pattern().is_open() {
                findings.push(finding(
                    start,
                    "open-pattern",
                    format!("`{}` would take any program for one that only reads", command.pattern()),
                ));
            }
        }
        for expression in &policy.redact {
            if let Err(error) = regex::Regex::new(expression) {
                findings.push(finding(
                    start,
                    "redact-pattern",
                    format!("`{expression}` is no regular expression: {error}"),
                ));
            }
        }
        if findings.is_empty() { Ok(policy) } else { Err(findings) }
    }

    /// SHA-256 of the canonical JSON, in hex.
    pub fn digest(&self) -> String {
        let canonical = serde_json::to_value(self).expect("a policy is plain data");
        let bytes = Sha256::digest(canonical.to_string().as_bytes());
        bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The effect of a rendered act; a runbook may raise it and never lowers it.
    ///
    /// A command changes something unless its whole argument vector is on the list of reading commands; a script is
    /// never on that list.
    pub fn effect_of(&self, act: &Act, spec: &ActionSpec, raised: Option<Effect>) -> Effect {
        let own = if act.action == COMMAND_ACTION { self.command_effect(act) } else { spec.effect };
        raised.map_or(own, |raised| raised.max(own))
    }

    fn command_effect(&self, act: &Act) -> Effect {
        if self.is_reading_command(act) {
            return Effect::Read;
        }
        let destroys = commands::simple_commands(act).iter().any(|command| {
            // Behind `sudo`, `xargs`, `kubectl exec --` the command begins at a later word.
            destroys_rows(&command.words)
                || (0..command.words.len()).any(|start| {
                    let argv = command.words.get(start..).unwrap_or(&[]);
                    self.destructive_commands.iter().any(|pattern| pattern.matches(argv))
                })
        });
        if destroys { Effect::Destructive } else { Effect::Mutate }
    }

    fn is_reading_command(&self, act: &Act) -> bool {
        commands::argv(act).is_some_and(|argv| self.read_commands.iter().any(|pattern| pattern.trusts(&argv)))
    }

    /// Whether the act may be repeated by itself.
    pub fn is_idempotent(&self, act: &Act, spec: &ActionSpec, effect: Effect) -> bool {
        if act.action == COMMAND_ACTION {
            return effect == Effect::Read && self.is_reading_command(act);
        }
        spec.idempotent
    }

    /// Decides about one act.
    pub fn judge(&self, case: &Case<'_>) -> Verdict {
        let facts = Facts::of(case);
        let mut verdict = Verdict {
            required: false,
            reasons: Vec::new(),
            approvers: Vec::new(),
            quorum: 1,
            impact: Impact::Low,
            impact_reasons: Vec::new(),
            forbidden: None,
        };
        facts.impact(case, &mut verdict);
        if facts.effect == Effect::Read {
            return verdict;
        }
        for rule in &self.rules {
            let detail = match facts.answer_rule(rule, case) {
                Answer::No => continue,
                Answer::Yes(detail) => detail,
                Answer::Unknown(why) => Some(why),
            };
            let reason = Reason {
                rule: rule.name.clone(),
                text: detail
                    .map_or_else(|| rule.description.clone(), |detail| format!("{}: {detail}", rule.description)),
            };
            if rule.forbid {
                verdict.forbidden.get_or_insert(reason);
                continue;
            }
            verdict.required = true;
            verdict.reasons.push(reason);
            for approver in &rule.approvers {
                if !verdict.approvers.contains(approver) {
                    verdict.approvers.push(approver.clone());
                }
            }
            if !case.solo {
                verdict.quorum = verdict.quorum.max(rule.quorum.unwrap_or(1));
            }
        }
        verdict
    }
}

/// What is known about one act.
struct Facts {
    effect: Effect,
    kinds: BTreeSet<PolicyKind>,
    /// Nodes that the execution has touched with this act; none where that cannot be told.
    nodes: Option<BTreeSet<String>>,
}

impl Facts {
    fn of(case: &Case<'_>) -> Self {
        let mut kinds: BTreeSet<PolicyKind> = case.spec.kinds.iter().copied().collect();
        let mut named = BTreeSet::new();
        let mut all_named = true;
        if case.act.action == COMMAND_ACTION {
            for command in commands::simple_commands(case.act) {
                match command_kind(&command) {
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
            }
        }
        let basis = case.preparation.map(|preparation| &preparation.basis).filter(|basis| basis.known);
        let nodes = match basis {
            Some(basis) if !basis.nodes.is_empty() => Some(basis.nodes.clone()),
            _ if !kinds.contains(&PolicyKind::NodeOperation) => Some(BTreeSet::new()),
            _ if all_named && !named.is_empty() => Some(named),
            Some(_) | None => None,
        };
        // What a command does is for the policy alone to say; every other action knows best from live state.
        let live = case.preparation.filter(|_| case.act.action != COMMAND_ACTION);
        let effect = live.map_or(case.effect, |preparation| case.effect.max(preparation.effect));
        Self { effect, kinds, nodes: nodes.map(|nodes| nodes.union(case.nodes_before).cloned().collect()) }
    }

    /// Whether a rule applies, with what there is to add to its description.
    fn answer_rule(&self, rule: &PolicyRule, case: &Case<'_>) -> Answer {
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
            condition.nodes_more_than.map(|most| self.more_nodes_than(most, case)),
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

    fn more_nodes_than(&self, most: u32, case: &Case<'_>) -> Answer {
        match &self.nodes {
            None => Answer::Unknown("which nodes it touches cannot be told".to_owned()),
            // An act that touches no node is not held up by what came before it.
            Some(nodes)
                if nodes.len() == case.nodes_before.len() && !self.kinds.contains(&PolicyKind::NodeOperation) =>
            {
                Answer::No
            }
            Some(nodes) if u32::try_from(nodes.len()).unwrap_or(u32::MAX) > most => {
                Answer::Yes(Some(nodes.iter().cloned().collect::<Vec<_>>().join(", ")))
            }
            Some(_) => Answer::No,
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

    fn impact(&self, case: &Case<'_>, verdict: &mut Verdict) {
        let mut reasons = Vec::new();
        if self.effect == Effect::Destructive {
            reasons.push("it destroys something".to_owned());
        }
        if self.effect != Effect::Read && is_production(case.environment) {
            reasons.push("it changes production".to_owned());
        }
        if self.effect != Effect::Read && self.nodes.as_ref().is_some_and(|nodes| nodes.len() > 1) {
            reasons.push("it touches more than one node".to_owned());
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

/// Whether a database client is given a statement that destroys rows or more.
pub(crate) fn destroys_rows(words: &[String]) -> bool {
    let clients = ["psql", "mysql", "mariadb", "sqlite3", "cqlsh", "clickhouse-client", "mongosh", "mongo"];
    let is_client = |word: &String| word.rsplit('/').next().is_some_and(|name| clients.contains(&name));
    words.iter().any(is_client)
        && words.iter().any(|word| {
            let statement = word.to_uppercase();
            ["DROP ", "TRUNCATE ", "DELETE FROM", ".DROP(", ".DELETEMANY(", ".DELETEONE(", ".REMOVE("]
                .iter()
                .any(|destroying| statement.contains(destroying))
        })
}

/// The class of a command, and the nodes it names where it names them.
fn command_kind(command: &SimpleCommand) -> Option<(PolicyKind, Option<Vec<String>>)> {
    let start = command.words.iter().position(|word| matches!(word.rsplit('/').next(), Some("kubectl" | "oc")))?;
    let mut operands = Vec::new();
    let mut selects = command.dynamic;
    let mut words = command.words.iter().skip(start + 1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--" => break,
            "-l" | "--selector" | "--all" | "-f" | "--filename" => selects = true,
            "-n" | "--namespace" | "--context" | "--kubeconfig" | "--timeout" | "--grace-period" => {
                words.next();
            }
            word if word.starts_with('-') => {
                selects |= ["-l", "--selector=", "--all=", "--filename="].iter().any(|option| word.starts_with(option));
            }
            word => operands.push(word.to_owned()),
        }
    }
    let (verb, rest) = operands.split_first()?;
    let bare = |names: &[String]| -> Option<Vec<String>> {
        let names: Vec<String> = names.iter().map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect();
        (!selects && !names.is_empty()).then_some(names)
    };
    match verb.as_str() {
        "drain" | "cordon" | "uncordon" => Some((PolicyKind::NodeOperation, bare(rest))),
        "taint" | "delete" | "label" | "annotate" | "patch" => {
            let (kind, names) = rest.split_first()?;
            let (kind, names) = match kind.split_once('/') {
                Some((kind, name)) => (kind.to_owned(), vec![name.to_owned()]),
                // `taint node NAME key=value:effect`: what holds `=` or ends in `-` is no name.
                None => {
                    (kind.clone(), names.iter().filter(|n| !n.contains('=') && !n.ends_with('-')).cloned().collect())
                }
            };
            matches!(kind.as_str(), "node" | "nodes" | "no").then(|| (PolicyKind::NodeOperation, bare(&names)))
        }
        "scale" | "autoscale" => Some((PolicyKind::Scaling, None)),
        _ => None,
    }
}
