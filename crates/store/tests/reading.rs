//! Reading where nothing can be written, where the log is damaged, and where the index is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed test panics"
)]

mod common;

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use belay_store::{Document, Options, Query, SearchFilter, Store, StoreError};
use belay_trust::ExecutionId;
use common::{begin, draft, key, open, open_with, session};

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn read(path: &Path) -> Store {
    Store::open_to_read(path, Options::default()).unwrap()
}

fn document(name: &str) -> Document {
    Document {
        key: name.to_owned(),
        source: "s".to_owned(),
        name: name.to_owned(),
        title: format!("Restart {name}"),
        body: format!("the {name} hangs").repeat(200),
        ..Document::default()
    }
}

fn found(store: &Store, text: &str) -> Result<Vec<String>, StoreError> {
    let query = Query { text: text.to_owned(), ..Query::default() };
    let hits = store.search(&query, &SearchFilter::default())?;
    Ok(hits.into_iter().map(|hit| hit.document.name).collect())
}

/// Every file of a folder with what is in it.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with("-shm"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_store_that_is_only_read_shows_everything_and_changes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let id = begin(&store, 3);
    drop(store);
    let before = files(folder.path());
    let store = read(&path);
    assert_eq!(store.events(id).unwrap().len(), 3);
    assert_eq!(store.owner().unwrap(), Some(key().device()));
    assert!(store.doubt().is_none());
    assert!(matches!(store.append(Some(id), vec![draft("more")]), Err(StoreError::OnlyRead)));
    assert!(matches!(store.set_setting("a", Some("b")), Err(StoreError::OnlyRead)));
    store.data_version().unwrap();
    drop(store);
    assert!(files(folder.path()) == before);
}

#[test]
fn a_store_that_is_only_read_sees_what_another_one_adds_and_does_not_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let writer = open(&path, 1);
    let id = begin(&writer, 1);
    let reader = read(&path);
    let version = reader.data_version().unwrap();
    writer.append(Some(id), vec![draft("more")]).unwrap();
    assert_eq!(reader.events(id).unwrap().len(), 2);
    assert_ne!(reader.data_version().unwrap(), version);
    let blocking = rusqlite::Connection::open(&path).unwrap();
    blocking.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(read(&path).events(id).unwrap().len(), 2, "a lock for writing keeps nobody from reading");
}

#[test]
fn a_file_that_is_not_there_is_empty_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = read(&path);
    assert_eq!(store.execution_ids().unwrap(), []);
    assert_eq!(store.owner().unwrap(), None);
    assert!(store.doubt().is_none());
    assert_eq!(files(folder.path()), []);
}

#[test]
fn a_damaged_log_is_a_doubt_to_a_reader_and_what_is_before_the_damage_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let first = begin(&store, 3);
    let second = begin(&store, 3);
    drop(store);
    let log = named(&path, "-wal");
    let whole = std::fs::read(&log).unwrap();
    let mut damaged = whole.clone();
    let at = damaged.len() - 100;
    damaged[at] ^= 1;
    std::fs::write(&log, &damaged).unwrap();
    std::fs::remove_file(named(&path, "-shm")).unwrap();
    assert!(Store::open(&path, key(), session(2)).unwrap_err().is_damage());
    let store = read(&path);
    assert!(store.doubt().is_some_and(StoreError::is_damage), "{:?}", store.doubt());
    assert_eq!(store.events(first).unwrap().len(), 3);
    assert!(store.events(second).is_err(), "what is behind the damage is not made up");
    assert_eq!(std::fs::read(&log).unwrap(), damaged, "what can be saved is left alone");
}

fn catalog(path: &Path) -> (ExecutionId, Store) {
    let store = open(path, 1);
    let id = begin(&store, 3);
    store.put_documents(["cache", "queue", "pod"].map(document).into()).unwrap();
    assert_eq!(found(&store, "queue").unwrap(), ["queue"]);
    (id, store)
}

/// Overwrites every page of the tables that the index is made of.
fn ruin_index(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
    let size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).unwrap().into();
    let mut select = connection
        .prepare("SELECT rootpage FROM sqlite_schema WHERE tbl_name GLOB 'catalog*' AND tbl_name <> 'catalog_sources' AND rootpage > 0")
        .unwrap();
    let pages: Vec<u64> =
        select.query_map([], |row| row.get::<_, u32>(0)).unwrap().map(|page| page.unwrap().into()).collect();
    assert!(pages.len() > 10);
    drop(select);
    drop(connection);
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    for page in pages {
        file.seek(SeekFrom::Start((page - 1) * size)).unwrap();
        file.write_all(&vec![0xa5; usize::try_from(size).unwrap()]).unwrap();
    }
}

#[test]
fn a_ruined_index_keeps_nobody_from_the_journal_and_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let (id, store) = catalog(&path);
    store.set_setting("kept", Some("yes")).unwrap();
    drop(store);
    ruin_index(&path);
    let store = open(&path, 2);
    assert_eq!(store.events(id).unwrap().len(), 3, "the journal is whole");
    assert!(found(&store, "queue").unwrap_err().is_damage());
    store.append(Some(id), vec![draft("more")]).unwrap();
    store.renew_index().unwrap();
    assert_eq!(found(&store, "queue").unwrap(), Vec::<String>::new());
    store.put_documents(["cache", "queue"].map(document).into()).unwrap();
    assert_eq!(found(&store, "queue").unwrap(), ["queue"]);
    assert_eq!(store.check().unwrap(), [], "nothing of the damage is left");
    assert_eq!(store.events(id).unwrap().len(), 4);
    assert_eq!(store.setting("kept").unwrap().as_deref(), Some("yes"));
    store.append(Some(id), vec![draft("more")]).unwrap();
    drop(store);
    assert_eq!(open(&path, 3).events(id).unwrap().len(), 5);
}

#[test]
fn an_index_that_is_gone_or_half_made_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let (id, store) = catalog(&path);
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("DROP TABLE catalog_state; DROP TABLE catalog_words").unwrap();
    drop(connection);
    let store = open(&path, 2);
    assert!(found(&store, "queue").is_err());
    store.renew_index().unwrap();
    store.put_documents(vec![document("queue")]).unwrap();
    assert_eq!(found(&store, "queue").unwrap(), ["queue"]);
    assert_eq!(store.events(id).unwrap().len(), 3);
}

#[test]
fn a_store_in_memory_searches_and_keeps_no_journal() {
    let store = Store::in_memory().unwrap();
    store.put_documents(["cache", "queue"].map(document).into()).unwrap();
    assert_eq!(found(&store, "queue").unwrap(), ["queue"]);
    assert!(matches!(store.append(None, vec![draft("begin")]), Err(StoreError::OnlyRead)));
}

#[test]
fn the_log_and_its_head_that_are_lost_together_are_noticed_by_the_second_head() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let options = Options { second_head: Some(folder.path().join("device.head")), ..Options::default() };
    let store = open_with(&path, 1, options.clone());
    begin(&store, 3);
    drop(store);
    let whole = files(folder.path());
    for lost in [&["-wal", "-head"][..], &["-wal"], &["", "-wal", "-head"], &["", "-head"]] {
        for (path, bytes) in &whole {
            std::fs::write(path, bytes).unwrap();
        }
        for ending in lost.iter().chain(&["-shm"]) {
            drop(std::fs::remove_file(named(&path, ending)));
        }
        let error = Store::open_with(&path, key(), session(2), options.clone()).unwrap_err();
        assert!(error.is_damage() && error.hint().is_some(), "without {lost:?}: {error:?}");
        let doubt = Store::open_to_read(&path, options.clone()).unwrap().doubt().cloned();
        assert!(doubt.is_some_and(|doubt| doubt.is_damage()), "a reader is told, too: without {lost:?}");
    }
    Store::mend(&path, &options, true).unwrap();
    open_with(&path, 2, options.clone());
}

#[test]
fn either_head_is_written_anew_from_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let second = folder.path().join("device.head");
    let options = Options { second_head: Some(second.clone()), ..Options::default() };
    let store = open_with(&path, 1, options.clone());
    begin(&store, 3);
    drop(store);
    let first = named(&path, "-head");
    let line = std::fs::read(&first).unwrap();
    assert_eq!(std::fs::read(&second).unwrap(), line);
    for lost in [&first, &second] {
        std::fs::remove_file(lost).unwrap();
        drop(open_with(&path, 2, options.clone()));
        assert_eq!(std::fs::read(lost).unwrap(), line);
    }
    std::fs::write(&second, "nonsense").unwrap();
    drop(open_with(&path, 3, options));
    assert_eq!(std::fs::read(&second).unwrap(), line);
}

#[test]
fn a_log_that_cannot_be_written_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let id = begin(&store, 3);
    drop(store);
    let log = named(&path, "-wal");
    let fixed =
        |how: &str| std::process::Command::new("chattr").arg(how).arg(&log).status().is_ok_and(|ran| ran.success());
    if !fixed("+i") {
        eprintln!("skipped: files cannot be made immutable here");
        return;
    }
    let opened = Store::open_to_read(&path, Options::default()).and_then(|store| store.events(id));
    assert!(fixed("-i"));
    assert_eq!(opened.unwrap().len(), 3);
}
