//! Writing runbooks: new ones, and new versions of those that are there.
//!
//! An edit works on a draft in the home folder. The runbook's file changes only when the draft is kept, and a draft that
//! was not kept stays where it is until it is discarded, whatever happens to the editor.

use std::fs;
use std::path::{Path, PathBuf};

use belay_runbook::finding::{Finding, FindingLevel};
use belay_runbook::format;
use belay_runbook::import;
use belay_runbook::model::{Change, Runbook};
use belay_runbook::revision::{self, Bump};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};

use crate::catalog::{self, BUNDLED_SOURCE};
use crate::error::CockpitError;
use crate::files::{self, Written};
use crate::{Cockpit, home};

/// How long after its writing a runbook is to be reviewed, in days.
const REVIEW_DAYS: i64 = 180;

/// An edit that is under way.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The runbook's name.
    pub name: String,
    /// The file that changes when the draft is kept.
    pub target: PathBuf,
    /// The file to edit.
    pub draft: PathBuf,
    /// Whether the runbook is bundled and the target is a copy of one's own.
    pub copies: bool,
    /// Whether the draft is left over from an earlier edit.
    pub left_over: bool,
    /// The text that the edit began with.
    original: String,
    /// What stood in the target then; nothing where it was not there.
    before: Option<Vec<u8>>,
}

/// What to note when a draft is kept.
#[derive(Debug, Clone)]
pub struct Revision {
    /// What changed, for the changelog.
    pub changes: String,
    /// How much of the version changes; not at all where absent.
    pub bump: Option<Bump>,
}

/// A draft that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The runbook's file.
    pub path: PathBuf,
    /// Its version now.
    pub version: Option<String>,
    /// Whether the changelog and the version were noted.
    pub noted: bool,
}

impl Cockpit {
    /// The first directory that was added to the catalog.
    pub fn own_directory(&self) -> Result<Option<PathBuf>, CockpitError> {
        if !self.home.database().exists() {
            return Ok(None);
        }
        let own = self.catalog_list()?.into_iter().find(|source| source.path != BUNDLED_SOURCE);
        Ok(own.map(|source| PathBuf::from(source.path)))
    }

    /// Whether a bundled runbook has this name already.
    pub fn is_bundled(&self, name: &str) -> bool {
        catalog::is_bundled(name)
    }

    /// Writes a new runbook with its first version, a changelog and a review date.
    ///
    /// One that has errors is not written; they are the error's text.
    pub fn write_new(
        &self,
        runbook: &mut Runbook,
        dir: &Path,
        force: bool,
        changes: &str,
    ) -> Result<PathBuf, CockpitError> {
        let today = today();
        let review = today.checked_add(REVIEW_DAYS.days()).unwrap_or(today);
        import::publish(runbook, Some(&home::responder()), today, review, changes);
        let yaml = format::to_yaml(runbook);
        let path = dir.join(format!("{}.yaml", runbook.name));
        let findings = self.validate_texts(&[(path.display().to_string(), yaml.clone().into_bytes())]);
        if let Some(finding) = findings.iter().find(|finding| finding.severity == FindingLevel::Error) {
            return Err(CockpitError::user(finding.message.clone())
                .hint(finding.hint.clone().unwrap_or_else(|| "nothing was written".to_owned())));
        }
        fs::create_dir_all(dir).map_err(|error| failed(dir, "cannot be made", &error))?;
        match files::write(&path, yaml.as_bytes(), force).map_err(|error| failed(&path, "cannot be written", &error))? {
            Written::Done | Written::Same => Ok(path),
            Written::Taken => Err(CockpitError::user(format!("`{}` is there already", path.display()))
                .hint("change it with `belay edit`, or replace it with `--force`")),
        }
    }

    /// Begins an edit; `dir` is where a bundled runbook is copied to.
    pub fn begin_edit(&self, reference: &str, dir: Option<&Path>) -> Result<Edit, CockpitError> {
        let (name, original, source) = match self.find(reference) {
            Ok(found) => (found.runbook.name.clone(), found.text.to_string(), found.source),
            // A file that is broken is the one that needs an edit most.
            Err(error) => {
                let path = Path::new(reference);
                let text =
                    String::from_utf8(catalog::read_bytes(path).map_err(|_| error.clone())?).map_err(|_| error)?;
                let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                (import::runbook_name(&stem).unwrap_or_else(|| "runbook".to_owned()), text, reference.to_owned())
            }
        };
        if source != BUNDLED_SOURCE && !catalog::is_runbook_file(Path::new(&source)) {
            return Err(CockpitError::user(format!("`{source}` is no runbook file"))
                .hint(format!("make one of it with `belay new {name} --from {source}`, or edit it as it is")));
        }
        let copies = source == BUNDLED_SOURCE;
        let target = match dir {
            _ if !copies => PathBuf::from(source),
            Some(dir) => dir.join(format!("{name}.yaml")),
            None => {
                return Err(CockpitError::user(format!("`{name}` is bundled, and there is no folder for a copy"))
                    .hint("name one with `--dir DIR`; `belay catalog add DIR` makes its runbooks found"));
            }
        };
        let before = match fs::read(&target) {
            Ok(_) if copies => {
                return Err(CockpitError::user(format!("`{}` is there already", target.display()))
                    .hint(format!("edit it with `belay edit {}`", target.display())));
            }
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&target, "cannot be read", &error)),
        };
        self.home.ensure()?;
        let drafts = self.home.dir().join("drafts");
        fs::create_dir_all(&drafts).map_err(|error| failed(&drafts, "cannot be made", &error))?;
        // Two files of one name have drafts of their own.
        let place = target.canonicalize().unwrap_or_else(|_| target.clone());
        let digest: String = catalog::sha256(place.as_os_str().as_encoded_bytes()).chars().take(8).collect();
        let draft = drafts.join(format!("{name}-{digest}.yaml"));
        let left_over = draft.exists();
        if !left_over {
            files::write(&draft, original.as_bytes(), false)
                .map_err(|error| failed(&draft, "cannot be written", &error))?;
        }
        Ok(Edit { name, target, draft, copies, left_over, original, before })
    }

    /// Whether the draft differs from the text that the edit began with, and what validation reports of it.
    pub fn look_at_draft(&self, edit: &Edit) -> Result<(bool, Vec<Finding>), CockpitError> {
        let bytes = catalog::read_bytes(&edit.draft)?;
        let changed = bytes != edit.original.as_bytes();
        let findings = self.validate_texts(&[(edit.target.display().to_string(), bytes)]);
        Ok((changed, findings))
    }

    /// The version that the next revision would have, where the draft leaves it to belay: whoever changed the version
    /// or the changelog by hand has noted it already.
    pub fn next_version(&self, edit: &Edit, bump: Bump) -> Result<Option<String>, CockpitError> {
        let draft = format::parse("", &catalog::read_bytes(&edit.draft)?).runbook;
        let original = format::parse("", edit.original.as_bytes()).runbook;
        Ok(match (draft, original) {
            (Some(draft), Some(original)) if draft.version != original.version => None,
            (Some(draft), Some(original)) if draft.changelog.len() != original.changelog.len() => None,
            (Some(draft), _) => revision::next_version(draft.version.as_deref(), bump),
            (None, _) => None,
        })
    }

    /// Keeps a draft: notes the revision and puts the text into its place. A file that somebody else has changed
    /// meanwhile is not overwritten; the draft stays.
    pub fn keep_draft(&self, edit: &Edit, revision: Option<&Revision>) -> Result<Kept, CockpitError> {
        let now = fs::read(&edit.target).ok();
        if now != edit.before {
            return Err(CockpitError::refused(format!(
                "`{}` was changed by somebody else meanwhile, and is left as it is",
                edit.target.display()
            ))
            .hint(format!("your draft is in `{}`: put both together by hand", edit.draft.display())));
        }
        let draft = String::from_utf8_lossy(&catalog::read_bytes(&edit.draft)?).into_owned();
        let noted = match revision {
            None => None,
            Some(revision) => {
                let version = revision.bump.map(|bump| self.next_version(edit, bump)).transpose()?.flatten();
                let change = Change {
                    date: today().to_string(),
                    author: Some(home::responder()),
                    changes: revision.changes.clone(),
                };
                revision::revised(&draft, version.as_deref(), &change)
            }
        };
        let text = noted.as_deref().unwrap_or(&draft);
        if let Some(dir) = edit.target.parent() {
            fs::create_dir_all(dir).map_err(|error| failed(dir, "cannot be made", &error))?;
        }
        files::write(&edit.target, text.as_bytes(), true)
            .map_err(|error| failed(&edit.target, "cannot be written; your draft stays", &error))?;
        let version = format::parse("", text.as_bytes()).runbook.and_then(|runbook| runbook.version);
        self.discard_draft(edit)?;
        Ok(Kept { path: edit.target.clone(), version, noted: noted.is_some() })
    }

    /// Removes a draft; the runbook's file is as it was.
    pub fn discard_draft(&self, edit: &Edit) -> Result<(), CockpitError> {
        fs::remove_file(&edit.draft).map_err(|error| failed(&edit.draft, "cannot be removed", &error))
    }
}

fn today() -> Date {
    Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn failed(path: &Path, what: &str, error: &std::io::Error) -> CockpitError {
    CockpitError::environment(&format!("`{}` {what}", path.display()), error)
}
