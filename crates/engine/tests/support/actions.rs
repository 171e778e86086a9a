//! The declarations of the world's actions.

use std::collections::BTreeMap;

use belay_runbook::action::{ActionSpec, COMMAND_ACTION, Effect, PolicyKind, SCRIPT_ACTION};
use serde_json::json;

/// Every action of the world, by name.
pub fn specs() -> BTreeMap<String, ActionSpec> {
    let mut specs = BTreeMap::new();
    let mut declare = |name: &str, effect: Effect, idempotent: bool, captures_undo: bool| {
        specs.insert(name.to_owned(), spec(name, effect, idempotent, captures_undo));
    };
    declare("thing.read", Effect::Read, true, false);
    declare("thing.sample", Effect::Read, false, false);
    declare("thing.put", Effect::Mutate, true, false);
    declare("thing.add", Effect::Mutate, false, false);
    declare("thing.set", Effect::Mutate, false, true);
    declare("thing.place", Effect::Mutate, false, true);
    declare("thing.destroy", Effect::Destructive, false, false);
    declare("note.send", Effect::Read, true, false);
    declare(COMMAND_ACTION, Effect::Mutate, false, false);
    declare(SCRIPT_ACTION, Effect::Read, false, false);
    if let Some(destroy) = specs.get_mut("thing.destroy") {
        destroy.kinds = vec![PolicyKind::DataDeletion];
    }
    specs
}

fn spec(name: &str, effect: Effect, idempotent: bool, captures_undo: bool) -> ActionSpec {
    ActionSpec {
        name: name.to_owned(),
        description: String::new(),
        parameters: json!({}),
        output: json!({}),
        sinks: BTreeMap::new(),
        effect,
        idempotent,
        captures_undo,
        published: Vec::new(),
        facts: vec!["exists".to_owned()],
        target_parameter: Some("name".to_owned()),
        kinds: Vec::new(),
        access: Vec::new(),
        available: true,
    }
}
