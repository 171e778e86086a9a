//! The one function that changes the state.

use belay_cockpit::api::{Answer, Call, CallError, Driven, Event, Told};

use super::actions::actions;
use super::deed::Deed;
use super::dialog::{Chosen, Dialog};
use super::message::{Command, Key, Message, Ticket};
use super::pages::Page;
use super::pages::alerts::Alerts;
use super::pages::execution::Execution;
use super::perform::{perform, send};
use super::state::{EVERYWHERE, Notice, Size, State};

/// Takes what happens; answers with what to do.
pub fn update(state: &mut State, message: Message) -> Vec<Command> {
    let mut commands = Vec::new();
    match message {
        Message::Key(key) => press(state, &key, &mut commands),
        Message::Paste(text) => paste(state, &text, &mut commands),
        Message::Resized { columns, rows } => {
            state.size = Size { columns, rows };
            state.each(&mut commands, Page::resized);
        }
        Message::Tick(now) => state.now = now,
        Message::Interrupt => interrupt(state, &mut commands),
        Message::Gone => state.leaving = true,
        Message::Answered { ticket, answer } => answered(state, ticket, answer, &mut commands),
        Message::Told(told) => tell(state, told, &mut commands),
        Message::AlertRead(read) => match read {
            Ok(text) => send_alert(state, text, &mut commands),
            Err(error) => refuse(state, error),
        },
        Message::Saved(saved) => state.say(match saved {
            Ok(path) => Notice::Good(format!("written to {path}")),
            Err(error) => Notice::Error(error),
        }),
    }
    commands
}

fn press(state: &mut State, key: &Key, commands: &mut Vec<Command>) {
    if state.leaving {
        return;
    }
    match key.name.as_str() {
        "C-c" => return interrupt(state, commands),
        "C-z" => return commands.push(Command::Suspend),
        "C-l" => return commands.push(Command::Redraw),
        _ => {}
    }
    state.interrupted = false;
    state.notice = None;
    if state.dialog.is_some() {
        return press_dialog(state, key, commands);
    }
    let palette = matches!(key.name.as_str(), "C-k" | "C-p");
    if palette || key.name == "F1" {
        return perform(state, if palette { Deed::Palette } else { Deed::Help }, commands);
    }
    if state.prefix.is_none() {
        let (page, mut desk) = state.top(commands);
        if page.press(key, &mut desk) {
            return;
        }
    }
    let wanted = match state.prefix.take() {
        Some(first) => format!("{first} {}", key.name),
        None => key.name.clone(),
    };
    let all = actions(state);
    if let Some(action) = all.iter().find(|action| action.keys.contains(&wanted.as_str())) {
        return perform(state, action.deed.clone(), commands);
    }
    let begins = |keys: &&str| keys.split_once(' ').is_some_and(|(first, _)| first == wanted);
    if all.iter().any(|action| action.keys.iter().any(begins)) {
        state.prefix = Some(wanted);
    }
}

fn press_dialog(state: &mut State, key: &Key, commands: &mut Vec<Command>) {
    match &mut state.dialog {
        Some(Dialog::Help(top)) => match key.name.as_str() {
            "j" | "Down" => *top += 1,
            "k" | "Up" => *top = top.saturating_sub(1),
            "PageDown" | "Space" => *top += 10,
            "PageUp" => *top = top.saturating_sub(10),
            _ => state.dialog = None,
        },
        Some(Dialog::Menu(menu)) => match menu.press(key) {
            Chosen::Open => {}
            Chosen::Closed => state.dialog = None,
            Chosen::Deed(deed) => {
                state.dialog = None;
                perform(state, *deed, commands);
            }
        },
        Some(Dialog::Words(words)) => match key.name.as_str() {
            "Esc" => {
                let (draft, typed) = (words.purpose.draft(), words.field.text().to_owned());
                if !draft.is_empty() {
                    state.drafts.insert(format!("{}/{draft}", words.execution), typed);
                }
                state.dialog = None;
            }
            "Enter" => send(state, commands),
            "Left" | "Right" if words.sending.is_none() && words.choose(key.name == "Right") => {}
            "PageDown" => words.top += 5,
            "PageUp" => words.top = words.top.saturating_sub(5),
            _ => {
                if words.sending.is_none() {
                    words.field.press(key);
                }
            }
        },
        None => {}
    }
}

fn paste(state: &mut State, text: &str, commands: &mut Vec<Command>) {
    let in_catalog = matches!(state.page(), Page::Catalog(_));
    match &mut state.dialog {
        Some(Dialog::Words(words)) if words.sending.is_none() => {
            words.field.paste(text);
        }
        Some(Dialog::Menu(menu)) => {
            menu.field.paste(text);
        }
        Some(Dialog::Words(_) | Dialog::Help(_)) => {}
        // An alert that is pasted into the catalog finds its runbooks.
        None if in_catalog && is_alert(text) => {
            send_alert(state, text.to_owned(), commands);
        }
        None => {
            let (page, mut desk) = state.top(commands);
            page.paste(text, &mut desk);
        }
    }
}

/// Whether a text is JSON rather than words or a path.
pub fn is_alert(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// Asks for the runbooks of an alert; with the dialog open, its answer belongs to the dialog.
pub fn send_alert(state: &mut State, payload: String, commands: &mut Vec<Command>) {
    let request = belay_cockpit::api::AlertRequest { payload, fingerprint: None };
    state.ask(Call::Alert(request), commands);
    let n = state.next;
    if let Some(Dialog::Words(words)) = &mut state.dialog {
        words.sending = Some(n);
    }
}

/// Ctrl-C: once cancels what runs, twice leaves.
fn interrupt(state: &mut State, commands: &mut Vec<Command>) {
    if state.interrupted || state.leaving {
        return perform(state, Deed::Quit, commands);
    }
    state.interrupted = true;
    state.dialog = None;
    let runs = matches!(state.page(), Page::Execution(page) if page.runs() && page.is_driven_here());
    if runs {
        perform(state, Deed::Cancel, commands);
        state.say(Notice::Care("cancelling what runs; Ctrl-C again leaves safely".to_owned()));
    } else {
        state.say(Notice::Care("nothing runs here; Ctrl-C again leaves safely".to_owned()));
    }
}

fn answered(state: &mut State, ticket: Ticket, answer: Result<Answer, CallError>, commands: &mut Vec<Command>) {
    if let Some(Dialog::Words(words)) = &mut state.dialog
        && words.choices.answered(ticket.n, &answer)
    {
        return;
    }
    let of_dialog = matches!(&state.dialog, Some(Dialog::Words(words)) if words.sending == Some(ticket.n));
    let refused = answer.as_ref().err().cloned();
    match (of_dialog, refused) {
        (true, Some(error)) => return refuse(state, error),
        (true, None) => close_words(state),
        (false, _) => {}
    }
    match answer {
        Ok(Answer::About(about)) if ticket.page == EVERYWHERE => state.about = Some(*about),
        Ok(Answer::Waiting(waiting)) if ticket.page == EVERYWHERE => {
            state.waiting = waiting.into_iter().map(|summary| (summary.execution.clone(), summary)).collect();
        }
        Ok(Answer::Alert(alerts)) => state.push(Page::Alerts(Alerts::new(*alerts)), commands),
        Ok(Answer::Start(started)) => {
            // The form has served; going back from the execution leads to the runbook.
            if matches!(state.page(), Page::Start(_)) {
                state.pop();
            }
            let page = Execution::new(started.execution.clone());
            state.push(Page::Execution(Box::new(page)), commands);
        }
        // The dialog that asked for it is gone.
        Ok(Answer::CandidatesIn(_)) => {}
        Ok(Answer::Export(document)) => {
            commands.push(Command::Save { name: document.name.clone(), text: document.text.clone() });
        }
        answer => {
            let shows = |open: &&mut super::state::Open| open.id == ticket.page;
            let known = state.pages.iter_mut().any(|open| shows(&open));
            if let Err(error) = &answer
                && (!known || says_errors_below(state, ticket))
            {
                state.say(Notice::Error(error.clone()));
            }
            to_page(state, ticket, answer, commands);
            if let (Page::Catalog(page), _) = state.top(commands)
                && page.opens_now()
            {
                perform(state, Deed::Open, commands);
            }
        }
    }
}

/// Whether the page of a call has no place of its own for this error.
fn says_errors_below(state: &State, ticket: Ticket) -> bool {
    let page = state.pages.iter().find(|open| open.id == ticket.page).map(|open| &open.page);
    match page {
        Some(Page::Execution(page)) => page.page.is_some(),
        Some(Page::Catalog(_) | Page::Runbook(_) | Page::Start(_) | Page::History(_) | Page::Reader(_)) => false,
        Some(Page::Alerts(_)) | None => true,
    }
}

fn to_page(state: &mut State, ticket: Ticket, answer: Result<Answer, CallError>, commands: &mut Vec<Command>) {
    let mut answer = Some(answer);
    let mut wanted = state.pages.iter().map(|open| open.id == ticket.page).collect::<Vec<_>>().into_iter();
    state.each(commands, |page, desk| {
        if wanted.next() == Some(true)
            && let Some(answer) = answer.take()
        {
            page.answered(ticket.n, answer, desk);
        }
    });
}

/// What was typed stays, with the reason why it was not taken.
fn refuse(state: &mut State, error: CallError) {
    match &mut state.dialog {
        Some(Dialog::Words(words)) => {
            words.sending = None;
            words.error = Some(error);
        }
        Some(Dialog::Menu(_) | Dialog::Help(_)) | None => state.say(Notice::Error(error)),
    }
}

fn close_words(state: &mut State) {
    if let Some(Dialog::Words(words)) = state.dialog.take() {
        state.drafts.remove(&format!("{}/{}", words.execution, words.purpose.draft()));
    }
}

fn tell(state: &mut State, told: Told, commands: &mut Vec<Command>) {
    match told {
        Told::Events { events } => {
            for numbered in events {
                event(state, numbered.n, &numbered.event, commands);
            }
        }
        Told::Anew { .. } => {
            state.ask(Call::Waiting(belay_cockpit::api::Nothing {}), commands);
            state.each(commands, |page, desk| {
                if matches!(page, Page::Execution(_) | Page::History(_) | Page::Catalog(_)) {
                    page.ask(desk);
                }
            });
        }
    }
}

fn event(state: &mut State, n: u64, event: &Event, commands: &mut Vec<Command>) {
    match event {
        Event::Execution { view, driven } => {
            let summary = &view.summary;
            if summary.waiting_on.is_empty() {
                state.waiting.remove(&summary.execution);
            } else {
                state.waiting.insert(summary.execution.clone(), summary.clone());
            }
            if *driven == Driven::Here && summary.finished_at.is_none() {
                state.driven.insert(summary.execution.clone());
            } else {
                state.driven.remove(&summary.execution);
            }
        }
        Event::Notice { text, .. } => state.say(Notice::Care(text.clone())),
        Event::Escalated { step, reason, .. } => {
            state.say(Notice::Care(format!("tell somebody: step `{step}`: {reason}")));
        }
        Event::Stopped { error, hint, .. } => {
            let (class, message) = ("environment".to_owned(), error.clone());
            state.say(Notice::Error(CallError { class, message, hint: hint.clone() }));
        }
        Event::ActStarted { .. }
        | Event::Output { .. }
        | Event::OutputSkipped {}
        | Event::CatalogChanged { .. }
        | Event::Opened { .. } => {}
    }
    state.each(commands, |page, desk| page.told(n, event, desk));
}
