//! From the wire types to the model, with a finding for everything that the schema cannot say.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::condition::{comparison, duration};
use super::node::{Places, escape};
use super::quoted;
use super::wire::{self, ApprovalField, BranchField, Command, File, OneOrMany, Time, UndoField};
use crate::action::Effect;
use crate::finding::Finding;
use crate::lint::rule::{CONDITION_SYNTAX, MISSING_FIELD, Rule, SEVERAL_ACTS, STRAY_PARAMETERS, WRONG_TYPE};
use crate::model::{
    ActionCall, Approval, Branch, Change, CommandSpec, Comparison, Condition, Documentation, Does, InputKind,
    InputSpec, OnFailure, OnTimeout, Runbook, Severity, Step, StepKind, StepName, Target, Trigger, Undo,
};

/// The action whose steps are notifications where the file does not say otherwise.
pub(crate) const NOTIFICATION_ACTION: &str = "notification.send";

/// Reads a tree whose shape is known to be right, but for unknown fields.
pub(super) fn read(file: &str, places: &Places) -> (Option<Runbook>, Vec<Finding>) {
    let mut reader = Reader { file, places, findings: Vec::new() };
    let Some(root) = places.node("") else { return (None, Vec::new()) };
    // Keeping the path costs a third of the time, and is needed only where something is wrong.
    let parsed = File::deserialize(root).or_else(|_| serde_path_to_error::deserialize(root));
    match parsed {
        Ok(wire) => {
            let runbook = reader.runbook(wire);
            (Some(runbook), reader.findings)
        }
        // The schema and the wire types come from the same source, so this is a limit that JSON Schema cannot state.
        Err(error) => {
            let pointer = pointer(error.path());
            reader.report(&WRONG_TYPE, &pointer, error.inner().to_string(), None);
            (None, reader.findings)
        }
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&escape(key));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

struct Reader<'a> {
    file: &'a str,
    places: &'a Places,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn report(&mut self, rule: &Rule, pointer: &str, message: String, hint: Option<&str>) {
        let finding = rule.at(self.file, self.places.nearest(pointer), message);
        self.findings.push(Finding { hint: hint.map(str::to_owned), ..finding });
    }

    fn runbook(&mut self, wire: File) -> Runbook {
        let spec = wire.spec;
        let trigger = spec.trigger.unwrap_or_default();
        let documentation = spec.documentation.unwrap_or_default();
        Runbook {
            name: wire.metadata.name,
            namespace: wire.metadata.namespace,
            labels: wire.metadata.labels,
            annotations: wire.metadata.annotations,
            id: spec.id,
            title: spec.name,
            description: spec.description,
            domain: word(spec.domain),
            category: word(spec.category),
            severity: word(spec.severity).unwrap_or(Severity::All),
            services: spec.services,
            tags: spec.tags,
            trigger: Trigger {
                alerts: match trigger.alert {
                    None => Vec::new(),
                    Some(OneOrMany::One(alert)) => vec![alert],
                    Some(OneOrMany::Many(alerts)) => alerts,
                },
                manual: trigger.manual,
                schedule: trigger.schedule,
                prose: trigger.prose,
            },
            author: spec.author,
            version: spec.version,
            created: self.date(spec.created_at.as_deref(), "/spec/createdAt"),
            updated: self.date(spec.updated_at.as_deref(), "/spec/updatedAt"),
            review_date: self.date(spec.review_date.as_deref(), "/spec/reviewDate"),
            approvers: spec.approvers,
            estimated_duration_minutes: spec.estimated_duration_minutes,
            requires_change_ticket: spec.requires_change_ticket,
            automation_level: word(spec.automation_level),
            prerequisites: spec.prerequisites,
            post_conditions: spec.post_conditions,
            inputs: spec.inputs.into_iter().map(|(name, input)| (name, input_spec(input))).collect(),
            approval: spec.approval.map(|approval| self.approval(approval, "/spec/approval")),
            rollback_on_failure: spec.rollback_on_failure,
            steps: self.steps(spec.steps, "/spec/steps"),
            rollback_steps: self.steps(spec.rollback.unwrap_or_default().steps, "/spec/rollback/steps"),
            documentation: Documentation {
                symptoms: documentation.symptoms,
                impact: documentation.impact,
                resolution: documentation.resolution,
            },
            related_runbooks: spec.related_runbooks,
            references: spec.references,
            changelog: spec
                .changelog
                .into_iter()
                .map(|change| Change { date: change.date, author: change.author, changes: change.changes })
                .collect(),
        }
    }

    fn date(&mut self, text: Option<&str>, pointer: &str) -> Option<Date> {
        let text = text?;
        let date = text.parse().ok().filter(|date: &Date| date.to_string() == text);
        if date.is_none() {
            self.report(&WRONG_TYPE, pointer, format!("{} is no date", quoted(text)), Some("write it as `2024-01-31`"));
        }
        date
    }

    fn time(&mut self, time: Option<&Time>, pointer: &str) -> Option<Duration> {
        let time = time?;
        let duration = duration(time);
        if duration.is_none() {
            let hint = "write whole seconds or text such as `90s`, `5m` or `4h`, at most a year";
            self.report(&WRONG_TYPE, pointer, "not a time that Belay can keep".to_owned(), Some(hint));
        }
        duration
    }

    fn approval(&mut self, field: ApprovalField, pointer: &str) -> Approval {
        match field {
            ApprovalField::Flag(required) => Approval { required, ..Approval::default() },
            ApprovalField::Map(map) => Approval {
                // Whoever names approvers wants them asked; a waiver has to be written.
                required: map.required.unwrap_or(true),
                approvers: map.approvers,
                quorum: map.quorum,
                timeout: self.time(map.timeout.as_ref(), &format!("{pointer}/timeout")),
            },
        }
    }

    fn steps(&mut self, steps: Vec<wire::Step>, pointer: &str) -> Vec<Step> {
        steps.into_iter().enumerate().map(|(index, step)| self.step(step, &format!("{pointer}/{index}"))).collect()
    }

    fn step(&mut self, wire: wire::Step, pointer: &str) -> Step {
        let does = self.does(wire.action, wire.automation, wire.parameters, wire.commands, pointer);
        let validation = wire.validation.unwrap_or_default();
        let declared = wire.kind.as_deref().and_then(step_kind);
        Step {
            name: StepName::new(wire.name),
            title: wire.title,
            description: wire.description,
            kind: declared.unwrap_or_else(|| inferred_kind(&does, !wire.branches.is_empty())),
            kind_declared: declared.is_some(),
            does,
            when: wire.when,
            prerequisite: self.conditions(validation.prerequisite, &format!("{pointer}/validation/prerequisite")),
            post_condition: self.conditions(validation.post_condition, &format!("{pointer}/validation/postCondition")),
            expected_output: wire.expected_output,
            success_criteria: wire.success_criteria,
            retries: wire.retries,
            retry_delay: self.time(wire.retry_delay.as_ref(), &format!("{pointer}/retryDelay")),
            timeout: self.time(wire.timeout.as_ref(), &format!("{pointer}/timeout")),
            on_timeout: wire.on_timeout.as_deref().map(|word| match word {
                "escalate" => OnTimeout::Escalate,
                _ => OnTimeout::Wait,
            }),
            continue_on_error: wire.continue_on_error,
            on_failure: wire.on_failure.map(|word| match word.as_str() {
                "stop" => OnFailure::Stop,
                "escalate" => OnFailure::Escalate,
                "rollback" => OnFailure::Rollback,
                _ => OnFailure::Step(StepName::new(word)),
            }),
            failure_hint: wire.failure_hint,
            approval: wire.approval.map(|approval| self.approval(approval, &format!("{pointer}/approval"))),
            undo: wire.rollback.and_then(|undo| self.undo(undo, &format!("{pointer}/rollback"))),
            effect: wire.effect.as_deref().and_then(effect),
            survives: wire.survives,
            next: wire.next.map(target),
            branches: wire.branches.into_iter().map(|(label, field)| (label, branch(field))).collect(),
            estimated_duration_minutes: wire.estimated_duration_minutes,
        }
    }

    fn does(
        &mut self,
        action: Option<String>,
        automation: Option<String>,
        parameters: Option<Value>,
        commands: Option<Vec<Command>>,
        pointer: &str,
    ) -> Does {
        let acts: Vec<&str> = [
            action.is_some().then_some("action"),
            automation.is_some().then_some("automation"),
            commands.is_some().then_some("commands"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let [first, second, ..] = acts.as_slice() {
            let message = format!("`{first}` and `{second}` stand in the same step");
            self.report(&SEVERAL_ACTS, pointer, message, Some("split it into several steps"));
        }
        if parameters.is_some() && action.is_none() && automation.is_none() {
            let message = "`parameters` stands without `action` or `automation`".to_owned();
            self.report(&STRAY_PARAMETERS, &format!("{pointer}/parameters"), message, None);
        }
        let call = |name| ActionCall { name, parameters: parameters.unwrap_or_else(|| Value::Object(Map::new())) };
        if let Some(name) = action {
            Does::Action(call(name))
        } else if let Some(name) = automation {
            Does::Automation(call(name))
        } else if let Some(commands) = commands {
            Does::Commands(commands.into_iter().map(command).collect())
        } else {
            Does::Nothing
        }
    }

    fn undo(&mut self, field: UndoField, pointer: &str) -> Option<Undo> {
        let map = match field {
            UndoField::Step(name) => return Some(Undo::Step(StepName::new(name))),
            UndoField::Map(map) => *map,
        };
        let does = self.does(map.action, map.automation, map.parameters, map.commands, pointer);
        let ways = usize::from(does != Does::Nothing)
            + usize::from(map.step.is_some())
            + usize::from(map.irreversible.is_some());
        if ways > 1 {
            let message = "`rollback` says more than one thing".to_owned();
            let hint = "keep one of an action, an automation, commands, `step` and `irreversible`";
            self.report(&SEVERAL_ACTS, pointer, message, Some(hint));
        }
        if does != Does::Nothing {
            return Some(Undo::Does(does));
        }
        if let Some(name) = map.step {
            return Some(Undo::Step(StepName::new(name)));
        }
        if map.irreversible.is_none() {
            let message = "`rollback` says nothing".to_owned();
            let hint = "give it an action, an automation, commands, `step` or `irreversible`";
            self.report(&MISSING_FIELD, pointer, message, Some(hint));
        }
        map.irreversible.map(Undo::Irreversible)
    }

    fn conditions(&mut self, map: IndexMap<String, Value>, pointer: &str) -> Vec<Condition> {
        map.into_iter()
            .map(|(field, written)| {
                let test = comparison(&written).unwrap_or_else(|| {
                    let message = format!(
                        "`{}` is compared with something that is no literal and no comparison",
                        quoted(&field).bare()
                    );
                    let hint =
                        "write a literal, `\"< 80\"`, `\"!= x\"`, or `\"== text\"` for text that starts like those";
                    self.report(&CONDITION_SYNTAX, &format!("{pointer}/{}", escape(&field)), message, Some(hint));
                    Comparison::Equal(written.clone())
                });
                Condition { field, test, written }
            })
            .collect()
    }
}

/// The schema has refused every word that is not in the list.
fn word<T: std::str::FromStr>(text: Option<String>) -> Option<T> {
    text.and_then(|text| text.parse().ok())
}

fn step_kind(word: &str) -> Option<StepKind> {
    StepKind::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word)).ok()
}

fn effect(word: &str) -> Option<Effect> {
    Effect::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word)).ok()
}

/// The kind of a step that does not declare one.
pub(super) fn inferred_kind(does: &Does, branches: bool) -> StepKind {
    match does {
        _ if branches => StepKind::Decision,
        Does::Action(call) if call.name == NOTIFICATION_ACTION => StepKind::Notification,
        Does::Action(_) | Does::Commands(_) | Does::Automation(_) => StepKind::Automated,
        Does::Nothing => StepKind::Manual,
    }
}

fn input_spec(input: wire::Input) -> InputSpec {
    let kind = match input.kind.as_deref() {
        Some("integer") => InputKind::Integer,
        Some("number") => InputKind::Number,
        Some("boolean") => InputKind::Boolean,
        Some("secret") => InputKind::Secret,
        Some(_) | None => InputKind::String,
    };
    InputSpec {
        kind,
        required: input.required.unwrap_or(input.default.is_none()),
        description: input.description,
        default: input.default,
        options: input.options,
        pattern: input.pattern,
    }
}

fn command(command: Command) -> CommandSpec {
    match command {
        Command::Line(line) => CommandSpec::Line(line),
        Command::Argv(argv) => CommandSpec::Argv(argv),
        Command::Script(script) => CommandSpec::Script(script.script),
    }
}

fn target(word: String) -> Target {
    if word == "end" { Target::End } else { Target::Step(StepName::new(word)) }
}

fn branch(field: BranchField) -> Branch {
    match field {
        BranchField::Next(next) => Branch { target: target(next), when: None, description: None },
        BranchField::Map(map) => Branch { target: target(map.next), when: map.when, description: map.description },
    }
}
