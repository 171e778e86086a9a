//! Text for terminals: hostile characters made visible, and columns that line up.
//!
//! Output of commands, alert labels and titles come from elsewhere. Printed as they are, a control sequence among them
//! could rewrite what stands on the screen, so everything that is not ours passes through [`line`] or [`block`].

/// Adds formatted text to a `String`.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {{
        use std::fmt::Write as _;
        $out.write_fmt(format_args!($($format)*)).expect("writing to a string never fails")
    }};
}

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One line of untrusted text: control characters are shown, line ends become spaces.
pub fn line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.trim_end_matches(['\n', '\r']).chars() {
        match character {
            '\n' | '\t' => safe.push(' '),
            '\r' => {}
            _ => push_visible(&mut safe, character),
        }
    }
    safe
}

/// Several lines of untrusted text: line ends stay, a lone carriage return becomes one, tabs become four spaces.
pub fn block(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\n' => safe.push('\n'),
            '\t' => safe.push_str("    "),
            _ => push_visible(&mut safe, character),
        }
    }
    safe
}

fn push_visible(safe: &mut String, character: char) {
    match character {
        '\u{0}'..='\u{1f}' => safe.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')),
        '\u{7f}' => safe.push('\u{2421}'),
        _ if deceives(character) => {
            put!(safe, "<U+{:04X}>", u32::from(character));
        }
        _ => safe.push(character),
    }
}

/// Characters that act on a terminal or reorder what is read: C1 controls, bidirectional marks, invisible separators.
fn deceives(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Columns that a text takes; escape sequences of our own styles take none.
pub fn width(text: &str) -> usize {
    if text.contains('\u{1b}') { plain(text).width() } else { text.width() }
}

/// The text without the escape sequences of our own styles (`ESC [ … m`).
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(|next| *next == 'm');
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Fills with spaces up to a number of columns.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Cuts to a number of columns, with an ellipsis where something was cut. For text without escape sequences.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        short.push(character);
    }
    short.push('…');
    short
}

/// Breaks a text into lines of at most `columns`, between words where it can; line ends in the text stay.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut current = String::new();
        let mut used = 0;
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let wide = width(word);
            if used > 0 && used + 1 + wide > columns {
                lines.push(std::mem::take(&mut current));
                used = 0;
            }
            if used > 0 {
                current.push(' ');
                used += 1;
            }
            if wide > columns && !word.contains('\u{1b}') {
                used = push_broken(&mut lines, &mut current, used, word, columns);
            } else {
                current.push_str(word);
                used += wide;
            }
        }
        lines.push(current);
    }
    while lines.len() > 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Breaks a line that has to keep its spaces (code, output) at the edge.
pub fn fold(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for source in text.trim_end_matches('\n').split('\n') {
        let mut current = String::new();
        let used = push_broken(&mut lines, &mut current, 0, source, columns.max(8));
        if used > 0 || source.is_empty() {
            lines.push(current);
        }
    }
    lines
}

fn push_broken(lines: &mut Vec<String>, current: &mut String, mut used: usize, word: &str, columns: usize) -> usize {
    for character in word.chars() {
        let wide = character.width().unwrap_or(0);
        if used + wide > columns {
            lines.push(std::mem::take(current));
            used = 0;
        }
        current.push(character);
        used += wide;
    }
    used
}

/// Wraps a text behind a first prefix and, on the lines after it, another.
pub fn hang(first: &str, rest: &str, text: &str, columns: usize) -> String {
    let room = columns.saturating_sub(width(first).max(width(rest)));
    let mut out = String::new();
    for (index, line) in wrap(text, room).into_iter().enumerate() {
        out.push_str(if index == 0 { first } else { rest });
        out.push_str(&line);
        while out.ends_with(' ') {
            out.pop();
        }
        out.push('\n');
    }
    out
}

/// The first characters of an execution's hash that people type.
pub fn short(execution: &str) -> &str {
    execution.get(..10).unwrap_or(execution)
}

/// A word as one argument of a shell line that a person may copy.
pub fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:@%+=,".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A duration in the two largest units that matter: `840ms`, `4.2s`, `3m 12s`, `2h 5m`, `3d 4h`.
pub fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a u64 holds")]
    let whole = seconds.clamp(0.0, 1e15) as u64;
    match whole {
        0 => format!("{:.0}ms", seconds.max(0.0) * 1000.0),
        1..=9 => format!("{seconds:.1}s"),
        10..=59 => format!("{whole}s"),
        60..=3599 => format!("{}m {}s", whole / 60, whole % 60),
        3600..=86_399 => format!("{}h {}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d {}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// A count with its noun.
pub fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn an_escape_sequence_in_a_label_is_shown_and_not_sent() {
        let safe = line("web\u{1b}[2J\u{9b}31m\u{7}\rroot\u{202e}txt\nx");
        assert_eq!(safe, "web␛[2J<U+009B>31m␇root<U+202E>txt x");
        assert!(!safe.chars().any(char::is_control), "nothing that acts on a terminal is left");
    }

    #[test]
    fn output_keeps_its_lines_and_loses_its_cursor_movements() {
        assert_eq!(block("a\r\nb\rc\td\u{1b}[1A"), "a\nb\nc    d␛[1A");
    }

    #[test]
    fn words_wrap_and_long_words_break() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghijkl", 8), ["abcdefgh", "ijkl"]);
        assert_eq!(fold("a  b", 8), ["a  b"]);
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(cut("日本語", 5), "日本…");
    }

    #[test]
    fn durations_read_like_a_clock() {
        assert_eq!(duration(0.84), "840ms");
        assert_eq!(duration(4.21), "4.2s");
        assert_eq!(duration(192.0), "3m 12s");
        assert_eq!(duration(7500.0), "2h 5m");
    }

    #[test]
    fn a_word_to_copy_survives_the_shell() {
        assert_eq!(quoted("pod/web-1"), "pod/web-1");
        assert_eq!(quoted("it's $(x)"), r"'it'\''s $(x)'");
    }
}
