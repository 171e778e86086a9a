//! An execution: the timeline, the step in front with everything that matters about it, its output, and what it asks.

use belay_cockpit::api::Driven;
use belay_cockpit::wire::{ExecutionView, StepView};
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::look::Look;
use super::runbook::{more, spec_text};
use super::{below, empty, error_lines, rows};
use crate::cockpit::actions::{Action, answers};
use crate::cockpit::deed::Deed;
use crate::cockpit::pages::execution::Execution;
use crate::render::act::all_details;
use crate::render::status::{act_line, approval_line, clock, shown, undo_line};
use crate::style::Style;
use crate::text;

pub fn draw(frame: &mut Frame<'_>, area: Rect, page: &Execution, now: Timestamp, look: Look) {
    let columns = usize::from(area.width);
    let Some(told) = &page.page else {
        match &page.error {
            Some(error) => frame.render_widget(Paragraph::new(error_lines(error, columns, look)), area),
            None => empty(frame, area, "reading …", look),
        }
        return;
    };
    header(frame, area, page, &told.view, told.driven, now, look);
    let body = below(area, 2);
    if page.zoomed {
        return output(frame, body, page, look);
    }
    let question = question(page, columns, look);
    let asks = u16::try_from(question.len()).unwrap_or(u16::MAX).min(body.height * 3 / 5);
    let [middle, bottom] = Layout::vertical([Constraint::Min(3), Constraint::Length(asks)]).areas(body);
    frame.render_widget(Paragraph::new(question), bottom);
    let names = (area.width * 36 / 100).clamp(26, 46);
    let [left, right] = Layout::horizontal([Constraint::Length(names), Constraint::Min(10)]).areas(middle);
    timeline(frame, left, page, &told.view, look);
    let block = Block::new().borders(Borders::LEFT).border_style(look.dim());
    let inner = block.inner(right);
    frame.render_widget(block, right);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner };
    in_front(frame, inner, page, look);
}

fn header(
    frame: &mut Frame<'_>,
    area: Rect,
    page: &Execution,
    view: &ExecutionView,
    driven: Driven,
    now: Timestamp,
    look: Look,
) {
    let summary = &view.summary;
    let status = summary.status.as_str();
    let seconds = match summary.finished_at {
        Some(_) => summary.duration_seconds,
        None => now.duration_since(summary.started_at).as_secs_f64().max(summary.duration_seconds),
    };
    let symbol: String =
        look.line(&Style::on_screen(80).symbol(status)).spans.into_iter().map(|span| span.content).collect();
    let word = text::line(status).replace('_', " ").to_uppercase();
    let badge = look.of_status(status).remove_modifier(Modifier::DIM).add_modifier(Modifier::REVERSED | Modifier::BOLD);
    // A clock that runs has whole seconds.
    let took = if summary.finished_at.is_none() && seconds < 10.0 {
        format!(" {seconds:.0}s ")
    } else {
        format!(" {} ", text::duration(seconds))
    };
    let title = text::line(&format!("{}  {}", summary.runbook.id, summary.runbook.title));
    let room = usize::from(area.width).saturating_sub(text::width(&word) + text::width(&took) + 8);
    let line = Line::from(vec![
        Span::raw(" "),
        Span::styled(format!(" {symbol} {word} "), badge),
        Span::styled(format!("  {}", text::cut(&title, room)), look.bold()),
    ]);
    frame.render_widget(line, area);
    frame.render_widget(Line::styled(took, look.bold()).right_aligned(), Rect { height: 1, ..area });
    let mut facts = vec![text::short(&summary.execution).to_owned(), format!("context {}", summary.context)];
    facts.push(format!("by {}", summary.started_by));
    facts.extend(summary.incident.iter().map(|incident| format!("incident {incident}")));
    facts.extend(summary.ticket.iter().map(|ticket| format!("ticket {ticket}")));
    let (told, style) = match driven {
        _ if summary.finished_at.is_some() => (String::new(), look.dim()),
        Driven::Here if page.runs() => ("▶ driven here ".to_owned(), look.good()),
        Driven::Here => ("driven here ".to_owned(), look.dim()),
        Driven::Elsewhere => ("driven by another process ".to_owned(), look.care()),
        Driven::Nobody => ("! nobody drives it ".to_owned(), look.care().patch(look.bold())),
    };
    let second = Rect { height: 1.min(below(area, 1).height), ..below(area, 1) };
    let room = usize::from(area.width).saturating_sub(text::width(&told) + 3);
    frame.render_widget(
        Line::styled(format!("  {}", text::cut(&text::line(&facts.join(" · ")), room)), look.dim()),
        second,
    );
    frame.render_widget(Line::styled(told, style).right_aligned(), second);
}

/// A short word for a step's status, for the timeline.
fn word(step: &StepView) -> String {
    let word = match step.status.as_str() {
        "pending" => "",
        "succeeded" if step.by_hand => "by hand",
        "succeeded" => "done",
        "running" => "runs",
        "waiting_approval" => "approval",
        "waiting_input" => "waits",
        "undone" => "taken back",
        other => return text::line(other).replace('_', " "),
    };
    word.to_owned()
}

fn timeline(frame: &mut Frame<'_>, area: Rect, page: &Execution, view: &ExecutionView, look: Look) {
    let marks = Style::on_screen(80);
    let columns = usize::from(area.width);
    let window = page.list.window(view.steps.len(), usize::from(area.height));
    for ((index, step), row) in view.steps.iter().enumerate().skip(window.start).take(window.len()).zip(rows(area)) {
        let selected = index == page.list.selected;
        let chosen = if selected { look.selected() } else { ratatui::style::Style::new() };
        let word = word(step);
        let room = columns.saturating_sub(text::width(&word) + 5);
        let title = text::pad(&text::cut(&text::line(&step.title), room), room);
        let style = look.of_status(&step.status);
        let mut spans = vec![Span::styled(if selected { "▌" } else { " " }, look.accent())];
        spans.extend(look.line(&marks.symbol(&step.status)).spans);
        let weight = if step.status == "pending" || step.status == "not_taken" {
            look.dim()
        } else {
            ratatui::style::Style::new()
        };
        spans.push(Span::styled(format!(" {title}"), weight.patch(chosen)));
        spans.push(Span::styled(format!(" {word} "), style.patch(chosen)));
        frame.render_widget(Line::from(spans), row);
    }
}

/// The step in front: what is known about it, and below that what it writes.
fn in_front(frame: &mut Frame<'_>, area: Rect, page: &Execution, look: Look) {
    let columns = usize::from(area.width);
    let dressed = detail(page, columns);
    let count = dressed.lines().count();
    let (about, writes) = if page.has_output() {
        let most = area.height.saturating_sub(area.height * 2 / 5);
        let wanted = u16::try_from(count).unwrap_or(u16::MAX).min(most);
        let [about, writes] = Layout::vertical([Constraint::Length(wanted), Constraint::Min(0)]).areas(area);
        (about, Some(writes))
    } else {
        (area, None)
    };
    let seen = usize::from(about.height);
    let top = page.scroll.top.min(count.saturating_sub(seen));
    let lines: Vec<Line<'_>> = dressed.lines().skip(top).take(seen).map(|line| look.line(line)).collect();
    frame.render_widget(Paragraph::new(lines), about);
    more(frame, about, top + seen < count, look);
    if let Some(writes) = writes {
        output(frame, writes, page, look);
    }
}

/// What there is to know about the step in front.
pub fn detail(page: &Execution, columns: usize) -> String {
    let style = Style::on_screen(columns);
    let Some(step) = page.step() else { return String::new() };
    let mut out = text::hang("", "", &style.bold(&text::line(&step.title)), columns);
    let mut facts =
        vec![format!("{} {}", style.symbol(&step.status), style.status(&step.status)), text::line(&step.kind)];
    facts.extend(step.effect.iter().map(|effect| style.effect(effect)));
    facts.extend(step.impact.iter().map(|impact| {
        let told = format!("impact {}", text::line(impact));
        if impact == "HIGH" { style.bad(&told) } else { told }
    }));
    facts.extend(step.by_hand.then(|| "by hand".to_owned()));
    facts.extend(step.done_by.iter().map(|by| format!("by {}", text::line(by))));
    facts.extend(step.branch.iter().map(|branch| format!("branch {}", text::line(branch))));
    out.push_str(&text::hang("", "", &facts.join(" · "), columns));
    if let Some(error) = &step.error {
        out.push_str(&text::hang(&format!("{} ", style.bad("why:")), "     ", &text::block(error), columns));
    }
    if let Some(view) = page.view() {
        for conflict in view.conflicts.iter().filter(|conflict| conflict.step == step.name) {
            let attempts: Vec<String> = conflict.attempts.iter().map(ToString::to_string).collect();
            let told = format!("attempts {} contradict each other", attempts.join(" and "));
            out.push_str(&text::hang(&format!("{} ", style.bad("! conflict:")), "  ", &told, columns));
        }
    }
    out.push_str(&acts(step, style));
    if let Some(spec) = page.written() {
        // What is rendered replaces what is written; what a person does is shown as it is written.
        let spec = if step.acts.is_empty() { spec.clone() } else { without_acts(spec.clone()) };
        let told = spec_text(&spec, style, 0);
        if !told.trim().is_empty() {
            out.push('\n');
            out.push_str(&told);
        }
    }
    out.push_str(&attempts(step, !page.has_output(), style));
    out.push_str(&around(page, style));
    out
}

/// What belongs to the whole execution: remarks, and the values that it began with.
fn around(page: &Execution, style: Style) -> String {
    let mut out = String::new();
    let Some(summary) = page.view().map(|view| &view.summary) else { return out };
    if !summary.notes.is_empty() {
        put!(out, "\n{}\n", style.bold("Notes"));
        for note in summary.notes.iter().rev() {
            let lead = format!("  {} {}: ", style.dim(&clock(note.at)), text::line(&note.by));
            out.push_str(&text::hang(&lead, "    ", &text::block(&note.text), style.columns));
        }
    }
    if !summary.inputs.is_empty() {
        let values: Vec<String> =
            summary.inputs.iter().map(|(name, value)| format!("{}={}", text::line(name), shown(value))).collect();
        out.push('\n');
        out.push_str(&text::hang("", "  ", &style.dim(&values.join("  ")), style.columns));
    }
    out
}

fn without_acts(mut spec: belay_cockpit::api::StepSpec) -> belay_cockpit::api::StepSpec {
    spec.commands.clear();
    spec.remarks.clear();
    spec.action = None;
    spec.undo = None;
    spec
}

/// What exactly runs, why it needs an approval, and what takes it back.
pub fn acts(step: &StepView, style: Style) -> String {
    let mut out = String::new();
    let lead = match step.status.as_str() {
        "running" => "now ",
        _ if step.attempts.is_empty() => "will",
        _ => "did ",
    };
    for act in &step.acts {
        let lead = format!("{} ", style.bold(lead));
        out.push_str(&text::hang(&lead, "     ", &act_line(act, style), style.columns));
        out.push_str(&all_details(act, 5, style));
    }
    if let Some(approval) = &step.approval {
        out.push_str(&text::hang("", "  ", &approval_line(approval, style), style.columns));
    }
    if let Some(undo) = &step.undo
        && (step.effect.as_deref().is_some_and(|effect| effect != "read") || undo.status != "undeclared")
    {
        out.push_str(&text::hang("", "  ", &undo_line(undo, style), style.columns));
        for name in ["before", "after", "live", "error"] {
            let value = undo.detail.as_ref().and_then(|detail| detail.get(name)).filter(|value| !value.is_null());
            if let Some(value) = value {
                out.push_str(&text::hang(&format!("  {} ", style.bold(name)), "    ", &shown(value), style.columns));
            }
        }
    }
    out
}

fn attempts(step: &StepView, with_output: bool, style: Style) -> String {
    let mut out = String::new();
    for attempt in &step.attempts {
        let took = attempt.finished_at.map(|end| text::duration(end.duration_since(attempt.started_at).as_secs_f64()));
        let mut facts = vec![format!("{} {}", style.symbol(&attempt.status), style.status(&attempt.status))];
        facts.extend(took);
        facts.extend(attempt.exit_code.map(|code| format!("exit {code}")));
        facts.push(format!("by {}", text::line(&attempt.responder)));
        let lead = format!("{} #{} {} ", clock(attempt.started_at), attempt.n, text::line(&attempt.act));
        out.push_str(&text::hang(&style.dim(&lead), "  ", &facts.join(" · "), style.columns));
        if let Some(error) = &attempt.error {
            out.push_str(&text::hang("  ", "    ", &style.bad(&text::block(error)), style.columns));
        }
    }
    let last = step.attempts.last().filter(|last| with_output && !last.output.is_empty());
    if let Some(last) = last {
        for line in text::fold(&text::block(&last.output), style.columns.saturating_sub(2)) {
            put!(out, "{} {line}\n", style.dim("│"));
        }
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

/// Output, from a line on, over as many rows as each line needs.
fn output(frame: &mut Frame<'_>, area: Rect, page: &Execution, look: Look) {
    if area.height == 0 {
        return;
    }
    let output = &page.output;
    let columns = usize::from(area.width).saturating_sub(2);
    let state = if output.held { "held, F follows" } else { "follows" };
    let cut = if output.cut { ", older output is in o" } else { "" };
    let title = format!(
        "── output of {} · {} · {state}{cut} ",
        text::line(&output.step),
        text::count(output.count(), "line", "lines")
    );
    let title = text::cut(&title, usize::from(area.width));
    let rule = "─".repeat(usize::from(area.width).saturating_sub(text::width(&title)));
    frame.render_widget(Line::styled(format!("{title}{rule}"), look.dim()), area);
    let body = below(area, 1);
    let seen = usize::from(body.height);
    let folded = |line: &super::super::pages::output::Line| {
        let (mark, style) = if line.error { ("┃", look.care()) } else { ("│", look.dim()) };
        let find = &output.scroll.find;
        let hit = !find.is_empty() && line.text.to_lowercase().contains(&find.to_lowercase());
        let text_style = if hit { look.care().patch(look.bold()) } else { ratatui::style::Style::new() };
        let row = move |part: String| {
            Line::from(vec![Span::styled(format!("{mark} "), style), Span::styled(part, text_style)])
        };
        text::fold(&line.text, columns).into_iter().map(row).collect::<Vec<_>>()
    };
    let mut lines: Vec<Line<'static>> = Vec::with_capacity(seen);
    if output.held {
        let from = output.top(seen);
        for line in output.lines.iter().take(output.count()).skip(from) {
            lines.extend(folded(line));
            if lines.len() >= seen {
                break;
            }
        }
    } else {
        let mut newest = Vec::new();
        for line in output.lines.iter().take(output.count()).rev() {
            newest.push(folded(line));
            if newest.iter().map(Vec::len).sum::<usize>() >= seen {
                break;
            }
        }
        lines = newest.into_iter().rev().flatten().collect();
        let hidden = lines.len().saturating_sub(seen);
        lines.drain(..hidden);
    }
    frame.render_widget(Paragraph::new(lines), body);
}

/// What it asks, or what there is to do, with the keys that answer.
fn question(page: &Execution, columns: usize, look: Look) -> Vec<Line<'static>> {
    let Some(told) = &page.page else { return Vec::new() };
    let summary = &told.view.summary;
    let room = columns.saturating_sub(4);
    let (title, detail, style) = match summary.status.as_str() {
        _ if page.stopped.is_some() => ("✗ Driving stopped here".to_owned(), stopped(page), look.bad()),
        "paused" => ("? Paused".to_owned(), "Nothing new starts until you go on.".to_owned(), look.care()),
        "failed" => {
            let step = page.failed().map_or("", |step| step.title.as_str());
            (format!("✗ Failed at {step}"), summary.error.clone().unwrap_or_default(), look.bad())
        }
        _ => match page.waiting() {
            Some(waiting) => {
                let title =
                    waiting.step.as_deref().and_then(|name| page.step_named(name)).map(|step| step.title.clone());
                let wrong = waiting.kind == belay_cockpit::wire::WaitingKind::Outcome
                    || waiting.kind == belay_cockpit::wire::WaitingKind::Undo;
                let mark = if wrong { "! The outcome is not known" } else { "? Waits for you" };
                let mark =
                    if waiting.kind == belay_cockpit::wire::WaitingKind::Undo { "! An undo is stuck" } else { mark };
                let style = if wrong { look.bad() } else { look.care() };
                (
                    format!("{mark}{}", title.map(|title| format!(": {title}")).unwrap_or_default()),
                    waiting.detail.clone(),
                    style,
                )
            }
            None if told.driven == Driven::Nobody && page.is_open() => (
                "! Nobody drives it".to_owned(),
                "Nothing goes on by itself. Press d to go on here.".to_owned(),
                look.care(),
            ),
            None => return Vec::new(),
        },
    };
    let title = text::cut(&format!("── {} ", text::line(&title)), columns);
    let rule = "─".repeat(columns.saturating_sub(text::width(&title)));
    let mut lines = vec![Line::styled(format!("{title}{rule}"), style.patch(look.bold()))];
    lines.extend(
        text::wrap(&text::block(&detail), room)
            .into_iter()
            .filter(|l| !l.is_empty())
            .map(|line| Line::raw(format!("  {line}"))),
    );
    lines.extend(keys(&answers(page), room, look));
    lines
}

fn stopped(page: &Execution) -> String {
    let Some(error) = &page.stopped else { return String::new() };
    let hint = error.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("error: {}{hint}", error.message)
}

/// Answers with their keys: beside each other where they are short.
fn keys(answers: &[Action], room: usize, look: Look) -> Vec<Line<'static>> {
    let key = |action: &Action| action.keys.first().copied().unwrap_or_default();
    let shown: Vec<&Action> = answers.iter().filter(|action| action.deed != Deed::Choose).collect();
    let width = |action: &&Action| text::width(&text::line(&action.label)) + text::width(key(action)) + 6;
    let label = |action: &Action, room: usize| {
        [
            Span::styled(format!(" {} ", key(action)), look.accent().patch(look.selected()).patch(look.bold())),
            Span::raw(format!(" {}  ", text::cut(&text::line(&action.label), room))),
        ]
    };
    if shown.iter().map(width).sum::<usize>() <= room {
        let spans = shown.iter().flat_map(|action| label(action, room));
        return if shown.is_empty() { Vec::new() } else { vec![[Span::raw("  ")].into_iter().chain(spans).collect()] };
    }
    shown
        .iter()
        .map(|action| [Span::raw("  ")].into_iter().chain(label(action, room.saturating_sub(6))).collect())
        .collect()
}
