//! Where everything that is printed goes: standard output for results, standard error for diagnostics.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::failure::Failure;
use crate::settings::Settings;
use crate::style::Style;
use crate::text;

/// Prints to standard output.
pub fn print(content: &str) -> Result<(), Failure> {
    write(content.as_bytes())
}

/// Prints bytes as they are.
pub fn write(content: &[u8]) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(content).and_then(|()| output.flush()).map_err(|error| {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Failure::Closed } else { Failure::Output(error) }
    })
}

/// Prints one JSON document, indented for people.
pub fn json(document: &impl Serialize) -> Result<(), Failure> {
    let mut content = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::Output(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
    content.push('\n');
    print(&content)
}

/// Prints one JSON document on one line.
pub fn json_line(document: &impl Serialize) -> Result<(), Failure> {
    let mut content = serde_json::to_string(document)
        .map_err(|error| Failure::Output(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
    content.push('\n');
    print(&content)
}

/// Prints a diagnostic to standard error. Nobody is left to be told when that fails.
pub fn warn(content: &str) {
    std::io::stderr().lock().write_all(content.as_bytes()).unwrap_or_default();
}

/// The version, at the cost of one write.
pub fn version() -> ExitCode {
    match print(concat!("belay ", env!("CARGO_PKG_VERSION"), "\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit().into(),
    }
}

/// Tells a failure: the error and its hint on standard error, and a JSON document where JSON was asked for.
pub fn fail(failure: &Failure, settings: Option<&Settings>, wants_json: bool) {
    if matches!(failure, Failure::Closed) {
        return;
    }
    if wants_json {
        // The exit code tells it too, should this one not be written.
        json(&failure.json()).unwrap_or_default();
    }
    let style = settings.map_or_else(|| Style::of_errors(crate::style::ColorChoice::Auto), |settings| settings.errors);
    warn(&described(failure, style));
}

/// The lines of a failure.
pub fn described(failure: &Failure, style: Style) -> String {
    let message = text::block(&failure.to_string());
    let mut lines = format!("{} {message}\n", style.bad("error:"));
    if let Some(hint) = failure.hint() {
        put!(lines, "{} {}\n", style.code("hint:"), text::block(hint));
    }
    lines
}
