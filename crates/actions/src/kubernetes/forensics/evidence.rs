//! Evidence on this device: contents under their own hashes, and who took what from where.
//!
//! `objects/SHA256` holds one content, `custody/SHA256.json` tells of one snapshot. Both are named by what they hold, so
//! that `sha256sum` shows whether any of it was changed; the hash of the custody stands in the signed log of the execution.
//! Files are for their owner alone, and are not written a second time.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The version of the custody's form.
const VERSION: u32 = 1;

/// Where evidence is kept, and who takes it.
#[derive(Clone)]
pub struct EvidenceRoom {
    /// The folder, which is made on first use.
    pub folder: PathBuf,
    /// The person and the device, as the log names them.
    pub by: Arc<dyn Fn() -> String + Send + Sync>,
}

impl std::fmt::Debug for EvidenceRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvidenceRoom").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Who took what from where.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Custody {
    version: u32,
    /// The act that took it.
    pub(super) invocation: String,
    /// Who had it done.
    pub(super) by: String,
    /// The context's name.
    pub(super) context: String,
    /// What tells the cluster from every other one.
    pub(super) cluster: String,
    /// When it began, RFC 3339.
    pub(super) started: String,
    /// What was kept.
    pub(super) items: Vec<Item>,
    /// What could not be had.
    pub(super) missing: Vec<Missing>,
}

/// One content that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    /// What it is, such as `pod/shop/web-0/log/app`.
    pub(super) name: String,
    /// The question that it answers.
    pub(super) from: String,
    /// When it was taken, RFC 3339.
    pub(super) at: String,
    /// Its hash, under which it lies in `objects`.
    pub(super) sha256: String,
    /// Its length.
    pub(super) bytes: u64,
    /// Whether it goes on beyond what was kept.
    pub(super) truncated: bool,
}

/// What could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Missing {
    /// What it would have been.
    pub(super) name: String,
    /// Why.
    pub(super) problem: String,
}

impl Custody {
    pub(super) fn new(invocation: String, by: String, context: String, cluster: String, started: String) -> Self {
        Self { version: VERSION, invocation, by, context, cluster, started, items: Vec::new(), missing: Vec::new() }
    }

    /// Writes it down; answers with its hash.
    pub(super) async fn close(&self, folder: &Path) -> io::Result<String> {
        let bytes = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        keep(folder, "custody", ".json", bytes).await
    }
}

/// Keeps one content under its hash.
pub(super) async fn keep_object(folder: &Path, bytes: Vec<u8>) -> io::Result<String> {
    keep(folder, "objects", "", bytes).await
}

async fn keep(folder: &Path, part: &str, ending: &str, bytes: Vec<u8>) -> io::Result<String> {
    let (folder, ending) = (folder.join(part), ending.to_owned());
    let written = tokio::task::spawn_blocking(move || {
        let sha256 = Sha256::digest(&bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        write(&folder, &format!("{sha256}{ending}"), &bytes)?;
        Ok(sha256)
    });
    written.await.map_err(io::Error::other)?
}

/// Writes a file as a whole or not at all. One that is there has the same content, by its name.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(name);
    if fs::read(&path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&draft, &path));
    if let Err(error) = written {
        drop(fs::remove_file(&draft));
        return Err(error);
    }
    // The name is there after a power cut as well.
    fs::File::open(folder)?.sync_all()
}
