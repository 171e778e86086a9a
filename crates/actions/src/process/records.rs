//! Where a helper records its commands: a few files for its whole life, each for one command at a time.
//!
//! Belay says which file a command is recorded in ([`Places`]) and lets go of it when the outcome is acknowledged; until
//! then no other command gets it. The helper writes the records ([`Records`]) and removes the files at its end. Making
//! and removing a file for every command would cost more than writing one, and make the journal's next sync slower.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::process::getpid;

use super::family;
use super::protocol::Request;
use super::survivors::{LET_GO, Survivor, SurvivorError, VERSION};

/// Belay's side: the files of one helper.
#[derive(Debug)]
pub(super) struct Places {
    /// The directory, and what every file's name begins with: no two helpers have the same.
    directory: PathBuf,
    helper: String,
    made: u32,
    free: Vec<Place>,
    /// Set when the helper is gone, from when on Belay removes the files.
    orphaned: bool,
}

/// The helper whose name a file has, by its process number and its start time.
pub(super) fn helper_of(path: &Path) -> Option<(i32, u64)> {
    let mut parts = path.file_stem()?.to_str()?.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A file that belongs to one command until it is let go of.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    file: Option<File>,
}

impl Places {
    pub(super) fn new(directory: PathBuf, pid: u32, start_time: u64) -> Self {
        Self { directory, helper: format!("{pid}-{start_time}"), made: 0, free: Vec::new(), orphaned: false }
    }

    /// A file for a command.
    pub(super) fn take(&mut self) -> Place {
        self.free.pop().unwrap_or_else(|| {
            self.made += 1;
            let path = self.directory.join(format!("{}-{}.json", self.helper, self.made));
            Place { path, file: None }
        })
    }

    /// Lets go of a command's record.
    pub(super) fn let_go(&mut self, mut place: Place) -> Result<(), SurvivorError> {
        if self.orphaned {
            return super::remove(&place.path).map_err(SurvivorError::Forget);
        }
        let marked = place.mark();
        self.free.push(place);
        marked.map_err(SurvivorError::Forget)
    }

    /// Says that the helper is gone.
    pub(super) fn orphan(&mut self) {
        self.orphaned = true;
        for place in self.free.drain(..) {
            if let Err(error) = super::remove(&place.path) {
                tracing::warn!(%error, "a record that nobody needs any more stays behind");
            }
        }
    }
}

impl Place {
    fn mark(&mut self) -> std::io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => match File::options().write(true).open(&self.path) {
                // The helper could not write it, or there was nothing to start.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                opened => opened?,
            },
        };
        file.write_all_at(&[LET_GO], 0)?;
        self.file = Some(file);
        Ok(())
    }
}

/// The helper's side: the records that it writes.
pub(super) struct Records {
    helper: i32,
    helper_start_time: u64,
    boot_id: String,
    files: BTreeMap<PathBuf, Written>,
}

struct Written {
    file: File,
    length: usize,
}

impl Records {
    pub(super) fn new() -> Self {
        let helper = getpid().as_raw_nonzero().get();
        Self {
            helper,
            helper_start_time: family::process(helper).map_or(0, |process| process.start_time),
            boot_id: family::boot_id(),
            files: BTreeMap::new(),
        }
    }

    /// Writes the record of a child: before it is started without a group, in which case it can only be found by its
    /// mark, and again once its group is known.
    ///
    /// A record that cannot be written is logged and does not stop the act: the journal still holds its intent.
    pub(super) fn write(&mut self, request: &Request, child: Option<(i32, u64)>) {
        let Some(path) = &request.record else { return };
        let (group, start_time) = child.unwrap_or((0, 0));
        let survivor = Survivor {
            version: VERSION,
            invocation: request.invocation.clone(),
            group,
            start_time,
            boot_id: self.boot_id.clone(),
            survives: request.survives,
            helper: self.helper,
            helper_start_time: self.helper_start_time,
        };
        let bytes = serde_json::to_vec(&survivor).expect("a record holds only text and numbers");
        if let Err(error) = self.overwrite(path, bytes) {
            tracing::warn!(%error, "a running command could not be recorded");
        }
    }

    /// One write that covers what was there, so that the file needs no cutting in between.
    fn overwrite(&mut self, path: &Path, mut bytes: Vec<u8>) -> std::io::Result<()> {
        if !self.files.contains_key(path) {
            let file = File::options().write(true).create(true).truncate(true).open(path)?;
            self.files.insert(path.to_owned(), Written { file, length: 0 });
        }
        let Some(written) = self.files.get_mut(path) else { return Ok(()) };
        bytes.resize(bytes.len().max(written.length), b' ');
        written.length = bytes.len();
        written.file.write_all_at(&bytes, 0)
    }

    /// Removes a record for good.
    pub(super) fn remove(&mut self, path: &Path) {
        self.files.remove(path);
        if let Err(error) = super::remove(path) {
            tracing::warn!(%error, "the record of a command could not be removed");
        }
    }

    /// Removes all of them.
    pub(super) fn remove_all(&mut self) {
        while let Some((path, _)) = self.files.pop_first() {
            self.remove(&path);
        }
    }
}
