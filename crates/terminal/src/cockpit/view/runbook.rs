//! A runbook: its parts as text, dressed for a width, and the page around them.

use belay_cockpit::api::{FindingView, FlowKind, RunbookPage, RunbookView, StepSpec};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::history;
use super::look::Look;
use super::{below, empty, error_lines};
use crate::cockpit::pages::runbook::{HEAD_ROWS, Part, Runbook};
use crate::style::Style;
use crate::{markdown, text};

pub fn draw(frame: &mut Frame<'_>, area: Rect, page: &Runbook, look: Look) {
    let columns = usize::from(area.width).saturating_sub(2);
    let Some(shown) = &page.page else {
        match &page.error {
            Some(error) => frame.render_widget(Paragraph::new(error_lines(error, columns, look)), area),
            None => empty(frame, area, "reading …", look),
        }
        return;
    };
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let head: Vec<Line<'_>> = heading(shown, columns).lines().take(2).map(|line| look.line(line)).collect();
    frame.render_widget(Paragraph::new(head), inside);
    let tabs = Part::ALL.into_iter().enumerate().flat_map(|(index, part)| {
        let count = match part {
            Part::Steps => format!(" {}", shown.runbook.steps.len()),
            Part::Findings if !shown.findings.is_empty() => format!(" {}", shown.findings.len()),
            Part::History if !shown.history.is_empty() => format!(" {}", shown.history.len()),
            Part::Overview | Part::Flow | Part::Findings | Part::History => String::new(),
        };
        let style = if part == page.part { look.selected() } else { look.dim() };
        [Span::styled(format!(" {} {}{count} ", index + 1, part.name()), style), Span::raw(" ")]
    });
    frame.render_widget(Line::from(tabs.collect::<Vec<_>>()), Rect { height: 1, ..below(inside, 2) });
    let body = below(inside, u16::try_from(HEAD_ROWS).unwrap_or(4));
    let seen = usize::from(body.height);
    if page.part == Part::History && !shown.history.is_empty() {
        let window = page.list.window(shown.history.len(), seen);
        let rows = shown.history.iter().enumerate().skip(window.start).take(window.len());
        return history::table(frame, body, rows, page.list.selected, look);
    }
    let dressed = text(shown, page.part, columns.min(120));
    let count = dressed.lines().count();
    let top = page.scroll.top.min(count.saturating_sub(seen));
    let lines: Vec<Line<'_>> = dressed.lines().skip(top).take(seen).map(|line| look.line(line)).collect();
    frame.render_widget(Paragraph::new(lines), body);
    more(frame, body, top + seen < count, look);
}

/// Says that there is more below.
pub fn more(frame: &mut Frame<'_>, area: Rect, there_is: bool, look: Look) {
    if there_is && area.height > 0 && area.width > 8 {
        let mark = Rect { x: area.right() - 7, y: area.bottom() - 1, width: 7, height: 1 };
        frame.render_widget(Line::styled(" more ↓", look.accent()), mark);
    }
}

/// Title and facts.
pub fn heading(page: &RunbookPage, columns: usize) -> String {
    let style = Style::on_screen(columns);
    let runbook = &page.runbook;
    let title = text::cut(&text::line(&format!("{}  {}", runbook.id, runbook.title)), columns);
    let mut facts = vec![runbook.severity.clone()];
    facts.extend(runbook.category.iter().map(|category| category.replace('_', " ")));
    facts.extend(runbook.services.first().map(|_| runbook.services.join(", ")));
    facts.extend(runbook.estimated_minutes.map(|minutes| format!("{minutes} min")));
    facts.extend(page.statistics.fared());
    facts.extend(page.statistics.last_execution.map(|last| format!("last {}", last.strftime("%Y-%m-%d"))));
    facts.extend((page.source != belay_cockpit::BUNDLED_SOURCE).then(|| page.source.clone()));
    let facts = text::cut(&text::line(&facts.join(" · ")), columns);
    format!("{}\n{}\n", style.bold(&title), style.dim(&facts))
}

/// A part as text.
pub fn text(page: &RunbookPage, part: Part, columns: usize) -> String {
    let style = Style::on_screen(columns);
    match part {
        Part::Overview => overview(page, style),
        Part::Steps => steps(&page.runbook, style),
        Part::Flow => flow(&page.runbook, style),
        Part::Findings => findings(&page.findings, style),
        Part::History => "  it has not run here yet\n".to_owned(),
    }
}

fn overview(page: &RunbookPage, style: Style) -> String {
    let runbook = &page.runbook;
    let mut out = String::new();
    for action in &page.unavailable {
        let told = format!("this version cannot perform `{}`; it can be read and planned, not run", text::line(action));
        out.push_str(&text::hang(&format!("{} ", style.bad("!")), "  ", &told, style.columns));
    }
    let mut prose = |title: &str, prose: &Option<belay_cockpit::api::Prose>| {
        if let Some(prose) = prose {
            put!(out, "{}\n{}\n", style.bold(title), markdown::render(&prose.text, style, 2).trim_end());
            out.push('\n');
        }
    };
    prose("What it is about", &runbook.description);
    prose("Impact", &runbook.impact);
    prose("Resolution", &runbook.resolution);
    list(&mut out, "Symptoms", &runbook.symptoms, style);
    list(&mut out, "Alerts", &runbook.alerts, style);
    list(&mut out, "Other triggers", &runbook.triggers, style);
    list(&mut out, "Before the first step", &runbook.prerequisites, style);
    list(&mut out, "Signed off after the last step", &runbook.post_conditions, style);
    let titles: Vec<String> = runbook.steps.iter().map(|step| format!("{} ({})", step.title, step.kind)).collect();
    list(&mut out, "Steps", &titles, style);
    let related: Vec<String> = runbook.related.iter().map(|related| related.text.clone()).collect();
    list(&mut out, "Related runbooks", &related, style);
    list(&mut out, "References", &runbook.references, style);
    let mut facts = Vec::new();
    facts.extend(runbook.author.iter().map(|author| format!("by {author}")));
    facts.extend(runbook.version.iter().map(|version| format!("version {version}")));
    facts.extend(runbook.updated.iter().map(|date| format!("changed {date}")));
    facts.extend(runbook.review_date.iter().map(|date| format!("review {date}")));
    facts.extend(runbook.automation_level.clone());
    facts.extend((!runbook.tags.is_empty()).then(|| runbook.tags.join(", ")));
    if !facts.is_empty() {
        out.push_str(&text::hang("", "", &style.dim(&text::line(&facts.join(" · "))), style.columns));
    }
    out
}

fn list(out: &mut String, title: &str, items: &[String], style: Style) {
    if items.is_empty() {
        return;
    }
    put!(out, "{}\n", style.bold(title));
    for item in items {
        out.push_str(&text::hang("  • ", "    ", &text::line(item), style.columns));
    }
    out.push('\n');
}

fn steps(runbook: &RunbookView, style: Style) -> String {
    let mut out = String::new();
    for (index, step) in runbook.steps.iter().enumerate() {
        out.push_str(&step_text(&format!("{:>2}. ", index + 1), step, style));
        out.push('\n');
    }
    if !runbook.rollback_steps.is_empty() {
        put!(out, "{}\n\n", style.bold("After the undos, a rollback also runs"));
        for step in &runbook.rollback_steps {
            out.push_str(&step_text("  ↩ ", step, style));
            out.push('\n');
        }
    }
    out
}

fn step_text(lead: &str, step: &StepSpec, style: Style) -> String {
    let mut facts = vec![text::line(&step.kind)];
    facts.extend(step.effect.iter().map(|effect| style.effect(effect)));
    facts.extend(step.needs_approval.then(|| style.care("needs approval")));
    facts.extend(step.estimated_minutes.map(|minutes| format!("{minutes} min")));
    facts.extend(step.undo_only.then(|| "only to take another step back".to_owned()));
    let title =
        format!("{}  {}", style.bold(&text::line(&step.title)), style.dim(&format!("({})", text::line(&step.name))));
    let mut out = text::hang(lead, "    ", &title, style.columns);
    out.push_str(&text::hang("    ", "    ", &facts.join(" · "), style.columns));
    out.push_str(&spec_text(step, style, 4));
    out
}

/// What a step says: description, commands, what to look for, what takes it back.
pub fn spec_text(step: &StepSpec, style: Style, indent: usize) -> String {
    let mut out = String::new();
    let pad = " ".repeat(indent);
    let rest = " ".repeat(indent + 2);
    if let Some(description) = &step.description {
        out.push_str(markdown::render(&description.text, style, indent).trim_end());
        out.push('\n');
    }
    for command in &step.commands {
        for row in text::block(command).lines() {
            for (index, line) in text::fold(row, style.columns.saturating_sub(indent + 2)).into_iter().enumerate() {
                let mark = if index == 0 { style.dim("$") } else { " ".to_owned() };
                put!(out, "{pad}{mark} {}\n", style.code(&line));
            }
        }
    }
    let mut say = |lead: &str, content: &str| {
        let lead = if lead.is_empty() { pad.clone() } else { format!("{pad}{} ", style.bold(lead)) };
        out.push_str(&text::hang(&lead, &rest, &text::block(content), style.columns));
    };
    for remark in &step.remarks {
        say("", remark);
    }
    if let Some(action) = &step.action {
        let parameters = step.parameters.as_ref().map(crate::render::status::shown).unwrap_or_default();
        say("calls", &format!("{action} {parameters}"));
    }
    for (lead, content) in [
        ("only when", &step.when),
        ("expect", &step.expected_output),
        ("done when", &step.success_criteria),
        ("if it fails", &step.failure_hint),
    ] {
        if let Some(content) = content {
            say(lead, content);
        }
    }
    for condition in &step.prerequisites {
        say("before", condition);
    }
    for condition in &step.post_conditions {
        say("afterwards", condition);
    }
    for branch in &step.branches {
        let when = branch.when.as_ref().map(|when| format!(", when {when}")).unwrap_or_default();
        let what = branch.description.as_ref().map(|what| format!(": {what}")).unwrap_or_default();
        say("→", &format!("{} leads to {}{when}{what}", branch.name, branch.to));
    }
    if let Some(undo) = step.undo.as_ref().filter(|_| step.effect.as_deref() != Some("read")) {
        let lead = if undo.kind == "irreversible" { "cannot be taken back:" } else { "undo" };
        say(lead, &undo.text);
    }
    out
}

/// The flow as text: each step with where it leads; what is no plain next step is named.
fn flow(runbook: &RunbookView, style: Style) -> String {
    let mut out = String::new();
    let titled = |name: &str| match runbook.steps.iter().position(|step| step.name == name) {
        Some(index) => format!("{}. {}", index + 1, text::line(name)),
        None => text::line(name),
    };
    for (index, step) in runbook.steps.iter().filter(|step| !step.undo_only).enumerate() {
        let edges: Vec<_> = runbook.flow.iter().filter(|edge| edge.from == step.name).collect();
        let number = runbook.steps.iter().position(|other| other.name == step.name).unwrap_or(index) + 1;
        let shape = if step.kind == "decision" { "◇" } else { "■" };
        let title = text::cut(&text::line(&step.title), style.columns.saturating_sub(12));
        put!(out, "  {} {number:>2}. {}\n", style.code(shape), style.bold(&title));
        let following = runbook.steps.get(number).map(|next| next.name.as_str());
        for edge in &edges {
            let label = edge.label.as_deref().map(|label| format!("{} ", text::line(label))).unwrap_or_default();
            let line = match edge.kind {
                FlowKind::Next if Some(edge.to.as_str()) == following => continue,
                FlowKind::Next if edge.to == "end" => style.dim("└─ end"),
                FlowKind::Next => format!("└─ then {}", titled(&edge.to)),
                FlowKind::Branch => format!("├─ {}→ {}", style.care(&label), titled(&edge.to)),
                FlowKind::Failure => format!("├─ {} → {}", style.bad("if it fails"), titled(&edge.to)),
                FlowKind::Undo => style.dim(&format!("├─ undo ↩ {}", titled(&edge.to))),
            };
            out.push_str(&text::hang("  │   ", "  │      ", &line, style.columns));
        }
        let goes_on = edges.iter().any(|edge| edge.kind == FlowKind::Next && Some(edge.to.as_str()) == following);
        if goes_on {
            put!(out, "  │\n");
        } else {
            out.push('\n');
        }
    }
    out
}

fn findings(findings: &[FindingView], style: Style) -> String {
    if findings.is_empty() {
        return format!("{} nothing to report\n", style.good("✓"));
    }
    let mut out = String::new();
    for finding in findings {
        let mark = if finding.severity == "error" { style.bad("✗ error") } else { style.care("! warning") };
        let told = format!("{}  {}", style.bold(&text::line(&finding.rule)), text::line(&finding.message));
        out.push_str(&text::hang(&format!("{mark}  "), "    ", &told, style.columns));
        let place = format!("{}:{}:{}", text::line(&finding.file), finding.line, finding.column);
        out.push_str(&text::hang("    ", "    ", &style.dim(&place), style.columns));
        if let Some(hint) = &finding.hint {
            out.push_str(&text::hang(
                &format!("    {} ", style.code("hint:")),
                "      ",
                &text::line(hint),
                style.columns,
            ));
        }
    }
    out
}
