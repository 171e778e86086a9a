//! Tables `catalog`, `catalog_triggers` and `catalog_text`: the documents that can be searched. Rebuilt from files at will.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Doing, StoreError};

/// A document of the catalog.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Document {
    /// Names the document; a second one with this key replaces the first.
    pub key: String,
    /// Where it comes from: a directory, or the bundled catalog.
    pub source: String,
    /// The file, relative to the source.
    pub path: String,
    /// The hash of the file, to see what changed.
    pub content_hash: String,
    /// The runbook's id.
    pub id: String,
    /// The runbook's name.
    pub name: String,
    /// The title.
    pub title: String,
    /// The description.
    pub description: String,
    /// The symptoms that people look for.
    pub symptoms: Vec<String>,
    /// The names of the alerts that trigger it.
    pub triggers: Vec<String>,
    /// The services it is about.
    pub services: Vec<String>,
    /// The tags.
    pub tags: Vec<String>,
    /// The severity, empty when there is none.
    pub severity: String,
    /// The category, empty when there is none.
    pub category: String,
    /// The domain, empty when there is none.
    pub domain: String,
    /// Everything else that is searched.
    pub body: String,
}

fn row_of(connection: &Connection, key: &str) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached("SELECT rowid FROM catalog WHERE key = ?1")
        .and_then(|mut select| select.query_row([key], |row| row.get(0)).optional())
        .doing("find a document of the catalog")
}

fn remove_row(connection: &Connection, row: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM catalog_text WHERE rowid = ?1",
        "DELETE FROM catalog_triggers WHERE document = ?1",
        "DELETE FROM catalog WHERE rowid = ?1",
    ] {
        connection
            .prepare_cached(sql)
            .and_then(|mut delete| delete.execute([row]))
            .doing("remove a document from the catalog")?;
    }
    Ok(())
}

/// Adds or replaces a document.
pub(crate) fn put(connection: &Connection, document: &Document) -> Result<(), StoreError> {
    let doing = "write a document of the catalog";
    if let Some(row) = row_of(connection, &document.key)? {
        remove_row(connection, row)?;
    }
    let list =
        |entries: &[String]| serde_json::to_string(entries).expect("a list of strings is always representable as JSON");
    connection
        .prepare_cached(
            "INSERT INTO catalog
             (key, source, path, content_hash, id, name, title, severity, category, domain, services, tags)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                document.key,
                document.source,
                document.path,
                document.content_hash,
                document.id,
                document.name,
                document.title,
                document.severity,
                document.category,
                document.domain,
                list(&document.services),
                list(&document.tags),
            ])
        })
        .doing(doing)?;
    let row = connection.last_insert_rowid();
    for alert in &document.triggers {
        connection
            .prepare_cached("INSERT OR IGNORE INTO catalog_triggers (document, alert) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute(params![row, alert.to_lowercase()]))
            .doing(doing)?;
    }
    let words: Vec<String> =
        [&document.id, &document.name].into_iter().chain(&document.triggers).map(|name| words(name)).collect();
    // FTS5 reads no further than a NUL, so none is stored.
    let text = |text: &str| text.replace('\0', " ");
    connection
        .prepare_cached(
            "INSERT INTO catalog_text
             (rowid, id, name, title, triggers, symptoms, services, tags, description, words, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                row,
                text(&document.id),
                text(&document.name),
                text(&document.title),
                text(&document.triggers.join("\n")),
                text(&document.symptoms.join("\n")),
                text(&document.services.join("\n")),
                text(&document.tags.join("\n")),
                text(&document.description),
                text(&words.join("\n")),
                text(&document.body),
            ])
        })
        .doing(doing)?;
    Ok(())
}

/// Splits a name such as `KubePodCrashLooping` into words, so that `crash` finds it.
fn words(name: &str) -> String {
    let mut split = String::with_capacity(name.len() + 8);
    let mut before = ' ';
    for character in name.chars() {
        let starts = character.is_uppercase() && before.is_lowercase()
            || character.is_numeric() != before.is_numeric() && before.is_alphanumeric();
        if starts {
            split.push(' ');
        }
        split.push(character);
        before = character;
    }
    split
}

/// Removes the document with this key; returns whether it was there.
pub(crate) fn remove(connection: &Connection, key: &str) -> Result<bool, StoreError> {
    match row_of(connection, key)? {
        Some(row) => remove_row(connection, row).map(|()| true),
        None => Ok(false),
    }
}

/// Removes every document of a source; returns how many there were.
pub(crate) fn remove_source(connection: &Connection, source: &str) -> Result<usize, StoreError> {
    let doing = "remove a source's documents from the catalog";
    let rows: Vec<i64> = connection
        .prepare_cached("SELECT rowid FROM catalog WHERE source = ?1")
        .doing(doing)?
        .query_map([source], |row| row.get(0))
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)?;
    for &row in &rows {
        remove_row(connection, row)?;
    }
    Ok(rows.len())
}

/// Makes the documents of a source exactly these.
pub(crate) fn replace_source(connection: &Connection, source: &str, documents: &[Document]) -> Result<(), StoreError> {
    remove_source(connection, source)?;
    documents.iter().try_for_each(|document| put(connection, document))
}

/// Returns the content hash of every document of a source, by key.
pub(crate) fn hashes(connection: &Connection, source: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let doing = "read what the catalog holds";
    connection
        .prepare_cached("SELECT key, content_hash FROM catalog WHERE source = ?1")
        .doing(doing)?
        .query_map([source], |row| Ok((row.get(0)?, row.get(1)?)))
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn names_are_split_where_a_word_begins() {
        assert_eq!(words("KubePodCrashLooping"), "Kube Pod Crash Looping");
        assert_eq!(words("Http5xxRate"), "Http 5 xx Rate");
        assert_eq!(words("disk-full"), "disk-full");
    }
}
