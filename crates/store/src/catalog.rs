//! Tables `catalog…`: the documents that can be searched, and the index over them. Rebuilt from files at will.
//!
//! The index (`catalog_index`, FTS5) holds terms, not text: stems, concepts of the table of synonyms, and what is written
//! as one word. `catalog_vectors` has the same terms by document, for the ranking; `catalog_terms` and `catalog_words` count
//! in how many documents each term and each word stands.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Doing, StoreError};
use crate::health::{self, Health};
use crate::search::{Reader, Tally, lexicon, pack_entries, reading, squash};

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
    /// What would let somebody down, as far as the file alone tells.
    pub health: Health,
}

/// A file of a source as it was last seen, a document or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CatalogFile {
    /// What names the file in its source.
    pub path: String,
    /// What changes with the file without reading it, such as size and time; empty where that says nothing yet.
    pub stamp: String,
    /// The hash of its content.
    pub content_hash: String,
}

/// What changed in a source since it was last looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SourceChange {
    /// Documents that are new or other than before.
    pub documents: Vec<Document>,
    /// Keys of documents that are no more.
    pub removed: Vec<String>,
    /// Files that are new or other than before.
    pub files: Vec<CatalogFile>,
    /// Paths of files that are no more.
    pub gone: Vec<String>,
}

impl SourceChange {
    /// Says whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.removed.is_empty() && self.files.is_empty() && self.gone.is_empty()
    }
}

/// The columns of `catalog` that [`head`] reads, in its order.
pub(crate) const HEAD: &str =
    "key, source, path, content_hash, id, name, title, severity, category, domain, services, tags, triggers, symptoms";

/// Reads a document without its long texts and its health from a row that begins with [`HEAD`].
pub(crate) fn head(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        key: row.get(0)?,
        source: row.get(1)?,
        path: row.get(2)?,
        content_hash: row.get(3)?,
        id: row.get(4)?,
        name: row.get(5)?,
        title: row.get(6)?,
        severity: row.get(7)?,
        category: row.get(8)?,
        domain: row.get(9)?,
        services: list(row, 10)?,
        tags: list(row, 11)?,
        triggers: list(row, 12)?,
        symptoms: list(row, 13)?,
        description: String::new(),
        body: String::new(),
        health: Health::default(),
    })
}

fn list(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Returns a document by its row, long texts included.
pub(crate) fn document(connection: &Connection, row: i64) -> Result<Option<Document>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {HEAD}, description, body FROM catalog JOIN catalog_texts ON document = catalog.rowid
             WHERE catalog.rowid = ?1"
        ))
        .and_then(|mut select| {
            select
                .query_row([row], |row| Ok(Document { description: row.get(14)?, body: row.get(15)?, ..head(row)? }))
                .optional()
        })
        .doing("read a document of the catalog")
}

/// Returns the description and the body of a document.
pub(crate) fn texts(connection: &Connection, row: i64) -> Result<(String, String), StoreError> {
    connection
        .prepare_cached("SELECT description, body FROM catalog_texts WHERE document = ?1")
        .and_then(|mut select| select.query_row([row], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map(Option::unwrap_or_default)
        .doing("read a document of the catalog")
}

/// From so many documents in one change on it is worth while to keep more of the file at hand.
const MANY: usize = 200;
/// What the writer keeps of the file then, in KB and negative as SQLite wants it.
const WRITE_CACHE: i64 = -65_536;
/// What it keeps otherwise, as SQLite does by itself.
const USUAL_CACHE: i64 = -2_000;

/// A change of the index. What it adds up to is written at its end, once for all documents.
struct Change<'a> {
    connection: &'a Connection,
    reader: Reader,
    /// How many documents there are more than before.
    documents: i64,
    /// How many were written.
    written: usize,
}

impl<'a> Change<'a> {
    /// Begins a change. An index that was made by other rules is emptied first: its terms would not be found.
    fn begin(connection: &'a Connection) -> Result<Self, StoreError> {
        let doing = "see how the catalog was indexed";
        let made: String =
            connection.query_row("SELECT reading FROM catalog_state", [], |row| row.get(0)).doing(doing)?;
        if made != reading() {
            clear(connection)?;
        }
        Ok(Self { connection, reader: Reader::new(lexicon()), documents: 0, written: 0 })
    }

    fn put(&mut self, document: &Document) -> Result<(), StoreError> {
        let doing = "write a document of the catalog";
        let known: Option<i64> = self
            .connection
            .prepare_cached("SELECT rowid FROM catalog WHERE key = ?1")
            .and_then(|mut select| select.query_row([&document.key], |row| row.get(0)).optional())
            .doing("find a document of the catalog")?;
        if let Some(row) = known {
            self.remove(row)?;
        }
        let list = |entries: &[String]| {
            serde_json::to_string(entries).expect("a list of strings is always representable as JSON")
        };
        self.connection
            .prepare_cached(&format!(
                "INSERT INTO catalog ({HEAD}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
            ))
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
                    list(&document.triggers),
                    list(&document.symptoms),
                ])
            })
            .doing(doing)?;
        let row = self.connection.last_insert_rowid();
        let terms = self.reader.read(document);
        let (head, rest) = self.reader.columns(&terms);
        self.connection
            .prepare_cached("INSERT INTO catalog_index (rowid, head, rest) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![row, head, rest]))
            .doing(doing)?;
        self.connection
            .prepare_cached("INSERT INTO catalog_texts (document, description, body) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![row, document.description, document.body]))
            .doing(doing)?;
        self.connection
            .prepare_cached("INSERT INTO catalog_vectors (document, vector) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute(params![row, self.reader.pack(&terms)]))
            .doing(doing)?;
        self.connection
            .prepare_cached("INSERT INTO catalog_entries (document, entries) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute(params![row, pack_entries(&terms.entries)]))
            .doing(doing)?;
        health::put(self.connection, row, &document.health)?;
        for name in names(document) {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO catalog_names (name, document) VALUES (?1, ?2)")
                .and_then(|mut insert| insert.execute(params![name, row]))
                .doing(doing)?;
        }
        self.reader.count(&terms, 1);
        self.documents += 1;
        self.written += 1;
        if self.written == MANY {
            // What one transaction changes is written once, at its end.
            self.connection.pragma_update(None, "cache_size", WRITE_CACHE).doing("configure the connection")?;
        }
        Ok(())
    }

    fn remove(&mut self, row: i64) -> Result<(), StoreError> {
        if let Some(document) = document(self.connection, row)? {
            let terms = self.reader.read(&document);
            self.reader.count(&terms, -1);
            self.documents -= 1;
            for name in names(&document) {
                self.connection
                    .prepare_cached("DELETE FROM catalog_names WHERE name = ?1 AND document = ?2")
                    .and_then(|mut delete| delete.execute(params![name, row]))
                    .doing("remove a document from the catalog")?;
            }
        }
        for sql in [
            "DELETE FROM catalog_index WHERE rowid = ?1",
            "DELETE FROM catalog_texts WHERE document = ?1",
            "DELETE FROM catalog_vectors WHERE document = ?1",
            "DELETE FROM catalog_entries WHERE document = ?1",
            "DELETE FROM catalog_health WHERE document = ?1",
            "DELETE FROM catalog WHERE rowid = ?1",
        ] {
            self.connection
                .prepare_cached(sql)
                .and_then(|mut delete| delete.execute([row]))
                .doing("remove a document from the catalog")?;
        }
        Ok(())
    }

    fn end(self) -> Result<(), StoreError> {
        let doing = "count the words of the catalog";
        let many = self.written >= MANY;
        let Reader { term_tallies, word_tallies, .. } = self.reader;
        for (table, column, tallies) in
            [("catalog_terms", "term", term_tallies), ("catalog_words", "word", word_tallies)]
        {
            // Neighbours in the table are written one after the other.
            let mut tallies: Vec<Tally> = tallies.into_iter().filter(|tally| tally.change != 0).collect();
            tallies.sort_unstable_by(|a, b| a.text.cmp(&b.text));
            let mut add = self
                .connection
                .prepare_cached(&format!(
                    "INSERT INTO {table} ({column}, documents) VALUES (?1, ?2)
                     ON CONFLICT DO UPDATE SET documents = documents + excluded.documents"
                ))
                .doing(doing)?;
            for tally in tallies.iter().filter(|tally| tally.change > 0) {
                add.execute(params![tally.text, tally.change]).doing(doing)?;
            }
            let mut take = self
                .connection
                .prepare_cached(&format!("UPDATE {table} SET documents = documents + ?2 WHERE {column} = ?1"))
                .doing(doing)?;
            let mut forget = self
                .connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE {column} = ?1 AND documents <= 0"))
                .doing(doing)?;
            for tally in tallies.iter().filter(|tally| tally.change < 0) {
                take.execute(params![tally.text, tally.change]).doing(doing)?;
                forget.execute([&tally.text]).doing(doing)?;
            }
        }
        self.connection
            .prepare_cached("UPDATE catalog_state SET documents = documents + ?1, changes = changes + 1, reading = ?2")
            .and_then(|mut update| update.execute(params![self.documents, reading()]))
            .doing(doing)?;
        if many {
            self.connection.pragma_update(None, "cache_size", USUAL_CACHE).doing("configure the connection")?;
        }
        Ok(())
    }
}

fn clear(connection: &Connection) -> Result<(), StoreError> {
    let doing = "empty the catalog";
    // A table without content cannot be emptied by `DELETE`.
    connection.execute("INSERT INTO catalog_index (catalog_index) VALUES ('delete-all')", []).doing(doing)?;
    let tables = [
        "catalog",
        "catalog_texts",
        "catalog_vectors",
        "catalog_entries",
        "catalog_health",
        "catalog_names",
        "catalog_terms",
        "catalog_words",
        "catalog_files",
    ];
    for table in tables {
        connection.execute(&format!("DELETE FROM {table}"), []).doing(doing)?;
    }
    connection.execute("UPDATE catalog_state SET documents = 0, changes = changes + 1", []).doing(doing)?;
    Ok(())
}

/// What names a document exactly.
fn names(document: &Document) -> Vec<String> {
    let mut names: Vec<String> = [&document.id, &document.name, &document.title]
        .into_iter()
        .chain(&document.triggers)
        .map(|name| squash(name))
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Adds or replaces documents.
pub(crate) fn put(connection: &Connection, documents: &[Document]) -> Result<(), StoreError> {
    let mut change = Change::begin(connection)?;
    documents.iter().try_for_each(|document| change.put(document))?;
    change.end()
}

/// Removes the document with this key; returns whether it was there.
pub(crate) fn remove(connection: &Connection, key: &str) -> Result<bool, StoreError> {
    let mut change = Change::begin(connection)?;
    let rows = rows(connection, "SELECT rowid FROM catalog WHERE key = ?1", key)?;
    rows.iter().try_for_each(|&row| change.remove(row))?;
    change.end()?;
    Ok(!rows.is_empty())
}

/// Removes every document of a source; returns how many there were.
pub(crate) fn remove_source(connection: &Connection, source: &str) -> Result<usize, StoreError> {
    forget_files(connection, source)?;
    let mut change = Change::begin(connection)?;
    let rows = rows(connection, "SELECT rowid FROM catalog WHERE source = ?1", source)?;
    rows.iter().try_for_each(|&row| change.remove(row))?;
    change.end()?;
    Ok(rows.len())
}

/// Writes what changed in a source, all of it or nothing.
pub(crate) fn update(connection: &Connection, source: &str, update: &SourceChange) -> Result<(), StoreError> {
    let mut change = Change::begin(connection)?;
    for key in &update.removed {
        let rows = rows(connection, "SELECT rowid FROM catalog WHERE key = ?1", key)?;
        rows.iter().try_for_each(|&row| change.remove(row))?;
    }
    update.documents.iter().try_for_each(|document| change.put(document))?;
    change.end()?;
    let doing = "write the files of the catalog";
    let mut forget =
        connection.prepare_cached("DELETE FROM catalog_files WHERE source = ?1 AND path = ?2").doing(doing)?;
    for path in &update.gone {
        forget.execute([source, path]).doing(doing)?;
    }
    let mut put = connection
        .prepare_cached(
            "INSERT OR REPLACE INTO catalog_files (source, path, stamp, content_hash) VALUES (?1, ?2, ?3, ?4)",
        )
        .doing(doing)?;
    for file in &update.files {
        put.execute(params![source, file.path, file.stamp, file.content_hash]).doing(doing)?;
    }
    Ok(())
}

/// Returns the files of a source as they were last seen, by path; none where the index was made by other rules.
pub(crate) fn files(connection: &Connection, source: &str) -> Result<BTreeMap<String, CatalogFile>, StoreError> {
    let doing = "read the files of the catalog";
    connection
        .prepare_cached(
            "SELECT path, stamp, content_hash FROM catalog_files
             WHERE source = ?1 AND (SELECT reading FROM catalog_state) = ?2",
        )
        .doing(doing)?
        .query_map([source, reading()], |row| {
            let file = CatalogFile { path: row.get(0)?, stamp: row.get(1)?, content_hash: row.get(2)? };
            Ok((file.path.clone(), file))
        })
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)
}

fn forget_files(connection: &Connection, source: &str) -> Result<(), StoreError> {
    connection
        .execute("DELETE FROM catalog_files WHERE source = ?1", [source])
        .map(|_| ())
        .doing("forget the files of a source")
}

/// Makes the documents of a source exactly these.
pub(crate) fn replace_source(connection: &Connection, source: &str, documents: &[Document]) -> Result<(), StoreError> {
    forget_files(connection, source)?;
    let mut change = Change::begin(connection)?;
    let rows = rows(connection, "SELECT rowid FROM catalog WHERE source = ?1", source)?;
    rows.iter().try_for_each(|&row| change.remove(row))?;
    documents.iter().try_for_each(|document| change.put(document))?;
    change.end()
}

fn rows(connection: &Connection, sql: &str, value: &str) -> Result<Vec<i64>, StoreError> {
    let doing = "find documents of the catalog";
    connection
        .prepare_cached(sql)
        .doing(doing)?
        .query_map([value], |row| row.get(0))
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)
}

/// Returns the documents that have this name, or this id in any case, in the order of their sources and files.
pub(crate) fn named(connection: &Connection, name: &str, id: &str) -> Result<Vec<Document>, StoreError> {
    let doing = "find runbooks by name";
    connection
        .prepare_cached(&format!(
            "SELECT {HEAD} FROM catalog WHERE rowid IN (SELECT document FROM catalog_names WHERE name IN (?1, ?2))
             AND (name = ?3 OR lower(id) = lower(?4)) ORDER BY source, path"
        ))
        .doing(doing)?
        .query_map([&squash(name), &squash(id), name, id], head)
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)
}

/// Returns every name and every id of the catalog, each once.
pub(crate) fn references(connection: &Connection) -> Result<BTreeSet<String>, StoreError> {
    let doing = "read the names of the catalog";
    connection
        .prepare_cached("SELECT name FROM catalog UNION SELECT id FROM catalog")
        .doing(doing)?
        .query_map([], |row| row.get(0))
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)
}

/// Returns the content hash of every document of a source, by key; of none when they were indexed by other rules.
pub(crate) fn hashes(connection: &Connection, source: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let doing = "read what the catalog holds";
    connection
        .prepare_cached(
            "SELECT key, content_hash FROM catalog
             WHERE source = ?1 AND (SELECT reading FROM catalog_state) = ?2",
        )
        .doing(doing)?
        .query_map([source, reading()], |row| Ok((row.get(0)?, row.get(1)?)))
        .doing(doing)?
        .collect::<Result<_, _>>()
        .doing(doing)
}
