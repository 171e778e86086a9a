//! A terse way to write an [`ActionSpec`].

use std::collections::BTreeMap;

use belay_runbook::action::{ActionSpec, Effect, PolicyKind, Sink};
use serde_json::{Map, Value, json};

/// An [`ActionSpec`] that is being written down.
///
/// Starts as a reading, idempotent, available action without parameters.
#[derive(Debug, Clone)]
#[must_use = "a declaration is worth something once it is built"]
pub struct Declaration {
    spec: ActionSpec,
    parameters: Map<String, Value>,
    required: Vec<Value>,
    output: Map<String, Value>,
}

impl Declaration {
    /// Starts a declaration.
    pub fn new(name: &str, description: &str) -> Self {
        Self {
            spec: ActionSpec {
                name: name.to_owned(),
                description: description.to_owned(),
                parameters: Value::Null,
                output: Value::Null,
                sinks: BTreeMap::new(),
                effect: Effect::Read,
                idempotent: true,
                captures_undo: false,
                published: Vec::new(),
                facts: Vec::new(),
                target_parameter: None,
                kinds: Vec::new(),
                access: Vec::new(),
                available: true,
            },
            parameters: Map::new(),
            required: Vec::new(),
            output: Map::new(),
        }
    }

    /// Adds a parameter that has to be given.
    pub fn required(mut self, name: &str, sink: Sink, schema: Value) -> Self {
        self.required.push(json!(name));
        self.optional(name, sink, schema)
    }

    /// Adds a parameter that may be left out.
    pub fn optional(mut self, name: &str, sink: Sink, schema: Value) -> Self {
        self.parameters.insert(name.to_owned(), schema);
        if sink != Sink::Json {
            self.spec.sinks.insert(name.to_owned(), sink);
        }
        self
    }

    /// Adds a field of the output.
    pub fn output(mut self, name: &str, schema: Value) -> Self {
        self.output.insert(name.to_owned(), schema);
        self
    }

    /// Adds a field of the output that is published into the context under its own name.
    pub fn publishes(mut self, name: &str, schema: Value) -> Self {
        self.spec.published.push(name.to_owned());
        self.output(name, schema)
    }

    /// Adds a fact that the preparation answers.
    pub fn fact(mut self, name: &str) -> Self {
        self.spec.facts.push(name.to_owned());
        self
    }

    /// Declares a change; `idempotent` says whether doing it twice equals doing it once.
    pub fn mutates(mut self, idempotent: bool) -> Self {
        self.spec.effect = Effect::Mutate;
        self.spec.idempotent = idempotent;
        self
    }

    /// Declares destruction.
    pub fn destroys(mut self, idempotent: bool) -> Self {
        self.spec.effect = Effect::Destructive;
        self.spec.idempotent = idempotent;
        self
    }

    /// Says that a reading action may not be repeated without being noticed.
    pub fn not_idempotent(mut self) -> Self {
        self.spec.idempotent = false;
        self
    }

    /// Says that the preparation captures an undo record.
    pub fn captures_undo(mut self) -> Self {
        self.spec.captures_undo = true;
        self
    }

    /// Names the parameter whose value names the target.
    pub fn target(mut self, parameter: &str) -> Self {
        self.spec.target_parameter = Some(parameter.to_owned());
        self
    }

    /// Puts the action into a class of the policy.
    pub fn kind(mut self, kind: PolicyKind) -> Self {
        self.spec.kinds.push(kind);
        self
    }

    /// Adds a right that it needs.
    pub fn access(mut self, right: &str) -> Self {
        self.spec.access.push(right.to_owned());
        self
    }

    /// Says that this build only declares the action.
    pub fn unavailable(mut self) -> Self {
        self.spec.available = false;
        self
    }

    /// Ends the declaration. Unknown parameters are refused by its schema.
    pub fn build(self) -> ActionSpec {
        let mut parameters = json!({
            "type": "object",
            "properties": self.parameters,
            "additionalProperties": false,
        });
        if !self.required.is_empty() {
            parameters["required"] = Value::Array(self.required);
        }
        let output = json!({ "type": "object", "properties": self.output });
        ActionSpec { parameters, output, ..self.spec }
    }
}

/// The schema of a text.
pub fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// The schema of a whole number from a lowest value.
pub fn integer(minimum: i64, description: &str) -> Value {
    json!({ "type": "integer", "minimum": minimum, "description": description })
}

/// The schema of a number.
pub fn number(description: &str) -> Value {
    json!({ "type": "number", "description": description })
}

/// The schema of a boolean.
pub fn boolean(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

/// The schema of any object.
pub fn object(description: &str) -> Value {
    json!({ "type": "object", "description": description })
}

/// The schema of a list.
pub fn list(items: &Value, description: &str) -> Value {
    json!({ "type": "array", "items": items, "description": description })
}

/// The schema of a word from a closed list.
pub fn word(words: &[&str], description: &str) -> Value {
    json!({ "type": "string", "enum": words, "description": description })
}
