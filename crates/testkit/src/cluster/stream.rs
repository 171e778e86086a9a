//! What is answered bit by bit: watches, logs, commands, forwarded ports, and what listens in pods.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, WebSocketUpgrade};
use axum::http::{HeaderMap, Request, request};
use axum::response::Response;
use serde_json::Value;

use super::exec::{self, Exec, Executed, Streams};
use super::json;
use super::kinds::Kind;
use super::server::Shared;
use super::status::Refusal;
use super::target::Target;
use super::{forward, logs, proxy, read, watch};

pub use super::watch::expired;

/// Whether a request is answered bit by bit.
pub fn is_streamed(target: &Target) -> bool {
    target.verb == "watch"
        || target.name.is_some() && target.subresource.is_empty() && target.verb == "get" && target.flag("watch")
        || matches!(target.subresource.as_str(), "log" | "exec" | "portforward" | "proxy")
}

/// Answers it.
pub async fn answer(
    shared: &Arc<Shared>,
    kind: &'static Kind,
    target: &Target,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    if target.subresource.is_empty() {
        return watch::begin(shared, kind, target);
    }
    if !kind.subresources.contains(&target.subresource.as_str()) {
        return Err(Refusal::no_resource());
    }
    match target.subresource.as_str() {
        "log" => logs::answer(shared, kind, target),
        "proxy" => proxy::answer(shared, kind, target, request).await,
        "exec" => run(shared, kind, target, request).await,
        _ => forward::answer(shared, kind, target, request).await,
    }
}

/// The container that a request is about.
pub fn container(pod: &Value, target: &Target) -> Result<String, Refusal> {
    let names = |list: &str| -> Vec<String> {
        json::list(pod, list).iter().map(|one| json::text(one, "/name").to_owned()).collect()
    };
    let (containers, initial) = (names("/spec/containers"), names("/spec/initContainers"));
    let name = json::name(pod);
    if let Some(container) = target.parameter("container").filter(|container| !container.is_empty()) {
        if containers.iter().chain(&initial).any(|one| one == container) {
            return Ok(container.to_owned());
        }
        return Err(Refusal::bad_request(format!("container {container} is not valid for pod {name}")));
    }
    if let [only] = containers.as_slice() {
        return Ok(only.clone());
    }
    let mut message =
        format!("a container name must be specified for pod {name}, choose one of: [{}]", containers.join(" "));
    if !initial.is_empty() {
        message = format!("{message} or one of the init containers: [{}]", initial.join(" "));
    }
    Err(Refusal::bad_request(message))
}

/// Turns a request into a WebSocket that speaks one of these protocols.
pub async fn upgrade(parts: &mut request::Parts, protocols: &[&'static str]) -> Result<WebSocketUpgrade, Refusal> {
    let asked = |headers: &HeaderMap| {
        let protocols = headers.get_all("sec-websocket-protocol").iter().filter_map(|value| value.to_str().ok());
        protocols.flat_map(|list| list.split(',').map(|one| one.trim().to_owned())).collect::<Vec<String>>()
    };
    let asked = asked(&parts.headers);
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|_| Refusal::bad_request("unable to upgrade: missing upgrade headers in request"))?;
    if !protocols.iter().any(|protocol| asked.iter().any(|one| one == protocol)) {
        return Err(Refusal::bad_request(format!("unable to upgrade: none of {asked:?} is supported")));
    }
    Ok(upgrade.protocols(protocols.to_vec()))
}

async fn run(
    shared: &Arc<Shared>,
    kind: &'static Kind,
    target: &Target,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let pod = shared.with(|state| read::get(state, kind, target))?;
    let mut exec = Exec {
        namespace: json::namespace(&pod).to_owned(),
        pod: json::name(&pod).to_owned(),
        container: container(&pod, target)?,
        command: target.parameters("command"),
        stdin: Vec::new(),
    };
    if exec.command.is_empty() {
        return Err(Refusal::bad_request("you must specify at least one command for the container"));
    }
    let streams = Streams { stdout: target.flag("stdout"), stderr: target.flag("stderr") };
    let wants_input = target.flag("stdin");
    if !(streams.stdout || streams.stderr || wants_input) {
        return Err(Refusal::bad_request("you must specify at least one of stdin, stdout, stderr"));
    }
    if !matches!(json::text(&pod, "/status/phase"), "Running") {
        let message = format!("unable to upgrade connection: container not found (\"{}\")", exec.container);
        return Err(Refusal::new(500, "InternalError", format!("Internal error occurred: {message}")));
    }
    let handler = shared.with(|state| state.exec.clone());
    let (mut parts, _) = request.into_parts();
    let upgrade = upgrade(&mut parts, &exec::PROTOCOLS).await?;
    Ok(upgrade.on_upgrade(move |mut socket| async move {
        if wants_input {
            exec.stdin = exec::stdin(&mut socket).await;
        }
        let executed = match handler {
            Some(handler) => handler(&exec),
            None => Executed::failed(127, &format!("{}: not found\n", exec.command.join(" "))),
        };
        exec::answer(socket, &exec, &executed, streams).await;
    }))
}
