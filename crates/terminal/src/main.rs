//! The `belay` command.

#[macro_use]
mod text;
mod arguments;
mod cockpit;
mod commands;
mod failure;
mod guided;
mod markdown;
mod page;
mod render;
mod settings;
mod style;
mod web;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The roles of child processes come first: they parse nothing and print nothing of ours.
    match arguments.get(1).and_then(|argument| argument.to_str()) {
        Some("__helper") => belay_actions::process::helper_main(),
        Some("__script-worker") => belay_script::worker_main(),
        Some("--version" | "-V") => page::version(),
        Some(_) | None => commands::main(arguments),
    }
}
