//! The functions of templates: each takes JSON values and gives one.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::quantity::{Exact, Quantity};

/// The longest text or list that a function may give, in bytes.
pub(super) const MAX_VALUE: usize = 1 << 20;
/// The widest field of `printf`.
const MAX_WIDTH: usize = 256;

macro_rules! functions {
    ($($variant:ident = $name:literal, $least:literal, $most:expr;)+) => {
        /// A function by its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function { $($variant),+ }

        /// Every name, for suggestions.
        pub(super) const NAMES: &[&str] = &[$($name),+];

        impl Function {
            fn find(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The name as written in templates.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The least and the most arguments; no most where it is open.
            pub(super) fn arity(self) -> (usize, Option<usize>) {
                match self { $(Self::$variant => ($least, $most)),+ }
            }
        }
    };
}

functions! {
    Multiply = "multiply", 2, None;
    Divide = "divide", 2, Some(2);
    Add = "add", 2, None;
    Subtract = "subtract", 2, Some(2);
    Eq = "eq", 2, None;
    Ne = "ne", 2, Some(2);
    Lt = "lt", 2, Some(2);
    Le = "le", 2, Some(2);
    Gt = "gt", 2, Some(2);
    Ge = "ge", 2, Some(2);
    And = "and", 1, None;
    Or = "or", 1, None;
    Not = "not", 1, Some(1);
    Default = "default", 2, Some(2);
    Len = "len", 1, Some(1);
    Index = "index", 2, None;
    Lower = "lower", 1, Some(1);
    Upper = "upper", 1, Some(1);
    Trim = "trim", 1, Some(1);
    Printf = "printf", 1, None;
    Join = "join", 2, Some(2);
    Contains = "contains", 2, Some(2);
    HasPrefix = "hasPrefix", 2, Some(2);
    Quote = "quote", 1, Some(1);
    ToJson = "toJson", 1, Some(1);
}

impl Function {
    /// `2 arguments`, `at least 2 arguments`.
    pub(super) fn arity_text(self) -> String {
        let (least, most) = self.arity();
        let plural = if least == 1 { "" } else { "s" };
        match most {
            Some(most) if most == least => format!("{least} argument{plural}"),
            Some(most) => format!("{least} to {most} arguments"),
            None => format!("at least {least} argument{plural}"),
        }
    }
}

/// Finds a function, or says which one was probably meant.
pub(super) fn named(name: &str) -> Result<Function, String> {
    if let Some(function) = Function::find(name) {
        return Ok(function);
    }
    let alias = match name {
        "mul" | "times" => Some("multiply"),
        "div" => Some("divide"),
        "sub" | "minus" => Some("subtract"),
        "plus" | "sum" => Some("add"),
        "toLower" => Some("lower"),
        "toUpper" => Some("upper"),
        "json" => Some("toJson"),
        _ => None,
    };
    let near = alias.or_else(|| {
        NAMES
            .iter()
            .map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), *known))
            .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
            .min()
            .map(|(_, known)| known)
    });
    Err(match near {
        Some(near) => format!("unknown function `{name}`, did you mean `{near}`?"),
        None => format!("unknown function `{name}`; a value starts with a dot, such as `.Vars.{name}`"),
    })
}

/// A value as text: what stands where nothing else parses it. Lists and objects become JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number_text(number),
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn number_text(number: &Number) -> String {
    match Exact::parse(&number.to_string()).and_then(Exact::whole) {
        Some(whole) => whole.to_string(),
        None => number.to_string(),
    }
}

/// What counts as true: everything but null, false, zero and what is empty.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64().is_none_or(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Applies a function whose arguments are all there. `and`, `or`, `not`, `default` and `index` are the evaluator's.
pub(super) fn apply(function: Function, arguments: &[Value]) -> Result<Value, String> {
    let value = match function {
        Function::Multiply | Function::Add => {
            let mut values = arguments.iter();
            let first = values.next().cloned().unwrap_or(Value::Null);
            values.try_fold(first, |total, next| arithmetic(function, &total, next))?
        }
        Function::Divide | Function::Subtract => arithmetic(function, at(arguments, 0), at(arguments, 1))?,
        Function::Eq => Value::Bool(arguments.iter().skip(1).any(|other| equal(at(arguments, 0), other))),
        Function::Ne => Value::Bool(!equal(at(arguments, 0), at(arguments, 1))),
        Function::Lt => Value::Bool(ordered(function, arguments)? == Ordering::Less),
        Function::Le => Value::Bool(ordered(function, arguments)? != Ordering::Greater),
        Function::Gt => Value::Bool(ordered(function, arguments)? == Ordering::Greater),
        Function::Ge => Value::Bool(ordered(function, arguments)? != Ordering::Less),
        Function::And | Function::Or | Function::Not | Function::Default | Function::Index => {
            return Err(format!("`{}` is not applied here", function.name()));
        }
        Function::Len => match at(arguments, 0) {
            Value::String(text) => Value::from(text.chars().count()),
            Value::Array(items) => Value::from(items.len()),
            Value::Object(fields) => Value::from(fields.len()),
            Value::Null | Value::Bool(_) | Value::Number(_) => return Err("`len` takes a text or a list".to_owned()),
        },
        Function::Lower => Value::String(scalar(function, at(arguments, 0))?.to_lowercase()),
        Function::Upper => Value::String(scalar(function, at(arguments, 0))?.to_uppercase()),
        Function::Trim => Value::String(scalar(function, at(arguments, 0))?.trim().to_owned()),
        Function::Printf => Value::String(printf(arguments)?),
        Function::Join => {
            let ((Value::Array(list), separator) | (separator, Value::Array(list))) =
                (at(arguments, 0), at(arguments, 1))
            else {
                return Err("`join` takes a separator and a list".to_owned());
            };
            let parts: Vec<String> = list.iter().map(text).collect();
            let separator = scalar(function, separator)?;
            if parts.iter().map(|part| part.len() + separator.len()).sum::<usize>() > MAX_VALUE {
                return Err("`join` gives too much text".to_owned());
            }
            Value::String(parts.join(&separator))
        }
        Function::Contains => Value::Bool(contains(at(arguments, 0), at(arguments, 1))?),
        Function::HasPrefix => {
            let prefix = scalar(function, at(arguments, 0))?;
            Value::Bool(scalar(function, at(arguments, 1))?.starts_with(&prefix))
        }
        Function::Quote => Value::String(Value::String(scalar(function, at(arguments, 0))?).to_string()),
        Function::ToJson => Value::String(at(arguments, 0).to_string()),
    };
    if value.as_str().is_some_and(|text| text.len() > MAX_VALUE) {
        return Err(format!("`{}` gives too much text", function.name()));
    }
    Ok(value)
}

fn at(arguments: &[Value], index: usize) -> &Value {
    arguments.get(index).unwrap_or(&Value::Null)
}

fn scalar(function: Function, value: &Value) -> Result<String, String> {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(text(value)),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("`{}` takes text, not {}", function.name(), kind(value)))
        }
    }
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn contains(part: &Value, whole: &Value) -> Result<bool, String> {
    match whole {
        Value::Array(items) => Ok(items.iter().any(|item| equal(item, part))),
        Value::Object(fields) => Ok(fields.contains_key(&scalar(Function::Contains, part)?)),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            Ok(scalar(Function::Contains, whole)?.contains(&scalar(Function::Contains, part)?))
        }
    }
}

/// Equality by value: numbers and quantities by amount where one side is a number, everything else as text.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), _) | (_, Value::Number(_)) => match (Quantity::of(left), Quantity::of(right)) {
            (Some(left), Some(right)) => left.number == right.number,
            _ => false,
        },
        (Value::Bool(value), Value::String(text)) | (Value::String(text), Value::Bool(value)) => {
            text == if *value { "true" } else { "false" }
        }
        _ => left == right,
    }
}

fn ordered(function: Function, arguments: &[Value]) -> Result<Ordering, String> {
    let (left, right) = (at(arguments, 0), at(arguments, 1));
    if let (Some(left), Some(right)) = (Quantity::of(left), Quantity::of(right)) {
        return left.number.compare(right.number).ok_or_else(|| format!("`{}`: too large a number", function.name()));
    }
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        _ => Err(format!("`{}` cannot compare {} with {}", function.name(), kind(left), kind(right))),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the four functions of arithmetic; addition is what is left")]
fn arithmetic(function: Function, left: &Value, right: &Value) -> Result<Value, String> {
    let name = function.name();
    let read = |value: &Value| {
        Quantity::of(value).ok_or_else(|| match value {
            Value::String(text) => format!("`{name}` takes numbers, and `{}` is none", shortened(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                format!("`{name}` takes numbers, not {}", kind(value))
            }
        })
    };
    let (left, right) = (read(left)?, read(right)?);
    let (number, suffix) = match function {
        Function::Multiply if left.suffix.is_some() && right.suffix.is_some() => {
            return Err("`multiply` takes one quantity and plain numbers".to_owned());
        }
        Function::Multiply => (left.number.times(right.number), left.suffix.or(right.suffix)),
        Function::Divide if right.number.is_zero() => return Err("`divide` by zero".to_owned()),
        Function::Divide if right.suffix.is_some() && left.suffix.is_none() => {
            return Err("`divide` cannot divide a plain number by a quantity".to_owned());
        }
        Function::Divide if right.suffix.is_some() => (left.number.divided_by(right.number), None),
        Function::Divide => (left.number.divided_by(right.number), left.suffix),
        Function::Subtract => (left.number.minus(right.number), left.suffix.or(right.suffix)),
        _ => (left.number.plus(right.number), left.suffix.or(right.suffix)),
    };
    let too_large = || format!("`{name}` gives a number that is too large");
    let number = number.ok_or_else(too_large)?;
    match suffix {
        Some(suffix) => Quantity::write(number, suffix).map(Value::String).ok_or_else(too_large),
        None => number.to_json().ok_or_else(too_large),
    }
}

/// The start of a text, for messages.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn printf(arguments: &[Value]) -> Result<String, String> {
    let Value::String(format) = at(arguments, 0) else {
        return Err("`printf` starts with a format in quotes".to_owned());
    };
    let mut values = arguments.iter().skip(1);
    let mut output = String::new();
    let mut characters = format.chars().peekable();
    while let Some(c) = characters.next() {
        if c != '%' {
            output.push(c);
            continue;
        }
        if characters.next_if_eq(&'%').is_some() {
            output.push('%');
            continue;
        }
        let left = characters.next_if_eq(&'-').is_some();
        let zero = characters.next_if_eq(&'0').is_some();
        let digits = |characters: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut number = None;
            while let Some(digit) = characters.peek().and_then(|c| c.to_digit(10)) {
                characters.next();
                number = Some((number.unwrap_or(0_usize) * 10 + digit as usize).min(MAX_WIDTH + 1));
            }
            number
        };
        let width = digits(&mut characters).unwrap_or(0);
        let precision =
            if characters.next_if_eq(&'.').is_some() { Some(digits(&mut characters).unwrap_or(0)) } else { None };
        if width > MAX_WIDTH || precision.is_some_and(|precision| precision > MAX_WIDTH) {
            return Err(format!("`printf`: a width may be at most {MAX_WIDTH}"));
        }
        let verb = characters.next().ok_or_else(|| "`printf`: the format ends after `%`".to_owned())?;
        if !matches!(verb, 's' | 'd' | 'v' | 'q' | 'f' | 'g' | 't') {
            return Err(format!("`printf`: `%{verb}` is none of %s %d %v %q %f %g %t"));
        }
        let value = values.next().ok_or_else(|| format!("`printf`: no value is left for `%{verb}`"))?;
        let part = verb_text(verb, precision, value)?;
        pad(&mut output, &part, width, left, zero && !left && matches!(verb, 'd' | 'f' | 'g'));
        if output.len() > MAX_VALUE {
            return Err("`printf` gives too much text".to_owned());
        }
    }
    if values.next().is_some() {
        return Err("`printf` has more values than its format uses".to_owned());
    }
    Ok(output)
}

fn verb_text(verb: char, precision: Option<usize>, value: &Value) -> Result<String, String> {
    let number = || Quantity::of(value).map(|quantity| quantity.number);
    match verb {
        'd' => number()
            .and_then(Exact::whole)
            .map(|whole| whole.to_string())
            .ok_or_else(|| format!("`printf`: `%d` takes a whole number, not `{}`", shortened(&text(value)))),
        'f' | 'g' => {
            let number = number()
                .and_then(Exact::to_f64)
                .ok_or_else(|| format!("`printf`: `%{verb}` takes a number, not `{}`", shortened(&text(value))))?;
            Ok(match (verb, precision) {
                ('f', precision) => format!("{number:.*}", precision.unwrap_or(6)),
                _ => number.to_string(),
            })
        }
        't' => match value.as_bool() {
            Some(value) => Ok(value.to_string()),
            None => Err("`printf`: `%t` takes true or false".to_owned()),
        },
        'q' => Ok(Value::String(text(value)).to_string()),
        _ => {
            let written = text(value);
            Ok(match precision {
                Some(precision) => written.chars().take(precision).collect(),
                None => written,
            })
        }
    }
}

fn pad(output: &mut String, part: &str, width: usize, left: bool, zero: bool) {
    let missing = width.saturating_sub(part.chars().count());
    if left {
        output.push_str(part);
        output.extend(std::iter::repeat_n(' ', missing));
    } else if zero {
        let (sign, digits) = part.strip_prefix('-').map_or(("", part), |digits| ("-", digits));
        output.push_str(sign);
        output.extend(std::iter::repeat_n('0', missing));
        output.push_str(digits);
    } else {
        write!(output, "{:missing$}{part}", "").expect("writing to a string never fails");
    }
}
