//! Reads SQLite's write-ahead log without SQLite, to notice what SQLite does not tell.
//!
//! The format is that of <https://sqlite.org/fileformat2.html#walformat> (section 4): a header of 32 bytes, then frames of
//! a header of 24 bytes and one page. Every frame's checksum continues that of the frame before it. SQLite's recovery
//! stops at the first frame whose checksum or salt is wrong and takes the commits behind it for never written.
//!
//! Such a frame alone says nothing: behind the last commit there may be a transaction that was cut off, or frames of an
//! earlier turn of the log, which is written from its start again and again under new salts. This module therefore looks
//! for commits that must have been on disk. The writer holds the log's write lock until the sync of a `FULL` commit has
//! returned, so a frame that continues the checksum of such a commit was written after that sync. And a commit was `FULL`
//! where it changed the page of `sqlite_sequence`, from which an event's row takes its number: none but those do. That is
//! a *proven* commit. Two things follow from it:
//!
//! - The number on that page never counts down, so the database must count at least as far, in whatever turn the commit
//!   was written ([`read`]).
//! - In the present turn SQLite must read that far. If it does not, it lays old pages over a database that may have newer
//!   ones, whatever it counts ([`proven_frame`]).

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

pub(crate) const HEADER: usize = 32;
pub(crate) const FRAME_HEADER: usize = 24;
/// SQLite's own default, for a database that does not say anything yet.
const DEFAULT_PAGE: usize = 4096;
const MAGIC: u32 = 0x377f_0682;
/// How much is read at once.
const BUFFER: usize = 256 << 10;
/// The type of a page that is a leaf of a table.
const TABLE_LEAF: u8 = 0x0d;
/// The table whose events are counted.
const JOURNAL: &[u8] = b"journal";

/// The running checksum.
pub(crate) type Sum = [u32; 2];

/// The order of bytes in the words that are summed; the lowest bit of the header's magic number says which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) fn word(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(crate) fn bytes(self, word: u32) -> [u8; 4] {
        match self {
            Self::Little => word.to_le_bytes(),
            Self::Big => word.to_be_bytes(),
        }
    }
}

/// Continues a checksum over bytes, whose number is a multiple of eight (section 4.2 of the format).
pub(crate) fn sum(order: Order, mut sum: Sum, bytes: &[u8]) -> Sum {
    for [first, second] in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
        sum[0] = sum[0].wrapping_add(order.word(*first)).wrapping_add(sum[1]);
        sum[1] = sum[1].wrapping_add(order.word(*second)).wrapping_add(sum[0]);
    }
    sum
}

/// Returns the big-endian word at a place; 0 behind the end.
pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_be_bytes)
}

/// The header of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) order: Order,
    pub(crate) page: usize,
    pub(crate) salts: [u32; 2],
    pub(crate) sum: Sum,
}

impl Header {
    /// Reads a header; `None` where SQLite would ignore the whole log.
    pub(crate) fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let order = match word(bytes, 0).wrapping_sub(MAGIC) {
            0 => Order::Little,
            1 => Order::Big,
            _ => return None,
        };
        let page = usize::try_from(word(bytes, 8)).ok()?;
        let whole = sum(order, [0, 0], bytes.first_chunk::<24>()?);
        let stored = [word(bytes, 24), word(bytes, 28)];
        let valid = page.is_power_of_two() && (512..=65536).contains(&page) && whole == stored;
        valid.then_some(Self { order, page, salts: [word(bytes, 16), word(bytes, 20)], sum: stored })
    }
}

/// A frame, with its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a>(pub(crate) &'a [u8]);

impl<'a> Frame<'a> {
    /// Whether it ends a transaction.
    pub(crate) fn commits(self) -> bool {
        word(self.0, 4) != 0
    }

    pub(crate) fn salts(self) -> [u32; 2] {
        [word(self.0, 8), word(self.0, 12)]
    }

    pub(crate) fn stored(self) -> Sum {
        [word(self.0, 16), word(self.0, 20)]
    }

    pub(crate) fn page(self) -> &'a [u8] {
        self.0.get(FRAME_HEADER..).unwrap_or_default()
    }

    /// The checksum that it has after `before`.
    pub(crate) fn sum(self, order: Order, before: Sum) -> Sum {
        sum(order, sum(order, before, self.0.get(..8).unwrap_or_default()), self.page())
    }

    /// Whether it continues the checksum `before`, in either order, since the header that says which may be damaged.
    fn continues(self, before: Sum) -> bool {
        [Order::Little, Order::Big].into_iter().any(|order| self.sum(order, before) == self.stored())
    }
}

/// Returns the file of the log that belongs to a database.
pub(crate) fn path_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    path.into()
}

/// Frames one after the other; the last one that is cut off is left out.
struct Frames {
    file: BufReader<File>,
    frame: Vec<u8>,
}

impl Frames {
    /// Begins behind the header, which is returned as it is. `None` where there is no file or nothing in it.
    fn open(path: &Path) -> io::Result<Option<([u8; HEADER], File)>> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut header = [0; HEADER];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            read => read.map(|()| Some((header, file))),
        }
    }

    fn new(file: File, page: usize) -> Self {
        Self { file: BufReader::with_capacity(BUFFER, file), frame: vec![0; FRAME_HEADER + page] }
    }

    fn next(&mut self) -> io::Result<Option<Frame<'_>>> {
        match self.file.read_exact(&mut self.frame) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            read => read.map(|()| Some(Frame(&self.frame))),
        }
    }
}

/// A page that counts events, in a commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Mark {
    /// The number of its frame, from 1.
    frame: u64,
    salts: [u32; 2],
    /// How far it counts.
    sequence: i64,
}

/// Passes all frames and calls `proven` for the marks of commits that must have been on disk, if they are `wanted`.
///
/// Nothing is locked. While other processes write, a frame may be read half old and half new; then its checksum does not
/// hold and it proves nothing.
fn walk(
    file: File,
    header: &[u8; HEADER],
    page: usize,
    mut wanted: impl FnMut(&Mark) -> bool,
    mut proven: impl FnMut(Mark),
) -> io::Result<()> {
    let mut before = [word(header, 24), word(header, 28)];
    let mut frames = Frames::new(file, page);
    let mut number = 0;
    // The mark of the transaction that is passed, and whether that has been committed.
    let mut claim: Option<(Mark, bool)> = None;
    while let Some(frame) = frames.next()? {
        number += 1;
        if let Some((mark, committed)) = claim.take()
            && frame.continues(before)
        {
            if committed {
                proven(mark);
            } else {
                claim = Some((mark, frame.commits()));
            }
        }
        if let Some(sequence) = journal_sequence(frame.page()) {
            let mark = Mark { frame: number, salts: frame.salts(), sequence };
            // Sums are computed only for what is wanted, which nearly always is nothing.
            if wanted(&mark) && (claim.is_some() || frame.continues(before)) {
                claim = Some((mark, frame.commits()));
            }
        }
        before = frame.stored();
    }
    Ok(())
}

/// What the log says without SQLite.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Reading {
    /// As it is in the file; `None` where there is no file or nothing in it.
    header: Option<[u8; HEADER]>,
    /// The highest number of an event that is proven to have been on disk, where it is above what was asked for.
    pub(crate) proven: i64,
    /// The last frame that may mark a commit of the present turn.
    last: u64,
}

/// Reads the log. What it proves was visible to every reader before this was called.
pub(crate) fn read(path: &Path, page_size: Option<usize>, above: i64) -> io::Result<Reading> {
    let Some((header, file)) = Frames::open(path)? else {
        return Ok(Reading { proven: above, ..Reading::default() });
    };
    let valid = Header::read(&header);
    let page = valid.map(|header| header.page).or(page_size).unwrap_or(DEFAULT_PAGE);
    let (mut last, highest) = (0, std::cell::Cell::new(above));
    let wanted = |mark: &Mark| {
        if valid.is_some_and(|header| header.salts == mark.salts) {
            last = mark.frame;
        }
        mark.sequence > highest.get()
    };
    walk(file, &header, page, wanted, |mark| highest.set(highest.get().max(mark.sequence)))?;
    Ok(Reading { header: Some(header), proven: highest.get(), last })
}

impl Reading {
    /// Says whether there may be a proven commit of the present turn behind a frame.
    pub(crate) fn reaches_behind(&self, frame: u64) -> bool {
        self.last > frame
    }

    /// Says whether the turn is still the one that was read; a new one starts with the header.
    pub(crate) fn is_present(&self, path: &Path) -> io::Result<bool> {
        Ok(Frames::open(path)?.map(|(header, _)| header) == self.header)
    }
}

/// Returns the last frame that marks a proven commit of the present turn; 0 when there is none behind `frame`.
pub(crate) fn proven_frame(path: &Path, frame: u64) -> io::Result<u64> {
    let Some((bytes, file)) = Frames::open(path)? else { return Ok(0) };
    let Some(header) = Header::read(&bytes) else { return Ok(0) };
    let mut last = 0;
    let wanted = |mark: &Mark| mark.frame > frame && mark.salts == header.salts;
    walk(file, &bytes, header.page, wanted, |mark| last = mark.frame)?;
    Ok(last)
}

/// How far SQLite can read the log; for a person who has to know where it is damaged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LogState {
    /// There is no file, or nothing in it.
    Missing,
    /// The header is not as it was written, so that SQLite ignores all frames.
    Header {
        /// How many frames there are.
        frames: u64,
    },
    /// The frames up to this one hold together.
    Readable {
        /// The last one that does.
        up_to: u64,
        /// How many frames there are.
        frames: u64,
    },
}

impl fmt::Display for LogState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing or empty"),
            Self::Header { frames } => write!(f, "has a damaged header before its {frames} frames"),
            Self::Readable { up_to, frames } => write!(f, "can be read up to frame {up_to} of {frames}"),
        }
    }
}

/// Says how far SQLite can read the log.
pub(crate) fn state(path: &Path, page_size: Option<usize>) -> io::Result<LogState> {
    let Some((bytes, file)) = Frames::open(path)? else { return Ok(LogState::Missing) };
    let header = Header::read(&bytes);
    let page = header.map(|header| header.page).or(page_size).unwrap_or(DEFAULT_PAGE);
    let mut before = header.map(|header| header.sum);
    let mut frames = Frames::new(file, page);
    let (mut count, mut up_to) = (0, 0);
    while let Some(frame) = frames.next()? {
        count += 1;
        before = header
            .zip(before)
            .filter(|(header, _)| frame.salts() == header.salts)
            .map(|(header, before)| frame.sum(header.order, before))
            .filter(|&sum| sum == frame.stored());
        if before.is_some() {
            up_to = count;
        }
    }
    Ok(match header {
        Some(_) => LogState::Readable { up_to, frames: count },
        None => LogState::Header { frames: count },
    })
}

/// Returns the number of the newest event's row from a page of `sqlite_sequence`, whose rows are a table's name and the
/// highest number it gave (section 2.6.2 of the format). No other table of ours with a rowid has rows of just a text and a
/// number, so the page needs no other mark.
fn journal_sequence(page: &[u8]) -> Option<i64> {
    if *page.first()? != TABLE_LEAF {
        return None;
    }
    let pair = |at: usize| page.get(at..)?.first_chunk().copied().map(u16::from_be_bytes).map(usize::from);
    let cells = pair(3)?;
    (0..cells).find_map(|cell| counted(page.get(pair(8 + 2 * cell)?..)?))
}

/// Reads a cell of a table leaf (sections 1.6 and 2.1 of the format).
fn counted(cell: &[u8]) -> Option<i64> {
    let (_payload, rest) = varint(cell)?;
    let (_row, record) = varint(rest)?;
    let (length, rest) = varint(record)?;
    let (name_type, rest) = varint(rest)?;
    let (number_type, rest) = varint(rest)?;
    let head = record.len() - rest.len();
    // A text of n bytes has the type 13 + 2n.
    if usize::try_from(length) != Ok(head) || usize::try_from(name_type) != Ok(13 + 2 * JOURNAL.len()) {
        return None;
    }
    let (name, rest) = rest.split_at_checked(JOURNAL.len())?;
    if name != JOURNAL {
        return None;
    }
    let width = match number_type {
        1..=4 => usize::try_from(number_type).ok()?,
        5 => 6,
        6 => 8,
        8 => return Some(0),
        9 => return Some(1),
        _ => return None,
    };
    let number = rest.get(..width)?;
    let sign = if number.first()? & 0x80 == 0 { 0 } else { -1 };
    Some(number.iter().fold(sign, |number, &byte| (number << 8) | i64::from(byte)))
}

/// Reads a number of one to nine bytes (section 1.6 of the format).
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        let rest = bytes.get(index + 1..)?;
        if index == 8 {
            return Some(((number << 8) | u64::from(byte), rest));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use rusqlite::Connection;

    use super::*;
    use crate::migrations::migrate;

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
    }

    #[test]
    fn no_other_table_looks_like_the_one_that_counts_events() {
        let connection = database();
        let alike: Vec<String> = connection
            .prepare(
                "SELECT name FROM pragma_table_list
                 WHERE schema = 'main' AND type IN ('table', 'shadow') AND NOT wr AND ncol = 2
                 AND (SELECT type FROM pragma_table_info(pragma_table_list.name) WHERE cid = 0) IN ('TEXT', '')
                 AND (SELECT NOT pk FROM pragma_table_info(pragma_table_list.name) WHERE cid = 0)",
            )
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(alike, ["sqlite_sequence"]);
    }

    #[test]
    fn a_number_of_any_width_is_read_from_the_page_that_counts_events() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate(&mut connection).unwrap();
        let page: u16 = connection
            .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence'", [], |row| row.get(0))
            .unwrap();
        connection.execute("INSERT INTO sqlite_sequence VALUES ('journal', 0), ('journals', 77)", []).unwrap();
        for sequence in (0..63).map(|shift| 1_i64 << shift).chain([0, 127, 128, 32_767, 8_388_607, i64::MAX]) {
            connection.execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'journal'", [sequence]).unwrap();
            let pages = std::fs::read(&path).unwrap();
            let found: Vec<i64> = pages.chunks(4096).filter_map(journal_sequence).collect();
            assert_eq!(found, [sequence]);
            assert_eq!(journal_sequence(pages.chunks(4096).nth(usize::from(page) - 1).unwrap()), Some(sequence));
        }
        let pages = std::fs::read(&path).unwrap();
        let whole = pages.chunks(4096).nth(usize::from(page) - 1).unwrap();
        for cut in 0..4096 {
            assert!(journal_sequence(&whole[..cut]).is_none_or(|sequence| sequence == i64::MAX));
        }
    }
}
