//! Lists: hits, executions, approvals, sources, contexts, actions, checks, verdicts.

use belay_cockpit::wire::{ExecutionSummary, ExecutionView, RotSign, SearchHit};
use belay_cockpit::{
    CatalogSource, ContextReport, ContextView, DoctorCheck, DoctorReport, MendReport, SecretList, VerifyReport,
};
use belay_runbook::action::ActionSpec;
use serde_json::Value;

use super::act::details;
use super::status::{act_line, approval_line, commands, is_left, moment};
use super::table::{Cell, Table};
use crate::style::Style;
use crate::text;

/// What a hit is run by: its name where it is bundled and the only one of it, its id, or else its file.
pub fn reference(hit: &SearchHit) -> String {
    match (hit.source == belay_cockpit::BUNDLED_SOURCE, hit.shares_name) {
        (true, false) => hit.name.clone(),
        (true, true) => hit.id.clone(),
        (false, _) => hit.source.clone(),
    }
}

/// Ranked runbooks, with why each one matched.
pub fn hits(hits: &[SearchHit], style: Style) -> String {
    if hits.is_empty() {
        return format!(
            "no runbook matches\n{} try fewer or other words; `belay search` alone lists everything\n",
            style.code("hint:")
        );
    }
    let mut out = String::new();
    if hits.iter().all(|hit| hit.weak) {
        put!(out, "nothing fits well; what comes closest:\n");
    }
    for (index, hit) in hits.iter().enumerate() {
        let number = format!("{:>3}. ", index + 1);
        let title = format!("{}  {}", style.bold(&text::line(&hit.title)), style.dim(&text::line(&hit.name)));
        out.push_str(&text::hang(&number, "     ", &title, style.columns));
        let mut facts = vec![text::line(&hit.id), text::line(&hit.severity)];
        facts.extend(hit.category.iter().map(|category| text::line(category).replace('_', " ")));
        facts.extend((!hit.services.is_empty()).then(|| text::line(&hit.services.join(", "))));
        facts.extend((hit.source != "bundled").then(|| text::line(&hit.source)));
        facts.extend(hit.hides_bundled.then(|| "instead of the bundled one".to_owned()));
        facts.extend(hit.shares_name.then(|| "another one has this name, too".to_owned()));
        facts.extend(hit.statistics.fared());
        out.push_str(&text::hang("     ", "     ", &style.dim(&facts.join(" · ")), style.columns));
        if !hit.rot.is_empty() {
            let signs: Vec<String> = hit.rot.iter().map(|sign| rot_sign(sign, style)).collect();
            out.push_str(&text::hang("     ", "     ", &signs.join(&style.dim(" · ")), style.columns));
        }
        if !hit.matched.is_empty() {
            let matched: Vec<String> = hit.matched.iter().map(|matched| text::line(matched)).collect();
            out.push_str(&text::hang("     matched ", "       ", &matched.join(", "), style.columns));
        }
    }
    out
}

fn rot_sign(sign: &RotSign, style: Style) -> String {
    match sign.severity.as_str() {
        "error" => style.bad(&sign.text),
        _ if sign.rule == "overdue-review" => style.care(&sign.text),
        _ => style.dim(&sign.text),
    }
}

/// A table of executions, newest first as given.
pub fn executions(executions: &[ExecutionSummary], filtered: bool, style: Style) -> String {
    if executions.is_empty() {
        let what = if filtered { "no execution matches" } else { "no executions yet" };
        let hint =
            if filtered { "`belay executions` lists all of them" } else { "start one with `belay run pod-restart`" };
        return format!("{what}\n{} {hint}\n", style.code("hint:"));
    }
    let mut table = Table::new(&["EXECUTION", "STATUS", "STARTED (UTC)", "TOOK", "RUNBOOK", "WAITS FOR"]);
    for execution in executions {
        let status = format!("{} {}", style.symbol(&execution.status), style.status(&execution.status));
        let plain = format!("? {}", execution.status);
        let waits = match execution.waiting_on.first() {
            Some(waiting) => waiting.step.clone().unwrap_or_else(|| waiting.detail.clone()),
            None if is_left(execution) => "a driver".to_owned(),
            None => String::new(),
        };
        table.row(vec![
            Cell::new(text::short(&execution.execution)),
            Cell::dressed(&plain, status),
            Cell::new(&moment(execution.started_at)),
            Cell::new(&text::duration(execution.duration_seconds)),
            Cell::new(&execution.runbook.name),
            Cell::new(&waits),
        ]);
    }
    table.render(style)
}

/// What waits for an approval, with the commands that answer.
pub fn approvals(views: &[ExecutionView], style: Style) -> String {
    let mut out = String::new();
    for view in views {
        for waiting in &view.summary.waiting_on {
            let step = view.steps.iter().find(|step| waiting.is_about(&step.name));
            let (Some(step), Some(approval)) = (step, step.and_then(|step| step.approval.as_ref())) else { continue };
            if waiting.kind != belay_cockpit::wire::WaitingKind::Approval {
                continue;
            }
            let lead = format!("{} ", style.care("?"));
            let title = format!(
                "{}  {}",
                style.bold(&text::line(&step.title)),
                style.dim(&text::line(&view.summary.runbook.title))
            );
            out.push_str(&text::hang(&lead, "  ", &title, style.columns));
            for act in &step.acts {
                out.push_str(&text::hang("    ", "      ", &act_line(act, style), style.columns));
                out.push_str(&details(act, 6, style));
            }
            out.push_str(&text::hang("    ", "      ", &approval_line(approval, style), style.columns));
            for command in commands(view, waiting) {
                put!(out, "    {}\n", style.code(&command));
            }
        }
    }
    if out.is_empty() { "nothing waits for an approval\n".to_owned() } else { out }
}

/// The directories of the catalog.
pub fn sources(sources: &[CatalogSource], style: Style) -> String {
    let mut table = Table::new(&["RUNBOOKS", "BROKEN", "WHERE"]);
    for source in sources {
        table.row(vec![
            Cell::new(&source.runbooks.to_string()),
            Cell::new(&source.broken.to_string()),
            Cell::new(&source.path),
        ]);
    }
    let mut out = table.render(style);
    if sources.len() < 2 {
        put!(out, "{} `belay catalog add DIR` searches a directory too\n", style.code("hint:"));
    }
    out
}

/// The contexts, with the one in use marked.
pub fn contexts(contexts: &[ContextView], style: Style) -> String {
    let mut table = Table::new(&["CONTEXT", "ENVIRONMENT", "IN USE", "CLUSTER", "NAMESPACE", "SERVICES"]);
    for context in contexts {
        table.row(vec![
            Cell::new(&context.name),
            Cell::new(&context.environment),
            Cell::new(if context.current { "yes" } else { "" }),
            Cell::new(context.cluster.as_deref().unwrap_or_default()),
            Cell::new(context.namespace.as_deref().unwrap_or_default()),
            Cell::new(&context.services.join(", ")),
        ]);
    }
    table.render(style)
}

/// What was found where a context acts.
pub fn context(report: &ContextReport, style: Style) -> String {
    let mut out = format!("{} ({})\n", text::line(&report.name), text::line(&report.environment));
    let Some(cluster) = &report.cluster else {
        out.push_str("it names no cluster; `kubernetes: {context: NAME}` in the file of contexts names one\n");
        return out;
    };
    put!(out, "{}\n", text::line(&cluster.fingerprint));
    put!(out, "Kubernetes {}, namespace {}\n", text::line(&cluster.version), text::line(&cluster.namespace));
    if cluster.denied.is_empty() {
        put!(out, "this account may do all {} things that actions need\n", cluster.allowed.len());
        return out;
    }
    put!(out, "this account may do {} things that actions need, and not these:\n", cluster.allowed.len());
    let mut table = Table::new(&["NOT ALLOWED"]);
    for right in &cluster.denied {
        table.row(vec![Cell::new(right)]);
    }
    out.push_str(&table.render(style));
    out
}

/// The names of the secrets that are kept.
pub fn secrets(list: &SecretList, style: Style) -> String {
    let mut out = String::new();
    if list.secrets.is_empty() {
        put!(out, "{}\n", if list.locked { "no secret can be seen" } else { "no secrets are kept yet" });
    } else {
        let mut table = Table::new(&["NAME", "SET (UTC)"]);
        for secret in &list.secrets {
            table.row(vec![Cell::new(&secret.name), Cell::new(&secret.set_at.map(moment).unwrap_or_default())]);
        }
        out.push_str(&table.render(style));
    }
    if list.locked {
        put!(out, "{} the keyring is locked and may hold more\n", style.care("note:"));
    } else if list.secrets.is_empty() {
        put!(out, "{} `belay secret set NAME` keeps one\n", style.code("hint:"));
    }
    out
}

/// Every action with its effect.
pub fn actions(specs: &[&ActionSpec], style: Style) -> String {
    let mut table = Table::new(&["ACTION", "EFFECT", "WHAT IT DOES"]);
    for spec in specs {
        let effect = spec.effect.as_str();
        let description = if spec.available {
            spec.description.clone()
        } else {
            format!("(cannot be performed by this version) {}", spec.description)
        };
        table.row(vec![Cell::new(&spec.name), Cell::dressed(effect, style.effect(effect)), Cell::new(&description)]);
    }
    table.render(style)
}

/// One action with its parameters.
pub fn action(spec: &ActionSpec, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(&text::line(&spec.name)));
    out.push_str(&text::hang("  ", "  ", &text::line(&spec.description), style.columns));
    let mut facts = vec![format!("effect {}", style.effect(spec.effect.as_str()))];
    facts.push(if spec.idempotent { "idempotent" } else { "not idempotent" }.to_owned());
    facts.push(if spec.captures_undo { "captures what takes it back" } else { "captures no undo" }.to_owned());
    if !spec.available {
        facts.push(style.care("cannot be performed by this version"));
    }
    out.push_str(&text::hang("  ", "  ", &facts.join(" · "), style.columns));
    let required: Vec<&str> = spec
        .parameters
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    push_fields(&mut out, "Parameters", &spec.parameters, &required, style);
    push_fields(&mut out, "Output", &spec.output, &[], style);
    let mut list = |title: &str, items: &[String]| {
        if !items.is_empty() {
            put!(out, "\n{}\n", style.bold(title));
            for item in items {
                out.push_str(&text::hang("  • ", "    ", &text::line(item), style.columns));
            }
        }
    };
    list("Published into the context", &spec.published);
    list("Facts for prerequisites", &spec.facts);
    list("Access it needs", &spec.access);
    out
}

fn push_fields(out: &mut String, title: &str, schema: &Value, required: &[&str], style: Style) {
    let Some(fields) = schema.get("properties").and_then(Value::as_object).filter(|fields| !fields.is_empty()) else {
        return;
    };
    put!(out, "\n{}\n", style.bold(title));
    for (name, field) in fields {
        let kind = field.get("type").and_then(Value::as_str).unwrap_or("any");
        let needed = if required.contains(&name.as_str()) { ", required" } else { "" };
        let lead = format!("  {} ({kind}{needed})  ", style.code(&text::line(name)));
        let what = field.get("description").and_then(Value::as_str).unwrap_or_default();
        out.push_str(&text::hang(&lead, "      ", &text::line(what), style.columns));
    }
}

/// What is missing on this machine.
pub fn mended(report: &MendReport) -> String {
    let Some(copy) = &report.copy else { return "the log of the database is sound\n".to_owned() };
    let mut text = format!("copied the database as it was to {}\n", text::quoted(&text::line(copy)));
    if report.words > 0 {
        put!(text, "put {} damaged words of its log right\n", report.words);
    }
    text.push_str(if report.lost {
        "it goes on from before the damage; what was recorded behind it is in the copy alone\n\
         hint: look at what the last executions really did before you resume them\n"
    } else {
        "nothing is missing\n"
    });
    text
}

pub fn doctor(report: &DoctorReport, style: Style) -> String {
    let mut out = String::new();
    for check in &report.checks {
        let mark = match (check.ok, check.is_freeze()) {
            (true, _) => style.good("✓ ok     "),
            (false, true) => style.care("‖ frozen "),
            (false, false) => style.bad("✗ missing"),
        };
        let lead = format!("{mark} {}  ", style.bold(&text::line(&check.name)));
        out.push_str(&text::hang(&lead, "            ", &text::line(&check.detail), style.columns));
        if let (false, Some(hint)) = (check.ok, &check.hint) {
            let lead = format!("          {} ", style.code("hint:"));
            out.push_str(&text::hang(&lead, "            ", &text::line(hint), style.columns));
        }
    }
    let missing = report.checks.iter().filter(|check| !check.ok && !check.is_freeze()).count();
    let frozen = report.checks.iter().any(DoctorCheck::is_freeze);
    if missing == 0 && frozen {
        out.push_str("\nnothing is missing, and nothing that changes something starts while automation is frozen\n");
    } else if missing == 0 {
        out.push_str("\neverything that was checked is fine\n");
    } else {
        put!(out, "\n{} missing or broken\n", text::count(missing, "thing is", "things are"));
    }
    out
}

/// What verification found.
pub fn verdicts(report: &VerifyReport, style: Style) -> String {
    if report.executions.is_empty() {
        return "nothing to verify: there are no executions\n".to_owned();
    }
    let mut out = String::new();
    for verdict in &report.executions {
        let mark = if verdict.ok { style.good("✓ valid") } else { style.bad("✗ NOT VALID") };
        let events = text::count(usize::try_from(verdict.events).unwrap_or(usize::MAX), "event", "events");
        let status = verdict.status.as_deref().map(|status| format!("  {}", text::line(status))).unwrap_or_default();
        put!(out, "{mark}  {}  {events}{status}\n", text::short(&text::line(&verdict.execution)));
        for fault in &verdict.faults {
            out.push_str(&text::hang("    ", "      ", &text::line(fault), style.columns));
        }
    }
    if let Some(end) = &report.end {
        let mark = if end.proven { style.good("✓") } else { style.care("!") };
        out.push_str(&text::hang(&format!("{mark} "), "  ", &text::line(&end.detail), style.columns));
    }
    out
}
