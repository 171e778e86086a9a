//! The desktop cockpit: a window over the same application as every other face.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

mod commands;
mod host;
mod links;
mod notify;
mod platform;
mod window;

use std::process::ExitCode;

fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    if let Some(exit) = belay_cockpit::child(first.as_deref()) {
        return exit;
    }
    match host::run() {
        Ok(exit) => exit,
        Err(error) => host::fail(&error),
    }
}
