//! Watches: a stream of JSON lines, one for each change.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::json;
use super::kinds::Kind;
use super::read;
use super::selector::Selection;
use super::server::Shared;
use super::status::Refusal;
use super::store::Change;
use super::target::Target;

/// What comes before the first change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// Nothing.
    Changes,
    /// The objects that exist.
    Objects,
    /// The objects that exist, and a bookmark that says where they end.
    MarkedObjects,
}

struct Watch {
    shared: Arc<Shared>,
    news: Receiver<u64>,
    kind: &'static Kind,
    namespace: Option<String>,
    selection: Selection,
    /// The newest version that the watcher knows; `None` before the first event.
    position: Option<u64>,
    beginning: Beginning,
    bookmarks: bool,
    every: Duration,
    next_bookmark: Instant,
    end: Instant,
    epoch: u64,
    over: bool,
}

/// Begins a watch.
pub fn begin(shared: &Arc<Shared>, kind: &'static Kind, target: &Target) -> Result<Response, Refusal> {
    let selection = read::selection(kind, target)?;
    let version = target.number("resourceVersion").filter(|version| *version > 0);
    let initial = target.parameter("sendInitialEvents").map(|_| target.flag("sendInitialEvents"));
    if initial.is_some() && target.parameter("resourceVersionMatch") != Some("NotOlderThan") {
        return Err(Refusal::new(
            422,
            "Invalid",
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires \
             setting resourceVersionMatch to NotOlderThan",
        ));
    }
    let (every, epoch) = shared.with(|state| (state.settings.bookmark_every, state.watch_epoch));
    let now = Instant::now();
    let beginning = match (initial, version) {
        (Some(true), _) => Beginning::MarkedObjects,
        (Some(false), _) | (None, Some(_)) => Beginning::Changes,
        (None, None) => Beginning::Objects,
    };
    let watch = Watch {
        shared: Arc::clone(shared),
        news: shared.news(),
        kind,
        namespace: target.namespace.clone(),
        selection,
        position: version.filter(|_| beginning == Beginning::Changes),
        beginning,
        bookmarks: target.flag("allowWatchBookmarks"),
        every,
        next_bookmark: now + every,
        end: now + Duration::from_secs(target.number("timeoutSeconds").unwrap_or(1800)),
        epoch,
        over: false,
    };
    Ok(response(Body::from_stream(stream::unfold(watch, |mut watch| async move {
        let lines = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(lines), watch))
    }))))
}

/// A watch that has nothing to say but that it is over: 410.
pub fn expired(message: &str) -> Response {
    response(Body::from(line("ERROR", &Refusal::gone(message).body())))
}

fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn line(kind: &str, object: &Value) -> Bytes {
    let mut line = json!({ "type": kind, "object": object }).to_string();
    line.push('\n');
    Bytes::from(line)
}

impl Watch {
    /// The next lines; `None` where the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.over {
                return None;
            }
            self.news.mark_unchanged();
            if let Some(lines) = self.lines() {
                return Some(lines);
            }
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.end) => {
                    self.over = true;
                    return self.bookmarks.then(|| self.bookmark(false));
                }
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark = Instant::now() + self.every;
                    return Some(self.bookmark(false));
                }
            }
        }
    }

    /// What is new, as far as it is known now.
    fn lines(&mut self) -> Option<Bytes> {
        let shared = Arc::clone(&self.shared);
        shared.with(|state| {
            if state.watch_epoch != self.epoch {
                self.over = true;
                return None;
            }
            let mut lines: Vec<u8> = Vec::new();
            let Some(position) = self.position else {
                if self.beginning != Beginning::Changes {
                    for object in state.store.list(self.kind, self.namespace.as_deref()) {
                        if self.selection.matches(&object) {
                            lines.extend_from_slice(&line("ADDED", &object));
                        }
                    }
                }
                self.position = Some(state.store.version());
                if self.beginning == Beginning::MarkedObjects {
                    lines.extend_from_slice(&self.bookmark(true));
                }
                return (!lines.is_empty()).then(|| Bytes::from(lines));
            };
            let Some(changes) = state.store.changes(position) else {
                self.over = true;
                let message = format!("too old resource version: {position} ({})", state.store.forgotten());
                return Some(line("ERROR", &Refusal::gone(message).body()));
            };
            for change in changes {
                if change.key.plural == self.kind.plural
                    && self.namespace.as_ref().is_none_or(|namespace| *namespace == change.key.namespace)
                    && let Some(line) = self.event(change)
                {
                    lines.extend_from_slice(&line);
                }
            }
            self.position = Some(state.store.version().max(position));
            (!lines.is_empty()).then(|| Bytes::from(lines))
        })
    }

    fn event(&self, change: &Change) -> Option<Bytes> {
        let before = change.before.as_ref().filter(|object| self.selection.matches(object));
        let after = change.after.as_ref().filter(|object| self.selection.matches(object));
        match (before, after) {
            (None, Some(after)) => Some(line("ADDED", after)),
            (Some(_), Some(after)) => Some(line("MODIFIED", after)),
            (Some(before), None) => {
                let mut last = Value::clone(before);
                json::put(&mut last, &["metadata", "resourceVersion"], change.version.to_string());
                Some(line("DELETED", &last))
            }
            (None, None) => None,
        }
    }

    fn bookmark(&self, ends_initial: bool) -> Bytes {
        let version = self.position.unwrap_or_default().to_string();
        let mut object = json!({
            "kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": { "resourceVersion": version },
        });
        if ends_initial {
            json::put(&mut object, &["metadata", "annotations"], json!({ "k8s.io/initial-events-end": "true" }));
        }
        line("BOOKMARK", &object)
    }
}
