//! Full-text search in the catalog.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::error::{Doing, StoreError};

/// Stands before a matching word of a snippet.
pub const MARK_START: char = '\u{2}';
/// Stands after a matching word of a snippet.
pub const MARK_END: char = '\u{3}';

/// More words than anybody types; what a pasted page has beyond them does not change what is found.
const MAX_WORDS: usize = 32;
/// Longer words are no words; the index holds none that matter.
const MAX_WORD_CHARS: usize = 64;
const DEFAULT_LIMIT: usize = 50;

/// The columns of the index in order, with their weights in the score.
const FIELDS: [(&str, f64); 10] = [
    ("id", 8.0),
    ("name", 8.0),
    ("title", 8.0),
    ("triggers", 10.0),
    ("symptoms", 6.0),
    ("services", 5.0),
    ("tags", 5.0),
    ("description", 3.0),
    ("words", 7.0),
    ("body", 1.0),
];

/// Which documents to search; the default is all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SearchFilter {
    /// Only those of this source.
    pub source: Option<String>,
    /// Only those with this severity.
    pub severity: Option<String>,
    /// Only those of this category.
    pub category: Option<String>,
    /// Only those of this domain.
    pub domain: Option<String>,
    /// Only those about this service.
    pub service: Option<String>,
    /// Only those with all of these tags.
    pub tags: Vec<String>,
    /// At most so many; 50 unless given.
    pub limit: Option<usize>,
}

/// A document that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The document.
    pub key: String,
    /// How well it fits: greater is better.
    pub score: f64,
    /// Whether the query is the name of an alert that triggers the document.
    pub exact_alert: bool,
    /// The fields in which a word was found.
    pub matched: Vec<&'static str>,
    /// The passage around a word, the words between [`MARK_START`] and [`MARK_END`]; empty without a query.
    pub snippet: String,
}

/// Splits what was typed into words: operators, quotes and control characters mean nothing.
fn words_of(query: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    query
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(MAX_WORD_CHARS).collect::<String>().to_lowercase())
        .filter(|word| seen.insert(word.clone()))
        .take(MAX_WORDS)
        .collect()
}

/// Builds the FTS5 expression: quoted words joined by `operator`, the last one a prefix.
fn expression(words: &[String], operator: &str) -> String {
    let mut quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    if let Some(last) = quoted.last_mut() {
        last.push('*');
    }
    quoted.join(operator)
}

/// Finds documents, best first: those triggered by an alert of exactly this name, then by score, then by key.
///
/// Documents with every word come first; when there are none, those with any word are returned.
pub(crate) fn search(connection: &Connection, query: &str, filter: &SearchFilter) -> Result<Vec<Hit>, StoreError> {
    let words = words_of(query);
    let limit = filter.limit.unwrap_or(DEFAULT_LIMIT);
    let alert: String =
        query.trim().replace('\0', " ").chars().take(MAX_WORD_CHARS * 4).collect::<String>().to_lowercase();
    let mut hits = if words.is_empty() {
        listed(connection, filter, limit)?
    } else {
        let all = matching(connection, &expression(&words, " AND "), &words, filter, limit)?;
        if all.is_empty() { matching(connection, &expression(&words, " OR "), &words, filter, limit)? } else { all }
    };
    if !words.is_empty() {
        for key in triggered(connection, &alert, filter)? {
            match hits.iter_mut().find(|hit| hit.key == key) {
                Some(hit) => hit.exact_alert = true,
                None => hits.push(Hit {
                    key,
                    score: 0.0,
                    exact_alert: true,
                    matched: vec!["triggers"],
                    snippet: String::new(),
                }),
            }
        }
    }
    hits.sort_by(|a, b| {
        b.exact_alert.cmp(&a.exact_alert).then(b.score.total_cmp(&a.score)).then_with(|| a.key.cmp(&b.key))
    });
    hits.truncate(limit);
    Ok(hits)
}

/// Builds the conditions of a filter; their values follow those already in `values`.
fn conditions(filter: &SearchFilter, values: &mut Vec<Value>) -> String {
    let mut sql = String::new();
    for (column, wanted) in [
        ("source", &filter.source),
        ("severity", &filter.severity),
        ("category", &filter.category),
        ("domain", &filter.domain),
    ] {
        if let Some(wanted) = wanted {
            sql = format!("{sql} AND catalog.{column} = ? COLLATE NOCASE");
            values.push(wanted.clone().into());
        }
    }
    let lists = filter.service.iter().map(|service| ("services", service));
    for (column, wanted) in lists.chain(filter.tags.iter().map(|tag| ("tags", tag))) {
        sql = format!("{sql} AND EXISTS (SELECT 1 FROM json_each(catalog.{column}) WHERE value = ? COLLATE NOCASE)");
        values.push(wanted.clone().into());
    }
    sql
}

fn limit_value(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

fn matching(
    connection: &Connection,
    expression: &str,
    words: &[String],
    filter: &SearchFilter,
    limit: usize,
) -> Result<Vec<Hit>, StoreError> {
    let doing = "search the catalog";
    let weights = FIELDS.map(|(_, weight)| weight.to_string()).join(", ");
    let columns = FIELDS.map(|(name, _)| format!("catalog_text.{name}")).join(", ");
    let mut values: Vec<Value> =
        vec![MARK_START.to_string().into(), MARK_END.to_string().into(), expression.to_owned().into()];
    let conditions = conditions(filter, &mut values);
    values.push(limit_value(limit));
    let sql = format!(
        "SELECT catalog.key, -bm25(catalog_text, {weights}) AS score,
                snippet(catalog_text, -1, ?, ?, '…', 16), {columns}
         FROM catalog_text JOIN catalog ON catalog.rowid = catalog_text.rowid
         WHERE catalog_text MATCH ? {conditions} ORDER BY score DESC, catalog.key LIMIT ?"
    );
    let mut statement = connection.prepare(&sql).doing(doing)?;
    let rows = statement
        .query_map(params_from_iter(values), |row| {
            let mut matched = Vec::new();
            for (index, (field, _)) in FIELDS.iter().enumerate() {
                let text = row.get::<_, String>(3 + index)?.to_lowercase();
                if words.iter().any(|word| text.contains(word.as_str())) {
                    matched.push(*field);
                }
            }
            // `words` only repeats names in pieces.
            if matched.len() > 1 {
                matched.retain(|&field| field != "words");
            }
            Ok(Hit { key: row.get(0)?, score: row.get(1)?, exact_alert: false, matched, snippet: row.get(2)? })
        })
        .doing(doing)?;
    rows.collect::<Result<_, _>>().doing(doing)
}

fn triggered(connection: &Connection, alert: &str, filter: &SearchFilter) -> Result<Vec<String>, StoreError> {
    let doing = "search the catalog by alert";
    let mut values: Vec<Value> = vec![alert.to_owned().into()];
    let conditions = conditions(filter, &mut values);
    let sql = format!(
        "SELECT catalog.key FROM catalog_triggers JOIN catalog ON catalog.rowid = catalog_triggers.document
         WHERE catalog_triggers.alert = ? {conditions} ORDER BY catalog.key"
    );
    let mut statement = connection.prepare(&sql).doing(doing)?;
    let rows = statement.query_map(params_from_iter(values), |row| row.get(0)).doing(doing)?;
    rows.collect::<Result<_, _>>().doing(doing)
}

fn listed(connection: &Connection, filter: &SearchFilter, limit: usize) -> Result<Vec<Hit>, StoreError> {
    let doing = "list the catalog";
    let mut values = Vec::new();
    let conditions = conditions(filter, &mut values);
    values.push(limit_value(limit));
    let sql = format!("SELECT catalog.key FROM catalog WHERE true {conditions} ORDER BY catalog.key LIMIT ?");
    let mut statement = connection.prepare(&sql).doing(doing)?;
    let rows = statement
        .query_map(params_from_iter(values), |row| {
            Ok(Hit { key: row.get(0)?, score: 0.0, exact_alert: false, matched: Vec::new(), snippet: String::new() })
        })
        .doing(doing)?;
    rows.collect::<Result<_, _>>().doing(doing)
}
