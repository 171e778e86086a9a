//! Arbitrary runbooks: everything that the format can express.

use std::collections::BTreeMap;
use std::time::Duration;

use belay_runbook::action::Effect;
use belay_runbook::format::comparison;
use belay_runbook::model::*;
use indexmap::IndexMap;
use jiff::civil::Date;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Text that YAML finds hard.
pub fn text() -> BoxedStrategy<String> {
    prop_oneof![
        3 => "[a-zA-Z0-9 _.:/{}-]{0,30}",
        2 => ".{0,20}",
        2 => any::<String>(),
        1 => "[ \t\n\r#:'\"|>%@`!&*?,\\[\\]{}-]{0,12}",
        1 => "([a-z ]{0,90}\n){0,4}[a-z ]{0,3}",
        1 => select(vec![
            "", " ", "~", "null", "true", "yes", "No", "on", "1", "1.0", "0x1F", "0o14", "1e3", ".inf", ".nan", "-",
            "- a", "a: b", "a #b", "---", "...", "%TAG", "<<", "=", "12:30:45", "2024-01-01", "\u{feff}bom",
            "\u{85}", "\u{2028}", "end", "stop", "\n", "\n\n", "a\n", "a\n\n", " a\nb", "a\n b\n", "\ta", "a\t\nb",
            "a\r\nb", "\u{7f}", "\u{0}", "{{ .Alert.Labels.pod }}", "{name}", "|", ">-", "'", "\"", "\\",
        ]).prop_map(str::to_owned),
    ]
    .boxed()
}

fn step_name() -> BoxedStrategy<StepName> {
    prop_oneof![3 => "[a-z][a-z0-9-]{0,12}", 1 => text()]
        .prop_filter("a word of the format", |name| {
            !name.is_empty() && !["end", "stop", "escalate", "rollback"].contains(&name.as_str())
        })
        .prop_map(StepName::new)
        .boxed()
}

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        text().prop_map(Value::from),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<Value> {
    scalar()
        .prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
        .boxed()
}

fn parameters() -> BoxedStrategy<Value> {
    btree_map(text(), value(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
}

fn date() -> BoxedStrategy<Date> {
    (1i16..9999, 1i8..=12, 1i8..=28).prop_map(|(year, month, day)| jiff::civil::date(year, month, day)).boxed()
}

fn duration() -> BoxedStrategy<Duration> {
    prop_oneof![(0u64..31_536_000).prop_map(Duration::from_secs), (0u64..10_000_000).prop_map(Duration::from_millis)]
        .boxed()
}

fn texts() -> BoxedStrategy<Vec<String>> {
    vec(text(), 0..3).boxed()
}

fn call() -> BoxedStrategy<ActionCall> {
    (text(), parameters()).prop_map(|(name, parameters)| ActionCall { name, parameters }).boxed()
}

fn command() -> BoxedStrategy<CommandSpec> {
    prop_oneof![
        text().prop_map(CommandSpec::Line),
        texts().prop_map(CommandSpec::Argv),
        text().prop_map(CommandSpec::Script),
    ]
    .boxed()
}

fn something() -> BoxedStrategy<Does> {
    prop_oneof![
        call().prop_map(Does::Action),
        call().prop_map(Does::Automation),
        vec(command(), 0..4).prop_map(Does::Commands),
    ]
    .boxed()
}

fn does() -> BoxedStrategy<Does> {
    prop_oneof![Just(Does::Nothing), something()].boxed()
}

fn target() -> BoxedStrategy<Target> {
    prop_oneof![Just(Target::End), step_name().prop_map(Target::Step)].boxed()
}

fn branch() -> BoxedStrategy<Branch> {
    (target(), of(text()), of(text()))
        .prop_map(|(target, when, description)| Branch { target, when, description })
        .boxed()
}

fn conditions() -> BoxedStrategy<Vec<Condition>> {
    let written = prop_oneof![
        scalar(),
        select(vec![
            json!("< 80"),
            json!(">= 0.5"),
            json!("<=1"),
            json!("> -2"),
            json!("!= x"),
            json!("!= 3"),
            json!("== <a>")
        ]),
    ]
    .prop_filter_map("a condition", |written| comparison(&written).map(|test| (written, test)));
    btree_map(text(), written, 0..3)
        .prop_map(|map| map.into_iter().map(|(field, (written, test))| Condition { field, test, written }).collect())
        .boxed()
}

fn approval() -> BoxedStrategy<Approval> {
    (any::<bool>(), texts(), of(1u32..9), of(duration()))
        .prop_map(|(required, approvers, quorum, timeout)| Approval { required, approvers, quorum, timeout })
        .boxed()
}

fn undo() -> BoxedStrategy<Undo> {
    prop_oneof![
        something().prop_map(Undo::Does),
        step_name().prop_map(Undo::Step),
        text().prop_map(Undo::Irreversible),
    ]
    .boxed()
}

fn on_failure() -> BoxedStrategy<OnFailure> {
    prop_oneof![
        Just(OnFailure::Stop),
        Just(OnFailure::Escalate),
        Just(OnFailure::Rollback),
        step_name().prop_map(OnFailure::Step),
    ]
    .boxed()
}

fn kind() -> BoxedStrategy<StepKind> {
    select(vec![
        StepKind::Manual,
        StepKind::Automated,
        StepKind::Decision,
        StepKind::Verification,
        StepKind::Notification,
    ])
    .boxed()
}

fn step() -> BoxedStrategy<Step> {
    let words = (step_name(), of(text()), of(text()), of(kind()), does(), of(text()));
    let checks = (conditions(), conditions(), of(text()), of(text()), of(text()));
    let failure = (0u32..9, of(duration()), of(duration()), any::<(Option<bool>, bool, bool)>(), of(on_failure()));
    let flow = (
        of(approval()),
        of(undo()),
        of(select(vec![Effect::Read, Effect::Mutate, Effect::Destructive])),
        of(target()),
        vec((text(), branch()), 0..3),
        of(any::<u32>()),
    );
    (words, checks, failure, flow)
        .prop_map(|(words, checks, failure, flow)| {
            let (name, title, description, declared, does, when) = words;
            let (prerequisite, post_condition, expected_output, success_criteria, failure_hint) = checks;
            let (retries, retry_delay, timeout, (on_timeout, continue_on_error, survives), on_failure) = failure;
            let (approval, undo, effect, next, branches, estimated_duration_minutes) = flow;
            let branches: IndexMap<String, Branch> = branches.into_iter().collect();
            let notifies = matches!(&does, Does::Action(call) if call.name == "notification.send");
            let inferred = match does {
                _ if !branches.is_empty() => StepKind::Decision,
                _ if notifies => StepKind::Notification,
                Does::Nothing => StepKind::Manual,
                Does::Action(_) | Does::Commands(_) | Does::Automation(_) => StepKind::Automated,
            };
            Step {
                name,
                title,
                description,
                kind: declared.unwrap_or(inferred),
                kind_declared: declared.is_some(),
                does,
                when,
                prerequisite,
                post_condition,
                expected_output,
                success_criteria,
                retries,
                retry_delay,
                timeout,
                on_timeout: on_timeout.map(|wait| if wait { OnTimeout::Wait } else { OnTimeout::Escalate }),
                continue_on_error,
                on_failure,
                failure_hint,
                approval,
                undo,
                effect,
                survives,
                next,
                branches,
                estimated_duration_minutes,
            }
        })
        .boxed()
}

fn input() -> BoxedStrategy<InputSpec> {
    let kind =
        select(vec![InputKind::String, InputKind::Integer, InputKind::Number, InputKind::Boolean, InputKind::Secret]);
    (kind, of(text()), of(value()), vec(scalar(), 0..3), of(text()), any::<bool>())
        .prop_map(|(kind, description, default, options, pattern, required)| InputSpec {
            kind,
            description,
            default,
            options,
            pattern,
            required,
        })
        .boxed()
}

fn texts_by_name() -> BoxedStrategy<BTreeMap<String, String>> {
    btree_map(text(), text(), 0..3).boxed()
}

/// Any runbook.
pub fn runbook() -> BoxedStrategy<Runbook> {
    let names = ("[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", of(text()), texts_by_name(), texts_by_name(), of(text()));
    let about = (
        of(text()),
        of(text()),
        of(select(Domain::ALL.to_vec())),
        of(select(Category::ALL.to_vec())),
        select(Severity::ALL.to_vec()),
        of(select(AutomationLevel::ALL.to_vec())),
    );
    let lists = (texts(), texts(), texts(), texts(), texts(), texts(), texts());
    let trigger = (texts(), of(any::<bool>()), of(text()), texts());
    let dates = (of(date()), of(date()), of(date()), of(text()), of(text()), of(any::<u32>()));
    let flow =
        (any::<(bool, bool)>(), vec((text(), input()), 0..3), of(approval()), vec(step(), 0..4), vec(step(), 0..2));
    let rest = (texts(), of(text()), of(text()), vec((text(), of(text()), text()), 0..3));
    (names, about, lists, trigger, dates, flow, rest)
        .prop_map(|(names, about, lists, trigger, dates, flow, rest)| {
            let (name, namespace, labels, annotations, id) = names;
            let (title, description, domain, category, severity, automation_level) = about;
            let (services, tags, approvers, prerequisites, post_conditions, related_runbooks, references) = lists;
            let (created, updated, review_date, author, version, estimated_duration_minutes) = dates;
            let ((requires_change_ticket, rollback_on_failure), inputs, approval, steps, rollback_steps) = flow;
            let (symptoms, impact, resolution, changelog) = rest;
            let (alerts, manual, schedule, prose) = trigger;
            Runbook {
                name,
                namespace,
                labels,
                annotations,
                id,
                title,
                description,
                domain,
                category,
                severity,
                services,
                tags,
                trigger: Trigger { alerts, manual, schedule, prose },
                author,
                version,
                created,
                updated,
                review_date,
                approvers,
                estimated_duration_minutes,
                requires_change_ticket,
                automation_level,
                prerequisites,
                post_conditions,
                inputs: inputs.into_iter().collect(),
                approval,
                rollback_on_failure,
                steps,
                rollback_steps,
                documentation: Documentation { symptoms, impact, resolution },
                related_runbooks,
                references,
                changelog: changelog
                    .into_iter()
                    .map(|(date, author, changes)| Change { date, author, changes })
                    .collect(),
            }
        })
        .boxed()
}
