//! Commands as processes, under a helper.
//!
//! The helper is Belay's own binary in another role ([`helper_main`]). It starts children, reads their output, redacts
//! and bounds it, stops whole families of processes, and ends them when Belay is gone. [`Helpers`] is Belay's side.
//!
//! What is left on disk lies below a home: `run/` names the process groups that are under way ([`survivors`]) and
//! `spool/` holds outcomes that nobody could receive ([`spool`]).

mod capture;
mod client;
mod connection;
mod environment;
mod family;
mod helper;
mod job;
mod protocol;
mod records;
pub mod spool;
pub mod survivors;

pub(crate) use capture::{Capture, Captured};
pub use client::{Command, Helpers, Limits};
pub use environment::{PASSED, find_program};
pub use helper::helper_main;

/// The environment variable that marks every process of an invocation, so that those which left their group are found.
pub const INVOCATION_VARIABLE: &str = "BELAY_INVOCATION";

/// The name under which files speak of an invocation: a hash, because an invocation may hold any character.
fn file_key(invocation: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex(&Sha256::digest(invocation.as_bytes())[..16])
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

/// Writes a file so that a reader sees all of it or nothing, and waits until it would survive a power cut.
fn write_durably(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let directory = path.parent().unwrap_or_else(|| std::path::Path::new("."));
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    std::fs::File::open(directory)?.sync_all()
}

/// Removes a file; one that is not there is fine.
fn remove(path: &std::path::Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
