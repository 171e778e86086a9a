//! Looking at executions.

use belay_runbook::format;

use super::call::Nothing;
use super::event::Driven;
use super::{
    Api, Document, ExecutionPage, ExecutionRequest, ExecutionsRequest, OutputPiece, OutputView, RunningOutput,
    StepRequest, prose, runbook as page_of,
};
use crate::error::CockpitError;
use crate::wire::{ExecutionSummary, LogEntry};
use crate::{ExecutionFilter, VerifyReport, postmortem as report};

pub(super) fn list(api: &Api, request: ExecutionsRequest) -> Result<Vec<ExecutionSummary>, CockpitError> {
    api.cockpit().executions(&ExecutionFilter { status: request.status, runbook: request.runbook })
}

pub(super) fn waiting(api: &Api, _: Nothing) -> Result<Vec<ExecutionSummary>, CockpitError> {
    let all = api.cockpit().executions(&ExecutionFilter::default())?;
    Ok(all.into_iter().filter(|summary| !summary.waiting_on.is_empty()).collect())
}

pub(super) fn page(api: &Api, request: ExecutionRequest) -> Result<ExecutionPage, CockpitError> {
    let cockpit = api.cockpit();
    let execution = cockpit.resolve(&request.execution)?;
    // The place first: what the state holds of later events only repeats it.
    let (place, tail) = api.feed.place(&execution);
    let loaded = cockpit.load_by_name(&execution)?;
    let runbook = &loaded.execution.runbook;
    let running = tail.map(|tail| RunningOutput {
        step: tail.step,
        pieces: tail.pieces.into_iter().map(|(stream, text)| OutputPiece { stream, text }).collect(),
        written: tail.written,
        cut: tail.cut,
    });
    Ok(ExecutionPage {
        place,
        driven: api.driven(&execution),
        runbook: page_of::view(cockpit, runbook, &loaded.execution.values),
        view: cockpit.status(&execution)?,
        running,
    })
}

impl Api {
    /// Who drives an execution.
    pub(super) fn driven(&self, execution: &str) -> Driven {
        if self.drives.has(execution) {
            Driven::Here
        } else if self.cockpit().home().is_driven(execution) {
            Driven::Elsewhere
        } else {
            Driven::Nobody
        }
    }
}

pub(super) fn log(api: &Api, request: ExecutionRequest) -> Result<Vec<LogEntry>, CockpitError> {
    let cockpit = api.cockpit();
    cockpit.log(&cockpit.resolve(&request.execution)?)
}

pub(super) fn output(api: &Api, request: StepRequest) -> Result<Vec<OutputView>, CockpitError> {
    let cockpit = api.cockpit();
    let execution = cockpit.resolve(&request.execution)?;
    let kept = cockpit.output(&execution, &request.step)?;
    Ok(kept
        .into_iter()
        .map(|output| OutputView {
            attempt: output.attempt,
            stream: output.stream,
            text: String::from_utf8_lossy(&output.text).into_owned(),
            truncated: output.truncated,
        })
        .collect())
}

pub(super) fn verify(api: &Api, request: ExecutionRequest) -> Result<VerifyReport, CockpitError> {
    let cockpit = api.cockpit();
    cockpit.verify(Some(&cockpit.resolve(&request.execution)?))
}

pub(super) fn export(api: &Api, request: ExecutionRequest) -> Result<Document, CockpitError> {
    let cockpit = api.cockpit();
    let execution = cockpit.resolve(&request.execution)?;
    let (bytes, _) = cockpit.export_bytes(&execution)?;
    let text = String::from_utf8(bytes).map_err(|error| CockpitError::bug(format!("an export is no text: {error}")))?;
    Ok(Document {
        name: format!("belay-{}.jsonl", execution.chars().take(12).collect::<String>()),
        media_type: "application/jsonl".to_owned(),
        text,
        html: None,
    })
}

pub(super) fn postmortem(api: &Api, request: ExecutionRequest) -> Result<Document, CockpitError> {
    let cockpit = api.cockpit();
    let execution = cockpit.resolve(&request.execution)?;
    let view = cockpit.status(&execution)?;
    let log = cockpit.log(&execution)?;
    let runbook = log
        .first()
        .and_then(|first| first.event.pointer("/genesis/runbook")?.as_str().map(str::to_owned))
        .and_then(|text| format::parse("<genesis>", text.as_bytes()).runbook);
    let text = report::draft(&view, runbook.as_ref(), &log);
    Ok(Document {
        name: format!("postmortem-{}.md", execution.chars().take(12).collect::<String>()),
        media_type: "text/markdown".to_owned(),
        html: Some(prose::html(&text)),
        text,
    })
}
