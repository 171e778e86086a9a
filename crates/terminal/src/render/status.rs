//! Where an execution stands: a timeline, and what to type next.

use belay_cockpit::wire::{
    ActView, ApprovalView, AttemptView, ExecutionSummary, ExecutionView, StepView, UndoView, Waiting, WaitingKind,
};
use jiff::Timestamp;
use serde_json::Value;

use super::act::details;
use crate::guided::values;
use crate::style::Style;
use crate::text;

/// The whole view of `belay status`.
pub fn status(view: &ExecutionView, style: Style) -> String {
    let mut out = header(&view.summary, style);
    out.push('\n');
    out.push_str(&timeline(view, style));
    for conflict in &view.conflicts {
        let attempts: Vec<String> = conflict.attempts.iter().map(ToString::to_string).collect();
        put!(
            out,
            "\n{} step `{}`: attempts {} contradict each other\n",
            style.bad("! conflict"),
            text::line(&conflict.step),
            attempts.join(" and ")
        );
    }
    if !view.summary.notes.is_empty() {
        put!(out, "\n{}\n", style.bold("Notes"));
        for note in &view.summary.notes {
            let lead = format!("  {} {}: ", clock(note.at), text::line(&note.by));
            out.push_str(&text::hang(&lead, "    ", &text::block(&note.text), style.columns));
        }
    }
    out.push_str(&next(view, style));
    out
}

/// What runs, how it stands, where, and why it ended.
pub fn header(summary: &ExecutionSummary, style: Style) -> String {
    let title = format!("{}  {}", text::line(&summary.runbook.id), text::line(&summary.runbook.title));
    let mut out = text::hang("", "  ", &style.bold(&title), style.columns);
    let facts = [
        format!("{} {}", style.symbol(&summary.status), style.status(&summary.status)),
        text::duration(summary.duration_seconds),
        format!("execution {}", text::short(&summary.execution)),
        format!("context {}", text::line(&summary.context)),
    ];
    out.push_str(&text::hang("", "  ", &facts.join(" · "), style.columns));
    let mut origin = vec![format!("started {} UTC by {}", moment(summary.started_at), text::line(&summary.started_by))];
    if summary.triggered_by != "manual" {
        origin.push(format!("triggered by {}", text::line(&summary.triggered_by)));
    }
    origin.extend(summary.incident.iter().map(|incident| format!("incident {}", text::line(incident))));
    origin.extend(summary.ticket.iter().map(|ticket| format!("ticket {}", text::line(ticket))));
    out.push_str(&text::hang("", "  ", &style.dim(&origin.join(" · ")), style.columns));
    if !summary.inputs.is_empty() {
        let inputs: Vec<String> =
            summary.inputs.iter().map(|(name, value)| format!("{}={}", text::line(name), shown(value))).collect();
        out.push_str(&text::hang("", "  ", &style.dim(&inputs.join("  ")), style.columns));
    }
    if is_left(summary) {
        let command = format!("belay resume {}", text::short(&summary.execution));
        let line = format!("{} it goes on with {}", style.care("Nobody drives it now;"), style.code(&command));
        out.push_str(&text::hang("", "  ", &line, style.columns));
    }
    if let Some(error) = &summary.error {
        out.push_str(&text::hang(&format!("{} ", style.bad("why:")), "     ", &text::block(error), style.columns));
    }
    out
}

/// Whether an execution would go on by itself if only somebody drove it.
pub fn is_left(summary: &ExecutionSummary) -> bool {
    let goes_on = matches!(summary.status.as_str(), "not_started" | "in_progress" | "stopping" | "rolling_back");
    goes_on && !summary.driver.present
}

/// One line for each step, with what matters about it below.
pub fn timeline(view: &ExecutionView, style: Style) -> String {
    let names = view.steps.iter().map(|step| text::width(&text::line(&step.name))).max().unwrap_or(0).min(24);
    view.steps.iter().map(|step| step_lines(step, names, style)).collect()
}

fn step_lines(step: &StepView, names: usize, style: Style) -> String {
    let name = text::pad(&text::cut(&text::line(&step.name), names), names);
    let mut state = style.status(&step.status);
    let spent: f64 = step.attempts.iter().filter_map(seconds).sum();
    if spent > 0.0 {
        put!(state, " {}", text::duration(spent));
    }
    let acts: usize = step.attempts.iter().filter(|attempt| attempt.act == "a0").count();
    if acts > 1 {
        put!(state, " ({acts} attempts)");
    }
    if step.by_hand {
        state.push_str(" by hand");
    }
    let room = style.columns.saturating_sub(names + 6 + text::width(&state));
    let title = text::cut(&text::line(&step.title), room.max(12));
    let lead = format!(" {} {}  ", style.symbol(&step.status), style.bold(&name));
    let gap = " ".repeat(room.saturating_sub(text::width(&title)).max(1));
    let mut out = format!("{lead}{title}{gap} {state}\n");
    let deep = |out: &mut String, lead: &str, content: &str| {
        out.push_str(&text::hang(&format!("     {lead}"), "       ", content, style.columns));
    };
    if let Some(branch) = &step.branch {
        deep(&mut out, "branch ", &text::line(branch));
    }
    let open = matches!(
        step.status.as_str(),
        "running" | "waiting_approval" | "waiting_input" | "failed" | "interrupted" | "contested" | "undo_failed"
    );
    if open {
        for act in &step.acts {
            deep(&mut out, "", &act_line(act, style));
            out.push_str(&details(act, 7, style));
        }
    }
    if let Some(approval) = &step.approval {
        deep(&mut out, "", &approval_line(approval, style));
    }
    if let Some(error) = &step.error {
        deep(&mut out, &style.bad("why: "), &text::block(error));
    }
    if let Some(undo) = &step.undo
        && (open || !matches!(undo.status.as_str(), "ready" | "irreversible" | "undeclared"))
        // What is left to a person is told below all steps.
        && undo.status != BY_HAND
    {
        deep(&mut out, "", &undo_line(undo, style));
    }
    out
}

/// A rendered act in a sentence: what, with which effect, on what.
pub fn act_line(act: &ActView, style: Style) -> String {
    let mut line = format!("{} · {}", style.code(&text::line(&act.description)), style.effect(&act.effect));
    if !act.target.is_empty() {
        put!(line, " · target {}", style.bold(&text::line(&act.target)));
    }
    line
}

/// An approval in a sentence: how many, until when, why.
pub fn approval_line(approval: &ApprovalView, style: Style) -> String {
    let given: Vec<String> = approval
        .given
        .iter()
        .map(|given| {
            let own = if given.self_approved { " (self-approved)" } else { "" };
            format!("{}{own}", text::line(&given.responder))
        })
        .collect();
    let mut line = format!("approval {}: {} of {}", style.status(&approval.status), given.len(), approval.needed);
    if !given.is_empty() {
        put!(line, " by {}", given.join(", "));
    }
    if approval.status == "waiting" {
        put!(line, ", until {} UTC", clock(approval.expires_at));
    }
    if approval.status == "expired" {
        put!(line, ", its time ended at {} UTC", clock(approval.expires_at));
    }
    if !approval.reasons.is_empty() {
        let reasons: Vec<String> = approval.reasons.iter().map(|reason| text::line(reason)).collect();
        put!(line, ", because {}", reasons.join("; "));
    }
    for difference in &approval.difference {
        put!(line, "\nchanged since: {}", text::line(difference));
    }
    line
}

/// What takes a step back, or what came of it, in a sentence.
pub fn undo_line(undo: &UndoView, style: Style) -> String {
    let what = text::line(&undo.output);
    let line = match undo.status.as_str() {
        "ready" => format!("undo: {what}"),
        "irreversible" => format!("{} {what}", style.care("cannot be taken back:")),
        "undeclared" => format!("{} {what}", style.care("no undo is declared:")),
        "done" => format!("{} {what}", style.good("taken back:")),
        "already_before" => format!("{} {what}", style.good("taken back already:")),
        "stuck" | "failed" => format!("{} {what}", style.bad("taking it back is stuck:")),
        "left" => format!("{} {what}", style.care("left as it is:")),
        BY_HAND => style.care(&what),
        other => format!("undo {}: {what}", text::line(other)),
    };
    line.trim_end_matches([':', ' ']).to_owned()
}

/// What waits for a person, each with the commands that answer it; or what can be done after the end.
pub fn next(view: &ExecutionView, style: Style) -> String {
    let summary = &view.summary;
    let mut out = left_to_people(view, style);
    if !summary.waiting_on.is_empty() {
        put!(out, "\n{}\n", style.bold("Waiting for a person"));
        for waiting in &summary.waiting_on {
            let step = waiting.step.as_ref().map(|step| format!("{}: ", text::line(step))).unwrap_or_default();
            let lead = format!(" {} ", style.care("?"));
            let what = format!("{step}{}", text::block(&waiting.detail));
            out.push_str(&text::hang(&lead, "   ", &what, style.columns));
            for option in &waiting.options {
                let lead = format!("     {} ", style.bold(&text::line(&option.name)));
                let described = match values::could_be(&option.candidates) {
                    Some(candidates) => format!("{} could be {candidates}", option.description),
                    None => option.description.clone(),
                };
                out.push_str(&text::hang(&lead, "       ", &text::line(described.trim_start()), style.columns));
            }
            for command in commands(view, waiting) {
                put!(out, "     {}\n", style.code(&command));
            }
        }
    }
    let after = afterwards(view);
    if !after.is_empty() {
        put!(out, "\n{}\n", style.bold("Next"));
        for (command, what) in after {
            put!(out, "   {}  {}\n", style.code(&command), style.dim(what));
        }
    }
    out
}

/// The status of the undo of a step that was done by hand.
const BY_HAND: &str = "by_hand";

/// What people did by hand and have to take back themselves, once a rollback has begun.
pub fn left_to_people(view: &ExecutionView, style: Style) -> String {
    let left =
        view.steps.iter().filter_map(|step| Some((step, step.undo.as_ref().filter(|undo| undo.status == BY_HAND)?)));
    let mut out = String::new();
    for (step, undo) in left {
        if out.is_empty() {
            put!(out, "\n{}\n", style.bold("Left to you"));
        }
        let lead = format!(" {} {}: ", style.care("!"), text::line(&step.title));
        out.push_str(&text::hang(&lead, "   ", &text::block(&undo.output), style.columns));
    }
    out
}

/// The commands that answer what waits.
pub fn commands(view: &ExecutionView, waiting: &Waiting) -> Vec<String> {
    let execution = text::short(&view.summary.execution);
    let step = text::quoted(&text::line(waiting.step.as_deref().unwrap_or("STEP")));
    let first = |fallback: &str| {
        waiting.options.first().map_or_else(|| fallback.to_owned(), |option| text::quoted(&text::line(&option.name)))
    };
    match waiting.kind {
        WaitingKind::Approval => {
            let approval = waiting
                .step
                .as_ref()
                .and_then(|_| view.steps.iter().find(|step| waiting.is_about(&step.name)))
                .and_then(|step| step.approval.as_ref());
            if approval.is_some_and(|approval| approval.status == "expired") {
                // A request that a drive has closed is asked for anew; one that it has not yet seen is, by going on.
                let closed = waiting.options.iter().any(|option| option.name == "retry");
                let retry = closed.then(|| format!("belay retry {execution} {step}"));
                return retry.into_iter().chain([format!("belay resume {execution}")]).collect();
            }
            let target = approval
                .filter(|approval| !approval.target.is_empty())
                .map(|approval| format!(" --target {}", text::quoted(&text::line(&approval.target))))
                .unwrap_or_default();
            vec![format!("belay approve {execution} {step}{target}"), format!("belay reject {execution} {step}")]
        }
        WaitingKind::Manual => vec![
            format!("belay confirm {execution} {step}"),
            format!("belay confirm {execution} {step} --outcome failed"),
        ],
        WaitingKind::Decision => vec![format!("belay decide {execution} {step} {}", first("BRANCH"))],
        WaitingKind::Outcome => {
            vec![format!("belay confirm {execution} {step} --outcome done|not-done|failed|undo")]
        }
        WaitingKind::Undo if waiting.options.is_empty() => {
            vec![format!("belay retry {execution} {step}"), format!("belay skip {execution} {step} --reason TEXT")]
        }
        WaitingKind::Undo => {
            let choices: Vec<_> = waiting.options.iter().map(|option| option.name.as_str()).collect();
            vec![format!("belay settle {execution} {step} --choice {}", choices.join("|"))]
        }
        WaitingKind::Input => {
            let names: Vec<String> = waiting
                .options
                .iter()
                .map(|option| format!("{}=VALUE", text::quoted(&text::line(&option.name))))
                .collect();
            vec![format!("belay provide {execution} {}", names.join(" "))]
        }
        WaitingKind::Checklist => {
            vec![format!("belay check {execution} {}", first("1")), format!("belay check {execution} --all")]
        }
    }
}

/// What can be done when nothing waits: go on, try again, take back.
fn afterwards(view: &ExecutionView) -> Vec<(String, &'static str)> {
    let execution = text::short(&view.summary.execution);
    let failed = view.steps.iter().rev().find(|step| step.status == "failed");
    match view.summary.status.as_str() {
        "not_started" | "in_progress" | "stopping" | "rolling_back" | "waiting" => {
            vec![(format!("belay resume {execution}"), "goes on here, guided")]
        }
        "paused" => vec![(format!("belay resume {execution}"), "goes on")],
        "failed" => {
            let mut after = Vec::new();
            if let Some(step) = failed {
                let step = text::quoted(&text::line(&step.name));
                after.push((format!("belay retry {execution} {step}"), "opens it again at that step"));
                after.push((format!("belay skip {execution} {step} --reason WHY"), "leaves that step out"));
            }
            after.push((format!("belay rollback {execution} --reason WHY"), "takes back what it changed"));
            after
        }
        "aborted" => vec![(format!("belay rollback {execution} --reason WHY"), "takes back what it changed")],
        _ => Vec::new(),
    }
}

fn seconds(attempt: &AttemptView) -> Option<f64> {
    let finished = attempt.finished_at?;
    Some(finished.duration_since(attempt.started_at).as_secs_f64().max(0.0))
}

/// A value as one word.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(content) => text::line(content),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            text::line(&value.to_string())
        }
    }
}

/// `14:03:09`.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// `2026-11-22 14:03`.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}
