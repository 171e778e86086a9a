//! The committed JSON Schema is the one that the types give.

use std::path::Path;

use belay_runbook::format::schema;
use belay_runbook::policy::Policy;

#[test]
fn the_committed_schemas_are_current() {
    for (name, schema) in [("runbook", schema()), ("policy", Policy::schema())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/schema/{name}.json"));
        let current = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, current, "run this test with UPDATE=1 to write docs/schema/{name}.json anew");
    }
}

#[test]
fn every_property_of_the_schema_has_a_description() {
    fn walk(value: &serde_json::Value, path: &str, missing: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(|value| value.as_object()) {
            for (name, property) in properties {
                if property.get("description").is_none() {
                    missing.push(format!("{path}.{name}"));
                }
            }
        }
        if let Some(definitions) = value.get("$defs").and_then(|value| value.as_object()) {
            for (name, definition) in definitions {
                walk(definition, name, missing);
            }
        }
    }
    let mut missing = Vec::new();
    walk(&schema(), "Runbook", &mut missing);
    walk(&Policy::schema(), "Policy", &mut missing);
    assert!(missing.is_empty(), "editors show the descriptions: {missing:?}");
}
