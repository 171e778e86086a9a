//! The forms in which a program is likely to print a secret, as bytes and as patterns over bytes.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encoded fragments shorter than this are not looked for, since they would match by chance.
const SHORTEST_FRAGMENT: usize = 6;

/// The forms of a value that are fixed bytes: as it is, base64 (both alphabets, three alignments), hex, JSON-escaped.
pub(crate) fn all(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec()];
    for alphabet in [STANDARD, URL_SAFE] {
        forms.extend((0..3).map(|shift| base64_fragment(value, shift, alphabet)));
    }
    forms.extend([hex(value, b"0123456789abcdef"), hex(value, b"0123456789ABCDEF")]);
    forms.extend(json_escaped(value));
    let plain = value.to_vec();
    forms.retain(|form| *form == plain || form.len() >= SHORTEST_FRAGMENT);
    forms.sort();
    forms.dedup();
    forms
}

/// The characters of the base64 of `shift` unknown bytes, the value and unknown bytes after it, that depend on the value
/// alone.
fn base64_fragment(value: &[u8], shift: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bits: Vec<u8> = std::iter::repeat_n(0, shift).chain(value.iter().copied()).collect();
    let first = (shift * 8).div_ceil(6);
    let end = bits.len() * 8 / 6;
    (first..end)
        .map(|index| {
            let bit = index * 6;
            let high = u16::from(bits[bit / 8]);
            let low = u16::from(bits.get(bit / 8 + 1).copied().unwrap_or(0));
            let six = ((high << 8 | low) >> (10 - bit % 8)) & 0x3f;
            alphabet[usize::from(six)]
        })
        .collect()
}

fn hex(value: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    value.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect()
}

/// A pattern for exactly these bytes.
pub(crate) fn literal_pattern(form: &[u8]) -> String {
    form.iter().map(|byte| escaped(*byte)).collect()
}

/// A pattern for the value in any percent-encoding: encoders differ in the punctuation that they leave alone, in the case
/// of the digits, and in what they make of a space.
pub(crate) fn percent_pattern(value: &[u8]) -> String {
    value
        .iter()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => escaped(*byte),
            b' ' => "(?: |\\+|%20)".to_owned(),
            byte => format!("(?:{}|(?i:%{byte:02x}))", escaped(*byte)),
        })
        .collect()
}

fn escaped(byte: u8) -> String {
    format!("\\x{byte:02x}")
}

/// JSON string contents: plain escapes, escapes of everything outside ASCII, and with escaped slashes or angle brackets.
fn json_escaped(value: &[u8]) -> Vec<Vec<u8>> {
    use std::fmt::Write as _;
    let Ok(text) = std::str::from_utf8(value) else { return Vec::new() };
    let quoted = serde_json::to_string(text).expect("a string always serialises");
    let plain = quoted[1..quoted.len() - 1].to_owned();
    let mut ascii = String::new();
    for unit in plain.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => ascii.push(char::from(byte)),
            Ok(_) | Err(_) => write!(ascii, "\\u{unit:04x}").expect("writing to a string does not fail"),
        }
    }
    let slashes = plain.replace('/', "\\/");
    let html = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    [plain, ascii, slashes, html].map(String::into_bytes).to_vec()
}
