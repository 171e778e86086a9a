//! What keys, answers and events lead to.

use std::time::{Duration, Instant};

use belay_cockpit::api::{Answer, Call, Done, Driven, Event, Said, SayRequest, Started, Told};
use belay_cockpit::wire::WaitingKind;

use super::cast::{Stage, execution, form, found, one, page, runbook_page, waiting};
use crate::cockpit::message::{Command, Message};
use crate::cockpit::pages::Page;

fn said(stage: &mut Stage) -> Said {
    let call = stage.asked("say").1;
    let Call::Say(SayRequest { saying, .. }) = call else { panic!("{call:?} says nothing") };
    saying
}

#[test]
fn typing_searches_once_at_a_time_and_the_last_word_counts() {
    let mut stage = Stage::new(80, 24);
    stage.type_text("slow");
    let searches = stage
        .commands
        .iter()
        .filter(|c| matches!(c, Command::Ask { call, .. } if matches!(**call, Call::Search(_))))
        .count();
    assert_eq!(searches, 1, "the first search is still under way");
    stage.answer("search", Answer::Search(Box::new(found(3, ""))));
    let (_, call) = stage.asked("search");
    assert!(
        matches!(call, Call::Search(request) if request.query == "slow"),
        "what was typed meanwhile is searched for"
    );
    assert!(!stage.waits_for("search"), "and no word in between");
}

#[test]
fn enter_opens_what_was_typed_and_not_what_was_found_before() {
    let mut stage = Stage::new(80, 24);
    stage.answer("search", Answer::Search(Box::new(found(3, ""))));
    stage.type_text("re");
    stage.press("Enter");
    assert!(!stage.waits_for("runbook"), "the hits that are shown are of another search");
    stage.answer("search", Answer::Search(Box::new(found(3, ""))));
    assert!(!stage.waits_for("runbook"), "`r` alone is not what was typed either");
    stage.answer("search", Answer::Search(Box::new(found(1, ""))));
    assert!(matches!(stage.asked("runbook").1, Call::Runbook(request) if request.runbook == "runbook-0"));
}

#[test]
fn a_failed_search_keeps_what_was_typed_and_says_what_to_do() {
    let mut stage = Stage::new(80, 24);
    stage.answer("search", Answer::Search(Box::new(found(3, ""))));
    stage.type_text("redis");
    stage.refuse("search");
    let screen = stage.screen();
    assert!(screen.contains("redis") && screen.contains("error: the database is locked"), "{screen}");
    assert!(screen.contains("hint: end the other program"), "{screen}");
}

#[test]
fn from_the_search_to_the_start_without_a_mouse() {
    let mut stage = Stage::new(80, 24);
    stage.answer("search", Answer::Search(Box::new(found(3, ""))));
    stage.press("Down Enter");
    assert!(matches!(stage.asked("runbook").1, Call::Runbook(request) if request.runbook == "runbook-1"));
    stage.commands.clear();
    stage.press("Esc r");
    assert!(!stage.waits_for("form"), "letters go into the search until it is left");
    stage.press("Esc j k r");
    stage.answer("form", Answer::Form(Box::new(form())));
    stage.press("C-s");
    assert!(!stage.waits_for("start"), "a value is missing");
    assert!(stage.screen().contains("it cannot start yet: look at host"), "{}", stage.screen());
    stage.type_text("web-1");
    let mut judged = form();
    judged.inputs[0].value = Some("web-1".to_owned());
    while stage.waits_for("form") {
        stage.answer("form", Answer::Form(Box::new(judged.clone())));
    }
    stage.press("C-s");
    stage.refuse("start");
    assert!(stage.screen().contains("web-1") && stage.screen().contains("locked by another"), "what was typed stays");
    stage.press("C-s");
    let (ticket, call) = stage.asked("start");
    assert!(matches!(call, Call::Start(start) if start.variables.get("host").is_some_and(|host| host == "web-1")));
    let started = Started { execution: "69fc2ca0eb11223344".to_owned() };
    stage.take(Message::Answered { ticket, answer: Ok(Answer::Start(Box::new(started))) });
    assert!(matches!(stage.state.page(), Page::Execution(_)), "it shows what it has started");
}

#[test]
fn an_approval_is_of_what_was_shown_and_needs_the_targets_name() {
    let mut stage = Stage::on_execution(80, 24, execution(""));
    stage.press("a");
    // Meanwhile the request is another one; the question is still about the one that was shown.
    let mut other = execution("");
    other.steps[1].approval.as_mut().unwrap().digest = "d2".to_owned();
    stage.tell(Event::Execution { view: Box::new(other), driven: Driven::Here });
    stage.type_text("web-2");
    stage.press("Enter");
    assert!(!stage.waits_for("say"), "the name of another target approves nothing");
    assert!(stage.screen().contains("nothing was approved"), "{}", stage.screen());
    stage.press("Backspace 1 Enter");
    let said = said(&mut stage);
    let Said::Approve { step, digest, target, .. } = said else { panic!("{said:?} is no approval") };
    assert_eq!((step.as_str(), digest.as_str()), ("restart", "d1"), "the digest that was shown, not the newer one");
    assert_eq!(target.as_deref(), Some("web-1"));
}

#[test]
fn words_survive_an_error_and_a_way_back() {
    let mut stage = Stage::on_execution(80, 24, execution(""));
    stage.press("s");
    stage.type_text("broken");
    stage.press("Enter");
    stage.refuse("say");
    assert!(stage.screen().contains("› broken") && stage.screen().contains("error:"), "{}", stage.screen());
    stage.press("Esc s");
    assert!(stage.screen().contains("› broken"), "the draft is kept: {}", stage.screen());
    stage.press("Enter");
    let (ticket, _) = stage.asked("say");
    stage.take(Message::Answered { ticket, answer: Ok(Answer::Say(Box::new(Done {}))) });
    assert!(stage.state.dialog.is_none(), "it was taken");
    stage.press("s");
    assert!(!stage.screen().contains("broken"), "what was sent is no draft any more");
}

#[test]
fn each_question_is_answered_by_its_keys() {
    let mut stage = Stage::on_execution(80, 24, waiting(WaitingKind::Manual, &[]));
    stage.press("d");
    assert!(matches!(said(&mut stage), Said::Confirm { step, by_hand: false, .. } if step == "restart"));
    let branches = [("warm", "warm it"), ("stop", "do nothing")];
    let mut stage = Stage::on_execution(80, 24, waiting(WaitingKind::Decision, &branches));
    stage.press("2");
    assert!(matches!(said(&mut stage), Said::Decide { branch, .. } if branch == "stop"));
    stage.press("1");
    assert!(!stage.waits_for("say"), "the first answer is still on its way");
    let mut stage = Stage::on_execution(80, 24, waiting(WaitingKind::Input, &[("pod", ""), ("zone", "")]));
    stage.press("v w Enter e Enter");
    let given = said(&mut stage);
    let Said::Provide { values } = given else { panic!("{given:?} gives nothing") };
    let mut expected = one("pod", "w");
    expected.extend(one("zone", "e"));
    assert_eq!(values, expected, "every missing value is asked for, then all of them are given");

    let mut stage = Stage::on_execution(80, 24, waiting(WaitingKind::Checklist, &[("2", "a"), ("3", "b")]));
    stage.press("Enter 1");
    assert!(matches!(said(&mut stage), Said::Check { items: Some(items), .. } if items == [2]), "by its own number");
    let mut stage = Stage::on_execution(80, 24, waiting(WaitingKind::Undo, &[("by-hand", ""), ("leave", "")]));
    stage.press("2");
    assert!(matches!(said(&mut stage), Said::SettleUndo { .. }));
}

#[test]
fn a_key_for_the_next_question_is_not_lost_while_the_answer_to_the_last_one_is_on_its_way() {
    let mut stage = Stage::on_execution(80, 24, waiting(WaitingKind::Checklist, &[("2", "a")]));
    stage.press("1");
    let (ticket, _) = stage.asked("say");
    // What it led to is told before the call is answered.
    let view = Box::new(waiting(WaitingKind::Manual, &[]));
    stage.tell(Event::Execution { view, driven: Driven::Here });
    stage.press("d");
    assert!(!stage.waits_for("say"), "one thing is said at a time");
    stage.take(Message::Answered { ticket, answer: Ok(Answer::Say(Box::new(Done {}))) });
    assert!(matches!(said(&mut stage), Said::Confirm { step, .. } if step == "restart"));
}

#[test]
fn events_before_the_state_are_not_lost_and_older_ones_are_not_taken_twice() {
    let mut stage = Stage::new(80, 24);
    let id = execution("").summary.execution;
    let deed = crate::cockpit::deed::Deed::Execution(id.clone());
    crate::cockpit::perform::perform(&mut stage.state, deed, &mut stage.commands);
    let output = |at: usize, text: &str| Event::Output {
        execution: id.clone(),
        step: "restart".to_owned(),
        stream: "stdout".to_owned(),
        at,
        text: text.to_owned(),
    };
    stage.tell(output(0, "1st\n"));
    stage.tell(output(4, "2nd\n"));
    let mut snapshot = page(execution(""));
    snapshot.place.n = 1;
    snapshot.running = Some(belay_cockpit::api::RunningOutput {
        step: "restart".to_owned(),
        pieces: vec![belay_cockpit::api::OutputPiece { stream: "stdout".to_owned(), text: "1st\n".to_owned() }],
        written: 4,
        cut: false,
    });
    stage.answer("execution", Answer::Execution(Box::new(snapshot)));
    let screen = stage.screen();
    assert_eq!(screen.matches("1st").count(), 1, "the snapshot had it: {screen}");
    assert_eq!(screen.matches("2nd").count(), 1, "it came between the snapshot and its arrival: {screen}");
}

#[test]
fn the_first_interrupt_cancels_and_the_second_leaves() {
    let mut running = execution("");
    running.summary.waiting_on.clear();
    running.summary.status = "in_progress".to_owned();
    running.steps[1].status = "running".to_owned();
    running.steps[1].attempts = running.steps[0].attempts.clone();
    running.steps[1].attempts[0].status = "running".to_owned();
    let mut stage = Stage::on_execution(80, 24, running);
    stage.press("C-c");
    assert!(stage.waits_for("cancel") && !stage.state.leaving);
    stage.press("j C-c");
    assert!(!stage.state.leaving, "another key came in between");
    stage.press("C-c");
    assert!(stage.state.leaving && stage.commands.contains(&Command::Quit));
}

#[test]
fn going_back_leads_to_where_one_came_from() {
    let mut stage = Stage::new(80, 24);
    stage.answer("search", Answer::Search(Box::new(found(3, ""))));
    stage.press("Enter");
    stage.answer("runbook", Answer::Runbook(Box::new(runbook_page(""))));
    stage.press("g h");
    assert!(matches!(stage.state.page(), Page::History(_)));
    stage.press("Esc");
    assert!(matches!(stage.state.page(), Page::Catalog(_)), "places lie beside each other");
    stage.press("Esc Esc Esc");
    assert!(matches!(stage.state.page(), Page::Catalog(_)), "the first page is never closed");
}

#[test]
fn after_a_gap_everything_shown_is_asked_for_anew() {
    let mut stage = Stage::on_execution(80, 24, execution(""));
    let place = belay_cockpit::api::Place { stream: "s".to_owned(), n: 9 };
    stage.take(Message::Told(Told::Anew { after: place }));
    assert!(stage.waits_for("execution") && stage.waits_for("waiting"));
}

#[test]
fn a_pasted_alert_finds_its_runbooks() {
    let mut stage = Stage::new(80, 24);
    stage.take(Message::Paste("{\"labels\": {\"alertname\": \"CacheMisses\"}}".to_owned()));
    assert!(matches!(stage.asked("alert").1, Call::Alert(request) if request.payload.contains("CacheMisses")));
}

#[test]
fn ten_thousand_hits_cost_no_more_than_a_screen() {
    let mut stage = Stage::new(120, 40);
    stage.answer("search", Answer::Search(Box::new(found(10_000, ""))));
    stage.screen();
    let begun = Instant::now();
    for _ in 0..20 {
        stage.press("Down");
        stage.screen();
    }
    // Generous: this build is not optimised and the machine is shared; a list that is drawn whole takes seconds.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?} for 20 keys", begun.elapsed());
    stage.press("Esc G");
    assert!(stage.screen().contains("Runbook number 9999"), "the end is one key away");
}
