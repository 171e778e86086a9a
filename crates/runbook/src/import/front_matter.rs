//! The lines between `---` (YAML) or `+++` (TOML) at the start of a Markdown file.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::naming::is_camel;
use super::rules::FRONT_MATTER;
use crate::finding::{Finding, Position};
use crate::format::{Content, yaml};
use crate::model::{Category, Domain, Runbook, Severity};

/// A key and its value.
type Field = (String, Value);

/// What a file says about itself before its text.
#[derive(Debug, Default)]
pub(super) struct FrontMatter {
    /// Keys and values in the order of the file.
    fields: Vec<Field>,
    /// Where the text begins, in bytes.
    pub(super) body: usize,
}

/// Reads the front matter; an error where there is one that cannot be read.
pub(super) fn read(file: &str, text: &str) -> Result<FrontMatter, Finding> {
    let none = Ok(FrontMatter::default());
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next() else { return none };
    let fence = first.trim_end();
    if fence != "---" && fence != "+++" {
        return none;
    }
    let mut end = first.len();
    let mut closed = None;
    for line in lines {
        let is_end = line.trim_end() == fence || (fence == "---" && line.trim_end() == "...");
        if is_end {
            closed = Some(end + line.len());
            break;
        }
        end += line.len();
    }
    let inside = text.get(first.len()..end).unwrap_or_default();
    let Some(body) = closed else {
        // A rule at the start of a text looks the same.
        return if looks_like_fields(inside) {
            Err(wrong(file, Position { line: 1, column: 1 }, &format!("the front matter has no closing `{fence}`")))
        } else {
            none
        };
    };
    let fields = if fence == "---" { from_yaml(file, inside)? } else { Some(from_toml(file, inside)?) };
    Ok(fields.map_or_else(FrontMatter::default, |fields| FrontMatter { fields, body }))
}

fn looks_like_fields(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    first.split_once([':', '=']).is_some_and(|(key, _)| {
        !key.trim().is_empty() && key.trim().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    })
}

fn wrong(file: &str, position: Position, message: &str) -> Finding {
    let hint = "mend it, or remove it: the text imports without it".to_owned();
    Finding { hint: Some(hint), ..FRONT_MATTER.at(file, position, message) }
}

/// The fields of YAML; nothing where the lines are no map, so that two rules around a paragraph stay text.
fn from_yaml(file: &str, text: &str) -> Result<Option<Vec<Field>>, Finding> {
    let (root, findings) = yaml::read_node(file, text.as_bytes());
    if let Some(Content::Map(entries)) = root.as_ref().map(|root| &root.content)
        && findings.is_empty()
    {
        return Ok(Some(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()));
    }
    if text.trim().is_empty() {
        return Ok(Some(Vec::new()));
    }
    if let Some(finding) = findings.first()
        && looks_like_fields(text)
    {
        // The fence is the line before the first one.
        let position = Position { line: finding.position.line + 1, column: finding.position.column };
        return Err(wrong(file, position, &format!("the front matter is not YAML: {}", finding.message)));
    }
    Ok(None)
}

fn from_toml(file: &str, text: &str) -> Result<Vec<Field>, Finding> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = u32::try_from(before.matches('\n').count() + 2).unwrap_or(u32::MAX);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let position = Position { line, column: u32::try_from(column).unwrap_or(u32::MAX) };
        let message = error.message().lines().next().unwrap_or_default();
        wrong(file, position, &format!("the front matter is not TOML: {message}"))
    })?;
    Ok(table.into_iter().map(|(key, value)| (key, from_toml_value(value))).collect())
}

fn from_toml_value(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(from_toml_value).collect()),
        toml::Value::Table(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, from_toml_value(value))).collect::<Map<_, _>>())
        }
    }
}

impl FrontMatter {
    /// Puts what is understood into the runbook; gives back what each key became, and the keys that stay.
    pub(super) fn apply(&self, runbook: &mut Runbook) -> (Vec<(&str, &'static str)>, Vec<&Field>) {
        let mut became = Vec::new();
        let mut rest = Vec::new();
        for field in &self.fields {
            match taken(&field.0, &field.1, runbook) {
                Taken::As(target) => became.push((field.0.as_str(), target)),
                Taken::In(target) => {
                    became.push((field.0.as_str(), target));
                    rest.push(field);
                }
                Taken::Not => rest.push(field),
            }
        }
        (became, rest)
    }
}

enum Taken {
    /// Word for word.
    As(&'static str),
    /// In other words, so that the original is kept as well.
    In(&'static str),
    Not,
}

fn taken(key: &str, value: &Value, runbook: &mut Runbook) -> Taken {
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let texts = texts(value);
    let Some(first) = texts.first().cloned() else { return Taken::Not };
    let single = texts.len() == 1;
    match key.as_str() {
        "title" | "name" if single && runbook.title.is_none() => put(&mut runbook.title, first, "title"),
        "description" | "summary" if single && runbook.description.is_none() => {
            put(&mut runbook.description, first, "description")
        }
        "impact" if single => put(&mut runbook.documentation.impact, first, "impact"),
        "id" | "runbookid" if single => put(&mut runbook.id, first, "id"),
        "version" if single => put(&mut runbook.version, first, "version"),
        "author" | "authors" | "owner" | "owners" | "team" | "maintainer" | "maintainers"
            if runbook.author.is_none() =>
        {
            let taken = put(&mut runbook.author, texts.join(", "), "author");
            // Whoever owns it need not have written it.
            if key.starts_with("author") { taken } else { Taken::In("author") }
        }
        "tags" | "tag" | "keywords" | "labels" | "categories" => extend(&mut runbook.tags, texts, "tags"),
        "services" | "service" | "component" | "components" | "system" | "systems" => {
            extend(&mut runbook.services, texts, "services")
        }
        "alert" | "alerts" | "alertname" | "alertnames" | "prometheusalert" => {
            extend(&mut runbook.trigger.alerts, texts, "alerts")
        }
        "trigger" | "triggers" | "aliases" | "alias" => triggers(&texts, runbook),
        "symptoms" | "symptom" => extend(&mut runbook.documentation.symptoms, texts, "symptoms"),
        "prerequisites" | "requirements" => extend(&mut runbook.prerequisites, texts, "prerequisites"),
        "approvers" => extend(&mut runbook.approvers, texts, "approvers"),
        "references" | "links" | "reference" | "runbookurl" | "url" => {
            extend(&mut runbook.references, texts, "references")
        }
        "related" | "relatedrunbooks" => extend(&mut runbook.related_runbooks, texts, "related runbooks"),
        "severity" | "priority" if single => match severity(&first) {
            Some(severity) => {
                runbook.severity = severity;
                Taken::In("severity")
            }
            None => Taken::Not,
        },
        "category" => match word(&first).parse::<Category>() {
            Ok(category) if single => {
                runbook.category = Some(category);
                Taken::In("category")
            }
            Ok(_) | Err(_) => extend(&mut runbook.tags, texts, "tags"),
        },
        "domain" if single => match word(&first).parse::<Domain>() {
            Ok(domain) => {
                runbook.domain = Some(domain);
                Taken::In("domain")
            }
            Err(_) => Taken::Not,
        },
        "date" | "created" | "createdat" | "publishdate" => day(&first, &mut runbook.created, "created"),
        "lastmod" | "updated" | "updatedat" | "lastupdated" | "modified" => {
            day(&first, &mut runbook.updated, "updated")
        }
        "review" | "reviewdate" | "reviewby" | "nextreview" | "expirydate" => {
            day(&first, &mut runbook.review_date, "review date")
        }
        _ => Taken::Not,
    }
}

fn put(field: &mut Option<String>, text: String, target: &'static str) -> Taken {
    *field = Some(text);
    Taken::As(target)
}

fn extend(field: &mut Vec<String>, texts: Vec<String>, target: &'static str) -> Taken {
    for text in texts {
        if !field.contains(&text) {
            field.push(text);
        }
    }
    Taken::As(target)
}

/// Names of alerts start it; what is written in words is found by search.
fn triggers(texts: &[String], runbook: &mut Runbook) -> Taken {
    // The old addresses of a page say where it was, not what starts it.
    let (paths, names): (Vec<&String>, Vec<&String>) = texts.iter().partition(|text| text.contains('/'));
    for text in &names {
        let list = if is_camel(text) { &mut runbook.trigger.alerts } else { &mut runbook.trigger.prose };
        if !list.contains(text) {
            list.push((*text).clone());
        }
    }
    match (names.is_empty(), paths.is_empty()) {
        (true, _) => Taken::Not,
        (false, true) => Taken::As("triggers"),
        (false, false) => Taken::In("triggers"),
    }
}

fn day(text: &str, field: &mut Option<Date>, target: &'static str) -> Taken {
    match text.get(..10).and_then(|day| day.parse::<Date>().ok()) {
        Some(date) => {
            *field = Some(date);
            Taken::In(target)
        }
        None => Taken::Not,
    }
}

/// The severity that a word stands for.
pub(super) fn severity(text: &str) -> Option<Severity> {
    let word: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match word.as_str() {
        "sev1" | "s1" | "p1" | "p0" | "sev0" | "1" | "critical" | "page" | "emergency" | "disaster" => {
            Some(Severity::Sev1)
        }
        "sev2" | "s2" | "p2" | "2" | "high" | "major" | "error" => Some(Severity::Sev2),
        "sev3" | "s3" | "p3" | "3" | "medium" | "warning" | "warn" | "moderate" => Some(Severity::Sev3),
        "sev4" | "s4" | "p4" | "4" | "low" | "minor" | "info" | "informational" | "none" => Some(Severity::Sev4),
        "all" | "any" => Some(Severity::All),
        _ => None,
    }
}

fn word(text: &str) -> String {
    text.trim().to_lowercase().replace([' ', '-'], "_")
}

/// The texts in a value; nothing where it holds something else than texts and numbers.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => vec![text.trim().to_owned()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => {
            let texts: Vec<Vec<String>> = items.iter().map(texts).collect();
            if texts.iter().any(Vec::is_empty) { Vec::new() } else { texts.concat() }
        }
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    }
}
