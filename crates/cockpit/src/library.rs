//! Searching, validating: the catalog as front ends use it.

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
use crate::catalog::{self, BUNDLED_SOURCE};
use crate::error::{CockpitError, ErrorClass};
use crate::health;
use crate::reference::Kin;
use crate::sources::index::index_whole_directory;
use crate::sources::scan;
use crate::triage::{self, AlertReport};
use crate::wire::{RunbookStatistics, SearchHit};

/// More hits than anybody reads.
pub(crate) const MOST_HITS: usize = 1_000;

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
        self.ask_index(|store| ranked_in(store, wanted, query))
    }

    /// Asks an index that is up to date: the one in the database, which is made anew where it is damaged, or one in memory
    /// where there is none to be had.
    pub(crate) fn ask_index<T>(&self, ask: impl Fn(&Store) -> Result<T, StoreError>) -> Result<T, CockpitError> {
        let failed = match self.ask_index_in_file(&ask) {
            Err(error) if error.class == ErrorClass::Environment => error,
            done => return done,
        };
        let answer = ask(self.index_in_memory()?)?;
        self.notice(format!("this search made its index in memory: {}", failed.message));
        Ok(answer)
    }

    fn ask_index_in_file<T>(&self, ask: &impl Fn(&Store) -> Result<T, StoreError>) -> Result<T, CockpitError> {
        let store = self.store()?;
        match self.refresh().and_then(|()| ask(store)) {
            Err(error) if error.is_damage() || matches!(error, StoreError::Sql { .. }) => {
                tracing::warn!(%error, "the index of the catalog is made anew");
                store.renew_index()?;
                self.index()?;
                let answer = ask(store)?;
                self.notice("the index of the catalog was damaged and has been made anew".to_owned());
                Ok(answer)
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
        if files.is_empty() && findings.is_empty() {
            return Err(CockpitError::user(format!("there is no runbook in `{}`", path.display()))
                .hint("a runbook is a YAML file with `kind: Runbook`; `belay new NAME --dir DIR` writes one"));
        }
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
            match self.ask_index(Store::references) {
                Ok(references) => known.extend(references),
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
        let path = dir.display().to_string();
        let added_ms = Timestamp::now().as_millisecond();
        let store = self.store()?;
        store.add_source(belay_store::CatalogSource { path: path.clone(), added_ms })?;
        let (change, runbooks) = index_whole_directory(self, store, &path)?;
        Ok(CatalogReport { path, runbooks, findings: change.findings })
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
                broken: listing.broken.iter().filter(|broken| catalog::has_errors(&broken.findings)).count(),
            });
        }
        let runbooks = catalog::bundled().len();
        sources.push(CatalogSource { path: BUNDLED_SOURCE.to_owned(), runbooks, broken: 0 });
        Ok(sources)
    }
}

/// Searches with the index of a store; of `query` the filters count.
fn ranked_in(store: &Store, wanted: &Query, query: &SearchQuery) -> Result<Vec<SearchHit>, StoreError> {
    let limit = if query.limit == 0 { MOST_HITS } else { query.limit };
    let filter = SearchFilter {
        source: None,
        severity: query.severity.clone(),
        category: query.category.clone(),
        domain: query.domain.clone(),
        service: query.service.clone(),
        tags: query.tags.clone(),
        // As many more as can be left out below.
        limit: Some(limit.saturating_add(catalog::bundled_files().count())),
    };
    let hits = store.search(wanted, &filter)?;
    let statistics: BTreeMap<String, RunbookStatistics> =
        store.statistics(None)?.into_iter().map(|row| (row.runbook.clone(), statistics_view(&row))).collect();
    let names: Vec<_> = hits.iter().map(|hit| (hit.document.name.clone(), hit.document.id.clone())).collect();
    let now = Timestamp::now();
    let mut seen = BTreeSet::new();
    Ok(hits
        .into_iter()
        .zip(store.namesakes(&names)?)
        .filter_map(|(hit, others)| {
            let kin = Kin::of(&hit.document, &others);
            // The same file in two directories is one.
            let one = (hit.document.id.to_lowercase(), hit.document.content_hash.clone());
            (!kin.hidden && seen.insert(one)).then_some((hit, kin))
        })
        .take(limit)
        .map(|(hit, kin)| {
            let statistics = statistics.get(&hit.document.id).cloned().unwrap_or_default();
            (health::signs(&hit.document.health, &statistics, now), statistics, hit, kin)
        })
        .map(|(rot, statistics, hit, kin)| SearchHit {
            rot,
            statistics,
            hides_bundled: kin.hides_bundled,
            shares_name: kin.shares_name,
            id: hit.document.id,
            name: hit.document.name,
            title: hit.document.title,
            score: hit.score,
            weak: hit.weak,
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
        finished: row.finished,
        succeeded: row.succeeded,
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
