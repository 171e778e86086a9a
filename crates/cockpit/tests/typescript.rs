//! The types of the web faces are those of the API.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::Path;

#[test]
fn the_committed_types_are_what_the_api_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/backend/api.ts");
    let made = belay_cockpit::api::typescript();
    if std::env::var_os("BELAY_WRITE_TYPES").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "`ui/src/lib/backend/api.ts` is not what the API says; `make types` writes it anew");
}
