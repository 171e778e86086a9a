//! Text of Markdown: fences, indentation, lines and places.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

use super::{Code, options};

/// A code block as a fence that nothing in it closes.
pub(in crate::import) fn fenced(code: &Code) -> String {
    let info = code.info.as_deref().unwrap_or_default();
    fence(info.split(['{', ' ', ',']).next().unwrap_or_default(), &code.text)
}

/// Text as a fence that nothing in it closes.
pub(in crate::import) fn fence(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches('\n'))
}

/// An item's Markdown without its marker.
pub(super) fn dedented(source: &str) -> String {
    let marker = source.len() - source.trim_start_matches([' ', '\t']).len();
    let rest = source.get(marker..).unwrap_or_default();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let sign = rest
        .get(digits..digits + 1)
        .filter(|sign| if digits > 0 { matches!(*sign, "." | ")") } else { matches!(*sign, "-" | "*" | "+") });
    let Some(sign) = sign else { return source.trim().to_owned() };
    let after = rest.get(digits + sign.len()..).unwrap_or_default();
    let blank = after.len() - after.trim_start_matches(' ').len();
    let width = marker + digits + sign.len() + blank.clamp(1, 4);
    let mut text = String::new();
    for (index, line) in after.lines().enumerate() {
        if index > 0 {
            text.push('\n');
            text.push_str(unindented(line, width));
        } else {
            let line = line.trim_start();
            let task = ["[ ] ", "[x] ", "[X] "].into_iter().find_map(|mark| line.strip_prefix(mark));
            text.push_str(task.unwrap_or(line));
        }
    }
    text.trim_end().to_owned()
}

fn unindented(line: &str, width: usize) -> &str {
    let mut column = 0;
    for (index, c) in line.char_indices() {
        match c {
            _ if column >= width => return line.get(index..).unwrap_or_default(),
            ' ' => column += 1,
            '\t' => column += 4,
            _ => return line.get(index..).unwrap_or_default(),
        }
    }
    ""
}

/// The line of an offset, from one.
pub(in crate::import) fn line(text: &str, offset: usize) -> u32 {
    let before = text.get(..offset).unwrap_or(text);
    u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX)
}

/// Text with one kind of line break, and with control characters made visible: a runbook has none.
pub(in crate::import) fn normal(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\t' => c,
        '\u{7f}' => '\u{2421}',
        c if c.is_control() && u32::from(c) < 0x20 => char::from_u32(0x2400 + u32::from(c)).unwrap_or(' '),
        c if c.is_control() => ' ',
        c => c,
    };
    text.replace("\r\n", "\n").replace('\r', "\n").chars().map(visible).collect()
}

/// Closes a code block that would swallow the headings below it; also gives its place. Lines keep their numbers.
pub(in crate::import) fn closed(text: &str, from: usize) -> (String, Option<usize>) {
    let body = text.get(from..).unwrap_or_default();
    let mut open = None;
    for (event, range) in Parser::new_ext(body, options()).into_offset_iter() {
        if let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) = event
            && range.end >= body.trim_end().len()
        {
            open = Some(range);
        }
    }
    let Some(range) = open else { return (text.to_owned(), None) };
    let block = body.get(range.clone()).unwrap_or_default();
    let marker: String = block.chars().take_while(|c| matches!(c, '`' | '~')).collect();
    let last = block.trim_end().lines().next_back().unwrap_or_default().trim();
    if block.trim_end().lines().count() > 1 && last.starts_with(&marker) && last.chars().all(|c| marker.contains(c)) {
        return (text.to_owned(), None);
    }
    // The empty line before the first heading in it takes the fence.
    let mut offset = range.start;
    let mut blank = None;
    for line in block.split_inclusive('\n') {
        let heading = line.starts_with('#') && line.trim_start_matches('#').starts_with(' ') && line.starts_with("##");
        if heading && let Some(blank) = blank {
            let mut closed = text.to_owned();
            closed.insert_str(from + blank, &marker);
            return (closed, Some(from + range.start));
        }
        blank = line.trim().is_empty().then_some(offset);
        offset += line.len();
    }
    (text.to_owned(), Some(from + range.start))
}
