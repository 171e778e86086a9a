//! A write-ahead log that is not as it was written: acknowledged events are there, or the store is not opened.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed test panics")]

mod common;

use std::path::{Path, PathBuf};

use belay_store::{LogState, Mended, Options, OutputChunk, Store, StoreError, Stream};
use belay_trust::{ExecutionId, Hash32, SignedEnvelope};
use common::{begin, draft, key, open, session};

const FRAME: usize = 24 + 4096;

/// The files of a store as they stand.
#[derive(Clone, Default)]
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
    head: Vec<u8>,
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl Files {
    fn of(path: &Path) -> Self {
        let read = |ending| std::fs::read(named(path, ending)).unwrap();
        Self { database: read(""), log: read("-wal"), head: read("-head") }
    }

    /// Puts the files into a folder of their own, as a computer finds them when it starts; empty ones are not there.
    fn put(&self, path: &Path) {
        for ending in ["", "-wal", "-head", "-shm"] {
            drop(std::fs::remove_file(named(path, ending)));
        }
        for (ending, bytes) in [("", &self.database), ("-wal", &self.log), ("-head", &self.head)] {
            if !bytes.is_empty() {
                std::fs::write(named(path, ending), bytes).unwrap();
            }
        }
    }
}

/// What was acknowledged, commit by commit.
type Acknowledged = Vec<(ExecutionId, Vec<Hash32>)>;

fn append(store: &Store, execution: ExecutionId, kinds: &[&str], acknowledged: &mut Acknowledged) {
    let events = store.append(Some(execution), kinds.iter().map(|kind| draft(kind)).collect()).unwrap();
    acknowledged.push((execution, events.iter().map(SignedEnvelope::hash).collect()));
}

fn output(store: &Store, execution: ExecutionId, at_ms: i64) {
    let bytes = format!("line {at_ms}").into_bytes();
    store.append_output(execution, "run-1", OutputChunk { stream: Stream::Stdout, at_ms, bytes }).unwrap();
}

/// Writes a history of several commits of both kinds.
fn write_history(store: &Store, commits: usize) -> Acknowledged {
    let execution = begin(store, 2);
    let mut acknowledged =
        vec![(execution, store.events(execution).unwrap().iter().map(SignedEnvelope::hash).collect())];
    for at in 0..commits {
        append(store, execution, &["one", "two"], &mut acknowledged);
        output(store, execution, i64::try_from(at).unwrap());
    }
    acknowledged
}

/// How many of the commits are there as a whole, counted from the first.
fn present(store: &Store, acknowledged: &Acknowledged) -> usize {
    let ids = store.execution_ids().unwrap();
    let there = |(execution, hashes): &&(ExecutionId, Vec<Hash32>)| {
        ids.contains(execution) && {
            let events = store.events(*execution).unwrap();
            hashes.iter().all(|hash| events.iter().any(|event| event.hash() == *hash))
        }
    };
    acknowledged.iter().take_while(there).count()
}

/// Opens the files and says how many commits are there; `None` when the store refuses because of damage.
fn reopened(path: &Path, files: &Files, acknowledged: &Acknowledged, case: &str) -> Option<usize> {
    files.put(path);
    match Store::open(path, key(), session(99)) {
        Ok(store) => {
            let present = present(&store, acknowledged);
            assert_eq!(store.check().unwrap(), [], "{case}");
            Some(present)
        }
        Err(error) => {
            assert!(error.is_damage() && error.hint().is_some(), "{case}: {error:?}");
            None
        }
    }
}

/// Every byte of the header, of some frames' headers, and samples of all frames and pages.
fn offsets(log: &[u8]) -> Vec<usize> {
    let frames = (log.len() - 32) / FRAME;
    let mut offsets: Vec<usize> = (0..32).collect();
    for frame in 0..frames {
        let start = 32 + frame * FRAME;
        let step = if frame < 3 || frame % 11 == 0 { 1 } else { 5 };
        offsets.extend((start..start + 24).step_by(step));
        offsets.extend((start + 24..start + FRAME).step_by(1_021));
    }
    offsets
}

fn flipped(files: &Files, at: usize) -> Files {
    let mut files = files.clone();
    files.log[at] ^= 1 << (at % 8);
    files
}

#[test]
fn whichever_byte_of_the_log_is_flipped_no_acknowledged_event_is_silently_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let acknowledged = write_history(&store, 5);
    drop(store);
    let files = Files::of(&path);
    let mut refused = 0;
    let offsets = offsets(&files.log);
    for &at in &offsets {
        match reopened(&path, &flipped(&files, at), &acknowledged, &format!("byte {at}")) {
            Some(found) => assert_eq!(found, acknowledged.len(), "byte {at}"),
            None => refused += 1,
        }
    }
    assert!(refused > offsets.len() / 2, "{refused} of {}", offsets.len());
}

#[test]
fn without_the_head_file_all_but_the_newest_commit_is_still_proven_by_the_log_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let acknowledged = write_history(&store, 5);
    drop(store);
    let files = Files { head: Vec::new(), ..Files::of(&path) };
    for at in offsets(&files.log).into_iter().step_by(2) {
        if let Some(found) = reopened(&path, &flipped(&files, at), &acknowledged, &format!("byte {at}")) {
            assert!(found + 1 >= acknowledged.len(), "byte {at}: {found} of {}", acknowledged.len());
        }
    }
}

#[test]
fn a_log_that_began_anew_proves_no_more_than_the_database_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let mut acknowledged = write_history(&store, 8);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0)).unwrap();
    let length = std::fs::metadata(named(&path, "-wal")).unwrap().len();
    let execution = acknowledged[0].0;
    append(&store, execution, &["after"], &mut acknowledged);
    append(&store, execution, &["the restart"], &mut acknowledged);
    let files = Files::of(&path);
    drop((store, raw));
    assert_eq!(files.log.len() as u64, length, "the file is used from its start again");
    for head in [files.head.clone(), Vec::new(), b"not what anybody wrote".to_vec()] {
        let files = Files { head, ..files.clone() };
        assert_eq!(reopened(&path, &files, &acknowledged, "untouched"), Some(acknowledged.len()));
    }
    for at in offsets(&files.log).into_iter().step_by(13) {
        if let Some(found) = reopened(&path, &flipped(&files, at), &acknowledged, &format!("byte {at}")) {
            assert_eq!(found, acknowledged.len(), "byte {at}");
        }
    }
    let without = Files { head: Vec::new(), ..files.clone() };
    let stale = (32 + 40 * FRAME..files.log.len()).step_by(3 * FRAME / 2);
    for at in stale {
        let found = reopened(&path, &flipped(&without, at), &acknowledged, "an old frame");
        assert_eq!(found, Some(acknowledged.len()), "byte {at} belongs to no frame that counts");
    }
}

/// The pages of a damaged log's beginning are older than those that were already copied from it.
#[test]
fn old_pages_of_a_damaged_log_are_not_laid_over_a_database_that_has_newer_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let move_log = |mode: &str| {
        let raw = rusqlite::Connection::open(&path).unwrap();
        raw.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        raw.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>(0)).unwrap();
    };
    let store = open(&path, 1);
    let mut acknowledged = write_history(&store, 5);
    // With room of its own the database keeps its length, by which SQLite would notice the mixture.
    let chunk = OutputChunk { stream: Stream::Stdout, at_ms: 1, bytes: vec![8; 400_000] };
    store.append_output(acknowledged[0].0, "run-2", chunk).unwrap();
    store.purge_output(i64::MAX).unwrap();
    drop(store);
    move_log("TRUNCATE");
    let store = open(&path, 2);
    let execution = acknowledged[0].0;
    for at_ms in 20..24 {
        output(&store, execution, at_ms);
    }
    for _ in 0..4 {
        append(&store, execution, &["one", "two"], &mut acknowledged);
    }
    drop(store);
    move_log("PASSIVE");
    let files = Files::of(&path);
    // Without the head file nothing speaks for the newest commit, nor for the one before if that is the damaged one.
    for (head, unproven) in [(files.head.clone(), 0), (Vec::new(), 2)] {
        let files = Files { head, ..files.clone() };
        assert_eq!(reopened(&path, &files, &acknowledged, "untouched"), Some(acknowledged.len()));
        let mut refused = 0;
        for at in offsets(&files.log).into_iter().step_by(3) {
            let files = flipped(&files, at);
            if let Some(found) = reopened(&path, &files, &acknowledged, &format!("byte {at}")) {
                // Where the log cannot be read at all, the database is whole without it.
                assert!(found + unproven >= acknowledged.len(), "byte {at}: {found}");
                continue;
            }
            files.put(&path);
            let Err(StoreError::Open { source, .. }) = Store::open(&path, key(), session(9)) else {
                panic!("it opens")
            };
            if let StoreError::HistoryLost { found, acknowledged, .. } = *source {
                refused += u32::from(found >= acknowledged);
            } else {
                // SQLite itself may stumble over the mixture first.
                assert!(matches!(*source, StoreError::DamagedFile { .. }), "byte {at}: {source:?}");
            }
        }
        assert!(refused > 0, "it is noticed although the database counts all events");
    }
}

#[test]
fn a_log_or_database_that_is_cut_off_or_gone_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let acknowledged = write_history(&store, 3);
    drop(store);
    let files = Files::of(&path);
    let lengths =
        (0..=files.log.len() / FRAME).flat_map(|frame| [frame * FRAME, frame * FRAME + 32, frame * FRAME + 999]);
    for length in lengths.filter(|&length| length < files.log.len()) {
        let cut = Files { log: files.log[..length].to_vec(), ..files.clone() };
        match reopened(&path, &cut, &acknowledged, &format!("cut at {length}")) {
            // Behind the last event there is output, which nobody was promised.
            Some(found) => assert_eq!(found, acknowledged.len(), "cut at {length}"),
            None => assert_eq!(std::fs::read(named(&path, "-wal")).unwrap_or_default(), cut.log),
        }
    }
    let gone = Files { database: Vec::new(), ..files.clone() };
    for (case, files) in [("no database", gone), ("no log", Files { log: Vec::new(), ..files.clone() })] {
        assert_eq!(reopened(&path, &files, &acknowledged, case), None, "{case}");
        assert_eq!(std::fs::read(named(&path, "-wal")).unwrap_or_default(), files.log, "{case}");
    }
    let gone = Files { database: Vec::new(), head: Vec::new(), ..files.clone() };
    assert_eq!(reopened(&path, &gone, &acknowledged, "no database and no head"), None);
    assert_eq!(reopened(&path, &files, &acknowledged, "all of it"), Some(acknowledged.len()));
}

#[test]
fn the_error_names_the_log_and_how_far_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    write_history(&store, 3);
    drop(store);
    let files = Files::of(&path);
    let frames = ((files.log.len() - 32) / FRAME) as u64;
    let state = |files: &Files| {
        files.put(&path);
        let Err(StoreError::Open { source, .. }) = Store::open(&path, key(), session(2)) else { panic!("it opens") };
        let StoreError::HistoryLost { log, state, found, acknowledged } = *source else { panic!("{source:?}") };
        assert!(found < acknowledged);
        assert_eq!(log, named(&path, "-wal"));
        state
    };
    assert_eq!(state(&flipped(&files, 32 + 6 * FRAME + 500)), LogState::Readable { up_to: 6, frames });
    assert_eq!(state(&flipped(&files, 17)), LogState::Header { frames });
    assert_eq!(state(&Files { log: Vec::new(), ..files.clone() }), LogState::Missing);
    let error = Store::open(&path, key(), session(2)).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("belay doctor --mend")), "{error:?}");
}

#[test]
fn a_transaction_that_was_cut_off_at_any_length_is_not_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let acknowledged = write_history(&store, 2);
    let before = Files::of(&path);
    append(&store, acknowledged[0].0, &["never", "answered"], &mut Vec::new());
    let after = Files::of(&path);
    drop(store);
    for length in (before.log.len()..=after.log.len()).step_by(271) {
        for head in [before.head.clone(), Vec::new()] {
            let torn = Files { log: after.log[..length].to_vec(), head, ..before.clone() };
            let found = reopened(&path, &torn, &acknowledged, &format!("{length} bytes"));
            assert_eq!(found, Some(acknowledged.len()), "{length} bytes");
        }
    }
    // A disk may also have kept the later blocks and not the earlier ones.
    for hole in (before.log.len()..after.log.len()).step_by(4096) {
        for head in [before.head.clone(), Vec::new()] {
            let mut log = after.log.clone();
            let end = log.len().min(hole + 4096);
            log[hole..end].fill(0);
            let found = reopened(&path, &Files { log, head, ..before.clone() }, &acknowledged, &format!("{hole}"));
            assert_eq!(found, Some(acknowledged.len()), "a hole at {hole}");
        }
    }
}

#[test]
fn a_hole_among_commits_that_were_never_synced_is_not_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let acknowledged = write_history(&store, 2);
    let execution = acknowledged[0].0;
    let before = Files::of(&path);
    for at in 10..16 {
        output(&store, execution, at);
    }
    append(&store, execution, &["being synced when the power went"], &mut Vec::new());
    let after = Files::of(&path);
    drop(store);
    for frame in (before.log.len() - 32) / FRAME..(after.log.len() - 32) / FRAME {
        for head in [before.head.clone(), Vec::new()] {
            let mut log = after.log.clone();
            log[32 + frame * FRAME..32 + (frame + 1) * FRAME].fill(0);
            let found = reopened(&path, &Files { log, head, ..before.clone() }, &acknowledged, &format!("{frame}"));
            assert_eq!(found, Some(acknowledged.len()), "frame {frame} never reached the disk");
        }
    }
}

#[test]
fn an_older_head_file_and_an_older_log_of_one_moment_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let mut acknowledged = write_history(&store, 1);
    let early = Files::of(&path);
    append(&store, acknowledged[0].0, &["later"], &mut acknowledged);
    let late = Files::of(&path);
    drop(store);
    let stale_head = Files { head: early.head.clone(), ..late.clone() };
    assert_eq!(reopened(&path, &stale_head, &acknowledged, "the head was not synced"), Some(acknowledged.len()));
    assert_eq!(reopened(&path, &early, &acknowledged, "a whole backup"), Some(acknowledged.len() - 1));
    let mixed = Files { head: late.head, ..early };
    assert_eq!(reopened(&path, &mixed, &acknowledged, "a backup of the database alone"), None);
}

#[test]
fn a_log_with_a_flipped_bit_is_mended_without_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let acknowledged = write_history(&store, 4);
    drop(store);
    let files = Files::of(&path);
    assert_eq!(
        Store::mend(&path, &Options::default(), true).unwrap(),
        Mended { copy: None, words: 0, lost: false },
        "nothing to do"
    );
    let mut mended = 0;
    for at in [3, 17, 30, 32 + 1, 32 + 9, 32 + 18, 32 + 6 * FRAME + 13, 32 + 9 * FRAME + 2_000] {
        let damaged = flipped(&files, at);
        damaged.put(&path);
        assert!(Store::open(&path, key(), session(9)).is_err(), "byte {at}");
        let Ok(done) = Store::mend(&path, &Options::default(), false) else { continue };
        mended += 1;
        assert_eq!((done.words, done.lost), (1, false), "byte {at}");
        assert!(std::fs::read(named(&path, "-wal")).unwrap() == files.log, "byte {at}: exactly as it was");
        let copy = done.copy.unwrap();
        assert!(std::fs::read(copy.join("belay.db-wal")).unwrap() == damaged.log, "byte {at}");
        assert_eq!(present(&open(&path, 9), &acknowledged), acknowledged.len());
    }
    assert!(mended >= 5, "{mended}");
}

#[test]
fn what_cannot_be_mended_is_given_up_only_when_somebody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let acknowledged = write_history(&store, 4);
    drop(store);
    let mut files = Files::of(&path);
    let damage = files.log.len() * 3 / 4;
    files.log[damage..damage + 512].fill(0x55);
    files.put(&path);
    let error = Store::mend(&path, &Options::default(), false).unwrap_err();
    assert!(error.is_damage() && error.hint().is_some_and(|hint| hint.contains("--accept-loss")), "{error:?}");
    assert_eq!(std::fs::read(named(&path, "-wal")).unwrap(), files.log, "nothing was changed");
    let done = Store::mend(&path, &Options::default(), true).unwrap();
    assert!(done.lost);
    assert_eq!(std::fs::read(done.copy.unwrap().join("belay.db-wal")).unwrap(), files.log, "what was given up is kept");
    let store = open(&path, 9);
    let found = present(&store, &acknowledged);
    assert!((1..acknowledged.len()).contains(&found), "what stands before the damage is there: {found}");
    append(&store, acknowledged[0].0, &["on"], &mut Vec::new());
    drop(store);
    assert_eq!(open(&path, 10).check().unwrap(), [], "and it opens from now on");
}
