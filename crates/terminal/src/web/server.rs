//! The routes: the way in, the files, calls and the stream of events.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, middleware};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use belay_cockpit::api::{Api, Call, CallError, Place, Told};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::access::{Access, Entry};
use super::files::{File, Files};

/// The largest call, in bytes: a runbook's text has at most one mebibyte, and JSON makes it longer.
const LARGEST_CALL: usize = 4 << 20;

/// What pages served here may do: load what lies beside them, and talk to where they came from.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One server.
pub struct Server {
    /// The application.
    pub api: Arc<Api>,
    /// Who gets in.
    pub access: Access,
    /// The user interface.
    pub files: Files,
    /// Ends streams when the server is to end.
    pub stop: CancellationToken,
}

/// Serves until the server is stopped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(server: Arc<Server>, listener: TcpListener) -> std::io::Result<()> {
    let stop = server.stop.clone();
    let calls = Router::new()
        .route("/api/call", post(call).layer(DefaultBodyLimit::max(LARGEST_CALL)))
        .route("/api/events", get(events))
        .layer(middleware::from_fn_with_state(Arc::clone(&server), only_from_here));
    let routes = Router::new()
        .route("/", get(front))
        .route("/index.html", get(front))
        .fallback(get(file))
        .merge(calls)
        .layer(middleware::from_fn_with_state(Arc::clone(&server), guard))
        .with_state(server);
    axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

/// Refuses names that are not ours, and puts the headers on that every answer has.
async fn guard(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let mut response = if server.access.is_host(request.headers()) {
        next.run(request).await
    } else {
        let hint = "open the link that `belay web` printed, or name this host with `--host HOST:PORT`";
        page(StatusCode::MISDIRECTED_REQUEST, "This server is not known by that name", hint)
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets calls and streams through that carry the cookie and come from a page that was served here.
async fn only_from_here(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !server.access.is_known(headers) {
        let hint = "open the newest link that `belay web` printed";
        return refused(StatusCode::UNAUTHORIZED, "this browser has not been let in", hint);
    }
    if !server.access.is_origin(headers) {
        return refused(StatusCode::FORBIDDEN, "another site's page asked", "open belay's own page");
    }
    next.run(request).await
}

#[derive(Deserialize)]
struct Link {
    token: Option<String>,
}

async fn front(State(server): State<Arc<Server>>, Query(link): Query<Link>, headers: HeaderMap) -> Response {
    if let Some(token) = link.token {
        return match server.access.enter(&token) {
            Entry::Granted => entered(&server.access),
            // Whoever is in already has clicked twice.
            Entry::Used | Entry::Unknown if server.access.is_known(&headers) => entered_before(),
            Entry::Used => page(
                StatusCode::UNAUTHORIZED,
                "This link has been used",
                "each link lets in once; press Enter where `belay web` runs for a new one",
            ),
            Entry::Unknown => page(
                StatusCode::UNAUTHORIZED,
                "This link is not of this server",
                "belay may have been started anew since; open the link that it printed last",
            ),
        };
    }
    if !server.access.is_known(&headers) {
        return page(
            StatusCode::UNAUTHORIZED,
            "This browser has not been let in",
            "open the link that `belay web` printed; press Enter there for a new one",
        );
    }
    match server.files.front() {
        Some(file) => {
            let policy = policy_of(&file.bytes);
            let mut response = served(file);
            response.headers_mut().extend(policy.map(|policy| (CONTENT_SECURITY_POLICY, policy)));
            response
        }
        None => page(StatusCode::NOT_FOUND, "This build has no user interface", "build it with `make ui` first"),
    }
}

/// The policy of the front page, whose first picture brings its own looks: those very bytes are allowed, by their hash.
fn policy_of(front: &[u8]) -> Option<HeaderValue> {
    let html = std::str::from_utf8(front).ok()?;
    let (_, rest) = html.split_once("<style>")?;
    let (style, _) = rest.split_once("</style>")?;
    let hash = BASE64_STANDARD.encode(Sha256::digest(style));
    HeaderValue::from_str(&POLICY.replace("style-src 'self'", &format!("style-src 'self' 'sha256-{hash}'"))).ok()
}

/// The page after the link: without the token in its address, and asked for by a page of ours, so that the cookie comes
/// along.
fn entered(access: &Access) -> Response {
    let mut response = entered_before();
    if let Ok(cookie) = HeaderValue::from_str(&access.set_cookie()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn entered_before() -> Response {
    let html = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0; \
                url=/\"><title>Belay</title><p><a href=\"/\">Go on to Belay</a></p></html>";
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

async fn file(State(server): State<Arc<Server>>, uri: Uri) -> Response {
    match server.files.get(uri.path().trim_start_matches('/')) {
        Some(file) => served(file),
        None => page(StatusCode::NOT_FOUND, "There is no such page", "go back to the front page"),
    }
}

fn served(file: File) -> Response {
    let kept = if file.is_hashed { "public, max-age=31536000, immutable" } else { "no-store" };
    let headers = [(CONTENT_TYPE, file.media_type), (CACHE_CONTROL, kept)];
    (headers, Body::from(file.bytes.into_owned())).into_response()
}

async fn call(State(server): State<Arc<Server>>, call: Result<Json<Call>, JsonRejection>) -> Response {
    let call = match call {
        Ok(Json(call)) => call,
        Err(rejection) => {
            let hint = "reload the page; it may be of another version than this server";
            return refused(rejection.status(), &format!("the call cannot be read: {}", rejection.body_text()), hint);
        }
    };
    match server.api.call(call).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => {
            let status = match error.class.as_str() {
                "user" => StatusCode::UNPROCESSABLE_ENTITY,
                "refused" => StatusCode::CONFLICT,
                "environment" => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, Json(error)).into_response()
        }
    }
}

#[derive(Deserialize)]
struct After {
    stream: Option<String>,
    n: Option<u64>,
}

async fn events(State(server): State<Arc<Server>>, Query(after): Query<After>, upgrade: WebSocketUpgrade) -> Response {
    let place = after.stream.zip(after.n).map(|(stream, n)| Place { stream, n });
    upgrade.on_upgrade(move |socket| stream(server, socket, place))
}

/// Sends events until either side ends. A browser that is slow is not waited for: what it misses it asks for.
async fn stream(server: Arc<Server>, mut socket: WebSocket, place: Option<Place>) {
    let mut listener = server.api.listen(place.as_ref());
    loop {
        let told = tokio::select! {
            told = listener.next() => told,
            message = socket.recv() => match message {
                // Nothing is said on this socket; whatever keeps it alive is answered below us.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            () = server.stop.cancelled() => return,
        };
        let Some(text) = told.as_ref().and_then(text_of) else { return };
        if socket.send(Message::text(text)).await.is_err() {
            return;
        }
    }
}

fn text_of(told: &Told) -> Option<String> {
    serde_json::to_string(told).inspect_err(|error| tracing::error!(%error, "an event cannot be written")).ok()
}

fn refused(status: StatusCode, message: &str, hint: &str) -> Response {
    let error = CallError { class: "refused".to_owned(), message: message.to_owned(), hint: Some(hint.to_owned()) };
    (status, Json(error)).into_response()
}

/// A page of words alone, for whoever has no user interface yet.
fn page(status: StatusCode, title: &str, hint: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>Belay: {title}</title>\
         <main><h1>{title}</h1><p>{hint}</p></main></html>"
    );
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}
