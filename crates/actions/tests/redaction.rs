//! Redaction of streams.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use belay_actions::redact::{Redaction, Redactor};
use proptest::prelude::*;
use rstest::rstest;

fn in_chunks(redaction: &Redaction, bytes: &[u8], sizes: &[usize]) -> String {
    let mut redactor = Redactor::new(redaction.clone());
    let mut shown = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(rest.len().min(*size));
        shown.extend(redactor.push(chunk));
        rest = after;
    }
    shown.extend(redactor.finish());
    String::from_utf8_lossy(&shown).into_owned()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|three| {
            let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            (0..4).map(move |index| {
                if index > three.len() { '=' } else { char::from(ALPHABET[(bits >> (18 - 6 * index) & 63) as usize]) }
            })
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_form_of_a_declared_secret_survives_any_chunking(
        secret in r#"[A-Za-z0-9!"$&/<\\äß][ -~äß€]{8,40}[A-Za-z0-9!/<ß]"#,
        before in "[a-z \n]{0,40}",
        after in "[a-z \n]{0,40}",
        sizes in prop::collection::vec(1_usize..50, 1..8),
    ) {
        let json = serde_json::to_string(&secret).unwrap();
        let json = json[1..json.len() - 1].to_owned();
        let forms = [
            secret.clone(),
            hex(secret.as_bytes()),
            hex(secret.as_bytes()).to_uppercase(),
            percent(&secret),
            json,
        ];
        let redaction = Redaction::of_secrets([secret.as_str()]);
        for form in forms {
            let text = format!("{before} {form} {after}");
            let shown = in_chunks(&redaction, text.as_bytes(), &sizes);
            prop_assert!(!shown.contains(&form), "{form:?} in {shown:?}");
            prop_assert!(shown.contains("[redacted]"));
        }
        for shift in ["", "x", "xy"] {
            let encoded = base64(format!("{shift}{secret}{after}").as_bytes());
            let inner = &encoded[4..(secret.len() * 4 / 3).max(5)];
            let shown = in_chunks(&redaction, format!("data: {encoded}\n").as_bytes(), &sizes);
            prop_assert!(!shown.contains(inner), "{inner:?} in {shown:?}");
        }
    }

    #[test]
    fn chunking_changes_nothing(
        text in r"([a-z =:\n]|password=|AKIAABCDEFGHIJKLMNOP|https://u:p@h/|hunter22|Bearer abcdefghijklmnop){0,30}",
        sizes in prop::collection::vec(1_usize..30, 1..8),
    ) {
        let redaction = Redaction::of_secrets(["hunter22"]);
        let whole = redaction.text(&text);
        prop_assert_eq!(in_chunks(&redaction, text.as_bytes(), &sizes), whole);
    }

    #[test]
    fn ordinary_text_stays_as_it_is(text in "[a-z0-9 .,\n]{0,300}", sizes in prop::collection::vec(1_usize..50, 1..5)) {
        let redaction = Redaction::of_secrets(["Correct-Horse"]);
        prop_assert_eq!(in_chunks(&redaction, text.as_bytes(), &sizes), text);
    }
}

#[rstest]
#[case("key AKIAIOSFODNN7EXAMPLE here", "key [redacted] here")]
#[case("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[redacted]")]
#[case("github_pat_11ABCDEFG0123456789_abcdefghij", "[redacted]")]
#[case("xoxb-123456789012-abcdefghij", "[redacted]")]
#[case("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl b", "a [redacted] b")]
#[case("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]")]
#[case("'authorization': 'Basic dXNlcjpwYXNz'", "'authorization': 'Basic [redacted]'")]
#[case("password=hunter2 user=me", "password=[redacted] user=me")]
#[case(r#"{"password": "two words", "a": 1}"#, r#"{"password": [redacted], "a": 1}"#)]
#[case("postgres://app:pw@db:5432/x", "postgres://[redacted]@db:5432/x")]
#[case("https://example.com/a?b=c", "https://example.com/a?b=c")]
#[case("the password is wrong", "the password is wrong")]
fn common_tokens_are_known_by_their_shape(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(Redaction::tokens().text(text), expected);
}

#[test]
fn a_private_key_is_dropped_with_its_body_however_it_is_cut() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n".repeat(40);
    let text = format!("before\n-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\nafter\n");
    for size in [1, 7, 64, 5000] {
        let shown = in_chunks(&Redaction::tokens(), text.as_bytes(), &[size]);
        assert_eq!(shown, "before\n[redacted]\nafter\n", "chunks of {size}");
    }
}

#[test]
fn a_secret_of_several_lines_is_found() {
    let secret = "first line\nsecond line\nthird";
    let redaction = Redaction::of_secrets([secret]);
    for size in [1, 3, 11, 100] {
        let shown = in_chunks(&redaction, format!("a\n{secret}\nb\n").as_bytes(), &[size]);
        assert_eq!(shown, "a\n[redacted]\nb\n", "chunks of {size}");
    }
}

#[test]
fn a_line_without_end_is_shown_in_time_and_redacted() {
    let secret = "s3cr3t-value";
    let redaction = Redaction::of_secrets([secret]);
    let line = format!("{}{secret}", "x ".repeat(5000)).repeat(40);
    let mut redactor = Redactor::new(redaction);
    let mut shown = Vec::new();
    for chunk in line.as_bytes().chunks(999) {
        shown.extend(redactor.push(chunk));
        assert!(redactor.held_back() < 80 * 1024, "what is held back is bounded");
    }
    shown.extend(redactor.finish());
    assert!(!String::from_utf8_lossy(&shown).contains("s3cr3t"));
    assert_eq!(shown.len(), line.len() - 40 * secret.len() + 40 * "[redacted]".len());
}

#[test]
fn overlapping_secrets_leave_no_rest() {
    let redaction = Redaction::of_secrets(["abcdefgh", "efghijkl"]);
    assert_eq!(redaction.text("x abcdefghijkl y"), "x [redacted] y");
}
