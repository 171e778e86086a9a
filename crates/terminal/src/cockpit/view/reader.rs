//! Something to read: its text, dressed for a width, and the page around it.

use belay_cockpit::SecretList;
use belay_cockpit::api::{OutputView, SecretsView};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::look::Look;
use super::runbook::more;
use super::{below, empty, error_lines};
use crate::cockpit::pages::reader::{Content, Device, HEAD_ROWS, Reader};
use crate::render::{lists, log, plan};
use crate::style::Style;
use crate::{markdown, text};

pub fn draw(frame: &mut Frame<'_>, area: Rect, page: &Reader, look: Look) {
    let title = text::cut(&text::line(&page.title()), usize::from(area.width).saturating_sub(20));
    let mut spans = vec![Span::styled(format!(" {title}"), look.bold())];
    if let Content::Log { verdict: Some(verdict), .. } = &page.content {
        let faults: Vec<&str> =
            verdict.executions.iter().flat_map(|verdict| &verdict.faults).map(String::as_str).collect();
        spans.push(if verdict.ok {
            Span::styled("  ✓ every signature and link holds", look.good())
        } else {
            let told = text::line(&format!("  ✗ NOT VALID: {}", faults.join("; ")));
            Span::styled(text::cut(&told, usize::from(area.width).saturating_sub(text::width(&title) + 2)), look.bad())
        });
    }
    frame.render_widget(Line::from(spans), area);
    let mut body = below(area, u16::try_from(HEAD_ROWS).unwrap_or(2));
    for error in &page.errors {
        let lines = error_lines(error, usize::from(area.width), look);
        let used = u16::try_from(lines.len()).unwrap_or(1);
        frame.render_widget(Paragraph::new(lines), body);
        body = below(body, used + 1);
    }
    if page.is_loading() && page.lines.is_empty() {
        let told =
            if matches!(page.content, Content::Plan { .. }) { "planning: reads live state …" } else { "reading …" };
        return empty(frame, body, told, look);
    }
    let seen = usize::from(body.height);
    let top = page.scroll.top.min(page.lines.len().saturating_sub(seen));
    let find = page.scroll.find.to_lowercase();
    let lines: Vec<Line<'_>> = page
        .lines
        .iter()
        .skip(top)
        .take(seen)
        .map(|line| {
            let hit = !find.is_empty() && line.to_lowercase().contains(&find);
            let line = look.line(line);
            let mut line = if hit { line.patch_style(look.care().patch(look.bold())) } else { line };
            line.spans.insert(0, Span::raw(" "));
            line
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), body);
    more(frame, body, top + seen < page.lines.len(), look);
}

/// What is read, as text.
pub fn text(page: &Reader, columns: usize) -> String {
    let style = Style::on_screen(columns);
    match &page.content {
        Content::Plan { plan: Some(of), .. } => plan::plan(of, style),
        Content::Log { entries: Some(entries), .. } => log::entries(entries, style),
        Content::Output { pieces: Some(pieces), .. } => output(pieces, style),
        Content::Postmortem { document: Some(document), .. } => markdown::render(&document.text, style, 0),
        Content::Settings(device) => settings(device, style),
        Content::Plan { .. } | Content::Log { .. } | Content::Output { .. } | Content::Postmortem { .. } => {
            String::new()
        }
    }
}

fn output(pieces: &[OutputView], style: Style) -> String {
    if pieces.is_empty() {
        return format!("{}\n", style.dim("it has written nothing, or nothing is kept"));
    }
    let mut out = String::new();
    for piece in pieces {
        let title = format!("attempt {} · {}", text::line(&piece.attempt), text::line(&piece.stream));
        put!(out, "{}\n", style.bold(&title));
        let bar = if piece.stream == "stderr" { style.care("┃") } else { style.dim("│") };
        for line in text::fold(&text::block(&piece.text), style.columns.saturating_sub(2)) {
            put!(out, "{bar} {line}\n");
        }
        if piece.truncated {
            put!(out, "{}\n", style.care("! what came after that was too much, and is not kept"));
        }
        out.push('\n');
    }
    out
}

fn settings(device: &Device, style: Style) -> String {
    let mut out = String::new();
    if let Some(about) = &device.about {
        put!(out, "{}\n", style.bold("Who and where"));
        let facts = [
            ("responder", about.responder.as_str()),
            ("device", &about.device),
            ("context", &about.context),
            ("environment", &about.environment),
            ("home", &about.home),
            ("belay", &about.version),
        ];
        for (name, value) in facts {
            out.push_str(&text::hang(
                &format!("  {}", text::pad(name, 14)),
                "                ",
                &text::line(value),
                style.columns,
            ));
        }
        out.push('\n');
    }
    let mut section = |title: &str, content: Option<String>| {
        put!(out, "{}\n", style.bold(title));
        out.push_str(&content.unwrap_or_else(|| format!("{}\n", style.dim("reading …"))));
        out.push('\n');
    };
    section("Doctor", device.doctor.as_ref().map(|doctor| lists::doctor(doctor, style)));
    section("Contexts", device.contexts.as_ref().map(|contexts| lists::contexts(contexts, style)));
    section("Catalog", device.catalog.as_ref().map(|catalog| lists::sources(catalog, style)));
    section("Secrets", device.secrets.as_ref().map(|secrets| secrets_of(secrets, style)));
    let policy = device.policy.as_ref().map(|policy| {
        let mut told = format!(
            "{}\n",
            style.dim(&format!("{} · digest {}", text::line(&policy.source), text::line(&policy.digest)))
        );
        for line in text::fold(&text::block(&policy.yaml), style.columns) {
            put!(told, "{line}\n");
        }
        told
    });
    section("Policy in force", policy);
    out
}

fn secrets_of(secrets: &SecretsView, style: Style) -> String {
    let Some(trouble) = &secrets.trouble else {
        let list = SecretList { secrets: secrets.secrets.clone(), locked: secrets.locked };
        let ways = "`belay secret set NAME`, `belay secret remove NAME` change them; values are never shown";
        return format!("{}{}\n", lists::secrets(&list, style), style.dim(ways));
    };
    let mut out = text::hang(&format!("{} ", style.care("!")), "  ", &text::line(&trouble.message), style.columns);
    if let Some(hint) = &trouble.hint {
        out.push_str(&text::hang(&format!("{} ", style.code("hint:")), "  ", &text::line(hint), style.columns));
    }
    out
}
