//! Disks that are small or read-only.

use std::path::Path;
use std::process::Command;

/// A small file system on a folder, taken away when dropped.
pub struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// `None` where this may not mount; said aloud.
    pub fn new(folder: &'a Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                eprintln!("skipped: mounting is not allowed: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                eprintln!("skipped: there is no `mount`: {error}");
                None
            }
        }
    }

    pub fn again(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(self.0).status().unwrap();
        assert!(status.success());
    }
}
