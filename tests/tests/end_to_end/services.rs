//! Executions that change settings, networks and credentials of services on a cluster, through the program alone.

use belay_testkit::cluster::{ExecFault, Executed};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::shop::Shop;

const CONFIG: &str = "    config:
      services:
        checkout:
          kubernetes:
            configMap: settings
            configKey: app.yaml
            monitoring: { detailed: { settings: { logging: { level: debug } } } }
            credentials: { token: { secret: checkout-token, key: token } }
";

const FAILS: &str = "    - name: fails
      action: kubernetes.rollout_status
      parameters: { deployment: nothing-of-that-name }
";

fn shop() -> Shop {
    let shop = Shop::with_config("staging", CONFIG);
    let object = |kind: &str, name: &str, data: Value| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" }, "data": data });
    shop.cluster.create(object("ConfigMap", "settings", json!({ "app.yaml": "logging:\n  level: info\n" }))).unwrap();
    shop.cluster.create(object("Secret", "checkout-token", json!({ "token": "b2xkLXRva2VuLWluLWZvcmNl" }))).unwrap();
    shop.cluster.forget_calls();
    shop
}

fn settings(shop: &Shop) -> String {
    shop.cluster.object("configmaps", "shop", "settings").unwrap()["data"]["app.yaml"].as_str().unwrap().to_owned()
}

#[test]
fn settings_and_credentials_of_a_service_come_back_when_a_later_step_fails() {
    let shop = shop();
    let steps = "    - name: breaker
      action: config.update
      parameters: { service: checkout, config: { breaker: { enabled: true } }, restart: true }
    - name: watch
      action: monitoring.enable_detailed
      parameters: { service: checkout, duration: 600 }
    - name: rotate
      action: security.rotate_credentials
      parameters: { service: checkout }
";
    let ran = shop.desk.belay(["run", &shop.runbook(&format!("{steps}{FAILS}")), "--no-input"]);
    let status = shop.desk.status("@last");
    assert_eq!(status["status"], "rolled_back", "{ran:#?} {status:#}");
    assert!(settings(&shop).contains("level: info") && !settings(&shop).contains("breaker"), "{}", settings(&shop));
    let secret = shop.cluster.object("secrets", "shop", "checkout-token").unwrap();
    assert_eq!(secret["data"], json!({ "token": "b2xkLXRva2VuLWluLWZvcmNl" }));
    assert!(shop.changes("secrets") == 2 && shop.changes("configmaps") == 4, "each change and each undo once");
    let log = shop.desk.belay(["log", "@last", "--json"]).exits(0).stdout;
    assert!(!log.contains("old-token") && !log.contains("b2xkLXRva2Vu"), "no value stands in the log");
    assert_eq!(shop.desk.belay(["audit", "verify", "--json"]).exits(0).json()["ok"], true);
}

#[test]
fn a_block_waits_for_somebody_to_agree_and_comes_off_with_a_rollback() {
    let shop = shop();
    let steps = "    - name: block
      action: network.block_ip
      parameters: { ip: 192.0.2.7, duration: 3600 }
";
    shop.desk.belay(["run", &shop.runbook(steps), "--no-input"]).exits(3);
    assert_eq!(shop.cluster.objects("networkpolicies", "shop"), Vec::<Value>::new());
    assert_eq!(shop.approve("block"), "192.0.2.7/32 in shop");
    assert_eq!(shop.resume(), Some(0));
    let policy = shop.cluster.object("networkpolicies", "shop", "belay-blocked-addresses").unwrap();
    assert!(policy["spec"].to_string().contains("192.0.2.7/32"), "{policy:#}");
    shop.desk.belay(["rollback", "@last", "--reason", "a false alarm", "--no-input"]).exits(0);
    let code = shop.resume();
    let status = shop.desk.status("@last");
    assert_eq!(status["status"], "rolled_back", "{code:?} {status:#}");
    assert_eq!(shop.cluster.objects("networkpolicies", "shop"), Vec::<Value>::new());
}

#[test]
fn a_command_whose_end_is_lost_is_asked_about_and_not_run_again() {
    let shop = shop();
    shop.cluster.add_pod("shop", "cache", "node-1");
    let broken = Executed { fault: Some(ExecFault::Cut), ..Executed::said("begun\n") };
    shop.cluster.on_exec(move |_| broken.clone());
    let steps = "    - name: flush
      action: kubernetes.exec
      parameters: { podName: cache, argv: [redis-cli, SET, note, '{{ .Vars.key }}'] }
      retries: 3
      rollback: { irreversible: what was there before is not kept }
";
    let file = shop.runbook(steps);
    let text = std::fs::read_to_string(&file).unwrap();
    let inputs = "  inputs:\n    key: { type: string }\n  steps:";
    std::fs::write(&file, text.replace("  steps:", inputs)).unwrap();
    shop.desk.belay(["run", &file, "--no-input", "--var", "key=a b; $(id)"]);
    let status = shop.desk.status("@last");
    assert_eq!(status["steps"][0]["status"], "interrupted", "{status:#}");
    let ran = |call: &belay_testkit::cluster::Call| call.subresource == "exec";
    assert_eq!(shop.cluster.calls().iter().filter(|call| ran(call)).count(), 1, "it is sent once, retries or not");

    shop.cluster.on_exec(|exec| Executed::said(&format!("{:?}\n", exec.command)));
    shop.desk.belay(["confirm", "@last", "flush", "--outcome", "not-done"]).exits(0);
    let resumed = shop.desk.belay(["resume", "@last", "--no-input"]).exits(0);
    let log = shop.desk.belay(["log", "@last", "--json"]).exits(0).stdout;
    assert!(log.contains("a b; $(id)"), "one argument, as it was given: {resumed:#?}");
}

#[test]
fn evidence_lies_below_home_with_who_took_it() {
    let shop = shop();
    shop.cluster.add_pod("shop", "web", "node-1");
    shop.cluster.log("shop", "web", "app", &["what happened"]);
    let steps = "    - name: evidence
      action: forensics.snapshot
      parameters: { resources: [{ type: pod, name: web }] }
      rollback: { irreversible: evidence is kept }
";
    let ran = shop.desk.belay(["run", &shop.runbook(steps), "--no-input", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let folder = shop.desk.home.join("evidence");
    let custody: Vec<_> =
        std::fs::read_dir(folder.join("custody")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(custody.len(), 1);
    let bytes = std::fs::read(&custody[0]).unwrap();
    let sha256 = Sha256::digest(&bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert!(custody[0].ends_with(format!("{sha256}.json")));
    let record: Value = serde_json::from_slice(&bytes).unwrap();
    let by = record["by"].as_str().unwrap();
    assert!(by.starts_with("alice@") && by.len() == "alice@".len() + 16, "{by}");
    let log = shop.desk.belay(["log", "@last", "--json"]).exits(0).stdout;
    assert!(log.contains(&sha256), "the log holds the hash of the record");
    let item = record["items"].as_array().unwrap().iter().find(|item| item["name"] == "pod/shop/web/log/app").unwrap();
    let content = std::fs::read_to_string(folder.join("objects").join(item["sha256"].as_str().unwrap())).unwrap();
    assert!(content.contains("what happened"));
}
