//! The Secret Service of the session bus (GNOME Keyring, `KWallet`, `KeePassXC` …), by
//! <https://specifications.freedesktop.org/secret-service/latest/>.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use keyring_core::CredentialStore;
use secret_service::blocking::{Item, SecretService};
use secret_service::{EncryptionType, Error};
use zbus_secret_service_keyring_store::Store;

use super::super::keyring::{Held, KeyringError, Look};

/// The attributes that the store finds its items by.
const SERVICE: &str = "service";
const NAME: &str = "username";

pub fn store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(Store::new().map_err(judge)?)
}

pub fn look(service: &str, name: Option<&str>) -> Result<Look, KeyringError> {
    // No value crosses the bus here, so there is nothing to encrypt.
    let keyring = SecretService::connect(EncryptionType::Plain).map_err(|error| meant(&error))?;
    let mut attributes = HashMap::from([(SERVICE, service)]);
    attributes.extend(name.map(|name| (NAME, name)));
    let found = keyring.search_items(attributes).map_err(|error| meant(&error))?;
    let mut held = Vec::with_capacity(found.unlocked.len());
    for item in &found.unlocked {
        held.extend(seen(item)?);
    }
    held.sort_by(|one, other| one.name.cmp(&other.name));
    let locked = match keyring.get_default_collection().and_then(|collection| collection.is_locked()) {
        Ok(locked) => locked,
        // Without a default collection nothing can be kept, and what another one holds can be read all the same.
        Err(Error::NoResult) if held.is_empty() && found.locked.is_empty() => return Err(KeyringError::NoCollection),
        Err(Error::NoResult) => false,
        Err(error) => return Err(meant(&error)),
    };
    Ok(Look { held, behind_lock: found.locked.len(), locked })
}

/// What an open item says of itself; nothing where it was removed meanwhile.
fn seen(item: &Item<'_>) -> Result<Option<Held>, KeyringError> {
    let attributes = match item.get_attributes() {
        Ok(attributes) => attributes,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(meant(&error)),
    };
    let Some(name) = attributes.get(NAME) else { return Ok(None) };
    // A store that does not say when is no reason to show nothing.
    let set_at = item.get_modified().ok().filter(|seconds| *seconds > 0);
    let set_at = set_at.and_then(|seconds| Timestamp::from_second(i64::try_from(seconds).ok()?).ok());
    Ok(Some(Held { name: name.clone(), set_at }))
}

pub fn unlock(service: &str) -> Result<(), KeyringError> {
    let keyring = SecretService::connect(EncryptionType::Plain).map_err(|error| meant(&error))?;
    let found = keyring.search_items(HashMap::from([(SERVICE, service)])).map_err(|error| meant(&error))?;
    match keyring.get_default_collection() {
        Ok(collection) => {
            if collection.is_locked().map_err(|error| meant(&error))? {
                collection.unlock().map_err(|error| meant(&error))?;
            }
        }
        // Items of other collections can be unlocked without a default one.
        Err(Error::NoResult) if !found.locked.is_empty() => {}
        Err(Error::NoResult) => return Err(KeyringError::NoCollection),
        Err(error) => return Err(meant(&error)),
    }
    for item in &found.locked {
        if item.is_locked().map_err(|error| meant(&error))? {
            item.unlock().map_err(|error| meant(&error))?;
        }
    }
    Ok(())
}

pub fn judge(error: keyring_core::Error) -> KeyringError {
    match error {
        keyring_core::Error::PlatformFailure(source) | keyring_core::Error::NoStorageAccess(source) => {
            match source.downcast_ref::<Error>() {
                Some(error) => meant(error),
                None => KeyringError::Refused(source.to_string()),
            }
        }
        keyring_core::Error::NoEntry => KeyringError::Gone,
        keyring_core::Error::Ambiguous(_) => KeyringError::Twice,
        // What the others carry may be the value.
        keyring_core::Error::BadEncoding(_) | keyring_core::Error::BadDataFormat(..) => KeyringError::NoText,
        other @ (keyring_core::Error::BadStoreFormat(_)
        | keyring_core::Error::TooLong(..)
        | keyring_core::Error::Invalid(..)
        | keyring_core::Error::NoDefaultStore
        | keyring_core::Error::NotSupportedByStore(_)
        | _) => KeyringError::Refused(other.to_string()),
    }
}

fn meant(error: &Error) -> KeyringError {
    match error {
        Error::Unavailable => KeyringError::None("there is no session bus".to_owned()),
        Error::Locked | Error::Prompt | Error::PromptDisconnected => KeyringError::StayedLocked,
        Error::NoResult => KeyringError::NoCollection,
        Error::Zbus(source) => bus(&source.to_string()),
        Error::ZbusFdo(source) => bus(&source.to_string()),
        Error::Zvariant(source) => KeyringError::Refused(source.to_string()),
        Error::Crypto(problem) => KeyringError::Refused((*problem).to_owned()),
        // The list of its errors may grow.
        other => KeyringError::Refused(other.to_string()),
    }
}

/// What an error of the bus means; its kinds are told apart by the names that D-Bus gives them.
fn bus(text: &str) -> KeyringError {
    const NOBODY: [&str; 4] = ["ServiceUnknown", "NameHasNoOwner", "Spawn.", "was not provided by any"];
    if NOBODY.iter().any(|sign| text.contains(sign)) {
        KeyringError::None("no program on the session bus offers one".to_owned())
    } else if ["Failed to connect", "I/O error", "Handshake", "Address", "Connection"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        KeyringError::None(format!("the session bus cannot be reached: {text}"))
    } else {
        KeyringError::Refused(text.to_owned())
    }
}

fn is_gone(error: &Error) -> bool {
    let text = error.to_string();
    ["UnknownObject", "UnknownMethod", "NoSuchObject"].iter().any(|sign| text.contains(sign))
}
