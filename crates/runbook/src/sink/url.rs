//! URLs and hosts: each value becomes one percent-encoded part, or a host that is a DNS name.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Refusal, is_hidden, single_text};
use crate::template::{Filled, Origin, Piece};

/// The part of a URL at one point of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Scheme,
    Host,
    Port,
    Path,
    Query,
    Fragment,
}

/// Renders a URL.
pub(super) fn url(pieces: &[Piece]) -> Result<String, Refusal> {
    if !pieces.iter().any(|piece| matches!(piece, Piece::Value(_))) {
        return super::plain(pieces);
    }
    let mut parts = values(pieces)?.into_iter();
    let mut rendered = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => rendered.push_str(text),
            Piece::Value(_) => rendered.push_str(&parts.next().unwrap_or_default()),
        }
    }
    Ok(rendered)
}

/// Each value of a URL as it is to stand in it, in order.
pub(crate) fn values(pieces: &[Piece]) -> Result<Vec<String>, Refusal> {
    let mut values = Vec::new();
    let mut rendered = String::new();
    let mut part = Part::Scheme;
    // Where the host and the current path segment start, and the worst value in each.
    let mut host = Segment::default();
    let mut segment = Segment::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => literal(text, &mut part, &mut rendered, &mut host, &mut segment)?,
            Piece::Value(filled) => {
                let text = single_text(filled)?;
                let before = rendered.len();
                match part {
                    Part::Scheme if rendered.is_empty() => {
                        whole(filled, &text)?;
                        literal(&text, &mut part, &mut rendered, &mut host, &mut segment)?;
                    }
                    Part::Scheme => return Err(Refusal::of(filled, "a value cannot be part of a URL's scheme")),
                    Part::Host => {
                        host.value(filled, &text);
                        rendered.push_str(&text);
                    }
                    Part::Port => {
                        if text.parse::<u16>().ok().is_none_or(|port| port == 0) || text.starts_with('+') {
                            return Err(Refusal::of(filled, "a port is a number from 1 to 65535"));
                        }
                        rendered.push_str(&text);
                    }
                    Part::Path | Part::Query | Part::Fragment => {
                        segment.value(filled, &text);
                        rendered.push_str(&percent_encoded(&text));
                    }
                }
                values.push(rendered.get(before..).unwrap_or("").to_owned());
            }
        }
    }
    host.finish()?;
    segment.finish_path(part)?;
    if part == Part::Scheme {
        return Err(Refusal::whole(pieces, &rendered, "this is no URL with `http://` or `https://`"));
    }
    Ok(values)
}

/// Text of a URL as it is collected, and the values in it.
#[derive(Default)]
struct Segment {
    text: String,
    values: Vec<(Filled, String)>,
    closed: bool,
}

impl Segment {
    fn value(&mut self, filled: &Filled, text: &str) {
        self.text.push_str(text);
        self.values.push((filled.clone(), text.to_owned()));
    }

    /// Checks a complete host.
    fn finish(&mut self) -> Result<(), Refusal> {
        if self.closed {
            return Ok(());
        }
        self.closed = true;
        let Some((worst, _)) = self.values.iter().max_by_key(|(filled, _)| filled.origin) else { return Ok(()) };
        for (filled, text) in &self.values {
            let alone = *text == self.text;
            check_part_of_host(filled, text, alone)?;
        }
        check_host(worst, &self.text)
    }

    /// Checks a complete path segment: `.` and `..` mean something even when a value says them.
    fn finish_path(&mut self, part: Part) -> Result<(), Refusal> {
        let result = match self.values.first() {
            Some((filled, _)) if part == Part::Path && matches!(self.text.as_str(), "." | "..") => {
                Err(Refusal::of(filled, "it would lead to another directory of the URL"))
            }
            Some(_) | None => Ok(()),
        };
        self.text.clear();
        self.values.clear();
        result
    }
}

/// Reads text of a URL that is taken as it stands.
fn literal(
    text: &str,
    part: &mut Part,
    rendered: &mut String,
    host: &mut Segment,
    segment: &mut Segment,
) -> Result<(), Refusal> {
    for c in text.chars() {
        rendered.push(c);
        match *part {
            Part::Scheme => {
                if rendered.ends_with("://") {
                    *part = Part::Host;
                }
            }
            Part::Host | Part::Port => match c {
                '/' | '?' | '#' | '\\' => {
                    host.finish()?;
                    *part = match c {
                        '?' => Part::Query,
                        '#' => Part::Fragment,
                        _ => Part::Path,
                    };
                }
                '@' => {
                    if let Some((filled, _)) = host.values.first() {
                        return Err(Refusal::of(filled, "a value cannot be a user name or a password in a URL"));
                    }
                    host.text.clear();
                    *part = Part::Host;
                }
                ':' if *part == Part::Host && !host.text.starts_with('[') => *part = Part::Port,
                c => {
                    if *part == Part::Host {
                        host.text.push(c);
                    }
                }
            },
            Part::Path => match c {
                '/' | '\\' => segment.finish_path(Part::Path)?,
                '?' | '#' => {
                    segment.finish_path(Part::Path)?;
                    *part = if c == '?' { Part::Query } else { Part::Fragment };
                }
                c => segment.text.push(c),
            },
            Part::Query if c == '#' => *part = Part::Fragment,
            Part::Query | Part::Fragment => {}
        }
    }
    Ok(())
}

/// A value that is a URL from its first character on.
fn whole(filled: &Filled, text: &str) -> Result<(), Refusal> {
    if filled.origin > Origin::Config {
        return Err(Refusal::of(filled, "only the context's file may give a whole URL")
            .hint("use `.Config` or `.Service`, or write the URL and let values be parts of it"));
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !text.chars().any(|c| c.is_whitespace() || is_hidden(c) || c == '\\') => {
            Ok(())
        }
        Some(_) | None => Err(Refusal::of(filled, "this is no URL with `http://` or `https://`")),
    }
}

/// A value that is, or begins, the URL that a program fetches: `host`, `host:port` or a whole URL.
pub(crate) fn argument(filled: &Filled, text: &str) -> Result<(), Refusal> {
    let rest = match text.split_once("://") {
        Some(("http" | "https", rest)) => {
            if filled.origin > Origin::Vars {
                return whole(filled, text);
            }
            rest
        }
        Some(_) => return Err(Refusal::of(filled, "this is no URL with `http://` or `https://`")),
        None => text,
    };
    if rest.chars().any(|c| c.is_whitespace() || is_hidden(c) || matches!(c, '\\' | '@' | '{' | '}')) {
        return Err(Refusal::of(filled, "this is no URL of a plain host"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let bracketed = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(host, _)| host);
    let name = bracketed.unwrap_or_else(|| authority.split(':').next().unwrap_or(authority));
    match name.parse::<IpAddr>() {
        Ok(address) if filled.origin > Origin::Config => check_address(filled, address),
        Ok(_) => Ok(()),
        Err(_) => check_host(filled, name),
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986, 2.3).
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string never fails");
        }
    }
    encoded
}

/// Renders a host name or an address that stands alone.
pub(super) fn host(pieces: &[Piece]) -> Result<String, Refusal> {
    let mut rendered = String::new();
    let mut worst: Option<&Filled> = None;
    for piece in pieces {
        match piece {
            Piece::Text(text) => rendered.push_str(text),
            Piece::Value(filled) => {
                rendered.push_str(&single_text(filled)?);
                if worst.is_none_or(|worst| worst.origin < filled.origin) {
                    worst = Some(filled);
                }
            }
        }
    }
    let Some(worst) = worst else { return Ok(rendered) };
    if let Ok(address) = rendered.parse::<IpAddr>() {
        if worst.origin > Origin::Config {
            check_address(worst, address)?;
        }
        return Ok(rendered);
    }
    for piece in pieces {
        if let Piece::Value(filled) = piece {
            let text = single_text(filled)?;
            check_part_of_host(filled, &text, text == rendered)?;
        }
    }
    check_host(worst, &rendered)?;
    Ok(rendered)
}

fn check_part_of_host(filled: &Filled, text: &str, alone: bool) -> Result<(), Refusal> {
    let labels: Vec<&str> = text.split('.').collect();
    let several = alone || filled.origin <= Origin::Config;
    if labels.len() > 1 && !several {
        return Err(Refusal::of(filled, "as a part of a host name it must be one DNS label, without dots"));
    }
    if labels.iter().all(|label| is_label(label)) || (alone && filled.origin <= Origin::Config && is_address(text)) {
        return Ok(());
    }
    Err(Refusal::of(filled, "a host must be a DNS name: letters, digits and `-`"))
}

fn is_address(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    inner.parse::<IpAddr>().is_ok()
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Checks a complete host name that values are part of.
fn check_host(worst: &Filled, host: &str) -> Result<(), Refusal> {
    if worst.origin <= Origin::Config && is_address(host) {
        return Ok(());
    }
    let lower = host.to_ascii_lowercase();
    let host = lower.strip_suffix('.').unwrap_or(&lower);
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err(Refusal::of(worst, "a host must be a DNS name: letters, digits and `-`"));
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        return Err(Refusal::of(worst, "this host would be read as an address")
            .hint("give addresses in the context's file and use `.Config` or `.Service`"));
    }
    let metadata =
        ["metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"];
    if worst.origin > Origin::Config
        && (metadata.contains(&host) || host == "localhost" || host.ends_with(".localhost"))
    {
        return Err(Refusal::of(worst, "this host is the machine itself or its cloud's metadata service"));
    }
    Ok(())
}

/// Refuses addresses that name the machine itself, its cloud's metadata, or nobody.
fn check_address(filled: &Filled, address: IpAddr) -> Result<(), Refusal> {
    let address = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    let metadata_v6 = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
    let refused = match address {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_loopback()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4 == Ipv4Addr::new(100, 100, 100, 200)
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6 == metadata_v6
        }
    };
    if refused {
        return Err(Refusal::of(filled, "this address is link-local, the machine itself, or a metadata service"));
    }
    Ok(())
}
