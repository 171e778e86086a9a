//! Choosing the current context in a file that people write: one line changes, and everything else stays as it is.

/// The text with another `current`. `None` where that is not said by one line of its own.
pub(super) fn with_current(text: &str, name: &str) -> Option<String> {
    let line = format!("current: {}", scalar(name));
    let mut out = String::with_capacity(text.len() + line.len() + 1);
    let mut placed = false;
    for old in text.split_inclusive('\n') {
        let content = old.trim_end_matches(['\n', '\r']);
        let end = old.get(content.len()..).unwrap_or_default();
        if let Some(value) = content.strip_prefix("current:") {
            if placed {
                return None;
            }
            out.push_str(&line);
            out.push_str(comment(value)?);
            out.push_str(end);
            placed = true;
        } else {
            out.push_str(old);
        }
    }
    if placed {
        return Some(out);
    }
    // Before the first key, below what stands at the top of the file.
    let is_key = |line: &&str| !line.starts_with(['#', ' ', '\t', '-', '%']) && !line.trim().is_empty();
    let at: usize = text.split_inclusive('\n').take_while(|line| !is_key(line)).map(str::len).sum();
    let (head, rest) = text.split_at_checked(at)?;
    let gap = if head.is_empty() || head.ends_with('\n') { "" } else { "\n" };
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    Some(format!("{head}{gap}{line}{end}{rest}"))
}

/// What stands behind a value on its line, with the white space before it; `None` where the value goes on below.
fn comment(value: &str) -> Option<&str> {
    let bare = value.trim_start();
    let after = match bare.chars().next() {
        Some('#') => value,
        Some(quote @ ('\'' | '"')) => {
            let closed = bare.get(1..)?.find(quote)?;
            bare.get(closed + 2..)?
        }
        Some('|' | '>' | '&' | '*' | '!' | '[' | '{') => return None,
        Some(_) | None => {
            let end = bare.find(" #").unwrap_or(bare.len());
            bare.get(bare.get(..end)?.trim_end().len()..)?
        }
    };
    let after = after.trim_end();
    (after.is_empty() || after.starts_with([' ', '\t'])).then_some(after)
}

/// A name as YAML takes it for text.
fn scalar(name: &str) -> String {
    let first = name.chars().next();
    let plain = first.is_some_and(|letter| letter.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&name.to_lowercase().as_str());
    if plain { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    const FILE: &str = "# ours\ncurrent: staging  # by default\n\ncontexts:\n  staging: { environment: staging } # a\n";

    #[test]
    fn only_the_one_line_changes() {
        let changed = with_current(FILE, "production").unwrap();
        assert_eq!(changed, FILE.replace("current: staging", "current: production"));
    }

    #[test]
    fn the_line_is_changed_or_put_first() {
        for (text, expected) in [
            ("contexts: {}\n", "current: b\ncontexts: {}\n"),
            ("# ours\n---\ncontexts: {}\n", "# ours\n---\ncurrent: b\ncontexts: {}\n"),
            ("current: 'a b'   # why\n", "current: b   # why\n"),
            ("current: a\r\nx: 1\r\n", "current: b\r\nx: 1\r\n"),
            ("current:\ncontexts: {}", "current: b\ncontexts: {}"),
            ("current: # none yet\n", "current: b # none yet\n"),
            ("", "current: b\n"),
        ] {
            assert_eq!(with_current(text, "b").as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_line_is_not_guessed() {
        for text in ["current: |\n  a\n", "current: a\ncurrent: b\n", "current: &it a\n"] {
            assert_eq!(with_current(text, "b"), None, "{text}");
        }
    }

    #[test]
    fn a_name_stays_text() {
        for (name, expected) in [("prod-eu", "prod-eu"), ("no", "\"no\""), ("7", "\"7\""), ("a: b", "\"a: b\"")] {
            assert_eq!(scalar(name), expected);
        }
    }
}
