//! Where Belay keeps its things on this device, and who it is.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use belay_engine::event::Author;
use belay_trust::{DeviceKey, SessionId};

use crate::error::CockpitError;

/// The folder with everything: the database, the key, contexts, policy, automations.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// The home folder where nobody names one: `BELAY_HOME`, else `belay` in the XDG data directory.
    ///
    /// # Errors
    /// When there is no home directory.
    pub fn standard() -> Result<Self, CockpitError> {
        if let Some(dir) = std::env::var_os("BELAY_HOME").filter(|dir| !dir.is_empty()) {
            return Ok(Self::new(PathBuf::from(dir)));
        }
        // A relative XDG directory is to be ignored, as its specification says.
        let directory = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        directory("XDG_DATA_HOME")
            .or_else(|| directory("HOME").map(|home| home.join(".local/share")))
            .map(|data| Self::new(data.join("belay")))
            .ok_or_else(|| {
                CockpitError::user("there is no home directory to keep executions in")
                    .hint("name one with `--home DIR`")
            })
    }

    /// A home in a folder, which is made on first use.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.dir.join("belay.db")
    }

    /// The file that says that automation is frozen.
    pub fn freeze(&self) -> PathBuf {
        self.dir.join("freeze.json")
    }

    /// The file with named contexts.
    pub fn contexts(&self) -> PathBuf {
        self.dir.join("contexts.yaml")
    }

    /// The policy file, used instead of the default one where it exists.
    pub fn policy(&self) -> PathBuf {
        self.dir.join("policy.yaml")
    }

    /// The folder with automations of the user's own.
    pub fn automations(&self) -> PathBuf {
        self.dir.join("automations")
    }

    /// The file with this device's signing key.
    pub fn key_file(&self) -> PathBuf {
        self.dir.join("device.key")
    }

    /// The file with a key that is not this device's yet: one that is being put in the place of another.
    pub fn next_key_file(&self) -> PathBuf {
        self.dir.join("device.key.next")
    }

    /// The second file that says how far events were acknowledged; whoever removes `belay.db-*` leaves it.
    pub fn second_head(&self) -> PathBuf {
        self.dir.join("device.head")
    }

    /// The folder with evidence: contents under their hashes, and who took what from where.
    pub fn evidence(&self) -> PathBuf {
        self.dir.join("evidence")
    }

    /// The person and the device, as the log names them: `alice@0123456789abcdef`.
    pub(crate) fn whose(&self) -> String {
        let author = self.read_key().ok().flatten().map_or_else(nobody_yet, |key| author(&key));
        format!("{}@{}", author.responder, author.device)
    }

    /// Makes the folder, readable by its owner only.
    pub fn ensure(&self) -> Result<(), CockpitError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(|error| self.failed("cannot be made", &error))
    }

    /// Reads this device's key; `None` when there is none.
    pub(crate) fn read_key(&self) -> Result<Option<DeviceKey>, CockpitError> {
        read_key(&self.key_file())
    }

    /// Reads the key that was to take the place of another when the program ended.
    pub(crate) fn read_next_key(&self) -> Result<Option<DeviceKey>, CockpitError> {
        read_key(&self.next_key_file())
    }

    /// Makes this device's key where there is none.
    ///
    /// The file is complete or not there: it is written beside its place, synced, and linked into it, so that of threads
    /// and processes that start at once one wins and all use its key. Each writes a file of its own: one that is linked
    /// into place is not to be written again.
    pub(crate) fn make_key(&self) -> Result<DeviceKey, CockpitError> {
        self.ensure()?;
        let path = self.key_file();
        let secret = random::<32>()?;
        let draft = self.dir.join(format!("device.key.{}", token()?));
        let written = write_key(&draft, &secret).and_then(|()| match fs::hard_link(&draft, &path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
        let removed = fs::remove_file(&draft);
        written.and(removed).map_err(|error| self.failed("cannot be written", &error))?;
        read_key(&path)?.ok_or_else(|| CockpitError::bug("the device key vanished while it was made"))
    }

    /// Makes a key that is not this device's yet.
    pub(crate) fn make_next_key(&self) -> Result<DeviceKey, CockpitError> {
        let secret = random::<32>()?;
        write_key(&self.next_key_file(), &secret).map_err(|error| self.failed("cannot be written", &error))?;
        Ok(DeviceKey::from_bytes(&secret))
    }

    /// Puts the next key in the place of the one before it; a crash leaves the one or the other.
    pub(crate) fn put_next_key(&self) -> Result<(), CockpitError> {
        fs::rename(self.next_key_file(), self.key_file())
            .and_then(|()| fs::File::open(&self.dir)?.sync_all())
            .map_err(|error| self.failed("cannot be written", &error))
    }

    /// The lock of an execution's driver, released by the system when the process ends, however that happens.
    pub fn driver_lock(&self, execution: &str) -> Result<fs::File, CockpitError> {
        self.lock_file(execution)
    }

    fn lock_file(&self, name: &str) -> Result<fs::File, CockpitError> {
        let dir = self.dir.join("locks");
        fs::create_dir_all(&dir).map_err(|error| self.failed("cannot be written", &error))?;
        fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(name))
            .map_err(|error| self.failed("cannot be written", &error))
    }

    /// The mark of a process that drives an execution: locked as long as it does, which holding the lock alone does not say.
    /// Whoever looks locks it for a moment, so it is waited for.
    pub fn driver_mark(&self, execution: &str) -> Result<fs::File, CockpitError> {
        let mark = self.lock_file(&format!("{execution}.driven"))?;
        mark.lock().map_err(|error| self.failed("cannot be locked", &error))?;
        Ok(mark)
    }

    /// Whether a process drives an execution right now.
    pub fn is_driven(&self, execution: &str) -> bool {
        let mark = self.dir.join("locks").join(format!("{execution}.driven"));
        fs::File::open(mark).is_ok_and(|mark| matches!(mark.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> CockpitError {
        CockpitError::environment(&format!("`{}` {what}", self.dir.display()), error)
            .hint("choose another folder with `--home DIR` or BELAY_HOME, or make room and check its rights")
    }
}

/// The person at this device: `BELAY_RESPONDER`, else the login name.
pub(crate) fn responder() -> String {
    ["BELAY_RESPONDER", "USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "responder".to_owned())
}

/// The person at this device as events name them.
pub(crate) fn author(key: &DeviceKey) -> Author {
    let device = key.device().to_string();
    Author { responder: responder(), device: device.chars().take(16).collect() }
}

/// The person alone, for what is never written down.
pub(crate) fn nobody_yet() -> Author {
    Author { responder: responder(), device: String::new() }
}

/// A session's id, drawn anew whenever the store is opened.
pub(crate) fn session() -> Result<SessionId, CockpitError> {
    Ok(SessionId(random::<16>()?))
}

/// A secret that nobody can guess, to be handed to one person: 64 hex digits.
pub fn token() -> Result<String, CockpitError> {
    let digit = |value: u8| char::from_digit(u32::from(value), 16);
    Ok(random::<32>()?.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect())
}

fn random<const N: usize>() -> Result<[u8; N], CockpitError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| CockpitError::environment("no random numbers can be had", &error))?;
    Ok(bytes)
}

fn write_key(path: &Path, secret: &[u8; 32]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    write!(file, "belay-device-key-v1 ")?;
    for byte in secret {
        write!(file, "{byte:02x}")?;
    }
    writeln!(file)?;
    file.sync_all()
}

fn read_key(path: &Path) -> Result<Option<DeviceKey>, CockpitError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(CockpitError::environment(&format!("`{}` cannot be read", path.display()), &error));
        }
    };
    parse_key(&text).map(Some).ok_or_else(|| CockpitError {
        class: crate::error::ErrorClass::Environment,
        message: format!("`{}` is not a device key", path.display()),
        hint: Some("restore it from a backup; moving it away makes this a new device".to_owned()),
    })
}

fn parse_key(text: &str) -> Option<DeviceKey> {
    let hex = text.trim().strip_prefix("belay-device-key-v1 ")?;
    let mut secret = [0_u8; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(DeviceKey::from_bytes(&secret))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_that_make_the_key_at_once_all_get_the_one_that_is_in_the_file() {
        for _ in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            let home = Home::new(dir.path().join("belay"));
            let start = Barrier::new(8);
            let made: Vec<_> = std::thread::scope(|scope| {
                let make = || {
                    start.wait();
                    home.make_key()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let kept = home.read_key().unwrap().unwrap().device();
            for key in made {
                assert_eq!(key.unwrap().device(), kept, "no thread goes on with a key that is not in the file");
            }
            let files: Vec<_> = fs::read_dir(home.dir()).unwrap().map(|file| file.unwrap().file_name()).collect();
            assert_eq!(files, ["device.key"], "no draft stays behind");
        }
    }
}
