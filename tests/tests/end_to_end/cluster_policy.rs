//! What the policy says of acts on a cluster: protected namespaces, limits, and what is looked for before a start.

use belay_testkit::cluster::Matching;
use serde_json::{Value, json};

use crate::clusters::SCALE;
use crate::support::shop::Shop;

const RESTART: &str = "    - name: restart
      action: kubernetes.restart_deployment
      parameters: { deployment: coredns, namespace: kube-system }
";

/// One more rule in the policy of a desk.
fn with_rule(shop: &Shop, rule: &str) {
    let path = shop.desk.home.join("policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    let more = policy.replacen("rules:\n", &format!("rules:\n  - {rule}\n"), 1);
    assert_ne!(policy, more);
    std::fs::write(&path, more).unwrap();
}

fn approval(shop: &Shop, step: usize) -> Value {
    shop.desk.status("@last")["steps"][step]["approval"].clone()
}

#[test]
fn a_step_that_names_a_protected_namespace_waits_for_approval_whatever_the_context_says() {
    let shop = Shop::new("staging");
    shop.cluster.add_deployment("kube-system", "coredns", 2);
    let file = shop.runbook(RESTART);
    let plan = shop.desk.belay(["plan", &file, "--json"]).exits(0).json();
    assert!(plan["steps"][0]["approval"].to_string().contains("protected namespace"), "{plan:#}");
    assert_eq!(plan["steps"][0]["impact"], "HIGH", "{plan:#}");
    shop.cluster.forget_calls();
    shop.desk.belay(["run", &file, "--no-input"]).exits(3);
    let reasons = approval(&shop, 0)["reasons"].to_string();
    assert!(reasons.contains("protected-namespaces") && reasons.contains("kube-system"), "{reasons}");
    assert_eq!(shop.cluster.changes(), []);
    shop.approve("restart");
    assert_eq!(shop.resume(), Some(0), "{:#}", shop.desk.status("@last"));
    let template = shop.cluster.object("deployments", "kube-system", "coredns").unwrap()["spec"]["template"].clone();
    assert!(template.to_string().contains("restartedAt"), "{template:#}");
}

#[test]
fn a_context_protects_namespaces_and_a_policy_may_refuse_them() {
    let shop = Shop::new("staging");
    let contexts = shop.desk.home.join("contexts.yaml");
    let text = std::fs::read_to_string(&contexts).unwrap();
    std::fs::write(&contexts, format!("{text}    protectedNamespaces: [sh*]\n")).unwrap();
    let file = shop.runbook(&SCALE.replace("replicas: 8", "replicas: 5"));
    shop.desk.belay(["run", &file, "--no-input"]).exits(3);
    assert!(approval(&shop, 0)["reasons"].to_string().contains("everywhere: shop"), "{:#}", approval(&shop, 0));
    with_rule(&shop, "{name: never, description: nobody, when: [{protectedNamespace: true}], forbid: true}");
    shop.approve("scale");
    assert_eq!(shop.resume(), Some(1), "the policy of now is stricter");
    let status = shop.desk.status("@last");
    assert!(status["error"].to_string().contains("`never` forbids it: nobody: shop"), "{status:#}");
    assert_eq!(shop.replicas(), 4);
}

#[test]
fn rights_are_asked_for_the_namespace_of_the_step() {
    let shop = Shop::new("staging");
    shop.cluster.add_deployment("kube-system", "coredns", 2);
    shop.cluster.forbid_matching(Matching::verb("patch").with_resource("deployments.apps").in_namespace("kube-system"));
    let file = shop.runbook(&format!(
        "{RESTART}{}",
        RESTART.replace("name: restart", "name: other").replace("coredns, namespace: kube-system", "checkout")
    ));
    let plan = shop.desk.belay(["plan", &file, "--json"]).exits(0).json();
    let problems = plan["steps"][0]["problems"].to_string();
    assert!(problems.contains("may not `patch deployments.apps in kube-system` in context `shop`"), "{plan:#}");
    assert_eq!(plan["steps"][1]["problems"], json!([]), "the context's own namespace is open");
}

#[test]
fn an_act_over_a_cap_is_refused_and_one_that_is_over_it_together_with_those_before_as_well() {
    let shop = Shop::new("staging");
    with_rule(&shop, "{name: few-pods, description: at most one pod, when: [{podsMoreThan: 1}], forbid: true}");
    let pods: Vec<String> = shop
        .cluster
        .objects("pods", "shop")
        .iter()
        .filter(|pod| pod["metadata"]["labels"]["app"] == "checkout")
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    let restart = |name: &str, pod: &str| {
        format!("    - name: {name}\n      action: kubernetes.restart_pod\n      parameters: {{ podName: {pod} }}\n")
    };
    let file = shop.runbook(&format!("{}{}", restart("one", &pods[0]), restart("two", &pods[1])));
    let file = file.as_str();
    std::fs::write(
        file,
        std::fs::read_to_string(file).unwrap().replace("rollbackOnFailure: true", "rollbackOnFailure: false"),
    )
    .unwrap();
    shop.cluster.forget_calls();
    shop.desk.belay(["run", file, "--no-input"]).exits(1);
    let status = shop.desk.status("@last");
    assert!(status["error"].to_string().contains("2 pods of at most 1, with the 1 before"), "{status:#}");
    let deleted = shop.cluster.changes().iter().filter(|call| call.verb == "delete").count();
    assert_eq!(deleted, 1, "{:#?}", shop.cluster.changes());

    let drain = "    - name: drain\n      action: kubernetes.scale_deployment\n      parameters: { deployment: checkout, replicas: 1 }\n";
    let plan = shop.desk.belay(["plan", &shop.runbook(drain), "--json"]).exits(0).json();
    assert!(plan["steps"][0]["problems"].to_string().contains("3 pods of at most 1"), "{plan:#}");
}

#[test]
fn a_drain_says_which_share_of_a_workload_it_takes_and_a_cap_on_that_asks() {
    let shop = Shop::new("staging");
    with_rule(&shop, "{name: share, description: not so many, when: [{podsOverPercent: 24}]}");
    let drain = "    - name: drain\n      action: kubernetes.drain_node\n      parameters: { nodeName: node-1, ignoreDaemonsets: true }\n";
    let plan = shop.desk.belay(["plan", &shop.runbook(drain), "--json"]).exits(0).json();
    let approval = plan["steps"][0]["approval"].to_string();
    assert!(approval.contains("% of one workload's pods, of at most 24 %"), "{plan:#}");
    let command = "    - name: drain\n      commands: [kubectl drain node-1]\n      rollback: { irreversible: no }\n";
    let plan = shop.desk.belay(["plan", &shop.runbook(command), "--json"]).exits(0).json();
    let approval = plan["steps"][0]["approval"].to_string();
    assert!(approval.contains("cannot be told"), "what nobody can count needs approval: {plan:#}");
}

#[test]
fn a_policy_is_tried_with_cases_before_it_holds() {
    let shop = Shop::new("staging");
    let cases = |expected: &str| {
        let text = format!(
            "cases:\n  - name: system\n    action: kubernetes.restart_deployment\n    parameters: {{ deployment: a, \
             namespace: kube-system }}\n    live: {{ pods: 2, share: 0 }}\n    expect: {{ verdict: {expected}, impact: HIGH }}\n"
        );
        shop.desk.file("cases.yaml", &text).display().to_string()
    };
    let tried = shop.desk.belay(["policy", "test", &cases("approval"), "--json"]).exits(0).json();
    assert_eq!((&tried["ok"], &tried["cases"][0]["verdict"]), (&json!(true), &json!("approval")), "{tried:#}");
    let tried = shop.desk.belay(["policy", "test", &cases("allowed")]).exits(1);
    assert!(tried.stdout.contains("verdict: allowed expected, approval found"), "{tried:#?}");
    shop.desk.belay(["policy", "test", &cases("perhaps")]).exits(2);
    let shown = shop.desk.belay(["policy", "show", "--json"]).exits(0).json();
    assert_eq!(shown["protected_namespaces"], json!(["kube-system", "kube-public", "kube-node-lease"]));
}

fn kinds(report: &Value, level: &str) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["level"] == level);
    checks.map(|check| check["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_preflight_finds_what_would_stop_a_run_and_changes_nothing() {
    let shop = Shop::new("staging");
    let file = shop.runbook(&SCALE.replace("replicas: 8", "replicas: 5"));
    let report = shop.desk.belay(["preflight", &file, "--json"]).exits(0).json();
    assert_eq!((&report["ok"], kinds(&report, "fine")), (&json!(true), vec!["cluster".to_owned()]), "{report:#}");

    let large = shop.runbook(SCALE);
    let report = shop.desk.belay(["preflight", &large, "--json"]).exits(0).json();
    assert_eq!(kinds(&report, "waits"), ["approval"], "{report:#}");

    let wrong = "    - name: count
      action: kubernetes.scale_deployment
      parameters: { deployment: 'no name', replicas: 5 }
    - name: absent
      commands: [a-program-that-is-nowhere --now]
      rollback: { irreversible: it changes nothing }
";
    let report = shop.desk.belay(["preflight", &shop.runbook(wrong), "--json"]).exits(5).json();
    assert_eq!(kinds(&report, "stops"), ["value", "program"], "{report:#}");
    assert_eq!(report["checks"][0]["steps"], json!(["count"]));

    shop.desk.belay(["freeze", "--reason", "the database is being moved"]).exits(0);
    let said = shop.desk.belay(["preflight", &shop.runbook(SCALE)]).exits(4).stdout;
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("✗ freeze alice froze all automation") && said.contains("1 thing would stop it"), "{said}");
    let doctor = shop.desk.belay(["doctor"]).stdout;
    let doctor = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor.contains("‖ frozen freeze alice froze automation"), "nothing is missing: {doctor}");
    assert_eq!(shop.cluster.changes(), []);
}

#[test]
fn a_preflight_names_missing_rights_and_the_command_that_renews_an_expired_login() {
    let shop = Shop::new("staging");
    let file = shop.runbook(&SCALE.replace("replicas: 8", "replicas: 5"));
    shop.cluster.forbid("patch", "deployments/scale.apps");
    let report = shop.desk.belay(["preflight", &file, "--json"]).exits(4).json();
    assert_eq!(kinds(&report, "stops"), ["right"], "{report:#}");

    let kubeconfig = shop.desk.home.join("kubeconfig");
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let (before, _) = text.split_once("    token:").unwrap();
    let exec = "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: IfAvailable\n      \
                command: aws\n      args: [--profile, prod, eks, get-token]\n";
    std::fs::write(&kubeconfig, format!("{before}{exec}")).unwrap();
    let programs = shop.desk.home.join("bin");
    std::fs::create_dir(&programs).unwrap();
    let aws = programs.join("aws");
    std::fs::write(&aws, "#!/bin/sh\necho 'the SSO session has expired' >&2\nexit 255\n").unwrap();
    std::fs::set_permissions(&aws, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = shop.desk.command(["preflight", &file, "--json"]);
    let report = crate::support::desk::Desk::finish({
        command.env("PATH", &path);
        command
    });
    let report = report.exits(5).json();
    assert_eq!(kinds(&report, "stops"), ["login"], "{report:#}");
    let said = report["checks"][0]["detail"].as_str().unwrap();
    assert!(said.contains("the SSO session has expired"), "{said}");
    assert!(said.contains("renew it with `aws sso login --profile prod`"), "{said}");
    let mut command = shop.desk.command(["run", &file, "--no-input"]);
    command.env("PATH", &path);
    let ran = crate::support::desk::Desk::finish(command).exits(3);
    let warned = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(warned.contains("`aws sso login --profile prod`"), "before the first step: {warned}");
}

#[test]
fn choosing_a_context_changes_one_line_of_the_file() {
    let shop = Shop::new("staging");
    let path = shop.desk.home.join("contexts.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = format!("# whose contexts\n{text}  other:\n    environment: production  # care\n");
    std::fs::write(&path, &text).unwrap();
    shop.desk.belay(["context", "use", "other"]).exits(0);
    let after = std::fs::read_to_string(&path).unwrap();
    assert_eq!(after, text.replace("current: shop", "current: other"));
    let list = shop.desk.belay(["context", "list", "--json"]).exits(0).json();
    let other = list.as_array().unwrap().iter().find(|context| context["name"] == "other").unwrap();
    assert_eq!((&other["current"], &other["production"]), (&json!(true), &json!(true)));
}
