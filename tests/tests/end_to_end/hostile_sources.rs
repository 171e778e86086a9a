//! Directories of the catalog that hold what nobody should find there: all of it is said so, nothing of it stops the program,
//! and the rest is found.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use super::support::desk::Desk;

const GOOD: &str = "# FrobnicatorStuck

## Meaning

The zorblatt of the frobnicator is stuck.

## Mitigation

```sh
kubectl delete pod <pod>
```
";

fn runbook(name: &str, id: &str, symptom: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!("  id: {id}\n") };
    format!(
        "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: {{name: {name}}}\nspec:\n{id}  name: About {name}\n  \
         description: Somebody sees {symptom}\n  trigger: {{manual: true}}\n  \
         steps: [{{name: look, type: manual, description: Look at it}}]\n"
    )
}

fn team(desk: &Desk) -> PathBuf {
    let team = desk.folder.path().join("team");
    std::fs::create_dir(&team).unwrap();
    team
}

fn add(desk: &Desk, team: &Path) -> Value {
    desk.belay(["catalog", "add", &team.display().to_string(), "--json"]).exits(0).json()
}

fn names(hits: &Value) -> Vec<String> {
    hits.as_array().unwrap().iter().map(|hit| hit["name"].as_str().unwrap().to_owned()).collect()
}

/// The rules of the findings about a file.
fn said_of(report: &Value, file: &str) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| Path::new(finding["file"].as_str().unwrap()).ends_with(file))
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn whatever_lies_in_a_directory_is_said_so_and_the_rest_is_found() {
    let desk = Desk::new();
    let team = team(&desk);
    std::fs::write(team.join("FrobnicatorStuck.md"), GOOD).unwrap();
    std::fs::write(team.join("image.md"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
    std::fs::write(team.join("binary.yaml"), [0_u8, 159, 146, 150, 0, 1]).unwrap();
    std::fs::write(team.join("latin.md"), b"# Gr\xfcn\n\nL\xf6schen\n").unwrap();
    let wide: Vec<u8> = "# Title\n\ntext".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(team.join("wide.md"), wide).unwrap();
    for name in ["huge.md", "huge.yaml"] {
        std::fs::File::create(team.join(name)).unwrap().set_len(100 << 20).unwrap();
    }
    std::fs::write(team.join("empty.md"), "").unwrap();
    std::fs::write(team.join("blank.yaml"), " \n\n").unwrap();
    std::fs::write(team.join("matter.md"), "---\ntitle: [unclosed\n---\n\n# Matter\n\n## Mitigation\n\nWait.\n")
        .unwrap();
    std::fs::write(
        team.join("page.md"),
        "# Page\n\n<script>alert(1)</script>\n\n## Mitigation\n\nWait for quuxation.\n",
    )
    .unwrap();
    mkfifo(&team.join("pipe.md"), Mode::S_IRWXU).unwrap();
    mkfifo(&team.join("pipe.yaml"), Mode::S_IRWXU).unwrap();
    let socket = UnixListener::bind(team.join("socket.yaml")).unwrap();
    symlink("/dev/zero", team.join("zero.md")).unwrap();
    symlink(&team, team.join("around")).unwrap();
    symlink("circle.md", team.join("circle.md")).unwrap();
    let locked = team.join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    let locked_for_us = std::fs::read_dir(&locked).is_err();

    let started = Instant::now();
    let report = add(&desk, &team);
    let hits = desk.belay(["search", "zorblatt", "--json"]).exits(0).json();
    let check = desk.belay(["catalog", "check", "--own", "--json"]).json();
    let listed = desk.belay(["catalog", "list", "--json"]).exits(0).json();
    let found = desk.belay(["search", "quuxation", "--json"]).exits(0).json();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(socket);
    assert!(started.elapsed() < Duration::from_mins(1), "a pipe that nobody writes to is not waited for");

    assert_eq!(names(&hits), ["frobnicator-stuck"]);
    assert_eq!(report["runbooks"], 2, "the good one, and the one whose HTML is shown and never active");
    assert_eq!(listed[0]["runbooks"], 2);
    assert_eq!(names(&found), ["page"]);
    for (file, rule) in [
        ("image.md", "not-markdown"),
        ("binary.yaml", "not-utf8"),
        ("latin.md", "other-encoding"),
        ("wide.md", "other-encoding"),
        ("huge.md", "unreadable"),
        ("huge.yaml", "unreadable"),
        ("empty.md", "passed-over"),
        ("blank.yaml", "passed-over"),
        ("matter.md", "front-matter"),
        ("pipe.md", "passed-over"),
        ("pipe.yaml", "passed-over"),
        ("socket.yaml", "passed-over"),
        ("zero.md", "passed-over"),
        ("around", "passed-over"),
        ("circle.md", "unreadable"),
    ] {
        assert_eq!(said_of(&report, file), [rule], "`catalog add` says so of {file}: {report:#}");
        assert!(said_of(&check, file).contains(&rule.to_owned()), "and so does `catalog check`: {check:#}");
    }
    assert_eq!(said_of(&report, "page.md"), ["html-script"]);
    // Whoever may read everything reads this directory, too.
    if locked_for_us {
        assert_eq!(said_of(&report, "locked"), ["unreadable"]);
    }
}

#[test]
fn a_file_that_ends_as_nothing_is_found_no_more() {
    let desk = Desk::new();
    let team = team(&desk);
    let path = team.join("FrobnicatorStuck.md");
    std::fs::write(&path, GOOD).unwrap();
    add(&desk, &team);
    assert_eq!(names(&desk.belay(["search", "zorblatt", "--json"]).exits(0).json()), ["frobnicator-stuck"]);
    std::fs::remove_file(&path).unwrap();
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    assert!(
        names(&desk.belay(["search", "zorblatt", "--json"]).exits(0).json()).is_empty(),
        "a pipe came instead of it"
    );
}

#[test]
fn two_runbooks_that_only_share_a_name_are_both_found_and_the_name_alone_is_refused() {
    let desk = Desk::new();
    let team = team(&desk);
    std::fs::write(team.join("own.yaml"), runbook("pod-restart", "RB-TEAM-7", "zorblatt")).unwrap();
    add(&desk, &team);
    let hits = desk.belay(["search", "pod-restart", "--json"]).exits(0).json();
    let both: Vec<&Value> = hits.as_array().unwrap().iter().filter(|hit| hit["name"] == "pod-restart").collect();
    assert_eq!(both.len(), 2, "{hits:#}");
    assert!(both.iter().all(|hit| hit["shares_name"] == true && hit["hides_bundled"] == false), "{both:#?}");
    let refused = desk.belay(["show", "pod-restart"]).exits(2);
    let bundled = both.iter().find(|hit| hit["source"] == "bundled").unwrap()["id"].as_str().unwrap().to_owned();
    for way in [bundled.as_str(), "RB-TEAM-7", "own.yaml"] {
        assert!(refused.stderr.contains(way), "the hint names {way}: {}", refused.stderr);
    }
    let own = desk.belay(["show", "rb-team-7", "--format", "yaml"]).exits(0).stdout;
    assert!(own.contains("zorblatt"), "an id picks one, in any case: {own}");
    assert!(!desk.belay(["show", &bundled, "--format", "yaml"]).exits(0).stdout.contains("zorblatt"));
    let path = team.join("own.yaml").display().to_string();
    assert!(desk.belay(["show", &path, "--format", "yaml"]).exits(0).stdout.contains("zorblatt"), "so does a path");
}

#[test]
fn the_teams_runbook_counts_where_it_has_the_id_of_a_bundled_one() {
    let desk = Desk::new();
    let team = team(&desk);
    let bundled =
        desk.belay(["show", "pod-restart", "--json"]).exits(0).json()["spec"]["id"].as_str().unwrap().to_owned();
    std::fs::write(team.join("own.yaml"), runbook("our-restart", &bundled.to_lowercase(), "zorblatt")).unwrap();
    add(&desk, &team);
    let hits = desk.belay(["search", "pod restart", "--json"]).exits(0).json();
    assert!(!names(&hits).contains(&"pod-restart".to_owned()), "the bundled one is hidden: {hits:#}");
    let own = desk.belay(["search", "zorblatt", "--json", "--limit", "1"]).exits(0).json();
    assert_eq!((&own[0]["name"], &own[0]["hides_bundled"]), (&"our-restart".into(), &true.into()), "and that is said");
    for reference in ["our-restart", &bundled, "pod-restart"] {
        let shown = desk.belay(["show", reference, "--format", "yaml"]).exits(0).stdout;
        assert!(shown.contains("zorblatt"), "{reference} is the team's");
    }
}

#[test]
fn a_query_of_any_characters_is_only_text() {
    let desk = Desk::new();
    for query in
        ["\"", "a AND (", "NEAR(a b, 3)", "title:pod*", "'; DROP TABLE catalog; --", &"restart \" OR ".repeat(800)]
    {
        let hits = desk.belay(["search", "--json", "--", query]);
        assert_eq!(hits.code, Some(0), "{query:.40}: {hits:?}");
        assert!(hits.json().is_array() && !hits.stderr.to_lowercase().contains("sqlite"), "{query:.40}: {hits:?}");
    }
}
