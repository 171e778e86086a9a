//! Steps from the blocks below a heading: one for each list item that says what to do, for each code block with
//! the text that leads to it, and for what is only text.

use super::fence::{self, Block as Commands};
use super::markdown::{Block, Code, Document, Kind};
use super::naming;
use super::programs::is_inline_command;

/// A step before its commands are looked at.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What people read, without the heading.
    pub(super) title: String,
    /// What Runme calls it.
    pub(super) name: Option<String>,
    /// Markdown before and after the commands.
    pub(super) prose: Vec<String>,
    /// What a person types.
    pub(super) script: String,
    /// The code as it is written, should it have to stay text.
    pub(super) codes: Vec<String>,
    /// How much of the prose comes before the code.
    pub(super) before: usize,
    /// What the author saw.
    pub(super) output: Vec<String>,
    /// Where it starts, in bytes.
    pub(super) offset: usize,
    /// Whether it is an item of a list, which text below the list does not belong to.
    item: bool,
    /// Whether `script` comes from a sentence of `prose`, so that nothing is lost when it goes.
    pub(super) inline: bool,
}

/// Whether steps are to be made of the blocks even where no heading says so.
pub(super) fn has_commands(blocks: &[Block]) -> bool {
    blocks.iter().any(leads_to_commands)
}

/// Whether somebody is to type something because of the block.
pub(super) fn leads_to_commands(block: &Block) -> bool {
    match &block.kind {
        Kind::Code | Kind::Item => block.codes.iter().any(|code| fence::read(code).is_some()) || is_command_item(block),
        Kind::List { items, .. } => items.iter().any(leads_to_commands),
        Kind::Paragraph | Kind::Other => false,
    }
}

fn is_command_item(block: &Block) -> bool {
    block.kind == Kind::Item && block.inline.iter().any(|code| is_inline_command(code))
}

/// Makes drafts of blocks in their order; `heading` is the title of what has none, and where it is the section's own
/// (`Grow the volume`, not `Mitigation`) also of what no sentence introduces.
pub(super) fn drafts(document: &Document<'_>, blocks: &[Block], heading: &str, own: bool) -> Vec<Draft> {
    let mut drafter = Drafter { document, heading, own, drafts: Vec::new(), pending: Vec::new() };
    for block in blocks {
        drafter.take(block);
    }
    drafter.finish();
    drafter.drafts
}

struct Drafter<'d, 't> {
    document: &'d Document<'t>,
    heading: &'d str,
    own: bool,
    drafts: Vec<Draft>,
    /// Text that belongs to the step before it or to the one after it.
    pending: Vec<&'d Block>,
}

impl<'d> Drafter<'d, '_> {
    fn take(&mut self, block: &'d Block) {
        match &block.kind {
            Kind::Code => match block.codes.first().and_then(|code| Some((code, fence::read(code)?))) {
                Some((code, commands)) => self.code(block, code, commands),
                None => self.pending.push(block),
            },
            Kind::List { ordered, items } if *ordered || items.iter().any(leads_to_commands) => {
                let lead = self.lead();
                let first = self.drafts.len();
                for item in items {
                    let draft = self.item(item);
                    self.drafts.push(draft);
                }
                if let Some(draft) = self.drafts.get_mut(first) {
                    draft.prose.splice(0..0, lead.iter().map(|block| self.document.render(block)));
                }
            }
            Kind::Paragraph if block.inline.iter().any(|code| is_inline_command(code)) => {
                let lead = self.lead();
                let mut draft = self.sentence(block);
                draft.prose.splice(0..0, lead.iter().map(|block| self.document.render(block)));
                self.drafts.push(draft);
            }
            Kind::Paragraph | Kind::List { .. } | Kind::Item | Kind::Other => self.pending.push(block),
        }
    }

    /// What leads to the next step; what comes before that goes to the step before.
    fn lead(&mut self) -> Vec<&'d Block> {
        let pending = std::mem::take(&mut self.pending);
        let Some(last) = self.drafts.last_mut() else { return pending };
        if last.item {
            return pending;
        }
        let lead = pending.iter().rposition(|block| block.kind == Kind::Paragraph).unwrap_or(pending.len());
        let (before, lead) = pending.split_at(lead);
        last.prose.extend(before.iter().map(|block| self.document.render(block)));
        lead.to_vec()
    }

    fn code(&mut self, block: &Block, code: &Code, commands: Commands) {
        let lead = self.lead();
        if lead.is_empty()
            && commands.name.is_none()
            && let Some(last) =
                self.drafts.last_mut().filter(|last| !last.item && !last.inline && last.prose.len() <= 1)
        {
            last.add(code, commands);
            return;
        }
        let mut draft = Draft { offset: lead.first().unwrap_or(&block).range.start, ..Draft::default() };
        let last = lead.iter().rev().find(|block| block.kind == Kind::Paragraph);
        let says = |block: &&&Block| !self.own || !self.drafts.is_empty() || block.plain.trim_end().ends_with(':');
        draft.title = last.filter(says).map_or_else(|| self.heading.to_owned(), |block| sentence(&block.plain, &[]));
        let rendered: Vec<String> = lead.iter().map(|block| self.document.render(block)).collect();
        draft.prose = without_title(rendered, &draft.title);
        draft.before = draft.prose.len();
        draft.add(code, commands);
        self.drafts.push(draft);
    }

    /// A paragraph with a command in it.
    fn sentence(&self, block: &Block) -> Draft {
        let commands = inline_commands(block);
        Draft {
            title: or_heading(sentence(&block.plain, &commands), self.heading),
            prose: vec![self.document.render(block)],
            script: commands.join("\n"),
            offset: block.range.start,
            inline: true,
            ..Draft::default()
        }
    }

    fn item(&self, item: &Block) -> Draft {
        let mut draft = Draft { offset: item.range.start, item: true, ..Draft::default() };
        let mut taken = Vec::new();
        for code in &item.codes {
            if let Some(commands) = fence::read(code) {
                taken.push(code.range.clone());
                draft.add(code, commands);
            }
        }
        let mut inline = Vec::new();
        if taken.is_empty() {
            inline = inline_commands(item);
            draft.script = inline.join("\n");
            draft.inline = true;
        }
        draft.title = or_heading(sentence(&item.plain, &inline), self.heading);
        let text = self.document.render_without(item, &taken);
        draft.prose = without_title(vec![text], &draft.title);
        draft.before = draft.prose.len();
        draft
    }

    fn finish(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let Some(first) = pending.first() else { return };
        let rendered: Vec<String> = pending.iter().map(|block| self.document.render(block)).collect();
        match self.drafts.last_mut() {
            // A sentence or two after a code block say what to make of it.
            Some(last) if !last.item => last.prose.extend(rendered),
            last => {
                let alone = last.is_none();
                let title = if alone { String::new() } else { sentence(&first.plain, &[]) };
                let title = or_heading(title, self.heading);
                let offset = first.range.start;
                self.drafts.push(Draft { prose: without_title(rendered, &title), title, offset, ..Draft::default() });
            }
        }
    }
}

impl Draft {
    fn add(&mut self, code: &Code, commands: Commands) {
        if !self.script.is_empty() {
            self.script.push('\n');
        }
        self.script.push_str(&commands.script);
        self.codes.push(super::markdown::fenced(code));
        self.output.extend(commands.output);
        self.name = self.name.take().or(commands.name);
        if !commands.attributes.is_empty() {
            self.prose.push(format!("Runme: `{}`", commands.attributes.join("`, `")));
        }
    }
}

fn inline_commands(block: &Block) -> Vec<String> {
    block.inline.iter().filter(|code| is_inline_command(code)).map(|code| code.trim().to_owned()).collect()
}

fn or_heading(title: String, heading: &str) -> String {
    if title.is_empty() { heading.to_owned() } else { title }
}

/// Words that lead to a command, longer ones first.
const LEADING: &[&str] = &[
    "with the following commands",
    "with the following command",
    "using the following commands",
    "using the following command",
    "run the following commands",
    "run the following command",
    "run this",
    "by running",
    "as follows",
    "run",
];
/// Words that lead to a command within a sentence.
const LEADING_INLINE: &[&str] = &[
    "via", "with", "using", "by", "running", "ex", "e.g", "eg", "like", "execute", "and", "i.e", "use", "command", "in",
];

/// The sentence that says what to do: the last one where it introduces something, else the first one.
fn sentence(plain: &str, commands: &[String]) -> String {
    let mut text = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    for command in commands {
        let command = command.split_whitespace().collect::<Vec<_>>().join(" ");
        text = text.replace(&command, "");
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ','));
    let introduces = text.ends_with(':');
    let mut sentences = text.split(". ").map(str::trim).filter(|part| !part.is_empty());
    let picked = if introduces { sentences.last() } else { sentences.next() };
    let mut picked = picked.unwrap_or_default();
    // Words that lead to a command say nothing without it.
    let taken = !commands.is_empty();
    if taken || introduces {
        loop {
            let trimmed = if taken {
                picked.trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, ')' | '"' | '%'))
            } else {
                picked.trim_end_matches([':', ',', ' '])
            };
            let inline = if taken { LEADING_INLINE } else { &[] };
            let cut = LEADING
                .iter()
                .chain(inline)
                .find_map(|word| trimmed.strip_suffix(word).filter(|rest| rest.ends_with(' ')));
            picked = cut.unwrap_or(trimmed);
            if cut.is_none() {
                break;
            }
        }
    }
    naming::title(picked)
}

/// The text without a paragraph that the title repeats word for word.
fn without_title(mut rendered: Vec<String>, title: &str) -> Vec<String> {
    let same = |text: &String| {
        text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches([':', '.', ',', ';', ' ']) == title
    };
    if rendered.last().is_some_and(same) {
        rendered.pop();
    }
    rendered.retain(|text| !text.trim().is_empty());
    rendered
}

/// The items or paragraphs of blocks, each on a line of its own, and the blocks that are neither.
pub(super) fn entries<'b>(document: &Document<'_>, blocks: &'b [Block]) -> (Vec<String>, Vec<&'b Block>) {
    let flat = |block: &Block| document.render(block).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut entries = Vec::new();
    let mut others = Vec::new();
    for block in blocks {
        match &block.kind {
            Kind::List { items, .. } if items.iter().all(|item| item.codes.is_empty()) => {
                entries.extend(items.iter().map(flat).filter(|item| !item.is_empty()));
            }
            Kind::Paragraph => entries.push(flat(block)),
            Kind::List { .. } | Kind::Code | Kind::Item | Kind::Other => others.push(block),
        }
    }
    (entries, others)
}
