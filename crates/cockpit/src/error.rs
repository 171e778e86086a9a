//! What goes wrong, sorted by whose it is, with what to do about it.

use std::fmt;

use belay_engine::driver::Refusal;
use belay_engine::fold::Illegal;
use belay_store::StoreError;

/// Whose error it is; front ends turn it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The user's: usage or bad input (exit 2).
    User,
    /// Refused by policy, signature or authorisation, or by where the execution stands (exit 4).
    Refused,
    /// The environment's: database, disk, network (exit 5).
    Environment,
    /// Ours (exit 70).
    Bug,
}

/// An error at the edge: lower case, no final period, with a hint where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CockpitError {
    /// Whose it is.
    pub class: ErrorClass,
    /// What went wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl CockpitError {
    /// The user's.
    pub fn user(message: impl Into<String>) -> Self {
        Self { class: ErrorClass::User, message: message.into(), hint: None }
    }

    /// Refused.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { class: ErrorClass::Refused, message: message.into(), hint: None }
    }

    /// The environment's, with its chain of causes.
    pub fn environment(what: &str, source: &dyn std::error::Error) -> Self {
        Self { class: ErrorClass::Environment, message: format!("{what}: {}", chain(source)), hint: None }
    }

    /// Ours.
    pub fn bug(message: impl Into<String>) -> Self {
        Self {
            class: ErrorClass::Bug,
            message: message.into(),
            hint: Some("this is a bug in belay; please report it with the output of `belay doctor`".to_owned()),
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for CockpitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CockpitError {}

impl From<StoreError> for CockpitError {
    fn from(error: StoreError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { class: ErrorClass::Environment, message: chain(&error), hint }
    }
}

impl From<Refusal> for CockpitError {
    fn from(refusal: Refusal) -> Self {
        let class = match refusal {
            Refusal::Ended
            | Refusal::NotReached(_)
            | Refusal::Elsewhere { .. }
            | Refusal::NotNow(_)
            | Refusal::UnknownBranch { .. } => ErrorClass::User,
            Refusal::OtherDigest | Refusal::Expired | Refusal::Target(_) | Refusal::OtherTarget { .. } => {
                ErrorClass::Refused
            }
            Refusal::Stale | Refusal::Illegal(_) => ErrorClass::Bug,
        };
        let hint = match &refusal {
            Refusal::Ended => {
                "`belay rollback EXEC --reason TEXT` takes back what it changed; a failed one can be tried again"
                    .to_owned()
            }
            Refusal::NotReached(_) | Refusal::Elsewhere { .. } | Refusal::NotNow(_) => {
                "`belay status EXEC` shows what waits".to_owned()
            }
            Refusal::UnknownBranch { known, .. } => {
                let known: Vec<_> = known.iter().map(|branch| format!("`{branch}`")).collect();
                format!("its branches are {}", known.join(", "))
            }
            Refusal::OtherDigest => "look at what would run now with `belay status EXEC`, then approve that".to_owned(),
            Refusal::Expired => {
                "`belay resume EXEC` goes on and asks again; `belay retry EXEC STEP` does where it says so".to_owned()
            }
            Refusal::Target(_) => "give it with `--target NAME`".to_owned(),
            Refusal::OtherTarget { .. } => {
                "look at what would run with `belay status EXEC`, then type the name of its target".to_owned()
            }
            Refusal::Stale | Refusal::Illegal(_) => return Self::bug(refusal.to_string()),
        };
        Self { class, message: refusal.to_string(), hint: Some(hint) }
    }
}

impl From<Illegal> for CockpitError {
    fn from(illegal: Illegal) -> Self {
        Refusal::from(illegal).into()
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        // SQLite says the same again, with its number in front.
        let new = match told.split_once(": ") {
            Some((code, rest)) if code.starts_with("Error code ") => rest,
            Some(_) | None => &told,
        };
        if !text.ends_with(new) {
            text.push_str(": ");
            text.push_str(new);
        }
        source = cause.source();
    }
    text
}
