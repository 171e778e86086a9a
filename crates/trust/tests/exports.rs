//! The audit export: what was changed in a file is named by its line, and its end is proven.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed test panics")]

mod common;

use belay_trust::{
    DeviceKey, ExecutionId, Export, ExportError, LineFault, Seal, SignedEnvelope, Succession, read, write,
};
use common::{Author, history};
use proptest::prelude::*;

fn key(number: u8) -> DeviceKey {
    DeviceKey::from_bytes(&[number; 32])
}

/// A sealed export of a history, by the device that began it.
fn sealed(history: &[SignedEnvelope]) -> Vec<String> {
    let seal = Seal::sign(history, &[], &key(1), 1_700_000_000_000);
    lines(history, Some(&seal))
}

fn lines(history: &[SignedEnvelope], seal: Option<&Seal>) -> Vec<String> {
    let mut export = Vec::new();
    write(history, seal, &mut export).unwrap();
    String::from_utf8(export).unwrap().lines().map(ToOwned::to_owned).collect()
}

fn joined(lines: &[String]) -> Vec<u8> {
    (lines.join("\n") + "\n").into_bytes()
}

/// Everything that is wrong, by line.
fn wrong(lines: &[String]) -> Vec<(usize, LineFault)> {
    let export = Export::read(&joined(lines)).unwrap();
    export.wrong.into_iter().map(|wrong| (wrong.line, wrong.fault)).collect()
}

fn with_count(header: &str, from: usize, to: usize) -> String {
    let changed = header.replace(&format!("\"events\":{from}"), &format!("\"events\":{to}"));
    assert_ne!(changed, header);
    changed
}

#[test]
fn a_sealed_export_reads_back_as_what_was_written_and_its_end_is_proven() {
    let history = history();
    let export = Export::read(&joined(&sealed(&history))).unwrap();
    assert_eq!(export.wrong, []);
    let seal = export.seal.unwrap();
    assert_eq!(seal.device(), key(1).device());
    assert_eq!(seal.events(), history.iter().map(SignedEnvelope::hash).collect::<Vec<_>>());
    assert_eq!(read(&joined(&sealed(&history))).unwrap(), history);
}

#[test]
fn events_that_are_cut_off_at_the_end_are_named_also_where_the_header_was_mended() {
    let history = history();
    let whole = sealed(&history);
    for cut in 1..=4 {
        let mut lines = whole.clone();
        lines.drain(5 - cut..5);
        let missing: Vec<_> =
            (5 - cut..5).map(|at| (at + 1, LineFault::Missing { hash: history[at - 1].hash() })).collect();
        let found = wrong(&lines);
        assert!(missing.iter().all(|one| found.contains(one)), "{cut} cut off: {found:?}");
        lines[0] = with_count(&lines[0], 4, 4 - cut);
        let found = wrong(&lines);
        assert!(missing.iter().all(|one| found.contains(one)), "{cut} cut off, header mended: {found:?}");
    }
}

#[test]
fn an_export_without_its_seal_was_cut_off() {
    let whole = sealed(&history());
    assert_eq!(wrong(&whole[..5]), [(6, LineFault::NoSeal)]);
    let found = wrong(&whole[..3]);
    assert_eq!(found[0], (1, LineFault::Count { stated: 4, found: 2 }));
    assert!(found.contains(&(4, LineFault::NoSeal)), "{found:?}");
}

#[test]
fn each_way_to_change_lines_is_named_with_its_line() {
    let history = history();
    let whole = sealed(&history);
    let hash = |at: usize| history[at].hash();
    let stranger = Author::new(9, 9).say(ExecutionId::ZERO, "genesis");
    let foreign = lines(std::slice::from_ref(&stranger), None).remove(1);

    let mut removed = whole.clone();
    removed.remove(2);
    assert!(wrong(&removed).contains(&(3, LineFault::Missing { hash: hash(1) })), "{:?}", wrong(&removed));

    let mut reordered = whole.clone();
    reordered.swap(2, 3);
    assert_eq!(wrong(&reordered), [(4, LineFault::Moved { was: 3 })]);

    let mut repeated = whole.clone();
    repeated.insert(4, whole[2].clone());
    let found = wrong(&repeated);
    assert!(found.contains(&(5, LineFault::Repeated { of: 3 })), "{found:?}");
    assert!(found.contains(&(1, LineFault::Count { stated: 4, found: 5 })), "{found:?}");

    let mut substituted = whole.clone();
    substituted[3] = foreign.clone();
    let found = wrong(&substituted);
    assert!(found.contains(&(4, LineFault::Added)), "{found:?}");
    assert!(found.contains(&(4, LineFault::Missing { hash: hash(2) })), "{found:?}");

    let mut added = whole.clone();
    added.insert(5, foreign.clone());
    added[0] = with_count(&added[0], 4, 5);
    assert!(wrong(&added).contains(&(6, LineFault::Added)), "{:?}", wrong(&added));

    let mut behind = whole.clone();
    behind.push(foreign);
    assert_eq!(wrong(&behind), [(7, LineFault::BehindSeal)]);
    let mut twice = whole.clone();
    twice.push(whole[5].clone());
    assert_eq!(wrong(&twice), [(7, LineFault::BehindSeal)]);

    let mut garbled = whole.clone();
    garbled[2] = "{}".to_owned();
    let found = wrong(&garbled);
    assert!(found.contains(&(3, LineFault::Entry)), "{found:?}");
    assert!(!found.iter().any(|(_, fault)| matches!(fault, LineFault::Missing { .. })), "it is named once: {found:?}");

    let mut exchanged = whole.clone();
    exchanged[2] = whole[2].replace(&hash(1).to_string(), &hash(2).to_string());
    assert!(wrong(&exchanged).contains(&(3, LineFault::Hash { stated: hash(2) })), "{:?}", wrong(&exchanged));
}

#[test]
fn a_changed_header_is_named_as_line_1() {
    let whole = sealed(&history());
    let keys = key(1).public().to_string();
    let other = key(7).public().to_string();
    for (from, to, fault) in [
        ("\"events\":4", "\"events\":3", LineFault::Count { stated: 3, found: 4 }),
        (keys.as_str(), other.as_str(), LineFault::Keys),
        ("\"version\":2", "\"version\":1", LineFault::StatedVersion { stated: 1 }),
        ("\"version\":2", "\"version\":3", LineFault::StatedVersion { stated: 3 }),
        ("belay.audit", "belay.audio", LineFault::Header),
        ("\"version\"", "\"more\":1,\"version\"", LineFault::Header),
    ] {
        let mut lines = whole.clone();
        lines[0] = lines[0].replacen(from, to, 1);
        assert_eq!(wrong(&lines), [(1, fault)], "{from} became {to}");
    }
    let found = wrong(&whole[1..]);
    assert_eq!(found[0], (1, LineFault::Header), "without a header");
}

#[test]
fn a_seal_that_was_changed_or_is_another_exports_does_not_hold() {
    let history = history();
    let mut lines = sealed(&history);
    let before = sealed(&history[..2]);
    lines[5].clone_from(&before[3]);
    assert!(wrong(&lines).contains(&(4, LineFault::Added)), "an older seal: {:?}", wrong(&lines));
    let mut lines = sealed(&history);
    let at = lines[5].len() - 8;
    let changed = if lines[5].as_bytes()[at] == b'A' { "B" } else { "A" };
    lines[5].replace_range(at..=at, changed);
    let found = wrong(&lines);
    assert!(matches!(found.as_slice(), [(6, LineFault::Seal(_))]), "{found:?}");
    assert_eq!(Export::read(&joined(&lines)).unwrap().seal, None);
}

#[test]
fn a_file_of_something_else_or_of_a_newer_program_is_no_export() {
    assert!(matches!(Export::read(b""), Err(ExportError::Format)));
    assert!(matches!(Export::read(b"hello\nworld\n"), Err(ExportError::Format)));
    let mut lines = sealed(&history());
    lines.pop();
    lines[0] = lines[0].replace("\"version\":2", "\"version\":3");
    assert!(matches!(Export::read(&joined(&lines)), Err(ExportError::Version { found: 3 })));
}

#[test]
fn a_seal_counts_for_earlier_keys_of_its_device_only_where_they_signed_the_change() {
    let (first, second, third, stranger) = (key(1), key(2), key(3), key(4));
    let chain = [Succession::link(&second, &third, 2), Succession::link(&first, &second, 1)];
    let seal = |successions: &[Succession]| {
        Seal::open(Seal::sign(&history(), successions, &third, 3).bytes()).unwrap().devices()
    };
    assert_eq!(seal(&chain), [first.device(), second.device(), third.device()].into());
    assert_eq!(seal(&chain[..1]), [second.device(), third.device()].into());
    let alone = [Succession::after_loss(first.device(), &third, 1)];
    assert_eq!(seal(&alone), [third.device()].into(), "a lost key vouches for nobody");
    let other = [Succession::link(&first, &stranger, 1)];
    assert_eq!(seal(&other), [third.device()].into(), "another device's history is not this one's");
    let forged = Succession::link(&stranger, &third, 1);
    let mut bytes = forged.bytes().to_vec();
    let at = bytes.windows(32).position(|bytes| bytes == stranger.public().as_bytes()).unwrap();
    bytes[at..at + 32].copy_from_slice(first.public().as_bytes());
    assert!(Succession::open(&bytes).is_err(), "nobody signs for another key");
}

proptest! {
    #[test]
    fn an_export_with_any_byte_changed_is_not_read_as_another_history(at in any::<prop::sample::Index>(), with in 1..=255_u8) {
        let history = history();
        let mut export = joined(&sealed(&history));
        let at = at.index(export.len());
        export[at] ^= with;
        if let Ok(events) = read(&export) {
            prop_assert_eq!(events, history, "only what carries no meaning may change unnoticed");
        }
    }

    #[test]
    fn no_set_of_lines_but_the_whole_is_read(kept in prop::collection::vec(any::<bool>(), 6)) {
        let whole = sealed(&history());
        let lines: Vec<String> =
            whole.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(line, _)| line.clone()).collect();
        prop_assert_eq!(read(&joined(&lines)).is_ok(), kept.iter().all(|kept| *kept));
    }
}

#[test]
fn the_golden_export_of_version_1_is_still_read_and_has_no_seal() {
    let golden = include_bytes!("golden/export-v1.jsonl");
    let mut export = Vec::new();
    write(&history(), None, &mut export).unwrap();
    if std::env::var_os("BELAY_WRITE_GOLDEN").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/export-v1.jsonl"), &export).unwrap();
        return;
    }
    assert_eq!(read(golden).unwrap(), history());
    assert_eq!(Export::read(golden).unwrap().seal, None, "its end is not proven");
    assert_eq!(export, golden, "version 1 is fixed for ever");
}

#[test]
fn the_golden_export_of_version_2_is_still_read() {
    let golden = include_bytes!("golden/export-v2.jsonl");
    let history = history();
    let successions = [Succession::link(&key(1), &key(3), 1_700_000_000_000)];
    let seal = Seal::sign(&history, &successions, &key(3), 1_700_000_000_001);
    let export = joined(&lines(&history, Some(&seal)));
    if std::env::var_os("BELAY_WRITE_GOLDEN").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/export-v2.jsonl"), &export).unwrap();
        return;
    }
    let read = Export::read(golden).unwrap();
    assert_eq!((read.wrong, read.seal), (Vec::new(), Some(seal)));
    assert_eq!(export, golden, "version 2 is fixed for ever");
}

#[test]
fn without_a_seal_the_header_the_order_and_the_execution_are_still_checked() {
    let history = history();
    let whole = lines(&history, None);
    assert_eq!(wrong(&whole[..4]), [(1, LineFault::Count { stated: 4, found: 3 }), (1, LineFault::Keys)]);
    let mut reordered = whole.clone();
    reordered.swap(2, 3);
    assert_eq!(wrong(&reordered), [(3, LineFault::Order { before: 4 })]);
    let mut repeated = whole.clone();
    repeated.push(whole[4].clone());
    repeated[0] = with_count(&repeated[0], 4, 5);
    assert_eq!(wrong(&repeated), [(6, LineFault::Repeated { of: 5 })]);
    let stranger = Author::new(1, 9).say(ExecutionId::ZERO, "genesis");
    let mut added = whole.clone();
    added.push(lines(std::slice::from_ref(&stranger), None).remove(1));
    added[0] = with_count(&added[0], 4, 5);
    assert_eq!(wrong(&added), [(6, LineFault::OtherExecution)]);
}
