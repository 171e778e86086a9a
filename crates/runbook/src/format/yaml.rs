//! Reads YAML into a tree with positions, within limits that hold for any input.
//!
//! Works on the event parser below `serde-saphyr`, because a deserialiser stops at the first error and reports
//! neither the place of a key nor more than one finding. The tree is built without recursion, and every limit is
//! checked before memory is spent: size, depth, number of values, number of aliases and what they expand to.

use std::collections::{BTreeMap, HashSet};

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};
use serde_json::Number;

use super::node::{Content, Entry, Node, Places};
use super::quoted;
use crate::finding::{Finding, Position};
use crate::lint::rule::{ALIASES, DUPLICATE_KEY, NOT_UTF8, NOT_YAML, Rule, TOO_DEEP, TOO_LARGE};

/// The largest file, in bytes.
pub const SIZE_LIMIT: usize = 1024 * 1024;
/// The deepest nesting of lists and maps.
pub const DEPTH_LIMIT: usize = 64;
/// The most values in a document, expanded aliases included.
pub const VALUE_LIMIT: usize = 100_000;
/// The most anchors, and the most aliases, in a document.
pub const ALIAS_LIMIT: usize = 32;
/// The most findings that reading reports; a file with more of them is hardly a runbook.
const FINDING_LIMIT: usize = 200;

/// Any YAML document, read within the limits.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The document as JSON; absent where it could not be read.
    pub value: Option<serde_json::Value>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// Where everything stands.
    pub places: Places,
}

/// Reads one YAML document for which this crate has no type, such as a file of tests.
pub fn read(file: &str, bytes: &[u8]) -> Document {
    let (root, findings) = read_node(file, bytes);
    Document { value: root.as_ref().map(Node::to_json), findings, places: Places::new(root) }
}

/// Reads one document into a tree. No tree means that some finding says why; a tree may come with findings as well.
pub(crate) fn read_node(file: &str, bytes: &[u8]) -> (Option<Node>, Vec<Finding>) {
    let text = match decode(file, bytes) {
        Ok(text) => text,
        Err(finding) => return (None, vec![finding]),
    };
    let mut builder = Builder::new(file);
    let root = builder.read(text);
    let mut findings = builder.findings;
    match root {
        Ok(root) => (root, findings),
        Err(finding) => {
            findings.push(finding);
            (None, findings)
        }
    }
}

fn decode<'t>(file: &str, bytes: &'t [u8]) -> Result<&'t str, Finding> {
    let start = Position { line: 1, column: 1 };
    if bytes.len() > SIZE_LIMIT {
        return Err(TOO_LARGE.at(file, start, format!("the file has {} bytes, more than {SIZE_LIMIT}", bytes.len())));
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let before = String::from_utf8_lossy(valid);
            return Err(NOT_UTF8.at(file, position_after(&before), "these bytes are not UTF-8"));
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The parser takes NUL for the end of its input, which would silently drop the rest of the file.
    let unprintable = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some((offset, c)) = text.char_indices().find(|(_, c)| unprintable(*c)) {
        let before = text.get(..offset).unwrap_or_default();
        let message = format!("control character U+{:04X}", u32::from(c));
        let mut finding = NOT_YAML.at(file, position_after(before), message);
        finding.hint = Some("remove it, or write it as an escape inside double quotes".to_owned());
        return Err(finding);
    }
    Ok(text)
}

fn position_after(before: &str) -> Position {
    let lines = before.matches('\n').count();
    let last = before.rsplit('\n').next().unwrap_or_default();
    Position { line: number(lines + 1), column: number(last.chars().count() + 1) }
}

/// Lines and columns of a file within the size limit always fit.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn position(marker: Marker) -> Position {
    Position { line: number(marker.line().max(1)), column: number(marker.col() + 1) }
}

/// A list or map that is still open.
struct Frame {
    position: Position,
    anchor: usize,
    kind: Open,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Option<(String, Position, bool)> },
}

struct Builder<'f> {
    file: &'f str,
    findings: Vec<Finding>,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    aliases: usize,
    values: usize,
    root: Option<Node>,
}

impl<'f> Builder<'f> {
    fn new(file: &'f str) -> Self {
        Self {
            file,
            findings: Vec::new(),
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            aliases: 0,
            values: 0,
            root: None,
        }
    }

    fn refuse(&self, rule: &Rule, position: Position, message: impl Into<String>) -> Finding {
        rule.at(self.file, position, message)
    }

    fn report(&mut self, finding: Finding) {
        if self.findings.len() < FINDING_LIMIT {
            self.findings.push(finding);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum of the parser is open")]
    fn read(&mut self, text: &str) -> Result<Option<Node>, Finding> {
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            let at = position(span.start);
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(self.refuse(
                            &crate::lint::rule::NOT_A_RUNBOOK,
                            at,
                            "a second document starts here",
                        ));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(1, at)?;
                    let content = self.scalar(&text, style, tag.as_deref(), at);
                    let plain = style == ScalarStyle::Plain;
                    if self.expects_key() {
                        self.key(&text, at, plain)?;
                        self.anchored(anchor, &Node { position: at, content })?;
                    } else {
                        self.complete(Node { position: at, content }, anchor)?;
                    }
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.open(at, anchor, tag.as_deref(), Open::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    let map = Open::Map { entries: Vec::new(), seen: HashSet::new(), key: None };
                    self.open(at, anchor, tag.as_deref(), map)?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(frame) = self.stack.pop() {
                        let content = match frame.kind {
                            Open::List(items) => Content::List(items),
                            Open::Map { entries, .. } => Content::Map(entries),
                        };
                        self.complete(Node { position: frame.position, content }, frame.anchor)?;
                    }
                }
                Event::Alias(id) => self.alias(id, at)?,
                // An unknown anchor is a syntax error, and the remaining events carry nothing.
                other => debug_assert!(!other.is_node(), "every node is read"),
            }
        }
        Ok(self.root.take())
    }

    fn syntax(&self, error: &ScanError) -> Finding {
        let at = position(*error.marker());
        let unknown_anchor = matches!(error.kind(), granit_parser::ErrorKind::UnknownAnchor);
        let rule = if unknown_anchor { &ALIASES } else { &NOT_YAML };
        self.refuse(rule, at, quoted(&error.info()).bare().to_string())
    }

    fn count(&mut self, values: usize, at: Position) -> Result<(), Finding> {
        self.values += values;
        if self.values > VALUE_LIMIT {
            return Err(self.refuse(&TOO_LARGE, at, format!("the document has more than {VALUE_LIMIT} values")));
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { kind: Open::Map { key: None, .. }, .. }))
    }

    fn open(&mut self, at: Position, anchor: usize, tag: Option<&Tag>, kind: Open) -> Result<(), Finding> {
        self.count(1, at)?;
        self.check_depth(1, at)?;
        if self.expects_key() {
            return Err(self.refuse(&NOT_YAML, at, "a key must be text"));
        }
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema_tag("seq")
            && !tag.is_yaml_core_schema_tag("map")
        {
            self.report_tag(tag, at);
        }
        self.stack.push(Frame { position: at, anchor, kind });
        Ok(())
    }

    fn check_depth(&self, more: usize, at: Position) -> Result<(), Finding> {
        if self.stack.len() + more > DEPTH_LIMIT {
            return Err(self.refuse(&TOO_DEEP, at, format!("nesting is deeper than {DEPTH_LIMIT} levels")));
        }
        Ok(())
    }

    fn report_tag(&mut self, tag: &Tag, at: Position) {
        let mut finding = self.refuse(&NOT_YAML, at, format!("tag {} has no meaning here", quoted(&tag.original())));
        finding.hint = Some("remove the tag".to_owned());
        self.report(finding);
    }

    fn key(&mut self, text: &str, at: Position, plain: bool) -> Result<(), Finding> {
        if plain && text == "<<" {
            let mut finding = self.refuse(&ALIASES, at, "merge keys are not supported");
            finding.hint = Some("write the fields out".to_owned());
            return Err(finding);
        }
        let mut duplicate = false;
        if let Some(Frame { kind: Open::Map { key, seen, .. }, .. }) = self.stack.last_mut() {
            duplicate = !seen.insert(text.to_owned());
            *key = Some((text.to_owned(), at, duplicate));
        }
        if duplicate {
            let finding = self.refuse(&DUPLICATE_KEY, at, format!("key {} is there twice", quoted(text)));
            self.report(finding);
        }
        Ok(())
    }

    fn anchored(&mut self, anchor: usize, node: &Node) -> Result<(), Finding> {
        if anchor == 0 {
            return Ok(());
        }
        if self.anchors.len() >= ALIAS_LIMIT {
            return Err(self.refuse(&ALIASES, node.position, format!("more than {ALIAS_LIMIT} anchors")));
        }
        self.count(node.size(), node.position)?;
        self.anchors.insert(anchor, node.clone());
        Ok(())
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Finding> {
        self.anchored(anchor, &node)?;
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame { kind: Open::List(items), .. }) => items.push(node),
            Some(Frame { kind: Open::Map { entries, key, .. }, .. }) => {
                // The first of two equal keys counts, so that one mistake is one finding.
                if let Some((key, position, duplicate)) = key.take()
                    && !duplicate
                {
                    entries.push(Entry { key, position, value: node });
                }
            }
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, at: Position) -> Result<(), Finding> {
        self.aliases += 1;
        if self.aliases > ALIAS_LIMIT {
            return Err(self.refuse(&ALIASES, at, format!("more than {ALIAS_LIMIT} aliases")));
        }
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(self.refuse(&ALIASES, at, "an alias stands inside its own anchor"));
        };
        self.count(node.size(), at)?;
        self.check_depth(node.depth(), at)?;
        if self.expects_key() {
            let Some(text) = node.text() else {
                return Err(self.refuse(&NOT_YAML, at, "a key must be text"));
            };
            return self.key(text, at, false);
        }
        self.complete(node, 0)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Content {
        if let Some(tag) = tag {
            let is_text = tag.is_yaml_core_schema_tag("str") || tag.original() == "!";
            if !is_text {
                self.report_tag(tag, at);
            }
            return Content::Text(text.to_owned());
        }
        if style == ScalarStyle::Plain { plain(text) } else { Content::Text(text.to_owned()) }
    }
}

/// Resolves a plain scalar by the core schema of YAML 1.2, so `yes`, `on` and dates stay text.
pub(crate) fn plain(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Bool(true),
        "false" | "False" | "FALSE" => return Content::Bool(false),
        _ => {}
    }
    numeric(text).map_or_else(|| Content::Text(text.to_owned()), Content::Number)
}

fn numeric(text: &str) -> Option<Number> {
    // Infinity and "not a number" stay text: JSON, and so every parameter, has no such number.
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x") {
        return digits_only(digits, 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten().map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return digits_only(digits, 8).then(|| u64::from_str_radix(digits, 8).ok()).flatten().map(Number::from);
    }
    if digits_only(unsigned, 10) {
        let text = text.strip_prefix('+').unwrap_or(text);
        return text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from))
            .ok()
            .or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| digits_only(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), 10));
    well_formed.then(|| text.parse::<f64>().ok()).flatten().and_then(Number::from_f64)
}

fn digits_only(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(radix))
}
