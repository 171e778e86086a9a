//! A key that is lost or replaced: nothing is overwritten, everything stays readable, and the log says so.

use serde_json::Value;

use super::support::desk::Desk;
use super::support::runbooks::{furnish, runbook};

const STEPS: &str = "    - name: ask
      type: manual
      description: Somebody looks.
";

fn execution(desk: &Desk) -> String {
    furnish(desk);
    let file = desk.file("ask.yaml", &runbook("ask", STEPS)).display().to_string();
    desk.belay(["run", &file, "--no-input", "--var", "dir=x"]).exits(3);
    desk.executions().remove(0)
}

fn shown(desk: &Desk) -> Value {
    desk.belay(["identity", "show", "--json"]).exits(0).json()
}

fn log_of(desk: &Desk, execution: &str) -> Vec<String> {
    let log = desk.belay(["log", execution, "--json"]).exits(0).json();
    log.as_array().unwrap().iter().map(|entry| entry["text"].as_str().unwrap().to_owned()).collect()
}

fn export(desk: &Desk, execution: &str) -> (String, Value) {
    let out = desk.folder.path().join("log.jsonl").display().to_string();
    desk.belay(["audit", "export", execution, "--out", &out]).exits(0);
    let verified = desk.belay(["audit", "verify", &out, "--json"]).exits(0).json();
    (out, verified)
}

#[test]
fn a_lost_key_is_not_replaced_without_being_asked_and_everything_stays_readable() {
    let desk = Desk::new();
    assert_eq!(shown(&desk)["state"], "none");
    assert!(!desk.home.join("device.key").exists(), "looking makes nothing");
    let execution = execution(&desk);
    let before = shown(&desk);
    assert_eq!(before["state"], "ready");
    let key = desk.home.join("device.key");
    std::fs::remove_file(&key).unwrap();
    for arguments in [&["note", &execution, "x"][..], &["resume", &execution, "--no-input"], &["purge"], &["doctor"]] {
        let ran = desk.belay(arguments).exits(5);
        let said = format!("{}{}", ran.stdout, ran.stderr).replace('\n', " ");
        assert!(said.contains("key of this device is gone"), "{said}");
        assert!(!key.exists(), "{arguments:?} makes no key");
    }
    let refused = desk.belay(["note", &execution, "x"]);
    assert!(refused.stderr.contains(before["device"].as_str().unwrap()), "the old device is named: {refused:?}");
    assert!(refused.stderr.contains("belay identity init"), "{refused:?}");
    let lost = shown(&desk);
    assert_eq!((&lost["state"], &lost["database_device"]), (&"lost".into(), &before["device"]));
    for arguments in [&["status", &execution][..], &["log", &execution], &["executions"], &["search", "pod"]] {
        desk.belay(arguments).exits(0);
    }
    desk.belay(["audit", "verify"]).exits(0);
    let (_, verified) = export(&desk, &execution);
    assert_eq!((&verified["ok"], &verified["end"]["proven"]), (&true.into(), &false.into()), "{verified:#}");

    let after = desk.belay(["identity", "init", "--json"]).exits(0).json();
    assert_eq!(after["state"], "ready");
    assert_ne!(after["device"], before["device"]);
    assert_eq!((&after["before"][0]["device"], &after["before"][0]["linked"]), (&before["device"], &false.into()));
    let log = log_of(&desk, &execution);
    assert!(log.iter().any(|line| line.contains("was lost")), "a plain statement in the log: {log:#?}");
    desk.belay(["confirm", &execution, "ask"]).exits(0);
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    assert_eq!(desk.status(&execution)["status"], "completed");
    desk.belay(["audit", "verify"]).exits(0);
}

#[test]
fn a_new_key_is_signed_by_the_old_one_and_proves_the_end_of_what_that_wrote() {
    let desk = Desk::new();
    let execution = execution(&desk);
    let before = shown(&desk);
    desk.belay(["identity", "init"]).exits(2);
    let after = desk.belay(["identity", "rekey", "--json"]).exits(0).json();
    assert_ne!(after["device"], before["device"]);
    assert_eq!((&after["state"], &after["database_device"]), (&"ready".into(), &after["device"]));
    assert_eq!((&after["before"][0]["device"], &after["before"][0]["linked"]), (&before["device"], &true.into()));
    let log = log_of(&desk, &execution);
    assert!(log.iter().any(|line| line.contains("signed that it goes on")), "{log:#?}");
    desk.belay(["confirm", &execution, "ask"]).exits(0);
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    desk.belay(["audit", "verify"]).exits(0);
    let (out, verified) = export(&desk, &execution);
    assert_eq!(verified["end"]["proven"], true, "{verified:#}");
    desk.belay(["audit", "verify", &out, "--complete"]).exits(0);
    let names: Vec<_> = std::fs::read_dir(&desk.home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "device.key.next"), "{names:?}");
}

#[test]
fn what_a_new_key_says_of_an_execution_that_had_ended_comes_after_what_the_old_one_wrote() {
    let desk = Desk::new();
    // The order of what nothing orders is by hash, so that several of them tell.
    let executions: Vec<String> = (0..6)
        .map(|_| {
            let execution = execution(&desk);
            desk.belay(["abort", &execution, "--reason", "later"]).exits(0);
            execution
        })
        .collect();
    desk.belay(["identity", "rekey"]).exits(0);
    for execution in &executions {
        assert_eq!(desk.status(execution)["status"], "aborted");
        desk.belay(["rollback", execution, "--reason", "in the end"]).exits(0);
        assert_eq!(desk.belay(["resume", execution, "--no-input"]).code, Some(1));
        assert_eq!(desk.status(execution)["status"], "rolled_back");
    }
    desk.belay(["audit", "verify"]).exits(0);
}

#[test]
fn a_key_that_was_not_put_in_its_place_when_the_program_ended_is_taken_up() {
    let desk = Desk::new();
    let execution = execution(&desk);
    let key = desk.home.join("device.key");
    let old = std::fs::read(&key).unwrap();
    desk.belay(["identity", "rekey"]).exits(0);
    std::fs::rename(&key, desk.home.join("device.key.next")).unwrap();
    std::fs::write(&key, old).unwrap();
    desk.belay(["note", &execution, "goes on"]).exits(0);
    assert_eq!(shown(&desk)["state"], "ready");
}

#[test]
fn whatever_is_done_to_an_exported_file_is_named_with_its_line_and_refused() {
    let desk = Desk::new();
    let execution = execution(&desk);
    let (out, verified) = export(&desk, &execution);
    assert_eq!((&verified["ok"], &verified["end"]["proven"]), (&true.into(), &true.into()), "{verified:#}");
    assert_eq!(verified["executions"][0]["status"], "waiting");
    let text = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len() - 1;
    let forged = desk.folder.path().join("forged.jsonl");
    let refused = |name: &str, lines: &[&str], line: usize| {
        std::fs::write(&forged, format!("{}\n", lines.join("\n"))).unwrap();
        let ran = desk.belay(["audit", "verify", &forged.display().to_string()]).exits(4);
        let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&format!("line {line}:")), "{name} names line {line}: {said}");
    };
    let count =
        |by: usize| lines[0].replace(&format!("\"events\":{}", last - 1), &format!("\"events\":{}", last - 1 - by));
    refused("the last event and the seal cut off", &lines[..last - 1], last);
    refused("the seal cut off", &lines[..last], last + 1);
    let header = count(1);
    let trimmed: Vec<&str> =
        std::iter::once(header.as_str()).chain(lines[1..last - 1].iter().copied()).chain([lines[last]]).collect();
    refused("the last event cut off and the header mended", &trimmed, last);
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    refused("two lines exchanged", &swapped, 4);
    let mut doubled = lines.clone();
    doubled.insert(3, lines[2]);
    refused("a line twice", &doubled, 4);
    let mut without = lines.clone();
    without.remove(2);
    refused("a line taken out", &without, 3);
    let mut behind = lines.clone();
    behind.push(lines[2]);
    refused("a line behind the seal", &behind, lines.len() + 1);
    let version = lines[0].replace("\"version\":2", "\"version\":1");
    let mut older = lines.clone();
    older[0] = &version;
    refused("another version", &older, 1);

    // An export of the form before seals can be cut off by whoever mends its header; it says so itself.
    let header = version.replace(&format!("\"events\":{}", last - 1), &format!("\"events\":{}", last - 2));
    let unsealed: Vec<&str> = std::iter::once(header.as_str()).chain(lines[1..last - 1].iter().copied()).collect();
    std::fs::write(&forged, format!("{}\n", unsealed.join("\n"))).unwrap();
    let file = forged.display().to_string();
    let ran = desk.belay(["audit", "verify", &file]).exits(0);
    assert!(ran.stdout.contains("end is not proven"), "{ran:?}");
    desk.belay(["audit", "verify", &file, "--complete"]).exits(4);
}
