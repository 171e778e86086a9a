#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::act::{ActTarget, Basis, ReplicaChange};
use crate::action::PolicyKind;

mod limits;

fn spec(kinds: &[PolicyKind], effect: Effect) -> ActionSpec {
    ActionSpec {
        name: "test.act".to_owned(),
        description: String::new(),
        parameters: json!({}),
        output: json!({}),
        sinks: BTreeMap::new(),
        effect,
        idempotent: true,
        captures_undo: false,
        published: Vec::new(),
        facts: Vec::new(),
        target_parameter: None,
        kinds: kinds.to_vec(),
        access: Vec::new(),
        available: true,
    }
}

fn preparation(basis: Basis) -> Preparation {
    Preparation {
        target: ActTarget { name: "target".to_owned(), fingerprint: None },
        effect: Effect::Read,
        impact: Impact::Low,
        reasons: Vec::new(),
        facts: BTreeMap::new(),
        basis,
        undo: None,
        candidates: BTreeMap::new(),
        notes: Vec::new(),
    }
}

fn known(nodes: &[&str], replicas: Option<(u32, u32)>) -> Preparation {
    preparation(Basis {
        known: true,
        replicas: replicas.map(|(from, to)| ReplicaChange { from, to }),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        ..Basis::default()
    })
}

struct Setting {
    environment: &'static str,
    before: &'static [&'static str],
    security: bool,
}

const LOCAL: Setting = Setting { environment: "local", before: &[], security: false };

fn judge(act: &Act, spec: &ActionSpec, preparation: Option<&Preparation>, setting: &Setting) -> Verdict {
    let policy = Policy::default_policy();
    let nodes = setting.before.iter().map(|node| (*node).to_owned()).collect();
    let before = Touched { nodes, ..Touched::default() };
    policy.judge(&Case {
        act,
        spec,
        effect: policy.effect_of(act, spec, None),
        preparation,
        environment: setting.environment,
        solo: false,
        namespace: Some("default"),
        protected: &[],
        before: &before,
        security_domain: setting.security,
    })
}

fn rules(verdict: &Verdict) -> Vec<&str> {
    verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect()
}

fn act() -> Act {
    Act { action: "test.act".to_owned(), parameters: json!({}) }
}

fn argv(line: &str) -> Act {
    let words: Vec<&str> = line.split_whitespace().collect();
    Act { action: COMMAND_ACTION.to_owned(), parameters: json!({ "argv": words }) }
}

fn script(text: &str) -> Act {
    Act { action: COMMAND_ACTION.to_owned(), parameters: json!({ "script": text }) }
}

fn command_effect(act: &Act) -> Effect {
    Policy::default_policy().effect_of(act, &spec(&[], Effect::Read), None)
}

#[test]
fn the_embedded_policy_parses_and_its_digest_is_stable() {
    let parsed = Policy::parse("default.yaml", include_bytes!("default.yaml")).unwrap();
    assert_eq!(parsed, Policy::default_policy());
    assert_eq!(parsed.digest(), Policy::default_policy().digest());
    assert_eq!(parsed.digest().len(), 64);
    let changed = Policy { break_glass: false, ..Policy::default_policy() };
    assert_ne!(changed.digest(), parsed.digest());
    let again: Policy = serde_json::from_value(serde_json::to_value(&parsed).unwrap()).unwrap();
    assert_eq!(again, parsed, "what is written reads the same");
}

#[test]
fn changes_in_production_need_approval_and_elsewhere_they_do_not() {
    let spec = spec(&[], Effect::Mutate);
    let production = Setting { environment: "Production", ..LOCAL };
    assert_eq!(rules(&judge(&act(), &spec, Some(&known(&[], None)), &production)), ["production-changes"]);
    assert!(!judge(&act(), &spec, Some(&known(&[], None)), &LOCAL).required);
    let nameless = Setting { environment: "", ..LOCAL };
    assert!(judge(&act(), &spec, Some(&known(&[], None)), &nameless).required, "what cannot be told needs approval");
}

#[test]
fn reading_never_needs_approval() {
    let production = Setting { environment: "production", before: &["a", "b"], security: true };
    let verdict = judge(&act(), &spec(&[PolicyKind::NodeOperation], Effect::Read), None, &production);
    assert!(!verdict.required);
    assert_eq!(verdict.impact, Impact::Low);
}

#[test]
fn a_command_that_the_policy_knows_to_read_needs_none_in_production() {
    let production = Setting { environment: "production", ..LOCAL };
    // A command's preparation says what commands may do, not what this one does.
    let prepared = Preparation { effect: Effect::Mutate, ..known(&[], None) };
    let spec = ActionSpec { name: COMMAND_ACTION.to_owned(), ..spec(&[], Effect::Mutate) };
    let reads = judge(&argv("kubectl get nodes"), &spec, Some(&prepared), &production);
    assert!(!reads.required && reads.impact == Impact::Low, "{reads:?}");
    let changes = judge(&argv("kubectl delete pod a"), &spec, Some(&prepared), &production);
    assert!(rules(&changes).contains(&"production-changes"), "{changes:?}");
}

#[test]
fn deleting_data_and_destroying_need_approval_everywhere() {
    let deletes = spec(&[PolicyKind::DataDeletion], Effect::Mutate);
    assert_eq!(rules(&judge(&act(), &deletes, Some(&known(&[], None)), &LOCAL)), ["data-deletion"]);
    let destroys = spec(&[], Effect::Destructive);
    let verdict = judge(&act(), &destroys, Some(&known(&[], None)), &LOCAL);
    assert_eq!(rules(&verdict), ["data-deletion"]);
    assert_eq!(verdict.impact, Impact::High);
    let raised = Preparation { effect: Effect::Destructive, ..known(&[], None) };
    assert!(judge(&act(), &spec(&[], Effect::Mutate), Some(&raised), &LOCAL).required, "live state raises an effect");
}

#[test]
fn the_second_node_of_an_execution_needs_approval_and_the_first_does_not() {
    let spec = spec(&[PolicyKind::NodeOperation], Effect::Mutate);
    let one = known(&["a"], None);
    assert!(!judge(&act(), &spec, Some(&one), &LOCAL).required);
    assert!(!judge(&act(), &spec, Some(&one), &Setting { before: &["a"], ..LOCAL }).required, "the same node again");
    let second = judge(&act(), &spec, Some(&one), &Setting { before: &["b"], ..LOCAL });
    assert_eq!(rules(&second), ["several-nodes"]);
    assert!(second.reasons[0].text.ends_with("a, b"));
    assert!(judge(&act(), &spec, Some(&known(&["a", "b"], None)), &LOCAL).required);
    assert!(judge(&act(), &spec, None, &LOCAL).required, "live state could not be read");
    assert!(judge(&act(), &spec, Some(&preparation(Basis::default())), &LOCAL).required, "the basis is not known");
    let harmless = super::tests::spec(&[], Effect::Mutate);
    let after_two = Setting { before: &["a", "b"], ..LOCAL };
    assert!(!judge(&act(), &harmless, Some(&known(&[], None)), &after_two).required, "it touches no node itself");
}

#[test]
fn scaling_by_more_than_half_needs_approval_and_by_half_does_not() {
    let spec = spec(&[PolicyKind::Scaling], Effect::Mutate);
    for (from, to, expected) in
        [(4, 6, false), (4, 7, true), (4, 2, false), (4, 1, true), (0, 1, true), (0, 0, false), (3, 3, false)]
    {
        let verdict = judge(&act(), &spec, Some(&known(&[], Some((from, to)))), &LOCAL);
        assert_eq!(verdict.required, expected, "{from} to {to}");
    }
    assert!(judge(&act(), &spec, None, &LOCAL).required, "the live number is not known");
    assert!(judge(&argv("kubectl scale deployment/a --replicas=3"), &spec, Some(&known(&[], None)), &LOCAL).required);
}

#[test]
fn isolation_for_security_needs_approval_everywhere() {
    let isolates = spec(&[PolicyKind::SecurityIsolation], Effect::Mutate);
    assert_eq!(rules(&judge(&act(), &isolates, Some(&known(&[], None)), &LOCAL)), ["security-isolation"]);
    let cordon = spec(&[PolicyKind::NodeOperation], Effect::Mutate);
    let security = Setting { security: true, ..LOCAL };
    assert_eq!(rules(&judge(&act(), &cordon, Some(&known(&["a"], None)), &security)), ["security-isolation"]);
    assert!(!judge(&act(), &cordon, Some(&known(&["a"], None)), &LOCAL).required);
}

#[test]
fn node_commands_are_node_operations() {
    let spec = spec(&[], Effect::Mutate);
    let prepared = known(&[], None);
    assert!(!judge(&argv("kubectl cordon node-1"), &spec, Some(&prepared), &LOCAL).required);
    assert!(judge(&argv("kubectl cordon node-1 node-2"), &spec, Some(&prepared), &LOCAL).required);
    assert!(
        judge(&argv("kubectl cordon node-1"), &spec, Some(&prepared), &Setting { before: &["node-2"], ..LOCAL })
            .required
    );
    assert!(judge(&argv("kubectl drain -l group=a"), &spec, Some(&prepared), &LOCAL).required, "nobody knows how many");
    assert!(judge(&script("kubectl cordon $NODE"), &spec, Some(&prepared), &LOCAL).required);
    assert!(!judge(&argv("kubectl taint node node-1 a=b:NoSchedule"), &spec, Some(&prepared), &LOCAL).required);
}

#[test]
fn commands_on_the_list_read_and_every_other_one_changes_something() {
    for line in [
        "kubectl get pods -A -o wide",
        "kubectl -n shop get pods",
        "/usr/bin/kubectl logs web-0 --tail=100",
        "curl -s http://a/health",
        "curl -fsS --max-time 5 http://a/health",
        "dig +short a",
        "ping -c 3 a",
        "aws s3 ls s3://a --recursive",
        "pgbackrest info --stanza=main",
        "openssl x509 -in a.pem -noout -enddate",
        "systemctl status nginx",
        "journalctl -u a -n 5",
        "helm history a",
        "git log -n 3",
        "true",
        "echo a",
        "sleep 10",
        "date +%s",
        "kubectl auth can-i get pods",
        "kubectl rollout status deployment/a --timeout=120s",
        "df -h",
        "kubectl version",
        "kubectl get --raw /readyz?verbose",
        "kubectl get secrets -A --field-selector=type=kubernetes.io/tls",
        "redis-cli -h a INFO stats",
        "sort -k1,2 f",
    ] {
        assert_eq!(command_effect(&argv(line)), Effect::Read, "{line}");
    }
    for line in [
        "kubectl get secret db -o yaml",
        "kubectl get SECRETS -o yaml",
        "kubectl get --raw /api/v1/secrets",
        "kubectl get --raw /api/v1/%73ecrets",
        "kubectl get secret a -ojson",
        "kubectl get secret a -Aojson",
        "kubectl get pods,secrets",
        "kubectl scale deployment/a --replicas=0",
        "kubectl exec a -- df -h",
        "curl -X POST http://a",
        "curl -sXPOST http://a",
        "curl -d a http://a",
        "curl -o /etc/passwd http://a",
        "curl file:///etc/passwd",
        "curl --config x http://a",
        "date -s now",
        "hostname evil",
        "systemctl restart nginx",
        "journalctl --vacuum-time=1s",
        "openssl x509 -in a -out b",
        "sort -o f f",
        "unknown",
        "kubectl rollout undo deployment/a",
        "git log --output=f",
        "kubectl get pods --kubeconfig=x",
        "kubectl cluster-info dump",
        "sed -i s/a/b/ f",
        "psql -c SELECT",
        "kubectl create -f get",
    ] {
        assert_eq!(command_effect(&argv(line)), Effect::Mutate, "{line}");
    }
    assert_eq!(command_effect(&script("kubectl get pods | wc -l")), Effect::Mutate, "a script is never on the list");
}

#[test]
fn commands_that_destroy_are_known_wherever_they_stand() {
    for line in [
        "rm -rf /data",
        "sudo rm f",
        "kubectl delete pod a",
        "kubectl -n a delete pvc b",
        "terraform destroy",
        "aws ec2 terminate-instances",
        "aws s3 rm s3://a",
        "dropdb a",
        "kubectl exec a -- rm -rf /data",
        "xargs rm",
        "kubectl drain a --delete-emptydir-data",
        "pgbackrest restore --stanza=main",
        "redis-cli FLUSHALL",
        "find / -name a -delete",
        "git push origin main --force",
        "kubectl exec a -- vs-cli delete-index b --confirm",
    ] {
        assert_eq!(command_effect(&argv(line)), Effect::Destructive, "{line}");
    }
    for text in [
        "ls | xargs rm",
        "for f in *; do rm \"$f\"; done",
        "sh -c 'rm -rf /data'",
        "true && kubectl delete ns a",
        "echo $(rm a)",
        "psql -c 'drop table a'",
        "ssh a 'sudo rm -rf b'",
        "A=b rm c",
    ] {
        assert_eq!(command_effect(&script(text)), Effect::Destructive, "{text}");
    }
    assert_eq!(command_effect(&argv("grep rm f")), Effect::Read, "the list of reading commands comes first");
}

#[test]
fn an_effect_is_raised_and_never_lowered() {
    let policy = Policy::default_policy();
    let act = argv("kubectl get pods");
    let spec = spec(&[], Effect::Mutate);
    assert_eq!(policy.effect_of(&act, &spec, Some(Effect::Destructive)), Effect::Destructive);
    assert_eq!(policy.effect_of(&argv("rm a"), &spec, Some(Effect::Read)), Effect::Destructive);
    assert!(policy.is_idempotent(&act, &spec, Effect::Read));
    assert!(!policy.is_idempotent(&act, &spec, Effect::Mutate), "a runbook raised it");
    assert!(!policy.is_idempotent(&argv("rm a"), &spec, Effect::Destructive));
    assert!(policy.is_idempotent(&super::tests::act(), &spec, Effect::Mutate), "an action says so itself");
}

#[test]
fn approvers_and_quorum_add_up_and_a_forbidding_rule_forbids() {
    let text = b"name: own\nversion: 2\nrules:\n\
        - {name: a, description: one, when: [{actions: ['test.*']}], approvers: [x, y], quorum: 2}\n\
        - {name: b, description: two, when: [{effects: [mutate]}], approvers: [y, z]}\n\
        - {name: c, description: three, when: [{environments: [frozen]}], forbid: true}\n";
    let policy = Policy::parse("own.yaml", text).unwrap();
    let (act, spec, before) = (act(), spec(&[], Effect::Mutate), Touched::default());
    let case = Case {
        act: &act,
        spec: &spec,
        effect: Effect::Mutate,
        preparation: None,
        environment: "frozen",
        solo: false,
        namespace: None,
        protected: &[],
        before: &before,
        security_domain: false,
    };
    let verdict = policy.judge(&case);
    assert_eq!(verdict.approvers, ["x", "y", "z"]);
    assert_eq!(verdict.quorum, 2);
    assert_eq!(verdict.forbidden.unwrap().rule, "c");
    assert_eq!(policy.judge(&Case { solo: true, ..case }).quorum, 1, "alone there is nobody else");
}

#[test]
fn a_wrong_policy_is_a_finding_where_it_is() {
    let findings = Policy::parse("p.yaml", b"name: a\nversion: 1\nruels: []\n").unwrap_err();
    assert_eq!(findings[0].position.line, 3, "{findings:?}");
    let findings =
        Policy::parse("p.yaml", b"name: a\nversion: 1\nreadCommands: ['**', '* get']\nredact: ['(']\n").unwrap_err();
    assert_eq!(findings.len(), 3);
    assert!(Policy::parse("p.yaml", b"\xff\x00{{{").is_err());
}

#[test]
fn two_policies_together_ask_for_whatever_one_of_them_asks_for() {
    let reason = |rule: &str| Reason { rule: rule.to_owned(), text: format!("because of {rule}") };
    let verdict = |required: bool, quorum: u32, approvers: &[&str], rules: &[&str]| Verdict {
        required,
        reasons: rules.iter().map(|rule| reason(rule)).collect(),
        approvers: approvers.iter().map(|name| (*name).to_owned()).collect(),
        quorum,
        impact: Impact::Low,
        impact_reasons: Vec::new(),
        forbidden: None,
    };
    let nothing = || verdict(false, 1, &[], &[]);
    let anybody = || verdict(true, 1, &[], &["a"]);
    assert_eq!(nothing().and(anybody()), anybody(), "what only one of them needs is needed");
    assert_eq!(anybody().and(nothing()), anybody(), "whichever of them it is");
    let two = verdict(true, 2, &["sre", "dba"], &["a", "b"]);
    assert_eq!(anybody().and(two.clone()), two, "more people, of fewer, for more reasons; the same reason once");
    let narrow = verdict(true, 1, &["dba", "net"], &["c"]);
    let both = two.clone().and(narrow);
    assert_eq!((both.approvers.as_slice(), both.quorum), (["dba".to_owned()].as_slice(), 2), "who may by both of them");
    let apart = two.clone().and(verdict(true, 1, &["net"], &["d"]));
    assert!(apart.forbidden.is_some(), "where nobody may by both of them, nobody can agree: {apart:?}");
    let forbidding = Verdict { forbidden: Some(reason("never")), ..nothing() };
    assert_eq!(two.and(forbidding).forbidden, Some(reason("never")));
}

#[test]
fn an_environment_is_production_where_a_word_of_its_name_says_so() {
    let command =
        Act { action: COMMAND_ACTION.to_owned(), parameters: json!({ "argv": ["systemctl", "restart", "shop"] }) };
    let spec = ActionSpec { name: COMMAND_ACTION.to_owned(), ..spec(&[], Effect::Mutate) };
    let judged = |environment: &'static str| judge(&command, &spec, None, &Setting { environment, ..LOCAL });
    for environment in ["production", "PROD", "prod-eu", "eu-production", "prd_1", "eu.live", "shop/prod/1", "eu live"]
    {
        let verdict = judged(environment);
        assert!(verdict.required, "{environment} is production");
        assert_eq!(verdict.impact, Impact::High, "{environment}");
    }
    for environment in ["local", "staging", "reproduction", "product", "olive", "delivery", "prod2"] {
        assert!(!judged(environment).required, "{environment} is not production");
    }
}

#[test]
fn what_runs_in_a_container_is_judged_as_a_command_is() {
    let policy = Policy::default_policy();
    let exec = ActionSpec { name: "kubernetes.exec".to_owned(), ..spec(&[], Effect::Mutate) };
    let effect = |argv: &[&str]| {
        let parameters = json!({ "podName": "cache-0", "argv": argv });
        policy.effect_of(&Act { action: "kubernetes.exec".to_owned(), parameters }, &exec, None)
    };
    assert_eq!(effect(&["redis-cli", "FLUSHALL"]), Effect::Destructive);
    assert_eq!(effect(&["psql", "-c", "DROP TABLE orders"]), Effect::Destructive);
    assert_eq!(effect(&["sh", "-c", "rm -rf /data"]), Effect::Destructive);
    assert_eq!(effect(&["kubectl", "get", "pods"]), Effect::Mutate, "that it only reads is not believed there");
}
