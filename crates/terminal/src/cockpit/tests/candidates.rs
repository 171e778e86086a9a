//! What a value could be, where it is asked for.

use belay_cockpit::api::{Answer, Call, Said, SayRequest};
use belay_cockpit::wire::WaitingKind;
use serde_json::json;

use super::cast::{Stage, candidates, form, found, waiting};

/// The form of a start, its first value missing and looked for.
fn on_form() -> Stage {
    let mut stage = Stage::new(80, 24);
    stage.answer("search", Answer::Search(Box::new(found(1, ""))));
    stage.press("Esc r");
    stage.answer("form", Answer::Form(Box::new(form())));
    stage
}

#[test]
fn a_start_proposes_what_its_missing_value_could_be_and_arrows_pick() {
    let mut stage = on_form();
    assert!(stage.screen().contains("looking for what it could be"), "{}", stage.screen());
    let all = [("web-1", "CrashLoopBackOff, 12 restarts"), ("web-2", "ready")];
    stage.answer("candidates", Answer::Candidates(Box::new(candidates("host", &all))));
    let screen = stage.screen();
    assert!(screen.contains("picks one of 2") && screen.contains("CrashLoopBackOff, 12 restarts"), "{screen}");
    assert!(screen.contains("text, needed"), "nothing is picked by itself: {screen}");
    stage.press("Right Right");
    let (_, call) = stage.asked("form");
    assert!(matches!(call, Call::Form(start) if start.variables.get("host").is_some_and(|host| host == "web-1")));
    assert!(stage.screen().contains("▌ web-2"), "{}", stage.screen());
    stage.type_text("x");
    assert!(stage.screen().contains("web-2x"), "any other value can be typed: {}", stage.screen());
    assert!(!stage.waits_for("candidates"), "its own text does not change what it could be");
    stage.press("Down");
    assert!(!stage.waits_for("candidates"), "a number is nothing to list");
}

#[test]
fn a_list_that_cannot_be_had_is_said_below_the_field() {
    let mut stage = on_form();
    stage.refuse("candidates");
    let screen = stage.screen();
    assert!(screen.contains("cannot be listed: the database is locked"), "{screen}");
    stage.type_text("web-1");
    assert!(stage.screen().contains("web-1"), "the value is typed all the same");
}

#[test]
fn each_missing_value_of_an_execution_is_looked_for_with_those_before_it() {
    let mut stage = Stage::on_execution(80, 24, waiting(WaitingKind::Input, &[("namespace", ""), ("pod", "")]));
    stage.press("v");
    let all = [("shop", "the context's own"), ("billing", "")];
    stage.answer("candidates_in", Answer::CandidatesIn(Box::new(candidates("namespace", &all))));
    assert!(stage.screen().contains("the context's own"), "{}", stage.screen());
    stage.press("Left Left Enter");
    let (ticket, call) = stage.asked("candidates_in");
    assert!(
        matches!(&call, Call::CandidatesIn(asked) if asked.names == ["pod"] && asked.given["namespace"] == json!("shop")),
        "{call:?}"
    );
    let answer = Ok(Answer::CandidatesIn(Box::new(candidates("pod", &[("\u{1b}[2Jweb\u{202e}-1", "not ready")]))));
    stage.take(crate::cockpit::message::Message::Answered { ticket, answer });
    let screen = stage.screen();
    assert!(screen.contains("not ready") && !screen.contains(['\u{1b}', '\u{202e}']), "{screen}");
    stage.type_text("web-7");
    stage.press("Enter");
    let (_, call) = stage.asked("say");
    let Call::Say(SayRequest { saying: Said::Provide { values }, .. }) = call else { panic!("{call:?} gives nothing") };
    assert_eq!(json!(values), json!({ "namespace": "shop", "pod": "web-7" }));
}
