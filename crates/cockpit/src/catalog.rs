//! The catalog: bundled runbooks, added directories, and paths.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use belay_runbook::finding::{Finding, FindingLevel, Position};
use belay_runbook::format;
use belay_runbook::lint::{self, rule::UNREADABLE};
use belay_runbook::model::Runbook;
use belay_store::Document;
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use crate::error::CockpitError;

static BUNDLED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../runbooks");

/// The source of a bundled runbook.
pub const BUNDLED_SOURCE: &str = "bundled";
/// The largest file that is looked at, in bytes; the parser refuses it with a finding.
const LARGEST: u64 = 2 << 20;

/// A runbook that was found, with what it was read from.
#[derive(Debug, Clone)]
pub struct Found {
    /// The runbook.
    pub runbook: Arc<Runbook>,
    /// Its file's text.
    pub text: Arc<str>,
    /// `bundled`, or the file's path.
    pub source: String,
    /// SHA-256 of the text, hex.
    pub digest: String,
    /// What validation of the format reports; the rules are asked for with [`crate::Cockpit::validate`].
    pub findings: Vec<Finding>,
}

/// A file of the catalog that could not be used.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Its path.
    pub path: String,
    /// Why.
    pub findings: Vec<Finding>,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) found: Vec<Found>,
    pub(crate) broken: Vec<Broken>,
}

/// The bundled runbooks by name; each is parsed when it is first asked for.
pub(crate) fn bundled() -> &'static BTreeMap<String, Found> {
    static PARSED: LazyLock<BTreeMap<String, Found>> = LazyLock::new(|| {
        BUNDLED
            .files()
            .filter(|file| is_runbook_file(file.path()))
            .filter_map(|file| {
                let found = read(&file.path().display().to_string(), file.contents(), BUNDLED_SOURCE).ok()?;
                Some((found.runbook.name.clone(), found))
            })
            .collect()
    });
    &PARSED
}

/// The files of the bundled catalog, with their paths.
pub(crate) fn bundled_files() -> impl Iterator<Item = (String, Cow<'static, [u8]>)> {
    BUNDLED
        .files()
        .filter(|file| is_runbook_file(file.path()))
        .map(|file| (file.path().display().to_string(), Cow::Borrowed(file.contents())))
}

/// What names a file of a source in the index.
pub(crate) fn key(source: &str, path: &str) -> String {
    format!("{source}\u{1f}{path}")
}

/// A bundled runbook by name or id, without parsing the others where the name alone tells.
pub(crate) fn bundled_one(reference: &str) -> Option<Found> {
    if let Some(file) = BUNDLED.get_file(format!("{reference}.yaml")) {
        return read(&file.path().display().to_string(), file.contents(), BUNDLED_SOURCE).ok();
    }
    bundled().values().find(|found| matches(&found.runbook, reference)).cloned()
}

/// Whether a reference names a runbook: by id (in any case) or by name.
pub(crate) fn matches(runbook: &Runbook, reference: &str) -> bool {
    runbook.name == reference || runbook.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(reference))
}

/// Every name and id that related runbooks may refer to.
pub(crate) fn references<'a>(runbooks: impl IntoIterator<Item = &'a Runbook>) -> BTreeSet<String> {
    runbooks.into_iter().flat_map(|runbook| std::iter::once(runbook.name.clone()).chain(runbook.id.clone())).collect()
}

/// Reads one file's bytes as a runbook; findings where it is none.
pub(crate) fn read(file: &str, bytes: &[u8], source: &str) -> Result<Found, Vec<Finding>> {
    let parsed = format::parse(file, bytes);
    let Some(runbook) = parsed.runbook.filter(|_| !has_errors(&parsed.findings)) else {
        return Err(parsed.findings);
    };
    let text = String::from_utf8_lossy(bytes);
    Ok(Found {
        runbook: Arc::new(runbook),
        digest: sha256(bytes),
        text: Arc::from(text.as_ref()),
        source: source.to_owned(),
        findings: parsed.findings,
    })
}

/// Reads a file by its path.
pub(crate) fn read_path(path: &Path) -> Result<Found, CockpitError> {
    let name = path.display().to_string();
    let bytes = read_bytes(path)?;
    read(&name, &bytes, &name).map_err(|findings| {
        let first = findings.iter().find(|finding| finding.severity == FindingLevel::Error).or(findings.first());
        let what = first.map_or_else(|| format!("`{name}` is not a runbook"), ToString::to_string);
        CockpitError::user(what).hint(format!("`belay validate {name}` shows every finding"))
    })
}

/// A file's bytes, bounded.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, CockpitError> {
    let failed = |error: &std::io::Error| CockpitError::user(format!("`{}` cannot be read: {error}", path.display()));
    let size = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > LARGEST {
        return Err(CockpitError::user(format!("`{}` has {size} bytes, more than any runbook", path.display())));
    }
    fs::read(path).map_err(|error| failed(&error))
}

/// Every runbook file below a directory, sorted; links to directories are not followed.
pub(crate) fn files_below(dir: &Path) -> Result<Vec<PathBuf>, CockpitError> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = fs::read_dir(&dir)
            .map_err(|error| CockpitError::user(format!("`{}` cannot be read: {error}", dir.display())))?;
        for entry in entries {
            let entry =
                entry.map_err(|error| CockpitError::user(format!("`{}` cannot be read: {error}", dir.display())))?;
            let kind = entry
                .file_type()
                .map_err(|error| CockpitError::user(format!("`{}`: {error}", entry.path().display())))?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if kind.is_dir() && !hidden {
                open.push(entry.path());
            } else if !kind.is_dir() && is_runbook_file(&entry.path()) {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Reads every runbook below a directory; a broken one does not hide the others.
pub(crate) fn read_directory(dir: &Path) -> Result<Listing, CockpitError> {
    let mut listing = Listing::default();
    for path in files_below(dir)? {
        let name = path.display().to_string();
        match read_bytes(&path) {
            Ok(bytes) => match read(&name, &bytes, &name) {
                Ok(found) => listing.found.push(found),
                Err(findings) => listing.broken.push(Broken { path: name, findings }),
            },
            Err(error) => listing.broken.push(Broken {
                path: name.clone(),
                findings: vec![UNREADABLE.at(&name, Position { line: 1, column: 1 }, error.message)],
            }),
        }
    }
    Ok(listing)
}

/// Whether a file may be a runbook by its name; tests lie beside the runbooks.
pub(crate) fn is_runbook_file(path: &Path) -> bool {
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let is_test = path.file_stem().is_some_and(|stem| Path::new(stem).extension().is_some_and(|inner| inner == "test"));
    is_yaml && !is_test
}

/// The searchable document of a runbook.
pub(crate) fn document(found: &Found, source: &str, key: String) -> Document {
    let runbook = &found.runbook;
    let words = |list: &[String]| list.join("\n");
    let steps = runbook
        .steps
        .iter()
        .map(|step| format!("{}\n{}", step.display_title(), step.description.as_deref().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join("\n");
    let mut symptoms = runbook.documentation.symptoms.clone();
    symptoms.extend(runbook.trigger.prose.iter().cloned());
    Document {
        key,
        source: source.to_owned(),
        path: found.source.clone(),
        content_hash: found.digest.clone(),
        id: runbook.reference().to_owned(),
        name: runbook.name.clone(),
        title: runbook.display_title().to_owned(),
        description: runbook.description.clone().unwrap_or_default(),
        symptoms,
        triggers: runbook.trigger.alerts.clone(),
        services: runbook.services.clone(),
        tags: runbook.tags.clone(),
        severity: runbook.severity.as_str().to_owned(),
        category: runbook.category.map(|category| category.as_str().to_owned()).unwrap_or_default(),
        domain: runbook.domain.map(|domain| domain.as_str().to_owned()).unwrap_or_default(),
        body: [
            runbook.documentation.impact.clone().unwrap_or_default(),
            runbook.documentation.resolution.clone().unwrap_or_default(),
            steps,
            words(&runbook.references),
        ]
        .join("\n"),
    }
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes every write");
        hex
    })
}

fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == FindingLevel::Error)
}

/// Everything that validation reports of one file.
pub(crate) fn validate_bytes(file: &str, bytes: &[u8], surroundings: &lint::Surroundings<'_>) -> Vec<Finding> {
    let parsed = format::parse(file, bytes);
    let mut findings = parsed.findings.clone();
    if parsed.runbook.is_some() {
        findings.extend(lint::check(&parsed, surroundings));
    }
    findings.sort();
    findings.dedup();
    findings
}
