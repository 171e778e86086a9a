//! A durable `/bin/true` step, helper included, beside its floor.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use belay_cockpit::wire::DriveEvent;
use belay_cockpit::{Cockpit, KeyringChoice, Options, Program, StartRequest};

use crate::floor::Floor;
use crate::{Figure, belay, median};

/// How many pairs are measured, interleaved.
const PAIRS: usize = 240;

const TWO_STEPS: &str = "apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: {name: two-steps}
spec:
  name: Two steps
  steps:
  - {name: first, commands: [[/bin/true]]}
  - {name: second, commands: [[/bin/true]]}
  - {name: third, commands: [[/bin/true]]}
";

pub(crate) fn cockpit(home: &Path) -> Arc<Cockpit> {
    let program = |argument: &str| Program { program: belay(), args: vec![argument.into()] };
    Cockpit::new(Options {
        home: home.to_owned(),
        helper: program("__helper"),
        worker: program("__script-worker"),
        context: None,
        keyring: KeyringChoice::Off,
    })
}

pub(crate) fn request(path: &Path) -> StartRequest {
    StartRequest { runbook: path.display().to_string(), variables: BTreeMap::new(), ..StartRequest::default() }
}

/// From the start of one step to the start of the next one: outcome, decision and intent are durable in between.
pub(crate) fn durable_step() -> Vec<Figure> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("two-steps.yaml");
    std::fs::write(&path, TWO_STEPS).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut floor = Floor::new(home.path());
    let (mut ratios, mut floors, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        let cockpit = cockpit(home.path());
        for _ in 0..PAIRS {
            let execution = cockpit.start(&request(&path)).unwrap();
            let mut drive = cockpit.drive(&execution).unwrap();
            let mut starts = Vec::new();
            while let Some(event) = drive.next().await {
                if matches!(event, DriveEvent::Started { .. }) {
                    starts.push(Instant::now());
                }
                assert!(!matches!(event, DriveEvent::Stopped { .. }), "the run goes through");
            }
            assert_eq!(starts.len(), 3, "every step starts once");
            let step = starts[2].duration_since(starts[1]).as_secs_f64();
            let below = floor.measure().as_secs_f64();
            ratios.push(step / below);
            floors.push(below);
            steps.push(step);
        }
    });
    let detail = format!(
        "{PAIRS} interleaved pairs: step median {:.0} µs, floor (2 fdatasync + spawn + wait) median {:.0} µs",
        median(&mut steps) * 1e6,
        median(&mut floors) * 1e6
    );
    vec![Figure {
        name: "durable /bin/true step ÷ floor, median",
        value: median(&mut ratios),
        unit: "×",
        limit: Some(1.75),
        detail,
    }]
}
