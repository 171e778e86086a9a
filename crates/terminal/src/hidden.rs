//! A line that is typed and not shown.

use std::io::{Write as _, stderr};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyModifiers, read as read_event};
use crossterm::execute;
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::failure::Failure;

/// Room for what people type or paste, so that it is not moved while it grows.
const ROOM: usize = 16 * 1024;

/// Asks on standard error for one line; `None` when the person goes away. What is pasted may have several lines.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other key types nothing")]
pub fn read(prompt: &str) -> Result<Option<SecretString>, Failure> {
    let raw = Raw::enter(prompt)?;
    let mut line = Zeroizing::new(String::with_capacity(ROOM));
    let finished = loop {
        match read_event().map_err(failed)? {
            Event::Paste(text) => line.push_str(&Zeroizing::new(text)),
            Event::Key(key) if key.is_press() || key.is_repeat() => {
                let control = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
                match key.code {
                    KeyCode::Enter => break true,
                    KeyCode::Esc => break false,
                    KeyCode::Char('c') if control => break false,
                    KeyCode::Char('d') if control && line.is_empty() => break false,
                    KeyCode::Char('u') if control => line.clear(),
                    KeyCode::Char(character) if !control => line.push(character),
                    KeyCode::Backspace => drop(line.pop()),
                    _ => {}
                }
            }
            Event::Key(_) | Event::Mouse(_) | Event::Resize(..) | Event::FocusGained | Event::FocusLost => {}
        }
    };
    drop(raw);
    let text = line.trim_end_matches(['\n', '\r']);
    Ok((finished && !text.is_empty()).then(|| SecretString::from(text)))
}

/// A terminal that shows nothing of what is typed, until it is dropped.
struct Raw;

impl Raw {
    fn enter(prompt: &str) -> Result<Self, Failure> {
        enable_raw_mode().map_err(failed)?;
        let raw = Self;
        let mut out = stderr();
        write!(out, "{prompt}").and_then(|()| execute!(out, EnableBracketedPaste)).map_err(failed)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // What came behind the line is part of the secret perhaps, and never a command for the shell.
        if let Err(error) = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush) {
            tracing::debug!(%error, "what was typed ahead cannot be thrown away");
        }
        // A terminal that is gone needs nothing back.
        execute!(stderr(), DisableBracketedPaste).unwrap_or_default();
        disable_raw_mode().unwrap_or_default();
        eprintln!();
    }
}

fn failed(source: std::io::Error) -> Failure {
    Failure::Setup { what: "the terminal cannot be read", source }
}
