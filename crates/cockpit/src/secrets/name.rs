//! The name of a secret.

use std::fmt;

use crate::error::CockpitError;

/// The longest name.
const LONGEST: usize = 64;

/// The name of a secret: letters and digits of ASCII, `-`, `_` and `.`, beginning with a letter or digit, at most 64.
///
/// It can stand in a runbook, in a keyring and, as [`SecretName::variable`], in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(String);

impl SecretName {
    /// Reads a name.
    ///
    /// # Errors
    /// When it is none. What was given is not repeated: it may be the secret itself.
    pub fn parse(text: &str) -> Result<Self, CockpitError> {
        let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if begins && text.len() <= LONGEST && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(CockpitError::user("that is no name of a secret").hint(
            "a name begins with a letter or digit and goes on with letters, digits, `-`, `_` and `.`, at most 64 in all; \
             the secret itself is never part of it",
        ))
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The environment variable that gives the secret to one process: `BELAY_SECRET_` and the name in upper case, with
    /// `-` and `.` as `_`. Names that differ in these alone share it.
    pub fn variable(&self) -> String {
        format!("BELAY_SECRET_{}", self.0.to_ascii_uppercase().replace(['-', '.'], "_"))
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn a_name_is_one_that_every_place_can_hold() {
        for good in ["db", "prod.db-password", "0", "A_b"] {
            assert_eq!(SecretName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-x", ".x", "_x", "a b", "a/b", "ä", "a\nb", "a\0", &"x".repeat(65)] {
            let error = SecretName::parse(bad).unwrap_err();
            assert_eq!(error.message, "that is no name of a secret", "{bad:?}");
            assert!(bad.len() < 5 || !error.hint.unwrap().contains(bad), "it may be the secret");
        }
    }

    #[test]
    fn a_name_has_a_variable() {
        assert_eq!(SecretName::parse("prod.db-password").unwrap().variable(), "BELAY_SECRET_PROD_DB_PASSWORD");
    }
}
