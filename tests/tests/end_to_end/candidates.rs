//! What a missing value could be: named by a run that may not ask, looked up where the value would stand, and never taken.

use std::time::{Duration, Instant};

use belay_testkit::cluster::{Fault, Matching};
use serde_json::{Value, json};

use crate::support::desk::Ran;
use crate::support::shop::Shop;

/// A runbook whose `deployment` no alert carries.
const INPUTS: &str = "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata:
  name: lacking
spec:
  name: A runbook that lacks a value
  description: Restarts what is asked for.
  trigger: { manual: true }
  inputs:
    pod: { type: string, description: The pod, default: '{{ .Alert.Labels.pod }}' }
    deployment: { type: string, description: Its owner, pattern: '[a-z-]+', required: true, default: '{{ .Alert.Labels.deployment }}' }
  steps:
";
const ACTIONS: &str = "    - name: look
      action: kubernetes.get_pod
      parameters: { podName: '{{ .Vars.pod }}' }
    - name: restart
      action: kubernetes.restart_deployment
      parameters: { deployment: '{{ .Vars.deployment }}' }
";
const COMMANDS: &str = "    - name: look
      type: verification
      commands: ['kubectl get pod {pod} -n shop']
    - name: restart
      commands: ['kubectl rollout restart deployment/{deployment} -n shop']
      rollback: { irreversible: new pods stay }
";
const AUTOMATION: &str = "    - name: scale
      automation: scale_service
      parameters: { deployment_name: '{{ .Vars.deployment }}', replicas: 3, namespace: shop }
";

impl Shop {
    fn lacking(&self, steps: &str) -> String {
        self.desk.file("lacking.yaml", &format!("{INPUTS}{steps}")).display().to_string()
    }

    fn alert(&self, labels: &Value) -> String {
        let alert = json!({ "alerts": [{ "status": "firing", "labels": labels, "annotations": {} }] });
        self.desk.file("alert.json", &alert.to_string()).display().to_string()
    }

    fn a_pod(&self) -> String {
        let pods = self.cluster.objects("pods", "shop");
        let mut of_checkout = pods.iter().filter(|pod| pod["metadata"]["labels"]["app"] == "checkout");
        of_checkout.next().unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
    }

    /// What a runbook asks for behind its checklist: the first candidate for a value.
    fn asked_after_checklist(&self, arguments: &[&str], name: &str) -> (String, String) {
        let all = ["run"].iter().chain(arguments).chain(&["--no-input"]);
        self.desk.belay(all).exits(3);
        self.desk.belay(["check", "@last", "--all"]).exits(0);
        let view = self.desk.belay(["resume", "@last", "--no-input", "--json"]).exits(3).json_lines().pop().unwrap();
        let options = view["waiting_on"][0]["options"].as_array().unwrap_or_else(|| panic!("{view:#}"));
        let option = options.iter().find(|option| option["name"] == name).unwrap_or_else(|| panic!("{options:#?}"));
        first(option)
    }

    /// Runs a runbook for an alert of a pod, without anybody to ask.
    fn run_for(&self, file: &str, pod: &str) -> Ran {
        let alert = self.alert(&json!({ "alertname": "PodOOMKilled", "pod": pod, "namespace": "shop" }));
        self.desk.belay(["run", file, "--alert", &alert, "--no-input", "--json"])
    }
}

/// What an error says that a value could be, the first of it.
fn first_of(document: &Value, name: &str) -> (String, String) {
    let missing = document["error"]["missing"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    let of = missing.iter().find(|missing| missing["name"] == name).unwrap_or_else(|| panic!("{document:#}"));
    first(of)
}

fn first(of: &Value) -> (String, String) {
    let text = |field: &str| of["candidates"][0][field].as_str().unwrap_or_else(|| panic!("{of:#}")).to_owned();
    (text("value"), text("note"))
}

#[test]
fn the_owner_of_the_alerts_pod_is_named_first_and_nothing_is_started() {
    let shop = Shop::new("staging");
    shop.cluster.add_deployment("shop", "basket", 1);
    let pod = shop.a_pod();
    for steps in [ACTIONS, COMMANDS] {
        let ran = shop.run_for(&shop.lacking(steps), &pod).exits(2);
        let owner = ("checkout".to_owned(), format!("owner of pod {pod}"));
        assert_eq!(first_of(&ran.json(), "deployment"), owner);
        assert!(
            ran.stderr.contains(&format!("`deployment` could be `checkout` (owner of pod {pod}), `basket`")),
            "{ran:?}"
        );
        assert!(ran.stderr.contains("--var deployment=VALUE"), "{ran:?}");
    }
    assert_eq!(shop.cluster.changes(), []);
    let executions = shop.desk.belay(["executions", "--json"]).exits(0).json();
    assert_eq!(executions, json!([]), "a candidate is a proposal");
}

#[test]
fn what_an_automation_is_given_is_looked_up_where_the_automation_puts_it() {
    let shop = Shop::new("staging");
    let ran = shop.run_for(&shop.lacking(AUTOMATION), &shop.a_pod()).exits(2);
    assert_eq!(first_of(&ran.json(), "deployment").0, "checkout", "{ran:?}");
}

#[test]
fn the_bundled_runbook_for_a_killed_pod_says_what_its_alert_does_not() {
    let shop = Shop::new("staging");
    let pod = shop.a_pod();
    let alert = shop.alert(&json!({ "alertname": "PodOOMKilled", "pod": pod, "namespace": "shop" }));
    assert_eq!(
        shop.asked_after_checklist(&["pod-restart", "--alert", &alert], "deployment").1,
        format!("owner of pod {pod}")
    );
    shop.desk.belay(["provide", "@last", "deployment=checkout"]).exits(0);
    let drained = shop.asked_after_checklist(&["node-drain"], "node");
    assert_eq!(drained, ("node-1".to_owned(), "ready".to_owned()));
}

#[test]
fn what_a_runbook_would_refuse_is_not_offered() {
    let shop = Shop::new("staging");
    shop.cluster.add_deployment("shop", "basket-2", 1);
    let ran = shop.run_for(&shop.lacking(ACTIONS), "no-such-pod").exits(2).json();
    let offered = ran["error"]["missing"][0]["candidates"].as_array().unwrap();
    assert_eq!(offered.len(), 1, "a digit does not match the pattern: {ran:#}");
}

#[test]
fn a_list_that_may_not_be_read_leaves_the_question_as_it_is() {
    let shop = Shop::new("staging");
    shop.cluster.forbid("*", "deployments.apps");
    shop.cluster.forbid("*", "pods");
    let file = shop.lacking(ACTIONS);
    let ran = shop.run_for(&file, &shop.a_pod()).exits(2);
    assert!(ran.stderr.contains("error: no value for `deployment`"), "{ran:?}");
    assert!(ran.stderr.contains("cannot be listed") && ran.stderr.contains("forbidden"), "{ran:?}");
    // Without a cluster there is nothing to list, and nothing to say about that.
    let alert = shop.alert(&json!({ "alertname": "PodOOMKilled", "pod": "x" }));
    let local = shop.desk.belay(["run", &file, "--alert", &alert, "--context", "local", "--no-input"]).exits(2);
    assert!(!local.stderr.contains("listed"), "{local:?}");
}

#[test]
fn a_cluster_that_does_not_answer_holds_the_question_up_for_a_moment_only() {
    let shop = Shop::new("staging");
    shop.cluster.fail_always(Matching::any(), Fault::Slow(Duration::from_secs(20)));
    let begun = Instant::now();
    let ran = shop.run_for(&shop.lacking(ACTIONS), &shop.a_pod()).exits(2);
    assert!(begun.elapsed() < Duration::from_secs(12), "it took {:?}", begun.elapsed());
    assert!(ran.stderr.contains("no answer within 3 s"), "{ran:?}");
}

#[test]
fn an_execution_that_waits_for_a_value_says_what_it_could_be() {
    let shop = Shop::new("staging");
    let file = shop.runbook(
        "    - name: status
      action: kubernetes.rollout_status
      parameters: { deployment: '{{ .Alert.Labels.deployment }}' }
",
    );
    let pod = shop.a_pod();
    let ran = shop.run_for(&file, &pod).exits(3);
    let view = ran.json_lines().pop().unwrap();
    let option = &view["waiting_on"][0]["options"][0];
    assert_eq!(option["name"], ".Alert.Labels.deployment");
    assert_eq!(option["candidates"][0], json!({ "value": "checkout", "note": format!("owner of pod {pod}") }));
    let told = shop.desk.belay(["resume", "@last", "--no-input"]).exits(3);
    assert!(told.stdout.contains("could be `checkout` (owner of pod"), "{told:?}");
    shop.desk.belay(["provide", "@last", ".Alert.Labels.deployment=checkout"]).exits(0);
    assert_eq!(shop.resume(), Some(0));
}

#[test]
fn what_a_cluster_calls_itself_is_shown_without_its_control_characters() {
    let shop = Shop::new("staging");
    let evil = |object: &mut Value| {
        object["status"]["phase"] = json!("Failed");
        object["status"]["reason"] = json!("\u{1b}]0;owned\u{7}\u{202e}gnihtyreve");
    };
    let pod = shop.a_pod();
    shop.cluster.change("pods", "shop", &pod, evil).unwrap();
    let file = shop.runbook(
        "    - name: look
      action: kubernetes.get_pod
      parameters: { podName: '{{ .Alert.Labels.pod }}' }
",
    );
    let ran = shop.desk.belay(["run", &file, "--no-input"]).exits(3);
    assert!(ran.stdout.contains(&format!("`{pod}`")), "{ran:?}");
    assert!(!ran.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{ran:?}");
}
