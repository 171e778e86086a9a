//! Executions that change a cluster, through the program alone.

use std::time::Duration;

use belay_testkit::cluster::{Fault, Matching};
use serde_json::{Value, json};

use crate::support::shop::Shop;

pub(crate) const SCALE: &str = "    - name: scale
      action: kubernetes.scale_deployment
      parameters: { deployment: checkout, replicas: 8 }
";

#[test]
fn what_was_changed_in_production_was_approved_and_is_put_back_when_a_later_step_fails() {
    let shop = Shop::new("production");
    let file = shop.runbook(&format!(
        "{SCALE}    - name: cordon
      action: kubernetes.cordon_node
      parameters: {{ nodeName: node-1 }}
    - name: status
      action: kubernetes.rollout_status
      parameters: {{ deployment: nothing-of-that-name }}
"
    ));
    shop.desk.belay(["run", &file, "--no-input"]).exits(3);
    assert_eq!(shop.replicas(), 4, "nothing happens before somebody agrees");
    let reasons = shop.desk.status("@last")["steps"][0]["approval"]["reasons"].to_string();
    assert!(reasons.contains("production") && reasons.contains("from 4 to 8 replicas"), "{reasons}");
    assert_eq!(shop.approve("scale"), "deployment/shop/checkout");
    assert_eq!(shop.resume(), Some(3), "the next change waits for its own approval");
    assert_eq!(shop.replicas(), 8);
    assert_eq!(shop.approve("cordon"), "node/node-1");

    let code = shop.resume();
    let status = shop.desk.status("@last");
    assert_eq!(status["status"], "rolled_back", "{code:?} {status:#}");
    assert_eq!(shop.replicas(), 4);
    assert!(!shop.is_cordoned("node-1"));
    assert_eq!(shop.desk.belay(["audit", "verify", "--json"]).exits(0).json()["ok"], true);
}

#[test]
fn an_autoscaler_between_approval_and_act_voids_what_was_agreed_to() {
    let shop = Shop::new("production");
    let file = shop.runbook(SCALE);
    shop.desk.belay(["run", &file, "--no-input"]).exits(3);
    shop.approve("scale");
    shop.cluster.change("deployments", "shop", "checkout", |object| object["spec"]["replicas"] = json!(5)).unwrap();
    assert_eq!(shop.resume(), Some(3));
    assert_eq!(shop.replicas(), 5, "nothing was changed");
    let log = shop.desk.belay(["log", "@last"]).exits(0).stdout;
    let log = log.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(log.contains("replicas were to go from 4 to 8, now from 5 to 8"), "the difference is shown: {log}");
    shop.approve("scale");
    assert_eq!(shop.resume(), Some(0));
    assert_eq!(shop.replicas(), 8);
}

#[test]
fn what_somebody_changed_since_is_left_to_a_person_with_all_three_states() {
    let shop = Shop::new("staging");
    let scale = SCALE.replace("replicas: 8", "replicas: 5");
    let file = shop.runbook(&scale);
    shop.desk.belay(["run", &file, "--no-input"]).exits(0);
    shop.cluster.change("deployments", "shop", "checkout", |object| object["spec"]["replicas"] = json!(9)).unwrap();
    shop.desk.belay(["rollback", "@last", "--reason", "it did not help", "--no-input"]).exits(0);
    let code = shop.resume();
    let status = shop.desk.status("@last");
    assert_eq!((code, &status["status"]), (Some(1), &json!("stuck")), "{status:#}");
    let said = status.to_string();
    assert!(["\"before\"", "\"after\"", "\"live\""].iter().all(|state| said.contains(state)), "{status:#}");
    assert_eq!(shop.replicas(), 9);
}

#[test]
fn a_change_whose_answer_was_lost_is_asked_about_and_not_made_again() {
    let shop = Shop::new("staging");
    let scale = SCALE.replace("replicas: 8", "replicas: 5");
    let file = shop.runbook(&scale);
    shop.cluster.fail_next(Matching::verb("patch"), Fault::LostAnswer);
    shop.desk.belay(["run", &file, "--no-input"]).exits(0);
    assert_eq!(shop.replicas(), 5);
    assert_eq!(shop.changes("deployments/scale"), 1, "one change was sent");
}

#[test]
fn a_node_is_drained_as_a_script_has_counted_it() {
    let shop = Shop::new("staging");
    shop.cluster.set_pod_start(Duration::from_millis(50));
    let file = shop.runbook(
        "    - name: count
      action: script.execute
      parameters:
        script: |
          const pods = await kubernetes.listPods({ fieldSelector: 'spec.nodeName=node-1' });
          return { podCount: pods.length, movable: pods.filter(p => !p.spec.daemonset).length };
    - name: drain
      action: kubernetes.drain_node
      parameters: { nodeName: node-1, ignoreDaemonsets: true }
    - name: verify
      action: script.execute
      parameters:
        script: |
          const pods = await kubernetes.listPods({ fieldSelector: 'spec.nodeName=node-1' });
          return { remaining: pods.filter(p => !p.spec.daemonset).length };
      validation:
        postCondition: { remaining: 0 }
",
    );
    let ran = shop.desk.belay(["run", &file, "--no-input"]);
    let status = shop.desk.status("@last");
    assert_eq!(ran.code, Some(0), "{ran:#?} {status:#}");
    assert!(shop.is_cordoned("node-1"));
    let pods = shop.cluster.objects("pods", "shop");
    let left: Vec<&Value> = pods.iter().filter(|pod| pod["spec"]["nodeName"] == "node-1").collect();
    assert_eq!(left.len(), 1, "the daemon set's");
}

#[test]
fn a_plan_shows_what_would_change_on_the_cluster_and_changes_nothing() {
    let shop = Shop::new("production");
    let plan = shop.desk.belay(["plan", &shop.runbook(SCALE), "--json"]).exits(0).json();
    let step = &plan["steps"][0];
    assert_eq!(step["acts"][0]["target"], "deployment/shop/checkout", "{plan:#}");
    assert_eq!(step["impact"], "HIGH", "{plan:#}");
    assert!(step["approval"].to_string().contains("from 4 to 8 replicas"), "{plan:#}");
    assert_eq!(step["undo"]["status"], "ready", "{plan:#}");
    let drain = "    - name: drain\n      action: kubernetes.drain_node\n      parameters: { nodeName: node-1, ignoreDaemonsets: true }\n";
    let said = shop.desk.belay(["plan", &shop.runbook(drain)]).exits(0).stdout;
    assert!(said.contains("pods on the node"), "what was read is shown to whoever has to agree: {said}");
    assert_eq!(shop.cluster.changes(), []);
}

#[test]
fn a_context_without_a_cluster_is_told_so_before_anything_runs() {
    let shop = Shop::new("staging");
    let file = shop.runbook(SCALE);
    let plan = shop.desk.belay(["plan", &file, "--context", "local", "--json"]).exits(0).json();
    let problems = plan["steps"][0]["problems"].to_string();
    assert!(problems.contains("context `local` names no cluster"), "{problems}");
    let list = shop.desk.belay(["context", "list", "--json"]).exits(0).json();
    let of_shop = list.as_array().unwrap().iter().find(|context| context["name"] == "shop").unwrap();
    assert_eq!((&of_shop["cluster"], &of_shop["namespace"]), (&json!("shop"), &json!("shop")));
}

#[test]
fn a_freeze_stops_an_execution_before_its_next_change_and_its_rollback_too() {
    let shop = Shop::new("staging");
    let two = "    - name: cordon
      action: kubernetes.cordon_node
      parameters: { nodeName: node-1 }
    - name: scale
      action: kubernetes.scale_deployment
      parameters: { deployment: checkout, replicas: 5 }
      approval: { required: true }
";
    shop.desk.belay(["run", &shop.runbook(two), "--no-input"]).exits(3);
    assert!(shop.is_cordoned("node-1"));
    shop.approve("scale");
    shop.desk.belay(["freeze", "--reason", "the database is being moved"]).exits(0);
    assert_eq!(shop.resume(), Some(3));
    let waiting = shop.desk.status("@last")["waiting_on"].to_string();
    assert!(waiting.contains("the database is being moved") && waiting.contains("belay unfreeze"), "{waiting}");
    assert_eq!(shop.replicas(), 4);
    shop.desk.belay(["rollback", "@last", "--reason", "never mind", "--no-input"]).exits(0);
    shop.resume();
    let status = shop.desk.status("@last");
    assert!(shop.is_cordoned("node-1"), "taking something back changes something too: {status:#}");
    assert!(status["waiting_on"].to_string().contains("the database is being moved"), "{status:#}");
    let doctor = shop.desk.belay(["doctor", "--json"]).json();
    assert!(doctor["checks"].to_string().contains("alice froze automation"), "{doctor:#}");

    shop.desk.belay(["unfreeze"]).exits(0);
    shop.desk.belay(["settle", "@last", "cordon", "--choice", "retry"]).exits(0);
    let ran = shop.desk.belay(["resume", "@last", "--no-input"]);
    let status = shop.desk.status("@last");
    assert!(!shop.is_cordoned("node-1"), "{ran:#?} {status:#}");
    assert_eq!(status["status"], "rolled_back", "{status:#}");
}

#[test]
fn rights_that_are_missing_are_known_before_the_first_step() {
    let shop = Shop::new("staging");
    shop.cluster.forbid("patch", "deployments/scale.apps");
    let report = shop.desk.belay(["context", "check", "--json"]).exits(0).json();
    assert_eq!(report["cluster"]["denied"], json!(["patch deployments/scale.apps"]), "{report:#}");
    assert_eq!(report["cluster"]["fingerprint"], format!("cluster {}", shop.cluster.uid()));
    let said = shop.desk.belay(["context", "check"]).exits(0).stdout;
    assert!(said.contains("and not these") && said.contains("patch deployments/scale.apps"), "{said}");
    let plan = shop.desk.belay(["plan", &shop.runbook(SCALE), "--json"]).exits(0).json();
    let problems = plan["steps"][0]["problems"].to_string();
    assert!(problems.contains("this account may not `patch deployments/scale.apps` in context `shop`"), "{plan:#}");

    shop.cluster.refuse_connections(Duration::from_mins(1));
    let ran = shop.desk.belay(["context", "check"]).exits(5);
    assert!(ran.stderr.contains("context `shop`") && ran.stderr.contains("cannot be reached"), "{ran:#?}");
}
