//! Alerts with the runbooks that may help.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::look::Look;
use super::rot;
use crate::cockpit::pages::alerts::Alerts;
use crate::text;

pub fn draw(frame: &mut Frame<'_>, area: Rect, page: &Alerts, look: Look) {
    let columns = usize::from(area.width).saturating_sub(2);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for note in &page.answer.notes {
        lines.push(Line::styled(text::cut(&format!(" ! {}", text::line(note)), columns), look.care()));
    }
    let (mut index, mut at) = (0, 0);
    for alert in &page.answer.alerts {
        let state = if alert.resolved { "resolved" } else { "firing" };
        let style = if alert.resolved { look.dim() } else { look.bad() };
        lines.push(Line::from(vec![
            Span::styled(format!(" {}", text::cut(&text::line(&alert.name), columns / 2)), look.bold()),
            Span::styled(format!("  {state}"), style),
        ]));
        for name in ["summary", "description"] {
            if let Some(told) = alert.annotations.get(name) {
                let told = text::wrap(&text::block(told), columns.saturating_sub(2));
                lines.extend(told.into_iter().take(3).map(|line| Line::raw(format!("   {line}"))));
            }
        }
        let labels: Vec<String> =
            alert.labels.iter().filter(|(name, _)| *name != "alertname").map(|(n, v)| format!("{n}={v}")).collect();
        lines.push(Line::styled(text::cut(&format!("   {}", text::line(&labels.join("  "))), columns), look.dim()));
        if alert.runbooks.is_empty() {
            lines.push(Line::styled("   no runbook matches", look.dim()));
        }
        for hit in &alert.runbooks {
            let selected = index == page.list.selected;
            if selected {
                at = lines.len();
            }
            index += 1;
            let why =
                if hit.matched.is_empty() { String::new() } else { format!("  matched {}", hit.matched.join(", ")) };
            let told = text::line(&format!("{}  {}", hit.id, hit.title));
            let (signs, taken) = rot::signs(hit, columns.saturating_sub(text::width(&told) + 6).min(columns / 2), look);
            let room = columns.saturating_sub(text::width(&told) + 6 + taken);
            let mut line = vec![
                Span::styled(if selected { " ▌ " } else { "   " }, look.accent()),
                Span::styled(
                    text::cut(&told, columns.saturating_sub(4)),
                    if selected { look.selected() } else { look.bold() },
                ),
            ];
            line.extend(signs);
            line.push(Span::styled(text::cut(&text::line(&why), room), look.dim()));
            lines.push(Line::from(line));
        }
        lines.push(Line::raw(""));
    }
    let seen = usize::from(area.height);
    let top = (at + 2).saturating_sub(seen);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(top).take(seen).collect();
    frame.render_widget(Paragraph::new(shown), area);
}
