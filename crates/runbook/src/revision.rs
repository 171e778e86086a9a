//! A new version of a runbook's file: its number and its changelog, put into the text as somebody wrote it.

use crate::format::{self, Places};
use crate::model::{Change, Runbook};

/// How much of a version changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// `2.0.0` after `1.4.2`.
    Major,
    /// `1.5.0` after `1.4.2`.
    Minor,
    /// `1.4.3` after `1.4.2`.
    Patch,
}

/// The version after another one; nothing where it is not three numbers. Without one it begins with `1.0.0`.
pub fn next_version(version: Option<&str>, bump: Bump) -> Option<String> {
    let Some(version) = version else { return Some("1.0.0".to_owned()) };
    let numbers: Option<Vec<u64>> = version.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect();
    let [major, minor, patch] = numbers?.try_into().ok()?;
    Some(match bump {
        Bump::Major => format!("{}.0.0", major.checked_add(1)?),
        Bump::Minor => format!("{major}.{}.0", minor.checked_add(1)?),
        Bump::Patch => format!("{major}.{minor}.{}", patch.checked_add(1)?),
    })
}

/// Puts a version and a first entry of the changelog into a file's text, and leaves comments and layout as they are.
///
/// Nothing where the file is written in a way that this cannot be done for; the result is read back to be sure.
pub fn revised(text: &str, version: Option<&str>, change: &Change) -> Option<String> {
    let parsed = format::parse("", text.as_bytes());
    let mut expected = parsed.runbook?;
    if let Some(version) = version {
        expected.version = Some(version.to_owned());
    }
    expected.changelog.insert(0, change.clone());
    let with_change =
        [false, true].into_iter().filter_map(|at_start| with_change(text, &parsed.places, change, at_start));
    with_change
        .filter_map(|text| match version {
            // The changelog may have moved what stands below it, so that places are looked for anew.
            Some(version) => with_version(&text, &format::parse("", text.as_bytes()).places, version),
            None => Some(text),
        })
        .find(|text| reads_as(text, &expected))
}

fn reads_as(text: &str, expected: &Runbook) -> bool {
    format::parse("", text.as_bytes()).runbook.as_ref() == Some(expected)
}

/// The offset of a line, from one.
fn offset(text: &str, line: u32) -> Option<usize> {
    let before = usize::try_from(line).ok()?.checked_sub(1)?;
    let mut lines = text.split_inclusive('\n');
    let mut offset = 0;
    for _ in 0..before {
        offset += lines.next()?.len();
    }
    Some(offset)
}

/// The indentation of the fields of `spec` and the offset of the first of them.
fn fields(text: &str, places: &Places) -> Option<(String, usize)> {
    let first = places.value("/spec")?;
    let start = offset(text, first.line)?;
    let line = text.get(start..)?.lines().next()?;
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    (indent.len() + 1 == usize::try_from(first.column).ok()?).then_some((indent, start))
}

fn with_version(text: &str, places: &Places, version: &str) -> Option<String> {
    let written = format!("\"{version}\"");
    let mut revised = text.to_owned();
    let Some(at) = places.value("/spec/version") else {
        let (indent, start) = fields(text, places)?;
        revised.insert_str(start, &format!("{indent}version: {written}\n"));
        return Some(revised);
    };
    let line = offset(text, at.line)?;
    let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
    let (in_line, _) = text.get(line..)?.char_indices().nth(column)?;
    let rest = text.get(line + in_line..)?.lines().next()?;
    let length = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest.get(1..)?.find(quote)? + 2,
        _ => rest.find(" #").unwrap_or(rest.len()),
    };
    let value = rest.get(..length)?.trim_end().len();
    revised.replace_range(line + in_line..line + in_line + value, &written);
    Some(revised)
}

fn with_change(text: &str, places: &Places, change: &Change, at_start: bool) -> Option<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let entry = |indent: &str| {
        let author = change.author.as_deref().map(|author| format!("{indent}  author: {}\n", quoted(author)));
        format!(
            "{indent}- date: {}\n{}{indent}  changes: {}\n",
            quoted(&change.date),
            author.unwrap_or_default(),
            quoted(&change.changes)
        )
    };
    let mut revised = text.to_owned();
    if let Some(first) = places.value("/spec/changelog/0") {
        let start = offset(text, first.line)?;
        let line = text.get(start..)?.lines().next()?;
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        revised.insert_str(start, &entry(&indent));
        return Some(revised);
    }
    let (indent, start) = fields(text, places)?;
    let list = format!("{indent}changelog:\n{}", entry(&format!("{indent}  ")));
    if at_start {
        revised.insert_str(start, &list);
    } else {
        if !revised.ends_with('\n') {
            revised.push('\n');
        }
        revised.push_str(&list);
    }
    Some(revised)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    const HEAD: &str = "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata:\n  name: x\nspec:\n";

    fn change() -> Change {
        Change {
            date: "2026-01-02".to_owned(),
            author: Some("ada".to_owned()),
            changes: "says \"why\": now".to_owned(),
        }
    }

    fn revise(spec: &str) -> Option<String> {
        revised(&format!("{HEAD}{spec}"), Some("1.0.1"), &change())
    }

    #[test]
    fn comments_and_layout_stay() {
        let text = revise(
            "  name: X # the title\n  version: 1.0.0  # ours\n  steps:\n    - name: a # first\n  changelog:\n    # newest first\n    - date: 2025-01-01\n      changes: made\n",
        )
        .unwrap();
        assert!(text.contains("version: \"1.0.1\"  # ours") && text.contains("- name: a # first"), "{text}");
        assert!(text.contains("    - date: \"2026-01-02\"\n      author: \"ada\"\n"), "{text}");
    }

    #[test]
    fn what_is_not_there_yet_is_added() {
        let text = revise("  name: X\n  steps: [{name: a}]").unwrap();
        assert!(text.contains("  version: \"1.0.1\"\n") && text.contains("changelog:\n    - date:"), "{text}");
        let unusual = format!("spec:\n  steps: [{{name: a}}]\n{}", HEAD.strip_suffix("spec:\n").unwrap());
        let text = revised(&unusual, None, &change()).unwrap();
        assert!(
            text.starts_with("spec:\n  changelog:"),
            "where `spec` is not the last key it goes to its start: {text}"
        );
    }

    #[test]
    fn a_text_that_cannot_be_revised_is_left_alone() {
        let flow = "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: {name: x}\nspec: {steps: [{name: a}]}\n";
        assert_eq!(revised(flow, Some("1.0.1"), &change()), None);
        assert_eq!(revised("no runbook", None, &change()), None);
    }

    #[test]
    fn versions_are_counted() {
        assert_eq!(next_version(Some("1.4.2"), Bump::Patch).as_deref(), Some("1.4.3"));
        assert_eq!(next_version(Some("1.4.2"), Bump::Minor).as_deref(), Some("1.5.0"));
        assert_eq!(next_version(Some("v1.4.2"), Bump::Major).as_deref(), Some("2.0.0"));
        assert_eq!(next_version(Some("draft"), Bump::Patch), None);
        assert_eq!(next_version(None, Bump::Patch).as_deref(), Some("1.0.0"));
    }
}
