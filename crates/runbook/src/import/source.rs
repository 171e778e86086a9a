//! From a file's bytes to text, or to the reason why they are no text that can be imported.

use super::rules::{EMPTY, NOT_MARKDOWN, OTHER_ENCODING, TOO_LARGE};
use crate::finding::{Finding, Position};

/// The largest Markdown file that is read, in bytes: the runbook made of it has to stay below the limit of runbooks.
pub const SIZE_LIMIT: usize = 512 * 1024;

/// Says why a file of so many bytes is not even read.
pub fn too_large(file: &str, bytes: u64) -> Finding {
    let message = format!("the file has {bytes} bytes, more than {SIZE_LIMIT}");
    hint(TOO_LARGE.at(file, START, message), "split it into runbooks of their own")
}

const START: Position = Position { line: 1, column: 1 };

/// Decodes a file; UTF-8 only, with or without a byte order mark.
pub(super) fn decode<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Finding> {
    if bytes.len() > SIZE_LIMIT {
        return Err(too_large(file, bytes.len() as u64));
    }
    if let Some(encoding) = wide_encoding(bytes) {
        let how = format!("convert it with `iconv -f {encoding} -t UTF-8 FILE`");
        return Err(hint(OTHER_ENCODING.at(file, START, format!("the file is {encoding}, not UTF-8")), how));
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if bytes.contains(&0) => return Err(binary(file, bytes, error.valid_up_to())),
        Err(error) => return Err(narrow(file, bytes, error.valid_up_to())),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(offset) = text.find('\0') {
        return Err(binary(file, bytes, offset));
    }
    if text.trim().is_empty() {
        return Err(hint(EMPTY.at(file, START, "the file is empty"), "remove it, or write the runbook"));
    }
    Ok(text)
}

fn hint(finding: Finding, hint: impl Into<String>) -> Finding {
    Finding { hint: Some(hint.into()), ..finding }
}

/// UTF-16 and UTF-32 by their mark, or by the zeros that every second byte of Latin text is.
fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => return Some("UTF-32LE"),
        [0, 0, 0xfe, 0xff, ..] => return Some("UTF-32BE"),
        [0xff, 0xfe, ..] => return Some("UTF-16LE"),
        [0xfe, 0xff, ..] => return Some("UTF-16BE"),
        _ => {}
    }
    let sample = bytes.get(..bytes.len().min(1024))?;
    if sample.len() < 8 {
        return None;
    }
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let most = sample.len() / 2 * 4 / 5;
    match (even >= most, odd >= most) {
        (false, true) if even == 0 => Some("UTF-16LE"),
        (true, false) if odd == 0 => Some("UTF-16BE"),
        _ => None,
    }
}

fn binary(file: &str, bytes: &[u8], offset: usize) -> Finding {
    let what = match bytes {
        [0x89, b'P', b'N', b'G', ..] => "a PNG image",
        [0xff, 0xd8, 0xff, ..] => "a JPEG image",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive or an office document",
        [0x1f, 0x8b, ..] => "compressed",
        [0x7f, b'E', b'L', b'F', ..] => "a program",
        _ => "binary",
    };
    let message = format!("the file is {what}, not Markdown");
    hint(NOT_MARKDOWN.at(file, place(bytes, offset), message), "import the text that it was made from")
}

fn narrow(file: &str, bytes: &[u8], offset: usize) -> Finding {
    let control = |byte: &u8| *byte < 0x20 && !matches!(*byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    if bytes.iter().filter(|byte| control(byte)).count() * 50 > bytes.len() {
        return binary(file, bytes, offset);
    }
    // Windows puts quotes and dashes where Latin-1 has control characters.
    let windows = bytes.iter().any(|byte| (0x80..0xa0).contains(byte));
    let encoding = if windows { "WINDOWS-1252" } else { "ISO-8859-1" };
    let name = if windows { "Windows-1252" } else { "Latin-1" };
    let finding =
        OTHER_ENCODING.at(file, place(bytes, offset), format!("these bytes are not UTF-8; the file may be {name}"));
    hint(finding, format!("convert it with `iconv -f {encoding} -t UTF-8 FILE`"))
}

fn place(bytes: &[u8], offset: usize) -> Position {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line = before.split(|byte| *byte == b'\n').count();
    let last = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(last).chars().count() + 1;
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(line), column: number(column) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unwrap_used, reason = "a failed test panics")]
    fn message(bytes: &[u8]) -> String {
        decode("x.md", bytes).unwrap_err().to_string()
    }

    #[test]
    fn another_encoding_is_named_with_the_way_to_convert_it() {
        let wide: Vec<u8> = "# Title\n\ntext".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(message(&wide).contains("iconv -f UTF-16LE"), "without a mark, too: {}", message(&wide));
        let marked: Vec<u8> = [0xfe_u8, 0xff].into_iter().chain([0, b'#']).collect();
        assert!(message(&marked).contains("UTF-16BE"));
        let latin = message(b"# Gr\xfcn\n");
        assert!(latin.starts_with("x.md:1:5: error[other-encoding]") && latin.contains("ISO-8859-1"), "{latin}");
        assert!(message(b"a \x93quote\x94").contains("WINDOWS-1252"));
    }

    #[test]
    fn what_is_no_text_says_what_it_is() {
        assert!(message(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").contains("a PNG image"));
        assert!(message(b"abc\0def").contains("binary"));
        assert!(message(b" \n").contains("the file is empty"));
        assert!(message(&vec![b'a'; SIZE_LIMIT + 1]).contains("more than"));
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        assert_eq!(decode("x.md", "\u{feff}# T".as_bytes()), Ok("# T"));
    }
}
