//! Looking at executions: list, status, approvals, log, output.

use std::io::IsTerminal as _;
use std::time::Duration;

use belay_cockpit::ExecutionFilter;
use belay_cockpit::wire::WaitingKind;
use serde_json::{Value, json};

use super::Desk;
use crate::arguments::{Executions, Log, Step};
use crate::failure::{Exit, Failure};
use crate::render::{lists, log as log_page, status as status_page};
use crate::{page, text};

/// How often a followed log is read again.
const FOLLOW: Duration = Duration::from_millis(200);
/// The words that an execution's status may be, for a filter that is checked.
const STATUSES: [&str; 11] = [
    "not_started",
    "in_progress",
    "paused",
    "waiting",
    "stopping",
    "completed",
    "failed",
    "rolling_back",
    "rolled_back",
    "stuck",
    "aborted",
];

pub fn executions(desk: &Desk, arguments: Executions) -> Result<Exit, Failure> {
    let status = arguments.status.map(|status| status.replace('-', "_"));
    if let Some(status) = &status
        && !STATUSES.contains(&status.as_str())
    {
        return Err(Failure::usage(
            format!("`{status}` is no status of an execution"),
            format!("it is one of {}", STATUSES.join(", ")),
        ));
    }
    let filtered = status.is_some() || arguments.runbook.is_some();
    let executions = desk.cockpit.executions(&ExecutionFilter { status, runbook: arguments.runbook })?;
    desk.show(&executions, || lists::executions(&executions, filtered, desk.settings.style))?;
    Ok(Exit::Done)
}

pub fn status(desk: &Desk, reference: &str) -> Result<Exit, Failure> {
    let execution = desk.cockpit.resolve(reference)?;
    let view = desk.cockpit.status(&execution)?;
    desk.show(&view, || status_page::status(&view, desk.settings.style))?;
    Ok(Exit::Done)
}

pub fn approvals(desk: &Desk) -> Result<Exit, Failure> {
    let mut views = Vec::new();
    for summary in desk.cockpit.executions(&ExecutionFilter::default())? {
        if summary.waiting_on.iter().any(|waiting| waiting.kind == WaitingKind::Approval) {
            views.push(desk.cockpit.status(&summary.execution)?);
        }
    }
    if !desk.settings.json {
        page::print(&lists::approvals(&views, desk.settings.style))?;
        return Ok(Exit::Done);
    }
    let mut waiting = Vec::new();
    for view in &views {
        for step in view.steps.iter().filter(|step| step.status == "waiting_approval") {
            waiting.push(json!({
                "execution": view.summary.execution,
                "runbook": view.summary.runbook,
                "step": step.name,
                "title": step.title,
                "acts": step.acts,
                "effect": step.effect,
                "impact": step.impact,
                "impact_reasons": step.impact_reasons,
                "approval": step.approval,
                "undo": step.undo,
            }));
        }
    }
    page::json(&waiting)?;
    Ok(Exit::Done)
}

pub fn log(desk: &Desk, arguments: &Log) -> Result<Exit, Failure> {
    let execution = desk.cockpit.resolve(&arguments.at.execution)?;
    let mut printed = 0;
    loop {
        // The status is read first: an execution that has ended by then has its last event in the log.
        let ended = !arguments.follow || desk.cockpit.status(&execution)?.summary.finished_at.is_some();
        let entries = desk.cockpit.log(&execution)?;
        if desk.settings.json && !arguments.follow {
            page::json(&entries)?;
        } else if let Some(fresh) = entries.get(printed..) {
            if desk.settings.json {
                for entry in fresh {
                    page::json_line(entry)?;
                }
            } else if !fresh.is_empty() {
                page::print(&log_page::entries(fresh, desk.settings.style))?;
            }
        }
        printed = entries.len();
        if ended {
            return Ok(Exit::Done);
        }
        std::thread::sleep(FOLLOW);
    }
}

pub fn output(desk: &Desk, at: &Step) -> Result<Exit, Failure> {
    let execution = desk.cockpit.resolve(&at.execution)?;
    let outputs = desk.cockpit.output(&execution, &at.step)?;
    if desk.settings.json {
        let documents: Vec<Value> = outputs
            .iter()
            .map(|output| {
                json!({
                    "attempt": output.attempt,
                    "stream": output.stream,
                    "text": String::from_utf8_lossy(&output.text),
                    "truncated": output.truncated,
                })
            })
            .collect();
        page::json(&documents)?;
        return Ok(Exit::Done);
    }
    if outputs.is_empty() {
        page::warn(&format!("step `{}` has no output\n", text::line(&at.step)));
    }
    for output in &outputs {
        if outputs.len() > 1 {
            let heading = format!("── attempt {} · {}", text::line(&output.attempt), text::line(&output.stream));
            page::warn(&format!("{}\n", desk.settings.errors.dim(&heading)));
        }
        if std::io::stdout().is_terminal() {
            // A terminal would act on what stands in there; a file or a program gets the bytes as they were kept.
            page::print(&text::block(&String::from_utf8_lossy(&output.text)))?;
        } else {
            page::write(&output.text)?;
        }
        if output.truncated {
            page::warn("the output was longer than what is kept\n");
        }
    }
    Ok(Exit::Done)
}
