//! Executions as a table.

use belay_cockpit::wire::ExecutionSummary;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::look::Look;
use super::{below, empty, error_lines, field, rows};
use crate::cockpit::pages::history::{HEAD_ROWS, History};
use crate::render::status::moment;
use crate::text;

/// From this width on executions are shown with their ids.
const WITH_IDS: u16 = 100;

pub fn draw(frame: &mut Frame<'_>, area: Rect, page: &History, look: Look) {
    let line = Rect { height: 1.min(area.height), ..area };
    let mark = if page.typing { look.accent().patch(look.bold()) } else { look.dim() };
    frame.render_widget(Line::styled(" / ", mark), line);
    let mut told = Vec::new();
    told.extend(page.status.iter().map(|status| format!("only {}", status.replace('_', " "))));
    told.extend(page.waiting.then(|| "what waits for a person".to_owned()));
    let count = page.shown().count();
    told.extend(page.all.iter().map(|_| text::count(count, "execution", "executions")));
    let told = format!("{} ", told.join(" · "));
    let wide = u16::try_from(text::width(&told)).unwrap_or(0);
    let typed = Rect { x: line.x + 3, width: line.width.saturating_sub(wide + 4), ..line };
    if page.field.text().is_empty() {
        frame.render_widget(Line::styled("runbook, incident, person, id", look.dim()), typed);
    }
    field(frame, typed, &page.field, page.typing, look.bold());
    frame.render_widget(Line::styled(told, look.dim()).right_aligned(), line);
    let list = below(area, u16::try_from(HEAD_ROWS).unwrap_or(3));
    if let Some(error) = &page.error {
        return frame.render_widget(Paragraph::new(error_lines(error, usize::from(area.width), look)), list);
    }
    if page.all.is_none() {
        return empty(frame, list, "reading …", look);
    }
    if count == 0 {
        let narrowed = page.status.is_some() || !page.field.text().is_empty();
        let told = match (page.waiting, narrowed) {
            (_, true) => "no execution matches\nhint: x shows all of them",
            (true, false) => "nothing waits for a person",
            (false, false) => "no executions yet\nhint: find a runbook in the catalog, and press r",
        };
        return empty(frame, list, told, look);
    }
    let id = if area.width >= WITH_IDS { format!("{:<12}", "EXECUTION") } else { String::new() };
    let head = format!("  {:<15}{id}{:<18}{:<9}{}", "STATUS", "STARTED (UTC)", "TOOK", "RUNBOOK");
    frame.render_widget(Line::styled(head, look.dim()), Rect { height: 1, ..below(area, 2) });
    let window = page.list.window(count, usize::from(list.height));
    let shown = page.shown().enumerate().skip(window.start).take(window.len());
    table(frame, list, shown, page.list.selected, look);
}

/// Rows of executions.
pub fn table<'e>(
    frame: &mut Frame<'_>,
    area: Rect,
    executions: impl Iterator<Item = (usize, &'e ExecutionSummary)>,
    selected: usize,
    look: Look,
) {
    let marks = crate::style::Style::on_screen(80);
    for ((index, execution), row) in executions.zip(rows(area)) {
        let status = execution.status.as_str();
        let word = text::pad(&text::cut(&text::line(status).replace('_', " "), 12), 13);
        let waits = execution.waiting_on.first().map(|waiting| {
            let step = waiting.step.as_deref().map_or_else(|| waiting.detail.clone(), str::to_owned);
            format!("  waits: {step}")
        });
        let id =
            if area.width >= WITH_IDS { format!("{:<12}", text::short(&execution.execution)) } else { String::new() };
        let facts = format!(
            "{id}{:<18}{:<9}{}{}",
            moment(execution.started_at),
            text::duration(execution.duration_seconds),
            execution.runbook.title,
            waits.unwrap_or_default()
        );
        let room = usize::from(area.width).saturating_sub(18);
        let facts = text::pad(&text::cut(&text::line(&facts), room), room);
        let chosen = if index == selected { look.selected() } else { ratatui::style::Style::new() };
        let mut spans = vec![Span::styled(if index == selected { "▌" } else { " " }, look.accent())];
        spans.extend(look.line(&marks.symbol(status)).spans);
        spans.push(Span::styled(format!(" {word}"), look.of_status(status).patch(chosen)));
        spans.push(Span::styled(facts, chosen));
        frame.render_widget(Line::from(spans), row);
    }
}
