//! From sections to a runbook.

use std::collections::{BTreeMap, BTreeSet};

use super::front_matter::FrontMatter;
use super::headings::{self, Role};
use super::markdown::{self, Block, Document, Kind, Section};
use super::naming::{self, is_camel, runbook_name, spoken, step_name};
use super::placeholder::Inputs;
use super::rules::{KEPT_AS_TEXT, NO_STEPS, SCRIPT};
use super::steps::{self, Draft};
use super::{FROM_ANNOTATION, FRONT_MATTER_ANNOTATION, HEADINGS_ANNOTATION, Import, ImportReport, blank, fence, links};
use crate::action::Effect;
use crate::commands;
use crate::model::{CommandSpec, Does, Runbook, Step, StepKind, StepName};

/// The longest script that becomes commands, in bytes.
const LONGEST_SCRIPT: usize = 16 * 1024;

/// Makes a runbook of a text whose front matter has been read.
pub(super) fn convert(file: &str, text: &str, matter: &FrontMatter) -> Import {
    let document = markdown::parse(text, matter.body);
    let stem = stem(file);
    let name = runbook_name(&stem).unwrap_or_else(|| "imported".to_owned());
    let mut converter = Converter {
        document: &document,
        runbook: blank(&name),
        report: ImportReport { file: file.to_owned(), ..ImportReport::default() },
        inputs: Inputs::default(),
        assigned: BTreeMap::new(),
        used: BTreeSet::new(),
        names: BTreeMap::new(),
        description: Vec::new(),
        impact: Vec::new(),
    };
    converter.front_matter(matter);
    converter.identity(file, &stem);
    converter.sections();
    let body = text.get(matter.body..).unwrap_or_default();
    converter.links(body);
    converter.finish(&stem);
    Import { runbook: converter.runbook, report: converter.report }
}

/// What names the runbook: the file without its extension, or its folder where every file is called alike.
fn stem(file: &str) -> String {
    let file = file.trim_end_matches('/');
    let name = file.rsplit('/').next().unwrap_or(file);
    let stem = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or(name, |(stem, _)| stem);
    let common = matches!(stem.to_ascii_lowercase().as_str(), "readme" | "index" | "_index" | "runbook");
    let folder = file.rsplit('/').nth(1).filter(|folder| runbook_name(folder).is_some());
    match folder {
        Some(folder) if common => folder.to_owned(),
        Some(_) | None => stem.to_owned(),
    }
}

struct Converter<'d, 't> {
    document: &'d Document<'t>,
    runbook: Runbook,
    report: ImportReport,
    inputs: Inputs,
    /// Variables that earlier code blocks set to plain values.
    assigned: BTreeMap<String, String>,
    /// Inputs that commands refer to.
    used: BTreeSet<String>,
    /// Names of steps, with the number that the next one of the name gets.
    names: BTreeMap<String, usize>,
    description: Vec<String>,
    impact: Vec<String>,
}

/// A heading that sections below it belong to.
struct Above {
    level: u8,
    role: Option<Role>,
}

impl<'d> Converter<'d, '_> {
    fn front_matter(&mut self, matter: &FrontMatter) {
        let (became, rest) = matter.apply(&mut self.runbook);
        for (key, target) in &became {
            self.report.add(1, format!("front matter `{key}`"), *target);
        }
        if !rest.is_empty() {
            let lines: Vec<String> = rest.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            let rest = rest.iter().filter(|(key, _)| !became.iter().any(|(known, _)| known == key));
            for (key, _) in rest {
                self.report.add(1, format!("front matter `{key}`"), "annotation");
            }
            self.runbook.annotations.insert(FRONT_MATTER_ANNOTATION.to_owned(), lines.join("\n"));
        }
        self.description.extend(self.runbook.description.take());
        self.impact.extend(self.runbook.documentation.impact.take());
    }

    /// Title, alert and origin.
    fn identity(&mut self, file: &str, stem: &str) {
        let name = file.trim_end_matches('/').rsplit('/').next().unwrap_or(file);
        self.runbook.annotations.insert(FROM_ANNOTATION.to_owned(), name.to_owned());
        let headings: Vec<String> = self
            .document
            .sections
            .iter()
            .filter(|section| section.level > 0)
            .map(|section| {
                format!("{} {}", "#".repeat(usize::from(section.level)), self.document.heading_source(section))
            })
            .collect();
        if !headings.is_empty() {
            self.runbook.annotations.insert(HEADINGS_ANNOTATION.to_owned(), headings.join("\n"));
        }
        let first = self.title_section().map(|section| section.title.trim().to_owned());
        if let Some(first) = first.as_ref().filter(|title| !title.is_empty()) {
            self.runbook.title.get_or_insert_with(|| first.clone());
        }
        let alert = |word: &str| is_camel(word) || (first.as_deref() == Some(word) && is_name(word));
        let alerts = &mut self.runbook.trigger.alerts;
        let mut own: Vec<String> = Vec::new();
        for candidate in [Some(stem), first.as_deref()].into_iter().flatten() {
            if alert(candidate) && !own.iter().chain(alerts.iter()).any(|known| known == candidate) {
                own.push(candidate.to_owned());
            }
        }
        alerts.splice(0..0, own);
    }

    /// The section whose heading is the title: the first one, where it is not one of several of the first level.
    fn title_section(&self) -> Option<&'d Section> {
        let first = self.document.sections.iter().find(|section| section.level > 0)?;
        let known = headings::role(&first.title).is_some();
        let alone = self.document.sections.iter().filter(|section| section.level == first.level).count() == 1;
        (!known && (first.level == 1 || alone)).then_some(first)
    }

    fn sections(&mut self) {
        let title = self.title_section().map(|section| section.heading.start);
        let document = self.document;
        let mut above: Vec<Above> = Vec::new();
        for section in &document.sections {
            while above.last().is_some_and(|above| above.level >= section.level) {
                above.pop();
            }
            if section.level == 0 || Some(section.heading.start) == title {
                self.preamble(section);
                continue;
            }
            let own = headings::role(&section.title);
            let inherited = above.last().and_then(|above| above.role);
            let role = own.or(inherited);
            above.push(Above { level: section.level, role });
            self.section(section, role, own.is_some());
        }
    }

    /// What stands below the title: the description, up to what leads to the first command.
    fn preamble(&mut self, section: &'d Section) {
        let commands = section.blocks.iter().position(steps::leads_to_commands).unwrap_or(section.blocks.len());
        let lead = match commands.checked_sub(1).and_then(|before| section.blocks.get(before)) {
            Some(block) if block.kind == Kind::Paragraph && commands < section.blocks.len() => commands - 1,
            Some(_) | None => commands,
        };
        let (text, rest) = section.blocks.split_at(lead);
        self.describe(None, text);
        if let Some(block) = text.first() {
            self.report.add(self.document.line(block.range.start), "text below the title", "description");
        }
        if !rest.is_empty() {
            let title = self.runbook.title.clone().unwrap_or_else(|| spoken(&self.runbook.name));
            self.steps(rest, &title, false, false);
        }
    }

    fn section(&mut self, section: &'d Section, role: Option<Role>, own: bool) {
        let line = self.document.line(section.heading.start);
        let commands = steps::has_commands(&section.blocks);
        let role = match role {
            // Steps are what a code block below any other heading stands for.
            None | Some(Role::Prerequisites | Role::Triggers | Role::References) if commands => Some(Role::Mitigation),
            Some(Role::Verification) if commands => Some(Role::Diagnosis),
            role => role,
        };
        let heading = section.title.trim();
        let what = format!("heading `{}`", naming::title(heading));
        let text = Some(section).filter(|_| !own);
        match role {
            Some(Role::Description) => {
                // The first such heading says what the description is anyway.
                let first = own && self.description.is_empty();
                self.describe(Some(section).filter(|_| !first), &section.blocks);
                self.report.add(line, what, "description");
            }
            Some(Role::Impact) => {
                let rendered = self.rendered(text, &section.blocks);
                self.impact.extend(rendered);
                self.report.add(line, what, "impact");
            }
            Some(role @ (Role::Symptoms | Role::Prerequisites | Role::Verification | Role::References)) => {
                self.list(section, role);
                self.report.add(line, what, role.target());
            }
            Some(Role::Triggers) => {
                self.triggers(section);
                self.report.add(line, what, "triggers");
            }
            Some(role) if role.makes_steps() => {
                self.report.has_steps = true;
                self.report.add(line, what, role.target());
                self.steps(&section.blocks, heading, !own, role == Role::Rollback);
            }
            Some(_) | None => {
                self.describe(Some(section), &section.blocks);
                self.report.add(line, what, "description, under its heading");
            }
        }
    }

    /// Markdown of a heading and blocks; nothing where there are no blocks.
    fn rendered(&self, heading: Option<&Section>, blocks: &[Block]) -> Vec<String> {
        let texts = blocks.iter().map(|block| self.document.render(block)).filter(|text| !text.trim().is_empty());
        let mut rendered: Vec<String> = texts.collect();
        if let Some(section) = heading.filter(|_| !rendered.is_empty()) {
            let marks = "#".repeat(usize::from(section.level.max(2)));
            rendered.insert(0, format!("{marks} {}", self.document.heading_source(section)));
        }
        rendered
    }

    fn describe(&mut self, heading: Option<&Section>, blocks: &[Block]) {
        let rendered = self.rendered(heading, blocks);
        self.description.extend(rendered);
    }

    /// Lists of texts; what is no item and no sentence stays in the description.
    fn list(&mut self, section: &Section, role: Role) {
        let (entries, others) = steps::entries(self.document, &section.blocks);
        let runbook = &mut self.runbook;
        let list = match role {
            Role::Symptoms => &mut runbook.documentation.symptoms,
            Role::Prerequisites => &mut runbook.prerequisites,
            Role::Verification => &mut runbook.post_conditions,
            Role::Description
            | Role::Impact
            | Role::Diagnosis
            | Role::Mitigation
            | Role::Rollback
            | Role::References
            | Role::Triggers
            | Role::Aside => &mut runbook.references,
        };
        for entry in entries {
            // Links are collected from the whole text.
            let link = role == Role::References && is_link(&entry);
            if !link && !list.contains(&entry) {
                list.push(entry);
            }
        }
        let others: Vec<Block> = others.into_iter().cloned().collect();
        self.describe(Some(section), &others);
    }

    fn triggers(&mut self, section: &Section) {
        let (entries, others) = steps::entries(self.document, &section.blocks);
        for entry in entries {
            let bare = entry.trim_matches(['`', '*', '_', '"']);
            let trigger = &mut self.runbook.trigger;
            let list = if is_camel(bare) { &mut trigger.alerts } else { &mut trigger.prose };
            let entry = if is_camel(bare) { bare.to_owned() } else { entry };
            if !list.contains(&entry) {
                list.push(entry);
            }
        }
        let others: Vec<Block> = others.into_iter().cloned().collect();
        self.describe(Some(section), &others);
    }

    /// Steps of blocks; `prefixed` puts the heading before their titles.
    fn steps(&mut self, blocks: &'d [Block], heading: &str, prefixed: bool, rollback: bool) {
        let title = naming::title(heading);
        let drafts = steps::drafts(self.document, blocks, &title, prefixed);
        for draft in drafts {
            self.report.has_steps |= !draft.script.is_empty();
            let step = self.step(draft, Some(title.as_str()).filter(|_| prefixed));
            if rollback {
                self.runbook.rollback_steps.push(step);
            } else {
                self.runbook.steps.push(step);
            }
        }
    }

    fn step(&mut self, draft: Draft, prefix: Option<&str>) -> Step {
        let line = self.document.line(draft.offset);
        let mut prose = draft.prose;
        let mut does = Does::Nothing;
        let mut effect = None;
        if !draft.script.trim().is_empty() {
            match self.commands(&draft.script) {
                Ok(entries) => {
                    effect = Some(commands::effect(&entries, &self.inputs.names()));
                    does = Does::Commands(entries);
                }
                Err(why) => {
                    let at = draft.before.min(prose.len());
                    prose.splice(at..at, draft.codes.iter().filter(|_| !draft.inline).cloned());
                    let message = format!("the commands here were kept as text: {why}");
                    self.report.find(&KEPT_AS_TEXT, line, message, None);
                }
            }
        }
        let title = match prefix {
            Some(prefix) if !draft.title.is_empty() && draft.title != prefix => naming::prefixed(prefix, &draft.title),
            Some(_) | None => draft.title.clone(),
        };
        let name = self.unique(&step_name(draft.name.as_deref().unwrap_or(&draft.title)));
        prose.retain(|text| !text.trim().is_empty());
        let described = prose.join("\n\n");
        let sort = match (&does, effect) {
            (Does::Commands(_), Some(Effect::Read)) => "step `NAME`, looks",
            (Does::Commands(_), Some(Effect::Destructive)) => "step `NAME`, destroys something",
            (Does::Commands(_), _) => "step `NAME`, changes something",
            (_, _) => "step `NAME`, text",
        };
        self.report.add(line, format!("`{}`", naming::title(&draft.title)), sort.replace("NAME", &name));
        Step {
            description: (!described.trim().is_empty()).then_some(described),
            expected_output: (!draft.output.is_empty()).then(|| draft.output.join("\n\n")),
            ..manual(&name, &title, does, effect)
        }
    }

    /// The commands of a script with its placeholders as inputs, or why they have to stay text.
    fn commands(&mut self, script: &str) -> Result<Vec<CommandSpec>, String> {
        if script.len() > LONGEST_SCRIPT {
            return Err(format!("more than {LONGEST_SCRIPT} bytes are no command that somebody types"));
        }
        let mut inputs = self.inputs.clone();
        let rewritten = inputs.rewrite(script, &self.assigned);
        let set = Inputs::assigned_in(script);
        let names = inputs.names();
        let mut checked = check(&rewritten, &names);
        if checked.is_err() && rewritten.contains('`') {
            checked = substituted(&rewritten).map_or(checked, |text| check(&text, &names));
        }
        let (entries, used) = checked?;
        self.inputs = inputs;
        self.used.extend(used);
        self.assigned.extend(set);
        Ok(entries)
    }

    fn unique(&mut self, name: &str) -> String {
        let mut number = self.names.get(name).copied().unwrap_or(1);
        loop {
            let unique = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            number += 1;
            self.names.insert(name.to_owned(), number);
            if unique == name || !self.names.contains_key(&unique) {
                self.names.entry(unique.clone()).or_insert(2);
                return unique;
            }
        }
    }

    fn links(&mut self, body: &str) {
        let found = links::collect(self.document, body, &self.runbook.name);
        let addresses = |entry: &str| -> Vec<String> {
            let parts = entry.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '<' | '>' | '[' | ']'));
            parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let known: BTreeSet<String> =
            self.runbook.references.iter().flat_map(|reference| addresses(reference)).collect();
        let new = |reference: &String| addresses(reference).last().is_none_or(|address| !known.contains(address));
        self.runbook.references.extend(found.references.into_iter().filter(new));
        let known: BTreeSet<String> = self.runbook.related_runbooks.iter().cloned().collect();
        self.runbook.related_runbooks.extend(found.related.into_iter().filter(|related| !known.contains(related)));
        for offset in &self.document.active {
            let line = self.document.line(*offset);
            self.report.find(&SCRIPT, line, "HTML here would do something in a browser".to_owned(), None);
        }
    }

    fn finish(&mut self, stem: &str) {
        let runbook = &mut self.runbook;
        runbook.title.get_or_insert_with(|| spoken(stem));
        let joined = |texts: &[String]| {
            let text = texts.iter().map(|text| text.trim_end()).collect::<Vec<_>>().join("\n\n");
            (!text.trim().is_empty()).then_some(text)
        };
        runbook.description = joined(&self.description);
        runbook.documentation.impact = joined(&self.impact);
        let trigger = &mut runbook.trigger;
        if trigger.alerts.is_empty() && trigger.prose.is_empty() {
            trigger.manual = Some(true);
        }
        runbook.inputs = self.inputs.declared(&self.used, !runbook.trigger.alerts.is_empty());
        if runbook.steps.is_empty() {
            runbook.steps.push(manual("act", "Act on what the description says", Does::Nothing, None));
            let message = "no heading and no command says what the steps are".to_owned();
            self.report.find(&NO_STEPS, 1, message, None);
        }
    }
}

/// A step that a person does.
pub(super) fn manual(name: &str, title: &str, does: Does, effect: Option<Effect>) -> Step {
    Step {
        name: StepName::new(name),
        title: Some(title.to_owned()).filter(|title| !title.is_empty()),
        description: None,
        kind: StepKind::Manual,
        kind_declared: true,
        does,
        when: None,
        prerequisite: Vec::new(),
        post_condition: Vec::new(),
        expected_output: None,
        success_criteria: None,
        retries: 0,
        retry_delay: None,
        timeout: None,
        on_timeout: None,
        continue_on_error: false,
        on_failure: None,
        failure_hint: None,
        approval: None,
        undo: None,
        effect,
        survives: false,
        next: None,
        branches: indexmap::IndexMap::new(),
        estimated_duration_minutes: None,
    }
}

/// Whether a line is a link to a page and nothing else.
fn is_link(line: &str) -> bool {
    let inside = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(')'));
    inside.is_some_and(|inside| {
        inside.matches("](").count() == 1
            && !inside.contains(['<', '>', '{', '"'])
            && !inside.ends_with('(')
            && inside.contains("](http")
    })
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric())
        && word.chars().any(|c| c.is_ascii_lowercase())
}

/// Entries that could run as written, with the inputs that they refer to; else why they could not.
pub(super) fn check(script: &str, names: &BTreeSet<String>) -> Result<(Vec<CommandSpec>, BTreeSet<String>), String> {
    let entries = fence::entries(script);
    let references = commands::references(&entries, names).map_err(|error| error.message)?;
    if let Some(foreign) = references.iter().find(|reference| reference.variable.is_none()) {
        return Err(format!("`{}` is no template of a runbook", foreign.path));
    }
    let fatal = commands::check(&entries, names).into_iter().find(|problem| problem.fatal);
    if let Some(problem) = fatal {
        return Err(problem.message);
    }
    let used: BTreeSet<String> = references.into_iter().filter_map(|reference| reference.variable).collect();
    if used.iter().any(|name| !names.contains(name)) {
        return Err("it refers to a variable that nothing declares".to_owned());
    }
    Ok((entries, used))
}

/// Backticks as `$(…)`, in which a value has a safe place.
fn substituted(script: &str) -> Option<String> {
    if script.contains("\\`") || !script.matches('`').count().is_multiple_of(2) {
        return None;
    }
    let mut text = String::new();
    for (index, part) in script.split('`').enumerate() {
        if index > 0 {
            text.push_str(if index % 2 == 1 { "$(" } else { ")" });
        }
        text.push_str(part);
    }
    Some(text)
}
