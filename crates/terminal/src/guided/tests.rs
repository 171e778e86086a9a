//! The guide and the narrator without a terminal: events and lines in, deeds out.

#![allow(clippy::panic, reason = "a failed test panics")]

use belay_cockpit::wire::{
    ActView, Candidate, Candidates, DriveEvent, ExecutionView, Waiting, WaitingKind, WaitingOption,
};
use belay_cockpit::{CockpitError, Confirmation, Saying, UndoChoice};
use serde_json::json;

use super::guide::{Deed, Guide, Happening};
use super::output::OutputPane;
use super::question::{Question, Reply};
use super::values::sentence;
use crate::render::tests::{HOSTILE, assert_harmless, view};
use crate::style::Style;

const STYLE: fn() -> Style = || Style::plain(80);

fn waiting(kind: WaitingKind, options: &[(&str, &str)]) -> ExecutionView {
    let mut view = view("");
    view.summary.waiting_on = vec![Waiting {
        kind,
        step: Some("restart".to_owned()),
        detail: "look".to_owned(),
        options: options.iter().map(|(name, what)| option(name, what)).collect(),
    }];
    view
}

fn option(name: &str, what: &str) -> WaitingOption {
    WaitingOption { name: name.to_owned(), description: what.to_owned(), ..WaitingOption::default() }
}

fn question(kind: WaitingKind, options: &[(&str, &str)]) -> Question {
    Question::of(&waiting(kind, options)).unwrap_or_else(|| panic!("it waits"))
}

fn said(reply: Reply) -> Saying {
    let Reply::Say(saying) = reply else { panic!("nothing was said: {reply:?}") };
    saying
}

fn printed(deeds: &[Deed]) -> String {
    deeds
        .iter()
        .filter_map(|deed| match deed {
            Deed::Print(text) => Some(text.as_str()),
            Deed::Say(_) | Deed::Drive | Deed::Cancel | Deed::ForgetTyped | Deed::Leave | Deed::Look { .. } => None,
        })
        .collect()
}

fn event(view: ExecutionView) -> Happening {
    Happening::Event(DriveEvent::Waiting { view: Box::new(view) })
}

#[test]
fn an_approval_shows_what_runs_and_takes_nothing_but_the_target() {
    let mut start = view("");
    start.steps.iter_mut().skip(1).for_each(|step| step.status = "pending".to_owned());
    let mut guide = Guide::new(&start, None, STYLE());
    insta::assert_snapshot!(printed(&guide.handle(event(view("")))));
    for wrong in ["", "y", "yes", "WEB-1", "web"] {
        let deeds = guide.handle(Happening::Line(wrong.to_owned()));
        assert!(printed(&deeds).contains("nothing was approved") || wrong.is_empty(), "{wrong}: {deeds:?}");
        assert!(!deeds.iter().any(|deed| matches!(deed, Deed::Say(_))), "`{wrong}` approves nothing");
    }
    let deeds = guide.handle(Happening::Line(" web-1 ".to_owned()));
    let approve =
        Saying::Approve { step: "restart".to_owned(), digest: None, target: Some("web-1".to_owned()), comment: None };
    assert_eq!(deeds, [Deed::Say(approve)]);
}

#[test]
fn hostile_text_never_reaches_the_screen() {
    let mut start = view("");
    start.steps.iter_mut().for_each(|step| step.status = "pending".to_owned());
    let mut guide = Guide::new(&start, None, STYLE());
    let mut page = printed(&guide.handle(event(view(HOSTILE))));
    let output = DriveEvent::Output { step: HOSTILE.to_owned(), stream: "stdout".to_owned(), text: HOSTILE.repeat(40) };
    page.push_str(&printed(&guide.handle(Happening::Event(output))));
    page.push_str(&printed(&guide.handle(Happening::Event(DriveEvent::Notice { text: HOSTILE.to_owned() }))));
    let stopped = DriveEvent::Stopped { error: HOSTILE.to_owned(), hint: Some(HOSTILE.to_owned()) };
    page.push_str(&printed(&guide.handle(Happening::Event(stopped))));
    assert_harmless(&page, 80);
}

#[test]
fn a_refused_answer_brings_its_question_back() {
    let mut guide = Guide::new(&view(""), None, STYLE());
    guide.handle(event(waiting(WaitingKind::Manual, &[])));
    assert!(matches!(guide.handle(Happening::Line("d".to_owned())).as_slice(), [Deed::Say(_)]));
    let deeds = guide.handle(Happening::Refused(CockpitError::refused("not now")));
    let page = printed(&deeds);
    assert!(page.contains("error: not now") && page.contains("Done?"), "{page}");
}

#[test]
fn a_question_that_changes_under_the_fingers_forgets_what_was_typed() {
    let mut guide = Guide::new(&view(""), None, STYLE());
    guide.handle(event(waiting(WaitingKind::Manual, &[])));
    let deeds = guide.handle(event(waiting(WaitingKind::Decision, &[("a", "one")])));
    assert!(deeds.contains(&Deed::ForgetTyped), "{deeds:?}");
    assert!(printed(&deeds).contains("Which branch"), "the new question is asked");
}

#[test]
fn the_same_state_again_does_not_ask_twice() {
    let mut guide = Guide::new(&view(""), None, STYLE());
    guide.handle(event(waiting(WaitingKind::Manual, &[])));
    assert_eq!(guide.handle(event(waiting(WaitingKind::Manual, &[]))), []);
}

#[test]
fn a_question_told_again_before_its_answer_arrives_is_not_asked_again() {
    let mut guide = Guide::new(&view(""), None, STYLE());
    let asked = || event(waiting(WaitingKind::Input, &[("pod", "")]));
    let moves_on = || Happening::Event(DriveEvent::Changed { view: Box::new(view("")) });
    guide.handle(asked());
    assert!(matches!(guide.handle(Happening::Line("web-1".to_owned())).as_slice(), [Deed::Say(_)]));
    assert_eq!(printed(&guide.handle(asked())), "", "the answer is on its way");
    guide.handle(moves_on());
    assert_eq!(printed(&guide.handle(Happening::Taken)), "", "and was taken");

    guide.handle(asked());
    guide.handle(Happening::Line("web-1".to_owned()));
    guide.handle(moves_on());
    guide.handle(asked());
    assert!(printed(&guide.handle(Happening::Taken)).contains("pod"), "what is asked anew is asked");
}

#[test]
fn the_first_interrupt_cancels_and_the_second_leaves() {
    let mut guide = Guide::new(&view(""), None, STYLE());
    let act = ActView {
        action: "command.run".to_owned(),
        description: "run it".to_owned(),
        parameters: json!({}),
        effect: "mutate".to_owned(),
        target: String::new(),
        notes: Vec::new(),
    };
    guide.handle(Happening::Event(DriveEvent::Started { step: "restart".to_owned(), act: Box::new(act) }));
    assert!(guide.handle(Happening::Interrupt).contains(&Deed::Cancel));
    let deeds = guide.handle(Happening::Interrupt);
    assert!(deeds.contains(&Deed::Leave) && printed(&deeds).contains("belay resume 69fc2ca0eb"), "{deeds:?}");
}

#[test]
fn a_poll_is_told_once() {
    let mut guide = Guide::new(&view(""), None, STYLE());
    let act = |description: &str| ActView {
        action: "http.healthcheck".to_owned(),
        description: description.to_owned(),
        parameters: json!({}),
        effect: "read".to_owned(),
        target: String::new(),
        notes: Vec::new(),
    };
    let mut round = |description| {
        let started = DriveEvent::Started { step: "check".to_owned(), act: Box::new(act(description)) };
        printed(&guide.handle(Happening::Event(started)))
    };
    assert!(round("check one").contains("check one"));
    assert_eq!(round("check one"), "", "another round of the same is not told");
    assert!(round("check two").contains("check two"), "another act is");
}

#[test]
fn the_end_of_the_input_leaves_safely() {
    let mut guide = Guide::new(&view(""), None, STYLE());
    guide.handle(event(waiting(WaitingKind::Manual, &[])));
    assert!(guide.handle(Happening::EndOfInput).contains(&Deed::Leave));
}

#[test]
fn every_way_to_answer_says_what_it_means() {
    let outcome = question(WaitingKind::Outcome, &[("done", ""), ("undo", "")]);
    let confirm = |outcome| Saying::Confirm { step: "restart".to_owned(), outcome, by_hand: false, note: None };
    assert_eq!(said(outcome.answer("2")), confirm(Confirmation::NotDone));
    assert_eq!(said(outcome.answer("undo")), confirm(Confirmation::Undo));
    let undo = question(WaitingKind::Undo, &[("done", ""), ("retry", ""), ("leave", "")]);
    let settled = |choice| Saying::SettleUndo { step: "restart".to_owned(), choice, note: None };
    assert_eq!(said(undo.answer("d")), settled(UndoChoice::Done));
    assert_eq!(said(undo.answer("retry")), settled(UndoChoice::Retry));
    assert!(matches!(undo.answer("b"), Reply::Again(_)), "what does not fit is not offered");
    let left = Saying::SettleUndo { step: "restart".to_owned(), choice: UndoChoice::Leave, note: None };
    assert_eq!(said(undo.answer("leave")), left, "`leave` is an answer here, not a way out");
    assert_eq!(undo.answer("q"), Reply::Leave);
    let list = question(WaitingKind::Checklist, &[("2", "two"), ("3", "three")]);
    assert_eq!(said(list.answer("y")), Saying::Check { items: Some(vec![2]), note: None });
    assert_eq!(said(list.answer("all")), Saying::Check { items: None, note: None });
    assert!(matches!(list.answer("1"), Reply::Again(_)), "an answered item is not open");
    let branches = question(WaitingKind::Decision, &[("q-branch", ""), ("2", "")]);
    assert_eq!(
        said(branches.answer("1")),
        Saying::Decide { step: "restart".to_owned(), branch: "q-branch".to_owned() }
    );
    assert_eq!(
        said(branches.answer("2")),
        Saying::Decide { step: "restart".to_owned(), branch: "2".to_owned() },
        "a branch's own name comes before its number"
    );
}

/// What a value could be.
fn found(name: &str, candidates: &[(&str, &str)]) -> Happening {
    let candidate = |(value, note): &(&str, &str)| Candidate { value: (*value).to_owned(), note: (*note).to_owned() };
    let candidates = candidates.iter().map(candidate).collect();
    Happening::Found(Candidates { name: name.to_owned(), candidates, problem: None })
}

/// A guide that was just asked for these values.
fn asked_for(names: &[&str]) -> (Guide, Vec<Deed>) {
    let options: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).collect();
    let view = waiting(WaitingKind::Input, &options);
    let mut guide = Guide::new(&view, None, STYLE());
    let deeds = guide.handle(event(view));
    (guide, deeds)
}

fn looks(deeds: &[Deed]) -> Vec<(&str, usize)> {
    deeds
        .iter()
        .filter_map(|deed| match deed {
            Deed::Look { name, given } => Some((name.as_str(), given.len())),
            Deed::Print(_) | Deed::Say(_) | Deed::Drive | Deed::Cancel | Deed::ForgetTyped | Deed::Leave => None,
        })
        .collect()
}

fn provided(values: &[(&str, &str)]) -> Deed {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    Deed::Say(Saying::Provide { values })
}

#[test]
fn values_are_picked_from_candidates_or_typed() {
    let answered = |line: &str| {
        let (mut guide, deeds) = asked_for(&["pod"]);
        assert_eq!(looks(&deeds), [("pod", 0)]);
        assert!(!printed(&deeds).contains("pod ="), "it is asked for once there is a list, or none");
        let asked = printed(&guide.handle(found("pod", &[("web-1", "CrashLoopBackOff, 12 restarts"), ("7", "ready")])));
        assert!(asked.contains("1   web-1  CrashLoopBackOff, 12 restarts\n"), "{asked}");
        assert!(asked.contains("a number picks one"), "{asked}");
        guide.handle(Happening::Line(line.to_owned()))
    };
    assert_eq!(answered("1"), [provided(&[("pod", "web-1")])]);
    assert_eq!(answered("other"), [provided(&[("pod", "other")])]);
    assert_eq!(answered("=n"), [provided(&[("pod", "n")])], "an equals sign takes a value as it is");
    assert_eq!(answered("=1"), [provided(&[("pod", "1")])], "a value that is a number can be given");
    assert_eq!(answered("7"), [provided(&[("pod", "7")])], "a candidate's own name comes before its number");
    assert!(printed(&answered("3")).contains("the list has 1 to 2; `=3` takes 3 as the value"), "a slip is no value");
    assert!(printed(&answered("99999999999999999999")).contains("the list has 1 to 2"));
    assert!(printed(&answered("")).contains("an empty value is no value"));
}

#[test]
fn each_value_is_looked_for_with_those_before_it() {
    let (mut guide, _) = asked_for(&["namespace", "pod"]);
    guide.handle(found("namespace", &[("shop", "the context's own")]));
    let next = guide.handle(Happening::Line("1".to_owned()));
    assert_eq!(looks(&next), [("pod", 1)], "the namespace that was picked is known");
    assert_eq!(guide.handle(found("namespace", &[("late", "")])), [], "an answer to an older question changes nothing");
    guide.handle(found("pod", &[("web-1", "")]));
    // The drive tells again that it waits, as after a note.
    let again = guide.handle(event(waiting(WaitingKind::Input, &[("namespace", ""), ("pod", "")])));
    assert_eq!(looks(&again), [], "what was given stays, and nobody looks twice");
    assert_eq!(guide.handle(Happening::Line("1".to_owned())), [provided(&[("namespace", "shop"), ("pod", "web-1")])]);
}

#[test]
fn nobody_has_to_wait_for_a_list_and_a_number_typed_before_it_picks_nothing() {
    let (mut guide, _) = asked_for(&["pod"]);
    assert_eq!(guide.handle(Happening::Line("1".to_owned())), [provided(&[("pod", "1")])]);
    let (mut guide, _) = asked_for(&["pod"]);
    let deeds = guide.handle(found("pod", &[("web-1", "")]));
    assert_eq!(deeds.first(), Some(&Deed::ForgetTyped), "what was typed was meant for no list");
}

#[test]
fn a_list_that_cannot_be_had_is_a_remark_and_the_question_comes() {
    let (mut guide, _) = asked_for(&["pod"]);
    let problem = Some("pods is forbidden".to_owned());
    let asked = guide.handle(Happening::Found(Candidates { name: "pod".to_owned(), candidates: Vec::new(), problem }));
    let asked = printed(&asked);
    assert!(asked.contains("cannot be listed: pods is forbidden") && asked.contains("pod ="), "{asked}");
    assert_eq!(guide.handle(Happening::Line("1".to_owned())), [provided(&[("pod", "1")])], "there is no list");
}

#[test]
fn a_problem_of_several_values_is_told_once() {
    let none = |name: &str| Candidates {
        name: name.to_owned(),
        candidates: Vec::new(),
        problem: Some("the login has expired".to_owned()),
    };
    let some = Candidates { candidates: vec![Candidate::bare("web-1")], problem: None, ..none("pod") };
    let told = sentence(&[none("node"), some, none("container")]);
    assert_eq!(
        told,
        "; `pod` could be `web-1`; what `node`, `container` could be cannot be listed: the login has expired"
    );
}

#[test]
fn a_long_list_is_cut_and_nothing_in_it_steers_the_terminal() {
    let (mut guide, _) = asked_for(&["pod"]);
    let names: Vec<String> = (1..=50).map(|n| format!("web-{n}")).collect();
    let mut candidates: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "ready")).collect();
    candidates[1] = (HOSTILE, HOSTILE);
    let asked = printed(&guide.handle(found("pod", &candidates)));
    assert_harmless(&asked, 80);
    assert!(asked.contains("and 35 more, to be typed") && !asked.contains("web-16"), "{asked}");
    assert!(
        printed(&guide.handle(Happening::Line("16".to_owned()))).contains("1 to 15"),
        "only what is seen is picked"
    );
    assert_eq!(guide.handle(Happening::Line("web-40".to_owned())), [provided(&[("pod", "web-40")])]);
}

#[test]
fn output_is_bounded_and_says_where_the_rest_is() {
    let mut pane = OutputPane::default();
    let mut shown = pane.take("stdout", &"line\n".repeat(500), STYLE());
    shown.push_str(&pane.finish("69fc2ca0eb11223344", "look", STYLE()));
    assert_eq!(shown.lines().count(), 61, "sixty lines, and where the others are");
    assert!(shown.ends_with("440 more lines: belay output 69fc2ca0eb look\n"), "{shown}");
}
