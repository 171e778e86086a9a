//! Approvals and exit codes through the command line.

use std::process::Command;

use serde_json::Value;

use super::support::desk::Desk;
use super::support::runbooks::{furnish, runbook};
use super::support::server::Server;

fn gated(approval: &str) -> String {
    let steps = format!(
        "    - name: count
      commands:
        - belay-world --dir {{dir}} add counter 1
      approval: {approval}
      rollback:
        commands:
          - belay-world --dir {{dir}} add counter -1
"
    );
    runbook("gated", &steps)
}

fn run(desk: &Desk, text: &str) -> (Value, Option<i32>) {
    furnish(desk);
    let file = desk.file("runbook.yaml", text).display().to_string();
    let variable = format!("dir={}", desk.world_folder.display());
    let ran = desk.belay(["run", &file, "--no-input", "--json", "--var", &variable]);
    let lines = ran.json_lines();
    (lines.last().unwrap_or_else(|| panic!("a run prints its status: {ran:?}")).clone(), ran.code)
}

fn id(status: &Value) -> &str {
    status["execution"].as_str().unwrap()
}

#[test]
fn i4_nothing_runs_until_the_target_is_typed() {
    let desk = Desk::new();
    let (status, code) = run(&desk, &gated("{ required: true, timeout: 10m }"));
    assert_eq!(code, Some(3), "it waits for a person");
    assert_eq!(status["status"], "waiting");
    assert_eq!(status["waiting_on"][0]["kind"], "approval");
    assert_eq!(desk.belay(["approvals", "--json"]).exits(0).json().as_array().unwrap().len(), 1);
    let target = status["steps"][0]["approval"]["target"].as_str().unwrap();
    desk.belay(["approve", id(&status), "count", "--target", "something-else"]).exits(4);
    desk.belay(["approve", id(&status), "count"]).exits(4);
    desk.belay(["resume", id(&status), "--no-input"]).exits(3);
    assert_eq!(desk.world.lines().unwrap(), Vec::new(), "I4: nothing ran yet");
    desk.belay(["approve", id(&status), "count", "--target", target]).exits(0);
    desk.belay(["resume", id(&status), "--no-input"]).exits(0);
    assert_eq!(desk.world.number("counter").unwrap(), 1);
    let given = &desk.status(id(&status))["steps"][0]["approval"]["given"][0];
    assert_eq!(given["responder"], "alice");
    assert_eq!(given["self_approved"], true, "an approver alone is named as such");
}

#[test]
fn i4_a_rejected_step_never_runs() {
    let desk = Desk::new();
    let (status, _) = run(&desk, &gated("{ required: true, timeout: 10m }"));
    desk.belay(["reject", id(&status), "count", "--comment", "not today"]).exits(0);
    desk.belay(["resume", id(&status), "--no-input"]).exits(1);
    assert_eq!(desk.world.lines().unwrap(), Vec::new(), "I4: nothing ran");
}

#[test]
fn i4_an_expired_request_counts_no_approval() {
    let desk = Desk::new();
    let (status, code) = run(&desk, &gated("{ required: true, timeout: 1ms }"));
    assert_eq!(code, Some(3));
    let target = status["steps"][0]["approval"]["target"].as_str().unwrap();
    let shown = |arguments: &[&str], what: &str| {
        let shown = desk.belay(arguments).exits(0).stdout;
        assert!(!shown.contains("belay approve"), "nobody is sent to what is refused: {shown}");
        assert!(shown.contains(what), "{shown}");
    };
    for arguments in [&["approvals"][..], &["status", id(&status)]] {
        shown(arguments, "expired");
        shown(arguments, "belay resume");
    }
    assert_eq!(desk.belay(["approvals", "--json"]).exits(0).json()[0]["approval"]["status"], "expired");
    let refused = desk.belay(["approve", id(&status), "count", "--target", target]);
    assert_eq!(refused.code, Some(4), "a request that has expired is refused: {refused:?}");
    desk.belay(["resume", id(&status), "--no-input"]).exits(3);
    shown(&["status", id(&status)], "belay retry");
    assert_eq!(desk.world.lines().unwrap(), Vec::new(), "I4: nothing ran");
}

#[test]
fn each_class_of_ending_has_its_exit_code() {
    let desk = Desk::new();
    let good = "    - name: say
      commands: ['belay-world --dir {dir} say hello']
      rollback: { irreversible: it only speaks }
";
    let bad = "    - name: fail
      commands: ['belay-world --dir {dir} fail']
      rollback: { irreversible: it only fails }
";
    assert_eq!(run(&desk, &runbook("good", good)).1, Some(0));
    assert_eq!(run(&desk, &runbook("bad", bad)).1, Some(1));
    desk.belay(["run", "no-such-runbook", "--no-input"]).exits(2);
    desk.belay(["status", "no-such-execution"]).exits(2);
    desk.belay(["run", "--no-such-flag"]).exits(2);
    let file = desk.folder.path().join("runbook.yaml").display().to_string();
    let missing = desk.belay(["run", &file, "--no-input"]).exits(2);
    assert!(missing.stderr.contains("`dir`"), "the missing value is named: {missing:?}");
    let wrong = desk.file("wrong.yaml", "kind: Runbook\nspec: { retrys: 1 }\n").display().to_string();
    desk.belay(["validate", &wrong]).exits(1);
    desk.belay(["search", "nothing at all is called like this"]).exits(0);
    std::fs::write(desk.home.join("policy.yaml"), "rules: 7\n").unwrap();
    desk.belay(["run", &file, "--no-input", "--var", "dir=/nowhere"]).exits(4);
}

#[test]
fn the_json_of_a_run_ends_with_the_status_of_the_contract() {
    let desk = Desk::new();
    let (status, _) = run(&desk, &gated("{ required: true, timeout: 10m }"));
    let has = |value: &Value, fields: &[&str]| {
        for field in fields {
            assert!(value.get(field).is_some(), "the contract has `{field}`: {value:#}");
        }
    };
    has(
        &status,
        &[
            "execution",
            "runbook",
            "status",
            "started_by",
            "triggered_by",
            "inputs",
            "incident",
            "ticket",
            "context",
            "driver",
            "started_at",
            "finished_at",
            "duration_seconds",
            "notes",
            "waiting_on",
            "steps",
            "conflicts",
        ],
    );
    has(&status["runbook"], &["id", "name", "title", "digest"]);
    has(&status["driver"], &["device", "responder", "epoch"]);
    has(&status["waiting_on"][0], &["kind", "step", "detail"]);
    let step = &status["steps"][0];
    has(
        step,
        &["name", "title", "type", "status", "effect", "impact", "by_hand", "branch", "attempts", "approval", "undo"],
    );
    has(&step["approval"], &["status", "digest", "needed", "given", "expires_at", "reasons"]);
    has(&step["undo"], &["status", "output"]);
    let target = step["approval"]["target"].as_str().unwrap();
    desk.belay(["approve", id(&status), "count", "--target", target]).exits(0);
    desk.belay(["resume", id(&status), "--no-input"]).exits(0);
    let ended = desk.belay(["resume", id(&status), "--json"]).exits(0);
    assert_eq!(ended.json_lines().len(), 1, "a stream holds one document a line, also where nothing goes on");
    let attempt = desk.status(id(&status))["steps"][0]["attempts"][0].clone();
    has(&attempt, &["n", "started_at", "finished_at", "status", "exit_code", "output", "error", "device", "responder"]);
}

#[test]
fn a_step_that_failed_is_done_by_hand_and_who_did_it_is_on_record() {
    let desk = Desk::new();
    let steps = "    - name: fail
      commands: ['belay-world --dir {dir} fail']
      rollback: { irreversible: it only fails }
    - name: count
      commands: ['belay-world --dir {dir} add counter 1']
      rollback: { irreversible: it counts }
";
    let text = runbook("by-hand", steps).replace("rollbackOnFailure: true", "rollbackOnFailure: false");
    let (status, code) = run(&desk, &text);
    assert_eq!((status["status"].as_str(), code), (Some("failed"), Some(1)));
    desk.belay(["confirm", id(&status), "fail", "--note", "no hands"]).exits(2);
    desk.belay(["confirm", id(&status), "fail", "--by-hand", "--note", "done at the console"]).exits(0);
    desk.belay(["resume", id(&status), "--no-input"]).exits(0);
    let ended = desk.status(id(&status));
    assert_eq!(ended["status"], "completed", "{ended:#}");
    let step = &ended["steps"][0];
    assert_eq!((&step["status"], &step["by_hand"]), (&Value::from("succeeded"), &Value::from(true)));
    assert_eq!(step["done_by"], "alice");
    assert_eq!(desk.world.number("counter").unwrap(), 1, "it goes on after it");
}

#[test]
fn i8_a_script_takes_a_step_back_and_its_calls_are_on_record() {
    let desk = Desk::new();
    let server = Server::start();
    let steps = format!(
        "    - name: count
      commands:
        - belay-world --dir {{dir}} add counter 1
      rollback:
        action: script.execute
        parameters:
          script: |
            const seen = await http.healthcheck({{ url: 'http://127.0.0.1:{}/undo' }});
            if (!seen.healthy) throw new Error('it is not there');
    - name: fail
      commands: ['belay-world --dir {{dir}} fail']
      rollback: {{ irreversible: it only fails }}
",
        server.port
    );
    let (status, code) = run(&desk, &runbook("scripted", &steps));
    assert_eq!((status["status"].as_str(), code), (Some("rolled_back"), Some(1)), "{status:#}");
    let attempts = status["steps"][0]["attempts"].as_array().unwrap();
    let acts: Vec<&str> = attempts.iter().map(|attempt| attempt["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["a0", "u0", "u0c0"], "{status:#}");
    assert!(attempts.iter().all(|attempt| attempt["status"] == "succeeded"), "{status:#}");
    assert_eq!(desk.belay(["audit", "verify", "--json"]).exits(0).json()["ok"], true);
}

#[test]
fn the_shipped_program_has_no_crash_points() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--package", "belay-terminal", "--edges", "normal,features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("belay-actions"), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!tree.contains("crash-points"), "{tree}");
}
