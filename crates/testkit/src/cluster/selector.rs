//! Label and field selectors.

use serde_json::Value;

use super::json;
use super::kinds::Kind;
use super::status::Refusal;

/// One condition on a label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
    Greater(String, i64),
    Less(String, i64),
}

/// Conditions on labels, all of which have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<Term>);

impl Labels {
    /// Reads a selector in the form of a query: `app=checkout,tier in (web, api),!old`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut terms = Vec::new();
        for part in split(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            terms.push(term(part).ok_or_else(|| {
                Refusal::bad_request(format!("unable to parse requirement: found '{part}', expected: a requirement"))
            })?);
        }
        Ok(Self(terms))
    }

    /// Reads a selector in the form of an object: `matchLabels` and `matchExpressions`.
    pub fn of_object(selector: &Value) -> Self {
        let mut terms = Vec::new();
        if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
            terms.extend(labels.iter().map(|(key, value)| Term::In(key.clone(), vec![plain(value)])));
        }
        for expression in json::list(selector, "/matchExpressions") {
            let key = json::text(expression, "/key").to_owned();
            let values = json::list(expression, "/values").iter().map(plain).collect();
            match json::text(expression, "/operator") {
                "In" => terms.push(Term::In(key, values)),
                "NotIn" => terms.push(Term::NotIn(key, values)),
                "Exists" => terms.push(Term::Exists(key)),
                _ => terms.push(Term::Missing(key)),
            }
        }
        Self(terms)
    }

    /// Reads a selector that is a plain map of labels.
    pub fn of_map(labels: &Value) -> Self {
        let labels = labels.as_object().into_iter().flatten();
        Self(labels.map(|(key, value)| Term::In(key.clone(), vec![plain(value)])).collect())
    }

    /// Whether it asks for nothing, and so matches everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the labels of an object satisfy it.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| {
            let value = |key: &str| json::label(object, key);
            let number = |key: &str| value(key).and_then(|value| value.parse::<i64>().ok());
            match term {
                Term::In(key, values) => value(key).is_some_and(|value| values.iter().any(|one| one == value)),
                Term::NotIn(key, values) => value(key).is_none_or(|value| values.iter().all(|one| one != value)),
                Term::Exists(key) => value(key).is_some(),
                Term::Missing(key) => value(key).is_none(),
                Term::Greater(key, bound) => number(key).is_some_and(|number| number > *bound),
                Term::Less(key, bound) => number(key).is_some_and(|number| number < *bound),
            }
        })
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The parts between commas, but for those within parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|character: char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .collect()
}

fn term(part: &str) -> Option<Term> {
    let key = |text: &str| {
        let text = text.trim();
        let good = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
        (!text.is_empty() && text.chars().all(good)).then(|| text.to_owned())
    };
    if let Some(rest) = part.strip_suffix(')') {
        let (head, values) = rest.split_once('(')?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let (name, operator) = head.trim().split_once(char::is_whitespace)?;
        return match operator.trim() {
            "in" => Some(Term::In(key(name)?, values)),
            "notin" => Some(Term::NotIn(key(name)?, values)),
            _ => None,
        };
    }
    if let Some(name) = part.strip_prefix('!') {
        return Some(Term::Missing(key(name)?));
    }
    for (sign, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((name, value)) = part.split_once(sign) {
            let value = value.trim();
            if !value.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter)) {
                return None;
            }
            let values = vec![value.to_owned()];
            return Some(if equal { Term::In(key(name)?, values) } else { Term::NotIn(key(name)?, values) });
        }
    }
    if let Some((name, bound)) = part.split_once('>') {
        return Some(Term::Greater(key(name)?, bound.trim().parse().ok()?));
    }
    if let Some((name, bound)) = part.split_once('<') {
        return Some(Term::Less(key(name)?, bound.trim().parse().ok()?));
    }
    Some(Term::Exists(key(part)?))
}

/// Conditions on fields, all of which have to hold: field, value, and whether they shall be equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String, bool)>);

impl Fields {
    /// Reads a selector such as `spec.nodeName=node-1,status.phase!=Failed`; a field that the resource does not
    /// offer is refused with 400.
    pub fn parse(kind: &Kind, text: &str) -> Result<Self, Refusal> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let found = [("!=", false), ("==", true), ("=", true)]
                .into_iter()
                .find_map(|(sign, equal)| part.split_once(sign).map(|(field, value)| (field, value, equal)));
            let Some((field, value, equal)) = found else {
                return Err(Refusal::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            if !offered(kind, field) {
                return Err(Refusal::bad_request(format!("field label not supported: {field}")));
            }
            terms.push((field.to_owned(), value.to_owned(), equal));
        }
        Ok(Self(terms))
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the fields of an object satisfy it.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, value, equal)| {
            let pointer = format!("/{}", field.replace('.', "/"));
            let found = object.pointer(&pointer).map(plain).unwrap_or_default();
            let found = if field == "spec.unschedulable" && found.is_empty() { "false".to_owned() } else { found };
            (found == *value) == *equal
        })
    }
}

fn offered(kind: &Kind, field: &str) -> bool {
    match field {
        "metadata.name" => true,
        "metadata.namespace" => kind.namespaced,
        "spec.nodeName"
        | "spec.restartPolicy"
        | "spec.schedulerName"
        | "spec.serviceAccountName"
        | "spec.hostNetwork"
        | "status.podIP"
        | "status.nominatedNodeName" => kind.plural == "pods",
        "status.phase" => matches!(kind.plural, "pods" | "namespaces"),
        "spec.unschedulable" => kind.plural == "nodes",
        "status.replicas" => kind.plural == "replicasets",
        "status.successful" => kind.plural == "jobs",
        "type" => matches!(kind.plural, "events" | "secrets"),
        "reason" | "reportingComponent" | "source" => kind.plural == "events",
        "spec.clusterIP" | "spec.type" => kind.plural == "services",
        _ => kind.plural == "events" && field.starts_with("involvedObject."),
    }
}

/// What a list or a watch is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Conditions on labels.
    pub labels: Labels,
    /// Conditions on fields.
    pub fields: Fields,
}

impl Selection {
    /// Whether it narrows nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object belongs to it.
    pub fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}
