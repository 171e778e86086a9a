//! Writes that fail: every one in turn, full and read-only disks.
//!
//! The faults come from a thin layer over SQLite's own file system, which fails one write, sync or truncation.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]
#![allow(clippy::indexing_slicing, reason = "a failed test panics")]
#![allow(unsafe_code, reason = "a SQLite file system is a table of C functions")]

mod common;

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use belay_store::{Options, Store, StoreError};
use belay_trust::{ExecutionId, Hash32, verify_chains};
use common::{begin, draft, key, open, open_with, row, session};
use rusqlite::ffi;

const VFS: &str = "faulty";
/// How many operations still succeed; below zero nothing fails.
static LEFT: AtomicI64 = AtomicI64::new(-1);
/// What happens to the operation that fails, an index of [`FAULTS`], plus [`FOR_EVER`].
static FAULT: AtomicU32 = AtomicU32::new(0);
const FOR_EVER: u32 = 100;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// The write reports a full disk.
    Full,
    /// The write fails.
    Write,
    /// The write fails after half of its bytes.
    Torn,
}
const FAULTS: [Fault; 3] = [Fault::Full, Fault::Write, Fault::Torn];

fn due() -> Option<Fault> {
    let fault = FAULT.load(Ordering::SeqCst);
    let left = LEFT.load(Ordering::SeqCst);
    if left < 0 {
        return None;
    }
    if left > 0 {
        LEFT.store(left - 1, Ordering::SeqCst);
        return None;
    }
    if fault < FOR_EVER {
        LEFT.store(-1, Ordering::SeqCst);
    }
    FAULTS.get((fault % FOR_EVER) as usize).copied()
}

struct Original {
    write: unsafe extern "C" fn(*mut ffi::sqlite3_file, *const c_void, c_int, ffi::sqlite3_int64) -> c_int,
    sync: unsafe extern "C" fn(*mut ffi::sqlite3_file, c_int) -> c_int,
    truncate: unsafe extern "C" fn(*mut ffi::sqlite3_file, ffi::sqlite3_int64) -> c_int,
}

static ORIGINAL: OnceLock<Original> = OnceLock::new();
/// The patched copy of each table of methods, by the address of the original.
static PATCHED: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

fn original() -> &'static Original {
    ORIGINAL.get().expect("a file was opened before it is written")
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    n: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    match due() {
        None => unsafe { (original().write)(file, data, n, at) },
        Some(Fault::Full) => ffi::SQLITE_FULL,
        Some(Fault::Write) => ffi::SQLITE_IOERR_WRITE,
        Some(Fault::Torn) => {
            unsafe { (original().write)(file, data, n / 2, at) };
            ffi::SQLITE_IOERR_WRITE
        }
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    match due() {
        None => unsafe { (original().sync)(file, flags) },
        Some(Fault::Full | Fault::Write | Fault::Torn) => ffi::SQLITE_IOERR_FSYNC,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    match due() {
        None => unsafe { (original().truncate)(file, size) },
        Some(Fault::Full | Fault::Write | Fault::Torn) => ffi::SQLITE_IOERR_TRUNCATE,
    }
}

unsafe extern "C" fn open_file(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    unsafe {
        let default = ffi::sqlite3_vfs_find(std::ptr::null());
        let code = (*default).xOpen.unwrap()(default, name, file, flags, out);
        if code != ffi::SQLITE_OK || (*file).pMethods.is_null() {
            return code;
        }
        let methods = (*file).pMethods;
        ORIGINAL.get_or_init(|| Original {
            write: (*methods).xWrite.unwrap(),
            sync: (*methods).xSync.unwrap(),
            truncate: (*methods).xTruncate.unwrap(),
        });
        let mut patched = PATCHED.lock().unwrap();
        let known = patched.iter().find(|(from, _)| *from == methods as usize).map(|(_, to)| *to);
        let to = known.unwrap_or_else(|| {
            let mut copy = std::ptr::read(methods);
            copy.xWrite = Some(write);
            copy.xSync = Some(sync);
            copy.xTruncate = Some(truncate);
            let to = std::ptr::from_mut(Box::leak(Box::new(copy))) as usize;
            patched.push((methods as usize, to));
            to
        });
        (*file).pMethods = to as *const ffi::sqlite3_io_methods;
        code
    }
}

/// Registers the file system that fails on demand.
fn register() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| unsafe {
        // The first connection initialises SQLite.
        drop(rusqlite::Connection::open_in_memory().unwrap());
        let mut copy = std::ptr::read(ffi::sqlite3_vfs_find(std::ptr::null()));
        copy.zName = c"faulty".as_ptr();
        copy.pNext = std::ptr::null_mut();
        copy.xOpen = Some(open_file);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(copy)), 0), ffi::SQLITE_OK);
    });
}

/// What a run acknowledged, and whether anything failed.
#[derive(Default)]
struct Run {
    acknowledged: Vec<(ExecutionId, Hash32)>,
    settings: Vec<(String, String)>,
    errors: Vec<StoreError>,
}

impl Run {
    fn note<T>(&mut self, result: Result<T, StoreError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }
}

/// Opens a store, appends, sets, checkpoints; goes on after failures as a person would.
fn run(path: &Path, number: u32) -> Run {
    let mut run = Run::default();
    let options = Options { vfs: Some(VFS.to_owned()), ..Options::default() };
    let opened = Store::open_with(path, key(), session(number), options);
    let Some(store) = run.note(opened) else { return run };
    let mut execution = None;
    for at in 0..4 {
        let appended = store.append_with(execution, vec![draft("a"), draft("b")], move |events| {
            Some(row(events[0].execution(), "r", at))
        });
        if let Some(events) = run.note(appended) {
            execution = Some(events[0].execution());
            run.acknowledged.extend(events.iter().map(|event| (event.execution(), event.hash())));
        }
        let (key, value) = (format!("key-{at}"), format!("value-{at}"));
        if run.note(store.set_setting(&key, Some(&value))).is_some() {
            run.settings.push((key, value));
        }
        if at == 2 {
            let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
            let checkpoint = rusqlite::Connection::open_with_flags_and_vfs(path, flags, VFS).and_then(|connection| {
                connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0))
            });
            drop(checkpoint);
        }
    }
    run
}

#[test]
fn whichever_write_fails_nothing_acknowledged_is_lost_and_the_store_opens_again() {
    register();
    let template = tempfile::tempdir().unwrap();
    let made = template.path().join("belay.db");
    drop(open(&made, 1));
    for fresh in [true, false] {
        for fault in 0..u32::try_from(FAULTS.len()).unwrap() {
            for (for_ever, stride) in [(0, if fresh { 9 } else { 1 }), (FOR_EVER, 11)] {
                let mut reached_the_end = false;
                for nth in (0..2_000).step_by(stride) {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("belay.db");
                    if !fresh {
                        for name in ["belay.db", "belay.db-wal"] {
                            std::fs::copy(template.path().join(name), folder.path().join(name)).unwrap();
                        }
                    }
                    FAULT.store(fault + for_ever, Ordering::SeqCst);
                    LEFT.store(nth, Ordering::SeqCst);
                    let run = run(&path, 2);
                    reached_the_end = LEFT.swap(-1, Ordering::SeqCst) > 0;
                    assert_sound(&path, &run, &format!("write {nth}, {:?}, fresh {fresh}", FAULTS[fault as usize]));
                    if reached_the_end {
                        assert!(run.errors.is_empty());
                        break;
                    }
                }
                assert!(reached_the_end, "every write was reached");
            }
        }
    }
}

fn assert_sound(path: &Path, run: &Run, case: &str) {
    for error in &run.errors {
        let kind = if let StoreError::Open { source, .. } = error { source } else { error };
        let clear = matches!(
            kind,
            StoreError::DiskFull { .. }
                | StoreError::Disk { .. }
                | StoreError::Stopped
                // What comes after a failed genesis or a file that could not be begun.
                | StoreError::UnknownExecution(_)
        );
        assert!(clear && kind.hint().is_some(), "{case}: {error:?}");
    }
    let store = match Store::open(path, key(), session(3)) {
        Ok(store) => store,
        Err(error) => panic!("{case}: {error:?}, after {:?}", run.errors),
    };
    for &(execution, hash) in &run.acknowledged {
        let events = store.events(execution).unwrap();
        assert!(events.iter().any(|event| event.hash() == hash), "{case}: an acknowledged event is lost");
    }
    for (key, value) in &run.settings {
        assert_eq!(store.setting(key).unwrap().as_ref(), Some(value), "{case}");
    }
    for execution in store.execution_ids().unwrap() {
        let report = verify_chains(store.events(execution).unwrap());
        assert!(report.is_clean(), "{case}: {report:?}");
        store.append(Some(execution), vec![draft("afterwards")]).unwrap();
    }
    assert_eq!(store.check().unwrap(), [], "{case}");
}

/// A program that ends during its last sync leaves a whole transaction in the log that counts for nobody, and another
/// program that lives on writes over its beginning.
#[test]
fn the_rest_of_a_transaction_that_another_process_wrote_over_is_not_damage() {
    register();
    for goes_on in ["with an event", "with a value in its place"] {
        let mut left_a_commit = 0;
        for nth in 0.. {
            let Some(left) = written_over(nth, goes_on) else { break };
            left_a_commit += u32::from(left);
        }
        assert!(left_a_commit > 0, "the sync was among the operations that failed");
    }
}

/// Lets the operation `nth` of a large transaction fail and another process go on; says whether the rest ends with a
/// commit, and nothing when no operation failed.
fn written_over(nth: i64, goes_on: &str) -> Option<bool> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let living = open(&path, 1);
    let execution = begin(&living, 2);
    living.set_setting("theme", Some("dark")).unwrap();
    let options = Options { vfs: Some(VFS.to_owned()), ..Options::default() };
    let dying = Store::open_with(&path, key(), session(2), options).unwrap();
    FAULT.store(1, Ordering::SeqCst);
    LEFT.store(nth, Ordering::SeqCst);
    let mut large = draft("large");
    large.body = vec![7; 7_000];
    let failed = dying.append(Some(execution), vec![large; 3]).is_err();
    LEFT.store(-1, Ordering::SeqCst);
    if !failed {
        return None;
    }
    let written = std::fs::metadata(folder.path().join("belay.db-wal")).unwrap().len();
    let mut acknowledged = Vec::new();
    if goes_on == "with an event" {
        acknowledged = living.append(Some(execution), vec![draft("goes on")]).unwrap();
    } else {
        living.set_setting("theme", Some("pale")).unwrap();
    }
    let log = std::fs::read(folder.path().join("belay.db-wal")).unwrap();
    let last = log.len() - (24 + 4096);
    let left_a_commit = log.len() as u64 == written && log[last + 4..last + 8] != [0; 4];
    let found_by_the_next = tempfile::tempdir().unwrap();
    for name in ["belay.db", "belay.db-wal", "belay.db-head"] {
        std::fs::copy(folder.path().join(name), found_by_the_next.path().join(name)).unwrap();
    }
    for _ in 0..2 {
        let store = open(&found_by_the_next.path().join("belay.db"), 3);
        let events = store.events(execution).unwrap();
        assert!(acknowledged.iter().all(|event| events.contains(event)), "operation {nth}");
        acknowledged.extend(store.append(Some(execution), vec![draft("and on")]).unwrap());
        drop(store);
        std::fs::remove_file(found_by_the_next.path().join("belay.db-head")).unwrap();
    }
    Some(left_a_commit)
}

/// A small file system of its own, unmounted at the end.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: this needs the right to mount a small disk");
        None
    }

    fn remount(&self, how: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).status());
    }
}

#[test]
fn a_full_disk_is_a_clear_error_and_room_lets_the_same_store_go_on() {
    let Some(disk) = Mount::new("1500k") else { return };
    let path = disk.0.path().join("belay.db");
    let store = open(&path, 1);
    let execution = begin(&store, 1);
    let mut large = draft("large");
    large.body = vec![7; 20_000];
    let mut acknowledged = 1;
    let error = loop {
        match store.append(Some(execution), vec![large.clone()]) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
    assert!(error.hint().is_some());
    assert_eq!(
        store.events(execution).unwrap().len(),
        acknowledged,
        "nothing acknowledged is lost, and it can be read"
    );
    let reopened = Store::open(&path, key(), session(2));
    assert!(reopened.is_ok() || matches!(reopened, Err(StoreError::Open { .. })), "{reopened:?}");
    drop(reopened);
    disk.remount("size=4000k");
    store.append(Some(execution), vec![large]).unwrap();
    drop(store);
    let events = open(&path, 3).events(execution).unwrap();
    assert_eq!(events.len(), acknowledged + 1);
    assert!(verify_chains(events).is_clean());
}

#[test]
fn a_read_only_disk_is_refused_before_anything_acts() {
    let Some(disk) = Mount::new("1500k") else { return };
    let path = disk.0.path().join("belay.db");
    begin(&open(&path, 1), 1);
    disk.remount("ro");
    for path in [path, disk.0.path().join("new.db")] {
        let error = Store::open(&path, key(), session(2)).unwrap_err();
        let StoreError::Open { source, .. } = error else { panic!("{error:?}") };
        assert!(matches!(*source, StoreError::ReadOnly { .. } | StoreError::File { .. }), "{source:?}");
        assert!(source.hint().is_some());
    }
}

/// Shows what an append costs beside the bare sync of the disk; run it with `--release --run-ignored all`.
#[test]
#[ignore = "a measurement, not an assertion"]
fn measure_appends() {
    use std::io::Write as _;
    use std::time::{Duration, Instant};
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        (times[times.len() / 2], times[times.len() * 99 / 100])
    };
    let mut plain = std::fs::File::create(folder.path().join("plain")).unwrap();
    let sync = (0..300).map(|_| {
        let start = Instant::now();
        plain.write_all(&[7; 4096]).unwrap();
        plain.sync_data().unwrap();
        start.elapsed()
    });
    let sync = median(sync.collect());
    let store = open_with(&folder.path().join("belay.db"), 1, Options::default());
    let execution = begin(&store, 1);
    let single = (0..300).map(|_| {
        let start = Instant::now();
        store.append(Some(execution), vec![draft("single")]).unwrap();
        start.elapsed()
    });
    let single = median(single.collect());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..100 {
                    store.append(Some(execution), vec![draft("together")]).unwrap();
                }
            });
        }
    });
    let rate = 6_400.0 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    let events = store.events(execution).unwrap().len();
    eprintln!("write + fdatasync of 4 KiB: p50 {:?}, p99 {:?}", sync.0, sync.1);
    eprintln!("one append: p50 {:?}, p99 {:?}", single.0, single.1);
    eprintln!("64 threads: {rate:.0} appends/s; reading {events} events, verified: {:?}", start.elapsed());
}
