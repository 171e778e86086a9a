//! Markdown runbooks become runbook files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;

use crate::bench::Bench;

const PAGE: &str = "---\ntitle: Pods crash\n---\n\n# KubePodCrashLooping\n\n## Meaning\n\nA pod dies.\n\n## Diagnosis\n\n\
                    ```sh\nkubectl -n $NAMESPACE get pod <pod>\n```\n\n## Mitigation\n\n```sh\nkubectl -n $NAMESPACE delete pod <pod>\n```\n";

fn outcomes(document: &Value) -> Vec<(String, String)> {
    let files = document["files"].as_array().unwrap();
    files
        .iter()
        .map(|file| {
            let name = file["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            (name, file["outcome"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn a_markdown_file_becomes_a_runbook_that_validates_is_found_and_shown() {
    let bench = Bench::new();
    fs::write(bench.path().join("KubePodCrashLooping.md"), PAGE).unwrap();
    let out = bench.expect(&["import", "KubePodCrashLooping.md", "--out", "books"], 0);
    assert!(out.contains("→ books/kube-pod-crash-looping.yaml"), "{out}");
    assert!(out.contains("heading `Meaning` → description"), "one file is told of part by part: {out}");
    let validated = bench.expect(&["validate", "books"], 0);
    assert!(validated.contains("0 errors"), "{validated}");
    bench.expect(&["catalog", "add", "books"], 0);
    let hits = bench.json(&["search", "--alert", "KubePodCrashLooping"], 0);
    assert_eq!(hits[0]["name"], "kube-pod-crash-looping");
    let shown = bench.expect(&["show", "kube-pod-crash-looping"], 0);
    assert!(shown.contains("kubectl -n {namespace} delete pod {pod}"), "{shown}");
    let plan = bench.json(&["plan", "kube-pod-crash-looping"], 0);
    assert_eq!(plan["steps"][0]["type"], "manual");
}

#[test]
fn files_that_are_there_are_replaced_only_with_force() {
    let bench = Bench::new();
    let page = bench.path().join("a.md");
    fs::write(&page, PAGE).unwrap();
    bench.expect(&["import", "a.md", "--out", "books"], 0);
    let again = bench.json(&["import", "a.md", "--out", "books"], 0);
    assert_eq!(again["unchanged"], 1, "the same again is no conflict");
    fs::write(&page, PAGE.replace("dies", "dies again")).unwrap();
    let refused = bench.json(&["import", "a.md", "--out", "books"], 1);
    assert_eq!(refused["files"][0]["findings"][0]["rule"], "file-exists");
    let before = fs::read_to_string(bench.path().join("books/a.yaml")).unwrap();
    assert!(!before.contains("again"), "the file is as it was");
    bench.expect(&["import", "a.md", "--out", "books", "--force"], 0);
    assert!(fs::read_to_string(bench.path().join("books/a.yaml")).unwrap().contains("dies again"));
    assert_eq!(fs::read_dir(bench.path().join("books")).unwrap().count(), 1, "no draft stays");
}

#[test]
fn what_cannot_be_used_is_said_and_the_rest_is_imported() {
    let bench = Bench::new();
    let pages = bench.path().join("pages");
    fs::create_dir_all(pages.join("deep/.git")).unwrap();
    let write = |name: &str, content: &[u8]| fs::write(pages.join(name), content).unwrap();
    write("good.md", PAGE.as_bytes());
    write("deep/good.MD", PAGE.as_bytes());
    write("deep/.git/hidden.md", PAGE.as_bytes());
    write("_index.md", b"---\ntitle: pages\n---\n");
    write("README.md", b"# Our runbooks\n\nThey are here.\n");
    write("picture.md", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    write("latin.md", b"# Gr\xfcn\n");
    let wide: Vec<u8> = "\u{feff}# Title".encode_utf16().flat_map(u16::to_le_bytes).collect();
    write("wide.md", &wide);
    write("matter.md", b"---\ntitle: [open\nb: c\n---\n# X\n");
    write("empty.md", b"\n");
    write("script.md", b"# X\n\n## Steps\n\n<script>alert(1)</script>\n");
    write("page.txt", b"not looked at");
    fs::File::create(pages.join("huge.md")).unwrap().set_len(100 << 20).unwrap();
    symlink(&pages, pages.join("deep/loop")).unwrap();
    symlink("self.md", pages.join("self.md")).unwrap();
    symlink(&pages, pages.join("folder.md")).unwrap();
    nix::unistd::mkfifo(&pages.join("pipe.md"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let document = bench.json(&["import", "pages", "--out", "books"], 1);
    let of = |name: &str| {
        let found = outcomes(&document).into_iter().find(|(file, _)| file == name);
        found.map_or_else(|| panic!("{name} is told of: {document:#}"), |(_, outcome)| outcome)
    };
    for name in ["good.md", "good.MD", "script.md"] {
        assert_eq!(of(name), "imported", "{name}");
    }
    for name in ["_index.md", "README.md"] {
        assert_eq!(of(name), "skipped", "{name}");
    }
    for name in ["picture.md", "latin.md", "wide.md", "matter.md", "empty.md", "huge.md", "self.md", "pipe.md"] {
        assert_eq!(of(name), "failed", "{name}");
    }
    let failed = document["files"].as_array().unwrap().iter().filter(|file| file["outcome"] == "failed");
    for file in failed {
        let finding = &file["findings"][0];
        assert!(finding["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{file:#}");
    }
    assert_eq!(document["imported"], 3);
    let names: Vec<_> = fs::read_dir(bench.path().join("books")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "two files of one name are two runbooks: {names:?}");
    bench.expect(&["validate", "books"], 0);
}

#[test]
fn a_folder_that_cannot_be_read_does_not_keep_the_others_out() {
    let bench = Bench::new();
    let closed = bench.path().join("pages/closed");
    fs::create_dir_all(&closed).unwrap();
    fs::write(bench.path().join("pages/good.md"), PAGE).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        eprintln!("skipped: root may read everything");
        return;
    }
    let document = bench.json(&["import", "pages", "--out", "books"], 1);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(document["imported"], 1);
    assert_eq!(document["failed"], 1);
}

#[test]
fn a_path_that_is_not_there_is_bad_input_before_anything_is_written() {
    let bench = Bench::new();
    fs::write(bench.path().join("a.md"), PAGE).unwrap();
    let error = bench.json(&["import", "a.md", "missing.md", "--out", "books"], 2);
    assert!(error["error"]["message"].as_str().is_some_and(|message| message.contains("missing.md")), "{error}");
    assert!(!bench.path().join("books").exists(), "nothing was written");
}
