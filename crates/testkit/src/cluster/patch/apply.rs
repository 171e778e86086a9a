//! Server-side apply: a writer states what it wants, and owns it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{self, Entry, Path};
use super::strategic;
use crate::cluster::json;
use crate::cluster::status::Refusal;

/// Who applies, and how.
#[derive(Debug, Clone, Copy)]
pub struct Applier<'a> {
    /// The writer's name.
    pub manager: &'a str,
    /// Whether fields of others are taken over.
    pub force: bool,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
}

/// The object with a configuration applied; `old` is `None` where the object is new.
///
/// A field that somebody else owns and that would change is refused with 409, unless `force`. What the writer owned and
/// no longer names goes away, unless others own it too.
pub fn apply(old: Option<&Value>, config: &Value, applier: Applier<'_>, now: Timestamp) -> Result<Value, Refusal> {
    let mut config = config.clone();
    json::take(&mut config, &["metadata", "managedFields"]);
    json::without_nulls(&mut config);
    let wanted = fields::flat(&config);
    let present = old.map(fields::flat).unwrap_or_default();
    let mut entries = old.map(fields::entries).unwrap_or_default();
    let differs = |path: &Path| present.get(path) != wanted.get(path);

    let mut conflicts: Vec<(String, String)> = Vec::new();
    for entry in &mut entries {
        if entry.is_of(applier.manager, "Apply", applier.subresource) {
            continue;
        }
        let taken: BTreeSet<Path> =
            entry.fields.iter().filter(|path| wanted.contains_key(*path) && differs(path)).cloned().collect();
        conflicts.extend(taken.iter().map(|path| (who(entry), shown(path))));
        entry.fields.retain(|path| !taken.contains(path));
    }
    if !conflicts.is_empty() && !applier.force {
        return Err(conflict(&conflicts));
    }

    let mut new = old.cloned().unwrap_or_else(|| json!({}));
    strategic::apply(&mut new, &config)?;
    let mine = entries.iter().position(|entry| entry.is_of(applier.manager, "Apply", applier.subresource));
    let before = mine.map(|at| entries.remove(at));
    if let Some(before) = &before {
        for path in before.fields.iter().rev() {
            let kept = wanted.contains_key(path) || wanted.keys().any(|other| other.starts_with(path));
            if !kept && !entries.iter().any(|entry| entry.fields.contains(path)) {
                fields::erase(&mut new, path);
            }
        }
    }
    let fields: BTreeSet<Path> = wanted.into_keys().collect();
    let same = before.as_ref().filter(|before| before.fields == fields).map(|before| before.time.clone());
    entries.push(Entry {
        manager: applier.manager.to_owned(),
        operation: "Apply".to_owned(),
        subresource: applier.subresource.to_owned(),
        api_version: json::text(&config, "/apiVersion").to_owned(),
        time: same.unwrap_or_else(|| json::seconds(now)),
        fields,
    });
    fields::write(&mut new, &entries);
    Ok(new)
}

fn who(entry: &Entry) -> String {
    let mut who = format!("\"{}\"", entry.manager);
    if !entry.subresource.is_empty() {
        who = format!("{who} with subresource \"{}\"", entry.subresource);
    }
    if entry.operation == "Update" { format!("{who} using {}", entry.api_version) } else { who }
}

/// A path as messages have it: `.spec.template.spec.containers[name="app"].image`.
fn shown(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        if let Some(name) = segment.strip_prefix("f:") {
            text.push('.');
            text.push_str(name);
            continue;
        }
        text.push('[');
        if let Some(keys) = segment.strip_prefix("k:") {
            let keys: serde_json::Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            text.push_str(&keys.join(","));
        } else {
            text.push('=');
            text.push_str(segment.trim_start_matches("v:"));
        }
        text.push(']');
    }
    text
}

fn conflict(conflicts: &[(String, String)]) -> Refusal {
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(who, field)| {
            json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {who}"), "field": field })
        })
        .collect();
    let text = match conflicts {
        [(who, field)] => format!("1 conflict: conflict with {who}: {field}"),
        many => {
            let lines: Vec<String> = many.iter().map(|(who, field)| format!("conflict with {who}: {field}")).collect();
            format!("{} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    Refusal {
        details: Some(json!({ "causes": causes })),
        ..Refusal::new(409, "Conflict", format!("Apply failed with {text}"))
    }
}
