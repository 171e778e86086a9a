//! What the cockpit is told, and what it wants done.

use belay_cockpit::api::{Answer, Call, CallError, Told};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use jiff::Timestamp;
use tui_input::InputRequest;
use tui_input::backend::crossterm::to_input_request;

/// What happens.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size now.
    Resized { columns: u16, rows: u16 },
    /// The time; comes once a second where a clock is shown.
    Tick(Timestamp),
    /// Ctrl-C came as a signal.
    Interrupt,
    /// The terminal is gone.
    Gone,
    /// A call was answered.
    Answered { ticket: Ticket, answer: Result<Answer, CallError> },
    /// The API tells something.
    Told(Told),
    /// A file was read for an alert.
    AlertRead(Result<String, CallError>),
    /// A document was written to a file.
    Saved(Result<String, CallError>),
}

/// What the cockpit wants done; whoever performs it answers with a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Ask the API.
    Ask { ticket: Ticket, call: Box<Call> },
    /// Read an alert from a file.
    ReadAlert { path: String },
    /// Write a document into the working folder; never over another file.
    Save { name: String, text: String },
    /// Give the terminal back to the shell for a while.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Leave what is driven safely, and end.
    Quit,
}

/// Who asked: answers find their page by it, and stale ones are known by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The page; none for what belongs to all of them.
    pub page: u64,
    /// Grows with every call.
    pub n: u64,
}

/// A key, by a name that tables can hold: `j`, `Enter`, `Up`, `C-k`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// What it does in a field.
    pub request: Option<InputRequest>,
}

impl Key {
    /// The key of an event of the terminal, where it is one.
    pub fn of(event: &Event) -> Option<Self> {
        let Event::Key(key) = event else { return None };
        if key.kind == KeyEventKind::Release {
            return None;
        }
        Some(Self { name: name(*key)?, request: to_input_request(event) })
    }

    /// The key of a name.
    #[cfg(test)]
    pub fn named(name: &str) -> Self {
        let mut characters = name.chars();
        let only = characters.next().filter(|_| characters.next().is_none());
        let (code, modifiers) = match (only, name) {
            (Some(character), _) => (KeyCode::Char(character), KeyModifiers::NONE),
            (None, "Enter") => (KeyCode::Enter, KeyModifiers::NONE),
            (None, "Esc") => (KeyCode::Esc, KeyModifiers::NONE),
            (None, "Up") => (KeyCode::Up, KeyModifiers::NONE),
            (None, "Down") => (KeyCode::Down, KeyModifiers::NONE),
            (None, "Tab") => (KeyCode::Tab, KeyModifiers::NONE),
            (None, "Backspace") => (KeyCode::Backspace, KeyModifiers::NONE),
            (None, "PageDown") => (KeyCode::PageDown, KeyModifiers::NONE),
            (None, name) => {
                let character = name.strip_prefix("C-").and_then(|rest| rest.chars().next()).unwrap_or('?');
                (KeyCode::Char(character), KeyModifiers::CONTROL)
            }
        };
        let event = Event::Key(KeyEvent::new(code, modifiers));
        Self { name: name.to_owned(), request: to_input_request(&event) }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a terminal has keys that nothing is bound to")]
fn name(key: KeyEvent) -> Option<String> {
    let plain = match key.code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(character) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            return Some(format!("C-{}", character.to_ascii_lowercase()));
        }
        KeyCode::Char(character) => character.to_string(),
        KeyCode::Enter => "Enter".to_owned(),
        KeyCode::Esc => "Esc".to_owned(),
        KeyCode::Tab => "Tab".to_owned(),
        KeyCode::BackTab => "BackTab".to_owned(),
        KeyCode::Backspace => "Backspace".to_owned(),
        KeyCode::Delete => "Delete".to_owned(),
        KeyCode::Up => "Up".to_owned(),
        KeyCode::Down => "Down".to_owned(),
        KeyCode::Left => "Left".to_owned(),
        KeyCode::Right => "Right".to_owned(),
        KeyCode::PageUp => "PageUp".to_owned(),
        KeyCode::PageDown => "PageDown".to_owned(),
        KeyCode::Home => "Home".to_owned(),
        KeyCode::End => "End".to_owned(),
        KeyCode::F(number) => format!("F{number}"),
        _ => return None,
    };
    Some(plain)
}
