//! Renderers against values with hostile text in every place where text comes from elsewhere.

use std::collections::BTreeMap;

use belay_cockpit::wire::{
    ActView, ApprovalView, AttemptView, DriverRef, ExecutionSummary, ExecutionView, LogEntry, NoteView, PlanStep,
    PlanView, RunbookRef, StepView, UndoView, Waiting, WaitingKind, WaitingOption,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{lists, log, plan, status};
use crate::style::Style;
use crate::text;

/// A clear screen, a title change, a bidirectional override and a bell.
pub const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{202e}y\u{9b}1A";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_770_000 + second).unwrap_or_default()
}

/// A view of an execution whose step waits for an approval; `word` stands wherever text is not ours.
pub fn view(word: &str) -> ExecutionView {
    let act = ActView {
        action: "command.run".to_owned(),
        description: format!("restart pod {word}"),
        parameters: json!({ "pod": word, "script": format!("line one\nline {word}") }),
        effect: "mutate".to_owned(),
        target: format!("web-1{word}"),
        notes: Vec::new(),
    };
    let approval = ApprovalView {
        status: "waiting".to_owned(),
        digest: "d1".to_owned(),
        needed: 1,
        approvers: vec![],
        given: vec![],
        expires_at: at(300),
        reasons: vec![format!("production changes always {word}")],
        target: format!("web-1{word}"),
        difference: vec![],
    };
    let attempt = AttemptView {
        n: 1,
        act: "a0".to_owned(),
        started_at: at(1),
        finished_at: Some(at(4)),
        status: "succeeded".to_owned(),
        exit_code: Some(0),
        output: word.to_owned(),
        error: None,
        device: word.to_owned(),
        responder: word.to_owned(),
    };
    let step = |name: &str, status: &str| StepView {
        name: name.to_owned(),
        title: format!("Title {word}"),
        kind: "automated".to_owned(),
        status: status.to_owned(),
        effect: Some("mutate".to_owned()),
        impact: Some("HIGH".to_owned()),
        impact_reasons: vec!["it destroys something".to_owned()],
        by_hand: false,
        done_by: None,
        branch: None,
        error: None,
        acts: vec![act.clone()],
        attempts: vec![],
        approval: None,
        undo: Some(UndoView { status: "ready".to_owned(), output: format!("scale back {word}"), detail: None }),
    };
    ExecutionView {
        summary: ExecutionSummary {
            execution: "69fc2ca0eb11223344".to_owned(),
            label: "l".to_owned(),
            runbook: RunbookRef {
                id: "RB-K8S-004".to_owned(),
                name: "pod-restart".to_owned(),
                title: format!("Pod killed {word}"),
                digest: "d".to_owned(),
            },
            status: "waiting".to_owned(),
            started_by: format!("maria {word}"),
            triggered_by: format!("alert {word}"),
            inputs: BTreeMap::from([("pod".to_owned(), Value::String(word.to_owned()))]),
            incident: Some(word.to_owned()),
            ticket: None,
            context: format!("prod {word}"),
            driver: DriverRef { device: "d".to_owned(), responder: "maria".to_owned(), epoch: 0, present: true },
            started_at: at(0),
            finished_at: None,
            duration_seconds: 252.0,
            error: Some(format!("why {word}")),
            notes: vec![NoteView { at: at(9), by: word.to_owned(), text: word.to_owned() }],
            waiting_on: vec![Waiting {
                kind: WaitingKind::Approval,
                step: Some("restart".to_owned()),
                detail: format!("approve by naming the target {word}"),
                options: vec![WaitingOption {
                    name: word.to_owned(),
                    description: word.to_owned(),
                    ..WaitingOption::default()
                }],
            }],
        },
        steps: vec![
            StepView { attempts: vec![attempt], ..step("look", "succeeded") },
            StepView { approval: Some(approval), ..step("restart", "waiting_approval") },
            step("verify", "pending"),
        ],
        conflicts: vec![],
        takes_back: vec![],
    }
}

/// Nothing in a text acts on a terminal, and no line is wider than the page.
pub fn assert_harmless(page: &str, columns: usize) {
    let acting: Vec<char> = page.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').collect();
    assert!(acting.is_empty(), "{acting:?} would act on the terminal:\n{page}");
    for line in page.lines() {
        // Commands to copy stay on one line.
        let copied = line.trim_start().starts_with("belay ");
        assert!(copied || text::width(line) <= columns, "wider than {columns}: {line}");
    }
}

#[test]
fn a_status_shows_the_timeline_and_what_to_type_next() {
    insta::assert_snapshot!(status::status(&view(""), Style::plain(80)));
}

#[test]
fn hostile_text_in_a_status_is_made_visible() {
    for columns in [80, 120] {
        assert_harmless(&status::status(&view(HOSTILE), Style::plain(columns)), columns);
        assert_harmless(&lists::executions(&[view(HOSTILE).summary], false, Style::plain(columns)), columns);
        assert_harmless(&lists::approvals(&[view(HOSTILE)], Style::plain(columns)), columns);
    }
}

#[test]
fn an_event_that_does_not_verify_is_loud() {
    let entry = LogEntry {
        n: 3,
        hash: "h".to_owned(),
        kind: "transition.noted".to_owned(),
        at: at(0),
        device: HOSTILE.to_owned(),
        text: HOSTILE.to_owned(),
        verified: false,
        fault: Some(HOSTILE.to_owned()),
        cites: vec![],
        event: Value::Null,
    };
    let page = log::entries(&[entry], Style::plain(80));
    assert!(page.contains("✗ NOT VALID"), "a mark with words, not a colour: {page}");
    assert_harmless(&page, 80);
}

#[test]
fn a_target_with_odd_characters_can_be_copied_into_a_shell() {
    let page = status::status(&view(" $(reboot)"), Style::plain(80));
    assert!(page.contains("--target 'web-1 $(reboot)'"), "{page}");
}

#[test]
fn whoever_approves_a_script_sees_every_value_that_it_is_handed() {
    let mut waiting = view("");
    let act = &mut waiting.steps[1].acts[0];
    act.description = "run kubectl delete pod \"$BELAY_1\" …".to_owned();
    act.parameters = json!({
        "script": "kubectl delete pod \"$BELAY_1\"\necho \"$BELAY_2\" \"$TOKEN\"",
        "env": { "BELAY_1": "checkout-7f", "BELAY_2": "two\nlines", "TOKEN": { "$secret": "api" } },
    });
    let planned = PlanView {
        runbook: waiting.summary.runbook.clone(),
        context: "local".to_owned(),
        environment: "local".to_owned(),
        inputs: BTreeMap::new(),
        missing: vec![],
        steps: vec![PlanStep {
            name: "restart".to_owned(),
            title: "Restart".to_owned(),
            kind: "automated".to_owned(),
            acts: waiting.steps[1].acts.clone(),
            effect: Some("mutate".to_owned()),
            impact: None,
            impact_reasons: Vec::new(),
            approval: vec!["production".to_owned()],
            undo: None,
            problems: vec![],
            known_after: vec![],
            next: vec![],
        }],
        digest: "d".to_owned(),
    };
    for page in [
        lists::approvals(&[waiting.clone()], Style::plain(100)),
        status::status(&waiting, Style::plain(100)),
        plan::plan(&planned, Style::plain(100)),
    ] {
        for part in ["checkout-7f", "env BELAY_1:", "two", "lines", "secret api", "echo \"$BELAY_2\" \"$TOKEN\""] {
            assert!(page.contains(part), "the approver sees exactly what will run, {part:?} too:\n{page}");
        }
    }
}
