//! What `scripts/setup.sh` does on machines that lack something. The machine is a path of small programs in front of the
//! real ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A machine whose C compiler does not work and whose package manager notes what it is asked for.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(TempDir::new().unwrap());
        machine.program("cargo", "echo 'cargo 1.999.0 (0000000 2026-01-01)'");
        machine.program("node", "echo v22.12.0");
        machine.program("npm", "echo 11.0.0");
        machine.program("cc", "exit 1");
        machine.program("id", "echo 0");
        machine.program("apt-get", "echo \"$*\" >>\"$(dirname \"$0\")/asked\"; echo 'Unpacking a lot'");
        machine
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.0.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The exit code and what was said on either stream.
    fn set_up(&self) -> (Option<i32>, String, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/setup.sh");
        let path = format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap());
        let done = Command::new("bash").arg(script).env("PATH", path).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    /// What the package manager was asked for.
    fn asked(&self) -> Option<String> {
        std::fs::read_to_string(self.0.path().join("asked")).ok()
    }
}

#[test]
fn an_old_node_and_an_old_cargo_are_named_before_anything_is_installed() {
    let machine = Machine::new();
    machine.program("node", "echo v18.20.4");
    machine.program("cargo", "echo 'cargo 1.65.0'");
    let (code, _, told) = machine.set_up();
    assert_eq!(code, Some(5), "{told}");
    for line in
        ["error: node 18.20.4 is too old", "hint: install Node 20.19 or newer", "error: cargo 1.65.0 is too old"]
    {
        assert!(told.contains(line), "`{line}` is said:\n{told}");
    }
    assert_eq!(machine.asked(), None, "nothing is installed for a build that cannot start");
}

#[test]
fn what_the_package_manager_says_is_told_only_when_it_fails() {
    let machine = Machine::new();
    let (code, told, _) = machine.set_up();
    assert_eq!(code, Some(0), "{told}");
    assert!(machine.asked().unwrap().contains("install -y"), "the compiler is installed");
    assert!(told.contains("installing build-essential") && !told.contains("Unpacking"), "{told}");

    machine.program("apt-get", "echo 'E: no space left'; exit 100");
    let (code, _, told) = machine.set_up();
    assert_eq!(code, Some(5), "{told}");
    for line in
        ["E: no space left", "error: the packages could not be installed", "hint: apt-get install build-essential"]
    {
        assert!(told.contains(line), "`{line}` is said:\n{told}");
    }
}
