//! Runbooks that tests share: small ones of our own, and the source documents' where they are at hand.

use std::fmt::Write as _;

/// Every field of the format, used at least once.
pub const FULL: &str = include_str!("samples/full.yaml");

/// Where the source documents lie.
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/seeds");

/// The manifests fenced as YAML in the source document, by name; empty (with a message) where it is absent.
pub fn story_manifests() -> Vec<(String, String)> {
    let Some(text) = source_document("000") else {
        eprintln!("skipped: no source documents at {SEEDS}");
        return Vec::new();
    };
    let mut manifests = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        match &mut block {
            None if trimmed == "```yaml" => block = Some(Vec::new()),
            None => {}
            Some(lines) if trimmed == "```" => {
                let manifest = dedent(lines);
                if manifest.lines().any(|line| line == "kind: Runbook") {
                    let name = manifest.lines().find_map(|line| line.strip_prefix("  name: ")).unwrap_or("?");
                    manifests.push((name.to_owned(), manifest));
                }
                block = None;
            }
            Some(lines) => lines.push(line),
        }
    }
    manifests
}

fn source_document(prefix: &str) -> Option<String> {
    let entry = std::fs::read_dir(SEEDS)
        .ok()?
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with(prefix))?;
    std::fs::read_to_string(entry.path()).ok()
}

fn dedent(lines: &[&str]) -> String {
    let indent = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{}", line.get(indent..).unwrap_or("")).unwrap();
        text
    })
}

/// A runbook that nothing is wrong with, with these steps (YAML, not indented).
pub fn with_steps(steps: &str) -> String {
    with_spec(&format!("steps:\n{steps}"))
}

/// A runbook with a title, description and trigger, and these further fields of `spec` (YAML, not indented).
pub fn with_spec(fields: &str) -> String {
    let mut text = String::from(
        "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata:\n  name: sample\nspec:\n  name: Sample\n  description: A sample.\n  trigger:\n    alert: Sample\n",
    );
    for line in fields.lines() {
        writeln!(text, "  {line}").unwrap();
    }
    text
}

/// The line on which the fields given to [`with_spec`] start.
pub const FIRST_LINE: u32 = 10;
