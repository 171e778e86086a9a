//! The policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern::{Pattern, glob};
use crate::action::{Effect, PolicyKind};

/// A policy: when approval is needed, and what commands do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Counted up with every change.
    pub version: u32,
    /// Whether a responder may go past a missing or expired approval, with a reason and never for destructive acts
    /// without a second person.
    #[serde(default)]
    pub break_glass: bool,
    /// When approval is needed; every rule that holds adds its requirement.
    #[serde(default)]
    pub rules: Vec<PolicyRule>,
    /// Commands that only read.
    #[serde(default)]
    pub read_commands: Vec<CommandPattern>,
    /// Commands that destroy something.
    #[serde(default)]
    pub destructive_commands: Vec<CommandPattern>,
    /// Regular expressions for secrets in output, besides the built-in ones.
    #[serde(default)]
    pub redact: Vec<String>,
    /// Namespaces that rules with `protectedNamespace` are about, `*` for any characters, besides those that a context
    /// protects; `kube-system`, `kube-public` and `kube-node-lease` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected_namespaces: Option<Vec<String>>,
    /// Channels whose vouched approvals count (`slack`).
    #[serde(default)]
    pub vouch_channels: Vec<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRule {
    /// Unique, kebab-case.
    pub name: String,
    /// One sentence for people, without a final period.
    pub description: String,
    /// The rule holds where one of these does.
    pub when: Vec<Match>,
    /// Refuses the act altogether; where it cannot be told whether the rule holds, approval is needed.
    #[serde(default)]
    pub forbid: bool,
    /// People and groups who may approve; everybody eligible where empty.
    #[serde(default)]
    pub approvers: Vec<String>,
    /// Distinct people needed; one where absent.
    #[serde(default)]
    pub quorum: Option<u32>,
}

/// Conditions that have to hold together; what is not written always holds. Reading acts match nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// Names of environments, or words of their names (`prod` means `prod-eu`, too; the words for production mean each
    /// other); an environment without a name counts as one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<String>>,
    /// Effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Vec<Effect>>,
    /// Names of actions, `*` for any characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
    /// Classes of acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<PolicyKind>>,
    /// The execution touches more nodes than this with the act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_more_than: Option<u32>,
    /// The act changes a number of replicas by more than this many percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_change_over_percent: Option<u32>,
    /// Namespaces that the act changes something in, `*` for any characters: the step's own, else the context's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// Whether the act changes something in a protected namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected_namespace: Option<bool>,
    /// The execution changes more objects than this with the act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects_more_than: Option<u32>,
    /// The execution ends more pods than this with the act: deletes, evicts, replaces or scales them away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods_more_than: Option<u32>,
    /// More than this many percent of one workload's pods are missing at once because of the act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods_over_percent: Option<u32>,
    /// Whether the runbook's domain or category is security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_domain: Option<bool>,
}

/// A pattern over argument vectors, with limits on the words it lets through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CommandPattern {
    /// The pattern alone.
    Plain(Pattern),
    /// With limits.
    Limited(LimitedPattern),
}

/// A pattern with limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitedPattern {
    /// The pattern.
    pub command: Pattern,
    /// The only options (words that begin with `-`) that may appear; any where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<String>>,
    /// Words that may not appear in whatever case, `*` for any characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

impl CommandPattern {
    /// The pattern without its limits.
    pub fn pattern(&self) -> &Pattern {
        match self {
            Self::Plain(pattern) => pattern,
            Self::Limited(limited) => &limited.command,
        }
    }

    /// The same, for a list of commands that are trusted: a program of that name in another place is not one of them.
    pub fn trusts(&self, argv: &[impl AsRef<str>]) -> bool {
        argv.first().is_some_and(|program| self.pattern().trusts(program.as_ref())) && self.matches(argv)
    }

    /// Whether a whole argument vector matches within the limits.
    pub fn matches(&self, argv: &[impl AsRef<str>]) -> bool {
        if !self.pattern().matches(argv) {
            return false;
        }
        let Self::Limited(limited) = self else { return true };
        argv.iter().skip(1).map(AsRef::as_ref).all(|word| {
            let lower = word.to_lowercase();
            let excluded = limited.without.iter().any(|pattern| glob(&pattern.to_lowercase(), &lower));
            let allowed = |list: &[String]| list.iter().any(|pattern| glob(pattern, word));
            let option = word.len() > 1 && word.starts_with('-');
            !excluded && (!option || limited.options.as_deref().is_none_or(allowed))
        })
    }
}
