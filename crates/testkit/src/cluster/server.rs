//! The server: connections, faults, login, and the way of a request to what answers it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::fault::{Call, Fault};
use super::state::State;
use super::status::Refusal;
use super::target::{Place, Target};
use super::{access, controllers, dispatch, render, stream as streams};

/// No body is larger, as with etcd.
const LARGEST_BODY: usize = 3 * 1024 * 1024;

/// What the handle, the connections and the timer have in common.
pub struct Shared {
    state: Mutex<State>,
    version: watch::Sender<u64>,
    wake: Notify,
    refuse: watch::Sender<Duration>,
}

/// A connection that ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub struct Cut;

impl Shared {
    /// A cluster in this state.
    pub fn new(state: State) -> Self {
        Self {
            state: Mutex::new(state),
            version: watch::Sender::new(0),
            wake: Notify::new(),
            refuse: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Looks at the state.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and lets the controllers run until nothing changes any more.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, version) = self.with(|state| {
            let result = change(state);
            controllers::settle(state);
            (result, state.store.version())
        });
        self.tell(version);
        result
    }

    /// The same for a request: where it changes nothing, as it is refused, there is nothing for the controllers to do.
    fn request<T>(&self, handle: impl FnOnce(&mut State) -> T) -> T {
        let (result, changed) = self.with(|state| {
            let before = state.store.version();
            let result = handle(state);
            let changed = state.store.version() != before;
            if changed {
                controllers::settle_since(state, before);
            }
            (result, changed.then(|| state.store.version()))
        });
        if let Some(version) = changed {
            self.tell(version);
        }
        result
    }

    /// Tells watches and the timer that something has changed.
    fn tell(&self, version: u64) {
        self.version.send_replace(version);
        self.wake.notify_one();
    }

    /// Tells of every change.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Ends every connection, and refuses new ones for a time.
    pub fn refuse(&self, time: Duration) {
        self.refuse.send_replace(time);
    }

    /// Runs the controllers when it is time.
    pub async fn keep_time(self: Arc<Self>) {
        loop {
            let wait = self.with(|state| {
                let now = state.now();
                state.due().map(|due| Duration::try_from(now.duration_until(due)).unwrap_or_default())
            });
            match wait {
                Some(wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => self.change(|_| {}),
                        () = self.wake.notified() => {}
                    }
                }
                None => self.wake.notified().await,
            }
        }
    }

    /// Takes connections, until it is dropped.
    pub async fn listen(self: Arc<Self>, listener: TcpListener, address: SocketAddr) {
        let mut refuse = self.refuse.subscribe();
        let mut connections = JoinSet::new();
        let mut listener = listener;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    // A peer that went before it was accepted is no reason to stop.
                    if let Ok((stream, _)) = accepted {
                        self.with(|state| state.connections += 1);
                        connections.spawn(Arc::clone(&self).connection(stream));
                    }
                }
                Some(_) = connections.join_next() => {}
                changed = refuse.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let time = *refuse.borrow_and_update();
                    drop(listener);
                    connections.shutdown().await;
                    tokio::time::sleep(time).await;
                    listener = loop {
                        match TcpListener::bind(address).await {
                            Ok(listener) => break listener,
                            // Somebody else may hold the port for a moment.
                            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                        }
                    };
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        // Small answers shall not wait for the acknowledgement of the one before them.
        drop(stream.set_nodelay(true));
        let service = service_fn(move |request: Request<Incoming>| answer(Arc::clone(&self), request));
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        // Connections end in many ways, and on purpose; the client is told by the end itself.
        drop(served);
    }
}

/// The way of one request.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response, Cut> {
    let target = Target::parse(request.method(), request.uri());
    let (number, fault) = shared.with(|state| {
        let call = Call::of(&target);
        let fault = state.plan.take(&call);
        let number = state.next_call;
        state.next_call += 1;
        state.calls.push((number, call));
        (number, fault)
    });
    let answered = |code: u16| {
        shared.with(|state| {
            if let Some((_, call)) = state.calls.iter_mut().rev().find(|(found, _)| *found == number) {
                call.status = code;
            }
        });
    };
    let response = match fault {
        Some(Fault::Slow(time)) => {
            tokio::time::sleep(time).await;
            handle(&shared, &target, request).await
        }
        Some(Fault::HalfAnswer) => {
            let response = handle(&shared, &target, request).await;
            answered(response.status().as_u16());
            return halved(response).await;
        }
        Some(Fault::LostAnswer) => {
            let response = handle(&shared, &target, request).await;
            drop(response);
            return Err(Cut);
        }
        Some(Fault::LostRequest) => return Err(Cut),
        Some(Fault::RefuseConnections(time)) => {
            shared.refuse(time);
            // The listener ends this connection together with itself, so that no new one comes in between.
            std::future::pending::<Infallible>().await;
            return Err(Cut);
        }
        Some(fault) => faulty(&shared, &target, &fault),
        None => handle(&shared, &target, request).await,
    };
    answered(response.status().as_u16());
    Ok(response)
}

/// The answer of a fault that keeps the request from being handled.
fn faulty(shared: &Shared, target: &Target, fault: &Fault) -> Response {
    let refusal = match fault {
        Fault::Unavailable => {
            Refusal::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        }
        Fault::Internal => {
            let message = "Internal error occurred: etcdserver: leader changed";
            Refusal {
                details: Some(json!({ "causes": [{ "message": "etcdserver: leader changed" }] })),
                ..Refusal::new(500, "InternalError", message)
            }
        }
        Fault::Busy(seconds) => Refusal::busy(*seconds),
        Fault::Conflict => match target.place {
            Place::Resource(kind) => Refusal::stale(kind, target.name.as_deref().unwrap_or_default()),
            Place::Other => Refusal::new(409, "Conflict", "the object has been modified"),
        },
        Fault::Gone if target.verb == "watch" => return streams::expired("too old resource version: 1 (2)"),
        Fault::Gone => Refusal::gone("The provided continue parameter is too old to display a consistent list result."),
        Fault::ExpiredLogin => {
            shared.with(|state| state.token = None);
            Refusal::unauthorized()
        }
        Fault::NotYetServed => return text(404, "text/plain; charset=utf-8", "404 page not found\n"),
        Fault::Initializing => Refusal { message: "storage is (re)initializing".to_owned(), ..Refusal::busy(1) },
        Fault::Garbage => {
            let page =
                "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n";
            return text(200, "text/html; charset=utf-8", page);
        }
        Fault::Slow(_) | Fault::HalfAnswer | Fault::LostAnswer | Fault::LostRequest | Fault::RefuseConnections(_) => {
            Refusal::new(500, "InternalError", "this fault has no answer of its own")
        }
    };
    refused(&refusal)
}

/// The headers and the first half of an answer.
async fn halved(response: Response) -> Result<Response, Cut> {
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST_BODY).await.map_err(|_| Cut)?;
    let half = bytes.slice(..bytes.len() / 2);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    // The second part comes a moment later, so that the first one is on its way before the connection ends.
    let pieces = stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok::<Bytes, Cut>(half), Some(Bytes::new()))),
            _ => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(Cut), None))
            }
        }
    });
    Ok(Response::from_parts(parts, Body::from_stream(pieces)))
}

/// Login, access, and the answer.
async fn handle(shared: &Arc<Shared>, target: &Target, request: Request<Incoming>) -> Response {
    let (parts, body) = request.into_parts();
    let known = shared.with(|state| is_logged_in(state, &parts.headers));
    if !known {
        return refused(&Refusal::unauthorized());
    }
    if let Err(refusal) = shared.with(|state| access::authorize(state, target)) {
        return refused(&refusal);
    }
    if let Place::Resource(kind) = target.place {
        let served = shared.with(|state| state.is_served(kind));
        if !served {
            return not_found();
        }
        if streams::is_streamed(target) {
            let request = Request::from_parts(parts, Body::new(body));
            return streams::answer(shared, kind, target, request).await.unwrap_or_else(|refusal| refused(&refusal));
        }
    }
    let Ok(bytes) = axum::body::to_bytes(Body::new(body), LARGEST_BODY).await else {
        let message = format!("Request entity too large: limit is {LARGEST_BODY}");
        return refused(&Refusal::new(413, "RequestEntityTooLarge", message));
    };
    match target.place {
        Place::Resource(kind) => {
            let read = matches!(target.verb, "get" | "list");
            let act = |state: &mut State| dispatch::resource(state, kind, target, &parts.headers, &bytes);
            let answer = if read { shared.with(act) } else { shared.request(act) };
            match answer {
                Ok((code, body)) if read => {
                    let accept = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
                    let now = shared.with(|state| state.now());
                    object(code, &render::in_form(kind, accept.unwrap_or_default(), body, now))
                }
                Ok((code, body)) => object(code, &body),
                Err(refusal) => refused(&refusal),
            }
        }
        Place::Other => match target.path.as_str() {
            "/healthz" | "/livez" | "/readyz" => text(200, "text/plain; charset=utf-8", "ok"),
            path => match shared.with(|state| super::discovery::page(state, path)) {
                Some(Ok(page)) => object(200, &page),
                Some(Err(refusal)) => refused(&refusal),
                None => not_found(),
            },
        },
    }
}

fn is_logged_in(state: &State, headers: &HeaderMap) -> bool {
    let Some(token) = &state.token else { return false };
    match headers.get(header::AUTHORIZATION) {
        Some(given) => given.to_str().ok().and_then(|given| given.strip_prefix("Bearer ")) == Some(token.as_str()),
        None => state.settings.anonymous,
    }
}

/// What is served nowhere has no `Status`.
pub fn not_found() -> Response {
    text(404, "text/plain; charset=utf-8", "404 page not found\n")
}

/// An answer with an object.
pub fn object(code: u16, body: &Value) -> Response {
    let mut bytes = body.to_string();
    bytes.push('\n');
    text(code, "application/json", bytes)
}

/// An answer with a `Status` that refuses.
pub fn refused(refusal: &Refusal) -> Response {
    let mut response = object(refusal.code, &refusal.body());
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An answer with a text.
pub fn text(code: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
