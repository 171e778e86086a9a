//! How things look: sixteen colours at most, and never by colour alone.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// What the terminal may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are wanted.
    pub color: bool,
}

#[expect(clippy::unused_self, reason = "whatever a thing looks like is asked in the same way")]
impl Look {
    fn fore(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// What can be typed, and where one is.
    pub fn accent(self) -> Style {
        self.fore(Color::Cyan)
    }

    /// What waits for a person.
    pub fn care(self) -> Style {
        self.fore(Color::Yellow)
    }

    /// What went wrong.
    pub fn bad(self) -> Style {
        self.fore(Color::Red)
    }

    /// What went well.
    pub fn good(self) -> Style {
        self.fore(Color::Green)
    }

    /// What matters less.
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Headings.
    pub fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The selected line.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The colour of what waits, or of what is wrong.
    pub fn of_status(self, status: &str) -> Style {
        match status {
            "failed" | "undo_failed" | "stuck" | "interrupted" | "contested" => self.bad(),
            "succeeded" | "completed" => self.good(),
            "pending" | "skipped" | "not_taken" | "cancelled" | "aborted" | "not_started" => self.dim(),
            _ => self.care(),
        }
    }

    /// A line that was dressed for a page (`ESC [ … m`), as the screen takes it.
    pub fn line(self, dressed: &str) -> Line<'static> {
        let mut spans = Vec::new();
        let mut style = Style::new();
        let mut parts = dressed.split('\u{1b}');
        let first = parts.next().unwrap_or_default();
        if !first.is_empty() {
            spans.push(Span::raw(first.to_owned()));
        }
        for part in parts {
            let (code, text) = part.strip_prefix('[').and_then(|part| part.split_once('m')).unwrap_or(("0", part));
            style = match code {
                "1" => style.add_modifier(Modifier::BOLD),
                "2" => style.add_modifier(Modifier::DIM),
                "3" => style.add_modifier(Modifier::ITALIC),
                "31" => style.patch(self.bad()),
                "32" => style.patch(self.good()),
                "33" => style.patch(self.care()),
                "36" => style.patch(self.accent()),
                _ => Style::new(),
            };
            if !text.is_empty() {
                spans.push(Span::styled(text.to_owned(), style));
            }
        }
        Line::from(spans)
    }

    /// Lines of a dressed text.
    pub fn lines(self, dressed: &str) -> Vec<Line<'static>> {
        dressed.lines().map(|line| self.line(line)).collect()
    }
}
