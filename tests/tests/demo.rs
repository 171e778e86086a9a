//! The demo, from the alert to the second, good run, as `make demo` plays it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_demo_plays_unattended_to_its_good_end() {
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !node.is_ok_and(|status| status.success()) {
        eprintln!("skipped: the demo reads JSON with node, which is not here");
        return;
    }
    // target/<profile>/deps/demo-… → target/<profile>, where cargo puts the programs.
    let test = std::env::current_exe().unwrap();
    let programs = test.parent().and_then(Path::parent).unwrap();
    for program in ["belay", "belay-shop"] {
        assert!(programs.join(program).exists(), "{program} is not built: run the tests of the whole workspace");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/run.sh");
    let played = Command::new("bash")
        .arg(script)
        .env("CARGO_TARGET_DIR", programs.parent().unwrap())
        .env("BELAY_DEMO_PROFILE", programs.file_name().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{told}\n{}", String::from_utf8_lossy(&played.stderr));
    for sentence in ["Belay took both changes back", "The shop is healthy again", "it verifies on its own"] {
        assert!(told.contains(sentence), "the demo tells `{sentence}`:\n{told}");
    }
}
