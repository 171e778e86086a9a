//! What an act will do beyond its sentence: whoever approves it has to see all of it.

use belay_cockpit::wire::ActView;
use serde_json::Value;

use super::status::shown;
use crate::style::Style;
use crate::text;

/// Rows of one parameter that are printed; a status as JSON has all of them.
const PARAMETER_ROWS: usize = 40;

/// What was read about the act, and the parameters that its sentence does not tell in full, each behind a margin.
pub fn details(act: &ActView, margin: usize, style: Style) -> String {
    rows(act, margin, PARAMETER_ROWS, style)
}

/// The same with every row, for where people can scroll.
pub fn all_details(act: &ActView, margin: usize, style: Style) -> String {
    rows(act, margin, usize::MAX, style)
}

fn rows(act: &ActView, margin: usize, most: usize, style: Style) -> String {
    let mut out = String::new();
    for note in &act.notes {
        out.push_str(&text::hang(
            &format!("{:margin$}", ""),
            &" ".repeat(margin + 2),
            &text::line(note),
            style.columns,
        ));
    }
    let Value::Object(fields) = &act.parameters else { return out };
    if is_told(act) {
        return out;
    }
    for (name, value) in fields {
        match value {
            // A script whose values travel in the environment is only understood with them.
            Value::Object(variables) if name == "env" => {
                for (variable, value) in variables {
                    field(&mut out, &format!("env {variable}"), &one(value), margin, most, style);
                }
            }
            Value::String(content) => field(&mut out, name, content, margin, most, style),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                field(&mut out, name, &shown(value), margin, most, style);
            }
        }
    }
    out
}

/// Whether an act's sentence holds all of its parameters, as that of a command does.
fn is_told(act: &ActView) -> bool {
    let Value::Object(fields) = &act.parameters else { return false };
    let Some(argv) = fields.get("argv").and_then(Value::as_array) else { return false };
    fields.len() == 1 && argv.iter().filter_map(Value::as_str).all(|word| act.description.contains(word))
}

fn one(value: &Value) -> String {
    match value {
        Value::String(content) => content.clone(),
        Value::Object(fields) if fields.len() == 1 => match fields.get("$secret").and_then(Value::as_str) {
            Some(name) => format!("secret {name}"),
            None => value.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn field(out: &mut String, name: &str, content: &str, margin: usize, most: usize, style: Style) {
    let lead = format!("{:margin$}{} ", "", style.dim(&format!("{}:", text::line(name))));
    if !content.contains('\n') {
        out.push_str(&text::hang(&lead, &" ".repeat(margin + 2), &text::line(content), style.columns));
        return;
    }
    put!(out, "{}\n", lead.trim_end());
    let rows = text::fold(&text::block(content), style.columns.saturating_sub(margin + 4));
    let hidden = rows.len().saturating_sub(most);
    for row in rows.into_iter().take(most) {
        put!(out, "{:margin$}  {} {row}\n", "", style.dim("│"));
    }
    if hidden > 0 {
        let more = text::count(hidden, "more line", "more lines");
        put!(out, "{:margin$}  {} {more}: `belay status EXEC --json` has them\n", "", style.dim("┆"));
    }
}
