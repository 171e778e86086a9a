//! A home of its own, the binary, and a terminal to run it in.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a home and runbooks.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a runbook with these steps.
    pub fn runbook(&self, name: &str, spec: &str) -> PathBuf {
        let path = self.path().join(format!("{name}.yaml"));
        let text = format!(
            "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata:\n  name: {name}\nspec:\n  name: The {name} runbook\n\
             {spec}\n"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_belay"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("BELAY_HOME", self.path().join("home"))
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            // No test asks the keyring of whoever runs it.
            .env("BELAY_KEYRING", "off")
            .env_remove("BELAY_LOG")
            .env_remove("VISUAL")
            .env_remove("COLUMNS");
        command
    }

    /// Runs it without a terminal.
    pub fn belay(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs it, checks the exit code, gives back standard output.
    pub fn expect(&self, arguments: &[&str], code: i32) -> String {
        let output = self.belay(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "belay {arguments:?}\n{out}\n{err}");
        out.into_owned()
    }

    /// The same with `--json`, as a document.
    pub fn json(&self, arguments: &[&str], code: i32) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        serde_json::from_str(&self.expect(&all, code)).unwrap()
    }

    /// The same with variables of the environment.
    pub fn json_with(&self, environment: &[(&str, &str)], arguments: &[&str], code: i32) -> Value {
        let mut command = self.command(arguments);
        let output = command.arg("--json").envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "belay {arguments:?}\n{out}\n{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// Runs it without a terminal, with variables of the environment and something on standard input.
    pub fn belay_with(&self, environment: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It need not read what it does not want.
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap_or_default();
        child.wait_with_output().unwrap()
    }

    /// Runs it on a terminal of 80 columns.
    pub fn terminal(&self, arguments: &[&str]) -> Terminal {
        self.terminal_with(&[], arguments)
    }

    /// The same with variables of the environment.
    pub fn terminal_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Terminal {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        // `setsid --ctty` makes the terminal the one whose Ctrl-C reaches the program.
        let mut wrapped = Command::new("setsid");
        let mut inner = self.command(arguments);
        inner.envs(environment.iter().copied());
        wrapped.arg("--ctty").arg("--wait").arg(inner.get_program()).args(inner.get_args()).current_dir(self.path());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        let child = wrapped.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(pty.slave);
        let typist = File::from(pty.master);
        let mut reader = typist.try_clone().unwrap();
        let (sender, screen) = mpsc::channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count) = reader.read(&mut chunk) {
                if count == 0 || sender.send(chunk[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal {
            child,
            typist,
            screen,
            seen: String::new(),
            all: String::new(),
            drawn: vt100::Parser::new(size.ws_row.try_into().unwrap(), size.ws_col.try_into().unwrap(), 0),
        }
    }
}

/// A running program on a terminal.
pub struct Terminal {
    child: Child,
    typist: File,
    screen: mpsc::Receiver<Vec<u8>>,
    /// What was printed and not waited for yet.
    seen: String,
    all: String,
    /// What a terminal makes of it.
    drawn: vt100::Parser,
}

impl Terminal {
    /// Waits until a text was printed after what was waited for before.
    pub fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.seen.find(text) {
                self.seen.drain(..found + text.len());
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(chunk) => self.take(&chunk),
                Err(error) => panic!("`{text}` was not printed ({error}); the screen:\n{}", self.all),
            }
        }
    }

    /// Types a line until a text is printed. What is typed while a question changes is forgotten on purpose, because it was
    /// meant for another one, and whoever typed it types again.
    pub fn answer(&mut self, line: &str, text: &str) {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.type_line(line);
            let patience = Instant::now() + Duration::from_secs(3);
            while let Ok(chunk) = self.screen.recv_timeout(patience.saturating_duration_since(Instant::now())) {
                self.take(&chunk);
                if self.seen.contains(text) {
                    return self.wait_for(text);
                }
            }
        }
        panic!("`{text}` was not printed; the screen:\n{}", self.all);
    }

    fn take(&mut self, chunk: &[u8]) {
        self.drawn.process(chunk);
        let chunk = String::from_utf8_lossy(chunk).into_owned();
        self.seen.push_str(&chunk);
        self.all.push_str(&chunk);
    }

    /// Waits until a text stands on the screen; gives back the screen.
    pub fn shows(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.drawn.screen().contents();
            if screen.contains(text) {
                return screen;
            }
            match self.screen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.take(&chunk),
                Err(error) => panic!("`{text}` does not stand on the screen ({error}):\n{screen}"),
            }
        }
    }

    /// Presses keys, as the bytes that a terminal sends.
    pub fn press(&mut self, keys: &str) {
        self.typist.write_all(keys.as_bytes()).unwrap();
    }

    /// Makes the terminal larger or smaller.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.typist, size).unwrap();
        self.drawn.screen_mut().set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let process = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(process, signal).unwrap();
    }

    /// Waits for the end; gives back whether the terminal is as it was: the shell's screen, with a cursor, read by lines.
    pub fn ends_restored(&mut self) -> bool {
        while let Ok(chunk) = self.screen.recv_timeout(PATIENCE) {
            self.take(&chunk);
        }
        let screen = self.drawn.screen();
        // The end of the program's side leaves the modes as they were.
        let modes = rustix::termios::tcgetattr(&self.typist).unwrap().local_modes;
        let by_lines = modes.contains(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO);
        by_lines && !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.typist.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&mut self) {
        self.typist.write_all(b"\x03").unwrap();
    }

    /// Waits for the end; gives back the exit code.
    pub fn end(mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return ExitStatus::code(&status).unwrap_or(-1);
            }
            assert!(Instant::now() < end, "it did not end; the screen:\n{}", self.all);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.child.kill().unwrap_or_default();
            self.child.wait().map(|_| ()).unwrap_or_default();
        }
    }
}
