//! Secrets: where they are kept, and what a runbook gets that names one.
//!
//! A secret lies in the keyring of the operating system, or in an environment variable where there is no keyring (a jump
//! host, CI). The open keyring comes first, then the environment; a locked keyring is asked to be unlocked only where the
//! environment has no such secret. Nothing here is reached before a secret is needed.

mod keyring;
mod name;
mod needs;
mod platform;
mod source;

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use ts_rs::TS;

use crate::error::{CockpitError, ErrorClass};
use keyring::{Keyring, KeyringError, Look};
pub use name::SecretName;
pub(crate) use needs::no_secret;
pub(crate) use source::SecretReader;

/// The longest value, in bytes.
pub const LONGEST_SECRET: usize = 64 * 1024;

/// Which keyring is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyringChoice {
    /// The operating system's.
    #[default]
    System,
    /// None: secrets come from the environment alone.
    Off,
}

impl KeyringChoice {
    /// What `BELAY_KEYRING` says: `system`, which is meant where it says nothing, or `off`.
    ///
    /// # Errors
    /// When it says anything else.
    pub fn from_environment() -> Result<Self, CockpitError> {
        match std::env::var_os("BELAY_KEYRING") {
            None => Ok(Self::System),
            Some(value) => match value.to_str() {
                Some("" | "system") => Ok(Self::System),
                Some("off") => Ok(Self::Off),
                Some(_) | None => Err(CockpitError::user("`BELAY_KEYRING` is neither `system` nor `off`")
                    .hint("leave it out to use the keyring of the operating system")),
            },
        }
    }
}

/// One secret that the keyring holds, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// When it was set, where the keyring says so.
    pub set_at: Option<Timestamp>,
}

/// What the keyring holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretList {
    /// What can be seen, by name.
    pub secrets: Vec<SecretView>,
    /// Whether the keyring is locked, so that it may hold more than it shows.
    pub locked: bool,
}

/// A secret that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SecretKept {
    /// Its name.
    pub name: String,
    /// Whether it took the place of another value.
    pub replaced: bool,
}

/// The secrets of this user. Every call blocks, for seconds at most, or for a minute where a person has to unlock the
/// keyring.
pub struct Secrets {
    keyring: Option<Keyring>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("keyring", &self.keyring.is_some()).finish()
    }
}

impl Secrets {
    pub(crate) fn new(choice: KeyringChoice) -> Self {
        Self {
            keyring: match choice {
                KeyringChoice::System => Some(Keyring::default()),
                KeyringChoice::Off => None,
            },
        }
    }

    fn keyring(&self) -> Result<&Keyring, KeyringError> {
        self.keyring.as_ref().ok_or(KeyringError::Off)
    }

    /// The names that the keyring holds; with `unlock`, a person is asked to open a locked one first.
    ///
    /// # Errors
    /// When there is no keyring, or it does not answer or open.
    pub fn list(&self, unlock: bool) -> Result<SecretList, CockpitError> {
        let keyring = self.keyring()?;
        let mut look = keyring.look(None)?;
        if unlock && is_locked(&look) {
            keyring.unlock()?;
            look = keyring.look(None)?;
        }
        let locked = is_locked(&look);
        let view = |held: keyring::Held| SecretView { name: held.name, set_at: held.set_at };
        Ok(SecretList { secrets: look.held.into_iter().map(view).collect(), locked })
    }

    /// Keeps a secret in the keyring, in place of the one of that name, and reads it back to be sure; with `unlock`, a
    /// person is asked to open a locked one first.
    ///
    /// # Errors
    /// When the value is empty, too long or no text for an environment, or the keyring does not take it.
    pub fn set(&self, name: &SecretName, value: &SecretString, unlock: bool) -> Result<SecretKept, CockpitError> {
        let text = value.expose_secret();
        let wrong = if text.is_empty() {
            Some("the secret is empty")
        } else if text.len() > LONGEST_SECRET {
            Some("the secret is longer than 64 KiB")
        } else if text.contains('\0') {
            Some("the secret holds a zero byte, which no variable can")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(CockpitError::user(wrong).hint("give its value on standard input, or type it on a terminal"));
        }
        let keyring = self.open(unlock)?;
        let replaced = !keyring.look(Some(name.as_str()))?.held.is_empty();
        keyring.keep(name.as_str(), value.clone())?;
        Ok(SecretKept { name: name.to_string(), replaced })
    }

    /// Removes a secret from the keyring; with `unlock`, a person is asked to open a locked one first.
    ///
    /// # Errors
    /// When the keyring does not hold it, or cannot be used.
    pub fn remove(&self, name: &SecretName, unlock: bool) -> Result<(), CockpitError> {
        let keyring = self.open(unlock)?;
        match keyring.remove(name.as_str()) {
            Err(KeyringError::Gone) => Err(CockpitError::user(format!("the keyring holds no secret `{name}`"))
                .hint("`belay secret list` shows what it holds")),
            removed => Ok(removed?),
        }
    }

    /// The keyring, once it is open.
    fn open(&self, unlock: bool) -> Result<&Keyring, KeyringError> {
        let keyring = self.keyring()?;
        if is_locked(&keyring.look(None)?) {
            if !unlock {
                return Err(KeyringError::Locked);
            }
            keyring.unlock()?;
        }
        Ok(keyring)
    }

    /// What a person should know of the keyring: it works, or why not and what to do. Unlocks nothing.
    pub(crate) fn examine(&self) -> Result<String, CockpitError> {
        let Some(keyring) = &self.keyring else {
            return Ok("switched off; secrets come from the environment alone (`BELAY_SECRET_<NAME>`)".to_owned());
        };
        let look = keyring.look(None)?;
        if is_locked(&look) {
            return Err(KeyringError::Locked.into());
        }
        keyring.try_out()?;
        Ok(match look.held.len() {
            0 => "keeps secrets and gives them back; it holds none for Belay yet".to_owned(),
            1 => "keeps secrets and gives them back; it holds 1 for Belay".to_owned(),
            count => format!("keeps secrets and gives them back; it holds {count} for Belay"),
        })
    }
}

fn is_locked(look: &Look) -> bool {
    look.locked || look.behind_lock > 0
}

impl From<KeyringError> for CockpitError {
    fn from(error: KeyringError) -> Self {
        Self { class: ErrorClass::Environment, message: error.to_string(), hint: Some(error.hint().to_owned()) }
    }
}
