//! The program and the device.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use ts_rs::TS;

use super::super::CallError;
use crate::SecretView;

/// The program, the person and the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct About {
    /// Belay's version.
    pub version: String,
    /// The person.
    pub responder: String,
    /// The start of the device's key id.
    pub device: String,
    /// The folder that holds everything.
    pub home: String,
    /// The current context.
    pub context: String,
    /// Its environment.
    pub environment: String,
}

/// Which secrets to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, TS)]
#[ts(optional_fields = nullable)]
pub struct SecretsRequest {
    /// A person is asked to unlock the keyring where it is locked.
    #[serde(default)]
    pub unlock: bool,
}

/// The secrets that the keyring holds, without their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SecretsView {
    /// What can be seen, by name.
    pub secrets: Vec<SecretView>,
    /// Whether the keyring is locked, so that it may hold more than it shows.
    pub locked: bool,
    /// Why the keyring cannot be used here; nothing can be kept then.
    pub trouble: Option<CallError>,
}

/// A secret to keep.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct SecretSetRequest {
    /// Its name.
    pub name: String,
    /// Its value, which no answer and no event repeats.
    #[ts(type = "string")]
    pub value: SecretValue,
}

/// A value that is wiped from memory when it is dropped, and never shown.
#[derive(Clone)]
pub struct SecretValue(pub SecretString);

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

impl PartialEq for SecretValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::super::super::Call;

    #[test]
    fn a_call_that_carries_a_secret_does_not_show_it() {
        let call = r#"{"call":"secret_set","args":{"name":"db","value":"hunter2hunter2"}}"#;
        let call: Call = serde_json::from_str(call).unwrap();
        assert!(!format!("{call:?}").contains("hunter2"), "{call:?}");
        let wrong = r#"{"call":"secret_set","args":{"nam":"db","value":"hunter2hunter2"}}"#;
        assert!(!serde_json::from_str::<Call>(wrong).unwrap_err().to_string().contains("hunter2"));
    }
}
