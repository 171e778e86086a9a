//! Mends a damaged write-ahead log, exactly or not at all.
//!
//! A frame's checksum is two words of 32 bits, and both depend on every word of the frame in a way that can be turned
//! round: for each word there is at most one other value that gives the stored checksum, and mostly there is none. Where
//! exactly one word of the frame has such a value, that word was damaged and is put right. For the upper bits of a word the
//! checksum is weaker, and a few words of a page come into question; then nothing is guessed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::connect::{Use, connect, prepare_file};
use crate::error::{Doing, StoreError};
use crate::store::Options;
use crate::wal::{FRAME_HEADER, Frame, HEADER, Header, Order, Sum, sum, word};
use crate::{opening, wal};

/// What mending did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mended {
    /// The folder with the files as they were; `None` when nothing had to be done.
    pub copy: Option<PathBuf>,
    /// How many damaged words of the log were put right.
    pub words: usize,
    /// Whether the database goes on from before the damage, without what was acknowledged behind it.
    pub lost: bool,
}

/// A word of the log and where it belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Patch {
    at: usize,
    bytes: [u8; 4],
}

/// Puts the log right where that can be done exactly; copies the files first.
pub(crate) fn mend(path: &Path, options: &Options, accept_loss: bool) -> Result<Mended, StoreError> {
    let mut mended = Mended { copy: None, words: 0, lost: false };
    match opening::inspect(path, options) {
        Ok(()) => return Ok(mended),
        Err(error) if !error.is_damage() => return Err(error),
        Err(_) => {}
    }
    mended.copy = Some(copy(path, options).map_err(failed("copy the damaged database"))?);
    mended.words = put_right(path)?;
    match opening::inspect(path, options) {
        Err(error) if error.is_damage() && accept_loss => go_on_without(path, options)?,
        other => return other.map(|()| mended),
    }
    opening::inspect(path, options)?;
    Ok(Mended { lost: true, ..mended })
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |error| StoreError::File { operation, source: Arc::new(error) }
}

/// Copies the files into a new folder beside them.
fn copy(path: &Path, options: &Options) -> io::Result<PathBuf> {
    let folder = (1..u32::MAX)
        .map(|number| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!("-damaged-{number}"));
            PathBuf::from(name)
        })
        .find(|folder| !folder.exists())
        .expect("there are more numbers than folders");
    fs::create_dir(&folder)?;
    let files = [path.to_owned(), wal::path_of(path)].into_iter().chain(opening::heads(path, options));
    for file in files {
        let Some(name) = file.file_name() else { continue };
        match fs::copy(&file, folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    // What is changed next was copied for certain.
    for entry in fs::read_dir(&folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(&folder)?.sync_all()?;
    Ok(folder)
}

fn put_right(path: &Path) -> Result<usize, StoreError> {
    let doing = "mend the write-ahead log";
    let page_size = prepare_file(path)?.page_size();
    let mut file = match OpenOptions::new().read(true).write(true).open(wal::path_of(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        opened => opened.map_err(failed(doing))?,
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed(doing))?;
    let patches = patches(&mut bytes, page_size);
    for patch in &patches {
        file.seek(SeekFrom::Start(patch.at as u64))
            .and_then(|_| file.write_all(&patch.bytes))
            .map_err(failed(doing))?;
    }
    file.sync_all().map_err(failed(doing))?;
    Ok(patches.len())
}

/// Takes what SQLite reads for all there is.
fn go_on_without(path: &Path, options: &Options) -> Result<(), StoreError> {
    let doing = "go on without what is damaged";
    for head in opening::heads(path, options) {
        match fs::remove_file(head) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(doing)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let connection = connect(path, None, Use::Durable, options.busy)?;
    // An empty log proves nothing any more.
    let busy: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        .and_then(|_| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)))
        .doing(doing)?;
    if busy == 0 {
        return Ok(());
    }
    let source = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
    Err(StoreError::Locked { source: Arc::new(source) })
}

/// Returns the words that are damaged with what they were, and puts them into `log`.
fn patches(log: &mut [u8], page_size: Option<usize>) -> Vec<Patch> {
    let mut patches = Vec::new();
    let Some(header) = mended_header(log, page_size, &mut patches) else { return patches };
    let mut before = header.sum;
    let mut start = HEADER;
    while let Some(frame) = log.get(start..start + FRAME_HEADER + header.page) {
        let Some(found) = damage(Frame(frame), &header, before, log.get(start + frame.len()..).unwrap_or_default())
        else {
            break;
        };
        for patch in found {
            apply(log, Patch { at: start + patch.at, ..patch }, &mut patches);
        }
        before = [word(log, start + 16), word(log, start + 20)];
        start += FRAME_HEADER + header.page;
    }
    patches
}

fn apply(log: &mut [u8], patch: Patch, patches: &mut Vec<Patch>) {
    if let Some(place) = log.get_mut(patch.at..patch.at + 4) {
        place.copy_from_slice(&patch.bytes);
        patches.push(patch);
    }
}

/// Returns the header, put right where one word of it is damaged.
fn mended_header(log: &mut [u8], page_size: Option<usize>, patches: &mut Vec<Patch>) -> Option<Header> {
    let bytes: [u8; HEADER] = *log.first_chunk()?;
    if let Some(header) = Header::read(&bytes) {
        return Some(header);
    }
    let stored = [word(&bytes, 24), word(&bytes, 28)];
    let body: &[u8; 24] = bytes.first_chunk()?;
    let candidates = [Order::Little, Order::Big].into_iter().flat_map(|order| {
        let summed = sum(order, [0, 0], body);
        let in_sum = one_word(stored, summed).map(|patch| Patch { at: 24 + patch.at, ..patch });
        in_sum.into_iter().chain(wrong_words(order, [0, 0], body, stored))
    });
    // Several may give a valid header; only the right one is what the first frame continues.
    let (patch, header) = candidates
        .filter_map(|patch| {
            let mut tried = bytes;
            tried.get_mut(patch.at..patch.at + 4)?.copy_from_slice(&patch.bytes);
            Some((patch, Header::read(&tried)?))
        })
        .filter(|(_, header)| page_size.is_none_or(|size| size == header.page))
        .find(|(_, header)| {
            let first = log.get(HEADER..HEADER + FRAME_HEADER + header.page).map(Frame);
            first.is_some_and(|first| {
                first.salts() == header.salts && first.sum(header.order, header.sum) == first.stored()
            })
        })?;
    apply(log, patch, patches);
    Some(header)
}

/// Returns what is wrong with a frame, nothing where it is sound; `None` where it is of another turn, or cannot be mended.
fn damage(frame: Frame<'_>, header: &Header, before: Sum, behind: &[u8]) -> Option<Vec<Patch>> {
    let stored = frame.stored();
    let summed = frame.sum(header.order, before);
    let salt = one_word(frame.salts(), header.salts).map(|patch| Patch { at: 8 + patch.at, ..patch });
    if summed == stored {
        return if frame.salts() == header.salts { Some(Vec::new()) } else { salt.map(|patch| vec![patch]) };
    }
    if frame.salts() != header.salts {
        return None;
    }
    // The salts and the checksum are not summed; what stands before and behind them is.
    let mut content = frame.0.get(..8)?.to_vec();
    content.extend_from_slice(frame.page());
    let in_content = wrong_words(header.order, before, &content, stored).map(|patch| {
        let at = if patch.at < 8 { patch.at } else { patch.at - 8 + FRAME_HEADER };
        Patch { at, ..patch }
    });
    let next = behind.get(..frame.0.len()).map(Frame);
    let next_continues = |sum| next.is_some_and(|next| next.sum(header.order, sum) == next.stored());
    // The next frame says which of content and checksum is right. Without it there must be only one way.
    if next_continues(summed) {
        let words = [16, 20].into_iter().zip(summed).map(|(at, word)| Patch { at, bytes: word.to_be_bytes() });
        return Some(words.filter(|patch| word(frame.0, patch.at).to_be_bytes() != patch.bytes).collect());
    }
    let in_sum = one_word(stored, summed).filter(|_| !next_continues(stored));
    let mut ways = in_content.chain(in_sum.map(|patch| Patch { at: 16 + patch.at, ..patch }));
    let way = ways.next()?;
    ways.next().is_none().then(|| vec![way])
}

/// Returns the word of a pair that is not as it should be, if it is just one.
fn one_word(found: [u32; 2], expected: [u32; 2]) -> Option<Patch> {
    let [first, second] = expected;
    match (found[0] == first, found[1] == second) {
        (false, true) => Some(Patch { at: 0, bytes: first.to_be_bytes() }),
        (true, false) => Some(Patch { at: 4, bytes: second.to_be_bytes() }),
        (true, true) | (false, false) => None,
    }
}

/// Returns every word that, changed alone, gives the checksum `target`, with what it must be.
///
/// A word that grows by d lets the sums grow by d times two numbers that depend on its place alone. From the last pair of
/// words to the first these are (1, 1) and (0, 1), and (a, b) becomes (a + b, a + 2b) with each pair. One of the two is
/// odd, so it has an inverse modulo 2^32 and d is known; the other one says whether it is right.
fn wrong_words(order: Order, before: Sum, bytes: &[u8], target: Sum) -> impl Iterator<Item = Patch> {
    let summed = sum(order, before, bytes);
    let missing = [target[0].wrapping_sub(summed[0]), target[1].wrapping_sub(summed[1])];
    let further = |[a, b]: [u32; 2]| [a.wrapping_add(b), a.wrapping_add(b).wrapping_add(b)];
    let mut growth = [[1, 1], [0, 1]];
    let mut found = Vec::new();
    for (pair, words) in bytes.as_chunks::<8>().0.iter().enumerate().rev() {
        for (half, grows) in growth.into_iter().enumerate() {
            let difference = if grows[0] % 2 == 1 {
                missing[0].wrapping_mul(inverse(grows[0]))
            } else {
                missing[1].wrapping_mul(inverse(grows[1]))
            };
            if grows.map(|grows| grows.wrapping_mul(difference)) == missing
                && let Some(bytes) = words.get(4 * half..).and_then(|bytes| bytes.first_chunk())
            {
                let right = order.word(*bytes).wrapping_add(difference);
                found.push(Patch { at: 8 * pair + 4 * half, bytes: order.bytes(right) });
            }
        }
        growth = growth.map(further);
    }
    found.into_iter()
}

/// Returns the inverse of an odd number modulo 2^32; each step doubles the bits that are right, and three are at first.
fn inverse(odd: u32) -> u32 {
    (0..4).fold(odd, |inverse, _| inverse.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(inverse))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test panics")]

    use rusqlite::Connection;

    use super::*;

    const FRAME: usize = FRAME_HEADER + 4096;

    /// A log of two turns: the present one, and frames of the one before it.
    fn log() -> (Vec<u8>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        let fill = |count: u32| {
            for at in 0..count {
                connection.execute("INSERT INTO t VALUES (hex(randomblob(700)) || ?1)", [at]).unwrap();
            }
        };
        fill(12);
        connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0)).unwrap();
        fill(4);
        let frames: usize =
            connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, u32>(1)).unwrap() as usize;
        let bytes = std::fs::read(wal::path_of(&path)).unwrap();
        assert!(bytes.len() > HEADER + frames * FRAME, "there are old frames behind");
        (bytes, HEADER + frames * FRAME)
    }

    #[test]
    fn any_damaged_byte_of_the_present_turn_is_put_right_or_left_alone() {
        let (whole, end) = log();
        assert_eq!(patches(&mut whole.clone(), Some(4096)), []);
        let headers = (0..end).filter(|at| *at < HEADER || (at - HEADER) % FRAME < FRAME_HEADER);
        let ends = (end - 4..end).chain(HEADER + FRAME - 4..HEADER + FRAME);
        let places: Vec<usize> = headers.chain(ends).chain((0..end).step_by(7)).collect();
        let mut mended = 0;
        for (nth, &at) in places.iter().enumerate() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (nth % 8);
            let before = damaged.clone();
            let found = patches(&mut damaged, Some(4096));
            mended += found.len();
            assert!(damaged == if found.is_empty() { before } else { whole.clone() }, "byte {at}");
        }
        assert!(mended * 10 > places.len() * 6, "{mended} of {}", places.len());
    }

    #[test]
    fn a_damaged_word_in_each_of_several_frames_is_put_right() {
        let (whole, end) = log();
        let mut damaged = whole.clone();
        let places: Vec<usize> =
            (HEADER..end).step_by(FRAME).map(|start| start + FRAME_HEADER + 4 * (start % 97)).collect();
        for at in &places {
            damaged[*at..at + 2].fill(0x5a);
        }
        assert_eq!(patches(&mut damaged, None).len(), places.len());
        assert!(damaged == whole);
    }

    #[test]
    fn what_is_damaged_further_and_what_is_old_is_left_alone() {
        let (whole, end) = log();
        let mut damaged = whole.clone();
        damaged[HEADER + FRAME + 100..HEADER + FRAME + 600].fill(0);
        let before = damaged.clone();
        assert_eq!(patches(&mut damaged, Some(4096)), []);
        assert!(damaged == before);
        for at in (end..whole.len()).step_by(61) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(patches(&mut damaged, Some(4096)), [], "byte {at}");
        }
        for length in 0..200 {
            assert!(patches(&mut whole[..length].to_vec(), Some(4096)).len() <= 1);
        }
    }
}
