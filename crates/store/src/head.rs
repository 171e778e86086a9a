//! The file beside the database that says how far the journal was acknowledged.
//!
//! A log that is damaged, cut off or gone looks to SQLite like one that was never longer. This file is the second witness:
//! the row of the newest event that anybody was told of. It is written after a commit is on disk and before the commit is
//! answered, and it is not synced, which would cost as much as the commit. So it never claims more than the disk holds;
//! after a kill of the program it is exact, after a power cut it may claim less.
//!
//! Who removes the log as a thing of SQLite's often removes everything else beside the database as well. The same line may
//! therefore be kept in a second file under another name ([`Options::second_head`](crate::Options::second_head)); the
//! higher one of the two counts.
//!
//! One line of fixed length, replaced by a single write: the version, the number, and the SHA-256 of both. A line that
//! does not hold is as good as none: it is written anew.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

const LENGTH: usize = 100;
/// Another process holds the lock for one read and one write; one that was stopped there is not waited for.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_micros(100);

/// Returns the file that belongs to a database.
pub(crate) fn path_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-head");
    path.into()
}

fn line(row: i64) -> String {
    let text = format!("belay-head-v1 {row:020} ");
    let digest = Sha256::digest(text.as_bytes());
    let hex = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("{text}{hex}\n")
}

fn parse(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let row = text.split(' ').nth(1)?.parse().ok()?;
    (line(row) == text).then_some(row)
}

fn read_from(mut file: &File) -> io::Result<Option<i64>> {
    let mut bytes = [0; LENGTH];
    file.seek(SeekFrom::Start(0))?;
    match file.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(|()| parse(&bytes)),
    }
}

/// Returns the row of the newest event that was acknowledged, as far as is known.
pub(crate) fn read(paths: &[PathBuf]) -> io::Result<Option<i64>> {
    let mut newest = None;
    for path in paths {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => newest = newest.max(read_from(&opened?)?),
        }
    }
    Ok(newest)
}

/// The files, open for writing.
#[derive(Debug)]
pub(crate) struct Head {
    /// The one that is locked.
    file: File,
    others: Vec<File>,
    /// What they said when this process last looked.
    row: Option<i64>,
}

impl Head {
    /// Opens or creates the files, readable by their owner alone.
    pub(crate) fn open(paths: &[PathBuf]) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut files = paths.iter().map(|path| options.open(path));
        let file = files.next().ok_or(io::ErrorKind::InvalidInput)??;
        Ok(Self { file, others: files.collect::<Result<_, _>>()?, row: None })
    }

    /// Says that the journal was acknowledged up to a row; it never goes back, whichever process is first.
    pub(crate) fn raise(&mut self, row: i64) -> io::Result<()> {
        if self.row.is_some_and(|known| known >= row) {
            return Ok(());
        }
        self.lock()?;
        let raised: io::Result<i64> =
            std::iter::once(&self.file).chain(&self.others).try_fold(row, |newest, mut file| {
                let known = read_from(file)?;
                if known.is_none_or(|known| known < row) {
                    file.seek(SeekFrom::Start(0))?;
                    file.write_all(line(row).as_bytes())?;
                }
                Ok(known.unwrap_or(row).max(newest))
            });
        self.file.unlock()?;
        self.row = Some(raised?);
        Ok(())
    }

    fn lock(&self) -> io::Result<()> {
        for _ in 0..TRIES {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}
