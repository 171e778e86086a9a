//! What can be done here and now, with its key: one table for the keyboard, the bar at the bottom, the palette and help.

use belay_cockpit::api::{Driven, OutcomeWord, Said, UndoWord};
use belay_cockpit::wire::{Waiting, WaitingKind};

use super::deed::{Deed, Destination, Purpose};
use super::pages::Page;
use super::pages::execution::Execution;
use super::pages::runbook::Part;
use super::scroll::Motion;
use super::state::State;
use crate::render::lists::reference;

/// Something that can be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Its keys, the one that is shown first; two keys after each other are `g c`.
    pub keys: &'static [&'static str],
    /// What it is.
    pub label: String,
    /// Whether the bar at the bottom shows it.
    pub shown: bool,
    /// What it does.
    pub deed: Deed,
}

fn action(keys: &'static [&'static str], label: &str, deed: Deed) -> Action {
    Action { keys, label: label.to_owned(), shown: false, deed }
}

fn main(keys: &'static [&'static str], label: &str, deed: Deed) -> Action {
    Action { shown: true, ..action(keys, label, deed) }
}

/// Everything that can be done: here first, then what goes everywhere.
pub fn actions(state: &State) -> Vec<Action> {
    let mut all = match state.page() {
        Page::Catalog(catalog) => {
            let mut all = vec![main(&["/"], "search", Deed::Search), main(&["f"], "narrow", Deed::Narrow)];
            if !catalog.narrowing().is_empty() || !catalog.field.text().is_empty() {
                all.push(main(&["x"], "show all", Deed::Widen));
            }
            if let Some(hit) = catalog.selected() {
                all.insert(0, main(&["Enter"], "open", Deed::Open));
                let (runbook, title) = (reference(hit), hit.title.clone());
                all.insert(1, main(&["r"], "run", Deed::Prepare { runbook, title, alert: None }));
            }
            all
        }
        Page::Runbook(runbook) => {
            let mut all = vec![main(&["Tab"], "next part", Deed::NextTab)];
            if let Some(page) = &runbook.page {
                let (reference, title, alert) =
                    (runbook.reference.clone(), page.runbook.title.clone(), runbook.alert.clone());
                let run = Deed::Prepare { runbook: reference, title, alert };
                if runbook.execution().is_some() {
                    all.insert(0, main(&["Enter"], "open execution", Deed::Open));
                    all.insert(1, main(&["r"], "run", run));
                } else {
                    all.insert(0, main(&["Enter", "r"], "run", run));
                }
                let related = page.runbook.related.iter().filter_map(|related| {
                    let deed = Deed::Runbook { runbook: related.name.clone()?, alert: None };
                    Some(action(&[], &format!("open the related {}", related.text), deed))
                });
                all.extend(related);
            }
            for (index, part) in Part::ALL.into_iter().enumerate() {
                const DIGITS: [&[&str]; 5] = [&["1"], &["2"], &["3"], &["4"], &["5"]];
                let name = part.name().to_lowercase();
                all.extend(DIGITS.get(index).map(|keys| action(keys, &format!("show {name}"), Deed::Tab(index))));
            }
            all
        }
        Page::Start(start) => {
            let plan = Deed::Plan(Box::new(start.request()));
            let mut all = vec![main(&["C-s"], "start", Deed::Begin), main(&["C-o"], "plan", plan.clone())];
            if start.row == start.start_row() {
                all.insert(0, main(&["Enter"], "start", Deed::Begin));
            } else if start.row == start.plan_row() {
                all.insert(0, main(&["Enter"], "plan", plan));
            }
            all
        }
        Page::Execution(execution) => on_execution(execution),
        Page::History(history) => {
            let mut all = vec![main(&["Enter"], "open", Deed::Open), main(&["/"], "search", Deed::Search)];
            if !history.waiting {
                all.push(main(&["f"], "narrow", Deed::Narrow));
            }
            if history.status.is_some() || !history.field.text().is_empty() {
                all.push(main(&["x"], "show all", Deed::Widen));
            }
            if history.selected().is_some() {
                all.push(action(&["l"], "log", Deed::Log));
                all.push(action(&["m"], "postmortem", Deed::Postmortem));
                all.push(action(&["e"], "export the log", Deed::Export));
            }
            all
        }
        Page::Alerts(_) => vec![main(&["Enter"], "open", Deed::Open)],
        Page::Reader(reader) => {
            let mut all = find();
            if matches!(reader.content, super::pages::reader::Content::Postmortem { document: Some(_), .. }) {
                all.insert(0, main(&["w"], "write to a file", Deed::Save));
            }
            all
        }
    };
    all.extend(everywhere(state));
    all
}

fn find() -> Vec<Action> {
    vec![
        main(&["/"], "find", Deed::Search),
        main(&["n"], "next hit", Deed::Hit { back: false }),
        main(&["N"], "previous hit", Deed::Hit { back: true }),
    ]
}

fn everywhere(state: &State) -> Vec<Action> {
    let mut all = Vec::new();
    if state.pages.len() > 1 {
        all.push(main(&["Esc", "h", "Left"], "back", Deed::Back));
    }
    let go = |keys, label, to| action(keys, label, Deed::Go(to));
    all.extend([
        main(&["?", "F1"], "keys", Deed::Help),
        main(&["C-k", "C-p"], "palette", Deed::Palette),
        go(&["g c"], "go to the catalog", Destination::Catalog),
        go(&["g h"], "go to the executions", Destination::History),
        go(&["g w"], "go to what waits", Destination::Waiting),
        go(&["g a"], "find runbooks for an alert", Destination::Alert),
        go(&["g s"], "go to the settings and the doctor", Destination::Settings),
        action(&["R", "C-r"], "ask anew", Deed::Reload),
        action(&["j", "Down"], "down", Deed::Move(Motion::Down)),
        action(&["k", "Up"], "up", Deed::Move(Motion::Up)),
        action(&["PageDown", "Space", "C-d", "C-f"], "a screen down", Deed::Move(Motion::PageDown)),
        action(&["PageUp", "C-u", "C-b"], "a screen up", Deed::Move(Motion::PageUp)),
        action(&["g g", "Home"], "to the beginning", Deed::Move(Motion::First)),
        action(&["G", "End"], "to the end", Deed::Move(Motion::Last)),
        main(&["q"], "leave safely", Deed::Quit),
    ]);
    all
}

fn on_execution(execution: &Execution) -> Vec<Action> {
    if execution.zoomed {
        let mut all = find();
        all.push(main(&["F"], "follow", Deed::Follow));
        all.push(main(&["o"], "back to the steps", Deed::Output));
        return all;
    }
    let mut all = answers(execution);
    let Some(page) = &execution.page else { return all };
    let status = page.view.summary.status.as_str();
    if execution.is_open() {
        if page.driven == Driven::Nobody && page.view.summary.waiting_on.is_empty() && status != "paused" {
            all.insert(0, main(&["d"], "go on here", Deed::Drive));
        }
        if execution.runs() && execution.is_driven_here() {
            all.push(main(&["C"], "cancel what runs", Deed::Cancel));
        }
        if !matches!(status, "paused" | "rolling_back" | "stopping") {
            all.push(action(&["p"], "pause: start nothing new", say(Said::Pause {})));
        }
        all.push(action(&["X"], "abort: end it, take nothing back", words(Purpose::Abort)));
        if page.driven == Driven::Here {
            all.push(action(&["L"], "stop driving it here", Deed::Leave));
        }
    }
    let undone = matches!(status, "rolling_back" | "rolled_back");
    if !undone && !all.iter().any(|action| action.keys == ["u"]) {
        all.push(action(&["u"], "roll back: take back what was changed", words(Purpose::Rollback)));
    }
    if page.view.summary.finished_at.is_some() {
        all.push(main(&["m"], "postmortem", Deed::Postmortem));
    }
    all.extend([
        main(&["n"], "note", words(Purpose::Note)),
        main(&["o"], "output", Deed::Output),
        action(&["/"], "find in the output", Deed::Search),
        action(&["l"], "log", Deed::Log),
        action(&["e"], "export the log", Deed::Export),
        action(&["."], "show the step that matters now", Deed::Now),
    ]);
    all
}

fn say(said: Said) -> Deed {
    Deed::Say(Box::new(said))
}

fn words(purpose: Purpose) -> Deed {
    Deed::Words(Box::new(purpose))
}

/// What can be answered to what an execution asks; the first key of each is its own.
pub fn answers(execution: &Execution) -> Vec<Action> {
    let Some(page) = &execution.page else { return Vec::new() };
    let status = page.view.summary.status.as_str();
    let mut all = if status == "paused" {
        vec![main(&["p"], "go on", say(Said::Resume {}))]
    } else if let Some(step) = execution.failed() {
        let undone = page.view.steps.iter().any(|step| matches!(step.status.as_str(), "undone" | "undo_failed"));
        if undone { Vec::new() } else { to_failure(&step.name) }
    } else if let Some(waiting) = execution.waiting() {
        to_waiting(execution, waiting)
    } else {
        Vec::new()
    };
    if !all.is_empty() {
        all.insert(0, action(&["Enter"], "what can be answered", Deed::Choose));
    }
    all
}

fn skip(step: &str) -> Action {
    main(&["s"], "skip, with a reason", words(Purpose::Skip { step: step.to_owned() }))
}

fn by_hand(step: &str) -> Action {
    main(&["b"], "done by hand", words(Purpose::ByHand { step: step.to_owned() }))
}

fn retry(step: &str, label: &str) -> Action {
    main(&["r"], label, say(Said::Retry { step: step.to_owned() }))
}

fn confirm(keys: &'static [&'static str], label: &str, step: &str, outcome: OutcomeWord) -> Action {
    let said = Said::Confirm { step: step.to_owned(), outcome, by_hand: false, note: None };
    main(keys, label, say(said))
}

fn to_failure(step: &str) -> Vec<Action> {
    let rollback = main(&["u"], "roll back: take back what was changed", words(Purpose::Rollback));
    vec![retry(step, "retry"), skip(step), by_hand(step), rollback]
}

/// Keys of things that have none of their own.
const DIGITS: [&[&str]; 9] = [&["1"], &["2"], &["3"], &["4"], &["5"], &["6"], &["7"], &["8"], &["9"]];

fn to_waiting(execution: &Execution, waiting: &Waiting) -> Vec<Action> {
    let step = waiting.step.clone().unwrap_or_default();
    match waiting.kind {
        WaitingKind::Manual => {
            let failed = Purpose::Outcome { step: step.clone(), outcome: OutcomeWord::Failed };
            vec![
                confirm(&["d"], "done", &step, OutcomeWord::Done),
                main(&["f"], "it failed", words(failed)),
                skip(&step),
            ]
        }
        WaitingKind::Decision => {
            let branch = |(keys, option): (&&'static [&'static str], &belay_cockpit::wire::WaitingOption)| {
                let said = Said::Decide { step: step.clone(), branch: option.name.clone() };
                main(keys, &described(&option.name, &option.description), say(said))
            };
            DIGITS.iter().zip(&waiting.options).map(branch).chain([skip(&step)]).collect()
        }
        WaitingKind::Approval => {
            let approval = execution.step_named(&step).and_then(|step| step.approval.as_ref());
            match approval.filter(|approval| approval.status == "waiting") {
                Some(approval) => {
                    let (digest, target) = (approval.digest.clone(), approval.target.clone());
                    let approve = Purpose::Approve { step: step.clone(), digest: digest.clone(), target };
                    let reject = Purpose::Reject { step: step.clone(), digest };
                    vec![
                        main(&["a"], "approve", words(approve)),
                        main(&["x"], "reject", words(reject)),
                        by_hand(&step),
                        skip(&step),
                    ]
                }
                None => vec![retry(&step, "ask again, with what would run now"), skip(&step)],
            }
        }
        WaitingKind::Outcome => vec![
            confirm(&["1"], "done: it happened", &step, OutcomeWord::Done),
            confirm(&["2"], "not done: it did not happen, and may start again", &step, OutcomeWord::NotDone),
            confirm(&["3"], "failed: it happened and went wrong", &step, OutcomeWord::Failed),
            confirm(&["4"], "undo: take the step back", &step, OutcomeWord::Undo),
        ],
        WaitingKind::Undo if waiting.options.is_empty() => {
            vec![retry(&step, "retry"), skip(&step), by_hand(&step)]
        }
        WaitingKind::Undo => {
            let settle = |(keys, option): (&&'static [&'static str], &belay_cockpit::wire::WaitingOption)| {
                let (choice, label) = undo_word(&option.name)?;
                let said = Said::SettleUndo { step: step.clone(), choice, note: None };
                Some(main(keys, label, say(said)))
            };
            DIGITS.iter().zip(&waiting.options).filter_map(settle).collect()
        }
        WaitingKind::Input => {
            let provide =
                Purpose::Provide { given: std::collections::BTreeMap::new(), missing: waiting.options.clone() };
            vec![main(&["v"], "give what is missing", words(provide))]
        }
        WaitingKind::Checklist => checklist(waiting),
    }
}

fn checklist(waiting: &Waiting) -> Vec<Action> {
    let item = |(keys, option): (&&'static [&'static str], &belay_cockpit::wire::WaitingOption)| {
        let number = option.name.parse().ok()?;
        let said = Said::Check { items: Some(vec![number]), note: None };
        Some(main(keys, &described("", &option.description), say(said)))
    };
    let mut all: Vec<Action> = DIGITS.iter().zip(&waiting.options).filter_map(item).collect();
    if waiting.options.len() > 1 {
        all.push(main(&["A"], "all of them are so", say(Said::Check { items: None, note: None })));
    }
    all
}

fn described(name: &str, description: &str) -> String {
    match (name, description) {
        ("", of) | (of, "") => of.to_owned(),
        (name, description) => format!("{name} — {description}"),
    }
}

fn undo_word(name: &str) -> Option<(UndoWord, &'static str)> {
    match name {
        "done" => Some((UndoWord::Done, "done: this undo happened; go on with the next one")),
        "retry" => Some((UndoWord::Retry, "retry: compare again, and take it back if it fits")),
        "by-hand" => Some((UndoWord::ByHand, "by hand: I took the whole step back myself")),
        "leave" => Some((UndoWord::Leave, "leave it as it is")),
        _ => None,
    }
}
