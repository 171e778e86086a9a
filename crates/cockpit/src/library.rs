//! Finding, searching, validating: the catalog as front ends use it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use belay_runbook::finding::Finding;
use belay_runbook::lint;
use belay_store::SearchFilter;
use jiff::Timestamp;
use serde::Serialize;

use crate::Cockpit;
use crate::alert::Alert;
use crate::catalog::{self, BUNDLED_SOURCE, Broken, Found};
use crate::error::CockpitError;
use crate::wire::{RunbookStatistics, SearchHit};

/// What is searched for.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery {
    /// What somebody typed.
    pub text: String,
    /// The name of an alert.
    pub alert: Option<String>,
    /// Only runbooks about this service.
    pub service: Option<String>,
    /// Only this severity, or any.
    pub severity: Option<String>,
    /// Only this category.
    pub category: Option<String>,
    /// Only this domain.
    pub domain: Option<String>,
    /// Any of these tags.
    pub tags: Vec<String>,
    /// At most so many; all where zero.
    pub limit: usize,
}

/// A directory of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogSource {
    /// `bundled`, or the directory.
    pub path: String,
    /// How many runbooks it holds.
    pub runbooks: usize,
    /// How many files could not be used.
    pub broken: usize,
}

/// What came of adding a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogReport {
    /// The directory.
    pub path: String,
    /// How many runbooks it holds.
    pub runbooks: usize,
    /// Findings of files that could not be used.
    pub findings: Vec<Finding>,
}

impl Cockpit {
    /// Finds a runbook by path, id or name; a team's own comes before a bundled one of the same name.
    pub fn find(&self, reference: &str) -> Result<Found, CockpitError> {
        let path = Path::new(reference);
        if reference.contains('/') || catalog::is_runbook_file(path) {
            return catalog::read_path(path);
        }
        // Without a database there are no directories of one's own, and reading stays possible without it.
        if self.home.database().exists() {
            match self.added_runbooks() {
                Ok(added) => {
                    let mut named = added.into_iter().filter(|found| catalog::matches(&found.runbook, reference));
                    if let Some(first) = named.next() {
                        if let Some(second) = named.find(|other| other.digest != first.digest) {
                            return Err(CockpitError::user(format!("two runbooks are named `{reference}`"))
                                .hint(format!("give a path: {} or {}", first.source, second.source)));
                        }
                        return Ok(first);
                    }
                }
                Err(error) => tracing::warn!(%error, "directories of the catalog cannot be read"),
            }
        }
        if let Some(found) = catalog::bundled_one(reference) {
            return Ok(found);
        }
        Err(unknown(reference))
    }

    fn added_runbooks(&self) -> Result<Vec<Found>, CockpitError> {
        let mut found = Vec::new();
        for source in self.store()?.sources()? {
            match catalog::read_directory(Path::new(&source.path)) {
                Ok(listing) => found.extend(listing.found),
                // A directory that is not mounted does not hide the others.
                Err(error) => tracing::warn!(%error, "a directory of the catalog cannot be read"),
            }
        }
        Ok(found)
    }

    /// Searches bundled and added runbooks.
    pub fn search(&self, query: &SearchQuery) -> Result<Vec<SearchHit>, CockpitError> {
        let found = self.index()?;
        let store = self.store()?;
        let filter = SearchFilter {
            severity: query.severity.clone(),
            category: query.category.clone(),
            domain: query.domain.clone(),
            service: query.service.clone(),
            limit: Some(10_000),
            ..SearchFilter::default()
        };
        let text = match &query.alert {
            Some(alert) if query.text.is_empty() => alert.clone(),
            Some(alert) => format!("{alert} {}", query.text),
            None => query.text.clone(),
        };
        let mut hits = store.search(&text, &filter)?;
        if let Some(alert) = &query.alert {
            // What an alert names comes before what merely sounds like it.
            let names = |key: &str| {
                found.get(key).is_some_and(|found| found.runbook.trigger.alerts.iter().any(|name| name == alert))
            };
            hits.sort_by_key(|hit| !(hit.exact_alert || names(&hit.key)));
        }
        let statistics: BTreeMap<String, RunbookStatistics> =
            store.statistics(None)?.into_iter().map(|row| (row.runbook.clone(), statistics_view(&row))).collect();
        let limit = if query.limit == 0 { usize::MAX } else { query.limit };
        let mut seen = BTreeSet::new();
        Ok(hits
            .into_iter()
            .filter_map(|hit| Some((found.get(&hit.key)?, hit)))
            .filter(|(found, _)| query.tags.is_empty() || query.tags.iter().any(|tag| found.runbook.tags.contains(tag)))
            // The team's own runbook hides the bundled one of the same name.
            .filter(|(found, _)| seen.insert(found.runbook.name.clone()))
            .take(limit)
            .map(|(found, hit)| SearchHit {
                id: found.runbook.reference().to_owned(),
                name: found.runbook.name.clone(),
                title: found.runbook.display_title().to_owned(),
                score: hit.score,
                matched: hit.matched.iter().map(|&field| field.to_owned()).collect(),
                severity: found.runbook.severity.as_str().to_owned(),
                category: found.runbook.category.map(|category| category.as_str().to_owned()),
                services: found.runbook.services.clone(),
                source: found.source.clone(),
                statistics: statistics.get(found.runbook.reference()).cloned().unwrap_or_default(),
            })
            .collect())
    }

    /// Brings the index up to date with the bundled catalog and the added directories; returns what it holds by key.
    fn index(&self) -> Result<BTreeMap<String, Found>, CockpitError> {
        let store = self.store()?;
        let mut sources: Vec<(String, Vec<Found>)> = Vec::new();
        for source in store.sources()? {
            let listing = catalog::read_directory(Path::new(&source.path)).unwrap_or_else(|error| {
                tracing::warn!(%error, "a directory of the catalog cannot be read");
                catalog::Listing::default()
            });
            sources.push((source.path, listing.found));
        }
        sources.push((BUNDLED_SOURCE.to_owned(), catalog::bundled().values().cloned().collect()));
        let mut by_key = BTreeMap::new();
        for (source, found) in sources {
            let documents: Vec<_> = found.iter().map(|found| catalog::document(found, &source)).collect();
            let indexed = store.document_hashes(&source)?;
            let wanted: BTreeMap<String, String> =
                documents.iter().map(|document| (document.key.clone(), document.content_hash.clone())).collect();
            for (document, found) in documents.iter().zip(found) {
                by_key.insert(document.key.clone(), found);
            }
            if indexed != wanted {
                store.replace_documents(&source, documents)?;
            }
        }
        Ok(by_key)
    }

    /// Statistics of one runbook's executions here.
    pub fn statistics(&self, reference: &str) -> Result<RunbookStatistics, CockpitError> {
        let rows = self.store()?.statistics(Some(reference))?;
        Ok(rows.first().map(statistics_view).unwrap_or_default())
    }

    /// Reads an alert from a payload or from a file of one alert.
    pub fn read_alert(&self, bytes: &[u8], fingerprint: Option<&str>) -> Result<Alert, CockpitError> {
        Alert::read(bytes, fingerprint)
    }

    /// Everything that validation reports of a file, or of every runbook below a directory.
    pub fn validate(&self, path: &Path) -> Result<Vec<Finding>, CockpitError> {
        let files = if path.is_dir() { catalog::files_below(path)? } else { vec![path.to_owned()] };
        let mut texts = Vec::with_capacity(files.len());
        for file in &files {
            texts.push((file.display().to_string(), catalog::read_bytes(file)?));
        }
        let parsed: Vec<_> =
            texts.iter().filter_map(|(name, bytes)| belay_runbook::format::parse(name, bytes).runbook).collect();
        let bundled = catalog::bundled().values().map(|found| found.runbook.as_ref());
        let mut known = catalog::references(parsed.iter().chain(bundled));
        if self.home.database().exists() {
            let added = self.added_runbooks()?;
            known.extend(catalog::references(added.iter().map(|found| found.runbook.as_ref())));
        }
        let automations = self.automations().iter().map(|automation| automation.name.clone()).collect();
        let surroundings = lint::Surroundings {
            actions: self.registry().as_ref(),
            automations: &automations,
            runbooks: Some(&known),
            today: Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date(),
        };
        Ok(texts.iter().flat_map(|(name, bytes)| catalog::validate_bytes(name, bytes, &surroundings)).collect())
    }

    /// Adds a directory to the catalog.
    pub fn catalog_add(&self, dir: &Path) -> Result<CatalogReport, CockpitError> {
        let dir = dir
            .canonicalize()
            .map_err(|error| CockpitError::user(format!("`{}` cannot be used: {error}", dir.display())))?;
        if !dir.is_dir() {
            return Err(CockpitError::user(format!("`{}` is not a directory", dir.display())));
        }
        let listing = catalog::read_directory(&dir)?;
        let path = dir.display().to_string();
        let added_ms = Timestamp::now().as_millisecond();
        self.store()?.add_source(belay_store::CatalogSource { path: path.clone(), added_ms })?;
        let findings = listing.broken.into_iter().flat_map(|broken: Broken| broken.findings).collect();
        Ok(CatalogReport { path, runbooks: listing.found.len(), findings })
    }

    /// Takes a directory out of the catalog; its files stay.
    pub fn catalog_remove(&self, dir: &Path) -> Result<(), CockpitError> {
        let store = self.store()?;
        let given = dir.display().to_string();
        let canonical = dir.canonicalize().map_or_else(|_| given.clone(), |path| path.display().to_string());
        for path in [canonical, given.clone()] {
            if store.remove_source(&path)? {
                store.remove_documents(&path)?;
                return Ok(());
            }
        }
        Err(CockpitError::user(format!("`{given}` is not in the catalog"))
            .hint("`belay catalog list` shows its directories"))
    }

    /// The directories of the catalog, the bundled one last.
    pub fn catalog_list(&self) -> Result<Vec<CatalogSource>, CockpitError> {
        let mut sources = Vec::new();
        for source in self.store()?.sources()? {
            let (runbooks, broken) = match catalog::read_directory(Path::new(&source.path)) {
                Ok(listing) => (listing.found.len(), listing.broken.len()),
                Err(_) => (0, 0),
            };
            sources.push(CatalogSource { path: source.path, runbooks, broken });
        }
        let runbooks = catalog::bundled().len();
        sources.push(CatalogSource { path: BUNDLED_SOURCE.to_owned(), runbooks, broken: 0 });
        Ok(sources)
    }
}

fn statistics_view(row: &belay_store::RunbookStatistics) -> RunbookStatistics {
    RunbookStatistics {
        last_execution: Timestamp::from_millisecond(row.last_started_ms).ok(),
        executions: row.executions,
        success_rate: row.success_rate,
        average_duration_seconds: row.average_duration_seconds,
    }
}

fn unknown(reference: &str) -> CockpitError {
    let near = catalog::references(catalog::bundled().values().map(|found| found.runbook.as_ref()))
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&name.to_lowercase(), &reference.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let error = CockpitError::user(format!("there is no runbook `{reference}`"));
    match near {
        Some((_, name)) => error.hint(format!("did you mean `{name}`?")),
        None => error.hint(format!("`belay search {reference}` looks for it by what it is about")),
    }
}
