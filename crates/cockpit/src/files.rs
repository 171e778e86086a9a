//! Files that are complete or not there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What became of a file that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was not there, or was replaced.
    Done,
    /// It holds the same already.
    Same,
    /// Another file is there.
    Taken,
}

/// Writes a file beside its place, syncs it and puts it there, so that a crash leaves the old file or the new one.
///
/// A file that is there is replaced only where `replace` says so, even if it appears in the meantime.
pub(crate) fn write(path: &Path, content: &[u8], replace: bool) -> std::io::Result<Written> {
    let there = match fs::read(path) {
        Ok(old) if old == content => return Ok(Written::Same),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        // What cannot be read is somebody's all the same.
        Ok(_) | Err(_) => true,
    };
    if there && !replace {
        return Ok(Written::Taken);
    }
    let draft = draft(path);
    let put = write_draft(&draft, content).and_then(|()| {
        if replace {
            // The rights of the old file are somebody's choice.
            if let Ok(old) = fs::metadata(path) {
                fs::set_permissions(&draft, old.permissions())?;
            }
            return fs::rename(&draft, path).map(|()| Written::Done);
        }
        let linked = match fs::hard_link(&draft, path) {
            Ok(()) => Ok(Written::Done),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Written::Taken),
            Err(error) => Err(error),
        };
        fs::remove_file(&draft).and(linked)
    });
    if put.is_err() {
        // The first error says more than one about tidying up.
        fs::remove_file(&draft).unwrap_or_default();
    }
    put
}

fn draft(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn write_draft(draft: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn a_file_is_replaced_only_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        assert_eq!(write(&path, b"one", false).unwrap(), Written::Done);
        assert_eq!(write(&path, b"one", false).unwrap(), Written::Same);
        assert_eq!(write(&path, b"two", false).unwrap(), Written::Taken);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(write(&path, b"two", true).unwrap(), Written::Done);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft stays");
    }
}
