//! Markdown as sections of blocks that know where they stand in the source.
//!
//! A block is rendered by copying its source, so that nothing of it can be lost. What the Markdown parser swallows
//! (definitions of links) is found in the gaps between the blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::html;
use text::dedented;

mod text;

pub(super) use text::{closed, fence, fenced, line, normal};

/// A heading with the blocks below it, up to the next heading.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// 1 to 6; 0 for what stands before the first heading.
    pub(super) level: u8,
    /// The heading's text without its markup.
    pub(super) title: String,
    /// The heading's source.
    pub(super) heading: Range<usize>,
    pub(super) blocks: Vec<Block>,
}

/// What a block is, as far as the import treats it differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Paragraph,
    Code,
    List { ordered: bool, items: Vec<Block> },
    Item,
    Other,
}

/// A block or an item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    /// The text of its first paragraph without markup; commands in it stand as they are.
    pub(super) plain: String,
    /// Code blocks in it, or itself.
    pub(super) codes: Vec<Code>,
    /// Inline code in it.
    pub(super) inline: Vec<String>,
}

/// A code block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    /// The words after the fence; none for indented code.
    pub(super) info: Option<String>,
    pub(super) text: String,
    pub(super) range: Range<usize>,
}

/// A link or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) text: String,
    pub(super) url: String,
    /// The label that its address is defined under, in lower case.
    label: Option<String>,
    pub(super) range: Range<usize>,
}

/// A parsed text.
#[derive(Debug)]
pub(super) struct Document<'t> {
    text: &'t str,
    pub(super) sections: Vec<Section>,
    pub(super) links: Vec<Link>,
    /// Raw HTML and what stands for it.
    edits: Vec<(Range<usize>, String)>,
    /// Places of HTML that a browser would act on.
    pub(super) active: Vec<usize>,
    definitions: BTreeMap<String, String>,
    /// Labels that some link refers to.
    labels: BTreeSet<String>,
    /// Where lines end.
    breaks: Vec<usize>,
}

/// What a parser of Markdown on the web understands, without what changes ordinary text.
fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
}

/// Parses the text from an offset on.
pub(super) fn parse(text: &str, from: usize) -> Document<'_> {
    let body = text.get(from..).unwrap_or_default();
    let parser = Parser::new_ext(body, options()).into_offset_iter();
    let definitions = parser
        .reference_definitions()
        .iter()
        .map(|(label, definition)| {
            let title = definition.title.as_ref().map(|title| format!(" \"{title}\"")).unwrap_or_default();
            (label.to_lowercase(), format!("[{label}]: {}{title}", definition.dest))
        })
        .collect();
    let mut builder = Builder::new(text, from);
    for (event, range) in parser {
        builder.take(event, range.start + from..range.end + from);
    }
    builder.finish(definitions)
}

struct Builder<'t> {
    text: &'t str,
    sections: Vec<Section>,
    links: Vec<Link>,
    edits: Vec<(Range<usize>, String)>,
    active: Vec<usize>,
    depth: usize,
    open: Option<Block>,
    item: Option<Block>,
    heading: bool,
    code: Option<Code>,
    /// The HTML block that is open.
    html: Option<Range<usize>>,
    open_links: Vec<Link>,
    /// Paragraphs seen in the open block and in its open item.
    paragraphs: (usize, usize),
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, from: usize) -> Self {
        Self {
            text,
            sections: vec![Section { heading: from..from, ..Section::default() }],
            links: Vec::new(),
            edits: Vec::new(),
            active: Vec::new(),
            depth: 0,
            open: None,
            item: None,
            heading: false,
            code: None,
            html: None,
            open_links: Vec::new(),
            paragraphs: (0, 0),
        }
    }

    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(content) => match &mut self.code {
                Some(code) => code.text.push_str(&content),
                None => self.push(&content),
            },
            Event::Code(content) => {
                self.push(&content);
                for block in [&mut self.open, &mut self.item].into_iter().flatten() {
                    block.inline.push(content.to_string());
                }
            }
            Event::InlineHtml(content) => {
                if html::is_active(&content) {
                    self.active.push(range.start);
                }
                self.edits.push((range, html::inline(&content)));
            }
            Event::Html(_) if self.html.is_some() => {}
            Event::Html(content) => self.edits.push((range, html::inline(&content))),
            Event::SoftBreak | Event::HardBreak => self.push(" "),
            Event::Rule => {
                if self.depth == 0 {
                    self.put(Block { kind: Kind::Other, range, ..Block::empty() });
                }
            }
            Event::InlineMath(content) | Event::DisplayMath(content) | Event::FootnoteReference(content) => {
                self.push(&content);
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn push(&mut self, content: &str) {
        if self.heading {
            if let Some(section) = self.sections.last_mut() {
                section.title.push_str(content);
            }
            return;
        }
        for link in &mut self.open_links {
            link.text.push_str(content);
        }
        if let Some(block) = &mut self.open
            && self.paragraphs.0 <= 1
        {
            block.plain.push_str(content);
        }
        if let Some(item) = &mut self.item
            && self.paragraphs.1 <= 1
        {
            item.plain.push_str(content);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's other tags are all treated alike")]
    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        self.depth += 1;
        let outermost = self.depth == 1;
        if outermost {
            self.paragraphs = (0, 0);
        }
        match tag {
            Tag::Heading { level, .. } if outermost => {
                self.heading = true;
                self.sections.push(Section { level: level as u8, heading: range, ..Section::default() });
                return;
            }
            Tag::Link { link_type, dest_url, id, .. } | Tag::Image { link_type, dest_url, id, .. } => {
                let named = matches!(link_type, LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut);
                let label = named.then(|| id.to_lowercase());
                self.open_links.push(Link { text: String::new(), url: dest_url.to_string(), label, range });
                return;
            }
            Tag::Item if self.depth == 2 && self.is_list() => {
                self.paragraphs.1 = 0;
                self.item = Some(Block { kind: Kind::Item, range, ..Block::empty() });
                return;
            }
            Tag::Paragraph => {
                self.paragraphs.0 += 1;
                self.paragraphs.1 += 1;
            }
            // What a nested list says is no part of its item's first line.
            Tag::List(_) | Tag::BlockQuote(_) | Tag::Table(_) if !outermost => self.paragraphs.1 += 2,
            Tag::CodeBlock(ref kind) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => Some(info.to_string()),
                    CodeBlockKind::Indented => None,
                };
                self.paragraphs.1 += 2;
                self.code = Some(Code { info, text: String::new(), range: range.clone() });
            }
            Tag::HtmlBlock => self.html = Some(range.clone()),
            _ => {}
        }
        if outermost {
            let kind = match tag {
                Tag::Paragraph => Kind::Paragraph,
                Tag::CodeBlock(_) => Kind::Code,
                Tag::List(first) => Kind::List { ordered: first.is_some(), items: Vec::new() },
                _ => Kind::Other,
            };
            self.open = Some(Block { kind, range, ..Block::empty() });
        }
    }

    fn is_list(&self) -> bool {
        matches!(&self.open, Some(Block { kind: Kind::List { .. }, .. }))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's other tags are all treated alike")]
    fn end(&mut self, tag: TagEnd) {
        self.depth = self.depth.saturating_sub(1);
        match tag {
            TagEnd::Heading(_) if self.depth == 0 => {
                self.heading = false;
                return;
            }
            TagEnd::Link | TagEnd::Image => self.links.extend(self.open_links.pop()),
            TagEnd::CodeBlock => {
                if let Some(code) = self.code.take() {
                    if let Some(item) = &mut self.item {
                        item.codes.push(code.clone());
                    }
                    if let Some(block) = &mut self.open {
                        block.codes.push(code);
                    }
                }
            }
            TagEnd::HtmlBlock => {
                if let Some(range) = self.html.take() {
                    let source = self.text.get(range.clone()).unwrap_or_default();
                    if html::is_active(source) {
                        self.active.push(range.start);
                    }
                    self.edits.push((range, html::block(source)));
                }
            }
            TagEnd::Item if self.depth == 1 => {
                if let (Some(item), Some(Block { kind: Kind::List { items, .. }, .. })) =
                    (self.item.take(), &mut self.open)
                {
                    items.push(item);
                }
            }
            _ => {}
        }
        if self.depth == 0
            && let Some(block) = self.open.take()
        {
            self.put(block);
        }
    }

    fn put(&mut self, block: Block) {
        if let Some(section) = self.sections.last_mut() {
            section.blocks.push(block);
        }
    }

    fn finish(mut self, definitions: BTreeMap<String, String>) -> Document<'t> {
        self.edits.sort_by_key(|(range, _)| range.start);
        self.links.sort_by_key(|link| link.range.start);
        let mut document = Document {
            text: self.text,
            sections: Vec::new(),
            labels: self.links.iter().filter_map(|link| link.label.clone()).collect(),
            breaks: self.text.match_indices('\n').map(|(at, _)| at).collect(),
            links: self.links,
            edits: self.edits,
            active: self.active,
            definitions,
        };
        // Text between the blocks: definitions of links, and whatever else the parser gives no event for.
        let mut end = self.sections.first().map_or(0, |section| section.heading.end);
        for section in &mut self.sections {
            let mut blocks = Vec::new();
            let gap = document.gap(end, section.heading.start);
            if let Some(gap) = gap
                && let Some(before) = document.sections.last_mut()
            {
                before.blocks.push(gap);
            }
            end = end.max(section.heading.end);
            for block in std::mem::take(&mut section.blocks) {
                blocks.extend(document.gap(end, block.range.start));
                end = end.max(block.range.end);
                blocks.push(block);
            }
            document.sections.push(Section { blocks, ..std::mem::take(section) });
        }
        let gap = document.gap(end, document.text.len());
        if let (Some(gap), Some(last)) = (gap, document.sections.last_mut()) {
            last.blocks.push(gap);
        }
        document
    }
}

impl Block {
    fn empty() -> Self {
        Self { kind: Kind::Other, range: 0..0, plain: String::new(), codes: Vec::new(), inline: Vec::new() }
    }
}

impl Document<'_> {
    /// The source between two blocks, where it says something that is not said elsewhere.
    fn gap(&self, from: usize, to: usize) -> Option<Block> {
        let source = self.text.get(from..to)?;
        let used = |line: &str| {
            let label = line.trim().strip_prefix('[').and_then(|rest| rest.split_once("]:"));
            label.is_some_and(|(label, _)| {
                let label = label.to_lowercase();
                self.definitions.contains_key(&label) && self.labels.contains(&label)
            })
        };
        let mut rest = source.lines().filter(|line| {
            let markup = line.chars().all(|c| c.is_whitespace() || matches!(c, '`' | '~' | '>' | '#'));
            !markup && !used(line)
        });
        rest.next()?;
        Some(Block { range: from..to, ..Block::empty() })
    }

    /// The line of an offset, from one.
    pub(super) fn line(&self, offset: usize) -> u32 {
        let before = self.breaks.partition_point(|end| *end < offset);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    /// The heading as it is written, without the marks that make it one.
    pub(super) fn heading_source(&self, section: &Section) -> String {
        let source = self.source(&section.heading, &[]);
        let first = source.lines().map(str::trim).filter(|line| !line.chars().all(|c| matches!(c, '=' | '-')));
        let line = first.collect::<Vec<_>>().join(" ");
        line.trim_start_matches('#').trim_end_matches('#').trim().to_owned()
    }

    /// A block's Markdown, without the given parts of it.
    pub(super) fn render_without(&self, block: &Block, without: &[Range<usize>]) -> String {
        let text = match (&block.kind, block.codes.first()) {
            (Kind::Code, Some(code)) => fenced(code),
            (Kind::Item, _) => dedented(&self.source(&block.range, without)),
            _ => self.source(&block.range, without).trim_matches('\n').trim_end().to_owned(),
        };
        let labels: Vec<&str> = self
            .links
            .get(self.links.partition_point(|link| link.range.start < block.range.start)..)
            .unwrap_or_default()
            .iter()
            .take_while(|link| link.range.start < block.range.end)
            .filter_map(|link| link.label.as_deref())
            .collect();
        let mut definitions: Vec<&str> =
            labels.iter().filter_map(|label| self.definitions.get(*label)).map(String::as_str).collect();
        definitions.dedup();
        if definitions.is_empty() { text } else { format!("{text}\n\n{}", definitions.join("\n")) }
    }

    /// A block's Markdown.
    pub(super) fn render(&self, block: &Block) -> String {
        self.render_without(block, &[])
    }

    /// The source of a range with raw HTML made harmless, and without some parts.
    fn source(&self, range: &Range<usize>, without: &[Range<usize>]) -> String {
        let first = self.edits.partition_point(|(edit, _)| edit.start < range.start);
        let edits = self.edits.get(first..).unwrap_or_default();
        let mut changes: Vec<(&Range<usize>, &str)> = edits
            .iter()
            .take_while(|(edit, _)| edit.start < range.end)
            .map(|(edit, text)| (edit, text.as_str()))
            .chain(without.iter().map(|range| (range, "")))
            .filter(|(edit, _)| edit.end <= range.end)
            .collect();
        changes.sort_by_key(|(edit, _)| edit.start);
        let mut source = String::new();
        let mut at = range.start;
        for (edit, text) in changes {
            if edit.start < at {
                continue;
            }
            source.push_str(self.text.get(at..edit.start).unwrap_or_default());
            source.push_str(text);
            at = edit.end;
        }
        source.push_str(self.text.get(at..range.end).unwrap_or_default());
        source
    }
}
