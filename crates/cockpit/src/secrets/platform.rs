//! The keyring of each system: where values are kept, and what can be seen of it without a value.
//!
//! Every function blocks for as long as the keyring takes, and must not be called on a thread of an async runtime.
//! [`store`] serves values through the interface that all systems share; [`look`] and [`unlock`] are what it has no words
//! for.

use std::sync::Arc;

use keyring_core::CredentialStore;

use super::keyring::{KeyringError, Look};

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
use linux as system;

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Arc, CredentialStore, KeyringError, Look};

    pub fn store() -> Result<Arc<CredentialStore>, KeyringError> {
        Err(KeyringError::Unsupported)
    }

    pub fn look(_service: &str, _name: Option<&str>) -> Result<Look, KeyringError> {
        Err(KeyringError::Unsupported)
    }

    pub fn unlock(_service: &str) -> Result<(), KeyringError> {
        Err(KeyringError::Unsupported)
    }

    pub fn judge(error: keyring_core::Error) -> KeyringError {
        KeyringError::Refused(error.to_string())
    }
}

/// The store that holds values. It may open and still refuse to keep anything.
pub(super) fn store() -> Result<Arc<CredentialStore>, KeyringError> {
    system::store()
}

/// What the keyring holds for a service, or of one name of it. Nothing is unlocked and no value is read.
pub(super) fn look(service: &str, name: Option<&str>) -> Result<Look, KeyringError> {
    system::look(service, name)
}

/// Has a person unlock the keyring; returns at once where it is open.
pub(super) fn unlock(service: &str) -> Result<(), KeyringError> {
    system::unlock(service)
}

/// What an error of the store means.
pub(super) fn judge(error: keyring_core::Error) -> KeyringError {
    system::judge(error)
}
