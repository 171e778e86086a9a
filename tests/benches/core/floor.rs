//! The floor of a durable step: what any program pays that writes before, runs, and writes after.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A file that is extended and synced, on the disk of the store.
pub(crate) struct Floor {
    file: File,
}

impl Floor {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { file: File::create(directory.join("floor")).unwrap() }
    }

    /// Two `fdatasync` around spawning `/bin/true` and waiting for it.
    pub(crate) fn measure(&mut self) -> Duration {
        let started = Instant::now();
        self.write();
        let status = Command::new("/bin/true").stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "`/bin/true` succeeds");
        self.write();
        started.elapsed()
    }

    fn write(&mut self) {
        // About what a step's intent has in the journal.
        self.file.write_all(&[0x42; 2048]).unwrap();
        self.file.sync_data().unwrap();
    }
}
