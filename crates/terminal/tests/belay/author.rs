//! Writing and changing runbooks.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::bench::Bench;

/// An editor that is a script: it gets the draft as `$1`.
fn editor(bench: &Bench, script: &str) -> String {
    let path = bench.path().join("editor");
    fs::write(&path, format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn written(bench: &Bench) -> String {
    let args =
        ["new", "restart-gateway", "--title", "Restart the gateway", "--description", "It hangs", "--service", "edge"];
    let steps = ["--step", "Look=kubectl get pod <pod>", "--step", "Restart=kubectl delete pod <pod>", "--no-input"];
    bench.expect(&[args.as_slice(), steps.as_slice()].concat(), 0);
    fs::read_to_string(bench.path().join("restart-gateway.yaml")).unwrap()
}

fn drafts(bench: &Bench) -> usize {
    let drafts: &Path = &bench.path().join("home/drafts");
    if drafts.exists() { fs::read_dir(drafts).unwrap().count() } else { 0 }
}

#[test]
fn a_new_runbook_from_flags_has_a_version_a_changelog_and_a_review_date() {
    let bench = Bench::new();
    let text = written(&bench);
    for part in ["1.0.0", "reviewDate:", "changes: written", "kubectl get pod {pod}", "effect: read"] {
        assert!(text.contains(part), "{part} is in\n{text}");
    }
    bench.expect(&["validate", "restart-gateway.yaml"], 0);
    let again = bench.json(&["new", "restart-gateway", "--step", "x"], 2);
    assert!(again["error"]["message"].as_str().unwrap().contains("is there already"), "{again}");
}

#[test]
fn a_new_runbook_without_steps_or_with_a_wrong_name_is_bad_input() {
    let bench = Bench::new();
    bench.expect(&["new", "x", "--no-input"], 2);
    let error = bench.json(&["new", "Restart Gateway", "--step", "x"], 2);
    assert!(error["error"]["hint"].as_str().unwrap().contains("restart-gateway"), "{error}");
    let unsafe_step = bench.json(&["new", "x", "--step", "Kill=ssh host 'kill <pid>'"], 2);
    assert!(unsafe_step["error"]["message"].as_str().unwrap().contains("no safe encoding"), "{unsafe_step}");
    assert!(!bench.path().join("x.yaml").exists());
}

#[test]
fn a_new_runbook_can_begin_with_markdown() {
    let bench = Bench::new();
    fs::write(bench.path().join("page.md"), "# Disk full\n\n## Diagnosis\n\n```sh\ndf -h\n```\n").unwrap();
    let made = bench.json(&["new", "disk-full", "--from", "page.md"], 0);
    assert_eq!(made["name"], "disk-full");
    let text = fs::read_to_string(bench.path().join("disk-full.yaml")).unwrap();
    assert!(text.contains("imported from page.md") && text.contains("1.0.0"), "{text}");
}

#[test]
fn questions_on_a_terminal_make_a_runbook() {
    let bench = Bench::new();
    let mut terminal = bench.terminal(&["new", "cache-cold"]);
    terminal.wait_for("Title?");
    terminal.type_line("The cache is cold");
    terminal.wait_for("What is it for");
    terminal.type_line("Warms the cache");
    terminal.wait_for("Which alerts");
    terminal.type_line("CacheCold, CacheMisses");
    terminal.wait_for("What do people see?");
    terminal.type_line("slow pages");
    terminal.wait_for("Which services");
    terminal.type_line("");
    terminal.wait_for("Severity?");
    terminal.type_line("dreadful");
    terminal.wait_for("Severity?");
    terminal.type_line("sev2");
    terminal.wait_for("Step 1");
    terminal.type_line("");
    terminal.wait_for("at least one step");
    terminal.wait_for("Step 1");
    terminal.type_line("Look at the hit rate");
    terminal.wait_for("with which command?");
    terminal.type_line("ssh host 'redis-cli -h <host> info'");
    terminal.wait_for("no safe encoding");
    terminal.type_line("redis-cli -h <host> info");
    terminal.wait_for("Step 2");
    terminal.type_line("");
    terminal.wait_for("wrote ./cache-cold.yaml");
    assert_eq!(terminal.end(), 0);
    let shown = bench.json(&["show", "./cache-cold.yaml"], 0);
    assert_eq!(shown["spec"]["trigger"]["alert"][1], "CacheMisses");
    assert_eq!(shown["spec"]["severity"], "sev2");
}

#[test]
fn an_edit_notes_its_version_and_keeps_comments() {
    let bench = Bench::new();
    let text = written(&bench).replace("  severity", "  # ours\n  severity").replace("spec:\n", "spec:\n  # ours\n");
    fs::write(bench.path().join("restart-gateway.yaml"), text).unwrap();
    let editor = editor(&bench, "sed -i 's/It hangs/It hangs often/' \"$1\"");
    let kept =
        bench.json_with(&[("EDITOR", &editor)], &["edit", "./restart-gateway.yaml", "--note", "says how often"], 0);
    assert_eq!(kept["version"], "1.0.1");
    let text = fs::read_to_string(bench.path().join("restart-gateway.yaml")).unwrap();
    assert!(text.contains("# ours") && text.contains("It hangs often") && text.contains("says how often"), "{text}");
    assert_eq!(drafts(&bench), 0, "a kept draft is gone");
}

#[test]
fn without_a_person_no_editor_is_started() {
    let bench = Bench::new();
    let before = written(&bench);
    let editor = editor(&bench, "touch started; sed -i 's/It hangs/Changed/' \"$1\"");
    let refused = bench.json_with(&[("EDITOR", &editor)], &["edit", "./restart-gateway.yaml", "--no-input"], 2);
    assert!(refused["error"]["hint"].as_str().unwrap().contains("belay validate"), "{refused}");
    let nowhere = bench.json_with(&[("EDITOR", "")], &["edit", "./restart-gateway.yaml"], 2);
    assert!(nowhere["error"]["message"].as_str().unwrap().contains("no terminal"), "vi is not started: {nowhere}");
    assert!(!bench.path().join("started").exists());
    assert_eq!(fs::read_to_string(bench.path().join("restart-gateway.yaml")).unwrap(), before);
    assert_eq!(drafts(&bench), 0);
}

#[test]
fn nothing_is_lost_when_the_editor_fails() {
    let bench = Bench::new();
    let before = written(&bench);
    let failing = editor(&bench, "sed -i 's/It hangs/Precious words/' \"$1\"; exit 3");
    let error = bench.json_with(&[("EDITOR", &failing)], &["edit", "./restart-gateway.yaml"], 2);
    assert!(error["error"]["hint"].as_str().unwrap().contains("drafts/"), "{error}");
    assert_eq!(fs::read_to_string(bench.path().join("restart-gateway.yaml")).unwrap(), before);
    assert_eq!(drafts(&bench), 1);
    let kept = bench.json_with(&[("EDITOR", "true")], &["edit", "./restart-gateway.yaml"], 0);
    assert_eq!(kept["kept"], true, "the next edit goes on with the draft");
    assert!(fs::read_to_string(bench.path().join("restart-gateway.yaml")).unwrap().contains("Precious words"));
}

#[test]
fn an_edit_that_breaks_the_runbook_is_not_kept_without_a_person() {
    let bench = Bench::new();
    let before = written(&bench);
    let breaking = editor(&bench, "sed -i 's/  steps:/  stepz:/' \"$1\"");
    let refused = bench.json_with(&[("EDITOR", &breaking)], &["edit", "./restart-gateway.yaml"], 1);
    assert_eq!(refused["kept"], false);
    assert_eq!(refused["findings"][1]["rule"], "unknown-field", "{refused:#}");
    assert_eq!(fs::read_to_string(bench.path().join("restart-gateway.yaml")).unwrap(), before);
    let unchanged = editor(&bench, "sed -i 's/  stepz:/  steps:/' \"$1\"");
    let same = bench.json_with(&[("EDITOR", &unchanged)], &["edit", "./restart-gateway.yaml"], 0);
    assert_eq!(same["changed"], false);
    assert_eq!(drafts(&bench), 0);
}

#[test]
fn a_change_by_somebody_else_is_not_overwritten() {
    let bench = Bench::new();
    written(&bench);
    let racing = editor(&bench, "sed -i 's/It hangs/Mine/' \"$1\"; sed -i 's/It hangs/Theirs/' restart-gateway.yaml");
    let refused = bench.json_with(&[("EDITOR", &racing)], &["edit", "./restart-gateway.yaml"], 4);
    assert!(refused["error"]["message"].as_str().unwrap().contains("somebody else"), "{refused}");
    assert!(fs::read_to_string(bench.path().join("restart-gateway.yaml")).unwrap().contains("Theirs"));
    assert_eq!(drafts(&bench), 1, "the draft stays");
}

#[test]
fn a_bundled_runbook_is_edited_as_a_copy_in_the_catalog() {
    let bench = Bench::new();
    let edits = editor(&bench, "sed -i '/^spec:/,$ s/^  name: .*/  name: Ours/' \"$1\"");
    let error = bench.json_with(&[("EDITOR", &edits)], &["edit", "pod-restart"], 2);
    assert!(error["error"]["hint"].as_str().unwrap().contains("--dir"), "{error}");
    fs::create_dir(bench.path().join("books")).unwrap();
    bench.expect(&["catalog", "add", "books"], 0);
    let kept = bench.json_with(&[("EDITOR", &edits)], &["edit", "pod-restart"], 0);
    assert!(kept["path"].as_str().unwrap().ends_with("books/pod-restart.yaml"), "{kept}");
    let shown = bench.json(&["show", "pod-restart"], 0);
    assert_eq!(shown["spec"]["name"], "Ours", "the copy comes before the bundled one");
}

#[test]
fn a_markdown_file_is_not_edited_as_a_runbook_file() {
    let bench = Bench::new();
    fs::write(bench.path().join("page.md"), "# Disk full\n\n## Steps\n\nLook.\n").unwrap();
    let error = bench.json_with(&[("EDITOR", "true")], &["edit", "./page.md"], 2);
    assert!(error["error"]["hint"].as_str().unwrap().contains("--from"), "{error}");
    assert_eq!(drafts(&bench), 0);
}

#[test]
fn on_a_terminal_the_findings_are_shown_with_a_choice() {
    let bench = Bench::new();
    written(&bench);
    // Breaks it the first time and mends it the second time.
    let script = "if [ -e broken ]; then sed -i 's/  stepz:/  steps:/; s/It hangs/It sticks/' \"$1\"; \
                  else touch broken; sed -i 's/  steps:/  stepz:/' \"$1\"; fi";
    let editor = editor(&bench, script);
    let mut terminal = bench.terminal_with(&[("EDITOR", &editor)], &["edit", "./restart-gateway.yaml"]);
    terminal.wait_for("unknown-field");
    terminal.wait_for("Which? (Enter: e)");
    terminal.type_line("");
    terminal.wait_for("Which? (Enter: k)");
    terminal.type_line("k");
    terminal.wait_for("What changed?");
    terminal.type_line("it sticks");
    terminal.wait_for("version 1.0.1");
    assert_eq!(terminal.end(), 0);
    assert!(fs::read_to_string(bench.path().join("restart-gateway.yaml")).unwrap().contains("It sticks"));
}
