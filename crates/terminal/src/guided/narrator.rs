//! Tells what a drive does, from one view to the next. Pure: events in, text out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use belay_cockpit::wire::{ActView, DriveEvent, ExecutionView, StepView};
use belay_runbook::commands;
use belay_runbook::model::{Does, InputSpec, Runbook, Step};
use serde_json::Value;

use super::output::OutputPane;
use crate::markdown;
use crate::render::act::details;
use crate::render::status::{act_line, approval_line, undo_line};
use crate::style::Style;
use crate::text;

/// Tells one execution.
#[derive(Debug)]
pub struct Narrator {
    style: Style,
    /// The runbook of the execution's genesis: descriptions and commands of manual steps come from it.
    runbook: Option<Arc<Runbook>>,
    execution: String,
    /// Values of variables, as they are now.
    values: BTreeMap<String, Value>,
    steps: Vec<StepView>,
    status: String,
    /// Acts whose start was told and whose end was not.
    running: Option<String>,
    /// The line that told of the running act.
    told: String,
    /// Steps whose heading was printed, by name and number of visits as far as attempts tell them apart.
    shown_plans: BTreeSet<String>,
    pane: OutputPane,
}

impl Narrator {
    /// Starts from where an execution stands; what happened before is not told again.
    pub fn new(view: &ExecutionView, runbook: Option<Arc<Runbook>>, style: Style) -> Self {
        Self {
            style,
            runbook,
            execution: view.summary.execution.clone(),
            values: view.summary.inputs.clone(),
            steps: view.steps.iter().filter(|step| is_ended(&step.status)).cloned().collect(),
            status: view.summary.status.clone(),
            running: None,
            told: String::new(),
            shown_plans: BTreeSet::new(),
            pane: OutputPane::default(),
        }
    }

    /// The declaration of a variable.
    pub fn input(&self, name: &str) -> Option<&InputSpec> {
        self.runbook.as_deref()?.inputs.get(name)
    }

    /// Whether everything that a view shows was told.
    pub fn knows(&self, view: &ExecutionView) -> bool {
        self.status == view.summary.status && self.steps == view.steps
    }

    /// Whether an act is running.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What to print about an event.
    pub fn tell(&mut self, event: &DriveEvent) -> String {
        match event {
            DriveEvent::Changed { view } | DriveEvent::Waiting { view } => self.changed(view),
            DriveEvent::Finished { view } => {
                let mut out = self.changed(view);
                self.running = None;
                out.push_str(&self.ending(view));
                out
            }
            DriveEvent::Started { step, act } => self.started(step, act),
            DriveEvent::Output { stream, text, .. } => self.pane.take(stream, text, self.style),
            DriveEvent::Notice { text } => {
                text::hang(&format!("  {} ", self.style.code("i")), "    ", &text::block(text), self.style.columns)
            }
            DriveEvent::Escalated { step, reason } => {
                let lead = format!("{} tell somebody: step `{}`: ", self.style.bad("!"), text::line(step));
                text::hang(&lead, "  ", &text::block(reason), self.style.columns)
            }
            DriveEvent::Stopped { error, hint } => {
                let mut out = self.end_output();
                let lead = format!("{} ", self.style.bad("error:"));
                out.push_str(&text::hang(&lead, "  ", &text::block(error), self.style.columns));
                if let Some(hint) = hint {
                    let lead = format!("{} ", self.style.code("hint:"));
                    out.push_str(&text::hang(&lead, "  ", &text::block(hint), self.style.columns));
                }
                out
            }
        }
    }

    fn changed(&mut self, view: &ExecutionView) -> String {
        self.values.clone_from(&view.summary.inputs);
        let mut out = String::new();
        let acting = view.steps.iter().any(|step| step.attempts.iter().any(|attempt| attempt.status == "running"));
        if !acting && self.running.is_some() {
            out.push_str(&self.end_output());
            self.running = None;
        }
        for (index, step) in view.steps.iter().enumerate() {
            let before = self.steps.iter().find(|before| before.name == step.name).cloned();
            out.push_str(&self.step(index, view.steps.len(), step, before.as_ref()));
        }
        let status = view.summary.status.as_str();
        if status != self.status && matches!(status, "stopping" | "rolling_back" | "paused") {
            let word = match status {
                "stopping" => "stopping: what runs comes to an end first",
                "rolling_back" => "rolling back: changes are taken back, newest first",
                _ => "paused: nothing new starts",
            };
            put!(out, "\n{} {}\n", self.style.symbol(status), self.style.care(word));
        }
        status.clone_into(&mut self.status);
        self.steps.clone_from(&view.steps);
        out
    }

    fn step(&mut self, index: usize, count: usize, step: &StepView, before: Option<&StepView>) -> String {
        let was = before.map_or("pending", |before| before.status.as_str());
        let mut out = String::new();
        let reached = !matches!(step.status.as_str(), "pending" | "not_taken");
        let again = is_ended(was) && !is_ended(&step.status) && step.status != "pending" && before.is_some();
        let quiet = step.status == "skipped" || matches!(step.status.as_str(), "undone" | "undo_failed");
        if reached && !quiet && (was == "pending" || again) {
            self.shown_plans.remove(&step.name);
            out.push_str(&self.heading(index, count, step));
        }
        if reached && !step.acts.is_empty() && !is_ended(&step.status) && self.shown_plans.insert(step.name.clone()) {
            out.push_str(&self.plan(step));
        } else if let Some(approval) = &step.approval
            && before.and_then(|before| before.approval.as_ref()).is_some_and(|old| old.status != approval.status)
        {
            let line = approval_line(approval, self.style);
            out.push_str(&text::hang("  ", "    ", &line, self.style.columns));
        }
        if is_ended(&step.status) && step.status != was {
            out.push_str(&self.outcome(step));
        }
        out.push_str(&self.undo_change(step, before));
        out
    }

    fn heading(&self, index: usize, count: usize, step: &StepView) -> String {
        let style = self.style;
        let place = format!("Step {} of {count}", index + 1);
        let name = text::line(&step.name);
        let side = format!("{name} · {}", text::line(&step.kind));
        let room = style.columns.saturating_sub(text::width(&place) + 2);
        let title = text::line(&step.title);
        let mut out = format!("\n{}\n", style.rule());
        out.push_str(&text::hang(&format!("{}  ", style.bold(&place)), "  ", &style.bold(&title), style.columns));
        put!(out, "{}\n", style.dim(&text::cut(&side, room)));
        let Some(written) = self.written(&step.name) else { return out };
        if let Some(description) = &written.description {
            out.push('\n');
            out.push_str(&markdown::render(description, style, 2));
        }
        if step.kind == "manual" || step.kind == "verification" {
            out.push_str(&self.by_person(written));
        }
        out
    }

    /// What a person does or looks for in a step.
    fn by_person(&self, step: &Step) -> String {
        let style = self.style;
        let mut out = String::new();
        if let Does::Commands(commands) = &step.does
            && step.kind == belay_runbook::model::StepKind::Manual
        {
            out.push('\n');
            let variables = self.runbook.iter().flat_map(|runbook| runbook.inputs.keys().cloned()).collect();
            for command in commands::shown(commands, &self.values, &variables) {
                for row in text::block(&command).lines() {
                    put!(out, "  {} {}\n", style.dim("$"), style.code(row));
                }
            }
        }
        let expected = [("expect", &step.expected_output), ("done when", &step.success_criteria)];
        for (lead, content) in expected {
            if let Some(content) = content {
                out.push_str(&text::hang(
                    &format!("  {} ", style.bold(lead)),
                    "    ",
                    &text::block(content),
                    style.columns,
                ));
            }
        }
        out
    }

    fn written(&self, name: &str) -> Option<&Step> {
        let runbook = self.runbook.as_deref()?;
        runbook.steps.iter().chain(&runbook.rollback_steps).find(|step| step.name.as_str() == name)
    }

    /// What exactly will run, why it needs approval, and what takes it back.
    fn plan(&self, step: &StepView) -> String {
        let style = self.style;
        let mut out = String::new();
        // An act that runs by itself is told when it starts.
        let started = self.running.as_ref() == Some(&step.name);
        if !started {
            out.push('\n');
        }
        let changes = step.effect.as_deref().is_some_and(|effect| effect != "read");
        for act in &step.acts {
            if !started {
                let lead = format!("  {} ", style.bold("will"));
                out.push_str(&text::hang(&lead, "       ", &act_line(act, style), style.columns));
            }
            if changes || step.approval.is_some() {
                out.push_str(&details(act, 7, style));
            }
        }
        if let (true, Some(impact)) = (changes, &step.impact) {
            let impact = if impact == "HIGH" { style.bad(impact) } else { text::line(impact) };
            put!(out, "  impact {impact}\n");
        }
        if let Some(approval) = &step.approval {
            out.push_str(&text::hang("  ", "    ", &approval_line(approval, style), style.columns));
        }
        if let (true, Some(undo)) = (changes, &step.undo) {
            out.push_str(&text::hang("  ", "    ", &undo_line(undo, style), style.columns));
        }
        out
    }

    fn started(&mut self, step: &str, act: &ActView) -> String {
        let mut out = self.end_output();
        let line = act_line(act, self.style);
        // A verification asks again and again until it holds; it is told once.
        if self.running.as_deref() == Some(step) && self.told == line {
            return out;
        }
        self.running = Some(step.to_owned());
        self.told.clone_from(&line);
        let lead = format!("  {} now ", self.style.care("▶"));
        out.push_str(&text::hang(&lead, "        ", &line, self.style.columns));
        out
    }

    fn outcome(&mut self, step: &StepView) -> String {
        let style = self.style;
        let mut line = format!("{} {}", style.symbol(&step.status), style.status(&step.status));
        let last = step.attempts.last();
        if let Some(finished) = last.and_then(|last| Some((last.started_at, last.finished_at?))) {
            let seconds = finished.1.duration_since(finished.0).as_secs_f64();
            if !matches!(step.status.as_str(), "skipped" | "not_taken") {
                put!(line, " in {}", text::duration(seconds));
            }
        }
        if step.by_hand {
            line.push_str(", by hand");
        }
        if let Some(branch) = &step.branch {
            put!(line, ", branch {}", text::line(branch));
        }
        let quiet = matches!(step.status.as_str(), "skipped" | "not_taken");
        if matches!(step.status.as_str(), "not_taken" | "undone") {
            return String::new();
        }
        if quiet {
            put!(line, "  {}", text::line(&step.title));
        }
        let mut out = text::hang("  ", "    ", &line, style.columns);
        if let Some(error) = &step.error {
            out.push_str(&text::hang(
                &format!("    {} ", style.bad("why:")),
                "      ",
                &text::block(error),
                style.columns,
            ));
        }
        out
    }

    fn undo_change(&self, step: &StepView, before: Option<&StepView>) -> String {
        let Some(undo) = &step.undo else { return String::new() };
        let was = before.and_then(|before| before.undo.as_ref()).map(|undo| undo.status.as_str());
        let settled = matches!(undo.status.as_str(), "done" | "already_before" | "stuck" | "failed" | "left");
        if !settled || was == Some(undo.status.as_str()) {
            return String::new();
        }
        let name = self.style.bold(&text::line(&step.title));
        text::hang("  ↩ ", "    ", &format!("{name} — {}", undo_line(undo, self.style)), self.style.columns)
    }

    fn end_output(&mut self) -> String {
        let step = self.running.clone().unwrap_or_default();
        self.pane.finish(&self.execution, &step, self.style)
    }

    /// The last lines: how it ended, and after how long.
    fn ending(&self, view: &ExecutionView) -> String {
        let style = self.style;
        let summary = &view.summary;
        let mut out = format!("\n{}\n", style.rule());
        put!(
            out,
            "{} {} after {} · execution {}\n",
            style.symbol(&summary.status),
            style.status(&summary.status),
            text::duration(summary.duration_seconds),
            text::short(&summary.execution)
        );
        if let Some(error) = &summary.error {
            out.push_str(&text::hang(&format!("  {} ", style.bad("why:")), "    ", &text::block(error), style.columns));
        }
        out
    }
}

/// Whether a step's status is one that it ends in.
fn is_ended(status: &str) -> bool {
    matches!(
        status,
        "succeeded" | "failed" | "skipped" | "not_taken" | "cancelled" | "undone" | "undo_failed" | "contested"
    )
}
