//! A syntax tree and a scope to a list of pieces: literal text and values, for a sink to put together.

use std::borrow::Cow;

use serde_json::Value;

use super::functions::{self, Function};
use super::parse::{Expression, ExpressionKind, Node};
use super::{Filled, Origin, Piece, Reference, RenderError, Scope};

/// The most text that one template may give, in bytes.
const MAX_OUTPUT: usize = 1 << 20;
/// The most nodes and expressions that one template may evaluate.
const MAX_STEPS: usize = 100_000;

/// Where `.` points.
struct Dot<'d> {
    value: &'d Value,
    path: String,
    origin: Origin,
}

/// A value with where it came from, or what it lacked.
struct Evaluated<'d> {
    value: Option<Cow<'d, Value>>,
    missing: Vec<Reference>,
    origin: Origin,
    /// The path that leads to it, where it is one.
    path: Option<String>,
}

impl Evaluated<'_> {
    fn owned(value: Value, origin: Origin) -> Self {
        Self { value: Some(Cow::Owned(value)), missing: Vec::new(), origin, path: None }
    }

    fn truth(&self) -> bool {
        self.value.as_deref().is_some_and(functions::truth)
    }
}

/// The result of evaluating a template: pieces, and every reference that has no value.
pub(super) struct Evaluation {
    pub(super) pieces: Vec<Piece>,
    pub(super) missing: Vec<Reference>,
}

/// Evaluates nodes against a scope.
pub(super) fn evaluate(nodes: &[Node], scope: &Scope<'_>) -> Result<Evaluation, RenderError> {
    let mut evaluator = Evaluator { root: scope.root, output: Vec::new(), missing: Vec::new(), size: 0, steps: 0 };
    let dot = Dot { value: scope.root, path: String::new(), origin: Origin::Data };
    evaluator.nodes(nodes, &dot)?;
    Ok(Evaluation { pieces: evaluator.output, missing: evaluator.missing })
}

struct Evaluator<'s> {
    root: &'s Value,
    output: Vec<Piece>,
    missing: Vec<Reference>,
    size: usize,
    steps: usize,
}

impl<'s> Evaluator<'s> {
    fn step(&mut self) -> Result<(), RenderError> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(RenderError::TooLarge) } else { Ok(()) }
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Dot<'_>) -> Result<(), RenderError> {
        for node in nodes {
            self.step()?;
            match node {
                Node::Text(text) => self.text(text)?,
                Node::Value(expression) => self.value(expression, dot)?,
                Node::If { branches, otherwise } => {
                    let mut chosen = otherwise;
                    for (condition, body) in branches {
                        if self.expression(condition, dot, true)?.truth() {
                            chosen = body;
                            break;
                        }
                    }
                    self.nodes(chosen, dot)?;
                }
                Node::With { value, body, otherwise } => {
                    let evaluated = self.expression(value, dot, true)?;
                    match &evaluated.value {
                        Some(inner) if functions::truth(inner) => {
                            let path = evaluated.path.clone().unwrap_or_else(|| format!("({})", value.source));
                            self.nodes(body, &Dot { value: inner, path, origin: evaluated.origin })?;
                        }
                        Some(_) | None => self.nodes(otherwise, dot)?,
                    }
                }
                Node::Range { over, body, otherwise } => self.range(over, body, otherwise, dot)?,
            }
        }
        Ok(())
    }

    fn range(
        &mut self,
        over: &Expression,
        body: &[Node],
        otherwise: &[Node],
        dot: &Dot<'_>,
    ) -> Result<(), RenderError> {
        let evaluated = self.expression(over, dot, false)?;
        let Some(value) = &evaluated.value else {
            self.missing.extend(evaluated.missing);
            return Ok(());
        };
        let path = evaluated.path.clone().unwrap_or_else(|| format!("({})", over.source));
        let items: Vec<(String, &Value)> = match value.as_ref() {
            Value::Array(items) => items.iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, item)| (key.clone(), item)).collect(),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                return Err(RenderError::Type {
                    offset: over.offset,
                    message: format!("`range` takes a list, and `{}` is {}", over.source, functions::kind(other)),
                });
            }
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in items {
            self.step()?;
            self.nodes(body, &Dot { value: item, path: format!("{path}.{key}"), origin: evaluated.origin })?;
        }
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), RenderError> {
        self.size = self.size.saturating_add(bytes);
        if self.size > MAX_OUTPUT { Err(RenderError::TooLarge) } else { Ok(()) }
    }

    fn text(&mut self, text: &str) -> Result<(), RenderError> {
        self.grow(text.len())?;
        match self.output.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            Some(Piece::Value(_)) | None => self.output.push(Piece::Text(text.to_owned())),
        }
        Ok(())
    }

    fn value(&mut self, expression: &Expression, dot: &Dot<'_>) -> Result<(), RenderError> {
        let evaluated = self.expression(expression, dot, false)?;
        let Some(value) = evaluated.value else {
            self.missing.extend(evaluated.missing);
            return Ok(());
        };
        match (evaluated.origin, value.as_ref()) {
            // What the runbook itself says is its text: `{{ "{{" }}` stands for two braces.
            (Origin::Literal, Value::String(text)) => return self.text(text),
            (_, Value::String(text)) => self.grow(text.len())?,
            (_, Value::Array(_) | Value::Object(_)) => self.grow(value.to_string().len())?,
            (_, Value::Null | Value::Bool(_) | Value::Number(_)) => self.grow(8)?,
        }
        self.output.push(Piece::Value(Filled {
            value: value.into_owned(),
            origin: evaluated.origin,
            place: expression.source.clone(),
        }));
        Ok(())
    }

    /// Evaluates one expression. `lenient` is the mode of conditions, where a missing operand counts as false.
    fn expression<'d>(
        &mut self,
        expression: &Expression,
        dot: &Dot<'d>,
        lenient: bool,
    ) -> Result<Evaluated<'d>, RenderError>
    where
        's: 'd,
    {
        self.step()?;
        match &expression.kind {
            ExpressionKind::Literal(value) => Ok(Evaluated::owned(value.clone(), Origin::Literal)),
            ExpressionKind::Path { from_root, fields } => {
                let start = if *from_root {
                    Dot { value: self.root, path: String::new(), origin: Origin::Data }
                } else {
                    Dot { value: dot.value, path: dot.path.clone(), origin: dot.origin }
                };
                Ok(follow(start, fields.iter().map(String::as_str), expression.offset))
            }
            ExpressionKind::Field { of, fields } => {
                let evaluated = self.expression(of, dot, lenient)?;
                let Some(value) = evaluated.value else { return Ok(evaluated) };
                let path = evaluated.path.unwrap_or_else(|| format!("({})", of.source));
                let start = Dot { value: &value, path, origin: evaluated.origin };
                let found = follow(start, fields.iter().map(String::as_str), expression.offset);
                Ok(Evaluated {
                    value: found.value.map(|value| Cow::Owned(value.into_owned())),
                    missing: found.missing,
                    origin: found.origin,
                    path: found.path,
                })
            }
            ExpressionKind::Call { function, arguments } => self.call(expression, *function, arguments, dot, lenient),
        }
    }

    fn call<'d>(
        &mut self,
        expression: &Expression,
        function: Function,
        arguments: &[Expression],
        dot: &Dot<'d>,
        lenient: bool,
    ) -> Result<Evaluated<'d>, RenderError>
    where
        's: 'd,
    {
        let wrong = |message: String| RenderError::Type { offset: expression.offset, message };
        match function {
            Function::And | Function::Or => {
                let mut last = Evaluated::owned(Value::Bool(function == Function::And), Origin::Literal);
                let mut origin = Origin::Literal;
                for argument in arguments {
                    last = self.expression(argument, dot, lenient)?;
                    origin = origin.max(last.origin);
                    let missing = last.value.is_none();
                    if missing && !lenient {
                        return Ok(last);
                    }
                    if last.truth() == (function == Function::Or) {
                        break;
                    }
                }
                last.origin = origin;
                Ok(last)
            }
            Function::Not => {
                let value = self.expression(at(arguments, 0, expression), dot, lenient)?;
                match value.value {
                    None if !lenient => Ok(value),
                    Some(_) | None => Ok(Evaluated::owned(Value::Bool(!value.truth()), value.origin)),
                }
            }
            Function::Default => {
                let value = self.expression(at(arguments, 1, expression), dot, lenient)?;
                let fallback = self.expression(at(arguments, 0, expression), dot, lenient)?;
                Ok(match value.value {
                    Some(ref inner) if is_given(inner) => value,
                    Some(_) | None => fallback,
                })
            }
            Function::Index => self.index(expression, arguments, dot, lenient),
            Function::Multiply
            | Function::Divide
            | Function::Add
            | Function::Subtract
            | Function::Eq
            | Function::Ne
            | Function::Lt
            | Function::Le
            | Function::Gt
            | Function::Ge
            | Function::Len
            | Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Printf
            | Function::Join
            | Function::Contains
            | Function::HasPrefix
            | Function::Quote
            | Function::ToJson => {
                let mut values = Vec::with_capacity(arguments.len());
                let mut missing = Vec::new();
                let mut origin = Origin::Literal;
                for argument in arguments {
                    let value = self.expression(argument, dot, lenient)?;
                    origin = origin.max(value.origin);
                    missing.extend(value.missing);
                    if let Some(value) = value.value {
                        values.push(value.into_owned());
                    }
                }
                if values.len() < arguments.len() {
                    return Ok(Evaluated { value: None, missing, origin, path: None });
                }
                if values.iter().any(|value| secret_name(value).is_some()) {
                    return Err(wrong(format!("a secret cannot go through `{}`", function.name())));
                }
                Ok(Evaluated::owned(functions::apply(function, &values).map_err(wrong)?, origin))
            }
        }
    }

    fn index<'d>(
        &mut self,
        expression: &Expression,
        arguments: &[Expression],
        dot: &Dot<'d>,
        lenient: bool,
    ) -> Result<Evaluated<'d>, RenderError>
    where
        's: 'd,
    {
        let first = at(arguments, 0, expression);
        let mut current = self.expression(first, dot, lenient)?;
        let mut origin = current.origin;
        for argument in arguments.iter().skip(1) {
            let Some(value) = &current.value else { return Ok(current) };
            let key = self.expression(argument, dot, lenient)?;
            let Some(key_value) = &key.value else { return Ok(key) };
            origin = origin.max(key.origin);
            let name = functions::text(key_value);
            let base = current.path.clone().unwrap_or_else(|| format!("({})", first.source));
            let found = match (value.as_ref(), key_value.as_ref()) {
                (Value::Array(items), _) => name.parse::<usize>().ok().and_then(|at| items.get(at)).cloned(),
                (Value::Object(_), _) => child(value.as_ref(), &base, &name).filter(|value| !value.is_null()).cloned(),
                (other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)), _) => {
                    return Err(RenderError::Type {
                        offset: expression.offset,
                        message: format!("`index` takes a list or an object, not {}", functions::kind(other)),
                    });
                }
            };
            let path = format!("{base}.{name}");
            let missing = match &found {
                Some(_) => Vec::new(),
                None => vec![Reference::at(path.clone(), expression.offset)],
            };
            current = Evaluated { value: found.map(Cow::Owned), missing, origin, path: Some(path) };
        }
        current.origin = origin;
        Ok(current)
    }
}

/// What `default` leaves alone: a number and a `false` are given, an empty text is not.
fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn at<'e>(arguments: &'e [Expression], index: usize, call: &'e Expression) -> &'e Expression {
    // The parser has checked the arity; the call itself never stands in for an argument.
    arguments.get(index).unwrap_or(call)
}

/// The name of the secret that a value stands for.
pub(crate) fn secret_name(value: &Value) -> Option<&str> {
    let fields = value.as_object()?;
    if fields.len() == 1 { fields.get("$secret")?.as_str() } else { None }
}

fn follow(start: Dot<'_>, fields: impl Iterator<Item = impl AsRef<str>>, offset: usize) -> Evaluated<'_> {
    let Dot { value, mut path, mut origin } = start;
    let mut current = Some(value);
    for field in fields {
        let field = field.as_ref();
        if path.is_empty() {
            origin = Origin::of_root(field);
        }
        current = current.and_then(|value| child(value, &path, field));
        path.push('.');
        path.push_str(field);
    }
    let found = current.filter(|value| !value.is_null());
    let missing = if found.is_some() {
        Vec::new()
    } else {
        let name = if path.is_empty() { ".".to_owned() } else { path.clone() };
        vec![Reference::at(name, offset)]
    };
    Evaluated { value: found.map(Cow::Borrowed), missing, origin, path: Some(path) }
}

/// A field of an object; the fields of the alert and of the service are found with either case of their first letter,
/// since Alertmanager writes `startsAt` and templates `.Alert.StartsAt`.
fn child<'d>(value: &'d Value, path: &str, field: &str) -> Option<&'d Value> {
    let fields = value.as_object()?;
    if let Some(found) = fields.get(field) {
        return Some(found);
    }
    if path != ".Alert" && path != ".Service" {
        return None;
    }
    let mut letters = field.chars();
    let first = letters.next()?;
    let other: String = if first.is_uppercase() {
        first.to_lowercase().chain(letters).collect()
    } else {
        first.to_uppercase().chain(letters).collect()
    };
    fields.get(&other)
}
