//! What a value could be, below its field.

use ratatui::text::{Line, Span};

use super::look::Look;
use crate::cockpit::choices::{Choices, Known};
use crate::text;

/// The candidates around the one that is typed, from a column on; or why there are none.
pub fn choices(choices: &Choices, typed: &str, column: usize, columns: usize, look: Look) -> Vec<Line<'static>> {
    let room = columns.saturating_sub(column);
    let indent = " ".repeat(column);
    let told = |told: &str| {
        let lines = text::wrap(told, room).into_iter();
        lines.map(|line| Line::styled(format!("{indent}{line}"), look.dim())).collect::<Vec<_>>()
    };
    let (shown, at, of) = match choices.known(typed) {
        Known::Nothing => return Vec::new(),
        Known::Looking => return told("looking for what it could be …"),
        Known::Problem(problem) => return told(&format!("what it could be cannot be listed: {}", text::line(problem))),
        Known::Some { shown, at, of } => (shown, at, of),
    };
    let widest = shown.iter().map(|(value, _)| text::width(&text::line(value))).max().unwrap_or(0).min(room / 2);
    // Elsewhere the arrows move within what is typed.
    let mut lines = told(&if choices.is_for_picking(typed) {
        format!("← → picks one of {of}, or type another value")
    } else {
        format!("{of} proposals; ← → picks one once the field is empty")
    });
    for (index, (value, note)) in shown.into_iter().enumerate() {
        let chosen = at == Some(index);
        let value = text::pad(&text::cut(&text::line(value), widest), widest);
        let note = text::cut(&text::line(note), room.saturating_sub(widest + 4));
        lines.push(Line::from(vec![
            Span::raw(indent.clone()),
            Span::styled(if chosen { "▌ " } else { "  " }, look.accent()),
            Span::styled(value, if chosen { look.selected() } else { ratatui::style::Style::new() }),
            Span::styled(format!("  {note}"), look.dim()),
        ]));
    }
    lines
}
