//! What came of an import, file by file.

use belay_cockpit::{ImportOutcome, ImportedFile};

use super::findings;
use crate::style::Style;
use crate::text;

/// One file: what it became, part by part where details are wanted, and what somebody should look at.
pub fn file(file: &ImportedFile, details: bool, style: Style) -> String {
    let mut out = String::new();
    let source = text::line(&file.file);
    match file.outcome {
        ImportOutcome::Imported | ImportOutcome::Unchanged => {
            let target = text::line(file.written.as_deref().unwrap_or_default());
            let steps = &file.steps;
            let mut about = vec![text::count(steps.all, "step", "steps")];
            let counted = [(steps.looking, "looking"), (steps.changing, "changing"), (steps.text, "text")];
            let sorts: Vec<String> =
                counted.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| format!("{count} {noun}")).collect();
            if !sorts.is_empty() {
                about.push(format!("({})", sorts.join(", ")));
            }
            if !file.inputs.is_empty() {
                about.push(format!("inputs {}", file.inputs.join(", ")));
            }
            let same = if file.outcome == ImportOutcome::Unchanged { " unchanged" } else { "" };
            put!(out, "{} {source} → {}{same}\n", style.good("✓"), style.bold(&target));
            out.push_str(&text::hang("    ", "    ", &style.dim(&about.join(" ")), style.columns));
        }
        ImportOutcome::Skipped => {
            put!(out, "{} {source} skipped: a page about its folder, without steps\n", style.dim("–"));
        }
        ImportOutcome::Failed => put!(out, "{} {source} was not imported\n", style.bad("✗")),
    }
    if details {
        for became in &file.became {
            let lead = format!("    {:>4}  ", became.line);
            let line = format!("{} → {}", text::line(&became.what), text::line(&became.into));
            out.push_str(&text::hang(&lead, "          ", &line, style.columns));
        }
    }
    for finding in &file.findings {
        out.push_str(&findings::one(finding, style));
    }
    out
}

/// How many of each.
pub fn summary(files: &[ImportedFile], style: Style) -> String {
    let number = |outcome| files.iter().filter(|file| file.outcome == outcome).count();
    let failed = number(ImportOutcome::Failed);
    let verdict = if failed > 0 { style.bad("✗") } else { style.good("✓") };
    let mut parts = vec![format!("{} imported", text::count(number(ImportOutcome::Imported), "file", "files"))];
    for (count, word) in [
        (number(ImportOutcome::Unchanged), "unchanged"),
        (number(ImportOutcome::Skipped), "skipped"),
        (failed, "failed"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    if files.is_empty() {
        return format!("{} there is no Markdown file\n", style.care("–"));
    }
    format!("{verdict} {}\n", parts.join(", "))
}
