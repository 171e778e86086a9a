//! Catalogs to search: the bundled one, with Markdown runbooks beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use belay_cockpit::{Cockpit, KeyringChoice, Options, Program};
use belay_runbook::{format, import};

/// A cockpit with a home of its own, and the names of the Markdown runbooks beside the bundled ones.
pub struct Corpus {
    pub cockpit: Arc<Cockpit>,
    pub names: Vec<String>,
    _folder: tempfile::TempDir,
}

/// The alert runbooks of the Prometheus operator; `None`, and said so, where they are not beside the repository.
pub fn operator_runbooks() -> Option<PathBuf> {
    let path = "shared/corpora/prometheus-operator-runbooks/content/runbooks";
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join(path));
    let found = beside.into_iter().find(|path| path.is_dir());
    if found.is_none() {
        eprintln!("skipped: {path} is nowhere beside the repository");
    }
    found
}

/// Our own few Markdown runbooks.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("search/samples")
}

/// A cockpit over the bundled catalog and the Markdown files below `folder`.
pub fn with_markdown(folder: &Path) -> Corpus {
    let home = tempfile::tempdir().unwrap();
    let runbooks = home.path().join("runbooks");
    std::fs::create_dir(&runbooks).unwrap();
    let mut names = Vec::new();
    for file in markdown(folder) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let imported = import::import(&file.display().to_string(), &std::fs::read(&file).unwrap()).unwrap();
        std::fs::write(runbooks.join(format!("{name}.yaml")), format::to_yaml(&imported.runbook)).unwrap();
        names.push(name);
    }
    let program = Program { program: "/bin/false".into(), args: Vec::new() };
    let cockpit = Cockpit::new(Options {
        home: home.path().join("home"),
        helper: program.clone(),
        worker: program,
        context: None,
        keyring: KeyringChoice::Off,
    });
    let report = cockpit.catalog_add(&runbooks).unwrap();
    assert_eq!((report.runbooks, report.findings), (names.len(), Vec::new()), "every file is a runbook");
    Corpus { cockpit, names, _folder: home }
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md")
                && path.file_stem().is_some_and(|stem| stem != "_index")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
