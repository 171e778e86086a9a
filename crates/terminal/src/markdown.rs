//! Markdown on a terminal: headings, lists, code, tables and links, wrapped to the page.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::style::Style;
use crate::text;

/// Renders Markdown, indented by a number of columns.
pub fn render(markdown: &str, style: Style, indent: usize) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut page = Page::new(style, indent);
    for event in Parser::new_ext(markdown, options) {
        page.take(event);
    }
    page.finish()
}

/// What an indentation belongs to.
enum Level {
    Quote,
    /// An item, with the marker that its first line still needs.
    Item(Option<String>),
}

struct Page {
    style: Style,
    indent: usize,
    out: String,
    /// Inline text of the block that is open, our styles included.
    inline: String,
    levels: Vec<Level>,
    /// Next numbers of ordered lists; `None` for bullets.
    lists: Vec<Option<u64>>,
    strong: usize,
    emphasis: usize,
    heading: Option<HeadingLevel>,
    code: Option<String>,
    links: Vec<String>,
    table: Option<Table>,
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    has_head: bool,
}

impl Page {
    fn new(style: Style, indent: usize) -> Self {
        Self {
            style,
            indent,
            out: String::new(),
            inline: String::new(),
            levels: Vec::new(),
            lists: Vec::new(),
            strong: 0,
            emphasis: 0,
            heading: None,
            code: None,
            links: Vec::new(),
            table: None,
        }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(content) => match &mut self.code {
                Some(code) => code.push_str(&content),
                None => self.push_text(&text::line(&content)),
            },
            Event::Code(code) | Event::InlineMath(code) | Event::DisplayMath(code) => {
                let code = self.style.code(&text::line(&code));
                self.inline.push_str(&code);
            }
            Event::Html(html) | Event::InlineHtml(html) => self.inline.push_str(&text::line(&html)),
            Event::FootnoteReference(name) => put!(self.inline, "[{}]", text::line(&name)),
            Event::SoftBreak => self.inline.push(' '),
            Event::HardBreak => self.inline.push('\n'),
            Event::Rule => {
                self.flush();
                let rule = self.style.dim("───");
                self.put_line(&rule);
                self.gap();
            }
            Event::TaskListMarker(done) => self.inline.push_str(if done { "[x] " } else { "[ ] " }),
        }
    }

    fn push_text(&mut self, content: &str) {
        let dressed = if self.strong > 0 {
            self.style.bold(content)
        } else if self.emphasis > 0 {
            self.style.italic(content)
        } else {
            content.to_owned()
        };
        self.inline.push_str(&dressed);
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.heading = Some(level);
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.levels.push(Level::Quote);
            }
            Tag::CodeBlock(kind) => {
                self.flush();
                if let CodeBlockKind::Fenced(language) = kind
                    && !language.is_empty()
                {
                    let language = self.style.dim(&text::line(&language));
                    self.put_line(&format!("  {language}"));
                }
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                let marker = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let marker = format!("{number}. ");
                        *number += 1;
                        marker
                    }
                    Some(None) | None => "• ".to_owned(),
                };
                self.levels.push(Level::Item(Some(marker)));
            }
            Tag::Emphasis => self.emphasis += 1,
            Tag::Strong => self.strong += 1,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.links.push(dest_url.into_string()),
            Tag::Table(_) => {
                self.flush();
                self.table = Some(Table::default());
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.has_head |= matches!(tag, Tag::TableHead);
                    table.rows.push(Vec::new());
                }
            }
            Tag::Paragraph
            | Tag::HtmlBlock
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::TableCell
            | Tag::Strikethrough
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => {
                self.flush();
                if self.lists.is_empty() {
                    self.gap();
                }
            }
            TagEnd::Heading(_) => self.end_heading(),
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.levels.pop();
                self.gap();
            }
            TagEnd::CodeBlock => {
                let room = self.room().saturating_sub(self.levels.len() * 4 + 4).max(20);
                for line in text::block(&self.code.take().unwrap_or_default()).trim_end().split('\n') {
                    let mut bar = self.style.dim("│");
                    for row in text::fold(line, room) {
                        let code = self.style.code(&row);
                        self.put_line(&format!("  {bar} {code}"));
                        // What goes on is no line of its own.
                        bar = self.style.dim("┆");
                    }
                }
                self.gap();
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
                if self.lists.is_empty() {
                    self.gap();
                }
            }
            TagEnd::Item => {
                self.flush();
                self.levels.pop();
            }
            TagEnd::Emphasis => self.emphasis = self.emphasis.saturating_sub(1),
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Link | TagEnd::Image => {
                let address = text::line(&self.links.pop().unwrap_or_default());
                if !address.is_empty() && !self.inline.ends_with(&address) {
                    let address = self.style.dim(&format!("({address})"));
                    put!(self.inline, " {address}");
                }
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.inline);
                if let Some(row) = self.table.as_mut().and_then(|table| table.rows.last_mut()) {
                    row.push(cell);
                }
            }
            TagEnd::Table => self.end_table(),
            TagEnd::HtmlBlock
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    fn end_heading(&mut self) {
        let title = std::mem::take(&mut self.inline);
        let title = self.style.bold(&title);
        self.gap();
        match self.heading.take() {
            Some(HeadingLevel::H1) => {
                let rule = self.style.dim(&"═".repeat(text::width(&title).min(self.room())));
                self.put_wrapped(&title);
                self.put_line(&rule);
            }
            Some(HeadingLevel::H2) => {
                let rule = self.style.dim(&"─".repeat(text::width(&title).min(self.room())));
                self.put_wrapped(&title);
                self.put_line(&rule);
            }
            Some(HeadingLevel::H3 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6) | None => {
                self.put_wrapped(&title);
            }
        }
        if !matches!(self.heading, Some(HeadingLevel::H1)) {
            self.gap();
        }
    }

    fn end_table(&mut self) {
        let Some(mut table) = self.table.take() else { return };
        // A head without words divides nothing.
        if table.has_head && table.rows.first().is_some_and(|head| head.iter().all(|cell| cell.trim().is_empty())) {
            table.rows.remove(0);
            table.has_head = false;
        }
        let columns = table.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| table.rows.iter().filter_map(|row| row.get(column)).map(|cell| text::width(cell)).max())
            .map(|width| width.unwrap_or(0))
            .collect();
        let total: usize = widths.iter().map(|width| width + 3).sum();
        if total > self.room() + 3 {
            self.put_records(&table);
        } else {
            for (index, row) in table.rows.iter().enumerate() {
                let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| text::pad(cell, *width)).collect();
                let head = index == 0 && table.has_head;
                let line = cells.join(&self.style.dim(" │ "));
                self.put_line(line.trim_end());
                if head {
                    let rule = widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join("─┼─");
                    let rule = self.style.dim(&rule);
                    self.put_line(&rule);
                }
            }
        }
        self.gap();
    }

    /// A table that is wider than the page: one paragraph for each row.
    fn put_records(&mut self, table: &Table) {
        let (head, rows) = match table.rows.split_first() {
            Some((head, rows)) if table.has_head => (head.clone(), rows),
            Some(_) | None => (Vec::new(), table.rows.as_slice()),
        };
        for row in rows {
            for (index, cell) in row.iter().enumerate() {
                let name = head.get(index).map(|name| format!("{}: ", self.style.bold(name))).unwrap_or_default();
                let lead = if index == 0 { "• " } else { "  " };
                let indent = " ".repeat(self.indent);
                let line = text::hang(
                    &format!("{indent}{lead}"),
                    &format!("{indent}    "),
                    &format!("{name}{cell}"),
                    self.style.columns,
                );
                self.out.push_str(&line);
            }
        }
    }

    /// Prints the open inline text as a wrapped block.
    fn flush(&mut self) {
        let content = std::mem::take(&mut self.inline);
        if content.trim().is_empty() {
            return;
        }
        let (first, rest) = self.prefixes();
        self.out.push_str(&text::hang(&first, &rest, content.trim(), self.style.columns));
    }

    fn put_wrapped(&mut self, line: &str) {
        let (first, rest) = self.prefixes();
        self.out.push_str(&text::hang(&first, &rest, line, self.style.columns));
    }

    fn put_line(&mut self, line: &str) {
        let (first, _) = self.prefixes();
        self.out.push_str(&first);
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// The prefix of the next line (it takes the item's marker) and that of the lines after it.
    fn prefixes(&mut self) -> (String, String) {
        let mut first = " ".repeat(self.indent);
        let mut rest = first.clone();
        for level in &mut self.levels {
            match level {
                Level::Quote => {
                    let bar = self.style.dim("┃ ");
                    first.push_str(&bar);
                    rest.push_str(&bar);
                }
                Level::Item(marker) => {
                    if let Some(marker) = marker.take() {
                        rest.push_str(&" ".repeat(text::width(&marker)));
                        first.push_str(&marker);
                    } else {
                        first.push_str("  ");
                        rest.push_str("  ");
                    }
                }
            }
        }
        (first, rest)
    }

    fn room(&self) -> usize {
        self.style.columns.saturating_sub(self.indent)
    }

    /// One empty line, unless there is one.
    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn finish(mut self) -> String {
        self.flush();
        let end = self.out.trim_end_matches('\n').len();
        self.out.truncate(end);
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_headings_lists_code_and_tables() {
        let page = render(
            "# Cache\n\nIt is *cold*, see [wiki](https://wiki).\n\n## Steps\n\n1. one\n2. two\n   - deep\n\n```sh\nls -l\n```\n\n\
             | a | b |\n|---|---|\n| 1 | 22 |\n",
            Style::plain(40),
            0,
        );
        insta::assert_snapshot!(page);
    }

    #[test]
    fn nothing_is_wider_than_the_page() {
        let long = "word ".repeat(30);
        let page = render(
            &format!(
                "# {long}\n\n### {long}\n\n- x\n\n  ```sh\n  kubectl {long}\n  ```\n\n| | |\n|---|---|\n| a | b |\n"
            ),
            Style::plain(40),
            2,
        );
        assert!(page.lines().all(|line| text::width(line) <= 40), "it fits the page:\n{page}");
        assert!(page.contains('┆'), "what goes on is told from the next line:\n{page}");
        assert!(page.ends_with("\n  a │ b\n"), "a head without words is left out:\n{page}");
    }

    #[test]
    fn a_control_sequence_in_markdown_is_shown() {
        let page = render("a \u{1b}[31mb\n\n```\n\u{1b}]0;x\u{7}\n```\n\n`\u{9b}2J`\n", Style::plain(40), 2);
        assert!(!page.contains('\u{1b}') && !page.contains('\u{9b}'), "nothing acts on the terminal: {page:?}");
    }

    #[test]
    fn a_table_that_is_too_wide_becomes_records() {
        let cell = "word ".repeat(12);
        let page = render(&format!("| name | text |\n|---|---|\n| x | {cell} |\n"), Style::plain(40), 0);
        assert!(page.lines().all(|line| text::width(line) <= 40), "it fits the page: {page}");
        assert!(page.contains("text: word"));
    }
}
