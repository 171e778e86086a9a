//! The subresource `pods/log`.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::json;
use super::kinds::Kind;
use super::read;
use super::server::{Shared, text};
use super::state::{LogKey, LogLine, State};
use super::status::Refusal;
use super::stream::container;
use super::target::Target;

const PLAIN: &str = "text/plain";

/// Answers with what a container wrote.
pub fn answer(shared: &Arc<Shared>, kind: &'static Kind, target: &Target) -> Result<Response, Refusal> {
    if target.verb != "get" {
        return Err(Refusal::no_method());
    }
    let key = shared.with(|state| {
        let pod = read::get(state, kind, target)?;
        let container = container(&pod, target)?;
        check(state, &pod, &container, target.flag("previous"))
    })?;
    let timestamps = target.flag("timestamps");
    let lines = shared.with(|state| chosen(state, &key, target));
    let mut bytes: Vec<u8> = lines.iter().flat_map(|line| written(line, timestamps).into_bytes()).collect();
    let limit = target.number("limitBytes").and_then(|limit| usize::try_from(limit).ok());
    if let Some(limit) = limit {
        bytes.truncate(limit);
    }
    if !target.flag("follow") || limit.is_some() {
        return Ok(text(200, PLAIN, bytes));
    }
    let follow = Follow { shared: Arc::clone(shared), seen: shared.with(|state| count(state, &key)), key, timestamps };
    let first = (!bytes.is_empty()).then(|| Bytes::from(bytes));
    let lines = stream::unfold((first, follow), |(first, follow)| async move {
        match first {
            Some(first) => Some((Ok::<_, std::convert::Infallible>(first), (None, follow))),
            None => follow.next().await.map(|(bytes, follow)| (Ok(bytes), (None, follow))),
        }
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PLAIN));
    Ok(response)
}

/// Whether the container has written anything that can be read.
fn check(state: &State, pod: &Value, container: &str, previous: bool) -> Result<LogKey, Refusal> {
    let (namespace, name) = (json::namespace(pod), json::name(pod));
    let key = (namespace.to_owned(), name.to_owned(), container.to_owned(), previous);
    if previous && !state.logs.contains_key(&key) {
        let message = format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Err(Refusal::bad_request(message));
    }
    let statuses =
        json::list(pod, "/status/containerStatuses").iter().chain(json::list(pod, "/status/initContainerStatuses"));
    let status = statuses.into_iter().find(|status| json::text(status, "/name") == container);
    if let Some(reason) = status.map(|status| json::text(status, "/state/waiting/reason")).filter(|one| !one.is_empty())
    {
        let reason = match reason {
            "ImagePullBackOff" | "ErrImagePull" => "trying and failing to pull image".to_owned(),
            other => other.to_owned(),
        };
        let message = format!("container \"{container}\" in pod \"{name}\" is waiting to start: {reason}");
        return Err(Refusal::bad_request(message));
    }
    Ok(key)
}

fn chosen(state: &State, key: &LogKey, target: &Target) -> Vec<LogLine> {
    let since = target
        .parameter("sinceSeconds")
        .and_then(|seconds| seconds.parse().ok())
        .and_then(|seconds| state.now().checked_sub(SignedDuration::from_secs(seconds)).ok())
        .or_else(|| target.parameter("sinceTime")?.parse::<Timestamp>().ok());
    let lines = state.logs.get(key).map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<LogLine> =
        lines.iter().filter(|line| since.is_none_or(|since| line.time >= since)).cloned().collect();
    let tail = target.number("tailLines").and_then(|tail| usize::try_from(tail).ok()).unwrap_or(usize::MAX);
    lines.get(lines.len().saturating_sub(tail)..).map(<[LogLine]>::to_vec).unwrap_or_default()
}

fn count(state: &State, key: &LogKey) -> usize {
    state.logs.get(key).map_or(0, Vec::len)
}

fn written(line: &LogLine, timestamps: bool) -> String {
    let text = &line.text;
    if timestamps { format!("{} {text}\n", line.time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ")) } else { format!("{text}\n") }
}

/// Reads on as the container writes, until its pod is gone.
struct Follow {
    shared: Arc<Shared>,
    key: LogKey,
    seen: usize,
    timestamps: bool,
}

impl Follow {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let mut news = self.shared.news();
        loop {
            news.mark_unchanged();
            let (lines, there) = self.shared.with(|state| {
                let lines = state.logs.get(&self.key).and_then(|lines| lines.get(self.seen..)).map(<[LogLine]>::to_vec);
                let pods = state.list("pods", Some(&self.key.0));
                (lines.unwrap_or_default(), pods.iter().any(|pod| json::name(pod) == self.key.1))
            });
            if !lines.is_empty() {
                self.seen += lines.len();
                let text: String = lines.iter().map(|line| written(line, self.timestamps)).collect();
                return Some((Bytes::from(text), self));
            }
            if !there {
                return None;
            }
            news.changed().await.ok()?;
        }
    }
}
