//! The keyring of the operating system, asked with bounded patience.
//!
//! The library blocks, runs a runtime of its own and waits for a prompt for as long as it stays open. So every question
//! has a thread of its own; one that takes longer than its patience is left behind, and until it ends the same kind of
//! question is refused instead of being asked again. A person is waited for in a step of its own, which only unlocks:
//! nothing is read or changed by a question that was given up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use jiff::Timestamp;
use keyring_core::{CredentialStore, Entry};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use super::platform;
use crate::home;

/// The service that secrets are kept for; every home of this user sees the same ones.
const SERVICE: &str = "belay";

/// The service of the round trip that tries a keyring; nothing of it is ever listed.
const TRIAL: &str = "belay-trial";

/// How long a question may take that asks nobody.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a person may take to unlock it.
const PATIENCE_WITH_A_PERSON: Duration = Duration::from_mins(1);

/// Why the keyring cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyringError {
    /// Somebody wants it so.
    #[error("the keyring is switched off (`BELAY_KEYRING=off`)")]
    Off,
    /// This system's keyring is not known to us.
    #[cfg_attr(target_os = "linux", expect(dead_code, reason = "for systems whose store is not built in yet"))]
    #[error("this version of belay cannot use the keyring of this system")]
    Unsupported,
    /// There is none.
    #[error("there is no keyring here: {0}")]
    None(String),
    /// It has nowhere to keep anything.
    #[error("the keyring has no default collection")]
    NoCollection,
    /// It is locked, and nobody was asked.
    #[error("the keyring is locked")]
    Locked,
    /// Somebody was asked and did not unlock it.
    #[error("the keyring stayed locked")]
    StayedLocked,
    /// It does not answer.
    #[error("the keyring does not answer")]
    Silent,
    /// It asks somebody already.
    #[error("the keyring still waits to be unlocked")]
    Asking,
    /// There is no such secret.
    #[error("the keyring does not hold it")]
    Gone,
    /// There is more than one of that name.
    #[error("the keyring holds it more than once")]
    Twice,
    /// What it holds is no text.
    #[error("what the keyring holds is no text")]
    NoText,
    /// It gave back something else than it was given.
    #[error("the keyring took the secret and did not give it back")]
    NotKept,
    /// Anything else.
    #[error("the keyring refused: {0}")]
    Refused(String),
}

impl KeyringError {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Off => {
                "start Belay without `BELAY_KEYRING`, or give secrets in the environment (`BELAY_SECRET_<NAME>`)"
            }
            Self::Unsupported | Self::None(_) => {
                "a desktop session has one (GNOME Keyring, KWallet, KeePassXC); where there is none, give secrets in the \
                 environment (`BELAY_SECRET_<NAME>`)"
            }
            Self::NoCollection => {
                "make a default keyring in your keyring program, or give secrets in the environment \
                 (`BELAY_SECRET_<NAME>`)"
            }
            Self::Locked | Self::StayedLocked => {
                "unlock it, in the window that it opens or in your keyring program, and try again; or give the secret in \
                 the environment (`BELAY_SECRET_<NAME>`)"
            }
            Self::Asking => "answer the window that it has opened, then try again",
            Self::Silent | Self::NotKept | Self::Refused(_) => {
                "look at the keyring's program; until it works, give secrets in the environment (`BELAY_SECRET_<NAME>`)"
            }
            Self::Gone => "`belay secret list` shows what it holds",
            Self::Twice => "remove all but one in your keyring program; Belay's have the attribute `service` = `belay`",
            Self::NoText => "set it again with `belay secret set`",
        }
    }
}

/// One secret that the keyring holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) name: String,
    /// When it was set, where the keyring says so.
    pub(crate) set_at: Option<Timestamp>,
}

/// What can be seen of a keyring without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// What is open, by name.
    pub(crate) held: Vec<Held>,
    /// How many more are locked.
    pub(crate) behind_lock: usize,
    /// Whether the collection is locked that new ones go to; it may hold more than it shows.
    pub(crate) locked: bool,
}

/// The keyring. Nothing is opened before it is asked.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    questions: Lane,
    prompts: Lane,
}

impl Keyring {
    /// What it holds; unlocks nothing.
    pub(super) fn look(&self, name: Option<&str>) -> Result<Look, KeyringError> {
        let name = name.map(str::to_owned);
        self.questions.ask(PATIENCE, KeyringError::Silent, move || platform::look(SERVICE, name.as_deref()))
    }

    /// Has a person unlock it, where it is locked.
    pub(super) fn unlock(&self) -> Result<(), KeyringError> {
        self.prompts.ask(PATIENCE_WITH_A_PERSON, KeyringError::StayedLocked, || platform::unlock(SERVICE))
    }

    /// A value of the open keyring.
    pub(super) fn read(&self, name: &str) -> Result<SecretString, KeyringError> {
        let name = name.to_owned();
        self.questions.ask(PATIENCE, KeyringError::Silent, move || read(&entry(SERVICE, &name)?))
    }

    /// Keeps a value in the open keyring, in place of the one before it.
    pub(super) fn keep(&self, name: &str, value: SecretString) -> Result<(), KeyringError> {
        let name = name.to_owned();
        self.questions.ask(PATIENCE, KeyringError::Silent, move || keep(&entry(SERVICE, &name)?, &value))
    }

    /// Removes a secret from the open keyring.
    pub(super) fn remove(&self, name: &str) -> Result<(), KeyringError> {
        let name = name.to_owned();
        self.questions.ask(PATIENCE, KeyringError::Silent, move || {
            entry(SERVICE, &name)?.delete_credential().map_err(platform::judge)
        })
    }

    /// Keeps something, reads it and removes it: a keyring that opens may still refuse.
    pub(super) fn try_out(&self) -> Result<(), KeyringError> {
        self.questions.ask(PATIENCE, KeyringError::Silent, || {
            let random = || home::token().map_err(|error| KeyringError::Refused(error.message));
            let entry = entry(TRIAL, &random()?)?;
            let kept = keep(&entry, &SecretString::from(random()?));
            let removed = entry.delete_credential().map_err(platform::judge);
            kept.and(removed)
        })
    }
}

fn entry(service: &str, name: &str) -> Result<Entry, KeyringError> {
    let store: Arc<CredentialStore> = platform::store()?;
    let label = format!("Belay secret {name}");
    store.build(service, name, Some(&HashMap::from([("label", label.as_str())]))).map_err(platform::judge)
}

fn read(entry: &Entry) -> Result<SecretString, KeyringError> {
    let bytes = Zeroizing::new(entry.get_secret().map_err(platform::judge)?);
    let text = str::from_utf8(&bytes).map_err(|_| KeyringError::NoText)?;
    Ok(SecretString::from(text))
}

fn keep(entry: &Entry, value: &SecretString) -> Result<(), KeyringError> {
    entry.set_secret(value.expose_secret().as_bytes()).map_err(platform::judge)?;
    if read(entry)?.expose_secret() == value.expose_secret() { Ok(()) } else { Err(KeyringError::NotKept) }
}

/// Questions of one kind.
#[derive(Debug, Default)]
struct Lane {
    /// Lives as long as the thread that was left behind.
    left: Mutex<Weak<()>>,
}

impl Lane {
    /// Asks on a thread of its own, and gives up after `patience` with the error `late`.
    fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        late: KeyringError,
        question: impl FnOnce() -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        // Nothing that can panic runs under the lock.
        if self.left.lock().unwrap_or_else(PoisonError::into_inner).strong_count() > 0 {
            return Err(if late == KeyringError::StayedLocked { KeyringError::Asking } else { late });
        }
        let running = Arc::new(());
        let left = Arc::downgrade(&running);
        let (sender, answer) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            let answer = question();
            drop(running);
            if sender.send(answer).is_err() {
                tracing::debug!("the keyring answered after nobody waited any more");
            }
        });
        thread.map_err(|error| KeyringError::Refused(format!("no thread can be started: {error}")))?;
        match answer.recv_timeout(patience) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
                Err(late)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(KeyringError::Refused("the question ended by itself".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    const BRIEF: Duration = Duration::from_millis(50);

    #[test]
    fn a_question_that_was_given_up_is_not_asked_again_until_it_ends() {
        let lane = Lane::default();
        let (release, held) = mpsc::channel::<()>();
        let given_up = lane.ask(BRIEF, KeyringError::StayedLocked, move || {
            held.recv().ok();
            Ok(())
        });
        assert_eq!(given_up, Err(KeyringError::StayedLocked), "it took longer than its patience");
        let again = lane.ask(BRIEF, KeyringError::StayedLocked, || Ok(()));
        assert_eq!(again, Err(KeyringError::Asking), "a second prompt would lie above the first");
        release.send(()).unwrap();
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while lane.ask(PATIENCE, KeyringError::StayedLocked, || Ok(())).is_err() {
            assert!(std::time::Instant::now() < end, "the first question ended");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_question_that_panics_is_an_error() {
        let lane = Lane::default();
        let ended = lane.ask::<()>(PATIENCE, KeyringError::Silent, || std::panic::resume_unwind(Box::new(())));
        assert!(matches!(ended, Err(KeyringError::Refused(_))), "{ended:?}");
    }
}
