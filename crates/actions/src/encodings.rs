//! The forms in which a program is likely to print a secret.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encoded fragments shorter than this are not looked for, since they would match by chance.
const SHORTEST_FRAGMENT: usize = 6;

/// Every form of a value: as it is, base64 (both alphabets, three alignments), hex, percent-encoded, JSON-escaped.
pub(crate) fn all(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec()];
    for alphabet in [STANDARD, URL_SAFE] {
        forms.extend((0..3).map(|shift| base64_fragment(value, shift, alphabet)));
    }
    forms.extend([hex(value, b"0123456789abcdef"), hex(value, b"0123456789ABCDEF")]);
    for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
        forms.push(percent(value, digits, b"-._~"));
        forms.push(percent(value, digits, b"-._~!*'()"));
        forms.push(form_encoded(value, digits));
    }
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

fn percent(value: &[u8], digits: &[u8; 16], unreserved: &[u8]) -> Vec<u8> {
    value
        .iter()
        .flat_map(|byte| {
            if byte.is_ascii_alphanumeric() || unreserved.contains(byte) {
                vec![*byte]
            } else {
                vec![b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]
            }
        })
        .collect()
}

fn form_encoded(value: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    value
        .iter()
        .flat_map(|byte| match byte {
            b' ' => vec![b'+'],
            other => percent(&[*other], digits, b"*-._"),
        })
        .collect()
}

/// JSON string contents: plain escapes, escapes of everything outside ASCII, and with escaped slashes or angle brackets.
fn json_escaped(value: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(value) else { return Vec::new() };
    let quoted = serde_json::to_string(text).expect("a string always serialises");
    let plain = quoted[1..quoted.len() - 1].to_owned();
    let mut ascii = String::new();
    for unit in plain.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => ascii.push(char::from(byte)),
            Ok(_) | Err(_) => ascii.push_str(&format!("\\u{unit:04x}")),
        }
    }
    let slashes = plain.replace('/', "\\/");
    let html = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    [plain, ascii, slashes, html].map(String::into_bytes).to_vec()
}
