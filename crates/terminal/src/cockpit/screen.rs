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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use nix::pty::{Winsize, openpty};
    use nix::sys::termios::{LocalFlags, tcgetattr};

    use super::*;

    /// Runs a test of this file on a terminal of its own; gives back all that it printed, and whether the terminal reads
    /// whole lines again.
    fn on_a_terminal(test: &str) -> (String, bool) {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .arg(format!("cockpit::screen::tests::{test}"))
            .env("RUST_BACKTRACE", "0")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let mut master = File::from(pty.master);
        let mut reader = master.try_clone().unwrap();
        let printed = std::thread::spawn(move || {
            let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
            // Linux says EIO where the last one who could write is gone.
            while let Ok(count @ 1..) = reader.read(&mut chunk) {
                all.extend_from_slice(&chunk[..count]);
            }
            String::from_utf8_lossy(&all).into_owned()
        });
        child.wait().unwrap();
        let modes = tcgetattr(&pty.slave).unwrap().local_flags;
        drop(pty.slave);
        let printed = printed.join().unwrap();
        master.flush().unwrap();
        (printed, modes.contains(LocalFlags::ICANON | LocalFlags::ECHO))
    }

    /// What a terminal shows after all of it: the shell's screen.
    fn shown(printed: &str) -> String {
        let mut drawn = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0);
        drawn.process(printed.as_bytes());
        let screen = drawn.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste(), "{printed:?}");
        screen.contents()
    }

    #[test]
    fn a_panic_gives_the_terminal_back_and_is_read_on_the_shells_screen() {
        let (printed, cooked) = on_a_terminal("panics_where_it_draws");
        assert!(printed.contains("\u{1b}[?1049h"), "the screen was taken: {printed:?}");
        assert!(shown(&printed).contains("the drawing went wrong"), "{printed:?}");
        assert!(cooked, "a terminal that is left raw is of no use to the shell");
    }

    #[test]
    fn a_panic_beside_it_is_told_when_the_terminal_is_given_back() {
        let (printed, cooked) = on_a_terminal("panics_beside_it");
        let given_back = printed.find("\u{1b}[?1049l").unwrap();
        assert!(printed.find("the reading went wrong").unwrap() > given_back, "not across the screen: {printed:?}");
        assert!(shown(&printed).contains("the reading went wrong"), "{printed:?}");
        assert!(cooked);
    }

    #[test]
    #[ignore = "a part of the test above, which runs it on a terminal"]
    fn panics_where_it_draws() {
        let _screen = Screen::take().unwrap();
        panic!("the drawing went wrong");
    }

    #[test]
    #[ignore = "a part of the test above, which runs it on a terminal"]
    fn panics_beside_it() {
        let screen = Screen::take().unwrap();
        std::thread::spawn(|| panic!("the reading went wrong")).join().unwrap_err();
        drop(screen);
    }
}
