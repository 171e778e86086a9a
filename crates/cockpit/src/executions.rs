//! Executions as front ends ask for them: lists, one, its log and output, what people say, proof.

use std::path::Path;
use std::sync::Arc;

use belay_engine::driver::{Driver, Effect, Input, Rules, Stated};
use belay_engine::event::{Draft, Event};
use belay_trust::{ExecutionId, SignedEnvelope};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::Cockpit;
use crate::audit::{self, ExecutionVerdict, VerifyReport};
use crate::drive::{self, Drive};
use crate::error::{CockpitError, chain};
use crate::journal::{Loaded, encode, execution_id, hash_of};
use crate::say::Saying;
use crate::view;
use crate::wire::{ExecutionSummary, ExecutionView, LogEntry};

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
        let runbook = filter.runbook.as_ref().map(|reference| {
            self.find(reference).map_or_else(|_| reference.clone(), |found| found.runbook.reference().to_owned())
        });
        let wanted = belay_store::ExecutionFilter {
            runbook,
            statuses: filter.status.iter().cloned().collect(),
            ..belay_store::ExecutionFilter::default()
        };
        let store = self.store()?;
        let rows = store.executions(&wanted)?;
        rows.iter().map(|row| view::summary_of_row(row, Timestamp::now())).collect()
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
        self.sweep_leftovers();
        Ok(PurgeReport { outputs, executions })
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
