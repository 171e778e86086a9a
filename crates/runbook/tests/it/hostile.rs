//! Whatever the bytes, reading ends soon, with findings instead of a panic.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use belay_runbook::format::{Parsed, parse};
use proptest::prelude::*;

use crate::samples::FULL;

fn rules(text: &[u8]) -> Vec<&'static str> {
    let start = Instant::now();
    let parsed = parse("hostile.yaml", text);
    assert!(start.elapsed() < Duration::from_secs(10), "reading takes bounded time");
    assert!(parsed.runbook.is_none() || !parsed.has_errors() || !parsed.findings.is_empty());
    parsed.findings.iter().map(|finding| finding.rule).collect()
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = String::from("a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n");
    for level in 1..10 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 9].join(",");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert_eq!(rules(text.as_bytes()), ["aliases"]);
}

#[test]
fn three_aliases_of_aliases_that_grow_too_large_are_refused() {
    let mut text = format!("a0: &a0 [{}]\n", vec!["x"; 20_000].join(","));
    for level in 1..6 {
        let before = level - 1;
        writeln!(text, "a{level}: &a{level} [*a{before}, *a{before}, *a{before}]").unwrap();
    }
    assert_eq!(rules(text.as_bytes()), ["too-large"]);
}

#[test]
fn an_alias_inside_its_own_anchor_is_refused() {
    assert_eq!(rules(b"a: &a [*a]\n"), ["aliases"]);
}

#[test]
fn an_alias_of_nothing_is_refused() {
    assert_eq!(rules(b"a: *missing\n"), ["aliases"]);
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(500_000), "{a: ".repeat(200_000), "- ".repeat(200_000), "? ".repeat(100_000)] {
        let rules = rules(text.as_bytes());
        assert_eq!(rules.len(), 1);
        assert!(["too-deep", "not-yaml"].contains(&rules[0]), "{rules:?}");
    }
    assert_eq!(rules(format!("{}{}", "[".repeat(65), "]".repeat(65)).as_bytes()), ["too-deep"]);
    assert_eq!(rules(format!("{}{}", "[".repeat(64), "]".repeat(64)).as_bytes()), ["not-a-runbook"]);
}

#[test]
fn an_alias_cannot_nest_deeper_than_text() {
    let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(rules(format!("a: &a {deep}\nb: [[[[[[*a]]]]]]\n").as_bytes()), ["too-deep"]);
}

#[test]
fn more_than_a_mebibyte_is_refused() {
    assert_eq!(rules(&vec![b'a'; 1024 * 1024 + 1]), ["too-large"]);
}

#[test]
fn a_huge_scalar_within_the_limit_is_read() {
    let text = format!(
        "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: {{name: a}}\nspec: {{description: \"{}\"}}\n",
        "x".repeat(1_000_000)
    );
    assert_eq!(rules(text.as_bytes()), Vec::<&str>::new());
}

#[test]
fn a_huge_unknown_key_makes_a_short_message() {
    let text = format!(
        "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: {{name: a}}\n? {}\n: 1\nspec: {{}}\n",
        "k".repeat(900_000)
    );
    let parsed = parse("hostile.yaml", text.as_bytes());
    assert!(parsed.findings.iter().all(|finding| finding.message.len() < 500));
    assert!(!parsed.findings.is_empty());
}

#[test]
fn forty_thousand_mistakes_are_reported_in_part() {
    let mut text = String::from("apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: {name: a}\nspec:\n");
    for index in 0..40_000 {
        writeln!(text, "  unknown{index}: 1").unwrap();
    }
    let rules = rules(text.as_bytes());
    assert!((100..1000).contains(&rules.len()), "{}", rules.len());
}

#[test]
fn many_duplicate_keys_end_soon() {
    let mut text = String::from("apiVersion: sre.oversight.io/v1\nkind: Runbook\n");
    text.push_str(&"a: 1\n".repeat(90_000));
    assert!(rules(text.as_bytes()).contains(&"duplicate-key"));
}

#[test]
fn merge_keys_are_refused() {
    assert_eq!(rules(b"a: &a {x: 1}\nb:\n  <<: *a\n"), ["aliases"]);
}

#[test]
fn a_second_document_is_refused() {
    assert_eq!(rules(b"a: 1\n---\nb: 1\n"), ["not-a-runbook"]);
}

#[test]
fn tabs_as_indentation_are_refused() {
    assert_eq!(rules(b"a:\n\tb: 1\n"), ["not-yaml"]);
}

#[test]
fn a_nul_is_refused_at_its_place() {
    let parsed = parse("hostile.yaml", b"a: 1\nb: x\0y\n");
    let [finding] = parsed.findings.as_slice() else { panic!("one finding: {:?}", parsed.findings) };
    assert_eq!((finding.rule, finding.position.line, finding.position.column), ("not-yaml", 2, 5));
}

#[test]
fn bytes_that_are_not_utf8_are_refused_at_their_place() {
    let parsed = parse("hostile.yaml", b"a: 1\nb: \xc3\xa4\xff\n");
    let [finding] = parsed.findings.as_slice() else { panic!("one finding: {:?}", parsed.findings) };
    assert_eq!((finding.rule, finding.position.line, finding.position.column), ("not-utf8", 2, 5));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let parsed = parse("bom.yaml", format!("\u{feff}{FULL}").as_bytes());
    assert_eq!(parsed.findings, []);
    assert!(parsed.runbook.is_some());
}

#[test]
fn an_empty_file_is_no_runbook() {
    for text in ["", "\n", "# only a comment\n", "---\n", "null\n"] {
        assert_eq!(rules(text.as_bytes()), ["not-a-runbook"], "{text:?}");
    }
}

#[test]
fn custom_tags_and_keys_that_are_no_text_are_refused() {
    assert_eq!(rules(b"apiVersion: !python/object:os.system x\n"), ["not-a-runbook", "not-yaml"]);
    assert_eq!(rules(b"? [a]\n: 1\n"), ["not-yaml"]);
}

#[test]
fn messages_hold_no_control_characters_of_the_file() {
    let parsed = parse("hostile.yaml", b"apiVersion: sre.oversight.io/v1\nkind: Runbook\n\"\\e[2Jx\\u202e\": 1\n");
    for finding in &parsed.findings {
        assert!(!finding.to_string().contains(['\u{1b}', '\u{202e}']), "{finding}");
    }
    assert!(parsed.findings.iter().any(|finding| finding.rule == "unknown-field"));
}

/// Checks what holds of any result.
fn assert_sound(parsed: &Parsed) {
    if parsed.runbook.is_none() {
        assert!(parsed.has_errors(), "no runbook has a reason");
    }
    for finding in &parsed.findings {
        assert!(finding.position.line >= 1 && finding.position.column >= 1);
        assert!(!finding.message.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_give_findings(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        assert_sound(&parse("random", &bytes));
    }

    #[test]
    fn random_punctuation_gives_findings(text in "[-:?\\[\\]{},&*!|>'\"%@` \n\ta1#<~.]{0,200}") {
        assert_sound(&parse("random", text.as_bytes()));
    }

    #[test]
    fn a_mutated_runbook_gives_findings(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..20, "[-:?\\[\\]{},&*!|>'\" \n\ta1#]{0,6}"), 1..6)
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (at, remove, insert) in edits {
            let start = at.index(bytes.len());
            let end = (start + remove).min(bytes.len());
            bytes.splice(start..end, insert.bytes());
        }
        assert_sound(&parse("mutated", &bytes));
    }

    #[test]
    fn a_runbook_cut_anywhere_gives_findings(at in any::<prop::sample::Index>()) {
        let text = FULL.as_bytes();
        assert_sound(&parse("cut", &text[..at.index(text.len())]));
    }
}
