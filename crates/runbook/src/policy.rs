//! Policy: what an act does, and who has to agree to it.
//!
//! Pure data and pure functions: live state comes in as the act's preparation. What cannot be evaluated needs approval.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::act::{Act, Preparation};
use crate::action::{ActionSpec, COMMAND_ACTION, EXEC_ACTION, Effect, Impact};
use crate::commands;
use crate::finding::{Finding, FindingLevel, Position};

mod cases;
mod environment;
mod facts;
mod file;
mod kubectl;
mod pattern;
#[cfg(test)]
mod tests;
mod verdict;

pub use cases::{Judgement, PolicyCase, PolicyCases, Word};
pub use environment::is_production;
pub use file::{CommandPattern, LimitedPattern, Match, Policy, PolicyRule};
pub use kubectl::touched_by_command;
pub use pattern::Pattern;
pub(crate) use pattern::is_of_system;
pub use verdict::{Reason, Verdict};

use facts::{Answer, Facts};

/// The rule that holds for what a context protects where a policy says nothing of protected namespaces.
const PROTECTED_RULE: &str = "protected-namespaces";

/// Namespaces that a policy protects which lists none: those of the cluster itself.
const PROTECTED_BY_DEFAULT: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

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
    /// The namespace of what names none; absent where the context names none.
    pub namespace: Option<&'a str>,
    /// Namespaces that the context protects, `*` for any characters, besides those of the policy.
    pub protected: &'a [String],
    /// Whether there is no team, so that nobody else could approve.
    pub solo: bool,
    /// What this execution has touched already.
    pub before: &'a Touched,
    /// Whether the runbook's domain or category is security.
    pub security_domain: bool,
}

/// What an execution has touched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Touched {
    /// Nodes.
    pub nodes: BTreeSet<String>,
    /// Objects.
    pub objects: BTreeSet<String>,
    /// Pods that were ended.
    pub pods: u32,
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
            let over = |condition: &Match| condition.pods_over_percent.is_some_and(|percent| percent >= 100);
            if !rule.when.is_empty() && rule.when.iter().all(over) {
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
        if policy.protected_namespaces.iter().flatten().any(|name| name.trim().is_empty()) {
            findings.push(finding(start, "protected-namespace", "a protected namespace has no name".to_owned()));
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

    /// The JSON Schema of a policy file.
    pub fn schema() -> serde_json::Value {
        crate::format::schema_of::<Self>("Policy", "policy")
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
        let own = match act.action.as_str() {
            COMMAND_ACTION => self.command_effect(act),
            // What it runs may destroy; that it only reads is not believed, as it runs on somebody else's machine.
            EXEC_ACTION => self.command_effect(act).max(spec.effect),
            _ => spec.effect,
        };
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

    /// Namespaces that are protected, `*` for any characters.
    pub fn protected(&self) -> impl Iterator<Item = &str> {
        let said = self.protected_namespaces.iter().flatten().map(String::as_str);
        let default = PROTECTED_BY_DEFAULT.iter().copied().filter(|_| self.protected_namespaces.is_none());
        default.filter(|_| self.speaks_of_protection()).chain(said)
    }

    /// Whether a rule is about protected namespaces.
    fn speaks_of_protection(&self) -> bool {
        self.rules.iter().flat_map(|rule| &rule.when).any(|condition| condition.protected_namespace.is_some())
    }

    /// Decides about one act.
    pub fn judge(&self, case: &Case<'_>) -> Verdict {
        let facts = Facts::of(self, case);
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
            let (certain, detail) = match facts.answer_rule(rule, case) {
                Answer::No => continue,
                Answer::Yes(detail) => (true, detail),
                Answer::Unknown(why) => (false, Some(why)),
            };
            let reason = Reason {
                rule: rule.name.clone(),
                text: detail
                    .map_or_else(|| rule.description.clone(), |detail| format!("{}: {detail}", rule.description)),
            };
            // What cannot be told is for people to decide.
            if rule.forbid && certain {
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
        if let Some(text) = facts.protected_by_context(case).filter(|_| !self.speaks_of_protection()) {
            verdict.required = true;
            verdict.reasons.push(Reason { rule: PROTECTED_RULE.to_owned(), text });
        }
        verdict
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
