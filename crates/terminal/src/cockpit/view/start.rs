//! The form of a start: values with what is wrong with them, what stands in the way, and the checklist.

use belay_cockpit::api::{InputView, StartForm};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::look::Look;
use super::{below, choices, empty, error_lines, field};
use crate::cockpit::pages::start::{OTHERS, Start};
use crate::text;

/// A row of the form, ready to be drawn.
struct Row {
    lines: Vec<Line<'static>>,
    /// Where the field stands in the first line, if there is one.
    column: Option<u16>,
}

pub fn draw(frame: &mut Frame<'_>, area: Rect, page: &Start, look: Look) {
    let columns = usize::from(area.width).saturating_sub(2);
    let title = text::cut(&text::line(&format!("Start  {}", page.title)), columns);
    frame.render_widget(Line::styled(format!(" {title}"), look.bold()), area);
    let body = below(area, 1);
    let Some(form) = &page.form else {
        match &page.error {
            Some(error) => frame.render_widget(Paragraph::new(error_lines(error, columns, look)), below(body, 1)),
            None => empty(frame, below(body, 1), "reading what it asks for …", look),
        }
        return;
    };
    let production = form.production;
    let alert = page.alert.as_ref().and_then(|alert| alert.pointer("/labels/alertname")?.as_str());
    let alert = alert.map(|name| format!(" · for alert {}", text::line(name))).unwrap_or_default();
    let place = format!(" acts on {} ({}){alert}", text::line(&form.context), text::line(&form.environment));
    let style = if production { look.bad().patch(look.bold()) } else { look.dim() };
    frame.render_widget(Line::styled(place, style), body);
    let mut rows: Vec<Row> = (0..=page.start_row()).map(|row| self::row(page, form, row, columns, look)).collect();
    rows.push(Row { lines: around(page, form, columns, look), column: None });
    let body = below(body, 2);
    // The row that is edited is always seen.
    let height = usize::from(body.height);
    let end: usize = rows.iter().take(page.row + 1).map(|row| row.lines.len()).sum();
    let mut skipped = end.saturating_sub(height);
    let mut at = 0;
    for (index, row) in rows.into_iter().enumerate() {
        let hidden = skipped.min(row.lines.len());
        skipped -= hidden;
        let rest = below(body, at);
        let shown = u16::try_from(row.lines.len() - hidden).unwrap_or(0);
        at += shown;
        frame.render_widget(Paragraph::new(row.lines.into_iter().skip(hidden).collect::<Vec<_>>()), rest);
        if let (Some(column), Some(typed), 0) = (row.column, page.fields.get(index), hidden)
            && rest.height > 0
        {
            let input = Rect { x: rest.x + column, width: rest.width.saturating_sub(column + 1), height: 1, ..rest };
            if index == page.row || !typed.text().is_empty() {
                field(frame, input, typed, index == page.row, look.bold());
            }
        }
    }
}

fn row(page: &Start, form: &StartForm, row: usize, columns: usize, look: Look) -> Row {
    let here = row == page.row;
    let bar = Span::styled(if here { " ▌ " } else { "   " }, look.accent());
    if row == page.plan_row() {
        let style = if here { look.selected().patch(look.bold()) } else { look.bold() };
        let line =
            Line::from(vec![bar, Span::styled(" Show the plan ", style), Span::styled(" changes nothing", look.dim())]);
        return Row { lines: vec![Line::raw(""), line], column: None };
    }
    if row == page.start_row() {
        let lacks = page.lacks();
        let style = if lacks.is_empty() { look.good() } else { look.dim() };
        let style = if here { style.patch(look.selected()) } else { style };
        let told = if page.starting.is_some() {
            " starting …".to_owned()
        } else if lacks.is_empty() {
            " everything it needs is there".to_owned()
        } else {
            format!(" look at {}", text::line(&lacks.join(", ")))
        };
        let line = Line::from(vec![
            bar,
            Span::styled(" Start ", style.patch(look.bold())),
            Span::styled(text::cut(&told, columns.saturating_sub(12)), look.dim()),
        ]);
        return Row { lines: vec![line], column: None };
    }
    let names = page.inputs().iter().map(|input| input.name.as_str()).chain(OTHERS.iter().map(|(name, _)| *name));
    let widest = names.clone().map(text::width).max().unwrap_or(8).min(24);
    let name = names.clone().nth(row).unwrap_or_default();
    let column = 3 + widest + 2;
    let label = text::pad(&text::cut(&text::line(name), widest), widest);
    let mut spans =
        vec![bar, Span::styled(label, if here { look.bold() } else { ratatui::style::Style::new() }), Span::raw("  ")];
    let typed = page.fields.get(row).is_some_and(|field| !field.text().is_empty());
    let mut lines = Vec::new();
    if let Some(input) = page.inputs().get(row) {
        if !typed {
            spans.push(Span::styled(text::cut(&placeholder(input), columns.saturating_sub(column)), look.dim()));
        }
        lines.push(Line::from(spans));
        lines.extend(about(input, here, column, columns, look));
        if let Some(field) = page.fields.get(row).filter(|_| here) {
            lines.extend(choices(&page.choices, field.text(), column, columns, look));
        }
    } else {
        let (name, what) = OTHERS.get(row - page.inputs().len()).copied().unwrap_or_default();
        let needed = name == "ticket" && form.needs_ticket;
        if !typed {
            let what = if needed { "the change ticket; this context needs one" } else { what };
            spans.push(Span::styled(what, if needed { look.care() } else { look.dim() }));
        }
        lines.push(Line::from(spans));
    }
    Row { lines, column: u16::try_from(column).ok() }
}

/// What stands where nothing is typed.
fn placeholder(input: &InputView) -> String {
    let kind = match input.kind.as_str() {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "secret" => "the name of a secret",
        _ => "text",
    };
    match &input.value {
        Some(value) => format!("{} (the default)", text::line(value)),
        None if input.required => format!("{kind}, needed"),
        None => kind.to_owned(),
    }
}

fn about(input: &InputView, here: bool, column: usize, columns: usize, look: Look) -> Vec<Line<'static>> {
    let room = columns.saturating_sub(column);
    let mut lines = Vec::new();
    let mut put = |told: &str, style| {
        for line in text::wrap(told, room) {
            lines.push(Line::styled(format!("{}{line}", " ".repeat(column)), style));
        }
    };
    if let Some(problem) = &input.problem {
        put(&format!("✗ {}", text::line(problem)), look.bad());
        // What to type on a command line says nothing here.
        if let Some(hint) = input.hint.as_ref().filter(|hint| !hint.contains("`--")) {
            put(&format!("hint: {}", text::line(hint)), look.accent());
        }
    }
    if here {
        if let Some(what) = &input.description {
            put(&text::block(what), look.dim());
        }
        if !input.options.is_empty() {
            put(&format!("← → one of {}", text::line(&input.options.join(", "))), look.dim());
        }
    }
    lines
}

/// What stands in the way, and what is asked first.
fn around(page: &Start, form: &StartForm, columns: usize, look: Look) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(error) = &page.error {
        lines.push(Line::raw(""));
        lines.extend(error_lines(error, columns, look));
    }
    if !form.obstacles.is_empty() {
        lines.extend([Line::raw(""), Line::styled(" In the way", look.bold())]);
        for obstacle in &form.obstacles {
            let (mark, style) = if obstacle.blocking { ("✗ blocks", look.bad()) } else { ("! beware", look.care()) };
            for (index, line) in text::wrap(&text::line(&obstacle.what), columns.saturating_sub(12)).iter().enumerate()
            {
                let lead = if index == 0 { format!("  {mark} ") } else { " ".repeat(11) };
                lines.push(Line::from(vec![Span::styled(lead, style), Span::raw(line.clone())]));
            }
            if let Some(hint) = &obstacle.hint {
                let told = text::cut(&format!("           hint: {}", text::line(hint)), columns);
                lines.push(Line::styled(told, look.accent()));
            }
        }
    }
    if !form.checklist.is_empty() {
        lines.extend([Line::raw(""), Line::styled(" Asked for before the first step", look.bold())]);
        for item in &form.checklist {
            for (index, line) in text::wrap(&text::line(item), columns.saturating_sub(8)).iter().enumerate() {
                let lead = if index == 0 { "  [ ] " } else { "      " };
                lines.push(Line::raw(format!("{lead}{line}")));
            }
        }
    }
    lines
}
