//! Finding and reading runbooks: search, alert, show, validate, and the question at the start.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use belay_cockpit::{Alert, ExecutionFilter, SearchQuery, StartRequest, Triaged};
use belay_runbook::finding::FindingLevel;
use belay_runbook::{format, report};

use super::{Desk, run};
use crate::arguments::{AlertCommand, Search, Show, ShowFormat, Validate, ValidateFormat};
use crate::failure::{Exit, Failure};
use crate::guided::prompts;
use crate::render::lists::reference;
use crate::render::{findings, lists};
use crate::style::Style;
use crate::{markdown, page, text};

/// Runbooks offered for an alert or an answer.
const OFFERED: usize = 8;
/// Runbooks listed for each of several alerts.
const OFFERED_EACH: usize = 3;
/// The largest alert that is read.
const LARGEST_ALERT: u64 = 16 << 20;

pub fn search(desk: &Desk, search: &Search) -> Result<Exit, Failure> {
    let alert = match &search.alert {
        Some(alert) if alert == "-" || Path::new(alert).is_file() => {
            Some(read_alert(desk, alert, search.fingerprint.as_deref())?.name)
        }
        Some(name) => Some(name.clone()),
        None => None,
    };
    let query = SearchQuery {
        text: search.query.join(" "),
        alert,
        service: search.service.clone(),
        severity: search.severity.clone(),
        category: search.category.clone(),
        domain: search.domain.clone(),
        tags: search.tags.clone(),
        limit: search.limit,
    };
    let hits = desk.cockpit.search(&query)?;
    desk.show(&hits, || lists::hits(&hits, desk.settings.style))?;
    Ok(Exit::Done)
}

pub fn alert(desk: &Desk, arguments: &AlertCommand) -> Result<Exit, Failure> {
    let bytes = read_source(&arguments.alert)?;
    let report = desk.cockpit.triage(&bytes, arguments.fingerprint.as_deref(), OFFERED)?;
    let style = desk.settings.style;
    if desk.settings.json {
        page::json(&report)?;
        return Ok(Exit::Done);
    }
    for note in &report.notes {
        page::print(&text::hang(&format!("{} ", style.care("!")), "  ", &text::line(note), style.columns))?;
    }
    // From standard input came the alert, so no answer can come from there.
    let asks = desk.settings.input && arguments.alert != "-";
    let several = report.alerts.len() > 1;
    let picked = match report.alerts.as_slice() {
        [only] => Some(only),
        alerts if asks => {
            for (index, triaged) in alerts.iter().enumerate() {
                page::print(&text::hang(
                    &format!("{:>3}. ", index + 1),
                    "     ",
                    &headline(triaged, style),
                    style.columns,
                ))?;
            }
            let prompt = format!("Which alert, 1 to {}? (Enter: none)", alerts.len());
            prompts::pick(&prompt, alerts.len(), style)?.and_then(|index| alerts.get(index))
        }
        alerts => {
            for triaged in alerts {
                page::print(&about(triaged, style))?;
                let best = triaged.runbooks.get(..OFFERED_EACH).unwrap_or(&triaged.runbooks);
                page::print(&format!("{}\n", lists::hits(best, style)))?;
            }
            alerts.first()
        }
    };
    let Some(triaged) = picked else { return Ok(Exit::Done) };
    let hits = &triaged.runbooks;
    if asks || !several {
        page::print(&about(triaged, style))?;
        page::print(&lists::hits(hits, style))?;
    }
    if !asks || hits.is_empty() {
        if let Some(hit) = hits.first() {
            let file = if arguments.alert == "-" { "ALERT" } else { &arguments.alert };
            let mut command = format!("belay run {} --alert {}", text::quoted(&reference(hit)), text::quoted(file));
            if let Some(print) = triaged.fingerprint.as_ref().filter(|_| several) {
                put!(command, " --fingerprint {}", text::quoted(print));
            }
            page::print(&format!("\n{} {}\n", style.code("hint:"), style.code(&command)))?;
        }
        return Ok(Exit::Done);
    }
    page::print("\n")?;
    let picked = prompts::pick(&format!("Start which one, 1 to {}? (Enter: none)", hits.len()), hits.len(), style)?;
    let Some(hit) = picked.and_then(|index| hits.get(index)) else { return Ok(Exit::Done) };
    let request = StartRequest {
        runbook: reference(hit),
        alert: Some(triaged.alert.clone()),
        incident: arguments.about.incident.clone(),
        ticket: arguments.about.ticket.clone(),
        context: arguments.about.context.clone(),
        ..StartRequest::default()
    };
    run::begin(desk, request)
}

/// An alert in one line, with the runbook that fits best.
fn headline(triaged: &Triaged, style: Style) -> String {
    let summary = triaged.annotations.get("summary").map(|summary| text::line(summary)).unwrap_or_default();
    let best = triaged.runbooks.first().map_or_else(|| "no runbook".to_owned(), |hit| text::line(&hit.name));
    format!(
        "{}  {}  {summary} {}",
        style.bold(&text::line(&triaged.name)),
        text::line(&triaged.status),
        style.dim(&format!("→ {best}"))
    )
}

fn about(alert: &Triaged, style: Style) -> String {
    let mut out = format!("{}  {}\n", style.bold(&text::line(&alert.name)), text::line(&alert.status));
    for name in ["summary", "description"] {
        if let Some(content) = alert.annotations.get(name) {
            out.push_str(&text::hang("  ", "  ", &text::block(content), style.columns));
        }
    }
    let labels: Vec<String> = alert
        .labels
        .iter()
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| format!("{}={}", text::line(name), text::line(value)))
        .collect();
    if !labels.is_empty() {
        out.push_str(&text::hang("  ", "  ", &style.dim(&labels.join("  ")), style.columns));
    }
    out.push('\n');
    out
}

/// Asks what is wrong, offers runbooks, and starts the one that is picked.
pub fn ask(desk: &Desk) -> Result<Exit, Failure> {
    if !desk.settings.input {
        return Err(Failure::usage(
            "`guide` asks a person, and nobody can be asked here",
            "run it on a terminal without `--json` and `--no-input`, or use `belay search` and `belay run`",
        ));
    }
    let style = desk.settings.style;
    page::print(&format!("{}\n", style.bold("Belay")))?;
    let open: Vec<_> = desk
        .cockpit
        .executions(&ExecutionFilter::default())?
        .into_iter()
        .filter(|execution| execution.finished_at.is_none())
        .take(5)
        .collect();
    if !open.is_empty() {
        page::print(&format!("\n{} open:\n", text::count(open.len(), "execution is", "executions are")))?;
        page::print(&lists::executions(&open, false, style))?;
        page::print(&format!("{} `belay resume EXECUTION` goes on with one\n\n", style.code("hint:")))?;
    }
    loop {
        let Some(words) = prompts::ask("What is wrong? (an alert, a symptom, a service; Enter leaves)", style)? else {
            return Ok(Exit::Done);
        };
        if matches!(words.as_str(), "" | "q" | "quit") {
            return Ok(Exit::Done);
        }
        let hits = desk.cockpit.search(&SearchQuery { text: words, limit: OFFERED, ..SearchQuery::default() })?;
        page::print(&format!("\n{}\n", lists::hits(&hits, style)))?;
        if hits.is_empty() {
            continue;
        }
        let prompt = format!("Start which one, 1 to {}? (Enter: search again)", hits.len());
        let picked = prompts::pick(&prompt, hits.len(), style)?;
        if let Some(hit) = picked.and_then(|index| hits.get(index)) {
            return run::begin(desk, StartRequest { runbook: reference(hit), ..StartRequest::default() });
        }
    }
}

pub fn show(desk: &Desk, show: &Show) -> Result<Exit, Failure> {
    let found = desk.cockpit.find(&show.runbook)?;
    let format = if desk.settings.json { ShowFormat::Json } else { show.format };
    match format {
        ShowFormat::Json => page::json(&format::to_json(&found.runbook))?,
        ShowFormat::Yaml => page::print(&found.text)?,
        ShowFormat::Md => {
            let source = format::to_markdown(&found.runbook);
            if std::io::stdout().is_terminal() {
                page::print(&markdown::render(&source, desk.settings.style, 0))?;
            } else {
                page::print(&text::block(&source))?;
            }
        }
    }
    Ok(Exit::Done)
}

pub fn validate(desk: &Desk, validate: &Validate) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    for path in &validate.paths {
        all.extend(desk.cockpit.validate(path)?);
    }
    let format = if desk.settings.json && validate.format == ValidateFormat::Text {
        ValidateFormat::Json
    } else {
        validate.format
    };
    match format {
        ValidateFormat::Text => page::print(&findings::text(&all, validate.paths.len(), desk.settings.style))?,
        ValidateFormat::Json => page::print(&ended(report::json(&all)))?,
        ValidateFormat::Sarif => page::print(&ended(report::sarif(&all)))?,
    }
    let wrong = all.iter().any(|finding| finding.severity == FindingLevel::Error);
    Ok(if wrong { Exit::Failed } else { Exit::Done })
}

pub(super) fn ended(mut document: String) -> String {
    if !document.ends_with('\n') {
        document.push('\n');
    }
    document
}

/// Reads an alert from a file, or from standard input for `-`.
pub fn read_alert(desk: &Desk, source: &str, fingerprint: Option<&str>) -> Result<Alert, Failure> {
    Ok(desk.cockpit.read_alert(&read_source(source)?, fingerprint)?)
}

fn read_source(source: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if source == "-" {
        std::io::stdin().lock().take(LARGEST_ALERT).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(source).and_then(|file| file.take(LARGEST_ALERT).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        Failure::usage(format!("`{source}` cannot be read: {error}"), "give an alert as a JSON file, or `-`")
    })?;
    Ok(bytes)
}
