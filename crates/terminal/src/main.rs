//! The `belay` command.

#[macro_use]
mod text;
mod arguments;
mod cockpit;
mod commands;
mod failure;
mod guided;
mod hidden;
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
    let first = arguments.get(1).map(OsString::as_os_str);
    if let Some(exit) = belay_cockpit::child(first) {
        return exit;
    }
    match first.and_then(|argument| argument.to_str()) {
        Some("--version" | "-V") => page::version(),
        Some(_) | None => commands::main(arguments),
    }
}
