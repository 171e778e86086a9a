//! What lies in a directory, without reading the files.
//!
//! A git work tree is seen as git sees it: what `.gitignore` names is passed over. Hidden files and directories are, too,
//! and links to directories are not followed, so that no link leads in a circle.

use std::fs::{self, FileType, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use belay_runbook::finding::{Finding, Position};
use belay_runbook::lint::rule::{PASSED_OVER, UNREADABLE};
use ignore::WalkBuilder;

/// How long after a file was written another write may leave no trace in its time.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Files in the order of their paths.
    pub(crate) files: Vec<Seen>,
    /// Directories and files that cannot be read.
    pub(crate) problems: Vec<Finding>,
}

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: PathBuf,
    /// Changes with the file; empty while it is so young that a change might not show.
    pub(crate) stamp: String,
    /// Bytes.
    pub(crate) size: u64,
}

/// Looks for files below a directory whose paths are `wanted`.
pub(crate) fn below(dir: &Path, wanted: impl Fn(&Path) -> bool) -> Scan {
    let mut scan = Scan::default();
    let now = SystemTime::now();
    let walk = WalkBuilder::new(dir).follow_links(false).git_global(false).sort_by_file_path(Path::cmp).build();
    for entry in walk {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_dir()) => {}
            Ok(entry) => {
                let is_link = entry.path_is_symlink();
                let path = entry.into_path();
                let wanted = wanted(&path);
                // A link may lead to a directory, whatever its name.
                if !wanted && !is_link {
                    continue;
                }
                match fs::metadata(&path) {
                    Ok(metadata) if metadata.is_file() => {
                        if wanted {
                            let stamp = stamp(&metadata, now);
                            scan.files.push(Seen { path, stamp, size: metadata.len() });
                        }
                    }
                    Ok(metadata) if wanted || metadata.is_dir() => {
                        scan.problems.push(passed_over(&path, &format!("it is {}", kind(metadata.file_type()))));
                    }
                    Err(error) if wanted => scan.problems.push(unreadable(&path, &error.to_string())),
                    Ok(_) | Err(_) => {}
                }
            }
            Err(error) => {
                let path = path_of(&error).unwrap_or(dir).to_owned();
                let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                scan.problems.push(unreadable(&path, &why));
            }
        }
    }
    scan
}

/// The finding of a file or directory that cannot be read.
pub(crate) fn unreadable(path: &Path, why: &str) -> Finding {
    let place = Position { line: 1, column: 1 };
    UNREADABLE.at(&path.display().to_string(), place, format!("it cannot be read: {why}"))
}

/// The finding of something that is left where it is.
pub(crate) fn passed_over(path: &Path, why: &str) -> Finding {
    let place = Position { line: 1, column: 1 };
    PASSED_OVER.at(&path.display().to_string(), place, format!("passed over: {why}"))
}

/// What something is that is no file.
fn kind(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() { "a link to a directory, which is not followed" } else { "no file" }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        ignore::Error::Partial(errors) => errors.iter().find_map(path_of),
        ignore::Error::Loop { child, .. } => Some(child),
        ignore::Error::Io(_)
        | ignore::Error::Glob { .. }
        | ignore::Error::UnrecognizedFileType(_)
        | ignore::Error::InvalidDefinition => None,
    }
}

fn stamp(metadata: &Metadata, now: SystemTime) -> String {
    let Ok(modified) = metadata.modified() else { return String::new() };
    // A second write in the same grain of the clock would leave the same time; a clock that was set back says nothing.
    if now.duration_since(modified).is_ok_and(|age| age >= CLOCK_GRAIN) {
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}-{}", metadata.len(), since.as_nanos())
    } else {
        String::new()
    }
}
