//! Holds the arrows of `ARCHITECTURE.md` against what cargo sees, and the pure crates against their source text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates that may hold no clock, randomness, runtime, file or network.
const PURE: &[&str] = &["runbook", "engine", "trust"];

/// Members that never ship and may depend on anything.
const UNSHIPPED: &[&str] = &["testkit", "tests"];

/// External crates that belong to few of ours; nobody else may name them.
const OWNED: &[(&str, &[&str])] = &[
    ("automerge", &["sync"]),
    ("axum", &["operator", "terminal", "sync-server"]),
    ("clap", &["terminal", "sync-server"]),
    ("crossterm", &["terminal"]),
    ("ed25519-dalek", &["trust"]),
    ("getrandom", &["actions", "cockpit"]),
    ("granit-parser", &["runbook"]),
    ("hickory-resolver", &["actions"]),
    ("k8s-openapi", &["actions", "operator"]),
    ("kube", &["actions", "operator"]),
    ("lettre", &["actions"]),
    ("minicbor", &["trust"]),
    ("ratatui", &["terminal"]),
    ("redis", &["actions"]),
    ("reqwest", &["actions"]),
    ("rquickjs", &["script"]),
    ("rusqlite", &["store", "sync-server"]),
    ("rusqlite_migration", &["store", "sync-server"]),
    ("samod", &["sync"]),
    ("serde-saphyr", &["runbook", "actions", "cockpit"]),
    ("tauri", &["desktop"]),
    ("tokio-postgres", &["actions"]),
    ("uuid", &["cockpit"]),
];

/// External crates that a pure crate may not even reach through another one.
const IMPURE: &[&str] = &[
    "async-std",
    "hyper",
    "mio",
    "notify",
    "reqwest",
    "rquickjs",
    "rusqlite",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "ureq",
];

/// External crates that a pure crate may not name itself: time, chance and processes come in as arguments.
const IMPURE_BY_NAME: &[&str] = &["chrono", "fastrand", "getrandom", "nix", "rand", "time", "uuid"];

/// What a pure crate's source may not say.
const IMPURE_WORDS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "std::env",
    "std::fs",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "std::process",
    "thread::spawn",
    "thread::sleep",
    "println!",
    "eprintln!",
];

/// The longest a module may be, in lines.
const MODULE_LIMIT: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member of the workspace").to_owned()
}

/// The target that this machine builds for; the crates of other targets need not be on its disk.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").current_dir(root()).output().expect("rustc built this test");
    let version = String::from_utf8(output.stdout).unwrap();
    version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

/// The workspace as cargo sees it, with the resolved graph of the host.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &host()])
        .current_dir(root())
        .output()
        .expect("cargo runs where its tests run");
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("cargo metadata gives `{key}` as text: {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("cargo metadata gives `{key}` as a list"))
}

/// Our packages by their short name (`runbook` for `belay-runbook`).
fn members(metadata: &Value) -> BTreeMap<String, &Value> {
    let ids: BTreeSet<&str> = list(metadata, "workspace_members").iter().filter_map(Value::as_str).collect();
    list(metadata, "packages")
        .iter()
        .filter(|package| ids.contains(text(package, "id")))
        .map(|package| (short(text(package, "name")).to_owned(), package))
        .collect()
}

fn short(package: &str) -> &str {
    package.strip_prefix("belay-").unwrap_or(package)
}

/// The arrows that `ARCHITECTURE.md` states, one per line: ``- `engine` → `runbook` ``.
fn stated_arrows() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page lies beside the manifests");
    let section = page.split("\n## Arrows\n").nth(1).expect("the page has a section `Arrows`");
    let section = section.split("\n## ").next().unwrap_or(section);
    let names =
        |side: &str| side.split('`').skip(1).step_by(2).map(|name| short(name).to_owned()).collect::<BTreeSet<_>>();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("- ")?.split_once(" → "))
        .flat_map(|(from, to)| names(from).into_iter().map(move |from| (from, names(to))).collect::<Vec<_>>())
        .collect()
}

/// Direct dependencies of a package that reach shipped code, build dependencies included.
fn shipped_dependencies(package: &Value) -> BTreeSet<String> {
    list(package, "dependencies")
        .iter()
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .map(|dependency| text(dependency, "name").to_owned())
        .collect()
}

#[test]
fn our_crates_depend_on_each_other_exactly_along_the_stated_arrows() {
    let metadata = metadata();
    let members = members(&metadata);
    let stated = stated_arrows();
    let mut wrong = Vec::new();
    for (name, package) in members.iter().filter(|(name, _)| !UNSHIPPED.contains(&name.as_str())) {
        let Some(allowed) = stated.get(name) else {
            wrong.push(format!("`{name}` has no line under Arrows in ARCHITECTURE.md"));
            continue;
        };
        let actual: BTreeSet<String> = shipped_dependencies(package)
            .iter()
            .filter(|dependency| members.contains_key(short(dependency)))
            .map(|dependency| short(dependency).to_owned())
            .collect();
        wrong.extend(
            actual.difference(allowed).map(|to| format!("`{name}` → `{to}` is in Cargo.toml, not on the page")),
        );
        wrong.extend(
            allowed.difference(&actual).map(|to| format!("`{name}` → `{to}` is on the page, not in Cargo.toml")),
        );
    }
    wrong.extend(
        stated
            .keys()
            .filter(|name| !members.contains_key(*name))
            .map(|name| format!("`{name}` is on the page and no member of the workspace")),
    );
    assert!(wrong.is_empty(), "the arrows differ:\n  {}", wrong.join("\n  "));
}

#[test]
fn test_support_never_reaches_shipped_code() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for (name, package) in members(&metadata) {
        if name != "tests" && shipped_dependencies(package).contains("belay-testkit") {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "testkit is a dev-dependency or nothing, but these ship it: {}", wrong.join(", "));
}

#[test]
fn a_client_library_is_named_only_by_the_crates_that_own_it() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for (name, package) in members(&metadata) {
        if UNSHIPPED.contains(&name.as_str()) {
            continue;
        }
        let direct = shipped_dependencies(package);
        for (external, owners) in OWNED {
            if direct.contains(*external) && !owners.contains(&name.as_str()) {
                wrong.push(format!("`{name}` names `{external}`, which belongs to {}", owners.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "dependencies in the wrong place:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_pure_crates_reach_no_runtime_database_file_or_network() {
    let metadata = metadata();
    let names: BTreeMap<&str, &str> =
        list(&metadata, "packages").iter().map(|package| (text(package, "id"), text(package, "name"))).collect();
    let mut wrong = Vec::new();
    for (name, package) in members(&metadata) {
        if !PURE.contains(&name.as_str()) {
            continue;
        }
        for direct in shipped_dependencies(package) {
            if IMPURE_BY_NAME.contains(&direct.as_str()) {
                wrong.push(format!("`{name}` names `{direct}`"));
            }
        }
        for (reached, path) in reach(&metadata, text(package, "id"), &names) {
            if IMPURE.contains(&reached.as_str()) {
                wrong.push(format!("`{name}` reaches `{reached}` through {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "a pure crate takes the world as arguments:\n  {}", wrong.join("\n  "));
}

/// Every package reached from `start` by dependencies that ship and are no build tools, with the way there.
fn reach(metadata: &Value, start: &str, names: &BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"], "nodes").iter().map(|node| (text(node, "id"), node)).collect();
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![(start, String::from(names[start]))];
    while let Some((id, path)) = open.pop() {
        for dependency in list(nodes[id], "deps") {
            let ships = list(dependency, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
            let next = text(dependency, "pkg");
            if ships && seen.insert(next) {
                let way = format!("{path} → {}", names[next]);
                found.insert(names[next].to_owned(), way.clone());
                open.push((next, way));
            }
        }
    }
    found
}

/// The Rust files below a folder, sorted.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The lines of a file that ship, with their numbers: comments and the test module at its end left out.
fn shipped_lines(content: &str) -> impl Iterator<Item = (usize, &str)> {
    content
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether a file holds nothing but tests: `tests.rs`, or anything below a folder `tests`.
fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

#[test]
fn the_pure_crates_say_nothing_of_clocks_files_processes_or_threads() {
    let mut wrong = Vec::new();
    for name in PURE {
        for file in sources(&root().join("crates").join(name).join("src")) {
            if is_test_file(file.strip_prefix(root().join("crates")).unwrap()) {
                continue;
            }
            let content = std::fs::read_to_string(&file).unwrap();
            for (number, line) in shipped_lines(&content) {
                for word in IMPURE_WORDS {
                    if line.contains(word) {
                        let file = file.strip_prefix(root()).unwrap().display().to_string();
                        wrong.push(format!("{file}:{number}: `{word}`"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a pure crate takes the world as arguments:\n  {}", wrong.join("\n  "));
}

#[test]
fn no_module_is_longer_than_a_reader_can_hold() {
    let mut wrong = Vec::new();
    for (_, package) in members(&metadata()) {
        let folder = Path::new(text(package, "manifest_path")).parent().unwrap().to_owned();
        for file in sources(&folder) {
            let lines = std::fs::read_to_string(&file).unwrap().lines().count();
            if lines > MODULE_LIMIT {
                wrong.push(format!("{}: {lines} lines", file.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "a module is one noun of at most {MODULE_LIMIT} lines:\n  {}", wrong.join("\n  "));
}
