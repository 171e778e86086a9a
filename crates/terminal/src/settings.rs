//! From arguments and environment to one typed value.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use belay_cockpit::{Home, KeyringChoice, Options};

use crate::arguments::Global;
use crate::failure::Failure;
use crate::style::Style;

/// What holds for every command.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where executions, keys and settings live.
    pub home: PathBuf,
    /// Which keyring secrets are kept in.
    pub keyring: KeyringChoice,
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
            Some(_) | None => Home::standard()?.dir().to_owned(),
        };
        Ok(Self {
            home,
            keyring: KeyringChoice::from_environment()?,
            json: global.json,
            input: !global.no_input && !global.json && std::io::stdin().is_terminal(),
            never_ask: global.no_input,
            style: Style::of_output(global.color),
            errors: Style::of_errors(global.color),
        })
    }

    /// What the cockpit is made of: this program in two other roles performs commands and scripts.
    pub fn cockpit(&self, context: Option<String>) -> Result<Options, Failure> {
        let (helper, worker) = belay_cockpit::roles()?;
        Ok(Options { home: self.home.clone(), helper, worker, context, keyring: self.keyring })
    }
}
