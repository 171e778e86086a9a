//! The policy in force: the file in the home folder, else the default one.
//!
//! An execution keeps the one of its start; what is there by now is judged by as well, and read again whenever something
//! may start (execution.md, 5).

use std::path::Path;
use std::sync::{Arc, PoisonError};

use belay_engine::driver::Present;
use belay_runbook::policy::Policy;
use serde::Serialize;
use ts_rs::TS;

use crate::Cockpit;
use crate::error::{CockpitError, ErrorClass};

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PolicyText {
    /// Its YAML.
    pub yaml: String,
    /// SHA-256 of its canonical form, hex.
    pub digest: String,
    /// `default`, or the file.
    pub source: String,
}

/// The policy's file as it was read, and what it says.
pub(crate) struct ReadPolicy {
    /// The text; `None` where there is no file, and the default policy holds.
    text: Option<String>,
    /// The policy with its digest, or why it cannot be used.
    read: Result<(Arc<Policy>, String), String>,
}

impl Cockpit {
    /// The policy in force.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no policy.
    pub fn policy(&self) -> Result<PolicyText, CockpitError> {
        let path = self.home.policy();
        let text = text_of(&path)?;
        let (_, digest) = parse(&path, text.as_deref())?;
        let source = text.as_ref().map_or_else(|| "default".to_owned(), |_| path.display().to_string());
        Ok(PolicyText { yaml: text.unwrap_or_else(|| Policy::default_text().to_owned()), digest, source })
    }

    /// The policy that is there now, for an execution that was started under the one with this digest.
    pub(crate) fn present_policy(&self, start: &str) -> Present {
        match self.frozen() {
            Ok(None) => {}
            Ok(Some(freeze)) => return Present::Held(freeze.why()),
            Err(error) => return Present::Held(error.message),
        }
        let held = |why: &str| Present::Held(format!("{why}; nothing that changes something starts without it"));
        let path = self.home.policy();
        let text = match text_of(&path) {
            Ok(text) => text,
            Err(error) => return held(&error.message),
        };
        let mut last = self.policy_read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match &*last {
            Some(last) if last.text == text => Arc::clone(last),
            Some(_) | None => {
                let read = parse(&path, text.as_deref()).map_err(|error| error.message);
                Arc::clone(last.insert(Arc::new(ReadPolicy { text, read })))
            }
        };
        match &now.read {
            Ok((_, digest)) if digest == start => Present::Unchanged,
            Ok((policy, _)) => Present::Changed(Arc::clone(policy)),
            Err(why) => held(why),
        }
    }
}

fn text_of(path: &Path) -> Result<Option<String>, CockpitError> {
    match std::fs::read_to_string(path) {
        Ok(yaml) => Ok(Some(yaml)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CockpitError::environment(&format!("`{}` cannot be read", path.display()), &error)),
    }
}

/// A policy that cannot be read is never replaced by a weaker one.
fn parse(path: &Path, text: Option<&str>) -> Result<(Arc<Policy>, String), CockpitError> {
    let (source, yaml) = match text {
        Some(yaml) => (path.display().to_string(), yaml),
        None => ("default".to_owned(), Policy::default_text()),
    };
    let policy = Policy::parse(&source, yaml.as_bytes()).map_err(|findings| {
        let text = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let message = format!("the policy cannot be used: {text}");
        CockpitError { class: ErrorClass::Refused, message, hint: None }
            .hint(format!("mend `{}`; nothing runs without a policy", path.display()))
    })?;
    let digest = policy.digest();
    Ok((Arc::new(policy), digest))
}
