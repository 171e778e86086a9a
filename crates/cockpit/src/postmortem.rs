//! The draft of a postmortem: what an execution's log already knows, in the order in which people ask for it.
//!
//! Everything is taken from the execution and its log; what only people know is left as a question in italics.

use std::fmt::Write as _;

use belay_runbook::model::Runbook;

use crate::wire::{ExecutionView, LogEntry, StepView};

/// Markdown with summary, impact, timeline, what worked and what did not, and actions.
pub(crate) fn draft(view: &ExecutionView, runbook: Option<&Runbook>, log: &[LogEntry]) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    match write(&mut out, view, runbook, log) {
        Ok(()) => out,
        Err(std::fmt::Error) => String::new(),
    }
}

fn write(out: &mut String, view: &ExecutionView, runbook: Option<&Runbook>, log: &[LogEntry]) -> std::fmt::Result {
    let summary = &view.summary;
    let title = inline(&summary.runbook.title);
    writeln!(out, "# Postmortem: {title}\n")?;
    writeln!(out, "| What | Which |\n|---|---|")?;
    if let Some(incident) = &summary.incident {
        writeln!(out, "| Incident | {} |", cell(incident))?;
    }
    if let Some(ticket) = &summary.ticket {
        writeln!(out, "| Change ticket | {} |", cell(ticket))?;
    }
    writeln!(out, "| Runbook | {} ({}) |", cell(&summary.runbook.title), cell(&summary.runbook.id))?;
    writeln!(out, "| Execution | `{}` |", short(&summary.execution))?;
    writeln!(out, "| Context | {} |", cell(&summary.context))?;
    writeln!(
        out,
        "| Started | {:.0} by {}, {} |",
        summary.started_at,
        cell(&summary.started_by),
        cell(&summary.triggered_by)
    )?;
    if let Some(finished) = summary.finished_at {
        writeln!(out, "| Ended | {finished:.0}, after {} |", duration(summary.duration_seconds))?;
    }
    writeln!(out, "| Outcome | {} |\n", summary.status.replace('_', " "))?;

    writeln!(out, "## Summary\n")?;
    writeln!(out, "{}\n", sentence(view))?;
    writeln!(out, "_What was seen first, and by whom? What turned out to be the cause?_\n")?;

    writeln!(out, "## Impact\n")?;
    if let Some(impact) = runbook.and_then(|runbook| runbook.documentation.impact.as_deref()) {
        writeln!(out, "{}\n", impact.trim())?;
    }
    writeln!(out, "_Who was affected, how many, from when until when?_\n")?;

    writeln!(out, "## Timeline\n")?;
    writeln!(out, "Times are UTC.\n\n| Time | What | Device |\n|---|---|---|")?;
    for entry in log {
        let time = entry.at.strftime("%H:%M:%S");
        writeln!(out, "| {time} | {} | {} |", cell(&entry.text), cell(&short(&entry.device)))?;
    }
    writeln!(out)?;

    steps(out, "What was done", view, |step| step.status == "succeeded")?;
    steps(out, "What did not work", view, |step| {
        ["failed", "interrupted", "contested", "undo_failed"].contains(&step.status.as_str())
    })?;
    steps(out, "What was taken back", view, |step| step.status == "undone")?;
    if !summary.notes.is_empty() {
        writeln!(out, "## Notes\n")?;
        for note in &summary.notes {
            writeln!(out, "- {} {}: {}", note.at.strftime("%H:%M:%S"), inline(&note.by), inline(&note.text))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "## Actions\n\n| What | Who | Until |\n|---|---|---|\n|  |  |  |")
}

fn sentence(view: &ExecutionView) -> String {
    let summary = &view.summary;
    let count = |status: &str| view.steps.iter().filter(|step| step.status == status).count();
    let by_hand = view.steps.iter().filter(|step| step.by_hand).count();
    let mut text = format!(
        "{} ran {} for {}: {} of {} steps succeeded",
        inline(&summary.started_by),
        inline(&summary.runbook.title),
        duration(summary.duration_seconds),
        count("succeeded"),
        view.steps.len()
    );
    let mut parts = Vec::new();
    for (status, word) in [("failed", "failed"), ("skipped", "were skipped"), ("undone", "were taken back")] {
        if count(status) > 0 {
            parts.push(format!(", {} {word}", count(status)));
        }
    }
    if by_hand > 0 {
        parts.push(format!(", {by_hand} by hand"));
    }
    parts.push(".".to_owned());
    if let Some(error) = &summary.error {
        parts.push(format!(" It ended with: {}.", inline(error)));
    }
    text.push_str(&parts.concat());
    text
}

fn steps(out: &mut String, title: &str, view: &ExecutionView, which: impl Fn(&StepView) -> bool) -> std::fmt::Result {
    let chosen: Vec<_> = view.steps.iter().filter(|step| which(step)).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    writeln!(out, "## {title}\n")?;
    for step in chosen {
        write!(out, "- **{}**", inline(&step.title))?;
        if step.by_hand {
            write!(out, " (by hand)")?;
        }
        if let Some(approval) = &step.approval {
            let given: Vec<_> = approval.given.iter().map(|given| inline(&given.responder)).collect();
            if !given.is_empty() {
                write!(out, ", approved by {}", given.join(", "))?;
            }
        }
        if let Some(error) = &step.error {
            write!(out, ": {}", inline(error))?;
        }
        writeln!(out)?;
        for act in &step.acts {
            writeln!(out, "  - `{}`", act.description.replace(['`', '\n'], " "))?;
        }
    }
    writeln!(out)
}

/// One line of text that Markdown does not act on.
fn inline(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

fn cell(text: &str) -> String {
    inline(text)
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "durations are small and not negative")]
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
