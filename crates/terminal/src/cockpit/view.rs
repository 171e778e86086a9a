//! Draws the state. Pure: the same state gives the same screen.

mod alerts;
mod catalog;
mod choices;
mod dialog;
pub mod execution;
mod history;
pub mod look;
pub mod reader;
mod rot;
pub mod runbook;
mod start;

use belay_cockpit::api::CallError;
use belay_runbook::policy::is_production;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::actions::{actions, answers};
use super::field::Field;
use super::pages::Page;
use super::state::{Notice, State};
use crate::text;
use choices::choices;
use look::Look;

/// Draws everything.
pub fn view(frame: &mut Frame<'_>, state: &State, look: Look) {
    let [top, body, notice, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1), Constraint::Length(1)])
            .areas(frame.area());
    bar(frame, top, state, look);
    match state.page() {
        Page::Catalog(page) => catalog::draw(frame, body, page, state, look),
        Page::Runbook(page) => runbook::draw(frame, body, page, look),
        Page::Start(page) => start::draw(frame, body, page, look),
        Page::Execution(page) => execution::draw(frame, body, page, state.now, look),
        Page::History(page) => history::draw(frame, body, page, look),
        Page::Alerts(page) => alerts::draw(frame, body, page, look),
        Page::Reader(page) => reader::draw(frame, body, page, look),
    }
    keys(frame, bottom, state, look);
    say(frame, notice, state, look);
    if let Some(open) = &state.dialog {
        dialog::draw(frame, state, open, look);
    }
}

/// The places, what waits, and who is where.
fn bar(frame: &mut Frame<'_>, area: Rect, state: &State, look: Look) {
    let here = match &state.pages.get(1).or(state.pages.first()).expect("the first page is never closed").page {
        Page::Catalog(_) | Page::Runbook(_) | Page::Start(_) | Page::Alerts(_) => "Catalog",
        Page::History(page) if page.waiting => "Waiting",
        Page::History(_) | Page::Execution(_) => "Executions",
        Page::Reader(_) => "Settings",
    };
    let mut spans = vec![Span::styled(" belay ", look.bold().patch(look.accent()))];
    for place in ["Catalog", "Executions", "Waiting", "Settings"] {
        let count = match state.waiting.len() {
            0 => String::new(),
            count => format!(" {count}"),
        };
        let name = if place == "Waiting" { format!(" {place}{count} ") } else { format!(" {place} ") };
        let style = match place {
            _ if place == here => look.selected(),
            "Waiting" if !state.waiting.is_empty() => look.care().patch(look.bold()),
            _ => look.dim(),
        };
        spans.push(Span::styled(name, style));
    }
    let left = Line::from(spans);
    let used = left.width();
    frame.render_widget(left, area);
    if let Some(about) = &state.about {
        let mark = if is_production(&about.environment) { "! " } else { "" };
        let who = format!("{mark}{} · {} ", text::line(&about.context), text::line(&about.responder));
        let who = text::cut(&who, usize::from(area.width).saturating_sub(used + 1));
        let style = if is_production(&about.environment) { look.bad().patch(look.bold()) } else { look.dim() };
        frame.render_widget(Line::styled(who, style).right_aligned(), area);
    }
}

/// The keys that matter here.
fn keys(frame: &mut Frame<'_>, area: Rect, state: &State, look: Look) {
    if let Some(first) = &state.prefix {
        frame.render_widget(Line::styled(format!(" {first} …"), look.accent()), area);
        return;
    }
    let typing = match state.page() {
        Page::Catalog(page) => page.typing,
        Page::History(page) => page.typing,
        Page::Start(page) => page.is_typing(),
        Page::Runbook(_) | Page::Execution(_) | Page::Alerts(_) | Page::Reader(_) => false,
    };
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    let mut put = |key: &str, label: &str| {
        let label = text::cut(&text::line(label), 24);
        let width = text::width(key) + text::width(&label) + 3;
        let fits = used + width <= usize::from(area.width);
        if fits {
            used += width;
            spans.push(Span::styled(key.to_owned(), look.accent().patch(look.bold())));
            spans.push(Span::raw(format!(" {label}  ")));
        }
    };
    if typing {
        let form = matches!(state.page(), Page::Start(_));
        let known: &[(&str, &str)] = if form {
            &[("Tab", "next"), ("C-s", "start"), ("C-o", "plan"), ("Esc", "back"), ("F1", "keys")]
        } else {
            &[
                ("type", "to search"),
                ("↑↓", "move"),
                ("Enter", "open"),
                ("Esc", "more keys"),
                ("C-k", "palette"),
                ("F1", "keys"),
            ]
        };
        for (key, label) in known {
            put(key, label);
        }
    } else {
        // What answers a question stands under the question.
        let asked = match state.page() {
            Page::Execution(page) if !page.zoomed => answers(page),
            Page::Catalog(_)
            | Page::Runbook(_)
            | Page::Start(_)
            | Page::Execution(_)
            | Page::History(_)
            | Page::Alerts(_)
            | Page::Reader(_) => Vec::new(),
        };
        let all = actions(state);
        for action in all.iter().filter(|action| action.shown && !asked.contains(action)) {
            put(action.keys.first().copied().unwrap_or_default(), &action.label);
        }
    }
    frame.render_widget(Line::from(spans), area);
}

/// What was said last, over as many lines as it needs.
fn say(frame: &mut Frame<'_>, area: Rect, state: &State, look: Look) {
    if state.leaving {
        let told = " leaving safely: what runs is brought to a known state …";
        frame.render_widget(Line::styled(told, look.care()), area);
        return;
    }
    let Some(notice) = &state.notice else { return };
    let columns = usize::from(area.width).saturating_sub(2);
    let lines = match notice {
        Notice::Good(told) => told_in(&format!("✓ {}", text::block(told)), columns, look.good()),
        Notice::Care(told) => told_in(&format!("! {}", text::block(told)), columns, look.care()),
        Notice::Error(error) => error_lines(error, columns, look),
    };
    let rows = u16::try_from(lines.len()).unwrap_or(1).clamp(1, area.y.max(1));
    let over = Rect { y: (area.y + 1).saturating_sub(rows), height: rows, ..area };
    frame.render_widget(Clear, over);
    frame.render_widget(Paragraph::new(lines), over);
}

fn told_in(told: &str, columns: usize, style: ratatui::style::Style) -> Vec<Line<'static>> {
    text::wrap(told, columns).into_iter().take(4).map(|line| Line::styled(format!(" {line}"), style)).collect()
}

/// An error, then what to do.
pub fn error_lines(error: &CallError, columns: usize, look: Look) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut put = |lead: &'static str, style, told: &str| {
        let room = columns.saturating_sub(lead.len() + 2);
        for (index, line) in text::wrap(&text::block(told), room).into_iter().enumerate() {
            let lead = if index == 0 { lead.to_owned() } else { " ".repeat(lead.len()) };
            lines.push(Line::from(vec![Span::styled(format!(" {lead} "), style), Span::raw(line)]));
        }
    };
    put("error:", look.bad().patch(look.bold()), &error.message);
    // What to type on a command line says nothing here.
    if let Some(hint) = error.hint.as_ref().filter(|hint| !hint.contains("`--")) {
        put("hint:", look.accent(), hint);
    }
    lines
}

/// A field on one line, with its cursor where it is typed into.
fn field(frame: &mut Frame<'_>, area: Rect, field: &Field, active: bool, style: ratatui::style::Style) {
    let (shown, cursor) = field.window(usize::from(area.width));
    frame.render_widget(Line::styled(shown, style), area);
    if active && area.width > 0 && area.height > 0 {
        let x = area.x + u16::try_from(cursor).unwrap_or(0).min(area.width - 1);
        frame.set_cursor_position((x, area.y));
    }
}

/// Something that is on its way, or that is not there.
fn empty(frame: &mut Frame<'_>, area: Rect, told: &str, look: Look) {
    let lines: Vec<Line<'_>> = told.lines().map(|line| Line::styled(format!("  {line}"), look.dim())).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// The rows of an area, from the first one on.
fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    (area.top()..area.bottom()).map(move |y| Rect { y, height: 1, ..area })
}

/// An area without its first rows.
fn below(area: Rect, used: u16) -> Rect {
    let used = used.min(area.height);
    Rect { y: area.y + used, height: area.height - used, ..area }
}
