//! Protected namespaces, and limits on how much one execution may touch.

use rstest::rstest;

use super::*;

/// A deployment's action, as the registry declares it.
fn on_cluster(name: &str, access: &[&str]) -> ActionSpec {
    ActionSpec {
        name: name.to_owned(),
        parameters: json!({ "type": "object", "properties": { "namespace": { "type": "string" } } }),
        access: access.iter().map(|right| (*right).to_owned()).collect(),
        ..spec(&[], Effect::Mutate)
    }
}

fn in_namespace(namespace: Option<&str>) -> Act {
    let parameters = namespace.map_or_else(|| json!({}), |namespace| json!({ "namespace": namespace }));
    Act { action: "kubernetes.restart_deployment".to_owned(), parameters }
}

struct Scene<'a> {
    namespace: Option<&'a str>,
    protected: &'a [String],
    before: Touched,
}

fn scene<'a>() -> Scene<'a> {
    Scene { namespace: Some("shop"), protected: &[], before: Touched::default() }
}

fn judged(
    policy: &Policy,
    act: &Act,
    spec: &ActionSpec,
    preparation: Option<&Preparation>,
    scene: &Scene<'_>,
) -> Verdict {
    policy.judge(&Case {
        act,
        spec,
        effect: policy.effect_of(act, spec, None),
        preparation,
        environment: "staging",
        namespace: scene.namespace,
        protected: scene.protected,
        solo: false,
        before: &scene.before,
        security_domain: false,
    })
}

fn policy(rules: &str) -> Policy {
    let text = format!("name: own\nversion: 1\nrules:\n{rules}");
    Policy::parse("own.yaml", text.as_bytes()).unwrap()
}

#[test]
fn a_protected_namespace_is_that_of_the_step_and_not_only_that_of_the_context() {
    let policy = Policy::default_policy();
    let spec = on_cluster("kubernetes.restart_deployment", &[]);
    let known = known(&[], None);
    let rules_of = |act: &Act, scene: &Scene<'_>| {
        let verdict = judged(&policy, act, &spec, Some(&known), scene);
        let rules: Vec<String> = verdict.reasons.into_iter().map(|reason| reason.rule).collect();
        (rules, verdict.impact)
    };
    let shop = scene();
    assert_eq!(rules_of(&in_namespace(None), &shop), (vec![], Impact::Low));
    assert_eq!(
        rules_of(&in_namespace(Some("kube-system")), &shop),
        (vec!["protected-namespaces".to_owned()], Impact::High),
        "the step's own parameter counts"
    );
    let system = Scene { namespace: Some("kube-system"), ..scene() };
    assert_eq!(rules_of(&in_namespace(None), &system).0, ["protected-namespaces"]);
    assert_eq!(rules_of(&in_namespace(Some("shop")), &system).0, Vec::<String>::new(), "and instead of the context's");
    let nowhere = Scene { namespace: None, ..scene() };
    assert_eq!(rules_of(&in_namespace(None), &nowhere).0, ["protected-namespaces"], "what cannot be told");
    let read = Preparation {
        basis: Basis { namespaces: BTreeSet::from(["kube-public".to_owned()]), ..known.basis.clone() },
        ..known.clone()
    };
    let verdict = judged(&policy, &in_namespace(None), &spec, Some(&read), &nowhere);
    assert_eq!(rules(&verdict), ["protected-namespaces"], "what was read says it");
}

#[rstest]
#[case("kubectl -n kube-system rollout restart deployment/coredns", true)]
#[case("kubectl rollout restart deployment/coredns --namespace=kube-system", true)]
#[case("kubectl rollout restart deployment/coredns -nkube-system", true)]
#[case("kubectl label pods -A -l app=x y=z", true)]
#[case("kubectl label namespace kube-system y=z", true)]
#[case("kubectl label ns/kube-system y=z", true)]
#[case("kubectl delete Namespace kube-system", true)]
#[case("kubectl apply -f everything.yaml", true)]
#[case("kubectl apply -Rf manifests/", true)]
#[case("kubectl delete cm/x ns/kube-system", true)]
#[case("kubectl delete cm,ns kube-system", true)]
#[case("kubectl -v 6 delete ns kube-system", true)]
#[case("helm upgrade x ./chart -n kube-system", true)]
#[case("sudo kubectl annotate -n kube-system cm/x a=b", true)]
#[case("kubectl apply -n shop -f shop.yaml", false)]
#[case("helm upgrade x ./chart -f values.yaml", false)]
#[case("kubectl rollout restart deployment/checkout", false)]
#[case("kubectl exec -n shop a -- touch -n kube-system", false)]
#[case("kubectl cordon node-1", false)]
#[case("systemctl restart shop", false)]
fn a_command_is_in_the_namespaces_that_it_names(#[case] line: &str, #[case] protected: bool) {
    let spec = ActionSpec { name: COMMAND_ACTION.to_owned(), ..spec(&[], Effect::Mutate) };
    let verdict = judged(&Policy::default_policy(), &argv(line), &spec, Some(&known(&[], None)), &scene());
    assert_eq!(rules(&verdict).contains(&"protected-namespaces"), protected, "{line}: {verdict:?}");
}

#[rstest]
#[case("kubectl rollout restart deployment/checkout", true)]
#[case("helm upgrade x ./chart", true)]
#[case("kubectl -n shop rollout restart deployment/checkout", false)]
#[case("kubectl cordon node-1", false)]
#[case("systemctl restart shop", false)]
fn without_a_namespace_in_the_context_one_is_named_or_not_known(#[case] line: &str, #[case] asked: bool) {
    let spec = ActionSpec { name: COMMAND_ACTION.to_owned(), ..spec(&[], Effect::Mutate) };
    let nowhere = Scene { namespace: None, ..scene() };
    let verdict = judged(&Policy::default_policy(), &argv(line), &spec, Some(&known(&[], None)), &nowhere);
    assert_eq!(rules(&verdict).contains(&"protected-namespaces"), asked, "{line}: {verdict:?}");
}

#[test]
fn a_namespace_that_only_a_shell_knows_may_be_a_protected_one() {
    let spec = ActionSpec { name: COMMAND_ACTION.to_owned(), ..spec(&[], Effect::Mutate) };
    let act = script("kubectl -n \"$NS\" rollout restart deployment/x");
    let verdict = judged(&Policy::default_policy(), &act, &spec, Some(&known(&[], None)), &scene());
    assert!(verdict.reasons[0].text.contains("cannot be told"), "{verdict:?}");
}

#[test]
fn a_context_protects_namespaces_of_its_own_whatever_the_policy_says() {
    let spec = on_cluster("kubernetes.restart_deployment", &[]);
    let known = known(&[], None);
    let own = ["payments-*".to_owned()];
    let scene = Scene { protected: &own, ..scene() };
    let act = in_namespace(Some("payments-eu"));
    let by_default = judged(&Policy::default_policy(), &act, &spec, Some(&known), &scene);
    assert!(by_default.reasons[0].text.ends_with("payments-eu"), "{by_default:?}");
    let silent = policy("  - {name: a, description: b, when: [{environments: [production]}]}\n");
    let verdict = judged(&silent, &act, &spec, Some(&known), &scene);
    assert_eq!(rules(&verdict), ["protected-namespaces"], "a policy that says nothing of them does not open them");
    let command = ActionSpec { name: COMMAND_ACTION.to_owned(), ..super::spec(&[], Effect::Mutate) };
    let unclear = judged(&silent, &argv("kubectl apply -f x.yaml"), &command, None, &scene);
    assert_eq!(rules(&unclear), ["protected-namespaces"], "what cannot be told is for people: {unclear:?}");
    let forbidding = policy("  - {name: never, description: b, when: [{protectedNamespace: true}], forbid: true}\n");
    assert!(judged(&forbidding, &act, &spec, Some(&known), &scene).forbidden.is_some());
    let replaced = Policy::parse(
        "own.yaml",
        b"name: a\nversion: 1\nprotectedNamespaces: [vault]\nrules: [{name: p, description: b, when: [{protectedNamespace: true}]}]\n",
    )
    .unwrap();
    let open = super::limits::scene();
    assert!(!judged(&replaced, &in_namespace(Some("kube-system")), &spec, Some(&known), &open).required);
    assert!(judged(&replaced, &in_namespace(Some("vault")), &spec, Some(&known), &open).required);
}

/// Pods that an act ends, and the share of one workload's that is missing at once.
fn ends(pods: u32, share: u32) -> Preparation {
    let mut prepared = known(&[], None);
    prepared.basis.pods = Some(pods);
    prepared.basis.share = Some(share);
    prepared
}

#[test]
fn a_cap_refuses_over_it_and_asks_where_nobody_can_tell() {
    let cap = policy("  - {name: cap, description: too much, when: [{podsMoreThan: 3}], forbid: true}\n");
    let spec = on_cluster("kubernetes.drain_node", &["create pods/eviction"]);
    let (act, scene) = (in_namespace(None), scene());
    let over = judged(&cap, &act, &spec, Some(&ends(4, 10)), &scene).forbidden.unwrap();
    assert_eq!(over.text, "too much: 4 pods of at most 3");
    let within = judged(&cap, &act, &spec, Some(&ends(3, 10)), &scene);
    assert!(within.forbidden.is_none() && !within.required, "{within:?}");
    for unread in [None, Some(preparation(Basis::default())), Some(known(&[], None))] {
        let verdict = judged(&cap, &act, &spec, unread.as_ref(), &scene);
        assert!(verdict.required && verdict.forbidden.is_none(), "what cannot be told needs approval: {verdict:?}");
    }
    let harmless = on_cluster("kubernetes.cordon_node", &["patch nodes"]);
    assert!(!judged(&cap, &act, &harmless, None, &scene).required, "it ends no pod");
}

#[test]
fn a_cap_counts_what_the_execution_did_before() {
    let cap = policy(
        "  - {name: pods, description: pods, when: [{podsMoreThan: 3}]}\n  - {name: objects, description: objects, \
         when: [{objectsMoreThan: 2}]}\n",
    );
    let spec = on_cluster("kubernetes.restart_pod", &["delete pods"]);
    let mut prepared = ends(2, 10);
    prepared.basis.objects.insert("pod/shop/c".to_owned());
    let before =
        Touched { pods: 2, objects: ["pod/shop/a", "pod/shop/b"].map(str::to_owned).into(), nodes: BTreeSet::new() };
    let verdict = judged(&cap, &in_namespace(None), &spec, Some(&prepared), &Scene { before, ..scene() });
    assert_eq!(rules(&verdict), ["pods", "objects"]);
    assert!(verdict.reasons[0].text.ends_with("4 pods of at most 3, with the 2 before"), "{verdict:?}");
    assert!(!judged(&cap, &in_namespace(None), &spec, Some(&prepared), &scene()).required);
}

#[test]
fn a_share_of_a_workload_is_capped_and_makes_the_impact_high_with_its_reason() {
    let cap = policy("  - {name: share, description: share, when: [{podsOverPercent: 25}]}\n");
    let spec = on_cluster("kubernetes.restart_pod", &["delete pods"]);
    let over = judged(&cap, &in_namespace(None), &spec, Some(&ends(1, 34)), &scene());
    assert!(over.required && over.impact == Impact::Low, "{over:?}");
    assert!(!judged(&cap, &in_namespace(None), &spec, Some(&ends(1, 25)), &scene()).required);
    let most = judged(&cap, &in_namespace(None), &spec, Some(&ends(21, 75)), &scene());
    assert_eq!(most.impact, Impact::High);
    assert_eq!(most.impact_reasons, ["75 % of one workload's pods are missing at once", "it ends 21 pods"]);
}

#[rstest]
#[case("kubectl delete pod a b", Some(2))]
#[case("kubectl delete pods -l app=x", None)]
#[case("kubectl delete pod/a", Some(1))]
#[case("kubectl delete cm/x pod/a pod/b", Some(2))]
#[case("kubectl delete cm/x deploy/checkout", None)]
#[case("kubectl --request-timeout 5s --as x delete pod a", Some(1))]
#[case("kubectl --request-timeout 5s drain node-1", None)]
#[case("oc adm drain node-1", None)]
#[case("kubectl drain node-1", None)]
#[case("kubectl rollout restart deployment/x", None)]
#[case("helm upgrade x ./chart", None)]
#[case("kubectl delete configmap a", Some(0))]
#[case("kubectl delete -f shop.yaml", None)]
#[case("kubectl delete Deployments.apps/x", None)]
#[case("kubectl delete rollouts.argoproj.io x", None)]
#[case("kubectl delete configmap,secret a", Some(0))]
#[case("kubectl taint node a b=c:NoExecute", None)]
#[case("kubectl label pod a b=c", Some(0))]
#[case("systemctl restart shop", Some(0))]
fn a_command_ends_the_pods_that_it_names(#[case] line: &str, #[case] pods: Option<u32>) {
    let spec = ActionSpec { name: COMMAND_ACTION.to_owned(), ..spec(&[], Effect::Mutate) };
    let judged_by = |most: u32| {
        let cap = policy(&format!("  - {{name: cap, description: c, when: [{{podsMoreThan: {most}}}]}}\n"));
        judged(&cap, &argv(line), &spec, Some(&known(&[], None)), &scene()).required
    };
    match pods {
        None => assert!(judged_by(1000), "{line}: nobody can tell"),
        Some(0) => assert!(!judged_by(0), "{line}"),
        Some(pods) => assert!(judged_by(pods - 1) && !judged_by(pods), "{line}"),
    }
}

#[test]
fn what_commands_named_counts_as_touched() {
    let touched = touched_by_command(&script("kubectl cordon node-1 && kubectl delete pod a b\nkubectl drain -l a=b"));
    assert_eq!((touched.pods, touched.nodes), (2, BTreeSet::from(["node-1".to_owned()])));
}

#[test]
fn a_policy_that_says_nothing_of_limits_is_written_as_before() {
    let text = b"name: own\nversion: 1\nrules: [{name: a, description: b, when: [{nodesMoreThan: 1}]}]\n";
    let written = serde_json::to_value(Policy::parse("own.yaml", text).unwrap()).unwrap().to_string();
    for name in ["protected", "pods", "objects", "namespaces"] {
        assert!(!written.contains(name), "its digest stays what it was: {written}");
    }
}
