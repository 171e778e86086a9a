//! What templates of an execution may refer to: `.Alert`, `.Config`, `.Service`, `.Vars`, `.History`, `.Steps` and
//! everything that acts published under their own names (execution.md, 2).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::execution::Execution;

/// The root object of an execution's templates, built from its state; and the names of declared variables.
#[derive(Debug, Clone)]
pub struct ScopeRoot {
    /// The object.
    pub root: Value,
    /// Declared variables, the only `{name}` placeholders of commands.
    pub variables: BTreeSet<String>,
}

impl ScopeRoot {
    /// Builds it from what is known now.
    pub fn of(execution: &Execution) -> Self {
        let genesis = &execution.genesis;
        let mut root = Map::new();
        for (name, value) in &execution.published {
            root.insert(name.clone(), value.clone());
        }
        let alert = genesis.alert.clone().unwrap_or_else(|| json!({}));
        let service = label(&alert, "service").and_then(|name| genesis.config.get("services")?.get(name).cloned());
        root.insert("Alert".to_owned(), alert);
        root.insert("Config".to_owned(), genesis.config.clone());
        if let Some(service) = service {
            root.insert("Service".to_owned(), service);
        }
        root.insert("History".to_owned(), genesis.history.iter().map(|past| json!(past)).collect());
        root.insert("Vars".to_owned(), json!({}));
        root.insert("Steps".to_owned(), steps(execution));
        let mut root = Value::Object(root);
        for (name, value) in &execution.values {
            match name.strip_prefix('.') {
                Some(path) => put(&mut root, path, value),
                None => put(&mut root, &format!("Vars.{name}"), value),
            }
        }
        Self { root, variables: execution.runbook.inputs.keys().cloned().collect() }
    }

    /// The object that a script sees as `context`: alert labels and variables by name, overridden by published values.
    pub fn script_context(&self, execution: &Execution) -> Value {
        let mut context = Map::new();
        if let Some(labels) = self.root.pointer("/Alert/Labels").and_then(Value::as_object) {
            context.extend(labels.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        for (name, value) in &execution.values {
            if !name.starts_with('.') {
                context.insert(name.clone(), value.clone());
            }
        }
        for (name, value) in &execution.published {
            context.insert(name.clone(), value.clone());
        }
        Value::Object(context)
    }
}

fn label<'a>(alert: &'a Value, name: &str) -> Option<&'a str> {
    alert.get("Labels")?.get(name)?.as_str()
}

fn steps(execution: &Execution) -> Value {
    let mut steps = Map::new();
    for (name, visits) in &execution.visits {
        let Some(visit) = visits.last() else { continue };
        let outcome = visit.output();
        steps.insert(
            name.as_str().to_owned(),
            json!({
                "status": visit.status().as_str(),
                "output": outcome.map_or(Value::Null, |outcome| outcome.output.clone()),
                "exitCode": outcome.and_then(|outcome| outcome.exit_code),
                "branch": visit.branch,
                "error": visit.error,
            }),
        );
    }
    Value::Object(steps)
}

/// Sets a dotted path, creating objects on the way. A part that is not an object is replaced: what a person provides
/// for a missing reference counts.
fn put(root: &mut Value, path: &str, value: &Value) {
    let mut place = root;
    for part in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        let Some(object) = place.as_object_mut() else { return };
        place = object.entry(part.to_owned()).or_insert(Value::Null);
    }
    *place = value.clone();
}
