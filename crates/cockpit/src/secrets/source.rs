//! Secrets as acts get them.

use std::sync::Arc;

use async_trait::async_trait;
use belay_actions::action::{SecretError, SecretSource};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::keyring::{KeyringError, Look};
use super::{SecretName, Secrets, is_locked};

impl Secrets {
    /// The value of a secret; blocks. With `unlock`, a person is asked to open a keyring that is locked and may hold it.
    pub(super) fn value(&self, name: &str, unlock: bool) -> Result<SecretString, SecretError> {
        let name = valid(name)?;
        let seen = self.seen(&name);
        if let Ok(Seen::Open) = seen {
            return self.read(&name).map_err(|error| unreadable(&name, &error));
        }
        if let Some(value) = from_environment(&name) {
            return Ok(value);
        }
        match seen {
            Ok(Seen::Absent | Seen::Open) => Err(absent(&name)),
            Ok(Seen::Locked | Seen::PerhapsLocked) if unlock => {
                self.open(true).map_err(|error| unreadable(&name, &error))?;
                match self.read(&name) {
                    Err(KeyringError::Gone) => Err(absent(&name)),
                    read => read.map_err(|error| unreadable(&name, &error)),
                }
            }
            Ok(Seen::Locked | Seen::PerhapsLocked) => Err(unreadable(&name, &KeyringError::Locked)),
            Err(error) => Err(no_keyring(&name, &error)),
        }
    }

    /// Why there is no such secret, or why nobody can know; blocks, and reads no value.
    pub(super) fn doubt(&self, name: &str) -> Option<Doubt> {
        let name = match valid(name) {
            Ok(name) => name,
            Err(error) => return Some(Doubt::Missing(error)),
        };
        match self.seen(&name) {
            Ok(Seen::Open) => None,
            _ if from_environment(&name).is_some() => None,
            Ok(Seen::Locked) => None,
            Ok(Seen::Absent) => Some(Doubt::Missing(absent(&name))),
            Ok(Seen::PerhapsLocked) => Some(Doubt::Unknown(SecretError {
                problem: format!("the keyring is locked, so nobody knows yet whether it holds secret `{name}`"),
                remedy: "it is asked to be unlocked when a step needs the secret".to_owned(),
            })),
            Err(error) => Some(Doubt::Missing(no_keyring(&name, &error))),
        }
    }

    /// Whether the environment or the keyring has a secret; blocks, and reads no value.
    pub(super) fn knows(&self, name: &SecretName) -> Known {
        if from_environment(name).is_some() {
            return Known::Yes;
        }
        match self.seen(name) {
            Ok(Seen::Open | Seen::Locked) => Known::Yes,
            Ok(Seen::PerhapsLocked) => Known::Locked,
            Ok(Seen::Absent) | Err(_) => Known::No,
        }
    }

    fn seen(&self, name: &SecretName) -> Result<Seen, KeyringError> {
        let look: Look = self.keyring()?.look(Some(name.as_str()))?;
        Ok(match () {
            () if !look.held.is_empty() => Seen::Open,
            () if look.behind_lock > 0 => Seen::Locked,
            () if is_locked(&look) => Seen::PerhapsLocked,
            () => Seen::Absent,
        })
    }

    fn read(&self, name: &SecretName) -> Result<SecretString, KeyringError> {
        self.keyring()?.read(name.as_str())
    }
}

/// What is known of a name without its value.
enum Seen {
    /// It can be read.
    Open,
    /// It is there, behind a lock.
    Locked,
    /// Some keyrings show nothing of what they hold while they are locked.
    PerhapsLocked,
    /// It is not there.
    Absent,
}

/// Whether some source has a secret.
pub(super) enum Known {
    /// One has.
    Yes,
    /// None has.
    No,
    /// Only unlocking the keyring tells.
    Locked,
}

/// Why a secret may not be there.
pub(crate) enum Doubt {
    /// It is not.
    Missing(SecretError),
    /// Only unlocking the keyring tells.
    Unknown(SecretError),
}

fn valid(name: &str) -> Result<SecretName, SecretError> {
    SecretName::parse(name).map_err(|error| SecretError {
        problem: format!("`{}` is no name of a secret", name.chars().take(12).collect::<String>().escape_debug()),
        remedy: error.hint.unwrap_or_default(),
    })
}

/// A variable that is empty gives no secret.
fn from_environment(name: &SecretName) -> Option<SecretString> {
    let value = Zeroizing::new(std::env::var(name.variable()).ok()?);
    (!value.is_empty()).then(|| SecretString::from(value.as_str()))
}

fn absent(name: &SecretName) -> SecretError {
    SecretError {
        problem: format!("secret `{name}` is not set"),
        remedy: format!(
            "keep it in the keyring with `belay secret set {name}`, or start Belay with it in `{}`",
            name.variable()
        ),
    }
}

fn no_keyring(name: &SecretName, error: &KeyringError) -> SecretError {
    SecretError {
        problem: format!("secret `{name}` is not set in the environment, and {error}"),
        remedy: format!(
            "start Belay with it in `{}`, or keep it with `belay secret set {name}` where the keyring works",
            name.variable()
        ),
    }
}

fn unreadable(name: &SecretName, error: &KeyringError) -> SecretError {
    SecretError {
        problem: format!("secret `{name}` cannot be read: {error}"),
        remedy: error.hint().replace("<NAME>", name.variable().trim_start_matches("BELAY_SECRET_")),
    }
}

/// Reads secrets for acts.
pub(crate) struct SecretReader {
    secrets: Arc<Secrets>,
    /// Whether a person may be asked to unlock the keyring; what only looks ahead opens no window.
    unlock: bool,
}

impl SecretReader {
    /// For acts that run.
    pub(crate) fn acting(secrets: &Arc<Secrets>) -> Self {
        Self { secrets: Arc::clone(secrets), unlock: true }
    }

    /// For plans.
    pub(crate) fn looking(secrets: &Arc<Secrets>) -> Self {
        Self { secrets: Arc::clone(secrets), unlock: false }
    }
}

#[async_trait]
impl SecretSource for SecretReader {
    async fn secret(&self, name: &str) -> Result<SecretString, SecretError> {
        let (secrets, owned, unlock) = (Arc::clone(&self.secrets), name.to_owned(), self.unlock);
        let read = tokio::task::spawn_blocking(move || secrets.value(&owned, unlock)).await;
        read.unwrap_or_else(|error| Err(ended(name, &error)))
    }

    async fn missing(&self, name: &str) -> Option<SecretError> {
        let (secrets, owned) = (Arc::clone(&self.secrets), name.to_owned());
        match tokio::task::spawn_blocking(move || secrets.doubt(&owned)).await {
            Ok(Some(Doubt::Missing(error))) => Some(error),
            Ok(Some(Doubt::Unknown(_)) | None) => None,
            Err(error) => Some(ended(name, &error)),
        }
    }
}

fn ended(name: &str, error: &tokio::task::JoinError) -> SecretError {
    SecretError { problem: format!("secret `{name}` cannot be read: {error}"), remedy: "try again".to_owned() }
}
