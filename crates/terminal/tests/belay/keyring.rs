//! A keyring of a test's own: a session bus that starts nothing by itself, and GNOME Keyring on it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bench::Bench;

/// How long its parts may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Nobody types it; the keyring has to have one.
const PASSWORD: &str = "test";

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// A session bus with a keyring on it. Both end with the value; nothing of the person's own session is asked.
pub struct Session {
    folder: TempDir,
    address: String,
    daemon: Option<Ended>,
    _bus: Ended,
}

impl Session {
    /// A bus whose keyring is open and empty.
    pub fn open() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["home", "data", "run", "services"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        // The keyring trusts its folder only where nobody else can enter it.
        std::fs::set_permissions(folder.path().join("run"), std::fs::Permissions::from_mode(0o700)).unwrap();
        // The window that asks for a password is a program that never shows one.
        std::fs::write(
            folder.path().join("services/prompter.service"),
            "[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec=/bin/sleep 600\n",
        )
        .unwrap();
        let rules = folder.path().join("bus.conf");
        std::fs::write(
            &rules,
            format!(
                "<busconfig><type>session</type><listen>unix:path={0}/bus</listen><servicedir>{0}/services</servicedir>\
                 <limit name=\"service_start_timeout\">600000</limit><policy context=\"default\"><allow send_destination=\"*\"/>\
                 <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
                folder.path().display()
            ),
        )
        .unwrap();
        let mut bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", rules.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed (`scripts/setup.sh test` does it)");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let mut session = Self { folder, address: address.trim().to_owned(), daemon: None, _bus: Ended(bus) };
        session.daemon = Some(session.start(true));
        session
    }

    fn start(&self, unlocked: bool) -> Ended {
        let mut daemon = Command::new("gnome-keyring-daemon");
        daemon
            .args(["--foreground", "--components=secrets"])
            .arg(format!("--control-directory={}", self.path("run").display()))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if unlocked {
            daemon.arg("--unlock");
        }
        let mut daemon = daemon.spawn().expect("gnome-keyring-daemon is installed (`scripts/setup.sh test` does it)");
        let mut stdin = daemon.stdin.take().unwrap();
        if unlocked {
            stdin.write_all(PASSWORD.as_bytes()).unwrap();
        }
        drop(stdin);
        let daemon = Ended(daemon);
        let bench = Bench::new();
        let end = Instant::now() + PATIENCE;
        loop {
            let listed = self.belay(&bench, &["secret", "list", "--no-input"], "");
            if listed.status.success() {
                return daemon;
            }
            let told = String::from_utf8_lossy(&listed.stderr).into_owned();
            assert!(Instant::now() < end, "the keyring does not come up: {told}");
        }
    }

    /// Ends the keyring and starts it anew, locked.
    pub fn lock(&mut self) {
        self.daemon = None;
        self.daemon = Some(self.start(false));
    }

    fn path(&self, name: &str) -> PathBuf {
        let path: &Path = self.folder.path();
        path.join(name)
    }

    /// What makes Belay ask this keyring.
    pub fn environment(&self) -> [(&str, &str); 2] {
        [("DBUS_SESSION_BUS_ADDRESS", &self.address), ("BELAY_KEYRING", "system")]
    }

    /// Runs Belay in this session, with something on its standard input.
    pub fn belay(&self, bench: &Bench, arguments: &[&str], input: &str) -> Output {
        bench.belay_with(&self.environment(), arguments, input)
    }

    /// The same; checks the exit code and gives back what was printed: standard output, standard error.
    #[track_caller]
    pub fn expect(&self, bench: &Bench, arguments: &[&str], input: &str, code: i32) -> (String, String) {
        printed(&self.belay(bench, arguments, input), arguments, code)
    }
}

/// Checks the exit code and gives back what was printed: standard output, standard error.
#[track_caller]
pub fn printed(output: &Output, arguments: &[&str], code: i32) -> (String, String) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "belay {arguments:?}\n{out}\n{err}");
    (out.into_owned(), err.into_owned())
}
