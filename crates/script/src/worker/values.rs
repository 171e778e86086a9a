//! From values of the script to JSON, refusing what JSON cannot say.

use rquickjs::object::Filter;
use rquickjs::{Array, Ctx, Function, Object, Type, Value};
use serde_json::{Map, Number};

/// The deepest nesting that is converted; readers of JSON stop at 128, and our frames add a few levels.
const DEPTH_LIMIT: usize = 96;

/// The largest integer that a double holds exactly, with all below it.
const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// Why a value is not converted.
#[derive(Debug, thiserror::Error)]
pub(super) enum ValueError {
    /// JSON has no such value.
    #[error("{path} is {problem}")]
    NotJson {
        /// Where it stands: `value.items[3]`.
        path: String,
        /// What it is.
        problem: String,
    },
    /// The value as a whole takes more bytes than allowed.
    #[error("the value is too large")]
    TooLarge,
    /// A getter or `toJSON` threw, or memory ran out; the exception is pending.
    #[error("the value could not be read")]
    Thrown(#[from] rquickjs::Error),
}

/// Converts a value called `name` in messages, of at most `limit` bytes of JSON.
///
/// As in `JSON.stringify`, `toJSON` is honoured, members that are undefined are left out, and array elements that are
/// undefined become null; anything else that JSON cannot say is an error rather than a silent null or `{}`.
pub(super) fn to_json<'js>(
    ctx: &Ctx<'js>,
    name: &str,
    value: &Value<'js>,
    limit: usize,
) -> Result<serde_json::Value, ValueError> {
    let mut converter = Converter { ctx, path: name.to_owned(), above: Vec::new(), left: limit };
    Ok(converter.convert(value)?.unwrap_or(serde_json::Value::Null))
}

struct Converter<'a, 'js> {
    ctx: &'a Ctx<'js>,
    path: String,
    above: Vec<Value<'js>>,
    left: usize,
}

impl<'js> Converter<'_, 'js> {
    /// `None` for undefined.
    fn convert(&mut self, value: &Value<'js>) -> Result<Option<serde_json::Value>, ValueError> {
        self.spend(1)?;
        let json = match value.type_of() {
            Type::Undefined | Type::Uninitialized => return Ok(None),
            Type::Null => serde_json::Value::Null,
            Type::Bool => value.as_bool().into(),
            Type::Int => value.as_int().into(),
            Type::Float => self.number(value.as_float().unwrap_or(f64::NAN))?,
            Type::String => self.string(value)?,
            Type::Array | Type::Object | Type::Proxy | Type::Exception => return self.nested(value),
            Type::Function | Type::Constructor => return Err(self.not_json("a function")),
            Type::Promise => return Err(self.not_json("a promise; is an `await` missing?")),
            Type::Symbol => return Err(self.not_json("a symbol")),
            Type::BigInt => return Err(self.not_json("a BigInt; convert it with `Number` or `String`")),
            Type::Module | Type::Unknown => return Err(self.not_json("of a kind that JSON does not have")),
        };
        Ok(Some(json))
    }

    fn number(&self, number: f64) -> Result<serde_json::Value, ValueError> {
        if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
            return Ok((number as i64).into());
        }
        Number::from_f64(number).map(Into::into).ok_or_else(|| self.not_json(&number.to_string()))
    }

    fn string(&mut self, value: &Value<'js>) -> Result<serde_json::Value, ValueError> {
        let Some(string) = value.as_string() else { return Err(self.not_json("of a kind that JSON does not have")) };
        let text = match string.to_string() {
            Ok(text) => text,
            Err(rquickjs::Error::Utf8(_)) => return Err(self.not_json("text with half a surrogate pair")),
            Err(error) => return Err(error.into()),
        };
        self.spend(text.len().saturating_add(2))?;
        Ok(text.into())
    }

    fn nested(&mut self, value: &Value<'js>) -> Result<Option<serde_json::Value>, ValueError> {
        if self.above.contains(value) {
            return Err(self.not_json("an object that contains itself"));
        }
        if self.above.len() >= DEPTH_LIMIT {
            return Err(self.not_json(&format!("nested deeper than {DEPTH_LIMIT} levels")));
        }
        self.above.push(value.clone());
        let json = if let Some(array) = value.as_array() {
            Some(self.array(array)?)
        } else if let Some(object) = value.as_object() {
            self.object(object)?
        } else {
            return Err(self.not_json("of a kind that JSON does not have"));
        };
        self.above.pop();
        Ok(json)
    }

    fn array(&mut self, array: &Array<'js>) -> Result<serde_json::Value, ValueError> {
        let mut elements = Vec::new();
        // As a double, because a sparse array may be longer than the engine's small integers.
        let length: f64 = array.as_object().get("length")?;
        let mut index = 0_u32;
        while f64::from(index) < length {
            let inner = self.within(&format!("[{index}]"), &array.as_object().get(index)?)?;
            index += 1;
            elements.push(inner.unwrap_or(serde_json::Value::Null));
        }
        Ok(elements.into())
    }

    fn object(&mut self, object: &Object<'js>) -> Result<Option<serde_json::Value>, ValueError> {
        let to_json: Value = object.get("toJSON")?;
        if let Some(to_json) = to_json.into_function() {
            let replacement: Value = to_json.call((rquickjs::function::This(object.clone()),))?;
            return self.convert(&replacement);
        }
        if let Some(kind) = self.exotic(object)? {
            return Err(self.not_json(&kind));
        }
        let mut members = Map::new();
        for key in object.own_keys::<rquickjs::String>(Filter::new().string().enum_only()) {
            let key = match key?.to_string() {
                Ok(key) => key,
                Err(rquickjs::Error::Utf8(_)) => {
                    return Err(self.not_json("an object with half a surrogate pair in a name"));
                }
                Err(error) => return Err(error.into()),
            };
            self.spend(key.len().saturating_add(3))?;
            if let Some(inner) = self.within(&format!(".{key}"), &object.get(key.as_str())?)? {
                members.insert(key, inner);
            }
        }
        Ok(Some(members.into()))
    }

    /// Names an object whose content does not lie in its members, such as a Map.
    fn exotic(&self, object: &Object<'js>) -> Result<Option<String>, ValueError> {
        if object.as_value().is_error() {
            return Ok(Some("an error".into()));
        }
        let prototype: Object = self.ctx.globals().get::<_, Object>("Object")?.get("prototype")?;
        if object.get_prototype().is_none_or(|own| own == prototype) {
            return Ok(None);
        }
        let describe: Function = prototype.get("toString")?;
        let tag: String = describe.call((rquickjs::function::This(object.clone()),))?;
        let kind = tag.trim_start_matches("[object ").trim_end_matches(']');
        let is_plain = kind == "Object";
        Ok((!is_plain).then(|| format!("a {kind}; turn it into an array or an object")))
    }

    fn within(&mut self, step: &str, value: &Value<'js>) -> Result<Option<serde_json::Value>, ValueError> {
        let length = self.path.len();
        self.path.push_str(step);
        let json = self.convert(value)?;
        self.path.truncate(length);
        Ok(json)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ValueError> {
        self.left = self.left.checked_sub(bytes).ok_or(ValueError::TooLarge)?;
        Ok(())
    }

    fn not_json(&self, problem: &str) -> ValueError {
        // The path may hold a huge member name.
        let path = self.path.chars().take(200).collect();
        ValueError::NotJson { path, problem: problem.into() }
    }
}
