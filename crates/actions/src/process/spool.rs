//! Outcomes that nobody could receive: left by the helper of a command that outlives Belay, adopted by the next start.

use std::path::{Path, PathBuf};

use belay_runbook::act::Outcome;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The version of the file.
const VERSION: u16 = 1;

/// One file: the outcome as JSON text, and the hash that tells a whole one from a damaged one.
#[derive(Serialize, Deserialize)]
struct Spooled {
    version: u16,
    invocation: String,
    sha256: String,
    outcome: String,
}

/// Why an outcome could not be left, adopted or removed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file could not be written.
    #[error("the outcome could not be written to `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The file could not be read.
    #[error("the outcome in `{path}` could not be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what a helper left.
    #[error("the outcome in `{path}` is damaged: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file could not be removed.
    #[error("the outcome in `{path}` could not be removed")]
    Remove {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
}

/// Leaves an outcome: written, synced and renamed, so that a reader sees all of it or nothing, even after a power cut.
pub(super) fn leave(directory: &Path, invocation: &str, outcome: &Outcome) -> Result<(), SpoolError> {
    let path = path(directory, invocation);
    let outcome = serde_json::to_string(outcome).expect("an outcome is JSON by type");
    let spooled = Spooled {
        version: VERSION,
        invocation: invocation.to_owned(),
        sha256: super::hex(&Sha256::digest(outcome.as_bytes())),
        outcome,
    };
    let bytes = serde_json::to_vec(&spooled).expect("a spooled outcome holds only text and numbers");
    super::write_durably(&path, &bytes).map_err(|source| SpoolError::Write { path, source })
}

/// Takes the outcome that a helper left for an invocation, or `None` where there is none. The file stays until
/// [`acknowledge`], so that a crash right after this loses nothing.
pub fn adopt(directory: &Path, invocation: &str) -> Result<Option<Outcome>, SpoolError> {
    let path = path(directory, invocation);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SpoolError::Read { path, source }),
    };
    let damaged = |problem: String| SpoolError::Damaged { path: path.clone(), problem };
    let spooled: Spooled = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if spooled.version != VERSION {
        return Err(damaged(format!("version {} is unknown", spooled.version)));
    }
    if spooled.invocation != invocation {
        return Err(damaged("it belongs to another invocation".to_owned()));
    }
    if spooled.sha256 != super::hex(&Sha256::digest(spooled.outcome.as_bytes())) {
        return Err(damaged("its hash does not match".to_owned()));
    }
    serde_json::from_str(&spooled.outcome).map(Some).map_err(|error| damaged(error.to_string()))
}

/// The invocations that have an outcome here. One that cannot be read is skipped with a log line.
pub fn find(directory: &Path) -> Result<Vec<String>, SpoolError> {
    let failed = |source| SpoolError::Read { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match std::fs::read(&path).map(|bytes| serde_json::from_slice::<Spooled>(&bytes)) {
            Ok(Ok(spooled)) if spooled.version == VERSION => found.push(spooled.invocation),
            Ok(Ok(_) | Err(_)) | Err(_) => {
                tracing::warn!(path = %path.display(), "an outcome that a helper left is unreadable");
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes the outcome of an invocation once it stands in the journal.
pub fn acknowledge(directory: &Path, invocation: &str) -> Result<(), SpoolError> {
    let path = path(directory, invocation);
    super::remove(&path).map_err(|source| SpoolError::Remove { path, source })
}

fn path(directory: &Path, invocation: &str) -> PathBuf {
    directory.join(format!("{}.json", super::file_key(invocation)))
}
