//! The other roles of our programs: the helper that commands run under, and the worker that scripts run in.
//!
//! Every program of ours plays them, so that a face needs no other file to be installed beside it.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use crate::Program;
use crate::error::CockpitError;

const HELPER: &str = "__helper";
const WORKER: &str = "__script-worker";

/// Plays a role to its end where the first argument names one; `None` for a program that was started by a person.
///
/// A program asks this first: the roles parse nothing and print nothing of ours.
pub fn child(first: Option<&OsStr>) -> Option<ExitCode> {
    match first?.to_str()? {
        HELPER => Some(belay_actions::process::helper_main()),
        WORKER => Some(belay_script::worker_main()),
        _ => None,
    }
}

/// The helper and the worker: this program in its other roles.
///
/// # Errors
/// When the system does not say where this program lies.
pub fn roles() -> Result<(Program, Program), CockpitError> {
    let program = std::env::current_exe()
        .map_err(|error| CockpitError::environment("belay cannot find its own program", &error))?;
    let role = |name: &str| Program { program: program.clone(), args: vec![OsString::from(name)] };
    Ok((role(HELPER), role(WORKER)))
}
