//! Reads an automation from its YAML text.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{AutomationSpec, AutomationUndo, checked};
use crate::action::{Effect, PolicyKind};
use crate::finding::{Finding, FindingLevel};
use crate::model::{ActionCall, CommandSpec, Does, InputKind, InputSpec};

/// The file, before its parts are read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    name: String,
    description: String,
    #[serde(default)]
    parameters: IndexMap<String, Parameter>,
    #[serde(rename = "do")]
    does: Vec<Value>,
    rollback: Option<Value>,
    effect: Option<Effect>,
    #[serde(default)]
    kinds: Vec<PolicyKind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameter {
    #[serde(rename = "type", default = "text_kind")]
    kind: InputKind,
    description: Option<String>,
    default: Option<Value>,
    #[serde(default)]
    options: Vec<Value>,
    pattern: Option<String>,
    required: Option<bool>,
}

pub(super) fn text_kind() -> InputKind {
    InputKind::String
}

pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) places: &'a crate::format::Places,
    pub(super) findings: Vec<Finding>,
}

impl Reader<'_> {
    fn report(&mut self, pointer: &str, rule: &'static str, severity: FindingLevel, message: String, hint: &str) {
        self.findings.push(Finding {
            file: self.file.to_owned(),
            position: self.places.nearest(pointer),
            rule,
            severity,
            message,
            hint: Some(hint.to_owned()),
        });
    }

    fn error(&mut self, pointer: &str, message: String, hint: &str) {
        self.report(pointer, "automation", FindingLevel::Error, message, hint);
    }

    pub(super) fn spec(&mut self, value: Value) -> Option<AutomationSpec> {
        let file: File = match serde_path_to_error::deserialize(value) {
            Ok(file) => file,
            Err(error) => {
                let pointer = error.path().iter().fold(String::new(), |pointer, segment| {
                    let segment = segment.to_string();
                    let token = segment.trim_matches(['[', ']']).replace('~', "~0").replace('/', "~1");
                    pointer + "/" + &token
                });
                let message = error.into_inner().to_string();
                self.error(
                    &pointer,
                    message,
                    "an automation has `name`, `description`, `parameters`, `do`, `rollback`, `effect` and `kinds`",
                );
                return None;
            }
        };
        let named = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        };
        if !named(&file.name) {
            self.error(
                "/name",
                format!("`{}` is no name of an automation", file.name),
                "use lower-case letters, digits and `_`",
            );
        }
        if file.does.is_empty() {
            self.error("/do", "the automation does nothing".to_owned(), "list commands or action calls under `do`");
        }
        let parameters: IndexMap<String, InputSpec> =
            file.parameters.into_iter().map(|(name, parameter)| (name, input(parameter))).collect();
        self.check_parameters(&parameters);
        let parts = self.parts(&file.does, "/do");
        let undo = self.undo(file.rollback);
        let spec = AutomationSpec {
            name: file.name,
            description: file.description,
            parameters,
            parts,
            undo,
            effect: file.effect,
            kinds: file.kinds,
        };
        self.check_use(&spec);
        Some(spec)
    }

    fn check_parameters(&mut self, parameters: &IndexMap<String, InputSpec>) {
        for (name, input) in parameters {
            let pointer = format!("/parameters/{name}");
            let identifier = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !identifier {
                self.error(&pointer, format!("`{name}` is no name of a parameter"), "use letters, digits and `_`");
            }
            if let Some(pattern) = &input.pattern
                && regex::Regex::new(&format!("^(?:{pattern})$")).is_err()
            {
                self.error(
                    &format!("{pointer}/pattern"),
                    format!("`{pattern}` is no pattern"),
                    "write a regular expression",
                );
            }
            if let Some(default) = &input.default
                && let Err(problem) = checked(input, default)
            {
                self.error(
                    &format!("{pointer}/default"),
                    format!("the default of `{name}` {problem}"),
                    "give a value of the parameter's type",
                );
            }
        }
    }

    fn check_use(&mut self, spec: &AutomationSpec) {
        let mut all = spec.parts.clone();
        if let AutomationUndo::Parts(parts) = &spec.undo {
            all.extend(parts.iter().cloned());
        }
        let used = spec.used(&all);
        for name in spec.parameters.keys().filter(|name| !used.contains(*name)) {
            let pointer = format!("/parameters/{name}");
            self.report(
                &pointer,
                "unused-parameter",
                FindingLevel::Warning,
                format!("parameter `{name}` is not used"),
                "use it as `{name}` in a command, or remove it",
            );
        }
    }

    fn undo(&mut self, rollback: Option<Value>) -> AutomationUndo {
        match rollback {
            None | Some(Value::Null) => AutomationUndo::Unknown,
            Some(Value::Array(parts)) => AutomationUndo::Parts(self.parts(&parts, "/rollback")),
            Some(Value::Object(fields))
                if fields.len() == 1 && fields.get("irreversible").is_some_and(Value::is_string) =>
            {
                let reason = fields.get("irreversible").and_then(Value::as_str).unwrap_or_default();
                AutomationUndo::Irreversible(reason.to_owned())
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                self.error(
                    "/rollback",
                    "`rollback` is neither a list nor `irreversible: reason`".to_owned(),
                    "list commands or action calls",
                );
                AutomationUndo::Unknown
            }
        }
    }

    /// Reads entries; commands that follow one another form one part.
    fn parts(&mut self, entries: &[Value], pointer: &str) -> Vec<Does> {
        let mut parts = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match part(entry) {
                Ok(Part::Call(call)) => parts.push(Does::Action(call)),
                Ok(Part::Command(command)) => match parts.last_mut() {
                    Some(Does::Commands(commands)) => commands.push(command),
                    Some(Does::Nothing | Does::Action(_) | Does::Automation(_)) | None => {
                        parts.push(Does::Commands(vec![command]));
                    }
                },
                Err(problem) => self.error(
                    &format!("{pointer}/{index}"),
                    problem.to_owned(),
                    "write a line, a list of arguments, `script: …`, or `action: …` with `parameters`",
                ),
            }
        }
        parts
    }
}

pub(super) enum Part {
    Command(CommandSpec),
    Call(ActionCall),
}

pub(super) fn part(entry: &Value) -> Result<Part, &'static str> {
    match entry {
        Value::String(line) if !line.trim().is_empty() => Ok(Part::Command(CommandSpec::Line(line.clone()))),
        Value::Array(arguments) => arguments
            .iter()
            .map(|argument| match argument {
                Value::String(text) => Ok(text.clone()),
                Value::Number(number) => Ok(number.to_string()),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err("an argument is no text"),
            })
            .collect::<Result<Vec<_>, _>>()
            .and_then(|argv| if argv.is_empty() { Err("the command is empty") } else { Ok(argv) })
            .map(|argv| Part::Command(CommandSpec::Argv(argv))),
        Value::Object(fields) => call(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err("this is no command"),
    }
}

pub(super) fn call(fields: &Map<String, Value>) -> Result<Part, &'static str> {
    match (fields.get("action"), fields.get("script")) {
        (None, Some(Value::String(script))) if fields.len() == 1 => {
            Ok(Part::Command(CommandSpec::Script(script.clone())))
        }
        (Some(Value::String(name)), None) => {
            if fields.keys().any(|key| key != "action" && key != "parameters") {
                return Err("an action call has only `action` and `parameters`");
            }
            let parameters = match fields.get("parameters") {
                None | Some(Value::Null) => Value::Object(Map::new()),
                Some(parameters @ Value::Object(_)) => parameters.clone(),
                Some(_) => return Err("`parameters` is no map"),
            };
            Ok(Part::Call(ActionCall { name: name.clone(), parameters }))
        }
        (_, _) => Err("this is neither a command nor an action call"),
    }
}

pub(super) fn input(parameter: Parameter) -> InputSpec {
    InputSpec {
        kind: parameter.kind,
        description: parameter.description,
        required: parameter.required.unwrap_or(parameter.default.is_none()),
        default: parameter.default,
        options: parameter.options,
        pattern: parameter.pattern,
    }
}
