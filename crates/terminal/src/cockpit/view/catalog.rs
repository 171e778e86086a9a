//! The catalog: the search, its hits with their reasons, and the selected one beside them.

use belay_cockpit::wire::{RunbookStatistics, SearchHit};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::look::Look;
use super::{below, empty, error_lines, field, rot, runbook};
use crate::cockpit::pages::catalog::{Catalog, HEAD_ROWS, HIT_ROWS};
use crate::cockpit::pages::runbook::Part;
use crate::cockpit::state::State;
use crate::text;

pub fn draw(frame: &mut Frame<'_>, area: Rect, page: &Catalog, state: &State, look: Look) {
    let list = if state.size.is_wide() {
        let [list, beside] = Layout::horizontal([Constraint::Percentage(48), Constraint::Min(20)]).areas(area);
        preview(frame, beside, page, look);
        list
    } else {
        area
    };
    head(frame, list, page, look);
    let below_head = below(list, u16::try_from(HEAD_ROWS).unwrap_or(3));
    if let Some(error) = &page.error {
        frame.render_widget(Paragraph::new(error_lines(error, usize::from(list.width), look)), below_head);
        return;
    }
    let hits = page.hits();
    if hits.is_empty() {
        let told = if page.found.is_none() {
            "searching …"
        } else if page.narrowing().is_empty() && page.field.text().trim().is_empty() {
            "the catalog is empty\nhint: `belay catalog add DIR` searches a directory"
        } else {
            "no runbook matches\nhint: fewer or other words; Esc, then x shows all of them"
        };
        return empty(frame, below_head, told, look);
    }
    let seen = (usize::from(below_head.height) / HIT_ROWS).max(1);
    for (row, index) in page.list.window(hits.len(), seen).enumerate() {
        let Some(hit) = hits.get(index) else { continue };
        let top = u16::try_from(row * HIT_ROWS).unwrap_or(u16::MAX);
        let rows = Rect { height: 2.min(below(below_head, top).height), ..below(below_head, top) };
        draw_hit(frame, rows, hit, index == page.list.selected, look);
    }
}

fn head(frame: &mut Frame<'_>, area: Rect, page: &Catalog, look: Look) {
    let line = Rect { height: 1.min(area.height), ..area };
    let count = match &page.found {
        Some(found) if found.more => format!("{}+ runbooks", found.total),
        Some(found) => text::count(found.total, "runbook", "runbooks"),
        None => String::new(),
    };
    let told = if page.is_searching() && page.found.is_some() { format!("… {count} ") } else { format!("{count} ") };
    let wide = u16::try_from(text::width(&told)).unwrap_or(0).min(line.width);
    let mark = if page.typing { look.accent().patch(look.bold()) } else { look.dim() };
    frame.render_widget(Line::styled(" / ", mark), line);
    let typed = Rect { x: line.x + 3, width: line.width.saturating_sub(3 + wide + 1), ..line };
    if page.field.text().is_empty() {
        frame.render_widget(Line::styled("what is wrong? a symptom, an alert, a service", look.dim()), typed);
    }
    field(frame, typed, &page.field, page.typing, look.bold());
    frame.render_widget(Line::styled(told, look.dim()).right_aligned(), line);
    let narrowed = page.narrowing();
    if !narrowed.is_empty() {
        let words: Vec<String> =
            narrowed.iter().map(|(name, value)| format!("{name} {}", text::line(value).replace('_', " "))).collect();
        let told = text::cut(&format!("   only {}", words.join(" · ")), usize::from(area.width));
        frame.render_widget(Line::styled(told, look.care()), Rect { height: 1, ..below(area, 1) });
    }
    if page.is_weak() {
        let told = Line::styled("   nothing fits well; what comes closest:", look.care());
        frame.render_widget(told, Rect { height: 1, ..below(area, 2) });
    }
}

fn draw_hit(frame: &mut Frame<'_>, area: Rect, hit: &SearchHit, selected: bool, look: Look) {
    let columns = usize::from(area.width);
    let facts = facts(hit);
    let title = text::cut(&text::line(&hit.title), columns.saturating_sub(text::width(&facts) + 6));
    let gap = columns.saturating_sub(text::width(&title) + text::width(&facts) + 4);
    let bar = if selected { "▌ " } else { "  " };
    let first = if selected { look.bold().patch(look.selected()) } else { look.bold() };
    let facts_style = if selected { look.selected() } else { look.dim() };
    let line = Line::from(vec![
        Span::styled(bar, look.accent()),
        Span::styled(title, first),
        Span::styled(
            " ".repeat(gap),
            if selected { look.selected() } else { first.remove_modifier(first.add_modifier) },
        ),
        Span::styled(format!(" {facts} "), facts_style),
    ]);
    frame.render_widget(line, Rect { height: 1.min(area.height), ..area });
    let why = if hit.matched.is_empty() {
        format!("{} · {}", hit.id, hit.services.join(", "))
    } else {
        format!("{} · matched {}", hit.id, hit.matched.join(", "))
    };
    let (signs, taken) = rot::signs(hit, columns / 2, look);
    let why = text::cut(text::line(&why).trim_end_matches([' ', '·']), columns.saturating_sub(4 + taken));
    let gap = columns.saturating_sub(3 + text::width(&why) + taken);
    let mut spans = vec![Span::styled(bar, look.accent()), Span::styled(why, look.dim()), Span::raw(" ".repeat(gap))];
    spans.extend(signs);
    frame.render_widget(Line::from(spans), below(area, 1));
}

/// Severity, how it went here, and where it comes from if it is not bundled.
fn facts(hit: &SearchHit) -> String {
    let mut facts = Vec::new();
    facts.extend(ran(&hit.statistics));
    if hit.source != belay_cockpit::BUNDLED_SOURCE {
        facts.push(if hit.hides_bundled { "own, hides the bundled one" } else { "own" }.to_owned());
    }
    facts.push(text::line(&hit.severity));
    facts.join(" · ")
}

/// How often it ended well here, of how often it ended at all.
fn ran(statistics: &RunbookStatistics) -> Option<String> {
    (statistics.finished > 0).then(|| format!("{} of {} succeeded", statistics.succeeded, statistics.finished))
}

fn preview(frame: &mut Frame<'_>, area: Rect, page: &Catalog, look: Look) {
    let block = Block::new().borders(Borders::LEFT).border_style(look.dim());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(shown) = page.previewed() else { return };
    let columns = usize::from(inner.width);
    let mut dressed = runbook::heading(shown, columns);
    dressed.push('\n');
    dressed.push_str(&runbook::text(shown, Part::Overview, columns));
    let lines: Vec<Line<'_>> = dressed.lines().take(usize::from(inner.height)).map(|line| look.line(line)).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}
