//! What reading reports, and where.

use belay_runbook::finding::FindingLevel;
use belay_runbook::format::parse;
use belay_runbook::model::{Comparison, Does, StepKind};

use crate::samples::{FIRST_LINE, FULL, with_spec, with_steps};

/// `line:column rule message` of every finding.
fn found(text: &str) -> Vec<String> {
    let parsed = parse("sample.yaml", text.as_bytes());
    parsed
        .findings
        .iter()
        .map(|finding| {
            assert_eq!(finding.file, "sample.yaml");
            let (line, column) = (finding.position.line, finding.position.column);
            format!("{line}:{column} {} {}", finding.rule, finding.message)
        })
        .collect()
}

fn hint(text: &str) -> String {
    parse("sample.yaml", text.as_bytes()).findings[0].hint.clone().unwrap_or_default()
}

#[test]
fn an_unknown_field_is_an_error_at_its_key_with_a_suggestion() {
    let text = with_steps("- name: a\n  retrys: 2\n  action: http.healthcheck\n");
    assert_eq!(found(&text), ["12:5 unknown-field unknown field `retrys`"]);
    assert_eq!(hint(&text), "did you mean `retries`?");
    let parsed = parse("sample.yaml", text.as_bytes());
    assert_eq!(parsed.findings[0].severity, FindingLevel::Error);
    assert!(parsed.runbook.is_some(), "the rest can still be checked");
}

#[test]
fn several_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text =
        with_steps("- name: a\n  retries: two\n  tiemout: 5\n- action: x\n- name: b\n  timeout: soon\n  next: [a]\n");
    assert_eq!(
        found(&text),
        [
            "12:14 wrong-type `retries` must be a whole number, not `two`",
            "13:5 unknown-field unknown field `tiemout`",
            "14:5 missing-field item 3 of `steps` lacks the field `name`".replace("item 3", "item 2").as_str(),
            "16:14 wrong-type `timeout` cannot be `soon`",
            "17:11 wrong-type `next` must be text, not a list",
        ]
    );
}

#[test]
fn a_duplicate_key_is_a_finding_at_the_second_key() {
    let text = with_steps("- name: a\n  retries: 1\n  retries: 2\n");
    assert_eq!(found(&text), ["13:5 duplicate-key key `retries` is there twice"]);
}

#[test]
fn columns_count_characters_and_not_bytes() {
    let text = with_steps("- {name: \"äöü🦀\", retrys: 2}\n");
    assert_eq!(found(&text), ["11:20 unknown-field unknown field `retrys`"]);
    assert_eq!(FIRST_LINE + 1, 11, "the steps start on the line after `steps:`");
}

#[test]
fn numbers_and_booleans_in_place_of_text_ask_for_quotes() {
    let text = with_spec("version: 2.1\nauthor: true\n");
    assert_eq!(
        found(&text),
        [
            "10:12 wrong-type `version` must be text, not the number 2.1",
            "11:11 wrong-type `author` must be text, not `true`"
        ]
    );
    assert_eq!(hint(&text), "put the value in quotes");
}

#[test]
fn yes_in_place_of_true_is_explained() {
    let text = with_spec("rollbackOnFailure: yes\n");
    assert_eq!(found(&text), ["10:22 wrong-type `rollbackOnFailure` must be true or false, not `yes`"]);
    assert_eq!(hint(&text), "write `true`");
}

#[test]
fn a_key_without_a_value_is_not_silently_absent() {
    let text = with_spec("approval:\nsteps: []\n");
    let found = found(&text);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("wrong-type `approval` must be true or false or a map, not empty"), "{found:?}");
}

#[test]
fn words_of_closed_lists_are_suggested() {
    let text = with_spec("severity: sev5\ncategory: incident\n");
    assert_eq!(
        found(&text),
        ["10:13 wrong-type `severity` cannot be `sev5`", "11:13 wrong-type `category` cannot be `incident`"]
    );
}

#[test]
fn dates_and_times_are_checked() {
    let text =
        with_spec("reviewDate: 2024-13-01\nsteps:\n- name: a\n  timeout: 99999999999h\n- name: b\n  timeout: -1\n");
    let text_dates = with_spec("reviewDate: 2024-13-01\nsteps:\n- name: a\n  timeout: 99999999999h\n");
    assert_eq!(found(&text), ["15:14 wrong-type `timeout` must be at least 0"], "shape comes first");
    assert_eq!(
        found(&text_dates),
        ["10:15 wrong-type `2024-13-01` is no date", "13:14 wrong-type not a time that Belay can keep"]
    );
}

#[test]
fn times_have_units() {
    for (written, milliseconds) in
        [("60", 60_000), ("90s", 90_000), ("5m", 300_000), ("4h", 14_400_000), ("1h30m", 5_400_000), ("500ms", 500)]
    {
        let text = with_steps(&format!("- name: a\n  timeout: {written}\n"));
        let parsed = parse("sample.yaml", text.as_bytes());
        let timeout = parsed.runbook.unwrap().steps[0].timeout.unwrap();
        assert_eq!(timeout.as_millis(), milliseconds, "{written}");
    }
}

#[test]
fn several_acts_in_one_step_are_an_error() {
    let text = with_steps("- name: a\n  action: http.healthcheck\n  commands: [ls]\n");
    assert_eq!(found(&text), ["11:5 several-acts `action` and `commands` stand in the same step"]);
}

#[test]
fn parameters_without_an_action_are_an_error() {
    let text = with_steps("- name: a\n  commands: [ls]\n  parameters: {a: 1}\n");
    assert_eq!(found(&text), ["13:17 stray-parameters `parameters` stands without `action` or `automation`"]);
}

#[test]
fn a_rollback_says_exactly_one_thing() {
    assert_eq!(found(&with_steps("- name: a\n  rollback: {}\n")), ["12:15 missing-field `rollback` says nothing"]);
    assert_eq!(
        found(&with_steps("- name: a\n  rollback: {step: b, irreversible: no}\n")),
        ["12:15 several-acts `rollback` says more than one thing"]
    );
}

#[test]
fn a_condition_is_a_literal_or_a_comparison() {
    let text = with_steps(
        "- name: a\n  validation:\n    postCondition:\n      a: \"< many\"\n      b: \"{{ .Vars.x }}\"\n      c: [1]\n      d: \"< 80\"\n      e: \"== < 80\"\n      f: fine\n",
    );
    let rules: Vec<String> =
        found(&text).iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rules, ["14:12 condition-syntax", "15:12 condition-syntax", "16:12 condition-syntax"]);
    let runbook = parse("sample.yaml", text.as_bytes()).runbook.unwrap();
    let conditions = &runbook.steps[0].post_condition;
    assert_eq!(conditions[3].test, Comparison::Less(80.0));
    assert_eq!(conditions[4].test, Comparison::Equal("< 80".into()));
}

#[test]
fn the_kind_of_a_step_is_inferred() {
    let text = with_steps(
        "- name: a\n- name: b\n  commands: [ls]\n- name: c\n  action: notification.send\n- name: d\n  branches: {x: end}\n- name: e\n  action: http.healthcheck\n  validation: {postCondition: {healthy: true}}\n- name: f\n  type: verification\n  commands: [ls]\n",
    );
    let runbook = parse("sample.yaml", text.as_bytes()).runbook.unwrap();
    let kinds: Vec<StepKind> = runbook.steps.iter().map(|step| step.kind).collect();
    assert_eq!(
        kinds,
        [
            StepKind::Manual,
            StepKind::Automated,
            StepKind::Notification,
            StepKind::Decision,
            StepKind::Automated,
            StepKind::Verification
        ]
    );
}

#[test]
fn branches_and_inputs_keep_the_order_of_the_file() {
    let text = with_spec("inputs: {z: {}, a: {}, m: {}}\nsteps:\n- name: d\n  branches: {z: end, a: end, m: end}\n");
    let runbook = parse("sample.yaml", text.as_bytes()).runbook.unwrap();
    assert_eq!(runbook.inputs.keys().collect::<Vec<_>>(), ["z", "a", "m"]);
    assert_eq!(runbook.steps[0].branches.keys().collect::<Vec<_>>(), ["z", "a", "m"]);
    assert!(runbook.inputs["z"].required, "without a default somebody has to give a value");
}

#[test]
fn a_few_aliases_are_allowed() {
    let text = with_steps(
        "- name: a\n  action: x\n  parameters: &p {service: web}\n- name: b\n  action: x\n  parameters: *p\n",
    );
    let parsed = parse("sample.yaml", text.as_bytes());
    assert_eq!(parsed.findings, []);
    let runbook = parsed.runbook.unwrap();
    let Does::Action(call) = &runbook.steps[1].does else { panic!("an action") };
    assert_eq!(call.parameters["service"], "web");
}

#[test]
fn another_kind_of_document_is_one_finding() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: 3}\n";
    assert_eq!(found(text), ["1:13 not-a-runbook `apiVersion` is not `sre.oversight.io/v1`"]);
    assert_eq!(found("- a\n"), ["1:1 not-a-runbook the document is not a map"]);
}

#[test]
fn a_name_is_a_dns_label() {
    let text = FULL.replace("  name: full\n", "  name: ../Full\n");
    assert_eq!(found(&text), ["4:9 wrong-type `name` cannot be `../Full`"]);
}

#[test]
fn places_know_keys_and_values() {
    let parsed = parse("full.yaml", FULL.as_bytes());
    let value = parsed.places.value("/metadata/annotations/example.com~1owner").unwrap();
    assert_eq!((value.line, value.column), (9, 24));
    let key = parsed.places.key("/metadata/annotations/example.com~1owner").unwrap();
    assert_eq!((key.line, key.column), (9, 5));
    assert_eq!(parsed.places.value("/metadata/nothing"), None);
    assert_eq!(parsed.places.nearest("/metadata/nothing/at/all").line, 4);
    let item = parsed.places.key("/spec/services/1").unwrap();
    assert_eq!((item.line, item.column), (20, 27));
}
