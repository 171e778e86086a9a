//! The cockpit itself: what it holds, and everything that is a question rather than a drive.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use belay_actions::action::{SecretSource, Surroundings};
use belay_actions::automation::Automations;
use belay_actions::process::Helpers;
use belay_actions::registry::Registry;
use belay_actions::script::ScriptExecute;
use belay_engine::driver::{Driver, Effect, Input, Rules, Stated};
use belay_engine::event::{Author, Draft, Event};
use belay_runbook::finding::Finding;
use belay_runbook::lint;
use belay_runbook::policy::Policy;
use belay_script::Worker;
use belay_store::{CrashPoints, SearchFilter, Store};
use belay_trust::{DeviceKey, ExecutionId, SignedEnvelope};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::alert::Alert;
use crate::audit::{self, ExecutionVerdict, VerifyReport};
use crate::catalog::{self, BUNDLED_SOURCE, Broken, Found};
use crate::context::{ContextView, Contexts};
use crate::drive::{self, Drive};
use crate::error::{CockpitError, ErrorClass, chain};
use crate::home::{self, Home};
use crate::journal::{Loaded, Shared, encode, execution_id, hash_of};
use crate::say::Saying;
use crate::view;
use crate::wire::{ExecutionSummary, ExecutionView, LogEntry, RunbookStatistics, SearchHit};

/// A program of ours that is started as a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What a cockpit needs to know of its surroundings.
#[derive(Debug, Clone)]
pub struct Options {
    /// The home folder.
    pub home: PathBuf,
    /// The helper that children run under.
    pub helper: Program,
    /// The worker that runs scripts.
    pub worker: Program,
    /// The context to act in, where it is not the current one.
    pub context: Option<String>,
}

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

/// Which executions to list.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Only in this status.
    pub status: Option<String>,
    /// Only of this runbook.
    pub runbook: Option<String>,
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

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyText {
    /// Its YAML.
    pub yaml: String,
    /// SHA-256 of its canonical form, hex.
    pub digest: String,
    /// `default`, or the file.
    pub source: String,
}

/// A stream of a step's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutput {
    /// Which attempt and act: `1.a0`.
    pub attempt: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The bytes that were kept, redacted.
    pub text: Vec<u8>,
    /// Whether bytes beyond the limit were dropped.
    pub truncated: bool,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PurgeReport {
    /// Outputs of invocations.
    pub outputs: u64,
    /// Finished executions.
    pub executions: u64,
}

/// The application. Cheap to make: what it holds is opened when something needs it.
pub struct Cockpit {
    pub(crate) options: Options,
    pub(crate) home: Home,
    pub(crate) shared: Shared,
    registry: OnceLock<Arc<Registry>>,
    helpers: OnceLock<Arc<Helpers>>,
    /// Opened once; the lock keeps two threads from opening it twice.
    store: OnceLock<Store>,
    opening: Mutex<()>,
    key: OnceLock<DeviceKey>,
}

impl Cockpit {
    /// A cockpit; nothing is read or written yet.
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            home: Home::new(options.home.clone()),
            options,
            shared: Shared::default(),
            registry: OnceLock::new(),
            helpers: OnceLock::new(),
            store: OnceLock::new(),
            opening: Mutex::new(()),
            key: OnceLock::new(),
        })
    }

    /// The home folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The actions.
    pub fn registry(&self) -> &Arc<Registry> {
        self.registry.get_or_init(|| {
            let mut registry = Registry::standard(self.helpers());
            let worker = &self.options.worker;
            registry.register(Arc::new(ScriptExecute::new(Worker {
                program: worker.program.clone(),
                arguments: worker.args.clone(),
            })));
            Arc::new(registry)
        })
    }

    pub(crate) fn helpers(&self) -> &Arc<Helpers> {
        self.helpers.get_or_init(|| {
            let helper = &self.options.helper;
            let helpers = Helpers::new(helper.program.clone(), helper.args.clone());
            Arc::new(helpers.with_home(self.home.dir().to_owned()))
        })
    }

    fn key(&self) -> Result<&DeviceKey, CockpitError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = self.home.device_key()?;
        Ok(self.key.get_or_init(|| key))
    }

    /// The person at this device.
    pub(crate) fn author(&self) -> Result<Author, CockpitError> {
        Ok(home::author(self.key()?))
    }

    /// The person's name alone, for what is never written down.
    pub(crate) fn author_name(&self) -> Author {
        Author { responder: home::responder(), device: String::new() }
    }

    pub(crate) fn store(&self) -> Result<&Store, CockpitError> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let key = self.home.device_key()?;
        let options = belay_store::Options {
            crash_points: CrashPoints::new(belay_actions::crash::point),
            ..belay_store::Options::default()
        };
        let store = Store::open_with(self.home.database(), key, home::session()?, options)?;
        Ok(self.store.get_or_init(|| store))
    }

    // --- catalog ---------------------------------------------------------------------------------------------------

    /// Finds a runbook by path, id or name; a team's own comes before a bundled one of the same name.
    pub fn find(&self, reference: &str) -> Result<Found, CockpitError> {
        let path = Path::new(reference);
        if reference.contains('/') || reference.ends_with(".yaml") || reference.ends_with(".yml") {
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
        Err(self.unknown(reference))
    }

    fn unknown(&self, reference: &str) -> CockpitError {
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

    // --- where and by what rules -----------------------------------------------------------------------------------

    pub(crate) fn contexts_file(&self) -> Result<Contexts, CockpitError> {
        Contexts::read(&self.home)
    }

    /// The contexts.
    pub fn contexts(&self) -> Result<Vec<ContextView>, CockpitError> {
        self.contexts_file()?.views()
    }

    /// Makes a context the one that is used where nobody says otherwise.
    pub fn use_context(&self, name: &str) -> Result<(), CockpitError> {
        self.contexts_file()?.set_current(&self.home, name)
    }

    /// The policy in force: the file in the home folder, else the default one.
    pub fn policy(&self) -> Result<PolicyText, CockpitError> {
        let path = self.home.policy();
        let (yaml, source) = match std::fs::read_to_string(&path) {
            Ok(yaml) => (yaml, path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                (Policy::default_text().to_owned(), "default".to_owned())
            }
            Err(error) => {
                return Err(CockpitError::environment(&format!("`{}` cannot be read", path.display()), &error));
            }
        };
        let policy = Policy::parse(&source, yaml.as_bytes()).map_err(|findings| {
            let text = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            // A policy that cannot be read is never replaced by a weaker one.
            CockpitError {
                class: ErrorClass::Refused,
                message: format!("the policy cannot be used: {text}"),
                hint: None,
            }
            .hint(format!("mend `{}`; nothing runs without a policy", path.display()))
        })?;
        Ok(PolicyText { digest: policy.digest(), yaml, source })
    }

    /// The automations: bundled ones, and the user's own.
    pub fn automations(&self) -> Automations {
        let mut automations = Automations::bundled();
        for finding in automations.load_directory(&self.home.automations()) {
            tracing::warn!(%finding, "an automation cannot be used as it is");
        }
        automations
    }

    pub(crate) fn quiet_surroundings(&self) -> Surroundings {
        Surroundings {
            invocation: "plan".to_owned(),
            timeout: None,
            cancel: CancellationToken::new(),
            output: Arc::new(|_| {}),
            survives: false,
            context: Arc::new(serde_json::Value::Null),
            secrets: Arc::new(NoSecrets),
            now: Timestamp::now(),
            notices: Arc::new(|_| {}),
            host: None,
        }
    }

    // --- executions ------------------------------------------------------------------------------------------------

    /// Finds an execution by the start of its hash or label, or `@last`.
    pub fn resolve(&self, text: &str) -> Result<String, CockpitError> {
        let store = self.store()?;
        if text == "@last" {
            let filter = belay_store::ExecutionFilter { limit: Some(1), ..belay_store::ExecutionFilter::default() };
            return store
                .executions(&filter)?
                .first()
                .map(|row| row.id.to_string())
                .ok_or_else(|| CockpitError::user("there is no execution yet").hint("`belay run RUNBOOK` starts one"));
        }
        let found = store.find_executions(text)?;
        match found.as_slice() {
            [only] => Ok(only.id.to_string()),
            [] => Err(CockpitError::user(format!("there is no execution `{text}`"))
                .hint("`belay executions` lists them; `@last` is the last one")),
            several => {
                let names: Vec<_> = several
                    .iter()
                    .take(5)
                    .map(|row| format!("{} ({})", short(&row.id.to_string()), row.runbook_name))
                    .collect();
                Err(CockpitError::user(format!("`{text}` is the start of {} executions", several.len()))
                    .hint(format!("give more of it: {}", names.join(", "))))
            }
        }
    }

    /// Lists executions, newest first.
    pub fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionSummary>, CockpitError> {
        let runbook = match &filter.runbook {
            Some(reference) => Some(
                self.find(reference).map_or_else(|_| reference.clone(), |found| found.runbook.reference().to_owned()),
            ),
            None => None,
        };
        let wanted = belay_store::ExecutionFilter {
            runbook,
            statuses: filter.status.iter().cloned().collect(),
            ..belay_store::ExecutionFilter::default()
        };
        let store = self.store()?;
        let rows = store.executions(&wanted)?;
        rows.iter().map(|row| Ok(view::summary(&self.load(row.id)?.execution, Timestamp::now()))).collect()
    }

    /// One execution.
    pub fn status(&self, execution: &str) -> Result<ExecutionView, CockpitError> {
        let loaded = self.load(execution_id(execution)?)?;
        Ok(view::execution(&loaded.execution, self.registry(), Timestamp::now()))
    }

    fn events(&self, id: ExecutionId) -> Result<Vec<SignedEnvelope>, CockpitError> {
        Ok(self.store()?.events(id)?)
    }

    pub(crate) fn load(&self, id: ExecutionId) -> Result<Loaded, CockpitError> {
        self.shared.fold(&self.events(id)?)
    }

    /// The log of an execution.
    pub fn log(&self, execution: &str) -> Result<Vec<LogEntry>, CockpitError> {
        audit::log(&self.events(execution_id(execution)?)?)
    }

    /// The kept output of a step.
    pub fn output(&self, execution: &str, step: &str) -> Result<Vec<StepOutput>, CockpitError> {
        let id = execution_id(execution)?;
        let loaded = self.load(id)?;
        let name = belay_runbook::model::StepName::from(step);
        if loaded.execution.step(&name).is_none() {
            return Err(CockpitError::user(format!("the runbook has no step `{step}`")));
        }
        let mut outputs = Vec::new();
        for visit in loaded.execution.visits.get(&name).into_iter().flatten() {
            for record in &visit.acts {
                let output = self.store()?.read_output(&format!("{execution}/{}", record.id))?;
                for (stream, word) in [(belay_store::Stream::Stdout, "stdout"), (belay_store::Stream::Stderr, "stderr")]
                {
                    let chunks = output.chunks.iter().filter(|chunk| chunk.stream == stream);
                    let text: Vec<u8> = chunks.flat_map(|chunk| chunk.bytes.iter().copied()).collect();
                    if !text.is_empty() {
                        outputs.push(StepOutput {
                            attempt: format!("{}.{}", record.id.attempt, record.id.act),
                            stream: word.to_owned(),
                            text,
                            truncated: output.dropped > 0,
                        });
                    }
                }
            }
        }
        Ok(outputs)
    }

    /// Says something to an execution: signed and durable. Where nobody drives it, it takes effect at once; an act is
    /// never started by it.
    pub fn say(&self, execution: &str, saying: Saying) -> Result<ExecutionView, CockpitError> {
        let id = execution_id(execution)?;
        let lock = self.home.driver_lock(execution)?;
        // Held through the whole of it, or not at all where another process drives.
        let alone = lock.try_lock().is_ok();
        let loaded = self.load(id)?;
        let now = Timestamp::now();
        let statement = saying.statement(&loaded.execution)?;
        loaded.execution.accepts(&statement, now)?;
        let by = self.author()?;
        let event = Event::Statement { by: by.clone(), statement: statement.clone() };
        let store = self.store()?;
        let appended = store.append(Some(id), vec![encode(&Draft { event, cites: Vec::new() }, now)?])?;
        let Some(hash) = appended.first().map(hash_of) else {
            return Err(CockpitError::bug("an append answered with nothing"));
        };
        if alone {
            let policy = self.shared.policy(&loaded.execution.genesis)?;
            let rules = Rules { actions: Arc::clone(self.registry()) as _, policy };
            let mut driver = Driver::new(loaded.execution, rules, by.clone());
            let stated = loaded.pending.into_iter().chain([Stated { hash, by, statement }]);
            for stated in stated {
                let effects = match driver.handle(now, Input::Statement(stated)) {
                    Ok(effects) => effects,
                    Err(refusal) => {
                        tracing::debug!(%refusal, "a statement came too late");
                        continue;
                    }
                };
                self.append_effects(id, &driver, effects, now)?;
            }
        }
        self.status(execution)
    }

    /// Makes the transitions of a driver that is not driving durable; it asks for nothing else.
    fn append_effects(
        &self,
        id: ExecutionId,
        driver: &Driver,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> Result<(), CockpitError> {
        for effect in effects {
            if let Effect::Append(drafts) = effect {
                let encoded = drafts.iter().map(|draft| encode(draft, now)).collect::<Result<Vec<_>, _>>()?;
                let row = view::row(driver.execution(), id, now)?;
                self.store()?.append_with(Some(id), encoded, move |_| Some(row))?;
            }
        }
        Ok(())
    }

    /// Drives an execution here. Refused while another process drives it.
    pub async fn drive(self: &Arc<Self>, execution: &str) -> Result<Drive, CockpitError> {
        let lock = self.home.driver_lock(execution)?;
        if lock.try_lock().is_err() {
            return Err(CockpitError::refused("another process drives this execution")
                .hint("say what you want to it with `belay approve`, `confirm`, `decide` …, or end that process"));
        }
        self.helpers().warm();
        drive::start(self, execution, lock)
    }

    /// Verifies the log of one execution, or of all.
    pub fn verify(&self, execution: Option<&str>) -> Result<VerifyReport, CockpitError> {
        let store = self.store()?;
        let ids = match execution {
            Some(execution) => vec![execution_id(execution)?],
            None => store.execution_ids()?,
        };
        let executions: Vec<ExecutionVerdict> = ids
            .into_iter()
            .map(|id| match store.events(id) {
                Ok(events) => audit::verify(&self.shared, id.to_string(), &events),
                Err(error) => {
                    ExecutionVerdict { execution: id.to_string(), events: 0, ok: false, faults: vec![chain(&error)] }
                }
            })
            .collect();
        Ok(VerifyReport { ok: executions.iter().all(|verdict| verdict.ok), executions })
    }

    /// Writes an execution's log to a file that verifies alone; returns how many events it has.
    pub fn export(&self, execution: &str, out: &Path) -> Result<u64, CockpitError> {
        let events = self.events(execution_id(execution)?)?;
        let failed = |error: &std::io::Error| {
            CockpitError::environment(&format!("`{}` cannot be written", out.display()), error)
        };
        let mut file = std::fs::File::create(out).map_err(|error| failed(&error))?;
        belay_trust::write(events.iter(), &mut file).and_then(|()| file.sync_all()).map_err(|error| failed(&error))?;
        Ok(events.len() as u64)
    }

    /// Deletes outputs and finished executions that are older.
    pub fn purge(&self, older_than: SignedDuration) -> Result<PurgeReport, CockpitError> {
        let before = Timestamp::now()
            .checked_sub(older_than)
            .map_err(|error| CockpitError::user(format!("that is no age: {error}")))?
            .as_millisecond();
        let store = self.store()?;
        let outputs = store.purge_output(before)? as u64;
        let executions = store.forget_finished(before)?.len() as u64;
        Ok(PurgeReport { outputs, executions })
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

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn secret(&self, _name: &str) -> Option<secrecy::SecretString> {
        None
    }
}
