//! Making runbooks of Markdown files.

use belay_cockpit::{ImportOptions, ImportOutcome, ImportedFile, import_markdown};
use serde_json::json;

use super::Desk;
use crate::arguments::Import;
use crate::failure::{Exit, Failure};
use crate::render::imports;
use crate::text;

/// Files whose every part is told of without being asked to.
const FEW: usize = 2;

pub fn import(desk: &Desk, import: &Import) -> Result<Exit, Failure> {
    let options = ImportOptions { paths: import.paths.clone(), out: import.out.clone(), force: import.force };
    let files = import_markdown(&options)?;
    let document = json!({
        "out": import.out.display().to_string(),
        "imported": number(&files, ImportOutcome::Imported),
        "unchanged": number(&files, ImportOutcome::Unchanged),
        "skipped": number(&files, ImportOutcome::Skipped),
        "failed": number(&files, ImportOutcome::Failed),
        "files": files,
    });
    let details = import.details || files.len() <= FEW;
    desk.show(&document, || {
        let mut out = String::new();
        for file in &files {
            out.push_str(&imports::file(file, details, desk.settings.style));
        }
        out.push_str(&imports::summary(&files, desk.settings.style));
        if number(&files, ImportOutcome::Imported) > 0 {
            let dir = text::quoted(&import.out.display().to_string());
            let hint = desk.settings.style.code("hint:");
            put!(out, "{hint} `belay validate {dir}` checks them, `belay catalog add {dir}` makes them found\n");
        }
        out
    })?;
    let failed = number(&files, ImportOutcome::Failed) > 0;
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

fn number(files: &[ImportedFile], outcome: ImportOutcome) -> usize {
    files.iter().filter(|file| file.outcome == outcome).count()
}
