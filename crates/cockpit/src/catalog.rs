//! The catalog: bundled runbooks, added directories, and paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use belay_runbook::finding::{Finding, FindingLevel};
use belay_runbook::format::{self, Places};
use belay_runbook::import::{self, Import};
use belay_runbook::lint;
use belay_runbook::model::{CommandSpec, Does, Runbook};
use belay_store::{Document, Health};
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use crate::error::CockpitError;
use crate::import::{is_front_page, is_markdown};
use crate::sources::scan;

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
    /// Where everything stands in the text; unknown where the text was made from Markdown.
    pub(crate) places: Option<Arc<Places>>,
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
pub(crate) fn bundled_files() -> impl Iterator<Item = (String, &'static [u8])> {
    BUNDLED
        .files()
        .filter(|file| is_runbook_file(file.path()))
        .map(|file| (file.path().display().to_string(), file.contents()))
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

/// What a file of the catalog holds.
pub(crate) enum Content {
    /// A runbook.
    Runbook(Box<Found>),
    /// Something else, such as a manifest of another kind or the front page of a folder.
    Other,
    /// A runbook that cannot be used.
    Broken(Vec<Finding>),
}

/// Reads a file that lies in a directory among others.
pub(crate) fn open(file: &str, bytes: &[u8]) -> Content {
    let path = Path::new(file);
    let markdown = is_markdown(path);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        let front_page = markdown && is_front_page(path);
        return if front_page { Content::Other } else { Content::Broken(vec![scan::passed_over(path, "it is empty")]) };
    }
    if !markdown && is_other_yaml(bytes) {
        return Content::Other;
    }
    if markdown {
        return match import::import(file, bytes) {
            Ok(import) if !import.report.has_steps && is_front_page(path) => Content::Other,
            Ok(import) => Content::Runbook(Box::new(imported(file, import))),
            Err(finding) => Content::Broken(vec![finding]),
        };
    }
    match read(file, bytes, file) {
        Ok(found) => Content::Runbook(Box::new(found)),
        Err(findings) => Content::Broken(findings),
    }
}

/// Whether a YAML file is text that does not even mention what makes a runbook.
fn is_other_yaml(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| !text.contains("sre.oversight.io") && !text.contains("kind: Runbook"))
}

/// A runbook that was written as Markdown: its text is the runbook file that it stands for.
fn imported(file: &str, import: Import) -> Found {
    let text = format::to_yaml(&import.runbook);
    Found {
        digest: sha256(text.as_bytes()),
        text: Arc::from(text),
        source: file.to_owned(),
        places: None,
        findings: import.report.findings,
        runbook: Arc::new(import.runbook),
    }
}

/// Reads one file's bytes as a runbook, YAML or Markdown; findings where it is none.
pub(crate) fn read(file: &str, bytes: &[u8], source: &str) -> Result<Found, Vec<Finding>> {
    if is_markdown(Path::new(file)) {
        return import::import(file, bytes).map(|import| imported(file, import)).map_err(|finding| vec![finding]);
    }
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
        places: Some(Arc::new(parsed.places)),
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

/// What to do where a file does not exist: it may be the name of a runbook.
fn elsewhere(path: &Path) -> String {
    let name = path.display().to_string();
    if bundled_one(&name).is_some() {
        return format!(
            "a path is wanted here; `belay show {name} --format yaml` prints the bundled runbook of that name"
        );
    }
    "give the path of a file or of a directory; `belay search WORDS` finds runbooks by what they are about".to_owned()
}

/// A file's bytes, bounded.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, CockpitError> {
    let failed = |error: &std::io::Error| {
        let failed = CockpitError::user(format!("`{}` cannot be read: {error}", path.display()));
        if error.kind() == std::io::ErrorKind::NotFound {
            return failed.hint(elsewhere(path));
        }
        failed.hint("look at its rights, and whether it is a file")
    };
    if !is_readable_file(path).map_err(|error| failed(&error))? {
        // Opening a pipe that nobody writes to would wait for ever.
        return Err(CockpitError::user(format!("`{}` is no regular file", path.display()))
            .hint("give a file; `/dev/stdin` reads what is piped in"));
    }
    let file = fs::File::open(path).map_err(|error| failed(&error))?;
    let size = file.metadata().map_err(|error| failed(&error))?.len();
    if size > LARGEST {
        return Err(CockpitError::user(format!("`{}` has {size} bytes, more than any runbook", path.display()))
            .hint("a runbook has at most 1 MiB; split it into several that refer to each other"));
    }
    // A pipe does not say how much will come.
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(CockpitError::user(format!("`{}` has more bytes than any runbook", path.display())));
    }
    Ok(bytes)
}

/// Whether reading a path comes to an end: it is a file, a directory (which says so itself), or already open here.
fn is_readable_file(path: &Path) -> std::io::Result<bool> {
    let open_here = path == Path::new("/dev/stdin") || path.starts_with("/dev/fd");
    let about = fs::metadata(path)?;
    Ok(open_here || about.is_file() || about.is_dir())
}

/// Every runbook file below a directory, sorted; a finding for what cannot be read.
pub(crate) fn files_below(dir: &Path) -> (Vec<PathBuf>, Vec<Finding>) {
    let scan = scan::below(dir, is_runbook_file);
    (scan.files.into_iter().map(|seen| seen.path).collect(), scan.problems)
}

/// Reads every runbook below a directory; a broken one does not hide the others.
pub(crate) fn read_directory(dir: &Path) -> Listing {
    let mut listing = Listing::default();
    let scan = scan::below(dir, may_be_runbook);
    for seen in scan.files {
        let name = seen.path.display().to_string();
        match read_bytes(&seen.path).map(|bytes| open(&name, &bytes)) {
            Ok(Content::Runbook(found)) => listing.found.push(*found),
            Ok(Content::Other) => {}
            Ok(Content::Broken(findings)) => listing.broken.push(Broken { path: name, findings }),
            Err(error) => {
                let findings = vec![scan::unreadable(&seen.path, &error.message)];
                listing.broken.push(Broken { path: name, findings });
            }
        }
    }
    for problem in scan.problems {
        listing.broken.push(Broken { path: problem.file.clone(), findings: vec![problem] });
    }
    listing
}

/// Whether a file of an added directory may be a runbook by its name.
pub(crate) fn may_be_runbook(path: &Path) -> bool {
    is_runbook_file(path) || is_markdown(path)
}

/// Whether a file may be a runbook by its name; tests lie beside the runbooks.
pub(crate) fn is_runbook_file(path: &Path) -> bool {
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let is_test = path.file_stem().is_some_and(|stem| Path::new(stem).extension().is_some_and(|inner| inner == "test"));
    is_yaml && !is_test
}

/// What is said of a runbook that can be used: that its text would do something in a browser.
pub(crate) fn warnings(found: &Found) -> impl Iterator<Item = &Finding> {
    found.findings.iter().filter(|finding| finding.rule == import::rules::SCRIPT.id)
}

/// The searchable document of a runbook.
pub(crate) fn document(found: &Found, source: &str, key: String) -> Document {
    let runbook = &found.runbook;
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
        description: joined([&runbook.description, &runbook.documentation.impact].into_iter().flatten()),
        symptoms,
        triggers: runbook.trigger.alerts.clone(),
        services: runbook.services.clone(),
        tags: runbook.tags.clone(),
        severity: runbook.severity.as_str().to_owned(),
        category: runbook.category.map(|category| category.as_str().to_owned()).unwrap_or_default(),
        domain: runbook.domain.map(|domain| domain.as_str().to_owned()).unwrap_or_default(),
        health: Health::default(),
        body: joined(runbook.documentation.resolution.iter().chain(&steps_text(runbook)).chain(&runbook.references)),
    }
}

/// What the steps say and do, in words that somebody may look for.
fn steps_text(runbook: &Runbook) -> Vec<String> {
    let mut texts = Vec::new();
    for step in &runbook.steps {
        texts.push(step.display_title().to_owned());
        texts.extend(
            [&step.description, &step.success_criteria, &step.failure_hint, &step.expected_output]
                .into_iter()
                .flatten()
                .cloned(),
        );
        match &step.does {
            Does::Commands(commands) => texts.extend(commands.iter().map(command_text)),
            Does::Action(call) | Does::Automation(call) => texts.push(call.name.clone()),
            Does::Nothing => {}
        }
    }
    texts
}

fn command_text(command: &CommandSpec) -> String {
    match command {
        CommandSpec::Line(text) | CommandSpec::Script(text) => text.clone(),
        CommandSpec::Argv(words) => words.join(" "),
    }
}

fn joined<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    texts.map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes every write");
        hex
    })
}

/// Whether some finding says that the file cannot be used.
pub(crate) fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == FindingLevel::Error)
}

/// Whether a bundled runbook has a name.
pub(crate) fn is_bundled(name: &str) -> bool {
    bundled().values().any(|found| found.runbook.name == name)
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
