//! The terminal itself: taken over, and given back whatever happens.

use std::io::{Stdout, Write as _, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::failure::Failure;

/// What threads other than the one that draws had to say when they panicked. Printed at once it would stand across the
/// screen.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The terminal while it is ours; dropping it gives it back.
pub struct Screen {
    /// Where to draw.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over. From here on a panic of this thread gives it back before it prints.
    pub fn take() -> Result<Self, Failure> {
        let drawing = std::thread::current().id();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == drawing {
                give_back();
                before(info);
            } else {
                PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            }
        }));
        claim().map_err(failed)?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).map_err(|error| {
            give_back();
            failed(error)
        })?;
        Ok(Self { terminal })
    }

    /// Gives the terminal to the shell until it is told to go on, then takes it back.
    pub fn suspend(&mut self) -> Result<(), Failure> {
        give_back();
        // Where no shell can ever say that it goes on, the system does not stop us.
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGTSTP).map_err(|error| failed(error.into()))?;
        claim().map_err(failed)?;
        self.redraw()
    }

    /// Forgets what stands on the screen, so that all of it is drawn.
    pub fn redraw(&mut self) -> Result<(), Failure> {
        // After a stop from outside, the mode is whatever the shell left; we are on our own screen still, and entering it
        // twice would lose the place of the shell's cursor.
        disable_raw_mode().and_then(|()| enable_raw_mode()).map_err(failed)?;
        execute!(stdout(), crossterm::terminal::Clear(crossterm::terminal::ClearType::All)).map_err(failed)?;
        // `Terminal::clear` asks where the cursor is, and the thread that reads the keyboard would eat the answer. With
        // both buffers empty everything counts as changed.
        self.terminal.swap_buffers();
        self.terminal.swap_buffers();
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        // The hook that stood before is part of the one that is taken out here.
        if !std::thread::panicking() {
            drop(std::panic::take_hook());
        }
        for panic in PANICS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            crate::page::warn(&format!("{}\n", crate::text::block(&panic)));
        }
    }
}

/// Whether the terminal is ours: given back twice, it would put the cursor where it once was, over what was printed since.
static OURS: AtomicBool = AtomicBool::new(false);

fn claim() -> std::io::Result<()> {
    OURS.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)
}

/// Nobody is left to be told when this fails: the terminal is gone.
fn give_back() {
    if !OURS.swap(false, Ordering::SeqCst) {
        return;
    }
    execute!(stdout(), Show, DisableBracketedPaste, LeaveAlternateScreen).unwrap_or_default();
    disable_raw_mode().unwrap_or_default();
    stdout().flush().unwrap_or_default();
}

pub(super) fn failed(source: std::io::Error) -> Failure {
    Failure::Setup { what: "the terminal cannot be used", source }
}
