//! Writing and reading again gives the same runbook.

use belay_runbook::format::{parse, to_yaml};
use belay_runbook::model::Runbook;
use proptest::prelude::*;

use crate::samples::{FULL, story_manifests};
use crate::strategy::runbook;

fn assert_survives(runbook: &Runbook) {
    let yaml = to_yaml(runbook);
    let parsed = parse("<written>", yaml.as_bytes());
    assert!(parsed.findings.is_empty(), "what we write is valid: {:#?}\n{yaml}", parsed.findings);
    assert_eq!(parsed.runbook.as_ref(), Some(runbook), "nothing is lost:\n{yaml}");
}

#[test]
fn a_runbook_with_every_field_survives_writing() {
    let parsed = parse("full.yaml", FULL.as_bytes());
    assert_eq!(parsed.findings, [], "the sample is valid");
    assert_survives(&parsed.runbook.unwrap());
}

#[test]
fn the_storys_manifests_survive_writing() {
    for (name, manifest) in story_manifests() {
        let parsed = parse(&name, manifest.as_bytes());
        assert_eq!(parsed.findings, [], "{name} loads unmodified");
        assert_survives(&parsed.runbook.unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_runbook_survives_writing(runbook in runbook()) {
        assert_survives(&runbook);
    }
}
