//! From the end of a process to an outcome.

use belay_runbook::act::{EXCERPT_LIMIT, Ending, Outcome};
use serde_json::{Value, json};

use crate::process::Captured;

/// How a process ended, as the helper saw it.
pub(crate) struct Finished {
    /// Set where Belay stopped it.
    pub(crate) stopped: Option<Ending>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// It did not even go when it was killed.
    pub(crate) given_up: bool,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
}

/// What people read when a program does not exist.
pub(crate) fn not_found(program: &str) -> String {
    if program.contains('/') {
        format!("`{program}` is not an executable file; hint: check the path and its permissions")
    } else {
        format!("`{program}` was not found on the PATH; hint: install it, or start belay where it is on the PATH")
    }
}

/// Puts an outcome together. All text in it is redacted already.
pub(crate) fn outcome(finished: Finished) -> Outcome {
    let ending = match (finished.stopped, finished.exit_code) {
        (Some(ending), _) => ending,
        (None, Some(0)) => Ending::Succeeded,
        (None, Some(_) | None) => Ending::Failed,
    };
    let error = error(&finished, ending);
    let mut output = json!({
        "stdout": finished.stdout.text,
        "stderr": finished.stderr.text,
        "exitCode": finished.exit_code,
    });
    if let Some(parsed) = parsed(&finished.stdout) {
        output["json"] = parsed;
    }
    Outcome {
        output,
        exit_code: finished.exit_code,
        excerpt: excerpt(&finished.stdout.text, &finished.stderr.text),
        streams: vec![finished.stdout.summary, finished.stderr.summary],
        error,
        ..Outcome::bare(ending)
    }
}

fn error(finished: &Finished, ending: Ending) -> Option<String> {
    let stubborn = if finished.given_up { ", and it could not even be killed" } else { "" };
    let text = match ending {
        Ending::Succeeded => return None,
        Ending::TimedOut => format!("it was still running at its time limit and was stopped{stubborn}"),
        Ending::Cancelled => format!("it was cancelled{stubborn}"),
        Ending::Lost => "the process that watched it was lost".to_owned(),
        Ending::NotStarted => "it was never started".to_owned(),
        Ending::Suspended => "it waits for a person".to_owned(),
        Ending::Failed => {
            let end = match (finished.exit_code, finished.signal) {
                (Some(code), _) => format!("exit status {code}"),
                (None, Some(signal)) => format!("ended by signal {signal}"),
                (None, None) => "its exit status is not known".to_owned(),
            };
            match finished.stderr.text.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
                Some(line) => format!("{end}: {}", shortened(line, 300)),
                None => end,
            }
        }
    };
    Some(text)
}

/// Standard output as JSON where all of it is one JSON object or array.
fn parsed(stdout: &Captured) -> Option<Value> {
    let text = stdout.text.trim();
    let looks = stdout.whole && text.starts_with(['{', '[']);
    looks.then(|| serde_json::from_str(text).ok()).flatten()
}

/// Head and tail of both streams, within the limit of an event.
fn excerpt(stdout: &str, stderr: &str) -> String {
    const HEADING: &str = "[stderr]\n";
    if stderr.is_empty() {
        return shortened(stdout, EXCERPT_LIMIT);
    }
    if stdout.is_empty() {
        return shortened(stderr, EXCERPT_LIMIT);
    }
    let room = EXCERPT_LIMIT - HEADING.len() - 1;
    // Whatever one stream does not need is the other's.
    let for_stderr = stderr.len().min(room / 2).max(room.saturating_sub(stdout.len()));
    let for_stdout = room - for_stderr.min(stderr.len());
    let mut text = shortened(stdout, for_stdout);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(HEADING);
    text.push_str(&shortened(stderr, for_stderr));
    text
}

/// A text within a limit of bytes: its head and its tail with a mark in between.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    const MARK: &str = "\n[…]\n";
    if text.len() <= limit {
        return text.to_owned();
    }
    let half = limit.saturating_sub(MARK.len()) / 2;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    format!("{}{MARK}{}", &text[..head], &text[tail..])
}
