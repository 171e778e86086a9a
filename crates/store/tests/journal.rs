//! The journal and its projections: what is appended is found, in order, by every reader.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::sync::{Arc, Mutex};

use belay_store::{CrashPoints, ExecutionFilter, Options, Store, StoreError};
use belay_trust::{DeviceKey, Envelope, ExecutionId, Hlc, MAX_BODY, SessionId, VERSION, verify_chains};
use common::{begin, draft, key, open, open_with, row, session};
use proptest::prelude::*;

#[test]
fn what_was_appended_is_found_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let appended = store.append(None, vec![draft("genesis"), draft("first")]).unwrap();
    let execution = appended[0].execution();
    assert_eq!(execution.hash(), appended[0].hash(), "the execution is named by its genesis");
    drop(store);
    let events = open(&path, 2).events(execution).unwrap();
    assert_eq!(events, appended);
    assert!(verify_chains(events).is_clean());
}

#[test]
fn a_new_session_links_to_the_devices_last_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let execution = begin(&store, 3);
    let last = store.events(execution).unwrap().last().unwrap().hash();
    drop(store);
    let resumed = open(&path, 2).append(Some(execution), vec![draft("resumed"), draft("next")]).unwrap();
    assert_eq!(resumed[0].envelope().prev, Some(last));
    assert_eq!(resumed[0].envelope().seq, 0, "a session is a chain of its own");
    assert_eq!(resumed[1].envelope().seq, 1);
    assert!(verify_chains(open(&path, 3).events(execution).unwrap()).is_clean());
}

#[test]
fn events_of_other_devices_are_kept_and_witnessed_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let execution = begin(&store, 1);
    let other = DeviceKey::from_bytes(&[2; 32]);
    let note = Envelope {
        v: VERSION,
        key: other.public(),
        sealed_by: None,
        execution,
        session: SessionId([5; 16]),
        seq: 0,
        prev: None,
        cites: Vec::new(),
        seen: Vec::new(),
        kind: "note".to_owned(),
        critical: false,
        body: Vec::new(),
        hlc: Hlc::default(),
    }
    .sign(&other)
    .unwrap();
    assert_eq!(store.import(vec![note.clone(), note.clone()]).unwrap(), 1, "a duplicate is not new");
    assert_eq!(store.import(vec![note.clone()]).unwrap(), 0);
    let next = store.append(Some(execution), vec![draft("a"), draft("b")]).unwrap();
    assert_eq!(next[0].envelope().seen, [note.hash()]);
    assert!(next[1].envelope().seen.is_empty(), "it was witnessed already");
    assert_eq!(store.events(execution).unwrap().len(), 4);
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn an_unknown_execution_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let unknown = ExecutionId([7; 32]);
    assert!(
        matches!(store.append(Some(unknown), vec![draft("a")]), Err(StoreError::UnknownExecution(id)) if id == unknown)
    );
    assert!(matches!(store.events(unknown), Err(StoreError::UnknownExecution(_))));
    assert!(matches!(store.append(None, Vec::new()), Err(StoreError::NoGenesis)));
}

#[test]
fn an_append_that_fails_leaves_nothing_and_does_not_harm_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let execution = begin(&store, 1);
    let mut large = draft("too large");
    large.body = vec![0; MAX_BODY + 1];
    let good: Vec<_> = (0..8).map(|_| store.append_async(Some(execution), vec![draft("good")], |_| None)).collect();
    let bad = store.append_async(Some(execution), vec![draft("first half"), large], |_| None);
    let after = store.append_async(Some(execution), vec![draft("after")], |_| None);
    for append in good {
        block_on(append).unwrap();
    }
    assert!(matches!(block_on(bad), Err(StoreError::Envelope(_))));
    block_on(after).unwrap();
    let events = store.events(execution).unwrap();
    assert_eq!(events.len(), 10);
    assert!(events.iter().all(|event| event.envelope().kind != "first half"));
    assert!(verify_chains(events).is_clean(), "the failed append left no gap");
}

#[test]
fn appends_that_wait_together_are_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, open_gate) = std::sync::mpsc::channel::<()>();
    let open_gate = Mutex::new(open_gate);
    let commits = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&commits);
    let crash_points = CrashPoints::new(move |point| {
        if point == belay_store::COMMIT_BEFORE {
            *counted.lock().unwrap() += 1;
            // The first commit waits until all the others are queued.
            open_gate.lock().unwrap().recv().unwrap();
        }
    });
    let store = open_with(&folder.path().join("belay.db"), 1, Options { crash_points, ..Options::default() });
    let appends: Vec<_> = (0..50).map(|_| store.append_async(None, vec![draft("genesis")], |_| None)).collect();
    for _ in 0..50 {
        gate.send(()).unwrap();
    }
    let executions: Vec<_> = appends.into_iter().map(|append| block_on(append).unwrap()).collect();
    assert_eq!(executions.len(), 50);
    assert!(*commits.lock().unwrap() <= 2, "one commit for the first and one for the rest");
}

#[test]
fn an_append_is_committed_where_it_is_called_unless_others_write_or_wait() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, open_gate) = std::sync::mpsc::channel::<()>();
    let open_gate = Mutex::new(open_gate);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let here = std::thread::current().id();
    let crash_points = CrashPoints::new(move |point| {
        let elsewhere = std::thread::current().id() != here;
        if point == belay_store::COMMIT_BEFORE {
            begun.send(elsewhere).unwrap();
            if elsewhere {
                open_gate.lock().unwrap().recv().unwrap();
            }
        }
    });
    let store = open_with(&folder.path().join("belay.db"), 1, Options { crash_points, ..Options::default() });
    let genesis = block_on(store.append_here(None, vec![draft("genesis")], |_| None)).unwrap();
    assert!(!has_begun.recv().unwrap(), "nobody else was writing, so no thread was woken");
    let execution = genesis[0].execution();
    let first = store.append_async(Some(execution), vec![draft("first")], |_| None);
    assert!(has_begun.recv().unwrap());
    // The commit of the first is under way and waits for the gate: the second may not wait for it here.
    let second = store.append_here(Some(execution), vec![draft("second")], |_| None);
    let third = store.append_async(Some(execution), vec![draft("third")], |_| None);
    for _ in 0..3 {
        gate.send(()).unwrap();
    }
    let events = [first, second, third].map(|append| block_on(append).unwrap().remove(0));
    assert_eq!(events.map(|event| event.envelope().seq), [1, 2, 3], "none is overtaken");
}

#[test]
fn a_row_that_says_nothing_new_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let store = open(&path, 1);
    let log = || std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    let put = |row: belay_store::ExecutionRow| {
        let before = log();
        store.put_projection(row).unwrap();
        log() > before
    };
    let known = row(ExecutionId([1; 32]), "a", 1);
    assert!(put(known.clone()));
    assert!(!put(known.clone()), "it is there as it is");
    let changed = belay_store::ExecutionRow { status: "completed".to_owned(), ..known };
    assert!(put(changed.clone()));
    assert_eq!(store.execution(changed.id).unwrap(), Some(changed));
}

#[test]
fn readers_see_new_events_in_the_order_of_arrival_and_notice_other_writers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let (ours, theirs) = (open(&path, 1), open(&path, 2));
    let execution = begin(&ours, 2);
    let seen = ours.last_row().unwrap();
    let before = ours.data_version().unwrap();
    assert_eq!(ours.data_version().unwrap(), before, "nothing happened");
    let added = theirs.append(Some(execution), vec![draft("theirs")]).unwrap();
    assert_ne!(ours.data_version().unwrap(), before);
    begin(&theirs, 1);
    let new = ours.arrivals(Some(execution), seen, 100).unwrap();
    assert_eq!(new.iter().map(|arrival| arrival.hash).collect::<Vec<_>>(), [added[0].hash()]);
    assert_eq!(ours.event(new[0].row).unwrap().as_ref(), Some(&added[0]));
    assert!(ours.arrivals(Some(execution), new[0].row, 100).unwrap().is_empty());
    let all = ours.arrivals(None, seen, 100).unwrap();
    assert_eq!(all.len(), 2, "another execution arrived, too");
    assert_eq!(all[0], new[0]);
    assert_eq!(ours.event(all[1].row + 1).unwrap(), None);
}

#[test]
fn the_clock_of_events_never_runs_back_across_openings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let execution = begin(&open(&path, 1), 1);
    let mut early = draft("clock set back");
    early.wall_ms = 5;
    let events = open(&path, 2).append(Some(execution), vec![early]).unwrap();
    assert_eq!(events[0].envelope().hlc.wall_ms, 1_700_000_000_000);
}

#[test]
fn a_projection_is_written_with_its_events_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let events = store
        .append_with(None, vec![draft("genesis")], |events| Some(row(events[0].execution(), "restart-pod", 10)))
        .unwrap();
    let execution = events[0].execution();
    assert_eq!(store.execution(execution).unwrap().unwrap(), row(execution, "restart-pod", 10));
    let mut large = draft("too large");
    large.body = vec![0; MAX_BODY + 1];
    assert!(store.append_with(Some(execution), vec![large], move |_| Some(row(execution, "changed", 11))).is_err());
    assert_eq!(store.execution(execution).unwrap().unwrap().runbook, "restart-pod");
}

#[test]
fn executions_are_listed_filtered_found_by_prefix_and_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let ids: Vec<_> = (0..3).map(|_| begin(&store, 1)).collect();
    for (at, &id) in ids.iter().enumerate() {
        let started = i64::try_from(at).unwrap() * 10;
        store.put_projection(row(id, if at == 2 { "b" } else { "a" }, started)).unwrap();
    }
    let all = store.executions(&ExecutionFilter::default()).unwrap();
    assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[2], ids[1], ids[0]], "newest first");
    let some = ExecutionFilter {
        runbook: Some("a".to_owned()),
        incident: Some("INC-7".to_owned()),
        statuses: vec!["running".to_owned(), "waiting".to_owned()],
        since_ms: Some(5),
        limit: Some(9),
    };
    assert_eq!(store.executions(&some).unwrap().len(), 1);
    assert_eq!(store.find_executions(&ids[1].to_string()[..12]).unwrap()[0].id, ids[1]);
    assert_eq!(store.find_executions(&all[0].label).unwrap()[0].id, ids[2]);
    assert!(store.find_executions("%' OR 1=1 --").unwrap().is_empty());
    store.clear_projections().unwrap();
    assert!(store.executions(&ExecutionFilter::default()).unwrap().is_empty());
    let mut known = store.execution_ids().unwrap();
    let mut expected = ids.clone();
    known.sort();
    expected.sort();
    assert_eq!(known, expected, "the journal still knows them");
    store.rebuild_projections(all.clone()).unwrap();
    assert_eq!(store.executions(&ExecutionFilter::default()).unwrap(), all);
}

#[test]
fn statistics_count_ended_executions_and_show_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    let ended = |at: u8, succeeded: bool, seconds: f64| belay_store::ExecutionRow {
        status: if succeeded { "completed" } else { "failed" }.to_owned(),
        succeeded: Some(succeeded),
        finished_ms: Some(100),
        duration_seconds: Some(seconds),
        ..row(ExecutionId([at; 32]), "a", i64::from(at))
    };
    for row in [ended(1, true, 10.0), ended(2, true, 20.0), ended(3, false, 60.0)] {
        store.put_projection(row).unwrap();
    }
    store.put_projection(row(ExecutionId([4; 32]), "a", 40)).unwrap();
    store.put_projection(row(ExecutionId([5; 32]), "b", 50)).unwrap();
    let statistics = store.statistics(None).unwrap();
    let a = &statistics[0];
    assert_eq!((a.executions, a.finished, a.last_started_ms), (4, 3, 40));
    assert_eq!(a.last_status, "running");
    assert!((a.success_rate.unwrap() - 2.0 / 3.0).abs() < 1e-9);
    assert!((a.average_duration_seconds.unwrap() - 30.0).abs() < 1e-9);
    let b = store.statistics(Some("b")).unwrap();
    assert_eq!((b.len(), b[0].success_rate), (1, None));
}

#[test]
fn settings_are_set_read_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("belay.db"), 1);
    assert_eq!(store.setting("context").unwrap(), None);
    store.set_setting("context", Some("prod")).unwrap();
    store.set_setting("context", Some("stage")).unwrap();
    assert_eq!(store.settings().unwrap(), [("context".to_owned(), "stage".to_owned())]);
    store.set_setting("context", None).unwrap();
    assert_eq!(store.setting("context").unwrap(), None);
}

#[test]
fn the_file_can_be_read_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    begin(&open(&path, 1), 1);
    for name in ["belay.db", "belay.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_interleaving_of_sessions_verifies(turns in proptest::collection::vec((0_usize..3, 1_usize..4), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belay.db");
        let stores: Vec<Store> = (1..=3).map(|number| Store::open(&path, key(), session(number)).unwrap()).collect();
        let execution = begin(&stores[0], 1);
        let mut count = 1;
        for (store, events) in turns {
            stores[store].append(Some(execution), vec![draft("more"); events]).unwrap();
            count += events;
        }
        let events = stores[0].events(execution).unwrap();
        prop_assert_eq!(events.len(), count);
        let report = verify_chains(events);
        prop_assert!(report.is_clean(), "{:?}", report);
    }
}

/// Polls a future to its end on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn the_log_is_begun_anew_as_soon_as_it_is_moved_and_is_never_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("belay.db");
    let log = folder.path().join("belay.db-wal");
    let store = open(&path, 1);
    let execution = begin(&store, 1);
    let mut large = draft("large");
    large.body = vec![7; 40_000];
    let salts = || std::fs::read(&log).unwrap()[16..24].to_vec();
    let mut turns = vec![salts()];
    let mut longest = 0;
    for _ in 0..250 {
        store.append(Some(execution), vec![large.clone()]).unwrap();
        // What the writer does after its answer is done when it answers again.
        store.set_setting("a", Some("b")).unwrap();
        let length = std::fs::metadata(&log).unwrap().len();
        assert!(length >= longest, "its room is kept");
        longest = length;
        if turns.last() != Some(&salts()) {
            turns.push(salts());
            let moved = std::fs::read(&path).unwrap();
            let last = store.events(execution).unwrap().len();
            let hash = store.events(execution).unwrap()[last - 2].hash();
            assert!(moved.windows(32).any(|bytes| bytes == hash.as_bytes()), "the database has what the log had");
        }
    }
    assert!(turns.len() > 2, "{} turns", turns.len());
    assert!(longest < 6 << 20, "{longest} bytes");
}
