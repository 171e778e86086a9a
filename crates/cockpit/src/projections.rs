//! The rows of executions, folded anew from the journal where they are damaged: they are derived from it.

use belay_store::{ExecutionFilter, ExecutionRow, Store, StoreError};

use crate::Cockpit;
use crate::error::CockpitError;
use crate::view;

/// The table of the rows.
pub(crate) const ROWS: &str = "executions";

impl Cockpit {
    /// The rows of executions that match, newest first.
    pub(crate) fn rows(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, CockpitError> {
        let store = self.reading()?;
        self.or_folded(store.executions(filter), |row| {
            filter.runbook.as_ref().is_none_or(|runbook| *runbook == row.runbook)
                && (filter.statuses.is_empty() || filter.statuses.contains(&row.status))
        })
        .map(|mut rows| {
            rows.truncate(filter.limit.unwrap_or(usize::MAX));
            rows
        })
    }

    /// The rows whose label or id begins with a text, newest first.
    pub(crate) fn rows_named(&self, start: &str) -> Result<Vec<ExecutionRow>, CockpitError> {
        let wanted = start.to_lowercase();
        self.or_folded(self.reading()?.find_executions(start), |row| {
            row.label.starts_with(&wanted) || row.id.to_string().starts_with(&wanted)
        })
    }

    fn or_folded(
        &self,
        rows: Result<Vec<ExecutionRow>, StoreError>,
        wanted: impl Fn(&ExecutionRow) -> bool,
    ) -> Result<Vec<ExecutionRow>, CockpitError> {
        let store = self.reading()?;
        let why = match &rows {
            Err(error) if error.is_damage() => error.to_string(),
            // What nobody has seen may be just this.
            Ok(_) => match store.unlisted_executions() {
                Ok(0) => return Ok(rows?),
                Ok(1) => "1 execution of the journal is missing in it".to_owned(),
                Ok(missing) => format!("{missing} executions of the journal are missing in it"),
                Err(error) if error.is_damage() => error.to_string(),
                Err(error) => return Err(error.into()),
            },
            Err(_) => return Ok(rows?),
        };
        let mut rows = self.folded(store)?;
        self.notice(format!("the list of executions was made anew from the journal: {why}; `belay doctor` mends it"));
        rows.retain(wanted);
        Ok(rows)
    }

    /// Every row as the journal has it, newest first. An execution whose events cannot be followed is left out and told.
    pub(crate) fn folded(&self, store: &Store) -> Result<Vec<ExecutionRow>, CockpitError> {
        let mut rows = Vec::new();
        for id in store.execution_ids()? {
            let row = store
                .events(id)
                .map_err(CockpitError::from)
                .and_then(|events| self.shared.fold(&events))
                .and_then(|loaded| view::row(&loaded.execution, id));
            match row {
                Ok(row) => rows.push(row),
                Err(error) => self.notice(format!("execution {id} is left out: {}", error.message)),
            }
        }
        rows.sort_by(|a, b| b.started_ms.cmp(&a.started_ms).then(a.id.cmp(&b.id)));
        Ok(rows)
    }
}
