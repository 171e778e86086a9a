//! Bundled runbooks on a cluster that fits their alert: they run to their end and roll back, whichever right is missing.

use std::collections::BTreeMap;

use belay_testkit::cluster::Matching;
use serde_json::{Value, json};

use crate::support::shop::{CHECKOUT, Shop};

/// One bundled runbook, and how people answer it.
struct Rehearsal {
    runbook: &'static str,
    /// Which branch of which decision.
    decisions: &'static [(&'static str, &'static str)],
    /// Rights without which one of its changes cannot be made.
    rights: &'static [&'static str],
}

const DRAIN: Rehearsal =
    Rehearsal { runbook: "node-drain", decisions: &[], rights: &["patch nodes", "create pods/eviction"] };

const RESTART: Rehearsal = Rehearsal { runbook: "pod-restart", decisions: &[], rights: &["patch deployments.apps"] };

const SUSPICION: Rehearsal = Rehearsal {
    runbook: "suspicious-activity",
    decisions: &[("compromised", "taken-over")],
    rights: &[
        "create networkpolicies.networking.k8s.io",
        "patch pods",
        "patch secrets",
        "patch deployments.apps",
        "patch configmaps",
        "get pods/log",
    ],
};

/// A shop with a pod of `checkout` to be suspicious of.
fn shop() -> (Shop, Value) {
    let shop = Shop::with_config("production", &format!("    config:\n{CHECKOUT}"));
    shop.furnish();
    let pods = shop.cluster.objects("pods", "shop");
    let pod = pods.iter().find(|pod| pod["metadata"]["labels"]["app"] == "checkout").unwrap();
    let labels = json!({
        "alertname": "Rehearsal", "service": "checkout", "namespace": "shop", "node": "node-1", "source_ip": "192.0.2.7",
        "deployment": "checkout", "container": "app", "pod": pod["metadata"]["name"],
    });
    shop.cluster.forget_calls();
    (shop, labels)
}

/// What a rollback has to bring back.
fn state(shop: &Shop) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let mut keep = |plural: &str, namespace: &str, pointers: &[&str]| {
        for object in shop.cluster.objects(plural, namespace) {
            let kept: Vec<Value> =
                pointers.iter().map(|pointer| object.pointer(pointer).cloned().unwrap_or_default()).collect();
            let kept: Vec<Value> =
                kept.into_iter().map(|value| if value == json!({}) { Value::Null } else { value }).collect();
            all.insert(format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap()), Value::Array(kept));
        }
    };
    keep("deployments", "shop", &["/spec/replicas", "/spec/template/spec"]);
    keep("configmaps", "shop", &["/data", "/metadata/annotations"]);
    keep("networkpolicies", "shop", &["/spec"]);
    keep("nodes", "", &["/spec/unschedulable"]);
    for node in all.iter_mut().filter(|(name, _)| name.starts_with("nodes/")).map(|(_, value)| value) {
        *node = json!(node[0] == json!(true));
    }
    all
}

/// Takes back what ran last, and says of an act whose outcome is not known that it is to be taken back, too.
fn undo(shop: &Shop) -> Value {
    let status = shop.desk.status("@last");
    for waiting in status["waiting_on"].as_array().into_iter().flatten().filter(|one| one["kind"] == "outcome") {
        shop.desk.belay(["confirm", "@last", waiting["step"].as_str().unwrap(), "--outcome", "undo"]);
    }
    shop.desk.belay(["rollback", "@last", "--reason", "rehearsed", "--no-input"]);
    for _ in 0..20 {
        shop.resume();
        let status = shop.desk.status("@last");
        let waiting = status["waiting_on"].as_array().cloned().unwrap_or_default();
        let Some(approval) = waiting.iter().find(|one| one["kind"] == "approval") else { return status };
        shop.approve(approval["step"].as_str().unwrap());
    }
    panic!("it asks for ever");
}

impl Rehearsal {
    /// Starts it, and answers whatever waits until nothing does or it cannot go on.
    fn play(&self, shop: &Shop, labels: &Value) -> Value {
        let alert = json!({ "alerts": [{ "status": "firing", "labels": labels, "annotations": {} }] });
        let alert = shop.desk.file("alert.json", &alert.to_string()).display().to_string();
        shop.desk.belay(["run", self.runbook, "--alert", &alert, "--no-input"]);
        for _ in 0..40 {
            let status = shop.desk.status("@last");
            let waiting = status["waiting_on"].as_array().cloned().unwrap_or_default();
            let Some(waiting) = waiting.first() else { return status };
            let step = waiting["step"].as_str().unwrap_or_default();
            let said = match waiting["kind"].as_str().unwrap() {
                "checklist" => shop.desk.belay(["check", "@last", "--all"]),
                "manual" => shop.desk.belay(["confirm", "@last", step, "--note", "seen"]),
                "decision" => {
                    let branch = self.decisions.iter().find(|(name, _)| *name == step);
                    shop.desk.belay(["decide", "@last", step, branch.unwrap_or_else(|| panic!("{waiting:#}")).1])
                }
                "approval" => {
                    shop.approve(step);
                    shop.resume();
                    continue;
                }
                // A person looks and takes it back.
                "outcome" | "escalation" => return status,
                other => panic!("{other}: {status:#}"),
            };
            assert_eq!(said.code, Some(0), "{said:#?}");
            shop.resume();
        }
        panic!("it asks for ever");
    }

    fn runs_and_rolls_back(&self) -> Shop {
        let (shop, labels) = shop();
        let before = state(&shop);
        let status = self.play(&shop, &labels);
        assert_eq!(status["status"], "completed", "{status:#}");
        assert_ne!(state(&shop), before, "it changes something");
        let status = undo(&shop);
        assert_eq!(status["status"], "rolled_back", "{status:#}");
        assert_eq!(state(&shop), before);
        shop
    }

    fn unwinds_without_each_right(&self) {
        for right in self.rights {
            let (shop, labels) = shop();
            let before = state(&shop);
            shop.cluster.forbid_matching(Matching::from(*right));
            let status = self.play(&shop, &labels);
            let text = status.to_string();
            let (verb, resource) = right.split_once(' ').unwrap();
            let plain = resource.split('.').next().unwrap();
            assert!(text.contains(plain) && text.contains(verb), "without `{right}`: {status:#}");
            shop.cluster.permit_all();
            let status = undo(&shop);
            let nothing = status["status"] == "failed" && shop.cluster.changes().is_empty();
            assert!(status["status"] == "rolled_back" || nothing, "without `{right}`: {status:#}");
            assert_eq!(state(&shop), before, "without `{right}`: {status:#}");
        }
    }
}

#[test]
fn a_node_is_drained_and_comes_back() {
    DRAIN.runs_and_rolls_back();
}

#[test]
fn a_drain_that_may_not_go_on_leaves_the_node_as_it_was() {
    DRAIN.unwinds_without_each_right();
}

#[test]
fn a_container_gets_more_memory_and_loses_it_again() {
    let shop = RESTART.runs_and_rolls_back();
    let log = shop.desk.belay(["log", "@last", "--json"]).exits(0).stdout;
    assert!(log.contains("768Mi"), "one and a half times 512Mi");
}

#[test]
fn a_restart_that_may_not_go_on_leaves_the_deployment_as_it_was() {
    RESTART.unwinds_without_each_right();
}

#[test]
fn suspicious_activity_is_contained_with_evidence_and_lifted_again() {
    let shop = SUSPICION.runs_and_rolls_back();
    assert!(shop.desk.home.join("evidence/custody").is_dir(), "evidence stays");
    let secret = shop.cluster.object("secrets", "shop", "checkout-token").unwrap();
    assert_ne!(secret["data"]["token"], "b2xkLXRva2VuLWluLWZvcmNl", "what may be known does not come back");
}

#[test]
fn a_source_is_blocked_though_its_pod_is_gone() {
    let (shop, labels) = shop();
    shop.cluster.remove("pods", "shop", labels["pod"].as_str().unwrap()).unwrap();
    let status = SUSPICION.play(&shop, &labels);
    assert_eq!(status["status"], "completed", "{status:#}");
    assert!(shop.cluster.object("networkpolicies", "shop", "belay-blocked-addresses").is_some());
    let secret = shop.cluster.object("secrets", "shop", "checkout-token").unwrap();
    assert_ne!(
        secret["data"]["token"], "b2xkLXRva2VuLWluLWZvcmNl",
        "what cannot be isolated keeps nobody from the rest"
    );
}

#[test]
fn a_drain_asks_before_it_cordons_where_data_would_be_lost() {
    let (shop, labels) = shop();
    let scratch = |object: &mut Value| {
        object["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "scratch", "emptyDir": {} }]);
    };
    shop.cluster.change("deployments", "shop", "checkout", scratch).unwrap();
    let alert = json!({ "alerts": [{ "status": "firing", "labels": labels, "annotations": {} }] });
    let alert = shop.desk.file("alert.json", &alert.to_string()).display().to_string();
    shop.desk.belay(["run", "node-drain", "--alert", &alert, "--no-input"]);
    shop.desk.belay(["check", "@last", "--all"]).exits(0);
    shop.resume();
    let status = shop.desk.status("@last");
    assert_eq!(
        (&status["waiting_on"][0]["kind"], &status["waiting_on"][0]["step"]),
        (&json!("manual"), &json!("held")),
        "{status:#}"
    );
    assert!(!shop.is_cordoned("node-1"));
}

#[test]
fn a_containment_that_may_not_go_on_is_lifted_as_a_whole() {
    SUSPICION.unwinds_without_each_right();
}
