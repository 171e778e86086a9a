//! Deeds: what they change, and what they ask for.

use belay_cockpit::api::{Call, CallError, ExecutionRequest, Nothing, OutcomeWord, Said, SayRequest};
use serde_json::Value;

use super::actions::{actions, answers};
use super::choices::Choices;
use super::deed::{Deed, Destination, Purpose};
use super::dialog::{Dialog, Entry, Menu, Words};
use super::field::Field;
use super::message::Command;
use super::pages::Page;
use super::pages::catalog::Catalog;
use super::pages::execution::Execution;
use super::pages::history::{History, STATUSES};
use super::pages::reader::{Content, Reader};
use super::pages::runbook::{Part, Runbook};
use super::pages::start::Start;
use super::state::{Notice, State};
use super::update::{is_alert, send_alert};
use crate::render::lists::reference;

/// Runbooks that the palette lists; the catalog has all of them.
const LISTED: usize = 1_000;

/// Does something.
pub fn perform(state: &mut State, deed: Deed, commands: &mut Vec<Command>) {
    match deed {
        Deed::Go(to) => go(state, to, commands),
        Deed::Back => back(state),
        Deed::Quit => {
            state.leaving = true;
            commands.push(Command::Quit);
        }
        Deed::Help => state.dialog = Some(Dialog::Help(0)),
        Deed::Palette => state.dialog = Some(Dialog::Menu(palette(state))),
        Deed::Reload => {
            state.ask(Call::About(Nothing {}), commands);
            let (page, mut desk) = state.top(commands);
            page.ask(&mut desk);
        }
        Deed::Move(motion) => {
            let (page, mut desk) = state.top(commands);
            page.go(motion, &mut desk);
        }
        Deed::Open => open(state, commands),
        Deed::Search => search(state),
        Deed::Hit { back } => hit(state, back),
        Deed::Narrow => narrow(state),
        Deed::Facet { name, value } => {
            let (page, mut desk) = state.top(commands);
            match page {
                Page::Catalog(page) => page.facet(&name, &value, &mut desk),
                Page::History(page) => page.narrow(&value, &mut desk),
                Page::Runbook(_) | Page::Start(_) | Page::Execution(_) | Page::Alerts(_) | Page::Reader(_) => {}
            }
        }
        Deed::Widen => {
            let (page, mut desk) = state.top(commands);
            match page {
                Page::Catalog(page) => page.widen(&mut desk),
                Page::History(page) => page.widen(&mut desk),
                Page::Runbook(_) | Page::Start(_) | Page::Execution(_) | Page::Alerts(_) | Page::Reader(_) => {}
            }
        }
        Deed::Tab(index) => show_part(state, Part::ALL.get(index).copied()),
        Deed::NextTab => show_part(state, None),
        Deed::Prepare { runbook, title, alert } => {
            state.push(Page::Start(Box::new(Start::new(runbook, title, alert))), commands);
        }
        Deed::Begin => begin(state, commands),
        Deed::Plan(start) => read(state, Content::Plan { start, plan: None }, commands),
        Deed::Runbook { runbook, alert } => state.push(Page::Runbook(Box::new(Runbook::new(runbook, alert))), commands),
        Deed::Execution(id) => state.push(Page::Execution(Box::new(Execution::new(id))), commands),
        Deed::Say(said) => say(state, *said, commands),
        Deed::Words(purpose) => {
            ask_words(state, *purpose);
            look_for_value(state, commands);
        }
        Deed::Choose => choose(state),
        Deed::Drive => call(state, Call::Drive, commands),
        Deed::Leave => call(state, Call::Leave, commands),
        Deed::Cancel => call(state, Call::Cancel, commands),
        Deed::Export => call(state, Call::Export, commands),
        Deed::Log => {
            if let Some(execution) = execution(state) {
                read(state, Content::Log { execution, entries: None, verdict: None }, commands);
            }
        }
        Deed::Postmortem => {
            if let Some(execution) = execution(state) {
                read(state, Content::Postmortem { execution, document: None }, commands);
            }
        }
        Deed::Output => output(state, commands),
        Deed::Save => {
            if let Page::Reader(page) = state.page()
                && let Content::Postmortem { document: Some(document), .. } = &page.content
            {
                commands.push(Command::Save { name: document.name.clone(), text: document.text.clone() });
            }
        }
        Deed::Follow => {
            if let (Page::Execution(page), _) = state.top(commands) {
                page.output.follow();
            }
        }
        Deed::Now => {
            if let (Page::Execution(page), mut desk) = state.top(commands) {
                page.now(&mut desk);
            }
        }
    }
}

fn go(state: &mut State, to: Destination, commands: &mut Vec<Command>) {
    let page = match to {
        Destination::Alert => return ask_words(state, Purpose::Alert),
        Destination::Catalog => {
            state.pages.truncate(1);
            return;
        }
        Destination::History => Page::History(Box::default()),
        Destination::Waiting => Page::History(Box::new(History::of_waiting())),
        Destination::Settings => Page::Reader(Box::new(Reader::of_device())),
    };
    // Places lie beside each other; what was opened from one is left with it.
    state.pages.truncate(1);
    state.push(page, commands);
}

fn back(state: &mut State) {
    if let Some(super::state::Open { page: Page::Execution(page), .. }) = state.pages.last_mut()
        && page.zoomed
    {
        page.zoomed = false;
        return;
    }
    state.pop();
}

fn palette(state: &State) -> Menu {
    let entries = actions(state)
        .into_iter()
        .filter(|action| !matches!(action.deed, Deed::Palette | Deed::Move(_)))
        .map(|action| Entry {
            key: action.keys.first().copied().unwrap_or_default().to_owned(),
            label: action.label,
            detail: String::new(),
            deed: action.deed,
        });
    let waiting = state.waiting.values().map(|summary| Entry {
        key: String::new(),
        label: format!("open {}", summary.runbook.title),
        detail: format!("waits, {}", crate::text::short(&summary.execution)),
        deed: Deed::Execution(summary.execution.clone()),
    });
    let found = state.pages.iter().find_map(|open| match &open.page {
        Page::Catalog(catalog) => Some(catalog.as_ref()),
        Page::Runbook(_)
        | Page::Start(_)
        | Page::Execution(_)
        | Page::History(_)
        | Page::Alerts(_)
        | Page::Reader(_) => None,
    });
    let runbooks = found.map_or(&[][..], Catalog::hits).iter().take(LISTED).map(|hit| Entry {
        key: String::new(),
        label: hit.title.clone(),
        detail: format!("runbook {}", hit.id),
        deed: Deed::Runbook { runbook: reference(hit), alert: None },
    });
    Menu::new("What do you want to do?", entries.chain(waiting).chain(runbooks).collect())
}

fn open(state: &mut State, commands: &mut Vec<Command>) {
    let deed = match state.page() {
        Page::Catalog(page) => page.selected().map(|hit| Deed::Runbook { runbook: reference(hit), alert: None }),
        Page::Runbook(page) => page.execution().map(|summary| Deed::Execution(summary.execution.clone())),
        Page::History(page) => page.selected().map(|summary| Deed::Execution(summary.execution.clone())),
        Page::Alerts(page) => page
            .selected()
            .map(|(alert, hit)| Deed::Runbook { runbook: reference(hit), alert: Some(alert.value.clone()) }),
        Page::Start(_) | Page::Execution(_) | Page::Reader(_) => None,
    };
    if let Some(deed) = deed {
        perform(state, deed, commands);
    }
}

fn search(state: &mut State) {
    if let Some(open) = state.pages.last_mut() {
        match &mut open.page {
            Page::Catalog(page) => return page.typing = true,
            Page::History(page) => return page.typing = true,
            Page::Execution(page) => page.zoomed = true,
            Page::Reader(_) => {}
            Page::Runbook(_) | Page::Start(_) | Page::Alerts(_) => return,
        }
    }
    ask_words(state, Purpose::Find);
}

fn hit(state: &mut State, back: bool) {
    let found = match state.pages.last_mut().map(|open| &mut open.page) {
        Some(Page::Execution(page)) => page.output.hit(back),
        Some(Page::Reader(page)) => page.hit(back),
        Some(Page::Catalog(_) | Page::Runbook(_) | Page::Start(_) | Page::History(_) | Page::Alerts(_)) | None => true,
    };
    if !found {
        let way = if back { "before" } else { "after" };
        state.say(Notice::Care(format!("no hit {way} this")));
    }
}

fn narrow(state: &mut State) {
    let entry = |name: &str, value: &str, detail: String, chosen: bool| Entry {
        key: String::new(),
        label: format!("{}{name} {}", if chosen { "✓ " } else { "" }, value.replace('_', " ")),
        detail,
        deed: Deed::Facet { name: name.to_owned(), value: value.to_owned() },
    };
    let entries = match state.page() {
        Page::Catalog(page) => {
            let narrowed = page.narrowing();
            let facets = page.found.iter().flat_map(|found| &found.facets);
            facets
                .flat_map(|facet| facet.values.iter().map(move |value| (facet, value)))
                .map(|(facet, value)| {
                    let chosen = narrowed.contains(&(facet.name.as_str(), value.value.as_str()));
                    entry(&facet.name, &value.value, value.count.to_string(), chosen)
                })
                .collect()
        }
        Page::History(page) => STATUSES
            .iter()
            .map(|status| entry("status", status, String::new(), page.status.as_deref() == Some(status)))
            .collect(),
        Page::Runbook(_) | Page::Start(_) | Page::Execution(_) | Page::Alerts(_) | Page::Reader(_) => return,
    };
    state.dialog = Some(Dialog::Menu(Menu::new("Narrow by", entries)));
}

fn show_part(state: &mut State, part: Option<Part>) {
    if let Some(super::state::Open { page: Page::Runbook(page), .. }) = state.pages.last_mut() {
        page.show(part.unwrap_or_else(|| page.next_part()));
    }
}

fn begin(state: &mut State, commands: &mut Vec<Command>) {
    let (Page::Start(page), mut desk) = state.top(commands) else { return };
    let lacks = page.lacks();
    if lacks.is_empty() {
        page.begin(&mut desk);
    } else {
        state.say(Notice::Care(format!("it cannot start yet: look at {}", lacks.join(", "))));
    }
}

fn read(state: &mut State, content: Content, commands: &mut Vec<Command>) {
    state.push(Page::Reader(Box::new(Reader::new(content))), commands);
}

/// The execution that is shown or selected.
fn execution(state: &State) -> Option<String> {
    match state.page() {
        Page::Execution(page) => Some(page.id.clone()),
        Page::History(page) => page.selected().map(|summary| summary.execution.clone()),
        Page::Runbook(page) => page.execution().map(|summary| summary.execution.clone()),
        Page::Catalog(_) | Page::Start(_) | Page::Alerts(_) | Page::Reader(_) => None,
    }
}

fn call(state: &mut State, of: impl FnOnce(ExecutionRequest) -> Call, commands: &mut Vec<Command>) {
    if let Some(execution) = execution(state) {
        let (_, mut desk) = state.top(commands);
        desk.ask(of(ExecutionRequest { execution }));
    }
}

fn say(state: &mut State, saying: Said, commands: &mut Vec<Command>) {
    if let (Page::Execution(page), mut desk) = state.top(commands) {
        page.say(saying, &mut desk);
    }
}

fn ask_words(state: &mut State, purpose: Purpose) {
    let (mut execution, mut step, mut find) = (String::new(), None, String::new());
    let mut about = Vec::new();
    match state.page() {
        Page::Execution(page) => {
            execution.clone_from(&page.id);
            find.clone_from(&page.output.scroll.find);
            if let Purpose::Approve { step: name, .. } | Purpose::Reject { step: name, .. } = &purpose {
                step = page.step_named(name).cloned();
            }
            if purpose == Purpose::Rollback {
                about = page.takes_back();
            }
        }
        Page::Reader(page) => find.clone_from(&page.scroll.find),
        Page::Catalog(_) | Page::Runbook(_) | Page::Start(_) | Page::History(_) | Page::Alerts(_) => {}
    }
    let kept = state.drafts.get(&format!("{execution}/{}", purpose.draft())).cloned().unwrap_or_default();
    let typed = if purpose == Purpose::Find { find } else { kept };
    state.dialog = Some(Dialog::Words(Box::new(Words {
        purpose,
        execution,
        step,
        about,
        top: 0,
        field: Field::new(&typed),
        error: None,
        sending: None,
        choices: Choices::default(),
    })));
}

/// Looks for what the value could be that a dialog asks for.
fn look_for_value(state: &mut State, commands: &mut Vec<Command>) {
    let Some(Dialog::Words(words)) = &state.dialog else { return };
    let Some(wanted) = words.wanted() else { return };
    state.ask(Call::CandidatesIn(wanted), commands);
    let call = state.next;
    if let Some(Dialog::Words(words)) = &mut state.dialog {
        words.choices.look(String::new(), call);
    }
}

fn choose(state: &mut State) {
    let Page::Execution(page) = state.page() else { return };
    let entries = answers(page).into_iter().filter(|action| action.deed != Deed::Choose).map(|action| Entry {
        key: action.keys.first().copied().unwrap_or_default().to_owned(),
        label: action.label,
        detail: String::new(),
        deed: action.deed,
    });
    let menu = Menu::with_keys("What now?", entries.collect());
    state.dialog = Some(Dialog::Menu(menu));
}

fn output(state: &mut State, commands: &mut Vec<Command>) {
    let (Page::Execution(page), _) = state.top(commands) else { return };
    if page.zoomed {
        page.zoomed = false;
    } else if page.has_output() {
        page.zoomed = true;
        page.output.follow();
    } else if let Some(step) = page.step().map(|step| step.name.clone()) {
        let execution = page.id.clone();
        read(state, Content::Output { execution, step, pieces: None }, commands);
    }
}

/// Sends the words that were typed, where they can be sent.
pub fn send(state: &mut State, commands: &mut Vec<Command>) {
    let Some(Dialog::Words(words)) = &mut state.dialog else { return };
    if words.sending.is_some() {
        return;
    }
    let typed = words.field.text().trim().to_owned();
    if typed.is_empty() && !words.purpose.optional() {
        return;
    }
    words.error = None;
    if let Purpose::Approve { target, .. } = &words.purpose
        && typed != *target
    {
        let message = format!("that is not the target `{target}`; nothing was approved");
        words.error = Some(CallError { class: "user".to_owned(), message, hint: None });
        return;
    }
    let execution = words.execution.clone();
    let saying = match words.purpose.clone() {
        Purpose::Find => return find(state, &typed),
        Purpose::Alert if is_alert(&typed) => return send_alert(state, typed, commands),
        Purpose::Alert => return commands.push(Command::ReadAlert { path: typed }),
        Purpose::Provide { mut given, mut missing } => {
            if missing.is_empty() {
                return;
            }
            given.insert(missing.remove(0).name, Value::String(typed));
            if !missing.is_empty() {
                words.purpose = Purpose::Provide { given, missing };
                words.field = Field::default();
                return look_for_value(state, commands);
            }
            Said::Provide { values: given }
        }
        Purpose::Note => Said::Note { text: typed },
        Purpose::Skip { step } => Said::Skip { step, reason: typed },
        Purpose::ByHand { step } => {
            Said::Confirm { step, outcome: OutcomeWord::Done, by_hand: true, note: Some(typed) }
        }
        Purpose::Abort => Said::Abort { reason: typed },
        Purpose::Rollback => Said::Rollback { reason: typed },
        Purpose::Reject { step, digest } => Said::Reject { step, digest, comment: Some(typed) },
        Purpose::Approve { step, digest, .. } => {
            Said::Approve { step, digest, target: Some(typed).filter(|typed| !typed.is_empty()), comment: None }
        }
        Purpose::Outcome { step, outcome } => {
            Said::Confirm { step, outcome, by_hand: false, note: Some(typed).filter(|note| !note.is_empty()) }
        }
    };
    let (_, mut desk) = state.top(commands);
    let n = desk.ask(Call::Say(SayRequest { execution, saying }));
    if let Some(Dialog::Words(words)) = &mut state.dialog {
        words.sending = Some(n);
    }
}

fn find(state: &mut State, typed: &str) {
    state.dialog = None;
    match state.pages.last_mut().map(|open| &mut open.page) {
        Some(Page::Execution(page)) => typed.clone_into(&mut page.output.scroll.find),
        Some(Page::Reader(page)) => typed.clone_into(&mut page.scroll.find),
        Some(Page::Catalog(_) | Page::Runbook(_) | Page::Start(_) | Page::History(_) | Page::Alerts(_)) | None => {}
    }
    if !typed.is_empty() {
        // In output the newest hit matters first.
        let back = matches!(state.page(), Page::Execution(_));
        hit(state, back);
    }
}
