//! Cases of a policy: acts with the live state that was read before them, and what the policy is expected to say.
//!
//! They are judged by the real policy, as an execution would: the same commands, the same declarations, the same rules.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Case, Policy, Reason, Touched};
use crate::act::{Act, ActTarget, Basis, Preparation, ReplicaChange};
use crate::action::{ActionCatalog, COMMAND_ACTION, Effect, Impact};
use crate::commands;
use crate::finding::{Finding, FindingLevel, Position};
use crate::model::CommandSpec;
use crate::template::Scope;

/// A file of cases.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyCases {
    /// The policy's file, beside this one; the policy in force where absent.
    #[serde(default)]
    pub policy: Option<String>,
    /// The cases.
    pub cases: Vec<PolicyCase>,
}

/// One act, where it acts, and what is expected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyCase {
    /// What is judged, in words.
    pub name: String,
    /// The action's name; one of this, `command` and `script` is there.
    #[serde(default)]
    action: Option<String>,
    /// Its rendered parameters.
    #[serde(default)]
    parameters: Option<Value>,
    /// A command line without values.
    #[serde(default)]
    command: Option<String>,
    /// A script for a shell.
    #[serde(default)]
    script: Option<String>,
    /// The effect to which the runbook raises it.
    #[serde(default)]
    effect: Option<Effect>,
    /// Where it acts.
    #[serde(default)]
    context: CaseContext,
    /// What was read right before; what is absent could not be read.
    #[serde(default)]
    live: Option<Live>,
    /// What the execution has touched before.
    #[serde(default)]
    before: Touched,
    /// Whether there is no team.
    #[serde(default)]
    solo: bool,
    /// Whether the runbook's domain or category is security.
    #[serde(default)]
    security: bool,
    /// What the policy has to say.
    expect: Expected,
}

/// Where a case acts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct CaseContext {
    environment: String,
    namespace: Option<String>,
    protected_namespaces: Vec<String>,
}

impl Default for CaseContext {
    fn default() -> Self {
        Self { environment: "local".to_owned(), namespace: None, protected_namespaces: Vec::new() }
    }
}

/// What was read before an act.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Live {
    /// The effect, where live state raises it.
    effect: Option<Effect>,
    /// Why the action itself finds it weighty.
    reasons: Vec<String>,
    replicas: Option<ReplicaChange>,
    nodes: BTreeSet<String>,
    objects: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    pods: Option<u32>,
    /// Percent of one workload's pods that are missing at once.
    share: Option<u32>,
}

/// What a policy is expected to say. What is not written may be anything.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Expected {
    verdict: Option<Word>,
    /// Names of all rules that hold, in any order.
    rules: Option<BTreeSet<String>>,
    effect: Option<Effect>,
    impact: Option<Impact>,
    quorum: Option<u32>,
    approvers: Option<BTreeSet<String>>,
}

/// What becomes of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It starts without anybody.
    Allowed,
    /// Somebody has to agree.
    Approval,
    /// It never starts.
    Refused,
}

impl Word {
    /// The word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Approval => "approval",
            Self::Refused => "refused",
        }
    }
}

/// What the policy says of one case, and whether that is what was expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The case.
    pub name: String,
    /// Whether it is as expected.
    pub ok: bool,
    /// What becomes of the act.
    pub verdict: Word,
    /// The rules that hold, and why.
    pub reasons: Vec<Reason>,
    /// The act's effect.
    pub effect: Effect,
    /// Its impact.
    pub impact: Impact,
    /// Why it matters that much.
    pub impact_reasons: Vec<String>,
    /// Distinct people needed; none where nobody is.
    pub quorum: u32,
    /// Who may approve; everybody eligible where empty.
    pub approvers: Vec<String>,
    /// What differs from what was expected.
    pub differences: Vec<String>,
}

impl PolicyCases {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Finding>> {
        let finding = |position, message| Finding {
            file: file.to_owned(),
            position,
            rule: "policy-cases",
            severity: FindingLevel::Error,
            message,
            hint: None,
        };
        let start = Position { line: 1, column: 1 };
        let cases: Self = serde_saphyr::from_slice(bytes).map_err(|error| {
            let position = error.location().map_or(start, |location| Position {
                line: u32::try_from(location.line()).unwrap_or(u32::MAX),
                column: u32::try_from(location.column()).unwrap_or(u32::MAX),
            });
            vec![finding(position, error.without_snippet().to_string())]
        })?;
        let mut findings = Vec::new();
        let mut names = BTreeSet::new();
        if cases.cases.is_empty() {
            findings.push(finding(start, "there is no case".to_owned()));
        }
        for case in &cases.cases {
            if !names.insert(&case.name) {
                findings.push(finding(start, format!("two cases are named `{}`", case.name)));
            }
            if case.expect == Expected::default() {
                findings.push(finding(start, format!("case `{}` expects nothing", case.name)));
            }
            if let Err(problem) = case.act() {
                findings.push(finding(start, format!("case `{}`: {problem}", case.name)));
            }
        }
        if findings.is_empty() { Ok(cases) } else { Err(findings) }
    }
}

impl PolicyCase {
    /// The rendered act.
    fn act(&self) -> Result<Act, String> {
        match (&self.action, &self.command, &self.script) {
            (Some(action), None, None) => {
                let parameters = self.parameters.clone().unwrap_or_else(|| json!({}));
                Ok(Act { action: action.clone(), parameters })
            }
            (None, Some(line), None) => {
                let (root, variables) = (json!({}), std::collections::BTreeSet::new());
                let scope = Scope { root: &root, variables: &variables };
                let mut acts =
                    commands::render(&[CommandSpec::Line(line.clone())], &scope).map_err(|error| error.to_string())?;
                match (acts.pop(), acts.is_empty()) {
                    (Some(act), true) => Ok(act),
                    (Some(_) | None, _) => Err("`command` is not one command".to_owned()),
                }
            }
            (None, None, Some(script)) => {
                Ok(Act { action: COMMAND_ACTION.to_owned(), parameters: json!({ "script": script }) })
            }
            (_, _, _) => Err("it has one of `action`, `command` and `script`".to_owned()),
        }
    }

    /// Has the policy judge it.
    ///
    /// # Errors
    /// There is no such action.
    pub fn judge(&self, policy: &Policy, actions: &dyn ActionCatalog) -> Result<Judgement, String> {
        let act = self.act()?;
        let spec = actions.spec(&act.action).ok_or_else(|| format!("there is no action `{}`", act.action))?;
        let effect = policy.effect_of(&act, spec, self.effect);
        let preparation = self.live.as_ref().map(|live| live.preparation(&act));
        let verdict = policy.judge(&Case {
            act: &act,
            spec,
            effect,
            preparation: preparation.as_ref(),
            environment: &self.context.environment,
            namespace: self.context.namespace.as_deref(),
            protected: &self.context.protected_namespaces,
            solo: self.solo,
            before: &self.before,
            security_domain: self.security,
        });
        let word = match (&verdict.forbidden, verdict.required) {
            (Some(_), _) => Word::Refused,
            (None, true) => Word::Approval,
            (None, false) => Word::Allowed,
        };
        let live = preparation.filter(|_| act.action != COMMAND_ACTION).map(|preparation| preparation.effect);
        let mut judgement = Judgement {
            name: self.name.clone(),
            ok: true,
            verdict: word,
            reasons: verdict.forbidden.into_iter().chain(verdict.reasons).collect(),
            effect: live.map_or(effect, |live| live.max(effect)),
            impact: verdict.impact,
            impact_reasons: verdict.impact_reasons,
            quorum: if verdict.required { verdict.quorum } else { 0 },
            approvers: verdict.approvers,
            differences: Vec::new(),
        };
        judgement.differences = self.expect.differences(&judgement);
        judgement.ok = judgement.differences.is_empty();
        Ok(judgement)
    }
}

impl Live {
    fn preparation(&self, act: &Act) -> Preparation {
        Preparation {
            target: ActTarget { name: act.action.clone(), fingerprint: None },
            effect: self.effect.unwrap_or(Effect::Read),
            impact: if self.reasons.is_empty() { Impact::Low } else { Impact::High },
            reasons: self.reasons.clone(),
            facts: std::collections::BTreeMap::new(),
            basis: Basis {
                known: true,
                replicas: self.replicas,
                objects: self.objects.clone(),
                nodes: self.nodes.clone(),
                namespaces: self.namespaces.clone(),
                pods: self.pods,
                share: self.share,
                ..Basis::default()
            },
            undo: None,
            candidates: std::collections::BTreeMap::new(),
            notes: Vec::new(),
        }
    }
}

impl Expected {
    fn differences(&self, is: &Judgement) -> Vec<String> {
        let mut found = Vec::new();
        let mut differ = |what: &str, expected: String, is: String| {
            if expected != is {
                found.push(format!("{what}: {expected} expected, {is} found"));
            }
        };
        if let Some(verdict) = self.verdict {
            differ("verdict", verdict.as_str().to_owned(), is.verdict.as_str().to_owned());
        }
        if let Some(rules) = &self.rules {
            differ("rules", listed(rules), listed(&is.reasons.iter().map(|reason| reason.rule.clone()).collect()));
        }
        if let Some(effect) = self.effect {
            differ("effect", effect.as_str().to_owned(), is.effect.as_str().to_owned());
        }
        if let Some(impact) = self.impact {
            differ("impact", impact.as_str().to_owned(), is.impact.as_str().to_owned());
        }
        if let Some(quorum) = self.quorum {
            differ("quorum", quorum.to_string(), is.quorum.to_string());
        }
        if let Some(approvers) = &self.approvers {
            differ("approvers", listed(approvers), listed(&is.approvers.iter().cloned().collect()));
        }
        found
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().cloned().collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use std::collections::BTreeMap;

    use super::*;
    use crate::action::{ActionSpec, PolicyKind};

    fn actions() -> BTreeMap<String, ActionSpec> {
        let spec = |name: &str, kinds: &[PolicyKind]| ActionSpec {
            name: name.to_owned(),
            description: String::new(),
            parameters: json!({ "properties": { "namespace": {} } }),
            output: json!({}),
            sinks: BTreeMap::new(),
            effect: Effect::Mutate,
            idempotent: true,
            captures_undo: false,
            published: Vec::new(),
            facts: Vec::new(),
            target_parameter: None,
            kinds: kinds.to_vec(),
            access: Vec::new(),
            available: true,
        };
        let specs = [spec("kubernetes.scale_deployment", &[PolicyKind::Scaling]), spec(COMMAND_ACTION, &[])];
        specs.into_iter().map(|spec| (spec.name.clone(), spec)).collect()
    }

    fn judged(text: &str) -> Vec<Judgement> {
        let cases = PolicyCases::parse("cases.yaml", text.as_bytes()).unwrap();
        let policy = Policy::default_policy();
        cases.cases.iter().map(|case| case.judge(&policy, &actions()).unwrap()).collect()
    }

    #[test]
    fn cases_run_through_the_real_policy() {
        let judged = judged(
            "cases:
  - name: doubling
    action: kubernetes.scale_deployment
    parameters: { deployment: checkout, replicas: 8 }
    context: { environment: staging, namespace: shop }
    live: { replicas: { from: 4, to: 8 } }
    expect: { verdict: approval, rules: [large-scaling], impact: LOW, quorum: 1 }
  - name: nobody could read it
    action: kubernetes.scale_deployment
    context: { environment: staging, namespace: shop }
    expect: { verdict: approval }
  - name: reading
    command: kubectl get pods -n kube-system
    context: { environment: production }
    expect: { verdict: allowed, effect: read }
  - name: wrong
    command: kubectl -n kube-system delete pod a
    expect: { verdict: allowed, rules: [] }
",
        );
        let ok: Vec<bool> = judged.iter().map(|judgement| judgement.ok).collect();
        assert_eq!(ok, [true, true, true, false], "{judged:#?}");
        assert_eq!(
            judged[3].differences,
            [
                "verdict: allowed expected, approval found",
                "rules: none expected, data-deletion, protected-namespaces found"
            ]
        );
    }

    #[test]
    fn a_case_that_says_nothing_or_two_things_is_a_finding() {
        for (text, expected) in [
            ("cases: []", "no case"),
            ("cases: [{name: a, command: ls, expect: {}}]", "expects nothing"),
            ("cases: [{name: a, command: ls, script: ls, expect: {verdict: allowed}}]", "one of"),
            ("cases: [{name: a, commands: ls, expect: {verdict: allowed}}]", "commands"),
            ("cases: [{name: a, command: 'ls {{ .Vars.x }}', expect: {verdict: allowed}}]", "case `a`"),
        ] {
            let findings = PolicyCases::parse("c.yaml", text.as_bytes()).unwrap_err();
            assert!(findings[0].message.contains(expected), "{text}: {findings:?}");
        }
    }
}
