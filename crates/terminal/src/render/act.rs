//! What an act takes, as text.

use belay_cockpit::wire::ActView;
use serde_json::Value;

use super::status::shown;
use crate::style::Style;
use crate::text;

/// Whether an act's sentence holds all of its parameters, as that of a command does.
pub fn is_told(act: &ActView) -> bool {
    let Value::Object(fields) = &act.parameters else { return false };
    let Some(argv) = fields.get("argv").and_then(Value::as_array) else { return false };
    fields.len() == 1 && argv.iter().filter_map(Value::as_str).all(|word| act.description.contains(word))
}

/// Parameters that the act's sentence may not tell in full, each in so many rows at most.
pub fn parameters(act: &ActView, most: usize, style: Style) -> String {
    let Value::Object(fields) = &act.parameters else { return String::new() };
    let mut out = String::new();
    for (name, value) in fields {
        let lead = format!("       {} ", style.dim(&format!("{}:", text::line(name))));
        let content = match value {
            Value::String(content) if content.contains('\n') => {
                put!(out, "{}\n", lead.trim_end());
                let rows = text::fold(&text::block(content), style.columns.saturating_sub(11));
                let hidden = rows.len().saturating_sub(most);
                for row in rows.into_iter().take(most) {
                    put!(out, "         {} {row}\n", style.dim("│"));
                }
                if hidden > 0 {
                    let more = text::count(hidden, "more line", "more lines");
                    put!(out, "         {} {more}: `belay status EXEC --json` has them\n", style.dim("┆"));
                }
                continue;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                shown(value)
            }
        };
        out.push_str(&text::hang(&lead, "         ", &content, style.columns));
    }
    out
}
