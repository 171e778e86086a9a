//! The bundled catalog: every runbook in it reads, checks, refers and prints without a remark.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use belay_actions::process::Helpers;
use belay_actions::registry::Registry;
use belay_actions::script::ScriptExecute;
use belay_runbook::action::{ActionCatalog as _, COMMAND_ACTION, Effect};
use belay_runbook::model::{Does, Runbook, StepKind};
use belay_runbook::policy::Policy;
use belay_runbook::template::Scope;
use belay_runbook::{commands, format, lint};
use belay_script::Worker;
use jiff::civil::date;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member of the workspace").to_owned()
}

/// The runbook files of a folder below the root, sorted by name; `*.test.yaml` left out.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".yaml") && !path.to_string_lossy().ends_with(".test.yaml"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Runbook {
    let parsed = format::parse(&path.display().to_string(), &std::fs::read(path).unwrap());
    let findings: Vec<String> = parsed.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "a bundled runbook reads without a finding:\n{}", findings.join("\n"));
    parsed.runbook.expect("a text without findings is a runbook")
}

fn catalog() -> BTreeMap<PathBuf, Runbook> {
    files("runbooks").into_iter().map(|path| (path.clone(), read(&path))).collect()
}

#[test]
fn every_bundled_runbook_reads_without_a_finding() {
    assert!(catalog().len() >= 10, "the catalog holds at least its first ten runbooks");
    for path in files("demo") {
        read(&path);
    }
}

/// Every action that this build declares. The helper is named and never started.
fn actions() -> Registry {
    let belay = PathBuf::from("/usr/bin/belay");
    let mut registry = Registry::standard(&Arc::new(Helpers::new(belay.clone(), Vec::new())));
    registry.register(Arc::new(ScriptExecute::new(Worker { program: belay, arguments: Vec::new() })));
    registry
}

#[test]
fn every_bundled_runbook_passes_every_rule() {
    let catalog = catalog();
    let known: BTreeSet<String> =
        catalog.values().flat_map(|runbook| [Some(runbook.name.clone()), runbook.id.clone()]).flatten().collect();
    let (actions, automations) = (actions(), BTreeSet::new());
    let mut findings = Vec::new();
    for path in files("runbooks").into_iter().chain(files("demo")) {
        let surroundings = lint::Surroundings {
            actions: &actions,
            automations: &automations,
            runbooks: Some(&known),
            today: date(2026, 11, 21),
        };
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        let checked = lint::validate(&file, &std::fs::read(&path).unwrap(), &surroundings);
        findings.extend(checked.findings.iter().map(ToString::to_string));
    }
    assert!(findings.is_empty(), "a bundled runbook is an example to others:\n{}", findings.join("\n"));
}

#[test]
fn a_runbook_lies_in_the_file_of_its_name_and_has_an_id_of_its_own() {
    let mut ids = BTreeSet::new();
    for (path, runbook) in catalog() {
        assert_eq!(path.file_stem().unwrap().to_string_lossy(), runbook.name, "the file is named after the runbook");
        let id = runbook.id.clone().unwrap_or_else(|| panic!("`{}` has no id", runbook.name));
        assert!(ids.insert(id.clone()), "the id `{id}` belongs to two runbooks");
    }
}

#[test]
fn related_runbooks_exist_in_the_catalog() {
    let catalog = catalog();
    let known: BTreeSet<&str> =
        catalog.values().flat_map(|runbook| [Some(runbook.name.as_str()), runbook.id.as_deref()]).flatten().collect();
    for runbook in catalog.values() {
        for related in &runbook.related_runbooks {
            let reference = related.split(" (").next().unwrap_or(related);
            assert!(known.contains(reference), "`{}` refers to `{related}`, which nobody has written", runbook.name);
        }
    }
}

#[test]
fn every_runbook_tells_people_what_they_need_to_find_and_trust_it() {
    for runbook in catalog().values() {
        let name = &runbook.name;
        assert!(runbook.documentation.symptoms.len() >= 3, "`{name}` is found by its symptoms");
        assert!(runbook.documentation.impact.is_some(), "`{name}` says what it means for users");
        assert!(runbook.documentation.resolution.is_some(), "`{name}` says what helps");
        assert!(!runbook.trigger.alerts.is_empty() || !runbook.trigger.prose.is_empty(), "`{name}` has a trigger");
        assert!(runbook.review_date.is_some_and(|date| date.year() >= 2027), "`{name}` has a date of review ahead");
        assert!(!runbook.approvers.is_empty() && !runbook.changelog.is_empty(), "`{name}` has keepers and a history");
        for step in &runbook.steps {
            assert!(step.title.is_some(), "step `{}` of `{name}` has a title", step.name);
            assert!(step.description.is_some(), "step `{}` of `{name}` has a description", step.name);
        }
    }
}

#[test]
fn a_runbook_printed_and_read_again_is_the_same() {
    for (path, runbook) in catalog() {
        let printed = format::to_yaml(&runbook);
        let again = format::parse("<printed>", printed.as_bytes());
        assert_eq!(again.runbook.as_ref(), Some(&runbook), "{} survives printing", path.display());
    }
}

#[test]
fn the_commands_of_a_verification_only_read_under_the_default_policy() {
    let (actions, policy) = (actions(), Policy::default_policy());
    let spec = actions.spec(COMMAND_ACTION).expect("commands are an action of their own");
    let mut wrong = Vec::new();
    for runbook in catalog().values() {
        for step in runbook.steps.iter().filter(|step| step.kind == StepKind::Verification) {
            let Does::Commands(commands) = &step.does else { continue };
            let values: BTreeMap<&str, Value> =
                runbook.inputs.keys().map(|name| (name.as_str(), json!("x1"))).collect();
            let root = json!({ "Vars": values });
            let variables = runbook.inputs.keys().cloned().collect();
            let acts =
                commands::render(commands, &Scope { root: &root, variables: &variables }).unwrap_or_else(|error| {
                    panic!("`{}` of `{}` renders from its inputs: {error}", step.name, runbook.name)
                });
            for act in acts {
                if policy.effect_of(&act, spec, None) != Effect::Read {
                    wrong.push(format!("{} / {}: {}", runbook.name, step.name, act.parameters));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a verification accepts only what certainly reads:\n{}", wrong.join("\n"));
}
