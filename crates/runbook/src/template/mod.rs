//! Templates: a bounded subset of Go's, evaluated once and put together by the sink they stand in.
//!
//! Fields (`.Alert.Labels.pod`), literals, pipes, functions, `if`, `range`, `with`, comments and trim markers. A value is
//! data: evaluation gives literal text and values as separate pieces, and only [`crate::sink`] joins them. Nothing
//! a value contains is ever parsed again.
//!
//! A missing value is never an empty string. It is an error that names every missing value at once, except under
//! `default` and in the conditions of `if` and `with`, where it counts as false.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::action::{ActionSpec, COMMAND_ACTION, Sink};
use crate::commands;
use crate::sink::{self, Refusal};

pub(crate) mod eval;
mod functions;
mod parse;
mod placeholder;
mod quantity;
mod references;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use eval::secret_name;
pub(crate) use functions::{shortened, text as value_text};
pub(crate) use placeholder::{Joined, pieces_of_joined, static_pieces};

/// What templates may refer to.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// An object with `Alert`, `Config`, `Service`, `Vars`, `History`, `Steps` and published values by name. A secret
    /// variable stands as `{"$secret": "NAME"}`.
    pub root: &'a Value,
    /// Declared inputs: only these are `{name}` placeholders in commands.
    pub variables: &'a BTreeSet<String>,
}

/// Something a template refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The full path, such as `.Alert.Labels.pod`.
    pub path: String,
    /// The variable's name, where it is one (`.Vars.name` or `{name}`).
    pub variable: Option<String>,
    /// Whether the template does without it: under `default`, or only in a condition.
    pub optional: bool,
    /// Where it stands in its text, in bytes.
    pub offset: usize,
}

impl Reference {
    pub(crate) fn at(path: String, offset: usize) -> Self {
        let variable =
            path.strip_prefix(".Vars.").map(|rest| rest.split_once('.').map_or(rest, |(name, _)| name).to_owned());
        Self { path, variable, optional: false, offset }
    }

    /// The first field of the path: `Alert`, `Vars`, a published value's name.
    pub fn root(&self) -> &str {
        let path = self.path.strip_prefix('.').unwrap_or(&self.path);
        path.split_once('.').map_or(path, |(root, _)| root)
    }
}

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {offset} of the template)")]
pub struct TemplateError {
    /// Where, in bytes.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

impl TemplateError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

/// Why a template did not render. Nothing has run when one of these is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Values that nothing supplies, all of them at once.
    #[error("no value for {}", references.iter().map(|r| format!("`{}`", r.path)).collect::<Vec<_>>().join(", "))]
    Missing {
        /// What is missing, without repetition.
        references: Vec<Reference>,
    },
    /// A value that has no safe encoding where it would stand.
    #[error("`{place}` may not be `{value_excerpt}` here: {why}")]
    Refused {
        /// The expression whose value it is.
        place: String,
        /// The start of the value, with control characters escaped.
        value_excerpt: String,
        /// Why.
        why: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// No template.
    #[error(transparent)]
    Syntax(#[from] TemplateError),
    /// A value of the wrong type.
    #[error("{message}")]
    Type {
        /// Where in the text, in bytes.
        offset: usize,
        /// What is wrong.
        message: String,
    },
    /// The output or the work is beyond every sensible size.
    #[error("the template gives more than 1 MiB or takes too many steps")]
    TooLarge,
}

impl RenderError {
    /// What to do instead, where there is something.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused { hint, .. } => hint.as_deref(),
            Self::Missing { .. } | Self::Syntax(_) | Self::Type { .. } | Self::TooLarge => None,
        }
    }
}

impl From<Refusal> for RenderError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            place: refusal.place,
            value_excerpt: refusal.value_excerpt,
            why: refusal.why,
            hint: refusal.hint,
        }
    }
}

/// Where a value comes from, from the most to the least trusted; a computed value is as trusted as its worst part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Written in the runbook.
    Literal,
    /// The chosen context's file.
    Config,
    /// A variable that a person or a default gave.
    Vars,
    /// An alert, an output, anything else.
    Data,
}

impl Origin {
    fn of_root(field: &str) -> Self {
        match field {
            "Config" | "Service" => Self::Config,
            "Vars" => Self::Vars,
            _ => Self::Data,
        }
    }
}

/// One part of an evaluated template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// Text that the runbook's author wrote.
    Text(String),
    /// A value.
    Value(Filled),
}

/// A value on its way into a sink.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filled {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
    /// The expression as written, for messages.
    pub(crate) place: String,
}

/// Checks the syntax alone.
pub fn check(text: &str) -> Result<(), TemplateError> {
    parse::template(text).map(drop)
}

/// Every reference of a template, sorted and without repetition; one that is needed anywhere is not optional.
pub fn references(text: &str) -> Result<Vec<Reference>, TemplateError> {
    Ok(references::of_nodes(&parse::template(text)?))
}

/// Every reference of a condition, with or without braces around it.
pub fn condition_references(text: &str) -> Result<Vec<Reference>, TemplateError> {
    if text.contains("{{") {
        return references(text);
    }
    Ok(references::of_expression(parse::expression(text)?))
}

/// Checks the syntax of a condition, with or without braces around it.
pub fn check_condition(text: &str) -> Result<(), TemplateError> {
    if text.contains("{{") { check(text) } else { parse::expression(text).map(drop) }
}

/// Renders plain text.
pub fn render_text(text: &str, scope: &Scope<'_>) -> Result<String, RenderError> {
    render_value(text, Sink::Text, scope).map(|value| functions::text(&value))
}

/// Renders a template for one sink.
///
/// A lone `{{ expression }}` keeps its JSON type in [`Sink::Json`], and everywhere else where it is a secret
/// (`{"$secret": "NAME"}`). [`Sink::Shell`] gives `{"script": …, "env": {…}}`.
pub fn render_value(text: &str, sink: Sink, scope: &Scope<'_>) -> Result<Value, RenderError> {
    let mut missing = Vec::new();
    let rendered = render_collecting(text, sink, scope, &mut missing);
    if missing.is_empty() { rendered } else { Err(RenderError::Missing { references: distinct(missing) }) }
}

/// Renders every string leaf of an action's parameters for the sink of its top-level parameter.
///
/// All missing values of all leaves are reported together. The environment of a [`Sink::Shell`] parameter is merged
/// into the parameter `env`.
pub fn render_parameters(parameters: &Value, spec: &ActionSpec, scope: &Scope<'_>) -> Result<Value, RenderError> {
    let mut missing = Vec::new();
    let mut first_error = None;
    let rendered = match parameters {
        Value::Object(fields) => {
            let mut rendered = Map::new();
            let mut environment = Map::new();
            for (name, value) in fields {
                let sink = spec.sink(name);
                let mut value = walk(value, sink, scope, &mut missing, &mut first_error);
                if sink == Sink::Shell
                    && let Value::Object(shell) = &mut value
                    && let (Some(script), Some(Value::Object(env))) = (shell.remove("script"), shell.remove("env"))
                {
                    environment.extend(env);
                    value = script;
                }
                rendered.insert(name.clone(), value);
            }
            if !environment.is_empty() {
                let env = rendered.entry("env").or_insert(Value::Null);
                if let Value::Object(env) = env {
                    env.extend(environment);
                } else {
                    *env = Value::Object(environment);
                }
            }
            Value::Object(rendered)
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            walk(other, Sink::Json, scope, &mut missing, &mut first_error)
        }
    };
    if !missing.is_empty() {
        return Err(RenderError::Missing { references: distinct(missing) });
    }
    if let Some(error) = first_error {
        return Err(error);
    }
    if spec.name == COMMAND_ACTION {
        let pieces = |text: &str| eval::evaluate(&parse::template(text).ok()?, scope).ok().map(|found| found.pieces);
        if let Some(refusal) = commands::refused_call(parameters, &pieces) {
            return Err(refusal.into());
        }
    }
    Ok(rendered)
}

/// Renders leaves. JSON that has been parsed is bounded in depth by its parser.
fn walk(
    value: &Value,
    sink: Sink,
    scope: &Scope<'_>,
    missing: &mut Vec<Reference>,
    first_error: &mut Option<RenderError>,
) -> Value {
    match value {
        Value::String(text) => render_collecting(text, sink, scope, missing).unwrap_or_else(|error| {
            first_error.get_or_insert(error);
            Value::Null
        }),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| walk(item, sink, scope, missing, first_error)).collect())
        }
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(key, item)| (key.clone(), walk(item, sink, scope, missing, first_error))).collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Renders one leaf; what is missing is added to the list, and the value then means nothing.
fn render_collecting(
    text: &str,
    sink: Sink,
    scope: &Scope<'_>,
    missing: &mut Vec<Reference>,
) -> Result<Value, RenderError> {
    let evaluation = eval::evaluate(&parse::template(text)?, scope)?;
    if !evaluation.missing.is_empty() {
        missing.extend(evaluation.missing);
        return Ok(Value::Null);
    }
    Ok(sink::encode(sink, &evaluation.pieces)?)
}

/// Evaluates a condition: a template, or an expression without braces, that gives true or false (also as text).
pub fn evaluate(text: &str, scope: &Scope<'_>) -> Result<bool, RenderError> {
    let nodes = if text.contains("{{") {
        parse::template(text.trim())?
    } else {
        vec![parse::Node::Value(parse::expression(text)?)]
    };
    let evaluation = eval::evaluate(&nodes, scope)?;
    if !evaluation.missing.is_empty() {
        return Err(RenderError::Missing { references: distinct(evaluation.missing) });
    }
    let written = match evaluation.pieces.as_slice() {
        [Piece::Value(Filled { value: Value::Bool(holds), .. })] => return Ok(*holds),
        pieces => sink::plain(pieces)?,
    };
    match written.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(RenderError::Type {
            offset: 0,
            message: format!("a condition must give true or false, and this gives `{}`", functions::shortened(other)),
        }),
    }
}

/// Sorts references and keeps one of each path.
pub(crate) fn distinct(mut references: Vec<Reference>) -> Vec<Reference> {
    references.sort();
    references.dedup_by(|later, earlier| {
        let same = later.path == earlier.path;
        if same {
            earlier.optional &= later.optional;
        }
        same
    });
    references
}
