//! Markdown for people: what the Guide prints, and what it leaves out.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::model::{
    ActionCall, Approval, CommandSpec, Condition, Does, InputKind, OnFailure, Runbook, Severity, Step, StepName,
    Target, Undo,
};

/// Writes a runbook as Markdown. Text of the runbook that is Markdown stays so; names and values are escaped.
pub fn to_markdown(runbook: &Runbook) -> String {
    let mut page = Page { text: String::new(), runbook };
    page.head();
    page.before();
    page.procedure();
    page.after();
    page.text
}

struct Page<'a> {
    text: String,
    runbook: &'a Runbook,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A paragraph, and the blank line after it.
    fn paragraph(&mut self, text: &str) {
        self.line(text.trim_end());
        self.line("");
    }

    fn heading(&mut self, level: usize, text: &str) {
        self.paragraph(&format!("{} {}", "#".repeat(level), escaped(text)));
    }

    /// A heading with a list, where there is something to list.
    fn section(&mut self, title: &str, mark: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.heading(2, title);
        self.list(mark, items);
    }

    fn list(&mut self, mark: &str, items: &[String]) {
        for item in items {
            // Further lines of an item are indented, so that they stay in it.
            self.line(&format!("{mark}{}", item.trim_end().replace('\n', "\n  ")));
        }
        self.line("");
    }

    fn head(&mut self) {
        let runbook = self.runbook;
        self.heading(1, runbook.display_title());
        if let Some(description) = &runbook.description {
            self.paragraph(description);
        }
        let joined = |texts: &[String]| (!texts.is_empty()).then(|| texts.join(", "));
        let rows: Vec<(&str, Option<String>)> = vec![
            ("Id", runbook.id.clone()),
            ("Name", Some(runbook.name.clone())),
            ("Domain", runbook.domain.map(|word| word.to_string())),
            ("Category", runbook.category.map(|word| word.to_string())),
            ("Severity", (runbook.severity != Severity::All).then(|| runbook.severity.to_string())),
            ("Services", joined(&runbook.services)),
            ("Tags", joined(&runbook.tags)),
            ("Author", runbook.author.clone()),
            ("Version", runbook.version.clone()),
            ("Created", runbook.created.map(|date| date.to_string())),
            ("Updated", runbook.updated.map(|date| date.to_string())),
            ("Review by", runbook.review_date.map(|date| date.to_string())),
            ("Approvers", joined(&runbook.approvers)),
            ("Approval", runbook.approval.as_ref().map(approval)),
            ("Estimated duration", runbook.estimated_duration_minutes.map(minutes)),
            ("Change ticket", runbook.requires_change_ticket.then(|| "required".to_owned())),
            ("Automation", runbook.automation_level.map(|word| word.to_string())),
            ("On failure", runbook.rollback_on_failure.then(|| "rolls back".to_owned())),
        ];
        self.line("| | |");
        self.line("|---|---|");
        for (name, value) in rows {
            if let Some(value) = value {
                self.line(&format!("| {name} | {} |", escaped(&value)));
            }
        }
        self.line("");
    }

    fn before(&mut self) {
        let runbook = self.runbook;
        let trigger = &runbook.trigger;
        let mut triggers: Vec<String> = trigger.alerts.iter().map(|alert| format!("Alert {}", code(alert))).collect();
        triggers.extend(trigger.schedule.iter().map(|schedule| format!("Schedule {}", code(schedule))));
        triggers.extend(trigger.prose.iter().map(|prose| escaped(prose)));
        if trigger.manual == Some(true) {
            triggers.push("By hand".to_owned());
        }
        self.section("Triggers", "- ", &triggers);
        let all = |texts: &[String]| texts.iter().map(|text| escaped(text)).collect::<Vec<_>>();
        self.section("Symptoms", "- ", &all(&runbook.documentation.symptoms));
        for (title, text) in
            [("Impact", &runbook.documentation.impact), ("Resolution", &runbook.documentation.resolution)]
        {
            if let Some(text) = text {
                self.heading(2, title);
                self.paragraph(text);
            }
        }
        self.section("Prerequisites", "- [ ] ", &all(&runbook.prerequisites));
        self.inputs();
    }

    fn inputs(&mut self) {
        if self.runbook.inputs.is_empty() {
            return;
        }
        self.heading(2, "Inputs");
        self.line("| Name | Type | Default | Description |");
        self.line("|---|---|---|---|");
        for (name, input) in &self.runbook.inputs {
            let kind = match input.kind {
                InputKind::String => "text",
                InputKind::Integer => "whole number",
                InputKind::Number => "number",
                InputKind::Boolean => "true or false",
                InputKind::Secret => "secret",
            };
            let default = match &input.default {
                Some(default) => code(&plain(default)),
                None if input.required => "required".to_owned(),
                None => "none".to_owned(),
            };
            let mut description = escaped(input.description.as_deref().unwrap_or_default());
            if !input.options.is_empty() {
                let options: Vec<String> = input.options.iter().map(|option| code(&plain(option))).collect();
                write!(description, " One of {}.", options.join(", ")).expect("writing to a string never fails");
            }
            if let Some(pattern) = &input.pattern {
                write!(description, " Matches {}.", code(pattern)).expect("writing to a string never fails");
            }
            let description = description.trim();
            self.line(&format!("| {} | {kind} | {} | {} |", cell(&code(name)), cell(&default), cell(description)));
        }
        self.line("");
    }

    fn procedure(&mut self) {
        let runbook = self.runbook;
        if !runbook.steps.is_empty() {
            self.heading(2, "Procedure");
            for (index, step) in runbook.steps.iter().enumerate() {
                self.step(&format!("Step {}: {}", index + 1, step.display_title()), step);
            }
        }
        if !runbook.rollback_steps.is_empty() {
            self.heading(2, "Rollback");
            for (index, step) in runbook.rollback_steps.iter().enumerate() {
                self.step(&format!("Rollback {}: {}", index + 1, step.display_title()), step);
            }
        }
    }

    fn step(&mut self, title: &str, step: &Step) {
        self.heading(3, title);
        let mut facts = vec![step.kind.as_str().to_owned()];
        if step.title.is_some() {
            facts.push(code(step.name.as_str()));
        }
        facts.extend(step.estimated_duration_minutes.map(minutes));
        facts.extend(step.effect.map(|effect| format!("effect {}", effect.as_str())));
        facts.extend(step.timeout.map(|timeout| format!("at most {}", spoken(timeout))));
        if step.retries > 0 {
            facts.push(format!("{} retries", step.retries));
        }
        if step.survives {
            facts.push("finished even when Belay ends".to_owned());
        }
        self.paragraph(&format!("*{}*", facts.join(" · ")));
        if let Some(description) = &step.description {
            self.paragraph(description);
        }
        self.labelled("Only if", step.when.as_deref().map(code));
        self.labelled("Approval", step.approval.as_ref().map(|asked| escaped(&approval(asked))));
        self.labelled("Before", conditions(&step.prerequisite));
        self.does(&step.does);
        match &step.expected_output {
            // Columns and lines of a terminal's output say something.
            Some(output) if output.trim_end().contains('\n') => {
                self.paragraph("**Expected output:**");
                self.fenced("text", output.trim_end());
            }
            output => self.labelled("Expected output", output.clone()),
        }
        self.labelled("Success criteria", step.success_criteria.clone());
        self.labelled("Check", conditions(&step.post_condition));
        self.labelled("If failed", step.failure_hint.clone());
        self.labelled("On failure", self.on_failure(step));
        self.undo(step);
        if !step.branches.is_empty() {
            self.paragraph("**Branches:**");
            let branches: Vec<String> = step
                .branches
                .iter()
                .map(|(label, branch)| {
                    let mut text = format!("{} → {}", escaped(label), self.target(&branch.target));
                    if let Some(when) = &branch.when {
                        write!(text, ", if {}", code(when)).expect("writing to a string never fails");
                    }
                    if let Some(description) = &branch.description {
                        write!(text, ": {}", description.trim_end()).expect("writing to a string never fails");
                    }
                    text
                })
                .collect();
            self.list("- ", &branches);
        }
        let next = step.next.as_ref().map(|target| self.target(target));
        self.labelled("Next", next);
    }

    fn labelled(&mut self, label: &str, text: Option<String>) {
        if let Some(text) = text {
            self.paragraph(&format!("**{label}:** {}", text.trim_end()));
        }
    }

    fn does(&mut self, does: &Does) {
        match does {
            Does::Nothing => {}
            Does::Action(call) => self.call("Action", call),
            Does::Automation(call) => self.call("Automation", call),
            Does::Commands(commands) => {
                self.paragraph("**Commands:**");
                let lines: Vec<String> = commands.iter().map(command).collect();
                self.fenced("bash", &lines.join("\n"));
            }
        }
    }

    fn call(&mut self, label: &str, call: &ActionCall) {
        self.labelled(label, Some(code(&call.name)));
        if call.parameters.as_object().is_some_and(|map| !map.is_empty()) {
            let options = serde_saphyr::ser_options! { folded_wrap_chars: 1_000_000 };
            let yaml = serde_saphyr::to_string_with_options(&call.parameters, options)
                .expect("a JSON value always serialises as YAML");
            self.fenced("yaml", yaml.trim_end());
        }
    }

    fn undo(&mut self, step: &Step) {
        match &step.undo {
            None => {}
            Some(Undo::Step(name)) => self.labelled("Undo", Some(self.step_name(name))),
            Some(Undo::Irreversible(reason)) => {
                self.labelled("Undo", Some(format!("nothing takes this back: {}", escaped(reason))));
            }
            Some(Undo::Does(does)) => {
                self.paragraph("**Undo:**");
                self.does(does);
            }
        }
    }

    fn on_failure(&self, step: &Step) -> Option<String> {
        let text = match &step.on_failure {
            None if step.continue_on_error => "goes on".to_owned(),
            None => return None,
            Some(OnFailure::Stop) => "stops".to_owned(),
            Some(OnFailure::Escalate) => "tells somebody and stops".to_owned(),
            Some(OnFailure::Rollback) => "rolls back".to_owned(),
            Some(OnFailure::Step(name)) => format!("goes on with {}", self.step_name(name)),
        };
        Some(text)
    }

    fn target(&self, target: &Target) -> String {
        match target {
            Target::Step(name) => self.step_name(name),
            Target::End => "the end".to_owned(),
        }
    }

    fn step_name(&self, name: &StepName) -> String {
        match self.runbook.position(name) {
            Some(index) => {
                let title = self.runbook.steps.get(index).map_or(name.as_str(), Step::display_title);
                format!("step {} ({})", index + 1, escaped(title))
            }
            None => format!("step {}", code(name.as_str())),
        }
    }

    fn fenced(&mut self, language: &str, text: &str) {
        // A fence inside the text must not close the block.
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        self.line(&format!("{fence}{language}"));
        self.line(text);
        self.paragraph(&fence);
    }

    fn after(&mut self) {
        let runbook = self.runbook;
        let all = |texts: &[String]| texts.iter().map(|text| escaped(text)).collect::<Vec<_>>();
        self.section("Post-conditions", "- [ ] ", &all(&runbook.post_conditions));
        self.section("Related runbooks", "- ", &all(&runbook.related_runbooks));
        self.section("References", "- ", &all(&runbook.references));
        if !runbook.changelog.is_empty() {
            self.heading(2, "Changelog");
            self.line("| Date | Author | Changes |");
            self.line("|---|---|---|");
            for change in &runbook.changelog {
                let author = change.author.as_deref().unwrap_or_default();
                let cells = [change.date.as_str(), author, change.changes.as_str()].map(|text| cell(&escaped(text)));
                self.line(&format!("| {} |", cells.join(" | ")));
            }
        }
        let end = self.text.trim_end().len();
        self.text.truncate(end);
        self.text.push('\n');
    }
}

/// One line of text in which nothing is Markdown.
fn escaped(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut escaped = String::new();
    let mut before = ' ';
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        // Inside a word an underscore means itself.
        let inside = c == '_' && before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '|' | '#' | '~') && !inside {
            escaped.push('\\');
        }
        escaped.push(c);
        before = c;
    }
    escaped
}

/// One line of code.
fn code(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{line}{space}{fence}")
}

/// A cell of a table; a bar ends a cell even in code.
fn cell(text: &str) -> String {
    text.replace("\\|", "|").replace('|', "\\|")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn minutes(minutes: u32) -> String {
    if minutes == 1 { "1 minute".to_owned() } else { format!("{minutes} minutes") }
}

fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() != 0 {
        format!("{} ms", duration.as_millis())
    } else if seconds >= 60 && seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

fn approval(approval: &Approval) -> String {
    if !approval.required {
        return "not asked for by the runbook".to_owned();
    }
    let mut text = "required".to_owned();
    if !approval.approvers.is_empty() {
        write!(text, ", by {}", approval.approvers.join(", ")).expect("writing to a string never fails");
    }
    if let Some(quorum) = approval.quorum {
        write!(text, ", {quorum} of them").expect("writing to a string never fails");
    }
    if let Some(timeout) = approval.timeout {
        write!(text, ", within {}", spoken(timeout)).expect("writing to a string never fails");
    }
    text
}

fn conditions(conditions: &[Condition]) -> Option<String> {
    let texts: Vec<String> = conditions
        .iter()
        .map(|condition| code(&format!("{}: {}", condition.field, plain(&condition.written))))
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn command(command: &CommandSpec) -> String {
    match command {
        CommandSpec::Line(text) | CommandSpec::Script(text) => text.trim_end().to_owned(),
        CommandSpec::Argv(argv) => argv.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "),
    }
}

/// A word as somebody would type it in a shell.
fn shell_word(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,{}".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
