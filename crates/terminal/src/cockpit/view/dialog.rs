//! What stands in front of the page.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::look::Look;
use super::{below, choices, error_lines, execution, field, rows};
use crate::cockpit::actions::actions;
use crate::cockpit::deed::Purpose;
use crate::cockpit::dialog::{Dialog, MENU_ROWS, Menu, Words};
use crate::cockpit::state::State;
use crate::style::Style;
use crate::text;

pub fn draw(frame: &mut Frame<'_>, state: &State, dialog: &Dialog, look: Look) {
    match dialog {
        Dialog::Words(words) => draw_words(frame, words, look),
        Dialog::Menu(menu) => draw_menu(frame, menu, look),
        Dialog::Help(top) => draw_help(frame, state, *top, look),
    }
}

/// A box in the middle; gives back what is inside.
fn window(frame: &mut Frame<'_>, title: &str, foot: &str, rows: usize, style: ratatui::style::Style) -> Rect {
    let screen = frame.area();
    let width = screen.width.saturating_sub(4).min(100);
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX).min(screen.height.saturating_sub(2));
    let area = Rect { x: (screen.width - width) / 2, y: (screen.height.saturating_sub(height)) / 3, width, height };
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(style)
        .title(Line::from(format!(" {title} ")))
        .title_bottom(Line::from(format!(" {foot} ")).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

fn draw_words(frame: &mut Frame<'_>, words: &Words, look: Look) {
    let columns = usize::from(frame.area().width.saturating_sub(8).min(96));
    let mut lines: Vec<Line<'static>> = Vec::new();
    if let Some(step) = &words.step {
        let style = Style::on_screen(columns);
        lines.push(Line::styled(text::cut(&text::line(&step.title), columns), look.bold()));
        lines.extend(look.lines(&execution::acts(step, style)));
        let impact = step.impact.as_ref().map(|impact| format!("impact {}", text::line(impact)));
        lines.extend(impact.map(|impact| {
            Line::styled(impact.clone(), if impact.ends_with("HIGH") { look.bad() } else { look.dim() })
        }));
        if let Purpose::Approve { digest, .. } = &words.purpose {
            lines.push(Line::styled(text::cut(&format!("digest {}", text::line(digest)), columns), look.dim()));
        }
        lines.push(Line::raw(""));
    }
    for told in &words.about {
        lines.extend(text::wrap(&text::line(told), columns).into_iter().map(Line::raw));
    }
    if !words.about.is_empty() {
        lines.push(Line::raw(""));
    }
    lines.extend(choices(&words.choices, words.field.text(), 0, columns, look));
    let question = text::wrap(&text::line(&words.purpose.question()), columns);
    let asked: Vec<Line<'static>> = question.into_iter().map(|line| Line::styled(line, look.bold())).collect();
    let errors = words.error.as_ref().map(|error| error_lines(error, columns, look)).unwrap_or_default();
    let approves = matches!(words.purpose, Purpose::Approve { .. });
    let style = if approves { look.care().patch(look.bold()) } else { look.accent() };
    let foot =
        if words.sending.is_some() { "sending …" } else { "Enter sends · Esc goes back, what is typed stays" };
    let needed = lines.len() + asked.len() + 1 + errors.len();
    let inner = window(frame, words.purpose.title(), foot, needed, style);
    // The field is always seen; what does not fit is cut above it, and that is said.
    let height = usize::from(inner.height);
    let fixed = asked.len() + 1 + errors.len();
    let room = height.saturating_sub(fixed);
    if lines.len() > room {
        let seen = room.saturating_sub(1);
        let top = words.top.min(lines.len().saturating_sub(seen));
        let left = lines.len() - top - seen.min(lines.len() - top);
        lines = lines.into_iter().skip(top).take(seen).collect();
        let told = if left > 0 {
            format!("… PageDown: {left} more lines")
        } else {
            "… PageUp: the lines above".to_owned()
        };
        lines.push(Line::styled(told, look.care().patch(look.bold())));
    }
    let above = u16::try_from(lines.len() + asked.len()).unwrap_or(0);
    lines.extend(asked);
    frame.render_widget(Paragraph::new(lines), inner);
    let line = below(inner, above);
    let typed = Rect { x: line.x + 2, width: line.width.saturating_sub(2), height: 1.min(line.height), ..line };
    frame.render_widget(Line::styled("›", look.accent()), line);
    field(frame, typed, &words.field, words.sending.is_none(), look.bold());
    frame.render_widget(Paragraph::new(errors), below(inner, above + 1));
}

fn draw_menu(frame: &mut Frame<'_>, menu: &Menu, look: Look) {
    let shown = menu.shown();
    let seen = menu.entries.len().clamp(1, MENU_ROWS);
    let inner = window(frame, &menu.title, "type to narrow · Enter · Esc", seen + 2, look.accent());
    frame.render_widget(Line::styled("›", look.accent()), inner);
    let typed = Rect { x: inner.x + 2, width: inner.width.saturating_sub(2), height: 1.min(inner.height), ..inner };
    field(frame, typed, &menu.field, true, look.bold());
    let list = below(inner, 2);
    if shown.is_empty() {
        return frame.render_widget(Line::styled("nothing matches", look.dim()), list);
    }
    let window = menu.list.window(shown.len(), usize::from(list.height));
    for ((index, entry), row) in shown.iter().enumerate().skip(window.start).take(window.len()).zip(rows(list)) {
        let selected = index == menu.list.selected;
        let columns = usize::from(row.width);
        let right = if entry.detail.is_empty() { &entry.key } else { &entry.detail };
        let right = text::cut(&text::line(right), columns / 3);
        let room = columns.saturating_sub(text::width(&right) + 4);
        let lead = if menu.keys && !entry.key.is_empty() { format!("{}  ", entry.key) } else { String::new() };
        let right = if menu.keys { String::new() } else { right };
        let label = text::pad(&text::cut(&text::line(&format!("{lead}{}", entry.label)), room), room);
        let style = if selected { look.selected() } else { ratatui::style::Style::new() };
        let line = Line::from(vec![
            Span::styled(if selected { "▌ " } else { "  " }, look.accent()),
            Span::styled(label, style),
            Span::styled(format!(" {right} "), if selected { style } else { look.dim() }),
        ]);
        frame.render_widget(line, row);
    }
}

fn draw_help(frame: &mut Frame<'_>, state: &State, top: usize, look: Look) {
    let all = actions(state);
    let mut lines: Vec<Line<'static>> = all
        .iter()
        .map(|action| {
            let keys = text::pad(&action.keys.join(" "), 22);
            Line::from(vec![Span::styled(keys, look.accent().patch(look.bold())), Span::raw(text::line(&action.label))])
        })
        .collect();
    for (keys, what) in [
        ("C-c", "cancel what runs; twice leaves safely"),
        ("C-z", "give the terminal to the shell; `fg` comes back"),
        ("C-l", "draw everything anew"),
    ] {
        lines.push(Line::from(vec![
            Span::styled(text::pad(keys, 22), look.accent().patch(look.bold())),
            Span::raw(what),
        ]));
    }
    let inner = window(frame, "Keys", "j k · any other key closes", lines.len(), look.accent());
    let seen = usize::from(inner.height);
    let top = top.min(lines.len().saturating_sub(seen));
    let shown: Vec<Line<'static>> = lines.into_iter().skip(top).take(seen).collect();
    frame.render_widget(Paragraph::new(shown), inner);
}
