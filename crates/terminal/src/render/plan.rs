//! What a run would do, step by step.

use belay_cockpit::wire::{PlanStep, PlanView};
use belay_cockpit::{PreflightLevel, PreflightReport};

use super::act::details;
use super::status::{act_line, shown, undo_line};
use crate::style::Style;
use crate::text;

/// The whole plan.
pub fn plan(plan: &PlanView, style: Style) -> String {
    let title = format!("{}  {}", text::line(&plan.runbook.id), text::line(&plan.runbook.title));
    let mut out = text::hang("", "  ", &style.bold(&title), style.columns);
    put!(
        out,
        "plan · context {} · environment {} · nothing is changed\n",
        text::line(&plan.context),
        text::line(&plan.environment)
    );
    for (name, value) in &plan.inputs {
        let lead = format!("  {} = ", text::line(name));
        out.push_str(&text::hang(&lead, "      ", &shown(value), style.columns));
    }
    for name in &plan.missing {
        put!(out, "  {} {}\n", style.care("missing:"), text::line(name));
    }
    for (index, step) in plan.steps.iter().enumerate() {
        out.push_str(&plan_step(index + 1, step, style));
    }
    put!(out, "\n{}\n", style.dim(&format!("digest {}", text::line(&plan.digest))));
    out
}

/// What would stop a run.
pub fn preflight(report: &PreflightReport, style: Style) -> String {
    let title = format!("{}  {}", text::line(&report.runbook.id), text::line(&report.runbook.title));
    let mut out = text::hang("", "  ", &style.bold(&title), style.columns);
    put!(
        out,
        "preflight · context {} · environment {} · nothing is changed\n\n",
        text::line(&report.context),
        text::line(&report.environment)
    );
    for check in &report.checks {
        let mark = match check.level {
            PreflightLevel::Stops => style.bad("✗"),
            PreflightLevel::Waits => style.care("…"),
            PreflightLevel::Fine => style.good("✓"),
        };
        let steps: Vec<String> = check.steps.iter().map(|step| text::line(step)).collect();
        let steps = if steps.is_empty() { String::new() } else { format!(" ({})", steps.join(", ")) };
        let lead = format!("{mark} {}{}  ", style.bold(check.kind.as_str()), style.dim(&steps));
        out.push_str(&text::hang(&lead, "    ", &text::line(&check.detail), style.columns));
        if let Some(hint) = &check.hint {
            let lead = format!("    {} ", style.code("hint:"));
            out.push_str(&text::hang(&lead, "      ", &text::line(hint), style.columns));
        }
    }
    let stops = report.checks.iter().filter(|check| check.level == PreflightLevel::Stops).count();
    let waits = report.checks.iter().any(|check| check.level == PreflightLevel::Waits);
    match (stops, waits) {
        (0, false) => put!(out, "\nnothing would stop it\n"),
        (0, true) => put!(out, "\nnothing would stop it but the approvals above\n"),
        (stops, _) => put!(out, "\n{} would stop it\n", text::count(stops, "thing", "things")),
    }
    out
}

fn plan_step(number: usize, step: &PlanStep, style: Style) -> String {
    let mut facts = vec![text::line(&step.kind)];
    facts.extend(step.effect.iter().map(|effect| style.effect(effect)));
    facts.extend(step.impact.iter().map(|impact| format!("impact {}", text::line(impact))));
    let title = format!("{} ({})", style.bold(&text::line(&step.title)), facts.join(" · "));
    let mut out = format!("\n{}", text::hang(&format!("{number:>3}. "), "     ", &title, style.columns));
    let changes = step.effect.as_deref().is_some_and(|effect| effect != "read");
    for act in &step.acts {
        out.push_str(&text::hang("     will ", "       ", &act_line(act, style), style.columns));
        if changes || !step.approval.is_empty() {
            out.push_str(&details(act, 7, style));
        }
    }
    let mut say = |lead: &str, content: &str| {
        out.push_str(&text::hang(&format!("     {lead}"), "       ", content, style.columns));
    };
    for later in &step.known_after {
        say("", &style.dim(&text::line(later)));
    }
    for reason in &step.approval {
        say(&format!("{} ", style.care("needs approval:")), &text::line(reason));
    }
    if let Some(undo) = &step.undo {
        say("", &undo_line(undo, style));
    }
    for problem in &step.problems {
        say(&format!("{} ", style.bad("problem:")), &text::block(problem));
    }
    if step.next.len() > 1 || step.kind == "decision" {
        for next in &step.next {
            say("→ ", &text::line(next));
        }
    }
    out
}
