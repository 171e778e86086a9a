//! Colours and symbols. Colour only supports: every symbol comes with a word, and nothing is said by colour alone.

use std::io::IsTerminal as _;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How text is dressed, and how wide the page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    color: bool,
    /// Columns of the page.
    pub columns: usize,
}

/// The narrowest and the widest page; longer lines are hard to read.
const COLUMNS: std::ops::RangeInclusive<usize> = 40..=120;

impl Style {
    /// What standard output can show.
    pub fn of_output(choice: ColorChoice) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { color: wants_color(choice, terminal), columns: columns() }
    }

    /// What standard error can show.
    pub fn of_errors(choice: ColorChoice) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { color: wants_color(choice, terminal), columns: columns() }
    }

    /// For what is drawn on a full screen: whoever draws it leaves the colours out where they are not wanted.
    pub fn on_screen(columns: usize) -> Self {
        Self { color: true, columns }
    }

    /// No colours, a page of the given width.
    #[cfg(test)]
    pub fn plain(columns: usize) -> Self {
        Self { color: false, columns }
    }

    /// Whether colours are used.
    pub fn is_colored(self) -> bool {
        self.color
    }

    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.dress("1", text)
    }

    /// Less important.
    pub fn dim(self, text: &str) -> String {
        self.dress("2", text)
    }

    /// Emphasis within a text.
    pub fn italic(self, text: &str) -> String {
        self.dress("3", text)
    }

    /// Literals that can be typed.
    pub fn code(self, text: &str) -> String {
        self.dress("36", text)
    }

    /// What went well.
    pub fn good(self, text: &str) -> String {
        self.dress("32", text)
    }

    /// What waits or may hurt.
    pub fn care(self, text: &str) -> String {
        self.dress("33", text)
    }

    /// What went wrong or destroys.
    pub fn bad(self, text: &str) -> String {
        self.dress("31", text)
    }

    fn dress(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// The symbol of a step's or an execution's status, in its colour.
    pub fn symbol(self, status: &str) -> String {
        match status {
            "succeeded" | "completed" => self.good("✓"),
            "failed" | "undo_failed" | "stuck" | "timed_out" => self.bad("✗"),
            "interrupted" | "contested" | "lost" => self.bad("!"),
            "running" | "in_progress" | "rolling_back" | "stopping" => self.care("▶"),
            "waiting" | "waiting_approval" | "waiting_input" | "paused" | "suspended" => self.care("?"),
            "undone" | "rolled_back" => self.care("↩"),
            "skipped" | "not_taken" | "cancelled" | "aborted" | "not_started" => self.dim("–"),
            _ => self.dim("·"),
        }
    }

    /// The word for a status, in its colour.
    pub fn status(self, status: &str) -> String {
        let word = crate::text::line(status).replace('_', " ");
        match status {
            "succeeded" | "completed" => self.good(&word),
            "failed" | "undo_failed" | "stuck" | "interrupted" | "contested" | "lost" | "timed_out" => self.bad(&word),
            "running" | "in_progress" | "rolling_back" | "stopping" | "waiting" | "waiting_approval"
            | "waiting_input" | "paused" | "undone" | "rolled_back" => self.care(&word),
            _ => self.dim(&word),
        }
    }

    /// The word for an effect, in its colour.
    pub fn effect(self, effect: &str) -> String {
        let word = crate::text::line(effect);
        match effect {
            "destructive" => self.bad(&self.bold(&word)),
            "mutate" => self.care(&word),
            _ => word,
        }
    }

    /// A rule across the page.
    pub fn rule(self) -> String {
        self.dim(&"─".repeat(self.columns))
    }
}

fn wants_color(choice: ColorChoice, terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}

fn columns() -> usize {
    let of_terminal = || {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    };
    let of_environment = || std::env::var("COLUMNS").ok()?.parse().ok();
    of_terminal().or_else(of_environment).unwrap_or(80).clamp(*COLUMNS.start(), *COLUMNS.end())
}
