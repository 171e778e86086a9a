//! What a runbook says about itself: title, triggers, review, references, inputs.

use regex::Regex;
use serde_json::Value;

use super::Linter;
use super::rule::{
    DANGLING_RUNBOOK, MISSING_DESCRIPTION, MISSING_STEPS, MISSING_TITLE, MISSING_TRIGGERS, OVERDUE_REVIEW, WRONG_INPUT,
};
use crate::format::{escape, quoted};
use crate::model::{Does, InputKind, InputSpec, StepKind};

pub(super) fn check(linter: &mut Linter<'_>) {
    let runbook = linter.runbook;
    let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    if blank(&runbook.title) {
        linter.report_key(&MISSING_TITLE, "/spec", "the runbook has no title", Some("add `name` to `spec`".to_owned()));
    }
    if blank(&runbook.description) {
        linter.report_key(&MISSING_DESCRIPTION, "/spec", "the runbook has no description", None);
    }
    let trigger = &runbook.trigger;
    let starts = !trigger.alerts.is_empty()
        || trigger.schedule.is_some()
        || !trigger.prose.is_empty()
        || trigger.manual == Some(true);
    if !starts {
        linter.report_key(&MISSING_TRIGGERS, "/spec", "nothing says what starts the runbook", None);
    }
    if runbook.steps.is_empty() {
        linter.report_key(&MISSING_STEPS, "/spec", "the runbook has no steps", None);
    }
    if let Some(date) = runbook.review_date
        && date < linter.surroundings.today
    {
        linter.report(&OVERDUE_REVIEW, "/spec/reviewDate", format!("the review was due on {date}"), None);
    }
    for (_, pointer, step) in linter.steps() {
        // A step with an act tells what it does; a person needs words.
        let for_people = matches!(step.kind, StepKind::Manual | StepKind::Decision) && step.does == Does::Nothing;
        let said = [&step.title, &step.description, &step.success_criteria, &step.expected_output];
        if for_people && said.into_iter().all(blank) {
            let message = format!("nothing says what to do in step {}", quoted(step.name.as_str()));
            linter.report(&MISSING_DESCRIPTION, &format!("{pointer}/name"), message, None);
        }
    }
    check_related(linter);
    for (name, spec) in &runbook.inputs {
        check_input(linter, spec, &format!("/spec/inputs/{}", escape(name)));
    }
}

fn check_related(linter: &mut Linter<'_>) {
    let Some(known) = linter.surroundings.runbooks else { return };
    for (index, written) in linter.runbook.related_runbooks.iter().enumerate() {
        let reference = reference(written);
        if !known.contains(reference) && !known.contains(written.as_str()) {
            let message = format!("there is no runbook {}", quoted(reference));
            linter.report(&DANGLING_RUNBOOK, &format!("/spec/relatedRunbooks/{index}"), message, None);
        }
    }
}

/// The id or name of a related runbook, without the remark in parentheses.
pub fn reference(written: &str) -> &str {
    written.split_once(" (").map_or(written, |(reference, _)| reference).trim()
}

fn check_input(linter: &mut Linter<'_>, spec: &InputSpec, pointer: &str) {
    let template = |value: &Value| value.as_str().is_some_and(|text| text.contains("{{"));
    let mut pattern = None;
    if let Some(written) = &spec.pattern {
        let place = format!("{pointer}/pattern");
        if spec.kind != InputKind::String {
            linter.report(&WRONG_INPUT, &place, "only text has a pattern", None);
        }
        match Regex::new(&format!("^(?:{written})$")) {
            Ok(regex) => pattern = Some(regex),
            Err(_) => linter.report(&WRONG_INPUT, &place, "the pattern is no regular expression", None),
        }
    }
    for (index, option) in spec.options.iter().enumerate() {
        if !fits(spec.kind, option) {
            let message = format!("this option is not {}", noun(spec.kind));
            linter.report(&WRONG_INPUT, &format!("{pointer}/options/{index}"), message, None);
        }
    }
    let Some(default) = &spec.default else { return };
    let place = format!("{pointer}/default");
    if spec.kind == InputKind::Secret {
        let hint = "leave `default` out and store the secret by its name";
        linter.report(&WRONG_INPUT, &place, "a secret has no default", Some(hint.to_owned()));
    } else if template(default) {
        // What it renders to is known when an execution starts.
    } else if !fits(spec.kind, default) {
        linter.report(&WRONG_INPUT, &place, format!("the default is not {}", noun(spec.kind)), None);
    } else if !spec.options.is_empty() && !spec.options.contains(default) {
        linter.report(&WRONG_INPUT, &place, "the default is none of the options", None);
    } else if let (Some(pattern), Some(text)) = (pattern, default.as_str())
        && !pattern.is_match(text)
    {
        linter.report(&WRONG_INPUT, &place, "the default does not match the pattern", None);
    }
}

fn fits(kind: InputKind, value: &Value) -> bool {
    match kind {
        InputKind::String | InputKind::Secret => value.is_string(),
        InputKind::Integer => value.is_i64() || value.is_u64(),
        InputKind::Number => value.is_number(),
        InputKind::Boolean => value.is_boolean(),
    }
}

fn noun(kind: InputKind) -> &'static str {
    match kind {
        InputKind::String | InputKind::Secret => "text",
        InputKind::Integer => "a whole number",
        InputKind::Number => "a number",
        InputKind::Boolean => "true or false",
    }
}
