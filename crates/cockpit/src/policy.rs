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
    /// Why it cannot be used.
    unusable: Option<String>,
    /// The policy with its digest: this one, else the last one before it that could be used.
    usable: Option<(Arc<Policy>, String)>,
}

impl ReadPolicy {
    /// The last one that could be used, where it is not the one with this digest.
    fn other_than(&self, start: &str) -> Option<Arc<Policy>> {
        self.usable.as_ref().filter(|(_, digest)| digest != start).map(|(policy, _)| Arc::clone(policy))
    }
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
        let (now, unreadable) = self.read_policy();
        let policy = now.as_ref().and_then(|now| now.other_than(start));
        let frozen = match self.frozen() {
            Ok(None) => None,
            Ok(Some(freeze)) => Some(freeze.why()),
            Err(error) => Some(error.message),
        };
        let unreadable = unreadable.map(|why| format!("{why}; nothing that changes something starts without it"));
        match (frozen.or(unreadable), policy) {
            (Some(why), policy) => Present::Held { why, policy },
            (None, Some(policy)) => Present::Changed(policy),
            (None, None) => Present::Unchanged,
        }
    }

    /// The policy's file as it is now, else as it was read last; and why it cannot be used.
    fn read_policy(&self) -> (Option<Arc<ReadPolicy>>, Option<String>) {
        let path = self.home.policy();
        let mut last = self.policy_read.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match text_of(&path) {
            Ok(text) => text,
            Err(error) => return (last.clone(), Some(error.message)),
        };
        let now = match &*last {
            Some(last) if last.text == text => Arc::clone(last),
            before @ (Some(_) | None) => {
                let (usable, unusable) = match parse(&path, text.as_deref()) {
                    Ok(usable) => (Some(usable), None),
                    Err(error) => (before.as_ref().and_then(|before| before.usable.clone()), Some(error.message)),
                };
                Arc::clone(last.insert(Arc::new(ReadPolicy { text, unusable, usable })))
            }
        };
        let unusable = now.unusable.clone();
        (Some(now), unusable)
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
