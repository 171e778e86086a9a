//! What a command ends with: an exit code, or an error that has one.

use std::process::ExitCode;

use belay_cockpit::wire::Candidates;
use belay_cockpit::{CockpitError, ErrorClass};
use serde_json::{Value, json};

use crate::guided::values;

/// How a command ended, by the command line contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// A run failed, was aborted, rolled back or is stuck; validation found errors.
    Failed,
    /// Usage or bad input.
    Usage,
    /// Waits for a person.
    Waiting,
    /// Refused.
    Refused,
    /// Database, disk, network.
    Environment,
    /// Ours.
    Bug,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Waiting => 3,
            Self::Refused => 4,
            Self::Environment => 5,
            Self::Bug => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The cockpit's.
    #[error(transparent)]
    Cockpit(#[from] CockpitError),
    /// A start lacks values, which could be these.
    #[error("{error}{}", values::sentence(candidates))]
    Missing {
        /// What is missing.
        error: CockpitError,
        /// What it could be.
        candidates: Vec<Candidates>,
    },
    /// The arguments do not fit together, or a file that they name cannot be used.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Whoever read our output has closed it; nobody is left to be told.
    #[error("standard output was closed")]
    Closed,
    /// Our output could not be written.
    #[error("standard output cannot be written: {0}")]
    Output(std::io::Error),
    /// The process could not be set up.
    #[error("{what}: {source}")]
    Setup {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Failure {
    /// Bad input with something to do about it.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Cockpit(error) | Self::Missing { error, .. } => match error.class {
                ErrorClass::User => Exit::Usage,
                ErrorClass::Refused => Exit::Refused,
                ErrorClass::Environment => Exit::Environment,
                ErrorClass::Bug => Exit::Bug,
            },
            Self::Usage { .. } => Exit::Usage,
            Self::Closed => Exit::Done,
            Self::Output(_) | Self::Setup { .. } => Exit::Environment,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Cockpit(error) | Self::Missing { error, .. } => error.hint.as_deref(),
            Self::Usage { hint, .. } => hint.as_deref(),
            Self::Closed | Self::Output(_) | Self::Setup { .. } => None,
        }
    }

    /// The same as a JSON document.
    pub fn json(&self) -> Value {
        let class = match self.exit() {
            Exit::Done | Exit::Failed | Exit::Usage => "usage",
            Exit::Waiting => "waiting",
            Exit::Refused => "refused",
            Exit::Environment => "environment",
            Exit::Bug => "bug",
        };
        let mut document = json!({ "error": {
            "class": class,
            "exit_code": self.exit().code(),
            "message": self.to_string(),
            "hint": self.hint(),
        } });
        if let Self::Missing { candidates, .. } = self {
            document["error"]["missing"] = json!(candidates);
        }
        document
    }
}
