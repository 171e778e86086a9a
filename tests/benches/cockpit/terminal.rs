//! A program on a pseudo-terminal, with an emulator that says what stands on its screen.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

/// How long something may take that has to come.
const PATIENCE: Duration = Duration::from_mins(3);
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// A running program.
pub struct Terminal {
    child: Child,
    typist: File,
    chunks: mpsc::Receiver<Vec<u8>>,
    drawn: vt100::Parser,
}

impl Terminal {
    /// Opens the cockpit of a home.
    pub fn open(belay: &str, home: &Path) -> Self {
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = Command::new(belay)
            .env("BELAY_HOME", home)
            .env("TERM", "xterm-256color")
            .env_remove("BELAY_LOG")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        drop(pty.slave);
        let typist = File::from(pty.master);
        let mut reader = typist.try_clone().unwrap();
        let (sender, chunks) = mpsc::channel();
        std::thread::spawn(move || {
            let mut chunk = vec![0; 65_536];
            while let Ok(count) = reader.read(&mut chunk) {
                if count == 0 || sender.send(chunk[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let drawn = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        Self { child, typist, chunks, drawn }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.typist.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether a text stands on the screen.
    pub fn has(&self, text: &str) -> bool {
        self.drawn.screen().contents().contains(text)
    }

    /// Waits until a text stands there.
    pub fn shows(&mut self, text: &str) {
        self.wait(text, true);
    }

    /// Waits until it does not.
    pub fn gone(&mut self, text: &str) {
        self.wait(text, false);
    }

    fn wait(&mut self, text: &str, wanted: bool) {
        let end = Instant::now() + PATIENCE;
        while self.has(text) != wanted {
            match self.chunks.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.drawn.process(&chunk),
                Err(error) => panic!("`{text}` ({error}):\n{}", self.drawn.screen().contents()),
            }
        }
    }

    /// Waits until nothing has been drawn for a while.
    pub fn quiet(&mut self, length: Duration) {
        while let Ok(chunk) = self.chunks.recv_timeout(length) {
            self.drawn.process(&chunk);
        }
    }

    /// Processor time of all its threads.
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Memory that it holds, in MiB.
    pub fn resident(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that has ended needs no end.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}
