//! Files that are refused, files of older versions, and rows and pages that are not as they were written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use belay_store::{
    CatalogSource, Document, ExecutionFilter, ExecutionRow, Options, Output, OutputChunk, Query, SearchFilter, Store,
    StoreError, Stream,
};
use belay_trust::{DeviceKey, ExecutionId, SignedEnvelope, verify_chains};
use common::{begin, draft, key, open, open_with, row, session};

fn refused(path: &Path, options: Options) -> StoreError {
    match Store::open_with(path, key(), session(9), options) {
        Err(StoreError::Open { source, .. }) => *source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "dear diary").unwrap();
    assert!(matches!(refused(&text, Options::default()), StoreError::NotADatabase));
    assert_eq!(std::fs::read(&text).unwrap(), b"dear diary");
    let other = folder.path().join("browser.db");
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    drop(connection);
    let before = std::fs::read(&other).unwrap();
    assert!(matches!(refused(&other, Options::default()), StoreError::NotADatabase));
    assert_eq!(std::fs::read(&other).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    drop(open(&path, 1));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refused(&path, Options::default());
    assert!(matches!(error, StoreError::NewerSchema { found: 99, supported: 3 }));
    assert!(error.hint().is_some());
}

#[test]
fn another_devices_file_is_refused_unless_it_is_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let execution = begin(&open(&path, 1), 2);
    let other = DeviceKey::from_bytes(&[2; 32]);
    let error = Store::open(&path, other.clone(), session(2)).unwrap_err();
    let source = error.source().unwrap().to_string();
    assert!(source.contains(&key().device().to_string()) && source.contains(&other.device().to_string()), "{source}");
    let adopted = Options { adopt_device: true, ..Options::default() };
    let store = Store::open_with(&path, other.clone(), session(2), adopted).unwrap();
    let events = store.append(Some(execution), vec![draft("taken over")]).unwrap();
    assert_eq!(events[0].envelope().prev, None, "another device has a chain of its own");
    assert_eq!(events[0].envelope().seen.len(), 1);
    drop(store);
    Store::open(&path, other, session(3)).unwrap();
}

#[test]
fn a_file_that_another_process_holds_is_reported_as_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let options = Options { busy: Duration::from_millis(20), ..Options::default() };
    let store = open_with(&path, 1, options.clone());
    let execution = begin(&store, 1);
    let holder = rusqlite::Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(refused(&path, options), StoreError::Locked { .. }));
    assert!(matches!(store.append(Some(execution), vec![draft("a")]), Err(StoreError::Locked { .. })));
    assert_eq!(store.events(execution).unwrap().len(), 1, "reading goes on");
    holder.execute_batch("COMMIT").unwrap();
    store.append(Some(execution), vec![draft("a")]).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_an_error_with_a_hint() {
    let error = refused(Path::new("/nonexistent/belay.db"), Options::default());
    assert!(matches!(error, StoreError::File { .. }) && error.hint().is_some());
}

/// Everything that is relied on, as a reader sees it.
#[derive(Debug, PartialEq)]
struct Observed {
    events: Vec<Vec<SignedEnvelope>>,
    executions: Vec<ExecutionRow>,
    each: Vec<Option<ExecutionRow>>,
    settings: Vec<(String, String)>,
    setting: Option<String>,
    sources: Vec<CatalogSource>,
    output: Output,
}

fn observe(path: &Path, ids: &[ExecutionId]) -> Result<Observed, StoreError> {
    let store = Store::open(path, key(), session(77))?;
    Ok(Observed {
        events: ids.iter().map(|&id| store.events(id)).collect::<Result<_, _>>()?,
        executions: store.executions(&ExecutionFilter::default())?,
        each: ids.iter().map(|&id| store.execution(id)).collect::<Result<_, _>>()?,
        settings: store.settings()?,
        setting: store.setting("context")?,
        sources: store.sources()?,
        output: store.read_output("run-1")?,
    })
}

/// Fills a file with a bit of everything and moves it all from the log to the file itself.
fn fill(path: &Path) -> Vec<ExecutionId> {
    let store = open(path, 1);
    let ids = vec![begin(&store, 4), begin(&store, 2)];
    for (&id, at) in ids.iter().zip(1..) {
        store.put_projection(row(id, "restart-pod", at)).unwrap();
    }
    store.set_setting("context", Some("prod")).unwrap();
    store.set_setting("theme", Some("dark")).unwrap();
    store.add_source(CatalogSource { path: "/srv/runbooks".to_owned(), added_ms: 5 }).unwrap();
    for at in 1..4 {
        let bytes = format!("line {at} of the output").into_bytes();
        let chunk = OutputChunk { stream: Stream::Stdout, at_ms: at, bytes };
        store.append_output(ids[0], "run-1", chunk).unwrap();
    }
    let document = Document { key: "bundled/a".to_owned(), title: "Restart a pod".to_owned(), ..Document::default() };
    store.put_documents(vec![document]).unwrap();
    drop(store);
    checkpoint(path);
    ids
}

fn checkpoint(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
}

fn positions(bytes: &[u8], of: &[u8]) -> Vec<usize> {
    bytes.windows(of.len()).enumerate().filter(|(_, window)| *window == of).map(|(at, _)| at).collect()
}

#[test]
fn a_flipped_bit_is_never_read_as_another_truth() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let ids = fill(&path);
    let whole = std::fs::read(&path).unwrap();
    let expected = observe(&path, &ids).unwrap();
    // Every byte of an event, and samples of the rows around the texts below and of the whole file.
    let event = expected.events[0][2].bytes();
    let rows = ["restart-pod", "context", "/srv/runbooks", "line 2 of"];
    let mut at: Vec<usize> = positions(&whole, event).into_iter().flat_map(|at| at..at + event.len()).collect();
    let certain = at.len();
    assert!(certain >= event.len(), "the event is in the file");
    for text in rows {
        at.extend(
            positions(&whole, text.as_bytes()).into_iter().flat_map(|at| (at.saturating_sub(40)..at + 260).step_by(5)),
        );
    }
    at.extend((0..whole.len()).step_by(811));
    let damaged = folder.path().join("damaged.db");
    let mut detected = 0;
    for (index, &at) in at.iter().enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (index % 8);
        for name in ["damaged.db-wal", "damaged.db-shm"] {
            drop(std::fs::remove_file(folder.path().join(name)));
        }
        std::fs::write(&damaged, &bytes).unwrap();
        match observe(&damaged, &ids) {
            Ok(observed) => {
                assert!(index >= certain, "byte {at} of an event is relied on");
                assert_eq!(observed, expected, "byte {at} changed what is read");
            }
            Err(error) => {
                detected += 1;
                if index < certain {
                    assert!(error.is_damage(), "{error:?}");
                }
            }
        }
    }
    assert!(detected > certain, "{detected} of {} flips were detected", at.len());
}

#[test]
fn a_damaged_event_is_named_by_execution_and_position() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let ids = fill(&path);
    let sql = "UPDATE journal SET envelope = CAST(substr(envelope, 1, 19) || x'ff' || substr(envelope, 21) AS BLOB)
               WHERE execution = ?1 AND seq = 2";
    let raw = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(raw.execute(sql, [ids[0].as_bytes()]).unwrap(), 1);
    let store = open(&path, 2);
    match store.events(ids[0]) {
        Err(StoreError::Damaged(damage)) => {
            assert_eq!((damage.table, damage.execution, damage.seq), ("journal", Some(ids[0]), Some(2)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.events(ids[1]).unwrap().len(), 2, "other executions are still read");
    assert!(store.check().unwrap().iter().any(|damage| damage.seq == Some(2)));
}

#[test]
fn a_lost_event_is_noticed_even_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let ids = fill(&path);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("DELETE FROM journal WHERE execution = ?1 AND seq = 3", [ids[0].as_bytes()]).unwrap();
    let store = open(&path, 2);
    let error = store.events(ids[0]).unwrap_err();
    assert!(error.to_string().contains("3 events found where 4 were written"), "{error}");
    assert_eq!(store.check().unwrap().len(), 1);
}

#[test]
fn a_row_that_was_edited_is_damage_wherever_it_is() {
    for (table, sql) in [
        ("executions", "UPDATE executions SET status = 'completed'"),
        ("settings", "UPDATE settings SET value = 'stage'"),
        ("catalog_sources", "UPDATE catalog_sources SET added_ms = 6"),
        ("chains", "UPDATE chains SET top = 9"),
        ("output_chunks", "UPDATE output_chunks SET bytes = x'00'"),
        ("device", "UPDATE device SET opens = 70"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belay.db");
        let ids = fill(&path);
        // Opened before the edit, so that even the device's row is found by the check.
        let store = open(&path, 2);
        rusqlite::Connection::open(&path).unwrap().execute(sql, []).unwrap();
        let found = store.check().unwrap();
        assert!(found.iter().any(|damage| damage.table == table), "{table}: {found:?}");
        drop(store);
        let error = observe(&path, &ids).unwrap_err();
        assert!(error.is_damage() && error.hint().is_some(), "{table}: {error:?}");
    }
}

#[test]
fn the_files_of_older_versions_are_still_read() {
    let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"));
    if let Some(version) = std::env::var_os("BELAY_WRITE_GOLDEN") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belay.db");
        fill(&path);
        std::fs::copy(&path, golden.join(version)).unwrap();
        return;
    }
    still_read(&golden.join("store-v1.db"));
    still_read(&golden.join("store-v2.db"));
}

fn still_read(golden: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    std::fs::copy(golden, &path).unwrap();
    let store = open(&path, 2);
    let executions = store.executions(&ExecutionFilter::default()).unwrap();
    assert_eq!(executions.len(), 2);
    let mut lengths = Vec::new();
    for execution in &executions {
        let events = store.events(execution.id).unwrap();
        assert!(verify_chains(events.clone()).is_clean());
        lengths.push(events.len());
    }
    assert_eq!(lengths, [2, 4]);
    assert_eq!(store.setting("context").unwrap().as_deref(), Some("prod"));
    assert_eq!(store.sources().unwrap().len(), 1);
    assert_eq!(store.read_output("run-1").unwrap().chunks.len(), 3);
    assert!(store.document_hashes("bundled").unwrap().is_empty(), "the catalog is indexed anew from its files");
    let document = Document { key: "bundled/a".to_owned(), title: "Restart".to_owned(), ..Document::default() };
    store.put_documents(vec![document]).unwrap();
    let found = store.search(&Query::default(), &SearchFilter::default()).unwrap();
    assert_eq!(found.len(), 1, "the index holds what is put into it now");
    store.append(Some(executions[0].id), vec![draft("continued")]).unwrap();
    assert_eq!(store.check().unwrap(), []);
}
