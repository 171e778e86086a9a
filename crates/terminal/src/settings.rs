//! From arguments and environment to one typed value.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use belay_cockpit::{Options, Program};

use crate::arguments::Global;
use crate::failure::Failure;
use crate::style::Style;

/// What holds for every command.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where executions, keys and settings live.
    pub home: PathBuf,
    /// JSON on standard output.
    pub json: bool,
    /// Whether a person can be asked.
    pub input: bool,
    /// Whether somebody said that nothing may be asked, terminal or not.
    pub never_ask: bool,
    /// How standard output is dressed.
    pub style: Style,
    /// How standard error is dressed.
    pub errors: Style,
}

impl Settings {
    /// Puts flags over the environment over defaults.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let home = match &global.home {
            Some(home) if !home.as_os_str().is_empty() => home.clone(),
            Some(_) | None => data_directory()?.join("belay"),
        };
        Ok(Self {
            home,
            json: global.json,
            input: !global.no_input && !global.json && std::io::stdin().is_terminal(),
            never_ask: global.no_input,
            style: Style::of_output(global.color),
            errors: Style::of_errors(global.color),
        })
    }

    /// What the cockpit is made of: this program in two other roles performs commands and scripts.
    pub fn cockpit(&self, context: Option<String>) -> Result<Options, Failure> {
        let program = std::env::current_exe()
            .map_err(|source| Failure::Setup { what: "belay cannot find its own program", source })?;
        let role = |name: &str| Program { program: program.clone(), args: vec![OsString::from(name)] };
        Ok(Options { home: self.home.clone(), helper: role("__helper"), worker: role("__script-worker"), context })
    }
}

/// The XDG data directory; a relative one is to be ignored, as its specification says.
fn data_directory() -> Result<PathBuf, Failure> {
    let directory = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    directory("XDG_DATA_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/share")))
        .ok_or_else(|| Failure::usage("there is no home directory to keep executions in", "name one with `--home DIR`"))
}
