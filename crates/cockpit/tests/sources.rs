//! Directories of the catalog: what is found in them, what is said of the rest, and how soon a change is seen.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use belay_cockpit::{Cockpit, KeyringChoice, Options, Program, SearchQuery};
use tempfile::TempDir;

struct Desk {
    folder: TempDir,
    cockpit: Arc<Cockpit>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = || Program { program: PathBuf::from("/bin/false"), args: Vec::new() };
        let cockpit = Cockpit::new(Options {
            home: folder.path().join("home"),
            helper: program(),
            worker: program(),
            context: None,
            keyring: KeyringChoice::Off,
        });
        Self { folder, cockpit }
    }

    /// A directory of the catalog.
    fn added(&self, name: &str) -> PathBuf {
        let dir = self.folder.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        self.cockpit.catalog_add(&dir).unwrap();
        dir
    }

    fn hits(&self, text: &str) -> Vec<String> {
        let query = SearchQuery { text: text.to_owned(), ..SearchQuery::default() };
        self.cockpit.search(&query).unwrap().into_iter().map(|hit| hit.name).collect()
    }
}

fn runbook(name: &str, symptom: &str) -> String {
    format!(
        "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: {{name: {name}}}
spec:
  name: {name}
  description: About {symptom}
  trigger: {{manual: true}}
  documentation: {{symptoms: ['{symptom}']}}
  steps: [{{name: look, type: manual, description: Look at it}}]
"
    )
}

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_change_a_new_file_and_a_lost_one_are_seen_by_the_next_search() {
    let desk = Desk::new();
    let dir = desk.added("team");
    let path = write(&dir, "one.yaml", runbook("one", "zorblatt"));
    assert_eq!(desk.hits("zorblatt"), ["one"]);
    // The same size, and hardly any time between: only the content tells.
    write(&dir, "one.yaml", runbook("one", "zorbletk"));
    assert_eq!(desk.hits("zorbletk").first().map(String::as_str), Some("one"));
    write(&dir, "deep/er/two.yml", runbook("two", "quuxation"));
    assert_eq!(desk.hits("quuxation"), ["two"]);
    std::fs::remove_file(path).unwrap();
    assert!(!desk.hits("zorbletk").contains(&"one".to_owned()));
}

#[test]
fn markdown_is_found_and_read_as_it_stands() {
    let desk = Desk::new();
    let dir = desk.added("wiki");
    let text = "# FrobnicatorStuck\n\n## Meaning\n\nThe frobnicator is stuck.\n\n## Mitigation\n\n```sh\nkubectl delete pod <pod>\n```\n";
    let path = write(&dir, "FrobnicatorStuck.md", text);
    write(&dir, "README.md", "# About these files\n\nWrite a page for each alert.\n");
    assert_eq!(desk.hits("frobnicator"), ["frobnicator-stuck"]);
    let found = desk.cockpit.find("frobnicator-stuck").unwrap();
    assert_eq!(found.source, path.display().to_string());
    assert_eq!(found.runbook.trigger.alerts, ["FrobnicatorStuck"]);
    assert_eq!(desk.cockpit.find(&path.display().to_string()).unwrap().runbook.name, "frobnicator-stuck");
    let sources = desk.cockpit.catalog_list().unwrap();
    assert_eq!((sources[0].runbooks, sources[0].broken), (1, 0), "the front page of the folder is none");
}

#[test]
fn a_git_work_tree_is_seen_as_git_sees_it() {
    let desk = Desk::new();
    let dir = desk.added("repository");
    std::fs::create_dir(dir.join(".git")).unwrap();
    write(&dir, ".gitignore", "build/\n");
    write(&dir, "build/copy.yaml", runbook("built", "zorblatt"));
    write(&dir, ".git/inside.yaml", runbook("inside", "zorblatt"));
    write(&dir, "deploy.yaml", "apiVersion: apps/v1\nkind: Deployment\n");
    write(&dir, "real.yaml", runbook("real", "zorblatt"));
    assert_eq!(desk.hits("zorblatt"), ["real"]);
    let sources = desk.cockpit.catalog_list().unwrap();
    assert_eq!((sources[0].runbooks, sources[0].broken), (1, 0), "a manifest of another kind is no broken runbook");
}

#[test]
#[cfg(unix)]
fn what_cannot_be_used_is_said_so_and_hides_nothing() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let desk = Desk::new();
    let dir = desk.added("mixed");
    write(&dir, "good.yaml", runbook("good", "zorblatt"));
    write(&dir, "broken.yaml", "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: [\n");
    write(&dir, "utf16.md", b"\xff\xfe#\0 \0A\0\n\0");
    write(&dir, "binary.yaml", [0_u8, 159, 146, 150, 0, 1]);
    let huge = std::fs::File::create(dir.join("huge.yaml")).unwrap();
    huge.set_len(100 << 20).unwrap();
    symlink(&dir, dir.join("around")).unwrap();
    symlink("circle.yaml", dir.join("circle.yaml")).unwrap();
    let locked = dir.join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    let locked_for_us = std::fs::read_dir(&locked).is_err();
    assert_eq!(desk.hits("zorblatt"), ["good"]);
    let report = desk.cockpit.catalog_add(&dir).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(report.runbooks, 1);
    for name in ["broken.yaml", "utf16.md", "binary.yaml", "huge.yaml", "circle.yaml"] {
        assert!(report.findings.iter().any(|finding| finding.file.ends_with(name)), "{name}: {:?}", report.findings);
    }
    // Whoever may read everything reads this directory, too.
    if locked_for_us {
        assert!(report.findings.iter().any(|finding| finding.file.ends_with("locked")), "{:?}", report.findings);
    }
    let validated = desk.cockpit.validate(&dir).unwrap();
    for name in ["broken.yaml", "huge.yaml"] {
        assert!(validated.iter().any(|finding| finding.file.ends_with(name)), "{name}: {validated:?}");
    }
    write(&dir, "broken.yaml", runbook("mended", "quuxation"));
    assert_eq!(desk.hits("quuxation"), ["mended"]);
}

#[test]
fn the_teams_runbook_comes_instead_of_the_bundled_one_with_its_id_and_that_is_said() {
    let desk = Desk::new();
    let dir = desk.added("team");
    let bundled = desk.cockpit.find("pod-restart").unwrap();
    let id = bundled.runbook.id.as_deref().unwrap();
    write(&dir, "own.yaml", runbook("pod-restart", "zorblatt").replacen("spec:", &format!("spec:\n  id: {id}"), 1));
    let query = SearchQuery { text: "pod-restart".to_owned(), ..SearchQuery::default() };
    let hits = desk.cockpit.search(&query).unwrap();
    let named: Vec<_> = hits.iter().filter(|hit| hit.name == "pod-restart").collect();
    assert_eq!(named.len(), 1, "the bundled one is hidden");
    assert!(named[0].hides_bundled, "and that is said");
    assert!(!named[0].shares_name, "what is hidden does not make a name doubtful");
    assert!(named[0].source.ends_with("own.yaml"));
    assert!(desk.cockpit.find("pod-restart").unwrap().source.ends_with("own.yaml"));
}

#[tokio::test]
async fn a_watched_directory_is_indexed_when_it_changes_and_not_otherwise() {
    let desk = Desk::new();
    let dir = desk.added("team");
    write(&dir, "one.yaml", runbook("one", "zorblatt"));
    let mut watch = desk.cockpit.watch_catalog().unwrap();
    assert_eq!(desk.hits("zorblatt"), ["one"], "the index is up to date from the start");
    write(&dir, "two.yaml", runbook("two", "quuxation"));
    let change = tokio::time::timeout(Duration::from_secs(30), watch.next()).await.unwrap().unwrap();
    assert_eq!(change.changed, 1);
    assert_eq!(desk.hits("quuxation"), ["two"]);
    write(&dir, "broken.yaml", "apiVersion: sre.oversight.io/v1\nkind: Runbook\n");
    let change = tokio::time::timeout(Duration::from_secs(30), watch.next()).await.unwrap().unwrap();
    assert!(change.findings.iter().any(|finding| finding.file.ends_with("broken.yaml")), "{change:?}");
    // A directory that is added meanwhile is watched, too.
    let other = desk.added("other");
    write(&other, "three.yaml", runbook("three", "wibbling"));
    loop {
        let change = tokio::time::timeout(Duration::from_secs(30), watch.next()).await.unwrap().unwrap();
        if change.source == other.display().to_string() && change.changed == 1 {
            break;
        }
    }
    assert_eq!(desk.hits("wibbling"), ["three"]);
    drop(watch);
    write(&dir, "four.yaml", runbook("four", "frobbing"));
    assert_eq!(desk.hits("frobbing"), ["four"], "without a watch a search looks itself");
}

#[test]
fn a_hit_says_what_is_rotten_about_it() {
    let desk = Desk::new();
    let dir = desk.added("team");
    let signs = |text: &str| -> Vec<(String, String)> {
        let query = SearchQuery { text: text.to_owned(), ..SearchQuery::default() };
        let hits = desk.cockpit.search(&query).unwrap();
        let signs = hits.into_iter().next().unwrap().rot;
        signs.into_iter().map(|sign| (sign.rule, sign.text)).collect()
    };
    let sign = |rule: &str, text: &str| (rule.to_owned(), text.to_owned());
    write(&dir, "one.yaml", runbook("one", "zorblatt"));
    assert_eq!(signs("zorblatt"), [sign("never-run", "never run here")]);
    let due = runbook("one", "zorblatt").replace("  description", "  reviewDate: 2020-02-03\n  description");
    write(&dir, "one.yaml", &due);
    let overdue = sign("overdue-review", "review was due 2020-02-03");
    assert_eq!(signs("zorblatt"), [overdue.clone(), sign("never-run", "never run here")]);
    write(&dir, "one.yaml", due.replace("type: manual", "type: automated, action: no.such.action"));
    let found = signs("zorblatt");
    assert_eq!(found[0].0, "findings", "what keeps it from running comes first: {found:?}");
    assert!(found[0].1.ends_with("error") && found.contains(&overdue), "{found:?}");
    let listed = desk.cockpit.search(&SearchQuery::default()).unwrap();
    let listed = listed.iter().find(|hit| hit.name == "one").unwrap();
    assert_eq!(listed.rot.len(), found.len(), "the list says what the search says");
}
