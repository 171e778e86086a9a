//! Compares a tree with a JSON Schema and reports everything that differs, each at its place.
//!
//! Serves runbook files (the schema of [`super::wire`]) and the parameters of actions (their own schemas). It reads
//! the part of JSON Schema that those use; a keyword it does not know restricts nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use regex::Regex;
use serde_json::Value;

use super::node::{Content, Entry, Node};
use super::quoted;
use crate::finding::{Finding, Position};
use crate::lint::rule::Rule;

/// The most findings about one tree.
const FINDING_LIMIT: usize = 200;

/// The rules that a mismatch breaks.
pub(crate) struct Mismatch {
    pub(crate) unknown: &'static Rule,
    pub(crate) wrong: &'static Rule,
    pub(crate) missing: &'static Rule,
    /// What a key is called: `field`, `parameter`.
    pub(crate) noun: &'static str,
    /// Whether text that holds a template passes for any type.
    pub(crate) templates: bool,
    /// Whether a map with known properties refuses others even where its schema does not say so.
    pub(crate) closed: bool,
}

/// A comparison of one tree with one schema.
pub(crate) struct Shape<'a> {
    file: &'a str,
    root: &'a Value,
    mismatch: &'a Mismatch,
    findings: Vec<Finding>,
}

/// What a value is called in a finding; written out only where there is one.
#[derive(Clone, Copy)]
enum Name<'n> {
    Whole(&'n str),
    Key(&'n str),
    Item(usize, &'n Name<'n>),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(name) => f.write_str(name),
            Self::Key(key) => write!(f, "`{}`", quoted(key).bare()),
            Self::Item(index, of) => write!(f, "item {} of {of}", index + 1),
        }
    }
}

/// A pattern of a schema, compiled once for all files: schemas are few, and a catalog has thousands of files.
fn compiled(pattern: &str) -> Option<Arc<Regex>> {
    static COMPILED: Mutex<BTreeMap<String, Option<Arc<Regex>>>> = Mutex::new(BTreeMap::new());
    let mut all = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(pattern) {
        return known.clone();
    }
    let regex = Regex::new(pattern).ok().map(Arc::new);
    all.insert(pattern.to_owned(), regex.clone());
    regex
}

impl<'a> Shape<'a> {
    /// Compares and returns what differs.
    pub(crate) fn compare(
        file: &'a str,
        schema: &'a Value,
        mismatch: &'a Mismatch,
        node: &Node,
        name: &str,
    ) -> Vec<Finding> {
        let mut shape = Self { file, root: schema, mismatch, findings: Vec::new() };
        shape.check(schema, node, Name::Whole(name), 0);
        shape.findings
    }

    fn report(&mut self, rule: &Rule, position: Position, message: String, hint: Option<String>) {
        if self.findings.len() < FINDING_LIMIT {
            self.findings.push(Finding { hint, ..rule.at(self.file, position, message) });
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| self.root.pointer(pointer))
            .unwrap_or(schema)
    }

    fn check(&mut self, schema: &'a Value, node: &Node, name: Name<'_>, depth: usize) {
        // A schema that refers to itself without consuming the tree would never end.
        if depth > 2 * super::yaml::DEPTH_LIMIT + 16 {
            return;
        }
        let schema = self.resolve(schema);
        if self.mismatch.templates && node.text().is_some_and(|text| text.contains("{{")) {
            return;
        }
        if let Some(variants) = alternatives(schema)
            && !self.check_alternatives(variants, node, name, depth)
        {
            return;
        }
        if let Some(words) = words(schema) {
            self.check_words(&words, node, name);
            return;
        }
        let kinds = kinds(schema);
        if !kinds.is_empty() && !kinds.iter().any(|kind| accepts(kind, node)) {
            self.wrong(node, name, &kinds);
            return;
        }
        match &node.content {
            Content::Null | Content::Bool(_) => {}
            Content::Number(number) => self.check_range(schema, node.position, number, name),
            Content::Text(text) => self.check_text(schema, node.position, text, name),
            Content::List(items) => {
                if let Some(schema) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.check(schema, item, Name::Item(index, &name), depth + 1);
                    }
                }
            }
            Content::Map(entries) => self.check_map(schema, node.position, entries, name, depth),
        }
    }

    fn wrong(&mut self, node: &Node, name: Name<'_>, kinds: &[&str]) {
        let wanted: Vec<&str> = kinds.iter().map(|kind| noun(kind)).collect();
        let message = format!("{name} must be {}, not {}", wanted.join(" or "), found(node));
        let hint = hint(node, kinds);
        self.report(self.mismatch.wrong, node.position, message, hint);
    }

    /// Checks against the alternative that fits best; false where none takes this kind of value.
    fn check_alternatives(&mut self, variants: &'a [Value], node: &Node, name: Name<'_>, depth: usize) -> bool {
        let resolved: Vec<&Value> = variants.iter().map(|variant| self.resolve(variant)).collect();
        let fitting = resolved.iter().filter(|variant| {
            let kinds = kinds(variant);
            kinds.is_empty() || kinds.iter().any(|kind| accepts(kind, node))
        });
        let before = self.findings.len();
        let mut best: Option<Vec<Finding>> = None;
        for variant in fitting {
            self.check(variant, node, name, depth + 1);
            let found = self.findings.split_off(before);
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        let Some(best) = best else {
            let kinds: Vec<&str> = resolved.iter().flat_map(|variant| kinds(variant)).collect();
            self.wrong(node, name, &kinds);
            return false;
        };
        self.findings.extend(best);
        true
    }

    fn check_words(&mut self, words: &[&Value], node: &Node, name: Name<'_>) {
        let equal = |word: &&Value| match (word, node.text()) {
            (Value::String(word), Some(text)) => word == text,
            (word, _) => **word == node.to_json(),
        };
        if words.iter().any(equal) {
            return;
        }
        let texts: Vec<&str> = words.iter().filter_map(|word| word.as_str()).collect();
        let message = format!("{name} cannot be {}", found(node));
        let hint = node
            .text()
            .and_then(|text| suggestion(text, texts.iter().copied()))
            .map(|word| format!("did you mean `{word}`?"))
            .or_else(|| (!texts.is_empty()).then(|| format!("write one of {}", listed(&texts))));
        self.report(self.mismatch.wrong, node.position, message, hint);
    }

    fn check_range(&mut self, schema: &Value, position: Position, number: &serde_json::Number, name: Name<'_>) {
        let Some(value) = number.as_f64() else { return };
        let unsigned = schema.get("format").and_then(Value::as_str) == Some("uint32");
        let largest = schema.get("maximum").and_then(Value::as_f64).or(unsigned.then_some(f64::from(u32::MAX)));
        if let Some(least) = schema.get("minimum").and_then(Value::as_f64)
            && value < least
        {
            self.report(self.mismatch.wrong, position, format!("{name} must be at least {least}"), None);
        } else if let Some(largest) = largest
            && value > largest
        {
            self.report(self.mismatch.wrong, position, format!("{name} must be at most {largest}"), None);
        }
    }

    fn check_text(&mut self, schema: &'a Value, position: Position, text: &str, name: Name<'_>) {
        if let Some(least) = schema.get("minLength").and_then(Value::as_u64)
            && u64::try_from(text.chars().count()).unwrap_or(u64::MAX) < least
        {
            self.report(self.mismatch.wrong, position, format!("{name} must not be empty"), None);
        }
        let Some(pattern) = schema.get("pattern").and_then(Value::as_str) else { return };
        if compiled(pattern).is_some_and(|pattern| !pattern.is_match(text)) {
            let hint = schema.get("description").or_else(|| schema.get("title")).and_then(Value::as_str);
            let hint = hint.map_or_else(|| format!("it must match `{pattern}`"), str::to_owned);
            self.report(self.mismatch.wrong, position, format!("{name} cannot be {}", quoted(text)), Some(hint));
        }
    }

    fn check_map(&mut self, schema: &'a Value, position: Position, entries: &[Entry], name: Name<'_>, depth: usize) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let additional = schema.get("additionalProperties");
        for entry in entries {
            let inner = Name::Key(&entry.key);
            if let Some(schema) = properties.and_then(|properties| properties.get(&entry.key)) {
                self.check(schema, &entry.value, inner, depth + 1);
                continue;
            }
            match additional {
                Some(Value::Bool(false)) => self.unknown(entry, properties),
                Some(Value::Bool(true)) => {}
                Some(schema) => self.check(schema, &entry.value, inner, depth + 1),
                None if self.mismatch.closed && properties.is_some() => self.unknown(entry, properties),
                None => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for key in required.iter().filter_map(Value::as_str) {
            if !entries.iter().any(|entry| entry.key == key) {
                let message = format!("{name} lacks the {} `{key}`", self.mismatch.noun);
                self.report(self.mismatch.missing, position, message, None);
            }
        }
    }

    fn unknown(&mut self, entry: &Entry, properties: Option<&serde_json::Map<String, Value>>) {
        // Looking for a likely name costs time that a finding beyond the limit is not worth.
        if self.findings.len() >= FINDING_LIMIT {
            return;
        }
        let known: Vec<&str> = properties.into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
        let hint = match suggestion(&entry.key, known.iter().copied()) {
            Some(word) => Some(format!("did you mean `{word}`?")),
            None if known.is_empty() || known.len() > 12 => None,
            None => Some(format!("the {}s here are {}", self.mismatch.noun, listed(&known))),
        };
        let message = format!("unknown {} {}", self.mismatch.noun, quoted(&entry.key));
        self.report(self.mismatch.unknown, entry.position, message, hint);
    }
}

fn alternatives(schema: &Value) -> Option<&[Value]> {
    let variants = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let constant = |variant: &Value| variant.get("const").is_some() || variant.get("enum").is_some();
    (!variants.is_empty() && !variants.iter().all(constant)).then_some(variants)
}

fn words(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(word) = schema.get("const") {
        return Some(vec![word]);
    }
    if let Some(Value::Array(words)) = schema.get("enum") {
        return Some(words.iter().collect());
    }
    let variants = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let mut all = Vec::new();
    for variant in variants {
        all.extend(words(variant)?);
    }
    Some(all)
}

fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("properties").is_some() => vec!["object"],
        _ => Vec::new(),
    }
}

fn accepts(kind: &str, node: &Node) -> bool {
    match &node.content {
        Content::Null => kind == "null",
        Content::Bool(_) => kind == "boolean",
        Content::Number(number) => kind == "number" || (kind == "integer" && (number.is_i64() || number.is_u64())),
        Content::Text(_) => kind == "string",
        Content::List(_) => kind == "array",
        Content::Map(_) => kind == "object",
    }
}

fn noun(kind: &str) -> &str {
    match kind {
        "null" => "empty",
        "boolean" => "true or false",
        "number" => "a number",
        "integer" => "a whole number",
        "string" => "text",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
}

fn found(node: &Node) -> String {
    match &node.content {
        Content::Null => "empty".to_owned(),
        Content::Bool(value) => format!("`{value}`"),
        Content::Number(number) => format!("the number {number}"),
        Content::Text(text) => quoted(text).to_string(),
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "a map".to_owned(),
    }
}

fn hint(node: &Node, kinds: &[&str]) -> Option<String> {
    let wants = |kind| kinds.contains(&kind);
    match &node.content {
        Content::Null => Some("give it a value, or remove the key".to_owned()),
        Content::Bool(_) | Content::Number(_) if wants("string") => Some("put the value in quotes".to_owned()),
        Content::Text(text) if wants("boolean") => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
            "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
            _ => None,
        },
        Content::Text(text) if (wants("integer") || wants("number")) && text.trim().parse::<f64>().is_ok() => {
            Some("remove the quotes".to_owned())
        }
        Content::Text(_) if wants("array") => Some("start it with `- `".to_owned()),
        Content::Bool(_) | Content::Number(_) | Content::Text(_) | Content::List(_) | Content::Map(_) => None,
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The known word closest to a misspelt one, where one is close.
pub(crate) fn suggestion<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    // A long text is no misspelling, and measuring it would cost time.
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.84)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
