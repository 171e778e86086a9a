//! Logs that earlier versions wrote still fold, and to the same end.

use std::fs;
use std::path::{Path, PathBuf};

use belay_engine::event::{Event, Need, Statement};
use belay_engine::execution::Stage;
use belay_engine::ids::EventHash;
use belay_engine::status::ExecutionStatus;
use belay_runbook::act::Ending;
use serde_json::{Value, json};

use crate::support::journal::Logged;
use crate::support::people::acting;
use crate::support::{Fault, People, Run, Setting};

/// The scenarios of which every version keeps a log. One that is changed is a new one, under a new name.
fn scenarios() -> Vec<(&'static str, Setting, People)> {
    let mixed = "prerequisites: [One]
         postConditions: [Two]
         steps:
         - name: ask
           type: decision
           branches: {on: set}
         - name: set
           action: thing.set
           parameters: {name: a, value: 1}
         - name: place
           action: thing.place
           parameters: {name: a, value: 2}
         - name: read
           action: thing.read
           parameters: {name: b}
           retries: 2
         - name: script
           action: script.execute
           parameters:
             script: |
               call thing.read {\"name\":\"a\"}
               try call thing.set {\"name\":\"c\",\"value\":1}
               call thing.add {\"name\":\"b\",\"by\":1}
         - name: check
           type: verification
           action: thing.read
           parameters: {name: a}
           validation: {postCondition: {value: 2}}
         - name: look
           type: manual
           description: Look.
        ";
    let forward = Setting::new(mixed).world(|world| {
        world
            .fault("thing.read b", 1, Fault::FAILED)
            .fault("thing.place a", 1, Fault::TIMED_OUT)
            .reads("a", &[Some(2), Some(7), None])
    });
    let back = "steps:
         - name: several
           commands: [thingctl add b 1, thingctl add b 2]
           rollback: {commands: [thingctl add b -1, thingctl add b -2]}
         - name: set
           action: thing.set
           parameters: {name: a, value: 5}
         - name: more
           action: thing.set
           parameters: {name: c, value: 5}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
         rollback:
           steps:
           - name: put
             action: thing.put
             parameters: {name: c, value: 9}
        ";
    let backward = Setting::new(back).world(|world| {
        world.fault("thingctl add b -1", 1, Fault { ending: Ending::Lost, applied: false }).fault(
            "undo thing.set c",
            1,
            Fault { ending: Ending::Lost, applied: false },
        )
    });
    let scripted = "steps:
         - name: script
           action: script.execute
           parameters:
             script: |
               try call no.such {}
               call thing.add {\"name\":\"a\",\"by\":1}
         - name: add
           commands: [thingctl add b 5]
           rollback:
             action: script.execute
             parameters:
               script: |
                 call thing.add {\"name\":\"b\",\"by\":-2}
                 call thing.add {\"name\":\"b\",\"by\":-3}
         - name: fails
           commands: [thingctl fail]
           rollback: {irreversible: nothing}
           onFailure: rollback
        ";
    let scripted = Setting::new(scripted).world(|world| world.fault("thing.add b", 2, Fault::TIMED_OUT_DONE));
    let foreign = People::new().when(|execution, world, _| {
        (acting(execution, "fails") && world.value("a") == 5).then(|| {
            world.foreign("a", 99);
            Statement::Note { text: "changed".to_owned() }
        })
    });
    let (returning, again) = returning();
    vec![
        ("returning", returning, again),
        ("forward", forward.clone(), People::new().decide("ask", "on")),
        ("approved", forward.production(), People::new().decide("ask", "on")),
        ("backward", backward, foreign),
        ("scripted", scripted, People::new()),
    ]
}

/// A failure that leads back to what has changed something, and a person who has it performed once more.
fn returning() -> (Setting, People) {
    let returning = "steps:
         - name: add
           commands: [thingctl add a 1]
           rollback: {irreversible: it counts}
           onFailure: tidy
           next: end
         - name: tidy
           action: thing.put
           parameters: {name: b, value: 1}
           onFailure: tidy
           next: add
        ";
    let returning = Setting::new(returning)
        .world(|world| world.fault("thingctl add a 1", 1, Fault::FAILED).fault("thing.put b", 1, Fault::FAILED));
    let again = People::new().when(|execution, _, _| {
        let current = execution.current_visit()?;
        matches!(current.stage, Stage::Person(Need::Again { .. })).then(|| Statement::Retry { at: current.id.clone() })
    });
    (returning, again)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn text(run: &Run) -> String {
    let lines = run
        .journal
        .events
        .iter()
        .map(|logged| json!({ "hash": logged.hash, "cites": logged.cites, "event": logged.event }).to_string());
    let mut text = json!({ "status": run.execution().status().as_str(), "values": run.world.values() }).to_string();
    for line in lines {
        text.push('\n');
        text.push_str(&line);
    }
    text.push('\n');
    text
}

/// Writes the logs of this version with `BELAY_GOLDEN=NAME`; the name of a version is never used twice.
#[test]
fn logs_of_every_version_fold_to_the_same_end() {
    if let Some(version) = std::env::var_os("BELAY_GOLDEN") {
        let folder = folder().join(version);
        fs::create_dir_all(&folder).unwrap();
        for (name, setting, people) in scenarios() {
            fs::write(folder.join(format!("{name}.jsonl")), text(&setting.run(people))).unwrap();
        }
    }
    let mut logs = 0;
    for version in fs::read_dir(folder()).unwrap() {
        let version = version.unwrap().path();
        for (name, setting, _) in scenarios() {
            let Ok(text) = fs::read_to_string(version.join(format!("{name}.jsonl"))) else { continue };
            folds(&setting, &text, &version);
            logs += 1;
        }
    }
    assert!(logs >= 3, "there are logs to fold");
}

fn folds(setting: &Setting, text: &str, from: &Path) {
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = lines.next().unwrap();
    let events: Vec<Logged> = lines
        .map(|line| Logged {
            hash: serde_json::from_value::<EventHash>(line["hash"].clone()).unwrap(),
            event: serde_json::from_value::<Event>(line["event"].clone())
                .unwrap_or_else(|error| panic!("{}: {error}: {}", from.display(), line["event"])),
            cites: serde_json::from_value(line["cites"].clone()).unwrap(),
        })
        .collect();
    let journal = setting.start(People::new()).journal;
    let execution = journal.fold_of(&events).unwrap_or_else(|illegal| panic!("{}: {illegal}", from.display()));
    assert_eq!(execution.status().as_str(), head["status"], "{}", from.display());
    assert!(execution.status() != ExecutionStatus::InProgress, "it came to an end");
}
