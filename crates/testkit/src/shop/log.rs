//! The world's log: what was really done to the shop, in the order in which it was done.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ShopError;

/// One admin call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Position in the log, from one.
    pub seq: u64,
    /// Names the call: the caller's `x-request-id`, or one that the shop made.
    pub request: String,
    /// When, in RFC 3339.
    pub at: String,
    /// What: `cache.flush`, `version` …
    pub call: String,
    /// With which argument, where there is one.
    pub argument: Option<String>,
}

/// An append-only file of [`LogEntry`] lines, synced before the call takes effect.
#[derive(Debug)]
pub struct WorldLog {
    path: PathBuf,
    file: File,
    next: u64,
}

impl WorldLog {
    /// Opens or creates the log of a folder and goes on after its last entry.
    pub fn open(folder: &Path) -> Result<Self, ShopError> {
        let path = folder.join("world.jsonl");
        let next = u64::try_from(Self::read(folder)?.len()).expect("a file holds fewer lines than that") + 1;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| ShopError::File { path: path.clone(), source })?;
        Ok(Self { path, file, next })
    }

    /// Reads the log of a folder; empty where there is none yet.
    pub fn read(folder: &Path) -> Result<Vec<LogEntry>, ShopError> {
        let path = folder.join("world.jsonl");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(ShopError::File { path, source }),
        };
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(|source| ShopError::Damaged { path: path.clone(), source }))
            .collect()
    }

    pub(super) fn append(
        &mut self,
        request: Option<String>,
        call: &str,
        argument: Option<String>,
    ) -> Result<String, ShopError> {
        let seq = self.next;
        let request = request.unwrap_or_else(|| format!("shop-{seq}"));
        let at = jiff::Timestamp::now().to_string();
        let entry = LogEntry { seq, request: request.clone(), at, call: call.to_owned(), argument };
        let mut line = serde_json::to_string(&entry).expect("an entry holds only text and numbers");
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|source| ShopError::File { path: self.path.clone(), source })?;
        self.next += 1;
        Ok(request)
    }
}
