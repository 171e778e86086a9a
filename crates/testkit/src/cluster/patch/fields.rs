//! Who owns which field: `metadata.managedFields`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::strategic::merge_key;
use crate::cluster::json;

/// A field, in the segments of `FieldsV1`: `f:spec`, `k:{"name":"app"}`, `v:"x"`.
pub type Path = Vec<String>;

/// What one writer owns.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The writer's name.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// The subresource that was written; empty for the object itself.
    pub subresource: String,
    /// The version of the API in which it was written.
    pub api_version: String,
    /// When it last wrote.
    pub time: String,
    /// The fields.
    pub fields: BTreeSet<Path>,
}

impl Entry {
    /// Whether it is this writer's entry.
    pub fn is_of(&self, manager: &str, operation: &str, subresource: &str) -> bool {
        self.manager == manager && self.operation == operation && self.subresource == subresource
    }
}

/// The entries of an object.
pub fn entries(object: &Value) -> Vec<Entry> {
    json::list(object, "/metadata/managedFields")
        .iter()
        .map(|entry| {
            let mut fields = BTreeSet::new();
            if let Some(tree) = entry.get("fieldsV1").and_then(Value::as_object) {
                read(tree, &mut Vec::new(), &mut fields);
            }
            Entry {
                manager: json::text(entry, "/manager").to_owned(),
                operation: json::text(entry, "/operation").to_owned(),
                subresource: json::text(entry, "/subresource").to_owned(),
                api_version: json::text(entry, "/apiVersion").to_owned(),
                time: json::text(entry, "/time").to_owned(),
                fields,
            }
        })
        .collect()
}

/// Writes the entries into an object; those that own nothing are left out.
pub fn write(object: &mut Value, entries: &[Entry]) {
    let list: Vec<Value> = entries
        .iter()
        .filter(|entry| !entry.fields.is_empty())
        .map(|entry| {
            let mut value = json!({
                "manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version,
                "time": entry.time, "fieldsType": "FieldsV1", "fieldsV1": tree(&entry.fields),
            });
            if !entry.subresource.is_empty() {
                value["subresource"] = json!(entry.subresource);
            }
            value
        })
        .collect();
    json::put(object, &["metadata", "managedFields"], list);
}

fn read(tree: &Map<String, Value>, path: &mut Path, fields: &mut BTreeSet<Path>) {
    if tree.is_empty() || tree.contains_key(".") {
        fields.insert(path.clone());
    }
    for (key, member) in tree.iter().filter(|(key, _)| *key != ".") {
        path.push(key.clone());
        read(member.as_object().unwrap_or(&Map::new()), path, fields);
        path.pop();
    }
}

fn tree(fields: &BTreeSet<Path>) -> Value {
    let mut root = json!({});
    for path in fields {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let place = json::slot(&mut root, &keys);
        if place.is_null() {
            *place = json!({});
        }
    }
    // A path that stands for itself and has others below it says so with a dot.
    for path in fields {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let place = json::map(json::slot(&mut root, &keys));
        if !place.is_empty() {
            place.insert(".".to_owned(), json!({}));
        }
    }
    root
}

/// The fields of an object with their values; what the server itself keeps is left out.
pub fn flat(object: &Value) -> BTreeMap<Path, Value> {
    let mut fields = BTreeMap::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if matches!(key.as_str(), "labels" | "annotations" | "finalizers" | "ownerReferences") {
                        flatten(key, value, &mut vec!["f:metadata".to_owned(), format!("f:{key}")], &mut fields);
                    }
                }
            }
            _ => flatten(key, value, &mut vec![format!("f:{key}")], &mut fields),
        }
    }
    fields
}

fn flatten(name: &str, value: &Value, path: &mut Path, fields: &mut BTreeMap<Path, Value>) {
    if let Some(map) = value.as_object().filter(|map| !map.is_empty()) {
        for (key, member) in map {
            path.push(format!("f:{key}"));
            flatten(key, member, path, fields);
            path.pop();
        }
        return;
    }
    if let Some(list) = value.as_array().filter(|list| !list.is_empty()) {
        let key = list.iter().find_map(|item| merge_key(name, item));
        if let Some(key) = key {
            for item in list {
                path.push(item_segment(key, item));
                fields.insert(path.clone(), Value::Null);
                flatten("", item, path, fields);
                path.pop();
            }
            return;
        }
        if name == "finalizers" {
            for item in list {
                path.push(format!("v:{item}"));
                fields.insert(path.clone(), item.clone());
                path.pop();
            }
            return;
        }
    }
    fields.insert(path.clone(), value.clone());
}

fn item_segment(key: &str, item: &Value) -> String {
    let mut keys = json!({ key: item.get(key) });
    if matches!(key, "containerPort" | "port") {
        keys["protocol"] = item.get("protocol").cloned().unwrap_or_else(|| json!("TCP"));
    }
    format!("k:{keys}")
}

/// Takes a field out of an object.
pub fn erase(object: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let Some(name) = first.strip_prefix("f:") {
        if rest.is_empty() {
            if let Some(map) = object.as_object_mut() {
                map.remove(name);
            }
        } else if let Some(member) = object.get_mut(name) {
            erase(member, rest);
        }
        return;
    }
    let Some(list) = object.as_array_mut() else { return };
    if let Some(keys) = first.strip_prefix("k:") {
        let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
        let is_it = |item: &Value| {
            keys.iter().all(|(key, value)| item.get(key).map_or(key == "protocol" && value == "TCP", |it| it == value))
        };
        if rest.is_empty() {
            list.retain(|item| !is_it(item));
        } else if let Some(item) = list.iter_mut().find(|item| is_it(item)) {
            erase(item, rest);
        }
    } else if let Some(value) = first.strip_prefix("v:") {
        let value: Value = serde_json::from_str(value).unwrap_or_default();
        list.retain(|item| *item != value);
    }
}

/// Writes into `new` that `manager` made the difference between it and `old`.
pub fn track(old: Option<&Value>, new: &mut Value, manager: &str, subresource: &str, now: Timestamp) {
    let mut entries = old.map(entries).unwrap_or_default();
    let before = old.map(flat).unwrap_or_default();
    let after = flat(new);
    let changed: BTreeSet<Path> =
        after.iter().filter(|(path, value)| before.get(*path) != Some(value)).map(|(path, _)| path.clone()).collect();
    let removed: BTreeSet<Path> = before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
    for entry in &mut entries {
        let mine = entry.is_of(manager, "Update", subresource);
        entry.fields.retain(|path| !removed.contains(path) && (mine || !changed.contains(path)));
    }
    if !changed.is_empty() {
        let api_version = json::text(new, "/apiVersion").to_owned();
        match entries.iter_mut().find(|entry| entry.is_of(manager, "Update", subresource)) {
            Some(entry) => {
                entry.fields.extend(changed);
                entry.time = json::seconds(now);
                entry.api_version = api_version;
            }
            None => entries.push(Entry {
                manager: manager.to_owned(),
                operation: "Update".to_owned(),
                subresource: subresource.to_owned(),
                api_version,
                time: json::seconds(now),
                fields: changed,
            }),
        }
    }
    write(new, &entries);
}
