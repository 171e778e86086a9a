//! Settings in a structured document: what a merge would change, and putting single values back.

use serde_json::{Map, Value};

use super::Values;
use crate::kubernetes::trouble::Trouble;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Yaml,
}

impl Format {
    /// The format that a key's ending tells.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        match key.rsplit_once('.')?.1 {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// Reads a document; an empty one holds no settings.
    pub(super) fn read(self, text: &str) -> Result<Value, String> {
        if text.trim().is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        let read: Value = match self {
            Self::Json => serde_json::from_str(text).map_err(|error| error.to_string())?,
            Self::Yaml => serde_saphyr::from_str(text).map_err(|error| error.to_string())?,
        };
        if read.is_object() { Ok(read) } else { Err("it holds no settings by name".to_owned()) }
    }

    /// Writes a document, if reading it gives the same again.
    pub(super) fn write(self, document: &Value) -> Result<String, String> {
        let text = match self {
            Self::Json => serde_json::to_string_pretty(document).map_err(|error| error.to_string())? + "\n",
            Self::Yaml => serde_saphyr::to_string(document).map_err(|error| error.to_string())?,
        };
        if self.read(&text)? == *document {
            Ok(text)
        } else {
            Err("it would read differently from what was meant".to_owned())
        }
    }
}

/// What merging `wanted` into a document replaces, and what it puts there.
///
/// Objects merge name by name, anything else replaces, and `null` removes (RFC 7386). A value is named at the place where
/// the two documents part, so that putting it back restores exactly what was there.
pub(super) fn merge(live: &Value, wanted: &Map<String, Value>) -> (Values, Values) {
    let (mut before, mut after) = (Values::new(), Values::new());
    part(live, wanted, "", &mut before, &mut after);
    (before, after)
}

fn part(live: &Value, wanted: &Map<String, Value>, place: &str, before: &mut Values, after: &mut Values) {
    for (name, wanted) in wanted {
        let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        match (live.get(name), wanted) {
            (Some(live @ Value::Object(_)), Value::Object(wanted)) => part(live, wanted, &place, before, after),
            (live, wanted) => {
                before.insert(place.clone(), live.cloned().into_iter().collect());
                after.insert(place, without_nulls(wanted).into_iter().collect());
            }
        }
    }
}

/// A value as a merge leaves it where nothing was: `null` stands for nothing.
fn without_nulls(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => Some(Value::Object(
            members.iter().filter_map(|(name, value)| Some((name.clone(), without_nulls(value)?))).collect(),
        )),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Some(value.clone()),
    }
}

/// What a document holds at the places of other values.
pub(super) fn held(document: &Value, places: &Values) -> Values {
    let found = |place: &String| (place.clone(), document.pointer(place).cloned().into_iter().collect());
    places.keys().map(found).collect()
}

/// Writes values to their places.
pub(super) fn put(document: &mut Value, values: &Values) -> Result<(), Trouble> {
    for (place, value) in values {
        let gone = || Trouble::refused(409, format!("what `{place}` belongs to is gone from the settings"));
        let (parent, name) = place.rsplit_once('/').ok_or_else(gone)?;
        let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).ok_or_else(gone)?;
        let name = name.replace("~1", "/").replace("~0", "~");
        match value.first() {
            Some(value) => parent.insert(name, value.clone()),
            None => parent.remove(&name),
        };
    }
    Ok(())
}

/// Values as nested settings, for people and for later steps; what was not there is `null`.
pub(super) fn nested(values: &Values) -> Value {
    let mut nested = Map::new();
    for (place, value) in values {
        let names: Vec<String> =
            place.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        insert(&mut nested, &names, value.first().cloned().unwrap_or(Value::Null));
    }
    Value::Object(nested)
}

fn insert(members: &mut Map<String, Value>, names: &[String], value: Value) {
    match names {
        [] => {}
        [name] => {
            members.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let inner = members.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            // No place lies within another one: they name where two documents part.
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn wanted(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[rstest]
    #[case::a_leaf(json!({"logging": {"level": "info", "to": "stdout"}}), json!({"logging": {"level": "debug"}}), json!({"logging": {"level": "debug", "to": "stdout"}}))]
    #[case::something_new(json!({}), json!({"breaker": {"enabled": true, "limit": null}}), json!({"breaker": {"enabled": true}}))]
    #[case::a_removal(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null}}), json!({"a": {"c": 2}}))]
    #[case::a_list_is_one_value(json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]}))]
    #[case::a_scalar_becomes_an_object(json!({"a": "x"}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}}))]
    #[case::odd_names(json!({"a/b": {"c~d": 1}}), json!({"a/b": {"c~d": 2, "": 3}}), json!({"a/b": {"c~d": 2, "": 3}}))]
    #[case::nothing(json!({"a": 1}), json!({}), json!({"a": 1}))]
    fn a_merge_changes_what_it_names_and_can_be_put_back(
        #[case] live: Value,
        #[case] change: Value,
        #[case] merged: Value,
    ) {
        let (before, after) = merge(&live, &wanted(&change));
        let mut document = live.clone();
        put(&mut document, &after).unwrap();
        assert_eq!(document, merged);
        assert_eq!(held(&document, &after), after);
        put(&mut document, &before).unwrap();
        assert_eq!(document, live);
    }

    #[test]
    fn what_was_replaced_is_shown_as_settings() {
        let (before, _) = merge(&json!({"a": {"b": 1}}), &wanted(&json!({"a": {"b": 2, "c": 3}, "d": 4})));
        assert_eq!(nested(&before), json!({"a": {"b": 1, "c": null}, "d": null}));
    }

    #[rstest]
    #[case::json(Format::Json)]
    #[case::yaml(Format::Yaml)]
    fn a_document_that_is_written_reads_the_same(#[case] format: Format) {
        let document = json!({
            "text": "a: b # no comment", "yes": "yes", "null": "null", "number": "012", "empty": "", "lines": "a\nb\n",
            "list": [1, -2.5, true, null, {"a": {}}], "{{ x }}": "%{y}", "- dash": "*alias", "8080": "8080",
        });
        assert_eq!(format.read(&format.write(&document).unwrap()).unwrap(), document);
    }

    #[rstest]
    #[case::a_list(Format::Yaml, "- a\n- b\n")]
    #[case::two_documents(Format::Yaml, "a: 1\n---\nb: 2\n")]
    #[case::no_json(Format::Json, "{a: 1}")]
    #[case::twice(Format::Yaml, "a: 1\na: 2\n")]
    fn what_holds_no_settings_is_refused(#[case] format: Format, #[case] text: &str) {
        assert!(format.read(text).is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn any_settings() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("[a-c/~]{0,2}", any_value(), 0..4).prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #[test]
        fn undoing_a_merge_gives_what_was_before(live in any_settings(), change in any_settings()) {
            let live = Value::Object(live);
            let (before, after) = merge(&live, &change);
            let mut document = live.clone();
            put(&mut document, &after).unwrap();
            prop_assert_eq!(held(&document, &after), after);
            put(&mut document, &before).unwrap();
            prop_assert_eq!(document, live);
        }
    }
}
