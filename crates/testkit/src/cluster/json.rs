//! Reading and writing JSON objects by pointer, without panics on what is missing.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// What stands at a JSON pointer; without copying its parts, as controllers ask for thousands of them.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return value.pointer(pointer);
    }
    pointer.split('/').skip(1).try_fold(value, |value, part| match value.as_array() {
        Some(list) => list.get(part.parse::<usize>().ok()?),
        None => value.as_object()?.get(part),
    })
}

/// The text at a JSON pointer; empty where there is none.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a JSON pointer.
pub fn number(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer).and_then(Value::as_i64)
}

/// The flag at a JSON pointer; false where there is none.
pub fn flag(value: &Value, pointer: &str) -> bool {
    at(value, pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// The items of the list at a JSON pointer; none where there is no list.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether anything but `null` stands at a JSON pointer.
pub fn has(value: &Value, pointer: &str) -> bool {
    at(value, pointer).is_some_and(|found| !found.is_null())
}

/// The time at a JSON pointer.
pub fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer).parse().ok()
}

/// The map that a value is; a value that is none becomes an empty one.
pub fn map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made a map just now")
}

/// The list that a value is; a value that is none becomes an empty one.
pub fn items(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was made a list just now")
}

/// The place at a path of map keys, which is made where it does not exist.
pub fn slot<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Value {
    let mut place = value;
    for key in path {
        place = map(place).entry((*key).to_owned()).or_insert(Value::Null);
    }
    place
}

/// Writes a value at a path of map keys.
pub fn put(value: &mut Value, path: &[&str], what: impl Into<Value>) {
    *slot(value, path) = what.into();
}

/// Writes a value at a path of map keys where nothing stands yet.
pub fn default(value: &mut Value, path: &[&str], what: impl Into<Value>) {
    let place = slot(value, path);
    if place.is_null() {
        *place = what.into();
    }
}

/// Takes away what stands at a path of map keys.
pub fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let mut place = value;
    for key in parents {
        place = place.get_mut(*key)?;
    }
    place.as_object_mut()?.remove(*last)
}

/// A value without its `null` members, recursively, as a typed server stores it.
pub fn without_nulls(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, member| !member.is_null());
        map.values_mut().for_each(without_nulls);
    } else if let Some(list) = value.as_array_mut() {
        list.iter_mut().for_each(without_nulls);
    }
}

/// A time in the API's form, to the second.
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The name of an object.
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The namespace of an object; empty where it is in none.
pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// The uid of an object.
pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// A label of an object.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// An annotation of an object.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// Whether its deletion has begun.
pub fn is_going(object: &Value) -> bool {
    has(object, "/metadata/deletionTimestamp")
}

/// The uid of the controller that owns it; empty where there is none.
pub fn controller(object: &Value) -> &str {
    owner(object).map_or("", |owner| text(owner, "/uid"))
}

/// The reference to the controller that owns it.
pub fn owner(object: &Value) -> Option<&Value> {
    list(object, "/metadata/ownerReferences").iter().find(|owner| flag(owner, "/controller"))
}

/// The status (`True`, `False`, `Unknown`) of a condition; empty where it is not reported.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    list(object, "/status/conditions")
        .iter()
        .find(|condition| text(condition, "/type") == kind)
        .map_or("", |condition| text(condition, "/status"))
}

/// Writes a condition; `lastTransitionTime` moves where its status changes. Answers whether anything changed.
pub fn set_condition(object: &mut Value, mut condition: Value, now: Timestamp) -> bool {
    let conditions = items(slot(object, &["status", "conditions"]));
    let kind = text(&condition, "/type").to_owned();
    let Some(old) = conditions.iter_mut().find(|old| text(old, "/type") == kind) else {
        put(&mut condition, &["lastTransitionTime"], seconds(now));
        conditions.push(condition);
        return true;
    };
    let since = if text(old, "/status") == text(&condition, "/status") {
        text(old, "/lastTransitionTime").to_owned()
    } else {
        seconds(now)
    };
    put(&mut condition, &["lastTransitionTime"], since);
    for kept in ["lastUpdateTime", "lastHeartbeatTime"] {
        if let (None, Some(time)) = (condition.get(kept), old.get(kept)) {
            let time = time.clone();
            put(&mut condition, &[kept], time);
        }
    }
    let changed = *old != condition;
    *old = condition;
    changed
}
