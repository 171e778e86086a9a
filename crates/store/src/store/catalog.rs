//! The store's catalog: documents, search, and where they come from.

use std::collections::{BTreeMap, BTreeSet};

use super::Store;
use crate::catalog::{self, CatalogFile, Document, SourceChange};
use crate::error::StoreError;
use crate::search::{self, Hit, Query, SearchFilter};
use crate::sources::{self, CatalogSource};

impl Store {
    /// Adds or replaces documents by key.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn put_documents(&self, documents: Vec<Document>) -> Result<(), StoreError> {
        self.relaxed(move |connection| catalog::put(connection, &documents))
    }

    /// Makes the documents of a source exactly these.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn replace_documents(&self, source: &str, documents: Vec<Document>) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.relaxed(move |connection| catalog::replace_source(connection, &source, &documents))
    }

    /// Writes what changed in a source, all of it or nothing.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn update_source(&self, source: &str, change: SourceChange) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.relaxed(move |connection| catalog::update(connection, &source, &change))
    }

    /// Returns the files of a source as [`Self::update_source`] was told of them, by path.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn catalog_files(&self, source: &str) -> Result<BTreeMap<String, CatalogFile>, StoreError> {
        self.read(|connection| catalog::files(connection, source))
    }

    /// Removes a document; returns whether it was there.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn remove_document(&self, key: &str) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.relaxed(move |connection| catalog::remove(connection, &key))
    }

    /// Removes the documents of a source; returns how many there were.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn remove_documents(&self, source: &str) -> Result<usize, StoreError> {
        let source = source.to_owned();
        self.relaxed(move |connection| catalog::remove_source(connection, &source))
    }

    /// Returns the content hash of every document of a source, by key.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn document_hashes(&self, source: &str) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|connection| catalog::hashes(connection, source))
    }

    /// Returns, for each name and id, the documents that have one of them, without their long texts.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn namesakes(&self, names: &[(String, String)]) -> Result<Vec<Vec<Document>>, StoreError> {
        self.read(|connection| names.iter().map(|(name, id)| catalog::named(connection, name, id)).collect())
    }

    /// Returns every name and every id of the catalog, each once.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn references(&self) -> Result<BTreeSet<String>, StoreError> {
        self.read(catalog::references)
    }

    /// Finds documents by an alert or by what was typed, whatever characters that has; best first. An empty query lists
    /// them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn search(&self, query: &Query, filter: &SearchFilter) -> Result<Vec<Hit>, StoreError> {
        self.read(|connection| search::search(connection, &self.inner.vocabulary, query, filter))
    }

    /// Returns the directories that were added to the catalog.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn sources(&self) -> Result<Vec<CatalogSource>, StoreError> {
        self.read(sources::all)
    }

    /// Adds a directory to the catalog.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn add_source(&self, source: CatalogSource) -> Result<(), StoreError> {
        self.durable(move |connection| sources::add(connection, &source))
    }

    /// Removes a directory and its documents from the catalog; returns whether it was there.
    ///
    /// # Errors
    /// When the commit fails.
    pub fn remove_source(&self, path: &str) -> Result<bool, StoreError> {
        let path = path.to_owned();
        self.durable(move |connection| {
            catalog::remove_source(connection, &path)?;
            sources::remove(connection, &path)
        })
    }
}
