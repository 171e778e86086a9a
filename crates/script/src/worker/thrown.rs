//! What a thrown value says: message, line and stack in terms of the user's script.

use rquickjs::{CaughtError, Coerced, Ctx, Exception, FromJs, Value};

use super::budget::Budget;
use crate::wire::{Limit, WireEnd};

/// The name of the user's script in stacks.
pub(super) const SCRIPT_NAME: &str = "script";

/// Lines before the user's first one in the evaluated text.
pub(super) const LINES_BEFORE: u32 = 1;

/// The longest message or stack, in characters.
const TEXT_LIMIT: usize = 4000;

/// The end of a script because of an engine error, whose exception is pending where there is one.
pub(super) fn end_of_error(ctx: &Ctx<'_>, budget: &Budget, error: rquickjs::Error) -> WireEnd {
    match CaughtError::from_error(ctx, error) {
        CaughtError::Error(rquickjs::Error::Allocation) => WireEnd::LimitExceeded(Limit::Memory),
        CaughtError::Error(error) => failed(&error.to_string()),
        CaughtError::Exception(exception) => end_of_thrown(ctx, budget, exception.into_value()),
        CaughtError::Value(value) => end_of_thrown(ctx, budget, value),
    }
}

/// The end of a script because it threw `value`.
pub(super) fn end_of_thrown<'js>(ctx: &Ctx<'js>, budget: &Budget, value: Value<'js>) -> WireEnd {
    if let Some(limit) = budget.check() {
        return WireEnd::LimitExceeded(limit);
    }
    // The engine throws a bare null when memory does not even suffice for an error.
    if value.is_null() {
        return WireEnd::LimitExceeded(Limit::Memory);
    }
    let end = if let Some(exception) = value.as_object().cloned().and_then(Exception::from_object) {
        end_of_exception(ctx, &exception)
    } else {
        // Anything can be thrown; the plain text of it may be code that throws again.
        let text = Coerced::<String>::from_js(ctx, value).map(|text| text.0);
        failed(&text.unwrap_or_else(|_| {
            ctx.catch();
            "a value without a text was thrown".into()
        }))
    };
    // Reading messages and stacks may run the script's own getters.
    budget.check().map_or(end, WireEnd::LimitExceeded)
}

/// An end with a message alone.
pub(super) fn failed(message: &str) -> WireEnd {
    WireEnd::Failed { message: shortened(message), line: None, stack: String::new() }
}

fn end_of_exception<'js>(ctx: &Ctx<'js>, exception: &Exception<'js>) -> WireEnd {
    let name = text_member(ctx, exception, "name").unwrap_or_else(|| "Error".into());
    let message = text_member(ctx, exception, "message").unwrap_or_default();
    if name == "InternalError" && message.starts_with("out of memory") {
        return WireEnd::LimitExceeded(Limit::Memory);
    }
    if name == "RangeError" && message.starts_with("Maximum call stack size exceeded") {
        return WireEnd::LimitExceeded(Limit::Stack);
    }
    let stack = text_member(ctx, exception, "stack").unwrap_or_default();
    let (line, stack) = in_script(&stack);
    let message = match (message.is_empty(), name == "HostError") {
        (true, _) => name,
        (false, true) => message,
        (false, false) => format!("{name}: {message}"),
    };
    WireEnd::Failed { message: shortened(&message), line, stack: shortened(&stack) }
}

/// A member that is text, where reading it does not throw.
fn text_member<'js>(ctx: &Ctx<'js>, exception: &Exception<'js>, member: &str) -> Option<String> {
    let value = exception.as_object().get::<_, Value>(member).inspect_err(|_| drop(ctx.catch()));
    value.ok()?.as_string()?.to_string().ok()
}

/// Keeps the frames of the user's script, with the user's line numbers, and the innermost line.
fn in_script(stack: &str) -> (Option<u32>, String) {
    let frames: Vec<(u32, String)> = stack.lines().filter_map(frame_in_script).collect();
    let line = frames.first().map(|(line, _)| *line);
    let text: Vec<String> = frames.into_iter().map(|(_, frame)| frame).collect();
    (line, text.join("\n"))
}

/// Reads `at check (script:3:15)` or `at script:3:15`.
fn frame_in_script(frame: &str) -> Option<(u32, String)> {
    let frame = frame.trim().strip_prefix("at ")?;
    let (function, place) = match frame.strip_suffix(')').and_then(|frame| frame.rsplit_once(" (")) {
        Some((function, place)) => (Some(function), place),
        None => (None, frame),
    };
    let mut parts = place.strip_prefix(SCRIPT_NAME)?.strip_prefix(':')?.split(':');
    let line = parts.next()?.parse::<u32>().ok()?.saturating_sub(LINES_BEFORE).max(1);
    let column: u32 = parts.next().and_then(|column| column.parse().ok()).unwrap_or(1);
    let text = match function.filter(|function| *function != "<anonymous>") {
        Some(function) => format!("at {function} ({SCRIPT_NAME}:{line}:{column})"),
        None => format!("at {SCRIPT_NAME}:{line}:{column}"),
    };
    Some((line, text))
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_speaks_of_the_users_lines_alone() {
        let stack =
            "    at check (script:4:15)\n    at <anonymous> (script:9:3)\n    at call (native)\n    at bootstrap:7:1\n";
        let (line, text) = in_script(stack);
        assert_eq!(line, Some(3), "one line stands before the user's first");
        assert_eq!(text, "at check (script:3:15)\nat script:8:3");
    }

    #[test]
    fn a_stack_without_the_script_names_no_line() {
        assert_eq!(in_script("    at native\n    at <input>:1:1"), (None, String::new()));
    }
}
