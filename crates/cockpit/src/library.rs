//! Finding, searching, validating: the catalog as front ends use it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use belay_runbook::finding::Finding;
use belay_runbook::lint;
use belay_runbook::model::{Category, Domain, Severity, UnknownWord};
use belay_store::{Query, SearchFilter, Store, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use ts_rs::TS;

use crate::Cockpit;
use crate::alert::Alert;
use crate::catalog::{self, BUNDLED_SOURCE, Broken, Found};
use crate::error::{CockpitError, ErrorClass};
use crate::sources::scan;
use crate::triage::{self, AlertReport};
use crate::wire::{RunbookStatistics, SearchHit};

/// More hits than anybody reads.
const MOST_HITS: usize = 1_000;

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
    /// At most so many; a thousand where zero.
    pub limit: usize,
}

/// A directory of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
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
                Err(error) => self.without_directories(&error),
            }
        }
        if let Some(found) = catalog::bundled_one(reference) {
            return Ok(found);
        }
        Err(unknown(reference))
    }

    fn added_runbooks(&self) -> Result<Vec<Found>, CockpitError> {
        let mut found = Vec::new();
        for source in self.reading()?.sources()? {
            found.extend(catalog::read_directory(Path::new(&source.path)).found);
        }
        Ok(found)
    }

    /// Searches bundled and added runbooks.
    pub fn search(&self, query: &SearchQuery) -> Result<Vec<SearchHit>, CockpitError> {
        known::<Severity>("severity", query.severity.as_deref())?;
        known::<Category>("category", query.category.as_deref())?;
        known::<Domain>("domain", query.domain.as_deref())?;
        let wanted = Query { text: query.text.clone(), alert: query.alert.clone(), ..Query::default() };
        self.ranked(&wanted, query)
    }

    /// Searches as `wanted` says; of `query` the filters count.
    pub(crate) fn ranked(&self, wanted: &Query, query: &SearchQuery) -> Result<Vec<SearchHit>, CockpitError> {
        let failed = match self.ranked_in_file(wanted, query) {
            Err(error) if error.class == ErrorClass::Environment => error,
            done => return done,
        };
        let hits = ranked_in(self.index_in_memory()?, wanted, query)?;
        self.notice(format!("this search made its index in memory: {}", failed.message));
        Ok(hits)
    }

    /// Searches with the index in the database, which is made anew where it is damaged.
    fn ranked_in_file(&self, wanted: &Query, query: &SearchQuery) -> Result<Vec<SearchHit>, CockpitError> {
        let store = self.store()?;
        match self.refresh().and_then(|()| ranked_in(store, wanted, query)) {
            Err(error) if error.is_damage() || matches!(error, StoreError::Sql { .. }) => {
                tracing::warn!(%error, "the index of the catalog is made anew");
                store.renew_index()?;
                self.index()?;
                let hits = ranked_in(store, wanted, query)?;
                self.notice("the index of the catalog was damaged and has been made anew".to_owned());
                Ok(hits)
            }
            done => Ok(done?),
        }
    }

    /// Without a team's own runbooks, a bundled one of the same name is not what somebody may expect.
    pub(crate) fn without_directories(&self, error: &CockpitError) {
        self.notice(format!("the added directories of the catalog are left out: {}", error.message));
    }

    /// Statistics of one runbook's executions here.
    pub fn statistics(&self, reference: &str) -> Result<RunbookStatistics, CockpitError> {
        let rows = self.reading()?.statistics(Some(reference))?;
        Ok(rows.first().map(statistics_view).unwrap_or_default())
    }

    /// Reads an alert from a payload or from a file of one alert.
    pub fn read_alert(&self, bytes: &[u8], fingerprint: Option<&str>) -> Result<Alert, CockpitError> {
        Alert::read(bytes, fingerprint)
    }

    /// Finds runbooks for every alert of a payload, or for the one with this fingerprint; up to `limit` for each.
    pub fn triage(&self, bytes: &[u8], fingerprint: Option<&str>, limit: usize) -> Result<AlertReport, CockpitError> {
        triage::report(bytes, fingerprint, |wanted| {
            self.ranked(wanted, &SearchQuery { limit, ..SearchQuery::default() })
        })
    }

    /// Everything that validation reports of a file, or of every runbook below a directory.
    pub fn validate(&self, path: &Path) -> Result<Vec<Finding>, CockpitError> {
        if path.is_file() && crate::import::is_markdown(path) {
            return Err(CockpitError::user(format!("`{}` is Markdown, not a runbook file", path.display()))
                .hint(format!("`belay import {} --out DIR` makes one of it", path.display())));
        }
        let (files, mut findings) =
            if path.is_dir() { catalog::files_below(path) } else { (vec![path.to_owned()], Vec::new()) };
        let mut texts = Vec::with_capacity(files.len());
        for file in &files {
            match catalog::read_bytes(file) {
                Ok(bytes) => texts.push((file.display().to_string(), bytes)),
                // One that cannot be read does not hide the others of its directory.
                Err(error) if path.is_dir() => findings.push(scan::unreadable(file, &error.message)),
                Err(error) => return Err(error),
            }
        }
        findings.extend(self.validate_texts(&texts));
        Ok(findings)
    }

    /// Everything that validation reports of texts, each with the name of its file.
    pub(crate) fn validate_texts(&self, texts: &[(String, Vec<u8>)]) -> Vec<Finding> {
        let parsed: Vec<_> =
            texts.iter().filter_map(|(name, bytes)| belay_runbook::format::parse(name, bytes).runbook).collect();
        let bundled = catalog::bundled().values().map(|found| found.runbook.as_ref());
        let mut known = catalog::references(parsed.iter().chain(bundled));
        if self.home.database().exists() {
            match self.added_runbooks() {
                Ok(added) => known.extend(catalog::references(added.iter().map(|found| found.runbook.as_ref()))),
                Err(error) => self.without_directories(&error),
            }
        }
        let texts = texts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        self.validate_beside(texts, &known).into_iter().flatten().collect()
    }

    /// What validation reports of each of some texts, where `known` are the runbooks that they may refer to.
    pub(crate) fn validate_beside<'t>(
        &self,
        texts: impl IntoIterator<Item = (&'t str, &'t [u8])>,
        known: &BTreeSet<String>,
    ) -> Vec<Vec<Finding>> {
        let automations = self.automations().iter().map(|automation| automation.name.clone()).collect();
        let surroundings = lint::Surroundings {
            actions: self.registry().as_ref(),
            automations: &automations,
            runbooks: Some(known),
            today: Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date(),
        };
        texts.into_iter().map(|(name, bytes)| catalog::validate_bytes(name, bytes, &surroundings)).collect()
    }

    /// Adds a directory to the catalog.
    pub fn catalog_add(&self, dir: &Path) -> Result<CatalogReport, CockpitError> {
        let dir = dir.canonicalize().map_err(|error| {
            CockpitError::user(format!("`{}` cannot be used: {error}", dir.display()))
                .hint("give a directory that is there and can be read")
        })?;
        if !dir.is_dir() {
            return Err(CockpitError::user(format!("`{}` is not a directory", dir.display()))
                .hint("give the directory that the file lies in"));
        }
        let listing = catalog::read_directory(&dir);
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
        for source in self.reading()?.sources()? {
            let listing = catalog::read_directory(Path::new(&source.path));
            sources.push(CatalogSource {
                path: source.path,
                runbooks: listing.found.len(),
                broken: listing.broken.len(),
            });
        }
        let runbooks = catalog::bundled().len();
        sources.push(CatalogSource { path: BUNDLED_SOURCE.to_owned(), runbooks, broken: 0 });
        Ok(sources)
    }
}

/// Searches with the index of a store; of `query` the filters count.
fn ranked_in(store: &Store, wanted: &Query, query: &SearchQuery) -> Result<Vec<SearchHit>, StoreError> {
    let filter = SearchFilter {
        source: None,
        severity: query.severity.clone(),
        category: query.category.clone(),
        domain: query.domain.clone(),
        service: query.service.clone(),
        tags: query.tags.clone(),
        limit: Some(if query.limit == 0 { MOST_HITS } else { query.limit }),
    };
    let hits = store.search(wanted, &filter)?;
    let statistics: BTreeMap<String, RunbookStatistics> =
        store.statistics(None)?.into_iter().map(|row| (row.runbook.clone(), statistics_view(&row))).collect();
    let names: Vec<_> = hits.iter().map(|hit| (hit.document.name.clone(), hit.document.id.clone())).collect();
    let mut seen = BTreeSet::new();
    Ok(hits
        .into_iter()
        .zip(store.namesakes(&names)?)
        // The team's own runbook comes instead of the bundled one of the same name or id, whichever fits better.
        .filter(|(hit, sources)| hit.document.source != BUNDLED_SOURCE || sources.len() < 2)
        .filter(|(hit, _)| seen.insert(hit.document.name.clone()))
        .map(|(hit, sources)| SearchHit {
            statistics: statistics.get(&hit.document.id).cloned().unwrap_or_default(),
            hides_bundled: hit.document.source != BUNDLED_SOURCE && sources.iter().any(|one| one == BUNDLED_SOURCE),
            id: hit.document.id,
            name: hit.document.name,
            title: hit.document.title,
            score: hit.score,
            matched: hit.matched.iter().map(ToString::to_string).collect(),
            severity: hit.document.severity,
            category: Some(hit.document.category).filter(|category| !category.is_empty()),
            domain: Some(hit.document.domain).filter(|domain| !domain.is_empty()),
            services: hit.document.services,
            tags: hit.document.tags,
            source: hit.document.path,
        })
        .collect())
}

pub(crate) fn statistics_view(row: &belay_store::RunbookStatistics) -> RunbookStatistics {
    RunbookStatistics {
        last_execution: Timestamp::from_millisecond(row.last_started_ms).ok(),
        last_success: row.last_succeeded_ms.and_then(|at| Timestamp::from_millisecond(at).ok()),
        executions: row.executions,
        success_rate: row.success_rate,
        average_duration_seconds: row.average_duration_seconds,
    }
}

/// Refuses a filter that no runbook could ever match.
fn known<T: std::str::FromStr<Err = UnknownWord>>(what: &str, word: Option<&str>) -> Result<(), CockpitError> {
    let Some(Err(unknown)) = word.map(str::parse::<T>) else { return Ok(()) };
    Err(CockpitError::user(format!("`{}` is no {what}", unknown.word))
        .hint(format!("it is one of {}", unknown.known.join(", "))))
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
