//! The JSON Schema of the format, from the wire types.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::wire::File;

/// The JSON Schema (2020-12) of a runbook file, with descriptions.
pub fn schema() -> Value {
    schema_of::<File>("Runbook", "runbook")
}

/// The JSON Schema of a format, under its title and the name of its file.
pub(crate) fn schema_of<T: JsonSchema>(title: &str, name: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(without_null))
        .into_generator()
        .into_root_schema_for::<T>();
    schema.insert("title".to_owned(), Value::from(title));
    schema.insert("$id".to_owned(), Value::from(format!("https://sre.oversight.io/v1/{name}.json")));
    schema.to_value()
}

/// An absent field is left out, never `null`: a map key without a value is mostly a mistake, and an API server would
/// drop it.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
        variants.retain(|variant| variant.get("type").is_none_or(|kind| kind != "null"));
        if let [only] = variants.as_mut_slice()
            && let Value::Object(only) = only.take()
        {
            schema.remove("anyOf");
            for (key, value) in only {
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }
        }
    }
    let useless = schema.get("default").is_some_and(|default| {
        default.is_null()
            || *default == Value::Bool(false)
            || default.as_array().is_some_and(Vec::is_empty)
            || default.as_object().is_some_and(serde_json::Map::is_empty)
    });
    if useless {
        schema.remove("default");
    }
}
