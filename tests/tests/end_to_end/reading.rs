//! What only reads works where nothing can be written and where what is derived is damaged.

use std::io::{Seek as _, SeekFrom, Write as _};

use super::support::desk::{Desk, Ran};
use super::support::mounted::Mounted;
use super::support::runbooks::{furnish, runbook};

const STEPS: &str = "    - name: count
      commands:
        - belay-world --dir {dir} add counter 1
      rollback:
        commands:
          - belay-world --dir {dir} add counter -1
    - name: ask
      type: manual
      description: Somebody looks.
";

/// Runs until somebody has to look; returns the execution.
fn execution(desk: &Desk) -> String {
    furnish(desk);
    let file = desk.file("count.yaml", &runbook("count", STEPS)).display().to_string();
    desk.belay(["run", &file, "--no-input", "--var", &format!("dir={}", desk.world_folder.display())]).exits(3);
    desk.belay(["search", "pod"]).exits(0);
    desk.executions().remove(0)
}

/// Every command that only reads; returns what they printed on standard error.
fn every_reader_works(desk: &Desk, execution: &str) -> String {
    let out = desk.folder.path().join("out.jsonl").display().to_string();
    let mut told = String::new();
    for arguments in [
        &["search", "pod", "restart"][..],
        &["search", "--alert", "PodCrashLooping"],
        &["show", "RB-DB-001"],
        &["plan", "RB-DB-001", "--no-input"],
        &["catalog", "list"],
        &["executions"],
        &["approvals"],
        &["status", execution],
        &["status", "@last"],
        &["log", execution],
        &["output", execution, "count"],
        &["audit", "verify"],
        &["audit", "export", execution, "--out", &out],
        &["audit", "verify", &out],
        &["identity", "show"],
        &["policy", "show"],
        &["context", "list"],
    ] {
        let ran = desk.belay(arguments);
        if arguments[0] == "plan" {
            // What it needs is not given; it is the user's, not the disk's.
            assert!(matches!(ran.code, Some(0 | 2)), "{arguments:?}: {ran:?}");
            continue;
        }
        let ran = ran.exits(0);
        assert!(!ran.stdout.is_empty(), "{arguments:?}");
        told.push_str(&ran.stderr);
    }
    assert_eq!(desk.status(execution)["status"], "waiting");
    told
}

/// Writes over the pages of every table of the index, in the database itself.
fn ruin_index(desk: &Desk) {
    let path = desk.home.join("belay.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
    let size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).unwrap().into();
    let mut select = connection
        .prepare("SELECT rootpage FROM sqlite_schema WHERE tbl_name GLOB 'catalog*' AND tbl_name <> 'catalog_sources' AND rootpage > 0")
        .unwrap();
    let pages: Vec<u64> =
        select.query_map([], |row| row.get::<_, u32>(0)).unwrap().map(|page| page.unwrap().into()).collect();
    drop(select);
    drop(connection);
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    for page in pages {
        file.seek(SeekFrom::Start((page - 1) * size)).unwrap();
        file.write_all(&vec![0xa5; usize::try_from(size).unwrap()]).unwrap();
    }
}

fn hits(ran: &Ran) -> Vec<String> {
    ran.json().as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_ruined_index_is_made_anew_by_the_next_search_and_stops_no_other_command() {
    let desk = Desk::new();
    let execution = execution(&desk);
    let before = hits(&desk.belay(["search", "pod", "--json"]).exits(0));
    ruin_index(&desk);
    desk.belay(["status", &execution]).exits(0);
    desk.belay(["log", &execution]).exits(0);
    let ran = desk.belay(["search", "pod", "--json"]).exits(0);
    assert_eq!(hits(&ran), before);
    assert!(ran.stderr.contains("made anew"), "{ran:?}");
    let again = desk.belay(["search", "pod", "--json"]).exits(0);
    assert_eq!((hits(&again), again.stderr.as_str()), (before, ""), "once is enough");
    desk.belay(["confirm", &execution, "ask"]).exits(0);
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    desk.belay(["audit", "verify"]).exits(0);
    ruin_index(&desk);
    let doctor = desk.belay(["doctor", "--json"]).json();
    assert_eq!(doctor["checks"][0]["ok"], true, "what is derived is put right: {doctor:#}");
}

#[test]
fn a_read_only_home_is_read_with_and_without_the_index_of_its_log() {
    let desk = Desk::new();
    let Some(mounted) = Mounted::new(&desk.home, "size=16m") else { return };
    let execution = execution(&desk);
    for without_index in [false, true] {
        if without_index {
            mounted.again("rw");
            std::fs::remove_file(desk.home.join("belay.db-shm")).unwrap();
        }
        mounted.again("ro");
        let told = every_reader_works(&desk, &execution);
        assert!(told.contains("index in memory"), "a search says that it is slower: {told}");
    }
}

#[test]
fn an_empty_read_only_home_is_read() {
    let desk = Desk::new();
    let Some(mounted) = Mounted::new(&desk.home, "size=8m") else { return };
    mounted.again("ro");
    desk.belay(["search", "pod"]).exits(0);
    desk.belay(["show", "RB-DB-001"]).exits(0);
    desk.belay(["executions"]).exits(0);
    desk.belay(["audit", "verify"]).exits(0);
}

#[test]
fn a_damaged_log_stops_no_reader_and_each_is_told_that_it_may_not_see_all() {
    let desk = Desk::new();
    let execution = execution(&desk);
    let log = desk.home.join("belay.db-wal");
    let whole = std::fs::read(&log).unwrap();
    desk.belay(["note", &execution, "the last word"]).exits(0);
    let mut damaged = std::fs::read(&log).unwrap();
    damaged[whole.len() + 100] ^= 1;
    std::fs::write(&log, &damaged).unwrap();
    let told = every_reader_works(&desk, &execution);
    assert!(told.contains("may not be all") && told.contains("--mend"), "{told}");
    desk.belay(["note", &execution, "more"]).exits(5);
    assert_eq!(std::fs::read(&log).unwrap(), damaged, "what can be saved is left alone");
}

#[test]
fn the_log_and_its_head_that_vanish_together_are_noticed() {
    let desk = Desk::new();
    let execution = execution(&desk);
    for ending in ["-wal", "-head", "-shm"] {
        std::fs::remove_file(desk.home.join(format!("belay.db{ending}"))).unwrap();
    }
    let ran = desk.belay(["note", &execution, "more"]);
    assert!(ran.code == Some(5) && ran.stderr.contains("acknowledged"), "{ran:?}");
    let listed = desk.belay(["executions"]).exits(0);
    assert!(listed.stderr.contains("may not be all"), "{listed:?}");
    desk.belay(["doctor", "--mend", "--accept-loss"]).exits(0);
    assert!(desk.belay(["executions"]).exits(0).stderr.is_empty());
}

#[test]
fn damaged_rows_of_executions_are_read_from_the_journal_and_mended_by_the_doctor() {
    let desk = Desk::new();
    let execution = execution(&desk);
    let connection = rusqlite::Connection::open(desk.home.join("belay.db")).unwrap();
    connection.execute("UPDATE executions SET status = 'completed'", []).unwrap();
    drop(connection);
    let told = every_reader_works(&desk, &execution);
    assert!(told.contains("made anew from the journal"), "{told}");
    let listed = desk.belay(["executions", "--json"]).exits(0).json();
    assert_eq!(listed[0]["status"], "waiting", "the journal is the truth");
    let doctor = desk.belay(["doctor", "--json"]).json();
    assert_eq!(doctor["checks"][0]["ok"], true, "{doctor:#}");
    assert_eq!(desk.belay(["executions"]).exits(0).stderr, "");
    desk.belay(["confirm", &execution, "ask"]).exits(0);
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
}

#[test]
fn rows_of_executions_that_are_gone_are_read_from_the_journal_and_mended_by_the_doctor() {
    let desk = Desk::new();
    let execution = execution(&desk);
    let connection = rusqlite::Connection::open(desk.home.join("belay.db")).unwrap();
    connection.execute("DELETE FROM executions", []).unwrap();
    drop(connection);
    let told = every_reader_works(&desk, &execution);
    assert!(told.contains("made anew from the journal: 1 execution"), "{told}");
    let listed = desk.belay(["executions", "--json"]).exits(0).json();
    assert_eq!(listed[0]["status"], "waiting", "the journal is the truth");
    let doctor = desk.belay(["doctor", "--json"]).json();
    assert_eq!(doctor["checks"][0]["ok"], true, "{doctor:#}");
    assert_eq!(desk.belay(["executions"]).exits(0).stderr, "");
}
