//! The index of the catalog, brought up to date with the files.
//!
//! What a file's stamp says to be as before is not read, and what its hash says to be as before is not parsed.

use std::path::Path;

use belay_store::{CatalogFile, Document, ExecutionFilter, SourceChange, Store, StoreError};

use super::CatalogChange;
use super::scan::{self, Scan};
use crate::Cockpit;
use crate::catalog::{self, BUNDLED_SOURCE, Content};
use crate::error::CockpitError;

impl Cockpit {
    /// Brings the index up to date with the bundled catalog and the added directories.
    pub(crate) fn index(&self) -> Result<(), StoreError> {
        // Whoever refreshes has opened the store.
        let Some(store) = self.opened() else { return Ok(()) };
        for source in store.sources()? {
            index_directory(self, store, &source.path)?;
        }
        index_bundled(self, store)
    }

    /// The index in memory, as far as the added directories are known.
    pub(crate) fn index_in_memory(&self) -> Result<&Store, CockpitError> {
        let memory = self.memory()?;
        let known = self.reading().and_then(|store| {
            // What ran well comes first, here as well.
            memory.rebuild_projections(store.executions(&ExecutionFilter::default()).unwrap_or_default())?;
            Ok(store.sources()?)
        });
        match known {
            Ok(sources) => {
                for source in sources {
                    index_directory(self, memory, &source.path)?;
                }
            }
            Err(error) => self.without_directories(&error),
        }
        index_bundled(self, memory)?;
        Ok(memory)
    }
}

/// Brings the index up to date with one directory. Files that cannot be used are left out, and do not keep the others
/// out.
pub(crate) fn index_directory(cockpit: &Cockpit, store: &Store, source: &str) -> Result<CatalogChange, StoreError> {
    Ok(look_over(cockpit, store, source, false)?.0)
}

/// The same, but files that are as before are read, too, so that everything there is to say of them is said; returns how
/// many runbooks there are as well.
pub(crate) fn index_whole_directory(
    cockpit: &Cockpit,
    store: &Store,
    source: &str,
) -> Result<(CatalogChange, usize), StoreError> {
    look_over(cockpit, store, source, true)
}

fn look_over(
    cockpit: &Cockpit,
    store: &Store,
    source: &str,
    whole: bool,
) -> Result<(CatalogChange, usize), StoreError> {
    let Scan { files, problems: mut findings } = scan::below(Path::new(source), catalog::may_be_runbook);
    let mut known = store.catalog_files(source)?;
    let mut change = SourceChange::default();
    let mut runbooks = 0;
    for seen in files {
        let path = seen.path.display().to_string();
        let before = known.remove(&path);
        if !whole && !seen.stamp.is_empty() && before.as_ref().is_some_and(|before| before.stamp == seen.stamp) {
            continue;
        }
        let bytes = catalog::read_bytes(&seen.path);
        // A file too large to be read is known by its size, so that it is passed over the next time.
        let content_hash =
            bytes.as_ref().map_or_else(|_| format!("{} bytes", seen.size), |bytes| catalog::sha256(bytes));
        let same = before.as_ref().is_some_and(|before| before.content_hash == content_hash);
        if !same || before.is_some_and(|before| before.stamp != seen.stamp) {
            let file = CatalogFile { path: path.clone(), stamp: seen.stamp, content_hash: content_hash.clone() };
            change.files.push(file);
        }
        if same && !whole {
            continue;
        }
        let key = catalog::key(source, &path);
        match bytes.map(|bytes| catalog::open(&path, &bytes)) {
            Ok(Content::Runbook(found)) => {
                findings.extend(catalog::warnings(&found).cloned());
                runbooks += 1;
                if same {
                    continue;
                }
                let mut document = catalog::document(&found, source, key);
                document.content_hash = content_hash;
                document.health = cockpit.health(&found);
                change.documents.push(document);
                continue;
            }
            // A file that was a runbook and is none any more is not found either.
            Ok(Content::Other) => {}
            Ok(Content::Broken(problems)) => findings.extend(problems),
            Err(error) => findings.push(scan::unreadable(&seen.path, &error.message)),
        }
        if !same {
            change.removed.push(key);
        }
    }
    for path in known.into_keys() {
        change.removed.push(catalog::key(source, &path));
        change.gone.push(path);
    }
    let told = CatalogChange {
        source: source.to_owned(),
        changed: change.documents.len(),
        removed: change.gone.len(),
        findings,
    };
    if !change.is_empty() {
        store.update_source(source, change)?;
    }
    Ok((told, runbooks))
}

fn index_bundled(cockpit: &Cockpit, store: &Store) -> Result<(), StoreError> {
    let mut indexed = store.document_hashes(BUNDLED_SOURCE)?;
    let mut change = SourceChange::default();
    for (path, bytes) in catalog::bundled_files() {
        let key = catalog::key(BUNDLED_SOURCE, &path);
        if indexed.remove(&key).is_some_and(|hash| hash == catalog::sha256(bytes)) {
            continue;
        }
        if let Ok(found) = catalog::read(&path, bytes, BUNDLED_SOURCE) {
            let health = cockpit.health(&found);
            change.documents.push(Document { health, ..catalog::document(&found, BUNDLED_SOURCE, key) });
        }
    }
    change.removed.extend(indexed.into_keys());
    if !change.is_empty() {
        store.update_source(BUNDLED_SOURCE, change)?;
    }
    Ok(())
}
