//! Disks that are full, read-only or damaged: a clear error, and nothing acts.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

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
    - name: again
      commands:
        - belay-world --dir {dir} add counter 1
      rollback:
        commands:
          - belay-world --dir {dir} add counter -1
";

fn run(desk: &Desk) -> Ran {
    furnish(desk);
    let file = desk.file("count.yaml", &runbook("count", STEPS)).display().to_string();
    desk.belay(["run", &file, "--no-input", "--var", &format!("dir={}", desk.world_folder.display())])
}

#[track_caller]
fn says_why(ran: &Ran) {
    assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

#[test]
fn a_database_that_is_a_text_file_is_an_error_of_the_environment() {
    let desk = Desk::new();
    std::fs::write(desk.home.join("belay.db"), "this is no database, and long enough to be read as one\n".repeat(40))
        .unwrap();
    let ran = run(&desk).exits(5);
    says_why(&ran);
    assert_eq!(desk.world.lines().unwrap(), Vec::new(), "nothing acts");
}

#[test]
fn a_flipped_byte_of_the_journal_is_found_before_anything_acts() {
    let desk = Desk::new();
    run(&desk).exits(3);
    let execution = desk.executions().remove(0);
    desk.belay(["confirm", &execution, "ask"]).exits(0);
    let acted = desk.world.lines().unwrap();
    let database = desk.home.join("belay.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(())).unwrap();
    drop(connection);
    assert!(flip(&database, b"act_started") > 0, "the journal lies in the database");
    let ran = desk.belay(["resume", &execution, "--no-input"]).exits(5);
    says_why(&ran);
    assert_eq!(desk.world.lines().unwrap(), acted, "nothing acts");
    let verified = desk.belay(["audit", "verify"]);
    assert_ne!(verified.code, Some(0), "the audit finds it, too: {verified:?}");
}

#[test]
fn i5_a_flipped_byte_of_the_log_does_not_make_an_act_run_again() {
    let desk = Desk::new();
    run(&desk).exits(3);
    let execution = desk.executions().remove(0);
    desk.belay(["confirm", &execution, "ask"]).exits(0);
    let acted = desk.world.lines().unwrap();
    let log = desk.home.join("belay.db-wal");
    let whole = std::fs::read(&log).unwrap();
    let started = whole.windows(11).position(|window| window == b"act_started").unwrap();
    for at in [0, 17, 40, started, whole.len() / 2] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&log, &flipped).unwrap();
        for ran in [desk.belay(["resume", &execution, "--no-input"]), run_again(&desk)] {
            says_why(&ran);
            assert!(ran.stderr.contains("belay.db-wal") && ran.stderr.contains("hint: "), "byte {at}: {ran:?}");
            ran.exits(5);
        }
        assert_eq!(desk.world.lines().unwrap(), acted, "nothing acts");
        assert_eq!(std::fs::read(&log).unwrap(), flipped, "what can be saved is left alone");
    }
    let mut flipped = whole.clone();
    flipped[started] ^= 1;
    std::fs::write(&log, &flipped).unwrap();
    desk.belay(["doctor"]).exits(5);
    desk.belay(["doctor", "--mend"]).exits(0);
    assert_eq!(std::fs::read(&log).unwrap(), whole, "it is as it was");
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    assert_eq!(desk.world.number("counter").unwrap(), 2, "with its log it goes on where it was");
}

/// Changes one byte in every place of a file that holds a text.
fn flip(path: &Path, text: &[u8]) -> usize {
    let mut file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let places: Vec<usize> =
        bytes.windows(text.len()).enumerate().filter(|(_, window)| *window == text).map(|(at, _)| at).collect();
    for at in &places {
        file.seek(SeekFrom::Start(u64::try_from(*at).unwrap())).unwrap();
        file.write_all(&[bytes[*at] ^ 1]).unwrap();
    }
    places.len()
}

#[test]
fn a_full_disk_is_an_error_and_nothing_acts() {
    let desk = Desk::new();
    let Some(_mounted) = Mounted::new(&desk.home, "size=8m") else { return };
    run(&desk).exits(3);
    let execution = desk.executions().remove(0);
    desk.belay(["confirm", &execution, "ask"]).exits(0);
    let acted = desk.world.lines().unwrap();
    let mut file = std::fs::File::create(desk.home.join("ballast")).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let ran = desk.belay(["resume", &execution, "--no-input"]).exits(5);
    says_why(&ran);
    assert_eq!(desk.world.lines().unwrap(), acted, "nothing acts");
    std::fs::remove_file(desk.home.join("ballast")).unwrap();
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
    assert_eq!(desk.world.number("counter").unwrap(), 2, "with room it goes on where it was");
    desk.belay(["audit", "verify"]).exits(0);
}

#[test]
fn a_read_only_home_is_an_error_and_nothing_acts() {
    let desk = Desk::new();
    let Some(mounted) = Mounted::new(&desk.home, "size=8m") else { return };
    run(&desk).exits(3);
    let execution = desk.executions().remove(0);
    desk.belay(["confirm", &execution, "ask"]).exits(0);
    let acted = desk.world.lines().unwrap();
    mounted.again("ro");
    for ran in [desk.belay(["resume", &execution, "--no-input"]), run_again(&desk)] {
        says_why(&ran.exits(5));
    }
    assert_eq!(desk.world.lines().unwrap(), acted, "nothing acts");
    mounted.again("rw");
    desk.belay(["resume", &execution, "--no-input"]).exits(0);
}

fn run_again(desk: &Desk) -> Ran {
    let file = desk.folder.path().join("count.yaml");
    let variable = format!("dir={}", desk.world_folder.display());
    desk.belay(["run".as_ref(), file.as_os_str(), "--no-input".as_ref(), "--var".as_ref(), variable.as_ref()])
}
