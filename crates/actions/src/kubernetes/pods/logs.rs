//! `kubernetes.get_logs`.

use async_trait::async_trait;
use belay_runbook::act::{EXCERPT_LIMIT, Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use kube::api::LogParams;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Named, of_pod};
use crate::declaration::{boolean, integer, list, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site};

/// Lines that are read where nobody says how many.
const LINES: i64 = 200;

/// Bytes that are read at most.
const BYTES: i64 = 1 << 20;

/// Reads the end of a pod's log.
pub(super) struct GetLogs;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    #[serde(flatten)]
    named: Named,
    container: Option<String>,
    #[serde(default)]
    previous: bool,
    tail_lines: Option<i64>,
    since_seconds: Option<i64>,
}

#[async_trait]
impl ClusterAct for GetLogs {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        of_pod("get_logs", "Read the last lines of a pod's log")
            .optional("container", Sink::Name, text("the container; needed where the pod has several"))
            .optional("previous", Sink::Json, boolean("the log of the container that ended before"))
            .optional("tailLines", Sink::Json, integer(1, "how many lines, 200 where absent"))
            .optional("sinceSeconds", Sink::Json, integer(1, "how far back"))
            .publishes("logs", list(&text("a line"), "the lines, oldest first"))
            .output("truncated", boolean("whether lines were left out"))
            .access("get pods/log")
            .build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("read the log of pod {}", parameters.named.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let mut prepared = site.preparation(parameters.named.target(site), &Self::declaration());
        let pod = parameters.named.read(site).await?;
        prepared.facts.insert("podExists".to_owned(), json!(pod.is_some()));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, _preparation: &Preparation) -> Outcome {
        let lines = parameters.tail_lines.unwrap_or(LINES);
        let wanted = LogParams {
            container: parameters.container.clone(),
            previous: parameters.previous,
            // One line more tells whether there are more.
            tail_lines: Some(lines.saturating_add(1)),
            since_seconds: parameters.since_seconds,
            limit_bytes: Some(BYTES),
            ..LogParams::default()
        };
        let api = parameters.named.api(site);
        let asked = parameters.named.asked(site, "get", "pods/log");
        let text = match site.cluster.ask(&asked, || api.logs(&parameters.named.pod_name, &wanted)).await {
            Ok(text) => text,
            Err(trouble) => return trouble.outcome_midway(),
        };
        site.say(&text);
        let mut found: Vec<Value> = text.lines().map(|line| json!(line)).collect();
        let more = found.len().saturating_sub(usize::try_from(lines).unwrap_or(usize::MAX));
        found.drain(..more);
        let cut = more > 0 || i64::try_from(text.len()).is_ok_and(|length| length >= BYTES);
        let mut outcome = Outcome::succeeded(json!({ "logs": found, "truncated": cut }));
        end_of(&text).clone_into(&mut outcome.excerpt);
        outcome.published.insert("logs".to_owned(), Value::Array(found));
        outcome
    }
}

/// The last bytes of a text that fit into an excerpt, from a whole character.
fn end_of(text: &str) -> &str {
    let start = text.len().saturating_sub(EXCERPT_LIMIT);
    let start = (start..=text.len()).find(|index| text.is_char_boundary(*index)).unwrap_or(text.len());
    &text[start..]
}
