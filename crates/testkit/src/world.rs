//! A world of named objects that commands change, and a log of what was really done to them.
//!
//! The end-to-end tests use it through `belay-world`. Every invocation is one line in the log that is on the disk before
//! the object changes, and a second one after it, so that a test that kills everybody in the middle can tell what happened.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The variable that names the invocation in the environment of every process that Belay starts.
const INVOCATION_VARIABLE: &str = "BELAY_INVOCATION";

/// Whether an invocation starts or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Written before anything changes.
    Begin,
    /// Written after everything has changed.
    End,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Whether it is the first or the second one of its invocation.
    pub phase: Phase,
    /// The mark of the invocation; empty where Belay did not start the process.
    pub invocation: String,
    /// The process.
    pub pid: u32,
    /// What was asked: `set`, `add`, `get`, `say`, `fail`.
    pub verb: String,
    /// The object, where one is touched.
    pub key: Option<String>,
    /// The arguments as they arrived.
    pub arguments: Vec<String>,
    /// The object before.
    pub before: Option<String>,
    /// The object after.
    pub after: Option<String>,
}

/// Why the world could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A file could not be used.
    #[error("`{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// A line of the log is none.
    #[error("`{path}` holds a line that is none")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A number was expected.
    #[error("object `{key}` holds `{value}`, which is no number")]
    NoNumber {
        /// The object.
        key: String,
        /// What it holds.
        value: String,
    },
}

/// A folder with objects and their log.
#[derive(Debug, Clone)]
pub struct World {
    folder: PathBuf,
}

impl World {
    /// The world in a folder that exists.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The log.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("world.log")
    }

    /// Every whole line of the log, oldest first.
    pub fn lines(&self) -> Result<Vec<Line>, WorldError> {
        let path = self.log_file();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(WorldError::File { path, source }),
        };
        // A line is one write; the last one may be of a process that is just at it.
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).map_err(|source| WorldError::Damaged { path: path.clone(), source }))
            .collect()
    }

    /// What an object holds; `None` where it was never set.
    pub fn get(&self, key: &str) -> Result<Option<String>, WorldError> {
        let path = self.object(key);
        match std::fs::read_to_string(&path) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(WorldError::File { path, source }),
        }
    }

    /// What an object holds as a number; zero where it was never set.
    pub fn number(&self, key: &str) -> Result<i64, WorldError> {
        match self.get(key)? {
            Some(value) => value.trim().parse().map_err(|_| WorldError::NoNumber { key: key.to_owned(), value }),
            None => Ok(0),
        }
    }

    /// Does something to the world: logs it, does it, and logs that it was done.
    pub fn act(
        &self,
        verb: &str,
        key: Option<&str>,
        arguments: &[String],
        after: Option<String>,
        meanwhile: impl FnOnce(),
    ) -> Result<(), WorldError> {
        let before = match key {
            Some(key) => self.get(key)?,
            None => None,
        };
        let mut line = Line {
            phase: Phase::Begin,
            invocation: std::env::var(INVOCATION_VARIABLE).unwrap_or_default(),
            pid: std::process::id(),
            verb: verb.to_owned(),
            key: key.map(str::to_owned),
            arguments: arguments.to_vec(),
            before,
            after: after.clone(),
        };
        self.append(&line)?;
        meanwhile();
        if let (Some(key), Some(after)) = (key, after) {
            self.put(key, &after)?;
        }
        line.phase = Phase::End;
        self.append(&line)
    }

    fn object(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.object"))
    }

    fn put(&self, key: &str, value: &str) -> Result<(), WorldError> {
        let path = self.object(key);
        let draft = self.folder.join(format!("{key}.{}.draft", std::process::id()));
        write_durably(&draft, value)
            .and_then(|()| std::fs::rename(&draft, &path))
            .map_err(|source| WorldError::File { path, source })
    }

    fn append(&self, line: &Line) -> Result<(), WorldError> {
        let path = self.log_file();
        let mut text = serde_json::to_string(line).expect("a line holds only text and numbers");
        text.push('\n');
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_data()))
            .map_err(|source| WorldError::File { path, source })
    }
}

fn write_durably(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}
