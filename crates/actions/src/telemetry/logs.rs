//! `logs.query`: lines of logs from Loki.
//!
//! Source: Loki HTTP API, "Query logs within a range of time" (`/loki/api/v1/query_range`).

use std::sync::Arc;

use async_trait::async_trait;
use belay_runbook::action::{ActionSpec, Sink};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Server, target};
use crate::action::{ActionError, Surroundings};
use crate::declaration::{Declaration, boolean, integer, list, object, text};
use crate::kubernetes::Clusters;
use crate::observation::Observation;
use crate::redact::{REDACTED, Redaction};

const KEY: &str = "loki";
const NAME: &str = "Loki";

/// Lines that are read where nobody says how many.
const LINES: u32 = 100;
/// Lines that are read at most; servers allow no more by default.
const MOST_LINES: u32 = 5000;

/// How far back it looks where nobody says.
const SINCE: &str = "1h";

/// Queries logs.
pub(super) struct Query(pub(super) Arc<Clusters>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    query: String,
    limit: Option<u32>,
    since: Option<String>,
}

#[async_trait]
impl Observation for Query {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        Declaration::new("logs.query", "Query logs with LogQL")
            .required("query", Sink::Query, text("a LogQL query; a trailing range such as [5m] is how far back"))
            .optional("limit", Sink::Json, integer(1, "the largest number of lines, 100 where absent, 5000 at most"))
            .optional("since", Sink::Text, text("how far back, such as 5m; 1h where absent"))
            .publishes(
                "logs",
                list(&object("the fields of a line that is JSON, with line, at and labels"), "newest first"),
            )
            .output("count", integer(0, "how many there are"))
            .output("truncated", boolean("whether there may be more than were asked for"))
            .access("read access to the logs")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        let (query, _) = ranged(&parameters.query);
        format!("query logs: {}", query.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn target(_parameters: &Parameters, context: &Value) -> String {
        target(context, KEY, NAME)
    }

    async fn observe(&self, parameters: &Parameters, surroundings: &Surroundings) -> Result<Value, ActionError> {
        let (query, range) = ranged(&parameters.query);
        let since = parameters.since.as_deref().or(range).unwrap_or(SINCE);
        if !is_duration(since) {
            let problem = format!("`{}` is no duration such as 5m or 1h", since.escape_debug());
            return Err(ActionError::parameter("since", problem));
        }
        let limit = parameters.limit.unwrap_or(LINES).min(MOST_LINES);
        let server = Server::of(&self.0, surroundings, KEY, NAME).await?;
        let asked = [("query", query), ("limit", &limit.to_string()), ("since", since), ("direction", "backward")];
        let data = server.ask("/loki/api/v1/query_range", &asked).await?;
        if data["resultType"] != "streams" {
            let kind = data["resultType"].as_str().unwrap_or("nothing");
            return Err(ActionError::unreachable(
                NAME,
                format!("the query gives a {kind}; `logs.query` reads lines, not metrics"),
            ));
        }
        let mut lines: Vec<(i64, Value)> = Vec::new();
        for stream in data["result"].as_array().into_iter().flatten() {
            for entry in stream["values"].as_array().into_iter().flatten() {
                let (Some(at), Some(line)) = (entry[0].as_str(), entry[1].as_str()) else { continue };
                let at: i64 = at.parse().unwrap_or_default();
                lines.push((at, entry_of(at, line, &stream["stream"])));
            }
        }
        lines.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let logs: Vec<Value> = lines.into_iter().map(|(_, line)| line).collect();
        let count = logs.len();
        let truncated = count >= limit as usize;
        Ok(json!({ "logs": logs, "count": count, "truncated": truncated }))
    }
}

/// One line: its own fields where it is a JSON object, so that scripts read `log.error.type`; `line`, `at` and `labels`
/// are ours.
fn entry_of(at: i64, line: &str, labels: &Value) -> Value {
    let fields: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
    let mut fields: Map<String, Value> =
        fields.into_iter().map(|(name, value)| (name.clone(), without_credentials(&name, value))).collect();
    fields.insert("line".to_owned(), json!(line));
    fields.insert("at".to_owned(), json!(Timestamp::from_nanosecond(i128::from(at)).ok().map(|at| at.to_string())));
    fields.insert("labels".to_owned(), labels.clone());
    Value::Object(fields)
}

/// A field of a line, with what its name says to be a credential left out.
fn without_credentials(name: &str, value: Value) -> Value {
    match value {
        Value::String(text) if Redaction::tokens().text(&format!("{name}={text}")) != format!("{name}={text}") => {
            Value::String(REDACTED.to_owned())
        }
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name.clone(), without_credentials(&name, value))).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| without_credentials(name, item)).collect(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// A query without the range at its end, which LogQL knows in metric queries only, and that range.
fn ranged(query: &str) -> (&str, Option<&str>) {
    let query = query.trim();
    let Some((before, range)) = query.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) else {
        return (query, None);
    };
    if is_duration(range) { (before.trim_end(), Some(range)) } else { (query, None) }
}

/// Whether it is a duration as LogQL writes them: `5m`, `1h30m`.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let Some((_, after)) = rest.split_at_checked(digits).filter(|_| digits > 0) else { return false };
        let Some(unit) = ["ms", "s", "m", "h", "d", "w"].iter().find(|unit| after.starts_with(**unit)) else {
            return false;
        };
        rest = &after[unit.len()..];
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("{app=\"a\"} |= \"x\" [5m]", "{app=\"a\"} |= \"x\"", Some("5m"))]
    #[case("{app=\"a\"}\n[1h30m]\n", "{app=\"a\"}", Some("1h30m"))]
    #[case("{app=\"a\"} |= \"[5m]\"", "{app=\"a\"} |= \"[5m]\"", None)]
    #[case("{app=\"a\"} |~ \"[ab]", "{app=\"a\"} |~ \"[ab]", None)]
    #[case("{app=\"a\"} |~ x[ab]", "{app=\"a\"} |~ x[ab]", None)]
    fn a_range_at_the_end_of_a_query_is_how_far_back(
        #[case] written: &str,
        #[case] query: &str,
        #[case] range: Option<&str>,
    ) {
        assert_eq!(ranged(written), (query, range));
    }
}
