//! Constant shell scripts: each value becomes a quoted reference to an environment variable.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Refusal;
use crate::commands;
use crate::template::Piece;

/// A script whose text holds no value, and the environment that does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shell {
    pub(crate) script: String,
    pub(crate) environment: BTreeMap<String, Value>,
}

/// Renders a script.
pub(crate) fn script(pieces: &[Piece]) -> Result<Shell, Refusal> {
    let (script, environment) = commands::script_of(pieces)?;
    Ok(Shell { script, environment })
}
