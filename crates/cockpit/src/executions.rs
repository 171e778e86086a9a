//! Executions as front ends ask for them: lists, one, its log and output, what people say, proof.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use belay_engine::driver::{Driver, Effect, Input, Rules, Stated};
use belay_engine::event::{Author, Draft, Event, Need};
use belay_engine::execution::{Execution, Stage};
use belay_trust::{ExecutionId, SignedEnvelope};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::Cockpit;
use crate::audit::{self, ExecutionVerdict, VerifyReport};
use crate::drive::{self, Drive};
use crate::error::{CockpitError, chain};
use crate::export;
use crate::home;
use crate::journal::{Loaded, encode, ends_before, execution_id, hash_of};
use crate::say::Saying;
use crate::view;
use crate::wire::{ExecutionSummary, ExecutionView, LogEntry};

/// How long a saying elsewhere may hold the lock before it counts as driving.
const SAID: Duration = Duration::from_secs(2);
/// Between two looks at the lock.
const LOOK: Duration = Duration::from_millis(5);

/// Which executions to list.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Only in this status.
    pub status: Option<String>,
    /// Only of this runbook.
    pub runbook: Option<String>,
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

impl Cockpit {
    /// Finds an execution by the start of its hash or label, or `@last`.
    pub fn resolve(&self, text: &str) -> Result<String, CockpitError> {
        let store = self.reading()?;
        // Where something is known to be missing, it may be just this.
        let absent = |error: CockpitError| store.doubt().map_or(error, |doubt| doubt.clone().into());
        if text == "@last" {
            let filter = belay_store::ExecutionFilter { limit: Some(1), ..belay_store::ExecutionFilter::default() };
            return self.rows(&filter)?.first().map(|row| row.id.to_string()).ok_or_else(|| {
                absent(CockpitError::user("there is no execution yet").hint("`belay run RUNBOOK` starts one"))
            });
        }
        let found = self.rows_named(text)?;
        match found.as_slice() {
            [only] => Ok(only.id.to_string()),
            [] => Err(absent(
                CockpitError::user(format!("there is no execution `{text}`"))
                    .hint("`belay executions` lists them; `@last` is the last one"),
            )),
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
        let runbook = filter.runbook.as_ref().map(|reference| {
            self.find(reference).map_or_else(|_| reference.clone(), |found| found.runbook.reference().to_owned())
        });
        let wanted = belay_store::ExecutionFilter {
            runbook,
            statuses: filter.status.iter().cloned().collect(),
            ..belay_store::ExecutionFilter::default()
        };
        self.rows(&wanted)?
            .iter()
            .map(|row| {
                let mut summary = view::summary_of_row(row, Timestamp::now())?;
                summary.driver.present = summary.finished_at.is_none() && self.home.is_driven(&summary.execution);
                Ok(summary)
            })
            .collect()
    }

    /// One execution. What a process left without an outcome when it ended is shown as the next driver would find it;
    /// nothing is recorded by looking.
    pub fn status(&self, execution: &str) -> Result<ExecutionView, CockpitError> {
        // Asked on both sides of the read, so that a driver that begins or ends meanwhile counts.
        let before = self.home.is_driven(execution);
        let loaded = self.load(execution_id(execution)?)?;
        let present = before || self.home.is_driven(execution);
        let now = Timestamp::now();
        let mut view = view::execution(&loaded.execution, self.registry(), now);
        view.summary.driver.present = present && !loaded.execution.is_finished();
        if !present && drive::is_left(self, execution, &loaded.execution) {
            let mut driver = self.driver(loaded.execution, home::nobody_yet())?;
            driver.find_left(now)?;
            view.steps = view::execution(driver.execution(), self.registry(), now).steps;
        }
        Ok(view)
    }

    /// Says what a person means who resumes an execution: a pause is over, and a login that was waited for is renewed.
    ///
    /// # Errors
    /// There is no such execution, or nothing can be recorded.
    pub fn go_on(&self, execution: &str) -> Result<(), CockpitError> {
        let loaded = self.load_by_name(execution)?;
        if loaded.execution.paused && !loaded.execution.is_finished() {
            self.say(execution, Saying::Resume)?;
        }
        let waiting = loaded.execution.current_visit();
        if let Some(visit) = waiting.filter(|visit| matches!(visit.stage, Stage::Person(Need::Login { .. }))) {
            self.say(execution, Saying::Retry { step: visit.id.step.to_string() })?;
        }
        Ok(())
    }

    /// A driver by the rules that the execution was started under.
    fn driver(&self, execution: Execution, me: Author) -> Result<Driver, CockpitError> {
        let policy = self.shared.policy(&execution.genesis)?;
        Ok(Driver::new(execution, Rules { actions: Arc::clone(self.registry()) as _, policy }, me))
    }

    /// One execution, folded, by its id.
    pub(crate) fn load_by_name(&self, execution: &str) -> Result<Loaded, CockpitError> {
        self.load(execution_id(execution)?)
    }

    fn events(&self, id: ExecutionId) -> Result<Vec<SignedEnvelope>, CockpitError> {
        Ok(self.reading()?.events(id)?)
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
            return Err(crate::say::no_such_step(&loaded.execution, step));
        }
        let mut outputs = Vec::new();
        for visit in loaded.execution.visits.get(&name).into_iter().flatten() {
            for record in &visit.acts {
                let output = self.reading()?.read_output(&format!("{execution}/{}", record.id))?;
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
        // What is said rests on what was read: from a store that refuses a log which is not whole.
        let store = self.store()?;
        let lock = self.home.driver_lock(execution)?;
        // Held through the whole of it, or not at all where another process drives.
        let alone = lock.try_lock().is_ok();
        let events = self.events(id)?;
        let cites = ends_before(&events, self.key()?.device());
        let Loaded { execution: state, pending } = self.shared.fold(&events)?;
        let now = Timestamp::now();
        let by = self.author()?;
        let left = alone && drive::is_left(self, execution, &state);
        let mut driver = self.driver(state, by.clone())?;
        if left {
            // Whoever says what came of an act need not go on with the execution first.
            let effects = driver.find_left(now)?;
            self.append_effects(id, &driver, effects, now)?;
        }
        self.secrets().refuse_unknown(&driver.execution().runbook, &saying.given())?;
        let statement = saying.statement(driver.execution())?;
        driver.execution().accepts(&statement, now)?;
        let event = Event::Statement { by: by.clone(), statement: statement.clone() };
        let appended = store.append(Some(id), vec![encode(&Draft { event, cites }, now)?])?;
        let Some(hash) = appended.first().map(hash_of) else {
            return Err(CockpitError::bug("an append answered with nothing"));
        };
        if alone {
            for stated in pending.into_iter().chain([Stated { hash, by, statement }]) {
                let hash = stated.hash.clone();
                let effects = match driver.handle(now, Input::Statement(stated)) {
                    Ok(effects) => effects,
                    Err(refusal) => {
                        tracing::debug!(%refusal, "a statement came too late");
                        driver.dismiss(now, hash, &refusal)?
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
                let row = view::row(driver.execution(), id)?;
                self.store()?.append_with(Some(id), encoded, move |_| Some(row))?;
            }
        }
        Ok(())
    }

    /// Drives an execution here, in a task of the surrounding tokio runtime. Refused while another process drives it.
    pub fn drive(self: &Arc<Self>, execution: &str) -> Result<Drive, CockpitError> {
        let lock = self.home.driver_lock(execution)?;
        let until = Instant::now() + SAID;
        while lock.try_lock().is_err() {
            // Whoever says something holds the lock for a moment; whoever drives has left a mark.
            if self.home.is_driven(execution) || Instant::now() > until {
                return Err(CockpitError::refused("another process drives this execution")
                    .hint("say what you want to it with `belay approve`, `confirm`, `decide` …, or end that process"));
            }
            std::thread::sleep(LOOK);
        }
        let mark = self.home.driver_mark(execution)?;
        self.helpers().warm();
        drive::start(self, execution, drive::Held { _lock: lock, _mark: mark })
    }

    /// Verifies the log of one execution, or of all.
    pub fn verify(&self, execution: Option<&str>) -> Result<VerifyReport, CockpitError> {
        let store = self.reading()?;
        let ids = match execution {
            Some(execution) => vec![execution_id(execution)?],
            None => store.execution_ids()?,
        };
        let executions: Vec<ExecutionVerdict> = ids
            .into_iter()
            .map(|id| match store.events(id) {
                Ok(events) => audit::verify(&self.shared, id.to_string(), &events, |_| None),
                Err(error) => {
                    let execution = id.to_string();
                    ExecutionVerdict { execution, events: 0, status: None, ok: false, faults: vec![chain(&error)] }
                }
            })
            .collect();
        Ok(VerifyReport { ok: executions.iter().all(|verdict| verdict.ok), executions, end: None })
    }

    /// Writes an execution's log to a file that verifies alone; returns how many events it has.
    pub fn export(&self, execution: &str, out: &Path) -> Result<u64, CockpitError> {
        let (bytes, events) = self.export_bytes(execution)?;
        export::write(&bytes, out)?;
        Ok(events)
    }

    /// An execution's log as a file that verifies alone, and how many events it has.
    pub(crate) fn export_bytes(&self, execution: &str) -> Result<(Vec<u8>, u64), CockpitError> {
        let events = self.events(execution_id(execution)?)?;
        let key = match self.key() {
            Ok(key) => Some(key),
            Err(error) => {
                self.notice(format!("the export has no seal, so its end is not proven: {}", error.message));
                None
            }
        };
        let bytes = export::sealed(&events, key, &self.successions()?)?;
        let count = events.len() as u64;
        Ok((bytes, count))
    }

    /// Deletes outputs and finished executions that are older.
    pub fn purge(&self, older_than: SignedDuration) -> Result<PurgeReport, CockpitError> {
        let before = Timestamp::now()
            .checked_sub(older_than)
            .map_err(|error| CockpitError::user(format!("that is no age: {error}")).hint("such as `30d` or `12h`"))?
            .as_millisecond();
        let store = self.store()?;
        let outputs = store.purge_output(before)? as u64;
        let executions = store.forget_finished(before)?.len() as u64;
        self.sweep_leftovers();
        Ok(PurgeReport { outputs, executions })
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
