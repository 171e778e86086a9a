//! Import of Markdown files: finding them, reading them, and writing the runbooks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use belay_runbook::action::Effect;
use belay_runbook::finding::{Finding, Position};
use belay_runbook::format;
use belay_runbook::import::{self, Import, ImportReport, rules};
use belay_runbook::model::{Runbook, Step};
use serde::Serialize;

use crate::error::CockpitError;
use crate::files::{self, Written};

/// How an import goes about it.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// Where the runbooks are written.
    pub out: PathBuf,
    /// Whether files that are there are replaced.
    pub force: bool,
}

/// What came of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// Its runbook was written.
    Imported,
    /// Its runbook was there already, word for word.
    Unchanged,
    /// It is no runbook, such as the front page of a folder.
    Skipped,
    /// Nothing could be made of it; the findings say why.
    Failed,
}

/// One file of an import.
#[derive(Debug, Clone, Serialize)]
pub struct ImportedFile {
    /// The Markdown file.
    pub file: String,
    /// What came of it.
    pub outcome: ImportOutcome,
    /// The runbook's file.
    pub written: Option<String>,
    /// The runbook's name.
    pub name: Option<String>,
    /// Steps, and how many of them only look, change something, and are text alone.
    pub steps: StepCount,
    /// Names of the inputs that placeholders became.
    pub inputs: Vec<String>,
    /// What became what.
    pub became: Vec<import::Became>,
    /// What somebody should look at.
    pub findings: Vec<Finding>,
}

/// Steps by what they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StepCount {
    /// All of them.
    pub all: usize,
    /// Steps whose commands only look.
    pub looking: usize,
    /// Steps whose commands change or destroy something.
    pub changing: usize,
    /// Steps without commands.
    pub text: usize,
}

/// Imports files and every Markdown file below directories. One that cannot be used does not keep the others out.
pub fn import_markdown(options: &ImportOptions) -> Result<Vec<ImportedFile>, CockpitError> {
    for path in &options.paths {
        if let Err(error) = fs::symlink_metadata(path) {
            return Err(CockpitError::user(format!("`{}` cannot be read: {error}", path.display()))
                .hint("give Markdown files, or directories that hold them"));
        }
    }
    fs::create_dir_all(&options.out).map_err(|error| {
        CockpitError::environment(&format!("`{}` cannot be made", options.out.display()), &error)
            .hint("choose another folder with `--out DIR`")
    })?;
    let mut importer = Importer { options, names: BTreeMap::new(), ids: BTreeSet::new(), files: Vec::new() };
    let mut seen = BTreeSet::new();
    for path in &options.paths {
        importer.path(path, &mut seen);
    }
    Ok(importer.files)
}

/// Reads one Markdown file; findings where nothing can be made of it.
pub fn read_markdown(path: &Path) -> Result<Import, Finding> {
    let name = path.display().to_string();
    let unreadable = |error: &std::io::Error| unreadable(&name, &error.to_string());
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(self::unreadable(&name, "it is not a file"));
    }
    let limit = import::SIZE_LIMIT as u64;
    if metadata.len() > limit {
        return Err(import::too_large(&name, metadata.len()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| unreadable(&error))?;
    // One more than the limit: a file that grows meanwhile is told to be too large.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    import::import(&name, &bytes)
}

fn unreadable(file: &str, why: &str) -> Finding {
    let message = format!("it cannot be read: {why}");
    let finding = rules::UNREADABLE.at(file, Position { line: 1, column: 1 }, message);
    Finding { hint: Some("check its rights, or leave it out".to_owned()), ..finding }
}

struct Importer<'o> {
    options: &'o ImportOptions,
    /// Names that this import has given, with the files that have them.
    names: BTreeMap<String, String>,
    ids: BTreeSet<String>,
    files: Vec<ImportedFile>,
}

impl Importer<'_> {
    fn path(&mut self, path: &Path, seen: &mut BTreeSet<PathBuf>) {
        if !path.is_dir() {
            self.file(path, true);
            return;
        }
        let mut open = vec![path.to_owned()];
        let mut found = Vec::new();
        while let Some(dir) = open.pop() {
            // A directory that was given twice, or that a link leads to again, is read once.
            if let Ok(canonical) = dir.canonicalize()
                && !seen.insert(canonical)
            {
                continue;
            }
            match Self::entries(&dir) {
                Ok((dirs, files)) => {
                    open.extend(dirs);
                    found.extend(files);
                }
                Err(error) => self.failed(unreadable(&dir.display().to_string(), &error.to_string())),
            }
        }
        found.sort();
        for file in found {
            self.file(&file, false);
        }
    }

    /// Directories and Markdown files in a directory. Links to directories are not followed.
    fn entries(dir: &Path) -> std::io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
        let (mut dirs, mut files) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "node_modules" {
                continue;
            }
            if kind.is_dir() {
                dirs.push(path);
            } else if is_markdown(&path) && !path.is_dir() {
                files.push(path);
            }
        }
        Ok((dirs, files))
    }

    fn failed(&mut self, finding: Finding) {
        self.files.push(ImportedFile {
            file: finding.file.clone(),
            outcome: ImportOutcome::Failed,
            written: None,
            name: None,
            steps: StepCount::default(),
            inputs: Vec::new(),
            became: Vec::new(),
            findings: vec![finding],
        });
    }

    fn file(&mut self, path: &Path, named: bool) {
        let front_page = is_front_page(path);
        match read_markdown(path) {
            Ok(import) if named || !front_page || import.report.has_steps => self.write(path, import),
            Ok(import) => self.skipped(import.report),
            Err(finding) if !named && front_page && finding.rule == rules::EMPTY.id => {
                self.skipped(ImportReport { file: finding.file, ..ImportReport::default() });
            }
            Err(finding) => self.failed(finding),
        }
    }

    fn skipped(&mut self, report: ImportReport) {
        self.files.push(ImportedFile {
            file: report.file,
            outcome: ImportOutcome::Skipped,
            written: None,
            name: None,
            steps: StepCount::default(),
            inputs: Vec::new(),
            became: Vec::new(),
            findings: Vec::new(),
        });
    }

    fn write(&mut self, path: &Path, import: Import) {
        let Import { mut runbook, report } = import;
        let ImportReport { file, became, mut findings, has_steps: _ } = report;
        self.name(path, &mut runbook, &file);
        if let Some(id) = runbook.id.clone()
            && !self.ids.insert(id.to_lowercase())
        {
            // Two runbooks of one id could not be told apart.
            runbook.annotations.insert(import::ID_ANNOTATION.to_owned(), id);
            runbook.id = None;
        }
        let target = self.options.out.join(format!("{}.yaml", runbook.name));
        let yaml = format::to_yaml(&runbook);
        let outcome = match files::write(&target, yaml.as_bytes(), self.options.force) {
            Ok(Written::Done) => ImportOutcome::Imported,
            Ok(Written::Same) => ImportOutcome::Unchanged,
            Ok(Written::Taken) => {
                findings.push(taken(&file, &target));
                ImportOutcome::Failed
            }
            Err(error) => {
                let mut finding = unreadable(&file, "");
                finding.message = format!("`{}` cannot be written: {error}", target.display());
                finding.hint =
                    Some("make room, check its rights, or choose another folder with `--out DIR`".to_owned());
                findings.push(finding);
                ImportOutcome::Failed
            }
        };
        let written = matches!(outcome, ImportOutcome::Imported | ImportOutcome::Unchanged);
        self.files.push(ImportedFile {
            file,
            outcome,
            written: written.then(|| target.display().to_string()),
            steps: count(&runbook),
            inputs: runbook.inputs.keys().cloned().collect(),
            name: Some(runbook.name),
            became,
            findings,
        });
    }

    /// Names are unique within one import: of two files of one name the second has its folder before it.
    fn name(&mut self, path: &Path, runbook: &mut Runbook, file: &str) {
        let folder = path.parent().and_then(Path::file_name).map(|folder| folder.to_string_lossy().into_owned());
        let own = runbook.name.clone();
        let with_folder = folder.and_then(|folder| import::runbook_name(&format!("{folder} {own}")));
        let numbered = (2_u32..).filter_map(|number| import::runbook_name(&format!("{number} {own}")));
        let mut candidates = std::iter::once(own.clone()).chain(with_folder).chain(numbered);
        if let Some(name) = candidates.find(|name| !self.names.contains_key(name)) {
            self.names.insert(name.clone(), file.to_owned());
            runbook.name = name;
        }
    }
}

fn taken(file: &str, target: &Path) -> Finding {
    let message = format!("`{}` is there already and holds something else", target.display());
    let finding = rules::FILE_EXISTS.at(file, Position { line: 1, column: 1 }, message);
    Finding { hint: Some("replace it with `--force`, or choose another folder with `--out DIR`".to_owned()), ..finding }
}

fn count(runbook: &Runbook) -> StepCount {
    let mut count = StepCount::default();
    for step in runbook.steps.iter().chain(&runbook.rollback_steps) {
        let Step { effect, .. } = step;
        count.all += 1;
        match effect {
            Some(Effect::Read) => count.looking += 1,
            Some(Effect::Mutate | Effect::Destructive) => count.changing += 1,
            None => count.text += 1,
        }
    }
    count
}

pub(crate) fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["md", "markdown", "mdown", "mkd"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Files that describe their folder; one of them may be a runbook all the same.
pub(crate) fn is_front_page(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    ["readme", "_index", "index", "contributing", "changelog", "license", "code_of_conduct", "security", "summary"]
        .contains(&stem.as_str())
}
