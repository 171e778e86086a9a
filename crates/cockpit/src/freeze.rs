//! The freeze: nothing that changes something starts on this device until it is lifted.
//!
//! It is a file in the home folder, so that every process of the device sees it at once: an execution that runs stops
//! before its next act that changes something, rollbacks included, and waits for a person.

use std::fs;
use std::io::ErrorKind;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Cockpit;
use crate::error::CockpitError;
use crate::files;

/// Who froze this device, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Freeze {
    /// The responder.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl Freeze {
    /// Why nothing that changes something starts.
    pub(crate) fn why(&self) -> String {
        format!(
            "{} froze all automation at {}: {}; `belay unfreeze` lifts that",
            self.by,
            self.at.strftime("%Y-%m-%d %H:%M UTC"),
            self.reason
        )
    }
}

impl Cockpit {
    /// Stops everything that changes something, on this device.
    ///
    /// # Errors
    /// A reason without words, or a home that cannot be written.
    pub fn freeze(&self, reason: &str) -> Result<Freeze, CockpitError> {
        if reason.trim().is_empty() {
            return Err(CockpitError::user("a freeze needs a reason").hint("say why with `--reason TEXT`"));
        }
        let freeze = Freeze { by: self.author()?.responder, at: Timestamp::now(), reason: reason.trim().to_owned() };
        let text = serde_json::to_string_pretty(&freeze)
            .map_err(|error| CockpitError::bug(format!("a freeze cannot be written: {error}")))?;
        self.home.ensure()?;
        let path = self.home.freeze();
        files::write(&path, text.as_bytes(), true)
            .map_err(|error| CockpitError::environment(&format!("`{}` cannot be written", path.display()), &error))?;
        Ok(freeze)
    }

    /// Lifts the freeze; answers with the one that was there.
    ///
    /// # Errors
    /// A home that cannot be written.
    pub fn unfreeze(&self) -> Result<Option<Freeze>, CockpitError> {
        let was = self.frozen().ok().flatten();
        match fs::remove_file(self.home.freeze()) {
            Ok(()) => Ok(was),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CockpitError::environment("the freeze cannot be lifted", &error)),
        }
    }

    /// The freeze that holds.
    ///
    /// # Errors
    /// A file that cannot be read: it holds whatever it says.
    pub fn frozen(&self) -> Result<Option<Freeze>, CockpitError> {
        let path = self.home.freeze();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(CockpitError::environment(&format!("`{}` cannot be read", path.display()), &error));
            }
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            CockpitError::refused(format!(
                "`{}` says that automation is frozen, and not by whom: {error}",
                path.display()
            ))
            .hint("`belay unfreeze` lifts it")
        })
    }
}
