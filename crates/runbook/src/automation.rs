//! Automations: named, parameterised lists of commands and action calls, and what takes them back.
//!
//! An automation is expanded, not rendered: [`AutomationSpec::expand`] checks the parameters and returns the parts as
//! written together with the values, and whoever performs them renders each part with those values as its `{name}`
//! placeholders and `.Vars`. So a value meets the encoder of the sink it enters, exactly as in a runbook's own step.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::action::{Effect, PolicyKind};
use crate::finding::{Finding, FindingLevel};
use crate::format::yaml;
use crate::model::{CommandSpec, Does, InputKind, InputSpec};
use read::Reader;

mod read;

/// The definition of an automation.
#[derive(Debug, Clone, PartialEq)]
pub struct AutomationSpec {
    /// Its name, by which a step calls it.
    pub name: String,
    /// One line.
    pub description: String,
    /// Its parameters.
    pub parameters: IndexMap<String, InputSpec>,
    /// What it performs, in order: an action, or commands that follow one another.
    pub parts: Vec<Does>,
    /// What takes it back.
    pub undo: AutomationUndo,
    /// An effect raised above what its parts declare; never lowers it.
    pub effect: Option<Effect>,
    /// Classes of the policy that it belongs to although its parts are plain commands.
    pub kinds: Vec<PolicyKind>,
}

/// What takes an automation back.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum AutomationUndo {
    /// Nothing is said about it.
    #[default]
    Unknown,
    /// These parts, in order.
    Parts(Vec<Does>),
    /// Nothing can, for this reason.
    Irreversible(String),
}

/// An automation together with the values of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    /// What is performed, as written; each command and each action is a sub-act of its own.
    pub parts: Vec<Does>,
    /// What takes it back, as written. [`AutomationUndo::Unknown`] also where it needs a parameter that was not given.
    pub undo: AutomationUndo,
    /// The value of every parameter that has one: `{name}` in commands, `.Vars.name` everywhere.
    pub variables: BTreeMap<String, Value>,
    /// An effect raised above what the parts declare.
    pub effect: Option<Effect>,
    /// Classes of the policy.
    pub kinds: Vec<PolicyKind>,
}

/// Why an automation could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// The parameters are no object.
    #[error("the parameters of automation `{0}` are no map")]
    NotAnObject(String),
    /// A parameter that the automation does not declare.
    #[error("automation `{automation}` has no parameter `{parameter}`")]
    Unknown {
        /// The automation.
        automation: String,
        /// The parameter.
        parameter: String,
    },
    /// A required parameter is missing.
    #[error("automation `{automation}` needs parameter `{parameter}`")]
    Missing {
        /// The automation.
        automation: String,
        /// The parameter.
        parameter: String,
    },
    /// A value is of the wrong type or not allowed.
    #[error("parameter `{parameter}` of automation `{automation}` {problem}")]
    Value {
        /// The automation.
        automation: String,
        /// The parameter.
        parameter: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl AutomationSpec {
    /// Reads a definition. Without a definition some finding says why; a definition may come with warnings.
    pub fn parse(file: &str, bytes: &[u8]) -> (Option<Self>, Vec<Finding>) {
        let document = yaml::read(file, bytes);
        let mut reader = Reader { file, places: &document.places, findings: document.findings };
        let spec = document.value.and_then(|value| reader.spec(value));
        let broken = reader.findings.iter().any(|finding| finding.severity == FindingLevel::Error);
        (spec.filter(|_| !broken), reader.findings)
    }

    /// Puts values to the parameters. A text that reads as the wanted number or boolean counts as one, because a
    /// rendered template is text.
    pub fn expand(&self, parameters: &Value) -> Result<Expansion, ExpandError> {
        let empty = Map::new();
        let given = match parameters {
            Value::Object(given) => given,
            Value::Null => &empty,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(ExpandError::NotAnObject(self.name.clone()));
            }
        };
        if let Some(parameter) = given.keys().find(|name| !self.parameters.contains_key(*name)) {
            return Err(ExpandError::Unknown { automation: self.name.clone(), parameter: parameter.clone() });
        }
        let mut variables = BTreeMap::new();
        for (name, input) in &self.parameters {
            let value = given.get(name).filter(|value| !value.is_null()).or(input.default.as_ref());
            match value {
                Some(value) => {
                    let value = checked(input, value).map_err(|problem| ExpandError::Value {
                        automation: self.name.clone(),
                        parameter: name.clone(),
                        problem,
                    })?;
                    variables.insert(name.clone(), value);
                }
                None if input.required => {
                    return Err(ExpandError::Missing { automation: self.name.clone(), parameter: name.clone() });
                }
                None => {}
            }
        }
        let undo = match &self.undo {
            AutomationUndo::Parts(parts) if self.used(parts).iter().any(|name| !variables.contains_key(name)) => {
                AutomationUndo::Unknown
            }
            undo @ (AutomationUndo::Unknown | AutomationUndo::Parts(_) | AutomationUndo::Irreversible(_)) => {
                undo.clone()
            }
        };
        Ok(Expansion { parts: self.parts.clone(), undo, variables, effect: self.effect, kinds: self.kinds.clone() })
    }

    /// The declared parameters that parts speak of.
    fn used(&self, parts: &[Does]) -> BTreeSet<String> {
        let mut texts = Vec::new();
        for part in parts {
            collect(part, &mut texts);
        }
        let speaks = |name: &str, text: &String| {
            text.contains(&format!("{{{name}}}"))
                || text.match_indices(&format!(".Vars.{name}")).any(|(at, found)| {
                    let next = text[at + found.len()..].chars().next();
                    !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
                })
        };
        self.parameters.keys().filter(|name| texts.iter().any(|text| speaks(name, text))).cloned().collect()
    }
}

/// Every text of a part that may hold a placeholder.
fn collect(part: &Does, texts: &mut Vec<String>) {
    match part {
        Does::Nothing => {}
        Does::Action(call) | Does::Automation(call) => collect_value(&call.parameters, texts),
        Does::Commands(commands) => {
            for command in commands {
                match command {
                    CommandSpec::Line(text) | CommandSpec::Script(text) => texts.push(text.clone()),
                    CommandSpec::Argv(argv) => texts.extend(argv.iter().cloned()),
                }
            }
        }
    }
}

fn collect_value(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_value(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect_value(field, texts)),
    }
}

/// The value in the parameter's type, or what is wrong with it.
fn checked(input: &InputSpec, value: &Value) -> Result<Value, String> {
    let text = value.as_str().map(str::trim);
    let read = match input.kind {
        InputKind::String => match value {
            Value::String(_) => Some(value.clone()),
            Value::Number(_) | Value::Bool(_) => Some(Value::String(value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        },
        InputKind::Secret => {
            let by_name = value.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key("$secret"));
            (by_name || value.is_string()).then(|| value.clone())
        }
        InputKind::Integer if value.is_i64() || value.is_u64() => Some(value.clone()),
        InputKind::Integer => text.and_then(|text| text.parse::<i64>().ok()).map(Value::from),
        InputKind::Number if value.is_number() => Some(value.clone()),
        InputKind::Number => {
            text.and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite()).map(Value::from)
        }
        InputKind::Boolean if value.is_boolean() => Some(value.clone()),
        InputKind::Boolean => text.and_then(|text| text.parse::<bool>().ok()).map(Value::Bool),
    };
    let read = read.ok_or_else(|| format!("is no {}", kind_word(input.kind)))?;
    let read = match (input.kind, read) {
        // A secret travels by its name, whichever way it was written.
        (InputKind::Secret, Value::String(name)) => serde_json::json!({ "$secret": name }),
        (_, read) => read,
    };
    if !input.options.is_empty() && !input.options.contains(&read) {
        let options: Vec<String> = input.options.iter().map(ToString::to_string).collect();
        return Err(format!("is none of {}", options.join(", ")));
    }
    if let (Some(pattern), Value::String(text)) = (&input.pattern, &read) {
        let matches = regex::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(text));
        if !matches {
            return Err(format!("does not match `{pattern}`"));
        }
    }
    Ok(read)
}

fn kind_word(kind: InputKind) -> &'static str {
    match kind {
        InputKind::String => "text",
        InputKind::Integer => "whole number",
        InputKind::Number => "number",
        InputKind::Boolean => "boolean",
        InputKind::Secret => "name of a secret",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

    use serde_json::json;

    use super::*;

    const SCALE: &str = r"
name: scale
description: Scale something
parameters:
  name: {pattern: '[a-z-]+'}
  replicas: {type: integer}
  before: {type: integer, required: false}
do:
  - kubectl scale deployment/{name} --replicas={replicas}
  - [kubectl, rollout, status, 'deployment/{name}']
  - action: http.healthcheck
    parameters: {url: 'http://{{ .Vars.name }}/health'}
rollback:
  - kubectl scale deployment/{name} --replicas={before}
";

    fn scale() -> AutomationSpec {
        let (spec, findings) = AutomationSpec::parse("scale.yaml", SCALE.as_bytes());
        assert_eq!(findings, []);
        spec.unwrap()
    }

    #[test]
    fn commands_that_follow_one_another_form_one_part() {
        let spec = scale();
        let [Does::Commands(commands), Does::Action(call)] = spec.parts.as_slice() else { panic!("{:?}", spec.parts) };
        assert_eq!(commands.len(), 2);
        assert_eq!(call.name, "http.healthcheck");
    }

    #[test]
    fn values_stay_values_and_never_enter_the_text() {
        let hostile = json!({ "name": "web", "replicas": "3", "before": 1 });
        let expansion = scale().expand(&hostile).unwrap();
        assert_eq!(expansion.parts, scale().parts);
        assert_eq!(expansion.variables["replicas"], 3, "a text that reads as a number is one");
        assert!(matches!(expansion.undo, AutomationUndo::Parts(_)));
    }

    #[test]
    fn an_undo_that_lacks_a_parameter_is_unknown() {
        let expansion = scale().expand(&json!({ "name": "web", "replicas": 3 })).unwrap();
        assert_eq!(expansion.undo, AutomationUndo::Unknown);
    }

    #[test]
    fn wrong_missing_and_unknown_parameters_are_named() {
        let spec = scale();
        let problem = |value: Value| spec.expand(&value).unwrap_err().to_string();
        assert_eq!(problem(json!({ "name": "web" })), "automation `scale` needs parameter `replicas`");
        assert_eq!(problem(json!({ "nam": "web" })), "automation `scale` has no parameter `nam`");
        assert!(problem(json!({ "name": "web", "replicas": "many" })).ends_with("is no whole number"));
        assert!(problem(json!({ "name": "we b", "replicas": 1 })).ends_with("does not match `[a-z-]+`"));
        assert!(problem(json!([])).ends_with("are no map"));
    }

    #[test]
    fn a_bad_file_is_a_finding_at_its_place() {
        let text = SCALE.replace("[kubectl, rollout, status, 'deployment/{name}']", "{run: x}");
        let (spec, findings) = AutomationSpec::parse("scale.yaml", text.as_bytes());
        assert_eq!(spec, None);
        assert_eq!(findings[0].position.line, 10);
        let (spec, findings) = AutomationSpec::parse("x.yaml", b"name: x\ndescription: y\nsteps: []\n");
        assert_eq!(spec, None);
        assert!(findings[0].message.contains("unknown field `steps`"), "{findings:?}");
        let (spec, findings) = AutomationSpec::parse("x.yaml", b"\xff");
        assert_eq!((spec, findings.len()), (None, 1));
    }
}
